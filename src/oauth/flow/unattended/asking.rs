//! What is handed in for a token where nobody is asked: where it comes from, and the requests for it.

use super::super::{
    Action, Flow, IdentityProvider, Move, ProviderEndpoint, State, Unattended, UnattendedError,
    fail,
};
use super::{Errand, Provider};
use crate::ids::{Issuer, ServerUrl};
use crate::oauth::discovery::resource::AuthorizationServers;
use crate::oauth::discovery::server::{AuthorizationServer, Leads, Rules, ServerSearch};
use crate::oauth::discovery::{Fetched, Step};
use crate::oauth::grant::token_exchange::TokenExchange;
use crate::oauth::registration::Takes;
use crate::oauth::token_endpoint::{Cause, GrantRequest, TokenRequest};
use crate::secret::Secret;

impl Flow {
    /// Goes the first step: everything that is handed in is fetched anew.
    pub(super) fn ask_for_token(&mut self, mut errand: Box<Errand>, after: u64, now: u64) -> Move {
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

    pub(in super::super) fn provider_answered(
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

    pub(super) fn provider(&self) -> Option<&IdentityProvider> {
        match self.unattended() {
            Some(Unattended::Enterprise(provider)) => Some(provider),
            _ => None,
        }
    }

    /// The JWT of the workload, or the ID token of the user, is there.
    pub(in super::super) fn assertion_read(
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

    pub(super) fn request_grant(
        &mut self,
        errand: Box<Errand>,
        grant: GrantRequest,
        after: u64,
    ) -> Move {
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
