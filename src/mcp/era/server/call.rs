//! A request of the relay to a server without sessions, until it has its answer: over as many
//! exchanges as it takes.

use super::super::adapt;
use super::super::headers::Head;
use super::super::matrix::{self, Between, Known, Level};
use super::super::meta;
use super::super::verdict::{
    self, HEADER_MISMATCH, MISSING_CAPABILITY, Protocol, UNSUPPORTED_VERSION,
};
use super::doubt::offers_sessions_only;
use super::rounds::Round;
use super::streams::Stream;
use super::{Era, LISTEN, Leg, ServerSide, is_underway};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{
    self, INTERNAL_ERROR, INVALID_PARAMS, Id, Kind, METHOD_NOT_FOUND, Message, MissingId,
};
use crate::mcp::relay::{Effect, Event, Outgoing, OutgoingKind};
use crate::mcp::transport::Route;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    /// The relay's request.
    pub(super) request: Message,
    pub(super) asks: bool,
    repeatable: bool,
    /// Whether it comes from an AI client of the new era and goes as it is.
    pub(super) is_stateless: bool,
    /// Whether it has gone under the relay's own number: no number is used twice.
    sent: bool,
    /// The exchange that is under way; `None` while the list of tools, or the AI client, is waited
    /// for.
    pub(super) exchange: Option<u64>,
    /// Members of `params` that answer what the server wanted to know last, JSON texts.
    pub(super) answers: Vec<(&'static str, String)>,
    /// What the server wants to know first.
    pub(super) round: Option<Round>,
    /// How often it wanted to know something.
    pub(super) rounds: u32,
    /// Whether it was sent again for another version or with another head.
    mended: bool,
    /// Whether a refusal of it has made the server's era doubtful before.
    pub(super) doubted: bool,
    /// What becomes of it if its stream is lost, for a subscription.
    pub(super) stream: Option<Stream>,
}

impl Call {
    pub(super) fn deadline(&self) -> Option<u64> {
        let round = self.round.as_ref().and_then(Round::deadline);
        let stream = self.stream.as_ref().and_then(Stream::deadline);
        round.into_iter().chain(stream).min()
    }

    /// Whether it is a subscription of an AI client of the new era.
    pub(super) fn is_listen(&self) -> bool {
        self.stream.is_some()
    }
}

impl ServerSide {
    /// A request for a server without sessions.
    pub(super) fn request(&mut self, outgoing: &Outgoing, request: Message, now: u64) {
        let number = outgoing.exchange;
        let is_stateless = meta::version(&request).is_some();
        let row = matrix::request(request.method());
        match request.method() {
            "ping" => {
                if let Some(version) = self.stateless() {
                    self.discover(Leg::Ping(number), version, outgoing.asks);
                }
                return;
            }
            _ if is_stateless => {}
            "logging/setLevel" => return self.set_level(number, &request),
            "resources/subscribe" => return self.subscribe(number, &request, now),
            "resources/unsubscribe" => return self.unsubscribe(number, &request, now),
            _ if row.known == Known::Stateless || row.between == Between::Lost => {
                return self.refuse(number, METHOD_NOT_FOUND, "Method not found");
            }
            _ => {}
        }
        let is_listen = request.method() == LISTEN;
        let call = Call {
            asks: outgoing.asks,
            repeatable: outgoing.repeatable && !is_listen,
            is_stateless,
            sent: false,
            exchange: None,
            answers: Vec::new(),
            round: None,
            rounds: 0,
            mended: false,
            doubted: false,
            stream: is_listen.then(Stream::default),
            request,
        };
        self.calls.insert(number, call);
        self.send_call(number);
    }

    /// MCP 2025-11-25, Logging: from which level on the server may log.
    fn set_level(&mut self, number: u64, request: &Message) {
        let Era::Stateless(agreed) = &self.era else {
            return;
        };
        if jsonrpc::member(&agreed.capabilities, "logging").is_none() {
            return self.refuse(number, METHOD_NOT_FOUND, "Method not found");
        }
        match request.body_member("level").and_then(Level::read) {
            Some(level) => {
                self.log_level = Some(level);
                self.reply(number, jsonrpc::empty_result(&Id::from_number(number)));
            }
            None => self.refuse(number, INVALID_PARAMS, "Invalid params: no such `level`"),
        }
    }

