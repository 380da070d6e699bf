//! The relay between the two sides, for an AI client and a server that both open with
//! `initialize`: messages and events in, effects out, no IO.
//!
//! While a person has to sign in, the AI client gets its answer to `initialize` without the server
//! (see `sign_in`): from then on `Opening` waits for the person, and `Unopened` for the user's word.
//!
//! ```text
//!            initialize             result               initialized            accepted
//! Idle ───────────────▶ Opening ──────────▶ AwaitingHost ───────────▶ Announcing ───────────▶ Open
//!   ▲                      │ failed                                       ▲                    │ 404
//!   └──────────────────────┘                              result, sent again                   ▼
//!                                         Lost ◀─────────────────────── Reopening ◀────────────┘
//!                                           └── next request ──────────────▲
//! ```

mod alive;
mod elsewhere;
mod exchange;
mod host;
mod lifecycle;
mod remote;
mod sign_in;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

pub use exchange::{Effect, Event, Note, Outgoing, OutgoingKind};
pub use sign_in::PATIENCE;
use sign_in::SignIn;
use transport::Link;

use super::capability::HostCapabilities;
use super::failure::{Failure, Stage};
use super::jsonrpc::{self, Id, Message, Method, MissingId};
use super::line::Line;
use super::pending::{Asked, Owner, Pending};
use super::queue::Queue;
use super::revision::{self, Revision};
use super::session::Session;
use super::tools::Tools;
use super::visible::Visible;
use crate::secret::Secret;
use alive::Alive;

/// Longest time a request of the server may wait for the AI client, in milliseconds: a person may
/// have to answer it.
const QUESTION_LIMIT: u64 = 10 * 60 * 1000;
/// Longest time that calls wait for the standing stream to be answered, in milliseconds. Over HTTP/1.1
/// the request for it has to make a connection first, and they do not: around the world that is half a
/// second. A server that has not answered by then most likely does so with the first event.
const STANDING_LIMIT: u64 = 1000;
/// How often a lost session is opened again within [`REOPEN_WINDOW`].
const REOPEN_LIMIT: usize = 3;
/// See [`REOPEN_LIMIT`]; in milliseconds.
const REOPEN_WINDOW: u64 = 60_000;
/// Most requests that wait for an answer, or notifications that wait to be delivered.
const REQUEST_LIMIT: usize = 1024;
/// Places for messages that wait which are kept while none does.
const KEPT: usize = 16;
/// Most bytes in requests that wait for an answer. A single one may have more.
const REQUEST_BYTES: usize = 96 * 1024 * 1024;

/// What a server is told that asks an AI client which has said its last.
const NOBODY_ANSWERS: &str = "the client has ended its input and answers nothing any more";

/// Where the session stands.
#[derive(Debug)]
enum Phase {
    /// No `initialize` yet.
    Idle,
    /// The AI client's `initialize` is on its way, since then.
    Opening {
        exchange: u64,
        refused_once: bool,
        since: u64,
    },
    /// The AI client was promised a session, but there is none, since the sign-in failed. The next
    /// request tries anew; only the user asks for another sign-in.
    Unopened,
    /// The AI client has the result; its `notifications/initialized` is to come.
    AwaitingHost,
    /// `notifications/initialized` is on its way.
    Announcing { exchange: u64, restoring: bool },
    /// Everything flows.
    Open,
    /// The session was lost and is being opened again.
    Reopening { exchange: u64 },
    /// The session was lost and could not be opened again; the next request tries anew.
    Lost,
}

/// Where the standing GET stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not asked for.
    None,
    /// Asked for; calls wait for the answer, at most until the deadline.
    Asked { exchange: u64, until: u64 },
    /// Open (or being reopened).
    Open { exchange: u64 },
    /// The server has none.
    Absent,
}

/// The relay. See the module's text.
#[derive(Debug)]
pub struct Relay {
    server_name: String,
    phase: Phase,
    standing: Standing,
    session: Option<Arc<Session>>,
    session_header: Option<Secret>,
    sessions: u64,
    reopened: VecDeque<u64>,
    pending: Pending,
    waiting: VecDeque<Waiting>,
    /// Notifications in flight, with the serial of the session they were sent in.
    notifications: HashMap<u64, (Method, u64)>,
    /// Requests that the server accepted and will answer on the standing stream, until then.
    answers_elsewhere: BTreeMap<u64, u64>,
    batches: u64,
    next_number: u64,
    host: Host,
    tools: Tools,
    visible: Visible,
    sign_in: SignIn,
    /// No person can help where there is no token.
    nobody_to_ask: bool,
    link: Link,
    alive: Alive,
    /// The AI client will say nothing more.
    host_ended: bool,
    effects: Queue<Effect>,
}

