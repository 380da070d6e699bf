//! Signing in with a code that a person confirms in a browser on any device (RFC 8628): what the
//! device authorization endpoint is asked, and what its answer is worth. Polling is the flow's.

use std::error::Error;
use std::fmt;

use serde_json::Value;
use url::Url;

use super::authorize::{AuthorizationUrl, RESERVED};
use super::discovery::server::AuthorizationServer;
use super::discovery::{FetchFault, Fetched, learnt_address};
use super::document::Object;
use super::dpop::Binding;
use super::registration::Client;
use super::token_endpoint::{
    Effect, GrantRequest, Outage, OutageCause, Refusal, TokenError, TokenRequest,
};
use crate::ids::{Issuer, ResourceId, ServerUrl};
use crate::secret::Secret;

/// RFC 8628 §3.2: seconds between two polls where the server names none.
const INTERVAL: u64 = 5;

/// RFC 8628 §3.5: what `slow_down` adds to the interval, in seconds.
const SLOWER: u64 = 5;

/// Longest device code, in bytes. Some are tokens of their own.
const DEVICE_CODE_LIMIT: usize = 16 * 1024;

/// Longest code that a person can be asked to type, in characters.
const USER_CODE_LIMIT: usize = 40;

/// Longest address, in bytes.
const ADDRESS_LIMIT: usize = 2048;

/// The members that decide what is confirmed, and where.
const UNIQUE: [&str; 4] = [
    "device_code",
    "user_code",
    "verification_uri",
    "verification_uri_complete",
];

/// A request for a code (RFC 8628 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Where it goes. Redirects from there are never followed.
    pub endpoint: Url,
    /// Who asks, and how that is proved: as at the token endpoint.
    pub client: Client,
    /// The resource to use the tokens at (RFC 8707).
    pub resource: Option<ResourceId>,
    /// The scopes; none sends no `scope`.
    pub scopes: Vec<String>,
    /// What the user wants in the request; outranks `scope` and `resource`.
    pub params: Vec<(String, String)>,
}

impl DeviceRequest {
    /// The parameters of the request, without those that prove who asks.
    pub fn form(&self) -> Vec<(&str, String)> {
        let mut form: Vec<(&str, String)> = Vec::new();
        if !self.scopes.is_empty() {
            form.push(("scope", self.scopes.join(" ")));
        }
        if let Some(resource) = &self.resource {
            form.push(("resource", resource.as_str().to_owned()));
        }
        for (name, value) in &self.params {
            if !RESERVED.contains(&name.as_str()) {
                form.retain(|(known, _)| known != name);
                form.push((name, value.clone()));
            }
        }
        form
    }
}

/// A code as the server issued it (RFC 8628 §3.2), believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCode {
    /// What is handed in at the token endpoint until the person has decided.
    pub device_code: Secret,
    /// What the person enters, or compares.
    pub user_code: String,
    /// Where they enter it.
    pub verification_uri: AuthorizationUrl,
    /// Where they need not enter it (RFC 8628 §3.3.1).
    pub verification_uri_complete: Option<AuthorizationUrl>,
    /// How long the codes live, in seconds.
    pub expires_in: u64,
    /// Seconds between two polls; at least 1.
    pub interval: u64,
}

/// Why there is no code: what the device authorization endpoint said, which refuses as the token
/// endpoint does (RFC 8628 §3.2).
#[derive(Clone, Debug)]
pub struct DeviceError(pub TokenError);

impl DeviceError {
    /// Where the rule is written that was broken, or that the refusal goes by.
    pub fn rule(&self) -> Option<&'static str> {
        match &self.0 {
            TokenError::Unusable(_) => Some("RFC 8628 §3.2"),
            error => error.rule(),
        }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_of("device authorization endpoint", f)
    }
}

impl Error for DeviceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Judges the answer to a request for a code, made on behalf of this MCP server.
pub fn judge(fetched: Fetched, server: &ServerUrl) -> Result<DeviceCode, TokenError> {
    let reply = match fetched {
        Ok(reply) => reply,
        Err(FetchFault::Unusable(cause)) => return Err(TokenError::Unusable(cause.to_string())),
        // A code that nobody was shown does no harm, so it does not matter whether one was issued.
        Err(
            FetchFault::NotSent(cause) | FetchFault::Untrusted(cause) | FetchFault::NoAnswer(cause),
        ) => {
            return Err(TokenError::Unavailable(Outage {
                effect: Effect::None,
                retry_after: None,
                cause: OutageCause::Network(cause),
            }));
        }
    };
    let refused = || {
        let refusal = Refusal::read(reply.status, &reply.body);
        Err(TokenError::from_endpoint(refusal, reply.retry_after))
    };
    match reply.status {
        200..=299 => {}
        300..=399 => {
            return Err(TokenError::Unusable(format!(
                "it redirects (status {}), which is not followed",
                reply.status
            )));
        }
        _ => return refused(),
    }
    match Object::parse(&reply.body, &UNIQUE) {
        Ok(object) if object.get("error").is_some() && object.get("device_code").is_none() => {
            refused()
        }
        Ok(object) => read(&object, server).map_err(TokenError::Unusable),
        Err(error) => Err(TokenError::Unusable(error.to_string())),
    }
}

