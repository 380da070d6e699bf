//! What the remote server says.

use bytes::Bytes;

use super::{Effect, Event, NOBODY_ANSWERS, Phase, QUESTION_LIMIT, Relay, Waiting, question_id};
use crate::mcp::answer;
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, INTERNAL_ERROR, Id, Kind, METHOD_NOT_FOUND, Message};
use crate::mcp::line::Line;
use crate::mcp::pending::{Owner, Question};
use crate::untrusted::{SHOWN, printable};

/// What a request waits for that a person has to sign in for.
const SIGNING_IN: &str = "waiting for sign-in in the browser";

impl Relay {
    /// Something happened on an exchange.
    pub fn remote_event(&mut self, exchange: u64, event: Event, now: u64) {
        self.tell_time(now);
        if self.is_events(exchange) && !matches!(event, Event::Message(_)) {
            return self.events_event(exchange, event, now);
        }
        if self.doubt_ends(exchange, &event, now) {
            return;
        }
        match event {
            Event::SessionHeader(id) => {
                if self.is_opening(exchange) {
                    self.session_header = id;
                }
            }
            Event::Refused { status, error } => self.refused(exchange, status, error, now),
            Event::Message(message) => self.remote_message(exchange, message, now),
            Event::NoMessage { id, reason } => self.no_message(exchange, &id, reason, now),
            Event::Reply(message) => self.answered(exchange, &message, now),
            Event::Accepted => self.accepted(exchange, now),
            Event::SessionLost => self.session_lost(exchange, now),
            Event::SessionDoubted => self.session_doubted(exchange),
            Event::StandingOpen | Event::StandingGap | Event::StandingAbsent => {
                if self.is_standing(exchange) {
                    self.standing_event(&event, exchange, now);
                }
            }
            Event::SigningIn => {
                self.person_needed(exchange, now);
                self.report_sign_in(exchange);
            }
            Event::Waiting { why } => self.report_waiting(exchange, &why),
            Event::Delayed => self.answer_is_late(exchange, now),
            Event::NotSignedIn => self.answer_unsigned(exchange),
            Event::TokensChanged => self.tokens_changed(exchange, now),
            Event::Brought(outcome) => self.brought(exchange, outcome),
            Event::Failed(failure) => self.failed(exchange, &failure, now),
            Event::GaveUp(failure) => {
                self.cancel(exchange, "no answer came in time");
                self.failed(exchange, &failure, now);
            }
            // Of an event stream that is not ours any more.
            Event::Connected(_) | Event::NoEvents(_) | Event::EventsEnded { .. } => {}
        }
    }

    fn failed(&mut self, exchange: u64, failure: &Failure, now: u64) {
        if self.is_opening(exchange) {
            return self.opening_failed(exchange, failure, now);
        }
        match self.notifications.remove(&exchange) {
            Some((method, _)) => {
                self.detail(format!("`{}` was not delivered: {failure}", &*method));
            }
            None => {
                self.fail(exchange, failure);
                self.alive_failed(exchange, failure);
                self.probe_failed(exchange, failure);
            }
        }
        if matches!(self.phase, Phase::Announcing { exchange: ours, .. } if ours == exchange) {
            self.announcement_failed(failure, now);
        }
    }

    /// The server has not taken `notifications/initialized`. Some refuse it and work all the same; the
    /// next request will tell. One that never got it refuses everything (MCP 2025-11-25, Lifecycle,
    /// Initialization), so the next request opens another session.
    fn announcement_failed(&mut self, failure: &Failure, now: u64) {
        let on_the_way = matches!(failure.stage, Stage::Connect | Stage::Http);
        if failure.status.is_some() || !on_the_way || self.is_over_sse() {
            return self.announced(now);
        }
        if let Some(session) = self.session.take() {
            self.effects.push(super::Effect::EndSession(session));
        }
        self.phase = Phase::Lost;
        self.fail_waiting(failure);
    }

