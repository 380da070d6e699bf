//! Hosts at a server without sessions that wants a sign-in: one made of the TypeScript SDK 2.x behind oidc-provider.

use super::hosts::Host;
use super::matrix;
use super::servers::Server;
use crate::support::machine::Machine;
use crate::support::peers::{Kind, Server as Protected};

#[test]
fn a_host_without_sessions_signs_in_once_at_a_server_without_sessions() {
    signs_in_once(Host::Sdk2Auto, Host::Sdk2Pinned);
}

#[test]
fn a_host_with_sessions_signs_in_once_at_a_server_without_sessions() {
    signs_in_once(Host::Sdk1, Host::PythonSessions);
}

/// `cold` has a person sign in, and everything passes; so it does for `warm` later on, of which nobody notices anything.
fn signs_in_once(cold: Host, warm: Host) {
    let machine = Machine::new();
    let server = Protected::start_with(Kind::OidcProvider, &["--stateless".to_owned()]);
    let row = cold.goes_to(Server::Sdk2, &server.url, &machine);
    let drawn = matrix::drawn(std::slice::from_ref(&row));
    assert_eq!(matrix::troubles(&[row]), [], "{drawn}");
    // A host of the SDK 2.x starts the bridge twice: to ask what it speaks, and to stay.
    assert_eq!(machine.opened().len(), 1);

    server.control("/restart");
    let before = server.requests().len();
    let row = warm.goes_to(Server::Sdk2, &server.url, &machine);
    assert!(row.is_right(), "{row:#?}");
    assert_eq!(machine.opened().len(), 1);
    let requests = &server.requests()[before..];
    assert!(
        requests
            .iter()
            .all(|request| request.path == "/mcp" && request.authorization && !request.session),
        "{requests:#?}"
    );
}
