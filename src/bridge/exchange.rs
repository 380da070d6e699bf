//! One message to the remote server: sent, sent again where that is right, and its answer read to
//! the end, over as many streams as it takes. What is right is decided in `mcp::answer`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Wire;
use crate::mcp::answer::{self, BodyKind, Refusal, Sent, Tries, Verdict};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Kind, Message, Parsed};
use crate::mcp::relay::{Event, Outgoing, OutgoingKind};
use crate::mcp::sse::SseEvent;
use crate::net::remote::{Answer, Broken, Carried, EventReader, InvalidSessionId};
use crate::oauth::challenge::Challenge;
use crate::secret::Secret;

/// How often a message is sent again with another token: after a refresh that the server does not
/// honour, a person may still have to sign in.
const SIGN_INS: u32 = 2;
/// Most attempts in a row to resume a stream.
const RESUMES: u32 = 5;
/// How long a stream is read on after the answer, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);
/// When the AI client is first told that a sign-in is awaited, and how often again.
const SIGN_IN_REPORTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Sends one message and reports what comes of it. `quiet` messages never start a sign-in.
pub(super) async fn run(
    wire: Arc<Wire>,
    outgoing: Outgoing,
    events: mpsc::Sender<(u64, Event)>,
    quiet: bool,
) {
    let mut exchange = Exchange {
        wire,
        outgoing,
        events,
        quiet,
        tries: Tries::default(),
        sign_ins: 0,
        step_ups: 0,
        token: None,
    };
    if let Err(failure) = exchange.run().await {
        exchange.report(Event::Failed(failure)).await;
    }
}

struct Exchange {
    wire: Arc<Wire>,
    outgoing: Outgoing,
    events: mpsc::Sender<(u64, Event)>,
    quiet: bool,
    tries: Tries,
    sign_ins: u32,
    step_ups: u32,
    token: Option<Secret>,
}

/// Where a stream was left.
#[derive(Default)]
struct Cursor {
    last_event_id: Option<String>,
    retry: Option<Duration>,
}

impl Exchange {
    async fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.token = self.bearer().await?;
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

    async fn bearer(&self) -> Result<Option<Secret>, Failure> {
        match &self.wire.login {
            Some(login) => login.bearer().await.map_err(|error| error.failure()),
            None => Ok(None),
        }
    }

