//! Sends one message to the remote server, opens its streams, and gives back what comes (MCP
//! 2025-11-25, Transports, Streamable HTTP). What an answer means is decided in `mcp::answer`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response};
use url::Url;

use crate::ids::{self, ServerUrl};
use crate::mcp::answer::{self, BodyKind, Delivery};
use crate::mcp::session::{Session, is_valid_session_id};
use crate::mcp::sse::{SseEvent, SseParser};
use crate::net::client::{Client, Draft};
use crate::net::connections::Connections;
use crate::net::http::retry_after;
use crate::net::trouble::{Trouble, cause_of};
use crate::oauth::challenge::{Reading, parse_challenges};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// Largest message that is taken from the server, in bytes.
pub const MESSAGE_LIMIT: usize = 256 * 1024 * 1024;
/// Longest wait for the head of the standing stream. Some servers send no head before they have something to say;
/// that the connection is dead is noticed in another way.
const STANDING_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How much longer an event stream may be silent while it waits for what a person answers.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest wait for the head of the answer to a GET that opens the event stream of MCP 2024-11-05.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for a message to an address that the event stream named, if it is no request: some
/// servers never answer the POST.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the head of an answer to a DELETE, at the end of a session.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time in which the beginning of an error answer is read.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Amazon's API Gateway renames `WWW-Authenticate` to this.
const REMAPPED_WWW_AUTHENTICATE: HeaderName =
    HeaderName::from_static("x-amzn-remapped-www-authenticate");

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
    /// Kept for load balancers that tie a client to one machine; in memory only. They go to this
    /// endpoint and to no authorization server. `None` if the user wants none.
    cookies: Option<Jar>,
    timeouts: Timeouts,
}

/// What a request carries besides its message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried<'a> {
    /// The access token.
    pub token: Option<&'a Secret>,
    /// The session.
    pub session: Option<&'a Session>,
}

/// How a message goes that was sent once and is sent again.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Where [`Remote::follow`] says that it goes; `None` for the endpoint.
    pub to: Option<Url>,
    /// Over a connection of its own.
    pub alone: bool,
}

/// The head of an answer; its body is still to be read.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// How the body is to be read.
    pub body_kind: BodyKind,
    /// Where the request went.
    url: Url,
    response: Response,
    timeouts: Timeouts,
}

/// Where an answer sends us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub url: Url,
    /// Whether tokens and the user's headers may go there: they belong to the origin, and to the
    /// same host over https.
    pub is_ours: bool,
}

/// No answer came, or it broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Whether the request may have been processed.
    pub delivery: Delivery,
    /// What happened, without secrets.
    pub cause: String,
}

/// The server gave a session id with characters that none may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSessionId;

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self {
            cause: trouble.sentence(),
            delivery: trouble.delivery,
        }
    }
}

impl Broken {
    /// We did not wait any longer.
    pub fn timed_out(cause: String) -> Self {
        Self {
            delivery: Delivery::TimedOut,
            cause,
        }
    }

    /// Whether it was processed is not known.
    pub fn unknown(cause: impl Into<String>) -> Self {
        Self {
            delivery: Delivery::Unknown,
            cause: cause.into(),
        }
    }

    fn too_large() -> Self {
        Self {
            delivery: Delivery::TooLarge,
            cause: format!("more than {} MiB", MESSAGE_LIMIT / (1024 * 1024)),
        }
    }
}

