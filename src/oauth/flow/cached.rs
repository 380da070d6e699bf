//! The part of the flow that needs nobody: using, adopting and refreshing what the cache holds.

use super::{
    Action, Amendment, Flow, FlowError, Goal, Move, Note, RefreshReason, State, UnattendedError,
    done, fail,
};
use crate::ids::Issuer;
use crate::oauth::registration::Client;
use crate::oauth::scope;
use crate::oauth::sign_in::{FailureNote, Failures, SignIn};
use crate::oauth::token::{Freshness, Grant, TokenSet};
use crate::oauth::token_endpoint::{Cause, GrantRequest, Refusal, TokenError, TokenRequest};

/// Longest pause before a refresh is tried again, in seconds; the lock is held meanwhile.
const LONGEST_PAUSE: u64 = 10;

/// What to do about what the cache holds.
pub(super) enum Decision {
    /// This token will do.
    Use(Grant),
    /// Spend the refresh token.
    Refresh(Grant, RefreshReason),
    /// Ask for another token, for which nobody is needed.
    Renew,
    /// Only a person can help.
    Ask,
}

impl Flow {
    pub(super) fn decide(&self, cached: &SignIn, now: u64) -> Decision {
        if self.unattended().is_some() && !self.has_sprouted(cached) {
            return self.decide_unattended(cached, now);
        }
        let Some(grant) = self.own_grant(cached) else {
            return Decision::Ask;
        };
        let reason = refresh_reason(grant, now);
        let can_refresh = self.can_refresh(cached, &grant.issuer, now);
        let use_it = || Decision::Use(grant.clone());
        match (&self.goal, reason) {
            // Without a way to refresh it the server may judge, whose clock is the one that counts.
            (Goal::Silent, Some(reason)) if can_refresh => Decision::Refresh(grant.clone(), reason),
            (Goal::Silent, _) => use_it(),
            (Goal::Renew { held }, reason) => {
                let due = *held == grant.tokens.access_token;
                let reason =
                    reason.or_else(|| due.then(|| RefreshReason::EndsIn(ends_in(grant, now))));
                match reason.filter(|_| can_refresh) {
                    Some(reason) => Decision::Refresh(grant.clone(), reason),
                    None => use_it(),
                }
            }
            (Goal::Challenged { rejected, .. }, reason) => {
                let token = &grant.tokens.access_token;
                let reason = match rejected {
                    Some(rejected) if rejected == token => Some(RefreshReason::Refused),
                    _ => reason,
                };
                match reason {
                    None => use_it(),
                    Some(RefreshReason::Refused) if self.helps_no_more(grant, now) => Decision::Ask,
                    Some(reason) if can_refresh => Decision::Refresh(grant.clone(), reason),
                    Some(RefreshReason::EndsIn(_)) => use_it(),
                    Some(_) => Decision::Ask,
                }
            }
            (Goal::StepUp { used, challenge }, _) => {
                let asked = challenge.scope.as_deref().unwrap_or_default();
                let lacks_none = scope::missing(asked, &grant.tokens.scopes).is_empty();
                let another = *used != grant.tokens.access_token;
                match another && lacks_none && grant.freshness(now) != Freshness::Expired {
                    true => use_it(),
                    // A refresh cannot widen a grant (RFC 6749 §6).
                    false => Decision::Ask,
                }
            }
            (Goal::SignIn { since, .. }, _) if self.is_newer(grant, *since) => use_it(),
            // Nobody can be asked, so that it still works is all there is to show.
            (Goal::SignIn { .. }, _) if can_refresh && self.unattended().is_some() => {
                Decision::Refresh(grant.clone(), RefreshReason::EndsIn(ends_in(grant, now)))
            }
            (Goal::SignIn { .. }, _) => Decision::Ask,
        }
    }