/// What is known of the AI client.
#[derive(Debug, Default)]
struct Host {
    revision: Option<&'static Revision>,
    capabilities: HostCapabilities,
    initialize: Option<Message>,
    initialized: Option<Message>,
    /// Its `initialize` is not its own.
    is_unasked: bool,
    /// It said more than it may before it had the answer to `initialize`.
    speaks_on: bool,
    /// Server capabilities as told to the AI client, JSON text.
    told_capabilities: String,
    /// The server's own, where the AI client was told others.
    other_capabilities: Option<String>,
    log_level: Option<Message>,
    subscriptions: BTreeMap<String, Message>,
}

/// A message that waits for the session.
#[derive(Debug)]
enum Waiting {
    Request(u64),
    Notification(Message),
}

impl Waiting {
    /// The number, if it is a request.
    fn request(&self) -> Option<u64> {
        match self {
            Self::Request(number) => Some(*number),
            Self::Notification(_) => None,
        }
    }
}

impl Relay {
    /// A relay for a server with this name (its host, for messages).
    pub fn new(server_name: impl Into<String>) -> Self {
        Self {
            server_name: server_name.into(),
            phase: Phase::Idle,
            standing: Standing::None,
            session: None,
            session_header: None,
            sessions: 0,
            reopened: VecDeque::new(),
            pending: Pending::default(),
            waiting: VecDeque::new(),
            notifications: HashMap::new(),
            answers_elsewhere: BTreeMap::new(),
            batches: 0,
            next_number: 1,
            host: Host::default(),
            tools: Tools::default(),
            visible: Visible::default(),
            sign_in: SignIn::default(),
            nobody_to_ask: false,
            link: Link::default(),
            alive: Alive::default(),
            host_ended: false,
            effects: Queue::default(),
        }
    }

    /// Which of the server's tools the AI client sees and may call.
    pub fn showing(mut self, visible: Visible) -> Self {
        self.visible = visible;
        self
    }

