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
    for dpop in [demanded(), with_nonces(Nonces::Once)].map(|settings| settings.dpop) {
        let settings = Settings {
            dpop,
            transports: Transports::Sse,
            ..Settings::of_2024_11_05()
        };
        let (playground, machine) = signed_in(settings);
        call(&machine, &playground, &[]);
        // Neither the stream nor a message is opened or sent in vain for want of a new nonce.
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        playground.forget_nonces();
        bridge.tool("echo", json!({}));
        bridge.close();
        all_is_proven(&playground);
        assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
    }
}

#[test]
fn a_session_ends_although_the_nonce_has() {
    let (playground, machine) = signed_in(with_nonces(Nonces::Lasting));
    let earlier = playground.requests().len();
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    playground.wait_for_answered(|request| is_get(request) && request.number >= earlier);
    playground.forget_nonces();
    bridge.close();
    let requests = playground.requests();
    let ended: Vec<_> = requests
        .iter()
        .filter(|request| is_delete(request))
        .collect();
    let statuses: Vec<_> = ended.iter().rev().take(2).map(|r| r.status).collect();
    assert_eq!(statuses, [Some(204), Some(401)]);
    all_is_proven(&playground);
}

#[test]
fn the_standing_stream_is_opened_with_the_nonce_that_is_wanted() {
    let (playground, machine) = signed_in(with_nonces(Nonces::Lasting));
    // The stream is asked for once the notification is taken; the nonce ends in between.
    let refused = Then::answer(401)
        .header("www-authenticate", r#"DPoP error="use_dpop_nonce""#)
        .header("dpop-nonce", "NOT_THE_ONE_BEFORE");
    let get = Fault::mcp().method("GET");
    playground.fault(get.then(refused));
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    playground.wait_for(|requests| {
        let mut gets = requests.iter().filter(|request| is_get(request));
        gets.rfind(|request| request.status == Some(200))?.status
    });
    bridge.close();
    assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
}
