//! Why no token came, for whoever waited for one.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::assertion_source::AssertionError;
use crate::mcp::failure::{Failure, Stage};
use crate::net::callback::CallbackError;
use crate::net::http::FetchError;
use crate::oauth::flow::{FlowError, UnattendedError};
use crate::oauth::token_endpoint::{Cause, TokenError};
use crate::store::{LockError, StoreError};
use crate::untrusted::printable;

/// Longest text that an AI client gets, in characters. What servers say is cut long before; a server
/// may have many addresses that were asked, though.
const DETAIL_LIMIT: usize = 2000;

/// Why no token came. Clones are the same failure, told to several that waited.
#[derive(Clone, Debug)]
pub enum LoginError {
    /// The flow ended without one.
    Flow {
        /// The server, as a person would call it.
        server: String,
        /// Why.
        error: Arc<FlowError>,
    },
    /// The server wants another token, and this is no time to get one.
    NotAsked,
    /// This program is ending.
    Closing,
}

impl LoginError {
    /// What the user does next.
    pub fn hint(&self) -> Option<String> {
        let Self::Flow { error, .. } = self else {
            return None;
        };
        // What the rim says about its own fault is more exact than what the flow can know.
        let exact = rim_cause(error).and_then(|cause| {
            let store = cause.downcast_ref::<StoreError>().map(StoreError::hint);
            let callback = || {
                cause
                    .downcast_ref::<CallbackError>()
                    .map(CallbackError::hint)
            };
            let fetch = || cause.downcast_ref::<FetchError>().map(FetchError::hint);
            let assertion = || {
                cause
                    .downcast_ref::<AssertionError>()
                    .map(AssertionError::hint)
            };
            store
                .or_else(callback)
                .or_else(assertion)
                .or_else(fetch)
                .or_else(|| match &**error {
                    // The sign-in lock is released by a person, which the flow's own hint says.
                    FlowError::SignInLock(_) => None,
                    _ => cause.downcast_ref::<LockError>().map(LockError::hint),
                })
        });
        Some(exact.unwrap_or_else(|| error.hint().to_owned()))
    }

    /// Whether a server could not be reached, so that nothing was decided.
    pub fn is_unreachable(&self) -> bool {
        let Self::Flow { error, .. } = self else {
            return false;
        };
        if let FlowError::Exchange(TokenError::Unavailable(_)) = **error {
            return true;
        }
        let of_a_server = matches!(
            **error,
            FlowError::Discovery(_)
                | FlowError::Registration(_)
                | FlowError::Device(_)
                | FlowError::Token(_)
                | FlowError::Unattended(_)
        );
        of_a_server && error.is_transient()
    }

    /// Whether a person has to sign in and could not: nobody did in time, the browser could not
    /// come back to this machine, the server does not have the way that was wanted, or another
    /// process has the sign-in.
    pub fn needs_person(&self) -> bool {
        let Self::Flow { error, .. } = self else {
            return false;
        };
        matches!(
            **error,
            FlowError::TimedOut(_)
                | FlowError::NotConfirmed(_)
                | FlowError::NoDeviceGrant(_)
                | FlowError::SignInElsewhere(_)
                | FlowError::TooManyAttempts
                | FlowError::Callback(_)
                | FlowError::SignInLock(_)
        )
    }

    /// The same for the AI client, which is all that its user sees.
    pub fn failure(&self) -> Failure {
        let retryable = match self {
            Self::Flow { error, .. } => error.is_transient() || is_unread(error),
            Self::NotAsked | Self::Closing => false,
        };
        let hint = self.hint();
        let detail = match &hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        };
        Failure {
            rule: self.rule(),
            hint: hint.map(|hint| printable(&hint, DETAIL_LIMIT)),
            ..Failure::new(Stage::Auth, retryable, printable(&detail, DETAIL_LIMIT))
        }
    }

    /// The rule that was broken, if one was.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Flow { error, .. } => error.rule(),
            Self::NotAsked | Self::Closing => None,
        }
    }
}

/// Whether what is to be handed in could not be read. It is read anew each time.
fn is_unread(error: &FlowError) -> bool {
    matches!(error, FlowError::Unattended(UnattendedError::Assertion(_)))
}

fn rim_cause(error: &FlowError) -> Option<&Cause> {
    use crate::oauth::discovery::DiscoveryError;
    use crate::oauth::registration::RegistrationError;
    match error {
        FlowError::Store(cause)
        | FlowError::Lock(cause)
        | FlowError::SignInLock(cause)
        | FlowError::Callback(cause)
        | FlowError::Forbidden(cause)
        | FlowError::Unattended(UnattendedError::Assertion(cause))
        | FlowError::Registration(RegistrationError::Unreachable(cause)) => Some(cause),
        FlowError::Discovery(DiscoveryError::Unreachable { cause, .. })
        | FlowError::Unattended(UnattendedError::Provider(DiscoveryError::Unreachable {
            cause,
            ..
        })) => cause.as_ref(),
        _ => None,
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow { server, error } => write!(f, "cannot sign in to `{server}`: {error}"),
            Self::NotAsked => f.write_str("the server wants a sign-in"),
            Self::Closing => f.write_str("mcp-drawbridge is ending"),
        }
    }
}

impl Error for LoginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is in ours, so its cause is the next in the chain.
            Self::Flow { error, .. } => error.as_ref().source(),
            Self::NotAsked | Self::Closing => None,
        }
    }
}

#[cfg(test)]
mod tests;
