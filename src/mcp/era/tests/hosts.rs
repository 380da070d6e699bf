//! The AI client's side, message by message, at a server that answers what the test says.

mod discover;
mod lines;
mod listen;
mod pages;
mod rounds;
mod signing_in;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::Message;
use crate::mcp::relay::Note;
use crate::secret::Secret;

const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;

/// A client at a bridge, and what the bridge wants of the server.
struct Bench {
    crossing: Crossing,
    now: u64,
    told: VecDeque<Value>,
    /// What was sent and has no answer from the test yet.
    sent: VecDeque<Sent>,
    aborted: BTreeSet<u64>,
    standing: Option<u64>,
    notes: Vec<String>,
    next_id: u64,
    /// What requests of the client declare.
    capabilities: Value,
    sessions: u64,
    capabilities_of_server: Value,
}

#[derive(Clone, Debug)]
struct Sent {
    exchange: u64,
    message: Value,
    asks: bool,
    head: bool,
}

impl Sent {
    fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }
}

impl Bench {
    /// A client at a server that is known to open with `initialize`.
    fn new() -> Self {
        Self::remembering(Some(false), None)
    }

    /// `stateless`: what the server is known to be. `record`: what it said the last time.
    fn remembering(stateless: Option<bool>, record: Option<ServerRecord>) -> Self {
        let verdict = stateless.map(|stateless| Verdict {
            stateless: stateless.then(|| "2026-07-28".to_owned()),
            has_sessions: !stateless,
            found_at: 0,
        });
        let relay = Relay::new("mcp.example.com").remembering(record.clone());
        let crossing = Crossing::new(
            relay,
            "mcp.example.com",
            Protocol::Auto,
            verdict.as_ref(),
            [7; 32],
        );
        Self {
            crossing: crossing.remembering(record),
            now: 0,
            told: VecDeque::new(),
            sent: VecDeque::new(),
            aborted: BTreeSet::new(),
            standing: None,
            notes: Vec::new(),
            next_id: 0,
            capabilities: json!({
                "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {},
            }),
            sessions: 0,
            capabilities_of_server: serde_json::from_str(ALL).unwrap(),
        }
    }

    /// A server with sessions, at which one is open.
    fn opened() -> Self {
        let mut bench = Self::new();
        bench.open();
        bench
    }

    /// Opens the session with a request of the client.
    fn open(&mut self) {
        let id = self.ask("tools/list", json!({}));
        self.server_opens();
        let list = self.take("tools/list");
        self.reply(list.exchange, json!({ "tools": [] }));
        self.result(id);
    }

    /// A server without sessions that has been asked what it is.
    fn stateless() -> Self {
        let mut bench = Self::remembering(Some(true), None);
        let id = bench.ask("server/discover", json!({}));
        bench.server_discovers();
        bench.result(id);
        bench
    }

    fn server_discovers(&mut self) {
        let discover = self.take("server/discover");
        let result = self.discovered();
        self.reply(discover.exchange, result);
    }

