//! Reading what the server answers, to the end, over as many streams as it takes.

use std::time::{Duration, Instant, SystemTime};

use super::{Ended, Exchange, Part, parse_event, parts};
use crate::bridge::alive::Renewals;
use crate::bridge::standing::warn_of_delay;
use crate::mcp::answer::{self, BodyKind, Delivery};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Kind};
use crate::mcp::listening::{self, Head, Resumed};
use crate::mcp::reconnect::{Brought, Reconnect};
use crate::mcp::relay::Event;
use crate::mcp::replay::Replay;
use crate::mcp::sse::SseEvent;
use crate::net::remote::{Answer, Broken, Carried, EventReader, InvalidSessionId};

/// Most attempts in a row to resume a stream.
const RESUMES: u32 = 5;
/// How long a stream is read on after the answer, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

impl Exchange {
    /// Reads a successful answer.
    pub(super) async fn deliver(&mut self, mut answer: Answer) -> Result<(), Ended> {
        if !self.is_request() {
            self.report(Event::Accepted).await;
            // Nothing has to come; what comes all the same is dealt with.
            return match answer.body_kind {
                BodyKind::EventStream => {
                    Box::pin(self.read_to_end(answer.events())).await;
                    Ok(())
                }
                _ => {
                    let _ = answer.body().await;
                    Ok(())
                }
            };
        }
        // A server without sessions may send an id all the same, and it means nothing.
        if self.outgoing.session.is_none() && self.outgoing.head.is_none() {
            match answer.session_id() {
                Ok(id) => self.report(Event::SessionHeader(id)).await,
                Err(InvalidSessionId) => {
                    let detail = format!(
                        "`{}` gave a session id with characters that none may have",
                        self.wire.server
                    );
                    return Err(Failure::new(Stage::Protocol, false, detail).into());
                }
            }
        }
        match answer.body_kind {
            BodyKind::EventStream => Box::pin(self.read_stream(answer.events())).await,
            reading => self.read_body(answer, reading).await,
        }
    }

    async fn read_body(&mut self, mut answer: Answer, body_kind: BodyKind) -> Result<(), Ended> {
        let status = answer.status;
        let body = match answer.body().await {
            Ok(body) => jsonrpc::without_byte_order_mark(body),
            Err(broken) => {
                drop(answer);
                Box::pin(self.broken(&broken)).await?;
                return Box::pin(self.run()).await;
            }
        };
        if body.trim_ascii().is_empty() {
            drop(answer);
            self.report(Event::Accepted).await;
            return Ok(());
        }
        let server = &self.wire.server;
        let parsed = jsonrpc::parse_or_return(body).map_err(|(malformed, body)| {
            answer::unreadable(server, status, answer.content_type(), &body, &malformed)
        })?;
        // Its connection is free for others.
        drop(answer);
        if body_kind == BodyKind::Unknown {
            self.wire
                .diag
                .debug("the answer is JSON-RPC, but not labelled as JSON");
        }
        let mut replied = false;
        for part in parts(parsed, |reason| self.wire.diag.debug(reason)) {
            replied |= self.pass_on(part).await;
        }
        match replied {
            true => Ok(()),
            false => Err(answer::not_an_answer(server).into()),
        }
    }

