//! Hosts of MCP 2026-07-28, which open no session, at servers that do.

mod discover;
mod lines;
mod rounds;
mod signing_in;

use playground::Playground;
use serde_json::{Value, json};

use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;

const VERSION: &str = "2026-07-28";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// A host without sessions, and its bridge.
struct Host {
    bridge: Bridge,
    capabilities: Value,
}

impl Host {
    fn start(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Self {
        Self {
            bridge: Bridge::start(machine, &playground.mcp_url(), arguments),
            capabilities: json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} }),
        }
    }

    /// Sends a request that says of itself what it must.
    fn ask(&mut self, method: &str, params: Value) -> u64 {
        let mut params = params;
        let found = &mut params["_meta"];
        found["io.modelcontextprotocol/protocolVersion"] = VERSION.into();
        found["io.modelcontextprotocol/clientInfo"] = json!({ "name": "tests", "version": "1" });
        found["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        self.bridge.request(method, params)
    }

    /// The result of a request, which is marked as what it is.
    #[track_caller]
    fn result(&mut self, id: u64) -> Value {
        let answer = self.bridge.answer(id);
        let result = &answer["result"];
        assert!(
            result["resultType"].is_string(),
            "{answer}\n{}",
            self.bridge.story()
        );
        result.clone()
    }

    #[track_caller]
    fn get(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.result(id)
    }

    /// `server/discover`; the answer is one that keeps the host at this revision.
    #[track_caller]
    fn discover(&mut self) -> Value {
        let result = self.get("server/discover", json!({}));
        let versions = result["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&VERSION.into()), "{result}");
        assert_eq!(
            result["capabilities"]["tools"]["listChanged"], true,
            "{result}"
        );
        result
    }

    #[track_caller]
    fn tool(&mut self, name: &str, arguments: Value) -> Value {
        self.get(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        )
    }

    /// The bridge does its work.
    #[track_caller]
    fn works(&mut self) {
        let result = self.tool("add", json!({ "a": 20, "b": 22 }));
        assert_eq!(result["content"][0]["text"], "42", "{result}");
    }

    /// Closes stdin; the bridge ends well and has said all it had to say.
    #[track_caller]
    fn close(self) -> Ended {
        let ended = self.bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(ended.rest.is_empty(), "{:?}", ended.rest);
        ended
    }
}

/// Whether a DiscoverResult was given without the server.
fn is_made_up(discovered: &Value) -> bool {
    discovered["_meta"][SERVER_INFO]["version"] == "unknown"
}

/// Nobody was asked for anything: no browser, no client, no code.
#[track_caller]
fn nobody_was_asked(machine: &Machine, playground: &Playground) {
    assert!(machine.opened().is_empty(), "{:?}", machine.opened());
    let counts = (playground.registrations(), playground.authorizations());
    assert_eq!(counts, (0, 0), "{}", playground.printed_log());
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
    let is_attempt = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".signin.json");
    assert!(machine.files(is_attempt).is_empty());
}
