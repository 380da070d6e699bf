//! Sends requests without a proxy.
//!
//! The library that speaks to proxies (reqwest) is built on the one used here, and would do; but for
//! each request it reads the address twice, prints it twice, copies the headers again and again, and
//! prepares for redirects, which took a quarter of all instructions of a call.
//!
//! Nothing is followed and nothing is added here. IPv4 gets its turn 300 ms after IPv6 (RFC 8305),
//! which is the library's default.
//!
//! Over HTTP/1.1 each request that is in flight has a connection of its own. What a burst of them
//! leaves behind is closed soon: each unused connection has some 40 KiB of buffers, and more with TLS.
//! A few are kept for as long as is safe, so that no call waits for a connection of which the client
//! does not have many at a time.

use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::vec;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{self, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::client::{HttpSettings, PING_ANSWER, PING_EVERY};
use super::connections::{MOST_UNUSED, UNUSED, watch_over};
use super::guard::{Guard, lookup};
use super::request::Request;
use super::tls::{Tls, Trust};
use super::trouble::is_worth_repeating;

/// How often a request is sent again that the server has refused unseen.
const REPEATS: usize = 2;
/// How many requests that begin at about the same time have connections that are kept.
const FEW: usize = 8;
/// How much is read from an HTTP/1.1 connection at a time, at most, in bytes: its buffer stays with it.
/// It is also what all headers of an answer may have.
const READ: usize = 128 * 1024;
/// How long a connection is kept that others had while so many were in use.
const BRIEFLY: Duration = Duration::from_secs(1);

/// What asks servers without a proxy. Clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Direct(Arc<Shared>);

type Client = legacy::Client<Connector, Full<Bytes>>;

#[derive(Debug)]
struct Shared {
    connector: Connector,
    /// Has the connections that are kept.
    lasting: Client,
    /// Has the others. Made when one is needed.
    brief: OnceLock<Client>,
    /// The connections of the server serve any number of requests at a time (HTTP/2).
    multiplexed: AtomicBool,
    seats: Arc<Seats>,
}

impl Direct {
    /// Opens no connection yet.
    pub fn new(settings: &HttpSettings, tls: Tls, names: Names) -> Self {
        let mut http = HttpConnector::new_with_resolver(names);
        // The other scheme is dealt with around it.
        http.enforce_http(false);
        http.set_connect_timeout(Some(settings.connect_timeout));
        http.set_nodelay(true);
        watch_over(&mut http);
        if settings.ipv4 {
            // Keeps it from addresses in URLs that are not.
            http.set_local_address(Some(Ipv4Addr::UNSPECIFIED.into()));
        }
        let connector = Connector(Arc::new(Connecting {
            https: HttpsConnector::from((http, tls.config)),
            trust: tls.trust,
            limit: settings.connect_timeout,
        }));
        Self(Arc::new(Shared {
            lasting: client(connector.clone(), UNUSED, FEW),
            brief: OnceLock::new(),
            connector,
            multiplexed: AtomicBool::new(false),
            seats: Arc::default(),
        }))
    }

    /// Sends a request. What was refused unseen is sent again (RFC 9113 §8.7), and nothing else.
    /// What comes with the answer is to be kept until that is read.
    pub fn send(
        &self,
        uri: &Uri,
        request: Request,
    ) -> impl Future<Output = Result<Answered, legacy::Error>> + Send + use<> {
        // HTTP/1.1 has no such refusals, and HTTP/2 is spoken over TLS alone.
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let again = is_https.then(|| Box::new((self.clone(), uri.clone(), request.clone())));
        let seat = self.seat();
        let client = match &seat {
            Some(_) => &self.0.lasting,
            None => self.0.brief(),
        };
        // Handed over before it is awaited: those that wait, by the hundred, are smaller without it.
        let sent = send_once(client, uri, request);
        async move {
            let mut outcome = sent.await;
            let Some(again) = again else {
                return outcome.map(|response| (response, seat));
            };
            let (direct, uri, request) = &*again;
            for _ in 0..REPEATS {
                match &outcome {
                    Err(error) if is_worth_repeating(error) => {}
                    _ => break,
                }
                outcome = send_once(&direct.0.lasting, uri, request.clone()).await;
            }
            let response = outcome?;
            let multiplexed = response.version() == Version::HTTP_2;
            direct.0.multiplexed.store(multiplexed, Ordering::Relaxed);
            Ok((response, seat))
        }
    }

    /// A seat, if there is one or any number is there.
    fn seat(&self) -> Option<Seat> {
        match self.0.multiplexed.load(Ordering::Relaxed) {
            true => Some(Seat(None)),
            false => self.0.seats.take(Instant::now()),
        }
    }
}

/// Which of the requests in flight are on connections that are kept.
#[derive(Debug, Default)]
struct Seats(Mutex<[Option<Instant>; FEW]>);

impl Seats {
    /// One that is free. A request that lasts is part of no burst, and leaves its seat to others while
    /// it has its connection.
    fn take(self: &Arc<Self>, now: Instant) -> Option<Seat> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |since: &Option<Instant>| since.is_none_or(|since| now >= since + BRIEFLY);
        let index = seats.iter().position(free)?;
        seats[index] = Some(now);
        drop(seats);
        Some(Seat(Some((self.clone(), index, now))))
    }
}

