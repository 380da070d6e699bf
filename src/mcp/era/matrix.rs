//! The compatibility matrix: what becomes of each method between an AI client and a server of
//! different eras. Where both are of one era, methods pass that this era knows.
//!
//! What is not in the tables, such as a method of an extension, goes as it is in the terms of the
//! other era. How something is done there is said where it is done: in `host` for a client without
//! sessions, in `server` for a server without sessions.

use super::filter;
use crate::mcp::jsonrpc;

/// Which eras know a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Both.
    Both,
    /// Revisions that open with `initialize`.
    Sessions,
    /// Revisions without sessions.
    Stateless,
}

/// What becomes of a method at a server of the other era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// It goes there in the terms of that era, and what comes back is put in the client's.
    Goes,
    /// What it is for is done here, with the means of that era.
    Done,
    /// It cannot be had: a request is refused as one that nobody knows, a notification dropped.
    Lost,
}

/// A request of an AI client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// Who knows it.
    pub known: Known,
    /// What becomes of it between the eras.
    pub between: Between,
    /// Whether the server may want to know something of the client before it answers (MCP 2026-07-28,
    /// Multi Round-Trip Requests).
    pub asks: bool,
    /// Whether its result says for how long it may be kept (MCP 2026-07-28, Caching).
    pub is_kept: bool,
    /// The member of `params` that `Mcp-Name` repeats (MCP 2026-07-28, Transports, Streamable HTTP).
    pub named_by: Option<&'static str>,
}

impl Request {
    /// Whether a client without sessions may send it.
    pub fn is_stateless(&self) -> bool {
        self.known != Known::Sessions
    }
}

const fn both(method: &'static str) -> Request {
    Request {
        method,
        known: Known::Both,
        between: Between::Goes,
        asks: false,
        is_kept: false,
        named_by: None,
    }
}

const fn kept(request: Request) -> Request {
    Request {
        is_kept: true,
        ..request
    }
}

const fn asking(method: &'static str, member: &'static str) -> Request {
    Request {
        asks: true,
        named_by: Some(member),
        ..both(method)
    }
}

const fn one_of(known: Known, between: Between, method: &'static str) -> Request {
    Request {
        known,
        between,
        ..both(method)
    }
}

/// The tasks of 2025-11-25 and those of the extension `io.modelcontextprotocol/tasks` do not
/// understand each other.
const fn task(known: Known, method: &'static str) -> Request {
    Request {
        named_by: Some("taskId"),
        ..one_of(known, Between::Lost, method)
    }
}

/// Every request that is more than passed on.
pub const REQUESTS: [Request; 20] = [
    one_of(Known::Sessions, Between::Done, "initialize"),
    one_of(Known::Sessions, Between::Done, "ping"),
    one_of(Known::Sessions, Between::Done, "logging/setLevel"),
    one_of(Known::Sessions, Between::Done, "resources/subscribe"),
    one_of(Known::Sessions, Between::Done, "resources/unsubscribe"),
    kept(one_of(Known::Stateless, Between::Done, "server/discover")),
    one_of(Known::Stateless, Between::Done, "subscriptions/listen"),
    kept(both("tools/list")),
    kept(both("prompts/list")),
    kept(both("resources/list")),
    kept(both("resources/templates/list")),
    both("completion/complete"),
    asking("tools/call", "name"),
    asking("prompts/get", "name"),
    kept(asking("resources/read", "uri")),
    task(Known::Both, "tasks/get"),
    task(Known::Both, "tasks/cancel"),
    task(Known::Stateless, "tasks/update"),
    one_of(Known::Sessions, Between::Lost, "tasks/result"),
    one_of(Known::Sessions, Between::Lost, "tasks/list"),
];

/// The row of a request; of one that is not in the table, a row for such.
pub fn request(method: &str) -> Request {
    let row = REQUESTS.iter().find(|row| row.method == method);
    row.copied().unwrap_or(both(""))
}

/// What a server without sessions may want to know before it answers, each a request of the server
/// to a client that opens with `initialize`.
pub const INPUTS: [&str; 3] = ["elicitation/create", "sampling/createMessage", "roots/list"];

/// What tells a client that its subscription is heard.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Whether a notification of a server without sessions belongs to a subscription, and says so. A
/// server with sessions says it to whom it likes.
pub fn is_of_subscription(method: &str) -> bool {
    filter::list_of(method).is_some()
        || method.starts_with("notifications/tasks")
        || matches!(method, filter::UPDATED | ACKNOWLEDGED)
}

/// The levels of MCP's log (RFC 5424 §6.2.1), least urgent first.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// A level of MCP's log; the more urgent, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(usize);

impl Level {
    /// The level of this name.
    pub fn find(name: &str) -> Option<Self> {
        LEVELS.iter().position(|known| *known == name).map(Self)
    }

    /// Reads one, JSON text.
    pub fn read(level: &str) -> Option<Self> {
        Self::find(&jsonrpc::string(level)?)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        LEVELS[self.0]
    }

    /// The names of all, for messages.
    pub fn names() -> String {
        LEVELS.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_stands_there_once() {
        for (place, row) in REQUESTS.iter().enumerate() {
            let first = REQUESTS.iter().position(|other| other.method == row.method);
            assert_eq!(first, Some(place), "{}", row.method);
        }
    }

    #[test]
    fn what_one_era_alone_knows_cannot_go_to_the_other() {
        for row in REQUESTS {
            assert!(
                row.known == Known::Both || row.between != Between::Goes,
                "{}",
                row.method
            );
        }
    }

    #[test]
    fn a_method_of_an_extension_goes() {
        let row = request("skills/list");
        assert_eq!((row.known, row.between), (Known::Both, Between::Goes));
        assert!(row.is_stateless() && !row.asks && !row.is_kept);
        assert_eq!(row.named_by, None);
    }

    #[test]
    fn what_comes_by_subscription_is_known() {
        for (method, expected) in [
            ("notifications/tools/list_changed", true),
            ("notifications/prompts/list_changed", true),
            ("notifications/resources/list_changed", true),
            ("notifications/resources/updated", true),
            ("notifications/subscriptions/acknowledged", true),
            ("notifications/tasks", true),
            ("notifications/tasks/status", true),
            ("notifications/roots/list_changed", false),
            ("notifications/progress", false),
            ("notifications/message", false),
            ("notifications/x", false),
        ] {
            assert_eq!(is_of_subscription(method), expected, "{method}");
        }
    }

    #[test]
    fn levels_have_an_order() {
        let level = |name| Level::find(name).unwrap();
        assert!(level("debug") < level("info") && level("info") < level("emergency"));
        assert_eq!(level("notice").name(), "notice");
        assert_eq!(Level::find("loud"), None);
        assert_eq!(Level::read("\"notice\""), Some(level("notice")));
        assert_eq!(Level::read("notice"), None);
    }
}
