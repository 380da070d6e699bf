//! Processes that start together on an empty cache.

use playground::{Playground, Settings};

use super::{MANY, counted, initialize, list_tools, start};
use crate::support::authority::Authority;
use crate::support::machine::Machine;
use crate::support::oidc::OidcProvider;

#[test]
fn processes_that_start_together_share_one_sign_in() {
    share_one_sign_in(&Playground::start(Settings::default()));
}

#[test]
fn processes_that_start_together_share_one_sign_in_at_oidc_provider() {
    share_one_sign_in(&OidcProvider::start());
}

fn share_one_sign_in(server: &dyn Authority) {
    let machine = Machine::new();
    let mut bridges = start(&machine, server, MANY);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    assert_eq!(machine.opened().len(), 1, "{}", server.story());
    assert_eq!(counted(server), [1, 1, 0, 0], "{}", server.story());
}
