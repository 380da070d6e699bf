//! Clients and servers that do anything legal at any time: each request is answered once, nothing of
//! the wrong era reaches either side, and nothing stays behind.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dice::Dice;

/// How many runs, unless `ERA_RUNS` said another number when this was built.
const RUNS: u64 = 30;
const STEPS: u64 = 80;

struct Chaos {
    world: World,
    dice: Dice,
    open: BTreeSet<u64>,
    cancelled: BTreeSet<u64>,
    listens: BTreeSet<u64>,
    /// The era of each request.
    eras: BTreeMap<u64, Side>,
    /// The requests that want to see the log.
    loud: BTreeSet<u64>,
    /// The progress that was told of each request.
    progress: BTreeMap<u64, f64>,
}

/// What is added to an id to make a progress token.
const TOKEN: u64 = 1_000_000;

impl Chaos {
    fn new(client: Option<Side>, server: Side, seed: u64) -> Self {
        let mut world = World::new(client.unwrap_or(Side::New), server);
        world.open();
        if client.is_none() {
            // It has probed, and then opens a session all the same.
            world.client = Side::Old;
            world.open();
            world.mixed = true;
        }
        Self {
            world,
            dice: Dice(seed),
            open: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            listens: BTreeSet::new(),
            eras: BTreeMap::new(),
            loud: BTreeSet::new(),
            progress: BTreeMap::new(),
        }
    }

    /// Takes what the client was told, and answers what it is asked.
    fn read(&mut self) {
        while let Some(told) = self.world.told.pop_front() {
            match (told.get("method").is_some(), told.get("id").cloned()) {
                (true, Some(id)) => {
                    let mut answer = match self.dice.roll(4) {
                        0 => json!({ "error": { "code": -32603, "message": "no" } }),
                        1 => json!({ "result": { "action": "decline" } }),
                        2 => json!({ "result": { "action": "accept", "content": {} } }),
                        // Never.
                        _ => continue,
                    };
                    answer["jsonrpc"] = "2.0".into();
                    answer["id"] = id;
                    self.world.say(&answer);
                }
                (false, Some(id)) => self.answered(id.as_u64().unwrap(), &told),
                (true, None) => self.heard(&told),
                (false, None) => panic!("{told}"),
            }
        }
    }

    fn heard(&mut self, told: &Value) {
        let params = &told["params"];
        match told["method"].as_str().unwrap() {
            "notifications/progress" => {
                let id = params["progressToken"].as_u64().unwrap() - TOKEN;
                assert!(self.open.contains(&id), "{id} is over: {told}");
                let value = params["progress"].as_f64().unwrap();
                let before = self.progress.insert(id, value);
                assert!(before.is_none_or(|before| before < value), "{told}");
            }
            "notifications/message" if self.world.client == Side::New && !self.world.mixed => {
                let wanted = self.loud.intersection(&self.open).count();
                assert!(wanted > 0, "{told}");
            }
            "notifications/cancelled" if self.world.client == Side::New && !self.world.mixed => {
                let id = params["requestId"].as_u64().unwrap();
                assert!(
                    !self.listens.contains(&id),
                    "the result comes first: {told}"
                );
            }
            _ => {
                let tag = &params["_meta"][meta::SUBSCRIPTION];
                if self.world.client == Side::New && !self.world.mixed {
                    assert!(tag.is_u64(), "{told}");
                }
                if let Some(tag) = tag.as_u64() {
                    assert!(self.listens.contains(&tag), "nobody listens: {told}");
                }
            }
        }
    }

