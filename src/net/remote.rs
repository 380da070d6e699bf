//! Sends one message to the remote server, opens its streams, and gives back what comes (MCP
//! 2025-11-25, Transports, Streamable HTTP). What an answer means is decided in `mcp::answer`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::buffer;
use crate::ids::{self, ServerUrl};
use crate::mcp::answer::{self, BodyKind, Delivery};
use crate::mcp::jsonrpc;
use crate::mcp::session::{Session, is_valid_session_id};
use crate::mcp::sse::{SseEvent, SseParser};
use crate::net::http::{cause_of, is_distrust, retry_after, was_sent};
use crate::net::intake::{Intake, Room};
use crate::oauth::challenge::{Reading, parse_challenges};
use crate::secret::Secret;

/// Largest message that is taken from the server, in bytes.
pub const MESSAGE_LIMIT: usize = 256 * 1024 * 1024;
/// Most requests that the server works on at a time.
const AT_ONCE: usize = 100;
/// Longest wait for the head of an answer. Tools may work this long before they say anything.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest silence within a JSON body. Event streams may be silent for as long as they like.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
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

/// The remote server's endpoint.
#[derive(Debug)]
pub struct Remote {
    http: reqwest::Client,
    url: Mutex<Url>,
    headers: HeaderMap,
    intake: Intake,
    turns: Arc<Semaphore>,
    /// Kept for load balancers that tie a client to one machine; in memory only.
    cookies: Jar,
}

/// What a request carries besides its message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried<'a> {
    /// The access token.
    pub token: Option<&'a Secret>,
    /// The session.
    pub session: Option<&'a Session>,
}

