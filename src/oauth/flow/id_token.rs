//! The ID token in place of the access token, for servers that are set up so. No specification has
//! it; from here on it is treated as the access token: kept, sent, refreshed and refused.
//!
//! What comes of a sign-in without one is an error. The answer to a refresh need not have one (OpenID
//! Connect Core §12.2), and its refresh token is the only good one by then. So it is kept as it came,
//! with the ID token of before, which is sent until it ends. The cache then holds the access token in
//! its own place again, from where it is not sent. What brings another ID token then is a person.

use super::{Action, Event, Flow, Move, Note, State, UnattendedError, done, fail};
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::{Cause, TokenError};

/// What came of a sign-in, with the ID token in place of the access token. What is handed in without
/// a person, or again, is judged where it is known what was there before.
pub(super) fn presented(state: &State, event: Event, now: u64) -> Event {
    match (state, event) {
        (State::Refreshing { .. } | State::Granting { .. }, event) => event,
        (_, Event::TokenAnswer(Ok(tokens))) => {
            let presented = tokens.with_id_token(Some(now));
            Event::TokenAnswer(presented.map_err(|why| TokenError::Unusable(why.to_string())))
        }
        (_, other) => other,
    }
}

/// What came for a refresh token, with the ID token in place of the access token if there is a new
/// one; else as it came. `before` is the ID token that was there.
fn of_refresh(tokens: TokenSet, before: Option<&TokenSet>, now: u64) -> TokenSet {
    let before = before.and_then(|before| before.id_token.as_ref());
    let is_new = tokens.id_token.is_some() && tokens.id_token.as_ref() != before;
    let as_it_came = || TokenSet {
        id_token: None,
        ..tokens.clone()
    };
    match is_new {
        true => tokens.clone().with_id_token(Some(now)),
        false => Ok(as_it_came()),
    }
    .unwrap_or_else(|_| as_it_came())
}

/// Whether the ID token stands where the access token does otherwise.
fn is_in_place(tokens: &TokenSet) -> bool {
    tokens.id_token.as_ref() == Some(&tokens.access_token)
}

impl Flow {
    /// What came for a refresh token, as it is to be kept.
    pub(super) fn presented_again(
        &self,
        tokens: TokenSet,
        before: Option<&TokenSet>,
        now: u64,
    ) -> TokenSet {
        match self.settings.use_id_token {
            true => of_refresh(tokens, before, now),
            false => tokens,
        }
    }

    /// Whether the grant came without the token that is to be sent.
    pub(super) fn is_without_id_token(&self, grant: &Grant) -> bool {
        self.settings.use_id_token && !is_in_place(&grant.tokens)
    }

    /// Whether this process knows that a refresh of the grant brings no ID token. Others try for
    /// themselves: whoever runs the server may have mended it.
    pub(super) fn misses_id_token(&self, grant: &Grant) -> bool {
        self.settings.use_id_token && self.history.misses_id_token(grant.granted_at)
    }

    /// Has what the cache holds as the user wants it: with the ID token in place of the access token,
    /// or not. Under a name of the user's it may have been otherwise before.
    pub(super) fn admit_id_token(&mut self, event: &mut Event, now: u64) {
        match event {
            Event::CacheRead(Ok(sign_in)) | Event::Amended(Ok(sign_in)) => self.view(sign_in, now),
            Event::CacheChanged(sign_in) => self.view(sign_in, now),
            _ => {}
        }
    }

    fn view(&mut self, sign_in: &mut SignIn, now: u64) {
        self.lacks_id_token = false;
        let wanted = self.settings.use_id_token;
        let Some(grant) = sign_in
            .grant
            .take_if(|grant| is_in_place(&grant.tokens) != wanted)
        else {
            return;
        };
        if wanted && let Ok(tokens) = grant.tokens.clone().with_id_token(None) {
            sign_in.grant = Some(Grant { tokens, ..grant });
            return;
        }
        // What is to be sent is not known: it counts as ended, so that only a refresh makes use of it.
        let issuer = grant.issuer.clone();
        let grant = sign_in.grant.insert(grant);
        grant.tokens.expires_at = Some(0);
        if !self.can_refresh(sign_in, &issuer, now) {
            sign_in.grant = None;
            self.lacks_id_token = wanted;
        }
    }

    /// A refresh that brought no ID token is saved. The one of before is used while that is possible.
    pub(super) fn saved_without_id_token(
        &mut self,
        mut cached: SignIn,
        failure: Option<Cause>,
        now: u64,
    ) -> Move {
        if let Some(cause) = failure {
            self.note(Note::NotSaved(cause));
        }
        self.note(Note::NoIdToken);
        if let Some(grant) = &cached.grant {
            self.history.id_token_missed(grant.granted_at);
        }
        self.view(&mut cached, now);
        match self.usable(&cached, now) {
            Some(grant) => done(Some(grant)),
            None => {
                self.lacks_id_token = true;
                (State::Unlocking { cached }, Action::Unlock)
            }
        }
    }

    /// A configured refresh token brought no ID token. What it brought is kept: it is spent.
    pub(super) fn seed_without_id_token(&mut self, grant: &Grant, failure: Option<Cause>) -> Move {
        if let Some(cause) = failure {
            self.note(Note::NotSaved(cause));
        }
        self.history.id_token_missed(grant.granted_at);
        fail(self.no_id_token().into())
    }

    /// The error where nobody can be asked for another ID token.
    pub(super) fn no_id_token(&self) -> UnattendedError {
        let origin = self.seed().map(|seed| seed.origin.clone());
        UnattendedError::NoIdToken {
            origin: origin.unwrap_or_default(),
        }
    }
}
