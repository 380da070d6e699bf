//! What is worth telling on the way of a flow.

use std::fmt;

use crate::ids::display_url;
use crate::oauth::discovery::resource::ResourceMetadata;
use crate::oauth::discovery::server::AuthorizationServer;
use crate::oauth::dpop;
use crate::oauth::takeover::{Lent, Shared, Unfit};
use crate::oauth::token_endpoint::{Cause, Refusal};
use crate::untrusted::{SHOWN, printable};

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
    /// The sign-in of this program is ours now.
    TakenOver(String),
    /// The access token of mcp-remote's sign-in is used while it lasts, and for this reason no more.
    Borrowed(Lent),
    /// The sign-in of mcp-remote is of no use here.
    NotTakenOver(Unfit),
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
            | Self::TakenOver(_)
            | Self::Borrowed(_)
            | Self::NotTakenOver(_)
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
            Self::TakenOver(program) => write!(
                f,
                "the sign-in of {program} was taken over; do not use {program} for this server any more, as only one program can refresh a sign-in"
            ),
            Self::Borrowed(lent @ Lent::Shared(Shared::Running(_))) => write!(
                f,
                "{lent}, so its sign-in is used only while the token is good, and is not taken over; end it and start this again, or sign in with `mcp-drawbridge login`"
            ),
            Self::Borrowed(lent) => write!(
                f,
                "the token of mcp-remote's sign-in is used while it is good, and the sign-in is not taken over: {lent}"
            ),
            Self::NotTakenOver(unfit @ Unfit::Shared(Shared::Running(_))) => write!(
                f,
                "the sign-in of mcp-remote is not taken over: {unfit}; end mcp-remote and start this again, or sign in here"
            ),
            Self::NotTakenOver(unfit) => {
                write!(f, "the sign-in of mcp-remote is not taken over: {unfit}")
            }
            Self::NotSaved(cause) => write!(
                f,
                "the sign-in could not be saved, so the next start has to sign in again: {cause}"
            ),
        }
    }
}
