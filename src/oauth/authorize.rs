//! The authorization request, and what the browser brings back (RFC 6749 §4.1, RFC 7636 §4,
//! RFC 8707 §2.1, RFC 9207 §2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use url::Url;
use url::form_urlencoded;

use super::discovery::server::AuthorizationServer;
use super::dpop::ProofKey;
use super::scope::OFFLINE_ACCESS;
use super::token_endpoint::{GrantRequest, Refusal};
use crate::ids::{Issuer, ResourceId, display_url};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// Random bytes for one attempt. To be drawn anew for each.
#[derive(Clone, PartialEq, Eq)]
pub struct Randomness {
    /// For `state`.
    pub state: [u8; 32],
    /// For the PKCE verifier (RFC 7636 §7.1 asks for 32 bytes).
    pub code_verifier: [u8; 32],
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness([redacted])")
    }
}

/// One authorization request that waits for its answer. `state` binds the answer to all of it
/// (RFC 6749 §10.12, RFC 9700 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `state`: what the answer has to bring back.
    pub state: Secret,
    /// The secret behind `code_challenge`; `None` if the user wants no PKCE.
    pub code_verifier: Option<Secret>,
    /// Whom the person was sent to: the issuer of the metadata that was believed.
    pub issuer: Issuer,
    /// Whether the answer has to carry `iss` (RFC 9207 §3).
    pub iss_required: bool,
    /// The client that asks.
    pub client_id: String,
    /// Where the answer arrives.
    pub redirect_uri: String,
    /// What to open in the browser.
    pub address: AuthorizationUrl,
    /// The `resource` that is asked for.
    pub resource: Option<ResourceId>,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The only place where the code may be handed in.
    pub token_endpoint: Url,
    /// When the attempt is given up, in seconds since the epoch.
    pub lapses_at: u64,
    /// The key that the code is bound to (RFC 9449 §10), if it is to any.
    pub proof_key: Option<ProofKey>,
}

/// The address a person signs in at. Its `Debug` leaves out the query, which binds the attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationUrl(pub Url);

impl fmt::Debug for AuthorizationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_url(&self.0))
    }
}

/// What is asked for in an authorization request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Whom to ask.
    pub server: &'a AuthorizationServer,
    /// The client that asks.
    pub client_id: &'a str,
    /// Where the answer arrives; exactly as registered.
    pub redirect_uri: &'a str,
    /// The resource to use the tokens at.
    pub resource: Option<&'a ResourceId>,
    /// The scopes; none sends no `scope`.
    pub scopes: &'a [String],
    /// What the user wants in the request; outranks what is not bound to the attempt.
    pub params: &'a [(String, String)],
    /// Whether the code is protected by PKCE.
    pub pkce: bool,
    /// When the attempt is given up, in seconds since the epoch.
    pub lapses_at: u64,
    /// The key that the tokens are to be bound to (RFC 9449 §10), if to any.
    pub proof_key: Option<&'a ProofKey>,
}

/// The parameters that bind the answer to the attempt, which nobody overrides.
pub const RESERVED: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
];

/// Why no authorization request can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The redirect URI is no address.
    RedirectUri(String),
    /// There is nowhere to make it.
    NoAuthorizationEndpoint,
}

impl Attempt {
    /// Begins an attempt.
    pub fn new(ask: &Ask<'_>, randomness: &Randomness) -> Result<Self, AskError> {
        let state = Secret::new(URL_SAFE_NO_PAD.encode(randomness.state));
        // RFC 7636 §4.1: 32 bytes make 43 characters.
        let code_verifier = ask
            .pkce
            .then(|| Secret::new(URL_SAFE_NO_PAD.encode(randomness.code_verifier)));
        Self::begin(ask, state, code_verifier)
    }

    /// The same attempt with its whole request in its address again, where that was left at the
    /// authorization server for a while ([`Attempt::refer_to`]).
    pub fn spelled_out(&self, ask: &Ask<'_>) -> Result<Self, AskError> {
        let whole = Self::begin(ask, self.state.clone(), self.code_verifier.clone())?;
        Ok(Self {
            lapses_at: self.lapses_at,
            ..whole
        })
    }

