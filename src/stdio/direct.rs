//! Stdin and stdout without threads: pipes and sockets on Linux, which is what AI clients use.
//!
//! They must not be made non-blocking, as others may have the same open file: O_NONBLOCK would hold
//! for them, too. A pipe can be opened anew by its name under /proc, and what is set on that is our
//! own. A socket cannot, but can be asked call by call not to wait.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fcntl_getfl};
use rustix::net::sockopt::socket_type;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketType};
use tokio::io::{Interest, unix::AsyncFd};

/// One end of a pipe or socket, whose reads and writes do not wait.
#[derive(Clone, Debug)]
enum End {
    Pipe(Arc<OwnedFd>),
    Socket(Arc<OwnedFd>),
}

impl End {
    /// `None` if it is something else, or the system does not allow it.
    fn of(own: impl AsFd, access: OFlags) -> Option<Self> {
        let name = format!("/proc/self/fd/{}", own.as_fd().as_raw_fd());
        let kind = fs::read_link(&name).ok()?;
        let kind = kind.to_str()?;
        if kind.starts_with("pipe:[") {
            let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let pipe = rustix::fs::open(&name, flags, Mode::empty()).ok()?;
            return Some(Self::Pipe(Arc::new(pipe)));
        }
        kind.starts_with("socket:[").then_some(())?;
        let socket = own.as_fd().try_clone_to_owned().ok()?;
        Some(Self::Socket(Arc::new(socket)))
    }

    fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        Ok(match self {
            Self::Pipe(pipe) => rustix::io::read(pipe, chunk)?,
            Self::Socket(socket) => rustix::net::recv(socket, chunk, RecvFlags::DONTWAIT)?.0,
        })
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match self {
            Self::Pipe(pipe) => rustix::io::writev(pipe, pieces)?,
            Self::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                let nothing = &mut SendAncillaryBuffer::default();
                rustix::net::sendmsg(socket, pieces, nothing, flags)?
            }
        })
    }

    fn watched(&self, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
        let (Self::Pipe(file) | Self::Socket(file)) = self;
        // Its successor asks for `unsafe`, since a descriptor might be closed while it is watched.
        // This one is owned.
        #[allow(deprecated)]
        AsyncFd::with_interest(file.clone(), interest)
    }
}

/// Whether a read gives all that is there and fits. Of packets it gives one, also if more are there.
fn is_stream(own: impl AsFd) -> bool {
    let is_of_packets = fcntl_getfl(&own).is_ok_and(|flags| flags.contains(OFlags::DIRECT));
    // What is no socket has no such kind.
    let kind = socket_type(&own).unwrap_or(SocketType::STREAM);
    !is_of_packets && kind == SocketType::STREAM
}

/// Where lines come from.
#[derive(Debug)]
pub(super) struct Source {
    end: End,
    watched: AsyncFd<Arc<OwnedFd>>,
}

impl Source {
    /// Stdin, if it can be read so. To be called within a tokio runtime.
    pub(super) fn stdin() -> Option<Self> {
        let stdin = io::stdin();
        let end = is_stream(&stdin).then(|| End::of(&stdin, OFlags::RDONLY))??;
        Self::of(end)
    }

    fn of(end: End) -> Option<Self> {
        let watched = end.watched(Interest::READABLE).ok()?;
        Some(Self { end, watched })
    }

    /// Waits for bytes and takes them; none at the end. Dropping the future loses nothing.
    pub(super) async fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.watched.readable().await?;
            match self.end.read(chunk) {
                Ok(read) => {
                    // There was no more, as it is a stream. What comes later is told anew.
                    if read > 0 && read < chunk.len() {
                        ready.clear_ready();
                    }
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    end: End,
    /// While nothing more fits. Otherwise it is not watched: sockets tell each time that the other
    /// side has read something.
    full: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Sink {
    /// Stdout, if it can be written so.
    pub(super) fn stdout() -> Option<Self> {
        Some(Self::to(End::of(io::stdout(), OFlags::WRONLY)?))
    }

    fn to(end: End) -> Self {
        Self { end, full: None }
    }

    /// Writes as much as fits; the error says `WouldBlock` if that is nothing. To be called within
    /// a tokio runtime.
    pub(super) fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(full) = &self.full {
            return full.try_io(Interest::WRITABLE, |_| self.end.write(pieces));
        }
        let written = self.end.write(pieces);
        if matches!(&written, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.full = Some(self.end.watched(Interest::WRITABLE)?);
        }
        written
    }

    /// There is nothing to be written at the moment.
    pub(super) fn rest(&mut self) {
        self.full = None;
    }

    /// Completes when more fits, after a write that found no room; or nobody reads.
    pub(super) async fn has_room(&self) {
        if let Some(full) = &self.full
            && full.writable().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