impl Remote {
    /// The endpoint of a server. `headers` are the user's own; they go nowhere else.
    pub fn new(http: Connections, server: &ServerUrl, headers: HeaderMap) -> Self {
        Self {
            http,
            url: Mutex::new(server.url().clone()),
            headers,
            cookies: Some(Jar::default()),
            timeouts: Timeouts::default(),
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
        self.send(request, headers, Patience::Configured).await
    }

    /// POSTs one message to an address that the event stream named (MCP 2024-11-05, Transports,
    /// HTTP with SSE).
    pub async fn post_to(
        &self,
        url: &Url,
        way: &Way,
        body: Bytes,
        token: Option<&Secret>,
        is_request: bool,
    ) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(Carried {
            token,
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
        self.send(request, headers, patience).await
    }

    /// Asks for the event stream of MCP 2024-11-05.
    pub async fn open_events(&self, way: &Way, token: Option<&Secret>) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(Carried {
            token,
            session: None,
        });
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let url = way.to.clone().unwrap_or_else(|| self.address());
        let request = self.client(way).request(Method::GET, url);
        let patience = Patience::Fixed(EVENTS_TIMEOUT);
        self.send(request, headers, patience).await
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
        self.send_on(Method::GET, headers, patience).await
    }

    /// The connections that it is reached over.
    pub fn connections(&self) -> &Connections {
        &self.http
    }

    /// Tells the server that the session is over. Whether it minds does not matter.
    pub async fn end_session(&self, carried: Carried<'_>) -> Result<Answer, Broken> {
        let headers = self.common_headers(carried);
        let patience = Patience::Fixed(DELETE_TIMEOUT);
        self.send_on(Method::DELETE, headers, patience).await
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
        if let Some(token) = carried
            .token
            .and_then(|token| secret_value(&format!("Bearer {}", token.expose())))
        {
            headers.insert(AUTHORIZATION, token);
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
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let mut url = self.address();
        for _ in 0..answer::REDIRECTS {
            let (method, headers) = (method.clone(), headers.clone());
            // 301, 302 and 303 keep a GET, and turn everything else into one.
            let keeps = method == Method::GET;
            let request = self.http.client().request(method, url);
            let answer = self.send(request, headers, patience).await?;
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
        self.send(request, headers, patience).await
    }

    async fn send(
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
            status: response.status().as_u16(),
            body_kind: answer::body_kind(content_type),
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

impl Answer {
    /// Whether the request succeeded.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Where the request went.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What the server calls the body.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.response.headers().get(CONTENT_TYPE)?;
        value.to_str().ok()
    }

    /// Where it sends us, if it says so.
    pub fn target(&self) -> Option<Target> {
        let location = self.response.headers().get(LOCATION)?;
        // Addresses in a header are often not encoded as they should be.
        let location = std::str::from_utf8(location.as_bytes()).ok()?;
        let url = self.url.join(location).ok()?;
        Some(Target {
            is_ours: ids::same_origin(&self.url, &url) || ids::is_upgrade(&self.url, &url),
            url,
        })
    }

    /// The session id that the server gave; an error if it is not one that may be used.
    pub fn session_id(&self) -> Result<Option<Secret>, InvalidSessionId> {
        match self.response.headers().get(SESSION_ID) {
            None => Ok(None),
            Some(value) if is_valid_session_id(value.as_bytes()) => {
                Ok(value.to_str().ok().map(Secret::new))
            }
            Some(_) => Err(InvalidSessionId),
        }
    }

    /// What the server asks for in `WWW-Authenticate`.
    pub fn challenge(&self) -> Reading {
        let headers = self.response.headers();
        let lines = headers.get_all(WWW_AUTHENTICATE).iter();
        let remapped = headers.get_all(REMAPPED_WWW_AUTHENTICATE).iter();
        parse_challenges(lines.chain(remapped).map(HeaderValue::as_bytes))
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        retry_after(value, now)
    }

    /// The whole body.
    pub async fn body(mut self) -> Result<Bytes, Broken> {
        self.check_encoding()?;
        if self
            .response
            .content_length()
            .is_some_and(|length| length > MESSAGE_LIMIT as u64)
        {
            return Err(Broken::too_large());
        }
        let mut first = match self.chunk().await? {
            None => return Ok(Bytes::new()),
            Some(chunk) => chunk,
        };
        let Some(mut next) = self.chunk().await? else {
            return Ok(first);
        };
        // The stated length is a hint, and not one to allocate by.
        let mut body = BytesMut::with_capacity((first.len() + next.len()) * 2);
        body.extend_from_slice(&std::mem::take(&mut first));
        loop {
            body.extend_from_slice(&next);
            if body.len() > MESSAGE_LIMIT {
                return Err(Broken::too_large());
            }
            match self.chunk().await? {
                Some(chunk) => next = chunk,
                None => return Ok(body.freeze()),
            }
        }
    }

    /// The beginning of an error's body, as far as it comes soon.
    pub async fn error_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            while body.len() < answer::ERROR_BODY_LIMIT {
                match self.response.chunk().await {
                    Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                    _ => break,
                }
            }
        };
        let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await;
        body.truncate(answer::ERROR_BODY_LIMIT);
        body
    }

    /// The body as an event stream.
    pub fn events(self) -> EventReader {
        let unreadable = self.check_encoding().err();
        EventReader {
            response: self.response,
            parser: SseParser::new(MESSAGE_LIMIT),
            events: VecDeque::new(),
            last_event_id: None,
            unreadable,
            silence: self.timeouts.stream,
            asked: false,
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        within(self.timeouts.body, self.response.chunk(), |seconds| {
            format!("its answer stopped for {seconds} s (`--body-timeout` allows more)")
        })
        .await?
        .map_err(|error| Broken::unknown(cause_of(&error)))
    }

    /// RFC 9110 §8.4: what is left here is how the body is still encoded. We ask for none, and undo
    /// the usual ones all the same.
    fn check_encoding(&self) -> Result<(), Broken> {
        match self.response.headers().get(CONTENT_ENCODING) {
            None => Ok(()),
            Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
            Some(coding) => Err(Broken {
                delivery: Delivery::Unreadable,
                cause: format!(
                    "it is compressed as `{}`, which the server was not asked for",
                    printable(&String::from_utf8_lossy(coding.as_bytes()), SHOWN)
                ),
            }),
        }
    }
}

/// An event stream that is being read.
#[derive(Debug)]
pub struct EventReader {
    response: Response,
    parser: SseParser,
    /// What was read and is still to be given.
    events: VecDeque<SseEvent>,
    /// The id of the last event that was given.
    last_event_id: Option<Box<str>>,
    /// Why the stream cannot be read at all.
    unreadable: Option<Broken>,
    /// Longest time without a byte.
    silence: Option<Duration>,
    /// Whether the server waits for an answer of ours.
    asked: bool,
}

impl EventReader {
    /// The next event; `None` at the end of the stream. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseEvent>, Broken> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if event.id.is_some() {
                    self.last_event_id.clone_from(&event.id);
                }
                return Ok(Some(event));
            }
            if let Some(broken) = &self.unreadable {
                return Err(broken.clone());
            }
            let limit = match self.asked {
                true => self.silence.map(|limit| limit + QUESTION_TIMEOUT),
                false => self.silence,
            };
            let chunk = within(limit, self.response.chunk(), |seconds| {
                format!("its stream was silent for {seconds} s (`--body-timeout` allows more)")
            });
            match chunk.await? {
                Ok(Some(chunk)) => {
                    self.asked = false;
                    self.parser
                        .feed(&chunk, &mut self.events)
                        .map_err(|_| Broken::too_large())?;
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(Broken::unknown(cause_of(&error))),
            }
        }
    }

    /// The last event was a question: until more comes, the server may be silent for as long as a
    /// person may take to answer.
    pub fn await_answer(&mut self) {
        self.asked = true;
    }

    /// The id of the last event that was given, or of what came after it without data: where to
    /// resume.
    pub fn last_event_id(&self) -> Option<&str> {
        match self.events.is_empty() {
            true => self.parser.last_event_id(),
            false => self.last_event_id.as_deref(),
        }
    }

    /// The delay before a reconnect that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry()
    }
}
