//! One message to the remote server: sent, sent again where that is right, and its answer read to
//! the end, over as many streams as it takes. What is right is decided in `mcp::answer`.

mod events;
mod reading;
mod sign_in;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::Wire;
use crate::ids;
use crate::mcp::answer::{self, Delivery, Refusal, Sent, Tries, Verdict, What};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Id, Malformed, Meant, Message, Parsed};
use crate::mcp::relay::{Event, Outgoing, OutgoingKind};
use crate::net::remote::{Answer, Broken, Way};
use crate::oauth::challenge::Challenge;
use crate::oauth::credential::Credential;
use crate::secret::Secret;

/// How often the relay is told that a message still waits.
const REPORTS: Duration = Duration::from_secs(10);
/// A wait that is worth telling the AI client of.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// Why an exchange ended without its answer.
enum Ended {
    /// It failed.
    Failed(Failure),
    /// It took too long; the server may still be at work.
    GaveUp(Failure),
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
        tries: Exchange::first_tries(&outgoing.kind),
        id: Id::from_number(outgoing.exchange),
        issues: 1,
        outgoing,
        events,
        sign_ins: 0,
        step_ups: 0,
        credential: None,
        turn: None,
        way: Way::default(),
    };
    match exchange.run().await {
        Ok(()) => {}
        Err(Ended::NotSignedIn) => exchange.report(Event::NotSignedIn).await,
        Err(Ended::Failed(mut failure)) => {
            failure.hide(exchange.secrets());
            exchange.report(Event::Failed(failure)).await;
        }
        Err(Ended::GaveUp(mut failure)) => {
            failure.hide(exchange.secrets());
            exchange.report(Event::GaveUp(failure)).await;
        }
    }
}

struct Exchange {
    wire: Arc<Wire>,
    outgoing: Outgoing,
    events: mpsc::Sender<(u64, Event)>,
    tries: Tries,
    /// The id of the request as it was sent last, and how often it was sent as another one.
    id: Id,
    issues: u32,
    sign_ins: u32,
    step_ups: u32,
    credential: Option<Credential>,
    /// The right to have the server work on a request; given up while it has nothing to do.
    turn: Option<OwnedSemaphorePermit>,
    way: Way,
}

