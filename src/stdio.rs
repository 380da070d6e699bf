//! Lines from stdin; the one way to stdout (MCP 2025-11-25, Transports, stdio).
//!
//! On Linux both are read and written by the one thread that does everything, where they are pipes
//! or sockets (`direct`): a message that wakes no other thread is twice as fast. Elsewhere, and for
//! files and terminals, each has a thread of its own, since reads of stdin cannot be cancelled and
//! a client that stops reading must not stop timers and signals. What waits in either direction is
//! bounded in bytes.

#[cfg(target_os = "linux")]
mod direct;
#[cfg(not(target_os = "linux"))]
#[path = "stdio/indirect.rs"]
mod direct;
mod hangup;
mod output;
#[cfg(unix)]
mod patient;
#[cfg(not(unix))]
#[path = "stdio/plain.rs"]
mod patient;
mod split;
mod thread;

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::Bytes;
pub use hangup::input_has_ended;
pub use output::{Output, OutputClosed};
pub use patient::stdin;
use split::LineSplitter;

/// Longest line that is taken from the AI client, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024 * 1024;
/// How much is read from stdin at once where nothing else reads ahead, in bytes.
const READ_SIZE: usize = 16 * 1024;

/// What came on stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// One line, without its end.
    Line(Bytes),
    /// A line was longer than allowed and was thrown away.
    TooLong,
    /// A last line without an end. It counts if it is a whole message.
    Unfinished(Bytes),
    /// Nothing more can be read, and why. The end follows.
    Unreadable(String),
}

impl Input {
    fn len(&self) -> usize {
        match self {
            Self::Line(line) | Self::Unfinished(line) => line.len(),
            Self::TooLong | Self::Unreadable(_) => 0,
        }
    }
}

/// The lines of a stream, as they come.
#[derive(Debug)]
pub struct Lines(Reader);

#[derive(Debug)]
enum Reader {
    Direct(Box<Direct>),
    Thread(thread::Lines),
}

/// A stream that is read when the next line is wanted.
#[derive(Debug)]
struct Direct {
    source: direct::Source,
    lines: LineSplitter,
    chunk: Box<[u8]>,
    found: VecDeque<Input>,
    ended: bool,
}

impl Lines {
    /// Stdin. To be called within a tokio runtime.
    pub fn stdin() -> Self {
        match direct::Source::stdin() {
            Some(source) => Self(Reader::Direct(Box::new(Direct {
                source,
                lines: LineSplitter::new(LINE_LIMIT),
                chunk: vec![0; READ_SIZE].into(),
                found: VecDeque::new(),
                ended: false,
            }))),
            None => read_lines(stdin()),
        }
    }

    /// The next one; `None` at the end of the stream. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Input> {
        match &mut self.0 {
            Reader::Direct(direct) => direct.recv().await,
            Reader::Thread(lines) => lines.recv().await,
        }
    }
}

impl Direct {
    async fn recv(&mut self) -> Option<Input> {
        // Whoever writes without end must not keep the other tasks from their turn.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(input) = self.found.pop_front() {
                return Some(input);
            }
            if self.ended {
                return None;
            }
            match self.source.read(&mut self.chunk).await {
                Ok(read @ 1..) => self.lines.feed(&self.chunk[..read], &mut self.found),
                end => {
                    self.ended = true;
                    let rest = self.lines.finish();
                    self.found.extend(rest.map(Input::Unfinished));
                    self.found.extend(end.err().and_then(unreadable));
                }
            }
        }
    }
}

/// What is to be said of an error that ends the reading.
fn unreadable(error: io::Error) -> Option<Input> {
    (!is_hangup(&error)).then(|| Input::Unreadable(error.to_string()))
}

/// Whether the other end is closed, or whoever had it is gone; everything else is a fault.
fn is_hangup(error: &io::Error) -> bool {
    // Windows: no process is on the other end of the pipe.
    const NOT_CONNECTED: i32 = 233;
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    ) || cfg!(windows) && error.raw_os_error() == Some(NOT_CONNECTED)
}

/// Starts reading a stream of lines on a thread of its own.
pub fn read_lines(source: impl Read + Send + 'static) -> Lines {
    read_lines_up_to(LINE_LIMIT, source)
}

/// The same with another limit on the length of a line, in bytes.
pub fn read_lines_up_to(limit: usize, source: impl Read + Send + 'static) -> Lines {
    Lines(Reader::Thread(thread::Lines::of(limit, source)))
}
