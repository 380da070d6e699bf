//! The part of the flow that follows the authorization request: what the browser and the token
//! endpoint say to it.

use super::plan::Plan;
use super::{Action, Amendment, Flow, FlowError, Goal, Move, Note, ResourceChoice, State, fail};
use crate::ids::ResourceId;
use crate::oauth::authorize::{Attempt, Callback, CallbackError};
use crate::oauth::discovery::Fetched;
use crate::oauth::pushed::PushRequest;
use crate::oauth::registration::Client;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::{Cause, Effect, Refusal, TokenError, TokenRequest};
use crate::secret::Secret;

/// Longest pause before a code is handed in again that was not looked at, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// An authorization request that was made.
#[derive(Debug)]
pub(super) struct Asked {
    pub plan: Plan,
    pub client: Client,
    pub attempt: Box<Attempt>,
    /// Where the request is left, if it is, and until when, in seconds since the epoch.
    pub pushed: Option<(Box<PushRequest>, u64)>,
    /// Whether a code was handed in with a `resource` that the server refused.
    code_offered: bool,
}

impl Asked {
    pub(super) fn new(plan: Plan, client: Client, attempt: Box<Attempt>) -> Self {
        Self {
            plan,
            client,
            attempt,
            pushed: None,
            code_offered: false,
        }
    }

    /// The same with its attempt in another form.
    pub(super) fn with(mut self, attempt: Attempt) -> Self {
        *self.attempt = attempt;
        self
    }

    pub(super) fn can_replace_client(&self) -> bool {
        self.plan.can_replace(&self.client)
    }

    /// Whether this says that the client will not do. The redirect URIs of a document are part of
    /// it; those of a registered client were accepted.
    fn is_refused(&self, refusal: &Refusal) -> bool {
        refusal.names_unknown_client() || self.client.document && refusal.names_redirect_uri()
    }

    /// The redirect URI of a client of the user's own is theirs to mend.
    pub(super) fn redirect_uri_refused(self, refusal: Refusal) -> FlowError {
        FlowError::RedirectUriRefused {
            uri: self.attempt.redirect_uri,
            client_id: self.client.client_id,
            refusal,
        }
    }

    /// Shows the person where to sign in.
    pub(super) fn open(self, resumed: bool) -> Move {
        let action = Action::OpenBrowser {
            attempt: self.attempt.clone(),
            resumed,
        };
        (State::OpeningBrowser(self), action)
    }

    /// Fetches the page first, as the browser will.
    pub(super) fn probe(self) -> Move {
        let action = Action::Probe(self.attempt.clone());
        (State::Probing(self), action)
    }
}

impl Flow {
    /// A server that has forgotten a client shows a page about it and never sends the browser back,
    /// so a client of which nothing was heard for long is tried first.
    ///
    /// One that it still knows it sends on to sign in. What the page there says is no word about the
    /// client unless it names it: such a page may refuse us because we came without its cookie.
    pub(super) fn probed(&mut self, asked: Asked, fetched: &Fetched, now: u64) -> Move {
        if let Ok(reply) = fetched {
            let refusal = Refusal::read(reply.status, &reply.body);
            let sent_on = reply.url != asked.attempt.address.0;
            let dead = !sent_on && matches!(reply.status, 400 | 404 | 422)
                || (400..500).contains(&reply.status) && asked.is_refused(&refusal);
            if dead && asked.can_replace_client() {
                return self.replace_client(asked.plan, &asked.client, &refusal.to_string());
            }
        }
        self.history.opened(now);
        asked.open(false)
    }

    pub(super) fn client_forgotten(
        &mut self,
        mut plan: Plan,
        outcome: Result<SignIn, Cause>,
        now: u64,
    ) -> Move {
        // If it could not be written, it is forgotten in this flow all the same. If another process
        // has registered meanwhile, its client is used.
        if let Ok(cached) = outcome {
            plan.task.cached = cached;
        }
        self.approach(plan, now)
    }

