//! What the user decided about signing in to one server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::FlowError;
use crate::ids::{Issuer, ResourceId, ServerUrl, is_loopback};
use crate::oauth::assertion::AssertionKey;
use crate::oauth::discovery::server::AuthorizationServer;
use crate::oauth::dpop;
use crate::oauth::known::Known;
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client, Takes, other_spelling};
use crate::oauth::sign_in::KnownClient;
use crate::oauth::takeover::TakeOver;
use crate::oauth::token_endpoint::GrantRequest;
use crate::secret::Secret;

/// What the user decided about signing in to one server, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: ServerUrl,
    /// The client to use instead of registering one.
    pub client: Option<ConfiguredClient>,
    /// The client to use in place of a registration where the server takes such ones.
    pub document: Option<ClientDocument>,
    /// What lets a client register where not everybody may (RFC 7591 §3). It goes to registration
    /// endpoints and nowhere else.
    pub initial_access_token: Option<Secret>,
    /// Members to merge over the registration request.
    pub client_metadata: Map<String, Value>,
    /// Which `resource` requests name.
    pub resource: ResourceChoice,
    /// The scopes to ask for instead of those that the server names.
    pub scopes: Option<Vec<String>>,
    /// Parameters to set on the authorization URL, or in the request for a code.
    pub authorize_params: Vec<(String, String)>,
    /// How a grant comes about.
    pub way: Way,
    /// Where the browser returns to.
    pub redirect: Redirect,
    /// How long a person may take, in seconds.
    pub auth_timeout: u64,
    /// Whether metadata that does not list PKCE methods is used all the same.
    pub allow_missing_pkce_metadata: bool,
    /// The issuer to believe wherever its metadata is found.
    pub issuer: Option<Issuer>,
    /// Whether tokens are bound to a key (RFC 9449).
    pub dpop: dpop::Mode,
    /// Endpoints that take the place of all metadata.
    pub endpoints: Option<ConfiguredEndpoints>,
    /// Where tokens are revoked, in place of what metadata say.
    pub revocation_endpoint: Option<Url>,
    /// What tokens are asked for besides `resource`, where a provider wants it so.
    pub audience: Option<String>,
    /// Parameters to set in every request for tokens.
    pub token_params: Vec<(String, String)>,
    /// Whether codes are protected by PKCE.
    pub pkce: bool,
    /// What is known about servers beyond what they say.
    pub known: Known,
    /// Whether the ID token is sent in place of the access token.
    pub use_id_token: bool,
    /// When a sign-in of another program is taken over.
    pub take_over: TakeOver,
}

/// A refresh token that the user configured (RFC 6749 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The token.
    pub refresh_token: Secret,
    /// Where it stands, as in "the refresh token in …".
    pub origin: String,
}

impl Seed {
    /// What tells it from others, and does not tell what it is.
    pub fn mark(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"seeded refresh token\0");
        digest.update(self.refresh_token.expose());
        URL_SAFE_NO_PAD.encode(&digest.finalize()[..16])
    }
}

impl Settings {
    /// What is wanted in an authorization request at this issuer besides what it consists of: what
    /// is known to be needed there, and over it what the user wants.
    pub fn authorize_params(&self, issuer: &Issuer) -> Vec<(String, String)> {
        let known = [self.known.server(&self.server), self.known.issuer(issuer)];
        let known = known.into_iter().flatten().flat_map(|row| row.params);
        let known = known.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let audience = self.audience.iter();
        let audience = audience.map(|audience| ("audience".to_owned(), audience.clone()));
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in known
            .chain(audience)
            .chain(self.authorize_params.iter().cloned())
        {
            params.retain(|(before, _)| *before != name);
            params.push((name, value));
        }
        params
    }

    /// Whether `resource` is known to be refused, by the server's or the issuer's row.
    pub fn refuses_resource(&self, issuer: &Issuer) -> bool {
        let known = [self.known.server(&self.server), self.known.issuer(issuer)];
        known.into_iter().flatten().any(|row| row.resource_refused)
    }

