//! The death of the process that started us, where stdin does not tell: somebody else may hold the
//! other end of the pipe.
//!
//! On Linux a descriptor of the parent process is watched. `PR_SET_PDEATHSIG` would not do: it goes
//! by the parent's *thread*, which may end long before the process. Other Unix systems are asked
//! once a second who the parent is. On Windows the end of stdin is what tells: handles are closed
//! with the process that has them, and a parent is not replaced when it is gone.

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// The process that started us.
pub(super) struct Parent {
    #[cfg(target_os = "linux")]
    ends: Option<AsyncFd<OwnedFd>>,
    #[cfg(all(unix, not(target_os = "linux")))]
    id: Option<rustix::process::Pid>,
}

impl Parent {
    /// Looks out from now on. A parent that is gone already, or that the system began with, tells
    /// nothing.
    pub(super) fn watch() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            ends: watched(),
            #[cfg(all(unix, not(target_os = "linux")))]
            id: living(),
        }
    }

    /// Completes when it has died.
    pub(super) async fn gone(&self) {
        #[cfg(target_os = "linux")]
        if let Some(ends) = &self.ends
            && ends.readable().await.is_ok()
        {
            return;
        }
        #[cfg(all(unix, not(target_os = "linux")))]
        if self.id.is_some() {
            while rustix::process::getppid() == self.id {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            return;
        }
        std::future::pending().await
    }
}

/// The parent, unless it is the one that takes over orphans.
#[cfg(unix)]
fn living() -> Option<rustix::process::Pid> {
    rustix::process::getppid().filter(|parent| *parent != rustix::process::Pid::INIT)
}

#[cfg(target_os = "linux")]
fn watched() -> Option<AsyncFd<OwnedFd>> {
    use rustix::process::{PidfdFlags, pidfd_open};
    let parent = living()?;
    let process = pidfd_open(parent, PidfdFlags::empty()).ok()?;
    // It may have died before, and its number gone to another process.
    if living() != Some(parent) {
        return None;
    }
    // Its successor asks for `unsafe`, since a descriptor might be closed while it is watched. This
    // one is owned.
    #[allow(deprecated)]
    AsyncFd::with_interest(process, tokio::io::Interest::READABLE).ok()
}
