//! Lines from stdin; the one writer of stdout (MCP 2025-11-25, Transports, stdio).
//!
//! Each direction has a thread of its own, since reads of stdin cannot be cancelled and a client
//! that stops reading must not stop timers and signals. What waits in either direction is bounded
//! in bytes.

mod hangup;
mod output;

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::{Bytes, BytesMut};
pub use hangup::input_has_ended;
pub use output::{Output, OutputClosed};
use tokio::sync::mpsc;

use crate::buffer;

/// Longest line that is taken from the AI client, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024 * 1024;
/// How much is read from stdin at once, in bytes.
const READ_SIZE: usize = 64 * 1024;
/// Lines from stdin that wait before the reader has to.
const QUEUE: usize = 64;
/// Bytes in those lines; a longer line passes alone.
const QUEUE_BYTES: usize = 1024 * 1024;

/// What came on stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// One line, without its end.
    Line(Bytes),
    /// A line was longer than allowed and was thrown away.
    TooLong,
    /// A last line without an end. It counts if it is a whole message.
    Unfinished(Bytes),
}

impl Input {
    fn len(&self) -> usize {
        match self {
            Self::Line(line) | Self::Unfinished(line) => line.len(),
            Self::TooLong => 0,
        }
    }
}

/// The lines of a stream, as they come.
#[derive(Debug)]
pub struct Lines {
    inputs: mpsc::Receiver<Input>,
    waiting: Arc<Waiting>,
}

impl Lines {
    /// The next one; `None` at the end of the stream. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Input> {
        let input = self.inputs.recv().await?;
        self.waiting.remove(input.len());
        Some(input)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // The reader must find out that nobody listens.
        self.inputs.close();
        self.waiting.open_for_good();
    }
}

