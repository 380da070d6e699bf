//! Sends one message to the remote server, opens its streams, and gives back what comes (MCP
//! 2025-11-25, Transports, Streamable HTTP). What an answer means is decided in `mcp::answer`.

mod answer;
mod begun;
mod events;
mod sending;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use answer::{Answer, InvalidSessionId, MESSAGE_LIMIT, Target};
use begun::Begun;
use bytes::Bytes;
pub use events::EventReader;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sending::{Patience, Proven};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::ids::ServerUrl;
use crate::mcp::answer::Delivery;
use crate::mcp::era::Head;
use crate::mcp::session::Session;
use crate::net::client::Client;
use crate::net::connections::Connections;
use crate::net::cookies::Cookies;
use crate::net::dpop::Prover;
use crate::net::intake::Intake;
use crate::net::request::{Address, complete};
use crate::net::trouble::Trouble;
use crate::oauth::credential::{Credential, Scheme};
use crate::oauth::dpop::SCHEME;

/// Most requests that the server works on at a time.
const AT_ONCE: usize = 100;
/// Longest wait for the head of the standing stream. Some servers send no head before they have
/// something to say; that the connection is dead is noticed in another way.
const STANDING_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Longest wait for the head of the answer to a GET that opens the event stream of MCP 2024-11-05.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for a message to an address that the event stream named, if it is no request: some
/// servers never answer the POST.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the head of an answer to a DELETE, at the end of a session.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long the server may be silent; `None` is for as long as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Before the head of an answer. Tools may work this long before they say anything.
    pub headers: Option<Duration>,
    /// Within a JSON body.
    pub body: Option<Duration>,
    /// Within an event stream.
    pub stream: Option<Duration>,
}

impl Default for Timeouts {
    /// Five minutes, and none for event streams: the standing one may have nothing to say for hours.
    fn default() -> Self {
        let five_minutes = Some(Duration::from_secs(300));
        Self {
            headers: five_minutes,
            body: five_minutes,
            stream: None,
        }
    }
}

/// The remote server's endpoint.
#[derive(Debug)]
pub struct Remote {
    http: Connections,
    address: Mutex<Address>,
    /// The user's own.
    headers: HeaderMap,
    /// What a message begins with: those, and what is the same for all.
    message_headers: HeaderMap,
    /// The head of the last message.
    begun: Mutex<Option<Begun>>,
    intake: Intake,
    turns: Arc<Semaphore>,
    /// Kept for load balancers that tie a client to one machine; in memory only. They go to this
    /// endpoint and to no authorization server. `None` if the user wants none.
    cookies: Option<Cookies>,
    timeouts: Timeouts,
    prover: Prover,
}

/// What a request carries besides its message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried<'a> {
    /// What proves who asks.
    pub credential: Option<&'a Credential>,
    /// The session.
    pub session: Option<&'a Session>,
    /// What the head repeats of the message.
    pub head: Option<&'a Head>,
}

/// How a message goes that was sent once and is sent again.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Where [`Remote::follow`] says that it goes; `None` for the endpoint.
    pub to: Option<Url>,
    /// Over a connection of its own.
    pub alone: bool,
}

/// No answer came, or it broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Whether the request may have been processed.
    pub delivery: Delivery,
    /// What happened, without secrets, and what the user does next, where that follows.
    pub cause: String,
    /// What the user does next, for those who tell it apart.
    pub hint: Option<&'static str>,
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self {
            cause: trouble.sentence(),
            hint: trouble.hint,
            delivery: trouble.delivery,
        }
    }
}

impl Broken {
    pub(super) fn new(delivery: Delivery, cause: String) -> Self {
        Self {
            delivery,
            cause,
            hint: None,
        }
    }

    /// What happened, without what the user does next.
    pub fn bare_cause(&self) -> &str {
        let hint = self.hint.unwrap_or_default();
        let bare = self.cause.strip_suffix(hint);
        bare.map_or(&self.cause, |bare| bare.trim_end_matches("; "))
    }

