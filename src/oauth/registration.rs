//! Client registration (RFC 7591): the request, and what the reply is worth. [`client`] is what comes
//! of it, [`auth_method`] how that proves itself, [`error`] why there is none.

mod auth_method;
mod client;
mod error;

use serde_json::{Map, Value, json};
use url::Url;

pub use auth_method::{AuthMethod, ClientAuthError, Takes};
pub use client::{Client, Management};
pub use error::RegistrationError;

use super::discovery::server::AuthorizationServer;
use super::discovery::{FetchFault, Fetched, learnt_address};
use super::document::Object;
use super::token_endpoint::{DEVICE_GRANT, Refusal};
use crate::ids::{Issuer, ServerUrl, is_loopback, same_origin};
use crate::secret::Secret;

/// A registration that is under way. Clones are the same request.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    endpoint: Url,
    /// Who is asked.
    issuer: Issuer,
    redirect_uri: String,
    /// What the user wants in the request; outranks ours.
    extra: Map<String, Value>,
    /// Whether the client is to sign in on other devices, too.
    for_devices: bool,
    auth_method: AuthMethod,
    listed_methods: Option<Vec<String>>,
    /// Whether the other loopback spelling was tried.
    respelled: bool,
    /// Whether only the least is asked for.
    minimal: bool,
    /// Whether the server was given the time it asked for.
    waited: bool,
    /// What the client is to be able to ask for.
    scopes: Vec<String>,
}

/// How a registration goes on after a reply.
#[derive(Debug)]
pub enum Step {
    /// The client is registered.
    Registered(Client),
    /// Ask again with this, after so many seconds; the callback has to be reachable under its
    /// redirect URI.
    Again(Registration, u64),
    /// It is not to be had.
    Failed(RegistrationError),
}

/// Longest pause before a registration is asked for again, in seconds.
const LONGEST_PAUSE: u64 = 10;

impl Registration {
    /// Prepares the registration of a client with this redirect URI. `extra` is merged over the
    /// request.
    pub fn new(
        server: &AuthorizationServer,
        endpoint: Url,
        redirect_uri: String,
        extra: &Map<String, Value>,
    ) -> Result<Self, RegistrationError> {
        let listed_methods = server.auth_methods.clone();
        let auth_method = match extra
            .get("token_endpoint_auth_method")
            .and_then(Value::as_str)
        {
            Some(name) => registrable(name)?,
            None => requested_method(listed_methods.as_deref())?,
        };
        Ok(Self {
            endpoint,
            issuer: server.issuer.clone(),
            redirect_uri,
            extra: extra.clone(),
            for_devices: false,
            auth_method,
            listed_methods,
            respelled: false,
            minimal: false,
            waited: false,
            scopes: Vec::new(),
        })
    }

    /// Asks for the device grant (RFC 8628) as well. The other grant stays in the request: servers
    /// refuse registrations without it, and the client then serves a browser, too.
    pub fn for_devices(mut self) -> Self {
        self.for_devices = true;
        self
    }

    /// Asks for a client that may ask for these scopes.
    pub fn with_scopes(mut self, scopes: &[String]) -> Self {
        self.scopes = scopes.to_vec();
        self
    }

    /// Where the request goes.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The redirect URI that is asked for.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The request document (RFC 7591 §2). No `scope` at first: servers hold a client to what it
    /// registered with, and a step-up needs more later.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("client_name", json!("mcp-drawbridge"));
        put("redirect_uris", json!([self.redirect_uri]));
        // OpenID Connect Registration §2; MCP 2026-07-28 requires it.
        put("application_type", json!("native"));
        match (self.for_devices, self.minimal) {
            (false, false) => {
                let grants = ["authorization_code", "refresh_token"];
                put("grant_types", json!(grants));
                put("response_types", json!(["code"]));
            }
            (true, false) => {
                let grants = ["authorization_code", DEVICE_GRANT, "refresh_token"];
                put("grant_types", json!(grants));
                put("response_types", json!(["code"]));
            }
            (false, true) => {}
            // The defaults of RFC 7591 §2 would leave the grant out that is needed.
            (true, true) => {
                put("grant_types", json!([DEVICE_GRANT, "refresh_token"]));
                put("response_types", json!([]));
            }
        }
        if !self.minimal {
            put("token_endpoint_auth_method", json!(self.auth_method.name()));
            put("software_id", json!("mcp-drawbridge"));
            put("software_version", json!(env!("CARGO_PKG_VERSION")));
        }
        if !self.scopes.is_empty() {
            put("scope", json!(self.scopes.join(" ")));
        }
        for (name, value) in &self.extra {
            match (name.as_str(), value) {
                // Without our own address among them the browser could not come back.
                ("redirect_uris", Value::Array(more)) => {
                    let mut all = vec![json!(self.redirect_uri)];
                    all.extend(
                        more.iter()
                            .filter(|uri| **uri != all[0])
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                    body.insert(name.clone(), Value::Array(all));
                }
                ("redirect_uris", _) => {}
                _ => {
                    body.insert(name.clone(), value.clone());
                }
            }
        }
        Value::Object(body)
    }

