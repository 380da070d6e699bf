use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use futures_util::FutureExt as _;
use rustix::fs::fcntl_setfl;
use rustix::net::{AddressFamily, SocketFlags, socketpair};

use super::*;

/// Both kinds of streams: an end to read from and one to write to.
fn streams() -> [(OwnedFd, OwnedFd); 2] {
    let (reader, writer) = io::pipe().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    [(reader.into(), writer.into()), (one.into(), other.into())]
}

fn is_blocking(file: &OwnedFd) -> bool {
    !fcntl_getfl(file).unwrap().contains(OFlags::NONBLOCK)
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_written_is_read_until_the_end_and_others_can_wait_for_it_as_before() {
    for (reader, writer) in streams() {
        let mut source = Source::of(End::of(&reader, OFlags::RDONLY).unwrap()).unwrap();
        let mut writer = fs::File::from(writer);
        let mut chunk = [0; 4];
        assert!(source.read(&mut chunk).now_or_never().is_none());
        writer.write_all(b"abcdef").unwrap();
        assert_eq!(source.read(&mut chunk).await.unwrap(), 4);
        assert_eq!(source.read(&mut chunk).await.unwrap(), 2);
        assert_eq!(&chunk[..2], b"ef");
        assert!(source.read(&mut chunk).now_or_never().is_none());
        // The last words, and the end right after.
        writer.write_all(b"g").unwrap();
        drop(writer);
        assert_eq!(source.read(&mut chunk).await.unwrap(), 1);
        assert_eq!(source.read(&mut chunk).await.unwrap(), 0);
        assert!(is_blocking(&reader));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_full_stream_has_room_again_when_it_is_read() {
    for (reader, writer) in streams() {
        let mut sink = Sink::to(End::of(&writer, OFlags::WRONLY).unwrap());
        let text = [b'x'; 8192];
        let mut written = 0;
        let full = loop {
            match sink.write(&[IoSlice::new(&text)]) {
                Ok(more) => written += more,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // It may say so once more before it has looked.
        while sink.has_room().now_or_never().is_some() {
            let again = sink.write(&[IoSlice::new(&text)]);
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        let mut reader = fs::File::from(reader);
        reader.read_exact(&mut vec![0; written]).unwrap();
        sink.has_room().await;
        assert_eq!(sink.write(&[IoSlice::new(b"y")]).unwrap(), 1);
        assert!(is_blocking(&writer));
        // And when nobody reads it any more.
        while sink.write(&[IoSlice::new(&text)]).is_ok() {}
        drop(reader);
        loop {
            sink.has_room().await;
            match sink.write(&[IoSlice::new(&text)]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => break assert!(outcome.is_err()),
            }
        }
    }
}

#[test]
fn what_keeps_packets_apart_is_no_stream() {
    for (reader, writer) in streams() {
        assert!(is_stream(&reader) && is_stream(&writer));
    }
    let (reader, _writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&reader).unwrap();
    fcntl_setfl(&reader, flags | OFlags::DIRECT).unwrap();
    assert!(!is_stream(&reader));
    for kind in [SocketType::SEQPACKET, SocketType::DGRAM] {
        let pair = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
        assert!(!is_stream(pair.unwrap().0), "{kind:?}");
    }
}

#[test]
fn what_is_neither_a_pipe_nor_a_socket_is_left_to_a_thread() {
    let file = tempfile::tempfile().unwrap();
    assert!(End::of(&file, OFlags::RDONLY).is_none());
    let null = fs::File::open("/dev/null").unwrap();
    assert!(End::of(&null, OFlags::RDONLY).is_none());
}
