//! Where a flow is.

use super::FlowError;
use super::answer::Asked;
use super::binding::Keyless;
use super::device::{Caller, Shown};
use super::plan::{Bound, Choice, Plan, Task};
use super::pushed::Pushing;
use super::unattended::Errand;
use crate::oauth::discovery::resource::{ResourceMetadata, ResourceSearch};
use crate::oauth::discovery::server::ServerSearch;
use crate::oauth::invitation::Open;
use crate::oauth::registration::{Client, Registration};
use crate::oauth::sign_in::SignIn;
use crate::oauth::takeover::Taken;
use crate::oauth::token::Grant;
use crate::oauth::token_endpoint::TokenRequest;

/// Where a flow is. Each state owns what the next ones need.
#[derive(Debug)]
pub(super) enum State {
    ReadingCache,
    Locking {
        /// What to fall back on while it lasts.
        grant: Option<Grant>,
    },
    Rereading,
    Refreshing {
        cached: SignIn,
        grant: Grant,
        request: Box<TokenRequest>,
        again: bool,
    },
    SavingRefresh {
        grant: Grant,
    },
    SavingWithoutIdToken {
        cached: SignIn,
    },
    NotingOutage {
        grant: Grant,
        error: FlowError,
    },
    Forgetting {
        cached: SignIn,
    },
    Unlocking {
        cached: SignIn,
    },
    AwaitingTurn {
        until: u64,
    },
    RereadingTurn {
        pending: Option<Open>,
    },
    FindingResource {
        task: Task,
        search: ResourceSearch,
    },
    FindingServer {
        task: Task,
        resource: ResourceMetadata,
        search: Box<ServerSearch>,
    },
    LookingElsewhere {
        plan: Plan,
    },
    TakingOver {
        plan: Plan,
        taken: Box<Taken>,
    },
    Binding {
        plan: Plan,
        choice: Choice,
    },
    Probing(Asked),
    Registering {
        plan: Plan,
        registration: Box<Registration>,
        bound: Option<Bound>,
    },
    SavingClient {
        plan: Plan,
        client: Client,
        bound: Option<Bound>,
    },
    ForgettingClient {
        plan: Plan,
    },
    Pushing(Pushing),
    MakingKey(Box<Keyless>),
    OpeningBrowser(Asked),
    AwaitingCallback(Asked),
    Exchanging {
        asked: Asked,
        request: Box<TokenRequest>,
        again: bool,
    },
    RequestingCode {
        caller: Caller,
        again: bool,
    },
    ShowingCode(Shown),
    Polling(Shown),
    FindingProvider {
        errand: Box<Errand>,
        search: Box<ServerSearch>,
    },
    ReadingAssertion {
        errand: Box<Errand>,
    },
    ExchangingAssertion {
        errand: Box<Errand>,
        request: Box<TokenRequest>,
    },
    Granting {
        errand: Box<Errand>,
        request: Box<TokenRequest>,
    },
    SavingGrant {
        grant: Box<Grant>,
    },
    NotingFailure {
        error: FlowError,
    },
    Ended,
}

impl State {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ReadingCache => "reading the cache",
            Self::Locking { .. } => "locking the cache",
            Self::Rereading => "reading the locked cache",
            Self::Refreshing { .. } => "refreshing",
            Self::SavingRefresh { .. } | Self::SavingWithoutIdToken { .. } => {
                "saving a refreshed token"
            }
            Self::NotingOutage { .. } => "noting a failed refresh",
            Self::Forgetting { .. } => "forgetting a dead grant",
            Self::Unlocking { .. } => "unlocking the cache",
            Self::AwaitingTurn { .. } => "waiting for another sign-in",
            Self::RereadingTurn { .. } => "reading the cache before signing in",
            Self::FindingResource { .. } => "looking for resource metadata",
            Self::FindingServer { .. } => "looking for authorization server metadata",
            Self::LookingElsewhere { .. } => "looking for a sign-in of another program",
            Self::TakingOver { .. } => "taking over a sign-in of another program",
            Self::Binding { .. } => "opening the callback listener",
            Self::Probing(_) => "trying the authorization page",
            Self::Registering { .. } => "registering",
            Self::SavingClient { .. } => "saving a registration",
            Self::ForgettingClient { .. } => "forgetting a dead registration",
            Self::Pushing(_) => "leaving the authorization request",
            Self::MakingKey(_) => "making a key",
            Self::OpeningBrowser(_) => "opening the browser",
            Self::AwaitingCallback(_) => "waiting for the browser",
            Self::Exchanging { .. } => "exchanging the code",
            Self::RequestingCode { .. } => "asking for a code",
            Self::ShowingCode(_) => "showing a code",
            Self::Polling(_) => "waiting for the code to be confirmed",
            Self::FindingProvider { .. } => "looking for identity provider metadata",
            Self::ReadingAssertion { .. } => "reading an assertion",
            Self::ExchangingAssertion { .. } => "exchanging an assertion",
            Self::Granting { .. } => "asking for a token",
            Self::SavingGrant { .. } => "saving a sign-in",
            Self::NotingFailure { .. } => "noting a failed sign-in",
            Self::Ended => "nothing was awaited",
        }
    }
}
