//! Many bridges at once: one browser, one registration, one refresh, whoever is killed on the way.

use playground::{Fault, Manner, Playground, Settings, Then, browse};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

const BRIDGES: usize = 10;

fn start_all(machine: &Machine, playground: &Playground) -> Vec<Bridge> {
    let url = playground.mcp_url();
    let start = |_| Bridge::start(machine, &url, &[]);
    (0..BRIDGES).map(start).collect()
}

/// Opens a session in each and makes a call. All of them were started before.
fn all_work(bridges: &mut [Bridge]) {
    for bridge in bridges.iter_mut() {
        bridge.initialize("2025-11-25", json!({}));
        let result = bridge.tool("echo", json!({ "text": "hello" }));
        assert!(result.to_string().contains("hello"), "{result}");
    }
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

fn answered(bridge: &mut Bridge, id: u64) {
    let answer = bridge.answer(id);
    assert!(
        answer.get("result").is_some(),
        "{answer}\n{}",
        bridge.story()
    );
}

#[test]
fn bridges_that_start_together_open_one_browser() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridges = start_all(&machine, &playground);
    let ids: Vec<u64> = bridges.iter_mut().map(begin).collect();
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        answered(bridge, id);
    }
    let counts = (
        machine.opened().len(),
        playground.registrations(),
        playground.authorizations(),
        playground.code_exchanges(),
    );
    assert_eq!(counts, (1, 1, 1, 1), "{}", playground.printed_log());
}

#[test]
fn bridges_that_meet_an_expired_token_refresh_it_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    Bridge::open(&machine, &playground.mcp_url(), &[]).close();
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    all_work(&mut start_all(&machine, &playground));
    let counts = (
        playground.refreshes(),
        playground.reuses(),
        machine.opened().len(),
    );
    assert_eq!(counts, (1, 0, 1), "{}", playground.printed_log());
}

#[test]
fn bridges_whose_sessions_meet_a_refused_token_refresh_it_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    Bridge::open(&machine, &playground.mcp_url(), &[]).close();
    let mut bridges = start_all(&machine, &playground);
    all_work(&mut bridges);
    playground.expire_access_tokens();
    let ids: Vec<u64> = bridges
        .iter_mut()
        .map(|bridge| bridge.request("tools/call", json!({ "name": "echo", "arguments": {} })))
        .collect();
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        answered(bridge, id);
    }
    let counts = (
        playground.refreshes(),
        playground.reuses(),
        machine.opened().len(),
    );
    assert_eq!(counts, (1, 0, 1), "{}", playground.printed_log());
}

#[test]
fn a_killed_bridge_leaves_its_open_tab_to_the_next() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut first = Bridge::start(&machine, &playground.mcp_url(), &["--no-browser"]);
    begin(&mut first);
    let tab = first.stderr_address();
    let mut second = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let id = begin(&mut second);
    // Killed, and with nothing tidied up.
    drop(first);
    assert_eq!(second.stderr_address(), tab);
    assert_eq!(browse(&tab, Manner::Approve).unwrap().status, 200);
    answered(&mut second, id);
    let counts = (
        machine.opened().len(),
        playground.registrations(),
        playground.code_exchanges(),
    );
    assert_eq!(counts, (0, 1, 1), "{}", playground.printed_log());
}

#[test]
fn a_bridge_killed_while_it_refreshes_holds_nobody_up() {
    let settings = Settings {
        rotate: false,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    Bridge::open(&machine, &playground.mcp_url(), &[]).close();
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    let mut first = Bridge::start(&machine, &playground.mcp_url(), &[]);
    begin(&mut first);
    playground.wait_for(|requests| {
        let refresh = |request: &&playground::Request| {
            request.parameter("grant_type").as_deref() == Some("refresh_token")
        };
        requests.iter().find(refresh).map(|_| ())
    });
    drop(first);
    playground.release_held();
    let mut second = Bridge::open(&machine, &playground.mcp_url(), &[]);
    second.tool("echo", json!({}));
    assert_eq!(machine.opened().len(), 1);
}