    fn begin(
        ask: &Ask<'_>,
        state: Secret,
        code_verifier: Option<Secret>,
    ) -> Result<Self, AskError> {
        let redirect_uri = RedirectUrl::new(ask.redirect_uri.to_owned())
            .map_err(|_| AskError::RedirectUri(ask.redirect_uri.to_owned()))?;
        let endpoint = ask.server.authorization_endpoint.clone();
        let endpoint = endpoint.ok_or(AskError::NoAuthorizationEndpoint)?;
        let client = BasicClient::new(ClientId::new(ask.client_id.to_owned()))
            .set_auth_uri(AuthUrl::from_url(endpoint))
            .set_redirect_uri(redirect_uri);
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.expose().to_owned()))
            .add_scopes(ask.scopes.iter().cloned().map(Scope::new));
        if let Some(code_verifier) = &code_verifier {
            let code_verifier = PkceCodeVerifier::new(code_verifier.expose().to_owned());
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(&code_verifier);
            request = request.set_pkce_challenge(challenge);
        }
        if let Some(resource) = ask.resource {
            request = request.add_extra_param("resource", resource.as_str());
        }
        // RFC 9449 §10: whoever steals the code cannot use it without the key.
        if let Some(key) = ask.proof_key {
            request = request.add_extra_param("dpop_jkt", key.thumbprint());
        }
        // OpenID Connect Core §11: `offline_access` counts only together with consent.
        if ask.scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
            request = request.add_extra_param("prompt", "consent");
        }
        let address = with_params(request.url().0, ask.params);
        Ok(Self {
            state,
            code_verifier,
            issuer: ask.server.issuer.clone(),
            iss_required: ask.server.iss_supported,
            client_id: ask.client_id.to_owned(),
            redirect_uri: ask.redirect_uri.to_owned(),
            address: AuthorizationUrl(address),
            resource: ask.resource.cloned(),
            scopes: ask.scopes.to_vec(),
            token_endpoint: ask.server.token_endpoint.clone(),
            lapses_at: ask.lapses_at,
            proof_key: ask.proof_key.cloned(),
        })
    }

    /// The parameters of the request, without what the endpoint's own address has.
    pub fn parameters(&self, endpoint: &Url) -> Vec<(String, String)> {
        let pairs =
            |url: &Url| -> Vec<(String, String)> { url.query_pairs().into_owned().collect() };
        let mut parameters = pairs(&self.address.0);
        for own in pairs(endpoint) {
            if let Some(at) = parameters.iter().position(|pair| *pair == own) {
                parameters.remove(at);
            }
        }
        parameters
    }

    /// RFC 9126 §4: the address refers to the request that was left at the authorization server.
    pub fn refer_to(&mut self, endpoint: &Url, request_uri: &str) {
        let mut address = endpoint.clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("request_uri", request_uri);
        self.address = AuthorizationUrl(address);
    }

    /// Whether this attempt, begun by another process, is what would be asked now; then the tab
    /// that the user has already may finish it.
    pub fn is_continued_by(&self, ask: &Ask<'_>, now: u64) -> bool {
        self.lapses_at > now
            && self.issuer == ask.server.issuer
            && self.token_endpoint == ask.server.token_endpoint
            && self.client_id == ask.client_id
            && self.redirect_uri == ask.redirect_uri
            && self.resource.as_ref() == ask.resource
            && self.scopes == ask.scopes
            && self.code_verifier.is_some() == ask.pkce
            && self.proof_key.as_ref() == ask.proof_key
    }

    /// What is handed in at the token endpoint for this attempt's code.
    pub fn exchange(&self, code: Secret) -> GrantRequest {
        GrantRequest::AuthorizationCode {
            code,
            redirect_uri: self.redirect_uri.clone(),
            code_verifier: self.code_verifier.clone(),
        }
    }

    /// Judges the query with which a browser came to the redirect URI.
    pub fn judge(&self, query: &str) -> Callback {
        let params: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let get = |name: &str| {
            let mut values = params
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v.as_str());
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                _ => Err(CallbackError::Repeated(name.to_owned())),
            }
        };
        // A stray or hostile tab does not know the state; it must not end the attempt.
        match get("state") {
            Ok(Some(state)) if self.state.matches(state) => {}
            Ok(Some(_)) => return Callback::Stray("its `state` is not ours"),
            Ok(None) => return Callback::Stray("it has no `state`"),
            Err(_) => return Callback::Stray("it has more than one `state`"),
        }
        match self.judge_own(get) {
            Ok(code) => Callback::Code(code),
            Err(error) => Callback::Failed(error),
        }
    }

    fn judge_own<'a>(
        &self,
        get: impl Fn(&str) -> Result<Option<&'a str>, CallbackError>,
    ) -> Result<Secret, CallbackError> {
        // RFC 9207 §2.4: before anything else in the answer is looked at, errors included.
        match get("iss")? {
            Some(iss) if iss == self.issuer.as_str() => {}
            Some(iss) => {
                return Err(CallbackError::OtherIssuer {
                    expected: self.issuer.clone(),
                    found: Issuer::new(printable(iss, SHOWN)),
                });
            }
            None if self.iss_required => {
                return Err(CallbackError::NoIssuer(self.issuer.clone()));
            }
            None => {}
        }
        if let Some(error) = get("error")? {
            let description = get("error_description").ok().flatten();
            let shown = |text: &str| Some(printable(text, SHOWN)).filter(|t| !t.is_empty());
            let refusal = Refusal {
                status: 200,
                error: shown(error),
                description: description.and_then(shown),
            };
            return Err(match error {
                "access_denied" => CallbackError::Declined(refusal),
                _ => CallbackError::Refused(refusal),
            });
        }
        match get("code")? {
            Some(code) if !code.is_empty() => Ok(Secret::new(code)),
            _ => Err(CallbackError::NoCode),
        }
    }
}

