//! A person has yet to sign in: the host is answered in time all the same, told what to do, and
//! served when they are done.

mod again;
mod answered;
mod delayed;
mod elicitation;
mod hosts;
mod official_sdk;
mod patience;
mod record;
mod restart;
mod rounds;
mod tool;
mod unchanged;

use std::thread;
use std::time::{Duration, Instant};

use playground::{Manner, Playground, Settings, browse};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};

/// The bridge opens no browser; the test is the person who opens the address.
const BY_HAND: [&str; 1] = ["--no-browser"];

/// What lists a host can be told to read again.
const KINDS: [&str; 3] = ["tools", "prompts", "resources"];

/// A server that wants a sign-in, and a machine on which nobody has signed in.
struct Scene {
    machine: Machine,
    playground: Playground,
}

impl Scene {
    /// Browsers that are opened show their page to nobody.
    fn new() -> Self {
        Self {
            machine: Machine::with(Browser::Waits),
            playground: Playground::start(Settings::default()),
        }
    }

    fn start(&self, arguments: &[&str]) -> Bridge {
        Bridge::start(&self.machine, &self.playground.mcp_url(), arguments)
    }

    /// A bridge whose host has its answer to `initialize`, though nobody has done anything.
    #[track_caller]
    fn promised(&self, arguments: &[&str]) -> Bridge {
        self.promised_to(json!({}), arguments)
    }

    /// The same for a host with these capabilities.
    #[track_caller]
    fn promised_to(&self, capabilities: Value, arguments: &[&str]) -> Bridge {
        let mut bridge = self.start(arguments);
        let result = bridge.initialize("2025-11-25", capabilities);
        is_promise(&result);
        bridge
    }

    /// Waits until this many browsers were opened.
    #[track_caller]
    fn wait_for_browsers(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.machine.opened().len() < count {
            assert!(Instant::now() < end, "{:?}", self.machine.opened());
            thread::yield_now();
        }
        self.opened(count);
    }

    #[track_caller]
    fn opened(&self, count: usize) {
        let opened = self.machine.opened();
        assert_eq!(opened.len(), count, "{opened:?}");
    }

    /// There was one sign-in, of one client.
    #[track_caller]
    fn one_sign_in(&self) {
        let counts = (
            self.playground.registrations(),
            self.playground.code_exchanges(),
        );
        assert_eq!(counts, (1, 1), "{}", self.playground.printed_log());
    }
}

/// An InitializeResult that was given without the server.
#[track_caller]
fn is_promise(result: &Value) {
    assert_eq!(result["serverInfo"]["version"], "unknown", "{result}");
    for kind in KINDS {
        assert_eq!(result["capabilities"][kind]["listChanged"], true);
    }
}

/// The person goes through with it, and ends on a page that says so.
#[track_caller]
fn approve(address: &str) {
    let browsed = browse(address, Manner::Approve).expect("a page at the end");
    assert_eq!(browsed.status, 200, "{}", browsed.page);
}

/// The address where the person's browser ends, which is on another machine and does not get there.
fn ends_on(address: &str) -> String {
    let browsed = browse(address, Manner::Abandon).expect("a way to the end");
    browsed.url.to_string()
}

/// The host is told to read every list again.
#[track_caller]
fn lists_changed(bridge: &mut Bridge) {
    for kind in KINDS {
        bridge.incoming(&format!("notifications/{kind}/list_changed"));
    }
}

/// The tools in an answer to `tools/list`.
#[track_caller]
fn tools(answer: &Value) -> Vec<&str> {
    let Some(tools) = answer["result"]["tools"].as_array() else {
        panic!("no list of tools: {answer}");
    };
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

/// The server's own tools.
#[track_caller]
fn are_real(answer: &Value) {
    let tools = tools(answer);
    assert!(
        tools.contains(&"echo") && !tools.contains(&"sign_in"),
        "{tools:?}"
    );
}

/// The host lists the server's tools and calls one.
#[track_caller]
fn works(bridge: &mut Bridge) {
    are_real(&bridge.call("tools/list", json!({})));
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
}

/// Calls our tool. Gives what it says, and whether that is an error.
#[track_caller]
fn sign_in(bridge: &mut Bridge, arguments: Value) -> (String, bool) {
    let result = bridge.tool("sign_in", arguments);
    let text = result["content"][0]["text"].as_str().expect("a text");
    (text.to_owned(), result["isError"] == true)
}

/// The sign-in address in a text.
#[track_caller]
fn address_in(text: &str) -> &str {
    let mut words = text.split_whitespace();
    let address = words.find(|word| word.contains("code_challenge="));
    address.unwrap_or_else(|| panic!("no address in `{text}`"))
}

/// Ends a host that has nothing left to say and has been told everything.
#[track_caller]
fn close(bridge: Bridge) {
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.rest.is_empty(), "{:?}", ended.rest);
}
