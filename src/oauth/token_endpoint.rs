//! What is asked of a token endpoint, and what its refusals mean (RFC 6749 §4.1.3, §5.2, §6).

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use url::Url;

use super::document::Object;
use super::dpop::Binding;
use super::grant::token_exchange::TokenExchange;
use super::grant::{client_credentials, jwt_bearer, token_exchange};
use super::known::RESOURCE_REFUSED;
use super::registration::Client;
use crate::ids::ResourceId;
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// What made an action of the rim fail; shared, since several callers may wait for one flow.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// A request to a token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Where it goes. Redirects from there are never followed.
    pub endpoint: Url,
    /// Who asks, and how that is proved.
    pub client: Client,
    /// RFC 8707 §2.2: sent with every request of a grant that was asked for with it.
    pub resource: Option<ResourceId>,
    /// What is handed in.
    pub grant: GrantRequest,
    /// What the tokens are to be bound to (RFC 9449 §5), if to anything.
    pub binding: Option<Binding>,
    /// What the user wants in it besides.
    pub params: Vec<(String, String)>,
}

/// The `grant_type` of the device grant (RFC 8628 §3.4).
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What is handed in for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantRequest {
    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    AuthorizationCode {
        /// The code that the browser brought.
        code: Secret,
        /// The exact redirect URI of the authorization request.
        redirect_uri: String,
        /// The secret behind `code_challenge`, if one was sent.
        code_verifier: Option<Secret>,
    },
    /// RFC 6749 §6. No `scope` is sent, which keeps the scopes of the grant.
    RefreshToken {
        /// The token that is spent.
        refresh_token: Secret,
    },
    /// RFC 8628 §3.4: asked again and again until the person has decided.
    DeviceCode {
        /// The code that stands for what the person confirms.
        device_code: Secret,
    },
    /// RFC 6749 §4.4.2: the client asks for itself.
    ClientCredentials {
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// RFC 7523 §2.1: somebody that the server trusts has said whom the token is for.
    JwtBearer {
        /// What they said, signed.
        assertion: Secret,
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// RFC 8693 §2.1. What comes of it is no token for a server.
    TokenExchange(TokenExchange),
}

impl GrantRequest {
    /// The value of `grant_type`.
    pub fn grant_type(&self) -> &'static str {
        match self {
            Self::AuthorizationCode { .. } => "authorization_code",
            Self::RefreshToken { .. } => "refresh_token",
            Self::DeviceCode { .. } => DEVICE_GRANT,
            Self::ClientCredentials { .. } => client_credentials::GRANT,
            Self::JwtBearer { .. } => jwt_bearer::GRANT,
            Self::TokenExchange(_) => token_exchange::GRANT,
        }
    }
}

/// What a server said when it refused, fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth `error` code (RFC 6749 §5.2, RFC 7591 §3.2.2), if the answer had one.
    pub error: Option<String>,
    /// The explanation, if the answer had one.
    pub description: Option<String>,
}

