//! A server that is replaced by one of the other era, at the same address: noticed without anybody doing anything, by hosts of
//! either era.

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::node_program;
use crate::support::program::Program;

/// The two servers: the major version of the official TypeScript SDK that they are made of, and the revision that they speak.
const SERVERS: [(&str, &str); 2] = [("1", "2025-11-25"), ("2", "2026-07-28")];

/// How a host speaks.
#[derive(Clone, Copy, Debug)]
enum Host {
    OpensSessions,
    HasNone,
}

fn serve(sdk: &str, port: u16) -> Program {
    Program::start(node_program("era-server.mjs"), |_, command| {
        command.args(["--sdk", sdk, "--port", &port.to_string()]);
    })
}

fn open(host: Host, machine: &Machine, url: &str) -> Bridge {
    match host {
        Host::OpensSessions => Bridge::open(machine, url, &[]),
        Host::HasNone => Bridge::start(machine, url, &[]),
    }
}

/// The revision in which the server was called.
fn revision(host: Host, bridge: &mut Bridge) -> Value {
    let mut params = json!({ "name": "revision", "arguments": {} });
    if let Host::HasNone = host {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    let answer = bridge.call("tools/call", params);
    let text = &answer["result"]["content"][0]["text"];
    assert!(text.is_string(), "{host:?} {answer}\n{}", bridge.story());
    text.clone()
}

#[test]
fn between_two_starts() {
    for host in [Host::OpensSessions, Host::HasNone] {
        let (machine, port) = (Machine::new(), playground::free_port().expect("a port"));
        for (sdk, expected) in SERVERS.iter().chain(SERVERS.iter().rev().skip(1)) {
            let server = serve(sdk, port);
            // The second start knows what the first has found out.
            for _ in 0..2 {
                let mut bridge = open(host, &machine, server.address("url").as_str());
                assert_eq!(revision(host, &mut bridge), **expected, "{host:?}");
                bridge.close();
            }
        }
    }
}

#[test]
fn during_one() {
    for host in [Host::OpensSessions, Host::HasNone] {
        for (before, after) in [(0, 1), (1, 0)] {
            let (machine, port) = (Machine::new(), playground::free_port().expect("a port"));
            let (sdk, expected) = SERVERS[before];
            let server = serve(sdk, port);
            let mut bridge = open(host, &machine, server.address("url").as_str());
            assert_eq!(revision(host, &mut bridge), *expected, "{host:?}");
            drop(server);
            let (sdk, expected) = SERVERS[after];
            let _server = serve(sdk, port);
            assert_eq!(revision(host, &mut bridge), *expected, "{host:?}");
            assert_eq!(revision(host, &mut bridge), *expected, "{host:?}");
            bridge.close();
        }
    }
}
