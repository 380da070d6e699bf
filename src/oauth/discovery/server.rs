//! The authorization server metadata (RFC 8414, OpenID Connect Discovery).

mod document;

use std::collections::VecDeque;

use url::Url;

use document::{is_named, read};

use super::resource::AuthorizationServers;
use super::{
    AddressFault, DiscoveryError, Fetched, Outcome, Places, Step, Try, learnt_address, origin,
    outcome, well_known,
};
use crate::ids::{Issuer, ServerUrl, same_origin};
use crate::oauth::document::Object;
use crate::oauth::known::Row;
use crate::oauth::registration::Takes;

/// The members that decide where codes and secrets go and how they are protected.
const UNIQUE: [&str; 11] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "pushed_authorization_request_endpoint",
    "require_pushed_authorization_requests",
    "device_authorization_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "code_challenge_methods_supported",
    "token_endpoint_auth_methods_supported",
    "authorization_response_iss_parameter_supported",
];

/// An authorization server as its metadata describes it, believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its identifier, exactly as its metadata spells it.
    pub issuer: Issuer,
    /// Where a person signs in by a browser here. It is there wherever [`Leads::Browser`] was wanted.
    pub authorization_endpoint: Option<Url>,
    /// Where an authorization request is left before the browser refers to it (RFC 9126 §5).
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// Whether it takes no other authorization requests (RFC 9126 §5).
    pub require_pushed_authorization_requests: bool,
    /// Where codes and refresh tokens are handed in.
    pub token_endpoint: Url,
    /// Where codes for other devices are asked for (RFC 8628 §4). Its presence is what counts, as
    /// servers leave the grant out of `grant_types_supported`.
    pub device_authorization_endpoint: Option<Url>,
    /// Where clients register (RFC 7591).
    pub registration_endpoint: Option<Url>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// The scopes it lists.
    pub scopes_supported: Vec<String>,
    /// The grants that it offers; `None` if it does not say.
    pub grant_types: Option<Vec<String>>,
    /// How clients may authenticate at the token endpoint; `None` if it does not say.
    pub auth_methods: Option<Vec<String>>,
    /// How assertions of clients may be signed there; `None` if it does not say.
    pub auth_signing_algorithms: Option<Vec<String>>,
    /// Whether a client's identifier may be the address of its metadata (MCP 2025-11-25, Client ID
    /// Metadata Documents).
    pub client_id_metadata_documents: bool,
    /// Whether its answers carry `iss` (RFC 9207 §3).
    pub iss_supported: bool,
    /// How proofs of possession may be signed (RFC 9449 §5.1); `None` if it does not say.
    pub dpop_algorithms: Option<Vec<String>>,
}

impl AuthorizationServer {
    /// How clients may prove themselves.
    pub fn takes(&self) -> Takes<'_> {
        Takes {
            issuer: &self.issuer,
            token_endpoint: &self.token_endpoint,
            methods: self.auth_methods.as_deref(),
            algorithms: self.auth_signing_algorithms.as_deref(),
        }
    }

    /// One of which only this much is known.
    pub fn bare(issuer: Issuer, token_endpoint: Url) -> Self {
        Self {
            issuer,
            authorization_endpoint: None,
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            token_endpoint,
            device_authorization_endpoint: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            scopes_supported: Vec::new(),
            grant_types: None,
            auth_methods: None,
            auth_signing_algorithms: None,
            client_id_metadata_documents: false,
            iss_supported: false,
            dpop_algorithms: None,
        }
    }
}

/// What may be tolerated, by the user's word.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The MCP server on whose behalf we ask.
    pub server: &'a ServerUrl,
    /// Whether metadata that does not list PKCE methods is used all the same.
    pub allow_missing_pkce_metadata: bool,
    /// The issuer that the user named: metadata with this issuer is believed wherever it is found,
    /// and no other.
    pub issuer: Option<&'a Issuer>,
    /// What is known about the MCP server beyond what it says.
    pub known: Option<&'static Row>,
    /// Whether PKCE is used at all.
    pub pkce: bool,
    /// Which way to tokens the metadata has to offer.
    pub leads: Leads,
}

/// A way to tokens, as far as metadata is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// Through the authorization endpoint, by a browser here.
    Browser,
    /// Through the device authorization endpoint (RFC 8628).
    Device,
    /// To the token endpoint directly: nobody is asked.
    TokenEndpoint,
}

