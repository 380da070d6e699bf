//! The AI client as the relay sees it: one that opens with `initialize`, whatever it is.
//!
//! Lines of a client that opens with `initialize` pass as they are. For one of the new era (MCP
//! 2026-07-28) this opens the relay's session in its place, with the first request that needs one:
//!
//! | the AI client                      | the relay                                             |
//! |------------------------------------|-------------------------------------------------------|
//! | `server/discover`                  | `initialize`                                          |
//! | a request with `_meta`             | the same without what only the new era knows          |
//! | the request again, with the inputs | answers to the server's requests                      |
//! | `subscriptions/listen`             | `resources/subscribe`, and what comes unasked for     |
//! | `logLevel` of a request            | `logging/setLevel`                                    |
//!
//! Where the server has no sessions either, requests and answers pass as they are; only ids are
//! ours. One process may see both eras, as a client that probes with `server/discover` and falls
//! back does: what is of which is decided for each message.
//!
//! Where things go: this file sorts lines; `session` opens the relay's session; `call` has requests
//! on their way out, `answer` and `told` what comes back; `suspended`, `resume` and `page` are for
//! requests that the server answers with a question first; `listen` and `stream` for subscriptions
//! at servers with sessions and without.

mod answer;
mod call;
mod check;
mod discover;
mod listen;
mod page;
mod resume;
mod session;
mod stream;
mod suspended;
mod told;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{matrix, meta};
use crate::mcp::jsonrpc::{
    self, INVALID_PARAMS, INVALID_REQUEST, Id, Kind, METHOD_NOT_FOUND, Malformed, Meant, Message,
    MissingId, Parsed,
};
use crate::mcp::line::Line;
use crate::mcp::queue::Queue;
use crate::mcp::relay::{Note, Relay};
use crate::mcp::search::Word;
use call::Call;
use discover::Discoveries;
use listen::Subscriptions;
use session::Session;
use stream::Streams;
use suspended::Suspensions;

/// The end of `server/discover`. JSON may write a slash as `\/`, and many libraries do.
static DISCOVER: Word = Word::new("discover\"");
static INITIALIZE: Word = Word::new("\"initialize\"");

/// What is known of the other end, whenever something is decided.
#[derive(Clone, Copy, Debug)]
pub struct Far<'a> {
    /// The revision without sessions that the server speaks; `None` if it has sessions, or is not
    /// known yet.
    pub stateless: Option<&'static str>,
    /// What a server without sessions said of itself last: a DiscoverResult, JSON text.
    pub discovered: Option<&'a str>,
    /// Whose request the message belongs to that is dealt with: the id that the relay knows it by.
    pub of: Option<&'a Id>,
    /// The relay.
    pub relay: &'a Relay,
}

/// What is to be done.
#[derive(Debug)]
pub enum Step {
    /// Tell the relay this line as if it came from the AI client.
    ToRelay(Bytes),
    /// The same with an `initialize` that the client has not sent.
    Open {
        /// The line.
        line: Bytes,
        /// Whether a person may be asked to sign in for it.
        asks: bool,
    },
    /// Write this line to the AI client.
    ToHost(Line),
    /// Say something on stderr.
    Note(Note),
}

/// The AI client's side. See the module's text.
#[derive(Debug)]
pub struct HostSide {
    server_name: String,
    /// What the ids of requests begin with that are made here for the relay. Nobody can guess it, so
    /// that no id of the client's is taken for one.
    prefix: String,
    session: Session,
    /// Whether a client opened a session of its own with `initialize`.
    is_foreign: bool,
    /// Whether something of the new era has come.
    is_met: bool,
    /// Nothing is begun any more.
    is_closed: bool,
    /// Requests that wait for the session.
    waiting: VecDeque<Message>,
    /// Requests that are with the relay, by the number in their id there.
    calls: BTreeMap<u64, Call>,
    by_host_id: HashMap<Id, u64>,
    /// The same by the progress token that the server knows, JSON text.
    by_token: HashMap<String, u64>,
    /// Requests of our own, by the same number.
    own: BTreeMap<u64, Own>,
    discoveries: Discoveries,
    suspensions: Suspensions,
    subscriptions: Subscriptions,
    streams: Streams,
    /// The level that the server was told last.
    level: Option<matrix::Level>,
    next: u64,
    steps: Queue<Step>,
}

