//! Which transport the session is opened over, and the event stream of HTTP+SSE (MCP 2024-11-05,
//! Transports): it names the address for our messages and brings all of the server's. Without it
//! there is no session.
//!
//! ```text
//!          refused: the other transport          message              ended
//! dial ──▶ GET ──────────▶ connected ──────────▶ initialize … open ────────┐
//!           ▲                                                              ▼
//!           └────────────── a request, or the delay is over ──────────── Lost
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::{Effect, Event, Outgoing, OutgoingKind, Phase, Relay, Waiting};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::Message;
use crate::mcp::pending::Owner;
use crate::mcp::reconnect;
use crate::mcp::transport::{Detection, Endpoint, Next, Preference, Route, Setback, Transport};

/// How long the server may take to answer an `initialize` that it accepted, in milliseconds.
const INITIALIZE_LIMIT: u64 = 60_000;
/// How long a request waits for a lost stream to be open again, in milliseconds. Clients give up
/// after 60 seconds.
const RECONNECT_PATIENCE: u64 = 30_000;
/// A stream that lived this long and then ended is opened again without suspicion; in milliseconds.
const LIVED: u64 = 10_000;

/// The way to the server, as far as it is more than an address.
#[derive(Debug)]
pub(super) struct Link {
    detection: Detection,
    /// Whether a person may be asked to sign in for the opening of the session.
    asks: bool,
    events: Events,
    /// When the stream was opened.
    opened_at: u64,
    /// Whether a session was open and its stream was lost.
    reconnecting: bool,
    /// Attempts in a row that came to nothing, or to a stream that did not live long.
    failures: u32,
    /// The delay before a reconnect that the server asked for.
    retry: Option<Duration>,
    /// When the stream is opened again.
    again_at: Option<u64>,
    /// Until when the answer to an accepted `initialize` is awaited.
    answer_by: Option<u64>,
    /// Until when requests wait for the stream.
    patience: BTreeMap<u64, u64>,
    /// Why the last attempt failed.
    failure: Option<Failure>,
}

/// Where the event stream stands.
#[derive(Debug)]
enum Events {
    Closed,
    Opening { exchange: u64 },
    Open { exchange: u64, endpoint: Endpoint },
}

impl Events {
    fn exchange(&self) -> Option<u64> {
        match self {
            Self::Closed => None,
            Self::Opening { exchange } | Self::Open { exchange, .. } => Some(*exchange),
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            detection: Detection::new(Preference::default(), None),
            asks: true,
            events: Events::Closed,
            opened_at: 0,
            reconnecting: false,
            failures: 0,
            retry: None,
            again_at: None,
            answer_by: None,
            patience: BTreeMap::new(),
            failure: None,
        }
    }
}

impl Relay {
    /// Which transports may be used. `known`: the one that the server was found to speak, if that
    /// still holds.
    pub fn over(mut self, preference: Preference, known: Option<Transport>) -> Self {
        self.link.detection = Detection::new(preference, known);
        self
    }

    /// Whether the session is one over HTTP+SSE, or is being opened as one.
    pub(super) fn is_over_sse(&self) -> bool {
        self.link.detection.trying() == Transport::Sse
    }

    /// The way messages take now; `None` if there is none as the event stream is not open.
    pub(super) fn route(&self) -> Option<Route> {
        match (&self.link.events, self.link.detection.trying()) {
            (_, Transport::Streamable) => Some(Route::Streamable),
            (Events::Open { endpoint, .. }, Transport::Sse) => Some(Route::Sse(endpoint.clone())),
            (_, Transport::Sse) => None,
        }
    }

    /// Sends the `initialize` that the phase names, over the transport that comes first. `asks`:
    /// whether a person may be asked to sign in for it.
    pub(super) fn dial(&mut self, asks: bool) {
        self.link.asks = asks;
        let transport = self.link.detection.begin();
        self.dial_over(transport);
    }

    fn dial_over(&mut self, transport: Transport) {
        match (transport, self.opening()) {
            (Transport::Streamable, Some(number)) => self.send_request_that(number, self.link.asks),
            (Transport::Sse, Some(_)) => self.open_events(),
            (_, None) => {}
        }
    }

