//! Why a flow fails, and what is worth telling on its way.

use std::error::Error;
use std::fmt;

use super::UnattendedError;
use crate::ids::{Issuer, display_url};
use crate::oauth::authorize::CallbackError;
use crate::oauth::device::DeviceError;
use crate::oauth::discovery::DiscoveryError;
use crate::oauth::discovery::resource::ResourceMetadata;
use crate::oauth::discovery::server::AuthorizationServer;
use crate::oauth::dpop::{self, DpopError};
use crate::oauth::pushed::PushError;
use crate::oauth::registration::{ClientAuthError, RegistrationError};
use crate::oauth::sign_in::FailureNote;
use crate::oauth::token_endpoint::{Cause, Refusal, TokenError};
use crate::untrusted::{SHOWN, printable};

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
            | Self::Unexpected { .. } => None,
        }
    }

    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(_) => "check the folder of the sign-ins and who may write to it",
            Self::Lock(_) => "end the other mcp-drawbridge that holds it, or wait until it is done",
            Self::SignInLock(_) => {
                "finish the sign-in in the open browser tab, or end that process and try again"
            }
            Self::Discovery(error) => error.hint(),
            Self::NoRegistration { .. } => {
                "create a client in the provider's console and pass it with `--static-oauth-client-info`"
            }
            Self::Registration(error) => error.hint(),
            Self::Forbidden(_) => "report this to the operator of the server",
            Self::OtherIssuersClient { .. } => {
                "if the client is right, sign out with `mcp-drawbridge logout` and try again"
            }
            Self::ClientAuth(error) => error.hint(),
            Self::Dpop(error) => error.hint(),
            Self::ProofKey(_) => "the system gives no randomness; try again",
            Self::Callback(_) => {
                "free the port, or choose another callback port; a client of your own has to be registered with it"
            }
            Self::RedirectUri(_) => "check `--host` and `--callback-path`",
            Self::RedirectUriRefused { .. } => {
                "add this address to the client at the provider, or give the one that is registered: the port after the server's address, `--host` and `--callback-path`, or `redirect_uri` in the configuration file"
            }
            Self::NoAuthorizationEndpoint(_) => {
                "name it with `--authorization-endpoint`, or choose a way that needs nobody"
            }
            Self::SignIn(error) => callback_hint(error),
            Self::TimedOut(_) => {
                "begin it again, and open its newest address in a browser; `--auth-timeout` gives more time"
            }
            Self::TooManyAttempts => {
                "wait ten minutes, or restart the AI client to begin again; the server refuses what it has granted"
            }
            Self::ScopesNotGranted(_) => {
                "your account may lack the permission; sign in anew with `mcp-drawbridge login` once it has it"
            }
            Self::NoDeviceGrant(_) => {
                "leave out `--device-code` to sign in through a browser; if it cannot come back to this machine, `mcp-drawbridge login` takes the address that it ends on"
            }
            Self::Device(DeviceError(TokenError::ClientDead(_) | TokenError::Refused(_))) => {
                "allow the client the device grant at the provider, or leave out `--device-code`"
            }
            Self::Device(DeviceError(error)) => exchange_hint(error),
            Self::NotConfirmed(_) => {
                "begin again to get a new code: run `mcp-drawbridge login` with `--device-code`, or restart the AI client"
            }
            Self::Pushed(PushError(error)) => exchange_hint(error),
            Self::Token(error) => token_hint(error),
            Self::Exchange(error) => exchange_hint(error),
            Self::Unattended(error) => error.hint(),
            Self::RefreshElsewhere(_) => "you are still signed in; try again later",
            Self::SignInElsewhere(_) => "try again to sign in",
            Self::Unexpected { .. } => "this is a fault of mcp-drawbridge; please report it",
        }
    }
}

fn callback_hint(error: &CallbackError) -> &'static str {
    let code = match error {
        CallbackError::Declined(_) => return "try again to sign in after all",
        CallbackError::Refused(refusal) => refusal.error.as_deref().unwrap_or_default(),
        _ => "",
    };
    match code {
        "invalid_target" => TARGET_HINT,
        "invalid_scope" => SCOPE_HINT,
        "unauthorized_client" | "invalid_client" | "unsupported_response_type" => {
            "allow the client the authorization code grant at the provider, or name another with `--static-oauth-client-info`"
        }
        _ => "try again; if it stays so, report it to the operator of the server",
    }
}

const TARGET_HINT: &str = "the provider does not know the `resource`; try `--resource` with the value it documents, or an empty one";
pub(super) const PROOF_HINT: &str = "check the clock of this machine; `--dpop never` does without such proofs, if the server allows it";
const SCOPE_HINT: &str = "name the scopes to ask for with `--scope`";