/// The head of an answer; its body is still to be read.
#[derive(Debug)]
pub struct Answer {
    intake: Intake,
    /// The status code.
    pub status: u16,
    /// How the body is to be read.
    pub body_kind: BodyKind,
    response: Response,
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

impl Broken {
    fn unknown(cause: impl Into<String>) -> Self {
        Self {
            delivery: Delivery::Unknown,
            cause: cause.into(),
        }
    }
}

impl Remote {
    /// The endpoint of a server. `headers` are the user's own; they go nowhere else.
    pub fn new(http: reqwest::Client, server: &ServerUrl, headers: HeaderMap) -> Self {
        Self {
            http,
            url: Mutex::new(server.url().clone()),
            headers,
            intake: Intake::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            cookies: Jar::default(),
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
    pub async fn post(&self, body: Bytes, carried: Carried<'_>) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(carried);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        self.send(Method::POST, headers, Some(body), HEAD_TIMEOUT)
            .await
    }

    /// Asks for an event stream: the standing one, or with a cursor the rest of any stream.
    pub async fn listen(
        &self,
        carried: Carried<'_>,
        last_event_id: Option<&str>,
    ) -> Result<Answer, Broken> {
        let mut headers = self.common_headers(carried);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.send(Method::GET, headers, None, HEAD_TIMEOUT).await
    }

    /// Tells the server that the session is over. Whether it minds does not matter.
    pub async fn end_session(&self, carried: Carried<'_>) -> Result<Answer, Broken> {
        self.send(
            Method::DELETE,
            self.common_headers(carried),
            None,
            DELETE_TIMEOUT,
        )
        .await
    }

    /// Follows a redirect for this message and all later ones, if it stays on the same origin
    /// (RFC 9110 §15.4; tokens and the user's headers belong to that origin alone). Gives the
    /// foreign address otherwise.
    pub fn follow(&self, answer: &Answer) -> Result<(), Option<String>> {
        let target = self.redirect_target(answer);
        let mut url = self.lock_url();
        match target {
            Some(target) if ids::same_origin(&url, &target) => {
                *url = target;
                Ok(())
            }
            Some(target) => Err(Some(ids::display_url(&target))),
            None => Err(None),
        }
    }

    /// Where an answer sends us, if it says so.
    pub fn redirect_target(&self, answer: &Answer) -> Option<Url> {
        let location = answer.response.headers().get(LOCATION)?.to_str().ok()?;
        self.lock_url().join(location).ok()
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

    async fn send(
        &self,
        method: Method,
        mut headers: HeaderMap,
        body: Option<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, Broken> {
        let url = self.lock_url().clone();
        if let Some(cookies) = self.cookies.cookies(&url) {
            headers.entry(COOKIE).or_insert(cookies);
        }
        let mut request = self.http.request(method, url.clone()).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = tokio::time::timeout(timeout, request.send())
            .await
            .map_err(|_| Broken::unknown(format!("no answer within {} s", timeout.as_secs())))?
            .map_err(|error| Broken {
                delivery: match was_sent(&error) {
                    true => Delivery::Unknown,
                    false if is_distrust(&error) => Delivery::Distrusted,
                    false => Delivery::NotSent,
                },
                cause: cause_of(&error),
            })?;
        let mut set_cookies = response.headers().get_all(SET_COOKIE).iter();
        self.cookies.set_cookies(&mut set_cookies, &url);
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        Ok(Answer {
            intake: self.intake.clone(),
            status: response.status().as_u16(),
            body_kind: answer::body_kind(content_type),
            response,
        })
    }
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

    /// The whole body, in one line. Waits for room where much is on its way to the AI client.
    pub async fn body(mut self) -> Result<Bytes, Broken> {
        if self
            .response
            .content_length()
            .is_some_and(|length| length > MESSAGE_LIMIT as u64)
        {
            return Err(Broken::unknown("the answer is larger than 256 MiB"));
        }
        let mut room = Room::default();
        let body = self.read_body(&mut room).await?;
        // Changed while nobody else holds it.
        let body = jsonrpc::single_line(body);
        Ok(self.intake.admit(body.len()).await.hold(body, room))
    }

    async fn read_body(&mut self, room: &mut Room) -> Result<Bytes, Broken> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(mut next) = self.chunk().await? else {
            return Ok(first);
        };
        // The stated length is a hint, and not one to allocate by.
        let mut body = Vec::with_capacity((first.len() + next.len()) * 2);
        body.extend_from_slice(&first);
        drop(first);
        loop {
            buffer::extend(&mut body, &next);
            if body.len() > MESSAGE_LIMIT {
                return Err(Broken::unknown("the answer is larger than 256 MiB"));
            }
            drop(next);
            self.intake.grow(room, body.len()).await;
            match self.chunk().await? {
                Some(chunk) => next = chunk,
                None => return Ok(body.into()),
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
        EventReader {
            response: self.response,
            intake: self.intake,
            room: Room::default(),
            parser: SseParser::new(MESSAGE_LIMIT),
            events: VecDeque::new(),
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        tokio::time::timeout(BODY_TIMEOUT, self.response.chunk())
            .await
            .map_err(|_| {
                Broken::unknown(format!(
                    "the answer stopped for {} s",
                    BODY_TIMEOUT.as_secs()
                ))
            })?
            .map_err(|error| Broken::unknown(cause_of(&error)))
    }
}

/// An event stream that is being read.
#[derive(Debug)]
pub struct EventReader {
    response: Response,
    intake: Intake,
    /// What the event that is being read takes.
    room: Room,
    parser: SseParser,
    events: VecDeque<SseEvent>,
}

impl EventReader {
    /// The next event, its data in one line; `None` at the end of the stream. Waits for room where
    /// much is on its way to the AI client. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseEvent>, Broken> {
        loop {
            if let Some(event) = self.events.front() {
                let admitted = self.intake.admit(event.data.len()).await;
                return Ok(self.events.pop_front().map(|mut event| {
                    let data = jsonrpc::single_line(event.data);
                    event.data = admitted.hold(data, std::mem::take(&mut self.room));
                    event
                }));
            }
            self.intake
                .grow(&mut self.room, self.parser.unfinished())
                .await;
            match self.response.chunk().await {
                Ok(Some(chunk)) => self
                    .parser
                    .feed(&chunk, &mut self.events)
                    .map_err(|oversized| Broken::unknown(oversized.to_string()))?,
                Ok(None) => return Ok(None),
                Err(error) => return Err(Broken::unknown(cause_of(&error))),
            }
        }
    }

    /// The id of the last complete event: where to resume.
    pub fn last_event_id(&self) -> Option<&str> {
        self.parser.last_event_id()
    }

    /// The delay before a reconnect that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry()
    }
}
