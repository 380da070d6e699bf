//! The loopback listener that the browser is sent back to (RFC 8252 §7.3).
//!
//! It answers everything that is not the redirect by itself; what gets past [`Listener::next`] is a
//! GET of the exact path by a browser that meant this address. Whether its query is the answer to
//! our question is for the caller to judge, and the browser waits for the verdict.

mod binding;
mod page;
mod ports;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use binding::{addresses, listen, listen_anywhere, once_free};
pub use page::Page;
pub use ports::is_blocked;

/// Largest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// Connections at a time; others wait in the system's queue.
const CONNECTIONS: usize = 16;

/// How long a browser may take to say what it wants, and again to take the answer.
const CONNECTION_TIME: Duration = Duration::from_secs(5);

/// Why the browser could not be sent back to us.
#[derive(Debug)]
pub enum CallbackError {
    /// The host is an address of another machine, or of all of them.
    NotLoopback(String),
    /// Browsers refuse to open this port.
    Blocked(u16),
    /// Another program listens on this port.
    Taken(u16),
    /// Nobody listens on this port, but a connection of another program has it, or had it within the
    /// last minute.
    Held(u16),
    /// The system refuses.
    Listen(io::Error),
}

impl CallbackError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotLoopback(_) => "use --host localhost, 127.0.0.1 or ::1".to_owned(),
            Self::Blocked(_) => "choose another callback port, such as 3334".to_owned(),
            Self::Taken(_) => {
                "end the program that uses it, or choose another callback port; a client of your own has to be registered with it"
                    .to_owned()
            }
            Self::Held(_) => {
                "try again in a minute, or choose another callback port; a client of your own has to be registered with it"
                    .to_owned()
            }
            Self::Listen(_) => {
                "choose a callback port above 1023, or none, so that the system chooses".to_owned()
            }
        }
    }
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(host) => {
                write!(f, "`{host}` is not an address of this machine alone")
            }
            Self::Blocked(port) => write!(f, "browsers refuse to open port `{port}`"),
            Self::Taken(port) => write!(f, "another program uses the callback port `{port}`"),
            Self::Held(port) => write!(
                f,
                "a connection of another program has the callback port `{port}`"
            ),
            Self::Listen(source) => write!(f, "cannot listen for the browser: {source}"),
        }
    }
}

impl Error for CallbackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen(source) => Some(source),
            _ => None,
        }
    }
}

/// Listens until it is dropped. Answers that are under way then are still finished.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    redirect_uri: String,
    visits: mpsc::Receiver<Visit>,
    accepting: Vec<JoinHandle<()>>,
}

/// A browser that came to the redirect address and waits.
pub struct Visit {
    /// The query of the address, without `?`, exactly as it came. May hold the authorization code.
    pub query: String,
    /// The way to let the browser go.
    pub responder: Responder,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visit")
    }
}

/// Lets a waiting browser go. Dropped unused, it shows [`Page::NotExpected`].
pub struct Responder {
    page: oneshot::Sender<Page>,
    /// Ends with the connection.
    finished: oneshot::Receiver<()>,
}

impl Responder {
    /// Shows `page`, and returns when the browser has it or has gone, after at most 5 s; the
    /// program may end then.
    pub async fn finish(self, page: Page) {
        // Both fail only if the browser has gone.
        let _ = self.page.send(page);
        let _ = self.finished.await;
    }
}

impl Listener {
    /// Listens on loopback, for `http://<host>:<port><path>`. `localhost`, and other names that
    /// mean this machine, are listened for on both families, since the browser may try either.
    /// `on` is listened on instead: where somebody else forwards the port, it may not come in over
    /// loopback.
    ///
    /// Without `port` the system chooses one; a given port is the one or an error. `path` begins
    /// with `/`.
    ///
    /// Must be called within a tokio runtime.
    pub fn bind(
        host: &str,
        on: Option<IpAddr>,
        port: Option<u16>,
        path: &str,
    ) -> Result<Self, CallbackError> {
        Self::bind_and_send_on(host, on, port, path, None)
    }

