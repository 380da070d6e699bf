//! The auth state machine: which steps lead to a token, and what each outcome means for the next.
//!
//! It decides and does nothing. [`Flow::begin`] gives the first [`Action`]; whoever drives it
//! performs the action, feeds what came of it to [`Flow::step`] as an [`Event`], and gets the next.
//! The last one is [`Action::Done`] or [`Action::Fail`]; the driver then lets go of every lock,
//! listener and browser that it still holds for the flow.
//!
//! ```text
//! ReadingCache ──usable token──────────────────────────────────────────────► Done
//!   │ due, expired or refused, with a refresh token        │ nothing to refresh with
//!   ▼                                                      │
//! Locking ─► Rereading ──a sibling was faster──► Done      │
//!   ▲          │   └──nothing to refresh with─► Unlocking ─┤
//!   │          ▼                                           │
//!   │        Refreshing ──ok──► SavingRefresh ──► Done     │
//!   │          │    │ network, 5xx: once more, then        │
//!   │          │    ├─► NotingOutage ─► Done while the token lasts, else Fail
//!   │          │    └─refused otherwise─► Unlocking ───────┤
//!   │          │ grant dead, client dead                   │
//!   │ due      ▼                                           │
//!   └─────── Forgetting ──a sibling has renewed it──► Done │
//!              └───────────────────────────────────────────┤
//!                                                          │ nobody may be asked: Done(nothing)
//!                                                          ▼
//!   a sibling signed in: Done ◄── AwaitingTurn ◄───────────┘
//!                                   │ the sign-in lock is ours
//!                                   ▼
//!                                 RereadingTurn ──a sibling signed in──► Done
//!                                   ▼
//!                                 FindingResource ─► FindingServer ─► Binding ◄──────────────┐
//!                                                                      │  │ no client yet    │
//!                                     known, but for how long? Probing ◄┤  ▼                 │
//!                                                       │ │ dead       │ Registering         │
//!                                                       │ └──────┐     │  ▼                  │
//!                                                       │        │     │ SavingClient, unless│
//!                                                       │        │     │  │ tokens need the  │
//!                                                       │        │     │  │ one before       │
//!                                                       ▼        │     ▼  ▼                  │
//!                                          AwaitingCallback ◄── OpeningBrowser               │
//!                                            │  │ client dead, scope or resource refused     │
//!                                            │  │ (once each)                                │
//!                                            │  └─► ForgettingClient ────────────────────────┤
//!                                            ▼                                               │
//!                                          Exchanging ──the same─────────────────────────────┘
//!                                            ▼
//!                                          SavingGrant ─► Done
//! ```
//!
//! Where the user gave the endpoints, the way leads from `RereadingTurn` to `Binding` directly.
//! Where the authorization server takes pushed authorization requests only (RFC 9126), it leads
//! to `OpeningBrowser` through `Pushing` in place of `Probing`, and from `AwaitingCallback` to
//! `Pushing` again whenever what the address refers to ends.
//!
//! Where the user wants a code for another device in place of a browser here (RFC 8628), the way
//! from `FindingServer` to `SavingGrant` is this one:
//!
//! ```text
//! FindingServer ──────────────────────────────────┐
//!   │ no client yet            │ known            │ another process has shown a code
//!   ▼                          ▼                  │
//! Registering ► SavingClient ► RequestingCode ──┐ │   client dead, scope refused (once each):
//!                              ▲                ▼ ▼   Registering or ForgettingClient, and on
//!                              │            ShowingCode ◄─slow down─┐
//!                              │                ▼                   │
//!                              └─expired (once)─ Polling ───────────┘
//!                                                 │   └─pending, network─► Polling
//!                                                 ▼
//!                                                SavingGrant ─► Done
//! ```
//!
//! Before `OpeningBrowser`, or the probe before it, and before `RequestingCode` there is
//! `MakingKey` where tokens are to be bound to a key and there is none yet.
//!
//! Where the ID token is sent in place of the access token and a refresh brings none, the way leads
//! from `SavingRefresh` to `Unlocking`, unless the one of before is still good.
//!
//! Another program may have a sign-in already. Where nothing is cached and nothing was taken over
//! before, the way from `FindingServer` to `Binding`, or to `Registering` or `RequestingCode`, leads
//! through this:
//!
//! ```text
//! LookingElsewhere ──nothing, or of no use here──► as before
//!   │ ours from now on   └──not ours to refresh, but still good──► Done
//!   ▼
//! TakingOver ──its token still works──► Done
//!   └──it has ended──► Locking
//! ```
//!
//! An address where a server may not send us ends the flow wherever it is.
//!
//! Where no person is needed for a token, a new one takes the place of a refresh, all of it with the
//! lock of the tokens held:
//!
//! ```text
//! ReadingCache ──usable token, or none and nobody asked for one yet──► Done
//!   │ due, expired, refused, or asked for by the server
//!   ▼
//! Locking ─► Rereading ──a sibling was faster──► Done
//!              │    └─due or expired: what is known of the server will do ────────────┐
//!              ▼                                                                      │
//!            FindingResource ─► FindingServer ─► MakingKey, if it is to be bound ─────┤
//!              ▲                                                                      │
//!              └──the endpoint is gone──┐     FindingProvider ◄─ by what an identity  │
//!                                       │        │               provider says ◄──────┤
//!                                       │        ▼                                    │
//!                                       │     ReadingAssertion ◄─ by what a platform ─┤
//!                                       │        │      │         says               │
//!                                       │        │      ▼                             │
//!                                       │        │  ExchangingAssertion               │
//!                                       │        ▼      ▼                             │
//!                                       └───── Granting ◄─ by the client's own word ──┘
//!                                                ▼
//!                                              SavingGrant ─► Done
//! ```
//!
//! The network is given one more chance, from the first step that fetches something. What fails
//! passes through `NotingFailure`, too, and a token that still works is used while it lasts.
//!
//! Where a configured refresh token stands in for a person, it is handed in once at `Granting`; from
//! then on the way is that of a refresh, and where that leads to `AwaitingTurn` it ends instead.
//!
//! What fails with the lock of the sign-in held passes through `NotingFailure`, so that those who
//! waited for it fail with it; the same holds for a refresh.
//!
//! The lock of the tokens is held from `Locking` to `SavingRefresh`, `Forgetting` or `Unlocking`,
//! which takes as long as two requests; never while a person is in the browser. The lock of the
//! sign-in is held from `RereadingTurn` to the end.