    /// Without a person, a token is asked for anew in place of a refresh. As long as no server has
    /// asked for one, there is none.
    fn decide_unattended(&self, cached: &SignIn, now: u64) -> Decision {
        match (self.own_grant(cached), &self.goal) {
            (Some(grant), _) if self.lasting(grant, now) => Decision::Use(grant.clone()),
            (None, Goal::Silent | Goal::Renew { .. }) => Decision::Ask,
            _ => Decision::Renew,
        }
    }

    /// Whether a refresh has not mended that tokens are refused. Only what this process did about a
    /// refusal tells: a token that is new for another reason may be refused because a sibling is
    /// replacing it at this moment, at a server that ends the old ones.
    fn helps_no_more(&self, grant: &Grant, now: u64) -> bool {
        let token = &grant.tokens.access_token;
        grant.freshness(now) != Freshness::Expired && self.history.is_replacement(token, now)
    }

    /// Whether somebody signed in after this flow was wanted. Seconds are coarse: within the first
    /// one, a grant that was there already is told by the moment it has.
    pub(super) fn is_newer(&self, grant: &Grant, since: u64) -> bool {
        let there_before = self.granted_before == Some(grant.granted_at);
        grant.granted_at > since || grant.granted_at == since && !there_before
    }

    pub(super) fn cache_read(&mut self, cached: SignIn, now: u64) -> Move {
        self.known_failures = cached.failures.clone();
        self.granted_before = cached.grant.as_ref().map(|grant| grant.granted_at);
        match self.decide(&cached, now) {
            Decision::Use(grant) => {
                if self.is_news(&grant) {
                    self.note(Note::Adopted);
                }
                done(Some(grant))
            }
            Decision::Refresh(grant, _) => lock(Some(grant)),
            Decision::Renew if self.goes_in_circles(now) => {
                fail(UnattendedError::TokenRefused.into())
            }
            Decision::Renew => lock(self.own_grant(&cached).cloned()),
            Decision::Ask => self.without_token(&cached, now),
        }
    }

    /// Whether another process was first to renew the token.
    fn is_news(&self, grant: &Grant) -> bool {
        matches!(&self.goal, Goal::Renew { held } if *held != grant.tokens.access_token)
    }

    /// The same under the lock: now it is certain that nobody else refreshes.
    pub(super) fn reread(&mut self, cached: SignIn, now: u64) -> Move {
        match self.decide(&cached, now) {
            Decision::Use(grant) => {
                self.note(Note::Adopted);
                done(Some(grant))
            }
            Decision::Refresh(grant, reason) => {
                let known = &self.known_failures.refresh;
                match new_failure(known, &cached.failures.refresh) {
                    Some(note) => self.put_off(grant, FlowError::RefreshElsewhere(note), now),
                    None => self.refresh(cached, grant, reason, now),
                }
            }
            Decision::Renew => self.set_out(cached, now),
            Decision::Ask => (State::Unlocking { cached }, Action::Unlock),
        }
    }

    fn refresh(&mut self, cached: SignIn, grant: Grant, reason: RefreshReason, now: u64) -> Move {
        let client = self.client_for(&cached, &grant.issuer, now);
        let known = cached.clients.get(&grant.issuer);
        let (Some(client), Some(known), Some(token)) = (client, known, &grant.tokens.refresh_token)
        else {
            return (State::Unlocking { cached }, Action::Unlock);
        };
        self.note(Note::Refreshing(reason));
        let refresh = GrantRequest::RefreshToken {
            refresh_token: token.clone(),
        };
        let request = Box::new(TokenRequest {
            endpoint: known.token_endpoint.clone(),
            client,
            resource: grant.resource.clone().filter(|_| !known.resource_refused),
            binding: self.kept_binding(&grant),
            params: self.settings.token_params(&refresh),
            grant: refresh,
        });
        let action = Action::RequestToken {
            request: request.clone(),
            after: 0,
        };
        let state = State::Refreshing {
            cached,
            grant,
            request,
            again: false,
        };
        (state, action)
    }

