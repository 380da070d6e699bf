//! The life of the session: opening, losing and restoring it.

use std::sync::Arc;

use super::remote::under;
use super::{
    Effect, Event, Phase, REOPEN_LIMIT, REOPEN_WINDOW, Relay, STANDING_LIMIT, Standing, Waiting,
    revision_for,
};
use crate::mcp::capability::HostCapabilities;
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, INVALID_PARAMS, Id, Kind, Message};
use crate::mcp::pending::Owner;
use crate::mcp::record::{LISTED, ServerRecord};
use crate::mcp::session::{self, Disagreement, Session};
use crate::untrusted::{SHOWN, printable};

impl Relay {
    /// The AI client opens a session; a second `initialize` starts afresh. `asks`: whether a person
    /// may be asked to sign in for it.
    pub(super) fn host_initialize(&mut self, message: Message, id: Id, asks: bool, now: u64) {
        let version = message
            .body_member("protocolVersion")
            .and_then(jsonrpc::string);
        let is_object = |name| {
            message
                .body_member(name)
                .is_some_and(|part| part.starts_with('{'))
        };
        let problem = match &version {
            None => Some("`protocolVersion` must be a string"),
            Some(_) if !is_object("capabilities") => Some("`capabilities` must be an object"),
            Some(_) if !is_object("clientInfo") => Some("`clientInfo` must be an object"),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            let missing = self.missing_id();
            let text = format!("Invalid params: {problem}");
            return self.tell_host(jsonrpc::error(
                Some(&id),
                missing,
                INVALID_PARAMS,
                &text,
                None,
            ));
        }
        if !matches!(self.phase, Phase::Idle) {
            self.end_all();
        }
        self.host = super::Host::default();
        self.tools.forget();
        self.sign_in_afresh();
        let revision = revision_for(version.as_deref().unwrap_or_default());
        // A revision we do not know is not asked for: the answer could be one we cannot carry.
        let message = match message.body_member("protocolVersion") {
            Some(part) if version.as_deref() != Some(revision.name) => {
                message.with_part(part, &jsonrpc::quote(revision.name))
            }
            _ => message,
        };
        self.host.revision = Some(revision);
        self.host.capabilities = HostCapabilities::of(&message);
        self.host.initialize = Some(message.clone());
        self.open(Owner::Host(id), message, asks, now);
    }

    /// Sends `initialize`. `asks`: whether a person may be asked to sign in for it.
    pub(super) fn open(&mut self, owner: Owner, message: Message, asks: bool, now: u64) {
        let number = self.number();
        self.pending.ask(number, owner, message);
        self.phase = Phase::Opening {
            exchange: number,
            refused_once: false,
            since: now,
        };
        self.dial(asks);
    }

    /// Ends what belongs to the session before this one.
    fn end_all(&mut self) {
        let failure = Failure::new(
            Stage::Protocol,
            false,
            "the client sent a new `initialize`, which ends this request",
        );
        for number in self.pending.numbers() {
            self.fail(number, &failure);
            self.effects.push(Effect::Abort(number));
        }
        self.withdraw_questions("the session was started afresh");
        self.waiting.clear();
        self.close_standing();
        self.link_afresh();
        if let Some(session) = self.session.take() {
            self.effects.push(Effect::EndSession(session));
        }
    }

    pub(super) fn withdraw_questions(&mut self, reason: &str) {
        for (number, _) in self.pending.take_questions(|_| true) {
            self.withdraw_question(number, reason);
        }
    }

    pub(super) fn close_standing(&mut self) {
        self.forget_ping();
        if let Standing::Asked { exchange, .. } | Standing::Open { exchange } = self.standing {
            self.effects.push(Effect::Abort(exchange));
        }
        self.standing = Standing::None;
    }

    /// The server answered `initialize`.
    pub(super) fn initialize_answered(&mut self, number: u64, message: &Message, now: u64) {
        match message.kind() {
            Kind::Result => match session::agreed_revision(message) {
                Ok(revision) => {
                    self.sessions += 1;
                    self.session = Some(Arc::new(Session {
                        serial: self.sessions,
                        id: self.session_header.take(),
                        revision,
                    }));
                    self.session_opened(number, message);
                }
                Err(disagreement) => self.versions_disagree(number, &disagreement, now),
            },
            _ => self.initialize_refused(number, message, now),
        }
    }