    /// The exchange of the `initialize` that is under way.
    pub(super) fn opening(&self) -> Option<u64> {
        match self.phase {
            Phase::Opening { exchange, .. } | Phase::Reopening { exchange } => Some(exchange),
            _ => None,
        }
    }

    fn open_events(&mut self) {
        self.close_events();
        let exchange = self.number();
        self.link.events = Events::Opening { exchange };
        self.effects.push(Effect::Send(Outgoing {
            exchange,
            body: Bytes::new(),
            kind: OutgoingKind::Events {
                once: self.link.reconnecting,
            },
            session: None,
            route: Route::Streamable,
            repeatable: true,
            asks: self.link.asks,
        }));
    }

    pub(super) fn close_events(&mut self) {
        if let Some(exchange) = self.link.events.exchange() {
            self.effects.push(Effect::Abort(exchange));
        }
        self.link.events = Events::Closed;
        self.link.answer_by = None;
    }

    /// Whether this exchange is the event stream.
    pub(super) fn is_events(&self, exchange: u64) -> bool {
        self.link.events.exchange() == Some(exchange)
    }

    /// What happened on the event stream, other than a message.
    pub(super) fn events_event(&mut self, exchange: u64, event: Event, now: u64) {
        if !self.is_events(exchange) {
            return;
        }
        match event {
            Event::Connected(endpoint) => self.connected(exchange, endpoint, now),
            Event::EventsEnded { failure, retry } => {
                self.link.retry = retry.or(self.link.retry);
                self.events_ended(failure, now);
            }
            Event::NoEvents(failure) => self.no_events(Setback::NoEvents(failure), now),
            Event::Failed(failure) if matches!(self.link.events, Events::Open { .. }) => {
                self.events_ended(failure, now);
            }
            Event::Failed(failure) => self.no_events(Setback::Failed(failure), now),
            // Whoever waits for the session waits for the person.
            Event::SigningIn | Event::Delayed | Event::NotSignedIn => {
                if let Some(number) = self.opening() {
                    self.remote_event(number, event, now);
                }
            }
            _ => {}
        }
    }

    /// The stream is open and has named an address; another one takes its place.
    fn connected(&mut self, exchange: u64, endpoint: Endpoint, now: u64) {
        let before = std::mem::replace(&mut self.link.events, Events::Open { exchange, endpoint });
        if matches!(before, Events::Opening { .. }) {
            self.link.opened_at = now;
            if let Some(number) = self.opening() {
                self.send_request_that(number, self.link.asks);
            }
        }
    }

    /// The stream could not be opened.
    fn no_events(&mut self, setback: Setback, now: u64) {
        self.link.events = Events::Closed;
        if let Some(number) = self.opening() {
            self.set_back(number, setback, now);
        }
    }

    /// There will be no answer to `initialize` over the transport that was tried.
    pub(super) fn set_back(&mut self, number: u64, setback: Setback, now: u64) {
        match self.link.detection.set_back(setback) {
            Next::Try(transport) => {
                let name = match transport {
                    Transport::Sse => "the older HTTP+SSE transport",
                    Transport::Streamable => "streamable HTTP",
                };
                self.detail(format!("`{}` refused; trying {name}", self.server_name));
                self.close_events();
                self.renumber_opening(number);
                self.dial_over(transport);
            }
            Next::Report(failure) => {
                self.initialize_failed(number, &failure, now);
            }
            Next::Deliver(error, remark) => {
                if let Some(remark) = remark {
                    self.note(remark);
                }
                self.error_to_initialize(number, &error, now);
            }
        }
    }

    /// Each try has a number of its own, so that what comes late belongs to none.
    fn renumber_opening(&mut self, number: u64) {
        let new = self.number();
        if !self.pending.renumber(number, new) {
            return;
        }
        match &mut self.phase {
            Phase::Opening { exchange, .. } | Phase::Reopening { exchange } => *exchange = new,
            _ => {}
        }
    }