/// Reads the answer. The error quotes nothing that grants access.
fn read(object: &Object, server: &ServerUrl) -> Result<DeviceCode, String> {
    let missing = |name: &str| format!("it has no usable `{name}`");
    let device_code = object
        .text("device_code")
        .filter(|code| !code.is_empty() && code.len() <= DEVICE_CODE_LIMIT)
        .ok_or_else(|| missing("device_code"))?;
    let user_code = object
        .text("user_code")
        .map(str::trim)
        .filter(|code| can_be_typed(code))
        .ok_or_else(|| missing("user_code"))?;
    // Servers of before the RFC call it a URL.
    let address = object
        .text("verification_uri")
        .or_else(|| object.text("verification_url"))
        .ok_or_else(|| missing("verification_uri"))?;
    let address = shown_address(address, server)
        .map_err(|reason| format!("its `verification_uri` {reason}"))?;
    // The other one suffices.
    let complete = object
        .text("verification_uri_complete")
        .and_then(|text| shown_address(text, server).ok());
    let expires_in = object
        .get("expires_in")
        .and_then(seconds)
        .map(|seconds| seconds as u64)
        .ok_or_else(|| missing("expires_in"))?;
    let interval = object.get("interval").and_then(seconds);
    let interval = interval.map_or(INTERVAL, |seconds| (seconds.ceil() as u64).max(1));
    if interval >= expires_in {
        return Err(format!(
            "its code lives for {expires_in} s and may be asked for every {interval} s only"
        ));
    }
    Ok(DeviceCode {
        device_code: Secret::new(device_code),
        user_code: user_code.to_owned(),
        verification_uri: AuthorizationUrl(address),
        verification_uri_complete: complete.map(AuthorizationUrl),
        expires_in,
        interval,
    })
}

/// Whether a person can be asked to type this: what is shown must be the whole code, and nothing
/// else (RFC 8628 §6.1).
fn can_be_typed(code: &str) -> bool {
    let plain = code.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    plain && !code.is_empty() && code.len() <= USER_CODE_LIMIT
}

/// An address that a person opens. As it is not us who go there, it may have a fragment.
fn shown_address(text: &str, server: &ServerUrl) -> Result<Url, String> {
    if text.len() > ADDRESS_LIMIT {
        return Err("is too long".to_owned());
    }
    let (bare, fragment) = match text.split_once('#') {
        Some((bare, fragment)) => (bare, Some(fragment)),
        None => (text, None),
    };
    let mut url = learnt_address(bare, server).map_err(|fault| fault.to_string())?;
    url.set_fragment(fragment);
    Ok(url)
}

/// A number of seconds, as a number or as text.
fn seconds(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// A code that a person was asked to confirm, together with what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAttempt {
    /// What is handed in at the token endpoint until the person has decided.
    pub device_code: Secret,
    /// What the person enters, or compares.
    pub user_code: String,
    /// Where they enter it.
    pub verification_uri: AuthorizationUrl,
    /// Where they need not enter it.
    pub verification_uri_complete: Option<AuthorizationUrl>,
    /// Seconds between two polls, with what the server has added to them.
    pub interval: u64,
    /// Whom the person was sent to: the issuer of the metadata that was believed.
    pub issuer: Issuer,
    /// The client that asks.
    pub client_id: String,
    /// The `resource` that is asked for.
    pub resource: Option<ResourceId>,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The only place where the code may be handed in.
    pub token_endpoint: Url,
    /// When the person was first asked, in seconds since the epoch.
    pub begun_at: u64,
    /// When the person's time is over, in seconds since the epoch.
    pub until: u64,
    /// When the code ends, in seconds since the epoch.
    pub expires_at: u64,
}

impl DeviceAttempt {
    /// When the attempt is given up, in seconds since the epoch.
    pub fn lapses_at(&self) -> u64 {
        self.expires_at.min(self.until)
    }

    /// Whether this attempt, begun by another process, is what would be asked for now, and can
    /// still come to something; then the code that the person has already finishes it.
    pub fn is_continued_by(
        &self,
        request: &DeviceRequest,
        server: &AuthorizationServer,
        now: u64,
    ) -> bool {
        self.lapses_at() > now.saturating_add(self.interval)
            && self.issuer == server.issuer
            && self.token_endpoint == server.token_endpoint
            && self.client_id == request.client.client_id
            && self.resource == request.resource
            && self.scopes == request.scopes
    }

    /// RFC 8628 §3.5: `slow_down` counts for this and all later polls.
    pub fn slow_down(&mut self) {
        self.interval = self.interval.saturating_add(SLOWER);
    }

    /// The question whether the person has decided (RFC 8628 §3.4).
    /// `params` is what the user wants in it besides.
    pub fn poll(
        &self,
        client: &Client,
        params: Vec<(String, String)>,
        binding: Option<Binding>,
    ) -> TokenRequest {
        TokenRequest {
            endpoint: self.token_endpoint.clone(),
            client: client.clone(),
            resource: self.resource.clone(),
            grant: GrantRequest::DeviceCode {
                device_code: self.device_code.clone(),
            },
            binding,
            params,
        }
    }
}

#[cfg(test)]
mod tests;
