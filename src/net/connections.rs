//! The HTTP client that everything shares, in a form that can be replaced while it is in use.
//!
//! A connection can die without a word: the laptop slept and the other side gave up, or the network
//! changed and the address it came from is no more. A request that goes out on it is lost, which is
//! worst for a refresh token: it may be spent, and nobody has the new one. So whoever sends asks
//! for the client right before, and gets one with an empty pool if something happened since.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::ClientBuilder;
use tokio::sync::watch;

use super::client::{Client, HttpError, HttpSettings, build_with};
use super::dpop::Prover;
use super::guard::Guard;
use super::pulse::{self, Disturbance, Pulse, Reading, Told};
use super::tls::Trust;

/// How long a connection may be silent before the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long it waits before it asks again.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How often it asks.
const KEEPALIVE_PROBES: u32 = 3;
/// How long what was sent may stay unacknowledged. Linux lets this decide when unanswered probes are
/// enough, too, so it is what the three values above come to: with less, one lost probe would do.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How long an unused connection is kept. A request that meets the other side's end of it would be
/// lost, and common load balancers and servers end theirs after 60 s (AWS), 75 s (nginx) or later.
/// One that does so sooner, such as Node's server after 5 s, is noticed when its end arrives.
pub(super) const UNUSED: Duration = Duration::from_secs(50);
/// How many unused connections are kept at most. Over HTTP/1.1 each call that is in flight has a
/// connection of its own, and the library opens one whenever there is no unused one just then, even if
/// another becomes free before it is done: without a limit, bursts of 64 calls leave ten times as many
/// behind, each with its buffers. With a lower one, they are closed and opened again all the time.
pub(super) const MOST_UNUSED: usize = 64;

/// How long the way to the server is taken to be what it was, when something is to be sent.
const WAY_STAYS: Duration = Duration::from_secs(1);

/// Lets the client notice within about a minute that the other side is gone, while it waits for an
/// answer or listens to a stream and sends nothing itself. An open HTTP/2 connection is asked by
/// HTTP/2's own ping besides, which proxies on the way answer no better.
pub(super) fn watchful(client: ClientBuilder) -> ClientBuilder {
    let client = client
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(KEEPALIVE_PROBES)
        .pool_idle_timeout(UNUSED)
        .pool_max_idle_per_host(MOST_UNUSED);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let client = client.tcp_user_timeout(UNACKNOWLEDGED);
    client
}

/// The same for connections without a proxy.
pub(super) fn watch_over<R>(connector: &mut HttpConnector<R>) {
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// The HTTP client. Clones share one.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: HttpSettings,
    guard: Guard,
    start: Instant,
    state: Mutex<State>,
    renewed: watch::Sender<Option<Disturbance>>,
    prover: Prover,
}

#[derive(Debug)]
struct State {
    client: Client,
    pulse: Pulse,
    /// Where the server, or the proxy on the way to it, was reached last.
    peer: Option<SocketAddr>,
    /// When the way there was looked at.
    way_seen: Instant,
    /// The network is changing: the way may be another one by now.
    changing: bool,
}

