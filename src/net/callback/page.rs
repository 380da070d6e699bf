//! What the browser shows at the end: one small page, complete in itself.

use std::sync::LazyLock;

use base64::Engine;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use sha2::{Digest, Sha256};

use crate::untrusted::printable;

/// What the browser is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The sign-in is done.
    Connected {
        /// The server, as a person would call it.
        server: String,
    },
    /// The sign-in failed.
    Failed {
        /// The server, as a person would call it.
        server: String,
        /// What went wrong, as a sentence.
        reason: String,
    },
    /// No sign-in waits for this: it is over, or was never begun here.
    NotExpected,
}

/// Longest text of foreign origin on the page, in characters.
const TEXT_LIMIT: usize = 300;

const STYLE: &str = include_str!("page.css");

/// Nothing may load or run; the one style sheet is known by its digest.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = base64::prelude::BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Base64 and these words are plain ASCII.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

const CHECK: &str = r#"<path d="M14 25.5l7 7 14-15"/>"#;
const CROSS: &str = r#"<path d="M17 17l14 14M31 17l-14 14"/>"#;
const CLOCK: &str = r#"<path d="M24 14v10l7 5"/>"#;

impl Page {
    /// The answer that shows the page.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let status = match self {
            Self::Connected { .. } => StatusCode::OK,
            Self::Failed { .. } => StatusCode::BAD_REQUEST,
            Self::NotExpected => StatusCode::BAD_REQUEST,
        };
        respond(status, "text/html; charset=utf-8", self.html())
    }

    /// The page as HTML.
    pub fn html(&self) -> String {
        match self {
            Self::Connected { server } => document(
                "Connected",
                "good",
                CHECK,
                &format!("Connected to <b>{}</b>", escape(server)),
                "<p>You can close this tab and go back to your AI client.</p>",
            ),
            Self::Failed { server, reason } => document(
                "Not connected",
                "bad",
                CROSS,
                &format!("Not connected to <b>{}</b>", escape(server)),
                &format!(
                    "<p class=\"reason\">{}</p>\
                     <p>Close this tab, go back to your AI client and sign in again. \
                     Its log has the details.</p>",
                    escape(reason)
                ),
            ),
            Self::NotExpected => document(
                "Nothing to do here",
                "idle",
                CLOCK,
                "No sign-in is waiting for this page",
                "<p>It was finished already, or it took too long. You can close this tab; \
                 if your AI client still asks you to sign in, use its newest address.</p>",
            ),
        }
    }
}

/// A short plain answer to whatever is not the redirect.
pub fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = respond(status, "text/plain; charset=utf-8", format!("{reason}\n"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Sends a browser on to a page of the user's choice, with a GET (RFC 9110 §15.4.4). That page learns
/// neither the code in our address nor the address itself.
pub fn send_on(to: &str) -> Response<Full<Bytes>> {
    let mut response = respond(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        "See Other\n".to_owned(),
    );
    // Addresses that were parsed consist of visible ASCII characters.
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        // The address holds the authorization code: nobody keeps it, nobody is told of it.
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn document(title: &str, mood: &str, icon: &str, heading: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · mcp-drawbridge</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main class=\"{mood}\">\n\
         <svg viewBox=\"0 0 48 48\" aria-hidden=\"true\">\
         <circle cx=\"24\" cy=\"24\" r=\"21\"/>{icon}</svg>\n\
         <h1>{heading}</h1>\n{text}\n</main>\n<footer>mcp-drawbridge</footer>\n</body>\n</html>\n"
    )
}

/// Text of foreign origin as HTML: markup loses its meaning, characters that change the direction
/// or hide text are left out, and the length is bounded.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text, TEXT_LIMIT).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_cannot_become_markup() {
        let html = Page::Failed {
            server: "<script>alert(1)</script>".to_owned(),
            reason: "a\u{202e}b \"&' \u{1b}[31m".to_owned(),
        }
        .html();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("ab &quot;&amp;&#39; [31m"));
    }

    #[test]
    fn only_a_sign_in_that_is_done_is_a_success() {
        let server = || "m.example".to_owned();
        let failed = Page::Failed {
            server: server(),
            reason: "no".to_owned(),
        };
        let connected = Page::Connected { server: server() };
        for (page, status) in [(connected, 200), (failed, 400), (Page::NotExpected, 400)] {
            assert_eq!(page.response().status(), status, "{page:?}");
        }
    }

    #[test]
    fn long_reasons_are_cut() {
        assert_eq!(escape(&"é".repeat(TEXT_LIMIT)), "é".repeat(TEXT_LIMIT));
        let cut = escape(&"é".repeat(TEXT_LIMIT + 1));
        assert_eq!(cut, "é".repeat(TEXT_LIMIT) + "…");
    }

    #[test]
    fn page_loads_nothing_and_policy_allows_only_its_style() {
        let html = Page::NotExpected.html();
        for part in [
            "http:", "https:", "//", "<script", "style=", "url(", "@import",
        ] {
            assert!(!html.contains(part), "{part}");
        }
        let style = html
            .split("<style>")
            .nth(1)
            .and_then(|rest| rest.split("</style>").next());
        assert_eq!(style, Some(STYLE));
        let policy = POLICY.to_str().expect("text");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
