//! Many processes, one person: they share one sign-in, whoever is killed on the way and whatever goes
//! wrong at the token endpoint.
//!
//! What is written over `dyn Authority` is run against the playground and against oidc-provider,
//! which other people wrote.

mod expiry;
mod killed;
mod outage;
mod revoking;
mod storm;
mod together;
mod writing;

use std::fmt::Arguments;
use std::io::Write;
use std::sync::OnceLock;

use serde_json::json;

use crate::support::authority::{Authority, Counts};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, opening};

/// As many as a person with many agents has.
const MANY: usize = 20;

/// Starts bridges together.
fn start(machine: &Machine, server: &dyn Authority, count: usize) -> Vec<Bridge> {
    let url = server.mcp_url();
    (0..count)
        .map(|_| Bridge::start(machine, &url, &[]))
        .collect()
}

/// Opens a session in each, all at once.
fn initialize(bridges: &mut [Bridge]) {
    let ask = |bridge: &mut Bridge| bridge.request("initialize", opening(NEWEST, json!({})));
    let ids: Vec<u64> = bridges.iter_mut().map(ask).collect();
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        let answer = bridge.answer(id);
        assert!(
            answer.get("result").is_some(),
            "{answer}\n{}",
            bridge.story()
        );
        bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }
}

/// Asks each for its tools, all at once. Every one must have the server's.
fn list_tools(bridges: &mut [Bridge]) {
    let ask = |bridge: &mut Bridge| bridge.request("tools/list", json!({}));
    let ids: Vec<u64> = bridges.iter_mut().map(ask).collect();
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        let tools = bridge.tools_listed(id);
        let has_add = tools.iter().any(|tool| tool == "add");
        assert!(has_add, "{tools:?}\n{}", bridge.story());
    }
}

/// One process signs in and ends.
fn sign_in(machine: &Machine, server: &dyn Authority) {
    let mut first = start(machine, server, 1);
    initialize(&mut first);
    list_tools(&mut first);
    for bridge in first {
        bridge.close();
    }
    assert_eq!(machine.opened().len(), 1, "{}", server.story());
}

/// The access token has ended, at the server and as far as processes can tell that start now.
fn expire(machine: &Machine, server: &dyn Authority) {
    server.expire_access_tokens();
    machine.expire_cached();
}

/// What chance begins with in this run of the tests. `STORM_SEED` repeats another run's.
fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("STORM_SEED") {
        Ok(given) => given.parse().expect("`STORM_SEED` is a number"),
        Err(_) => rand::random(),
    })
}

/// Prints a figure. Not by `println!`, which shows nothing of a test that succeeds.
fn tell(figure: Arguments<'_>) {
    let line = format!("    {figure}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Registrations, code exchanges, refreshes and reuses.
fn counted(server: &dyn Authority) -> [usize; 4] {
    let Counts {
        registrations,
        exchanges,
        refreshes,
        reuses,
        ..
    } = server.counts();
    [registrations, exchanges, refreshes, reuses]
}
