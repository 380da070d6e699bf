//! Refreshing: silently, in time, and never with a browser where the network is at fault.

use playground::{Fault, Memory, Playground, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A machine that has signed in before.
fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    Bridge::open(&machine, &playground.mcp_url(), &[]).close();
    assert_eq!(machine.opened().len(), 1);
    (playground, machine)
}

fn cached(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(&machine.cached()[0]).unwrap()).unwrap()
}

/// Time passes: the token is no longer good, here and at the server.
fn expire(playground: &Playground, machine: &Machine) {
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
}

fn call(machine: &Machine, playground: &Playground) {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    bridge.close();
}

#[test]
fn an_expired_token_is_refreshed_before_the_first_request() {
    let (playground, machine) = signed_in(Settings::default());
    let old = cached(&machine);
    for round in 1..=3 {
        expire(&playground, &machine);
        let before = playground.requests().len();
        call(&machine, &playground);
        let requests = playground.requests().split_off(before);
        // No request carried the expired token, and no metadata was asked for.
        assert_eq!(
            requests[0].parameter("grant_type").as_deref(),
            Some("refresh_token"),
            "{}",
            playground.printed_log()
        );
        assert!(
            requests.iter().all(|request| request.status != Some(401)),
            "{}",
            playground.printed_log()
        );
        assert!(
            requests
                .iter()
                .all(|request| !request.path.contains(".well-known")),
            "{}",
            playground.printed_log()
        );
        assert_eq!(playground.refreshes(), round);
    }
    assert_eq!((machine.opened().len(), playground.reuses()), (1, 0));
    let new = cached(&machine);
    assert_ne!(new["refresh_token"], old["refresh_token"]);
    assert_eq!(new["client"], old["client"]);
}

#[test]
fn a_token_refused_in_the_middle_of_a_session_is_refreshed() {
    let (playground, machine) = signed_in(Settings::default());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    playground.expire_access_tokens();
    bridge.tool("echo", json!({}));
    assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
}

#[test]
fn many_calls_that_meet_a_refused_token_refresh_once() {
    let (playground, machine) = signed_in(Settings::default());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    playground.expire_access_tokens();
    let ids: Vec<u64> = (0..10)
        .map(|n| {
            bridge.request(
                "tools/call",
                json!({ "name": "echo", "arguments": { "n": n } }),
            )
        })
        .collect();
    for id in ids {
        assert!(
            bridge.answer(id).get("result").is_some(),
            "{}",
            bridge.story()
        );
    }
    assert_eq!(
        (
            playground.refreshes(),
            playground.reuses(),
            machine.opened().len()
        ),
        (1, 0, 1)
    );
}

#[test]
fn a_token_that_a_sibling_renewed_is_adopted() {
    let (playground, machine) = signed_in(Settings::default());
    let mut first = Bridge::open(&machine, &playground.mcp_url(), &[]);
    let mut second = Bridge::open(&machine, &playground.mcp_url(), &[]);
    playground.expire_access_tokens();
    first.tool("echo", json!({}));
    second.tool("echo", json!({}));
    assert_eq!(
        (
            playground.refreshes(),
            playground.reuses(),
            machine.opened().len()
        ),
        (1, 0, 1)
    );
}

#[test]
fn a_dead_refresh_token_leads_to_one_sign_in() {
    let (playground, machine) = signed_in(Settings::default());
    playground.revoke_grants();
    expire(&playground, &machine);
    call(&machine, &playground);
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 1));
    call(&machine, &playground);
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_client_that_the_server_forgot_is_registered_anew_once() {
    let (playground, machine) = signed_in(Settings::default());
    playground.restart(Memory::Lost);
    expire(&playground, &machine);
    call(&machine, &playground);
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 2));
}

#[test]
fn a_server_without_new_refresh_tokens_keeps_the_old_one() {
    let (playground, machine) = signed_in(Settings {
        rotate: false,
        ..Settings::default()
    });
    let old = cached(&machine)["refresh_token"].clone();
    expire(&playground, &machine);
    call(&machine, &playground);
    assert_eq!(cached(&machine)["refresh_token"], old);
    expire(&playground, &machine);
    call(&machine, &playground);
    assert_eq!((playground.refreshes(), machine.opened().len()), (2, 1));
}

#[test]
fn a_token_endpoint_that_is_down_opens_no_browser_and_loses_nothing() {
    let (playground, machine) = signed_in(Settings::default());
    let old = cached(&machine);
    expire(&playground, &machine);
    playground.fault(
        Fault::token("refresh_token")
            .always()
            .then(Then::answer(500)),
    );
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let answer = bridge.call(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    assert_eq!(
        answer["error"]["data"]["bridge"]["stage"], "auth",
        "{answer}"
    );
    assert_eq!(machine.opened().len(), 1);
    assert_eq!(cached(&machine)["refresh_token"], old["refresh_token"]);
    // It comes back, and so does the session, in the same process.
    playground.clear_faults();
    bridge.initialize("2025-11-25", json!({}));
    bridge.tool("echo", json!({}));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn odd_answers_of_token_endpoints_are_understood() {
    let faults: Vec<(&str, Then)> = vec![
        ("expires_in as text", Then::expires_in_as_text()),
        ("no token_type", Then::without("token_type")),
        ("no scope", Then::without("scope")),
        (
            "scope as array",
            Then::edit(|answer| answer["scope"] = json!(["tools"])),
        ),
    ];
    for (name, then) in faults {
        let (playground, machine) = signed_in(Settings::default());
        expire(&playground, &machine);
        playground.fault(Fault::token("refresh_token").then(then));
        call(&machine, &playground);
        assert_eq!(
            (playground.refreshes(), machine.opened().len()),
            (1, 1),
            "{name}"
        );
        assert_eq!(playground.faults_left(), 0, "{name}");
    }
}

#[test]
fn a_busy_token_endpoint_is_asked_again() {
    let (playground, machine) = signed_in(Settings::default());
    expire(&playground, &machine);
    playground
        .fault(Fault::token("refresh_token").then(Then::answer(503).header("Retry-After", "0")));
    call(&machine, &playground);
    assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
}
