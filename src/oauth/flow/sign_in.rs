//! The part of the flow that asks a person to sign in through the browser.

use super::answer::Asked;
use super::binding::{Keyless, Then};
use super::cached::{Decision, lock};
use super::plan::{Bound, Choice, Plan, Task};
use super::{Action, Flow, FlowError, Goal, Move, Note, State, Way, done, fail};
use crate::oauth::authorize::{Ask, AskError, Attempt};
use crate::oauth::challenge::Challenge;
use crate::oauth::invitation::Open;
use crate::oauth::registration::Client;
use crate::oauth::scope;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::Grant;

/// A client that was used this recently, in seconds, is known to the server without a probe.
const PROVEN: u64 = 600;

impl Flow {
    /// Whether a person may be asked at all.
    pub(super) fn may_ask(&self, cached: &SignIn, now: u64) -> Result<(), FlowError> {
        if !self.history.allows(now) {
            return Err(FlowError::TooManyAttempts);
        }
        match (&self.goal, &cached.grant) {
            (Goal::StepUp { challenge, .. }, Some(grant)) => match &challenge.scope {
                Some(asked) => self.gains(asked, asked, grant),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// MCP 2025-11-25, Step-Up Authorization Flow: asking again for what was asked for already
    /// would only open one browser tab after the other.
    pub(super) fn gains(
        &self,
        asked: &[String],
        wanted: &[String],
        grant: &Grant,
    ) -> Result<(), FlowError> {
        let grows = !scope::missing(wanted, &grant.requested_scopes).is_empty();
        match grows && !self.history.was_declined(wanted) {
            true => Ok(()),
            false => Err(FlowError::ScopesNotGranted(asked.to_vec())),
        }
    }

    pub(super) fn turn(&mut self, cached: SignIn, pending: Option<Open>, now: u64) -> Move {
        match self.decide(&cached, now) {
            Decision::Use(grant) => {
                self.note(Note::Adopted);
                return done(Some(grant));
            }
            // Whoever took it over may have died before it was refreshed.
            Decision::Refresh(grant, _)
                if self.granted_before != Some(grant.granted_at)
                    && !std::mem::replace(&mut self.retried, true) =>
            {
                return lock(Some(grant));
            }
            Decision::Refresh(..) | Decision::Renew | Decision::Ask => {}
        }
        if let Some(error) = self.failed_elsewhere(&cached) {
            return fail(error);
        }
        self.has_turn = true;
        self.search(Task { cached, pending }, now)
    }

    pub(super) fn challenge(&self) -> Option<&Challenge> {
        match &self.goal {
            Goal::Challenged { challenge, .. }
            | Goal::StepUp { challenge, .. }
            | Goal::SignIn { challenge, .. } => Some(challenge),
            Goal::Silent | Goal::Renew { .. } => None,
        }
    }

    /// Takes the way that the user wants.
    pub(super) fn approach(&mut self, plan: Plan, now: u64) -> Move {
        if self.looks_elsewhere(&plan) {
            return self.look_elsewhere(plan);
        }
        let settings = self.settings.clone();
        match &settings.way {
            Way::Browser => self.bind(plan, now),
            Way::Device => self.approach_by_device(plan, now),
            Way::Unattended(unattended) => self.approach_unattended(plan, unattended, now),
        }
    }

    /// Decides who asks, and opens the listener that the answer comes to: it is there before
    /// anybody is told its address.
    fn bind(&mut self, plan: Plan, now: u64) -> Move {
        let choice = match self.choose(&plan, now) {
            Ok(choice) => choice,
            Err(error) => return fail(error),
        };
        let fixed = self.settings.redirect.port;
        let (port, strict) = match &choice {
            Choice::Known(_, port) => (Some(*port), false),
            Choice::Configured(client) => {
                let pending = plan.task.pending.as_ref().and_then(Open::browser);
                let theirs = pending.filter(|attempt| attempt.client_id == client.client_id);
                let open = theirs.and_then(|a| self.settings.redirect.port_of(&a.redirect_uri));
                let derived = self.settings.redirect.own_client_port;
                let strict = !self.settings.redirect.any_port;
                (Some(fixed.or(open).unwrap_or(derived)), strict)
            }
            Choice::New(_) => (fixed, fixed.is_some()),
        };
        (
            State::Binding { plan, choice },
            Action::Bind { port, strict },
        )
    }

    /// When a person who is asked now is done at the latest. What they bring is bound to the client.
    pub(super) fn person_done_by(&self, now: u64) -> u64 {
        now.saturating_add(self.settings.auth_timeout)
    }

    pub(super) fn bound(&mut self, plan: Plan, choice: Choice, bound: Bound, now: u64) -> Move {
        match choice {
            Choice::Configured(client) => {
                let probe = plan.can_replace(&client) && !self.is_proven(&plan, now);
                self.ask(plan, client, &bound, probe, now)
            }
            Choice::Known(client, port) if port == bound.port => {
                let probe = !self.is_proven(&plan, now);
                self.ask(plan, client, &bound, probe, now)
            }
            // Servers that compare redirect URIs to the letter would refuse another port.
            Choice::Known(_, port) => match plan.server.registration_endpoint.clone() {
                Some(endpoint) => {
                    self.note(Note::PortTaken(port));
                    self.register(plan, endpoint, Some(bound))
                }
                None => fail(self.no_registration(&plan)),
            },
            Choice::New(endpoint) => self.register(plan, endpoint, Some(bound)),
        }
    }

    /// Whether the server knew this client a moment ago. Refusing a refresh token proves it as
    /// well: RFC 6749 §5.2 has the client looked at first.
    fn is_proven(&self, plan: &Plan, now: u64) -> bool {
        let grant = plan.task.cached.grant.as_ref();
        let recent = grant
            .filter(|grant| grant.issuer == plan.server.issuer)
            .and_then(|grant| now.checked_sub(grant.issued_at()))
            .is_some_and(|age| age < PROVEN);
        recent || self.grant_just_ended
    }

    /// Where the browser returns to: what the client was registered with, character by character.
    fn redirect_uri(&self, client: &Client, port: u16) -> String {
        let registered = client.redirect_uri.clone();
        registered.unwrap_or_else(|| self.settings.redirect.uri(port))
    }

    /// Makes the authorization request.
    pub(super) fn ask(
        &mut self,
        mut plan: Plan,
        client: Client,
        bound: &Bound,
        probe: bool,
        now: u64,
    ) -> Move {
        match self.bind_tokens(&mut plan, &client) {
            Ok(true) => {}
            Ok(false) => {
                let bound = bound.clone();
                return Keyless::make_key(plan, client, Then::Browser { bound, probe });
            }
            Err(error) => return fail(error),
        }
        let own_uri = self.redirect_uri(&client, bound.port);
        let params = self.settings.authorize_params(&plan.server.issuer);
        let ask = Ask {
            server: &plan.server,
            client_id: &client.client_id,
            redirect_uri: &own_uri,
            resource: plan.resource.as_ref(),
            scopes: &plan.scopes,
            params: &params,
            pkce: self.settings.pkce,
            lapses_at: now.saturating_add(self.settings.auth_timeout),
            proof_key: plan.binding.as_ref().map(|binding| &binding.key),
        };
        let pending = plan.task.pending.take();
        if let Some(Open::Browser(attempt)) = pending
            && attempt.is_continued_by(&ask, now)
        {
            let pushes = plan.server.require_pushed_authorization_requests;
            // What the address refers to ends soon, and may have ended.
            let whole = pushes.then(|| attempt.spelled_out(&ask));
            let asked = Asked::new(plan, client, attempt);
            return match whole {
                Some(Ok(whole)) => self.push(asked.with(whole), true),
                Some(Err(error)) => fail(unaskable(error, &asked.plan)),
                None => asked.open(true),
            };
        }
        if !self.history.allows(now) {
            return fail(FlowError::TooManyAttempts);
        }
        let attempt = match Attempt::new(&ask, &bound.randomness) {
            Ok(attempt) => Box::new(attempt),
            Err(error) => return fail(unaskable(error, &plan)),
        };
        let pushes = plan.server.require_pushed_authorization_requests;
        let asked = Asked::new(plan, client, attempt);
        // Leaving the request says as much about the client as a probe.
        if pushes {
            return self.push(asked, false);
        }
        if probe {
            return asked.probe();
        }
        self.history.opened(now);
        asked.open(false)
    }
}

fn unaskable(error: AskError, plan: &Plan) -> FlowError {
    match error {
        AskError::RedirectUri(uri) => FlowError::RedirectUri(uri),
        AskError::NoAuthorizationEndpoint => {
            FlowError::NoAuthorizationEndpoint(plan.server.issuer.clone())
        }
    }
}