    pub(super) fn visited(&mut self, asked: Asked, query: &str, now: u64) -> Move {
        match asked.attempt.judge(query) {
            Callback::Stray(why) => {
                self.note(Note::StrayVisit(why));
                await_callback(asked)
            }
            Callback::Code(code) => self.exchange(asked, code),
            Callback::Failed(CallbackError::Refused(refusal)) => {
                self.sign_in_refused(asked, refusal, now)
            }
            Callback::Failed(error) => {
                if matches!(error, CallbackError::Declined(_))
                    && matches!(self.goal, Goal::StepUp { .. })
                {
                    self.history.declined(&asked.attempt.scopes);
                }
                fail(FlowError::SignIn(error))
            }
        }
    }

    fn sign_in_refused(&mut self, asked: Asked, refusal: Refusal, now: u64) -> Move {
        if refusal.error.as_deref() == Some("invalid_scope")
            && let Some(scopes) = self.narrower(&asked.plan, &asked.attempt.scopes)
        {
            return self.narrow(asked.plan, scopes, now);
        }
        let mut asked = asked;
        if refusal.error.as_deref() == Some("invalid_scope") {
            match self.with_scopes_registered(asked.plan, &asked.client, now) {
                Ok(next) => return next,
                Err(plan) => asked.plan = *plan,
            }
        }
        if asked.is_refused(&refusal) && asked.can_replace_client() {
            return self.replace_client(asked.plan, &asked.client, &refusal.to_string());
        }
        if refusal.refuses_resource() {
            return match self.without_resource(asked.plan, &refusal) {
                Ok(plan) => self.approach(plan, now),
                Err(_) => fail(FlowError::SignIn(CallbackError::Refused(refusal))),
            };
        }
        if refusal.names_redirect_uri() && !asked.client.registered {
            return fail(asked.redirect_uri_refused(refusal));
        }
        fail(FlowError::SignIn(CallbackError::Refused(refusal)))
    }

    /// Leaves out of a request the `resource`, which the server refused, if it was our idea to name
    /// one. Says whether the request is another now, and worth another try.
    ///
    /// RFC 8707 §2 has servers refuse a resource that they do not know; many that know only one take
    /// the same request without it. Where it is taken so, that is remembered of the issuer.
    pub(super) fn leave_out_resource(
        &mut self,
        resource: &mut Option<ResourceId>,
        refusal: &Refusal,
    ) -> bool {
        let ours = self.settings.resource == ResourceChoice::Discovered;
        if !ours || resource.take().is_none() {
            return false;
        }
        self.note(Note::ResourceRefused(refusal.clone()));
        true
    }

    /// The same plan without the `resource`, which the server refused, if that helps.
    pub(super) fn without_resource(
        &mut self,
        mut plan: Plan,
        refusal: &Refusal,
    ) -> Result<Plan, Box<Plan>> {
        match self.leave_out_resource(&mut plan.resource, refusal) {
            true => {
                plan.resource_refused = true;
                Ok(plan)
            }
            false => Err(Box::new(plan)),
        }
    }

    /// Fewer scopes than these, which were refused.
    pub(super) fn narrower(&self, plan: &Plan, scopes: &[String]) -> Option<Vec<String>> {
        let may = !matches!(self.goal, Goal::StepUp { .. });
        may.then(|| self.sources(plan).narrowed(scopes))?
    }

    pub(super) fn narrow(&mut self, mut plan: Plan, scopes: Vec<String>, now: u64) -> Move {
        self.note(Note::ScopesNarrowed(scopes.clone()));
        plan.scopes = scopes;
        self.approach(plan, now)
    }

    fn exchange(&self, asked: Asked, code: Secret) -> Move {
        let grant = asked.attempt.exchange(code);
        let request = Box::new(TokenRequest {
            endpoint: asked.attempt.token_endpoint.clone(),
            client: asked.client.clone(),
            resource: asked.attempt.resource.clone(),
            params: self.settings.token_params(&grant),
            grant,
            binding: asked.plan.binding.clone(),
        });
        let action = Action::RequestToken {
            request: request.clone(),
            after: 0,
        };
        let state = State::Exchanging {
            asked,
            request,
            again: false,
        };
        (state, action)
    }

