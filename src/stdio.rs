//! Lines from stdin; the one writer of stdout (MCP 2025-11-25, Transports, stdio).
//!
//! Each direction has a thread of its own, since reads of stdin cannot be cancelled and a client
//! that stops reading must not stop timers and signals.

use std::io::{self, Read, Write};
use std::sync::mpsc as blocking;
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// Longest line that is taken from the AI client, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024 * 1024;
/// How much is read from stdin at once, in bytes.
const READ_SIZE: usize = 64 * 1024;
/// Lines that wait in either direction before the sender has to.
const QUEUE: usize = 64;
/// Most bytes that are written at once.
const WRITE_SIZE: usize = 256 * 1024;

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

/// Starts reading a stream of lines, stdin as a rule. The channel closes at its end.
pub fn read_lines(source: impl Read + Send + 'static) -> mpsc::Receiver<Input> {
    read_lines_up_to(LINE_LIMIT, source)
}

/// The same with another limit on the length of a line, in bytes.
pub fn read_lines_up_to(
    limit: usize,
    mut source: impl Read + Send + 'static,
) -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(QUEUE);
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
                if sender.blocking_send(input).is_err() {
                    return;
                }
            }
        }
        if let Some(rest) = lines.finish() {
            let _ = sender.blocking_send(Input::Unfinished(rest));
        }
    });
    receiver
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
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The line without a carriage return at its end, and without a byte order mark at the start
    /// of the stream; `None` if it is blank.
    fn take(&mut self) -> Option<Bytes> {
        let mut line = self.partial.split().freeze();
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line = line.slice(3..);
        }
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        (!line.trim_ascii().is_empty()).then_some(line)
    }
}

/// The one way to stdout. Waits when the AI client does not read.
#[derive(Debug)]
pub struct Output {
    lines: mpsc::Sender<Bytes>,
    finished: blocking::Receiver<()>,
}

/// The AI client closed its end of stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputClosed;

impl Output {
    /// Starts the writer of a stream, stdout as a rule.
    pub fn start(mut sink: impl Write + Send + 'static) -> Self {
        let (lines, mut queue) = mpsc::channel::<Bytes>(QUEUE);
        let (done, finished) = blocking::channel();
        thread::spawn(move || {
            let mut buffer = Vec::new();
            while let Some(line) = queue.blocking_recv() {
                buffer.clear();
                push_line(&mut buffer, &line);
                // Lines that wait already are written together; none waits for another.
                while buffer.len() < WRITE_SIZE
                    && let Ok(line) = queue.try_recv()
                {
                    push_line(&mut buffer, &line);
                }
                if sink.write_all(&buffer).and_then(|()| sink.flush()).is_err() {
                    break;
                }
                if buffer.capacity() > WRITE_SIZE * 2 {
                    buffer = Vec::new();
                }
            }
            queue.close();
            let _ = done.send(());
        });
        Self { lines, finished }
    }

    /// Queues one line, without its end.
    pub async fn write(&self, line: Bytes) -> Result<(), OutputClosed> {
        self.lines.send(line).await.map_err(|_| OutputClosed)
    }

    /// Completes when the AI client has closed its end.
    pub async fn closed(&self) {
        self.lines.closed().await;
    }

    /// Waits until everything queued is written, but no longer than `limit`.
    pub fn finish(self, limit: std::time::Duration) {
        drop(self.lines);
        let _ = self.finished.recv_timeout(limit);
    }
}

fn push_line(buffer: &mut Vec<u8>, line: &[u8]) {
    buffer.reserve(line.len() + 1);
    buffer.extend_from_slice(line);
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

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

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn everything_queued_is_written_before_the_end() {
        let sink = Sink::default();
        let output = Output::start(sink.clone());
        for number in 0..1000 {
            output.write(number.to_string().into()).await.unwrap();
        }
        output.finish(Duration::from_secs(10));
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert_eq!(
            String::from_utf8(sink.0.lock().unwrap().clone()).unwrap(),
            expected
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_closed_stdout_is_noticed() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Output::start(Broken);
        output.write("x".into()).await.unwrap();
        output.closed().await;
        assert_eq!(output.write("y".into()).await, Err(OutputClosed));
    }
}