    pub(super) fn refreshed(
        &mut self,
        mut cached: SignIn,
        grant: Grant,
        request: &TokenRequest,
        tokens: TokenSet,
        now: u64,
    ) -> Move {
        let refused = matches!(&self.goal, Goal::Challenged { rejected: Some(token), .. }
            if *token == grant.tokens.access_token);
        let tokens = self.presented_again(tokens, Some(&grant.tokens), now);
        let mut grant = grant.refreshed(tokens, now);
        // The server refused it and took the same without.
        if request.resource.is_none()
            && grant.resource.take().is_some()
            && let Some(known) = cached.clients.get_mut(&grant.issuer)
        {
            known.resource_refused = true;
        }
        cached.grant = Some(grant.clone());
        cached.failures = Failures::default();
        if self.is_without_id_token(&grant) {
            let action = Action::Save(Box::new(cached.clone()));
            return (State::SavingWithoutIdToken { cached }, action);
        }
        if refused {
            let token = grant.tokens.access_token.clone();
            self.history.replaced(token, now);
        }
        (
            State::SavingRefresh { grant },
            Action::Save(Box::new(cached)),
        )
    }

    /// RFC 6749 §5.2: only `invalid_grant`, in whatever spelling, ends a refresh token's life, and
    /// only a server that no longer knows the client ends a registration's.
    pub(super) fn refresh_failed(
        &mut self,
        mut cached: SignIn,
        grant: Grant,
        mut request: Box<TokenRequest>,
        again: bool,
        error: TokenError,
    ) -> Move {
        match error {
            TokenError::GrantDead(refusal) => {
                self.note(Note::GrantEnded(refusal));
                self.grant_just_ended = true;
                forget(cached, &request, None)
            }
            TokenError::ClientDead(refusal)
                if request.client.registered || request.client.document =>
            {
                self.note(Note::ClientForgotten(refusal.to_string()));
                let client_id = request.client.client_id.clone();
                forget(cached, &request, Some((grant.issuer, client_id)))
            }
            TokenError::Unavailable(outage)
                if !again && outage.retry_after.unwrap_or(1) <= LONGEST_PAUSE =>
            {
                // The same token once more, also where its fate is unknown: servers that rotate
                // take the last one again for a lost answer (RFC 9700 §4.14.2 leaves them room).
                let action = Action::RequestToken {
                    request: request.clone(),
                    after: outage.retry_after.unwrap_or(1),
                };
                let state = State::Refreshing {
                    cached,
                    grant,
                    request,
                    again: true,
                };
                (state, action)
            }
            TokenError::InvalidTarget(refusal)
                if self.leave_out_resource(&mut request.resource, &refusal) =>
            {
                let action = Action::RequestToken {
                    request: request.clone(),
                    after: 0,
                };
                let state = State::Refreshing {
                    cached,
                    grant,
                    request,
                    again,
                };
                (state, action)
            }
            TokenError::Refused(refusal) | TokenError::InvalidScope(refusal)
                if needs_person(&refusal) =>
            {
                self.refresh_refused(cached, grant, refusal)
            }
            error => {
                let error = FlowError::Token(error);
                let last = &mut cached.failures.refresh;
                let (reason, transient) = (error.to_string(), error.is_transient());
                *last = Some(FailureNote::after(last.as_ref(), reason, transient));
                let action = Action::Save(Box::new(cached));
                (State::NotingOutage { grant, error }, action)
            }
        }
    }

    /// What was refused is forgotten. What could not be written is forgotten in this flow all the
    /// same.
    pub(super) fn forgotten(
        &mut self,
        cached: SignIn,
        outcome: Result<SignIn, Cause>,
        now: u64,
    ) -> Move {
        let cached = outcome.unwrap_or(cached);
        match self.decide(&cached, now) {
            Decision::Use(grant) => {
                self.note(Note::Adopted);
                done(Some(grant))
            }
            Decision::Refresh(grant, _) => lock(Some(grant)),
            Decision::Renew => lock(self.own_grant(&cached).cloned()),
            Decision::Ask => self.without_token(&cached, now),
        }
    }

