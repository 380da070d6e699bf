//! The task: who runs which flow, and who waits for it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::LoginError;
use super::rim::{self, Outcome, Rim, now};
use crate::oauth::flow::Goal;
use crate::oauth::schedule::{Moment, Next, Schedule};
use crate::oauth::scope::History;
use crate::oauth::token::Grant;

/// How long the end of the program waits for an answer that must not be lost, and for browsers to
/// take their last page.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a caller gets.
pub(super) type Reply = oneshot::Sender<Result<Option<Grant>, LoginError>>;

/// What the task is asked for.
pub(super) enum Command {
    /// A token that can be had without a person.
    Silent(Reply),
    /// The token seems to be due: look at the clock, nobody waits.
    Look,
    /// A token, by whatever it takes.
    Ask(Goal, Reply),
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The task: who runs which flow, and who waits for it.
pub(super) struct Owner {
    rim: Arc<Rim>,
    commands: mpsc::Receiver<Command>,
    grant: watch::Sender<Option<Grant>>,
    /// A flow that asks nobody.
    silent: Option<Running>,
    silent_waiters: Vec<Reply>,
    /// A flow that may ask a person.
    asking: Option<Running>,
    asking_waiters: Vec<Reply>,
    /// Those whose goal may differ from that flow's.
    queued: VecDeque<(Goal, Reply)>,
    history: History,
    pages: JoinSet<()>,
    /// When to refresh without being asked.
    schedule: Schedule,
    started: Instant,
}

impl Owner {
    pub(super) fn new(
        rim: Arc<Rim>,
        commands: mpsc::Receiver<Command>,
        grant: watch::Sender<Option<Grant>>,
    ) -> Self {
        Self {
            rim,
            commands,
            grant,
            silent: None,
            silent_waiters: Vec::new(),
            asking: None,
            asking_waiters: Vec::new(),
            queued: VecDeque::new(),
            history: History::default(),
            pages: JoinSet::new(),
            schedule: Schedule::default(),
            started: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let next = self.schedule.next(self.moment());
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                outcome = finished(&mut self.silent) => self.silent_ended(outcome),
                outcome = finished(&mut self.asking) => self.asking_ended(outcome),
                Some(_) = self.pages.join_next() => {}
                goal = due(next), if self.silent.is_none() => {
                    self.silent = goal.map(|goal| self.flow(goal));
                }
            }
        }
        // The program ends. Only what would be lost for good is waited for.
        let farewell = Instant::now() + FAREWELL;
        let _ = tokio::time::timeout_at(farewell, self.finish()).await;
    }

    async fn finish(&mut self) {
        while self.rim.busy.load(Ordering::Relaxed) > 0 {
            tokio::select! {
                outcome = finished(&mut self.silent) => self.silent_ended(outcome),
                outcome = finished(&mut self.asking) => self.asking_ended(outcome),
                // Being busy ends within a flow, too.
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        while self.pages.join_next().await.is_some() {}
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Silent(reply) => {
                self.silent_waiters.push(reply);
                if self.silent.is_none() {
                    self.silent = Some(self.flow(Goal::Silent));
                }
            }
            // Which the loop does whenever something happens.
            Command::Look => {}
            Command::Ask(goal, reply) => {
                self.queued.push_back((goal, reply));
                self.begin_asking();
            }
        }
    }

    fn flow(&self, goal: Goal) -> Running {
        Box::pin(rim::run(self.rim.clone(), goal, self.history.clone()))
    }

    fn begin_asking(&mut self) {
        if self.asking.is_none()
            && let Some((goal, reply)) = self.queued.pop_front()
        {
            self.asking_waiters.push(reply);
            self.asking = Some(self.flow(goal));
        }
    }

    fn silent_ended(&mut self, mut outcome: Outcome) {
        self.silent = None;
        // One that may ask has its own to give back.
        if self.asking.is_none() {
            self.history = std::mem::take(&mut outcome.history);
        }
        let result = self.told(outcome);
        for reply in self.silent_waiters.drain(..) {
            // Who has gone away wants no answer.
            let _ = reply.send(result.clone());
        }
    }

    /// Those that came later want a token, too: if there is one now, each looks whether it will do;
    /// if there is none, asking a person once more for each of them would not help.
    fn asking_ended(&mut self, mut outcome: Outcome) {
        self.asking = None;
        self.history = std::mem::take(&mut outcome.history);
        let result = self.told(outcome);
        for reply in self.asking_waiters.drain(..) {
            let _ = reply.send(result.clone());
        }
        if result.is_err() {
            for (_, reply) in self.queued.drain(..) {
                let _ = reply.send(result.clone());
            }
        }
        self.begin_asking();
    }

    fn told(&mut self, outcome: Outcome) -> Result<Option<Grant>, LoginError> {
        let mut pages = outcome.pages;
        self.pages
            .spawn(async move { while pages.join_next().await.is_some() {} });
        let result = match outcome.result {
            Ok(grant) => {
                self.grant.send_replace(grant.clone());
                Ok(grant)
            }
            Err(error) => {
                let server = self.rim.settings.server.host();
                let error = LoginError::Flow {
                    server,
                    error: Arc::new(error),
                };
                self.rim.diag.debug(&error);
                Err(error)
            }
        };
        let at = self.moment();
        let random = rand::random();
        self.schedule
            .ended(self.grant.borrow().as_ref(), at, random);
        result
    }

    fn moment(&self) -> Moment {
        Moment {
            now: now(),
            awake: self.started.elapsed(),
        }
    }
}

async fn finished(flow: &mut Option<Running>) -> Outcome {
    match flow {
        Some(flow) => flow.await,
        None => std::future::pending().await,
    }
}

/// Waits until the clocks are to be looked at again, or a refresh is due, which is given.
async fn due(next: Next) -> Option<Goal> {
    match next {
        Next::Idle => std::future::pending().await,
        Next::Look(wait) => {
            tokio::time::sleep(wait).await;
            None
        }
        Next::Refresh { held } => Some(Goal::Renew { held }),
    }
}