    fn accepted(&mut self, exchange: u64, now: u64) {
        self.notifications.remove(&exchange);
        if matches!(self.phase, Phase::Announcing { exchange: ours, .. } if ours == exchange) {
            return self.announced(now);
        }
        if self.pending.asked(exchange).is_none() {
            return;
        }
        if self.is_over_sse() {
            return self.accepted_for_events(exchange, now);
        }
        if !self.is_opening(exchange) && self.await_elsewhere(exchange, now) {
            return;
        }
        self.failed(exchange, &self.no_answer(), now);
    }

    fn remote_message(&mut self, exchange: u64, message: Message, now: u64) {
        if self.is_standing(exchange) {
            self.heard_elsewhere(now);
        }
        match (message.kind(), message.id().cloned()) {
            (Kind::Request, Some(id)) => self.question(exchange, &message, id, now),
            (Kind::Notification, _) => self.remote_notification(message),
            (_, Some(id)) => match id
                .as_number()
                .filter(|number| self.pending.asked(*number).is_some())
            {
                Some(number) => {
                    self.answered(number, &message, now);
                    if self.is_over_sse() {
                        // Its POST is about to be answered, too.
                        self.effects.push(Effect::Release(number));
                    } else if number != exchange {
                        self.effects.push(Effect::Abort(number));
                    }
                }
                None => self.detail(format!("dropped an answer to {id}, which is not awaited")),
            },
            _ => self.answered(exchange, &message, now),
        }
    }

    /// Whoever waits for an answer that is no message will get no other.
    fn no_message(&mut self, exchange: u64, id: &Id, reason: &str, now: u64) {
        let number = id.as_number();
        let Some(number) = number.filter(|number| self.pending.asked(*number).is_some()) else {
            return;
        };
        let failure = answer::no_message(&self.server_name, reason);
        self.failed(number, &failure, now);
        if number != exchange {
            self.effects.push(super::Effect::Abort(number));
        }
    }

    /// The answer to one of our requests. The first one counts.
    pub(super) fn answered(&mut self, number: u64, message: &Message, now: u64) {
        self.answers_elsewhere.remove(&number);
        self.answered_over_events(number);
        self.alive_answered(number);
        if self.is_opening(number) {
            return self.initialize_answered(number, message, now);
        }
        let Some(asked) = self.pending.settle(number) else {
            return self.detail(format!(
                "dropped an answer to {number}, which is not awaited"
            ));
        };
        if asked.owner == Owner::Restore && message.kind() == Kind::Error {
            self.detail(format!(
                "`{}` could not be restored in the new session",
                asked.message.method()
            ));
        }
        if asked.message.method() == "tools/list" {
            self.tools.learn(&asked.message, message);
        }
        self.sign_in_answered(number, asked.message.method());
        let shown = self.visible.without_hidden(&asked.message, message);
        let message = shown.as_ref().unwrap_or(message);
        self.deliver(asked.owner, |id| under(message, id));
    }

    /// A request of the server: put to the AI client under an id of ours, if it declared that it
    /// can be asked.
    fn question(&mut self, exchange: u64, message: &Message, id: Id, now: u64) {
        if message.method() == "ping" {
            return self.send_response(jsonrpc::empty_result(&id));
        }
        if self.host_ended {
            return self.refuse_question(&id, INTERNAL_ERROR, NOBODY_ANSWERS);
        }
        let allowed = self
            .host
            .revision
            .is_some_and(|revision| self.host.capabilities.allow(message, revision));
        let (Some(session), true) = (&self.session, allowed) else {
            let text = format!(
                "the client did not declare that it supports `{}`",
                printable(message.method(), SHOWN)
            );
            return self.refuse_question(&id, METHOD_NOT_FOUND, &text);
        };
        let question = Question {
            exchange,
            id,
            session: session.serial,
            deadline: now + QUESTION_LIMIT,
        };
        let number = self.number();
        self.pending.question(number, question);
        self.tell_host_line(message.line_with_id(&question_id(number)));
    }

