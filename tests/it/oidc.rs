//! The bridge against the certified authorization server oidc-provider, which rotates refresh tokens and ends a grant when one is
//! used again. What is asserted is what the provider itself has counted.

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, OidcProvider};

mod alone;
mod device;
mod faults;
mod id_token;
mod together;
mod variants;

/// Nothing happened.
const NOTHING: Counts = Counts::none();

/// A person signed in, with a client that was known already.
const SIGN_IN: Counts = Counts {
    authorizations: 1,
    code_exchanges: 1,
    ..NOTHING
};

/// What happened at the provider alone: how many requests of a bridge meet the news at the MCP server is chance.
fn at_the_provider(happened: Counts) -> Counts {
    Counts {
        tokens_refused: 0,
        tokens_missing: 0,
        proofs: 0,
        nonces_asked: 0,
        ..happened
    }
}

/// A provider, and a machine that has signed in to it.
fn signed_in() -> (OidcProvider, Machine) {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    call(&provider, &machine);
    assert_eq!(machine.opened().len(), 1);
    (provider, machine)
}

fn start(provider: &OidcProvider, machine: &Machine) -> Bridge {
    Bridge::start(machine, provider.url.as_str(), &[])
}

fn open(provider: &OidcProvider, machine: &Machine) -> Bridge {
    Bridge::open(machine, provider.url.as_str(), &[])
}

/// Opens a session, calls a tool, and closes.
fn call(provider: &OidcProvider, machine: &Machine) {
    let mut bridge = open(provider, machine);
    add(&mut bridge);
    bridge.close();
}

/// Sends `initialize` without waiting for the answer.
fn begin(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "tests", "version": "1" },
        }),
    )
}

fn began(bridge: &mut Bridge, id: u64) {
    let answer = bridge.answer(id);
    assert!(
        answer.get("result").is_some(),
        "{answer}\n{}",
        bridge.story()
    );
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
}

/// Waits until each has opened its session, and makes a call.
fn work_together(bridges: &mut [Bridge; 2], ids: [u64; 2]) {
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        began(bridge, id);
        add(bridge);
    }
}

/// The error that opening a session ends with, or the first call after it.
fn refused(bridge: &mut Bridge) -> Value {
    let id = begin(bridge);
    let mut answer = bridge.answer(id);
    if answer.get("result").is_some() {
        let id = ask_to_add(bridge);
        answer = bridge.answer(id);
    }
    assert!(answer.get("error").is_some(), "{answer}");
    answer
}

fn add(bridge: &mut Bridge) {
    let id = ask_to_add(bridge);
    added(bridge, id);
}

fn add_ten_at_once(bridge: &mut Bridge) {
    let ids: Vec<u64> = (0..10).map(|_| ask_to_add(bridge)).collect();
    for id in ids {
        added(bridge, id);
    }
}

fn ask_to_add(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    )
}

fn added(bridge: &mut Bridge, id: u64) {
    let answer = bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"],
        "5",
        "{answer}\n{}",
        bridge.story()
    );
}

/// Time passes: the access token is past its end, here and at the provider.
fn expire(provider: &OidcProvider, machine: &Machine) {
    provider.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
}

fn cached(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(&machine.cached()[0]).unwrap()).unwrap()
}

/// The claims of the cached ID token.
fn id_token(machine: &Machine) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let cached = cached(machine);
    let token = cached["id_token"].as_str().expect("an ID token is cached");
    let claims = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
