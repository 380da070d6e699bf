use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;

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

/// A sink that takes nothing before it is told to, and says when something wants to be taken.
struct Gate {
    reached: SyncSender<()>,
    open: Receiver<()>,
    sink: Sink,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.reached.try_send(());
        let _ = self.open.recv();
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(length: usize, number: usize) -> String {
    let number = number.to_string();
    "0".repeat(length - number.len()) + &number
}

fn line(length: usize, number: usize) -> Line {
    Bytes::from(text(length, number)).into()
}

#[tokio::test(flavor = "current_thread")]
async fn everything_queued_is_written_before_the_end_and_in_order() {
    let sink = Sink::default();
    let mut output = Threaded::start(sink.clone());
    let length = |number: usize| match number % 100 {
        0 => LARGE + number,
        _ => 10 + number,
    };
    for number in 0..1000 {
        output.push(line(length(number), number));
    }
    output.finish().await.unwrap();
    let expected: String = (0..1000)
        .map(|number| text(length(number), number) + "\n")
        .collect();
    assert!(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap() == expected);
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_writer_has_no_room_for_waits_and_is_counted() {
    let (reached, is_reached) = sync_channel(1);
    let (open, opened) = sync_channel::<()>(0);
    let sink = Sink::default();
    let mut output = Threaded::start(Gate {
        reached,
        open: opened,
        sink: sink.clone(),
    });
    let half = ROOM / 2 - OVERHEAD;
    for number in 0..4 {
        output.push(line(half, number));
    }
    is_reached.recv().unwrap();
    assert_eq!(output.behind(), ROOM);
    // A line larger than all the room passes, too.
    output.push(line(ROOM * 2, 4));
    drop(open);
    while output.behind() > 0 {
        output.attend().await.unwrap();
    }
    output.finish().await.unwrap();
    assert_eq!(sink.0.lock().unwrap().len(), 4 * (half + 1) + ROOM * 2 + 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_closed_stdout_is_noticed_and_one_that_fails_says_why() {
    struct Broken(io::ErrorKind);
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for (kind, is_hangup) in [
        (io::ErrorKind::BrokenPipe, true),
        (io::ErrorKind::ConnectionReset, true),
        (io::ErrorKind::StorageFull, false),
        (io::ErrorKind::WouldBlock, false),
    ] {
        let as_expected = |closed: OutputClosed| match closed {
            OutputClosed::ByReader => assert!(is_hangup, "{kind}"),
            OutputClosed::Failed(error) => assert_eq!((error.kind(), is_hangup), (kind, false)),
        };
        let mut output = Threaded::start(Broken(kind));
        output.push(line(1, 1));
        as_expected(output.attend().await.unwrap_err());
        // It is told once.
        output.push(line(1, 2));
        let again = output.attend().await;
        assert!(matches!(again, Err(OutputClosed::ByReader)), "{again:?}");
        assert!(output.finish().await.is_err());

        let mut output = Threaded::start(Broken(kind));
        output.push(line(1, 1));
        as_expected(output.finish().await.unwrap_err());
    }
}
