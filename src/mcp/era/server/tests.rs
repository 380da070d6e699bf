//! A server without sessions behind the relay, played by each test word for word.

mod calls;
mod eras;
mod listening;
mod opening;
mod rounds;
mod tools;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::mcp::era::{Crossing, Head, Protocol, Verdict, meta};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc;
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::{Effect, Event, Outgoing, OutgoingKind, Relay};
use crate::mcp::transport::Preference;

const VERSION: &str = "2026-07-28";
const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;

/// What a server does about an exchange.
type Act<'a> = &'a dyn Fn(&mut Bench, u64);
/// What happens around a subscription.
type ActOn<'a> = &'a dyn Fn(&mut Bench, &Sent);

/// Something that was sent.
#[derive(Debug)]
struct Sent {
    exchange: u64,
    method: String,
    /// The whole message.
    body: Value,
    /// As it was written.
    text: String,
    head: Option<Head>,
    repeatable: bool,
}

impl Sent {
    #[track_caller]
    fn head(&self) -> &Head {
        self.head.as_ref().expect("a head")
    }
}

/// A bridge between a client and a server that do nothing by themselves.
struct Bench {
    crossing: Crossing,
    now: u64,
    sent: VecDeque<Sent>,
    told: VecDeque<Value>,
    aborted: BTreeSet<u64>,
    records: Vec<ServerRecord>,
    next_id: u64,
}

impl Bench {
    fn new(protocol: Protocol, known: Option<&Verdict>) -> Self {
        Self::with(protocol, known, None, Vec::new())
    }

    fn with(
        protocol: Protocol,
        known: Option<&Verdict>,
        record: Option<ServerRecord>,
        extensions: Vec<&'static str>,
    ) -> Self {
        let relay = Relay::new("mcp.example.com").over(Preference::HttpOnly, None);
        let crossing = Crossing::new(relay, "mcp.example.com", protocol, known, [7; 32])
            .remembering(record)
            .declaring(extensions);
        Self {
            crossing,
            now: 0,
            sent: VecDeque::new(),
            told: VecDeque::new(),
            aborted: BTreeSet::new(),
            records: Vec::new(),
            next_id: 0,
        }
    }

    /// One whose client opened with `initialize`, at a server without sessions that has all.
    fn open() -> Self {
        let mut bench = Self::new(Protocol::Auto, None);
        bench.initialize("2025-11-25");
        bench.discover(json!({}));
        bench.begin();
        bench
    }

    /// The same with its subscription.
    fn listening() -> (Self, Sent) {
        let mut bench = Self::open();
        let listen = bench.sent("subscriptions/listen");
        bench.acknowledge(&listen);
        (bench, listen)
    }

    fn initialize(&mut self, version: &str) -> u64 {
        let params = json!({
            "protocolVersion": version,
            "capabilities": {
                "elicitation": { "form": {}, "url": {} }, "sampling": {},
                "roots": { "listChanged": true }, "tasks": {},
                "extensions": { "io.modelcontextprotocol/tasks": {}, "a/b": {} },
            },
            "clientInfo": { "name": "c", "version": "1", "title": "C" },
        });
        self.ask("initialize", params)
    }

    /// The server says what it is.
    #[track_caller]
    fn discover(&mut self, more: Value) -> Sent {
        let asked = self.sent("server/discover");
        self.discovered(asked.exchange, more);
        asked
    }

    fn discovered(&mut self, exchange: u64, more: Value) {
        let mut result = json!({
            "resultType": "complete", "supportedVersions": [VERSION],
            "capabilities": serde_json::from_str::<Value>(ALL).unwrap(),
            "_meta": { meta::SERVER_INFO: { "name": "server", "version": "1" } },
        });
        for (name, value) in more.as_object().unwrap() {
            result[name] = value.clone();
        }
        self.reply(exchange, result);
    }

