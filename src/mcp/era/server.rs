//! The server as the relay sees it: one that opens with `initialize`, whatever it is.
//!
//! The relay's messages pass through here on their way out, and the server's on their way in. For a
//! server that opens with `initialize` nothing changes. For one without sessions (MCP 2026-07-28)
//! this stands in for the session that it does not have:
//!
//! | the relay                         | the server                                              |
//! |-----------------------------------|---------------------------------------------------------|
//! | `initialize`                      | `server/discover`                                       |
//! | a request                         | the same with `_meta` and a head                        |
//! | a request of the server, answered | `input_required`, and the request again with the answer |
//! | the standing stream               | `subscriptions/listen`                                  |
//! | `resources/subscribe`             | `subscriptions/listen` with one address more            |
//! | `logging/setLevel`                | a member of `_meta`                                     |
//! | `notifications/cancelled`         | the end of the exchange                                 |
//! | `ping`                            | `server/discover`                                       |
//!
//! A request that has a `_meta` of the new era comes from an AI client of that era. It goes and is
//! answered as it is.

mod call;
mod client;
mod doubt;
mod listen;
mod opening;
mod overlap;
mod rounds;
mod stand_in;
mod streams;
mod tools;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::headers::Head;
use super::matrix::Level;
use super::meta;
use super::verdict::{Protocol, Verdict};
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::{self, Id, Message, MissingId};
use crate::mcp::queue::Queue;
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::{Effect, Event, Note, Outgoing, OutgoingKind};
use crate::mcp::revision;
use crate::mcp::transport::{Route, Transport};
use call::Call;
use client::Client;
use doubt::Doubt;
use listen::Listening;
use opening::Probe;
use stand_in::Remembered;
use tools::ToolHeads;

/// The first number of the exchanges that are begun here; the relay's own stay below, for a thousand
/// million messages. As the ids of requests they are small enough for servers that have 32 bits for
/// them.
const OWN: u64 = 1 << 30;

/// The request that opens a subscription.
const LISTEN: &str = "subscriptions/listen";

/// What is known of the server's era.
#[derive(Debug)]
enum Era {
    /// Nothing yet.
    Unknown,
    /// It is being asked.
    Probing(Box<Probe>),
    /// It opens with `initialize`, or is taken to. `asked`: it was asked in the attempt to open
    /// that goes on. `sure`: it said so, rather than nothing. `other`: the revision without
    /// sessions that it speaks too.
    Initialize {
        asked: bool,
        sure: bool,
        other: Option<&'static str>,
    },
    /// It has no sessions.
    Stateless(Agreed),
}

/// What a server without sessions said of itself.
#[derive(Clone, Debug)]
struct Agreed {
    /// The revision.
    version: &'static str,
    /// Its `capabilities`, JSON text.
    capabilities: String,
    /// Whether it opens with `initialize` too.
    has_sessions: bool,
}

/// What an exchange that is under way is for.
#[derive(Debug)]
enum Leg {
    /// Finding out the era.
    Probe,
    /// A request of the relay, by the relay's number.
    Call(u64),
    /// Whether the server is there.
    Ping(u64),
    /// Whether it is still what it was.
    Doubt,
    /// The list of tools, for their heads.
    Tools,
    /// A subscription.
    Listen,
}

/// The server's side. See the module's text.
#[derive(Debug)]
pub struct ServerSide {
    name: String,
    protocol: Protocol,
    era: Era,
    /// The DiscoverResult that the server gave last, JSON text.
    discovered: Option<String>,
    client: Option<Client>,
    /// The `initialize` that went as it was, for what was found out earlier.
    opening: Option<Outgoing>,
    /// The exchange of the `initialize` that went last.
    initialize: Option<u64>,
    /// What the server said of itself in an earlier process that found it without sessions.
    remembered: Option<Remembered>,
    /// What we can do for the AI client beside what it says itself: extensions' ids.
    extensions: Vec<&'static str>,
    /// What waits for an answer to the question whether the server is still what it was.
    doubt: Option<Doubt>,
    log_level: Option<Level>,
    next: u64,
    legs: BTreeMap<u64, Leg>,
    calls: BTreeMap<u64, Call>,
    /// The server's requests that are with the AI client: whose they are, by the id they have here.
    inputs: BTreeMap<Box<str>, (u64, String)>,
    tools: ToolHeads,
    /// What was kept last of the server.
    kept: Option<(Box<ServerRecord>, Transport)>,
    listening: Listening,
    effects: Queue<Effect>,
    events: VecDeque<(u64, Event)>,
}

