//! Why a registration brings no client.

use std::error::Error;
use std::fmt;

use crate::oauth::token_endpoint::{Cause, Refusal};
use crate::untrusted::{SHOWN, printable};

/// Why there is no client.
#[derive(Clone, Debug)]
pub enum RegistrationError {
    /// The server does not register just anyone (401, 403).
    Closed(Refusal),
    /// The same, where it is known where a client is created by hand.
    ByHand(Refusal, &'static str),
    /// The server refused the request.
    Refused(Refusal),
    /// The server is down or wants us to wait.
    Unavailable(Refusal),
    /// The network failed.
    Unreachable(Cause),
    /// The reply is no registration.
    Reply(String),
    /// The server takes only ways to authenticate that we do not have.
    AuthMethods(Vec<String>),
}

impl RegistrationError {
    /// The same, with the place where a client is created by hand, if one is known and of use.
    pub fn by_hand(self, console: Option<&'static str>) -> Self {
        match (self, console) {
            (Self::Closed(refusal), Some(console)) => Self::ByHand(refusal, console),
            (error, _) => error,
        }
    }

    /// Whether it may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unreachable(_))
    }

    /// Where the rule is written that was broken, or that the refusal goes by.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Unavailable(_) | Self::Unreachable(_) => None,
            Self::Closed(_) | Self::ByHand(..) => Some("RFC 7591 §3"),
            Self::Refused(_) => Some("RFC 7591 §3.2.2"),
            Self::Reply(_) => Some("RFC 7591 §3.2.1"),
            Self::AuthMethods(_) => Some("RFC 7591 §2"),
        }
    }

    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::Unreachable(_) => "try again later",
            Self::Closed(_)
            | Self::ByHand(..)
            | Self::Refused(_)
            | Self::Reply(_)
            | Self::AuthMethods(_) => {
                "create a client in the provider's console and pass it with `--static-oauth-client-info`"
            }
        }
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(refusal) => write!(
                f,
                "the authorization server does not let clients register themselves: {refusal}"
            ),
            Self::ByHand(refusal, console) => write!(
                f,
                "the authorization server does not let clients register themselves: {refusal}; one is created by hand at {console}"
            ),
            Self::Refused(refusal) => write!(f, "the registration was refused: {refusal}"),
            Self::Unavailable(refusal) => {
                write!(
                    f,
                    "the registration is unavailable at the moment: {refusal}"
                )
            }
            Self::Unreachable(cause) => write!(f, "the registration failed: {cause}"),
            Self::Reply(reason) => {
                write!(f, "the reply to the registration cannot be used: {reason}")
            }
            Self::AuthMethods(methods) => write!(
                f,
                "the authorization server only takes clients that authenticate by `{}`",
                printable(&methods.join(" "), SHOWN)
            ),
        }
    }
}

impl Error for RegistrationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}
