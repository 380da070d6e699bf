//! Sends one message to the remote server, opens its streams, and gives back what comes (MCP
//! 2025-11-25, Transports, Streamable HTTP). What an answer means is decided in `mcp::answer`.

mod answer;
mod events;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use answer::{Answer, InvalidSessionId, MESSAGE_LIMIT, Target};
use bytes::Bytes;
pub use events::EventReader;
use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use reqwest::{Method, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::ids::ServerUrl;
use crate::mcp::answer::{Delivery, REDIRECTS, body_kind};
use crate::mcp::session::Session;
use crate::net::client::{Client, Draft};
use crate::net::connections::Connections;
use crate::net::dpop::{DPOP, Prover, Told};
use crate::net::intake::Intake;
use crate::net::trouble::Trouble;
use crate::oauth::credential::{Credential, Scheme};
use crate::oauth::dpop::{ProofKey, SCHEME, Tries};

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

/// How long to wait for the head of an answer.
#[derive(Clone, Copy)]
enum Patience {
    /// As the user says.
    Configured,
    /// This long: it is not about an answer that somebody waits for.
    Fixed(Duration),
}

/// The remote server's endpoint.
#[derive(Debug)]
pub struct Remote {
    http: Connections,
    url: Mutex<Url>,
    headers: HeaderMap,
    intake: Intake,
    turns: Arc<Semaphore>,
    /// Kept for load balancers that tie a client to one machine; in memory only. They go to this
    /// endpoint and to no authorization server. `None` if the user wants none.
    cookies: Option<Jar>,
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
}

/// What has to be proved with each request.
#[derive(Clone, Copy)]
struct Proven<'a> {
    credential: &'a Credential,
    key: &'a ProofKey,
}

