//! A server that other people wrote: the official SDK's, behind its own authorization server.

use super::examine;
use crate::support::machine::Machine;
use crate::support::peers::{Kind, Server};

#[test]
fn the_official_sdks_server_is_walked_before_and_after_a_sign_in() {
    let (server, machine) = (Server::start(Kind::OfficialSdk), Machine::new());
    let found = examine(&machine, server.url.as_str(), &[]);
    assert_eq!(found.code, 3, "{}", found.text);
    for step in [
        "network",
        "challenge",
        "resource-metadata",
        "authorization-server",
        "client",
    ] {
        assert_eq!(found.status(step), "ok", "{}", found.text);
    }
    let by_effect = |path: &str| ["/register", "/authorize", "/token"].contains(&path);
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| !by_effect(&request.path)),
        "{requests:#?}"
    );
    assert!(machine.opened().is_empty());

    machine.host(&server, "start,list,call,stop");
    let before = server.requests().len();
    let found = examine(&machine, server.url.as_str(), &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(
        (found.status("initialize"), found.status("tools")),
        ("ok", "ok")
    );
    let requests = &server.requests()[before..];
    assert!(
        requests.iter().all(|request| !by_effect(&request.path)),
        "{requests:#?}"
    );
    assert!(
        requests.iter().any(|request| request.method == "DELETE"),
        "{requests:#?}"
    );
    assert_eq!(machine.opened().len(), 1);
}
