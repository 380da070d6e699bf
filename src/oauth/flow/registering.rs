//! The part of the flow that registers a client (RFC 7591).

use url::Url;

use super::plan::{Bound, Plan};
use super::{Action, Amendment, Flow, FlowError, Move, Note, State, fail};
use crate::oauth::discovery::Fetched;
use crate::oauth::registration::{self, Client, Registration};
use crate::oauth::sign_in::SignIn;
use crate::oauth::token_endpoint::Cause;

impl Flow {
    /// Registers a client for the browser that comes back to what was bound, or for another
    /// device.
    pub(super) fn register(&mut self, mut plan: Plan, endpoint: Url, bound: Option<Bound>) -> Move {
        // Each client has a key of its own.
        plan.binding = None;
        let redirect = &self.settings.redirect;
        let port = bound.as_ref().map(|bound| bound.port).or(redirect.port);
        let redirect_uri = redirect.uri(port.unwrap_or_else(|| self.settings.unbound_port()));
        let extra = &self.settings.client_metadata;
        match Registration::new(&plan.server, endpoint, redirect_uri, extra) {
            Ok(mut registration) => {
                if bound.is_none() {
                    registration = registration.for_devices();
                }
                if plan.scopes_refused {
                    registration = registration.with_scopes(&plan.scopes);
                }
                post_registration(plan, registration, bound, 0)
            }
            Err(error) => fail(FlowError::Registration(error)),
        }
    }

    pub(super) fn registration_answered(
        &mut self,
        mut plan: Plan,
        registration: Registration,
        bound: Option<Bound>,
        fetched: Fetched,
        now: u64,
    ) -> Move {
        match registration.judge(fetched, &self.settings.server) {
            registration::Step::Registered(mut client) => {
                client.refused_document = plan.refused_document().map(str::to_owned);
                // A secret that ended before it was issued is a time that is not what it seems.
                client.client_secret_expires_at.take_if(|end| *end <= now);
                let issuer = plan.server.issuer.clone();
                let in_use = self.can_refresh(&plan.task.cached, &issuer, now);
                let amendment = Amendment::PutClient(issuer, plan.known(&client));
                // Until the person has signed in, the client whose tokens are in use is worth more.
                if in_use {
                    amendment.apply(&mut plan.task.cached);
                    return self.ask_as(plan, client, bound, now);
                }
                let state = State::SavingClient {
                    plan,
                    client,
                    bound,
                };
                (state, Action::Amend(Box::new(amendment)))
            }
            registration::Step::Again(registration, after) => {
                post_registration(plan, registration, bound, after)
            }
            registration::Step::Failed(error) => {
                let console = self.settings.console(&plan.server.issuer);
                fail(FlowError::Registration(error.by_hand(console)))
            }
        }
    }

    pub(super) fn client_saved(
        &mut self,
        mut plan: Plan,
        client: Client,
        bound: Option<Bound>,
        outcome: Result<SignIn, Cause>,
        now: u64,
    ) -> Move {
        match outcome {
            Ok(cached) => plan.task.cached = cached,
            Err(cause) => self.note(Note::NotSaved(cause)),
        }
        self.ask_as(plan, client, bound, now)
    }

    /// Asks as a client that was registered just now.
    fn ask_as(&mut self, plan: Plan, client: Client, bound: Option<Bound>, now: u64) -> Move {
        match bound {
            Some(bound) => self.ask(plan, client, &bound, false, now),
            None => self.ask_for_code(plan, client, now),
        }
    }
}

fn post_registration(
    plan: Plan,
    registration: Registration,
    bound: Option<Bound>,
    after: u64,
) -> Move {
    let action = Action::Register {
        url: registration.endpoint().clone(),
        body: registration.body(),
        after,
    };
    let state = State::Registering {
        plan,
        registration: Box::new(registration),
        bound,
    };
    (state, action)
}