    /// Judges the reply to the request.
    pub fn judge(self, fetched: Fetched, mcp_server: &ServerUrl) -> Step {
        let reply = match fetched {
            Ok(reply) => reply,
            Err(FetchFault::Unusable(cause)) => {
                return Step::Failed(RegistrationError::Reply(cause.to_string()));
            }
            Err(
                FetchFault::NotSent(cause)
                | FetchFault::Untrusted(cause)
                | FetchFault::NoAnswer(cause),
            ) => {
                return Step::Failed(RegistrationError::Unreachable(cause));
            }
        };
        let refusal = || Refusal::read(reply.status, &reply.body);
        match reply.status {
            // RFC 7591 §3.2.1 says 201; 200 is common.
            200..=299 => match self.read(&reply.body, mcp_server) {
                Ok(client) => Step::Registered(client),
                Err(error) => Step::Failed(error),
            },
            401 | 403 => Step::Failed(RegistrationError::Closed(refusal())),
            // RFC 6585 §4, RFC 9110 §15.6.4: neither was looked at.
            429 | 503 => self.put_off(refusal(), reply.retry_after),
            408 | 500.. => Step::Failed(RegistrationError::Unavailable(refusal())),
            _ => self.refused(refusal()),
        }
    }

    /// Waits once for a server that says how long, if that is not long.
    fn put_off(mut self, refusal: Refusal, retry_after: Option<u64>) -> Step {
        match retry_after {
            Some(after) if after <= LONGEST_PAUSE && !self.waited => {
                self.waited = true;
                Step::Again(self, after.max(1))
            }
            _ => Step::Failed(RegistrationError::Unavailable(refusal)),
        }
    }

    fn refused(mut self, refusal: Refusal) -> Step {
        match refusal.error.as_deref() {
            Some("invalid_redirect_uri") if !self.respelled => {
                match other_spelling(&self.redirect_uri) {
                    Some(redirect_uri) => {
                        self.redirect_uri = redirect_uri;
                        self.respelled = true;
                        Step::Again(self, 0)
                    }
                    None => Step::Failed(RegistrationError::Refused(refusal)),
                }
            }
            Some("invalid_client_metadata") if !self.minimal => {
                self.minimal = true;
                Step::Again(self, 0)
            }
            _ => Step::Failed(RegistrationError::Refused(refusal)),
        }
    }