/// A code is spent once, or was never had, so the person has to come again in any case.
fn exchange_hint(error: &TokenError) -> &'static str {
    match error {
        TokenError::Unavailable(_) => "try again to sign in",
        TokenError::Unusable(_) => {
            "try again to sign in; if it stays so, tell the operator of the server"
        }
        error => token_hint(error),
    }
}

fn token_hint(error: &TokenError) -> &'static str {
    match error {
        TokenError::InvalidTarget(_) => TARGET_HINT,
        TokenError::InvalidScope(_) => SCOPE_HINT,
        TokenError::Refused(refusal) if refusal.is_about_proof() => PROOF_HINT,
        TokenError::ClientDead(_) => "check the client with `--static-oauth-client-info`",
        TokenError::Unavailable(_) | TokenError::Unusable(_) => {
            "you are still signed in; try again later"
        }
        TokenError::GrantDead(_)
        | TokenError::Refused(_)
        | TokenError::Pending(_)
        | TokenError::SlowDown(_)
        | TokenError::Declined(_)
        | TokenError::Expired(_) => "try again to sign in anew",
    }
}

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
            Self::Unexpected { state, event } => {
                write!(f, "the sign-in got {event} while {state}")
            }
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

/// Something worth telling that happened on the way.
#[derive(Clone, Debug)]
pub enum Note {
    /// What the resource's metadata say, believed.
    ResourceFound(Box<ResourceMetadata>),
    /// What the authorization server's metadata say, believed.
    ServerFound(Box<AuthorizationServer>),
    /// The metadata address in the challenge led nowhere.
    HintIgnored(String),
    /// Another process has got a token meanwhile.
    Adopted,
    /// A token is being refreshed, and why.
    Refreshing(RefreshReason),
    /// A refresh failed; the token still works for a while.
    RefreshPutOff(String),
    /// The refresh token is dead: a person has to sign in again.
    GrantEnded(Refusal),
    /// The refresh was refused for another reason: a person has to sign in again.
    RefreshRefused(Refusal),
    /// The authorization server has forgotten the client; it is registered anew.
    ClientForgotten(String),
    /// The authorization server did not take the client's metadata document; one is registered.
    DocumentRefused(String),
    /// The client may only ask for what it registered for; another is registered, for these scopes.
    ScopesRegistered(Vec<String>),
    /// The port of the registered redirect URI is taken; a new registration is made.
    PortTaken(u16),
    /// A scope was refused; fewer are asked for.
    ScopesNarrowed(Vec<String>),
    /// The authorization server refused `resource`; it is left out there from now on.
    ResourceRefused(Refusal),
    /// The address at which to sign in ends, and another was not to be had.
    AddressNotRenewed(String),
    /// The server asks for tokens that are bound to a key, and the authorization server does not
    /// offer them.
    BindingNotOffered,
    /// The authorization server issued a bearer token where one bound to a key was asked for.
    NotBound,
    /// The cached tokens are bound to a key, or not, and the user wants it otherwise.
    BindingUnwanted(dpop::Mode),
    /// The ID token is sent, and a refresh brought no other.
    NoIdToken,
    /// A browser came to the redirect URI with something that is not the answer.
    StrayVisit(&'static str),
    /// The authorization server issues no codes to the client, which may be registered for the
    /// browser only; another is registered.
    NotForDevices(Refusal),
    /// A code has expired; the person gets another.
    CodeExpired,
    /// The tokens for a code got lost; the person gets another.
    CodeLost,
    /// The network kept a poll from its answer.
    PollFailed(String),
    /// What was obtained could not be written to the cache, and is lost when this process ends.
    NotSaved(Cause),
}

/// Why a token is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshReason {
    /// It ends in so many seconds.
    EndsIn(u64),
    /// It ended so many seconds ago.
    Ended(u64),
    /// The server refused it.
    Refused,
}

