//! How far a sign-in would get: runs the same flow, does what only asks, and stops before anything
//! that has an effect. No lock is taken, nothing is written, registered, opened or spent.

use std::collections::VecDeque;
use std::sync::Arc;

use super::rim::{Rim, now};
use crate::oauth::authorize::Randomness;
use crate::oauth::challenge::Challenge;
use crate::oauth::flow::{Action, Event, Flow, FlowError, Goal, Note, Question};
use crate::oauth::scope::History;
use crate::oauth::sign_in::SignIn;
use crate::store::Cached;

/// The port in redirect URIs that nothing listens on.
const NO_PORT: u16 = 1;

/// What a survey finds, in order.
#[derive(Debug)]
pub enum Seen {
    /// A server was asked.
    Asked {
        /// What for.
        question: Question,
        /// What it answered, without anything that grants access.
        outcome: String,
        /// The document that it answered, if it did.
        document: Option<Vec<u8>>,
    },
    /// The flow has made something of it.
    Noted(Note),
    /// The end: this would come next, and has an effect.
    Would(Box<Action>),
    /// The end: no sign-in can succeed.
    Failed(FlowError),
}

/// A sign-in that goes no further than it can without effect.
pub struct Survey {
    rim: Arc<Rim>,
    going: Option<(Flow, Action)>,
    /// What the cache holds, with what the flow would have changed in it.
    cached: SignIn,
    seen: VecDeque<Seen>,
}

impl Survey {
    pub(super) fn new(rim: Arc<Rim>, challenge: Challenge) -> Self {
        let goal = Goal::SignIn {
            since: now(),
            challenge,
        };
        let cached = match rim.store.read(&rim.key) {
            Ok(Cached::Present(sign_in)) => *sign_in,
            _ => SignIn::default(),
        };
        Self {
            going: Some(Flow::begin(rim.settings.clone(), goal, History::default())),
            rim,
            cached,
            seen: VecDeque::new(),
        }
    }

    /// What it finds next; `None` after the end.
    pub async fn next(&mut self) -> Option<Seen> {
        while self.seen.is_empty() {
            let (flow, action) = self.going.take()?;
            self.go_on(flow, action).await;
        }
        self.seen.pop_front()
    }

    async fn go_on(&mut self, flow: Flow, action: Action) {
        let question = flow.question(&action);
        let event = match action {
            Action::Fail(error) => return self.seen.push_back(Seen::Failed(error)),
            Action::ReadCache => Event::CacheRead(Ok(self.cached.clone())),
            Action::Lock => Event::Locked(Ok(())),
            Action::Unlock => Event::Unlocked,
            Action::AwaitTurn { .. } => Event::Turn(None),
            Action::Amend(amendment) => {
                amendment.apply(&mut self.cached);
                Event::Amended(Ok(self.cached.clone()))
            }
            Action::Fetch { url, after } => Event::Fetched(self.rim.fetch(url, after).await),
            Action::Bind { port, .. } => Event::Bound(Ok((port.unwrap_or(NO_PORT), unused()))),
            action => return self.seen.push_back(Seen::Would(Box::new(action))),
        };
        if let (Some(question), Some(outcome)) = (question, event.outcome()) {
            let document = match &event {
                Event::Fetched(Ok(reply)) => Some(reply.body.clone()),
                _ => None,
            };
            self.seen.push_back(Seen::Asked {
                question,
                outcome,
                document,
            });
        }
        let (mut flow, action) = flow.step(event, now());
        let notes = flow.take_notes().into_iter().map(Seen::Noted);
        self.seen.extend(notes);
        self.going = Some((flow, action));
    }
}

/// For an attempt that nobody is sent to.
fn unused() -> Randomness {
    Randomness {
        state: [0; 32],
        code_verifier: [0; 32],
    }
}
