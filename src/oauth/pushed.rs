//! Pushed authorization requests (RFC 9126): the request is left at the authorization server, and
//! the browser only refers to it.

use std::error::Error;
use std::fmt;

use url::Url;

use super::authorize::Attempt;
use super::discovery::{FetchFault, Fetched};
use super::document::Object;
use super::dpop::ProofKey;
use super::registration::Client;
use super::token_endpoint::{Effect, Outage, OutageCause, Refusal, TokenError};

/// Longest `request_uri` that is put into an address.
const LONGEST: usize = 4096;

/// A request to a pushed authorization request endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// Where it goes.
    pub endpoint: Url,
    /// Who asks. RFC 9126 §2: it proves itself as at the token endpoint.
    pub client: Client,
    /// The parameters of the authorization request, without `client_id`.
    pub form: Vec<(String, String)>,
    /// The key that the code is to be bound to; the request proves that we have it (RFC 9449 §10.1).
    pub proof_key: Option<ProofKey>,
}

impl PushRequest {
    /// The request that leaves an attempt at `endpoint`. `authorization_endpoint` is where its
    /// address leads.
    pub fn new(
        endpoint: Url,
        client: &Client,
        attempt: &Attempt,
        authorization_endpoint: &Url,
    ) -> Self {
        let mut form = attempt.parameters(authorization_endpoint);
        // RFC 9126 §2.1: a request does not refer to another. Who asks stands beside the proof.
        form.retain(|(name, _)| !matches!(name.as_str(), "client_id" | "request_uri"));
        Self {
            endpoint,
            client: client.clone(),
            form,
            proof_key: attempt.proof_key.clone(),
        }
    }
}

/// The form holds `state`, which binds the attempt.
impl fmt::Debug for PushRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.form.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("PushRequest")
            .field("endpoint", &self.endpoint.as_str())
            .field("client", &self.client)
            .field("form", &names)
            .field("proof_key", &self.proof_key)
            .finish()
    }
}

/// A request that was left (RFC 9126 §2.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What refers to it.
    pub request_uri: String,
    /// How long that may be used, in seconds.
    pub expires_in: u64,
}

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pushed({} s)", self.expires_in)
    }
}

/// Why a request could not be left: what the endpoint said, which refuses as the token endpoint does
/// (RFC 9126 §2.3).
#[derive(Clone, Debug)]
pub struct PushError(pub TokenError);

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_of("pushed authorization request endpoint", f)
    }
}

impl Error for PushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Judges the endpoint's answer.
pub fn judge(fetched: Fetched) -> Result<Pushed, TokenError> {
    let reply = match fetched {
        Ok(reply) => reply,
        Err(FetchFault::Unusable(cause)) => return Err(TokenError::Unusable(cause.to_string())),
        Err(FetchFault::NotSent(cause) | FetchFault::Untrusted(cause)) => {
            return Err(outage(Effect::None, cause));
        }
        Err(FetchFault::NoAnswer(cause)) => return Err(outage(Effect::Unknown, cause)),
    };
    if (300..400).contains(&reply.status) {
        return Err(TokenError::Unusable(format!(
            "it redirects (status {}), which is not followed",
            reply.status
        )));
    }
    let object = Object::parse(&reply.body, &["request_uri"]);
    // Some servers say what is wrong with status 200.
    let is_error = object.as_ref().is_ok_and(|o| o.get("error").is_some());
    if !(200..300).contains(&reply.status) || is_error {
        let refusal = Refusal::read(reply.status, &reply.body);
        return Err(TokenError::from_endpoint(refusal, reply.retry_after));
    }
    let unusable = |reason: &str| TokenError::Unusable(reason.to_owned());
    let object = object.map_err(|error| TokenError::Unusable(error.to_string()))?;
    let request_uri = object
        .text("request_uri")
        .ok_or_else(|| unusable("it has no `request_uri`"))?;
    // RFC 3986 §2: an address has no other characters.
    let fits = !request_uri.is_empty() && request_uri.len() <= LONGEST;
    if !fits || !request_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable("its `request_uri` is not an address"));
    }
    let seconds = object.get("expires_in").and_then(|value| {
        let text = value.as_str().and_then(|text| text.parse().ok());
        value.as_u64().or(text)
    });
    Ok(Pushed {
        request_uri: request_uri.to_owned(),
        // RFC 9126 §2.2 requires it. Without it, the least that is usual.
        expires_in: seconds.unwrap_or(60),
    })
}

fn outage(effect: Effect, cause: super::token_endpoint::Cause) -> TokenError {
    TokenError::Unavailable(Outage {
        effect,
        retry_after: None,
        cause: OutageCause::Network(cause),
    })
}

#[cfg(test)]
mod tests;
