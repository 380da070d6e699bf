//! The part of the flow that gets tokens without a person: by the client's own credentials, by what
//! an organisation's identity provider says of the user, or by what a platform says of the workload.
//!
//! There is no refresh token in these grants (RFC 6749 §4.4.3), so a new token is asked for in the
//! place of a refresh, by the same rules: under the lock of the tokens, ahead of time, and by one
//! process for all. No browser is ever opened.

mod error;
mod seeded;

use url::Url;

pub use error::UnattendedError;

use super::binding::{Keyless, Then};
use super::sign_in::{Plan, Task, known};
use super::{
    Action, Amendment, Flow, FlowError, Goal, IdentityProvider, Move, Note, ProviderEndpoint,
    State, Unattended, Way, fail,
};
use crate::ids::{Issuer, ResourceId, ServerUrl};
use crate::oauth::discovery::resource::AuthorizationServers;
use crate::oauth::discovery::server::{AuthorizationServer, Leads, Rules, ServerSearch};
use crate::oauth::discovery::{Fetched, Step};
use crate::oauth::dpop::Binding;
use crate::oauth::grant::token_exchange::{Issued, TokenExchange};
use crate::oauth::grant::{client_credentials, jwt_bearer};
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::Client;
use crate::oauth::registration::Takes;
use crate::oauth::scope;
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::oauth::token::{Freshness, Grant, TokenSet};
use crate::oauth::token_endpoint::{Cause, GrantRequest, TokenError, TokenRequest};
use crate::secret::Secret;

/// Longest pause before a token is asked for again, in seconds; the lock is held meanwhile.
const LONGEST_PAUSE: u64 = 10;

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
            known: known(&plan, &client),
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

    /// Goes the first step: everything that is handed in is fetched anew.
    fn ask_for_token(&mut self, mut errand: Box<Errand>, after: u64, now: u64) -> Move {
        match self.unattended() {
            Some(Unattended::Seeded(_)) => self.sow(errand, after, now),
            Some(Unattended::Enterprise(provider)) if errand.provider.is_none() => {
                match &provider.endpoint {
                    ProviderEndpoint::Given(url) => {
                        errand.provider = Some(Provider {
                            token_endpoint: url.clone(),
                            auth_methods: None,
                        });
                        read_assertion(errand, after)
                    }
                    ProviderEndpoint::OfIssuer(address) => {
                        let issuer = Issuer::new(address.as_str());
                        let listed = AuthorizationServers::Listed(vec![issuer]);
                        let step = ServerSearch::start(listed, |_| false, rules(address));
                        provider_step(errand, step)
                    }
                }
            }
            Some(Unattended::Enterprise(_) | Unattended::Workload) => read_assertion(errand, after),
            Some(Unattended::ClientCredentials) | None => {
                let scopes = errand.scopes.clone();
                let grant = GrantRequest::ClientCredentials { scopes };
                self.request_grant(errand, grant, after)
            }
        }
    }

    pub(super) fn provider_answered(
        &mut self,
        errand: Box<Errand>,
        search: ServerSearch,
        fetched: Fetched,
    ) -> Move {
        match self.provider().map(|provider| &provider.endpoint) {
            Some(ProviderEndpoint::OfIssuer(address)) => {
                provider_step(errand, search.judge(fetched, rules(address)))
            }
            // There is no search without one.
            _ => read_assertion(errand, 0),
        }
    }

    fn provider(&self) -> Option<&IdentityProvider> {
        match self.unattended() {
            Some(Unattended::Enterprise(provider)) => Some(provider),
            _ => None,
        }
    }

    /// The JWT of the workload, or the ID token of the user, is there.
    pub(super) fn assertion_read(
        &mut self,
        errand: Box<Errand>,
        assertion: Result<Secret, Cause>,
        now: u64,
    ) -> Move {
        let assertion = match assertion {
            Ok(assertion) => assertion,
            Err(cause) => return fail(UnattendedError::Assertion(cause).into()),
        };
        if let Some(refusal) = self.history.refused(&assertion, now) {
            let refusal = refusal.clone();
            return fail(UnattendedError::RefusedBefore(self.mode(), refusal).into());
        }
        let (Some(to), Some(at)) = (&errand.provider, self.provider()) else {
            let grant = GrantRequest::JwtBearer {
                assertion,
                scopes: errand.scopes.clone(),
            };
            return self.request_grant(errand, grant, 0);
        };
        let exchange = TokenExchange {
            subject_token: assertion,
            audience: errand.issuer.as_str().to_owned(),
            scopes: errand.scopes.clone(),
        };
        // The client has no key there, so that no assertion names the issuer.
        let takes = Takes {
            issuer: &Issuer::new(to.token_endpoint.as_str()),
            token_endpoint: &to.token_endpoint,
            methods: to.auth_methods.as_deref(),
            algorithms: None,
        };
        let client = match at.client.client(&takes) {
            Ok(client) => client,
            Err(error) => return fail(error),
        };
        let request = Box::new(TokenRequest {
            endpoint: to.token_endpoint.clone(),
            client,
            resource: errand
                .resource
                .clone()
                .filter(|_| !self.history.refuses_resource(&to.token_endpoint)),
            grant: GrantRequest::TokenExchange(exchange),
            params: Vec::new(),
            binding: None,
        });
        let action = Action::RequestToken {
            request: request.clone(),
            after: 0,
        };
        (State::ExchangingAssertion { errand, request }, action)
    }

    /// The identity provider has answered.
    pub(super) fn assertion_exchanged(
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

    fn request_grant(&mut self, errand: Box<Errand>, grant: GrantRequest, after: u64) -> Move {
        let request = Box::new(TokenRequest {
            endpoint: errand.known.token_endpoint.clone(),
            client: errand.client.clone(),
            resource: errand.resource.clone(),
            params: self.settings.token_params(&grant),
            binding: errand.binding.clone(),
            grant,
        });
        let action = Action::RequestToken {
            request: request.clone(),
            after,
        };
        (State::Granting { errand, request }, action)
    }

    pub(super) fn granted(
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

    fn mode(&self) -> AuthMode {
        self.unattended().map(Unattended::mode).unwrap_or_default()
    }
}

/// The provider's own metadata is held to its own address, which the user named.
fn rules(address: &ServerUrl) -> Rules<'_> {
    Rules {
        server: address,
        allow_missing_pkce_metadata: false,
        issuer: None,
        known: None,
        pkce: true,
        leads: Leads::TokenEndpoint,
    }
}

fn provider_step(mut errand: Box<Errand>, step: Step<ServerSearch, AuthorizationServer>) -> Move {
    match step {
        Step::Fetch(search, after) => {
            let url = search.url().clone();
            let search = Box::new(search);
            (
                State::FindingProvider { errand, search },
                Action::Fetch { url, after },
            )
        }
        Step::Found(server) => {
            errand.provider = Some(Provider {
                token_endpoint: server.token_endpoint,
                auth_methods: server.auth_methods,
            });
            read_assertion(errand, 0)
        }
        Step::Failed(error) => fail(UnattendedError::Provider(error).into()),
    }
}

fn read_assertion(errand: Box<Errand>, after: u64) -> Move {
    (
        State::ReadingAssertion { errand },
        Action::ReadAssertion { after },
    )
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

impl From<UnattendedError> for FlowError {
    fn from(error: UnattendedError) -> Self {
        Self::Unattended(error)
    }
}
