//! The authorization server does not answer: nobody has to do anything, and the host is not kept
//! waiting either.

use playground::{Fault, Playground, Settings, Then};
use serde_json::json;

use super::{are_real, lists_changed};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

#[test]
fn a_host_is_answered_while_a_refresh_hangs_and_served_when_it_does_not() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    bridge.close();
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    let mut bridges: Vec<Bridge> = (0..3)
        .map(|_| Bridge::start(&machine, &playground.mcp_url(), &[]))
        .collect();
    for bridge in &mut bridges {
        // What the server is like is known from the last time.
        let result = bridge.initialize("2025-11-25", json!({}));
        assert_eq!(result["serverInfo"]["name"], "playground");
    }
    let ids: Vec<u64> = bridges
        .iter_mut()
        .map(|bridge| bridge.request("tools/list", json!({})))
        .collect();
    playground.release_held();
    for (mut bridge, id) in bridges.into_iter().zip(ids) {
        lists_changed(&mut bridge);
        are_real(&bridge.answer(id));
        bridge.close();
    }
    let counts = (
        playground.refreshes(),
        playground.reuses(),
        machine.opened().len(),
    );
    assert_eq!(counts, (1, 0, 1), "{}", playground.printed_log());
}
