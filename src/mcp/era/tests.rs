//! Both ends and the relay together, between clients and servers of both eras.

mod chaos;
mod hosts;
mod matrix;
mod peers;

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::mcp::jsonrpc;
use crate::mcp::relay::OutgoingKind;
use peers::Peer;

/// The eras of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Opens with `initialize`.
    Old,
    /// Has no sessions.
    New,
}

const BOTH: [Side; 2] = [Side::Old, Side::New];

/// A client, the bridge and a server.
struct World {
    crossing: Crossing,
    client: Side,
    /// Whether the client is of both eras at once.
    mixed: bool,
    /// Whether the client writes slashes as PHP does, and Apple's libraries.
    escapes: bool,
    server: Peer,
    now: u64,
    /// What the client was told.
    told: VecDeque<Value>,
    next_id: u64,
}

impl World {
    fn new(client: Side, server: Side) -> Self {
        Self::with(client, server, Protocol::Auto, None)
    }

    fn with(client: Side, server: Side, protocol: Protocol, known: Option<&Verdict>) -> Self {
        let relay = Relay::new("mcp.example.com");
        Self {
            crossing: Crossing::new(relay, "mcp.example.com", protocol, known, [7; 32]),
            client,
            mixed: false,
            escapes: false,
            server: Peer::new(server),
            now: 0,
            told: VecDeque::new(),
            next_id: 0,
        }
    }

    /// The client says this.
    fn say(&mut self, message: &Value) {
        let mut text = message.to_string();
        if self.escapes {
            text = text.replace('/', "\\/");
        }
        let line = Bytes::from(text);
        self.crossing.host_line(line, self.now);
        self.settle();
    }

    /// The client asks this; gives the id.
    fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let mut params = params;
        if self.client == Side::New {
            params["_meta"][meta::VERSION] = "2026-07-28".into();
            params["_meta"][meta::CLIENT_INFO] = json!({ "name": "c", "version": "1" });
            params["_meta"][meta::CLIENT_CAPABILITIES] =
                json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        }
        let id = self.next_id;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The client begins as those of its era do.
    fn open(&mut self) {
        match self.client {
            Side::Old => {
                let capabilities = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
                let client = json!({ "name": "c", "version": "1" });
                let params = json!({
                    "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client,
                });
                let id = self.ask("initialize", params);
                let result = self.result(id);
                assert_eq!(result["protocolVersion"], "2025-11-25");
                assert_eq!(result["serverInfo"]["name"], "server");
                self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            }
            Side::New => {
                let id = self.ask("server/discover", json!({}));
                let result = self.result(id);
                let supported = result["supportedVersions"].as_array().unwrap();
                assert!(supported.contains(&"2026-07-28".into()), "{result}");
                assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "server");
            }
        }
    }

    /// Lets the server and the bridge say what they have to.
    fn settle(&mut self) {
        loop {
            for effect in self.crossing.take_effects() {
                match effect {
                    Effect::ToHost(line) => {
                        let text = line.to_vec();
                        let message: Value = serde_json::from_slice(&text).unwrap();
                        self.check_told(&message);
                        self.told.push_back(message);
                    }
                    other => self.server.effect(other),
                }
            }
            match self.server.next_event() {
                Some((exchange, event)) => self.crossing.remote_event(exchange, event, self.now),
                None => return,
            }
        }
    }

    /// Time passes until nothing is due within `millis`.
    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(at) = self.crossing.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.crossing.on_time(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// Nothing of the wrong era reaches the client.
    #[track_caller]
    fn check_told(&self, message: &Value) {
        if self.mixed {
            return;
        }
        let is_request = message.get("method").is_some() && message.get("id").is_some();
        match self.client {
            Side::New => {
                assert!(!is_request, "{message}");
                if let Some(result) = message.get("result") {
                    assert!(result.get("resultType").is_some(), "{message}");
                }
            }
            Side::Old => {
                assert!(message["result"].get("resultType").is_none(), "{message}");
                let text = message.to_string();
                assert!(!text.contains(meta::SUBSCRIPTION), "{text}");
                assert!(!text.contains("input_required"), "{text}");
            }
        }
    }

    /// The answer to a request of the client's.
    #[track_caller]
    fn answer(&mut self, id: u64) -> Value {
        let place = self
            .told
            .iter()
            .position(|told| told["id"] == id && told.get("method").is_none());
        let place = place.unwrap_or_else(|| panic!("no answer to {id} in {:?}", self.told));
        self.told.remove(place).unwrap()
    }

    #[track_caller]
    fn result(&mut self, id: u64) -> Value {
        let answer = self.answer(id);
        answer
            .get("result")
            .unwrap_or_else(|| panic!("{answer}"))
            .clone()
    }

    /// What the client was told by this method, in order.
    fn heard(&mut self, method: &str) -> Vec<Value> {
        let (these, others) = self
            .told
            .drain(..)
            .partition(|told| told["method"] == method);
        self.told = others;
        let these: VecDeque<Value> = these;
        these.into()
    }
}
