//! Where tokens are bound and should not be, or the other way round; and where the key is lost.

use playground::{Fault, Playground, Settings, Then};
use serde_json::json;

use super::{cached, call, demanded, expire, offered, signed_in};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// The error that the first request after opening a session ends with.
fn refusal(machine: &Machine, playground: &Playground, arguments: &[&str]) -> String {
    let mut bridge = Bridge::start(machine, &playground.mcp_url(), arguments);
    let id = bridge.request(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "tests", "version": "1" },
        }),
    );
    let mut answer = bridge.answer(id);
    if answer.get("error").is_none() {
        let id = bridge.request("resources/list", json!({}));
        answer = bridge.answer(id);
    }
    let error = answer["error"]["message"].as_str();
    error.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn never_names_who_demands_it_and_asks_nobody() {
    for (settings, who) in [
        (demanded(), "dpop_bound_access_tokens_required"),
        (offered(), "scheme `DPoP`"),
    ] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let error = refusal(&machine, &playground, &["--dpop", "never"]);
        assert!(
            error.contains(who) && error.contains("--dpop never"),
            "{error}"
        );
        assert!(machine.opened().is_empty());
        assert_eq!(playground.authorizations(), 0);
    }
}

#[test]
fn always_takes_no_bearer_token() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let error = refusal(&machine, &playground, &["--dpop", "always"]);
    assert!(error.contains("bearer token"), "{error}");
    assert!(
        playground
            .requests()
            .iter()
            .all(|request| request.bearer().is_none())
    );
    assert!(cached(&machine).get("access_token").is_none());
}

#[test]
fn always_binds_where_nobody_asks_for_it() {
    let mut settings = offered();
    settings.dpop.challenge = false;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    call(&machine, &playground, &["--dpop", "always"]);
    super::all_is_proven(&playground);
}

#[test]
fn a_bearer_token_in_answer_to_a_proof_is_used_with_a_warning() {
    let mut settings = offered();
    settings.dpop.binds = false;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    let said = bridge.stderr();
    bridge.close();
    assert!(said.contains("did not bind the token"), "{said}");
    assert!(
        playground
            .requests()
            .iter()
            .any(|request| request.bearer().is_some())
    );
    // Not so where the metadata demands a bound one.
    let mut settings = demanded();
    settings.dpop.binds = false;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let error = refusal(&machine, &playground, &[]);
    assert!(error.contains("bearer token"), "{error}");
}

#[test]
fn never_replaces_tokens_that_are_bound_and_always_those_that_are_not() {
    let mut settings = offered();
    settings.dpop.challenge = false;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    for (mode, kind, opened) in [
        ("always", "dpop", 1),
        ("auto", "dpop", 1),
        ("never", "bearer", 2),
        ("auto", "bearer", 2),
        ("always", "dpop", 3),
    ] {
        call(&machine, &playground, &["--dpop", mode]);
        assert_eq!(cached(&machine)["token_type"], kind, "{mode}");
        assert_eq!(machine.opened().len(), opened, "{mode}");
    }
}

#[test]
fn a_lost_key_means_one_new_sign_in_and_a_note() {
    for damage in [json!(null), json!("AAAA")] {
        let (playground, machine) = signed_in(demanded());
        machine.edit_cached(|cached| cached["dpop_key"] = damage.clone());
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        bridge.tool("echo", json!({}));
        let said = bridge.stderr();
        bridge.close();
        let told = said.matches("has lost the key").count();
        assert_eq!(told, 1, "{said}");
        assert_eq!((machine.opened().len(), playground.registrations()), (2, 1));
        call(&machine, &playground, &[]);
        assert_eq!(machine.opened().len(), 2);
    }
}

#[test]
fn a_token_of_another_key_is_refreshed_in_vain_and_then_signed_in_for() {
    let (playground, machine) = signed_in(demanded());
    // As if the file had been put together from two.
    let (elsewhere, other) = signed_in(demanded());
    drop(elsewhere);
    let key = cached(&other)["dpop_key"].clone();
    machine.edit_cached(|cached| cached["dpop_key"] = key);
    call(&machine, &playground, &[]);
    assert_eq!(machine.opened().len(), 2, "{}", playground.printed_log());
}

#[test]
fn a_server_that_refuses_every_proof_is_told_of_and_asks_nobody_again() {
    let (playground, machine) = signed_in(demanded());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    let challenge = r#"DPoP error="invalid_dpop_proof""#.to_owned();
    let refusing = Fault::mcp().rpc("tools/call").always();
    playground.fault(refusing.then(Then::Unauthorized(Some(challenge))));
    let echo = json!({ "name": "echo", "arguments": {} });
    let id = bridge.request("tools/call", echo);
    let answer = bridge.answer(id);
    let error = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(error.contains("refuses the proof"), "{answer}");
    bridge.close();
    assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
}

#[test]
fn a_token_endpoint_that_refuses_every_proof_keeps_the_sign_in() {
    let (playground, machine) = signed_in(demanded());
    expire(&playground, &machine);
    let refused = Then::answer(400)
        .header("content-type", "application/json")
        .body(r#"{"error":"invalid_dpop_proof"}"#);
    playground.fault(Fault::token("refresh_token").always().then(refused));
    let error = refusal(&machine, &playground, &[]);
    assert!(error.contains("invalid_dpop_proof"), "{error}");
    assert_eq!(machine.opened().len(), 1);
    playground.clear_faults();
    call(&machine, &playground, &[]);
    assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
}