    /// RFC 7591 §3.2.1: what the server registered is what counts, not what was asked for.
    fn read(&self, body: &[u8], mcp_server: &ServerUrl) -> Result<Client, RegistrationError> {
        let unique = ["client_id", "client_secret", "token_endpoint_auth_method"];
        let object = Object::parse(body, &unique)
            .map_err(|error| RegistrationError::Reply(error.to_string()))?;
        if object.text("error").is_some() && object.text("client_id").is_none() {
            return Err(RegistrationError::Refused(Refusal::read(200, body)));
        }
        let client_id = object
            .text("client_id")
            .filter(|id| !id.is_empty())
            .ok_or_else(|| RegistrationError::Reply("it has no `client_id`".to_owned()))?;
        let client_secret = object
            .text("client_secret")
            .filter(|secret| !secret.is_empty());
        let auth_method = match object.text("token_endpoint_auth_method") {
            Some(name) => registrable(name)?,
            None => AuthMethod::choose(client_secret.is_some(), self.listed_methods.as_deref()),
        };
        // Some servers hand out a secret even to public clients; those do not use it. And without
        // a secret nothing but `none` is possible.
        let (auth_method, client_secret) = match (auth_method, client_secret) {
            (AuthMethod::None, _) | (_, None) => (AuthMethod::None, None),
            (method, secret) => (method, secret),
        };
        let expires_at = object
            .get("client_secret_expires_at")
            .and_then(seconds)
            .filter(|&at| at != 0 && client_secret.is_some());
        Ok(Client {
            client_id: client_id.to_owned(),
            client_secret: client_secret.map(Secret::new),
            client_secret_expires_at: expires_at,
            auth_method,
            redirect_uri: self
                .serves_browsers(&object)
                .then(|| self.registered_redirect_uri(&object)),
            management: self.management(&object, mcp_server),
            registered: true,
            dpop_bound: object.get("dpop_bound_access_tokens") == Some(&Value::Bool(true)),
            ..Client::default()
        })
    }

    /// RFC 7592 §3 lets the server name any address. A request that deletes, with a token of the
    /// server's choice, goes to none but its own: where it registers clients, or where its issuer
    /// is. Otherwise the registration is left to the server when the user signs out.
    fn management(&self, object: &Object, mcp_server: &ServerUrl) -> Option<Management> {
        let uri = learnt_address(object.text("registration_client_uri")?, mcp_server).ok()?;
        let issuer = Url::parse(self.issuer.as_str()).ok();
        let own = [Some(&self.endpoint), issuer.as_ref()];
        if !own.into_iter().flatten().any(|own| same_origin(own, &uri)) {
            return None;
        }
        let token = Secret::new(object.text("registration_access_token")?);
        Some(Management { uri, token })
    }

    /// Whether a browser can come back to the client. One that got no more than the device grant
    /// has no redirect URI, so that the browser's way registers another.
    fn serves_browsers(&self, object: &Object) -> bool {
        let granted = |grants: Vec<String>| grants.iter().any(|one| one == "authorization_code");
        !self.for_devices || object.texts("grant_types").map_or(!self.minimal, granted)
    }

    /// Ours, unless the server registered the same place in the other loopback spelling. What else
    /// it lists, such as an address without a port (RFC 8252 §7.3), covers ours.
    fn registered_redirect_uri(&self, object: &Object) -> String {
        let listed = object.texts("redirect_uris").unwrap_or_default();
        let other = other_spelling(&self.redirect_uri);
        match other {
            Some(other) if !listed.contains(&self.redirect_uri) && listed.contains(&other) => other,
            _ => self.redirect_uri.clone(),
        }
    }
}

/// The method of this name, if a client that was registered can use it: it has no key.
fn registrable(name: &str) -> Result<AuthMethod, RegistrationError> {
    AuthMethod::from_name(name)
        .filter(|method| *method != AuthMethod::PrivateKeyJwt)
        .ok_or_else(|| RegistrationError::AuthMethods(vec![name.to_owned()]))
}

/// `none` where it is listed or nothing is; else the best of the listed ones.
fn requested_method(listed: Option<&[String]>) -> Result<AuthMethod, RegistrationError> {
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        return Ok(AuthMethod::None);
    };
    [
        AuthMethod::None,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
    ]
    .into_iter()
    .find(|method| listed.iter().any(|name| name == method.name()))
    .ok_or_else(|| RegistrationError::AuthMethods(listed.to_vec()))
}

/// The same redirect URI with `localhost` for `127.0.0.1`, or the other way round: servers and
/// organisations accept the one or the other.
pub fn other_spelling(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok().filter(is_loopback)?;
    let (from, to) = match url.host_str()? {
        "localhost" => ("//localhost", "//127.0.0.1"),
        "127.0.0.1" => ("//127.0.0.1", "//localhost"),
        _ => return None,
    };
    Some(redirect_uri.replacen(from, to, 1))
}

/// Seconds since the epoch, in any of the ways they are written.
fn seconds(value: &Value) -> Option<u64> {
    let number = |value: &Value| {
        value
            .as_u64()
            .or_else(|| value.as_f64().filter(|s| *s >= 0.0).map(|s| s as u64))
    };
    number(value).or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
