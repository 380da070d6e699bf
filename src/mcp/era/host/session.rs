//! The relay's session, which is opened and held here for clients of the new era.
//!
//! ```text
//!          a request          a result                        the server itself
//! Closed ────────────▶ Opening ────────▶ Open ─── promised ────────────────────▶ Open
//!   ▲                     │ failed         │ a request that its client can be asked more for,
//!   └─────────────────────┘◀───────────────┘ while nothing is under way
//! ```

use serde_json::{Value, json};

use super::{Far, HostSide, Own, Step};
use crate::mcp::era::adapt::capabilities;
use crate::mcp::era::meta;
use crate::mcp::era::object::Object;
use crate::mcp::jsonrpc::{self, INTERNAL_ERROR, Kind, Message};
use crate::mcp::record::ServerRecord;
use crate::mcp::revision;

/// The session.
#[derive(Debug)]
pub(super) struct Session {
    state: State,
    /// What it was opened with: `capabilities`, JSON text.
    declared: String,
    /// What the server said of itself: an InitializeResult, JSON text. Of a session that a client
    /// opened itself, too.
    said: Option<String>,
    /// Whether that is the server's own word, and not a promise in its place.
    is_heard: bool,
    /// Whether no person was asked to sign in for it.
    quietly: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// This request opens it.
    Opening(u64),
    Open,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            state: State::Closed,
            declared: "{}".to_owned(),
            said: None,
            is_heard: false,
            quietly: false,
        }
    }
}

impl Session {
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// It is over. What clients can be asked is known for the next one.
    pub(super) fn end(&mut self) {
        *self = Self {
            declared: std::mem::take(&mut self.declared),
            ..Self::default()
        };
    }

    /// Whether this request opens it.
    pub(super) fn is_opening(&self, number: u64) -> bool {
        self.state == State::Opening(number)
    }

    /// Whether the relay answered for the server, and no person was asked to sign in.
    pub(super) fn is_promised_quietly(&self) -> bool {
        self.state == State::Open && self.quietly && !self.is_heard
    }

    /// Whether what is known of the server is its own word.
    pub(super) fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// A member of what the server said of itself, JSON text.
    pub(super) fn said(&self, name: &str) -> Option<&str> {
        jsonrpc::member(self.said.as_deref()?, name)
    }

    /// All that the server said of itself: an InitializeResult, JSON text.
    pub(super) fn result(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// A capability of the server, JSON text.
    pub(super) fn capability(&self, kind: &str) -> Option<&str> {
        jsonrpc::member(self.said("capabilities")?, kind)
    }

    /// Whether the server has this part of a capability.
    pub(super) fn has(&self, kind: &str, what: &str) -> bool {
        let capability = self.capability(kind);
        capability.and_then(|capability| jsonrpc::member(capability, what)) == Some("true")
    }
}

impl HostSide {
    pub(super) fn is_open(&self) -> bool {
        self.is_foreign || self.session.state == State::Open
    }

    /// Whether the relay's session is held here, and not by the client itself.
    pub fn holds_session(&self) -> bool {
        !self.is_foreign && !self.session.is_closed()
    }

    /// Whether what the server says unasked has somebody to hear it.
    pub fn listens_to_all(&self) -> bool {
        !self.holds_session() || !self.subscriptions.is_empty()
    }

    /// Opens the relay's session, as the client would that sends this request. `quietly`: no person
    /// may be asked to sign in for it.
    pub(super) fn open_for(&mut self, request: &Message, quietly: bool) {
        // One that is being opened without asking anybody is opened again when that has failed.
        if !self.session.is_closed() || self.is_closed {
            return;
        }
        let wanted = meta::meta_member(request, meta::CLIENT_CAPABILITIES).unwrap_or("{}");
        let declared = union(&self.session.declared, &capabilities::of_client(wanted));
        let info = meta::meta_member(request, meta::CLIENT_INFO);
        let info = info.filter(|info| info.starts_with('{'));
        let unknown =
            json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") });
        let info = info.map_or_else(|| unknown.to_string(), str::to_owned);
        let (number, id) = self.id();
        let version = revision::NEWEST.name;
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{version}\",\"capabilities\":{declared},\"clientInfo\":{info}}}}}"
        );
        self.level = None;
        self.session = Session {
            state: State::Opening(number),
            declared,
            quietly,
            ..Session::default()
        };
        self.steps.push(Step::Open {
            line: line.into(),
            asks: !quietly,
        });
    }

    /// What came of the opening of the session.
    pub(super) fn opened(&mut self, answer: &Message, now: u64, far: Far<'_>) {
        if answer.kind() != Kind::Result {
            return self.not_opened(answer, far);
        }
        self.session.state = State::Open;
        self.session.said = Some(answer.body().to_owned());
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.steps.push(Step::ToRelay(initialized.into()));
        self.discovered(far);
        self.subscribe_again();
        for message in std::mem::take(&mut self.waiting) {
            if let Some(id) = message.id().cloned() {
                self.request(message, id, now, far);
            }
        }
    }