    fn discovered(&self) -> Value {
        json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28", "2099-01-01"],
            "capabilities": self.capabilities_of_server, "ttlMs": 5, "cacheScope": "public",
            "_meta": { meta::SERVER_INFO: { "name": "server", "version": "1" } },
        })
    }

    /// The server answers what opens a session.
    fn server_opens(&mut self) {
        self.sessions += 1;
        let opening = self.take("initialize");
        let session = Secret::new(format!("s{}", self.sessions));
        self.event(opening.exchange, Event::SessionHeader(Some(session)));
        let capabilities = self.capabilities_of_server.clone();
        self.reply(
            opening.exchange,
            json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": { "name": "server", "version": "1" },
            }),
        );
        self.server_is_told();
    }

    /// The server takes `notifications/initialized`.
    fn server_is_told(&mut self) {
        let initialized = self.take("notifications/initialized");
        self.event(initialized.exchange, Event::Accepted);
        if let Some(standing) = self.standing {
            self.event(standing, Event::StandingOpen);
        }
    }

    fn line(&mut self, line: &str) {
        let line = Bytes::from(line.to_owned());
        self.crossing.host_line(line, self.now);
        self.perform();
    }

    fn say(&mut self, message: &Value) {
        self.line(&message.to_string());
    }

    /// A request of the new era under this id.
    fn request(&self, id: Value, method: &str, params: Value) -> Value {
        let mut params = params;
        let found = &mut params["_meta"];
        found[meta::VERSION] = "2026-07-28".into();
        found[meta::CLIENT_INFO] = json!({ "name": "c", "version": "1" });
        found[meta::CLIENT_CAPABILITIES] = self.capabilities.clone();
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let request = self.request(self.next_id.into(), method, params);
        self.say(&request);
        self.next_id
    }

    /// A client of the older era opens a session.
    fn initialize(&mut self, version: &str) -> Value {
        let params = json!({
            "protocolVersion": version, "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "o", "version": "1" },
        });
        self.say(
            &json!({ "jsonrpc": "2.0", "id": "open", "method": "initialize", "params": params }),
        );
        self.sessions += 1;
        let opening = self.take("initialize");
        let session = Secret::new(format!("s{}", self.sessions));
        self.event(opening.exchange, Event::SessionHeader(Some(session)));
        let capabilities = self.capabilities_of_server.clone();
        self.reply(
            opening.exchange,
            json!({
                "protocolVersion": version, "capabilities": capabilities,
                "serverInfo": { "name": "server", "version": "1" },
            }),
        );
        self.notify("notifications/initialized", json!({}));
        self.server_is_told();
        self.answer("open")
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn cancel(&mut self, id: u64) {
        self.notify("notifications/cancelled", json!({ "requestId": id }));
    }

    fn event(&mut self, exchange: u64, event: Event) {
        self.crossing.remote_event(exchange, event, self.now);
        self.perform();
    }

    /// The server answers.
    fn reply(&mut self, exchange: u64, result: Value) {
        self.reply_as(exchange, json!({ "result": result }));
    }

    fn reply_as(&mut self, exchange: u64, body: Value) {
        let mut body = body;
        body["jsonrpc"] = "2.0".into();
        body["id"] = exchange.into();
        self.event(exchange, Event::Reply(parse(&body)));
    }

    /// The server says this by the stream of an exchange.
    fn server_says(&mut self, exchange: u64, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.event(exchange, Event::Message(parse(&message)));
    }

    /// The server asks this by the stream of an exchange.
    fn server_asks(&mut self, exchange: u64, id: &str, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.event(exchange, Event::Message(parse(&message)));
    }

    fn breaks(&mut self, exchange: u64, stage: Stage) {
        // A user who has declined is not asked again at once.
        let failure = Failure::new(stage, stage != Stage::Auth, "it broke");
        self.event(exchange, Event::Failed(failure));
    }

    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(at) = self.crossing.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.crossing.on_time(self.now);
            self.perform();
        }
        self.now = until;
    }

    fn perform(&mut self) {
        for effect in self.crossing.take_effects() {
            match effect {
                Effect::ToHost(line) => {
                    let message: Value = serde_json::from_slice(&line.to_vec()).unwrap();
                    self.told.push_back(message);
                }
                Effect::Send(outgoing) => self.sent.push_back(Sent {
                    exchange: outgoing.exchange,
                    message: serde_json::from_slice(&outgoing.body).unwrap_or_default(),
                    asks: outgoing.asks,
                    head: outgoing.head.is_some(),
                }),
                Effect::Abort(exchange) => {
                    self.aborted.insert(exchange);
                    self.standing.take_if(|standing| *standing == exchange);
                }
                Effect::OpenStanding { exchange, .. } => self.standing = Some(exchange),
                Effect::Note(Note::Detail(note) | Note::Notable(note)) => self.notes.push(note),
                _ => {}
            }
        }
    }

    /// The first message of this method that was sent to the server.
    #[track_caller]
    fn take(&mut self, method: &str) -> Sent {
        let place = self.sent.iter().position(|sent| sent.method() == method);
        let place = place.unwrap_or_else(|| panic!("no `{method}` in {:?}", self.sent));
        self.sent.remove(place).unwrap()
    }

    /// The answer to a question of the server's.
    #[track_caller]
    fn take_answer(&mut self, id: &str) -> Value {
        let is_it = |sent: &Sent| sent.message["id"] == id && sent.method().is_empty();
        let place = self.sent.iter().position(is_it);
        let place = place.unwrap_or_else(|| panic!("no answer to {id} in {:?}", self.sent));
        self.sent.remove(place).unwrap().message
    }

    fn methods(&self) -> Vec<&str> {
        self.sent.iter().map(Sent::method).collect()
    }

    #[track_caller]
    fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        let is_it = |told: &Value| told["id"] == id && told.get("method").is_none();
        let place = self.told.iter().position(is_it);
        let place = place.unwrap_or_else(|| panic!("no answer to {id} in {:?}", self.told));
        self.told.remove(place).unwrap()
    }

    #[track_caller]
    fn result(&mut self, id: u64) -> Value {
        let answer = self.answer(id);
        let result = answer.get("result");
        result.unwrap_or_else(|| panic!("{answer}")).clone()
    }

    #[track_caller]
    fn code(&mut self, id: u64) -> i64 {
        let answer = self.answer(id);
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{answer}"))
    }

    fn heard(&mut self, method: &str) -> Vec<Value> {
        let (these, others) = self
            .told
            .drain(..)
            .partition(|told| told["method"] == method);
        self.told = others;
        let these: VecDeque<Value> = these;
        these.into()
    }

    /// Nothing is left of what was under way, on either side.
    #[track_caller]
    fn rests(&self) {
        assert!(
            self.crossing.host.rests_but_for_subscriptions(),
            "{:?}",
            self.crossing.host
        );
        assert!(!self.crossing.is_busy());
    }
}

fn parse(message: &Value) -> Message {
    jsonrpc::parse(message.to_string().into()).unwrap()
}

/// What a server said the last time.
fn record(capabilities: &str) -> ServerRecord {
    ServerRecord {
        protocol_version: "2025-11-25".to_owned(),
        capabilities: serde_json::from_str(capabilities).unwrap(),
        server_info: serde_json::from_str(r#"{"name":"server","version":"0"}"#).ok(),
        ..ServerRecord::default()
    }
}

/// The members of an object, in order.
fn keys(object: &Value) -> BTreeMap<String, Value> {
    let object = object.as_object().cloned().unwrap_or_default();
    object.into_iter().collect()
}