    /// Deals with an answer that is no success. `true` if nothing is left to do.
    async fn mend(&mut self, mut answer: Answer) -> Result<bool, Failure> {
        let challenge = self.challenge(&answer);
        let body = answer.error_body().await;
        let refusal = Refusal {
            status: answer.status,
            body: &body,
            retry_after: answer.retry_after(SystemTime::now()),
            insufficient_scope: challenge
                .as_ref()
                .is_some_and(|challenge| challenge.error.as_deref() == Some("insufficient_scope")),
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
            Verdict::Fail(failure) => return Err(failure),
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

    async fn sign_in(&mut self, challenge: Option<Challenge>) -> Result<(), Failure> {
        let server = &self.wire.server;
        let Some(login) = self.wire.login.clone() else {
            let detail = format!(
                "`{server}` does not accept the configured `Authorization` header; check its value"
            );
            return Err(Failure {
                status: Some(401),
                ..Failure::new(Stage::Auth, false, detail)
            });
        };
        if self.quiet || self.sign_ins >= SIGN_INS {
            let detail = format!("`{server}` does not accept the token it was given");
            return Err(Failure {
                status: Some(401),
                ..Failure::new(Stage::Auth, false, detail)
            });
        }
        self.sign_ins += 1;
        let challenge = challenge.unwrap_or_default();
        let token = self.token.take();
        let signing_in = login.challenged(token, challenge);
        self.while_signing_in(signing_in)
            .await
            .map_err(|error| error.failure())?;
        Ok(())
    }

    async fn step_up(&mut self, challenge: Option<Challenge>) -> Result<(), Failure> {
        let server = &self.wire.server;
        let (Some(login), Some(token), Some(challenge)) =
            (self.wire.login.clone(), self.token.take(), challenge)
        else {
            let detail = format!("`{server}` says that the configured credentials may not do this");
            return Err(Failure {
                status: Some(403),
                ..Failure::new(Stage::Auth, false, detail)
            });
        };
        if self.quiet || self.step_ups >= SIGN_INS {
            let detail = format!("`{server}` does not grant what this request needs");
            return Err(Failure {
                status: Some(403),
                ..Failure::new(Stage::Auth, false, detail)
            });
        }
        self.step_ups += 1;
        let signing_in = login.insufficient_scope(token, challenge);
        self.while_signing_in(signing_in)
            .await
            .map_err(|error| error.failure())?;
        Ok(())
    }

    /// Tells the AI client every now and then that the request waits for a person.
    async fn while_signing_in<T>(&self, signing_in: impl Future<Output = T>) -> T {
        let mut signing_in = std::pin::pin!(signing_in);
        let (first, again) = SIGN_IN_REPORTS;
        let mut wait = first;
        loop {
            tokio::select! {
                done = &mut signing_in => return done,
                () = tokio::time::sleep(wait) => self.report(Event::SigningIn).await,
            }
            wait = again;
        }
    }

    /// Reads a successful answer.
    async fn deliver(&mut self, answer: Answer) -> Result<(), Failure> {
        if !self.is_request() {
            self.report(Event::Accepted).await;
            // Nothing has to come; what comes all the same is dealt with.
            return match answer.body_kind {
                BodyKind::EventStream => self.read_to_end(answer.events()).await,
                _ => {
                    let _ = answer.body().await;
                    Ok(())
                }
            };
        }
        if self.outgoing.session.is_none() {
            match answer.session_id() {
                Ok(id) => self.report(Event::SessionHeader(id)).await,
                Err(InvalidSessionId) => {
                    let detail = format!(
                        "`{}` gave a session id with characters that none may have",
                        self.wire.server
                    );
                    return Err(Failure::new(Stage::Protocol, false, detail));
                }
            }
        }
        match answer.body_kind {
            BodyKind::EventStream => self.read_stream(answer.events()).await,
            reading => self.read_body(answer, reading).await,
        }
    }

    async fn read_body(&mut self, answer: Answer, body_kind: BodyKind) -> Result<(), Failure> {
        let status = answer.status;
        let body = match answer.body().await {
            Ok(body) => body,
            Err(broken) => {
                self.broken(&broken).await?;
                return Box::pin(self.run()).await;
            }
        };
        if body.trim_ascii().is_empty() {
            self.report(Event::Accepted).await;
            return Ok(());
        }
        let server = &self.wire.server;
        let parsed = jsonrpc::parse_any(body.clone()).map_err(|malformed| {
            let said = answer::plain_reason(&body).filter(|_| body_kind == BodyKind::Unknown);
            let said = said.map(|said| format!(" (“{said}”)")).unwrap_or_default();
            let detail = format!(
                "`{server}` answered {status} with something that is not JSON-RPC{said} ({}); check that the address is an MCP endpoint",
                malformed.reason
            );
            Failure { status: Some(status), ..Failure::new(Stage::Protocol, false, detail) }
        })?;
        if body_kind == BodyKind::Unknown {
            self.wire
                .diag
                .debug("the answer is JSON-RPC, but not labelled as JSON");
        }
        let mut replied = false;
        for message in messages(parsed, |reason| self.wire.diag.debug(reason)) {
            replied |= self.pass_on(message).await;
        }
        match replied {
            true => Ok(()),
            false => {
                let detail =
                    format!("`{server}` answered with a message that does not answer this request");
                Err(Failure::new(Stage::Protocol, false, detail))
            }
        }
    }

    /// Hands a message to the relay. `true` if it answers this exchange's request.
    async fn pass_on(&self, message: Message) -> bool {
        let answers = match (message.kind(), message.id()) {
            (Kind::Result | Kind::Error, Some(id)) => {
                id.as_number() == Some(self.outgoing.exchange)
            }
            (Kind::Error, None) => true,
            _ => false,
        };
        let event = if answers {
            Event::Reply(message)
        } else {
            Event::Message(message)
        };
        self.report(event).await;
        answers
    }

    /// Hands on what one event holds. `true` if the answer was among it.
    async fn pass_on_event(&self, event: SseEvent) -> bool {
        if &*event.name != "message" {
            return false;
        }
        let mut answered = false;
        for message in parse_event(event.data, |reason| self.wire.diag.debug(reason)) {
            answered |= self.pass_on(message).await;
        }
        answered
    }

    async fn read_to_end(&self, mut reader: EventReader) -> Result<(), Failure> {
        while let Ok(Some(event)) = reader.next().await {
            self.pass_on_event(event).await;
        }
        Ok(())
    }

    /// Reads streams until the answer is there. Where one ends early, it is resumed at its cursor
    /// (MCP 2025-11-25, Transports, Resumability and Redelivery).
    async fn read_stream(&mut self, mut reader: EventReader) -> Result<(), Failure> {
        let mut cursor = Cursor::default();
        let mut failures = 0;
        loop {
            let mut cause = "it ended".to_owned();
            loop {
                match reader.next().await {
                    Ok(Some(event)) => {
                        failures = 0;
                        if self.pass_on_event(event).await {
                            // What follows the answer is read so that the connection stays usable.
                            let _ = tokio::time::timeout(DRAIN, self.read_to_end(reader)).await;
                            return Ok(());
                        }
                    }
                    Ok(None) => break,
                    Err(broken) => {
                        cause = broken.cause;
                        break;
                    }
                }
            }
            cursor.last_event_id = reader
                .last_event_id()
                .map(str::to_owned)
                .or(cursor.last_event_id);
            cursor.retry = reader.retry().or(cursor.retry);
            drop(reader);
            reader = self.resume(&cursor, &mut failures, &cause).await?;
        }
    }

    async fn resume(
        &mut self,
        cursor: &Cursor,
        failures: &mut u32,
        cause: &str,
    ) -> Result<EventReader, Failure> {
        let server = self.wire.server.clone();
        let gone = |why: &str| {
            Failure::new(
                Stage::Http,
                false,
                format!(
                    "`{server}` did not finish its answer: {why}; the request may have been carried out, so it was not sent again"
                ),
            )
        };
        let Some(last_event_id) = cursor.last_event_id.as_deref() else {
            return Err(gone(cause));
        };
        let mut cause = cause.to_owned();
        loop {
            if *failures >= RESUMES {
                return Err(gone(&cause));
            }
            tokio::time::sleep(answer::reconnect_delay(cursor.retry, *failures)).await;
            *failures += 1;
            self.token = self.bearer().await?;
            let carried = Carried {
                token: self.token.as_ref(),
                session: self.outgoing.session.as_deref(),
            };
            let answer = match self.wire.remote.listen(carried, Some(last_event_id)).await {
                Ok(answer) => answer,
                Err(broken) => {
                    cause = broken.cause;
                    continue;
                }
            };
            match answer.status {
                200 if answer.body_kind == BodyKind::EventStream => return Ok(answer.events()),
                401 => self.sign_in(self.challenge(&answer)).await?,
                429 | 500 | 502..=599 => {
                    cause = format!("resuming it was answered {}", answer.status)
                }
                status => return Err(gone(&format!("resuming it was answered {status}"))),
            }
        }
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