    /// Sends a request, for the first time or once more, or has it wait for the list of tools.
    pub(super) fn send_call(&mut self, number: u64) {
        let Era::Stateless(agreed) = &self.era else {
            // It has not been carried out to its end.
            return self.lose_call(number);
        };
        let version = agreed.version;
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        let tool = call.request.body_member("name").and_then(jsonrpc::string);
        let tool = tool.filter(|_| call.request.method() == "tools/call");
        let annotated = match &tool {
            Some(tool) if self.tools.waits(number, tool) => return self.ask_tools(call.asks),
            Some(tool) => match self.tools.of(tool) {
                Ok(annotated) => annotated,
                Err(reason) => {
                    let text = format!("Invalid params: the tool is not usable: {reason}");
                    self.calls.remove(&number);
                    return self.refuse(number, INVALID_PARAMS, &text);
                }
            },
            None => None,
        };
        let head = match Head::of(&call.request, version, annotated) {
            Ok(head) => head,
            Err(error) => {
                self.calls.remove(&number);
                return self.refuse(number, INVALID_PARAMS, &error.to_string());
            }
        };
        let body = self.body_of(call, version);
        let exchange = match call.sent {
            true => self.number(),
            false => number,
        };
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.sent = true;
        call.exchange = Some(exchange);
        self.legs.insert(exchange, Leg::Call(number));
        self.effects.push(Effect::Send(Outgoing {
            exchange,
            body: body.with_id(&Id::from_number(exchange)),
            kind: OutgoingKind::Request(call.request.shared_method()),
            repeatable: call.repeatable,
            session: None,
            route: Route::Streamable,
            asks: call.asks,
            head: Some(Box::new(head)),
        }));
    }

    /// A request as the server wants it.
    fn body_of(&self, call: &Call, version: &str) -> Message {
        if call.is_stateless {
            let request = meta::of_version(&call.request, version);
            return meta::extended(&request, &self.extensions);
        }
        let introduction = self.introduction(version);
        let answers: Vec<(&str, &str)> = call
            .answers
            .iter()
            .map(|(name, answer)| (*name, answer.as_str()))
            .collect();
        let level = self.log_level.map(Level::name);
        meta::introduced(&call.request, &introduction, level, &answers)
    }

    /// What happened on an exchange of a request.
    pub(super) fn call_event(&mut self, number: u64, exchange: u64, event: Event, now: u64) {
        match event {
            Event::Message(message) => return self.call_message(number, message, now),
            Event::SigningIn | Event::Delayed | Event::Waiting { .. } => {
                return self.tell(number, event);
            }
            _ if is_underway(&event) => return,
            // What an exchange of ours brings that a request cannot be answered with.
            Event::NoMessage { .. } => self.end_leg(exchange),
            _ => drop(self.legs.remove(&exchange)),
        }
        let event = match event {
            Event::Reply(message) if message.kind() == Kind::Result => {
                return self.call_result(number, message, now);
            }
            event => self.doubted(number, event),
        };
        let event = event.and_then(|event| self.stream_lost(number, event, now));
        if let Some(event) = event {
            self.call_ended(number, event);
        }
    }

    /// A request has come to an end that is no result.
    pub(super) fn call_ended(&mut self, number: u64, event: Event) {
        match event {
            Event::Reply(error) | Event::Refused { error, .. } => self.call_error(number, error),
            Event::Failed(failure) | Event::GaveUp(failure) => {
                self.calls.remove(&number);
                self.fail(number, failure);
            }
            Event::NoMessage { reason, .. } => {
                let failure = crate::mcp::answer::no_message(&self.name, reason);
                self.calls.remove(&number);
                self.fail(number, failure);
            }
            // There is no other way by which the answer could come (MCP 2026-07-28, Transports,
            // Streamable HTTP, Sending Messages).
            Event::Accepted => {
                self.calls.remove(&number);
                let detail = format!("`{}` took the request but gave no answer to it", self.name);
                self.fail(number, Failure::new(Stage::Protocol, false, detail));
            }
            event => {
                self.calls.remove(&number);
                self.tell(number, event);
            }
        }
    }

