//! What is remembered about one server between two starts.

use std::collections::BTreeMap;

use url::Url;

use super::id_token::{self, Account};
use super::registration::Client;
use super::token::{Grant, TokenSet};
use crate::ids::Issuer;

/// Everything the cache holds about one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// The server's address, as it was configured.
    pub server: String,
    /// The grant, if there is one; a registration can outlive it.
    pub grant: Option<Grant>,
    /// The clients, by the authorization server that knows them.
    pub clients: BTreeMap<Issuer, KnownClient>,
    /// What went wrong last, for those that waited for it.
    pub failures: Failures,
    /// The marks of the configured refresh tokens that grants came from, the newest last. None of
    /// them is sent again: what followed it is in the grant, or was.
    pub seeds: Vec<String>,
    /// From which program the sign-in was taken over, if it ever was from one. Stays when another
    /// takes its place, so that it is not taken over again.
    pub taken_over: Option<TakenOver>,
    /// Whether the user wants the ID token to be sent in place of the access token, as who wrote this
    /// was told. A note for those who look; whoever sends something is told itself.
    pub sends_id_token: bool,
}

/// A sign-in that began with another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The program.
    pub from: String,
    /// When it was taken over, in seconds since the epoch.
    pub at: u64,
    /// What tells the content that was taken over from any other.
    pub mark: String,
    /// Whether a sign-in of ours has taken its place since.
    pub replaced: bool,
}

/// The last failures. A process that has waited for another to do something learns from them that
/// it failed, and does not try the same at once: nobody is asked once more for each process, and an
/// authorization server that does not answer does not hold one up after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Of a refresh.
    pub refresh: Option<FailureNote>,
    /// Of a sign-in.
    pub sign_in: Option<FailureNote>,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureNote {
    /// Tells it from the one before.
    pub count: u64,
    /// What happened, fit to be shown.
    pub reason: String,
    /// Whether the same may succeed later without anybody doing anything.
    pub transient: bool,
}

impl FailureNote {
    /// The note that follows `before`.
    pub fn after(before: Option<&Self>, reason: String, transient: bool) -> Self {
        Self {
            count: before.map_or(0, |before| before.count).wrapping_add(1),
            reason,
            transient,
        }
    }
}

/// Most marks that are remembered.
const SEEDS: usize = 16;

impl SignIn {
    /// Remembers that the grant came from this configured refresh token.
    pub fn put_seed(&mut self, mark: String) {
        self.seeds.retain(|known| *known != mark);
        self.seeds.push(mark);
        let surplus = self.seeds.len().saturating_sub(SEEDS);
        self.seeds.drain(..surplus);
    }

    /// Whether what is sent to the server is the ID token.
    pub fn presents_id_token(&self) -> bool {
        let tokens = self.grant.as_ref().map(|grant| &grant.tokens);
        let in_place = |tokens: &TokenSet| tokens.id_token.as_ref() == Some(&tokens.access_token);
        self.sends_id_token || tokens.is_some_and(in_place)
    }

    /// When what is sent to the server ends, in seconds since the epoch; `None` if that is not known.
    /// If it is the ID token and the last refresh brought none, it is the one of before, and if there
    /// is none at all, it ended with that refresh.
    pub fn presented_until(&self) -> Option<u64> {
        let grant = self.grant.as_ref()?;
        let tokens = &grant.tokens;
        let in_place = tokens.id_token.as_ref() == Some(&tokens.access_token);
        if !self.sends_id_token || in_place {
            return tokens.expires_at;
        }
        let id_token = tokens.id_token.as_ref();
        let ends = id_token.and_then(|id_token| id_token::expires_at(id_token, None));
        ends.or(grant.refreshed_at).or(Some(grant.granted_at))
    }

    /// Whose grant it is, as far as the authorization server told.
    pub fn account(&self) -> Option<Account> {
        let grant = self.grant.as_ref()?;
        let known = self.clients.get(&grant.issuer)?;
        let id_token = grant.tokens.id_token.as_ref()?;
        Account::read(id_token, &grant.issuer, &known.client.client_id)
    }
}

/// A client together with the endpoints that a warm start needs, so that a refresh asks for no
/// metadata first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownClient {
    /// The client.
    pub client: Client,
    /// Where its tokens are issued.
    pub token_endpoint: Url,
    /// Where its tokens are revoked (RFC 7009), if the server offers that.
    pub revocation_endpoint: Option<Url>,
    /// Whether the server refused the `resource` of a request and took the same without it. It is
    /// left out from then on.
    pub resource_refused: bool,
}