    /// The server will not refresh this grant, but has not ended it either. It stays until a
    /// sign-in replaces it.
    fn refresh_refused(&mut self, cached: SignIn, grant: Grant, refusal: Refusal) -> Move {
        self.note(Note::RefreshRefused(refusal));
        match self.goal {
            Goal::Silent | Goal::Renew { .. } => done(Some(grant)),
            _ => (State::Unlocking { cached }, Action::Unlock),
        }
    }

    /// There is no refresh at the moment. A token that still works is used as it is.
    pub(super) fn put_off(&mut self, grant: Grant, error: FlowError, now: u64) -> Move {
        let refused = match &self.goal {
            Goal::Challenged { rejected, .. } => {
                rejected.as_ref() == Some(&grant.tokens.access_token)
            }
            _ => false,
        };
        if refused || grant.freshness(now) == Freshness::Expired {
            return fail(error);
        }
        self.note(Note::RefreshPutOff(error.to_string()));
        done(Some(grant))
    }

    /// Nothing in the cache helps.
    pub(super) fn without_token(&mut self, cached: &SignIn, now: u64) -> Move {
        match self.goal {
            Goal::Silent | Goal::Renew { .. } => done(None),
            _ if self.seed().is_some() => fail(self.withered(now)),
            _ => {
                if let Err(error) = self.may_ask(cached, now) {
                    return fail(error);
                }
                self.known_failures = cached.failures.clone();
                let until = now.saturating_add(self.settings.auth_timeout);
                (State::AwaitingTurn { until }, Action::AwaitTurn { until })
            }
        }
    }

    /// Another process is signing in, and has changed the cache.
    pub(super) fn sibling_changed(&mut self, cached: &SignIn, until: u64, now: u64) -> Move {
        match self.decide(cached, now) {
            Decision::Use(grant) => {
                self.note(Note::Adopted);
                done(Some(grant))
            }
            Decision::Refresh(..) | Decision::Renew | Decision::Ask => {
                match self.failed_elsewhere(cached) {
                    Some(error) => fail(error),
                    // It may have been its registration.
                    None => (State::AwaitingTurn { until }, Action::AwaitTurn { until }),
                }
            }
        }
    }

    /// Whether the sign-in that was waited for has failed. Who needs other scopes than that was for
    /// asks by itself.
    pub(super) fn failed_elsewhere(&self, cached: &SignIn) -> Option<FlowError> {
        if matches!(self.goal, Goal::StepUp { .. }) {
            return None;
        }
        let known = &self.known_failures.sign_in;
        let note = new_failure(known, &cached.failures.sign_in)?;
        Some(match self.unattended() {
            Some(_) => UnattendedError::Elsewhere(note).into(),
            None => FlowError::SignInElsewhere(note),
        })
    }

    /// Whether those that wait for this sign-in are to learn of its failure. What only this process
    /// or only its request suffers from is its own affair.
    pub(super) fn concerns_others(&self, error: &FlowError) -> bool {
        let own = matches!(
            error,
            FlowError::Store(_)
                | FlowError::SignInElsewhere(_)
                | FlowError::TooManyAttempts
                // Others find the same by themselves, and nothing is sent for it.
                | FlowError::Unattended(
                    UnattendedError::Assertion(_)
                        | UnattendedError::RefusedBefore(..)
                        | UnattendedError::TokenRefused
                        | UnattendedError::Elsewhere(_)
                )
                // Who asks by a browser may have success.
                | FlowError::NoDeviceGrant(_)
                | FlowError::Unexpected { .. }
        );
        self.has_turn && !own && !matches!(self.goal, Goal::StepUp { .. })
    }

