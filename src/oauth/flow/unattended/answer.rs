//! What an identity provider and the authorization server answer where nobody is asked: what is kept,
//! tried once more, or given up.

use super::super::plan::Task;
use super::super::{Action, Amendment, Flow, Goal, Move, Note, State, UnattendedError, fail};
use super::Errand;
use crate::oauth::grant::token_exchange::Issued;
use crate::oauth::mode::AuthMode;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::{GrantRequest, TokenError, TokenRequest};

/// Longest pause before a token is asked for again, in seconds; the lock is held meanwhile.
const LONGEST_PAUSE: u64 = 10;

impl Flow {
    /// The identity provider has answered.
    pub(in super::super) fn assertion_exchanged(
        &mut self,
        errand: Box<Errand>,
        request: &TokenRequest,
        answer: Result<Issued, TokenError>,
        now: u64,
    ) -> Move {
        match answer.map(Issued::id_jag) {
            Ok(Ok(assertion)) => {
                let scopes = errand.scopes.clone();
                let grant = GrantRequest::JwtBearer { assertion, scopes };
                self.request_grant(errand, grant, 0)
            }
            Ok(Err(wrong)) => fail(UnattendedError::WrongType(wrong).into()),
            Err(TokenError::Unavailable(outage)) if may_wait(&errand, outage.retry_after) => {
                self.try_again(errand, outage.retry_after, now)
            }
            // What it refuses is no word about what the authorization server takes.
            Err(TokenError::InvalidTarget(refusal))
                if self.leave_out_resource(&mut request.resource.clone(), &refusal) =>
            {
                self.history.resource_refused(request.endpoint.clone());
                self.ask_for_token(errand, 0, now)
            }
            Err(error) => {
                self.remember_refused(request, &error, now);
                self.give_up(&errand, UnattendedError::Exchange(error))
            }
        }
    }

    pub(in super::super) fn granted(
        &mut self,
        mut errand: Box<Errand>,
        request: &TokenRequest,
        answer: Result<TokenSet, TokenError>,
        now: u64,
    ) -> Move {
        match answer {
            Ok(tokens) if self.seed().is_some() => self.sprout(*errand, tokens, now),
            Ok(tokens) => self.keep(*errand, tokens, now),
            Err(TokenError::Unavailable(outage)) if may_wait(&errand, outage.retry_after) => {
                self.try_again(errand, outage.retry_after, now)
            }
            Err(TokenError::InvalidScope(refusal)) => {
                self.scope_refused(errand, request, TokenError::InvalidScope(refusal), now)
            }
            // It looked at the request and not at what was handed in, which is handed in again.
            Err(TokenError::InvalidTarget(refusal))
                if self.leave_out_resource(&mut errand.resource, &refusal) =>
            {
                errand.known.resource_refused = true;
                self.ask_for_token(errand, 0, now)
            }
            Err(error) if errand.renews.is_some() && is_gone(&error) => {
                let cached = errand.cached;
                let pending = None;
                self.search(Task { cached, pending }, now)
            }
            Err(error) => {
                self.remember_refused(request, &error, now);
                let error = self.grant_error(&errand, error);
                self.give_up(&errand, error)
            }
        }
    }

    /// A client that asks for itself asks for less, once. Who has handed in what others say of them
    /// hands in nothing twice.
    fn scope_refused(
        &mut self,
        mut errand: Box<Errand>,
        request: &TokenRequest,
        error: TokenError,
        now: u64,
    ) -> Move {
        if self.mode() == AuthMode::ClientCredentials
            && let Some(scopes) = errand.narrower.take()
        {
            self.note(Note::ScopesNarrowed(scopes.clone()));
            errand.scopes = scopes;
            return self.ask_for_token(errand, 0, now);
        }
        self.remember_refused(request, &error, now);
        let error = self.grant_error(&errand, error);
        self.give_up(&errand, error)
    }

    fn grant_error(&self, errand: &Errand, error: TokenError) -> UnattendedError {
        match self.seed() {
            Some(seed) => UnattendedError::Seed {
                origin: seed.origin.clone(),
                error,
                kept: errand.cached.grant.is_some(),
            },
            None => UnattendedError::Grant(self.mode(), error),
        }
    }

    /// RFC 6749 §4.4.3: a refresh token should not come, and is of no use here.
    fn keep(&mut self, errand: Errand, mut tokens: TokenSet, now: u64) -> Move {
        tokens.refresh_token = None;
        let mut grant = Grant {
            mode: self.mode(),
            ..Grant::new(errand.issuer, errand.resource, errand.scopes, tokens, now)
        };
        if let Some(before) = errand.renews {
            (grant.granted_at, grant.refreshed_at) = (before.granted_at, Some(now));
        }
        if let Goal::Challenged {
            rejected: Some(_), ..
        } = self.goal
        {
            let token = grant.tokens.access_token.clone();
            self.history.replaced(token, now);
        }
        let grant = Box::new(grant);
        let amendment = Amendment::PutGrant(grant.clone(), errand.known);
        (
            State::SavingGrant { grant },
            Action::Amend(Box::new(amendment)),
        )
    }

    fn try_again(&mut self, mut errand: Box<Errand>, retry_after: Option<u64>, now: u64) -> Move {
        errand.again = true;
        self.ask_for_token(errand, retry_after.unwrap_or(1), now)
    }

    fn give_up(&mut self, errand: &Errand, error: UnattendedError) -> Move {
        if matches!(self.goal, Goal::StepUp { .. }) && !error.is_transient() {
            self.history.declined(&errand.scopes);
        }
        fail(error.into())
    }

    /// What was refused for what it is is not handed in again. A proof that was refused says nothing
    /// about what came with it.
    fn remember_refused(&mut self, request: &TokenRequest, error: &TokenError, now: u64) {
        let handed_in = match &request.grant {
            GrantRequest::JwtBearer { assertion, .. } if self.provider().is_none() => assertion,
            GrantRequest::TokenExchange(exchange) => &exchange.subject_token,
            GrantRequest::RefreshToken { refresh_token } => refresh_token,
            _ => return,
        };
        match error {
            TokenError::GrantDead(refusal)
            | TokenError::ClientDead(refusal)
            | TokenError::InvalidScope(refusal)
            | TokenError::InvalidTarget(refusal)
            | TokenError::Refused(refusal)
                if !refusal.is_about_proof() =>
            {
                let refusal = refusal.clone();
                self.history
                    .assertion_refused(handed_in.clone(), refusal, now);
            }
            _ => {}
        }
    }
}

/// Whether to try once more after such a pause.
fn may_wait(errand: &Errand, retry_after: Option<u64>) -> bool {
    !errand.again && retry_after.unwrap_or(1) <= LONGEST_PAUSE
}

/// Whether there is no token endpoint any more where there was one.
fn is_gone(error: &TokenError) -> bool {
    matches!(error, TokenError::Refused(refusal)
        if refusal.error.is_none() && matches!(refusal.status, 404 | 405 | 410))
}