/// Counts the bytes that were read and not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Waiting {
    /// Waits until there is room for so many bytes, or nothing else waits.
    fn add(&self, bytes: usize) {
        let full =
            |waiting: &mut usize| *waiting > 0 && waiting.saturating_add(bytes) > QUEUE_BYTES;
        let waiting = self.less.wait_while(self.lock(), full);
        *waiting.unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    fn remove(&self, bytes: usize) {
        let mut waiting = self.lock();
        *waiting = waiting.saturating_sub(bytes);
        self.less.notify_one();
    }

    fn open_for_good(&self) {
        *self.lock() = 0;
        self.less.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts reading a stream of lines, stdin as a rule.
pub fn read_lines(source: impl Read + Send + 'static) -> Lines {
    read_lines_up_to(LINE_LIMIT, source)
}

/// The same with another limit on the length of a line, in bytes.
pub fn read_lines_up_to(limit: usize, mut source: impl Read + Send + 'static) -> Lines {
    let (sender, inputs) = mpsc::channel(QUEUE);
    let waiting = Arc::new(Waiting::default());
    let counted = waiting.clone();
    let send = move |input: Input| {
        counted.add(input.len());
        sender.blocking_send(input)
    };
    thread::spawn(move || {
        let mut lines = LineSplitter::new(limit);
        let mut chunk = vec![0; READ_SIZE];
        loop {
            let read = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            for input in lines.feed(&chunk[..read]) {
                if send(input).is_err() {
                    return;
                }
            }
        }
        if let Some(rest) = lines.finish() {
            let _ = send(Input::Unfinished(rest));
        }
    });
    Lines { inputs, waiting }
}

/// Splits bytes into lines. Each byte is looked at once, whatever the chunks.
#[derive(Debug)]
struct LineSplitter {
    limit: usize,
    partial: BytesMut,
    /// The current line is too long; what follows belongs to it until its end.
    skipping: bool,
    at_start: bool,
}

impl LineSplitter {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            partial: BytesMut::new(),
            skipping: false,
            at_start: true,
        }
    }

    fn feed(&mut self, mut chunk: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            self.extend(&chunk[..end]);
            chunk = &chunk[end + 1..];
            if std::mem::take(&mut self.skipping) {
                inputs.push(Input::TooLong);
            } else if let Some(line) = self.take() {
                inputs.push(Input::Line(line));
            }
        }
        self.extend(chunk);
        inputs
    }

    fn finish(&mut self) -> Option<Bytes> {
        match self.skipping {
            true => None,
            false => self.take(),
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > self.limit {
            self.skipping = true;
            self.partial = BytesMut::new();
        }
        if !self.skipping {
            if let Some(more) =
                buffer::growth(self.partial.len(), self.partial.capacity(), bytes.len())
            {
                self.partial.reserve(more);
            }
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The line without a carriage return at its end, and without a byte order mark at the start
    /// of the stream; `None` if it is blank.
    fn take(&mut self) -> Option<Bytes> {
        let mut line = match self.partial.len() > READ_SIZE {
            // The rest of a large buffer is not worth keeping it for.
            true => std::mem::take(&mut self.partial),
            false => self.partial.split(),
        }
        .freeze();
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line = line.slice(3..);
        }
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        (!line.trim_ascii().is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(stream: &[u8], chunk: usize) -> Vec<Input> {
        let mut lines = LineSplitter::new(32);
        let mut inputs: Vec<Input> = stream
            .chunks(chunk)
            .flat_map(|part| lines.feed(part))
            .collect();
        inputs.extend(lines.finish().map(Input::Unfinished));
        inputs
    }

    fn line(text: &'static str) -> Input {
        Input::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_are_the_same_whatever_the_chunks() {
        let stream =
            "\u{feff}{\"a\":1}\r\n\n  \r\n{\"b\":\"\u{e9}\"}\n\u{feff}x\n{\"c\"".as_bytes();
        let expected = [
            line("{\"a\":1}"),
            line("{\"b\":\"\u{e9}\"}"),
            line("\u{feff}x"),
            Input::Unfinished(Bytes::from_static(b"{\"c\"")),
        ];
        for chunk in [1, 2, 3, 7, 100] {
            assert_eq!(split(stream, chunk), expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_one_is_read() {
        let stream = [
            b"short\n".as_slice(),
            &[b'x'; 100],
            b"\nnext\n",
            &[b'y'; 100],
        ]
        .concat();
        for chunk in [1, 10, 1000] {
            assert_eq!(
                split(&stream, chunk),
                [line("short"), Input::TooLong, line("next")],
                "chunks of {chunk}"
            );
        }
    }

    /// Gives its lines one after the other and counts how many it gave.
    struct Source(Vec<Vec<u8>>, mpsc::UnboundedSender<()>);

    impl Read for Source {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(mut line) = self.0.pop() else {
                return Ok(0);
            };
            let read = line.len().min(buffer.len());
            buffer[..read].copy_from_slice(&line[..read]);
            line.drain(..read);
            if line.is_empty() {
                let _ = self.1.send(());
            } else {
                self.0.push(line);
            }
            Ok(read)
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_more_is_read_than_may_wait_and_nothing_is_lost() {
        let long = |byte: u8| [vec![byte; 700_000], b"\n".to_vec()].concat();
        let (given, mut count) = mpsc::unbounded_channel();
        let source = vec![long(b'c'), long(b'b'), long(b'a')];
        let mut lines = read_lines(Source(source, given));
        // The second is read and has no place to wait.
        count.recv().await.unwrap();
        count.recv().await.unwrap();
        assert_eq!(lines.inputs.len(), 1);
        assert!(count.try_recv().is_err());
        for byte in [b'a', b'b', b'c'] {
            assert_eq!(
                lines.recv().await,
                Some(Input::Line(vec![byte; 700_000].into()))
            );
        }
        assert_eq!(lines.recv().await, None);
    }

    #[test]
    fn a_large_line_takes_its_buffer_along() {
        let mut lines = LineSplitter::new(LINE_LIMIT);
        let large = [vec![b'x'; 2 << 20], b"\n".to_vec()].concat();
        assert_eq!(lines.feed(&large).len(), 1);
        assert!(lines.partial.capacity() < READ_SIZE);
    }
}
