//! The one way to stdout.

mod queue;
mod thread;

use std::io::{self, Write};

use queue::Queue;
use thread::Threaded;

use super::direct::Sink;
use super::hangup::Hangup;
use super::patient;
use crate::mcp::line::Line;

/// Bytes that may be on their way to the AI client before it counts as slow; a longer line passes
/// alone.
const ROOM: usize = 256 * 1024;
/// What a line counts for besides its bytes.
const OVERHEAD: usize = 64;

/// The one way to stdout. Lines that the AI client does not read wait here; how many is up to the
/// caller, who sees it in [`Output::behind`].
#[derive(Debug)]
pub struct Output {
    way: Way,
    hangup: Hangup,
}

#[derive(Debug)]
enum Way {
    Direct(Queue<Sink>),
    Thread(Threaded),
}

/// No more lines can be written.
#[derive(Debug)]
pub enum OutputClosed {
    /// The AI client closed its end of stdout.
    ByReader,
    /// It is not for the AI client that they cannot be written.
    Failed(io::Error),
}

impl From<io::Error> for OutputClosed {
    fn from(error: io::Error) -> Self {
        match super::is_hangup(&error) {
            true => Self::ByReader,
            false => Self::Failed(error),
        }
    }
}

impl Output {
    /// Stdout, with an eye on its other end. To be called within a tokio runtime.
    pub fn stdout() -> Self {
        let way = match Sink::stdout() {
            Some(sink) => Way::Direct(Queue::new(sink)),
            None => Way::Thread(Threaded::start(patient::stdout())),
        };
        Self {
            way,
            hangup: Hangup::of_stdout(),
        }
    }

    /// Starts the writer of a stream.
    pub fn start(sink: impl Write + Send + 'static) -> Self {
        Self {
            way: Way::Thread(Threaded::start(sink)),
            hangup: Hangup::default(),
        }
    }

    /// Takes a line. Lines keep their order. It is on its way after [`Output::flush`].
    pub fn push(&mut self, line: Line) {
        match &mut self.way {
            Way::Direct(queue) => queue.push(line),
            Way::Thread(threaded) => threaded.push(line),
        }
    }

    /// Sends on their way what lines there are, as far as the AI client reads. Lines that are there
    /// together are written together.
    pub fn flush(&mut self) {
        match &mut self.way {
            Way::Direct(queue) => queue.flush(),
            Way::Thread(_) => {}
        }
    }

    /// How many bytes wait beyond those that may be on their way; zero as long as the AI client
    /// reads fast enough.
    pub fn behind(&self) -> usize {
        match &self.way {
            Way::Direct(queue) => queue.behind(),
            Way::Thread(threaded) => threaded.behind(),
        }
    }

    /// Does what there is to do: completes when more was written or handed on, or with an error when
    /// no more can be. To be called again and again; dropping the future loses nothing.
    pub async fn attend(&mut self) -> Result<(), OutputClosed> {
        let attended = async {
            match &mut self.way {
                Way::Direct(queue) => queue.attend().await,
                Way::Thread(threaded) => threaded.attend().await,
            }
        };
        tokio::select! {
            biased;
            attended = attended => attended,
            () = self.hangup.happened() => Err(OutputClosed::ByReader),
        }
    }

    /// Completes when everything is written, or with an error when it cannot be.
    pub async fn finish(mut self) -> Result<(), OutputClosed> {
        let written = async {
            match self.way {
                Way::Direct(queue) => queue.finish().await,
                Way::Thread(threaded) => threaded.finish().await,
            }
        };
        tokio::select! {
            biased;
            written = written => written,
            () = self.hangup.happened() => Err(OutputClosed::ByReader),
        }
    }
}
