//! An authorization server that is down: one process finds out, and the others learn it from that.

use playground::{Fault, Playground, Settings, Then};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::opening;

#[test]
fn those_that_wait_for_a_refresh_that_fails_do_not_try_it_one_after_the_other() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let mut bridge = Bridge::open(&machine, &url, &[]);
    bridge.tool("echo", json!({}));
    bridge.close();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    let start = || {
        let mut bridge = Bridge::start(&machine, &url, &["--debug"]);
        bridge.request("initialize", opening("2025-11-25", json!({})));
        bridge
    };
    let first = start();
    playground.wait_for(|requests| {
        let refresh = |request: &&playground::Request| {
            request.parameter("grant_type").as_deref() == Some("refresh_token")
        };
        requests.iter().find(refresh).map(|_| ())
    });
    let others: Vec<Bridge> = (0..5).map(|_| start()).collect();
    for other in &others {
        other.stderr_says("waiting for another process that refreshes the token");
    }
    // The answer is lost, and the second try finds nobody.
    playground.stop();
    first.stderr_says("cannot sign in to");
    for other in &others {
        other.stderr_says("another process could not refresh the token");
        assert!(!other.stderr().contains("refreshing:"), "{}", other.story());
    }
    assert_eq!(machine.opened().len(), 1);
}
