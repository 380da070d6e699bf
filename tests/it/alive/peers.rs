//! Servers that other people wrote, restarted between two calls, in the middle of one, and while the
//! bridge sleeps.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::{GIVEN_TOKEN, Kind, Request, Server};
use crate::support::scene::{detail, kind};

/// Longer than a bridge that is merely slow takes between two looks at the clock.
const LONG: Duration = Duration::from_secs(12);

struct Scene {
    // The bridge goes first, so that it does not complain about a server that is gone.
    bridge: Bridge,
    server: Server,
    _machine: Machine,
}

impl Scene {
    /// An open session with a server of this kind.
    fn open(kind: Kind) -> Self {
        let (server, machine) = (Server::start(kind), Machine::new());
        let token = format!("Authorization: Bearer {GIVEN_TOKEN}");
        let arguments = match kind {
            Kind::Everything => vec![],
            _ => vec!["--header", &token],
        };
        let bridge = Bridge::open(&machine, server.url.as_str(), &arguments);
        let mut scene = Self {
            bridge,
            server,
            _machine: machine,
        };
        scene.echoes();
        scene
    }

    fn echoes(&mut self) {
        let said = self
            .bridge
            .tool("echo", json!({ "message": "still there" }));
        assert!(said.to_string().contains("still there"), "{said}");
    }

    /// Begins a call of this tool; returns when it has said something.
    fn begins(&mut self, name: &str, arguments: Value) -> u64 {
        let call =
            json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": "t" } });
        let id = self.bridge.request("tools/call", call);
        let begun = ["notifications/progress", "notifications/message"];
        self.bridge.message(|message| {
            let method = message["method"].as_str().unwrap_or_default();
            begun.contains(&method)
        });
        id
    }

    /// Waits for the word that the lists may have changed, which comes with a new session.
    fn hears_of_changes(&mut self) {
        self.bridge.incoming("notifications/tools/list_changed");
    }

    fn count(&self, fits: impl Fn(&Request) -> bool) -> usize {
        let requests = self.server.requests();
        requests.iter().filter(|request| fits(request)).count()
    }
}

/// What a call is told that a restart ended.
#[track_caller]
fn assert_told(answer: &Value) {
    assert_eq!((kind(answer).0, kind(answer).1), ("http", false));
    let said = detail(answer);
    assert!(said.contains("may have been carried out"), "{said}");
}

/// A call of server-everything that takes a minute and says how it goes. Nobody has read there that
/// it does no harm twice.
fn begins_long_operation(scene: &mut Scene) -> u64 {
    let name = "trigger-long-running-operation";
    scene.begins(name, json!({ "duration": 60, "steps": 600 }))
}

#[test]
fn server_everything_is_killed_between_two_calls() {
    let mut scene = Scene::open(Kind::Everything);
    scene.server.control("/restart");
    scene.echoes();
    scene.hears_of_changes();
    scene.server.control("/restart");
    // Without a call: the standing stream finds out.
    scene.hears_of_changes();
    scene.echoes();
}

#[test]
fn server_everything_is_killed_in_the_middle_of_a_call() {
    let mut scene = Scene::open(Kind::Everything);
    let id = begins_long_operation(&mut scene);
    scene.server.control("/restart");
    scene.echoes();
    let answer = scene.bridge.answer(id);
    assert_told(&answer);
    scene.hears_of_changes();
    scene.echoes();
}

#[test]
fn server_everything_is_killed_while_the_bridge_sleeps() {
    let mut scene = Scene::open(Kind::Everything);
    let running = begins_long_operation(&mut scene);
    scene.bridge.signal("STOP");
    scene.server.control("/restart");
    sleep(LONG);
    scene.bridge.signal("CONT");
    scene.echoes();
    let answer = scene.bridge.answer(running);
    assert_told(&answer);
    scene.hears_of_changes();
    scene.echoes();
}

#[test]
fn the_official_sdk_loses_its_sessions_in_the_middle_of_a_call() {
    let mut scene = Scene::open(Kind::OfficialSdk);
    let id = scene.begins("held", json!({}));
    scene.server.control("/restart");
    let answer = scene.bridge.answer(id);
    assert_told(&answer);
    assert!(detail(&answer).contains("404"), "{answer}");
    // Found out by the stream of the call, or by the standing one.
    scene.hears_of_changes();
    scene.echoes();
    assert_eq!(scene.count(|r| r.is_rpc("initialize")), 2);
    let held = |r: &Request| r.is_rpc("tools/call");
    assert_eq!(scene.count(held), 3, "the call was not sent again");
}

#[test]
fn a_call_goes_on_where_it_was_at_an_official_sdk_that_keeps_its_events() {
    let mut scene = Scene::open(Kind::OfficialSdk);
    let id = scene.begins("held", json!({}));
    scene.server.control("/restart-kept");
    scene.server.control("/release");
    let answer = scene.bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"], "released",
        "{answer}"
    );
    scene.echoes();
    assert_eq!(scene.count(|r| r.is_rpc("initialize")), 1);
    assert_eq!(scene.count(|r| r.is_rpc("tools/call")), 3);
}

#[test]
fn a_call_goes_on_after_a_sleep_at_an_official_sdk_that_keeps_its_events() {
    let mut scene = Scene::open(Kind::OfficialSdk);
    let id = scene.begins("held", json!({}));
    scene.bridge.signal("STOP");
    scene.server.control("/restart-kept");
    scene.server.control("/release");
    sleep(LONG);
    scene.bridge.signal("CONT");
    let answer = scene.bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"], "released",
        "{answer}"
    );
    scene.echoes();
    assert_eq!(scene.count(|r| r.is_rpc("initialize")), 1);
}

#[test]
fn the_official_sdk_loses_its_sessions_while_the_bridge_sleeps() {
    let mut scene = Scene::open(Kind::OfficialSdk);
    scene.bridge.signal("STOP");
    scene.server.control("/restart");
    sleep(LONG);
    scene.bridge.signal("CONT");
    scene.hears_of_changes();
    assert_eq!(scene.count(|r| r.is_rpc("initialize")), 2);
    scene.echoes();
    assert_eq!(scene.count(|r| r.is_rpc("initialize")), 2);
}
