//! Servers of MCP 2026-07-28, which have no sessions, with AI clients that open with `initialize`,
//! and with some of their own era.

mod faults;
mod many;
mod opening;
mod rounds;
mod streams;
mod upgrade;

use playground::{Playground, Request, Settings};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, Scene, everything};

/// An open session at a server like this. Returns when its subscription is there, so that what a test
/// asks for next is all that comes.
fn open(settings: Settings) -> Scene {
    let mut scene = Scene::started(settings, &[]);
    scene.bridge.initialize(NEWEST, everything());
    listens(&scene.playground, 1);
    scene
}

/// Waits until the server has been asked for so many subscriptions.
fn listens(playground: &Playground, count: usize) {
    playground.wait_for(|requests| {
        let asked = requests
            .iter()
            .filter(|request| request.calls("subscriptions/listen") && request.status == Some(200));
        (asked.count() >= count).then_some(())
    });
}

/// The JSON-RPC methods that arrived at the server from this request on, in order, and the HTTP
/// methods of what was no message.
fn methods(playground: &Playground, from: usize) -> Vec<String> {
    let of = |request: &Request| {
        request
            .rpc_method()
            .unwrap_or_else(|| request.method.clone())
    };
    let requests = playground.requests().split_off(from);
    let at_server = |request: &&Request| request.path == "/mcp";
    requests.iter().filter(at_server).map(of).collect()
}

/// The parameters with what a client of the new era says of itself.
fn introduced(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
    });
    params
}

/// Starts a session, makes one call, and closes it. Gives the server's name.
fn visit(machine: &Machine, playground: &Playground) -> Value {
    let mut bridge = Bridge::start(machine, &playground.mcp_url(), &[]);
    let result = bridge.initialize(NEWEST, everything());
    let sum = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(sum["content"][0]["text"], "42");
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    result["serverInfo"]["name"].clone()
}
