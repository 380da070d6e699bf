//! Bounds what the server says that is in memory at a time. A message that finds no room is not
//! read on, so that its connection fills and the server has to wait.
//!
//! A message keeps its room until the last of its bytes is gone, which is when it was written to
//! stdout, wherever it waits meanwhile: the room is part of the [`Bytes`].
//!
//! There are two kinds of room, so that a message which comes slowly does not hold up those that
//! are complete. While it is read, a message of some size takes room from [`READING`]; where that
//! is used up, one message at a time may grow beyond it, so that one of them always gets done. When
//! it is complete it takes room from [`COMPLETE`]; one that is larger than all of that passes alone.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Messages up to this size need no room, in bytes: of those, the relay's queue holds few.
const FREE: usize = 16 * 1024;
/// What any message may have read without room, in bytes.
const ALLOWANCE: usize = 64 * 1024;
/// The room for complete messages that are on their way to stdout, in bytes.
const COMPLETE: u32 = 2 * 1024 * 1024;
/// The room for messages that are being read, in bytes.
const READING: u32 = 16 * 1024 * 1024;
/// The steps in which it is taken, in bytes.
const STEP: usize = 256 * 1024;

/// The room for what the server says. Clones share it.
#[derive(Clone, Debug)]
pub struct Intake {
    complete: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// The right to grow beyond the room for reading.
    beyond: Arc<Semaphore>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            complete: Arc::new(Semaphore::new(COMPLETE as usize)),
            reading: Arc::new(Semaphore::new(READING as usize)),
            beyond: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The room that a message takes while it is read.
#[derive(Debug, Default)]
pub struct Room {
    reading: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

/// A complete message with the room that it takes.
struct Held {
    text: Bytes,
    _reading: Room,
    _complete: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Intake {
    /// Waits until a message may have so many bytes. Dropping the future loses nothing.
    pub async fn grow(&self, room: &mut Room, size: usize) {
        let held = room.reading.as_ref().map_or(0, |held| held.num_permits());
        if room.beyond.is_some() || size <= ALLOWANCE + held {
            return;
        }
        let step = (size - ALLOWANCE - held).max(STEP).min(READING as usize);
        let step = u32::try_from(step).unwrap_or(READING);
        // Neither is ever closed.
        tokio::select! {
            biased;
            Ok(more) = self.reading.clone().acquire_many_owned(step) => match &mut room.reading {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            },
            Ok(beyond) = self.beyond.clone().acquire_owned() => room.beyond = Some(beyond),
        }
    }

    /// Waits until a message of so many bytes may go on its way to stdout. Dropping the future
    /// loses nothing.
    pub async fn admit(&self, size: usize) -> Admitted {
        let size = u32::try_from(size).map_or(COMPLETE, |size| size.min(COMPLETE));
        match size as usize <= FREE {
            true => Admitted(None),
            // It is never closed.
            false => Admitted(self.complete.clone().acquire_many_owned(size).await.ok()),
        }
    }
}

/// The room of a complete message.
#[derive(Debug)]
pub struct Admitted(Option<OwnedSemaphorePermit>);

impl Admitted {
    /// Ties the room to the message. `reading` is what it took while it was read.
    pub fn hold(self, text: Bytes, reading: Room) -> Bytes {
        if self.0.is_none() {
            return text;
        }
        Bytes::from_owner(Held {
            text,
            _reading: reading,
            _complete: self.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    /// Whether it completes without anything else happening.
    fn is_ready<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn admitted(intake: &Intake, size: usize) -> Option<Bytes> {
        let admitted = is_ready(std::pin::pin!(intake.admit(size)))?;
        Some(admitted.hold(vec![0; size].into(), Room::default()))
    }

    #[test]
    fn messages_take_room_until_the_last_slice_of_them_is_gone() {
        let intake = Intake::default();
        let half = COMPLETE as usize / 2;
        let first = admitted(&intake, half).unwrap();
        let second = admitted(&intake, half).unwrap();
        assert!(admitted(&intake, FREE + 1).is_none());
        assert!(admitted(&intake, FREE).is_some(), "small ones need none");
        let slice = first.slice(10..20);
        drop(first);
        assert!(admitted(&intake, FREE + 1).is_none());
        drop(slice);
        assert!(admitted(&intake, half).is_some());
        drop(second);
    }

    #[test]
    fn a_message_larger_than_all_the_room_passes_alone() {
        let intake = Intake::default();
        let small = admitted(&intake, FREE + 1).unwrap();
        let large = COMPLETE as usize * 10;
        assert!(admitted(&intake, large).is_none());
        drop(small);
        let alone = admitted(&intake, large).unwrap();
        assert!(admitted(&intake, FREE + 1).is_none());
        drop(alone);
        assert!(admitted(&intake, FREE + 1).is_some());
    }

    #[test]
    fn one_message_at_a_time_may_grow_beyond_the_room_for_reading() {
        let intake = Intake::default();
        let (mut first, mut second, mut third) = Default::default();
        let all = READING as usize + ALLOWANCE;
        let grows =
            |room: &mut Room, size| is_ready(std::pin::pin!(intake.grow(room, size))).is_some();
        assert!(grows(&mut first, all));
        assert!(grows(&mut second, ALLOWANCE), "a little is always free");
        assert!(grows(&mut second, all), "there is one place beyond");
        assert!(grows(&mut second, all * 100));
        assert!(!grows(&mut third, ALLOWANCE + 1));
        assert!(!grows(&mut first, all + 1));
        drop(second);
        assert!(grows(&mut first, all + 1));
        assert!(!grows(&mut third, ALLOWANCE + 1));
        drop(first);
        assert!(grows(&mut third, ALLOWANCE + 1));
    }

    #[test]
    fn the_room_of_reading_is_held_as_long_as_the_message() {
        let intake = Intake::default();
        let size = READING as usize + ALLOWANCE;
        let mut room = Room::default();
        is_ready(std::pin::pin!(intake.grow(&mut room, size))).unwrap();
        let admitted = is_ready(std::pin::pin!(intake.admit(size))).unwrap();
        let message = admitted.hold(vec![0; size].into(), room);
        assert_eq!(intake.reading.available_permits(), 0);
        drop(message);
        assert_eq!(intake.reading.available_permits(), READING as usize);
        assert_eq!(intake.complete.available_permits(), COMPLETE as usize);
    }
}