    /// It took longer than we wait.
    pub fn timed_out(cause: String) -> Self {
        Self::new(Delivery::TimedOut, cause)
    }

    /// Whether it was processed is not known.
    pub fn unknown(cause: impl Into<String>) -> Self {
        Self::new(Delivery::Unknown, cause.into())
    }

    fn too_large() -> Self {
        let cause = format!("more than {} MiB", MESSAGE_LIMIT / (1024 * 1024));
        Self::new(Delivery::TooLarge, cause)
    }
}

impl Remote {
    /// The endpoint of a server. `headers` are the user's own; they go nowhere else.
    pub fn new(http: Connections, server: &ServerUrl, headers: HeaderMap) -> Self {
        let mut message_headers = headers.clone();
        message_headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        message_headers.insert(ACCEPT, accepted);
        complete(&mut message_headers);
        Self {
            http,
            address: Mutex::new(server.url().clone().into()),
            headers,
            message_headers,
            begun: Mutex::default(),
            intake: Intake::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            cookies: Some(Cookies::default()),
            timeouts: Timeouts::default(),
            prover: Prover::default(),
        }
    }

    /// The same with other limits.
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The same without cookies.
    pub fn without_cookies(self) -> Self {
        Self {
            cookies: None,
            ..self
        }
    }

    /// Waits until a request may be sent: with HTTP/1.1 each takes a connection until it is
    /// answered. To be held for as long. First come, first served; what is no request must not
    /// wait behind slow ones.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.turns.clone().acquire_owned().await.ok()
    }

    /// POSTs one message.
    pub async fn post(
        &self,
        way: &Way,
        body: Bytes,
        carried: Carried<'_>,
    ) -> Result<Answer, Broken> {
        let to = self.towards(way);
        let headers = self.message_head(&to, carried, body.len());
        let request = self.client(way).request(Method::POST, to).body(body);
        let proven = Proven::new(carried.credential);
        self.send(request, headers, proven, Patience::Configured)
            .await
    }

    /// POSTs one message to an address that the event stream named (MCP 2024-11-05, Transports,
    /// HTTP with SSE).
    pub async fn post_to(
        &self,
        url: &Url,
        way: &Way,
        body: Bytes,
        credential: Option<&Credential>,
        is_request: bool,
    ) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(Carried {
            credential,
            ..Carried::default()
        });
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let patience = match is_request {
            true => Patience::Configured,
            false => Patience::Fixed(MESSAGE_TIMEOUT),
        };
        let url = way.to.as_ref().unwrap_or(url).clone();
        let request = self.client(way).request(Method::POST, url).body(body);
        let proven = Proven::new(credential);
        self.send(request, headers, proven, patience).await
    }

    /// Asks for the event stream of MCP 2024-11-05.
    pub async fn open_events(
        &self,
        way: &Way,
        credential: Option<&Credential>,
    ) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(Carried {
            credential,
            ..Carried::default()
        });
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let to = self.towards(way);
        let request = self.client(way).request(Method::GET, to);
        let patience = Patience::Fixed(EVENTS_TIMEOUT);
        let proven = Proven::new(credential);
        self.send(request, headers, proven, patience).await
    }

    /// Asks for the standing event stream, or with a cursor the rest of it.
    pub async fn stand(
        &self,
        carried: Carried<'_>,
        last_event_id: Option<&str>,
    ) -> Result<Answer, Broken> {
        let patience = Patience::Fixed(STANDING_TIMEOUT);
        self.listen(carried, last_event_id, patience).await
    }

    /// Asks for the rest of an event stream after this event.
    pub async fn resume(
        &self,
        carried: Carried<'_>,
        last_event_id: &str,
    ) -> Result<Answer, Broken> {
        self.listen(carried, Some(last_event_id), Patience::Configured)
            .await
    }

    async fn listen(
        &self,
        carried: Carried<'_>,
        last_event_id: Option<&str>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(carried);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.send_on(Method::GET, headers, carried, patience).await
    }

    /// The connections that it is reached over.
    pub fn connections(&self) -> &Connections {
        &self.http
    }

    /// Tells the server that the session is over. Whether it minds does not matter.
    pub async fn end_session(&self, carried: Carried<'_>) -> Result<Answer, Broken> {
        let headers = self.common_headers(carried);
        let patience = Patience::Fixed(DELETE_TIMEOUT);
        self.send_on(Method::DELETE, headers, carried, patience)
            .await
    }

    /// The address to send a redirected message to. A 308 of the endpoint holds for all later
    /// messages of this process, too; a 307 for this one alone (RFC 9110 §15.4).
    pub fn follow(&self, answer: &Answer) -> Option<Url> {
        let target = answer.target().filter(|target| target.is_ours)?;
        let mut address = self.lock_address();
        if answer.status == 308 && *address == answer.from {
            *address = target.url.clone().into();
        }
        Some(target.url)
    }

    /// The user's headers as far as their values may grant access, and what follows the scheme of
    /// an `Authorization` header (RFC 9110 §11.4).
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.values().filter(|value| value.is_sensitive());
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| [Some(value), value.split_once(' ').map(|(_, rest)| rest)])
            .flatten()
    }

    fn address(&self) -> Address {
        self.lock_address().clone()
    }

    fn lock_address(&self) -> MutexGuard<'_, Address> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a message goes.
    fn towards(&self, way: &Way) -> Address {
        let to = way.to.clone().map(Address::from);
        to.unwrap_or_else(|| self.address())
    }

    /// The head of a message of so many bytes.
    fn message_head(&self, to: &Address, carried: Carried<'_>, length: usize) -> HeaderMap {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match &mut *begun {
            Some(begun) if begun.is_for(to, carried) => begun,
            other => other.insert(Begun::new(&self.message_headers, to, carried)),
        };
        let mut head = begun.of_length(length);
        if let Some(repeated) = carried.head {
            head.extend(of_head(repeated));
        }
        head
    }

    fn common_headers(&self, carried: Carried<'_>) -> HeaderMap {
        with_carried(&self.headers, carried)
    }

    fn client(&self, way: &Way) -> Client {
        match way.alone {
            true => self.http.alone(),
            false => self.http.client(),
        }
    }
}