    fn call_result(&mut self, number: u64, message: Message, now: u64) {
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        let kind = message.body_member("resultType").and_then(jsonrpc::string);
        match kind.as_deref() {
            None | Some("complete") => {}
            _ if call.is_stateless => {}
            Some("input_required") => return self.input_required(number, &message, now),
            Some(_) => {
                self.calls.remove(&number);
                let detail = format!(
                    "`{}` answered with a type of result that the client cannot know",
                    self.name
                );
                return self.fail(number, Failure::new(Stage::Protocol, false, detail));
            }
        }
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let mut message = message;
        match call.request.method() {
            "tools/list" => {
                let is_first = call.request.body_member("cursor").is_none();
                let (cleaned, remarks) = self.tools.learn(is_first, message);
                self.keep_tools();
                message = cleaned;
                for remark in remarks {
                    self.note(remark);
                }
            }
            "server/discover" => self.discovered = Some(message.body().to_owned()),
            _ => {}
        }
        if !call.is_stateless {
            let revision = self.client.as_ref().map(|client| client.revision);
            message = adapt::result_for_session(&message, call.request.method(), revision);
        }
        self.tell(number, Event::Reply(message));
    }

    fn call_error(&mut self, number: u64, error: Message) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let code = error.body_member("code").unwrap_or_default();
        let first = !std::mem::replace(&mut call.mended, true);
        let is_call = call.request.method() == "tools/call";
        match code {
            UNSUPPORTED_VERSION
                if self.protocol == Protocol::Auto && offers_sessions_only(&error) =>
            {
                self.has_sessions_now();
                return self.lose_call(number);
            }
            UNSUPPORTED_VERSION if first => {
                if let (Some(version), Era::Stateless(agreed)) =
                    (verdict::offered(&error), &mut self.era)
                {
                    agreed.version = version;
                    return self.send_call(number);
                }
            }
            HEADER_MISMATCH if first && is_call => {
                // The list of tools has changed.
                self.tools.forget();
                return self.send_call(number);
            }
            _ => {}
        }
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let response = match (call.is_stateless, code) {
            (true, _) => error.clone(),
            (false, MISSING_CAPABILITY) if is_call => return self.tell_missing(number, &error),
            (false, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) => {
                let internal = INTERNAL_ERROR.to_string();
                match error.body_member("code") {
                    Some(part) => error.with_part(part, &internal),
                    None => error.clone(),
                }
            }
            (false, _) => error.clone(),
        };
        self.tell(number, Event::Reply(response));
    }

    /// The tool needs what the AI client cannot do, which its model is to know.
    fn tell_missing(&mut self, number: u64, error: &Message) {
        let required = error
            .body_member("data")
            .and_then(|data| jsonrpc::member(data, "requiredCapabilities"))
            .unwrap_or("{}");
        let text = format!("this tool needs a client that can do more: {required}");
        self.reply(number, failed_call(number, &text));
    }

    /// Nobody waits for a request any more.
    pub(super) fn end_call(&mut self, number: u64, call: &Call) {
        if let Some(exchange) = call.exchange {
            self.end_leg(exchange);
        }
        self.inputs.retain(|_, (owner, _)| *owner != number);
    }
}

/// The answer to a tool call that says why it could not be carried out, for the model to read.
pub(super) fn failed_call(number: u64, text: &str) -> bytes::Bytes {
    let (id, text) = (Id::from_number(number), jsonrpc::quote(text));
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":true}}}}"
    )
    .into()
}

/// An error under this number.
pub(super) fn error_under(number: u64, code: i32, text: &str) -> bytes::Bytes {
    let id = Id::from_number(number);
    jsonrpc::error(Some(&id), MissingId::Null, code, text, None)
}