impl Refusal {
    /// Reads any body a server may refuse with: an OAuth error, another JSON object, plain text, a
    /// page. Pages are not shown.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let shown = |text: &str| Some(printable(text, SHOWN)).filter(|text| !text.is_empty());
        let Ok(object) = Object::parse(body, &[]) else {
            let text = String::from_utf8_lossy(body);
            let is_page = text.trim_start().starts_with(['<', '{', '[']) || text.len() > 1000;
            return Self {
                status,
                error: None,
                description: shown(&text).filter(|_| !is_page),
            };
        };
        let nested = |name| {
            object
                .get("error")
                .and_then(|error| error.get(name)?.as_str())
        };
        // Some servers have their code in another member; words and numbers lack the underscore.
        let elsewhere = || {
            let mut members = ["error_code", "code", "status"].iter();
            members.find_map(|name| object.text(name).filter(|text| text.contains('_')))
        };
        let error = object
            .text("error")
            .or_else(|| nested("code"))
            .or_else(elsewhere);
        let names = ["error_description", "message", "detail", "error_message"];
        let description = names
            .iter()
            .find_map(|name| object.text(name))
            .or_else(|| nested("message"));
        Self {
            status,
            error: error.and_then(shown),
            description: description.and_then(shown),
        }
    }

    /// Whether code or explanation contain one of these, without regard to case.
    fn mentions(&self, words: &[&str]) -> bool {
        let said = format!(
            "{} {}",
            self.error.as_deref().unwrap_or_default(),
            self.description.as_deref().unwrap_or_default()
        )
        .to_ascii_lowercase();
        words.iter().any(|word| said.contains(word))
    }

    /// Whether the server says that it does not take the redirect URI, in any of the spellings.
    pub fn names_redirect_uri(&self) -> bool {
        self.mentions(&["redirect_uri", "redirect uri", "redirect url"])
    }

    /// Whether a proof of possession was refused, and not what it came with (RFC 9449 §5, §8).
    pub fn is_about_proof(&self) -> bool {
        let error = self.error.as_deref();
        matches!(error, Some("use_dpop_nonce" | "invalid_dpop_proof"))
    }

    /// Whether the server says that it does not know the client: RFC 6749 §5.2, and the spellings
    /// of servers that answer with a message of their own.
    pub fn names_unknown_client(&self) -> bool {
        let dead = [
            "invalid_client",
            "unauthorized_client",
            "incorrect_client_credentials",
            "invalid_client_id",
            "bad_client_secret",
        ];
        self.error
            .as_deref()
            .is_some_and(|error| dead.contains(&error))
            || self.mentions(&[
                "unrecognized client",
                "unknown client",
                "client not found",
                "client_not_found",
                "no such client",
            ])
    }

    /// Whether the server refuses the `resource` of the request: RFC 8707 §2 has a code for it, and
    /// servers that do not know the parameter say so in words, or by a number of their own.
    pub fn refuses_resource(&self) -> bool {
        let code = self.error.as_deref().unwrap_or_default();
        let words = self.description.as_deref().unwrap_or_default();
        let words = words.to_ascii_lowercase();
        let says = |spelling: &&str| words.contains(spelling);
        code == "invalid_target"
            || RESOURCE_REFUSED.iter().any(says)
            || matches!(code, "invalid_request" | "invalid_resource" | "")
                && names_parameter(&words, "resource")
    }

    /// Whether the server says that a refresh token is worth nothing, in the ways of servers that do
    /// not say `invalid_grant` (RFC 6749 §5.2): in a code of their own, or in words.
    fn names_dead_refresh_token(&self) -> bool {
        let lower =
            |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let (code, words) = (lower(&self.error), lower(&self.description));
        let names_it =
            |text: &str| text.contains("refresh_token") || text.contains("refresh token");
        let lacks_it = |text: &str| text.contains("missing") || text.contains("required");
        match code.as_str() {
            // A code that names it says enough: the words beside it may be `missing or invalid`.
            code if names_it(code) => !lacks_it(code),
            "unauthorized_client" | "invalid_request" | "invalid_token" | "" => {
                names_it(&words) && !lacks_it(&words)
            }
            _ => false,
        }
    }
}

/// Whether a sentence, in lower case, is about the parameter of this name: it stands in quotes, or
/// next to the word `parameter`. "The resource owner" and "resource not found" are about something
/// else.
fn names_parameter(sentence: &str, name: &str) -> bool {
    let mut words = sentence.split_ascii_whitespace().peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if bare == name {
            let quoted = word.trim_end_matches([',', '.', ':', ';']) != bare;
            let near = |word: &str| word.starts_with("param") || word.starts_with("indicator");
            let after = words.peek().copied().unwrap_or_default();
            if quoted || near(before) || near(after) {
                return true;
            }
        }
        before = bare;
    }
    false
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.description) {
            (Some(error), Some(text)) => write!(f, "`{error}`: {text}"),
            (Some(error), None) => write!(f, "`{error}`"),
            (None, Some(text)) => write!(f, "status {}: {text}", self.status),
            (None, None) => write!(f, "status {}", self.status),
        }
    }
}

