//! The network changes under the bridge, which lives in a network namespace of its own. That takes
//! root and `ip` on Linux; elsewhere these tests say that they were skipped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use playground::{Fault, Playground, Request, Settings, Then};
use serde_json::json;
use url::Url;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, everything, is_get, kind};
use crate::support::skip::skipped;

/// A machine of its own for the bridge: one cable leads to this one.
struct Network {
    name: String,
    /// The first of eight addresses, which the ends of the cable have.
    first: u32,
}

impl Network {
    /// `None`, and a word about it, where this cannot be had.
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        // RFC 2544: addresses for tests between networks. Each process has eight cables of its own,
        // as another may run these tests at the same time.
        let place = (pid * 8 + count % 8) % 16384;
        let network = Self {
            name: format!("dbt{}x{count}", pid % 10_000_000),
            first: u32::from(Ipv4Addr::new(198, 18, 0, 0)) + place * 8,
        };
        let (name, ours, theirs) = (&network.name, network.address(1), network.address(2));
        let made = ip(&format!("netns add {name}"))
            && ip(&format!(
                "link add {name}h type veth peer name {name}b netns {name}"
            ))
            && ip(&format!("addr add {ours}/29 dev {name}h"))
            && ip(&format!("link set {name}h up"))
            && network.ip("link set lo up")
            && network.ip(&format!("addr add {theirs}/29 dev {name}b"))
            && network.ip(&format!("link set {name}b up"));
        if !made {
            skipped(
                "no network namespace can be made here, so nothing shows what a change of networks does",
            );
            return None;
        }
        Some(network)
    }

    /// One of the addresses: the first is ours, the others the bridge's.
    fn address(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.first + number)
    }

    /// On the bridge's machine.
    fn ip(&self, command: &str) -> bool {
        ip(&format!("-n {} {command}", self.name))
    }

    /// The bridge's machine gets another address, and loses the one it had.
    fn changes(&self) {
        let (old, new) = (self.address(2), self.address(3));
        assert!(self.ip(&format!("addr del {old}/29 dev {}b", self.name)));
        assert!(self.ip(&format!("addr add {new}/29 dev {}b", self.name)));
    }

    /// Whatever is sent over the cable is lost from now on.
    fn loses_everything(&self) {
        assert!(ip(&format!("link set {}h down", self.name)));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The namespace may live on for as long as connections in it have not ended; the cable not.
        ip(&format!("link del {}h", self.name));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(command: &str) -> bool {
    let output = Command::new("ip").args(command.split(' ')).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!("ip {command}: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            eprintln!("ip: {error}");
            false
        }
    }
}

struct Scene {
    // The bridge goes first, so that it does not complain about a server that is gone.
    bridge: Bridge,
    playground: Playground,
    network: Network,
    _machine: Machine,
}

impl Scene {
    /// An open session over the cable.
    fn open(settings: Settings) -> Option<Self> {
        let network = Network::new()?;
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let server = at_the_cable(&network, playground.mcp_port());
        let own = Url::parse(&playground.mcp_url()).expect("an address");
        let url = format!("http://{server}{}", own.path());
        let command = Bridge::command(&machine, &url, &["--allow-http", "--debug"]);
        let mut bridge = Bridge::start_command(inside(&network, &command));
        bridge.initialize(NEWEST, everything());
        playground.wait_for_answered(|r| r.calls("notifications/initialized"));
        playground.wait_for_answered(is_get);
        Some(Self {
            bridge,
            playground,
            network,
            _machine: machine,
        })
    }

    fn goes_on(&mut self) {
        let result = self.bridge.tool("add", json!({ "a": 20, "b": 22 }));
        assert_eq!(result["content"][0]["text"], "42");
    }

    /// Waits until the standing stream was asked for so many times.
    fn asked_for(&self, times: usize) -> Vec<Request> {
        self.playground.wait_for(|requests| {
            let asked: Vec<Request> = requests.iter().filter(|r| is_get(r)).cloned().collect();
            (asked.len() >= times && asked[times - 1].status.is_some()).then_some(asked)
        })
    }
}

/// The same command on the bridge's machine.
fn inside(network: &Network, command: &Command) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.name]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.env_clear();
    // `ip` itself looks for nothing; what it starts has its whole path.
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            inside.env(name, value);
        }
    }
    inside
}