impl<'a> Proven<'a> {
    /// What this credential needs proved; `None` for one that is enough by itself.
    fn new(credential: Option<&'a Credential>) -> Option<Self> {
        let credential = credential?;
        match &credential.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop(key) => Some(Self { credential, key }),
        }
    }
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
    fn new(delivery: Delivery, cause: String) -> Self {
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
        Self {
            http,
            url: Mutex::new(server.url().clone()),
            headers,
            intake: Intake::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            cookies: Some(Jar::default()),
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
        let mut headers = self.common_headers(carried);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        let url = way.to.clone().unwrap_or_else(|| self.address());
        let request = self.client(way).request(Method::POST, url).body(body);
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
            session: None,
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
            session: None,
        });
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let url = way.to.clone().unwrap_or_else(|| self.address());
        let request = self.client(way).request(Method::GET, url);
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
        let mut url = self.lock_url();
        if answer.status == 308 && *url == answer.url {
            *url = target.url.clone();
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

    fn address(&self) -> Url {
        self.lock_url().clone()
    }

    fn lock_url(&self) -> MutexGuard<'_, Url> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn common_headers(&self, carried: Carried<'_>) -> HeaderMap {
        let mut headers = self.headers.clone();
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

    fn client(&self, way: &Way) -> Client {
        match way.alone {
            true => self.http.alone(),
            false => self.http.client(),
        }
    }

    /// Sends a message without body, on from where it is redirected to.
    async fn send_on(
        &self,
        method: Method,
        headers: HeaderMap,
        carried: Carried<'_>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let proven = Proven::new(carried.credential);
        let mut url = self.address();
        for _ in 0..REDIRECTS {
            let (method, headers) = (method.clone(), headers.clone());
            // 301, 302 and 303 keep a GET, and turn everything else into one.
            let keeps = method == Method::GET;
            let request = self.http.client().request(method, url);
            let answer = self.send(request, headers, proven, patience).await?;
            let next = match answer.status {
                301..=303 if keeps => self.follow(&answer),
                307 | 308 => self.follow(&answer),
                _ => None,
            };
            match next {
                Some(next) => url = next,
                None => return Ok(answer),
            }
        }
        let request = self.http.client().request(method, url);
        self.send(request, headers, proven, patience).await
    }

    async fn send(
        &self,
        draft: Draft,
        headers: HeaderMap,
        proven: Option<Proven<'_>>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        match proven {
            // Many wait for answers at the same time, and few with proofs: their memory is their own.
            Some(proven) => Box::pin(self.send_proven(draft, headers, proven, patience)).await,
            None => self.send_once(draft, headers, patience).await,
        }
    }

    /// Sends a message with a proof, again if it was refused for the proof alone (RFC 9449 §9):
    /// nobody has looked at the message then, and the token may be good.
    async fn send_proven(
        &self,
        draft: Draft,
        headers: HeaderMap,
        proven: Proven<'_>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let mut tries = Tries::default();
        loop {
            // Its body is one piece of memory, which clones share.
            let Some(request) = draft.request.try_clone() else {
                return Err(Broken::unknown("the message cannot be sent with a proof"));
            };
            let proof = self.prove(&request, proven, &tries)?;
            let mut headers = headers.clone();
            // In the place of any that the user configured.
            headers.insert(DPOP, proof);
            let http = draft.http.clone();
            let sent = self.send_once(Draft { http, request }, headers, patience);
            let mut answer = sent.await?;
            let error = match answer.status {
                401 => answer.challenge().dpop_error,
                _ => None,
            };
            let told = Told::read(answer.response.headers());
            let again = self
                .prover
                .hear(&answer.url, &told, error.as_deref(), &mut tries);
            if !again {
                return Ok(answer);
            }
            // Leaves the connection fit for the next.
            answer.error_body().await;
        }
    }

    fn prove(
        &self,
        request: &Request,
        proven: Proven<'_>,
        tries: &Tries,
    ) -> Result<HeaderValue, Broken> {
        let (method, url) = (request.method().as_str(), request.url());
        let token = Some(&proven.credential.token);
        let proof = self.prover.prove(proven.key, method, url, token, tries);
        proof.map_err(|error| {
            let cause = format!("no proof for the request can be signed: {error}");
            Broken::new(Delivery::NotSent, cause)
        })
    }

    async fn send_once(
        &self,
        draft: Draft,
        mut headers: HeaderMap,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let Draft { http, mut request } = draft;
        let url = request.url().clone();
        self.add_cookies(&mut headers, &url);
        *request.headers_mut() = headers;
        // A connection that the server has ended meanwhile is found out when its task runs, which
        // this lets happen first: what is sent on it would be lost, and nobody could tell.
        tokio::task::yield_now().await;
        let send = http.execute(request);
        let response = match patience {
            Patience::Configured => {
                let why = |seconds| {
                    format!("no answer within {seconds} s (`--headers-timeout` allows more)")
                };
                within(self.timeouts.headers, send, why).await??
            }
            Patience::Fixed(limit) => {
                let why = |seconds| format!("no answer within {seconds} s");
                within(Some(limit), send, why).await??
            }
        };
        self.http.reached(response.remote_addr());
        if let Some(jar) = &self.cookies {
            let mut set = response.headers().get_all(SET_COOKIE).iter();
            jar.set_cookies(&mut set, &url);
        }
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        Ok(Answer {
            intake: self.intake.clone(),
            status: response.status().as_u16(),
            body_kind: body_kind(content_type),
            url,
            response,
            timeouts: self.timeouts,
        })
    }

    /// RFC 6265 §5.4: there is one `Cookie` header. What the user configured comes first.
    fn add_cookies(&self, headers: &mut HeaderMap, url: &Url) {
        let Some(kept) = self.cookies.as_ref().and_then(|jar| jar.cookies(url)) else {
            return;
        };
        let mut all = match headers.get(COOKIE) {
            None => kept,
            Some(own) => {
                let both = [own.as_bytes(), b"; ", kept.as_bytes()].concat();
                match HeaderValue::from_bytes(&both) {
                    Ok(both) => both,
                    Err(_) => return,
                }
            }
        };
        all.set_sensitive(true);
        headers.insert(COOKIE, all);
    }
}

/// Waits no longer than a limit; says what was waited for otherwise.
async fn within<T>(
    limit: Option<Duration>,
    what: impl Future<Output = T>,
    why: impl FnOnce(f32) -> String,
) -> Result<T, Broken> {
    let Some(limit) = limit else {
        return Ok(what.await);
    };
    tokio::time::timeout(limit, what)
        .await
        .map_err(|_| Broken::timed_out(why(limit.as_secs_f32())))
}

/// A header value that debug output hides.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
