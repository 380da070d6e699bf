//! An open session: the playground without protection, a machine, and a bridge between host and
//! server. What most tests of the message path begin with.

use playground::{Memory, Playground, Request, Settings};
use serde_json::{Value, json};

use super::bridge::{Bridge, Ended};
use super::machine::Machine;

/// The revision that tests speak unless they say otherwise.
pub const NEWEST: &str = "2025-11-25";
/// Every revision that has streamable HTTP and `initialize`.
pub const REVISIONS: [&str; 3] = ["2025-03-26", "2025-06-18", NEWEST];

/// A host's bridge with an open session at a server of its own.
pub struct Scene {
    // The bridge goes first, so that it does not complain about a server that is gone.
    pub bridge: Bridge,
    pub playground: Playground,
    /// Holds the folder that the bridge uses.
    _machine: Machine,
}

impl Scene {
    /// An open session of the newest revision; the host can be asked everything.
    pub fn open() -> Self {
        Self::with(Settings::open())
    }

    /// The same, at a server like this.
    pub fn with(settings: Settings) -> Self {
        Self::opened(settings, NEWEST, everything(), &[])
    }

    /// The same, in this revision.
    pub fn speaking(version: &str) -> Self {
        Self::opened(Settings::open(), version, everything(), &[])
    }

    /// The same, all of it chosen. Returns when the server has answered everything that opens a
    /// session, so that what a test asks for next is all that comes.
    pub fn opened(
        settings: Settings,
        version: &str,
        capabilities: Value,
        arguments: &[&str],
    ) -> Self {
        let mut scene = Self::started(settings, arguments);
        scene.bridge.initialize(version, capabilities);
        scene.playground.wait_for_answered(is_get);
        scene
    }

    /// A bridge that has not been spoken to yet.
    pub fn started(settings: Settings, arguments: &[&str]) -> Self {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        Self {
            bridge: Bridge::start(&machine, &playground.mcp_url(), arguments),
            playground,
            _machine: machine,
        }
    }

    /// The POSTs of messages with this method, in order of arrival.
    pub fn posts(&self, rpc_method: &str) -> Vec<Request> {
        self.requests(|request| request.calls(rpc_method))
    }

    /// The requests that fit, in order of arrival.
    pub fn requests(&self, fits: impl Fn(&Request) -> bool) -> Vec<Request> {
        let mut requests = self.playground.requests();
        requests.retain(fits);
        requests
    }

    /// Restarts the server. Returns when the standing stream has been asked for again, which shows
    /// that the bridge has seen its connections close: what it sends next goes over a new one.
    pub fn restart_server(&self, memory: Memory) {
        let before = self.requests(is_get).len();
        self.playground.restart(memory);
        self.playground.wait_for(|requests| {
            let again = requests.iter().filter(|r| is_get(r)).nth(before)?;
            again.status
        });
    }

    /// Sends `initialize` and gives the answer, which may be an error.
    pub fn try_initialize(&mut self) -> Value {
        self.bridge.call("initialize", opening(NEWEST, json!({})))
    }

    /// The bridge still does its work.
    pub fn goes_on(&mut self) {
        let result = self.bridge.tool("add", json!({ "a": 20, "b": 22 }));
        assert_eq!(result["content"][0]["text"], "42");
    }

    /// Closes stdin; the bridge must end well, with nothing left unsaid.
    pub fn close(self) -> (Ended, Playground) {
        let ended = self.bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(ended.rest.is_empty(), "{:?}", ended.rest);
        (ended, self.playground)
    }
}

/// Every capability that lets a server ask the host.
pub fn everything() -> Value {
    json!({ "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": { "listChanged": true } })
}

/// The parameters of `initialize`.
pub fn opening(version: &str, capabilities: Value) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": { "name": "tests", "version": "1" },
    })
}

/// Whether this opens a stream: the standing one, or with a cursor the rest of another.
pub fn is_get(request: &Request) -> bool {
    request.method == "GET"
}

/// Whether this ends a session.
pub fn is_delete(request: &Request) -> bool {
    request.method == "DELETE"
}

/// The parts of an error that the bridge made: `data.bridge`, after a look at what every such
/// error must and must not have.
#[track_caller]
pub fn failure(answer: &Value) -> &Value {
    let error = &answer["error"];
    assert_eq!(error["code"], -32603, "{answer}");
    let bridge = &error["data"]["bridge"];
    assert_eq!(bridge["detail"], error["message"], "{answer}");
    assert!(bridge["retryable"].is_boolean(), "{answer}");
    assert!(
        ["auth", "connect", "http", "protocol"].contains(&bridge["stage"].as_str().unwrap_or("")),
        "{answer}"
    );
    assert!(!answer.to_string().contains("<html"), "{answer}");
    bridge
}

/// A failure's stage, whether it may be tried again, and its HTTP status if it has one.
#[track_caller]
pub fn kind(answer: &Value) -> (&str, bool, Option<u64>) {
    let bridge = failure(answer);
    (
        bridge["stage"].as_str().unwrap_or_default(),
        bridge["retryable"] == json!(true),
        bridge["status"].as_u64(),
    )
}

/// A failure's text.
#[track_caller]
pub fn detail(answer: &Value) -> &str {
    failure(answer)["detail"].as_str().unwrap_or_default()
}