/// Whether a request that failed can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was not sent, or refused before it was looked at: it may be sent again.
    None,
    /// Nobody knows.
    Unknown,
}

/// A token endpoint that cannot be used now; it says nothing about the grant.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Whether the request can have taken effect.
    pub effect: Effect,
    /// How long to wait, in seconds, where the server said so.
    pub retry_after: Option<u64>,
    /// What happened.
    pub cause: OutageCause,
}

/// What kept a token endpoint from answering properly.
#[derive(Clone, Debug)]
pub enum OutageCause {
    /// It answered that it cannot (429, 5xx, `temporarily_unavailable`).
    Answer(Refusal),
    /// The network failed.
    Network(Cause),
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            OutageCause::Answer(refusal) => write!(f, "it answered {refusal}"),
            OutageCause::Network(cause) => write!(f, "{cause}"),
        }
    }
}

/// Why no tokens came, by what there is to do about it.
#[derive(Clone, Debug)]
pub enum TokenError {
    /// The code or refresh token is worth nothing any more: a person has to sign in.
    GrantDead(Refusal),
    /// The server does not know the client, or not this way: register anew.
    ClientDead(Refusal),
    /// A scope was refused: ask for less.
    InvalidScope(Refusal),
    /// The `resource` was refused (RFC 8707 §2).
    InvalidTarget(Refusal),
    /// Try again later, with the same tokens.
    Unavailable(Outage),
    /// Refused for another reason.
    Refused(Refusal),
    /// The answer is none: a page, a redirect, an object without a token. Nothing is lost by it.
    Unusable(String),
    /// The person has not decided yet: ask again (RFC 8628 §3.5, as the next three).
    Pending(Refusal),
    /// The same, and ask less often from now on.
    SlowDown(Refusal),
    /// The person said no.
    Declined(Refusal),
    /// The person took too long.
    Expired(Refusal),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_of("token endpoint", f)
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(Outage {
                cause: OutageCause::Network(cause),
                ..
            }) => Some(cause.as_ref()),
            _ => None,
        }
    }
}

