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

mod losing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::{Effect, Event, Outgoing, OutgoingKind, Phase, Relay};
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::Message;
use crate::mcp::transport::{Detection, Endpoint, Next, Preference, Route, Setback, Transport};

/// How long the server may take to answer an `initialize` that it accepted, in milliseconds.
const INITIALIZE_LIMIT: u64 = 60_000;
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
    /// When it may be opened again at the earliest, even for a request.
    not_before: u64,
    /// Until when the answer to an accepted `initialize` is awaited.
    answer_by: Option<u64>,
    /// Requests that the server accepted and has not answered.
    accepted: BTreeSet<u64>,
    /// Requests whose POST was under way when the stream was lost, and until when it is awaited.
    doubtful: BTreeMap<u64, u64>,
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
            not_before: 0,
            answer_by: None,
            accepted: BTreeSet::new(),
            doubtful: BTreeMap::new(),
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
            head: None,
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
            Event::Failed(failure) | Event::GaveUp(failure)
                if matches!(self.link.events, Events::Open { .. }) =>
            {
                self.events_ended(failure, now);
            }
            Event::Failed(failure) | Event::GaveUp(failure) => {
                self.no_events(Setback::Failed(failure), now)
            }
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
        match self.is_opening(number) {
            true => self.link.answer_by = Some(now.saturating_add(INITIALIZE_LIMIT)),
            false => {
                self.link.accepted.insert(number);
            }
        }
    }

    /// A request has its answer, or needs none any more.
    pub(super) fn answered_over_events(&mut self, number: u64) {
        self.link.accepted.remove(&number);
        self.link.doubtful.remove(&number);
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