    /// There will be no answer to the `initialize` that was POSTed.
    pub(super) fn opening_failed(&mut self, number: u64, failure: &Failure, now: u64) {
        match self.is_over_sse() {
            // The event stream has shown which transport it is.
            true => self.initialize_failed(number, failure, now),
            false => self.set_back(number, Setback::Failed(failure.clone()), now),
        }
    }

    /// The server accepted a request and will answer on the event stream.
    pub(super) fn accepted_for_events(&mut self, number: u64, now: u64) {
        if self.is_opening(number) {
            self.link.answer_by = Some(now.saturating_add(INITIALIZE_LIMIT));
        }
    }

    /// The session is open. Gives the transport, and whether it was not known before.
    pub(super) fn transport_works(&mut self) -> (Transport, bool) {
        self.link.answer_by = None;
        self.link.again_at = None;
        self.link.failure = None;
        self.link.patience.clear();
        if std::mem::take(&mut self.link.reconnecting) {
            self.note(format!("`{}` is connected again", self.server_name));
        }
        let detected = self.link.detection.works();
        (self.link.detection.trying(), detected)
    }

    /// The stream is gone, and with it the session.
    fn events_ended(&mut self, failure: Failure, now: u64) {
        self.link.events = Events::Closed;
        self.link.answer_by = None;
        if let Some(number) = self.opening() {
            return self.ended_while_opening(number, failure, now);
        }
        if self.session.is_none() {
            return;
        }
        let lived = now.saturating_sub(self.link.opened_at) >= LIVED;
        self.link.failures = match lived {
            true => 0,
            false => self.link.failures + 1,
        };
        self.note(format!("{}; opening it again", failure.detail));
        self.lose_events("ended the stream on which the answer was to come");
        self.link.reconnecting = true;
        self.phase = Phase::Lost;
        // The first attempt after a stream that lived is made after the delay as it is.
        self.reconnect_later(self.link.failures.saturating_sub(1), failure, now);
    }

    /// Repeating `initialize` does no harm, once; after that the server has a fault.
    fn ended_while_opening(&mut self, number: u64, failure: Failure, now: u64) {
        self.effects.push(Effect::Abort(number));
        let again = self.pending.asked(number).is_some_and(|asked| {
            asked.sent = false;
            !std::mem::replace(&mut asked.resent, true)
        });
        if again && matches!(self.phase, Phase::Opening { .. }) {
            self.renumber_opening(number);
            return self.open_events();
        }
        self.initialize_failed(number, &failure, now);
    }

    /// The session is lost with its stream. What it had not answered is sent again in the next one
    /// where that does no harm, once, and fails otherwise.
    pub(super) fn lose_events(&mut self, why: &str) {
        self.close_events();
        self.close_standing();
        self.session = None;
        self.withdraw_questions("the server lost the session");
        let mut again = Vec::new();
        for number in self.pending.numbers() {
            let Some(asked) = self.pending.asked(number).filter(|asked| asked.sent) else {
                continue;
            };
            self.effects.push(Effect::Abort(number));
            let repeatable = self.tools.may_repeat(&asked.message);
            if asked.owner == Owner::Restore {
                self.pending.settle(number);
            } else if repeatable && !asked.resent {
                asked.resent = true;
                asked.sent = false;
                again.push(number);
            } else {
                let failure = self.unanswered_as(why, repeatable);
                self.fail(number, &failure);
            }
        }
        for number in again.into_iter().rev() {
            let new = self.number();
            self.pending.renumber(number, new);
            self.waiting.push_front(Waiting::Request(new));
        }
    }

    fn unanswered_as(&self, why: &str, repeatable: bool) -> Failure {
        let outcome = match repeatable {
            true => "it was sent twice; try again later",
            false => "the request may have been carried out, so it was not sent again",
        };
        let detail = format!("`{}` {why}; {outcome}", self.server_name);
        Failure::new(Stage::Http, repeatable, detail)
    }

    /// The session could not be opened again. `true` if it is tried anew later, and what waits goes
    /// on waiting.
    pub(super) fn retries_later(&mut self, failure: &Failure, now: u64) -> bool {
        if !self.link.reconnecting {
            return false;
        }
        if failure.stage == Stage::Auth {
            // Only a request is reason enough to ask a person again.
            self.link.again_at = None;
            return false;
        }
        self.link.failures = self.link.failures.saturating_add(1);
        self.detail(format!("not connected yet: {}", failure.detail));
        self.reconnect_later(self.link.failures, failure.clone(), now);
        if !failure.retryable {
            return false;
        }
        self.be_patient(now);
        true
    }

