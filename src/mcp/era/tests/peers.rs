//! Servers of both eras that hold the bridge to the rules of theirs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::*;
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::Message;
use crate::mcp::relay::Outgoing;
use crate::secret::Secret;

/// A server.
pub struct Peer {
    pub side: Side,
    /// Whether it speaks as it is spoken to.
    pub both: bool,
    /// Whether it says that it opens with `initialize`, and refuses that.
    pub claims_sessions: bool,
    events: VecDeque<(u64, Event)>,
    /// Requests under way, by exchange: the method, and the id on the wire.
    pub live: BTreeMap<u64, Value>,
    /// Exchanges that the bridge has ended.
    pub aborted: BTreeSet<u64>,
    /// Methods as they arrived.
    pub arrived: Vec<String>,
    /// Questions that wait for an answer, by the id that the server gave them: the exchange of the
    /// request that they belong to.
    questions: BTreeMap<String, u64>,
    pub standing: Option<u64>,
    pub subscriptions: BTreeMap<u64, Value>,
    pub subscribed: BTreeSet<String>,
    pub level: Option<String>,
    /// Sessions up to this one are not known any more.
    pub lost: u64,
    /// The newest session that something was sent in.
    newest: u64,
    /// How many sessions are refused before one is opened.
    pub refusals: u32,
    next: u64,
}

const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;

impl Peer {
    pub fn new(side: Side) -> Self {
        Self {
            side,
            both: false,
            claims_sessions: false,
            events: VecDeque::new(),
            live: BTreeMap::new(),
            aborted: BTreeSet::new(),
            arrived: Vec::new(),
            questions: BTreeMap::new(),
            standing: None,
            subscriptions: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            level: None,
            lost: 0,
            newest: 0,
            refusals: 0,
            next: 0,
        }
    }

    pub fn next_event(&mut self) -> Option<(u64, Event)> {
        self.events.pop_front()
    }

    pub fn tell(&mut self, exchange: u64, event: Event) {
        self.events.push_back((exchange, event));
    }

    pub fn send(&mut self, exchange: u64, message: &Value) {
        let message = parse(message);
        self.tell(exchange, Event::Message(message));
    }

    /// Answers a request that is under way.
    pub fn reply(&mut self, exchange: u64, result: Value) {
        let mut result = result;
        if self.side == Side::New {
            result["resultType"] = "complete".into();
        }
        self.reply_as(exchange, &json!({ "result": result }));
    }

    pub fn reply_as(&mut self, exchange: u64, body: &Value) {
        let Some(request) = self.live.remove(&exchange) else {
            return;
        };
        let mut body = body.clone();
        body["jsonrpc"] = "2.0".into();
        body["id"] = request["id"].clone();
        self.tell(exchange, Event::Reply(parse(&body)));
    }