/// Serves the playground's port at our end of the cable.
fn at_the_cable(network: &Network, port: u16) -> SocketAddr {
    let listener = TcpListener::bind((network.address(1), 0)).expect("our own address");
    let address = listener.local_addr().expect("a bound socket");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            let both = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(client, server));
            thread::spawn(move || pass(both.1, both.0));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn streams_and_calls_go_on_over_another_network() {
    let Some(mut scene) = Scene::open(Settings::open()) else {
        return;
    };
    scene.goes_on();
    scene
        .playground
        .notify("notifications/vendor", json!({ "number": 1 }));
    scene.bridge.incoming("notifications/vendor");
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true },
        "_meta": { "progressToken": "t" } });
    let id = scene.bridge.request("tools/call", call);
    scene.bridge.incoming("notifications/progress");

    scene.network.changes();
    let changed = Instant::now();
    // Nothing was closed, and nothing comes any more over what is open.
    scene
        .playground
        .notify("notifications/vendor", json!({ "number": 2 }));
    let heard = scene.bridge.incoming("notifications/vendor");
    assert_eq!(heard["params"]["number"], 2);
    let took = changed.elapsed();
    assert!(took < Duration::from_secs(30), "noticed after {took:?}");
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
    scene.goes_on();
    let requests = scene.playground.requests();
    assert_eq!(requests.iter().filter(|r| r.calls("initialize")).count(), 1);
    let asked = scene.asked_for(3);
    let cursors = asked.iter().filter(|r| r.header("last-event-id").is_some());
    assert_eq!(cursors.count(), 2, "both streams were resumed");
}

#[test]
fn a_call_right_after_the_change_does_not_go_out_on_a_dead_connection() {
    let settings = Settings {
        get_stream: false,
        ..Settings::open()
    };
    let Some(mut scene) = Scene::open(settings) else {
        return;
    };
    scene.goes_on();
    scene.goes_on();
    let old = scene.playground.requests().last().map(|r| r.connection);
    scene.network.changes();
    scene.goes_on();
    let new = scene.playground.wait_for(|requests| {
        let call = requests.iter().rev().find(|r| r.calls("tools/call"));
        call.map(|r| r.connection)
    });
    assert_ne!(Some(new), old);
}

#[test]
fn a_standing_stream_without_a_cursor_is_opened_anew() {
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let Some(mut scene) = Scene::open(settings) else {
        return;
    };
    scene.network.changes();
    // The server has not noticed anything, and refuses a second stream until it does.
    let refused = &scene.asked_for(2)[1];
    assert_eq!(refused.status, Some(409));
    scene.playground.break_connections();
    let end = Instant::now() + Duration::from_secs(60);
    while !scene.bridge.has_come("notifications/tools/list_changed") {
        assert!(
            Instant::now() < end,
            "{}\n{}",
            scene.playground.printed_log(),
            scene.bridge.story()
        );
    }
    scene.playground.notify("notifications/vendor", json!({}));
    scene.bridge.incoming("notifications/vendor");
    scene.goes_on();
}

#[test]
fn an_event_stream_of_the_older_transport_is_opened_anew_with_its_session() {
    let Some(mut scene) = Scene::open(Settings::open_sse()) else {
        return;
    };
    scene.goes_on();
    scene.network.changes();
    // The answer to a ping does not come on the stream, which is dead.
    scene.bridge.incoming("notifications/tools/list_changed");
    scene.goes_on();
    let requests = scene.playground.requests();
    assert_eq!(requests.iter().filter(|r| r.calls("initialize")).count(), 3);
}

#[test]
fn a_connection_whose_other_end_has_vanished_is_noticed_within_about_a_minute() {
    let seconds = std::env::var("SILENCE_SECONDS")
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    if seconds.is_none_or(|seconds| seconds < 90) {
        skipped("how a vanished peer is noticed takes a minute; SILENCE_SECONDS=90 asks for it");
        return;
    }
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let Some(mut scene) = Scene::open(settings) else {
        return;
    };
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    scene.network.loses_everything();
    let lost = Instant::now();
    let answer = scene
        .bridge
        .answer_within(id, Duration::from_secs(120))
        .expect("an answer");
    let took = lost.elapsed();
    assert!(took < Duration::from_secs(85), "noticed after {took:?}");
    assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
    assert!(
        detail(&answer).contains("may have been carried out"),
        "{answer}"
    );
}
