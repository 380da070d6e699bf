//! HTTP/2: many calls on one connection, and servers that end connections at any time, as they do when
//! they are restarted, reconfigured or have had enough of a connection.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use playground::{Playground, Settings};
use serde_json::json;

use super::authority::{Authority, For, Pair};
use super::before::text;
use super::nginx::{Nginx, Site};
use super::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A playground, an nginx with more directives before it, a bridge, and what they need.
fn open(more: &str) -> (Bridge, Nginx, Playground, (Machine, Authority)) {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let playground = Playground::start(Settings::open());
    let site = Site {
        more,
        ..Site::new(&pair, port_of(&playground.mcp_url()))
    };
    let nginx = Nginx::start(&[site]);
    let machine = Machine::new();
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    let bridge = Bridge::open(&machine, &url, &[&authority.option()]);
    (bridge, nginx, playground, (machine, authority))
}

/// Makes these calls at once. Each must be answered, and carried out once.
fn book(bridge: &mut Bridge, playground: &Playground, serials: std::ops::Range<u64>) {
    let call = |bridge: &mut Bridge, serial: u64| {
        let arguments = json!({ "serial": serial });
        bridge.request(
            "tools/call",
            json!({ "name": "book", "arguments": arguments }),
        )
    };
    let asked: Vec<(u64, u64)> = serials
        .map(|serial| (serial, call(bridge, serial)))
        .collect();
    for (serial, id) in asked {
        let answer = bridge.answer(id);
        let said = &answer["result"]["content"][0]["text"];
        assert_eq!(
            said,
            &json!(format!("serial {serial}")),
            "{answer}\n{}",
            bridge.stderr()
        );
        assert_eq!(playground.executions(serial), 1, "{serial}");
    }
}

#[test]
fn many_calls_and_their_streams_share_one_connection() {
    let (mut bridge, nginx, playground, _held) = open("");
    book(&mut bridge, &playground, 0..100);
    // Events come as they are sent, beside one another.
    let call = |bridge: &mut Bridge, token: &str| {
        let arguments = json!({ "steps": 3, "wait": true });
        let meta = json!({ "progressToken": token });
        bridge.request(
            "tools/call",
            json!({ "name": "slow", "arguments": arguments, "_meta": meta }),
        )
    };
    // More than may have connections of their own that are kept.
    let slow: Vec<u64> = (0..12)
        .map(|index| call(&mut bridge, &format!("token {index}")))
        .collect();
    for _ in 0..slow.len() * 3 {
        bridge.incoming("notifications/progress");
    }
    playground.notify("notifications/tools/list_changed", json!({}));
    bridge.incoming("notifications/tools/list_changed");
    book(&mut bridge, &playground, 100..110);
    for _ in &slow {
        playground.release_slow();
    }
    for id in slow {
        assert_eq!(
            bridge.answer(id)["result"]["content"][0]["text"],
            "done after 3 steps"
        );
    }
    bridge.close();
    let requests = nginx.requests();
    assert!(requests.len() > 110);
    let first = requests[0].connection;
    for request in requests {
        assert_eq!(
            (&*request.protocol, request.connection),
            ("HTTP/2.0", first),
            "{request:?}"
        );
    }
}

#[test]
fn a_server_that_ends_connections_after_a_few_requests_loses_and_doubles_nothing() {
    let (mut bridge, nginx, playground, _held) = open("keepalive_requests 10;");
    for round in 0..5 {
        book(&mut bridge, &playground, round * 40..(round + 1) * 40);
    }
    bridge.close();
    let mut connections: Vec<u64> = nginx.requests().iter().map(|r| r.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    assert!(connections.len() >= 10, "{connections:?}");
}

#[test]
fn a_server_that_is_reconfigured_again_and_again_loses_and_doubles_nothing() {
    let (mut bridge, nginx, playground, _held) = open("");
    for round in 0..5 {
        let arguments = json!({ "wait": true });
        let slow = bridge.request(
            "tools/call",
            json!({ "name": "slow", "arguments": arguments }),
        );
        book(&mut bridge, &playground, round * 20..round * 20 + 10);
        nginx.reload();
        book(&mut bridge, &playground, round * 20 + 10..(round + 1) * 20);
        // What the old worker is at goes on.
        playground.release_slow();
        let answer = bridge.answer(slow);
        assert_eq!(
            answer["result"]["content"][0]["text"], "done after 3 steps",
            "{answer}"
        );
    }
}

#[test]
fn http_1_1_is_spoken_where_there_is_no_other() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let playground = Playground::start(Settings::open());
    let site = Site {
        http2: false,
        ..Site::new(&pair, port_of(&playground.mcp_url()))
    };
    let nginx = Nginx::start(&[site]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    let mut bridge = Bridge::open(&Machine::new(), &url, &[&authority.option()]);
    book(&mut bridge, &playground, 0..20);
    bridge.close();
    assert!(
        nginx
            .requests()
            .iter()
            .all(|request| request.protocol == "HTTP/1.1")
    );
}

/// A server with Node's HTTP/2 before a playground: every third call is refused in this way.
struct Refusing {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Refusing {
    fn start(pair: &Pair, to: u16, how: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/network/refusing.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .args([
                text(&pair.certificate),
                text(&pair.key),
                &to.to_string(),
                how,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("it says its port");
        Self {
            child,
            lines,
            port: line.trim().parse().expect("a port"),
        }
    }

    /// How many calls it refused.
    fn refused(&mut self) -> u64 {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it says how many");
        let _ = self.child.wait();
        line.trim().parse().expect("a number")
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_call_that_the_server_refuses_unseen_is_sent_again() {
    for how in ["refused-stream", "goaway", "goaway-error"] {
        let authority = Authority::new("The tests' CA");
        let pair = authority.issue(For::Server(&["localhost"]));
        let playground = Playground::start(Settings::open());
        let mut server = Refusing::start(&pair, port_of(&playground.mcp_url()), how);
        let url = format!("https://localhost:{}/mcp", server.port);
        let machine = Machine::new();
        let mut bridge = Bridge::open(&machine, &url, &[&authority.option()]);
        for serial in 0..15 {
            book(&mut bridge, &playground, serial..serial + 1);
        }
        // A server that goes away in peace, or had too much to do for a moment, is asked again at
        // once; one that complains is given time.
        let waited = bridge.stderr().contains("sending again in");
        assert_eq!(waited, how == "goaway-error", "{how}: {}", bridge.stderr());
        book(&mut bridge, &playground, 100..120);
        bridge.close();
        assert_eq!(server.refused(), 9, "{how}");
    }
}