    fn session_opened(&mut self, number: u64, message: &Message) {
        let Some(asked) = self.pending.settle(number) else {
            return;
        };
        let capabilities = message.body_member("capabilities").unwrap_or("{}");
        let told = self.sign_in.promised() || matches!(self.phase, Phase::Reopening { .. });
        match told {
            true => self.host.other_capabilities = Some(capabilities.to_owned()),
            false => self.host.told_capabilities = capabilities.to_owned(),
        }
        let (transport, detected) = self.transport_works();
        if let Some(record) = ServerRecord::of(message) {
            self.effects.push(Effect::Remember {
                record: Box::new(record),
                transport,
                detected,
            });
        }
        let answer = self.result_for_host(message);
        let restoring = matches!(self.phase, Phase::Reopening { .. });
        self.deliver(asked.owner, |id| answer.with_id(id));
        self.phase = Phase::AwaitingHost;
        // A request, waiting or answered without the server, shows that the client went on, with
        // or without `notifications/initialized`.
        let waits = || {
            self.waiting
                .iter()
                .any(|waiting| waiting.request().is_some())
        };
        let went_on = self.sign_in.offered() || waits();
        if restoring || went_on || self.host.initialized.is_some() {
            self.announce(restoring);
        }
        self.sign_in_served();
    }

    /// The InitializeResult with the revision agreed on with the AI client, which is independent
    /// of the one the server chose, and with a `serverInfo` where the server gave none.
    fn result_for_host(&self, message: &Message) -> Message {
        let mut answer = message.clone();
        if let (Some(revision), Some(part)) =
            (self.host.revision, answer.body_member("protocolVersion"))
        {
            let ours = jsonrpc::quote(revision.name);
            if part != ours {
                answer = answer.with_part(part, &ours);
            }
        }
        if answer.body_member("serverInfo").is_none() {
            let body = answer.body();
            let name = jsonrpc::quote(&self.server_name);
            let completed = format!(
                "{},\"serverInfo\":{{\"name\":{name},\"version\":\"unknown\"}}}}",
                &body[..body.len() - 1]
            );
            answer = answer.with_part(body, &completed);
        }
        answer
    }

    fn versions_disagree(&mut self, number: u64, disagreement: &Disagreement, now: u64) {
        self.sessions += 1;
        if let Some(id) = self.session_header.take() {
            let session = Session {
                serial: self.sessions,
                id: Some(id),
                revision: crate::mcp::revision::NEWEST,
            };
            self.effects.push(Effect::EndSession(Arc::new(session)));
        }
        let detail = match disagreement {
            Disagreement::NoVersion => {
                format!(
                    "`{}` answered `initialize` without a protocol version; is this address an MCP server?",
                    self.server_name
                )
            }
            Disagreement::UnknownVersion(version) => format!(
                "`{}` speaks MCP revision `{}`, which this program does not know; a newer mcp-drawbridge may",
                self.server_name,
                printable(version, SHOWN)
            ),
        };
        self.initialize_failed(number, &Failure::new(Stage::Protocol, false, detail), now);
    }

    /// A refusal that lists the server's revisions is tried once more with the best common one.
    fn initialize_refused(&mut self, number: u64, message: &Message, now: u64) {
        if let Phase::Opening {
            refused_once: false,
            since,
            ..
        } = self.phase
            && let Some(revision) = session::offered_instead(message)
            && let Some(asked) = self.pending.settle(number)
            && let Some(part) = asked.message.body_member("protocolVersion")
        {
            let again = asked
                .message
                .with_part(part, &jsonrpc::quote(revision.name));
            self.host.initialize = Some(again.clone());
            let number = self.number();
            self.pending.ask(number, asked.owner, again);
            self.phase = Phase::Opening {
                exchange: number,
                refused_once: true,
                since,
            };
            return self.send_request(number);
        }
        self.error_to_initialize(number, message, now);
    }

    /// Whether a refusal lists a revision that is worth another try.
    pub(super) fn is_other_revision_offered(&self, error: &Message) -> bool {
        let first = matches!(
            self.phase,
            Phase::Opening {
                refused_once: false,
                ..
            }
        );
        first && session::offered_instead(error).is_some()
    }