/// These headers with what a request carries besides its message.
fn with_carried(headers: &HeaderMap, carried: Carried<'_>) -> HeaderMap {
    let mut headers = headers.clone();
    if let Some(session) = carried.session {
        if let Some(id) = session.id.as_ref().and_then(|id| secret_value(id.expose())) {
            headers.insert(SESSION_ID, id);
        }
        if session.revision.version_header {
            headers.insert(
                PROTOCOL_VERSION,
                HeaderValue::from_static(session.revision.name),
            );
        }
    }
    if let Some(head) = carried.head {
        headers.extend(of_head(head));
    }
    if let Some(credential) = carried.credential {
        let scheme = match credential.scheme {
            Scheme::Bearer => "Bearer",
            Scheme::Dpop(_) => SCHEME,
        };
        let value = format!("{scheme} {}", credential.token.expose());
        if let Some(value) = secret_value(&value) {
            headers.insert(AUTHORIZATION, value);
        }
    }
    headers
}

/// A header value that debug output hides.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What the head of a message repeats of it (MCP 2026-07-28, Transports, Streamable HTTP). Values
/// are encoded already; what no header could carry is left out.
fn of_head(head: &Head) -> Vec<(HeaderName, HeaderValue)> {
    let fixed = [
        (PROTOCOL_VERSION, Some(&head.version)),
        (METHOD, Some(&head.method)),
        (NAME, head.name.as_ref()),
    ];
    let fixed = fixed
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let parameters = head.parameters.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, value))
    });
    fixed
        .chain(parameters)
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)))
        .collect()
}
