//! Streams that a thread reads or writes, and that others may have set to not waiting: O_NONBLOCK
//! holds for everybody who has the same open file, as a terminal or a named pipe that was opened so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// Before a stream is tried again that cannot be watched.
const PAUSE: Duration = Duration::from_millis(50);

/// Such a stream, which waits all the same.
#[derive(Debug)]
struct Patient<S>(S);

/// Stdin.
pub fn stdin() -> impl Read + Send + 'static {
    Patient(io::stdin())
}

/// Stdout without the standard library's buffer, which looks for the ends of lines in everything.
pub(super) fn stdout() -> Box<dyn Write + Send> {
    let stdout = io::stdout();
    match stdout.as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(Patient(File::from(own))),
        Err(_) => Box::new(stdout),
    }
}

impl<S: Read + AsFd> Read for Patient<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::IN);
                }
                outcome => return outcome,
            }
        }
    }
}

impl<S: Write + AsFd> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT);
                }
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: AsFd> Patient<S> {
    /// Waits until it is worth trying again; trying tells what has happened.
    fn wait(&self, wanted: PollFlags) {
        let mut asked = [PollFd::new(&self.0, wanted)];
        let is_watched = poll(&mut asked, None).is_ok();
        // macOS cannot watch every device.
        if !is_watched || asked[0].revents().contains(PollFlags::NVAL) {
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_does_not_wait_is_waited_for_and_loses_nothing() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for end in [&ours, &theirs] {
            end.set_nonblocking(true).unwrap();
        }
        // More than there is room for at once.
        let text: Vec<u8> = (0..2_000_000).map(|n: usize| (n % 251) as u8).collect();
        let expected = text.clone();
        let writing = thread::spawn(move || Patient(ours).write_all(&text));
        let mut read = Vec::new();
        Patient(theirs).read_to_end(&mut read).unwrap();
        writing.join().unwrap().unwrap();
        assert!(read == expected);
    }
}