impl Note {
    /// Whether the user should see it without having asked for details.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::ResourceFound(_)
            | Self::ServerFound(_)
            | Self::Adopted
            | Self::Refreshing(_)
            | Self::StrayVisit(_)
            | Self::PortTaken(_)
            | Self::ScopesRegistered(_)
            | Self::NotForDevices(_)
            | Self::PollFailed(_) => false,
            Self::HintIgnored(_)
            | Self::RefreshPutOff(_)
            | Self::GrantEnded(_)
            | Self::RefreshRefused(_)
            | Self::ClientForgotten(_)
            | Self::DocumentRefused(_)
            | Self::ScopesNarrowed(_)
            | Self::ResourceRefused(_)
            | Self::AddressNotRenewed(_)
            | Self::BindingNotOffered
            | Self::NotBound
            | Self::BindingUnwanted(_)
            | Self::NoIdToken
            | Self::CodeExpired
            | Self::CodeLost
            | Self::NotSaved(_) => true,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| printable(text, SHOWN);
        match self {
            Self::ResourceFound(found) => {
                let resource = found
                    .resource
                    .as_ref()
                    .map(|resource| text(resource.as_str()));
                match resource {
                    Some(resource) => write!(
                        f,
                        "tokens are for `{resource}`, from {}",
                        found.authorization_servers
                    ),
                    None => write!(f, "tokens are from {}", found.authorization_servers),
                }
            }
            Self::ServerFound(server) => write!(
                f,
                "the authorization server is `{}`, its token endpoint `{}`",
                text(server.issuer.as_str()),
                text(&display_url(&server.token_endpoint))
            ),
            Self::HintIgnored(why) => {
                write!(
                    f,
                    "the metadata address that the server named leads nowhere: {why}"
                )
            }
            Self::Adopted => f.write_str("using the token that another process obtained"),
            Self::Refreshing(RefreshReason::EndsIn(seconds)) => {
                write!(f, "refreshing: the token ends in {seconds} s")
            }
            Self::Refreshing(RefreshReason::Ended(seconds)) => {
                write!(f, "refreshing: the token expired {seconds} s ago")
            }
            Self::Refreshing(RefreshReason::Refused) => {
                f.write_str("refreshing: the server refused the token")
            }
            Self::RefreshPutOff(why) => {
                write!(
                    f,
                    "the token could not be refreshed and is used until it ends: {why}"
                )
            }
            Self::GrantEnded(refusal) => write!(
                f,
                "the authorization server has ended the sign-in ({refusal}); signing in anew is needed"
            ),
            Self::RefreshRefused(refusal) => write!(
                f,
                "the authorization server refused to refresh the token ({refusal}); signing in anew is needed"
            ),
            Self::ClientForgotten(why) => write!(
                f,
                "the authorization server no longer knows this client ({why}); registering anew"
            ),
            Self::DocumentRefused(why) => write!(
                f,
                "the authorization server does not take the client's metadata document ({why}); registering a client, now and from now on"
            ),
            Self::ScopesRegistered(scopes) => write!(
                f,
                "the client may not ask for these scopes; registering another one for `{}`",
                scopes.join(" ")
            ),
            Self::PortTaken(port) => write!(
                f,
                "the callback port `{port}` of the registration is taken; registering anew"
            ),
            Self::ScopesNarrowed(scopes) if scopes.is_empty() => {
                f.write_str("the scopes were refused; asking without any")
            }
            Self::ScopesNarrowed(scopes) => {
                write!(
                    f,
                    "the scopes were refused; asking for `{}` only",
                    scopes.join(" ")
                )
            }
            Self::ResourceRefused(refusal) => write!(
                f,
                "the authorization server refused the `resource` parameter ({refusal}); leaving it out there from now on"
            ),
            Self::AddressNotRenewed(why) => write!(
                f,
                "the address to sign in at has ended, and no other is to be had: {why}"
            ),
            Self::BindingNotOffered => f.write_str(
                "the server asks for tokens that are bound to a key, but its authorization server does not say that it issues such; trying bearer tokens",
            ),
            Self::NotBound => f.write_str(
                "the authorization server did not bind the token to a key as it was asked to; it is used as a bearer token",
            ),
            Self::BindingUnwanted(dpop::Mode::Never) => f.write_str(
                "the cached tokens are bound to a key, which `--dpop never` forbids; signing in anew is needed",
            ),
            Self::BindingUnwanted(_) => f.write_str(
                "the cached tokens are not bound to a key, which `--dpop always` demands; signing in anew is needed",
            ),
            Self::NoIdToken => f.write_str(
                "the refresh brought no ID token, which it need not (OpenID Connect Core §12.2); the one of before is sent until it ends, then a sign-in is needed",
            ),
            Self::StrayVisit(why) => {
                write!(f, "ignored a visit to the callback address: {why}")
            }
            Self::NotForDevices(refusal) => write!(
                f,
                "the authorization server gives this client no code ({refusal}); registering another client"
            ),
            Self::CodeExpired => f.write_str("the code has expired; here is a new one"),
            Self::CodeLost => {
                f.write_str("the answer to the code got lost on its way; here is a new one")
            }
            Self::PollFailed(why) => {
                write!(f, "whether the code was confirmed is not known yet: {why}")
            }
            Self::NotSaved(cause) => write!(
                f,
                "the sign-in could not be saved, so the next start has to sign in again: {cause}"
            ),
        }
    }
}
