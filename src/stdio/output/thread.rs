//! Lines for a stream whose writes cannot be made not to wait, written by a thread of their own.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{OVERHEAD, OutputClosed, ROOM};
use crate::mcp::line::Line;

/// All the room there is.
const ALL: u32 = ROOM as u32;
/// Most bytes that are gathered to be written at once.
const WRITE_SIZE: usize = 256 * 1024;
/// Lines from this size on are written from where they lie, in bytes.
const LARGE: usize = 32 * 1024;

/// A stream that is written by a thread.
#[derive(Debug)]
pub(super) struct Threaded {
    writer: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    waiting: VecDeque<Line>,
    waiting_bytes: usize,
    /// What came of the thread, until that was told.
    finished: Option<oneshot::Receiver<io::Result<()>>>,
}

/// A line at the writer, and the room that it takes until it is written.
#[derive(Debug)]
struct Queued {
    line: Line,
    _room: OwnedSemaphorePermit,
}

impl Threaded {
    /// Starts the thread.
    pub(super) fn start(sink: impl Write + Send + 'static) -> Self {
        let (writer, queue) = mpsc::unbounded_channel();
        let (done, finished) = oneshot::channel();
        thread::spawn(move || {
            let _ = done.send(write_all(sink, queue));
        });
        Self {
            writer,
            room: Arc::new(Semaphore::new(ROOM)),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            finished: Some(finished),
        }
    }

    /// Hands on a line, or keeps it until there is room. Lines keep their order.
    pub(super) fn push(&mut self, line: Line) {
        if self.waiting.is_empty()
            && let Ok(room) = self.room.clone().try_acquire_many_owned(charge(&line))
        {
            return self.hand_on(line, room);
        }
        self.waiting_bytes += line.len() + OVERHEAD;
        self.waiting.push_back(line);
    }

    /// How many bytes wait beyond those that the writer holds; zero as long as the AI client reads
    /// fast enough.
    pub(super) fn behind(&self) -> usize {
        self.waiting_bytes
    }

    /// Does what there is to do: completes when the next line that waits was handed on, or with an
    /// error when no more can be written. To be called again and again; dropping the future loses
    /// nothing.
    pub(super) async fn attend(&mut self) -> Result<(), OutputClosed> {
        let wanted = self.waiting.front().map(charge);
        let room = tokio::select! {
            biased;
            () = self.writer.closed() => return ended(&mut self.finished).await,
            room = room_for(&self.room, wanted) => room,
        };
        if let (Some(room), Some(line)) = (room, self.waiting.pop_front()) {
            self.waiting_bytes -= line.len() + OVERHEAD;
            self.hand_on(line, room);
        }
        Ok(())
    }

    /// Completes when everything is written, or with an error when it cannot be.
    pub(super) async fn finish(mut self) -> Result<(), OutputClosed> {
        while !self.waiting.is_empty() {
            self.attend().await?;
        }
        drop(self.writer);
        ended(&mut self.finished).await
    }

    fn hand_on(&self, line: Line, room: OwnedSemaphorePermit) {
        // A closed stdout shows in `attend`.
        let _ = self.writer.send(Queued { line, _room: room });
    }
}

/// What came of the thread. It ends in one way only, and says so.
async fn ended(
    finished: &mut Option<oneshot::Receiver<io::Result<()>>>,
) -> Result<(), OutputClosed> {
    let Some(said) = finished else {
        return Err(OutputClosed::ByReader);
    };
    let said = said.await;
    *finished = None;
    said.unwrap_or(Ok(())).map_err(OutputClosed::from)
}

async fn room_for(room: &Arc<Semaphore>, wanted: Option<u32>) -> Option<OwnedSemaphorePermit> {
    match wanted {
        // It is never closed.
        Some(wanted) => room.clone().acquire_many_owned(wanted).await.ok(),
        None => std::future::pending().await,
    }
}

fn charge(line: &Line) -> u32 {
    u32::try_from(line.len() + OVERHEAD).map_or(ALL, |bytes| bytes.min(ALL))
}

/// Writes lines until there are no more, or it cannot.
fn write_all(mut sink: impl Write, mut queue: mpsc::UnboundedReceiver<Queued>) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut held = Vec::new();
    let mut next = queue.blocking_recv();
    while let Some(queued) = next {
        // Lines that wait already are written together; none waits for another.
        let mut last = Some(queued);
        while let Some(queued) = last.take_if(|queued| queued.line.len() < LARGE) {
            for piece in queued.line.pieces() {
                buffer.extend_from_slice(piece);
            }
            buffer.push(b'\n');
            held.push(queued);
            if buffer.len() < WRITE_SIZE {
                last = queue.try_recv().ok();
            }
        }
        // What is still to come finds the queue closed.
        write(&mut sink, &buffer, last.as_ref())?;
        buffer.clear();
        held.clear();
        drop(last);
        next = queue.blocking_recv();
    }
    Ok(())
}

/// Writes what was gathered, and a large line from where it lies.
fn write(sink: &mut impl Write, gathered: &[u8], large: Option<&Queued>) -> io::Result<()> {
    sink.write_all(gathered)?;
    if let Some(queued) = large {
        for piece in queued.line.pieces() {
            sink.write_all(piece)?;
        }
        sink.write_all(b"\n")?;
    }
    sink.flush()
}

#[cfg(test)]
mod tests;
