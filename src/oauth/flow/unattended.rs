//! The part of the flow that gets tokens without a person: by the client's own credentials, by what
//! an organisation's identity provider says of the user, or by what a platform says of the workload.
//!
//! There is no refresh token in these grants (RFC 6749 §4.4.3), so a new token is asked for in the
//! place of a refresh, by the same rules: under the lock of the tokens, ahead of time, and by one
//! process for all. No browser is ever opened.

mod answer;
mod asking;
mod error;
mod seeded;

use url::Url;

pub use error::UnattendedError;

use super::binding::{Keyless, Then};
use super::plan::{Plan, Task};
use super::{Flow, FlowError, Goal, Move, Unattended, Way, fail};
use crate::ids::{Issuer, ResourceId};
use crate::oauth::dpop::Binding;
use crate::oauth::grant::{client_credentials, jwt_bearer};
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::Client;
use crate::oauth::scope;
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::oauth::token::{Freshness, Grant};

/// A token that is being asked for.
#[derive(Debug)]
pub(super) struct Errand {
    /// What the cache holds.
    cached: SignIn,
    /// Who issues it.
    issuer: Issuer,
    /// What is remembered of the client and its server.
    known: KnownClient,
    /// The client, with what the user configured.
    client: Client,
    resource: Option<ResourceId>,
    scopes: Vec<String>,
    /// What to ask for if these scopes are refused.
    narrower: Option<Vec<String>>,
    /// What the token is to be bound to (RFC 9449), if to anything.
    binding: Option<Binding>,
    /// Where the identity provider issues tokens, once that is known.
    provider: Option<Provider>,
    /// The token that this one takes the place of, where metadata was not asked for again.
    renews: Option<Grant>,
    /// Whether this is the second try, after the network failed.
    again: bool,
}

/// An identity provider as its metadata describes it.
#[derive(Clone, Debug)]
struct Provider {
    token_endpoint: Url,
    auth_methods: Option<Vec<String>>,
}

impl Flow {
    /// What stands in for a person, if that is so.
    pub(super) fn unattended(&self) -> Option<&Unattended> {
        match &self.settings.way {
            Way::Unattended(unattended) => Some(unattended),
            Way::Browser | Way::Device => None,
        }
    }

