//! An event stream of the server, event by event.

use std::collections::VecDeque;
use std::time::Duration;

use super::Broken;
use super::answer::MESSAGE_LIMIT;
use super::sending::within;
use crate::mcp::jsonrpc;
use crate::mcp::sse::{SseEvent, SseParser};
use crate::net::intake::{Intake, Room};
use crate::net::response::Response;
use crate::net::trouble::cause_of;

/// How much longer an event stream may be silent while it waits for what a person answers.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(600);

/// An event stream that is being read.
#[derive(Debug)]
pub struct EventReader {
    response: Response,
    intake: Intake,
    /// What the event that is being read takes.
    room: Room,
    parser: SseParser,
    /// What was read and is still to be given.
    events: VecDeque<SseEvent>,
    /// The id of the last event that was given.
    last_event_id: Option<Box<str>>,
    /// Why the stream cannot be read at all.
    unreadable: Option<Broken>,
    /// Longest time without a byte.
    silence: Option<Duration>,
    /// Whether the server waits for an answer of ours.
    asked: bool,
}

impl EventReader {
    /// Reads the body of an answer. `silence`: the longest time without a byte; `unreadable`: why it
    /// cannot be read at all.
    pub(super) fn new(
        response: Response,
        intake: Intake,
        silence: Option<Duration>,
        unreadable: Option<Broken>,
    ) -> Self {
        Self {
            response,
            intake,
            room: Room::default(),
            parser: SseParser::new(MESSAGE_LIMIT),
            events: VecDeque::new(),
            last_event_id: None,
            unreadable,
            silence,
            asked: false,
        }
    }

    /// The next event, its data in one line; `None` at the end of the stream. Waits for room where
    /// much is on its way to the AI client. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseEvent>, Broken> {
        loop {
            if let Some(event) = self.events.front() {
                let admitted = self.intake.admit(event.data.len()).await;
                return Ok(self.events.pop_front().map(|mut event| {
                    if event.id.is_some() {
                        self.last_event_id.clone_from(&event.id);
                    }
                    let data = jsonrpc::single_line(event.data);
                    event.data = admitted.hold(data, std::mem::take(&mut self.room));
                    event
                }));
            }
            if let Some(broken) = &self.unreadable {
                return Err(broken.clone());
            }
            self.intake
                .grow(&mut self.room, self.parser.unfinished())
                .await;
            let limit = match self.asked {
                true => self.silence.map(|limit| limit + QUESTION_TIMEOUT),
                false => self.silence,
            };
            let chunk = within(limit, self.response.chunk(), |seconds| {
                format!("its stream was silent for {seconds} s (`--body-timeout` allows more)")
            });
            match chunk.await? {
                Ok(Some(chunk)) => {
                    self.asked = false;
                    self.parser
                        .feed(&chunk, &mut self.events)
                        .map_err(|_| Broken::too_large())?;
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(Broken::unknown(cause_of(&error))),
            }
        }
    }

    /// The last event was a question: until more comes, the server may be silent for as long as a
    /// person may take to answer.
    pub fn await_answer(&mut self) {
        self.asked = true;
    }

    /// The id of the last event that was given, or of what came after it without data: where to
    /// resume.
    pub fn last_event_id(&self) -> Option<&str> {
        match self.events.is_empty() {
            true => self.parser.last_event_id(),
            false => self.last_event_id.as_deref(),
        }
    }

    /// The delay before a reconnect that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry()
    }
}
