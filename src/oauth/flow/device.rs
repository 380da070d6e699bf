//! The part of the flow that asks a person to confirm a code in a browser on any device (RFC 8628),
//! in place of sending a browser here to a page that sends it back.

use super::binding::{Keyless, Then};
use super::plan::Plan;
use super::{Action, Amendment, Flow, FlowError, Goal, Move, Note, Show, State, fail};
use crate::oauth::authorize::CallbackError;
use crate::oauth::device::{DeviceAttempt, DeviceCode, DeviceError, DeviceRequest, judge};
use crate::oauth::discovery::Fetched;
use crate::oauth::invitation::Open;
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::Client;
use crate::oauth::token::{Grant, TokenSet};
use crate::oauth::token_endpoint::{Effect, Outage, Refusal, TokenError};

/// Longest pause before a code is asked for again, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// Longest pause between two polls that the network makes necessary, in seconds.
const LONGEST_BACKOFF: u64 = 60;

/// A new code takes the place of one that has expired if the person has this long left for it, in
/// seconds.
const WORTHWHILE: u64 = 30;

/// Who asks for a code, and how long a person has for it.
#[derive(Debug)]
pub(super) struct Caller {
    plan: Plan,
    client: Client,
    request: Box<DeviceRequest>,
    /// When the person was first asked, in seconds since the epoch.
    begun_at: u64,
    /// When the person's time is over, in seconds since the epoch.
    until: u64,
    /// Whether the code takes the place of another that came to nothing.
    renewed: bool,
}

/// A code that a person has been shown.
#[derive(Debug)]
pub(super) struct Shown {
    caller: Caller,
    attempt: Box<DeviceAttempt>,
    /// Whether another process began it.
    resumed: bool,
    /// How many polls in a row got no answer.
    failures: u32,
    /// Whether a poll may have been answered with tokens that never arrived.
    may_be_spent: bool,
}

impl Flow {
    /// Decides who asks, and asks for a code.
    pub(super) fn approach_by_device(&mut self, plan: Plan, now: u64) -> Move {
        if plan.server.device_authorization_endpoint.is_none() {
            return fail(FlowError::NoDeviceGrant(plan.server.issuer));
        }
        match self.unregistered(&plan) {
            Some(Ok(client)) => self.ask_for_code(plan, client, now),
            Some(Err(error)) => fail(error),
            // Where a browser could come back to makes no difference.
            None => match plan.known_client(self.person_done_by(now)).cloned() {
                Some(client) => self.ask_for_code(plan, client, now),
                None => self.register_device(plan),
            },
        }
    }

    fn register_device(&mut self, mut plan: Plan) -> Move {
        // What is new need not be replaced.
        plan.registered_anew = true;
        match plan.server.registration_endpoint.clone() {
            Some(endpoint) => self.register(plan, endpoint, None),
            None => fail(self.no_registration(&plan)),
        }
    }

    /// Goes on with the code that another process left open, or asks for one.
    pub(super) fn ask_for_code(&mut self, mut plan: Plan, client: Client, now: u64) -> Move {
        let Some(endpoint) = plan.server.device_authorization_endpoint.clone() else {
            return fail(FlowError::NoDeviceGrant(plan.server.issuer));
        };
        match self.bind_tokens(&mut plan, &client) {
            Ok(true) => {}
            Ok(false) => return Keyless::make_key(plan, client, Then::Code),
            Err(error) => return fail(error),
        }
        let request = Box::new(DeviceRequest {
            endpoint,
            client: client.clone(),
            resource: plan.resource.clone(),
            scopes: plan.scopes.clone(),
            params: self.settings.authorize_params(&plan.server.issuer),
        });
        let pending = plan.task.pending.take();
        let mut caller = Caller {
            plan,
            client,
            request,
            begun_at: now,
            until: now.saturating_add(self.settings.auth_timeout),
            renewed: false,
        };
        if let Some(Open::Device(attempt)) = pending
            && attempt.is_continued_by(&caller.request, &caller.plan.server, now)
        {
            (caller.begun_at, caller.until) = (attempt.begun_at, attempt.until);
            let shown = Shown::new(caller, attempt, true);
            return shown.show(Show::Again);
        }
        if !self.history.allows(now) {
            return fail(FlowError::TooManyAttempts);
        }
        request_code(caller, false, 0)
    }

