//! The session with the remote server: what `initialize` agreed on, and what later requests carry
//! because of it (MCP 2025-11-25, Transports, Session Management and Protocol Version Header).

use super::jsonrpc::{self, Message};
use super::revision::{self, Revision};
use crate::secret::Secret;

/// One session. Requests keep the session they were sent in, so a late 404 of an old session is
/// told from the loss of the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Counts the sessions of this process.
    pub serial: u64,
    /// The value of `Mcp-Session-Id`; `None` if the server keeps no state.
    pub id: Option<Secret>,
    /// The revision the server chose.
    pub revision: &'static Revision,
}

/// Why the answer to `initialize` cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// There is no `protocolVersion`.
    NoVersion,
    /// The server chose a revision that we do not speak.
    UnknownVersion(String),
}

/// Reads the revision from an InitializeResult (MCP 2025-11-25, Lifecycle, Version Negotiation).
pub fn agreed_revision(result: &Message) -> Result<&'static Revision, Disagreement> {
    let name = result
        .body_member("protocolVersion")
        .and_then(jsonrpc::string)
        .ok_or(Disagreement::NoVersion)?;
    revision::find(&name).ok_or(Disagreement::UnknownVersion(name))
}

/// The best revision among those that a refusal of `initialize` lists in `data.supported`.
pub fn offered_instead(error: &Message) -> Option<&'static Revision> {
    let data = error.body_member("data")?;
    let supported: Vec<String> = serde_json::from_str(jsonrpc::member(data, "supported")?).ok()?;
    revision::newest_common(supported.iter().map(String::as_str))
}

/// Whether a session id may be used: one or more visible ASCII characters.
pub fn is_valid_session_id(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|b| (0x21..=0x7e).contains(b))
}

/// Whether an error answer to a request that carried a session id means that the session is gone.
///
/// MCP names 404. Many servers, those grown from the SDKs' examples among them, answer 400 with a
/// JSON-RPC error that speaks of the session.
pub fn means_session_lost(status: u16, error: Option<&Message>) -> bool {
    match status {
        404 | 410 => true,
        400 => error
            .and_then(|error| error.body_member("message"))
            .and_then(jsonrpc::string)
            .is_some_and(|message| message.to_ascii_lowercase().contains("session")),
        _ => false,
    }
}

/// Whether an error answer to a message over HTTP+SSE means that the session behind its address is
/// gone: 404, 410 or 400 with a body, JSON or not, that speaks of the session. MCP 2024-11-05 names
/// no status for it; the SDKs and their examples use these.
pub fn means_stream_lost(status: u16, body: &[u8]) -> bool {
    matches!(status, 400 | 404 | 410)
        && String::from_utf8_lossy(body)
            .to_ascii_lowercase()
            .contains("session")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(text: &'static str) -> Message {
        jsonrpc::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn the_servers_choice_of_revision_is_read() {
        let result =
            message(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26"}}"#);
        assert_eq!(agreed_revision(&result).unwrap().name, "2025-03-26");
        let result =
            message(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2031-01-01"}}"#);
        assert_eq!(
            agreed_revision(&result),
            Err(Disagreement::UnknownVersion("2031-01-01".into()))
        );
        let result = message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert_eq!(agreed_revision(&result), Err(Disagreement::NoVersion));
    }

    #[test]
    fn a_refusal_that_lists_revisions_offers_the_best_common_one() {
        let error = message(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":{"supported":["2024-11-05","2025-06-18"]}}}"#,
        );
        assert_eq!(offered_instead(&error).unwrap().name, "2025-06-18");
        let error = message(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#);
        assert!(offered_instead(&error).is_none());
    }

    #[test]
    fn session_ids_are_visible_ascii() {
        assert!(is_valid_session_id(b"1868a90c-\x7e!"));
        for bad in [&b""[..], b"a b", b"a\x7f", b"\xc3\xa4", b"a\t"] {
            assert!(!is_valid_session_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_lost_session_is_told_from_other_refusals() {
        let names_it = message(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid Session ID provided"}}"#,
        );
        let other = message(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request"}}"#,
        );
        assert!(means_session_lost(404, None));
        assert!(means_session_lost(400, Some(&names_it)));
        assert!(!means_session_lost(400, Some(&other)));
        assert!(!means_session_lost(400, None));
        assert!(!means_session_lost(500, Some(&names_it)));
    }

    #[test]
    fn a_lost_event_stream_is_told_from_other_refusals() {
        for body in [
            "Session not found",
            "No transport found for sessionId",
            "Could not find session",
            r#"{"error":"unknown SESSION"}"#,
        ] {
            for status in [400, 404, 410] {
                assert!(
                    means_stream_lost(status, body.as_bytes()),
                    "{status} {body}"
                );
            }
            for status in [401, 403, 405, 409, 500, 503] {
                assert!(
                    !means_stream_lost(status, body.as_bytes()),
                    "{status} {body}"
                );
            }
        }
        for body in [&b""[..], b"Not Found", b"<html>404</html>", b"\xff\xfe"] {
            assert!(!means_stream_lost(404, body), "{body:?}");
        }
    }
}
