//! Notices that the AI client has closed its end of a stream that nothing is read from or written
//! to at the moment.

#[cfg(target_os = "linux")]
use tokio::io::{Interest, unix::AsyncFd};

#[cfg(target_os = "linux")]
use crate::seldom::{Seldom, Waiting};

/// Looks out for the other end of stdout to be closed. Where the system cannot tell, as for files,
/// and on systems other than Linux, the next line that is written finds out.
#[derive(Debug, Default)]
pub(super) struct Hangup {
    #[cfg(target_os = "linux")]
    stdout: Option<Seldom<AsyncFd<std::io::Stdout>, ()>>,
}

impl Hangup {
    /// Looks out from now on. To be called within a tokio runtime.
    pub(super) fn of_stdout() -> Self {
        Self {
            // An end of a pipe or socket that was closed is always reported; asking for input as
            // well asks for nothing that a stdout has.
            #[cfg(target_os = "linux")]
            // Its successor asks for `unsafe`, since a descriptor might be closed while it is
            // watched. Stdout never is.
            #[allow(deprecated)]
            stdout: AsyncFd::with_interest(std::io::stdout(), Interest::READABLE)
                .ok()
                .map(|stdout| Seldom::new(stdout, closed)),
        }
    }

    /// Completes when the other end is closed. Dropping the future loses nothing.
    pub(super) async fn happened(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(stdout) = &mut self.stdout {
            return stdout.next().await;
        }
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
fn closed(stdout: AsyncFd<std::io::Stdout>) -> Waiting<AsyncFd<std::io::Stdout>, ()> {
    Box::pin(async move {
        let closed = Interest::WRITABLE.add(Interest::ERROR);
        loop {
            let Ok(mut ready) = stdout.ready(closed).await else {
                return std::future::pending().await;
            };
            if ready.ready().is_write_closed() || ready.ready().is_error() {
                break;
            }
            ready.clear_ready();
        }
        (stdout, ())
    })
}

/// Whether nobody can write to stdin any more, although there may be lines in it that were not
/// read yet.
#[cfg(unix)]
pub fn input_has_ended() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = std::io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let hung_up = PollFlags::HUP | PollFlags::ERR;
    poll(&mut asked, Some(&at_once)).is_ok() && asked[0].revents().intersects(hung_up)
}

/// Whether nobody can write to stdin any more. Here only reading tells.
#[cfg(not(unix))]
pub fn input_has_ended() -> bool {
    false
}
