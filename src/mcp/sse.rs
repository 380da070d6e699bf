//! Reads an event stream (WHATWG HTML §9.2.6), in one pass whatever the chunks.
//!
//! Our own, since this is the message path: eventsource-stream 0.2.3 panics on a byte order mark
//! that begins a stream, loses `retry:` and `id:` in blocks without data, goes silent after a byte
//! that is not UTF-8, and takes quadratic time for large events. The tests hold this parser
//! against it wherever it is right.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::buffer;

/// Longest line other than data, in bytes: names, ids and comments are short.
const LINE_LIMIT: usize = 64 * 1024;

/// An event that has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The event's type; `message` unless the stream said otherwise.
    pub name: Cow<'static, str>,
    /// The id that came with it; not that of an event before.
    pub id: Option<Box<str>>,
    /// Its data, lines joined by a line feed. Not checked to be UTF-8.
    pub data: Bytes,
}

/// An event is larger than what we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event is larger than {} MiB",
            self.limit / (1024 * 1024)
        )
    }
}

impl std::error::Error for Oversized {}

/// The state of one stream.
#[derive(Debug)]
pub struct SseParser {
    limit: usize,
    line: Line,
    /// The last byte was a CR: a LF right after it belongs to the same line end.
    after_cr: bool,
    /// Nothing but a possible byte order mark came yet.
    first_line: bool,
    data: Vec<u8>,
    has_data: bool,
    name: Option<String>,
    id: Option<Box<str>>,
    last_event_id: Option<Box<str>>,
    retry: Option<Duration>,
}

/// The line that is being read. Data goes where it belongs at once, so that a large event is held
/// once only.
#[derive(Debug)]
enum Line {
    /// Too short to tell what it is.
    Start(Vec<u8>),
    /// A data line; its content is being added to the event.
    Data,
    /// Any other line.
    Other(Vec<u8>),
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

impl SseParser {
    /// A parser that takes events up to so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Line::Start(Vec::new()),
            after_cr: false,
            first_line: true,
            data: Vec::new(),
            has_data: false,
            name: None,
            id: None,
            last_event_id: None,
            retry: None,
        }
    }

    /// The id of the last complete event: the cursor to resume at.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// The delay before a reconnect that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// How much of the next event's data was read so far, in bytes.
    pub fn unfinished(&self) -> usize {
        self.data.len()
    }

    /// Takes the next bytes of the stream and adds the events that they complete.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        events: &mut VecDeque<SseEvent>,
    ) -> Result<(), Oversized> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            match memchr::memchr2(b'\n', b'\r', chunk) {
                None => {
                    self.extend_line(chunk)?;
                    chunk = &[];
                }
                Some(end) => {
                    let line = &chunk[..end];
                    self.after_cr = chunk[end] == b'\r';
                    chunk = &chunk[end + 1..];
                    match &self.line {
                        // Nearly all come whole, and need to be kept nowhere.
                        Line::Start(start) if start.is_empty() => self.whole_line(line, events)?,
                        _ => {
                            self.extend_line(line)?;
                            self.end_line(events)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), Oversized> {
        match &mut self.line {
            Line::Data => {
                buffer::extend(&mut self.data, bytes);
                self.check_size()
            }
            Line::Other(line) => {
                // Beyond the limit only the rest of a comment or of an unusable id is lost.
                let room = LINE_LIMIT.saturating_sub(line.len());
                line.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
            Line::Start(start) => {
                // One byte more than the name, to see the blank that is not part of the value.
                let wanted = DATA.len()
                    + 1
                    + if self.first_line {
                        BYTE_ORDER_MARK.len()
                    } else {
                        0
                    };
                let (head, rest) =
                    bytes.split_at(bytes.len().min(wanted.saturating_sub(start.len())));
                start.extend_from_slice(head);
                if start.len() < wanted {
                    return Ok(());
                }
                self.classify_line();
                self.extend_line(rest)
            }
        }
    }

    /// Decides what the line is, from its beginning.
    fn classify_line(&mut self) {
        let Line::Start(start) = &mut self.line else {
            return;
        };
        let mut start = std::mem::take(start);
        if std::mem::take(&mut self.first_line) && start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        self.line = match start.strip_prefix(DATA) {
            Some(value) => {
                // What follows is checked with it.
                self.add_line(without_blank(value));
                Line::Data
            }
            None => Line::Other(start),
        };
    }

    /// Adds a line of data, or its beginning.
    fn add_line(&mut self, value: &[u8]) {
        if self.has_data {
            buffer::extend(&mut self.data, b"\n");
        }
        self.has_data = true;
        buffer::extend(&mut self.data, value);
    }

    fn check_size(&self) -> Result<(), Oversized> {
        match self.data.len() > self.limit {
            true => Err(Oversized { limit: self.limit }),
            false => Ok(()),
        }
    }

    fn end_line(&mut self, events: &mut VecDeque<SseEvent>) -> Result<(), Oversized> {
        match std::mem::replace(&mut self.line, Line::Start(Vec::new())) {
            Line::Data => {}
            Line::Start(line) => self.whole_line(&line, events)?,
            Line::Other(line) => self.field(&line)?,
        }
        Ok(())
    }

    /// Takes a line of which nothing was taken before.
    fn whole_line(
        &mut self,
        mut line: &[u8],
        events: &mut VecDeque<SseEvent>,
    ) -> Result<(), Oversized> {
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if let Some(value) = line.strip_prefix(DATA) {
            self.add_line(without_blank(value));
            return self.check_size();
        }
        match line.is_empty() {
            true => {
                self.dispatch(events);
                Ok(())
            }
            false => self.field(&line[..line.len().min(LINE_LIMIT)]),
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Oversized> {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = without_blank(value);
        match name {
            b"data" => {
                self.add_line(value);
                return self.check_size();
            }
            b"event" => self.name = std::str::from_utf8(value).ok().map(str::to_owned),
            b"id" if !value.contains(&0) => {
                self.id = std::str::from_utf8(value).ok().map(Into::into)
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value)
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .unwrap_or(u64::MAX);
                self.retry = Some(Duration::from_millis(millis));
            }
            // Comments have an empty name; unknown fields are ignored.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut VecDeque<SseEvent>) {
        let id = self.id.take();
        if let Some(id) = &id {
            self.last_event_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        let name = self.name.take().filter(|name| !name.is_empty());
        self.has_data = false;
        // Data that is empty dispatches nothing; its id counts all the same.
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data).into();
            events.push_back(SseEvent {
                name: name.map_or(Cow::Borrowed("message"), Cow::Owned),
                id: id.filter(|id| !id.is_empty()),
                data,
            });
        }
    }
}

/// One blank after the colon belongs to no value.
fn without_blank(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

#[cfg(test)]
mod tests;