    pub(super) fn code_answered(
        &mut self,
        caller: Caller,
        again: bool,
        fetched: Fetched,
        now: u64,
    ) -> Move {
        match judge(fetched, &self.settings.server) {
            Ok(code) => {
                if !caller.renewed {
                    self.history.opened(now);
                }
                let attempt = Box::new(caller.attempt(code, now));
                Shown::new(caller, attempt, false).show(Show::New)
            }
            Err(TokenError::ClientDead(refusal)) if caller.can_replace_client() => {
                self.client_refused(caller, &refusal)
            }
            // Some say `invalid_request` to a client that may not ask for codes.
            Err(TokenError::Refused(refusal))
                if caller.can_replace_client() && refusal.error.is_some() =>
            {
                self.not_for_devices(caller.plan, &refusal)
            }
            Err(TokenError::InvalidScope(refusal)) => {
                match self.narrower(&caller.plan, &caller.plan.scopes) {
                    Some(scopes) => self.narrow(caller.plan, scopes, now),
                    None => self
                        .with_scopes_registered(caller.plan, &caller.client, now)
                        .unwrap_or_else(|_| {
                            fail(FlowError::Device(DeviceError(TokenError::InvalidScope(
                                refusal,
                            ))))
                        }),
                }
            }
            Err(TokenError::InvalidTarget(refusal)) => {
                match self.without_resource(caller.plan, &refusal) {
                    Ok(plan) => self.approach(plan, now),
                    Err(_) => fail(FlowError::Device(DeviceError(TokenError::InvalidTarget(
                        refusal,
                    )))),
                }
            }
            Err(TokenError::Unavailable(outage))
                if !again && outage.retry_after.unwrap_or(1) <= LONGEST_PAUSE =>
            {
                request_code(caller, true, outage.retry_after.unwrap_or(1))
            }
            Err(error) => fail(FlowError::Device(DeviceError(error))),
        }
    }

    fn client_refused(&mut self, caller: Caller, refusal: &Refusal) -> Move {
        // RFC 6749 §5.2: the server knows the client.
        if refusal.error.as_deref() == Some("unauthorized_client") {
            return self.not_for_devices(caller.plan, refusal);
        }
        self.replace_client(caller.plan, &caller.client, &refusal.to_string())
    }

    /// The client was registered for the browser only, as far as one can tell. What was granted to
    /// it that way is still good, so nothing is forgotten.
    fn not_for_devices(&mut self, plan: Plan, refusal: &Refusal) -> Move {
        self.note(Note::NotForDevices(refusal.clone()));
        self.register_device(plan)
    }

    /// The person has seen the code.
    pub(super) fn code_shown(&mut self, shown: Shown, now: u64) -> Move {
        let wait = shown.attempt.interval;
        self.poll(shown, wait, now)
    }

    fn poll(&mut self, shown: Shown, wait: u64, now: u64) -> Move {
        if now.saturating_add(wait) >= shown.attempt.lapses_at() {
            let end = shown.attempt.lapses_at();
            return self.code_lapsed(shown, end, now);
        }
        let action = Action::RequestToken {
            request: Box::new(shown.attempt.poll(
                &shown.caller.client,
                self.settings.token_params.clone(),
                shown.caller.plan.binding.clone(),
            )),
            after: wait,
        };
        (State::Polling(shown), action)
    }

    pub(super) fn polled(
        &mut self,
        mut shown: Shown,
        answer: Result<TokenSet, TokenError>,
        now: u64,
    ) -> Move {
        let error = match answer {
            Ok(tokens) => return shown.granted(tokens, now),
            Err(error) => error,
        };
        match error {
            TokenError::Pending(_) => {
                shown.failures = 0;
                self.code_shown(shown, now)
            }
            TokenError::SlowDown(_) => {
                shown.failures = 0;
                shown.attempt.slow_down();
                shown.show(Show::Slower)
            }
            TokenError::Unavailable(outage) => self.poll_failed(shown, outage, now),
            TokenError::Expired(_) => self.code_lapsed(shown, now, now),
            // An answer that was lost may have held the tokens, here or before a process died.
            TokenError::GrantDead(_)
                if (shown.resumed || shown.may_be_spent) && shown.caller.may_renew(now) =>
            {
                self.note(Note::CodeLost);
                renew(shown.caller)
            }
            TokenError::Declined(refusal) => {
                if matches!(self.goal, Goal::StepUp { .. }) {
                    self.history.declined(&shown.attempt.scopes);
                }
                fail(FlowError::SignIn(CallbackError::Declined(refusal)))
            }
            TokenError::InvalidTarget(refusal) => {
                match self.without_resource(shown.caller.plan, &refusal) {
                    Ok(plan) => self.approach(plan, now),
                    Err(_) => fail(FlowError::Exchange(TokenError::InvalidTarget(refusal))),
                }
            }
            TokenError::ClientDead(refusal) if shown.caller.can_replace_client() => {
                self.client_refused(shown.caller, &refusal)
            }
            error => fail(FlowError::Exchange(error)),
        }
    }