impl TokenError {
    /// Where the rule is written that was broken, or that the refusal goes by.
    pub fn rule(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unavailable(_) => return None,
            Self::GrantDead(_) | Self::ClientDead(_) | Self::InvalidScope(_) | Self::Refused(_) => {
                "RFC 6749 §5.2"
            }
            Self::InvalidTarget(_) => "RFC 8707 §2",
            Self::Unusable(_) => "RFC 6749 §5.1",
            Self::Pending(_) | Self::SlowDown(_) | Self::Declined(_) | Self::Expired(_) => {
                "RFC 8628 §3.5"
            }
        })
    }

    /// The text, for an endpoint of this name.
    pub(super) fn fmt_of(&self, endpoint: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GrantDead(refusal)
            | Self::ClientDead(refusal)
            | Self::InvalidScope(refusal)
            | Self::InvalidTarget(refusal)
            | Self::Refused(refusal)
            | Self::Pending(refusal)
            | Self::SlowDown(refusal)
            | Self::Declined(refusal)
            | Self::Expired(refusal) => write!(f, "the {endpoint} refused: {refusal}"),
            Self::Unavailable(outage) => write!(f, "the {endpoint} is unavailable: {outage}"),
            Self::Unusable(reason) => {
                write!(f, "the {endpoint} gave no usable answer: {reason}")
            }
        }
    }

    /// Sorts a refusal by what there is to do (RFC 6749 §5.2 and the spellings of real servers).
    /// `retry_after` is in seconds.
    pub fn from_refusal(grant: &GrantRequest, refusal: Refusal, retry_after: Option<u64>) -> Self {
        match grant {
            GrantRequest::AuthorizationCode { .. }
            | GrantRequest::ClientCredentials { .. }
            | GrantRequest::JwtBearer { .. }
            | GrantRequest::TokenExchange(_) => Self::sort(false, refusal, retry_after),
            GrantRequest::RefreshToken { .. } => Self::sort(true, refusal, retry_after),
            // Whatever their status: some answer 428 and 403.
            GrantRequest::DeviceCode { .. } => match refusal.error.as_deref() {
                Some("authorization_pending") => Self::Pending(refusal),
                Some("slow_down") => Self::SlowDown(refusal),
                // The second is how some spell it.
                Some("access_denied" | "authorization_declined") => Self::Declined(refusal),
                Some("expired_token") => Self::Expired(refusal),
                _ => Self::sort(false, refusal, retry_after),
            },
        }
    }

    /// The same for endpoints that answer as the token endpoint does, and take no grant.
    pub fn from_endpoint(refusal: Refusal, retry_after: Option<u64>) -> Self {
        Self::sort(false, refusal, retry_after)
    }

    /// `refresh`: whether a refresh token was handed in.
    fn sort(refresh: bool, refusal: Refusal, retry_after: Option<u64>) -> Self {
        let outage = |effect, refusal| {
            Self::Unavailable(Outage {
                effect,
                retry_after,
                cause: OutageCause::Answer(refusal),
            })
        };
        // RFC 6585 §4, RFC 9110 §15.6.4: neither was looked at.
        if matches!(refusal.status, 429 | 503) {
            return outage(Effect::None, refusal);
        }
        if refusal.status >= 500 || refusal.status == 408 {
            return outage(Effect::Unknown, refusal);
        }
        match refusal.error.as_deref() {
            Some("temporarily_unavailable" | "slow_down") => outage(Effect::None, refusal),
            Some("server_error") => outage(Effect::Unknown, refusal),
            Some("invalid_grant") if !refusal.refuses_resource() => Self::GrantDead(refusal),
            _ if refresh && refusal.names_dead_refresh_token() => Self::GrantDead(refusal),
            Some("invalid_scope") => Self::InvalidScope(refusal),
            _ if refusal.refuses_resource() => Self::InvalidTarget(refusal),
            _ if refusal.names_unknown_client() => Self::ClientDead(refusal),
            _ => Self::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refresh() -> GrantRequest {
        GrantRequest::RefreshToken {
            refresh_token: Secret::new("REFRESH_TOKEN_1"),
        }
    }

    fn code() -> GrantRequest {
        GrantRequest::AuthorizationCode {
            code: Secret::new("CODE_1"),
            redirect_uri: "http://localhost:1/cb".to_owned(),
            code_verifier: Some(Secret::new("VERIFIER_1")),
        }
    }

    fn sort(grant: &GrantRequest, status: u16, body: &str) -> TokenError {
        TokenError::from_refusal(grant, Refusal::read(status, body.as_bytes()), None)
    }

    #[test]
    fn spellings_of_a_dead_refresh_token() {
        for (status, body) in [
            (400, r#"{"error":"invalid_grant"}"#),
            (
                200,
                r#"{"error":"invalid_grant","error_description":"Grant not found"}"#,
            ),
            (
                403,
                r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
            ),
            (
                400,
                r#"{"error":"invalid_request","error_description":"Invalid refresh token"}"#,
            ),
            (
                401,
                r#"{"error":"invalid_token","error_description":"The refresh token expired"}"#,
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"OAuth grant revoked"}"#,
            ),
            (
                400,
                r#"{"error":"invalid_request","error_description":"Server: refresh_token is invalid"}"#,
            ),
            (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
            (
                200,
                r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}"#,
            ),
            (
                400,
                r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
            ),
            (
                400,
                r#"{"code":400,"error_code":"refresh_token_already_used","msg":"Already used"}"#,
            ),
            (400, r#"{"message":"Invalid Refresh Token"}"#),
            (401, "Refresh token expired\n"),
        ] {
            let error = sort(&refresh(), status, body);
            assert!(
                matches!(error, TokenError::GrantDead(_)),
                "{body}: {error:?}"
            );
        }
    }

    #[test]
    fn spellings_of_a_refused_resource() {
        for body in [
            r#"{"error":"invalid_target"}"#,
            r#"{"error":"invalid_target","error_description":"unknown resource"}"#,
            r#"{"error":"invalid_request","error_description":"AADSTS901002: The 'resource' request parameter is not supported."}"#,
            r#"{"error":"invalid_grant","error_description":"AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes."}"#,
            r#"{"error":"invalid_request","error_description":"Unrecognized parameter: resource"}"#,
            r#"{"error":"invalid_request","error_description":"The parameter \"resource\" is not allowed"}"#,
            r#"{"error":"invalid_request","error_description":"resource indicators are not supported"}"#,
            r#"{"error":"invalid_resource","error_description":"`resource` is not valid"}"#,
        ] {
            for grant in [code(), refresh()] {
                let error = sort(&grant, 400, body);
                assert!(
                    matches!(error, TokenError::InvalidTarget(_)),
                    "{body}: {error:?}"
                );
            }
        }
        for body in [
            r#"{"error":"invalid_request","error_description":"The resource owner denied it"}"#,
            r#"{"error":"invalid_request","error_description":"resource not found"}"#,
            r#"{"error":"invalid_grant","error_description":"unknown resource parameter"}"#,
            r#"{"error":"invalid_request","error_description":"missing parameter: code"}"#,
            r#"{"error":"invalid_request"}"#,
        ] {
            let error = sort(&code(), 400, body);
            assert!(!matches!(error, TokenError::InvalidTarget(_)), "{body}");
        }
    }

    #[test]
    fn a_missing_parameter_is_no_dead_refresh_token() {
        let body = r#"{"error":"invalid_request","error_description":"refresh_token is required"}"#;
        assert!(matches!(
            sort(&refresh(), 400, body),
            TokenError::Refused(_)
        ));
        let body = r#"{"error":"invalid_request","error_description":"bad refresh_token"}"#;
        assert!(matches!(sort(&code(), 400, body), TokenError::Refused(_)));
        for body in [
            r#"{"error":"missing_refresh_token"}"#,
            r#"{"error":"REFRESH_TOKEN_REQUIRED"}"#,
            r#"{"message":"A refresh token is required"}"#,
            r#"{"error":"other","error_description":"no refresh token for this scope"}"#,
            r#"{"status":"error","message":"no"}"#,
            r#"{"error":{"type":"refresh_token"}}"#,
        ] {
            let error = sort(&refresh(), 400, body);
            assert!(matches!(error, TokenError::Refused(_)), "{body}: {error:?}");
        }
        let page = "<html>Refresh token expired</html>";
        let error = sort(&refresh(), 403, page);
        assert!(matches!(error, TokenError::Refused(_)), "{error:?}");
    }

    #[test]
    fn spellings_of_an_unknown_client() {
        for (status, body) in [
            (401, r#"{"error":"invalid_client"}"#),
            (400, r#"{"error":"unauthorized_client"}"#),
            (422, r#"{"message":"Unrecognized client_id"}"#),
            (
                400,
                r#"{"error":"unauthorized_client","error_description":"Unknown application"}"#,
            ),
            (200, r#"{"error":"incorrect_client_credentials"}"#),
            (200, r#"{"ok":false,"error":"invalid_client_id"}"#),
            (200, r#"{"ok":false,"error":"bad_client_secret"}"#),
            (
                400,
                r#"{"error":{"code":"x","message":"Client not found"}}"#,
            ),
        ] {
            for grant in [refresh(), code()] {
                let error = sort(&grant, status, body);
                assert!(
                    matches!(error, TokenError::ClientDead(_)),
                    "{body}: {error:?}"
                );
            }
        }
    }

    #[test]
    fn outages_say_whether_the_request_can_have_taken_effect() {
        for (status, body, effect) in [
            (503, "", Effect::None),
            (429, r#"{"error":"invalid_grant"}"#, Effect::None),
            (400, r#"{"error":"temporarily_unavailable"}"#, Effect::None),
            (400, r#"{"error":"server_error"}"#, Effect::Unknown),
            (500, r#"{"error":"invalid_grant"}"#, Effect::Unknown),
            (502, "<html>Bad gateway</html>", Effect::Unknown),
            (504, "", Effect::Unknown),
        ] {
            match sort(&refresh(), status, body) {
                TokenError::Unavailable(outage) => {
                    assert_eq!(outage.effect, effect, "{status} {body}")
                }
                other => panic!("{status} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_refusals_keep_their_kind() {
        let sorted = |body| sort(&refresh(), 400, body);
        assert!(matches!(
            sorted(r#"{"error":"invalid_scope"}"#),
            TokenError::InvalidScope(_)
        ));
        assert!(matches!(
            sorted(r#"{"error":"invalid_target"}"#),
            TokenError::InvalidTarget(_)
        ));
        assert!(matches!(
            sorted(r#"{"error":"unsupported_grant_type"}"#),
            TokenError::Refused(_)
        ));
        assert!(matches!(
            sort(&refresh(), 404, "<html>"),
            TokenError::Refused(_)
        ));
    }

    #[test]
    fn what_a_poll_for_a_device_code_is_told() {
        let device = GrantRequest::DeviceCode {
            device_code: Secret::new("DEVICE_CODE_1"),
        };
        type Is = fn(&TokenError) -> bool;
        let cases: [(u16, &str, Is); 11] = [
            (400, "authorization_pending", |e| {
                matches!(e, TokenError::Pending(_))
            }),
            (428, "authorization_pending", |e| {
                matches!(e, TokenError::Pending(_))
            }),
            (400, "slow_down", |e| matches!(e, TokenError::SlowDown(_))),
            (429, "slow_down", |e| matches!(e, TokenError::SlowDown(_))),
            (403, "access_denied", |e| {
                matches!(e, TokenError::Declined(_))
            }),
            (400, "authorization_declined", |e| {
                matches!(e, TokenError::Declined(_))
            }),
            (400, "expired_token", |e| {
                matches!(e, TokenError::Expired(_))
            }),
            (400, "invalid_grant", |e| {
                matches!(e, TokenError::GrantDead(_))
            }),
            (401, "invalid_client", |e| {
                matches!(e, TokenError::ClientDead(_))
            }),
            (429, "too_many", |e| matches!(e, TokenError::Unavailable(_))),
            (400, "made_up", |e| matches!(e, TokenError::Refused(_))),
        ];
        for (status, error, is) in cases {
            let body = format!(r#"{{"error":"{error}"}}"#);
            let sorted = sort(&device, status, &body);
            assert!(is(&sorted), "{status} {error}: {sorted:?}");
        }
        // To other grants they mean nothing, or what RFC 6749 has them mean.
        for error in ["authorization_pending", "access_denied", "expired_token"] {
            let body = format!(r#"{{"error":"{error}"}}"#);
            assert!(matches!(sort(&code(), 400, &body), TokenError::Refused(_)));
        }
        let body = r#"{"error":"slow_down"}"#;
        assert!(matches!(
            sort(&refresh(), 400, body),
            TokenError::Unavailable(_)
        ));
    }

    #[test]
    fn a_refusal_shows_no_pages_and_no_control_characters() {
        assert_eq!(
            Refusal::read(403, b"<html>Forbidden</html>").to_string(),
            "status 403"
        );
        assert_eq!(
            Refusal::read(403, b"Forbidden\n").to_string(),
            "status 403: Forbidden"
        );
        let body = br#"{"error":"invalid_client","error_description":"\u001b[2Jgone"}"#;
        assert_eq!(
            Refusal::read(401, body).to_string(),
            "`invalid_client`: [2Jgone"
        );
        assert_eq!(Refusal::read(400, b"").to_string(), "status 400");
    }

    #[test]
    fn debug_output_of_requests_hides_secrets() {
        let device = GrantRequest::DeviceCode {
            device_code: Secret::new("DEVICE_CODE_1"),
        };
        let shown = format!("{:?} {:?} {device:?}", refresh(), code());
        for secret in [
            "DEVICE_CODE_1",
            "REFRESH_TOKEN_1",
            "CODE_1",
            "VERIFIER_1",
            "ACCESS_TOKEN_1",
        ] {
            assert!(!shown.contains(secret), "{secret}");
        }
    }
}