/// What a request of our own is for.
#[derive(Debug)]
enum Own {
    /// Nothing comes of it.
    Nothing,
    /// `resources/subscribe` with this address, for subscriptions of the client.
    Subscribe(String),
    /// `server/discover` for the client's, which has this id.
    Discover(Id),
}

impl HostSide {
    /// A client of a server with this name. `secret`: random bytes, which nobody else knows.
    pub fn new(server_name: impl Into<String>, secret: [u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"ids")
            .chain_update(secret)
            .finalize();
        let digits: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Self {
            server_name: server_name.into(),
            prefix: format!("era-{digits}-"),
            session: Session::default(),
            is_foreign: false,
            is_met: false,
            is_closed: false,
            waiting: VecDeque::new(),
            calls: BTreeMap::new(),
            by_host_id: HashMap::new(),
            by_token: HashMap::new(),
            own: BTreeMap::new(),
            discoveries: Discoveries::default(),
            suspensions: Suspensions::new(secret),
            subscriptions: Subscriptions::default(),
            streams: Streams::default(),
            level: None,
            next: 0,
            steps: Queue::default(),
        }
    }

    /// What is to be done next.
    pub fn next_step(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    /// When [`HostSide::on_time`] is to be called at the latest, in milliseconds of the caller's
    /// clock.
    pub fn deadline(&self) -> Option<u64> {
        [
            self.discoveries.deadline(),
            self.suspensions.deadline(),
            self.subscriptions.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Time has passed: `now` in milliseconds of the caller's clock.
    pub fn on_time(&mut self, now: u64, far: Far<'_>) {
        self.discover_on_time(now, far);
        self.suspensions_on_time(now, far);
        self.subscriptions_on_time(now);
    }

    /// Whether the AI client waits for an answer. `relay`: whether the relay has requests that wait.
    pub fn is_busy(&self, relay: bool) -> bool {
        let listens = self.streams.count();
        let asked = self.by_host_id.len() > listens;
        // What the relay is busy with is ours, unless the client speaks to it itself.
        asked
            || self.is_foreign && relay
            || !self.is_met && relay
            || !self.waiting.is_empty()
            || self.discoveries.deadline().is_some()
    }

    /// Whether there is nothing of the new era.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.own.is_empty()
            && self.waiting.is_empty()
            && self.subscriptions.is_empty()
            && self.streams.is_empty()
            && self.discoveries.deadline().is_none()
            && (self.is_foreign || self.session.is_closed())
    }

    /// One line from the AI client, without its line end.
    pub fn host_line(&mut self, line: Bytes, now: u64, far: Far<'_>) {
        // Most lines of most clients show by a search that they are not of the new era.
        let is_plain = self.is_foreign || !self.is_met;
        let may_be_ours =
            !is_plain || !self.is_idle() || meta::NAMED.is_in(&line) || DISCOVER.is_in(&line);
        if !may_be_ours {
            self.notice_initialize(&line);
            return self.steps.push(Step::ToRelay(line));
        }
        match jsonrpc::parse_any(line.clone()) {
            Ok(Parsed::Single(message)) => self.message(message, now, far),
            Ok(Parsed::Batch(entries)) => self.batch(entries, line),
            Err(malformed) => self.malformed(&malformed, line),
        }
    }

    fn notice_initialize(&mut self, line: &Bytes) {
        if !self.is_foreign && INITIALIZE.is_in(line) {
            let message = jsonrpc::parse(line.clone()).ok();
            if message.is_some_and(|message| is_initialize(&message)) {
                self.become_foreign();
            }
        }
    }

    /// Whether the client has said that it is of the new era, and nothing else.
    fn is_purely_new(&self) -> bool {
        self.is_met && !self.is_foreign
    }

    fn message(&mut self, message: Message, now: u64, far: Far<'_>) {
        if self.is_foreign && !far.relay.is_begun() {
            // Its session was refused or has ended; there is none to be shared.
            self.is_foreign = false;
            self.session.end();
        }
        match (message.kind(), message.id().cloned()) {
            (Kind::Request, Some(_)) if is_initialize(&message) => {
                self.become_foreign();
                self.steps.push(Step::ToRelay(message.text().clone()));
            }
            (Kind::Request, Some(id)) if is_stateless(&message) => {
                self.is_met = true;
                self.request(message, id, now, far);
            }
            (Kind::Request, Some(id)) if self.is_foreign => match self.is_in_use(&id) {
                true => self.refuse_used(&id),
                false => self.steps.push(Step::ToRelay(message.text().clone())),
            },
            (Kind::Request, Some(id)) => match message.method() {
                "ping" => self.tell_host(jsonrpc::empty_result(&id)),
                _ => self.refuse(
                    &id,
                    INVALID_PARAMS,
                    &format!(
                        "Invalid params: `_meta` has no `{}`, and no `initialize` came before",
                        meta::VERSION
                    ),
                ),
            },
            (Kind::Notification, _) => self.host_notification(message, far),
            // A client of the new era answers nothing.
            _ if self.is_foreign => self.steps.push(Step::ToRelay(message.text().clone())),
            _ => self.detail("dropped an answer, which a client of this revision does not give"),
        }
    }

    /// MCP 2025-03-26 alone has batches, and what is in one is of that revision.
    fn batch(&mut self, entries: Vec<Result<Message, Malformed>>, line: Bytes) {
        if self.is_purely_new() {
            let text = "Invalid Request: this revision has no batches";
            return self.tell_host(jsonrpc::error(
                None,
                MissingId::Omitted,
                INVALID_REQUEST,
                text,
                None,
            ));
        }
        let is_ours = |entry: &Message| meta::version(entry).is_some();
        if !entries.iter().flatten().any(is_ours) {
            return self.steps.push(Step::ToRelay(line));
        }
        let mut plain: Vec<Bytes> = Vec::with_capacity(entries.len());
        for entry in entries {
            plain.push(match entry {
                Ok(message) => meta::plain(&message).text().clone(),
                // Anything that is as invalid; the entries around it say enough.
                Err(_) => Bytes::from_static(b"0"),
            });
        }
        let array = [&b"["[..], &plain.join(&b","[..]), b"]"].concat();
        self.steps.push(Step::ToRelay(array.into()));
    }

    /// Something that is no message.
    fn malformed(&mut self, malformed: &Malformed, line: Bytes) {
        if !self.is_purely_new() {
            return self.steps.push(Step::ToRelay(line));
        }
        self.detail(format!(
            "the client sent something malformed: {}",
            malformed.reason
        ));
        if malformed.meant == Meant::Request {
            self.tell_host(jsonrpc::error(
                malformed.id.as_ref(),
                MissingId::Omitted,
                malformed.code,
                malformed.reason,
                None,
            ));
        }
    }

    /// A request of the new era.
    fn request(&mut self, message: Message, id: Id, now: u64, far: Far<'_>) {
        if self.is_in_use(&id) || self.is_foreign && far.relay.awaits(&id) {
            return self.refuse_used(&id);
        }
        if let Err(response) = check::check(&message, &id) {
            return self.tell_host(response);
        }
        let is_known = matrix::request(message.method()).is_stateless();
        match message.method() {
            _ if !is_known => self.refuse(&id, METHOD_NOT_FOUND, "Method not found"),
            "server/discover" => self.discover(message, id, now, far),
            method => {
                let needs_anew = method == "subscriptions/listen" && far.relay.has_lost_session();
                if needs_anew || self.session.is_promised_quietly() {
                    // Nobody was asked to sign in for it, and now somebody needs it.
                    self.session.end();
                }
                match self.is_open() {
                    true => self.forward(message, id, now, far),
                    false => {
                        self.open_for(&message, false);
                        self.waiting.push_back(message);
                    }
                }
            }
        }
    }

    /// Whether something of the new era has this id and no answer yet.
    fn is_in_use(&self, id: &Id) -> bool {
        self.by_host_id.contains_key(id)
            || self.subscriptions.has(id)
            || self.discoveries.has(id)
            || self.waiting.iter().any(|waiting| waiting.id() == Some(id))
    }

    fn host_notification(&mut self, message: Message, far: Far<'_>) {
        let method = message.method();
        if method == "notifications/cancelled" {
            let id = message.body_member("requestId").and_then(Id::from_json);
            if id.is_some_and(|id| self.cancelled(&id)) {
                return;
            }
        }
        if self.is_foreign {
            return self.steps.push(Step::ToRelay(message.text().clone()));
        }
        let is_core = matches!(
            method,
            "notifications/cancelled"
                | "notifications/initialized"
                | "notifications/progress"
                | "notifications/roots/list_changed"
        );
        match !is_core && far.stateless.is_none() && self.is_open() {
            // Extensions define notifications that we have never heard of.
            true => self
                .steps
                .push(Step::ToRelay(meta::plain(&message).text().clone())),
            false => self.detail(
                "dropped a notification that a client of this revision does not send, or that is about nothing",
            ),
        }
    }

    /// A line of the relay for the AI client.
    pub fn relay_line(&mut self, line: Line, now: u64, far: Far<'_>) {
        if self.is_idle() {
            return self.steps.push(Step::ToHost(line));
        }
        let line = line.into_bytes();
        match jsonrpc::parse_any(line.clone()) {
            Ok(Parsed::Single(message)) => self.relay_message(message, now, far),
            // A batch is for a client that sent one.
            _ => self.steps.push(Step::ToHost(line.into())),
        }
    }

    fn relay_message(&mut self, message: Message, now: u64, far: Far<'_>) {
        match message.kind() {
            Kind::Result | Kind::Error => match message.id().and_then(|id| self.number(id)) {
                Some(number) if self.session.is_opening(number) => {
                    self.opened(&message, now, far);
                }
                Some(number) => self.answered(number, message, now, far),
                None => self.steps.push(Step::ToHost(message.text().clone().into())),
            },
            Kind::Request => self.question(message, now, far),
            Kind::Notification => self.notification(message, now, far),
        }
    }

    /// A number for the relay, and the id that has it.
    fn id(&mut self) -> (u64, Id) {
        self.next += 1;
        (self.next, self.id_of(self.next))
    }

    /// The id that the relay knows a request by.
    fn id_of(&self, number: u64) -> Id {
        Id::from_plain(&format!("{}{number}", self.prefix))
    }

    /// The number in such an id.
    fn number(&self, id: &Id) -> Option<u64> {
        let text = id.as_json().strip_prefix('"')?.strip_suffix('"')?;
        text.strip_prefix(&*self.prefix)?.parse().ok()
    }

    /// Sends a request of our own to the relay.
    fn ask(&mut self, own: Own, method: &str, params: &str) {
        let (number, id) = self.id();
        self.own.insert(number, own);
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}"
        );
        self.steps.push(Step::ToRelay(line.into()));
    }

