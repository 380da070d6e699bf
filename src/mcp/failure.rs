//! What is said to the AI client when no answer can be had from the remote server.

use std::fmt;
use std::time::Duration;

use super::jsonrpc::{self, Id, MissingId};
use bytes::Bytes;

/// Shorter values are left in texts: they are words rather than secrets.
const SHORTEST_SECRET: usize = 8;

/// Where a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Signing in.
    Auth,
    /// Reaching the server.
    Connect,
    /// The HTTP exchange.
    Http,
    /// What the server said is not MCP.
    Protocol,
}

/// Why a request got no answer, in words for a person and fields for a program.
///
/// It becomes a JSON-RPC error with code -32603 whose `data.bridge` has the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// Whether the same request may work later, unchanged.
    pub retryable: bool,
    /// What happened and what to do next. No secrets, no control characters.
    pub detail: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// Where the rule is written that was broken; the detail names it as well.
    pub rule: Option<&'static str>,
    /// What the user does next, if that can be said; the detail ends with it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without HTTP status.
    pub fn new(stage: Stage, retryable: bool, detail: impl Into<String>) -> Self {
        Self {
            stage,
            retryable,
            detail: detail.into(),
            status: None,
            retry_after: None,
            rule: None,
            hint: None,
        }
    }

    /// Takes secrets out of the detail, which may quote a server that repeats what it was sent.
    pub fn hide<'a>(&mut self, secrets: impl Iterator<Item = &'a str>) {
        for secret in secrets.filter(|secret| secret.len() >= SHORTEST_SECRET) {
            self.detail = self.detail.replace(secret, "[redacted]");
            self.hint = (self.hint.take()).map(|hint| hint.replace(secret, "[redacted]"));
        }
    }

    /// The JSON-RPC error response that carries it.
    pub fn response(&self, id: &Id) -> Bytes {
        let stage = match self.stage {
            Stage::Auth => "auth",
            Stage::Connect => "connect",
            Stage::Http => "http",
            Stage::Protocol => "protocol",
        };
        let mut data = format!(
            "{{\"bridge\":{{\"stage\":\"{stage}\",\"retryable\":{},\"detail\":{}",
            self.retryable,
            jsonrpc::quote(&self.detail)
        );
        if let Some(status) = self.status {
            data.push_str(&format!(",\"status\":{status}"));
        }
        if let Some(wait) = self.retry_after {
            data.push_str(&format!(",\"retryAfterMs\":{}", wait.as_millis()));
        }
        if let Some(rule) = self.rule {
            data.push_str(&format!(",\"rule\":{}", jsonrpc::quote(rule)));
        }
        if let Some(hint) = &self.hint {
            data.push_str(&format!(",\"hint\":{}", jsonrpc::quote(hint)));
        }
        data.push_str("}}");
        jsonrpc::error(
            Some(id),
            MissingId::Null,
            jsonrpc::INTERNAL_ERROR,
            &self.detail,
            Some(&data),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_a_server_repeats_are_hidden() {
        let detail = "`x` said: no key SECRET_1 in `Basic SECRET_2`, SECRET_2, team-a";
        let mut failure = Failure::new(Stage::Http, false, detail);
        failure.hide(["SECRET_1", "Basic SECRET_2", "SECRET_2", "team-a", ""].into_iter());
        assert_eq!(
            failure.detail,
            "`x` said: no key [redacted] in `[redacted]`, [redacted], team-a"
        );
    }

    #[test]
    fn the_error_says_what_to_do_and_carries_the_fields() {
        let failure = Failure {
            status: Some(429),
            retry_after: Some(Duration::from_secs(90)),
            ..Failure::new(Stage::Http, true, "`x` asks to wait 90 s; try again then")
        };
        assert_eq!(
            failure.response(&Id::from_number(4)),
            "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32603,\"message\":\"`x` asks to wait 90 s; try again then\",\
             \"data\":{\"bridge\":{\"stage\":\"http\",\"retryable\":true,\
             \"detail\":\"`x` asks to wait 90 s; try again then\",\"status\":429,\"retryAfterMs\":90000}}}}"
        );
    }

    #[test]
    fn the_error_names_the_rule_that_was_broken_and_what_to_do() {
        let failure = Failure {
            rule: Some("RFC 9728 §3.3"),
            hint: Some("check the address".to_owned()),
            ..Failure::new(Stage::Auth, false, "no (RFC 9728 §3.3); check the address")
        };
        assert_eq!(
            failure.response(&Id::from_number(4)),
            "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32603,\"message\":\"no (RFC 9728 §3.3); check the address\",\
             \"data\":{\"bridge\":{\"stage\":\"auth\",\"retryable\":false,\
             \"detail\":\"no (RFC 9728 §3.3); check the address\",\"rule\":\"RFC 9728 §3.3\",\"hint\":\"check the address\"}}}}"
        );
    }
}
