//! Why a flow fails: what happened, which rule it goes by, and what the user does next.

mod hint;
mod words;

use std::error::Error;

use super::UnattendedError;
use crate::ids::Issuer;
use crate::oauth::authorize::CallbackError;
use crate::oauth::device::DeviceError;
use crate::oauth::discovery::DiscoveryError;
use crate::oauth::dpop::DpopError;
use crate::oauth::pushed::PushError;
use crate::oauth::registration::{ClientAuthError, RegistrationError};
use crate::oauth::sign_in::FailureNote;
use crate::oauth::takeover::Unfit;
use crate::oauth::token_endpoint::{Cause, Refusal, TokenError};

pub(super) use hint::PROOF_HINT;

/// Why there is no token.
#[derive(Clone, Debug)]
pub enum FlowError {
    /// The cache cannot be used.
    Store(Cause),
    /// Another process holds the lock of the tokens, or there is none to be had.
    Lock(Cause),
    /// Another process has had the sign-in open for too long, or its lock is not to be had.
    SignInLock(Cause),
    /// The authorization server was not found, or cannot be believed.
    Discovery(DiscoveryError),
    /// There is no way to become a client of this authorization server.
    NoRegistration {
        /// The authorization server.
        issuer: Issuer,
        /// Where a user creates a client there, if that is known.
        console: Option<&'static str>,
    },
    /// The registration failed.
    Registration(RegistrationError),
    /// A server named an address where it may not send us (RFC 9728 §7.7).
    Forbidden(Cause),
    /// The configured client belongs to another authorization server.
    OtherIssuersClient {
        /// The client.
        client_id: String,
        /// Where it was used before.
        bound_to: Issuer,
        /// Where it would be used now.
        wanted_at: Issuer,
    },
    /// The user's client cannot prove itself to this authorization server.
    ClientAuth(ClientAuthError),
    /// Tokens cannot be bound to a key, or not left unbound.
    Dpop(DpopError),
    /// There is no key to bind tokens to.
    ProofKey(Cause),
    /// The browser could not be sent back to us.
    Callback(Cause),
    /// The redirect URI is no address.
    RedirectUri(String),
    /// The authorization server does not take this redirect URI for the client.
    RedirectUriRefused {
        /// The redirect URI.
        uri: String,
        /// The client.
        client_id: String,
        /// What the server says.
        refusal: Refusal,
    },
    /// There is nowhere to send a person to sign in.
    NoAuthorizationEndpoint(Issuer),
    /// The authorization server did not take the request that was to be left there.
    Pushed(PushError),
    /// The browser brought something else than a code.
    SignIn(CallbackError),
    /// Nobody finished the sign-in. Holds the time that was given, in seconds.
    TimedOut(u64),
    /// The browser was opened often enough.
    TooManyAttempts,
    /// The server asks for scopes that were asked for already, so asking again gains nothing.
    ScopesNotGranted(Vec<String>),
    /// The authorization server issues no codes for other devices.
    NoDeviceGrant(Issuer),
    /// The device authorization endpoint gave no code.
    Device(DeviceError),
    /// Nobody confirmed the code. Holds the time that was given, in seconds.
    NotConfirmed(u64),
    /// The token endpoint gave no tokens.
    Token(TokenError),
    /// The token endpoint gave no tokens for a code, of the browser's way or a device's, which is
    /// spent: a person has to sign in again.
    Exchange(TokenError),
    /// There is no token where no person is needed for one.
    Unattended(UnattendedError),
    /// The process that refreshed the token could not.
    RefreshElsewhere(FailureNote),
    /// The process that asked a person to sign in had no success.
    SignInElsewhere(FailureNote),
    /// The sign-in of another program could not be taken over: there is none, or for this reason.
    NotTakenOver(Option<Unfit>),
    /// The driver and the flow disagree: a fault of this program.
    Unexpected {
        /// Where the flow was.
        state: &'static str,
        /// What it was told.
        event: &'static str,
    },
}

impl FlowError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Discovery(error) => error.is_transient(),
            Self::Registration(error) => error.is_transient(),
            Self::Token(error)
            | Self::Device(DeviceError(error))
            | Self::Pushed(PushError(error)) => {
                matches!(error, TokenError::Unavailable(_) | TokenError::Unusable(_))
            }
            Self::Unattended(error) => error.is_transient(),
            Self::Lock(_) | Self::SignInLock(_) => true,
            Self::RefreshElsewhere(note) | Self::SignInElsewhere(note) => note.transient,
            _ => false,
        }
    }

    /// The rule that was broken, or that the refusal goes by: the section of an RFC, or the heading
    /// in a revision of MCP. `None` where it is no matter of rules, such as a network that is down.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Discovery(error) => error.rule(),
            Self::Registration(error) => error.rule(),
            Self::SignIn(error) => Some(error.rule()),
            Self::Device(error) => error.rule(),
            Self::Token(error) | Self::Exchange(error) => error.rule(),
            Self::Unattended(error) => error.rule(),
            Self::NoRegistration { .. } => {
                Some("MCP 2025-11-25, Authorization, Client Registration Approaches")
            }
            Self::NoAuthorizationEndpoint(_) => Some("RFC 6749 §3.1"),
            Self::Pushed(PushError(error)) => match error.rule() {
                None => None,
                Some(_) => Some("RFC 9126 §2.3"),
            },
            Self::OtherIssuersClient { .. } => {
                Some("MCP 2026-07-28, Authorization, Client Registration")
            }
            Self::RedirectUri(_) => Some("RFC 6749 §3.1.2"),
            Self::RedirectUriRefused { .. } => Some("RFC 6749 §3.1.2.3"),
            Self::ClientAuth(_) => Some("RFC 8414 §2"),
            Self::Forbidden(_) => Some("RFC 9728 §7.7"),
            Self::ScopesNotGranted(_) => {
                Some("MCP 2025-11-25, Authorization, Step-Up Authorization Flow")
            }
            Self::NoDeviceGrant(_) => Some("RFC 8628 §4"),
            Self::Dpop(error) => Some(error.rule()),
            // Theirs stand in the reason.
            Self::RefreshElsewhere(_) | Self::SignInElsewhere(_) => None,
            Self::Store(_)
            | Self::Lock(_)
            | Self::SignInLock(_)
            | Self::ProofKey(_)
            | Self::Callback(_)
            | Self::TimedOut(_)
            | Self::TooManyAttempts
            | Self::NotConfirmed(_)
            | Self::NotTakenOver(_)
            | Self::Unexpected { .. } => None,
        }
    }
}
impl Error for FlowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Where the text is the inner error's own, its cause is the next in the chain.
        match self {
            Self::Store(cause)
            | Self::Lock(cause)
            | Self::SignInLock(cause)
            | Self::Forbidden(cause)
            | Self::Callback(cause) => cause.source(),
            Self::Discovery(error) => error.source(),
            Self::Registration(error) => error.source(),
            Self::Token(error) | Self::Exchange(error) => error.source(),
            Self::Device(error) => error.source(),
            Self::Pushed(error) => error.source(),
            Self::Unattended(error) => error.source(),
            _ => None,
        }
    }
}