impl ServerSide {
    /// A server with this name, for messages. `known`: what it was found to be, if that is still to
    /// be believed.
    pub fn new(name: impl Into<String>, protocol: Protocol, known: Option<&Verdict>) -> Self {
        // One without sessions is asked all the same what it is: that is all there is to open.
        let era = match (protocol, known) {
            (Protocol::Auto, Some(known)) if known.has_sessions => {
                let other = known.stateless.as_deref();
                Era::Initialize {
                    asked: false,
                    sure: true,
                    other: other
                        .and_then(revision::find_stateless)
                        .map(|found| found.name),
                }
            }
            _ => Era::Unknown,
        };
        let stateless = known.filter(|known| !known.has_sessions);
        let stateless = stateless.and_then(|known| known.stateless.as_deref());
        Self {
            name: name.into(),
            protocol,
            era,
            discovered: None,
            client: None,
            opening: None,
            initialize: None,
            remembered: stateless
                .and_then(revision::find_stateless)
                .map(|found| Remembered::new(found.name)),
            extensions: Vec::new(),
            doubt: None,
            log_level: None,
            next: OWN,
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            inputs: BTreeMap::new(),
            tools: ToolHeads::default(),
            kept: None,
            listening: Listening::default(),
            effects: Queue::default(),
            events: VecDeque::new(),
        }
    }

    /// What the server said of itself when it was last reached.
    pub fn remembering(mut self, record: Option<&ServerRecord>) -> Self {
        if let Some(remembered) = &mut self.remembered {
            remembered.result = record.map(stand_in::result_of_record);
            let heads = record.and_then(|record| record.tool_heads.as_ref());
            self.tools = heads.map(ToolHeads::of_kept).unwrap_or_default();
        }
        self
    }

    /// Extensions that this program has, whatever the AI client does: MCP 2026-07-28, Versioning,
    /// Extension Negotiation.
    pub fn declaring(mut self, extensions: Vec<&'static str>) -> Self {
        self.extensions = extensions;
        self
    }

    /// What is to be done now, in order; to be emptied.
    pub fn effects(&mut self) -> &mut Queue<Effect> {
        &mut self.effects
    }

    /// The next thing that the relay is to be told.
    pub fn next_event(&mut self) -> Option<(u64, Event)> {
        self.events.pop_front()
    }