    /// The same, but a browser that brought the answer to a sign-in that succeeds goes on to `then`.
    pub fn bind_and_send_on(
        host: &str,
        on: Option<IpAddr>,
        port: Option<u16>,
        path: &str,
        then: Option<&Url>,
    ) -> Result<Self, CallbackError> {
        let (mut addresses, name) = addresses(host)?;
        if let Some(address) = on {
            addresses = vec![address];
        }
        let (listeners, held) = match port {
            Some(port) if ports::is_blocked(port) => return Err(CallbackError::Blocked(port)),
            Some(port) => listen(&addresses, port)?,
            None => (listen_anywhere(&addresses)?, Vec::new()),
        };
        let failed = CallbackError::Listen;
        let port = match listeners.first() {
            Some(listener) => listener.local_addr().map_err(failed)?.port(),
            None => return Err(failed(io::ErrorKind::AddrNotAvailable.into())),
        };
        let expected = Arc::new(Expected {
            then: then.map(Url::to_string),
            ..Expected::new(&name, port, path)
        });
        let (sender, visits) = mpsc::channel(CONNECTIONS);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut accepting = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true).map_err(failed)?;
            let listener = TcpListener::from_std(listener).map_err(failed)?;
            let (expected, sender, room) = (expected.clone(), sender.clone(), room.clone());
            accepting.push(tokio::spawn(accept(listener, expected, sender, room)));
        }
        for address in held {
            let (expected, sender, room) = (expected.clone(), sender.clone(), room.clone());
            accepting.push(tokio::spawn(async move {
                let listener = once_free(SocketAddr::new(address, port)).await;
                accept(listener, expected, sender, room).await;
            }));
        }
        Ok(Self {
            port,
            redirect_uri: format!("http://{name}:{port}{path}"),
            visits,
            accepting,
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address to send the browser back to; the same text everywhere (RFC 6749 §3.1.2.3).
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the next browser at the redirect address. Safe to cancel.
    pub async fn next(&mut self) -> Visit {
        match self.visits.recv().await {
            Some(visit) => visit,
            // The accepting tasks hold the other end and run as long as we do.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

/// What a request must look like to be the redirect.
struct Expected {
    /// `Host` values, in lower case. A page of another site that had its name point here would
    /// send its own name (DNS rebinding).
    hosts: Vec<String>,
    path: String,
    /// Where the browser goes on to after success.
    then: Option<String>,
}

impl Expected {
    fn new(name: &str, port: u16, path: &str) -> Self {
        let with_port = |name: &str| match port {
            80 => vec![name.to_owned(), format!("{name}:80")],
            port => vec![format!("{name}:{port}")],
        };
        let names = [name, "localhost", "127.0.0.1", "[::1]"];
        Self {
            hosts: names.iter().flat_map(|name| with_port(name)).collect(),
            path: path.to_owned(),
            then: None,
        }
    }

    /// The query of the redirect, or the status to refuse the request with.
    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<String, StatusCode> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().map_err(|_| StatusCode::BAD_REQUEST)?,
            _ => return Err(StatusCode::BAD_REQUEST),
        };
        if !self.hosts.contains(&host.to_ascii_lowercase()) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        if uri.path() != self.path {
            return Err(StatusCode::NOT_FOUND);
        }
        if method != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        // Fetch Metadata: a browser that is sent here navigates. What a page of another site has it
        // load, as an image or by a script, comes in another mode. Browsers say both what they do
        // and for whom; programs that stand in for one may say the first alone.
        let is_by_page =
            headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
        let mode = headers.get("sec-fetch-mode");
        if is_by_page && mode.is_some_and(|mode| mode != "navigate") {
            return Err(StatusCode::FORBIDDEN);
        }
        Ok(uri.query().unwrap_or_default().to_owned())
    }
}

async fn accept(
    listener: TcpListener,
    expected: Arc<Expected>,
    visits: mpsc::Sender<Visit>,
    room: Arc<Semaphore>,
) {
    while let Ok(place) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, expected.clone(), visits.clone(), place);
                tokio::spawn(connection);
            }
            // A connection that was gone before it was taken, or no file handle left: the next
            // one may do better, and a pause keeps this from spinning.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// What one connection, which carries one request, shares with the handler of that request.
struct Connection {
    expected: Arc<Expected>,
    visits: mpsc::Sender<Visit>,
    finished: Mutex<Option<oneshot::Receiver<()>>>,
    /// The browser waits for us, so its time does not run.
    waits: AtomicBool,
}

async fn serve(
    stream: TcpStream,
    expected: Arc<Expected>,
    visits: mpsc::Sender<Visit>,
    _place: OwnedSemaphorePermit,
) {
    let (_ends_with_this, finished) = oneshot::channel();
    let connection = Arc::new(Connection {
        expected,
        visits,
        finished: Mutex::new(Some(finished)),
        waits: AtomicBool::new(false),
    });
    let shared = connection.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIME)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let mut limit = std::pin::pin!(tokio::time::sleep(CONNECTION_TIME));
    loop {
        tokio::select! {
            // How it ended makes no difference: there is one request, and nothing to repeat.
            _ = &mut served => return,
            () = &mut limit => match connection.waits.load(Ordering::Relaxed) {
                true => limit.as_mut().reset(Instant::now() + CONNECTION_TIME),
                false => return,
            },
        }
    }
}

impl Connection {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match self
            .expected
            .judge(request.method(), request.uri(), request.headers())
        {
            Ok(query) => {
                self.waits.store(true, Ordering::Relaxed);
                let page = self.page_for(query).await;
                self.waits.store(false, Ordering::Relaxed);
                // Another process of ours that hands on what a person pasted wants to know what came
                // of it, and asks for no page.
                let is_browser = request
                    .headers()
                    .get(header::ACCEPT)
                    .is_none_or(|accept| accept != "application/json");
                match (&self.expected.then, &page) {
                    (Some(then), Page::Connected { .. }) if is_browser => page::send_on(then),
                    _ => page.response(),
                }
            }
            Err(status) => page::refusal(status),
        }
    }

    /// Hands the visit over and waits for what the browser is to see.
    async fn page_for(&self, query: String) -> Page {
        let finished = self
            .finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (page, chosen) = oneshot::channel();
        let sent = finished.map(|finished| {
            let responder = Responder { page, finished };
            self.visits.try_send(Visit { query, responder })
        });
        match sent {
            Some(Ok(())) => chosen.await.unwrap_or(Page::NotExpected),
            // The sign-in is over, or a crowd of visits is waiting.
            _ => Page::NotExpected,
        }
    }
}

#[cfg(test)]
mod tests;
