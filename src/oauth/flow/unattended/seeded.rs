//! Beginning with a refresh token that the user configured (RFC 6749 §6).
//!
//! It is sent once, in the place of a sign-in: under the lock of the tokens, so that of many
//! processes one sends it. From then on the grant in the cache counts, which is refreshed like any
//! other, and its mark in the cache says that it was sent. Another token in its place has another
//! mark, and is sent in its turn. When all of it is dead, nobody is asked.

use super::super::{Action, Amendment, Flow, FlowError, Goal, Move, Seed, State, Unattended, fail};
use super::{Errand, UnattendedError};
use crate::oauth::mode::AuthMode;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::GrantRequest;

impl Flow {
    /// The refresh token to begin with, if that is the way.
    pub(in super::super) fn seed(&self) -> Option<&Seed> {
        match self.unattended() {
            Some(Unattended::Seeded(seed)) => Some(seed),
            _ => None,
        }
    }

    /// Whether the configured refresh token was sent, and what followed is for the cache to say.
    pub(in super::super) fn has_sprouted(&self, cached: &SignIn) -> bool {
        self.seed()
            .is_some_and(|seed| cached.seeds.contains(&seed.mark()))
    }

    /// Sends it, unless it was refused a moment ago: a server that rotates takes a token that is
    /// used twice for a stolen one.
    pub(super) fn sow(&mut self, errand: Box<Errand>, after: u64, now: u64) -> Move {
        let Some(seed) = self.seed() else {
            return self.withered_move(now);
        };
        let refresh_token = seed.refresh_token.clone();
        if let Some(refusal) = self.history.refused(&refresh_token, now) {
            let error = UnattendedError::RefusedBefore(AuthMode::Seeded, refusal.clone());
            return fail(error.into());
        }
        let grant = GrantRequest::RefreshToken { refresh_token };
        self.request_grant(errand, grant, after)
    }

    /// The grant that came of it. RFC 6749 §6: without a new refresh token the old one stays.
    pub(super) fn sprout(&mut self, errand: Errand, mut tokens: TokenSet, now: u64) -> Move {
        let Some(seed) = self.seed() else {
            return self.withered_move(now);
        };
        let mark = seed.mark();
        tokens
            .refresh_token
            .get_or_insert_with(|| seed.refresh_token.clone());
        let tokens = self.presented_again(tokens, None, now);
        // What the token was granted for is not known, unless the server says it.
        let scopes = tokens.scopes.clone();
        let grant = Box::new(Grant {
            mode: AuthMode::Seeded,
            ..Grant::new(errand.issuer, errand.resource, scopes, tokens, now)
        });
        let amendment = Amendment::PutSeeded(grant.clone(), errand.known, mark);
        (
            State::SavingGrant { grant },
            Action::Amend(Box::new(amendment)),
        )
    }

    /// Nothing that the user configured, or that followed it, is good.
    pub(in super::super) fn withered(&self, now: u64) -> FlowError {
        if self.goes_in_circles(now) {
            return UnattendedError::TokenRefused.into();
        }
        if self.lacks_id_token {
            return self.no_id_token().into();
        }
        if let Goal::StepUp { challenge, .. } = &self.goal {
            return FlowError::ScopesNotGranted(challenge.scope.clone().unwrap_or_default());
        }
        let origin = self.seed().map(|seed| seed.origin.clone());
        let origin = origin.unwrap_or_default();
        UnattendedError::SeedSpent { origin }.into()
    }

    fn withered_move(&self, now: u64) -> Move {
        fail(self.withered(now))
    }
}