mod amend;
mod answer;
mod binding;
mod cached;
mod client;
mod device;
mod error;
mod event;
mod finding;
mod id_token;
mod note;
mod plan;
mod pushed;
mod registering;
mod settings;
mod sign_in;
mod state;
mod takeover;
mod trace;
mod unattended;

use std::sync::Arc;

pub use amend::Amendment;
use answer::await_callback;
pub use error::FlowError;
pub use event::{Action, Event, Goal, Show};
pub use note::{Note, RefreshReason};
use plan::Bound;
pub use settings::{
    ClientDocument, ConfiguredClient, ConfiguredEndpoints, IdentityProvider, ProviderEndpoint,
    Redirect, ResourceChoice, Seed, Settings, Unattended, Way,
};
use state::State;
pub use trace::{Purpose, Question};
pub use unattended::UnattendedError;

use super::scope::History;
use super::sign_in::Failures;
use super::token::Grant;
use super::token_endpoint::Cause;

/// One way to a token for one server.
#[derive(Debug)]
pub struct Flow {
    settings: Arc<Settings>,
    goal: Goal,
    history: History,
    notes: Vec<Note>,
    /// Whether the server has just said that a refresh token is dead.
    grant_just_ended: bool,
    /// The failures that were known before others were waited for.
    known_failures: Failures,
    /// Whether the sign-in is ours: then its failure concerns those that wait for it.
    has_turn: bool,
    /// When the grant was given that the cache held at first.
    granted_before: Option<u64>,
    /// What to fall back on, while it lasts, if no token is to be had without a person.
    fallback: Option<Grant>,
    /// Whether it was noted that the cached tokens are not as the user wants them.
    told_unwanted: bool,
    /// Whether the ID token is to be sent, and none is to be had for the grant in the cache.
    lacks_id_token: bool,
    /// Whether it was looked whether another program has a sign-in.
    looked_elsewhere: bool,
    /// Whether a grant that came while others were waited for was tried to be refreshed.
    retried: bool,
    state: State,
}

