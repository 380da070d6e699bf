use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::*;

/// Takes so many bytes at a time, and then nothing before it is asked whether there is room.
#[derive(Default)]
struct Sink {
    taken: Vec<u8>,
    /// How much each write takes; 0 for no room, nothing left for a closed other end.
    script: std::cell::RefCell<VecDeque<usize>>,
    rests: usize,
}

impl Sink {
    fn that_takes(script: &[usize]) -> Self {
        Self {
            script: script.iter().copied().collect::<VecDeque<_>>().into(),
            ..Self::default()
        }
    }
}

impl Unwaiting for Sink {
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = match self.script.borrow().front() {
            Some(0) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(room) => *room,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        self.script.borrow_mut().pop_front();
        let all = pieces.iter().map(|piece| &piece[..]).collect::<Vec<_>>();
        let all = all.concat();
        let written = all.len().min(room);
        self.taken.extend_from_slice(&all[..written]);
        Ok(written)
    }

    fn rest(&mut self) {
        self.rests += 1;
    }

    async fn has_room(&self) {
        if self.script.borrow().front() == Some(&0) {
            self.script.borrow_mut().pop_front();
        }
    }
}

fn line(text: &str) -> Line {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

#[tokio::test(flavor = "current_thread")]
async fn lines_come_out_whole_and_in_order_whatever_fits_at_once() {
    let texts = ["", "a", "bc", "def", "0123456789"];
    let expected = texts.map(|text| format!("{text}\n")).concat();
    for step in 1..=expected.len() {
        let mut script = Vec::new();
        for _ in 0..expected.len() {
            script.extend([step, 0]);
        }
        let mut queue = Queue::new(Sink::that_takes(&script));
        for text in texts {
            queue.push(line(text));
            queue.flush();
        }
        while !queue.lines.is_empty() {
            queue.attend().await.unwrap();
        }
        assert_eq!(String::from_utf8(queue.sink.taken).unwrap(), expected);
        assert_eq!((queue.bytes, queue.written), (0, 0), "{step} at once");
        assert!(queue.sink.rests > 0);
    }
}

#[test]
fn more_lines_than_are_written_at_once_are_written_at_last() {
    let mut queue = Queue::new(Sink::that_takes(&[usize::MAX; 100]));
    let texts: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    for text in &texts {
        queue.push(line(text));
    }
    queue.flush();
    assert!(queue.lines.is_empty());
    assert_eq!(queue.sink.taken, (texts.join("\n") + "\n").into_bytes());
    // Each write takes as many pieces as it may.
    let left = queue.sink.script.borrow().len();
    assert_eq!(100 - left, (2 * texts.len()).div_ceil(PIECES));
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut queue = Queue::new(Sink::that_takes(&[0]));
    let half = "x".repeat(ROOM / 2 - OVERHEAD);
    for _ in 0..2 {
        queue.push(line(&half));
        queue.flush();
        assert_eq!(queue.behind(), 0);
    }
    queue.push(line(&half));
    assert_eq!(queue.behind(), ROOM / 2);
}

#[test]
fn a_line_that_is_longer_than_all_the_room_passes_and_what_follows_waits() {
    let mut queue = Queue::new(Sink::that_takes(&[0]));
    queue.push(line(&"x".repeat(3 * ROOM)));
    queue.flush();
    assert_eq!(queue.behind(), 0);
    queue.push(line("y"));
    assert_eq!(queue.behind(), 1 + OVERHEAD);
}

#[tokio::test(flavor = "current_thread")]
async fn a_closed_other_end_is_told_and_nothing_is_kept_for_it() {
    let mut queue = Queue::new(Sink::that_takes(&[1]));
    queue.push(line("abc"));
    queue.flush();
    queue.push(line("def"));
    assert_eq!((queue.bytes, queue.behind()), (0, 0));
    let told = queue.attend().await;
    assert!(matches!(told, Err(OutputClosed::ByReader)), "{told:?}");
    assert!(queue.finish().await.is_err());

    // It may close while it is awaited that there is room.
    let mut queue = Queue::new(Sink::that_takes(&[1, 0]));
    queue.push(line("abc"));
    queue.flush();
    let told = queue.attend().await;
    assert!(matches!(told, Err(OutputClosed::ByReader)), "{told:?}");
}

/// Takes nothing, for this reason.
struct Failing(io::ErrorKind);

impl Unwaiting for Failing {
    fn write(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {
            io::ErrorKind::WriteZero => Ok(0),
            kind => Err(kind.into()),
        }
    }

    fn rest(&mut self) {}

    async fn has_room(&self) {}
}

#[tokio::test(flavor = "current_thread")]
async fn what_fails_for_another_reason_says_why_once() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::WriteZero] {
        let mut queue = Queue::new(Failing(kind));
        queue.push(line("abc"));
        let told = queue.finish().await;
        assert!(matches!(&told, Err(OutputClosed::Failed(error)) if error.kind() == kind));

        let mut queue = Queue::new(Failing(kind));
        queue.push(line("abc"));
        let told = queue.attend().await;
        assert!(matches!(&told, Err(OutputClosed::Failed(error)) if error.kind() == kind));
        let again = queue.attend().await;
        assert!(matches!(again, Err(OutputClosed::ByReader)), "{again:?}");
    }
    for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset] {
        let mut queue = Queue::new(Failing(kind));
        queue.push(line("abc"));
        let told = queue.finish().await;
        assert!(matches!(told, Err(OutputClosed::ByReader)), "{told:?}");
    }
}

#[test]
fn without_lines_there_is_nothing_to_do() {
    let mut queue = Queue::new(Sink::default());
    queue.flush();
    assert!(queue.attend().now_or_never().is_none());
    assert!(queue.finish().now_or_never().is_some());
}