    /// The revision without sessions that is spoken; `None` while a session is, or nothing is known.
    pub fn stateless(&self) -> Option<&'static str> {
        match &self.era {
            Era::Stateless(agreed) => Some(agreed.version),
            _ => None,
        }
    }

    /// What was found out about the server; found now, as far as this knows.
    fn verdict(&self) -> Option<Verdict> {
        let (stateless, has_sessions) = match (&self.era, self.protocol) {
            (Era::Stateless(agreed), _) => (Some(agreed.version), agreed.has_sessions),
            (Era::Initialize { sure: false, .. }, _) => return None,
            (Era::Initialize { other, .. }, Protocol::Auto) => (*other, true),
            _ => return None,
        };
        Some(Verdict {
            stateless: stateless.map(str::to_owned),
            has_sessions,
            found_at: 0,
        })
    }

    /// What a server without sessions said of itself last: a DiscoverResult, JSON text.
    pub fn discovered(&self) -> Option<&str> {
        self.discovered.as_deref()
    }

    /// When [`ServerSide::on_time`] is to be called at the latest, in milliseconds of the caller's
    /// clock.
    pub fn deadline(&self) -> Option<u64> {
        let probe = match &self.era {
            Era::Probing(probe) => probe.deadline(),
            _ => None,
        };
        let calls = self.calls.values().filter_map(Call::deadline).min();
        [probe, calls, self.listening.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: `now` in milliseconds of the caller's clock.
    pub fn on_time(&mut self, now: u64) {
        self.probe_on_time(now);
        self.calls_on_time(now);
        self.listen_on_time(now);
    }

    /// Whether nothing is kept but subscriptions.
    #[cfg(test)]
    pub fn rests_but_for_subscriptions(&self) -> bool {
        let listens = |leg: &Leg| match leg {
            Leg::Call(number) => self.calls[number].is_listen(),
            leg => matches!(leg, Leg::Listen),
        };
        self.inputs.is_empty()
            && self.calls.values().all(Call::is_listen)
            && self.legs.values().all(listens)
            && self.doubt.is_none()
    }

    /// The relay wants something done. `has_sessions`: whether the AI client opened with
    /// `initialize`, so that it hears of changes without asking for them.
    pub fn effect(&mut self, effect: Effect, has_sessions: bool, now: u64) {
        match effect {
            Effect::Send(outgoing) if is_initialize(&outgoing) => {
                self.open(outgoing, has_sessions, now);
            }
            Effect::Abort(number) => self.abort(number),
            Effect::Remember {
                record,
                transport,
                detected,
            } => self.keep(record, transport, detected),
            Effect::Send(outgoing) if self.stateless().is_none() && !has_sessions => {
                self.effects.push(Effect::Send(plain(outgoing)));
            }
            _ if self.stateless().is_none() => self.effects.push(effect),
            Effect::Send(outgoing) => self.send(outgoing, now),
            Effect::OpenStanding { exchange, .. } if has_sessions => self.stand(exchange, now),
            Effect::OpenStanding { exchange, .. } => self.tell(exchange, Event::StandingAbsent),
            Effect::EndSession(_) => self.forget_all(),
            other => self.effects.push(other),
        }
    }

    /// A message of the relay to a server without sessions.
    fn send(&mut self, outgoing: Outgoing, now: u64) {
        let Ok(message) = jsonrpc::parse(outgoing.body.clone()) else {
            return;
        };
        match outgoing.kind {
            OutgoingKind::Request(_) => self.request(&outgoing, message, now),
            OutgoingKind::Notification(_) => {
                self.notification(&message);
                self.tell(outgoing.exchange, Event::Accepted);
            }
            OutgoingKind::Response => self.input(&message, now),
            OutgoingKind::Events { .. } => self.effects.push(Effect::Send(outgoing)),
        }
    }

    /// The new era has no notifications of a client's (MCP 2026-07-28, Transports, Streamable HTTP):
    /// the end of an exchange cancels its request.
    fn notification(&mut self, message: &Message) {
        match message.method() {
            "notifications/cancelled" => {
                let number = message
                    .body_member("requestId")
                    .and_then(|id| id.parse().ok());
                if let Some(number) = number {
                    self.abort(number);
                }
            }
            "notifications/initialized" => {}
            method => self.detail(format!(
                "`{method}` is not passed on: the server speaks a revision without it"
            )),
        }
    }

    /// Nobody waits for this exchange of the relay's any more.
    fn abort(&mut self, number: u64) {
        if let Era::Probing(probe) = &self.era
            && probe.number() == number
        {
            let exchange = probe.exchange();
            self.end_leg(exchange);
            self.era = Era::Unknown;
            return;
        }
        if self.listening.is_standing(number) {
            return self.end_listening();
        }
        let ping = self
            .legs
            .iter()
            .find(|(_, leg)| matches!(leg, Leg::Ping(of) if *of == number));
        if let Some((exchange, _)) = ping {
            let exchange = *exchange;
            return self.end_leg(exchange);
        }
        match self.calls.remove(&number) {
            Some(call) => self.end_call(number, &call),
            None => self.effects.push(Effect::Abort(number)),
        }
    }

    fn end_leg(&mut self, exchange: u64) {
        if self.legs.remove(&exchange).is_some() {
            self.effects.push(Effect::Abort(exchange));
        }
    }

    /// The relay's session is over.
    fn forget_all(&mut self) {
        let exchanges: Vec<u64> = self.legs.keys().copied().collect();
        for exchange in exchanges {
            self.end_leg(exchange);
        }
        self.calls.clear();
        self.inputs.clear();
        self.doubt = None;
        self.tools = ToolHeads::default();
        self.listening = Listening::default();
        self.log_level = None;
    }

    /// Something happened on an exchange.
    pub fn event(&mut self, exchange: u64, event: Event, now: u64) {
        if matches!(event, Event::SigningIn) {
            // Whoever signs in may see other tools.
            self.tools.forget();
        }
        match self.legs.get(&exchange) {
            Some(Leg::Probe) => self.probe_event(exchange, event),
            Some(Leg::Call(number)) => {
                let number = *number;
                self.call_event(number, exchange, event, now);
            }
            Some(Leg::Ping(number)) => {
                let number = *number;
                self.ping_event(number, exchange, event);
            }
            Some(Leg::Doubt) => self.doubt_event(exchange, event),
            Some(Leg::Tools) => self.tools_event(exchange, event),
            Some(Leg::Listen) => self.listen_event(exchange, event, now),
            // Of a leg that is over.
            None if exchange >= OWN || self.calls.contains_key(&exchange) => {}
            None => self.opening_event(exchange, event, now),
        }
    }

    /// The server is there if it answers anything. It may not be what it was.
    fn ping_event(&mut self, number: u64, exchange: u64, event: Event) {
        if is_underway(&event) {
            return;
        }
        self.legs.remove(&exchange);
        if self.protocol == Protocol::Auto && doubt::decides_for_sessions(&event) {
            self.era = Era::Unknown;
            return self.tell(number, Event::SessionLost);
        }
        match event {
            Event::Failed(_) | Event::GaveUp(_) | Event::NotSignedIn => self.tell(number, event),
            _ => self.reply(number, jsonrpc::empty_result(&Id::from_number(number))),
        }
    }

    fn tell(&mut self, number: u64, event: Event) {
        self.events.push_back((number, event));
    }

    /// Answers a request of the relay's with this response.
    fn reply(&mut self, number: u64, response: Bytes) {
        if let Ok(message) = jsonrpc::parse(response) {
            self.tell(number, Event::Reply(message));
        }
    }

    fn refuse(&mut self, number: u64, code: i32, text: &str) {
        let id = Id::from_number(number);
        self.reply(
            number,
            jsonrpc::error(Some(&id), MissingId::Null, code, text, None),
        );
    }

    fn fail(&mut self, number: u64, failure: Failure) {
        self.tell(number, Event::Failed(failure));
    }

    fn detail(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(Note::Detail(text.into())));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(Note::Notable(text.into())));
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends a request of our own.
    fn ask(&mut self, leg: Leg, method: &str, params: &str, head: Head, asks: bool) -> u64 {
        let exchange = self.number();
        let method_json = jsonrpc::quote(method);
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{exchange},\"method\":{method_json},\"params\":{params}}}"
        );
        self.legs.insert(exchange, leg);
        self.effects.push(Effect::Send(Outgoing {
            exchange,
            body: body.into(),
            kind: OutgoingKind::Request(method.into()),
            // What is missed while a subscription is lost has to be known here.
            repeatable: method != LISTEN,
            session: None,
            route: Route::Streamable,
            asks,
            head: Some(Box::new(head)),
        }));
        exchange
    }
}

/// A request of a client of the new era that was made for a server of it, for one that opens with
/// `initialize`: it may have been replaced since.
fn plain(mut outgoing: Outgoing) -> Outgoing {
    if let (OutgoingKind::Request(_), Ok(request)) =
        (&outgoing.kind, jsonrpc::parse(outgoing.body.clone()))
        && meta::version(&request).is_some()
    {
        outgoing.body = meta::plain(&request).text().clone();
    }
    outgoing
}

/// Whether an event is not the end of its exchange.
fn is_underway(event: &Event) -> bool {
    matches!(
        event,
        Event::Message(_)
            | Event::SessionHeader(_)
            | Event::SigningIn
            | Event::Delayed
            | Event::Waiting { .. }
    )
}

/// Whether this opens a session over streamable HTTP.
fn is_initialize(outgoing: &Outgoing) -> bool {
    outgoing.route == Route::Streamable
        && matches!(&outgoing.kind, OutgoingKind::Request(method) if &**method == "initialize")
}

#[cfg(test)]
mod tests;
