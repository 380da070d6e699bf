//! What is remembered about one server between two starts.

use std::collections::BTreeMap;

use url::Url;

use super::id_token::Account;
use super::registration::Client;
use super::token::Grant;
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
