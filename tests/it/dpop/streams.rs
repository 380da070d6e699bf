//! Streams, redirects and the end of a session: each request has a proof of its own.

use playground::{Fault, Nonces, Server, Settings, Then, Transports};
use serde_json::json;

use super::{all_is_proven, call, demanded, signed_in, with_nonces};
use crate::support::bridge::Bridge;
use crate::support::scene::{is_delete, is_get};

#[test]
fn a_stream_that_ends_early_is_resumed_with_a_proof() {
    for settings in [demanded(), with_nonces(Nonces::Once)] {
        let (playground, machine) = signed_in(settings);
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        playground.wait_for_answered(is_get);
        let cut = Fault::mcp().rpc("tools/call").then(Then::cut_after(1));
        playground.fault(cut);
        let result = bridge.tool("slow", json!({ "steps": 3 }));
        assert_eq!(result["content"][0]["text"], "done after 3 steps");
        bridge.close();
        let requests = playground.requests();
        let resumed = requests
            .iter()
            .filter(|request| request.header("last-event-id").is_some());
        assert!(resumed.clone().count() >= 1);
        assert!(
            resumed
                .into_iter()
                .all(|request| request.dpop_token().is_some())
        );
        let ended = requests.iter().rfind(|request| is_delete(request)).unwrap();
        assert_eq!((proofs_of(ended), ended.status), (1, Some(204)));
        all_is_proven(&playground);
    }
}

fn proofs_of(request: &playground::Request) -> usize {
    super::proofs(request)
}

#[test]
fn each_hop_of_a_redirect_has_a_proof_for_its_address() {
    let (playground, machine) = signed_in(demanded());
    let origin = playground.mcp_url().replace("/mcp", "");
    let moved = Then::answer(307).header("Location", "/mcp?key=2");
    let old = Fault::of(Server::Mcp).path("/old").always();
    playground.fault(old.then(moved));
    let address = format!("{origin}/old?key=1");
    let name = playground_name(&machine);
    let before = playground.requests().len();
    let mut bridge = Bridge::open(&machine, &address, &["--name", &name]);
    bridge.tool("echo", json!({}));
    bridge.close();
    let requests = playground.requests().split_off(before);
    assert!(requests.iter().any(|request| request.path == "/old"));
    // What the hop before said in its proof holds for no other.
    let proofs: std::collections::HashSet<_> = requests
        .iter()
        .map(|request| request.header("dpop"))
        .collect();
    assert_eq!(proofs.len(), requests.len());
    assert_eq!(playground.refused_proofs(), [] as [String; 0]);
}

/// The name of the one sign-in there is.
fn playground_name(machine: &crate::support::machine::Machine) -> String {
    let path = machine.cached().remove(0);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    name.strip_suffix(".token.json").unwrap().to_owned()
}

#[test]
fn a_server_of_2024_gets_proofs_with_its_stream_and_its_messages() {
    let settings = Settings {
        dpop: demanded().dpop,
        transports: Transports::Sse,
        ..Settings::of_2024_11_05()
    };
    let (playground, machine) = signed_in(settings);
    call(&machine, &playground, &[]);
    all_is_proven(&playground);
}