    /// The client has seen the answer to `initialize`.
    fn begin(&mut self) {
        self.told.clear();
        self.say(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    fn say(&mut self, message: Value) {
        let line = Bytes::from(message.to_string());
        self.crossing.host_line(line, self.now);
        self.settle();
    }

    fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The same by a client of the new era.
    fn ask_new(&mut self, method: &str, params: Value) -> u64 {
        let mut params = params;
        params["_meta"][meta::VERSION] = VERSION.into();
        params["_meta"][meta::CLIENT_INFO] = json!({ "name": "n", "version": "1" });
        params["_meta"][meta::CLIENT_CAPABILITIES] = json!({ "elicitation": {} });
        self.ask(method, params)
    }

    fn call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.ask(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    fn cancel(&mut self, id: u64) {
        let params = json!({ "requestId": id });
        self.say(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        );
    }

    fn event(&mut self, exchange: u64, event: Event) {
        self.crossing.remote_event(exchange, event, self.now);
        self.settle();
    }

    /// The server answers with this result.
    fn reply(&mut self, exchange: u64, result: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": exchange, "result": result });
        self.event(exchange, Event::Reply(parsed(&message)));
    }

    /// The same with the text of the result as it is.
    fn reply_text(&mut self, exchange: u64, result: &str) {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{exchange},\"result\":{result}}}");
        let message = jsonrpc::parse(text.into()).unwrap();
        self.event(exchange, Event::Reply(message));
    }

    /// The server answers with an error, under 200 or another status.
    fn refuse(&mut self, exchange: u64, status: u16, error: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": exchange, "error": error });
        let error = parsed(&message);
        let event = match status {
            200 => Event::Reply(error),
            status => Event::Refused { status, error },
        };
        self.event(exchange, event);
    }

    /// There is no answer but this status; 0 for a connection that broke.
    fn fail(&mut self, exchange: u64, status: u16) {
        let failure = Failure {
            status: (status > 0).then_some(status),
            ..Failure::new(Stage::Http, true, "it failed")
        };
        self.event(exchange, Event::Failed(failure));
    }

    fn notify(&mut self, exchange: u64, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.event(exchange, Event::Message(parsed(&message)));
    }

    /// The server takes a subscription as it was asked for.
    fn acknowledge(&mut self, listen: &Sent) {
        let filter = listen.body["params"]["notifications"].clone();
        self.acknowledge_only(listen, filter);
    }

    fn acknowledge_only(&mut self, listen: &Sent, filter: Value) {
        let params = json!({
            "notifications": filter, "_meta": { meta::SUBSCRIPTION: listen.body["id"] },
        });
        self.notify(
            listen.exchange,
            "notifications/subscriptions/acknowledged",
            params,
        );
    }

    fn changed(&mut self, listen: &Sent, method: &str, params: Value) {
        let mut params = params;
        params["_meta"][meta::SUBSCRIPTION] = listen.body["id"].clone();
        self.notify(listen.exchange, method, params);
    }

    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(at) = self.crossing.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.crossing.on_time(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn settle(&mut self) {
        loop {
            let effects = self.crossing.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::ToHost(line) => {
                let text = line.to_vec();
                self.told.push_back(serde_json::from_slice(&text).unwrap());
            }
            Effect::Send(outgoing) => self.outgoing(outgoing),
            Effect::Abort(exchange) => {
                self.aborted.insert(exchange);
            }
            Effect::Remember { record, .. } => self.records.push(*record),
            Effect::OpenStanding { exchange, .. } => {
                self.crossing
                    .remote_event(exchange, Event::StandingAbsent, self.now);
            }
            _ => {}
        }
    }

    fn outgoing(&mut self, outgoing: Outgoing) {
        let text = String::from_utf8(outgoing.body.to_vec()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        let kind = &outgoing.kind;
        if !matches!(kind, OutgoingKind::Request(_)) {
            assert!(outgoing.head.is_none(), "{text}");
            let exchange = outgoing.exchange;
            let accepted = Event::Accepted;
            return self.crossing.remote_event(exchange, accepted, self.now);
        }
        self.sent.push_back(Sent {
            exchange: outgoing.exchange,
            method: body["method"].as_str().unwrap_or_default().to_owned(),
            body,
            text,
            head: outgoing.head.map(|head| *head),
            repeatable: outgoing.repeatable,
        });
    }

    /// The next request that was sent; it has this method.
    #[track_caller]
    fn sent(&mut self, method: &str) -> Sent {
        let Some(sent) = self.sent.pop_front() else {
            panic!("nothing was sent; told: {:?}", self.told);
        };
        assert_eq!(sent.method, method, "{sent:?}");
        sent
    }

    #[track_caller]
    fn nothing_sent(&self) {
        assert!(self.sent.is_empty(), "{:?}", self.sent);
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
    fn unanswered(&self, id: u64) {
        let mut told = self.told.iter();
        assert!(
            !told.any(|told| told["id"] == id && told.get("method").is_none()),
            "{:?}",
            self.told
        );
    }

    /// What the client was told by this method, in order.
    fn heard(&mut self, method: &str) -> Vec<Value> {
        let (these, others): (VecDeque<_>, _) = self
            .told
            .drain(..)
            .partition(|told| told["method"] == method);
        self.told = others;
        these.into()
    }

    /// The one thing that the client was told by this method.
    #[track_caller]
    fn heard_one(&mut self, method: &str) -> Value {
        let mut heard = self.heard(method);
        assert_eq!(heard.len(), 1, "{heard:?} {:?}", self.told);
        heard.remove(0)
    }

    /// Nothing is kept but subscriptions.
    #[track_caller]
    fn rests(&self) {
        assert!(
            self.crossing.server.rests_but_for_subscriptions(),
            "{:?}",
            self.crossing.server
        );
    }
}

fn parsed(message: &Value) -> jsonrpc::Message {
    jsonrpc::parse(message.to_string().into()).unwrap()
}

fn stateless() -> Verdict {
    Verdict {
        stateless: Some(VERSION.to_owned()),
        has_sessions: false,
        found_at: 0,
    }
}

fn with_sessions() -> Verdict {
    Verdict {
        stateless: None,
        has_sessions: true,
        found_at: 0,
    }
}

/// A list with this one tool.
fn list_of(name: &str, schema: &Value) -> Value {
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "tools": [{ "name": name, "inputSchema": schema }],
    })
}

/// A list with nothing that a head repeats.
fn plain_list() -> Value {
    list_of("echo", &json!({ "type": "object" }))
}