    /// The server looked at the request and not at the code, so that the code may still be good.
    fn exchange_without_resource(
        &mut self,
        mut asked: Asked,
        mut request: Box<TokenRequest>,
        refusal: Refusal,
    ) -> Move {
        match self.without_resource(asked.plan, &refusal) {
            Ok(plan) => asked.plan = plan,
            Err(_) => return fail(FlowError::Exchange(TokenError::InvalidTarget(refusal))),
        }
        asked.code_offered = true;
        asked.attempt.resource = None;
        request.resource = None;
        let action = Action::RequestToken {
            request: request.clone(),
            after: 0,
        };
        let state = State::Exchanging {
            asked,
            request,
            again: false,
        };
        (state, action)
    }

    pub(super) fn exchanged(&mut self, asked: &Asked, tokens: TokenSet, now: u64) -> Move {
        let Asked {
            plan,
            client,
            attempt,
            ..
        } = asked;
        let grant = Box::new(Grant::new(
            plan.server.issuer.clone(),
            attempt.resource.clone(),
            attempt.scopes.clone(),
            tokens,
            now,
        ));
        let amendment = Amendment::PutGrant(grant.clone(), plan.known(client));
        (
            State::SavingGrant { grant },
            Action::Amend(Box::new(amendment)),
        )
    }

    pub(super) fn exchange_failed(
        &mut self,
        asked: Asked,
        request: Box<TokenRequest>,
        again: bool,
        error: TokenError,
        now: u64,
    ) -> Move {
        match error {
            TokenError::ClientDead(refusal) if asked.can_replace_client() => {
                self.replace_client(asked.plan, &asked.client, &refusal.to_string())
            }
            TokenError::Refused(refusal)
                if asked.is_refused(&refusal) && asked.can_replace_client() =>
            {
                self.replace_client(asked.plan, &asked.client, &refusal.to_string())
            }
            TokenError::InvalidScope(refusal) => {
                match self.narrower(&asked.plan, &asked.attempt.scopes) {
                    Some(scopes) => self.narrow(asked.plan, scopes, now),
                    None => self
                        .with_scopes_registered(asked.plan, &asked.client, now)
                        .unwrap_or_else(|_| {
                            fail(FlowError::Exchange(TokenError::InvalidScope(refusal)))
                        }),
                }
            }
            TokenError::InvalidTarget(refusal) if !asked.code_offered => {
                self.exchange_without_resource(asked, request, refusal)
            }
            // The code was spent on the refusal: the person has to bring another.
            TokenError::GrantDead(_) if asked.code_offered && self.history.allows(now) => {
                self.approach(asked.plan, now)
            }
            // RFC 6749 §4.1.2: a code is spent once. Only one that was certainly not looked at is
            // handed in again.
            TokenError::Unavailable(outage)
                if !again
                    && outage.effect == Effect::None
                    && outage.retry_after.unwrap_or(1) <= LONGEST_PAUSE =>
            {
                let action = Action::RequestToken {
                    request: request.clone(),
                    after: outage.retry_after.unwrap_or(1),
                };
                let state = State::Exchanging {
                    asked,
                    request,
                    again: true,
                };
                (state, action)
            }
            error => fail(FlowError::Exchange(error)),
        }
    }
}

pub(super) fn await_callback(asked: Asked) -> Move {
    // What the address refers to is renewed when it ends.
    let renewed_at = asked.pushed.as_ref().map(|(_, until)| *until);
    let until = asked.attempt.lapses_at.min(renewed_at.unwrap_or(u64::MAX));
    (
        State::AwaitingCallback(asked),
        Action::AwaitCallback { until },
    )
}
