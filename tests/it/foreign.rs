//! Two more authorization servers that other people wrote, each behind its own guard of an MCP server: better-auth with its MCP
//! plugin, and Cloudflare's workers-oauth-provider under workerd. What is asserted is what they answered.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::{Kind, Server};

/// Makes a test of each function for each kind of server.
macro_rules! with_each_server {
    ($($name:ident),+ $(,)?) => {
        mod better_auth {
            $(#[test] fn $name() { super::$name(super::Kind::BetterAuth); })+
        }
        mod workers {
            $(#[test] fn $name() { super::$name(super::Kind::Workers); })+
        }
    };
}

with_each_server!(
    each_day_of_a_sign_in_passes,
    many_that_start_together_share_one_sign_in,
    many_that_meet_an_expired_token_refresh_it_once,
);

/// What an authorization server answered, by the names of `tests/peers/node/foreign-counts.mjs`; nothing of what it did not.
type Cost = BTreeMap<String, u64>;

/// A first sign-in.
const FIRST: &[(&str, u64)] = &[("registrations", 1), ("codes", 1), ("code_exchanges", 1)];
/// A later one.
const AGAIN: &[(&str, u64)] = &[("codes", 1), ("code_exchanges", 1)];
const REFRESH: &[(&str, u64)] = &[("refreshes", 1)];
const NOTHING: &[(&str, u64)] = &[];

fn each_day_of_a_sign_in_passes(kind: Kind) {
    let scene = Scene::new(kind);
    scene.costs("cold", FIRST, || scene.call());
    scene.costs("warm", NOTHING, || scene.call());
    for _ in 0..2 {
        scene.costs("expired", REFRESH, || {
            scene.expire();
            scene.call();
        });
    }
    scene.costs("refused in the middle", REFRESH, || {
        let mut bridge = scene.open();
        scene.server.control("/forget-access-tokens");
        let ids: Vec<u64> = (0..5).map(|_| ask(&mut bridge)).collect();
        answered(&mut bridge, ids);
    });
    let revoked = [AGAIN, &[("refreshes_refused", 1)]].concat();
    scene.costs("revoked", &revoked, || {
        scene.server.control("/revoke-grants");
        scene.call();
    });
    scene.costs("step-up", AGAIN, || {
        let mut bridge = scene.open();
        scene.server.control("/require?scope=mcp:admin");
        let ids: Vec<u64> = (0..5).map(|_| ask(&mut bridge)).collect();
        answered(&mut bridge, ids);
    });
    scene.costs("warm after step-up", NOTHING, || scene.call());
    scene.costs("expired after step-up", REFRESH, || {
        scene.expire();
        scene.call();
    });
    assert_eq!(scene.machine.opened().len(), 3);
}

fn many_that_start_together_share_one_sign_in(kind: Kind) {
    let scene = Scene::new(kind);
    scene.costs("together", FIRST, || scene.work_together(8));
    assert_eq!(scene.machine.opened().len(), 1);
}

fn many_that_meet_an_expired_token_refresh_it_once(kind: Kind) {
    let scene = Scene::new(kind);
    scene.call();
    scene.expire();
    scene.costs("together", REFRESH, || scene.work_together(8));
    assert_eq!(scene.machine.opened().len(), 1);
}

#[test]
fn better_auth_takes_the_proofs_of_a_bridge_that_is_told_to_give_them() {
    let mut scene = Scene::new(Kind::BetterAuth);
    scene.arguments = &["--dpop", "always"];
    scene.costs("cold", FIRST, || scene.call());
    let token_type = scene.machine.sign_in()["token_type"].clone();
    assert!(
        token_type
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP")),
        "{token_type}"
    );
    scene.costs("warm", NOTHING, || scene.call());
    scene.costs("expired", REFRESH, || {
        scene.machine.expire_cached();
        scene.call();
    });
    assert_eq!(scene.machine.opened().len(), 1);
    assert_eq!(scene.counts()["tokens_refused"], 0);
}

/// A server and a machine.
struct Scene {
    server: Server,
    machine: Machine,
    arguments: &'static [&'static str],
}

impl Scene {
    fn new(kind: Kind) -> Self {
        Self {
            server: Server::start(kind),
            machine: Machine::new(),
            arguments: &[],
        }
    }

    fn open(&self) -> Bridge {
        Bridge::open(&self.machine, self.server.url.as_str(), self.arguments)
    }

    /// Opens a session, calls a tool, and closes.
    fn call(&self) {
        let mut bridge = self.open();
        let id = ask(&mut bridge);
        answered(&mut bridge, vec![id]);
        bridge.close();
    }

    /// So many bridges start at once, and each makes a call.
    fn work_together(&self, count: usize) {
        let url = self.server.url.as_str();
        let mut bridges: Vec<Bridge> = (0..count)
            .map(|_| Bridge::start(&self.machine, url, self.arguments))
            .collect();
        for bridge in &mut bridges {
            bridge.initialize("2025-11-25", json!({}));
        }
        for bridge in &mut bridges {
            let id = ask(bridge);
            answered(bridge, vec![id]);
        }
    }

    /// Time passes: the access token is past its end, here and there.
    fn expire(&self) {
        self.server.control("/forget-access-tokens");
        self.machine.expire_cached();
    }

    fn counts(&self) -> Cost {
        serde_json::from_value(self.server.control("/counts")).expect("counts")
    }

    /// Does it and compares what it cost at the authorization server.
    fn costs(&self, what: &str, expected: &[(&str, u64)], act: impl FnOnce()) {
        let before = self.counts();
        act();
        let mut cost = self.counts();
        // How many requests meet the news at the MCP server is chance.
        cost.remove("tokens_refused");
        cost.retain(|name, count| {
            *count -= before[name];
            *count > 0
        });
        let expected: Cost = expected
            .iter()
            .map(|&(name, count)| (name.to_owned(), count))
            .collect();
        assert_eq!(cost, expected, "{what}");
    }
}

fn ask(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    )
}

fn answered(bridge: &mut Bridge, ids: Vec<u64>) {
    for id in ids {
        let answer = bridge.answer(id);
        let sum = &answer["result"]["content"][0]["text"];
        assert_eq!(sum, "5", "{answer}\n{}", bridge.story());
    }
}
