//! Subscriptions of a client of the new era at a server of the new era (MCP 2026-07-28,
//! Subscriptions): they go as they are. Each keeps the client's id, is acknowledged once, and ends as
//! it should. One whose stream is lost is opened again by the server's side.

use std::collections::BTreeMap;

use super::call::Call;
use super::{Far, HostSide};
use crate::mcp::era::filter::Filter;
use crate::mcp::era::matrix::ACKNOWLEDGED;
use crate::mcp::era::meta;
use crate::mcp::jsonrpc::{self, Id, Kind, Message};

/// The subscriptions, by the number of the request that each is.
#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<u64, Stream>);

#[derive(Debug)]
struct Stream {
    id: Id,
    /// Whether the server has acknowledged it.
    is_open: bool,
}

impl Streams {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl HostSide {
    /// `subscriptions/listen`, for a server that knows it.
    pub(super) fn open_stream(&mut self, request: Message, id: Id, far: Far<'_>) {
        let stream = Stream {
            id: id.clone(),
            is_open: false,
        };
        self.send(Call::new(request, id, true), far);
        self.streams.0.insert(self.next, stream);
    }

    /// The server says something by the request with this number. `false` if that is no subscription.
    pub(super) fn stream_told(&mut self, number: u64, message: &Message) -> bool {
        let Some(stream) = self.streams.0.get_mut(&number) else {
            return false;
        };
        let id = stream.id.clone();
        let is_ack = message.method() == ACKNOWLEDGED;
        match is_ack && std::mem::replace(&mut stream.is_open, true) {
            // The request went again in another session: something may have been missed.
            true => self.stream_missed(&id, message.body_member("notifications")),
            false => self.tell_host(meta::tagged(message, &id).text().clone()),
        }
        true
    }

    /// Tells the client once of everything that may have changed while a subscription was lost.
    fn stream_missed(&mut self, id: &Id, filter: Option<&str>) {
        let filter = Filter::understood(filter.unwrap_or("{}"));
        for change in filter.changes() {
            self.tell_host(meta::tagged(&change, id).text().clone());
        }
    }

    /// The request with this number has ended. `false` if that is no subscription.
    pub(super) fn stream_answered(&mut self, number: u64, answer: &Message) -> bool {
        let Some(Stream { id, is_open }) = self.streams.0.remove(&number) else {
            return false;
        };
        self.take_call(number);
        match answer.kind() {
            Kind::Result => {
                let body = self.complete(answer, "subscriptions/listen");
                let tag = body.body_member("_meta").and_then(|found| {
                    let tag = jsonrpc::member(found, meta::SUBSCRIPTION)?;
                    Some(body.with_part(tag, id.as_json()))
                });
                self.tell_host_line(tag.unwrap_or(body).line_with_id(&id));
                self.tell_cancelled(&id);
            }
            // It was open: its end is no error to the client.
            _ if is_open => self.tell_end(&id),
            _ => self.tell_host_line(answer.line_with_id(&id)),
        }
        true
    }

    /// The client wants to hear nothing more by the request with this number.
    pub(super) fn forget_stream(&mut self, number: u64) {
        self.streams.0.remove(&number);
    }

    /// All of them end, and not by the client's will.
    pub(super) fn end_streams(&mut self) {
        for (number, stream) in std::mem::take(&mut self.streams.0) {
            self.drop_call(number, "the session has ended");
            self.tell_end(&stream.id);
        }
    }
}