    fn reconnect_later(&mut self, failures: u32, failure: Failure, now: u64) {
        let delay = reconnect::delay_after(self.link.retry, failures);
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.link.again_at = Some(now.saturating_add(delay));
        self.link.failure = Some(failure);
        self.be_patient(now);
    }

    /// Whether the event stream was lost and is not open again yet.
    pub(super) fn is_reconnecting(&self) -> bool {
        self.link.reconnecting
    }

    /// The server no longer knows the session, although the stream was open.
    pub(super) fn reconnect_at_once(&mut self, now: u64) {
        self.link.reconnecting = true;
        self.reconnect(now);
    }

    /// Opens the stream and a new session on it.
    pub(super) fn reconnect(&mut self, now: u64) {
        self.link.again_at = None;
        self.be_patient(now);
        self.initialize_again();
    }

    /// Bounds how long what waits now goes on waiting.
    pub(super) fn be_patient(&mut self, now: u64) {
        let until = now.saturating_add(RECONNECT_PATIENCE);
        for number in self.waiting.iter().filter_map(Waiting::request) {
            self.link.patience.entry(number).or_insert(until);
        }
    }

    pub(super) fn link_deadline(&self) -> Option<u64> {
        let patience = self.link.patience.values().min().copied();
        [self.link.again_at, self.link.answer_by, patience]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn link_on_time(&mut self, now: u64) {
        if self.link.answer_by.is_some_and(|at| now >= at) {
            self.link.answer_by = None;
            let failure = Failure::new(
                Stage::Http,
                true,
                format!(
                    "`{}` accepted `initialize`, but did not answer it within {} s",
                    self.server_name,
                    INITIALIZE_LIMIT / 1000
                ),
            );
            if let Some(number) = self.opening() {
                self.effects.push(Effect::Abort(number));
                self.initialize_failed(number, &failure, now);
            }
        }
        if self.link.again_at.is_some_and(|at| now >= at) {
            self.link.again_at = None;
            if matches!(self.phase, Phase::Lost) {
                self.reconnect(now);
            }
        }
        self.give_up_waiting(now);
    }

    /// Answers requests that have waited long enough for the stream.
    fn give_up_waiting(&mut self, now: u64) {
        let due = |until: &u64| *until <= now;
        if !self.link.patience.values().any(due) {
            return;
        }
        let mut given_up = BTreeSet::new();
        self.link.patience.retain(|number, until| {
            let is_due = due(until);
            if is_due {
                given_up.insert(*number);
            }
            !is_due
        });
        let why = self
            .link
            .failure
            .as_ref()
            .map_or("", |failure| &failure.detail);
        let detail = format!(
            "`{}` has been out of reach for {} s, and this request was not sent: {why}",
            self.server_name,
            RECONNECT_PATIENCE / 1000
        );
        let failure = Failure::new(Stage::Connect, true, detail);
        self.waiting.retain(|waiting| {
            waiting
                .request()
                .is_none_or(|number| !given_up.contains(&number))
        });
        for number in given_up {
            self.fail(number, &failure);
        }
    }

    /// The AI client starts afresh: nothing is left of the session before.
    pub(super) fn link_afresh(&mut self) {
        self.close_events();
        self.link = Link {
            detection: std::mem::replace(
                &mut self.link.detection,
                Detection::new(Preference::default(), None),
            ),
            ..Link::default()
        };
    }

    /// The server answered `initialize` with an HTTP status and a JSON-RPC error.
    pub(super) fn refused(&mut self, number: u64, status: u16, error: Message, now: u64) {
        let by_transport = self.is_opening(number) && !self.is_over_sse();
        if by_transport && !self.is_other_revision_offered(&error) {
            return self.set_back(number, Setback::Refused { status, error }, now);
        }
        self.answered(number, &error, now);
    }
}