    /// Where a user creates a client at this issuer, if that is known.
    pub fn console(&self, issuer: &Issuer) -> Option<&'static str> {
        let known = [self.known.server(&self.server), self.known.issuer(issuer)];
        known.into_iter().flatten().find_map(|row| row.console)
    }

    /// What the user wants in a request for tokens besides what the grant consists of.
    ///
    /// `audience` was said when the code was asked for, and servers that take it there refuse it
    /// with the code; to a refresh they want it again.
    pub fn token_params(&self, grant: &GrantRequest) -> Vec<(String, String)> {
        let mut params = self.token_params.clone();
        if let Some(audience) = &self.audience
            && !matches!(
                grant,
                GrantRequest::AuthorizationCode { .. } | GrantRequest::DeviceCode { .. }
            )
        {
            params.push(("audience".to_owned(), audience.clone()));
        }
        params
    }

    /// The port in the redirect URI of a client that is registered without a listener, for the day
    /// when a browser comes into play; if it is taken then, that registers anew. Each server has its
    /// own, so that they do not get into each other's way.
    pub(super) fn unbound_port(&self) -> u16 {
        // FNV-1a. Below the ports that systems give by themselves, and none that browsers block.
        let server = self.server.canonical();
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
        let hash = server.as_bytes().iter().fold(2_166_136_261, mix);
        20_000 + (hash % 12_000) as u16
    }
}

/// Endpoints that the user gave. No metadata is asked for then: neither the server's nor the
/// authorization server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredEndpoints {
    /// Whose they are: what `iss` is compared with, and what credentials are kept under.
    pub issuer: Issuer,
    /// Where a person signs in; `None` leaves the ways that need nobody.
    pub authorization_endpoint: Option<Url>,
    /// Where codes and refresh tokens are handed in.
    pub token_endpoint: Url,
}

impl ConfiguredEndpoints {
    /// All that is known of the authorization server then.
    pub fn server(&self) -> AuthorizationServer {
        AuthorizationServer {
            authorization_endpoint: self.authorization_endpoint.clone(),
            // Nobody says whether it does. Who configures a document as well says so.
            client_id_metadata_documents: true,
            ..AuthorizationServer::bare(self.issuer.clone(), self.token_endpoint.clone())
        }
    }
}

/// How a grant comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A person is asked by a page in a browser that is sent back to this machine.
    Browser,
    /// A person is asked by a code to be confirmed in a browser on any device (RFC 8628).
    Device,
    /// Nobody is asked.
    Unattended(Unattended),
}

/// What stands in for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unattended {
    /// The client's own credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// What an organisation's identity provider says of the user (RFC 8693, then RFC 7523 §2.1).
    Enterprise(IdentityProvider),
    /// What the platform says of the workload (RFC 7523 §2.1).
    Workload,
    /// A refresh token that the user configured, and those that follow it (RFC 6749 §6).
    Seeded(Seed),
}

impl Unattended {
    /// The extension of MCP that describes it, by the id under which clients declare it; `None` if
    /// there is none.
    pub fn extension(&self) -> Option<&'static str> {
        match self {
            Self::ClientCredentials => Some("io.modelcontextprotocol/oauth-client-credentials"),
            Self::Enterprise(_) => Some("io.modelcontextprotocol/enterprise-managed-authorization"),
            Self::Workload => Some("io.modelcontextprotocol/auth/wif"),
            Self::Seeded(_) => None,
        }
    }

    /// The mode that it makes.
    pub fn mode(&self) -> AuthMode {
        match self {
            Self::ClientCredentials => AuthMode::ClientCredentials,
            Self::Enterprise(_) => AuthMode::Enterprise,
            Self::Workload => AuthMode::Workload,
            Self::Seeded(_) => AuthMode::Seeded,
        }
    }
}

/// An organisation's identity provider, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Where it issues tokens.
    pub endpoint: ProviderEndpoint,
    /// The client that the user obtained from it.
    pub client: ConfiguredClient,
}

/// Where an identity provider issues tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderEndpoint {
    /// Here.
    Given(Url),
    /// Where the metadata of this issuer says. The address is the user's own word.
    OfIssuer(ServerUrl),
}

/// A client that the user obtained from the authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredClient {
    /// The identifier.
    pub client_id: String,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// How it authenticates; `None` leaves it to what the authorization server supports.
    pub auth_method: Option<AuthMethod>,
    /// What signs its assertions, in place of a secret.
    pub assertion_key: Option<Box<AssertionKey>>,
}