    /// RFC 8628 §3.5: a client that gets no answer asks less often.
    fn poll_failed(&mut self, mut shown: Shown, outage: Outage, now: u64) -> Move {
        shown.may_be_spent |= outage.effect == Effect::Unknown;
        shown.failures = shown.failures.saturating_add(1);
        let interval = shown.attempt.interval;
        let wait = match outage.retry_after {
            Some(asked) => asked.max(interval),
            None => {
                let longer = interval.saturating_mul(1 << shown.failures.min(8));
                // The last chance is not slept through.
                let left = shown.attempt.lapses_at().saturating_sub(now);
                let left = left.saturating_sub(1);
                longer.min(LONGEST_BACKOFF).min(left).max(interval)
            }
        };
        if now.saturating_add(wait) >= shown.attempt.lapses_at() {
            return fail(FlowError::Exchange(TokenError::Unavailable(outage)));
        }
        self.note(Note::PollFailed(outage.to_string()));
        self.poll(shown, wait, now)
    }

    /// The code, or the person's time for it, ends at `end`; nothing can come of it any more.
    fn code_lapsed(&mut self, shown: Shown, end: u64, now: u64) -> Move {
        if shown.caller.may_renew(now) {
            self.note(Note::CodeExpired);
            return renew(shown.caller);
        }
        fail(FlowError::NotConfirmed(
            end.saturating_sub(shown.attempt.begun_at),
        ))
    }
}

impl Caller {
    fn can_replace_client(&self) -> bool {
        self.plan.can_replace(&self.client)
    }

    /// Whether the person gets another code: once, and if they have the time.
    fn may_renew(&self, now: u64) -> bool {
        !self.renewed && self.until.saturating_sub(now) >= WORTHWHILE
    }

    fn attempt(&self, code: DeviceCode, now: u64) -> DeviceAttempt {
        DeviceAttempt {
            device_code: code.device_code,
            user_code: code.user_code,
            verification_uri: code.verification_uri,
            verification_uri_complete: code.verification_uri_complete,
            interval: code.interval,
            issuer: self.plan.server.issuer.clone(),
            client_id: self.client.client_id.clone(),
            resource: self.request.resource.clone(),
            scopes: self.request.scopes.clone(),
            token_endpoint: self.plan.server.token_endpoint.clone(),
            begun_at: self.begun_at,
            until: self.until,
            expires_at: now.saturating_add(code.expires_in),
        }
    }
}

impl Shown {
    fn new(caller: Caller, attempt: Box<DeviceAttempt>, resumed: bool) -> Self {
        Self {
            caller,
            attempt,
            resumed,
            failures: 0,
            may_be_spent: false,
        }
    }

    fn show(self, how: Show) -> Move {
        let action = Action::ShowCode {
            attempt: self.attempt.clone(),
            how,
        };
        (State::ShowingCode(self), action)
    }

    fn granted(self, tokens: TokenSet, now: u64) -> Move {
        let (attempt, plan) = (self.attempt, self.caller.plan);
        let (issuer, resource) = (attempt.issuer, attempt.resource);
        let grant = Box::new(Grant {
            mode: AuthMode::Device,
            ..Grant::new(issuer, resource, attempt.scopes, tokens, now)
        });
        let known = plan.known(&self.caller.client);
        let amendment = Amendment::PutGrant(grant.clone(), known);
        (
            State::SavingGrant { grant },
            Action::Amend(Box::new(amendment)),
        )
    }
}

fn renew(mut caller: Caller) -> Move {
    caller.renewed = true;
    request_code(caller, false, 0)
}

fn request_code(caller: Caller, again: bool, after: u64) -> Move {
    let action = Action::RequestCode {
        request: caller.request.clone(),
        after,
    };
    (State::RequestingCode { caller, again }, action)
}