impl Connections {
    /// Builds the client. Opens no connection yet.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        let start = Instant::now();
        let guard = Guard::new(settings.policy.clone(), settings.ipv4);
        let state = State {
            client: build_with(&settings, Trust::new(settings.roots.clone()), guard.clone())?,
            pulse: Pulse::new(Reading::now(start)),
            peer: None,
            way_seen: start,
            changing: false,
        };
        Ok(Self(Arc::new(Shared {
            settings,
            guard,
            start,
            state: Mutex::new(state),
            renewed: watch::Sender::new(None),
            prover: Prover::default(),
        })))
    }

    /// The client to send with now. Do not keep it: a later request has to ask again.
    ///
    /// The clocks are looked at each time, and the way to the server if that was not done just now or
    /// the network is changing: a request may come before anything is told, or the next beat.
    pub fn client(&self) -> Client {
        self.glance(WAY_STAYS);
        self.lock().client.clone()
    }

    /// A client without connections, for a message that was told that it came over the wrong one.
    pub fn alone(&self) -> Client {
        self.another().unwrap_or_else(|_| self.client())
    }

    /// A client like the one before, without connections.
    fn another(&self) -> Result<Client, HttpError> {
        let trust = self.lock().client.trust().again();
        build_with(&self.0.settings, trust, self.0.guard.clone())
    }

    /// Notes where the server answered from. If that is news, it also notes the way there: a later
    /// one is compared with it.
    pub fn reached(&self, peer: Option<SocketAddr>) {
        let news = |state: &State| peer.is_some() && peer != state.peer;
        if news(&self.lock()) {
            let mut state = self.lock();
            state.peer = peer;
            if let Some(peer) = peer {
                state.client.reached(peer.ip());
            }
            drop(state);
            self.glance(Duration::ZERO);
        }
    }

    /// Looks whether anything happened that connections do not survive: the system has told that
    /// this may be so.
    pub fn look(&self, told: Told) {
        match told {
            Told::Clocks => self.glance(Duration::ZERO),
            // It is looked at by each request until it has changed.
            Told::Changing => self.lock().changing = true,
            Told::Changed => {
                self.lock().changing = false;
                self.glance(Duration::ZERO);
            }
            Told::Continued => {
                let way = self.way(Duration::ZERO);
                let reading = Reading::now(self.0.start);
                let disturbed = self.lock().pulse.continued(reading, way, pulse::is_ours);
                self.take(disturbed);
            }
        }
    }

    /// From now on [`Connections::beat`] is not called for a while.
    pub fn rest(&self) {
        self.lock().pulse.rest();
    }

    /// The same where the system tells nothing. To be called every [`pulse::BEAT`].
    pub fn beat(&self) {
        let way = self.way(Duration::ZERO);
        let reading = Reading::now(self.0.start);
        let disturbed = self.lock().pulse.beat(reading, way, pulse::is_ours);
        self.take(disturbed);
    }

    /// What makes the proofs for authorization servers (RFC 9449), and remembers as long as this lives
    /// what they said about them.
    pub fn prover(&self) -> &Prover {
        &self.0.prover
    }

    /// Gives every later request a new connection, and says why to those who keep streams open.
    /// What is in flight on the old connections goes on, and they are closed when it has ended.
    pub fn renew(&self, why: Disturbance) {
        self.replace();
        self.0.renewed.send_replace(Some(why));
    }

    /// Changes whenever the connections were renewed.
    pub fn renewals(&self) -> watch::Receiver<Option<Disturbance>> {
        self.0.renewed.subscribe()
    }

    /// Looks in between two beats.
    fn glance(&self, stays: Duration) {
        let way = self.way(stays);
        let reading = Reading::now(self.0.start);
        let disturbed = self.lock().pulse.glance(reading, way, pulse::is_ours);
        self.take(disturbed);
    }

    /// The server's address and that of this machine on the way to it; `None` if there is no way, or
    /// if it was looked at within this time and nothing is known to change.
    fn way(&self, stays: Duration) -> Option<(IpAddr, IpAddr)> {
        let mut state = self.lock();
        if !state.changing && state.way_seen.elapsed() < stays {
            return None;
        }
        state.way_seen = Instant::now();
        // To this machine itself the way is always the same.
        let peer = state.peer.filter(|peer| !peer.ip().is_loopback())?;
        drop(state);
        Some((peer.ip(), pulse::local_address(peer).ok()?))
    }

    fn take(&self, disturbed: Option<Disturbance>) {
        match disturbed {
            None => {}
            // New connections cost little. Streams that are open most likely live, and keepalive
            // tells if not.
            Some(Disturbance::ClockLeapt) => self.replace(),
            Some(why) => self.renew(why),
        }
    }

    fn replace(&self) {
        // It was built from the same settings before. Should a file have become unreadable since,
        // the old client still connects.
        if let Ok(client) = self.another() {
            self.lock().client = client;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
