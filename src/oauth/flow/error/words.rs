//! What happened, in words.

use std::fmt;

use super::FlowError;
use crate::ids::Issuer;
use crate::untrusted::{SHOWN, printable};

impl fmt::Display for FlowError {
    /// What happened, and behind it in brackets the rule that was broken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)?;
        match self.rule() {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

/// The same without the rule.
struct What<'a>(&'a FlowError);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}

impl FlowError {
    /// What happened, without the rule.
    pub fn what(&self) -> String {
        What(self).to_string()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |issuer: &Issuer| printable(issuer.as_str(), SHOWN);
        match self {
            Self::Store(cause)
            | Self::Lock(cause)
            | Self::SignInLock(cause)
            | Self::Forbidden(cause)
            | Self::Callback(cause) => write!(f, "{cause}"),
            Self::ClientAuth(error) => write!(f, "{error}"),
            Self::Discovery(error) => write!(f, "{error}"),
            Self::NoRegistration { issuer, console } => {
                write!(
                    f,
                    "the authorization server `{}` does not let clients register themselves",
                    shown(issuer)
                )?;
                match console {
                    Some(console) => write!(f, "; one is created by hand at {console}"),
                    None => Ok(()),
                }
            }
            Self::Registration(error) => write!(f, "{error}"),
            Self::OtherIssuersClient {
                client_id,
                bound_to,
                wanted_at,
            } => write!(
                f,
                "the configured client `{}` belongs to `{}`, but the server now wants tokens from `{}`",
                printable(client_id, SHOWN),
                shown(bound_to),
                shown(wanted_at)
            ),
            Self::Dpop(error) => write!(f, "{error}"),
            Self::ProofKey(cause) => write!(f, "no key can be made to bind tokens to: {cause}"),
            Self::RedirectUri(uri) => {
                let uri = printable(uri, SHOWN);
                write!(f, "the redirect URI `{uri}` is not an address")
            }
            Self::RedirectUriRefused {
                uri,
                client_id,
                refusal,
            } => write!(
                f,
                "the authorization server does not take `{}` as the redirect URI of the client `{}` ({refusal})",
                printable(uri, SHOWN),
                printable(client_id, SHOWN)
            ),
            Self::NoAuthorizationEndpoint(issuer) => {
                write!(
                    f,
                    "no address is known at which to sign in at `{}`",
                    shown(issuer)
                )
            }
            Self::Pushed(error) => write!(f, "{error}"),
            Self::SignIn(error) => write!(f, "{error}"),
            Self::TimedOut(seconds) => {
                write!(f, "the sign-in was not finished within {seconds} s")
            }
            Self::TooManyAttempts => {
                f.write_str("you were asked to sign in three times within ten minutes")
            }
            Self::ScopesNotGranted(scopes) => write!(
                f,
                "the server wants the scopes `{}`, which were asked for and not granted",
                printable(&scopes.join(" "), SHOWN)
            ),
            Self::NoDeviceGrant(issuer) => write!(
                f,
                "the authorization server `{}` issues no codes for signing in on another device",
                shown(issuer)
            ),
            Self::Device(error) => write!(f, "{error}"),
            Self::NotConfirmed(seconds) => {
                write!(f, "the code was not confirmed within {seconds} s")
            }
            Self::Token(error) | Self::Exchange(error) => write!(f, "{error}"),
            Self::Unattended(error) => write!(f, "{error}"),
            Self::RefreshElsewhere(note) => {
                write!(
                    f,
                    "another process could not refresh the token: {}",
                    note.reason
                )
            }
            Self::SignInElsewhere(note) => {
                write!(f, "another process could not sign in: {}", note.reason)
            }
            Self::NotTakenOver(None) => {
                f.write_str("there is no sign-in of mcp-remote that could be taken over")
            }
            Self::NotTakenOver(Some(unfit)) => {
                write!(f, "the sign-in of mcp-remote cannot be taken over: {unfit}")
            }
            Self::Unexpected { state, event } => {
                write!(f, "the sign-in got {event} while {state}")
            }
        }
    }
}
