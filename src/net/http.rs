//! The small exchanges that sign-in needs of the HTTP client: fetching metadata and posting
//! documents, with limits on time, size and redirects.

mod carried;

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::connections::Connections;
use super::dpop::Told;
use super::guard::Forbidden;
use super::request::Request;
use super::response::Response;
use super::trouble::{Trouble, cause_of};
use crate::ids::{display_url, same_origin};
use crate::mcp::answer::Delivery;
use crate::secret::Secret;
pub(super) use carried::Carried;

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Document {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// How long the server asks us to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// What it says about proofs of possession.
    pub told: Told,
    /// The body.
    pub body: Vec<u8>,
    /// Where it came from, after redirects.
    pub url: Url,
}

impl fmt::Debug for Document {
    /// Leaves the body out: it may hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("url", &display_url(&self.url))
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// The request never left: no such host, nothing listening, TLS refused.
    NotSent {
        /// Where to, fit for messages.
        to: String,
        /// What happened, as a chain of causes.
        cause: String,
    },
    /// One side does not trust the other, or the proxy; the request never left, and none will
    /// before somebody changes something.
    Untrusted {
        /// Where to, fit for messages.
        to: String,
        /// What happened.
        cause: String,
        /// What the user does next.
        hint: &'static str,
    },
    /// The request may have been processed, but the answer did not come.
    NoAnswer {
        /// Where to, fit for messages.
        to: String,
        /// What happened, as a chain of causes.
        cause: String,
    },
    /// The answer is larger than any honest one.
    TooLarge {
        /// Where from, fit for messages.
        to: String,
    },
    /// The server sends us elsewhere: to another origin, in circles, or nowhere.
    Redirected {
        /// Where from, fit for messages.
        to: String,
        /// Where to, fit for messages.
        location: String,
    },
    /// A server must not send us there. The request never left, and none will.
    Forbidden(Box<Forbidden>),
}

impl FetchError {
    /// Whether the server may have acted on the request. If not, sending it again is safe.
    pub fn may_have_been_processed(&self) -> bool {
        !matches!(
            self,
            Self::NotSent { .. } | Self::Untrusted { .. } | Self::Forbidden(_)
        )
    }

    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::Untrusted { hint, .. } => hint,
            Self::Forbidden(forbidden) => forbidden.hint(),
            Self::NotSent { .. } => "check the address, the network and the proxy settings",
            Self::NoAnswer { .. } => "try again; if it stays so, the server has a fault",
            Self::TooLarge { .. } | Self::Redirected { .. } => {
                "check the address; the server's operator has to mend the rest"
            }
        }
        .to_owned()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { to, cause } | Self::Untrusted { to, cause, .. } => {
                write!(f, "cannot reach `{to}`: {cause}")
            }
            Self::NoAnswer { to, cause } => write!(f, "no answer from `{to}`: {cause}"),
            Self::TooLarge { to } => write!(
                f,
                "the answer from `{to}` is larger than {} KiB",
                LIMITS.size / 1024
            ),
            Self::Redirected { to, location } => {
                write!(f, "`{to}` redirects to `{location}`, which is not followed")
            }
            Self::Forbidden(forbidden) => forbidden.fmt(f),
        }
    }
}

impl Error for FetchError {}

/// What one exchange may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the start to the last byte, redirects included.
    pub time: Duration,
    /// Bytes of a body.
    pub size: usize,
    /// Redirects followed.
    pub redirects: usize,
}

/// The limits of metadata documents and registrations.
pub(super) const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    size: 256 * 1024,
    redirects: 3,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The content type of a form.
pub(super) const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Whether a server may send us, or a browser, to this address, as far as that can be told without
/// asking it.
pub async fn may_ask(http: &Connections, url: &Url) -> Result<(), FetchError> {
    let judged = http.client().may_ask(url).await;
    judged.map_err(|trouble| fetch_error(display_url(url), trouble))
}

/// Fetches a metadata document. Follows up to three redirects within the origin; sends no cookies
/// and no `Authorization`. Takes at most 10 s and 256 KiB.
pub async fn fetch(
    http: &Connections,
    url: Url,
    headers: HeaderMap,
) -> Result<Document, FetchError> {
    fetch_within(http, url, headers, Whose::Learnt, LIMITS).await
}

/// The same from an address that no server named.
pub async fn fetch_own(
    http: &Connections,
    url: Url,
    headers: HeaderMap,
) -> Result<Document, FetchError> {
    fetch_within(http, url, headers, Whose::Own, LIMITS).await
}

/// Who named an address.
#[derive(Clone, Copy)]
enum Whose {
    /// A server.
    Learnt,
    /// Nobody but ourselves.
    Own,
}

async fn fetch_within(
    http: &Connections,
    url: Url,
    mut headers: HeaderMap,
    whose: Whose,
    limits: Limits,
) -> Result<Document, FetchError> {
    headers.entry(header::ACCEPT).or_insert(JSON);
    let follow = async {
        let mut next = url.clone();
        for _ in 0..=limits.redirects {
            let mut request = Request::new(Method::GET, next.clone());
            request.headers = headers.clone();
            let response = send(http, request, whose).await?;
            let Some(location) = redirect_target(&response) else {
                return read(response, next, limits.size).await;
            };
            match next.join(&location) {
                Ok(target) if same_origin(&next, &target) => next = target,
                Ok(target) => return Err(redirected(&next, display_url(&target))),
                Err(_) => return Err(redirected(&next, "an unusable address".to_owned())),
            }
        }
        Err(redirected(&url, display_url(&next)))
    };
    within(limits.time, &url, follow).await
}

