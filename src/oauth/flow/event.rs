//! What a flow is begun for, asks for and is told.

use serde_json::Value;
use url::Url;

use super::amend::Amendment;
use super::error::FlowError;
use crate::oauth::authorize::{Attempt, Randomness};
use crate::oauth::challenge::Challenge;
use crate::oauth::device::{DeviceAttempt, DeviceRequest};
use crate::oauth::discovery::Fetched;
use crate::oauth::dpop::ProofKey;
use crate::oauth::grant::token_exchange::Issued;
use crate::oauth::invitation::Open;
use crate::oauth::pushed::PushRequest;
use crate::oauth::sign_in::SignIn;
use crate::oauth::takeover::Offer;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::{Cause, TokenError, TokenRequest};
use crate::secret::Secret;

/// What a token is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To send with the next request, if there is one without asking anybody.
    Silent,
    /// Another token ahead of time, if there is one without asking anybody.
    Renew {
        /// The token that is due, by the reckoning of who has held it for a while; the wall clock
        /// alone may say otherwise.
        held: Secret,
    },
    /// The server answered 401.
    Challenged {
        /// The token it refused; `None` if none was sent.
        rejected: Option<Secret>,
        /// What it asks for.
        challenge: Challenge,
    },
    /// The server answered 403 with `insufficient_scope`.
    StepUp {
        /// The token that does not suffice.
        used: Secret,
        /// What it asks for.
        challenge: Challenge,
    },
    /// The user wants to sign in now, whatever is there already.
    SignIn {
        /// When they said so, in seconds since the epoch.
        since: u64,
        /// What the server asks for, as far as that is known.
        challenge: Challenge,
    },
}

/// What the driver is to do. In brackets: the event that answers it.
#[derive(Clone, Debug)]
pub enum Action {
    /// Read the cache. \[`CacheRead`\]
    ReadCache,
    /// Lock the tokens of this server against other processes. \[`Locked`\]
    Lock,
    /// Write this, under the lock that is held. \[`Saved`\]
    Save(Box<SignIn>),
    /// Let go of that lock. \[`Unlocked`\]
    Unlock,
    /// Lock the tokens unless they are, read them, apply this, write them, let go. \[`Amended`\]
    Amend(Box<Amendment>),
    /// Ask the token endpoint. \[`TokenAnswer`, `Issued` for a token exchange\]
    RequestToken {
        /// What to ask.
        request: Box<TokenRequest>,
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Lock the sign-in of this server against other processes; if another has it, say when the
    /// cache changes. \[`Turn`, `CacheChanged` or `NoTurn`\]
    AwaitTurn {
        /// When to give up, in seconds since the epoch.
        until: u64,
    },
    /// Fetch a metadata document. \[`Fetched`\]
    Fetch {
        /// From where.
        url: Url,
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Look whether another program has a sign-in for this server. \[`Offered`\]
    LookElsewhere,
    /// Make a key to bind tokens to (RFC 9449). \[`KeyMade`\]
    MakeKey,
    /// Listen for the browser; a listener of the same flow is replaced. \[`Bound`\]
    Bind {
        /// The port to try first.
        port: Option<u16>,
        /// Whether no other port will do.
        strict: bool,
    },
    /// Post a registration. \[`Fetched`\]
    Register {
        /// Where to.
        url: Url,
        /// The JSON document.
        body: Value,
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Fetch the authorization page the way the browser will, without following it elsewhere.
    /// \[`Fetched`\]
    Probe(Box<Attempt>),
    /// Leave the authorization request at the authorization server (RFC 9126). \[`Fetched`\]
    Push {
        /// What to leave.
        request: Box<PushRequest>,
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Note the attempt for a successor, print its address and open the browser. \[`BrowserOpened`\]
    OpenBrowser {
        /// The attempt.
        attempt: Box<Attempt>,
        /// Whether the user has the tab already, so that the address is only printed.
        resumed: bool,
    },
    /// Ask the device authorization endpoint for a code. \[`Fetched`\]
    RequestCode {
        /// What to ask.
        request: Box<DeviceRequest>,
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Note the attempt for a successor, and print its address and code. \[`CodeShown`\]
    ShowCode {
        /// The attempt.
        attempt: Box<DeviceAttempt>,
        /// What is new about it.
        how: Show,
    },
    /// Read what is to be handed in where no person is asked: the JWT of the workload, or the ID
    /// token of the user. \[`Assertion`\]
    ReadAssertion {
        /// How long to wait first, in seconds.
        after: u64,
    },
    /// Wait for the browser; one that waits for its page already was not meant and may go.
    /// \[`Visited` or `CallbackTimedOut`\]
    AwaitCallback {
        /// When to give up, in seconds since the epoch.
        until: u64,
    },
    /// The end: here is the grant, if there is one.
    Done(Option<Box<Grant>>),
    /// The end: there is no token.
    Fail(FlowError),
}

/// What is new about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Everything.
    New,
    /// Nothing: another process has shown it, and the user has it already.
    Again,
    /// Only its interval, so that the user need not see it again.
    Slower,
}

/// What came of an action.
#[derive(Debug)]
pub enum Event {
    /// What the cache holds.
    CacheRead(Result<SignIn, Cause>),
    /// Whether the tokens are locked.
    Locked(Result<(), Cause>),
    /// Whether it was written.
    Saved(Result<(), Cause>),
    /// The lock is free.
    Unlocked,
    /// What the cache holds now.
    Amended(Result<SignIn, Cause>),
    /// The token endpoint's answer.
    TokenAnswer(Result<TokenSet, TokenError>),
    /// The identity provider's answer.
    Issued(Result<Issued, TokenError>),
    /// What is to be handed in.
    Assertion(Result<Secret, Cause>),
    /// The sign-in is ours. Holds what a process that died left open.
    Turn(Option<Open>),
    /// Another process has the sign-in, and has changed the cache to this.
    CacheChanged(SignIn),
    /// Another process had the sign-in all the time, or it cannot be locked.
    NoTurn(Cause),
    /// What came of a request.
    Fetched(Fetched),
    /// What another program has, if it has something.
    Offered(Option<Box<Offer>>),
    /// A new key.
    KeyMade(Result<ProofKey, Cause>),
    /// A server named an address where it may not send us, or the browser. Comes in place of what
    /// else would answer the action.
    Forbidden(Cause),
    /// The port that is listened on, and randomness for one attempt.
    Bound(Result<(u16, Randomness), Cause>),
    /// A browser was opened, or the address at least printed.
    BrowserOpened,
    /// The code was printed.
    CodeShown,
    /// A browser came, with this query.
    Visited(Secret),
    /// Nobody came in time.
    CallbackTimedOut,
}

impl Event {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::CacheRead(_) => "the cache",
            Self::Locked(_) => "a lock",
            Self::Saved(_) => "a written cache",
            Self::Unlocked => "an unlocked cache",
            Self::Amended(_) => "a changed cache",
            Self::TokenAnswer(_) => "a token answer",
            Self::Issued(_) => "an identity provider's answer",
            Self::Assertion(_) => "an assertion",
            Self::Turn(_) | Self::NoTurn(_) => "the sign-in lock",
            Self::CacheChanged(_) => "another's change of the cache",
            Self::Fetched(_) => "a document",
            Self::Offered(_) => "another program's sign-in",
            Self::KeyMade(_) => "a key",
            Self::Forbidden(_) => "a forbidden address",
            Self::Bound(_) => "a listener",
            Self::BrowserOpened => "an open browser",
            Self::CodeShown => "a code that was shown",
            Self::Visited(_) => "a callback",
            Self::CallbackTimedOut => "a missed callback",
        }
    }
}
