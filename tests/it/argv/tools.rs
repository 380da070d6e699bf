//! `--ignore-tool` and `--tool`: lists and calls, with AI clients and servers of both eras.

use playground::{Playground, Settings};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, everything};

/// An AI client of either era.
struct Host {
    bridge: Bridge,
    is_stateless: bool,
}

impl Host {
    fn open(bridge: Bridge, is_stateless: bool) -> Self {
        let mut host = Self {
            bridge,
            is_stateless,
        };
        if !is_stateless {
            host.bridge.initialize(NEWEST, everything());
        }
        host
    }

    fn call(&mut self, method: &str, mut params: Value) -> Value {
        if self.is_stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.bridge.call(method, params)
    }

    /// The names of all tools, page by page.
    fn tools(&mut self) -> Vec<String> {
        let (mut names, mut params) = (Vec::new(), json!({}));
        loop {
            let answer = self.call("tools/list", params);
            let result = &answer["result"];
            let tools = result["tools"].as_array();
            let tools = tools.unwrap_or_else(|| panic!("{answer}\n{}", self.bridge.story()));
            let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
            names.extend(tools.iter().map(name));
            match &result["nextCursor"] {
                Value::String(cursor) => params = json!({ "cursor": cursor }),
                _ => return names,
            }
        }
    }

    /// What a call of a tool comes to.
    fn calls(&mut self, name: &str) -> Value {
        let arguments = json!({ "a": 20, "b": 22, "text": "x" });
        self.call(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        )
    }

    /// The tool is refused, and the server has heard nothing of it.
    fn is_refused(&mut self, name: &str, playground: &Playground) {
        let answer = self.calls(name);
        let error = &answer["error"];
        assert_eq!(error["code"], -32602, "{answer}");
        let message = error["message"].as_str().unwrap_or_default();
        let expected = format!("the tool `{name}` is not available");
        assert!(message.starts_with(&expected), "{answer}");
        let requests = playground.requests();
        let mut calls = requests.iter().filter(|r| r.calls("tools/call"));
        let arrived = calls.any(|request| request.json()["params"]["name"] == name);
        assert!(!arrived, "{}", playground.printed_log());
    }

    fn works(&mut self) {
        let answer = self.calls("add");
        assert_eq!(answer["result"]["content"][0]["text"], "42", "{answer}");
    }
}

/// Every kind of client at every kind of server, over pages of two tools.
fn everywhere(arguments: &[&str], check: impl Fn(&mut Host, &Playground)) {
    let paged = |settings: Settings| Settings {
        page_size: Some(2),
        ..settings
    };
    for settings in [
        Settings::open(),
        Settings::open_stateless(),
        Settings::open_sse(),
    ] {
        for is_stateless in [false, true] {
            let (machine, playground) =
                (Machine::new(), Playground::start(paged(settings.clone())));
            let bridge = Bridge::start(&machine, &playground.mcp_url(), arguments);
            let mut host = Host::open(bridge, is_stateless);
            check(&mut host, &playground);
            let ended = host.bridge.close();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        }
    }
}

#[test]
fn what_is_ignored_is_neither_listed_nor_called() {
    let arguments = [
        "--ignore-tool",
        "ECHO",
        "--ignore-tool",
        "a*k*",
        "--ignore-tool",
        "*ow",
    ];
    everywhere(&arguments, |host, playground| {
        let tools = host.tools();
        let has = |name: &str| tools.iter().any(|tool| tool == name);
        assert!(has("add") && has("big") && has("book"), "{tools:?}");
        assert!(!has("echo") && !has("ask") && !has("slow"), "{tools:?}");
        host.is_refused("echo", playground);
        host.is_refused("slow", playground);
        host.works();
    });
}

#[test]
fn only_what_is_allowed_is_listed_and_called() {
    let arguments = ["--tool", "b*", "--tool", "add", "--ignore-tool", "*g"];
    everywhere(&arguments, |host, playground| {
        let mut tools = host.tools();
        tools.sort();
        assert_eq!(tools, ["add", "book"]);
        host.is_refused("echo", playground);
        host.is_refused("big", playground);
        host.works();
    });
}

#[test]
fn without_such_an_option_everything_is_there() {
    everywhere(&[], |host, _| {
        let tools = host.tools();
        for name in ["add", "echo", "slow", "big", "book", "ask"] {
            assert!(tools.iter().any(|tool| tool == name), "{name}: {tools:?}");
        }
    });
}

#[test]
fn an_entry_of_the_configuration_file_hides_tools() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("config.json");
    let content = json!({
        "mcpServers": { "it": { "url": playground.mcp_url(), "ignore_tool": ["echo"] } },
        "defaults": { "ignore_tool": ["slow"], "tool": ["add", "echo", "slow", "big"] },
    });
    std::fs::write(&file, content.to_string()).expect("written");
    let file = file.to_string_lossy();
    let arguments = ["--config", &file, "--ignore-tool", "big"];
    let bridge = Bridge::start(&machine, "it", &arguments);
    let mut host = Host::open(bridge, false);
    assert_eq!(host.tools(), ["add"]);
    host.is_refused("echo", &playground);
    host.works();
}

#[test]
fn the_tool_to_sign_in_with_is_never_hidden() {
    let machine = Machine::with(crate::support::machine::Browser::Waits);
    let playground = Playground::start(Settings::default());
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--tool", "add"]);
    bridge.initialize(NEWEST, json!({}));
    let answer = bridge.call("tools/call", json!({ "name": "sign_in", "arguments": {} }));
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{answer}"));
    assert!(text.contains("code_challenge="), "{text}");
    // Nobody gets round it while there is no session.
    let answer = bridge.call("tools/call", json!({ "name": "echo", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}