    fn remote_notification(&mut self, message: Message) {
        match message.method() {
            "notifications/progress" => self.remote_progress(message),
            "notifications/cancelled" => self.remote_cancelled(&message),
            method => {
                if method == "notifications/tools/list_changed" {
                    self.tools.forget();
                }
                self.tell_host(message.into_text());
            }
        }
    }

    /// Progress is passed on while its request waits and its value rises (MCP 2025-11-25, Progress).
    fn remote_progress(&mut self, message: Message) {
        let (Some(token), Some(progress)) = (
            message.body_member("progressToken"),
            message.body_member("progress"),
        ) else {
            return self.detail("dropped a progress notification without token or value");
        };
        // Numbers beyond what a float holds compare as infinite: passed once, as they came.
        let value: f64 = progress.parse().unwrap_or(f64::NAN);
        if !self.pending.accept_progress(token, value) {
            return self.detail("dropped progress that does not rise or that nobody awaits");
        }
        if self
            .host
            .revision
            .is_some_and(|revision| !revision.progress_message)
            && message.body_member("message").is_some()
        {
            let total = message
                .body_member("total")
                .map(|total| format!(",\"total\":{total}"))
                .unwrap_or_default();
            let params = format!("{{\"progressToken\":{token},\"progress\":{progress}{total}}}");
            let shorter = message.with_part(message.body(), &params);
            return self.tell_host(shorter.into_text());
        }
        self.tell_host(message.into_text());
    }

    /// The server no longer wants an answer from the AI client.
    fn remote_cancelled(&mut self, message: &Message) {
        let Some(part) = message.body_member("requestId") else {
            return;
        };
        let Some(id) = Id::from_json(part) else {
            return;
        };
        let current = self.session.as_ref().map(|session| session.serial);
        for (number, _) in self
            .pending
            .take_questions(|question| question.id == id && Some(question.session) == current)
        {
            self.tell_host(
                message
                    .with_part(part, question_id(number).as_json())
                    .text()
                    .clone(),
            );
        }
    }

    /// Clients that extend their time limit on progress do not give up while a person signs in: for
    /// this exchange, and for what waits until it is done.
    fn report_sign_in(&mut self, exchange: u64) {
        self.report_waiting(exchange, SIGNING_IN);
        let announces =
            matches!(self.phase, Phase::Announcing { exchange: ours, .. } if ours == exchange);
        if announces || self.is_opening(exchange) {
            let waiting: Vec<u64> = self.waiting.iter().filter_map(Waiting::request).collect();
            for number in waiting {
                self.report_waiting(number, SIGNING_IN);
            }
        }
    }

    /// Tells the AI client what its request waits for, if it wants to know.
    fn report_waiting(&mut self, number: u64, why: &str) {
        let Some(asked) = self.pending.asked(number) else {
            return;
        };
        if asked.owner == Owner::Restore {
            return;
        }
        let Some(token) = asked.message.progress_token().map(str::to_owned) else {
            return;
        };
        // Far below what servers report, which must still rise above it.
        let step = 1e-6;
        let progress = if asked.progress.is_finite() {
            asked.progress + step
        } else {
            step
        };
        if !self.pending.accept_progress(&token, progress) {
            return;
        }
        let message = match self.host.revision {
            Some(revision) if !revision.progress_message => String::new(),
            _ => format!(",\"message\":{}", jsonrpc::quote(why)),
        };
        self.tell_host(
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\"progress\":{progress:.6}{message}}}}}"
            )
            .into(),
        );
    }
}

/// A response under this id. An error that came without an id still answers its request.
pub(super) fn under(message: &Message, id: &Id) -> Line {
    match message.id() {
        Some(_) => message.line_with_id(id),
        None => {
            let error = message.body();
            let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
            Bytes::from(text).into()
        }
    }
}
