//! One message to the remote server: sent, sent again where that is right, and its answer read to
//! the end, over as many streams as it takes. What is right is decided in `mcp::answer`.

mod reading;
mod sign_in;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Wire;
use crate::ids;
use crate::mcp::answer::{self, Refusal, Sent, Tries, Verdict};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Message, Parsed};
use crate::mcp::relay::{Event, Outgoing, OutgoingKind};
use crate::net::remote::{Answer, Broken, Carried};
use crate::oauth::challenge::Challenge;
use crate::secret::Secret;

/// Why an exchange ended without its answer.
enum Ended {
    /// It failed.
    Failed(Failure),
    /// Nobody signed in in time; the server had refused it.
    NotSignedIn,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Sends one message and reports what comes of it.
pub(super) async fn run(wire: Arc<Wire>, outgoing: Outgoing, events: mpsc::Sender<(u64, Event)>) {
    let mut exchange = Exchange {
        wire,
        outgoing,
        events,
        tries: Tries::default(),
        sign_ins: 0,
        step_ups: 0,
        token: None,
        turn: None,
    };
    match exchange.run().await {
        Ok(()) => {}
        Err(Ended::NotSignedIn) => exchange.report(Event::NotSignedIn).await,
        Err(Ended::Failed(mut failure)) => {
            failure.hide(exchange.secrets());
            exchange.report(Event::Failed(failure)).await;
        }
    }
}

struct Exchange {
    wire: Arc<Wire>,
    outgoing: Outgoing,
    events: mpsc::Sender<(u64, Event)>,
    tries: Tries,
    sign_ins: u32,
    step_ups: u32,
    token: Option<Secret>,
    /// The right to have the server work on a request; given up while it has nothing to do.
    turn: Option<OwnedSemaphorePermit>,
}

impl Exchange {
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            self.token = self.bearer().await?;
            self.turn = match self.is_request() {
                true => self.wire.remote.turn().await,
                false => None,
            };
            let carried = Carried {
                token: self.token.as_ref(),
                session: self.outgoing.session.as_deref(),
            };
            match self
                .wire
                .remote
                .post(self.outgoing.body.clone(), carried)
                .await
            {
                Ok(answer) if answer.is_success() => return self.deliver(answer).await,
                Ok(answer) => {
                    if self.mend(answer).await? {
                        return Ok(());
                    }
                }
                Err(broken) => self.broken(&broken).await?,
            }
        }
    }

    /// What grants access to the server, and what a server may repeat in a refusal.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let session = self.outgoing.session.as_deref();
        let session_id = session.and_then(|session| session.id.as_ref());
        let ours = self.token.iter().chain(session_id).map(Secret::expose);
        ours.chain(self.wire.remote.secrets())
    }

    async fn report(&self, event: Event) {
        // The bridge has ended when nobody listens.
        let _ = self.events.send((self.outgoing.exchange, event)).await;
    }

    fn sent(&self) -> Sent<'_> {
        Sent {
            request: match &self.outgoing.kind {
                OutgoingKind::Request(method) => Some(method),
                OutgoingKind::Notification(_) | OutgoingKind::Response => None,
            },
            with_session: self
                .outgoing
                .session
                .as_ref()
                .is_some_and(|session| session.id.is_some()),
            server: &self.wire.server,
        }
    }

    fn is_request(&self) -> bool {
        matches!(self.outgoing.kind, OutgoingKind::Request(_))
    }

    /// Deals with an answer that is no success. `true` if nothing is left to do.
    async fn mend(&mut self, mut answer: Answer) -> Result<bool, Ended> {
        let challenge = self.challenge(&answer);
        let location = self.wire.remote.redirect_target(&answer);
        let location = location.map(|location| ids::display_url(&location));
        let body = answer.error_body().await;
        self.turn = None;
        let refusal = Refusal {
            status: answer.status,
            body: &body,
            retry_after: answer.retry_after(SystemTime::now()),
            insufficient_scope: challenge
                .as_ref()
                .is_some_and(|challenge| challenge.error.as_deref() == Some("insufficient_scope")),
            location: location.as_deref(),
        };
        let mut tries = self.tries.clone();
        let verdict = answer::judge(self.sent(), refusal, &mut tries);
        self.tries = tries;
        match verdict {
            Verdict::SignIn => self.sign_in(challenge).await?,
            Verdict::StepUp => self.step_up(challenge).await?,
            Verdict::SessionLost => {
                self.report(Event::SessionLost).await;
                return Ok(true);
            }
            Verdict::Deliver(message) => {
                self.report(Event::Reply(message)).await;
                return Ok(true);
            }
            Verdict::Redirect => self.follow(&answer)?,
            Verdict::Again(wait) => {
                self.wait(wait, &format!("it answered {}", refusal.status))
                    .await
            }
            Verdict::Fail(failure) => return Err(failure.into()),
        }
        Ok(false)
    }

    fn challenge(&self, answer: &Answer) -> Option<Challenge> {
        let reading = answer.challenge();
        for remark in &reading.remarks {
            self.wire.diag.debug(remark);
        }
        reading.challenge
    }

    async fn broken(&mut self, broken: &Broken) -> Result<(), Failure> {
        self.turn = None;
        let mut tries = self.tries.clone();
        let verdict = answer::judge_broken(self.sent(), broken.delivery, &broken.cause, &mut tries);
        self.tries = tries;
        match verdict {
            Verdict::Again(wait) => {
                self.wait(wait, &broken.cause).await;
                Ok(())
            }
            Verdict::Fail(failure) => Err(failure),
            _ => Err(Failure::new(Stage::Http, false, broken.cause.clone())),
        }
    }

    async fn wait(&self, wait: Duration, why: &str) {
        self.wire.diag.note(format_args!(
            "sending again in {:.1} s: {why}",
            wait.as_secs_f32()
        ));
        tokio::time::sleep(wait).await;
    }

    fn follow(&self, answer: &Answer) -> Result<(), Failure> {
        self.wire.remote.follow(answer).map_err(|target| {
            let server = &self.wire.server;
            let detail = match target {
                Some(target) => format!(
                    "`{server}` redirects to `{target}`; tokens are not sent to another origin, so configure that address if you trust it"
                ),
                None => format!("`{server}` redirects without saying where to"),
            };
            Failure { status: Some(answer.status), ..Failure::new(Stage::Http, false, detail) }
        })
    }
}

/// The messages of one event's data.
pub(super) fn parse_event(data: Bytes, note: impl Fn(String)) -> Vec<Message> {
    match jsonrpc::parse_any(data) {
        Ok(parsed) => messages(parsed, note),
        Err(malformed) => {
            note(format!(
                "skipped an event that is no message: {}",
                malformed.reason
            ));
            Vec::new()
        }
    }
}

fn messages(parsed: Parsed, note: impl Fn(String)) -> Vec<Message> {
    match parsed {
        Parsed::Single(message) => vec![message],
        Parsed::Batch(entries) => entries
            .into_iter()
            .filter_map(|entry| {
                entry
                    .map_err(|malformed| {
                        note(format!("skipped a part of an array: {}", malformed.reason))
                    })
                    .ok()
            })
            .collect(),
    }
}
