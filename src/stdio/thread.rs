//! A stream whose reads cannot be cancelled, read ahead by a thread of its own.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::mpsc;

use super::{Input, LineSplitter, unreadable};

/// How much is read at once, in bytes.
const READ_SIZE: usize = 64 * 1024;
/// Lines that wait before the reader has to.
const QUEUE: usize = 64;
/// Bytes in those lines; a longer line passes alone.
const QUEUE_BYTES: usize = 1024 * 1024;

/// The lines of such a stream, as they come.
#[derive(Debug)]
pub(super) struct Lines {
    inputs: mpsc::Receiver<Input>,
    waiting: Arc<Waiting>,
}

impl Lines {
    /// Starts the thread. `limit`: on the length of a line, in bytes.
    pub(super) fn of(limit: usize, source: impl Read + Send + 'static) -> Self {
        let (sender, inputs) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Waiting::default());
        let counted = waiting.clone();
        let send = move |input: Input| {
            counted.add(input.len());
            sender.blocking_send(input).is_ok()
        };
        thread::spawn(move || read(source, LineSplitter::new(limit), send));
        Self { inputs, waiting }
    }

    /// The next one; `None` at the end of the stream. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<Input> {
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

/// Reads until the end, or until nobody takes the lines any more.
fn read(mut source: impl Read, mut lines: LineSplitter, send: impl Fn(Input) -> bool) {
    let mut chunk = vec![0; READ_SIZE];
    let mut found = VecDeque::new();
    let error = loop {
        match source.read(&mut chunk) {
            Ok(read @ 1..) => lines.feed(&chunk[..read], &mut found),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            end => break end.err(),
        }
        for input in found.drain(..) {
            if !send(input) {
                return;
            }
        }
    };
    let rest = lines.finish().map(Input::Unfinished);
    for input in rest.into_iter().chain(error.and_then(unreadable)) {
        send(input);
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

#[cfg(test)]
mod tests {
    use super::*;

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
    async fn an_error_is_told_after_what_was_read_unless_the_other_end_is_gone() {
        /// Gives a part of a line, and then this.
        struct Failing(io::ErrorKind, bool);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.1, true) {
                    return Err(self.0.into());
                }
                buffer[..4].copy_from_slice(b"a\nbc");
                Ok(4)
            }
        }
        for (kind, is_told) in [
            (io::ErrorKind::IsADirectory, true),
            (io::ErrorKind::ConnectionReset, false),
            (io::ErrorKind::BrokenPipe, false),
        ] {
            let mut lines = Lines::of(100, Failing(kind, false));
            assert_eq!(lines.recv().await, Some(Input::Line("a".into())));
            assert_eq!(lines.recv().await, Some(Input::Unfinished("bc".into())));
            let told = is_told.then(|| Input::Unreadable(io::Error::from(kind).to_string()));
            assert_eq!(lines.recv().await, told);
            assert_eq!(lines.recv().await, None);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_more_is_read_than_may_wait_and_nothing_is_lost() {
        let long = |byte: u8| [vec![byte; 700_000], b"\n".to_vec()].concat();
        let (given, mut count) = mpsc::unbounded_channel();
        let source = vec![long(b'c'), long(b'b'), long(b'a')];
        let mut lines = Lines::of(super::super::LINE_LIMIT, Source(source, given));
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
}
