//! What the AI client is told while a person signs in.
//!
//! It gets its answer to `initialize` in time, from what is known of the server, and its requests
//! wait for the person as long as a client can be kept waiting. After that, the list of tools is the
//! one tool `sign_in` and calls get an error with the address to open. As soon as the session is
//! open, the client is told to read its lists again.

mod prompt;
mod tool;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Effect, Phase, Relay, Waiting};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Id};
use crate::mcp::pending::Owner;
use crate::mcp::record::{self, LISTS, ServerRecord};
use crate::oauth::invitation::Standing;
use prompt::Prompt;

/// How long requests wait for a person; clients give up after 60 seconds.
pub const PATIENCE: Duration = Duration::from_secs(45);
/// The same in milliseconds.
const PATIENCE_MS: u64 = PATIENCE.as_secs() * 1000;
/// How long `initialize` waits for a person, in milliseconds. Some clients give up after three
/// seconds.
pub(super) const ANSWER_LIMIT: u64 = 2000;

/// Where the sign-in stands, and what the AI client knows of it.
#[derive(Debug, Default)]
pub(super) struct SignIn {
    standing: Standing,
    record: Option<ServerRecord>,
    /// When `initialize` is answered without the server.
    answer_by: Option<u64>,
    /// The AI client has an answer to `initialize` that is not the server's; the session is not
    /// open yet.
    promised: bool,
    /// When requests have waited long enough for a person.
    patience_until: Option<u64>,
    /// When requests have waited long enough for a token that needs nobody.
    delayed_until: Option<u64>,
    /// The AI client was given lists that hold for the sign-in only.
    offered: bool,
    /// The AI client was promised a session and has not seen the server's list of tools yet.
    unlisted: bool,
    /// The session is being opened without asking a person.
    quietly: bool,
    /// Why the last sign-in failed.
    failure: Option<Failure>,
    /// Calls of `sign_in` that wait for an address, and until when.
    calls: BTreeMap<u64, u64>,
    /// The request that finds out whether a sign-in is needed.
    probe: Option<u64>,
    /// The look-out for tokens that another process obtains.
    watch: Option<u64>,
    /// What the AI client was asked to put before the user.
    prompt: Option<Prompt>,
}

impl SignIn {
    pub(super) fn promised(&self) -> bool {
        self.promised
    }

    /// Whether the AI client was given lists that hold for the sign-in only.
    pub(super) fn offered(&self) -> bool {
        self.offered
    }
}

impl Relay {
    /// What the server said of itself when it was last reached.
    pub fn remembering(mut self, record: Option<ServerRecord>) -> Self {
        self.sign_in.record = record;
        self
    }

    /// Whether a person has to sign in now.
    pub fn needs_person(&self) -> bool {
        self.sign_in.standing.needs_person()
    }

    /// Whether tokens come without a person, if at all: then nobody is invited to sign in.
    pub fn without_person(mut self, nobody_to_ask: bool) -> Self {
        self.nobody_to_ask = nobody_to_ask;
        self
    }

    /// The sign-in stands otherwise now.
    pub fn sign_in_stands(&mut self, standing: Standing, now: u64) {
        let before = std::mem::replace(&mut self.sign_in.standing, standing);
        let needed = self.sign_in.standing.needs_person();
        if needed && !before.needs_person() {
            self.sign_in.patience_until = Some(now.saturating_add(PATIENCE_MS));
        }
        match &self.sign_in.standing {
            Standing::Preparing => {}
            Standing::Open(_) => {
                self.answer_calls_with_address();
                self.prompt();
            }
            Standing::Elsewhere(_) => {
                self.withdraw_prompt("another process asks the user");
                self.answer_calls_with_address();
            }
            Standing::Quiet => {
                self.sign_in.patience_until = None;
                self.withdraw_prompt("the sign-in has ended");
                if self.sign_in.offered && matches!(self.phase, Phase::Open) {
                    self.await_tokens();
                }
            }
            Standing::SignedIn => {
                self.sign_in.patience_until = None;
                self.sign_in.failure = None;
                self.complete_prompt();
                if self.sign_in.offered && matches!(self.phase, Phase::Open) {
                    self.end_watch();
                    self.lists_changed();
                    self.sign_in_served();
                }
            }
        }
    }