/// What a visit to the redirect URI amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    /// Not the answer to this attempt: keep waiting. Holds why.
    Stray(&'static str),
    /// The answer: a code to hand in.
    Code(Secret),
    /// The answer, and the end of the attempt.
    Failed(CallbackError),
}

/// Why an attempt ended without a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackError {
    /// The person said no.
    Declined(Refusal),
    /// The authorization server said no.
    Refused(Refusal),
    /// The answer comes from another authorization server (RFC 9207).
    OtherIssuer {
        /// Whom the person was sent to.
        expected: Issuer,
        /// Who answered, fit to be shown.
        found: Issuer,
    },
    /// The answer does not say whom it comes from, although its server always does.
    NoIssuer(Issuer),
    /// A parameter stands twice (RFC 6749 §3.1).
    Repeated(String),
    /// There is neither a code nor an error.
    NoCode,
}

impl CallbackError {
    /// Where the rule is written that was broken, or that the refusal goes by.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Refused(refusal) if refusal.error.as_deref() == Some("invalid_target") => {
                "RFC 8707 §2"
            }
            Self::Declined(_) | Self::Refused(_) => "RFC 6749 §4.1.2.1",
            Self::OtherIssuer { .. } | Self::NoIssuer(_) => "RFC 9207 §2.4",
            Self::Repeated(_) => "RFC 6749 §3.1",
            Self::NoCode => "RFC 6749 §4.1.2",
        }
    }
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined(refusal) => match &refusal.description {
                Some(text) => write!(f, "the sign-in was declined: {text}"),
                None => f.write_str("the sign-in was declined"),
            },
            Self::Refused(refusal) => {
                write!(f, "the authorization server refused the sign-in: {refusal}")
            }
            Self::OtherIssuer { expected, found } => write!(
                f,
                "the sign-in began at `{}`, but `{}` answered",
                printable(expected.as_str(), SHOWN),
                printable(found.as_str(), SHOWN)
            ),
            Self::NoIssuer(expected) => write!(
                f,
                "the answer of the authorization server `{}` has no `iss`, which it promises to send",
                printable(expected.as_str(), SHOWN)
            ),
            Self::Repeated(name) => {
                write!(
                    f,
                    "the answer of the authorization server has more than one `{name}`"
                )
            }
            Self::NoCode => f.write_str("the answer of the authorization server has no `code`"),
        }
    }
}

impl std::error::Error for CallbackError {}

/// Sets the user's parameters, in place of those that are there already.
fn with_params(address: Url, params: &[(String, String)]) -> Url {
    let ours = |name: &str| !RESERVED.contains(&name) && params.iter().any(|(n, _)| n == name);
    if !params.iter().any(|(name, _)| ours(name)) {
        return address;
    }
    let kept: Vec<_> = address
        .query_pairs()
        .filter(|(name, _)| !ours(name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut address = address;
    address
        .query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(params.iter().filter(|(name, _)| ours(name)));
    address
}

#[cfg(test)]
mod tests;