    /// Hands a message to the relay. `true` if it answers this exchange's request.
    async fn pass_on(&self, part: Part) -> bool {
        let message = match part {
            Part::Message(message) => message,
            Part::NoMessage(ref id, _) => {
                let answers = *id == self.id;
                self.report(part.into()).await;
                return answers;
            }
        };
        let answers = match (message.kind(), message.id()) {
            (Kind::Result | Kind::Error, Some(id)) => *id == self.id,
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
    async fn pass_on_event(&self, event: SseEvent, reader: &mut EventReader) -> bool {
        if &*event.name != "message" {
            return false;
        }
        let mut answered = false;
        for part in parse_event(event.data, |reason| self.wire.diag.debug(reason)) {
            let asks = self.outgoing.head.is_none();
            if asks && matches!(&part, Part::Message(message) if message.kind() == Kind::Request) {
                reader.await_answer();
            }
            answered |= self.pass_on(part).await;
        }
        answered
    }

    async fn read_to_end(&self, mut reader: EventReader) {
        while let Ok(Some(event)) = reader.next().await {
            self.pass_on_event(event, &mut reader).await;
        }
    }

    /// Reads streams until the answer is there. Where one ends early, it is resumed at its cursor
    /// (MCP 2025-11-25, Transports, Resumability and Redelivery).
    async fn read_stream(&mut self, mut reader: EventReader) -> Result<(), Ended> {
        let mut rest = Rest {
            renewals: Renewals::of(self.wire.remote.connections()),
            last_event_id: None,
            reconnect: Reconnect::default(),
            replay: Replay::default(),
            timed_out: false,
        };
        loop {
            let cause = match self.read_once(&mut reader, &mut rest).await {
                Left::Answered => {
                    // What follows the answer is read so that the connection stays usable.
                    let _ = tokio::time::timeout(DRAIN, self.read_to_end(reader)).await;
                    return Ok(());
                }
                Left::Ended(cause) => Ok(cause),
                Left::Unusable(broken) => Err(broken),
            };
            drop(reader);
            let resumed = match cause {
                Ok(cause) => Box::pin(self.resume(&mut rest, cause)).await?,
                Err(broken) => Err(broken),
            };
            match resumed {
                Ok(resumed) => reader = resumed,
                // The rest cannot be had: as if the answer had broken off.
                Err(broken) => {
                    self.broken(&broken).await?;
                    return Box::pin(self.run()).await;
                }
            }
        }
    }

    /// Reads one stream until the answer is there, it ends, or its connection may be dead.
    async fn read_once(&self, reader: &mut EventReader, rest: &mut Rest) -> Left {
        let opened = Instant::now();
        let mut brought = Brought::Nothing;
        let cause = loop {
            let event = tokio::select! {
                // While something comes, its connection lives.
                biased;
                event = reader.next() => event,
                _ = rest.renewals.next() => {
                    if rest.last_event_id.is_some() || reader.last_event_id().is_some() {
                        break None;
                    }
                    // It cannot be resumed, and it may be alive. Keepalive tells if not.
                    continue;
                }
            };
            match event {
                Ok(Some(event)) => {
                    brought = Brought::Messages;
                    rest.timed_out = false;
                    let repeated = rest.replay.is_repeated(event.id.as_deref());
                    if !repeated && self.pass_on_event(event, reader).await {
                        return Left::Answered;
                    }
                }
                Ok(None) => break Some("its stream ended".to_owned()),
                // It would be as large, and as unreadable, the next time.
                Err(broken)
                    if matches!(broken.delivery, Delivery::TooLarge | Delivery::Unreadable) =>
                {
                    return Left::Unusable(broken);
                }
                Err(broken) => {
                    rest.timed_out = broken.delivery == Delivery::TimedOut;
                    break Some(broken.cause);
                }
            }
        };
        if reader.last_event_id().is_some() || reader.retry().is_some() {
            brought = brought.max(Brought::Marks);
        }
        if let Some(id) = reader.last_event_id() {
            rest.last_event_id = Some(id.to_owned());
        }
        rest.replay.resumed();
        if let Some(asked) = rest.reconnect.asked(reader.retry()) {
            warn_of_delay(&self.wire, asked);
        }
        match cause {
            Some(_) => rest.reconnect.ended(brought, opened.elapsed()),
            None => rest.reconnect.renewed(),
        }
        Left::Ended(cause)
    }

    /// Opens the rest of a stream, or says why it cannot be had. `cause`: why it ended; `None` if
    /// its connection may be dead, which is a reason to hurry.
    async fn resume(
        &mut self,
        rest: &mut Rest,
        cause: Option<String>,
    ) -> Result<Result<EventReader, Broken>, Ended> {
        let mut hurries = cause.is_none();
        let mut cause = cause.unwrap_or_else(|| "its connection was lost".to_owned());
        // MCP 2026-07-28, Transports, Streamable HTTP: what ends there cannot be resumed.
        let resumable = self.outgoing.head.is_none();
        let Some(last_event_id) = rest.last_event_id.clone().filter(|_| resumable) else {
            return Ok(Err(rest.broken(cause)));
        };
        loop {
            if rest.reconnect.failures() >= RESUMES {
                return Ok(Err(rest.broken(cause)));
            }
            if !std::mem::take(&mut hurries) {
                rest.wait().await;
            }
            self.credential = self.credential().await?;
            let carried = Carried {
                credential: self.credential.as_ref(),
                session: self.outgoing.session.as_deref(),
                head: None,
            };
            let answer = tokio::select! {
                answer = self.wire.remote.resume(carried, &last_event_id) => answer,
                _ = rest.renewals.next() => {
                    hurries = true;
                    continue;
                }
            };
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(broken) => {
                    rest.reconnect.failed(None);
                    cause = broken.cause;
                    continue;
                }
            };
            match self.judge_resumed(&mut answer).await {
                Resumed::Open => {
                    self.sign_ins = 0;
                    return Ok(Ok(answer.events()));
                }
                Resumed::SignIn => {
                    match self.sign_in(self.challenge(&answer)).await {
                        Err(Ended::NotSignedIn) => {
                            return Err(self.unsigned());
                        }
                        outcome => outcome?,
                    }
                    hurries = true;
                }
                Resumed::Again => {
                    rest.reconnect.failed(answer.retry_after(SystemTime::now()));
                    cause = format!("resuming its stream was answered {}", answer.status);
                }
                Resumed::Gone {
                    why,
                    doubts_session,
                } => {
                    if doubts_session {
                        self.report(Event::SessionDoubted).await;
                    }
                    let status = answer.status;
                    cause = format!("resuming its stream was answered {status} ({why})");
                    return Ok(Err(rest.broken(cause)));
                }
            }
        }
    }

    async fn judge_resumed(&self, answer: &mut Answer) -> Resumed {
        let body = match answer.is_success() {
            true => Vec::new(),
            false => answer.error_body().await,
        };
        let error = jsonrpc::parse(body.into()).ok();
        listening::judge_resumed(Head {
            status: answer.status,
            body_kind: answer.body_kind,
            error: error.as_ref(),
            with_session: self.sent().with_session,
        })
    }

    fn unsigned(&self) -> Ended {
        let server = &self.wire.server;
        let detail = format!(
            "`{server}` did not finish its answer: nobody has signed in to receive the rest of it; the request may have been carried out, so it was not sent again"
        );
        Failure::new(Stage::Http, false, detail).into()
    }
}

/// What is known of a stream over all its connections.
struct Rest {
    renewals: Renewals,
    /// Where to resume.
    last_event_id: Option<String>,
    reconnect: Reconnect,
    replay: Replay,
    /// Whether it ended because we did not wait any longer: the server may still be at work.
    timed_out: bool,
}

impl Rest {
    /// The end of an answer that cannot be had any more.
    fn broken(&self, cause: String) -> Broken {
        match self.timed_out {
            true => Broken::timed_out(cause),
            false => Broken::unknown(cause),
        }
    }

    /// Waits before the next attempt. New connections are tried at once, unless the server said how
    /// long to wait.
    async fn wait(&mut self) {
        let delay = self.reconnect.delay(rand::random());
        let patient = self.reconnect.is_asked_to_wait();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = self.renewals.next(), if !patient => self.reconnect.renewed(),
        }
    }
}

/// How the reading of one stream came to its end.
enum Left {
    /// The answer was there.
    Answered,
    /// It was not; why the stream ended, `None` if its connection may be dead.
    Ended(Option<String>),
    /// It was, but cannot be taken: it is too large, or unreadable.
    Unusable(Broken),
}
