//! Lines for a stream that takes what it has room for and does not wait.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;

use super::{OVERHEAD, OutputClosed, ROOM};
use crate::mcp::line::Line;
use crate::stdio::direct::Sink;

/// Most pieces that are written at once.
const PIECES: usize = 64;

/// Something that is written without waiting.
pub(super) trait Unwaiting {
    /// Writes what there is room for; the error says `WouldBlock` if there is none.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Nothing is to be written at the moment.
    fn rest(&mut self);
    /// Completes when there may be room again.
    async fn has_room(&self);
}

impl Unwaiting for Sink {
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Sink::write(self, pieces)
    }

    fn rest(&mut self) {
        Sink::rest(self);
    }

    async fn has_room(&self) {
        Sink::has_room(self).await;
    }
}

/// Lines on their way to such a stream.
#[derive(Debug)]
pub(super) struct Queue<S> {
    sink: S,
    lines: VecDeque<Line>,
    /// What of the first line is written already, in bytes.
    written: usize,
    /// What the lines count for.
    bytes: usize,
    /// Why nothing more can be written; who asks again is told less.
    closed: Option<OutputClosed>,
}

impl<S: Unwaiting> Queue<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            lines: VecDeque::new(),
            written: 0,
            bytes: 0,
            closed: None,
        }
    }

    pub(super) fn push(&mut self, line: Line) {
        // Nobody gets it.
        if self.closed.is_some() {
            return;
        }
        self.bytes += charge(&line);
        self.lines.push_back(line);
    }

    pub(super) fn flush(&mut self) {
        while !self.lines.is_empty() {
            match self.write() {
                Ok(written @ 1..) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return self.close(io::ErrorKind::WriteZero.into()),
                Err(error) => return self.close(error),
            }
            if self.lines.is_empty() {
                self.sink.rest();
            }
        }
    }

    pub(super) fn behind(&self) -> usize {
        // The line that is being written may be longer than all the room.
        let first = self.lines.front().map_or(0, charge);
        (self.bytes - first + first.min(ROOM)).saturating_sub(ROOM)
    }

    pub(super) async fn attend(&mut self) -> Result<(), OutputClosed> {
        self.is_open()?;
        match self.lines.is_empty() {
            true => std::future::pending().await,
            false => self.sink.has_room().await,
        }
        self.flush();
        self.is_open()
    }

    pub(super) async fn finish(mut self) -> Result<(), OutputClosed> {
        self.flush();
        while !self.lines.is_empty() {
            self.attend().await?;
        }
        self.is_open()
    }

    fn is_open(&mut self) -> Result<(), OutputClosed> {
        match &mut self.closed {
            None => Ok(()),
            Some(closed) => Err(mem::replace(closed, OutputClosed::ByReader)),
        }
    }

    fn close(&mut self, error: io::Error) {
        self.closed = Some(error.into());
        self.lines.clear();
        self.bytes = 0;
    }

    /// Writes from where it lies as much as fits at once.
    fn write(&mut self) -> io::Result<usize> {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let (mut count, mut skipped) = (0, self.written);
        let all = self.lines.iter().flat_map(|line| {
            let pieces = line.pieces().iter().map(|piece| &piece[..]);
            pieces.chain(std::iter::once(&b"\n"[..]))
        });
        for piece in all {
            let begun = skipped.min(piece.len());
            skipped -= begun;
            if begun == piece.len() {
                continue;
            }
            pieces[count] = IoSlice::new(&piece[begun..]);
            count += 1;
            if count == PIECES {
                break;
            }
        }
        self.sink.write(&pieces[..count])
    }

    /// Takes what was written out of the queue.
    fn advance(&mut self, written: usize) {
        self.written += written;
        while let Some(line) = self.lines.front()
            && self.written > line.len()
        {
            self.written -= line.len() + 1;
            self.bytes -= charge(line);
            self.lines.pop_front();
        }
    }
}

fn charge(line: &Line) -> usize {
    line.len() + OVERHEAD
}

#[cfg(test)]
mod tests;