/// The search for an authorization server's metadata.
#[derive(Clone, Debug)]
pub struct ServerSearch {
    issuer: Issuer,
    places: Places,
    /// Issuers to try after this one.
    others: VecDeque<Issuer>,
    /// Whether the issuer is merely guessed: the MCP server's own origin.
    guessed: bool,
    /// Whether something was down on the way, so that the result is no verdict; and if so, whether
    /// that stays so until somebody changes something.
    down: Option<bool>,
    cause: Option<super::Cause>,
    /// What was wrong with the first document that must not be used.
    unusable: Option<DiscoveryError>,
}

impl ServerSearch {
    /// Begins with the servers that the resource names; those with a lower `rank`, where more is
    /// known already, come first, and otherwise the order is the resource's (RFC 9728 §7.6 leaves
    /// the choice to the client).
    pub fn start<R: Ord>(
        servers: AuthorizationServers,
        rank: impl Fn(&Issuer) -> R,
        rules: Rules<'_>,
    ) -> Step<Self, AuthorizationServer> {
        match servers {
            AuthorizationServers::Listed(mut issuers) => {
                issuers.sort_by_key(rank);
                Self::first_of(issuers.into(), rules)
            }
            AuthorizationServers::Origin => {
                let base = origin(rules.server.url());
                let text = base.as_str().strip_suffix('/').unwrap_or(base.as_str());
                match places(text, rules.server) {
                    Ok(places) => Step::Fetch(
                        Self {
                            issuer: Issuer::new(text),
                            places,
                            others: VecDeque::new(),
                            guessed: true,
                            down: None,
                            cause: None,
                            unusable: None,
                        },
                        0,
                    ),
                    Err(fault) => Step::Failed(DiscoveryError::Address {
                        what: "authorization server",
                        fault,
                    }),
                }
            }
            AuthorizationServers::Embedded { document, url } => embedded(&document, url, rules),
        }
    }

    /// The place to ask now.
    pub fn url(&self) -> &Url {
        &self.places.url
    }

    /// Judges what came of it.
    pub fn judge(mut self, fetched: Fetched, rules: Rules<'_>) -> Step<Self, AuthorizationServer> {
        match outcome(fetched, &UNIQUE) {
            Outcome::Document(object, url) => {
                // Another document, such as an error in JSON, is not the metadata.
                if object.text("issuer").is_none() && object.text("token_endpoint").is_none() {
                    return self.missed("no authorization server metadata".to_owned(), rules);
                }
                match read(&object, url, &self.issuer, self.guessed, rules) {
                    Ok(found) => Step::Found(found),
                    Err(error) => self.refused(error, rules),
                }
            }
            Outcome::Missing(outcome) | Outcome::Closed(outcome) => self.missed(outcome, rules),
            Outcome::Down {
                outcome,
                cause,
                retry_after,
                lasting,
            } => match self.places.retry(retry_after, lasting) {
                Some(pause) => Step::Fetch(self, pause),
                None => {
                    // What may come back by itself outweighs what does not.
                    self.down = Some(lasting && self.down.unwrap_or(true));
                    self.cause = self.cause.or(cause);
                    self.missed(outcome, rules)
                }
            },
            Outcome::Bad(error) => self.refused(error, rules),
        }
    }

    /// There is metadata that must not be used. The same issuer is not looked for elsewhere, since
    /// somebody may want just that; another one that the resource names may be in order.
    fn refused(
        mut self,
        error: DiscoveryError,
        rules: Rules<'_>,
    ) -> Step<Self, AuthorizationServer> {
        let error = self.unusable.take().unwrap_or(error);
        match self.next_issuer(rules) {
            Ok(mut next) => {
                next.unusable = Some(error);
                Step::Fetch(next, 0)
            }
            Err(_) => Step::Failed(error),
        }
    }

    /// The search for the next issuer that the resource names, or this one if there is none.
    fn next_issuer(mut self, rules: Rules<'_>) -> Result<Self, Box<Self>> {
        let others = std::mem::take(&mut self.others);
        if others.is_empty() {
            return Err(Box::new(self));
        }
        let Step::Fetch(mut next, _) = Self::first_of(others, rules) else {
            return Err(Box::new(self));
        };
        next.places.tried = self.places.tried;
        next.down = self.down;
        next.cause = self.cause;
        next.unusable = self.unusable;
        Ok(next)
    }

