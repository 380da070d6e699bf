//! Why no tokens came, sorted by what there is to do about it (RFC 6749 §5.2, RFC 8628 §3.5).

use std::error::Error;
use std::fmt;

use super::{Cause, GrantRequest, Refusal};

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
            OutageCause::Answer(refusal) => write!(f, "it answered {refusal}")?,
            OutageCause::Network(cause) => write!(f, "{cause}")?,
        }
        match self.retry_after {
            // A short wait is waited here, and has been in vain.
            Some(wait) if wait > 0 => write!(f, "; it asks to come again in {wait} s"),
            _ => Ok(()),
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
    pub(in super::super) fn fmt_of(
        &self,
        endpoint: &str,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
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