/// A client that is described by a document which the user names (MCP 2025-11-25, Client ID Metadata
/// Documents). Its address is the identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDocument {
    /// The address, as the user wrote it.
    pub url: String,
    /// What signs the client's assertions, if the document names its public half.
    pub assertion_key: Option<AssertionKey>,
}

impl ClientDocument {
    /// The client as it stands in the cache, with what proves it.
    pub fn known(&self, issuer: &Issuer, entry: &KnownClient) -> Client {
        let key = self.assertion_key.as_ref();
        Client {
            assertion: key.map(|key| key.at(issuer, &entry.token_endpoint)),
            ..entry.client.clone()
        }
    }

    /// The client at an authorization server that takes this.
    pub fn client(&self, takes: &Takes<'_>) -> Result<Client, FlowError> {
        let configured = ConfiguredClient {
            client_id: self.url.clone(),
            client_secret: None,
            auth_method: None,
            assertion_key: self.assertion_key.clone().map(Box::new),
        };
        let client = configured.client(takes)?;
        Ok(Client {
            document: true,
            ..client
        })
    }
}

impl ConfiguredClient {
    /// The client as it stands in the cache, with what proves it.
    pub fn known(&self, issuer: &Issuer, entry: &KnownClient) -> Client {
        let kept = match entry.client.auth_method {
            // The key was given up for something else.
            AuthMethod::PrivateKeyJwt => AuthMethod::choose(self.client_secret.is_some(), None),
            kept => kept,
        };
        let signs = self.assertion_key.as_ref();
        let auth_method = self
            .auth_method
            .or(signs.map(|_| AuthMethod::PrivateKeyJwt))
            .unwrap_or(kept);
        let signs = signs.filter(|_| auth_method == AuthMethod::PrivateKeyJwt);
        Client {
            client_secret: self.client_secret.clone(),
            auth_method,
            assertion: signs.map(|key| key.at(issuer, &entry.token_endpoint)),
            ..entry.client.clone()
        }
    }

    /// The client at an authorization server that takes this. The method that the user named
    /// outranks what the server lists, which is not complete everywhere.
    pub fn client(&self, takes: &Takes<'_>) -> Result<Client, FlowError> {
        let chosen = match (self.auth_method, &self.assertion_key) {
            (Some(method), _) => Ok(method),
            (None, Some(key)) => takes.check_algorithm(key.key.algorithm()),
            (None, None) => takes.choose(self.client_secret.is_some()),
        };
        let auth_method = chosen.map_err(FlowError::ClientAuth)?;
        let key = self.assertion_key.as_ref();
        let key = key.filter(|_| auth_method == AuthMethod::PrivateKeyJwt);
        Ok(Client {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            auth_method,
            assertion: key.map(|key| key.at(takes.issuer, takes.token_endpoint)),
            ..Client::default()
        })
    }
}

/// Which `resource` (RFC 8707) requests name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceChoice {
    /// The one that the server's metadata names.
    Discovered,
    /// This one.
    Given(ResourceId),
    /// None.
    Omitted,
}

/// The redirect URI without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// A loopback host as it stands in a URL: an IPv6 address is in brackets.
    pub host: String,
    /// The port to use strictly; `None` leaves the choice to the system.
    pub port: Option<u16>,
    /// The port for a client of the user's own where none is given, strict as well unless any will
    /// do: servers may compare redirect URIs to the letter, and this one can be registered.
    pub own_client_port: u16,
    /// Whether such a client is registered without a port, so that any will do (RFC 8252 §7.3).
    pub any_port: bool,
    /// The path; begins with `/`.
    pub path: String,
}

impl Redirect {
    /// The redirect URI for the port that was bound.
    pub fn uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }

    /// The port of a redirect URI that was registered earlier, if it is still one that these
    /// settings would lead to, in either loopback spelling.
    pub fn port_of(&self, registered: &str) -> Option<u16> {
        let url = Url::parse(registered).ok().filter(is_loopback)?;
        let port = url.port_or_known_default()?;
        let ours = self.uri(port);
        let same = registered == ours || other_spelling(&ours).as_deref() == Some(registered);
        (same && self.port.is_none_or(|wanted| wanted == port)).then_some(port)
    }
}
