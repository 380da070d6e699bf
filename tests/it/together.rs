//! Many bridges of one person at the same time.

use std::thread;

use playground::{Playground, Settings};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// Starts so many bridges at once; each opens its session and lists the tools.
fn start_together(machine: &Machine, playground: &Playground, count: usize) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let mut bridge = Bridge::open(machine, &playground.mcp_url(), &[]);
                let answer = bridge.call("tools/list", json!({}));
                assert!(
                    answer.get("result").is_some(),
                    "{answer}\n{}",
                    bridge.story()
                );
                assert!(bridge.close().status.success());
            });
        }
    });
}

#[test]
fn ten_on_an_empty_cache_share_one_sign_in() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    start_together(&machine, &playground, 10);
    assert_eq!(machine.opened().len(), 1);
    assert_eq!(playground.registrations(), 1);
    assert_eq!(playground.code_exchanges(), 1);
}

#[test]
fn ten_with_an_expired_token_refresh_it_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    start_together(&machine, &playground, 1);
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    start_together(&machine, &playground, 10);
    assert_eq!(
        (
            playground.refreshes(),
            playground.reuses(),
            machine.opened().len()
        ),
        (1, 0, 1)
    );
    // The grant is alive: it can be refreshed again.
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    start_together(&machine, &playground, 1);
    assert_eq!((playground.refreshes(), machine.opened().len()), (2, 1));
}

#[test]
fn a_sign_in_that_is_killed_is_finished_by_the_next_process() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut first = Bridge::start(&machine, &playground.mcp_url(), &["--no-browser"]);
    first.request(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    let address = first.stderr_address();
    drop(first);
    // The tab that is open already is all that the second process needs.
    let mut second = Bridge::start(&machine, &playground.mcp_url(), &["--no-browser"]);
    let id = second.request(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    assert_eq!(second.stderr_address(), address);
    playground::browse(&address, playground::Manner::Approve).unwrap();
    assert!(
        second.answer(id).get("result").is_some(),
        "{}",
        second.story()
    );
    assert_eq!(
        (playground.registrations(), playground.code_exchanges()),
        (1, 1)
    );
}
