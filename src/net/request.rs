//! What is sent, whichever way it goes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Uri};
use url::{Position, Url};

use crate::ids::display_url;

/// What we are.
pub(super) const PROGRAM: &str = concat!("mcp-drawbridge/", env!("CARGO_PKG_VERSION"));

/// Where requests go, in the forms that sending takes, so that those are made once for the many
/// messages to one endpoint. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Arc<Forms>);

#[derive(Debug, PartialEq, Eq)]
struct Forms {
    url: Url,
    /// `None` if it is none that HTTP can carry.
    uri: Option<Uri>,
    /// What `Host` says of it; `None` if that depends on the version of HTTP.
    host: Option<HeaderValue>,
}

impl Address {
    /// The address.
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    pub(super) fn uri(&self) -> Option<&Uri> {
        self.0.uri.as_ref()
    }

    /// What `Host` says of it (RFC 9110 §7.2); `None` for https, where the server may speak HTTP/2,
    /// which has a pseudo-header in its place.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.0.host.as_ref()
    }
}

impl From<Url> for Address {
    fn from(url: Url) -> Self {
        let is_http = matches!(url.scheme(), "http" | "https");
        let uri = is_http.then(|| url.as_str().parse().ok()).flatten();
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let host = (url.scheme() == "http").then(|| HeaderValue::from_str(host).ok());
        let host = host.flatten();
        Self(Arc::new(Forms { url, uri, host }))
    }
}

/// One request.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) to: Address,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// Without headers and body.
    pub fn new(method: Method, to: impl Into<Address>) -> Self {
        Self {
            method,
            to: to.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

impl fmt::Debug for Request {
    /// Leaves out headers, body and what may be secret in the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("to", &display_url(self.to.url()))
            .finish_non_exhaustive()
    }
}

/// Adds what every request says, unless it says so itself.
pub(super) fn complete(headers: &mut HeaderMap) {
    let all = [
        (ACCEPT, HeaderValue::from_static("*/*")),
        (USER_AGENT, HeaderValue::from_static(PROGRAM)),
        // A server, or what stands before it, that compresses an event stream may keep events back
        // until its buffer is full. RFC 9110 §12.5.3: without this header it may compress as it
        // likes.
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    for (name, value) in all {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Url::parse(text).expect("a URL").into()
    }

    #[test]
    fn an_address_is_sent_as_it_is_without_its_fragment() {
        for (text, sent) in [
            ("https://mcp.test/mcp?a=%20b", "https://mcp.test/mcp?a=%20b"),
            ("http://[::1]:8080/x#part", "http://[::1]:8080/x"),
            ("https://b\u{fc}cher.test/", "https://xn--bcher-kva.test/"),
        ] {
            let uri = address(text).uri().map(Uri::to_string);
            assert_eq!(uri.as_deref(), Some(sent));
        }
        assert_eq!(address("http://a{b}.test/").uri(), None);
    }

    #[test]
    fn a_host_has_its_port_unless_that_is_the_usual_one() {
        for (text, said) in [
            ("http://mcp.test/mcp", Some("mcp.test")),
            ("http://mcp.test:80/mcp", Some("mcp.test")),
            (
                "http://me:SECRET_1@mcp.test:8080/?a=b",
                Some("mcp.test:8080"),
            ),
            ("http://[::1]:8080/x", Some("[::1]:8080")),
            ("http://b\u{fc}cher.test/", Some("xn--bcher-kva.test")),
            ("https://mcp.test:8443/mcp", None),
        ] {
            let to = address(text);
            let host = to.host().map(|host| host.to_str().unwrap());
            assert_eq!(host, said, "{text}");
        }
    }

    #[test]
    fn what_a_request_says_itself_stays() {
        let own = HeaderValue::from_static("own/1");
        let mut headers = HeaderMap::from_iter([(USER_AGENT, own)]);
        complete(&mut headers);
        complete(&mut headers);
        let said: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let expected: [(&str, &[u8]); 3] = [
            ("user-agent", b"own/1"),
            ("accept", b"*/*"),
            ("accept-encoding", b"identity"),
        ];
        assert_eq!(said, expected);
    }
}