/// Posts a JSON document, such as a registration, with a bearer token if the server wants one.
/// Takes at most 10 s and 256 KiB of answer; follows no redirects.
pub async fn post_json(
    http: &Connections,
    url: Url,
    bearer: Option<&Secret>,
    body: String,
) -> Result<Document, FetchError> {
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]);
    if let Some(token) = bearer {
        headers.insert(header::AUTHORIZATION, authorization(&url, token)?);
    }
    post(http, url, headers, body, LIMITS).await
}

/// Deletes what an address stands for, such as a registration (RFC 7592 §2.3). Takes at most 10 s
/// and 256 KiB of answer; follows no redirects.
pub async fn delete(http: &Connections, url: Url, bearer: &Secret) -> Result<Document, FetchError> {
    let mut request = Request::new(Method::DELETE, url.clone());
    let authorization = authorization(&url, bearer)?;
    request.headers.insert(header::AUTHORIZATION, authorization);
    request.headers.insert(header::ACCEPT, JSON);
    let exchange = async {
        read(
            send(http, request, Whose::Learnt).await?,
            url.clone(),
            LIMITS.size,
        )
        .await
    };
    within(LIMITS.time, &url, exchange).await
}

/// The header for a bearer token, which logs do not show.
fn authorization(url: &Url, token: &Secret) -> Result<HeaderValue, FetchError> {
    let value = format!("Bearer {}", token.expose());
    let mut value = HeaderValue::try_from(value).map_err(|_| FetchError::NotSent {
        to: display_url(url),
        cause: "the token holds characters that no header can carry".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Posts a form, already encoded. Takes at most 10 s and 256 KiB of answer; follows no redirects.
pub async fn post_form(
    http: &Connections,
    url: Url,
    mut headers: HeaderMap,
    body: String,
) -> Result<Document, FetchError> {
    headers.insert(header::CONTENT_TYPE, FORM);
    post(http, url, headers, body, LIMITS).await
}

pub(super) async fn post(
    http: &Connections,
    url: Url,
    mut headers: HeaderMap,
    body: String,
    limits: Limits,
) -> Result<Document, FetchError> {
    headers.entry(header::ACCEPT).or_insert(JSON);
    let carried = Carried::of(&headers, &body);
    let mut request = Request::new(Method::POST, url.clone());
    request.headers = headers;
    request.body = body.into();
    let exchange = async {
        read(
            send(http, request, Whose::Learnt).await?,
            url.clone(),
            limits.size,
        )
        .await
    };
    let mut document = within(limits.time, &url, exchange).await?;
    // Tokens that are issued may well be the same again.
    if !(200..300).contains(&document.status) {
        carried.hide(&mut document.body);
    }
    Ok(document)
}

async fn within<T>(
    limit: Duration,
    url: &Url,
    exchange: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    match tokio::time::timeout(limit, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(FetchError::NoAnswer {
            to: display_url(url),
            cause: format!("it took longer than {} s", limit.as_secs()),
        }),
    }
}

async fn send(http: &Connections, request: Request, whose: Whose) -> Result<Response, FetchError> {
    let to = display_url(request.to.url());
    let client = http.client();
    let sent = match whose {
        Whose::Learnt => client.execute_learnt(request).await,
        Whose::Own => client.execute(request).await,
    };
    sent.map_err(|trouble| fetch_error(to, trouble))
}

async fn read(mut response: Response, url: Url, limit: usize) -> Result<Document, FetchError> {
    let to = display_url(&url);
    let announced = response.content_length().unwrap_or_default();
    if announced > limit as u64 {
        return Err(FetchError::TooLarge { to });
    }
    let mut body = Vec::with_capacity(announced as usize);
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| FetchError::NoAnswer {
            to: to.clone(),
            cause: cause_of(&error),
        })?
    {
        if body.len() + chunk.len() > limit {
            return Err(FetchError::TooLarge { to });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Document {
        status: response.status().as_u16(),
        content_type: text_header(&response, header::CONTENT_TYPE),
        retry_after: text_header(&response, header::RETRY_AFTER)
            .and_then(|value| retry_after(&value, SystemTime::now())),
        told: Told::read(response.headers()),
        body,
        url,
    })
}

fn text_header(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

/// Longest wait that is believed; nobody waits for half of it.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date, which in the past means now.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|digit| digit.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_LIMIT));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(now).unwrap_or_default();
    Some(wait.min(RETRY_AFTER_LIMIT))
}

/// RFC 9110 §15.4: the statuses that send a GET elsewhere, if they say where.
fn redirect_target(response: &Response) -> Option<String> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => text_header(response, header::LOCATION),
        _ => None,
    }
}

fn redirected(from: &Url, location: String) -> FetchError {
    FetchError::Redirected {
        to: display_url(from),
        location,
    }
}

fn fetch_error(to: String, trouble: Trouble) -> FetchError {
    if let Some(forbidden) = trouble.forbidden {
        return FetchError::Forbidden(forbidden);
    }
    let Trouble { cause, hint, .. } = trouble;
    match (trouble.delivery, hint) {
        (Delivery::Distrusted, Some(hint)) => FetchError::Untrusted { to, cause, hint },
        (Delivery::NotSent | Delivery::NoConnection | Delivery::Distrusted, _) => {
            FetchError::NotSent { to, cause }
        }
        _ => FetchError::NoAnswer { to, cause },
    }
}

#[cfg(test)]
pub(super) mod tests;
