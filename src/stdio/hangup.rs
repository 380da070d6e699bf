//! Notices that the AI client has closed its end of a stream that nothing is read from or written
//! to at the moment.

#[cfg(target_os = "linux")]
use tokio::io::{Interest, unix::AsyncFd};

/// Looks out for the other end of stdout to be closed. Where the system cannot tell, as for files,
/// and on systems other than Linux, the next line that is written finds out.
#[derive(Debug, Default)]
pub(super) struct Hangup {
    #[cfg(target_os = "linux")]
    stdout: Option<AsyncFd<std::io::Stdout>>,
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
            stdout: AsyncFd::with_interest(std::io::stdout(), Interest::READABLE).ok(),
        }
    }

    /// Completes when the other end is closed.
    pub(super) async fn happened(&self) {
        #[cfg(target_os = "linux")]
        if let Some(stdout) = &self.stdout {
            let closed = Interest::WRITABLE.add(Interest::ERROR);
            while let Ok(mut ready) = stdout.ready(closed).await {
                if ready.ready().is_write_closed() || ready.ready().is_error() {
                    return;
                }
                ready.clear_ready();
            }
        }
        std::future::pending().await
    }
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
