//! Notices that connections may have died without a word: the machine slept, this program was
//! stopped, or the network changed. What two readings mean is decided by [`Pulse`], which reads
//! nothing itself; [`Reading::now`] and [`local_address`] read. When there is something to read is
//! told by the system where it can ([`News`]), and tried every [`BEAT`] elsewhere.

mod news;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

pub use news::{News, Told};

/// How often a reading is taken where the system does not tell, and something is in flight or open.
/// It costs one wake-up, three readings of clocks that need no system call on common systems, and
/// four system calls for the local address.
pub const BEAT: Duration = Duration::from_secs(5);
/// How much longer than [`BEAT`] the time between two readings is on a machine that is merely busy.
/// Connections survive what is shorter.
const SLACK: Duration = Duration::from_secs(5);

/// What three clocks show. Each counts from a moment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Stands still while the machine sleeps, on most systems.
    pub running: Duration,
    /// Goes on while the machine sleeps, and cannot be set; not every system has one.
    pub elapsed: Option<Duration>,
    /// Goes on while the machine sleeps, and can be set.
    pub wall: Duration,
}

/// Why connections may be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The machine slept, or this program was stopped, for about so long.
    Slept(Duration),
    /// This program was stopped, nobody knows for how long.
    Stopped,
    /// Only the clock on the wall leapt ahead: somebody set it, or this is a virtual machine that
    /// was paused. Streams that are open most likely live on.
    ClockLeapt,
    /// The way to the server leads from another address of this machine than before.
    NetworkChanged,
    /// The server did not answer in time.
    Unanswered,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slept(time) => write!(f, "nothing ran for {} s", time.as_secs()),
            Self::Stopped => f.write_str("this program was stopped for a while"),
            Self::ClockLeapt => f.write_str("the clock leapt ahead"),
            Self::NetworkChanged => f.write_str("the network changed"),
            Self::Unanswered => f.write_str("the server did not answer a ping in time"),
        }
    }
}

/// Compares readings with those before.
#[derive(Debug)]
pub struct Pulse {
    last: Reading,
    /// Whether readings come every [`BEAT`]. Without that, a long time without one means nothing.
    beats: bool,
    /// When this program was told to go on, on the first clock.
    continued: Option<Duration>,
    /// The server's address, and the one of this machine that the way there leads from.
    way: Option<(IpAddr, IpAddr)>,
}

impl Pulse {
    /// A pulse whose first reading this is.
    pub fn new(first: Reading) -> Self {
        Self {
            last: first,
            beats: false,
            continued: None,
            way: None,
        }
    }

    /// Takes the reading that comes every [`BEAT`]. `way` is the server's address and the one of this
    /// machine that the way there leads from, if both are known and there is a way; `is_ours` says
    /// whether an address still belongs to this machine.
    pub fn beat(
        &mut self,
        reading: Reading,
        way: Option<(IpAddr, IpAddr)>,
        is_ours: impl FnOnce(IpAddr) -> bool,
    ) -> Option<Disturbance> {
        let disturbed = self.glance(reading, way, is_ours);
        self.beats = true;
        disturbed
    }

    /// No reading comes every [`BEAT`] from now on, until the next one that does.
    pub fn rest(&mut self) {
        self.beats = false;
    }

    /// Takes the reading when this program was stopped and told to go on. How long it was stopped
    /// cannot be known. What is told so again and again, as by something that limits its use of the
    /// processor, was not stopped for long.
    pub fn continued(
        &mut self,
        reading: Reading,
        way: Option<(IpAddr, IpAddr)>,
        is_ours: impl FnOnce(IpAddr) -> bool,
    ) -> Option<Disturbance> {
        let before = self.continued.replace(reading.running);
        let lately = before.is_some_and(|before| reading.running < before + BEAT + SLACK);
        match self.glance(reading, way, is_ours) {
            None | Some(Disturbance::ClockLeapt) if !lately => Some(Disturbance::Stopped),
            seen => seen,
        }
    }

    /// Takes a reading in between, right before something is sent: what happened must be known before
    /// the next beat.
    pub fn glance(
        &mut self,
        reading: Reading,
        way: Option<(IpAddr, IpAddr)>,
        is_ours: impl FnOnce(IpAddr) -> bool,
    ) -> Option<Disturbance> {
        let slept = self.take_reading(reading);
        let changed = self.take_way(way, is_ours);
        match slept {
            Some(Disturbance::Slept(_)) => slept,
            _ => changed.or(slept),
        }
    }

    fn take_reading(&mut self, reading: Reading) -> Option<Disturbance> {
        let last = std::mem::replace(&mut self.last, reading);
        let running = reading.running.saturating_sub(last.running);
        let elapsed = match (reading.elapsed, last.elapsed) {
            (Some(now), Some(then)) => Some(now.saturating_sub(then)),
            _ => None,
        };
        // A clock that is set back gives no time at all.
        let wall = reading.wall.saturating_sub(last.wall);
        if self.beats && running >= BEAT + SLACK {
            return Some(Disturbance::Slept(running.max(elapsed.unwrap_or(wall))));
        }
        match elapsed {
            Some(elapsed) if elapsed.saturating_sub(running) >= SLACK => {
                Some(Disturbance::Slept(elapsed))
            }
            Some(elapsed) if wall.saturating_sub(elapsed) >= SLACK => Some(Disturbance::ClockLeapt),
            None if wall.saturating_sub(running) >= SLACK => Some(Disturbance::Slept(wall)),
            _ => None,
        }
    }

    /// No way at all says nothing yet: if it comes back as it was, connections have survived.
    fn take_way(
        &mut self,
        way: Option<(IpAddr, IpAddr)>,
        is_ours: impl FnOnce(IpAddr) -> bool,
    ) -> Option<Disturbance> {
        let (peer, local) = way?;
        let (old_peer, old_local) = self.way.replace((peer, local))?;
        // The way to another address of the server may well lead from elsewhere.
        if peer != old_peer || local == old_local {
            return None;
        }
        // RFC 8981 §3.4: now and then a machine takes a new temporary address of the same network
        // for what is new. What is open goes on with the old one.
        let renamed = same_network(local, old_local) && is_ours(old_local);
        (!renamed).then_some(Disturbance::NetworkChanged)
    }
}

/// RFC 4291 §2.5.4: the first 64 bits of an IPv6 address name the network.
fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..8] == other.octets()[..8],
        _ => false,
    }
}

impl Reading {
    /// Reads the clocks. `start` is what the first one counts from.
    pub fn now(start: Instant) -> Self {
        Self {
            running: start.elapsed(),
            elapsed: elapsed(),
            wall: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn elapsed() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    // On Apple's systems this is the clock that goes on; `Instant` uses another there.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;
    let time = clock_gettime(CLOCK);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn elapsed() -> Option<Duration> {
    None
}

/// The address of this machine that the way to `peer` leads from; an error if there is no way.
/// A connected UDP socket is told it by the system and sends nothing.
pub fn local_address(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

/// Whether an address belongs to this machine.
pub fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests;
