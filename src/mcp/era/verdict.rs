//! Which era a server is of, and how that is found out (MCP 2026-07-28, Versioning, Backward
//! Compatibility).

use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Kind, Message};
use crate::mcp::revision;

/// `HeaderMismatch`: the head of a request disagrees with its body.
pub const HEADER_MISMATCH: &str = "-32020";
/// `MissingRequiredClientCapability`.
pub const MISSING_CAPABILITY: &str = "-32021";
/// `UnsupportedProtocolVersion`.
pub const UNSUPPORTED_VERSION: &str = "-32022";
/// The code of `UnsupportedProtocolVersion` before the revision was final.
const UNSUPPORTED_VERSION_BEFORE: &str = "-32004";

/// How long the finding that a server opens with `initialize` is believed, in seconds: it may have
/// been upgraded since.
const LIFETIME: u64 = 24 * 60 * 60;

/// Which revisions the user wants to be spoken to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Whatever the server speaks.
    #[default]
    Auto,
    /// One that opens with `initialize`; this one, if it is named.
    Initialize(Option<&'static str>),
    /// One without sessions; this one, if it is named.
    Stateless(Option<&'static str>),
}

impl Protocol {
    /// Reads a choice as users write it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "legacy" => Some(Self::Initialize(None)),
            "modern" => Some(Self::Stateless(None)),
            name => {
                let initialize =
                    revision::find(name).map(|found| Self::Initialize(Some(found.name)));
                let stateless = || revision::find_stateless(name);
                initialize.or_else(|| stateless().map(|found| Self::Stateless(Some(found.name))))
            }
        }
    }

    /// The names that [`Protocol::parse`] takes, for messages.
    pub fn choices() -> String {
        let names: Vec<String> = revision::names().map(|name| format!("`{name}`")).collect();
        format!(
            "`auto`, `legacy`, `modern`, or a revision: {}",
            names.join(", ")
        )
    }
}

/// What was found out about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The revision without sessions that it speaks; `None` if it knows none.
    pub stateless: Option<String>,
    /// Whether it opens with `initialize`.
    pub has_sessions: bool,
    /// When that was found out, in seconds since the epoch.
    pub found_at: u64,
}

impl Verdict {
    /// The verdict to keep: `older` stays as it is while it holds, since nothing was asked anew then;
    /// `now` in seconds since the epoch.
    pub fn kept(self, older: Option<Self>, now: u64) -> Self {
        let same = |older: &Self| {
            let of_both = (&older.stateless, older.has_sessions);
            of_both == (&self.stateless, self.has_sessions) && older.holds(now)
        };
        older.filter(same).unwrap_or(Self {
            found_at: now,
            ..self.clone()
        })
    }

    /// Whether it is still to be believed; `now` in seconds since the epoch. That a server speaks a
    /// revision without sessions holds until it is contradicted.
    pub fn holds(&self, now: u64) -> bool {
        let age = now.checked_sub(self.found_at);
        self.stateless.is_some() || age.is_some_and(|age| age < LIFETIME)
    }
}

/// What an answer to `server/discover` says of a server's era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It speaks this revision without sessions, and this is what it says of itself.
    Stateless {
        /// The revision.
        version: &'static str,
        /// Whether it says that it opens with `initialize` too.
        has_sessions: bool,
    },
    /// It speaks this revision without sessions, but has not said anything of itself yet.
    AskAgain(&'static str),
    /// It knows none without sessions that we speak: it is asked to `initialize`.
    Initialize,
    /// It is of the new era, but does not say what it is.
    Silent,
}

/// Reads a successful answer.
pub fn of_result(result: &Message) -> Finding {
    let supported = result.body_member("supportedVersions");
    let Some(supported) = supported.and_then(names) else {
        return Finding::Initialize;
    };
    let names = || supported.iter().map(String::as_str);
    match revision::newest_common_stateless(names()) {
        Some(found) => Finding::Stateless {
            version: found.name,
            has_sessions: revision::newest_common(names()).is_some(),
        },
        None => Finding::Initialize,
    }
}

/// Reads an error.
pub fn of_error(error: &Message) -> Finding {
    let offered = offered(error);
    match error.body_member("code") {
        Some(UNSUPPORTED_VERSION) => offered.map_or(Finding::Initialize, Finding::AskAgain),
        Some(UNSUPPORTED_VERSION_BEFORE) if offered.is_some() => {
            offered.map_or(Finding::Initialize, Finding::AskAgain)
        }
        // Our own request for it is as it must be.
        Some(HEADER_MISMATCH | MISSING_CAPABILITY) => Finding::Silent,
        _ => Finding::Initialize,
    }
}

/// Reads an answer.
pub fn of_answer(answer: &Message) -> Finding {
    match answer.kind() {
        Kind::Result => of_result(answer),
        _ => of_error(answer),
    }
}

/// Whether an error has one of the codes that only the new era has.
pub fn is_of_new_era(error: &Message) -> bool {
    matches!(
        error.body_member("code"),
        Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
    )
}

/// Whether an error is one that only a server of the new era gives that we speak.
pub fn shows_new_era(error: &Message) -> bool {
    of_error(error) != Finding::Initialize
}

