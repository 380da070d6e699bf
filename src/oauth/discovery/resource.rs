//! The protected resource metadata (RFC 9728).

use std::fmt;

use url::Url;

use super::{
    AddressFault, DiscoveryError, Fetched, Outcome, Places, Step, learnt_address, origin, outcome,
    well_known,
};
use crate::ids::{Issuer, ResourceId, ServerUrl, display_url, same_origin};
use crate::oauth::document::Object;
use crate::untrusted::{SHOWN, printable};

/// The members that decide where tokens come from and what they are for.
const UNIQUE: [&str; 2] = ["resource", "authorization_servers"];

/// What is known about the resource before an authorization server is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceMetadata {
    /// The `resource` to name in requests; `None` if the server publishes no metadata.
    pub resource: Option<ResourceId>,
    /// Who issues tokens for it.
    pub authorization_servers: AuthorizationServers,
    /// The scopes it lists.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (RFC 9449).
    pub dpop_required: bool,
    /// How proofs of possession may be signed; `None` if it does not say.
    pub dpop_algorithms: Option<Vec<String>>,
}

impl ResourceMetadata {
    /// That of a server about which nothing is known.
    pub fn none() -> Self {
        Self {
            resource: None,
            authorization_servers: AuthorizationServers::Origin,
            scopes_supported: None,
            dpop_algorithms: None,
            dpop_required: false,
        }
    }
}

/// Who issues tokens for a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthorizationServers {
    /// These, in the order of the document; at least one.
    Listed(Vec<Issuer>),
    /// Nobody is named: the server's own origin (MCP 2025-03-26, Authorization, Server Metadata
    /// Discovery).
    Origin,
    /// The document is itself the authorization server's.
    Embedded {
        /// The document.
        document: Object,
        /// Where it came from.
        url: Url,
    },
}

impl fmt::Display for AuthorizationServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(issuers) => {
                let names = issuers
                    .iter()
                    .map(|issuer| printable(issuer.as_str(), SHOWN));
                write!(f, "`{}`", names.collect::<Vec<_>>().join("`, `"))
            }
            Self::Origin => f.write_str("the server's own origin, as nothing else is named"),
            Self::Embedded { url, .. } => write!(
                f,
                "what is described at `{}`",
                printable(&display_url(url), SHOWN)
            ),
        }
    }
}

/// The search for a server's metadata.
#[derive(Clone, Debug)]
pub struct ResourceSearch {
    places: Places,
    /// Whether the place asked now is the one that the challenge named.
    hinted: bool,
    /// What was wrong with the place that the challenge named.
    ignored_hint: Option<String>,
}

/// What the metadata is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The server we talk to.
    pub server: &'a ServerUrl,
    /// The resource that the user named instead.
    pub resource: Option<&'a ResourceId>,
}

impl ResourceSearch {
    /// Begins with what the challenge named, if it named something; then the well-known places:
    /// for the server's path, then for its host.
    pub fn new(server: &ServerUrl, hint: Option<&str>) -> Self {
        let name = "oauth-protected-resource";
        let for_path = well_known(server.url(), name);
        let for_host = well_known(&origin(server.url()), name);
        let rest = (for_path != for_host).then_some(for_host);
        match hint.map(|text| hinted_address(text, server)) {
            Some(Ok(url)) => Self {
                places: Places::new(url, [Some(for_path), rest].into_iter().flatten()),
                hinted: true,
                ignored_hint: None,
            },
            failed => Self {
                places: Places::new(for_path, rest),
                hinted: false,
                ignored_hint: failed.and_then(Result::err).map(|fault| fault.to_string()),
            },
        }
    }

    /// The place to ask now.
    pub fn url(&self) -> &Url {
        &self.places.url
    }

    /// Why the place that the challenge named was given up, if it was.
    pub fn ignored_hint(&self) -> Option<&str> {
        self.ignored_hint.as_deref()
    }

    /// Judges what came of it.
    pub fn judge(
        mut self,
        fetched: Fetched,
        expected: Expected<'_>,
    ) -> Step<Self, ResourceMetadata> {
        match outcome(fetched, &UNIQUE) {
            Outcome::Document(object, url) => match read(object, url, expected) {
                Ok(Some(found)) => Step::Found(found),
                Ok(None) => self.missed("no resource metadata".to_owned(), true),
                Err(error) => Step::Failed(error),
            },
            Outcome::Missing(outcome) => self.missed(outcome, true),
            // Where asking is forbidden at the path, the host's document would be another's.
            Outcome::Closed(outcome) => {
                let go_on = self.hinted;
                self.missed(outcome, go_on)
            }
            Outcome::Down {
                outcome,
                cause,
                retry_after,
                lasting,
            } => match self.places.retry(retry_after, lasting) {
                Some(pause) => Step::Fetch(self, pause),
                None => {
                    self.places.missed(outcome);
                    let tried = self.places.tried;
                    Step::Failed(DiscoveryError::Unreachable {
                        tried,
                        cause,
                        lasting,
                    })
                }
            },
            Outcome::Bad(error) => Step::Failed(error),
        }
    }

