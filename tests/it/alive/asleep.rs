//! The bridge sleeps, as with a laptop's lid closed: it is stopped (SIGSTOP), and the world goes on.

use std::thread::sleep;
use std::time::Duration;

use playground::{Fault, Memory, Settings, Then};
use serde_json::json;

use crate::support::scene::{NEWEST, Scene, detail, everything, is_get, kind};

/// Longer than a bridge that is merely slow takes between two looks at the clock.
const LONG: Duration = Duration::from_secs(12);

/// Stops the bridge, lets something happen, and lets it go on after a while.
fn sleeps(scene: &mut Scene, meanwhile: impl FnOnce(&mut Scene)) {
    scene.bridge.signal("STOP");
    meanwhile(scene);
    sleep(LONG);
    scene.bridge.signal("CONT");
}

fn open(settings: Settings) -> Scene {
    Scene::opened(settings, NEWEST, everything(), &[])
}

#[test]
fn a_server_that_restarted_meanwhile_is_worked_with_as_before() {
    // With and without the standing stream, which would notice it, too.
    for get_stream in [true, false] {
        let settings = Settings {
            get_stream,
            ..Settings::open()
        };
        let mut scene = open(settings);
        scene.goes_on();
        sleeps(&mut scene, |scene| scene.playground.restart(Memory::Lost));
        // The host hears of it without having to ask, and can ask at once.
        let call = json!({ "name": "add", "arguments": { "a": 20, "b": 22 } });
        let id = scene.bridge.request("tools/call", call);
        scene.bridge.incoming("notifications/tools/list_changed");
        let answer = scene.bridge.answer(id);
        assert_eq!(answer["result"]["content"][0]["text"], "42", "{answer}");
        assert_eq!(scene.posts("initialize").len(), 2);
        assert_eq!(scene.playground.sessions().len(), 1);
        scene.goes_on();
    }
}

#[test]
fn a_host_that_says_nothing_still_learns_that_the_session_was_lost() {
    let settings = Settings {
        get_stream: false,
        ..Settings::open()
    };
    let mut scene = open(settings);
    sleeps(&mut scene, |scene| scene.playground.forget_sessions());
    scene.bridge.incoming("notifications/tools/list_changed");
    assert_eq!(scene.posts("ping").len(), 1);
    assert_eq!(scene.posts("initialize").len(), 2);
    scene.goes_on();
}

#[test]
fn streams_with_a_cursor_go_on_over_new_connections_and_calls_are_answered() {
    let mut scene = open(Settings::open());
    scene
        .playground
        .notify("notifications/vendor", json!({ "number": 1 }));
    scene.bridge.incoming("notifications/vendor");
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true },
        "_meta": { "progressToken": "t" } });
    let id = scene.bridge.request("tools/call", call);
    scene.bridge.incoming("notifications/progress");
    sleeps(&mut scene, |scene| {
        scene
            .playground
            .notify("notifications/vendor", json!({ "number": 2 }));
    });
    let resumed = scene.playground.wait_for(|requests| {
        let resumed: Vec<_> = requests
            .iter()
            .filter(|r| is_get(r) && r.header("last-event-id").is_some() && r.status.is_some())
            .cloned()
            .collect();
        (resumed.len() == 2).then_some(resumed)
    });
    let connections: Vec<u64> = scene
        .playground
        .requests()
        .iter()
        .map(|r| r.connection)
        .collect();
    for request in &resumed {
        let first = connections.iter().position(|c| *c == request.connection);
        assert!(
            first >= Some(resumed[0].number),
            "an old connection: {request:?}"
        );
        assert_eq!(request.status, Some(200));
    }
    // What was said meanwhile comes once, though the old connection had it, too.
    let heard = scene.bridge.incoming("notifications/vendor");
    assert_eq!(heard["params"]["number"], 2);
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(scene.posts("initialize").len(), 1);
    assert_eq!(scene.posts("tools/call").len(), 1);
    scene.goes_on();
    scene.close();
}

#[test]
fn streams_without_a_cursor_lose_what_they_must_and_no_more() {
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let mut scene = open(settings);
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    sleeps(&mut scene, |_| {});
    // The standing stream is opened anew: there is a gap.
    scene.bridge.incoming("notifications/tools/list_changed");
    // The call's stream may be alive, and is.
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(scene.posts("initialize").len(), 1);
    scene.goes_on();
}

#[test]
fn a_call_whose_server_restarted_meanwhile_is_told_what_became_of_it() {
    let mut scene = open(Settings::open());
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    sleeps(&mut scene, |scene| scene.playground.restart(Memory::Lost));
    let answer = scene.bridge.answer(id);
    assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
    assert!(
        detail(&answer).contains("may have been carried out"),
        "{answer}"
    );
    scene.bridge.incoming("notifications/tools/list_changed");
    assert_eq!(scene.posts("tools/call").len(), 1);
    scene.goes_on();
}