/// The revision without sessions that a refusal offers in place of the one that was asked for.
pub fn offered(error: &Message) -> Option<&'static str> {
    let data = error.body_member("data")?;
    let supported = names(jsonrpc::member(data, "supported")?)?;
    let found = revision::newest_common_stateless(supported.iter().map(String::as_str))?;
    Some(found.name)
}

fn names(array: &str) -> Option<Vec<String>> {
    serde_json::from_str(array).ok()
}

/// Whether a status says that a request is none for this endpoint.
pub fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 410 | 415 | 501)
}

/// Whether a failure says that there is no such method or no such endpoint for it, rather than that
/// something is out of order: an outage never decides.
pub fn means_initialize(failure: &Failure) -> bool {
    match failure.status {
        Some(status) if status >= 300 => failure.stage == Stage::Http && is_refusal(status),
        // It was answered, but with nothing that answers a request.
        _ => failure.stage == Stage::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(body: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{body}}}"#);
        jsonrpc::parse(text.into()).unwrap()
    }

    fn error(body: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{body}}}"#);
        jsonrpc::parse(text.into()).unwrap()
    }

    #[test]
    fn what_a_server_supports_decides() {
        let stateless = |has_sessions| Finding::Stateless {
            version: "2026-07-28",
            has_sessions,
        };
        for (body, expected) in [
            (r#"{"supportedVersions":["2026-07-28"]}"#, stateless(false)),
            (
                r#"{"supportedVersions":["2099-01-01","2026-07-28"]}"#,
                stateless(false),
            ),
            (
                r#"{"supportedVersions":["2099-01-01","2026-07-28","2025-11-25"]}"#,
                stateless(true),
            ),
            (
                r#"{"supportedVersions":["2025-11-25"]}"#,
                Finding::Initialize,
            ),
            (
                r#"{"supportedVersions":["2099-01-01"]}"#,
                Finding::Initialize,
            ),
            (r#"{"supportedVersions":[]}"#, Finding::Initialize),
            (r#"{"supportedVersions":"2026-07-28"}"#, Finding::Initialize),
            (r#"{"supportedVersions":[1]}"#, Finding::Initialize),
            ("{}", Finding::Initialize),
        ] {
            assert_eq!(of_result(&result(body)), expected, "{body}");
        }
    }

    #[test]
    fn errors_of_the_new_era_are_told_from_others() {
        for (body, expected) in [
            (
                r#"{"code":-32022,"message":"","data":{"supported":["2026-07-28"],"requested":"x"}}"#,
                Finding::AskAgain("2026-07-28"),
            ),
            (
                r#"{"code":-32022,"message":"","data":{"supported":["2025-11-25"]}}"#,
                Finding::Initialize,
            ),
            (r#"{"code":-32022,"message":""}"#, Finding::Initialize),
            (
                r#"{"code":-32004,"message":"","data":{"supported":["2026-07-28"]}}"#,
                Finding::AskAgain("2026-07-28"),
            ),
            (r#"{"code":-32004,"message":""}"#, Finding::Initialize),
            (r#"{"code":-32020,"message":""}"#, Finding::Silent),
            (r#"{"code":-32021,"message":""}"#, Finding::Silent),
            (r#"{"code":-32601,"message":""}"#, Finding::Initialize),
            (r#"{"code":-32602,"message":""}"#, Finding::Initialize),
            (r#"{"code":-32000,"message":""}"#, Finding::Initialize),
        ] {
            assert_eq!(of_error(&error(body)), expected, "{body}");
        }
    }

    #[test]
    fn an_outage_decides_nothing() {
        let failure = |stage, status| Failure {
            status,
            ..Failure::new(stage, true, "")
        };
        for status in [400, 404, 405, 406, 410, 415, 501] {
            assert!(
                means_initialize(&failure(Stage::Http, Some(status))),
                "{status}"
            );
        }
        for status in [401, 403, 408, 429, 500, 502, 503, 504, 302] {
            assert!(
                !means_initialize(&failure(Stage::Http, Some(status))),
                "{status}"
            );
        }
        assert!(!means_initialize(&failure(Stage::Connect, None)));
        assert!(!means_initialize(&failure(Stage::Auth, Some(404))));
        assert!(!means_initialize(&failure(Stage::Http, None)));
        assert!(means_initialize(&failure(Stage::Protocol, None)));
        assert!(means_initialize(&failure(Stage::Protocol, Some(200))));
    }

    #[test]
    fn choices_are_read_as_users_write_them() {
        for (text, expected) in [
            ("auto", Some(Protocol::Auto)),
            ("legacy", Some(Protocol::Initialize(None))),
            ("modern", Some(Protocol::Stateless(None))),
            ("2025-06-18", Some(Protocol::Initialize(Some("2025-06-18")))),
            ("2026-07-28", Some(Protocol::Stateless(Some("2026-07-28")))),
            ("2099-01-01", None),
            ("", None),
        ] {
            assert_eq!(Protocol::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_the_old_era_is_looked_at_again() {
        let verdict = |stateless: Option<&str>| Verdict {
            stateless: stateless.map(str::to_owned),
            has_sessions: stateless.is_none(),
            found_at: 1000,
        };
        assert!(verdict(None).holds(1000 + LIFETIME - 1));
        assert!(!verdict(None).holds(1000 + LIFETIME));
        assert!(!verdict(None).holds(999));
        assert!(verdict(Some("2026-07-28")).holds(1000 + 10 * LIFETIME));
    }
}