    /// The grant in the cache, if it came in the way that is wanted: under one name there may have
    /// been another before.
    pub(super) fn own_grant<'c>(&self, cached: &'c SignIn) -> Option<&'c Grant> {
        let grant = cached.grant.as_ref()?;
        let is_own = match self.unattended() {
            // A person may have mended what came of it.
            Some(Unattended::Seeded(_)) => self.has_sprouted(cached) && !grant.mode.is_unattended(),
            Some(unattended) => grant.mode == unattended.mode(),
            None => !grant.mode.is_unattended(),
        };
        is_own.then_some(grant)
    }

    /// The token in the cache that will do; if none does, a new one is to be asked for.
    pub(super) fn lasting(&self, grant: &Grant, now: u64) -> bool {
        let token = &grant.tokens.access_token;
        let lasts = grant.freshness(now) == Freshness::Fresh;
        match &self.goal {
            Goal::Silent => lasts,
            Goal::Renew { held } => lasts && held != token,
            Goal::Challenged { rejected, .. } => {
                rejected.as_ref() != Some(token) && grant.freshness(now) != Freshness::Expired
            }
            Goal::StepUp { used, challenge } => {
                let asked = challenge.scope.as_deref().unwrap_or_default();
                let lacks_none = scope::missing(asked, &grant.tokens.scopes).is_empty();
                used != token && lacks_none && grant.freshness(now) != Freshness::Expired
            }
            Goal::SignIn { since, .. } => self.is_newer(grant, *since),
        }
    }

    /// Whether a refused token took the place of a refused one: a third would only go round in
    /// circles.
    pub(super) fn goes_in_circles(&self, now: u64) -> bool {
        matches!(&self.goal, Goal::Challenged { rejected: Some(token), .. }
            if self.history.is_replacement(token, now))
    }

    /// The lock is held, and no token in the cache will do.
    pub(super) fn set_out(&mut self, cached: SignIn, now: u64) -> Move {
        let own = self.own_grant(&cached).cloned();
        if !matches!(self.goal, Goal::StepUp { .. } | Goal::SignIn { .. }) {
            self.fallback = own.clone();
        }
        if let Some(error) = self.failed_elsewhere(&cached) {
            return fail(error);
        }
        self.has_turn = true;
        if let Some(grant) = own
            && let Some(errand) = self.renewal(&cached, grant)
        {
            return self.ask_for_token(errand, 0, now);
        }
        let pending = None;
        self.search(Task { cached, pending }, now)
    }

    /// The errand for a token like the last one, without asking for metadata again. After a refusal
    /// that is not enough: the server may want tokens of another authorization server by now.
    fn renewal(&self, cached: &SignIn, grant: Grant) -> Option<Box<Errand>> {
        let refused = match &self.goal {
            Goal::Silent | Goal::Renew { .. } => false,
            Goal::Challenged { rejected, .. } => rejected.is_some(),
            Goal::StepUp { .. } | Goal::SignIn { .. } => true,
        };
        if refused {
            return None;
        }
        let known = cached.clients.get(&grant.issuer)?.clone();
        let client = match &self.settings.client {
            Some(configured) if configured.client_id == known.client.client_id => {
                configured.known(&grant.issuer, &known)
            }
            None if known.client.is_nobody() => known.client.clone(),
            _ => return None,
        };
        let resource = grant.resource.clone();
        Some(Box::new(Errand {
            cached: cached.clone(),
            issuer: grant.issuer.clone(),
            resource: resource.filter(|_| !known.resource_refused),
            known,
            client,
            scopes: grant.requested_scopes.clone(),
            narrower: None,
            binding: self.kept_binding(&grant),
            provider: None,
            renews: Some(grant),
            again: false,
        }))
    }

    /// The authorization server is known: decides who asks, and asks.
    pub(super) fn approach_unattended(
        &mut self,
        plan: Plan,
        unattended: &Unattended,
        now: u64,
    ) -> Move {
        let grant = match unattended {
            Unattended::ClientCredentials => Some(client_credentials::GRANT),
            Unattended::Enterprise(_) | Unattended::Workload => Some(jwt_bearer::GRANT),
            // It has given one, so it takes it.
            Unattended::Seeded(_) => None,
        };
        // RFC 8414 §2: what a server lists is all it offers. Nothing is sent in vain.
        let listed = plan.server.grant_types.as_ref();
        let is_listed = |grant| listed.is_none_or(|listed| listed.iter().any(|one| one == grant));
        if let Some(grant) = grant
            && !is_listed(grant)
        {
            let issuer = plan.server.issuer;
            return fail(UnattendedError::NotOffered { issuer, grant }.into());
        }
        let client = match self.configured(&plan) {
            Some(Ok(client)) => client,
            Some(Err(error)) => return fail(error),
            // RFC 7521 §4.1: the assertion says enough.
            None if *unattended == Unattended::Workload => Client::nobody(),
            None => return fail(self.no_registration(&plan)),
        };
        self.send_client(plan, client, now)
    }

    /// Asks as this client, with a key to bind the token to where that is wanted.
    pub(super) fn send_client(&mut self, mut plan: Plan, client: Client, now: u64) -> Move {
        match self.bind_tokens(&mut plan, &client) {
            Ok(true) => {}
            Ok(false) => return Keyless::make_key(plan, client, Then::Unattended),
            Err(error) => return fail(error),
        }
        let errand = Box::new(Errand {
            issuer: plan.server.issuer.clone(),
            known: plan.known(&client),
            client,
            resource: plan.resource.clone(),
            narrower: self.narrower(&plan, &plan.scopes),
            scopes: plan.scopes,
            binding: plan.binding,
            provider: None,
            renews: None,
            again: false,
            cached: plan.task.cached,
        });
        self.ask_for_token(errand, 0, now)
    }

    fn mode(&self) -> AuthMode {
        self.unattended().map(Unattended::mode).unwrap_or_default()
    }
}

impl From<UnattendedError> for FlowError {
    fn from(error: UnattendedError) -> Self {
        Self::Unattended(error)
    }
}
