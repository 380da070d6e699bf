//! The part of the flow that has tokens bound to a key (RFC 9449), or sees to it that they are not.

use super::plan::{Bound, Plan};
use super::{Action, Event, Flow, FlowError, Goal, Move, Note, State, fail};
use crate::oauth::dpop::{Binding, Decision, Mode, ProofKey, Wishes};
use crate::oauth::invitation::Open;
use crate::oauth::registration::Client;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::Grant;
use crate::oauth::token_endpoint::Cause;

/// A sign-in that waits for a key.
#[derive(Debug)]
pub(super) struct Keyless {
    plan: Plan,
    client: Client,
    then: Then,
}

/// How it goes on with the key.
#[derive(Debug)]
pub(super) enum Then {
    /// With the authorization request.
    Browser {
        bound: Bound,
        /// Whether the authorization page is tried first.
        probe: bool,
    },
    /// With the request for a code.
    Code,
    /// With the request for a token, for which nobody is needed.
    Unattended,
}

impl Keyless {
    /// Has a key made.
    pub(super) fn make_key(plan: Plan, client: Client, then: Then) -> Move {
        let keyless = Self { plan, client, then };
        (State::MakingKey(Box::new(keyless)), Action::MakeKey)
    }
}

impl Flow {
    /// Decides whether this client's tokens are bound, and to which key. `false` if there is no key
    /// yet.
    pub(super) fn bind_tokens(
        &mut self,
        plan: &mut Plan,
        client: &Client,
    ) -> Result<bool, FlowError> {
        // Whoever sends the ID token sends no access token that could be bound. The server may judge.
        if self.settings.use_id_token {
            return Ok(true);
        }
        let wishes = Wishes {
            mode: self.settings.dpop,
            challenge: self.challenge(),
            resource_requires: plan.resource_wants.dpop_required,
            resource_algorithms: plan.resource_wants.dpop_algorithms.as_deref(),
            client_requires: client.dpop_bound,
            server_algorithms: plan.server.dpop_algorithms.as_deref(),
        };
        let made = plan.binding.take().map(|binding| binding.key);
        match wishes.decide().map_err(FlowError::Dpop)? {
            Decision::Bearer => Ok(true),
            Decision::NotOffered => {
                self.note(Note::BindingNotOffered);
                Ok(true)
            }
            Decision::Bound { required } => {
                let key = made.or_else(|| known_key(plan, client));
                plan.binding = key.map(|key| Binding { key, required });
                Ok(plan.binding.is_some())
            }
        }
    }

    pub(super) fn key_made(
        &mut self,
        keyless: Keyless,
        made: Result<ProofKey, Cause>,
        now: u64,
    ) -> Move {
        let Keyless {
            mut plan,
            client,
            then,
        } = keyless;
        match made {
            Ok(key) => {
                let required = true;
                plan.binding = Some(Binding { key, required });
            }
            Err(cause) => return fail(FlowError::ProofKey(cause)),
        }
        match then {
            Then::Browser { bound, probe } => self.ask(plan, client, &bound, probe, now),
            Then::Code => self.ask_for_code(plan, client, now),
            Then::Unattended => self.send_client(plan, client, now),
        }
    }

    /// What a refresh of this grant has to prove (RFC 9449 §5).
    pub(super) fn kept_binding(&self, grant: &Grant) -> Option<Binding> {
        let required = self.settings.dpop == Mode::Always;
        let key = grant.tokens.proof_key.clone();
        key.filter(|_| self.settings.dpop != Mode::Never)
            .map(|key| Binding { key, required })
    }

    /// Leaves out of account what the cache holds in another way than the user wants it.
    pub(super) fn admit(&mut self, event: &mut Event) {
        let sign_in: &mut SignIn = match event {
            Event::CacheRead(Ok(sign_in)) | Event::Amended(Ok(sign_in)) => sign_in,
            Event::CacheChanged(sign_in) => sign_in,
            _ => return,
        };
        let unwanted = |grant: &mut Grant| match self.settings.dpop {
            Mode::Auto => false,
            Mode::Always => !grant.tokens.is_bound(),
            Mode::Never => grant.tokens.is_bound(),
        };
        let dropped = sign_in.grant.take_if(unwanted).is_some();
        // Where nobody may be asked, whoever may comes next.
        let quiet = matches!(self.goal, Goal::Silent | Goal::Renew { .. });
        if dropped && !quiet && !std::mem::replace(&mut self.told_unwanted, true) {
            self.note(Note::BindingUnwanted(self.settings.dpop));
        }
    }

    /// Notes that tokens are not bound that were to be.
    pub(super) fn check_bound(&mut self, state: &State, event: &Event) {
        let Event::TokenAnswer(Ok(tokens)) = event else {
            return;
        };
        let known = match state {
            State::Refreshing { grant, .. } => !grant.tokens.is_bound(),
            _ => false,
        };
        if tokens.proof_key.is_some() && !tokens.is_bound() && !known {
            self.note(Note::NotBound);
        }
    }
}

/// The key of this issuer, client and resource, if there is one: of a sign-in that is open, or of
/// the tokens that are to be replaced.
fn known_key(plan: &Plan, client: &Client) -> Option<ProofKey> {
    let issuer = &plan.server.issuer;
    let open = plan.task.pending.as_ref().and_then(Open::browser);
    let open = open.filter(|attempt| {
        attempt.issuer == *issuer
            && attempt.client_id == client.client_id
            && attempt.resource == plan.resource
    });
    let key = open.and_then(|attempt| attempt.proof_key.clone());
    key.or_else(|| {
        let known = plan.task.cached.clients.get(issuer)?;
        let grant = plan.task.cached.grant.as_ref()?;
        let same = grant.issuer == *issuer
            && grant.resource == plan.resource
            && known.client.client_id == client.client_id;
        grant.tokens.proof_key.clone().filter(|_| same)
    })
}