    /// The server answered `initialize` with an error, and that is that.
    pub(super) fn error_to_initialize(&mut self, number: u64, message: &Message, now: u64) {
        if matches!(self.phase, Phase::Reopening { .. }) {
            let failure = self.said_no(message);
            return self.initialize_failed(number, &failure, now);
        }
        if self.sign_in.promised() {
            let failure = self.said_no(message);
            return self.promise_broken(number, &failure, now);
        }
        if let Some(asked) = self.pending.settle(number) {
            self.deliver(asked.owner, |id| under(message, id));
        }
        self.close_events();
        self.phase = Phase::Idle;
        self.fail_waiting(&Failure::new(
            Stage::Protocol,
            false,
            "the server refused `initialize`",
        ));
    }

    fn said_no(&self, message: &Message) -> Failure {
        let text = message
            .body_member("message")
            .and_then(jsonrpc::string)
            .unwrap_or_default();
        let detail = format!(
            "`{}` refused a new session: {}",
            self.server_name,
            printable(&text, SHOWN)
        );
        Failure::new(Stage::Protocol, true, detail)
    }

    /// There will be no answer to `initialize`.
    pub(super) fn initialize_failed(&mut self, number: u64, failure: &Failure, now: u64) {
        self.close_events();
        if matches!(self.phase, Phase::Opening { .. }) && self.sign_in.promised() {
            return self.promise_broken(number, failure, now);
        }
        self.fail(number, failure);
        self.phase = match self.phase {
            Phase::Reopening { .. } => Phase::Lost,
            _ => Phase::Idle,
        };
        if matches!(self.phase, Phase::Lost) && self.retries_later(failure, now) {
            return;
        }
        self.fail_waiting(failure);
    }

    pub(super) fn fail_waiting(&mut self, failure: &Failure) {
        for waiting in std::mem::take(&mut self.waiting) {
            if let Waiting::Request(number) = waiting {
                self.fail(number, failure);
            }
        }
        self.answer_calls(&Err(failure.detail.clone()));
    }

    /// The AI client has seen the result. The server is told once a session.
    pub(super) fn host_initialized(&mut self, message: Message) {
        if matches!(self.phase, Phase::Idle) {
            return self.detail("dropped `notifications/initialized`: there is no session yet");
        }
        if self.host.initialized.is_none() {
            self.host.initialized = Some(message);
            self.prompt();
        }
        if matches!(self.phase, Phase::AwaitingHost) {
            self.announce(false);
        }
    }