    pub(super) fn note_failure(&mut self, error: FlowError) -> Move {
        self.has_turn = false;
        let amendment = Amendment::NoteFailure {
            reason: error.to_string(),
            transient: error.is_transient(),
        };
        (
            State::NotingFailure { error },
            Action::Amend(Box::new(amendment)),
        )
    }

    /// The token that will do, if the cache holds one.
    pub(super) fn usable(&self, cached: &SignIn, now: u64) -> Option<Grant> {
        match self.decide(cached, now) {
            Decision::Use(grant) => Some(grant),
            Decision::Refresh(..) | Decision::Renew | Decision::Ask => None,
        }
    }

    /// Whether the cache holds a grant of this issuer that can be refreshed.
    pub(super) fn can_refresh(&self, cached: &SignIn, issuer: &Issuer, now: u64) -> bool {
        let grant = cached
            .grant
            .as_ref()
            .filter(|grant| grant.issuer == *issuer);
        grant.is_some_and(|grant| grant.tokens.refresh_token.is_some())
            && !grant.is_some_and(|grant| self.misses_id_token(grant))
            && self.client_for(cached, issuer, now).is_some()
    }

    /// The client that an issuer's tokens belong to, with the secret that the user configured.
    fn client_for(&self, cached: &SignIn, issuer: &Issuer, now: u64) -> Option<Client> {
        let entry = cached.clients.get(issuer)?;
        let known = &entry.client;
        match &self.settings.client {
            Some(configured) if configured.client_id == known.client_id => {
                Some(configured.known(issuer, entry))
            }
            Some(_) => None,
            None => {
                let document = self.settings.document.as_ref();
                let document = document.filter(|own| known.document && own.url == known.client_id);
                let client = match document {
                    Some(own) => own.known(issuer, entry),
                    None => known.clone(),
                };
                Some(client).filter(|client| client.can_prove_itself() && !client.has_lapsed(now))
            }
        }
    }
}

/// The failure that was noted since.
fn new_failure(known: &Option<FailureNote>, now: &Option<FailureNote>) -> Option<FailureNote> {
    let count = |note: &Option<FailureNote>| note.as_ref().map(|note| note.count);
    now.clone().filter(|_| count(now) != count(known))
}

/// Forgets what was refused, if it is still what the cache holds: where files have no locks, or for
/// a program that does not ask for them, another process may have renewed it meanwhile.
fn forget(mut cached: SignIn, request: &TokenRequest, client: Option<(Issuer, String)>) -> Move {
    let GrantRequest::RefreshToken { refresh_token } = &request.grant else {
        return (State::Unlocking { cached }, Action::Unlock);
    };
    let amendment = Amendment::DropGrant {
        refresh_token: refresh_token.clone(),
        client,
    };
    amendment.apply(&mut cached);
    let action = Action::Amend(Box::new(amendment));
    (State::Forgetting { cached }, action)
}

pub(super) fn lock(grant: Option<Grant>) -> Move {
    (State::Locking { grant }, Action::Lock)
}

fn ends_in(grant: &Grant, now: u64) -> u64 {
    grant.tokens.expires_at.unwrap_or(now).saturating_sub(now)
}

fn refresh_reason(grant: &Grant, now: u64) -> Option<RefreshReason> {
    let expires_at = grant.tokens.expires_at.unwrap_or(now);
    match grant.freshness(now) {
        Freshness::Fresh => None,
        Freshness::Due => Some(RefreshReason::EndsIn(ends_in(grant, now))),
        Freshness::Expired => Some(RefreshReason::Ended(now.saturating_sub(expires_at))),
    }
}

/// Whether a refusal of another kind is the server's own word, so that a person may help; a page
/// from something in between is a fault of the network. RFC 6749 §5.2: 401 is about the client.
fn needs_person(refusal: &Refusal) -> bool {
    // The proof was refused, not the token (RFC 9449 §5, §8): another sign-in would meet the same.
    if refusal.is_about_proof() {
        return false;
    }
    refusal.error.is_some() || matches!(refusal.status, 401 | 404 | 405 | 410)
}
