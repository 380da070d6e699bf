//! Reading what the server answers, to the end, over as many streams as it takes.

use std::time::Duration;

use super::{Ended, Exchange, messages, parse_event};
use crate::mcp::answer::{self, BodyKind};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Kind, Message};
use crate::mcp::relay::Event;
use crate::mcp::sse::SseEvent;
use crate::net::remote::{Answer, Carried, EventReader, InvalidSessionId};

/// Most attempts in a row to resume a stream.
const RESUMES: u32 = 5;
/// How long a stream is read on after the answer, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// Where a stream was left.
#[derive(Default)]
struct Cursor {
    last_event_id: Option<String>,
    retry: Option<Duration>,
}

impl Exchange {
    /// Reads a successful answer.
    pub(super) async fn deliver(&mut self, answer: Answer) -> Result<(), Ended> {
        if !self.is_request() {
            self.report(Event::Accepted).await;
            // Nothing has to come; what comes all the same is dealt with.
            return match answer.body_kind {
                BodyKind::EventStream => {
                    self.read_to_end(answer.events()).await;
                    Ok(())
                }
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
                    return Err(Failure::new(Stage::Protocol, false, detail).into());
                }
            }
        }
        match answer.body_kind {
            BodyKind::EventStream => self.read_stream(answer.events()).await,
            reading => self.read_body(answer, reading).await,
        }
    }

    async fn read_body(&mut self, answer: Answer, body_kind: BodyKind) -> Result<(), Ended> {
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
        let beginning = match body_kind {
            BodyKind::Unknown => body[..body.len().min(answer::ERROR_BODY_LIMIT)].to_vec(),
            _ => Vec::new(),
        };
        let parsed = jsonrpc::parse_any(body).map_err(|malformed| {
            let said = answer::plain_reason(&beginning).filter(|_| body_kind == BodyKind::Unknown);
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
                Err(Failure::new(Stage::Protocol, false, detail).into())
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

    async fn read_to_end(&self, mut reader: EventReader) {
        while let Ok(Some(event)) = reader.next().await {
            self.pass_on_event(event).await;
        }
    }

    /// Reads streams until the answer is there. Where one ends early, it is resumed at its cursor
    /// (MCP 2025-11-25, Transports, Resumability and Redelivery).
    async fn read_stream(&mut self, mut reader: EventReader) -> Result<(), Ended> {
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
            // A server may end a stream on purpose, to be asked again, as often as it likes (MCP
            // 2025-11-25, Transports, Sending Messages). Such a stream begins with an id at least;
            // one that says nothing at all is a failure.
            if reader.last_event_id().is_some() || reader.retry().is_some() {
                failures = 0;
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
    ) -> Result<EventReader, Ended> {
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
            return Err(gone(cause).into());
        };
        let mut cause = cause.to_owned();
        loop {
            if *failures >= RESUMES {
                return Err(gone(&cause).into());
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
                401 => match self.sign_in(self.challenge(&answer)).await {
                    Err(Ended::NotSignedIn) => {
                        return Err(gone("nobody has signed in to receive the rest of it").into());
                    }
                    outcome => outcome?,
                },
                429 | 500 | 502..=599 => {
                    cause = format!("resuming it was answered {}", answer.status)
                }
                status => return Err(gone(&format!("resuming it was answered {status}")).into()),
            }
        }
    }
}