    fn first_of(
        mut issuers: VecDeque<Issuer>,
        rules: Rules<'_>,
    ) -> Step<Self, AuthorizationServer> {
        let mut first_fault = None;
        while let Some(issuer) = issuers.pop_front() {
            match places(issuer.as_str(), rules.server) {
                Ok(places) => {
                    let search = Self {
                        issuer,
                        places,
                        others: issuers,
                        guessed: false,
                        down: None,
                        cause: None,
                        unusable: None,
                    };
                    return Step::Fetch(search, 0);
                }
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
        let reason = first_fault.map_or("the list is empty".to_owned(), |fault| fault.to_string());
        Step::Failed(DiscoveryError::NoAuthorizationServer(reason))
    }

    /// Goes to the next place, then to the next issuer, then gives up.
    fn missed(mut self, outcome: String, rules: Rules<'_>) -> Step<Self, AuthorizationServer> {
        self.places.missed(outcome);
        if self.places.advance() {
            return Step::Fetch(self, 0);
        }
        let ended = match self.next_issuer(rules) {
            Ok(next) => return Step::Fetch(next, 0),
            Err(ended) => *ended,
        };
        if let Some(error) = ended.unusable {
            return Step::Failed(error);
        }
        let tried = ended.places.tried;
        if let Some(lasting) = ended.down {
            let cause = ended.cause;
            return Step::Failed(DiscoveryError::Unreachable {
                tried,
                cause,
                lasting,
            });
        }
        match ended.guessed {
            true => default_endpoints(ended.issuer, tried, rules),
            false => Step::Failed(DiscoveryError::NotFound {
                issuer: ended.issuer,
                tried,
            }),
        }
    }
}

/// RFC 8414 §3.1 and §5, then OpenID Connect Discovery §4. An issuer with a path is never looked
/// for at the root, where another tenant's metadata may be.
fn places(issuer: &str, server: &ServerUrl) -> Result<Places, AddressFault> {
    let url = learnt_address(issuer, server)?;
    let oauth = well_known(&url, "oauth-authorization-server");
    let inserted = well_known(&url, "openid-configuration");
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let mut appended = url.clone();
    appended.set_path(&format!("{path}/.well-known/openid-configuration"));
    let appended = (appended != inserted).then_some(appended);
    Ok(Places::new(
        oauth,
        [Some(inserted), appended].into_iter().flatten(),
    ))
}

/// MCP 2025-03-26, Authorization, Fallbacks for Servers without Metadata Discovery.
fn default_endpoints(
    issuer: Issuer,
    tried: Vec<Try>,
    rules: Rules<'_>,
) -> Step<ServerSearch, AuthorizationServer> {
    let endpoint = |path: &str| Url::parse(issuer.as_str()).and_then(|base| base.join(path));
    match (
        endpoint("/authorize"),
        endpoint("/token"),
        endpoint("/register"),
    ) {
        (Ok(authorization_endpoint), Ok(token_endpoint), Ok(registration_endpoint)) => {
            let issuer = rules.issuer.cloned().unwrap_or(issuer);
            Step::Found(AuthorizationServer {
                authorization_endpoint: Some(authorization_endpoint),
                registration_endpoint: Some(registration_endpoint),
                ..AuthorizationServer::bare(issuer, token_endpoint)
            })
        }
        _ => Step::Failed(DiscoveryError::NotFound { issuer, tried }),
    }
}

/// A document that was found where the resource's was expected. From the issuer's own origin it is
/// as good as from its well-known place; from elsewhere it only says whom to ask.
fn embedded(
    document: &Object,
    url: Url,
    rules: Rules<'_>,
) -> Step<ServerSearch, AuthorizationServer> {
    let issuer = Issuer::new(document.text("issuer").unwrap_or_default());
    let own = Url::parse(issuer.as_str()).is_ok_and(|named| same_origin(&named, &url));
    if !own && !is_named(issuer.as_str(), rules) {
        return ServerSearch::first_of(VecDeque::from([issuer]), rules);
    }
    match read(document, url, &issuer, false, rules) {
        Ok(found) => Step::Found(found),
        Err(error) => Step::Failed(error),
    }
}

#[cfg(test)]
mod tests;