    fn not_opened(&mut self, answer: &Message, far: Far<'_>) {
        let quietly = self.session.quietly;
        self.session.end();
        self.discovered(far);
        if let (true, Some(first)) = (quietly && !self.is_closed, self.waiting.front().cloned()) {
            // Now somebody needs it.
            return self.open_for(&first, false);
        }
        for message in std::mem::take(&mut self.waiting) {
            if let Some(id) = message.id() {
                self.tell_host_line(answer.line_with_id(id));
            }
        }
        self.end_subscriptions();
    }

    /// The server itself has said what it is: at the opening of the session, or of another one in its
    /// place.
    pub fn server_is(&mut self, record: &ServerRecord) {
        self.discoveries.record = Some(record.clone());
        self.session.is_heard = true;
        if self.is_open() {
            self.session.said = Some(result_of(record, &self.server_name));
            self.missed();
        }
    }

    /// Whether a client can be asked more than the session was opened for, and nothing is under way
    /// in it: it is opened again then.
    pub(super) fn wants_more(&self, request: &Message) -> bool {
        let wanted = meta::meta_member(request, meta::CLIENT_CAPABILITIES).unwrap_or("{}");
        let idle = self.calls.is_empty() && !self.suspensions.any() && !self.is_foreign;
        // While a person signs in, nothing can be asked by the server.
        idle && self.session.is_heard()
            && union(&self.session.declared, &capabilities::of_client(wanted))
                != union(&self.session.declared, "{}")
    }

    /// Opens the session again, for what the client of this request can be asked besides.
    pub(super) fn open_wider(&mut self, request: Message) {
        self.session.end();
        self.open_for(&request, false);
        self.waiting.push_back(request);
    }

    /// A client opens a session of its own: what is under way of the new era ends with the session
    /// that was there, as the relay says to each.
    pub(super) fn become_foreign(&mut self) {
        self.is_foreign = true;
        self.session = Session::default();
        self.level = None;
        self.end_subscriptions();
        for message in std::mem::take(&mut self.waiting) {
            if let Some(id) = message.id() {
                let text =
                    "the client opened a session of another revision, which ends this request";
                self.refuse(id, INTERNAL_ERROR, text);
            }
        }
    }

    /// There is no session any more, and none is being opened.
    pub fn session_lost(&mut self) {
        self.end_subscriptions();
    }

    /// The program ends: subscriptions end as they should, and nothing is begun any more.
    pub fn close(&mut self, far: Far<'_>) {
        self.is_closed = true;
        self.discovered(far);
        self.end_subscriptions();
        self.end_streams();
    }

    /// Tells a new session which resources the client wants to hear of.
    fn subscribe_again(&mut self) {
        for uri in self.subscriptions.uris() {
            let params = format!("{{\"uri\":{}}}", jsonrpc::quote(&uri));
            self.ask(Own::Nothing, "resources/subscribe", &params);
        }
        if !self.subscriptions.is_empty() {
            self.missed();
        }
    }
}

/// An InitializeResult that says what is known of a server, JSON text.
pub(super) fn result_of(record: &ServerRecord, server_name: &str) -> String {
    let info = record.server_info.clone();
    let info = info.map_or_else(|| unknown(server_name), Value::Object);
    let mut result = json!({
        "protocolVersion": record.protocol_version,
        "capabilities": record.capabilities,
        "serverInfo": info,
    });
    if let Some(instructions) = &record.instructions {
        result["instructions"] = instructions.as_str().into();
    }
    result.to_string()
}

/// What is said of a server that has not said who it is.
pub(super) fn unknown(server_name: &str) -> Value {
    json!({ "name": server_name, "version": "unknown" })
}

/// What two clients can be asked together, JSON text.
pub(super) fn union(one: &str, other: &str) -> String {
    let (first, second) = (
        Object::read(one).unwrap_or_default(),
        Object::read(other).unwrap_or_default(),
    );
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in first.iter().chain(second.iter()) {
        match merged.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if known.starts_with('{') && value.starts_with('{') => {
                *known = match (name, known.as_str(), value) {
                    // An empty object means forms, as it did before there were modes.
                    ("elicitation", "{}", other) if other != "{}" => union(r#"{"form":{}}"#, other),
                    ("elicitation", _, "{}") if known != "{}" => union(known, r#"{"form":{}}"#),
                    _ => union(known, value),
                };
            }
            Some(_) => {}
            None => merged.push((name.to_owned(), value.to_owned())),
        }
    }
    let mut object = Object::default();
    for (name, value) in &merged {
        object.set(name, value);
    }
    object.write()
}