    /// What is to be done next. Ask after every input until there is nothing left.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop()
    }

    /// All that is to be done now, in order.
    #[cfg(test)]
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.take()
    }

    /// When [`Relay::on_time`] is to be called at the latest, in milliseconds of the caller's clock.
    pub fn deadline(&self) -> Option<u64> {
        let standing = match self.standing {
            Standing::Asked { until, .. } if !self.waiting.is_empty() => Some(until),
            _ => None,
        };
        [
            standing,
            self.pending.first_deadline(),
            self.sign_in_deadline(),
            self.link_deadline(),
            self.alive_deadline(),
            self.elsewhere_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Time has passed: `now` in milliseconds of the caller's clock.
    pub fn on_time(&mut self, now: u64) {
        self.tell_time(now);
        self.link_on_time(now);
        self.sign_in_on_time(now);
        self.alive_on_time(now);
        self.elsewhere_on_time(now);
        if let Standing::Asked { exchange, until } = self.standing
            && now >= until
        {
            // Some servers send no headers before the first event; calls need not wait for that.
            self.standing = Standing::Open { exchange };
            self.pump(now);
        }
        for (number, question) in self
            .pending
            .take_questions(|question| question.deadline <= now)
        {
            self.withdraw_question(number, "nobody answered in time");
            self.refuse_question(
                &question.id,
                jsonrpc::INTERNAL_ERROR,
                "the user did not answer in time",
            );
        }
    }

    /// The AI client will say nothing more: what it asked is still to be answered, but there is
    /// nobody left whom the server could ask something first.
    pub fn host_ended(&mut self, now: u64) {
        self.host_ended = true;
        for (_, question) in self.pending.take_questions(|_| true) {
            self.refuse_question(&question.id, jsonrpc::INTERNAL_ERROR, NOBODY_ANSWERS);
        }
        self.pump(now);
    }

    /// Whether the AI client is to have every answer, however long it takes, although it will say
    /// nothing more: it spoke on before it had seen the answer to `initialize`, which no interactive
    /// client does. It is a script, whose input was there from the beginning.
    pub fn awaits_all(&self) -> bool {
        self.host.speaks_on
    }

    /// Whether the AI client waits for an answer under this id.
    pub fn awaits(&self, id: &Id) -> bool {
        self.pending.has_host_id(id)
    }

    /// Whether a request in flight has this progress token, JSON text.
    pub fn has_progress_token(&self, token: &str) -> bool {
        self.pending.has_progress_token(token)
    }

    /// Whether there is a session, or was one, or one was promised or is being opened.
    pub fn is_begun(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether the session was lost, and nothing is done to have another before it is needed.
    pub fn has_lost_session(&self) -> bool {
        matches!(self.phase, Phase::Lost) && !self.is_reconnecting()
    }

    /// The id under which the AI client waits for an answer to this exchange; `None` if it does not.
    pub fn asker(&mut self, exchange: u64) -> Option<Id> {
        match &self.pending.asked(exchange)?.owner {
            Owner::Host(id) | Owner::HostBatch(id, _) => Some(id.clone()),
            Owner::Restore | Owner::Ping => None,
        }
    }

    /// Whether requests of the AI client still wait for an answer.
    pub fn is_busy(&self) -> bool {
        self.pending.is_awaited()
    }

    /// Whether notifications of the AI client wait for a session that is on its way.
    pub fn is_holding(&self) -> bool {
        let is_coming = matches!(
            self.phase,
            Phase::Opening { .. } | Phase::Announcing { .. } | Phase::Reopening { .. }
        );
        let waits = |waiting: &Waiting| matches!(waiting, Waiting::Notification(_));
        is_coming && self.waiting.iter().any(waits)
    }

    /// The AI client is gone or the process ends: cancels what is in flight, ends the session.
    pub fn close(&mut self) {
        self.forget_ping();
        for number in self.pending.numbers() {
            let Some(asked) = self.pending.settle(number) else {
                continue;
            };
            if asked.sent && self.is_of_this_session(&asked) {
                self.send_cancelled(number, "the client disconnected");
            }
            self.effects.push(Effect::Abort(number));
            // A client that only closed its end of stdin may still read.
            let failure = self.unanswered(&asked);
            self.deliver(asked.owner, |id| failure.response(id));
        }
        self.close_standing();
        if let Some(session) = self.session.take() {
            self.effects.push(Effect::EndSession(session));
        }
        self.phase = Phase::Idle;
    }

    /// Whether the server can know of this request: it died with the session it was sent in.
    fn is_of_this_session(&self, asked: &Asked) -> bool {
        let current = self.session.as_ref().map(|session| session.serial);
        current == Some(asked.session)
    }

    /// What is said about a request that the end of the session overtook. One that was sent may
    /// have been carried out, so only those without effects are worth sending again.
    fn unanswered(&self, asked: &Asked) -> Failure {
        let server = &self.server_name;
        match asked.sent {
            false if self.is_awaiting_person() => self.sign_in_needed(),
            false => Failure::new(
                Stage::Connect,
                true,
                format!("the session ended before this request could be sent to `{server}`"),
            ),
            true => Failure::new(
                Stage::Http,
                self.may_repeat(&asked.message),
                format!(
                    "`{server}` had not answered when the session ended; the request may have been carried out"
                ),
            ),
        }
    }

    /// Whether carrying out this request twice does no harm, so that it may be sent again although
    /// it may have arrived.
    fn may_repeat(&self, request: &Message) -> bool {
        self.tools.may_repeat(request)
    }

    /// Whether this exchange is the standing stream of the session.
    fn is_standing(&self, number: u64) -> bool {
        matches!(self.standing, Standing::Asked { exchange, .. } | Standing::Open { exchange } if exchange == number)
    }

    fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    fn tell_host(&mut self, line: Bytes) {
        self.tell_host_line(line.into());
    }

    fn tell_host_line(&mut self, line: Line) {
        self.effects.push(Effect::ToHost(line));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(Note::Notable(text.into())));
    }

    fn detail(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(Note::Detail(text.into())));
    }

    /// How an error without id is written for this AI client.
    fn missing_id(&self) -> MissingId {
        self.host
            .revision
            .map_or(MissingId::Null, |revision| revision.missing_id)
    }

    /// Delivers the answer to a settled request, made by `answer` for the owner's id.
    fn deliver<A: Into<Line>>(&mut self, owner: Owner, answer: impl FnOnce(&Id) -> A) {
        match owner {
            Owner::Host(id) => self.tell_host_line(answer(&id).into()),
            Owner::HostBatch(id, batch) => {
                let answer = answer(&id).into().into_bytes();
                if let Some(line) = self.pending.add_to_batch(batch, Some(answer)) {
                    self.tell_host(line);
                }
            }
            Owner::Restore | Owner::Ping => {}
        }
    }

    /// Fails a request in flight.
    fn fail(&mut self, number: u64, failure: &Failure) {
        self.answers_elsewhere.remove(&number);
        if let Some(asked) = self.pending.settle(number) {
            self.deliver(asked.owner, |id| failure.response(id));
        }
    }

    /// Sends whatever no longer has to wait.
    fn pump(&mut self, now: u64) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        let hold_calls = matches!(self.standing, Standing::Asked { until, .. } if now < until)
            && !self.host_ended
            && self.host.capabilities.can_be_asked();
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else {
                break;
            };
            match waiting {
                Waiting::Request(number) => {
                    let Some(asked) = self.pending.asked(number) else {
                        continue;
                    };
                    if hold_calls && may_ask_back(asked.message.method()) {
                        self.waiting.push_back(waiting);
                    } else if !self.answer_empty_list(number) {
                        self.send_request(number);
                    }
                }
                Waiting::Notification(message) => {
                    self.send_notification(message);
                }
            }
        }
        self.waiting.shrink_to(KEPT);
    }

    fn send_request(&mut self, number: u64) {
        // What is asked to find out about the server, or in the background, disturbs nobody.
        let quiet = ["server/discover", "subscriptions/listen"];
        let method = self
            .pending
            .asked(number)
            .map(|asked| asked.message.method());
        let asks = method.is_none_or(|method| !quiet.contains(&method));
        self.send_request_that(number, asks);
    }

    /// `asks`: whether a person may be asked to sign in for it.
    fn send_request_that(&mut self, number: u64, asks: bool) {
        self.note_sent();
        let route = self.route();
        let (Some(asked), Some(route)) = (self.pending.asked(number), route) else {
            return;
        };
        asked.sent = true;
        asked.session = self.session.as_ref().map_or(0, |session| session.serial);
        let repeatable = self.tools.may_repeat(&asked.message);
        let (body, kind) = (
            asked.message.with_id(&Id::from_number(number)),
            OutgoingKind::Request(asked.message.shared_method()),
        );
        let session = self.session.clone();
        self.effects.push(Effect::Send(Outgoing {
            exchange: number,
            body,
            kind,
            repeatable,
            session,
            route,
            asks,
            head: None,
        }));
    }

    fn send_notification(&mut self, message: Message) -> u64 {
        self.note_sent();
        let exchange = self.number();
        let Some(route) = self.route() else {
            return exchange;
        };
        let method = message.shared_method();
        let outgoing = Outgoing {
            exchange,
            body: message.into_text(),
            kind: OutgoingKind::Notification(method.clone()),
            repeatable: false,
            session: self.session.clone(),
            route,
            asks: true,
            head: None,
        };
        let session = self.session.as_ref().map_or(0, |session| session.serial);
        self.notifications.insert(exchange, (method, session));
        self.effects.push(Effect::Send(outgoing));
        exchange
    }

    fn send_response(&mut self, body: Bytes) {
        let Some(route) = self.route() else {
            // Whoever asked is gone with the event stream.
            return;
        };
        self.note_sent();
        let exchange = self.number();
        let session = self.session.clone();
        self.effects.push(Effect::Send(Outgoing {
            exchange,
            body,
            kind: OutgoingKind::Response,
            repeatable: false,
            session,
            route,
            asks: true,
            head: None,
        }));
    }

    fn send_cancelled(&mut self, number: u64, reason: &str) {
        let Some(route) = self.route() else {
            return;
        };
        self.note_sent();
        let exchange = self.number();
        let reason = jsonrpc::quote(reason);
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{number},\"reason\":{reason}}}}}"
        );
        self.effects.push(Effect::Send(Outgoing {
            exchange,
            body: body.into(),
            kind: OutgoingKind::Notification("notifications/cancelled".into()),
            repeatable: false,
            session: self.session.clone(),
            route,
            asks: false,
            head: None,
        }));
    }

    /// Tells the AI client that a request of ours to it is void.
    fn withdraw_question(&mut self, number: u64, reason: &str) {
        let (id, reason) = (question_id(number), jsonrpc::quote(reason));
        self.tell_host(
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id},\"reason\":{reason}}}}}"
            )
            .into(),
        );
    }

    /// Answers a request of the server with an error.
    fn refuse_question(&mut self, id: &Id, code: i32, message: &str) {
        self.send_response(jsonrpc::error(
            Some(id),
            MissingId::Null,
            code,
            message,
            None,
        ));
    }
}

/// The id under which a server's request is put to the AI client: a namespace of our own, since
/// several streams of the server may use the same ids.
fn question_id(number: u64) -> Id {
    Id::from_plain(&format!("br-{number}"))
}

/// Whether a server may answer this method by asking the AI client something first. It may do so
/// on the standing stream, which must be open by then, or the question is lost and both sides wait.
fn may_ask_back(method: &str) -> bool {
    !(method.ends_with("/list") || matches!(method, "logging/setLevel" | "completion/complete"))
}

/// The revision to agree on with the AI client: the one it asks for if we know it, else the newest
/// (MCP 2025-11-25, Lifecycle, Version Negotiation).
fn revision_for(requested: &str) -> &'static Revision {
    revision::find(requested).unwrap_or(revision::NEWEST)
}
