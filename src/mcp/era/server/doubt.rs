//! Whether a server without sessions is still one: it may be replaced while this process runs (MCP
//! 2026-07-28, Versioning, Backward Compatibility: the client asks again if what it assumed fails).
//!
//! A request that is refused as a server of the other era would refuse it waits for an answer to
//! `server/discover`. Only if that shows another era is the session lost, as the relay sees it, and
//! what was refused is sent again in the next one.

use super::super::verdict::{self, Finding, Protocol};
use super::{Era, Leg, ServerSide, is_underway};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{INVALID_PARAMS, METHOD_NOT_FOUND, Message};
use crate::mcp::relay::Event;
use crate::mcp::session;

/// What waits for the server to say what it is: requests, with what came of each.
#[derive(Debug)]
pub(super) struct Doubt(Vec<(u64, Event)>);

/// What an answer to `server/discover` says of the server's era; `None` if nothing: an outage never
/// decides.
pub(super) fn finding(event: &Event) -> Option<Finding> {
    match event {
        Event::Reply(answer) => Some(verdict::of_answer(answer)),
        Event::Refused { status, error } => {
            let finding = verdict::of_error(error);
            let decides = finding != Finding::Initialize || verdict::is_refusal(*status);
            decides.then_some(finding)
        }
        Event::Failed(failure) | Event::GaveUp(failure) => {
            verdict::means_initialize(failure).then_some(Finding::Initialize)
        }
        Event::Accepted | Event::NoMessage { .. } => Some(Finding::Initialize),
        _ => None,
    }
}

/// Whether an answer to `server/discover` says that the server opens with `initialize` only.
pub(super) fn decides_for_sessions(event: &Event) -> bool {
    finding(event) == Some(Finding::Initialize)
}

/// Whether a server that opens with `initialize` would refuse a request so that comes without.
fn raises_doubt(event: &Event) -> bool {
    match event {
        Event::Refused { status, error } => {
            let code = error.body_member("code").and_then(|code| code.parse().ok());
            let means_it = code == Some(INVALID_PARAMS)
                || *status == 404 && code == Some(METHOD_NOT_FOUND)
                || verdict::shows_new_era(error)
                || verdict::is_of_new_era(error);
            verdict::is_refusal(*status) && !means_it
        }
        Event::Failed(Failure { stage, status, .. })
        | Event::GaveUp(Failure { stage, status, .. }) => {
            *stage == Stage::Http && status.is_some_and(verdict::is_refusal)
        }
        _ => false,
    }
}

impl ServerSide {
    /// Has a request that was refused wait for what the server is, if that is doubtful. Gives back
    /// what is to be dealt with at once.
    pub(super) fn doubted(&mut self, number: u64, event: Event) -> Option<Event> {
        let Some(version) = self.stateless() else {
            return Some(event);
        };
        if self.protocol != Protocol::Auto || !raises_doubt(&event) {
            return Some(event);
        }
        let Some(call) = self.calls.get_mut(&number) else {
            return Some(event);
        };
        if std::mem::replace(&mut call.doubted, true) {
            return Some(event);
        }
        call.exchange = None;
        match &mut self.doubt {
            Some(doubt) => doubt.0.push((number, event)),
            None => {
                self.doubt = Some(Doubt(vec![(number, event)]));
                self.discover(Leg::Doubt, version, false);
            }
        }
        None
    }

    /// What came of the question.
    pub(super) fn doubt_event(&mut self, exchange: u64, event: Event) {
        if is_underway(&event) {
            return;
        }
        self.legs.remove(&exchange);
        let Some(Doubt(held)) = self.doubt.take() else {
            return;
        };
        let has_sessions = decides_for_sessions(&event);
        if has_sessions {
            self.has_sessions_now();
        }
        for (number, event) in held {
            // It may have been cancelled meanwhile.
            match (self.calls.contains_key(&number), has_sessions) {
                (false, _) => {}
                (true, true) => self.lose_call(number),
                (true, false) => self.call_ended(number, event),
            }
        }
    }

    /// The server has been replaced by one that opens with `initialize`.
    pub(super) fn has_sessions_now(&mut self) {
        self.detail("the server speaks a revision with sessions now");
        self.era = Era::Initialize {
            asked: true,
            sure: true,
            other: None,
        };
    }

    /// The server that a request was for is not what it was: the relay opens its session again, and
    /// sends again what was refused unseen.
    pub(super) fn lose_call(&mut self, number: u64) {
        if let Some(call) = self.calls.remove(&number) {
            self.end_call(number, &call);
        }
        self.tell(number, Event::SessionLost);
    }

    /// Whether a refusal in a session shows that the server has none any more.
    pub(super) fn shows_upgrade(&self, event: &Event) -> bool {
        self.protocol == Protocol::Auto
            && matches!(event, Event::Refused { status: 400, error } if verdict::is_of_new_era(error))
    }
}

/// Whether a refusal of the version offers nothing but revisions with sessions.
pub(super) fn offers_sessions_only(error: &Message) -> bool {
    verdict::offered(error).is_none() && session::offered_instead(error).is_some()
}