type Move = (State, Action);

impl Flow {
    /// Begins a flow. `history` is what earlier flows of this process for this server left behind.
    pub fn begin(settings: Arc<Settings>, goal: Goal, history: History) -> (Self, Action) {
        let flow = Self {
            settings,
            goal,
            history,
            notes: Vec::new(),
            grant_just_ended: false,
            known_failures: Failures::default(),
            has_turn: false,
            granted_before: None,
            fallback: None,
            told_unwanted: false,
            lacks_id_token: false,
            looked_elsewhere: false,
            retried: false,
            state: State::ReadingCache,
        };
        (flow, Action::ReadCache)
    }

    /// Takes what came of the last action, at `now` in seconds since the epoch, and says what to do
    /// next.
    pub fn step(mut self, mut event: Event, now: u64) -> (Self, Action) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.admit(&mut event);
        self.admit_id_token(&mut event, now);
        if self.settings.use_id_token {
            event = id_token::presented(&state, event, now);
        }
        self.check_bound(&state, &event);
        let (state, action) = match self.next(state, event, now) {
            (_, Action::Fail(error)) if self.concerns_others(&error) => self.note_failure(error),
            (_, Action::Fail(error)) => match self.fallback.take() {
                Some(grant) => self.put_off(grant, error, now),
                None => fail(error),
            },
            next => next,
        };
        self.state = state;
        (self, action)
    }

    /// What happened since the last call that is worth telling.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// What the next flow should know about this one.
    pub fn into_history(self) -> History {
        self.history
    }

    /// All transitions. The text above draws them.
    fn next(&mut self, state: State, event: Event, now: u64) -> Move {
        use {Event as E, State as S};
        match (state, event) {
            (S::ReadingCache, E::CacheRead(Ok(cached))) => self.cache_read(cached, now),
            (S::ReadingCache, E::CacheRead(Err(cause))) => fail(FlowError::Store(cause)),

            (S::Locking { .. }, E::Locked(Ok(()))) => (S::Rereading, Action::ReadCache),
            (S::Locking { grant: Some(grant) }, E::Locked(Err(cause))) => {
                self.put_off(grant, FlowError::Lock(cause), now)
            }
            (S::Locking { grant: None }, E::Locked(Err(cause))) => fail(FlowError::Lock(cause)),
            (S::Rereading, E::CacheRead(Ok(cached))) => self.reread(cached, now),
            (S::Rereading, E::CacheRead(Err(cause))) => fail(FlowError::Store(cause)),
            (
                S::Refreshing {
                    cached,
                    grant,
                    request,
                    again,
                },
                E::TokenAnswer(answer),
            ) => match answer {
                Ok(tokens) => self.refreshed(cached, grant, &request, tokens, now),
                Err(error) => self.refresh_failed(cached, grant, request, again, error),
            },
            (S::SavingRefresh { grant }, E::Saved(outcome)) => self.saved(grant, outcome.err()),
            (S::SavingWithoutIdToken { cached }, E::Saved(outcome)) => {
                self.saved_without_id_token(cached, outcome.err(), now)
            }
            // The others will try for themselves if it could not be written.
            (S::NotingOutage { grant, error }, E::Saved(_)) => self.put_off(grant, error, now),
            (S::NotingFailure { error }, E::Amended(_)) => fail(error),
            (S::Forgetting { cached }, E::Amended(outcome)) => self.forgotten(cached, outcome, now),
            (S::Unlocking { cached }, E::Unlocked) => self.without_token(&cached, now),

            (S::AwaitingTurn { .. }, E::Turn(pending)) => {
                (S::RereadingTurn { pending }, Action::ReadCache)
            }
            (S::AwaitingTurn { until }, E::CacheChanged(cached)) => {
                self.sibling_changed(&cached, until, now)
            }
            (S::AwaitingTurn { .. }, E::NoTurn(cause)) => fail(FlowError::SignInLock(cause)),
            (S::RereadingTurn { pending }, E::CacheRead(Ok(cached))) => {
                self.turn(cached, pending, now)
            }
            (S::RereadingTurn { .. }, E::CacheRead(Err(cause))) => fail(FlowError::Store(cause)),

            (S::FindingResource { task, search }, E::Fetched(fetched)) => {
                self.resource_answered(task, search, fetched, now)
            }
            (
                S::FindingServer {
                    task,
                    resource,
                    search,
                },
                E::Fetched(fetched),
            ) => self.server_answered(task, resource, *search, fetched, now),
            (S::LookingElsewhere { plan }, E::Offered(offer)) => self.offered(plan, offer, now),
            (S::TakingOver { plan, taken }, E::Amended(outcome)) => {
                self.taken(plan, *taken, outcome, now)
            }
            (S::Binding { plan, choice }, E::Bound(Ok((port, randomness)))) => {
                self.bound(plan, choice, Bound { port, randomness }, now)
            }
            (S::Binding { .. }, E::Bound(Err(cause))) => fail(FlowError::Callback(cause)),
            (S::Probing(asked), E::Fetched(fetched)) => self.probed(asked, &fetched, now),
            (
                S::Registering {
                    plan,
                    registration,
                    bound,
                },
                E::Fetched(fetched),
            ) => self.registration_answered(plan, *registration, bound, fetched, now),
            (
                S::SavingClient {
                    plan,
                    client,
                    bound,
                },
                E::Amended(outcome),
            ) => self.client_saved(plan, client, bound, outcome, now),
            (S::ForgettingClient { plan }, E::Amended(outcome)) => {
                self.client_forgotten(plan, outcome, now)
            }
            (S::Pushing(pushing), E::Fetched(fetched)) => self.pushed(pushing, fetched, now),
            (S::MakingKey(keyless), E::KeyMade(made)) => self.key_made(*keyless, made, now),
            (S::OpeningBrowser(asked), E::BrowserOpened) => await_callback(asked),
            (S::AwaitingCallback(asked), E::Visited(query)) => {
                self.visited(asked, query.expose(), now)
            }
            (S::AwaitingCallback(asked), E::CallbackTimedOut) => self.callback_missed(asked, now),
            (
                S::Exchanging {
                    asked,
                    request,
                    again,
                },
                E::TokenAnswer(answer),
            ) => match answer {
                Ok(tokens) => self.exchanged(&asked, tokens, now),
                Err(error) => self.exchange_failed(asked, request, again, error, now),
            },
            (S::RequestingCode { caller, again }, E::Fetched(fetched)) => {
                self.code_answered(caller, again, fetched, now)
            }
            (S::ShowingCode(shown), E::CodeShown) => self.code_shown(shown, now),
            (S::Polling(shown), E::TokenAnswer(answer)) => self.polled(shown, answer, now),
            (S::FindingProvider { errand, search }, E::Fetched(fetched)) => {
                self.provider_answered(errand, *search, fetched)
            }
            (S::ReadingAssertion { errand }, E::Assertion(assertion)) => {
                self.assertion_read(errand, assertion, now)
            }
            (S::ExchangingAssertion { errand, request }, E::Issued(answer)) => {
                self.assertion_exchanged(errand, &request, answer, now)
            }
            (S::Granting { errand, request }, E::TokenAnswer(answer)) => {
                self.granted(errand, &request, answer, now)
            }
            (S::SavingGrant { grant }, E::Amended(outcome)) => {
                match self.is_without_id_token(&grant) {
                    true => self.seed_without_id_token(&grant, outcome.err()),
                    false => self.saved(*grant, outcome.err()),
                }
            }

            // Nothing that a server says makes up for it.
            (_, E::Forbidden(cause)) => fail(FlowError::Forbidden(cause)),

            (state, event) => fail(FlowError::Unexpected {
                state: state.name(),
                event: event.name(),
            }),
        }
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Tokens were obtained, and written to the cache or not.
    fn saved(&mut self, grant: Grant, failure: Option<Cause>) -> Move {
        if let Some(cause) = failure {
            self.note(Note::NotSaved(cause));
        }
        done(Some(grant))
    }
}

fn done(grant: Option<Grant>) -> Move {
    (State::Ended, Action::Done(grant.map(Box::new)))
}

fn fail(error: FlowError) -> Move {
    (State::Ended, Action::Fail(error))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(in crate::oauth) use tests::settings as tests_settings;