    pub(super) fn sign_in_deadline(&self) -> Option<u64> {
        // Notifications may wait for as long as it takes.
        let requests = || {
            self.waiting
                .iter()
                .any(|waiting| waiting.request().is_some())
        };
        let patience = self.patience_ends().filter(|_| requests());
        let calls = self.sign_in.calls.values().min().copied();
        [self.sign_in.answer_by, patience, calls]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn sign_in_on_time(&mut self, now: u64) {
        if self.sign_in.answer_by.is_some_and(|at| now >= at) {
            self.promise();
        }
        self.lose_patience(now);
        self.give_up_calls(now);
    }

    /// This exchange waits for a person.
    pub(super) fn person_needed(&mut self, exchange: u64, now: u64) {
        let Phase::Opening { since, .. } = self.phase else {
            return;
        };
        if !self.is_opening(exchange) || self.sign_in.promised {
            return;
        }
        // What is known of the server is as good an answer now as later; without it, a sign-in
        // that takes a moment only gives a better one. Where nobody waits for it, the requests that
        // follow are told what is to be done.
        let at_once = self.sign_in.record.is_some() || self.host.is_unasked;
        self.sign_in.answer_by = Some(match at_once {
            true => now,
            false => since.saturating_add(ANSWER_LIMIT),
        });
        self.sign_in_on_time(now);
    }

    /// This exchange waits long for a token, although nobody has to do anything for it.
    pub(super) fn answer_is_late(&mut self, exchange: u64, now: u64) {
        let Phase::Opening { since, .. } = self.phase else {
            return;
        };
        if self.is_opening(exchange) {
            self.sign_in.delayed_until = Some(since.saturating_add(PATIENCE_MS));
            if !self.sign_in.promised {
                self.promise();
            }
            self.lose_patience(now);
        }
    }

    /// Answers `initialize` without the server.
    fn promise(&mut self) {
        self.sign_in.answer_by = None;
        let (Phase::Opening { exchange, .. }, Some(revision)) = (&self.phase, self.host.revision)
        else {
            return;
        };
        let Some(owner) = self.pending.disown(*exchange) else {
            return;
        };
        let promise = record::promise(self.sign_in.record.as_ref(), &self.server_name, revision);
        self.deliver(owner, |id| result(id, &promise.result));
        self.host.told_capabilities = promise.capabilities;
        self.sign_in.promised = true;
        self.sign_in.unlisted = true;
        // For a client that said it is ready before it could know.
        self.prompt();
        self.detail("there is no token yet; the client was answered without the server");
    }

    /// The session is open: what the AI client was told meanwhile holds no longer. `restored`: it
    /// was told already that its lists have changed.
    pub(super) fn promise_kept(&mut self, restored: bool) {
        let promised = std::mem::take(&mut self.sign_in.promised);
        self.sign_in.delayed_until = None;
        if promised {
            self.sign_in.failure = None;
            self.end_watch();
        }
        if promised || self.sign_in.offered && !restored {
            self.lists_changed();
        }
    }

    /// The session that was promised could not be opened.
    pub(super) fn promise_broken(&mut self, number: u64, failure: &Failure, now: u64) {
        self.pending.settle(number);
        self.phase = Phase::Unopened;
        self.sign_in.delayed_until = None;
        let quietly = std::mem::take(&mut self.sign_in.quietly);
        if quietly && !self.sign_in.calls.is_empty() {
            // The user has asked for a sign-in meanwhile.
            return self.open_again(true, now);
        }
        if failure.stage != Stage::Auth || self.nobody_to_ask {
            self.fail_waiting(failure);
        } else {
            self.await_tokens();
            if !quietly {
                self.sign_in.failure = Some(failure.clone());
            }
            for waiting in std::mem::take(&mut self.waiting) {
                match waiting {
                    // The client has had no answer to `initialize` to learn from what is wrong.
                    Waiting::Request(number) if self.host.is_unasked && !quietly => {
                        self.fail(number, failure);
                    }
                    Waiting::Request(number) => self.answer_unsigned(number),
                    _ => {}
                }
            }
        }
        self.answer_calls(&Err(failure.detail.clone()));
    }

    /// Tries to open the session that was promised. `asks`: whether a person may be asked to sign
    /// in for it; unless they called for it, once refused is enough.
    pub(super) fn open_again(&mut self, asks: bool, now: u64) {
        let Some(initialize) = self.host.initialize.clone() else {
            return;
        };
        let passing = |failure: &Failure| failure.retryable;
        let asks = asks || self.sign_in.failure.as_ref().is_some_and(passing);
        self.sign_in.quietly = !asks;
        self.open(Owner::Restore, initialize, asks, now);
    }

    /// The user may sign in by other means, with `mcp-drawbridge login` for one.
    fn await_tokens(&mut self) {
        if self.sign_in.watch.is_none() {
            let watch = self.number();
            self.sign_in.watch = Some(watch);
            self.effects.push(Effect::AwaitTokens(watch));
        }
    }

    /// Another process has changed the tokens.
    pub(super) fn tokens_changed(&mut self, watch: u64, now: u64) {
        if self.sign_in.watch != Some(watch) {
            return;
        }
        self.sign_in.watch = None;
        match self.phase {
            Phase::Unopened => self.open_again(false, now),
            Phase::Open if self.sign_in.offered => {
                self.lists_changed();
                self.sign_in_served();
            }
            // It is being tried already; if in vain, the look-out begins again.
            _ => {}
        }
    }

    /// Whether requests wait for a session that waits for a person.
    pub(super) fn is_awaiting_person(&self) -> bool {
        let waits = match self.phase {
            Phase::Opening { .. } => self.sign_in.promised,
            // Some servers want a token only for what follows `initialize`.
            Phase::Announcing { .. } | Phase::Reopening { .. } => true,
            _ => false,
        };
        waits && self.sign_in.standing.needs_person()
    }

    /// Until when requests wait for a token.
    fn patience_ends(&self) -> Option<u64> {
        match self.is_awaiting_person() {
            true => self.sign_in.patience_until,
            false => self.sign_in.delayed_until.filter(|_| self.is_delayed()),
        }
    }

    /// Whether the session that was promised waits for a token that needs nobody.
    fn is_delayed(&self) -> bool {
        let opening = matches!(self.phase, Phase::Opening { .. }) && self.sign_in.promised;
        let needs_person = self.sign_in.standing.needs_person();
        opening && !needs_person && self.sign_in.delayed_until.is_some()
    }

    /// Answers what has waited for a token long enough.
    pub(super) fn lose_patience(&mut self, now: u64) {
        if self.patience_ends().is_none_or(|at| now < at) {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Request(number) => self.answer_unsigned(number),
                notification => self.waiting.push_back(notification),
            }
        }
    }

