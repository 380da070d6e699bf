//! What comes on the stream of a request before its answer, and what becomes of a subscription of an
//! AI client of the new era whose stream is lost (MCP 2026-07-28, Transports, Streamable HTTP,
//! Receiving Messages, and Subscriptions).
//!
//! Such a client asked once and is to be told once that it is heard. Short outages are bridged: the
//! subscription is opened again as another request, and what may have changed meanwhile is told.

use super::super::filter::Filter;
use super::super::matrix::{self, Level};
use super::super::meta;
use super::ServerSide;
use super::call::Call;
use super::listen::{BACKOFF, LIVED};
use crate::mcp::failure::Stage;
use crate::mcp::jsonrpc::{Id, Kind, Message};
use crate::mcp::relay::Event;

/// The stream of a subscription.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Whether the AI client was told that it is heard.
    acknowledged: bool,
    /// Whether it was lost since, so that changes may have been missed.
    gap: bool,
    /// How often in a row it was lost or could not be opened.
    losses: u32,
    /// When it was acknowledged last.
    opened_at: u64,
    /// When it is opened again.
    again_at: Option<u64>,
}

impl Stream {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.again_at
    }
}

impl Call {
    /// The connection of a subscription may be dead. Gives its exchange, which is to be ended; `None`
    /// if there is nothing to lose.
    pub(super) fn lose_stream(&mut self, now: u64) -> Option<u64> {
        let stream = self.stream.as_mut().filter(|stream| stream.acknowledged)?;
        let exchange = self.exchange.take()?;
        stream.gap = true;
        stream.again_at = Some(now);
        Some(exchange)
    }
}

impl ServerSide {
    /// On the stream of a request comes what belongs to it: progress and log, and what an extension
    /// may define.
    pub(super) fn call_message(&mut self, number: u64, message: Message, now: u64) {
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        if message.method() == "notifications/tools/list_changed" {
            self.tools.forget();
        }
        let passes = message.kind() == Kind::Notification
            && match message.method() {
                "notifications/message" => {
                    let level = match call.is_stateless {
                        true => {
                            meta::meta_member(&call.request, meta::LOG_LEVEL).and_then(Level::read)
                        }
                        false => self.log_level,
                    };
                    is_loud_enough(&message, level)
                }
                matrix::ACKNOWLEDGED if call.is_listen() => {
                    return self.stream_acknowledged(number, message, now);
                }
                method if matrix::is_of_subscription(method) => call.is_listen(),
                "notifications/cancelled" => call.is_listen(),
                _ => true,
            };
        match passes {
            true => self.tell(number, Event::Message(message)),
            false => self.detail(format!(
                "dropped `{}`, which has no place in the answer to this request",
                message.method()
            )),
        }
    }

    /// The server hears a subscription. Its client is told so once.
    fn stream_acknowledged(&mut self, number: u64, message: Message, now: u64) {
        let Some(stream) = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.stream.as_mut())
        else {
            return;
        };
        stream.opened_at = now;
        let gap = std::mem::take(&mut stream.gap);
        if !std::mem::replace(&mut stream.acknowledged, true) {
            return self.tell(number, Event::Message(message));
        }
        if gap {
            self.tell_of_gap(number);
        }
    }

    /// What a subscription is about may have changed while its stream was lost.
    fn tell_of_gap(&mut self, number: u64) {
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        let filter = call.request.body_member("notifications").unwrap_or("{}");
        let changes = Filter::understood(filter).changes();
        self.tools.forget();
        for change in changes {
            self.tell(
                number,
                Event::Message(meta::tagged(&change, &Id::from_number(number))),
            );
        }
    }

    /// A request has come to an end without a result. A subscription that was heard is opened again if
    /// only its stream was lost. Gives back what is to be dealt with otherwise.
    pub(super) fn stream_lost(&mut self, number: u64, event: Event, now: u64) -> Option<Event> {
        let is_outage = match &event {
            Event::Failed(failure) | Event::GaveUp(failure) => {
                matches!(failure.stage, Stage::Connect | Stage::Http)
                    && failure.status.is_none_or(is_passing)
            }
            _ => false,
        };
        let stream = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.stream.as_mut())
            .filter(|stream| stream.acknowledged && is_outage);
        let Some(stream) = stream else {
            return Some(event);
        };
        if !stream.gap && now.saturating_sub(stream.opened_at) >= LIVED {
            stream.losses = 0;
        }
        let wait = (BACKOFF.0 << stream.losses.min(5)).min(BACKOFF.1);
        stream.losses += 1;
        stream.gap = true;
        stream.again_at = Some(now.saturating_add(wait));
        if let Some(call) = self.calls.get_mut(&number) {
            call.exchange = None;
        }
        self.detail("a subscription lost its stream; opening it again");
        None
    }

    /// Opens the stream of a subscription again.
    pub(super) fn reopen_stream(&mut self, number: u64) {
        if let Some(stream) = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.stream.as_mut())
        {
            stream.again_at = None;
            self.send_call(number);
        }
    }
}

/// Whether an answer with this status, or its breaking off, may be another the next time.
fn is_passing(status: u16) -> bool {
    matches!(status, 200..=299 | 408 | 425 | 429 | 500..)
}

/// Whether a log message is of this level or above.
fn is_loud_enough(message: &Message, level: Option<Level>) -> bool {
    match (level, message.body_member("level").and_then(Level::read)) {
        (Some(wanted), Some(level)) => level >= wanted,
        // Nobody asked for any.
        (None, _) => false,
        (Some(_), None) => true,
    }
}
