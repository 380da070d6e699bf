//! The head of what the server answers, and its body, whole or as an event stream.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use url::Url;

use super::events::EventReader;
use super::sending::within;
use super::{Broken, SESSION_ID, Timeouts};
use crate::buffer;
use crate::ids;
use crate::mcp::answer::{self, BodyKind, Delivery};
use crate::mcp::jsonrpc;
use crate::mcp::session::is_valid_session_id;
use crate::net::http::retry_after;
use crate::net::intake::{Intake, Room};
use crate::net::request::Address;
use crate::net::response::Response;
use crate::net::trouble::cause_of;
use crate::oauth::challenge::{Reading, parse_challenges};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// Largest message that is taken from the server, in bytes.
pub const MESSAGE_LIMIT: usize = 256 * 1024 * 1024;
/// Longest time in which the beginning of an error answer is read.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Amazon's API Gateway renames `WWW-Authenticate` to this.
const REMAPPED_WWW_AUTHENTICATE: HeaderName =
    HeaderName::from_static("x-amzn-remapped-www-authenticate");

/// The head of an answer; its body is still to be read.
#[derive(Debug)]
pub struct Answer {
    pub(super) intake: Intake,
    /// The status code.
    pub status: u16,
    /// How the body is to be read.
    pub body_kind: BodyKind,
    /// Where the request went.
    pub(super) from: Address,
    pub(super) response: Response,
    pub(super) timeouts: Timeouts,
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

/// The server gave a session id with characters that none may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSessionId;

impl Answer {
    /// Whether the request succeeded.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Where the request went.
    pub fn url(&self) -> &Url {
        self.from.url()
    }

    /// The version of HTTP that it came in, such as `HTTP/1.1`.
    pub fn http_version(&self) -> String {
        format!("{:?}", self.response.version())
    }

    /// Who answered: the server, or the proxy on the way to it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.response.remote_addr()
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
        let url = self.url().join(location).ok()?;
        Some(Target {
            is_ours: ids::same_origin(self.url(), &url) || ids::is_upgrade(self.url(), &url),
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

    /// The whole body, in one line; nothing if it was read already. Waits for room where much is on
    /// its way to the AI client.
    pub async fn body(&mut self) -> Result<Bytes, Broken> {
        self.check_encoding()?;
        if self
            .response
            .content_length()
            .is_some_and(|length| length > MESSAGE_LIMIT as u64)
        {
            return Err(Broken::too_large());
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
                return Err(Broken::too_large());
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
        let unreadable = self.check_encoding().err();
        EventReader::new(self.response, self.intake, self.timeouts.stream, unreadable)
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
            Some(coding) => Err(Broken::new(
                Delivery::Unreadable,
                format!(
                    "it is compressed as `{}`, which the server was not asked for",
                    printable(&String::from_utf8_lossy(coding.as_bytes()), SHOWN)
                ),
            )),
        }
    }
}