    pub fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Send(outgoing) => self.post(&outgoing),
            Effect::Abort(exchange) => {
                self.aborted.insert(exchange);
                self.live.remove(&exchange);
                self.subscriptions.remove(&exchange);
                if self.standing == Some(exchange) {
                    self.standing = None;
                }
            }
            Effect::OpenStanding { exchange, .. } => {
                assert_eq!(self.side, Side::Old, "the new era has no standing stream");
                self.standing = Some(exchange);
                self.tell(exchange, Event::StandingOpen);
            }
            Effect::EndSession(_) => assert_eq!(self.side, Side::Old),
            _ => {}
        }
    }

    /// The server starts again: whatever is under way breaks, and it knows no session.
    pub fn restart(&mut self) {
        self.lost = self.newest;
        let under_way: BTreeSet<u64> = self.live.keys().copied().collect();
        self.live.clear();
        self.subscriptions.clear();
        self.subscribed.clear();
        self.questions.clear();
        self.level = None;
        for exchange in under_way {
            self.breaks(exchange);
        }
        if let Some(standing) = self.standing.take() {
            self.tell(standing, Event::SessionDoubted);
        }
    }

    /// A connection breaks.
    pub fn breaks(&mut self, exchange: u64) {
        self.live.remove(&exchange);
        self.subscriptions.remove(&exchange);
        let failure = Failure::new(Stage::Http, true, "it broke");
        self.tell(exchange, Event::Failed(failure));
    }

    fn post(&mut self, outgoing: &Outgoing) {
        if let Some(session) = &outgoing.session {
            self.newest = self.newest.max(session.serial);
            if session.serial <= self.lost {
                return self.tell(outgoing.exchange, Event::SessionLost);
            }
        }
        let message: Value = serde_json::from_slice(&outgoing.body).unwrap();
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        self.arrived.push(method.clone());
        let exchange = outgoing.exchange;
        if self.claims_sessions && method == "initialize" {
            let error = json!({
                "jsonrpc": "2.0", "id": message["id"],
                "error": { "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"] } },
            });
            let error = parse(&error);
            return self.tell(exchange, Event::Refused { status: 400, error });
        }
        if self.both {
            self.side = match outgoing.head {
                Some(_) => Side::New,
                None => Side::Old,
            };
        }
        match (self.side, &outgoing.kind) {
            (Side::New, OutgoingKind::Request(_)) => self.new_request(exchange, outgoing, &message),
            (Side::New, _) => panic!("the new era has requests only: {message}"),
            (Side::Old, OutgoingKind::Request(_)) => self.old_request(exchange, outgoing, &message),
            (Side::Old, OutgoingKind::Notification(_)) => {
                let text = message.to_string();
                assert!(!text.contains("io.modelcontextprotocol/"), "{text}");
                if method == "notifications/cancelled" {
                    let id = &message["params"]["requestId"];
                    let live = self.live.iter().find(|(_, live)| live["id"] == *id);
                    if let Some(exchange) = live.map(|(exchange, _)| *exchange) {
                        self.live.remove(&exchange);
                    }
                }
                self.tell(exchange, Event::Accepted);
            }
            (Side::Old, OutgoingKind::Response) => {
                let id = message["id"].as_str().unwrap_or_default();
                if let Some(asker) = self.questions.remove(id) {
                    let answer = message.get("result").unwrap_or(&message["error"]).clone();
                    self.reply(
                        asker,
                        json!({ "content": [], "structuredContent": { "said": answer } }),
                    );
                }
                self.tell(exchange, Event::Accepted);
            }
            (Side::Old, OutgoingKind::Events { .. }) => panic!("not asked for"),
        }
    }

    fn new_request(&mut self, exchange: u64, outgoing: &Outgoing, message: &Value) {
        let method = message["method"].as_str().unwrap();
        let params = &message["params"];
        let head = outgoing.head.as_ref().expect("a head");
        assert_eq!(head.method, method);
        assert_eq!(
            params["_meta"][meta::VERSION],
            head.version.as_str(),
            "{message}"
        );
        assert!(
            params["_meta"][meta::CLIENT_CAPABILITIES].is_object(),
            "{message}"
        );
        assert!(outgoing.session.is_none());
        let known = [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
        ];
        assert!(!known.contains(&method), "{method}");
        assert!(
            !self.live.contains_key(&exchange),
            "each has a number of its own"
        );
        self.live.insert(exchange, message.clone());
        match method {
            "server/discover" => {
                let capabilities: Value = serde_json::from_str(CAPABILITIES).unwrap();
                let versions = match self.both || self.claims_sessions {
                    true => json!(["2026-07-28", "2025-11-25"]),
                    false => json!(["2026-07-28"]),
                };
                self.reply(
                    exchange,
                    json!({
                        "supportedVersions": versions, "capabilities": capabilities,
                        "instructions": "be kind", "ttlMs": 0, "cacheScope": "private",
                        "_meta": { meta::SERVER_INFO: { "name": "server", "version": "1" } },
                    }),
                );
            }
            "subscriptions/listen" => {
                self.subscriptions
                    .insert(exchange, params["notifications"].clone());
                let id = message["id"].clone();
                self.send(
                    exchange,
                    &json!({
                        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                        "params": {
                            "notifications": params["notifications"],
                            "_meta": { meta::SUBSCRIPTION: id },
                        },
                    }),
                );
            }
            "tools/call" if params["name"] == "ask" => match params.get("inputResponses") {
                None => {
                    let request = json!({
                        "method": "elicitation/create",
                        "params": { "mode": "form", "message": "name?", "requestedSchema": { "type": "object", "properties": {} } },
                    });
                    self.reply_as(exchange, &json!({ "result": {
                        "resultType": "input_required", "requestState": "s/=", "inputRequests": { "who": request },
                    } }));
                }
                Some(responses) => {
                    assert_eq!(params["requestState"], "s/=");
                    let said = responses["who"].clone();
                    self.reply(
                        exchange,
                        json!({ "content": [], "structuredContent": { "said": said } }),
                    );
                }
            },
            _ => self.common(exchange, method, params),
        }
    }

    fn old_request(&mut self, exchange: u64, outgoing: &Outgoing, message: &Value) {
        let method = message["method"].as_str().unwrap();
        let params = &message["params"];
        if method == "server/discover" {
            let error = json!({
                "jsonrpc": "2.0", "id": null,
                "error": { "code": -32000, "message": "Bad Request: Server not initialized" },
            });
            return self.tell(
                exchange,
                Event::Refused {
                    status: 400,
                    error: parse(&error),
                },
            );
        }
        let text = message.to_string();
        assert!(!text.contains("io.modelcontextprotocol/"), "{text}");
        assert!(outgoing.head.is_none());
        let known = ["subscriptions/listen"];
        assert!(!known.contains(&method), "{method}");
        self.live.insert(exchange, message.clone());
        match method {
            "initialize" if self.refusals > 0 => {
                self.refusals -= 1;
                self.breaks(exchange);
            }
            "initialize" => {
                assert!(outgoing.session.is_none());
                self.tell(exchange, Event::SessionHeader(Some(Secret::new("s"))));
                let capabilities: Value = serde_json::from_str(CAPABILITIES).unwrap();
                self.reply(exchange, json!({
                    "protocolVersion": params["protocolVersion"], "capabilities": capabilities,
                    "serverInfo": { "name": "server", "version": "1" }, "instructions": "be kind",
                }));
            }
            "tools/call" if params["name"] == "ask" => {
                self.next += 1;
                let id = format!("q{}", self.next);
                self.questions.insert(id.clone(), exchange);
                self.send(exchange, &json!({
                    "jsonrpc": "2.0", "id": id, "method": "elicitation/create",
                    "params": { "message": "name?", "requestedSchema": { "type": "object", "properties": {} } },
                }));
            }
            "resources/subscribe" => {
                self.subscribed
                    .insert(params["uri"].as_str().unwrap().to_owned());
                self.reply(exchange, json!({}));
            }
            "resources/unsubscribe" => {
                self.subscribed.remove(params["uri"].as_str().unwrap());
                self.reply(exchange, json!({}));
            }
            "logging/setLevel" => {
                self.level = params["level"].as_str().map(str::to_owned);
                self.reply(exchange, json!({}));
            }
            _ => self.common(exchange, method, params),
        }
    }

    fn common(&mut self, exchange: u64, method: &str, params: &Value) {
        match method {
            "tools/list" => {
                let tools = json!([{ "name": "echo", "inputSchema": { "type": "object" } }]);
                self.reply(exchange, json!({ "tools": tools }));
            }
            "tools/call" if params["name"] == "hang" => {
                let token = &params["_meta"]["progressToken"];
                if !token.is_null() {
                    self.send(
                        exchange,
                        &json!({
                            "jsonrpc": "2.0", "method": "notifications/progress",
                            "params": { "progressToken": token, "progress": 1 },
                        }),
                    );
                }
            }
            "tools/call" => {
                let said = params["arguments"].clone();
                self.reply(
                    exchange,
                    json!({ "content": [], "structuredContent": said }),
                );
            }
            "resources/read" => {
                let error = json!({ "code": -32002, "message": "no such resource" });
                self.reply_as(exchange, &json!({ "error": error }));
            }
            _ => {
                let error = json!({ "code": -32601, "message": "Method not found" });
                self.reply_as(exchange, &json!({ "error": error }));
            }
        }
    }

    /// Tells whoever listens that something has changed.
    pub fn change(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        match self.side {
            Side::Old => {
                if let Some(standing) = self.standing {
                    self.send(standing, &message);
                }
            }
            Side::New => {
                for exchange in self.subscriptions.keys().copied().collect::<Vec<_>>() {
                    let mut message = message.clone();
                    message["params"]["_meta"][meta::SUBSCRIPTION] =
                        self.live[&exchange]["id"].clone();
                    self.send(exchange, &message);
                }
            }
        }
    }
}

fn parse(message: &Value) -> Message {
    jsonrpc::parse(message.to_string().into()).unwrap()
}
