//! What is answered, whichever way it came.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http::response::Parts;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::connect::HttpInfo;
use tower_http::decompression::Decompression;
use tower_service::Service;

use super::direct::{Answered, Seat};

/// An answer; its body is still to be read.
pub struct Response {
    head: Parts,
    body: Body,
    /// Kept until all is read.
    _seat: Option<Seat>,
}

enum Body {
    /// As it comes from the connection.
    Plain(Incoming),
    /// What a proxy was asked for, or what had to be decompressed.
    Made(BoxBody<Bytes, BodyError>),
}

type BodyError = Box<dyn Error + Send + Sync>;

impl Response {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The version of HTTP that it came in.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// What it says before the body.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Who answered: the server, or the proxy on the way to it.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        let info = self.head.extensions.get::<HttpInfo>()?;
        Some(info.remote_addr())
    }

    /// How long the body is, if that is known.
    pub fn content_length(&self) -> Option<u64> {
        let hint = match &self.body {
            Body::Plain(body) => body.size_hint(),
            Body::Made(body) => body.size_hint(),
        };
        hint.exact()
    }

    /// The next piece of the body; `None` at its end. Dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        loop {
            let frame = match &mut self.body {
                Body::Plain(body) => match body.frame().await {
                    Some(frame) => frame.map_err(|error| BrokenOff(Box::new(error)))?,
                    None => return Ok(None),
                },
                Body::Made(body) => match body.frame().await {
                    Some(frame) => frame.map_err(BrokenOff)?,
                    None => return Ok(None),
                },
            };
            // What is not data are trailers, which say nothing here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

impl From<Answered> for Response {
    fn from((response, seat): Answered) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body: Body::Plain(body),
            _seat: seat,
        }
    }
}

impl From<reqwest::Response> for Response {
    fn from(response: reqwest::Response) -> Self {
        let response: http::Response<reqwest::Body> = response.into();
        let (head, body) = response.into_parts();
        Self {
            head,
            body: Body::Made(body.map_err(BodyError::from).boxed()),
            _seat: None,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}

/// Whether it says that it is encoded in some way.
pub(super) fn is_compressed((response, _): &Answered) -> bool {
    response.headers().contains_key(CONTENT_ENCODING)
}

/// Undoes the usual compressions.
pub(super) async fn decompressed((response, seat): Answered) -> Response {
    match Decompression::new(Echo).call(Request::new(response)).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            Response {
                head,
                body: Body::Made(body.boxed()),
                _seat: seat,
            }
        }
        Err(never) => match never {},
    }
}

/// What decompression is put around: it answers with what it is given.
struct Echo;

impl Service<Request<http::Response<Incoming>>> for Echo {
    type Response = http::Response<Incoming>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<http::Response<Incoming>>) -> Self::Future {
        ready(Ok(request.into_body()))
    }
}

/// The body of an answer broke off, or makes no sense.
#[derive(Debug)]
pub struct BrokenOff(BodyError);

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body cannot be read")
    }
}

impl Error for BrokenOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.0.downcast_ref::<reqwest::Error>() {
            // Its own words say nothing more, and may have the address in them.
            Some(error) => error.source(),
            None => Some(&*self.0),
        }
    }
}