    fn missed(mut self, outcome: String, go_on: bool) -> Step<Self, ResourceMetadata> {
        if self.hinted {
            self.ignored_hint = Some(format!("`{}`: {outcome}", self.places.url));
        }
        self.hinted = false;
        self.places.missed(outcome);
        if go_on && self.places.advance() {
            return Step::Fetch(self, 0);
        }
        Step::Found(ResourceMetadata::none())
    }
}

/// The place that a challenge named. It may be on the server's own origin even where that is plain
/// http, which the user has allowed by name.
fn hinted_address(text: &str, server: &ServerUrl) -> Result<Url, AddressFault> {
    let own = Url::parse(text).ok().filter(|url| {
        same_origin(url, server.url()) && url.username().is_empty() && url.password().is_none()
    });
    own.map_or_else(|| learnt_address(text, server), Ok)
}

/// Reads a document; `None` if it is not about a resource at all.
fn read(
    object: Object,
    url: Url,
    expected: Expected<'_>,
) -> Result<Option<ResourceMetadata>, DiscoveryError> {
    let Some(resource) = object.text("resource") else {
        return without_resource(object, url);
    };
    let named = expected.resource.is_some_and(|named| {
        named.as_str() == resource || covers_address(resource, named.as_str())
    });
    if !named && !covers(resource, expected.server.url()) {
        return Err(DiscoveryError::ResourceMismatch {
            found: ResourceId::new(resource),
            server: expected.server.to_string(),
        });
    }
    if let Some(methods) = object.texts("bearer_methods_supported")
        && !methods.is_empty()
        && !methods.iter().any(|method| method == "header")
    {
        return Err(DiscoveryError::HeaderNotAccepted(methods));
    }
    let authorization_servers = match object.get("authorization_servers") {
        None => AuthorizationServers::Origin,
        Some(_) => {
            let issuers = object.texts("authorization_servers").unwrap_or_default();
            if issuers.is_empty() {
                let reason = "the list is empty".to_owned();
                return Err(DiscoveryError::NoAuthorizationServer(reason));
            }
            AuthorizationServers::Listed(issuers.into_iter().map(Issuer::new).collect())
        }
    };
    Ok(Some(ResourceMetadata {
        resource: Some(ResourceId::new(resource)),
        authorization_servers,
        scopes_supported: scopes(&object),
        dpop_required: object.flag("dpop_bound_access_tokens_required"),
        dpop_algorithms: object.texts("dpop_signing_alg_values_supported"),
    }))
}

/// RFC 9728 §2 requires `resource`. Some servers publish their authorization server's document in
/// its place, which tells us all we need.
fn without_resource(object: Object, url: Url) -> Result<Option<ResourceMetadata>, DiscoveryError> {
    if object.get("authorization_servers").is_some() {
        return Err(DiscoveryError::Document {
            url: Box::new(url),
            reason: "it has no `resource`".to_owned(),
            rule: Some("RFC 9728 §2"),
        });
    }
    if object.text("issuer").is_none() || object.text("token_endpoint").is_none() {
        return Ok(None);
    }
    Ok(Some(ResourceMetadata {
        resource: None,
        authorization_servers: AuthorizationServers::Embedded {
            document: object,
            url,
        },
        scopes_supported: None,
        dpop_required: false,
        dpop_algorithms: None,
    }))
}

fn scopes(object: &Object) -> Option<Vec<String>> {
    let mut scopes = object.texts("scopes_supported")?;
    scopes.retain(|scope| crate::oauth::scope::is_scope_token(scope));
    Some(scopes).filter(|scopes| !scopes.is_empty())
}

fn covers_address(resource: &str, address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| covers(resource, &url))
}

/// Whether a resource identifier covers an address: same origin, and its path is the address's or
/// a whole-segment prefix of it; its query, if it has one, is the address's.
///
/// RFC 9728 §3.3 wants the two to be identical; MCP servers commonly name their host.
fn covers(resource: &str, address: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    if resource.fragment().is_some() || !same_origin(&resource, address) {
        return false;
    }
    if resource.query().is_some() && resource.query() != address.query() {
        return false;
    }
    let trim = |url: &Url| {
        url.path()
            .strip_suffix('/')
            .unwrap_or(url.path())
            .to_owned()
    };
    let (resource, address) = (trim(&resource), trim(address));
    address
        .strip_prefix(&resource)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