impl Exchange {
    /// Requests by the hundred wait in the frame of this for their answers. What few need, and what
    /// is large, is therefore apart.
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            self.credential = match self.wire.access.at_hand() {
                Some(credential) => credential,
                None => Box::pin(self.credential()).await?,
            };
            self.turn = match self.is_request() && !self.is_subscription() {
                true => self.wire.remote.turn().await,
                false => None,
            };
            match self.send().await {
                Ok(answer) if answer.is_success() => return self.receive(answer).await,
                Ok(answer) => {
                    if Box::pin(self.mend(answer)).await? {
                        return Ok(());
                    }
                }
                Err(broken) => Box::pin(self.broken(&broken)).await?,
            }
        }
    }

    /// What grants access to the server, and what a server may repeat in a refusal.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let session = self.outgoing.session.as_deref();
        let session_id = session.and_then(|session| session.id.as_ref());
        let token = self.credential.as_ref().map(|credential| &credential.token);
        let ours = token.into_iter().chain(session_id).map(Secret::expose);
        ours.chain(self.endpoint_secrets())
            .chain(self.wire.remote.secrets())
    }

    async fn report(&self, event: Event) {
        // The bridge has ended when nobody listens.
        let _ = self.events.send((self.outgoing.exchange, event)).await;
    }

    fn sent(&self) -> Sent<'_> {
        Sent {
            what: match &self.outgoing.kind {
                OutgoingKind::Request(method) => What::Request {
                    method,
                    repeatable: self.outgoing.repeatable,
                },
                OutgoingKind::Events { .. } => What::Stream,
                OutgoingKind::Notification(method) => What::notification(method),
                OutgoingKind::Response => What::Response,
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

    /// A subscription lasts as long as the client wants it, and must not keep others waiting.
    fn is_subscription(&self) -> bool {
        matches!(&self.outgoing.kind, OutgoingKind::Request(method) if &**method == "subscriptions/listen")
    }

    /// Deals with an answer that is no success. `true` if nothing is left to do.
    async fn mend(&mut self, mut answer: Answer) -> Result<bool, Ended> {
        let challenge = self.challenge(&answer);
        let target = answer.target();
        let location = target.as_ref().map(|target| ids::display_url(&target.url));
        let body = answer.error_body().await;
        self.turn = None;
        if self.is_lost(&answer, &body) {
            self.report(Event::SessionLost).await;
            return Ok(true);
        }
        let refusal = Refusal {
            status: answer.status,
            body: &body,
            retry_after: answer.retry_after(SystemTime::now()),
            insufficient_scope: challenge
                .as_ref()
                .is_some_and(|challenge| challenge.error.as_deref() == Some("insufficient_scope")),
            location: location.as_deref(),
            location_is_ours: target.is_some_and(|target| target.is_ours),
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
            Verdict::Deliver(error) => {
                let status = answer.status;
                self.report(Event::Refused { status, error }).await;
                return Ok(true);
            }
            Verdict::Redirect => self.way.to = self.wire.remote.follow(&answer),
            Verdict::Renew => {
                self.wire.diag.debug(format_args!(
                    "sending again on a new connection: it answered {}",
                    refusal.status
                ));
                self.way.alone = true;
            }
            Verdict::Again(wait) => {
                self.wait(wait, &format!("it answered {}", refusal.status))
                    .await
            }
            Verdict::GiveUp(failure) => return Err(Ended::GaveUp(failure)),
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

    async fn broken(&mut self, broken: &Broken) -> Result<(), Ended> {
        self.turn = None;
        let mut tries = self.tries.clone();
        let verdict = answer::judge_broken(self.sent(), broken.delivery, &broken.cause, &mut tries);
        self.tries = tries;
        match verdict {
            Verdict::Again(wait) => {
                self.wait(wait, &broken.cause).await;
                if broken.delivery != Delivery::NotSent {
                    self.issue_anew();
                }
                Ok(())
            }
            Verdict::GiveUp(failure) => Err(Ended::GaveUp(failure)),
            Verdict::Fail(failure) => Err(failure.into()),
            _ => Err(Failure::new(Stage::Http, false, broken.cause.clone()).into()),
        }
    }

    /// A server without sessions may have had the request, and would take the same id for the same
    /// request (MCP 2026-07-28, Transports, Streamable HTTP): this is another one.
    fn issue_anew(&mut self) {
        if self.outgoing.head.is_none() {
            return;
        }
        if let Ok(request) = jsonrpc::parse(self.outgoing.body.clone()) {
            self.issues += 1;
            let id = format!("{}.{}", self.outgoing.exchange, self.issues);
            self.id = Id::from_plain(&id);
            self.outgoing.body = request.with_id(&self.id);
        }
    }

    async fn wait(&self, wait: Duration, why: &str) {
        self.wire.diag.note(format_args!(
            "sending again in {:.1} s: {why}",
            wait.as_secs_f32()
        ));
        let until = Instant::now() + wait;
        // Clients that extend their time limit on progress do not give up meanwhile.
        while wait >= WORTH_TELLING && Instant::now() < until {
            let why = format!("waiting to send the request again: {why}");
            self.report(Event::Waiting { why }).await;
            tokio::time::sleep_until(until.min(Instant::now() + REPORTS)).await;
        }
        tokio::time::sleep_until(until).await;
    }
}

/// What a body, or the data of an event, holds.
pub(super) enum Part {
    /// A message.
    Message(Message),
    /// The answer to the request with this id, which is no message, and why.
    NoMessage(Id, &'static str),
}

impl From<Part> for Event {
    fn from(part: Part) -> Self {
        match part {
            Part::Message(message) => Self::Message(message),
            Part::NoMessage(id, reason) => Self::NoMessage { id, reason },
        }
    }
}

/// What a body, or the data of an event, holds. Nearly always that is one part, for which nothing is
/// allocated.
pub(super) type Parts = std::iter::Chain<std::option::IntoIter<Part>, std::vec::IntoIter<Part>>;

fn all_of(first: Option<Part>, others: Vec<Part>) -> Parts {
    first.into_iter().chain(others)
}

/// The parts of one event's data.
pub(super) fn parse_event(data: Bytes, note: impl Fn(String)) -> Parts {
    let data = jsonrpc::without_byte_order_mark(data);
    match jsonrpc::parse_or_return(data) {
        Ok(parsed) => parts(parsed, note),
        Err((malformed, data)) => {
            note(format!(
                "skipped an event that is no message: {}",
                malformed.reason
            ));
            let id = jsonrpc::answered_id(&data);
            all_of(
                id.map(|id| Part::NoMessage(id, malformed.reason)),
                Vec::new(),
            )
        }
    }
}

fn parts(parsed: Parsed, note: impl Fn(String)) -> Parts {
    let entries = match parsed {
        Parsed::Single(message) => return all_of(Some(Part::Message(message)), Vec::new()),
        Parsed::Batch(entries) => entries,
    };
    let part = |entry: Result<Message, Malformed>| match entry {
        Ok(message) => Some(Part::Message(message)),
        Err(malformed) => {
            note(format!("skipped a part of an array: {}", malformed.reason));
            let id = malformed
                .id
                .filter(|_| malformed.meant == Meant::Response)?;
            Some(Part::NoMessage(id, malformed.reason))
        }
    };
    all_of(None, entries.into_iter().filter_map(part).collect())
}
