//! The part of the flow that leaves the authorization request at the authorization server before a
//! browser refers to it (RFC 9126).

use super::answer::{Asked, await_callback};
use super::{Action, Flow, FlowError, Move, Note, State, fail};
use crate::oauth::discovery::Fetched;
use crate::oauth::pushed::{self, PushError, PushRequest};
use crate::oauth::token_endpoint::{Refusal, TokenError};

/// Longest pause before a request is left once more that was not taken, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// How often an address is renewed at most, in seconds, whatever its lifetime.
const SHORTEST: u64 = 30;

/// A request that is being left.
#[derive(Debug)]
pub(super) struct Pushing {
    asked: Asked,
    /// Whether the user has an address for it already.
    resumed: bool,
    again: bool,
}

impl Flow {
    /// Leaves the request. `resumed`: the user has an address for it already.
    pub(super) fn push(&mut self, mut asked: Asked, resumed: bool) -> Move {
        let server = &asked.plan.server;
        let endpoints = (
            &server.pushed_authorization_request_endpoint,
            &server.authorization_endpoint,
        );
        let (Some(endpoint), Some(authorization_endpoint)) = endpoints else {
            let issuer = asked.plan.server.issuer;
            return fail(FlowError::NoAuthorizationEndpoint(issuer));
        };
        let endpoint = endpoint.clone();
        let request = PushRequest::new(
            endpoint,
            &asked.client,
            &asked.attempt,
            authorization_endpoint,
        );
        asked.pushed = Some((Box::new(request), 0));
        send(asked, resumed, false, 0)
    }

    pub(super) fn pushed(&mut self, pushing: Pushing, fetched: Fetched, now: u64) -> Move {
        let Pushing {
            mut asked,
            resumed,
            again,
        } = pushing;
        match pushed::judge(fetched) {
            Ok(left) => {
                if let Some((_, until)) = &mut asked.pushed {
                    *until = now.saturating_add(left.expires_in.max(SHORTEST));
                }
                if let Some(endpoint) = &asked.plan.server.authorization_endpoint {
                    asked.attempt.refer_to(endpoint, &left.request_uri);
                }
                if !resumed {
                    self.history.opened(now);
                }
                asked.open(resumed)
            }
            Err(TokenError::Unavailable(outage))
                if !again && outage.retry_after.unwrap_or(1) <= LONGEST_PAUSE =>
            {
                send(asked, resumed, true, outage.retry_after.unwrap_or(1))
            }
            // The person may be past the page that the address led to.
            Err(error) if resumed => {
                self.note(Note::AddressNotRenewed(error.to_string()));
                asked.pushed = None;
                await_callback(asked)
            }
            Err(error) => self.push_refused(asked, error, now),
        }
    }

    fn push_refused(&mut self, asked: Asked, error: TokenError, now: u64) -> Move {
        let failed = |error| fail(FlowError::Pushed(PushError(error)));
        match error {
            TokenError::ClientDead(refusal) if asked.can_replace_client() => {
                self.replace_client(asked.plan, &asked.client, &refusal.to_string())
            }
            // Registered with another redirect URI, as far as the server remembers.
            TokenError::Refused(refusal)
                if refuses_redirect_uri(&refusal) && asked.can_replace_client() =>
            {
                self.replace_client(asked.plan, &asked.client, &refusal.to_string())
            }
            TokenError::Refused(refusal)
                if refuses_redirect_uri(&refusal) && !asked.client.registered =>
            {
                fail(asked.redirect_uri_refused(refusal))
            }
            TokenError::InvalidScope(refusal) => {
                match self.narrower(&asked.plan, &asked.attempt.scopes) {
                    Some(scopes) => self.narrow(asked.plan, scopes, now),
                    None => failed(TokenError::InvalidScope(refusal)),
                }
            }
            TokenError::InvalidTarget(refusal) => match self.without_resource(asked.plan, &refusal)
            {
                Ok(plan) => self.approach(plan, now),
                Err(_) => failed(TokenError::InvalidTarget(refusal)),
            },
            error => failed(error),
        }
    }

    /// The address that the user has ends now; another one leads to the same sign-in.
    pub(super) fn callback_missed(&mut self, asked: Asked, now: u64) -> Move {
        let left = asked.attempt.lapses_at.saturating_sub(now);
        match &asked.pushed {
            Some(_) if left > 0 => send(asked, true, false, 0),
            _ => fail(FlowError::TimedOut(self.settings.auth_timeout)),
        }
    }
}

/// RFC 7591 §3.2.2 has a code for it; RFC 9126 §2.3 leaves it to `invalid_request` and words.
fn refuses_redirect_uri(refusal: &Refusal) -> bool {
    let words = refusal.description.as_deref().unwrap_or_default();
    match refusal.error.as_deref() {
        Some("invalid_redirect_uri") => true,
        Some("invalid_request") => words.to_ascii_lowercase().contains("redirect_uri"),
        _ => false,
    }
}

fn send(asked: Asked, resumed: bool, again: bool, after: u64) -> Move {
    let Some((request, _)) = &asked.pushed else {
        // Only what was prepared for it is sent.
        return await_callback(asked);
    };
    let action = Action::Push {
        request: request.clone(),
        after,
    };
    let pushing = Pushing {
        asked,
        resumed,
        again,
    };
    (State::Pushing(pushing), action)
}