    /// Answers a request without the server, since nobody has signed in.
    pub(super) fn answer_unsigned(&mut self, number: u64) {
        let Some(asked) = self.pending.settle(number) else {
            return;
        };
        let method = asked.message.method();
        let list = LISTS.iter().find(|(name, ..)| *name == method);
        match list {
            Some((_, kind, member)) if self.may_change(kind) && !self.nobody_to_ask => {
                self.sign_in.offered = true;
                let items = match *kind {
                    "tools" => tool::definition(&self.server_name),
                    _ => String::new(),
                };
                let body = format!("{{\"{member}\":[{items}]}}");
                self.deliver(asked.owner, |id| result(id, &body));
            }
            _ => {
                let failure = self.sign_in_needed();
                self.deliver(asked.owner, |id| failure.response(id));
            }
        }
    }

    /// Whether the AI client was told that this list may change.
    fn may_change(&self, kind: &str) -> bool {
        let capability = jsonrpc::member(&self.host.told_capabilities, kind);
        capability.and_then(|capability| jsonrpc::member(capability, "listChanged")) == Some("true")
    }

    /// Answers a request for a list that the AI client was promised and the server does not have.
    /// `false` if it is none.
    pub(super) fn answer_empty_list(&mut self, number: u64) -> bool {
        let Some(asked) = self.pending.asked(number) else {
            return false;
        };
        let method = asked.message.method();
        let Some((_, kind, member)) = LISTS.iter().find(|(name, ..)| *name == method) else {
            return false;
        };
        let lacks = |other: &String| jsonrpc::member(other, kind).is_none();
        if !self.host.other_capabilities.as_ref().is_some_and(lacks) {
            return false;
        }
        if let Some(asked) = self.pending.settle(number) {
            let body = format!("{{\"{member}\":[]}}");
            self.deliver(asked.owner, |id| result(id, &body));
        }
        true
    }

    /// What is said to a request that cannot be carried out before somebody signs in.
    pub(super) fn sign_in_needed(&self) -> Failure {
        let server = &self.server_name;
        let detail = match (&self.sign_in.failure, self.invitation_text()) {
            (_, Some(text)) => text,
            (Some(failure), None) if !self.sign_in.standing.needs_person() => {
                return begin_again(failure);
            }
            _ if self.is_delayed() => format!(
                "the token for `{server}` is being refreshed, which takes unusually long; try again in a moment"
            ),
            _ if self.sign_in.standing.needs_person() => {
                format!(
                    "a sign-in to `{server}` is needed and being prepared; try again in a moment"
                )
            }
            _ if self.has_tool() => format!(
                "a sign-in to `{server}` is needed; call the tool `sign_in`, or run `mcp-drawbridge login` in a terminal"
            ),
            _ => format!(
                "a sign-in to `{server}` is needed; run `mcp-drawbridge login` in a terminal"
            ),
        };
        Failure::new(Stage::Auth, true, detail)
    }

    fn end_watch(&mut self) {
        if let Some(watch) = self.sign_in.watch.take() {
            self.effects.push(Effect::Abort(watch));
        }
    }

    /// The AI client starts afresh; what it was told before is void.
    pub(super) fn sign_in_afresh(&mut self) {
        self.withdraw_prompt("the session was started afresh");
        self.end_watch();
        self.sign_in = SignIn {
            standing: std::mem::take(&mut self.sign_in.standing),
            record: self.sign_in.record.take(),
            patience_until: self.sign_in.patience_until,
            ..SignIn::default()
        };
    }
}

/// What is said of a sign-in that failed before, and which the user can begin again.
fn begin_again(failure: &Failure) -> Failure {
    let tool = "call the tool `sign_in` to begin again";
    let hint = match &failure.hint {
        Some(hint) => format!("{hint}; {tool}"),
        None => tool.to_owned(),
    };
    Failure {
        rule: failure.rule,
        hint: Some(hint),
        ..Failure::new(Stage::Auth, true, format!("{}; {tool}", failure.detail))
    }
}

/// A successful response.
fn result(id: &Id, body: &str) -> bytes::Bytes {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{body}}}").into()
}