    /// Sends `notifications/initialized`, which comes before any other message of a session.
    /// `restoring`: the session takes the place of one that was lost.
    pub(super) fn announce(&mut self, restoring: bool) {
        let message = self.host.initialized.clone().or_else(|| {
            jsonrpc::parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.into()).ok()
        });
        let Some(message) = message else {
            return;
        };
        self.host.initialized = Some(message.clone());
        let exchange = self.send_notification(message);
        self.phase = Phase::Announcing {
            exchange,
            restoring,
        };
    }

    /// The server has taken `notifications/initialized`, or at least answered it.
    pub(super) fn announced(&mut self, now: u64) {
        let restoring = matches!(
            self.phase,
            Phase::Announcing {
                restoring: true,
                ..
            }
        );
        self.phase = Phase::Open;
        let Some(session) = self.session.clone() else {
            return;
        };
        // Over HTTP+SSE, the event stream is the standing stream.
        if !self.is_over_sse() {
            let exchange = self.number();
            self.standing = Standing::Asked {
                exchange,
                until: now + STANDING_LIMIT,
            };
            self.effects
                .push(Effect::OpenStanding { exchange, session });
        }
        if restoring {
            self.restore();
        }
        self.promise_kept(restoring);
        self.pump(now);
    }

    /// Tells a new session what the lost one knew, and the AI client that it may have missed
    /// changes.
    fn restore(&mut self) {
        let mut messages: Vec<Message> = self.host.subscriptions.values().rev().cloned().collect();
        messages.extend(self.host.log_level.clone());
        for message in messages {
            let number = self.number();
            self.pending.ask(number, Owner::Restore, message);
            self.waiting.push_front(Waiting::Request(number));
        }
        self.lists_changed();
    }

    /// Tells the AI client to read the lists again that the server says may change.
    pub(super) fn lists_changed(&mut self) {
        for kind in LISTED {
            let announced = jsonrpc::member(&self.host.told_capabilities, kind)
                .and_then(|capability| jsonrpc::member(capability, "listChanged"));
            if announced == Some("true") {
                let line = format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{kind}/list_changed\"}}"
                );
                self.tell_host(line.into());
            }
        }
    }

    /// An exchange met a server that no longer knows its session (MCP 2025-11-25, Session
    /// Management: a 404 means to start a new one). The message was refused unseen, so it may be
    /// sent again.
    pub(super) fn session_lost(&mut self, exchange: u64, now: u64) {
        let lost = match self.pending.asked(exchange) {
            Some(asked) if asked.owner == Owner::Ping => {
                let session = asked.session;
                self.settle_ping(exchange);
                session
            }
            Some(asked) if asked.resent => {
                let session = asked.session;
                let detail = format!(
                    "`{}` lost the session twice during this request; try again",
                    self.server_name
                );
                self.fail(exchange, &Failure::new(Stage::Http, true, detail));
                session
            }
            Some(asked) => {
                asked.resent = true;
                asked.sent = false;
                let session = asked.session;
                self.waiting.push_back(Waiting::Request(exchange));
                session
            }
            // What a notification spoke of died with the session.
            None => match self.notifications.remove(&exchange) {
                Some((_, session)) => session,
                None => return,
            },
        };
        let current = self.session.as_ref().map(|session| session.serial);
        match self.phase {
            // Only the loss of the present session counts; that of an earlier one is known.
            Phase::Open | Phase::AwaitingHost | Phase::Announcing { .. }
                if current == Some(lost) =>
            {
                self.reopen(now);
            }
            // Nothing else would ever take up what waits now.
            Phase::Lost => self.reopen(now),
            _ => self.pump(now),
        }
    }

    /// Opens a new session with what the AI client said at the first time.
    pub(super) fn reopen(&mut self, now: u64) {
        if self.is_reconnecting() {
            return self.reconnect(now);
        }
        let over_sse = self.is_over_sse() && self.session.is_some();
        if over_sse {
            self.lose_events(now);
        }
        self.close_standing();
        self.session = None;
        self.withdraw_questions("the server lost the session");
        self.fail_elsewhere("lost the session before it answered this request");
        self.reopened
            .retain(|at| now.saturating_sub(*at) < REOPEN_WINDOW);
        if self.reopened.len() >= REOPEN_LIMIT {
            self.phase = Phase::Lost;
            let detail = format!(
                "`{}` keeps losing the session; try again in a minute",
                self.server_name
            );
            return self.fail_waiting(&Failure::new(Stage::Http, true, detail));
        }
        self.reopened.push_back(now);
        self.note("the server lost the session; opening a new one");
        match over_sse {
            true => self.reconnect_at_once(now),
            false => self.initialize_again(),
        }
    }

    /// Sends once more what the AI client said at the first time.
    pub(super) fn initialize_again(&mut self) {
        let Some(initialize) = self.host.initialize.clone() else {
            return;
        };
        let number = self.number();
        self.pending.ask(number, Owner::Restore, initialize);
        self.phase = Phase::Reopening { exchange: number };
        self.dial(true);
    }

    /// Whether this exchange carries an `initialize`.
    pub(super) fn is_opening(&self, number: u64) -> bool {
        matches!(self.phase, Phase::Opening { exchange, .. } | Phase::Reopening { exchange } if exchange == number)
    }

    /// What happened on the standing stream.
    pub(super) fn standing_event(&mut self, event: &Event, exchange: u64, now: u64) {
        match event {
            Event::StandingOpen => self.standing = Standing::Open { exchange },
            Event::StandingGap => {
                self.lists_changed();
                self.fail_elsewhere("ended the stream on which the answer was to come");
            }
            _ => {
                let before = std::mem::replace(&mut self.standing, Standing::Absent);
                match before {
                    Standing::Open { .. } => {
                        self.fail_elsewhere("ended the stream on which the answer was to come");
                    }
                    // It never was.
                    _ => self.fail_unanswered(),
                }
            }
        }
        self.pump(now);
    }
}