/// The right to a connection that is kept, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Option<(Arc<Seats>, usize, Instant)>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((seats, index, since)) = self.0.take() {
            let mut seats = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Another may have it by now.
            if seats[index] == Some(since) {
                seats[index] = None;
            }
        }
    }
}

/// An answer, and its seat if its connection is one that is kept.
pub(super) type Answered = (http::Response<Incoming>, Option<Seat>);

impl Shared {
    fn brief(&self) -> &Client {
        self.brief
            .get_or_init(|| client(self.connector.clone(), BRIEFLY, MOST_UNUSED))
    }
}

fn client(connector: Connector, kept: Duration, most_unused: usize) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(kept)
        .pool_max_idle_per_host(most_unused)
        .http1_max_buf_size(READ)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWER)
        .build(connector)
}

fn send_once(client: &Client, uri: &Uri, request: Request) -> ResponseFuture {
    let mut sent = http::Request::new(Full::new(request.body));
    *sent.method_mut() = request.method;
    *sent.uri_mut() = uri.clone();
    *sent.headers_mut() = request.headers;
    client.request(sent)
}

type ConnectError = Box<dyn Error + Send + Sync>;

/// Makes connections, TLS included, within a limit. Clones share the settings.
#[derive(Clone)]
struct Connector(Arc<Connecting>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

struct Connecting {
    https: HttpsConnector<HttpConnector<Names>>,
    trust: Trust,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.clone();
        let connected = tokio::time::timeout(connecting.limit, connecting.https.clone().call(to));
        Box::pin(async move {
            let connected = connecting.trust.meanwhile(connected).await;
            connected.unwrap_or_else(|_| Err(TooSlow.into()))
        })
    }
}

/// The connection did not come about in time.
#[derive(Debug)]
pub(super) struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it took too long")
    }
}

impl Error for TooSlow {}

/// Finds the addresses of a host.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// As the system does.
    System {
        /// Whether others are left out.
        ipv4: bool,
    },
    /// Leaves out what a server must not lead us to.
    Judged(Guard),
    /// Every host has these.
    #[cfg(test)]
    Fixed(Vec<SocketAddr>),
}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = self.clone();
        Box::pin(async move {
            let found = match names {
                Self::System { ipv4 } => lookup(name.as_str(), ipv4).await?,
                Self::Judged(guard) => guard.resolved(name.as_str()).await?,
                #[cfg(test)]
                Self::Fixed(addresses) => addresses,
            };
            Ok(found.into_iter())
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