    fn tell_host(&mut self, line: Bytes) {
        self.tell_host_line(line.into());
    }

    fn tell_host_line(&mut self, line: Line) {
        self.steps.push(Step::ToHost(line));
    }

    fn refuse(&mut self, id: &Id, code: i32, text: &str) {
        self.tell_host(jsonrpc::error(
            Some(id),
            MissingId::Omitted,
            code,
            text,
            None,
        ));
    }

    fn refuse_used(&mut self, id: &Id) {
        let text = "Invalid Request: this `id` is already in use";
        self.refuse(id, INVALID_REQUEST, text);
    }

    fn detail(&mut self, text: impl Into<String>) {
        self.steps.push(Step::Note(Note::Detail(text.into())));
    }

    /// Whether nothing is kept but the session.
    #[cfg(test)]
    pub fn rests(&self) -> bool {
        self.rests_but_for_subscriptions()
            && self.subscriptions.is_empty()
            && self.streams.is_empty()
            && self.own.is_empty()
    }

    /// Whether nothing is kept but the session and subscriptions.
    #[cfg(test)]
    pub fn rests_but_for_subscriptions(&self) -> bool {
        let own = |own: &Own| matches!(own, Own::Subscribe(_));
        let listens = self.streams.count();
        self.calls.len() == listens
            && self.by_host_id.len() == listens
            && self.by_token.is_empty()
            && self.own.values().all(own)
            && self.waiting.is_empty()
            && !self.suspensions.any()
            && self.discoveries.deadline().is_none()
    }
}

fn is_initialize(message: &Message) -> bool {
    message.method() == "initialize" && meta::version(message).is_none()
}

fn is_stateless(message: &Message) -> bool {
    message.method() == "server/discover" || meta::meta_member(message, meta::VERSION).is_some()
}