    fn answered(&mut self, id: u64, told: &Value) {
        assert!(!self.cancelled.contains(&id), "{id} was cancelled: {told}");
        assert!(self.open.remove(&id), "{id} was answered before: {told}");
        self.listens.remove(&id);
        let result = &told["result"];
        if result.is_object() {
            let is_new = self.eras[&id] == Side::New;
            assert_eq!(result.get("resultType").is_some(), is_new, "{told}");
        }
        if result["resultType"] != "input_required" || self.dice.roll(5) == 0 {
            return;
        }
        let keys = result["inputRequests"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let mut responses = json!({});
        for key in keys.keys() {
            if self.dice.roll(4) > 0 {
                responses[key] = json!({ "action": "accept", "content": {} });
            }
        }
        let params = json!({
            "name": "ask", "arguments": {}, "requestState": result["requestState"],
            "inputResponses": responses,
        });
        self.ask_as(Side::New, "tools/call", params);
    }

    /// Asks as a client of one of its eras does.
    fn ask(&mut self, method: &str, params: Value) {
        let side = match self.world.mixed {
            true => self.dice.one_of(BOTH).unwrap(),
            false => self.world.client,
        };
        self.ask_as(side, method, params);
    }

    fn ask_as(&mut self, side: Side, method: &str, params: Value) {
        let mut params = params;
        let id = self.world.next_id + 1;
        if self.dice.roll(2) == 0 && method == "tools/call" {
            params["_meta"]["progressToken"] = (TOKEN + id).into();
        }
        if side == Side::New && self.dice.roll(4) == 0 {
            let level = self.dice.one_of(["debug", "warning", "emergency"]);
            params["_meta"][meta::LOG_LEVEL] = level.unwrap().into();
            self.loud.insert(id);
        }
        self.open.insert(id);
        self.eras.insert(id, side);
        self.world.client = side;
        self.world.ask(method, params);
    }

    fn cancel(&mut self, id: u64) {
        self.open.remove(&id);
        self.listens.remove(&id);
        self.cancelled.insert(id);
        let params = json!({ "requestId": id });
        self.world.say(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        );
    }

    /// One of the requests that are under way at the server.
    fn one_under_way(&mut self, fits: impl Fn(&Value) -> bool) -> Option<u64> {
        let live = self.world.server.live.iter();
        let live: Vec<u64> = live
            .filter(|(_, live)| fits(live))
            .map(|(exchange, _)| *exchange)
            .collect();
        self.dice.one_of(live)
    }

    fn step(&mut self) {
        match self.dice.roll(17) {
            0 => self.ask("tools/list", json!({})),
            1 => self.ask("tools/call", json!({ "name": "echo", "arguments": {} })),
            2 | 3 => self.ask("tools/call", json!({ "name": "ask", "arguments": {} })),
            4 => self.ask("tools/call", json!({ "name": "hang", "arguments": {} })),
            5 => {
                if let Some(id) = self.dice.one_of(self.open.iter().copied()) {
                    self.cancel(id);
                }
            }
            6 => self.subscribe(),
            7 => {
                let what = self.dice.one_of([
                    "notifications/tools/list_changed",
                    "notifications/resources/updated",
                ]);
                let params = json!({ "uri": "file:///x" });
                self.world.server.change(what.unwrap(), params);
            }
            8 => {
                // The server finishes something that took long.
                let hangs = |live: &Value| live["params"]["name"] == "hang";
                if let Some(exchange) = self.one_under_way(hangs) {
                    self.world.server.reply(exchange, json!({ "content": [] }));
                }
            }
            9 => {
                if let Some(exchange) = self.one_under_way(|_| true) {
                    self.world.server.breaks(exchange);
                }
            }
            10 => self.by_the_way(),
            11 => {
                // The server ends a subscription.
                let listens = |live: &Value| live["method"] == "subscriptions/listen";
                if let Some(exchange) = self.one_under_way(listens) {
                    self.world.server.subscriptions.remove(&exchange);
                    self.world.server.reply(exchange, json!({}));
                }
            }
            12 if self.dice.roll(4) == 0 => {
                self.world.server.refusals = u32::try_from(self.dice.roll(3)).unwrap();
                self.world.server.restart();
            }
            13 if self.dice.roll(8) == 0 => self.open_again(),
            14 => self.ask_as(self.world.client, "server/discover", json!({})),
            15 => self.world.pass(self.dice.0 % 500),
            _ => self.world.pass(self.dice.0 % 60_000),
        }
        self.world.settle();
        self.read();
    }

    fn subscribe(&mut self) {
        let is_new = !self.world.mixed && self.world.client == Side::New;
        match is_new || self.world.mixed && self.dice.roll(2) == 0 {
            false => self.ask_as(
                Side::Old,
                "resources/subscribe",
                json!({ "uri": "file:///x" }),
            ),
            true => {
                self.listens.insert(self.world.next_id + 1);
                let filter =
                    json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///x"] });
                let params = json!({ "notifications": filter });
                self.ask_as(Side::New, "subscriptions/listen", params);
            }
        }
    }

    /// The server tells of progress, or logs something.
    fn by_the_way(&mut self) {
        let calls = |live: &Value| live["method"] == "tools/call";
        let Some(exchange) = self.one_under_way(calls) else {
            return;
        };
        let token = self.world.server.live[&exchange]["params"]["_meta"]["progressToken"].clone();
        let message = match token.is_null() {
            true => json!({
                "jsonrpc": "2.0", "method": "notifications/message",
                "params": { "level": "error", "data": "x" },
            }),
            false => json!({
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": token, "progress": self.dice.roll(50) },
            }),
        };
        self.world.server.send(exchange, &message);
    }

    /// A client with a session opens another one.
    fn open_again(&mut self) {
        if !self.world.mixed && self.world.client == Side::New {
            return;
        }
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "c", "version": "1" },
        });
        self.ask_as(Side::Old, "initialize", params);
        self.world
            .say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    /// Everything comes to its end.
    fn end(&mut self) {
        for _ in 0..40 {
            while let Some(exchange) =
                self.one_under_way(|live| live["method"] != "subscriptions/listen")
            {
                self.world.server.reply(exchange, json!({ "content": [] }));
            }
            self.world.settle();
            self.world.pass(11 * 60 * 1000);
            self.read();
        }
        let left: Vec<&u64> = self.open.difference(&self.listens).collect();
        assert!(left.is_empty(), "{left:?} were never answered");
        for id in self.listens.clone() {
            self.cancel(id);
        }
        let (host, server) = (&self.world.crossing.host, &self.world.crossing.server);
        assert!(host.rests(), "{host:?}");
        assert!(server.rests_but_for_subscriptions(), "{server:?}");
        assert!(!self.world.crossing.is_busy());
    }
}

#[test]
fn whatever_happens_each_request_is_answered_once() {
    let runs = option_env!("ERA_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    for run in 0..runs {
        for client in [Some(Side::Old), Some(Side::New), None] {
            for server in BOTH {
                let mut chaos = Chaos::new(client, server, run);
                for _ in 0..STEPS {
                    chaos.step();
                }
                chaos.end();
            }
        }
    }
}
