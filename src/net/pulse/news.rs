//! What the system tells without being asked, so that an idle program need not look at anything
//! again and again.
//!
//! On Linux that is all there is to know: a clock that leapt or a machine that woke up, a network
//! that changed, and the end of a stop. Elsewhere only the last, and on Windows nothing.

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The clocks may have changed.
    Clocks,
    /// The network begins to change. Addresses and routes come one after the other, so how it will be
    /// cannot be seen yet.
    Changing,
    /// The network may be another one than before.
    Changed,
    /// This program was stopped and goes on.
    Continued,
}

/// What the system tells.
#[derive(Debug)]
pub struct News {
    #[cfg(unix)]
    continued: Option<tokio::signal::unix::Signal>,
    #[cfg(target_os = "linux")]
    changes: Option<linux::Changes>,
}

impl News {
    /// Listens from now on. To be called within a tokio runtime.
    pub fn listen() -> Self {
        Self {
            #[cfg(unix)]
            continued: sigcont(),
            #[cfg(target_os = "linux")]
            changes: linux::Changes::listen(),
        }
    }

    /// Whether everything is told. If not, it must be looked for.
    pub fn are_complete(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.continued.is_some() && self.changes.is_some();
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// Completes when there is something. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Told {
        #[cfg(unix)]
        let continued = async {
            if let Some(signal) = &mut self.continued {
                signal.recv().await;
            } else {
                std::future::pending().await
            }
        };
        #[cfg(not(unix))]
        let continued = std::future::pending::<()>();
        #[cfg(target_os = "linux")]
        let changed = async {
            match &mut self.changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        #[cfg(not(target_os = "linux"))]
        let changed = std::future::pending::<Told>();
        tokio::select! {
            () = continued => Told::Continued,
            told = changed => told,
        }
    }
}

/// What follows a SIGSTOP or SIGTSTP.
#[cfg(unix)]
fn sigcont() -> Option<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let number = rustix::process::Signal::CONT.as_raw();
    signal(SignalKind::from_raw(number)).ok()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink, recv};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::{Interest, unix::AsyncFd};
    use tokio::time::Instant;

    use super::Told;

    /// How long the network is left to change before it is looked at: on some machines something
    /// changes all the time.
    const SETTLING: Duration = Duration::from_secs(1);

    // rtnetlink(7): the groups that tell of addresses and routes, as bits.
    const IPV4_ADDRESSES: u32 = 0x10;
    const IPV4_ROUTES: u32 = 0x40;
    const IPV6_ADDRESSES: u32 = 0x100;
    const IPV6_ROUTES: u32 = 0x400;

    /// Changes of the clocks and of the network.
    #[derive(Debug)]
    pub(super) struct Changes {
        clocks: AsyncFd<OwnedFd>,
        network: AsyncFd<OwnedFd>,
        /// When the network is looked at, after it has begun to change.
        settled: Option<Instant>,
    }

    impl Changes {
        pub(super) fn listen() -> Option<Self> {
            Some(Self {
                clocks: watched(leaps()?)?,
                network: watched(ways()?)?,
                settled: None,
            })
        }

        /// Completes when something may have changed. Dropping the future loses nothing.
        pub(super) async fn next(&mut self) -> Told {
            tokio::select! {
                () = leapt(&self.clocks) => Told::Clocks,
                () = readable(&self.network), if self.settled.is_none() => {
                    self.settled = Some(Instant::now() + SETTLING);
                    Told::Changing
                }
                () = until(self.settled), if self.settled.is_some() => {
                    self.settled = None;
                    let _ = self.network.try_io(Interest::READABLE, emptied);
                    Told::Changed
                }
            }
        }
    }

    fn watched(source: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
        // Its successor asks for `unsafe`, since a descriptor might be closed while it is watched.
        // This one is owned.
        #[allow(deprecated)]
        AsyncFd::with_interest(source, Interest::READABLE).ok()
    }

    /// timerfd_create(2): a timer on the clock on the wall can be told to say when that clock was
    /// set; a machine that wakes up sets it. The time itself never comes.
    fn leaps() -> Option<OwnedFd> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags).ok()?;
        let second = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
        let never = Itimerspec {
            it_interval: second(0),
            it_value: second(i64::MAX),
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&timer, flags, &never).ok()?;
        Some(timer)
    }

    /// rtnetlink(7): word of addresses that come and go, and of routes.
    fn ways() -> Option<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = SocketType::RAW;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, None).ok()?;
        let groups = IPV4_ADDRESSES | IPV4_ROUTES | IPV6_ADDRESSES | IPV6_ROUTES;
        let address = netlink::SocketAddrNetlink::new(0, groups);
        rustix::net::bind(&socket, &address).ok()?;
        Some(socket)
    }

    /// Takes all that the socket has to say, and gives the error that ends it.
    fn emptied(socket: &OwnedFd) -> io::Result<()> {
        loop {
            match recv(socket, &mut [0_u8; 64], RecvFlags::DONTWAIT) {
                // That it was too much is news as well, and that was taken already.
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Completes when the clock was set.
    async fn leapt(timer: &AsyncFd<OwnedFd>) {
        while let Ok(mut ready) = timer.readable().await {
            match rustix::io::read(timer.get_ref(), &mut [0_u8; 8]) {
                Ok(_) | Err(Errno::CANCELED) => return,
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        std::future::pending().await
    }

    async fn readable(source: &AsyncFd<OwnedFd>) {
        if source.readable().await.is_err() {
            std::future::pending().await
        }
    }

    async fn until(moment: Option<Instant>) {
        match moment {
            Some(moment) => tokio::time::sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_end_of_a_stop_is_told_and_told_once() {
        let mut news = News::listen();
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::CONT).unwrap();
        while news.next().await != Told::Continued {}
        let continued = news.continued.as_mut().unwrap().recv();
        assert!(std::pin::pin!(continued).now_or_never().is_none());
    }
}
