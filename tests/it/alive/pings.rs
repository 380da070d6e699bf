//! Pings of our own (MCP 2025-11-25, Utilities, Ping).

use std::time::{Duration, Instant};

use playground::{Fault, LostSession, Memory, Request, Settings, Then};
use serde_json::json;

use crate::support::scene::{NEWEST, Scene, everything, is_get};

fn pings(scene: &Scene) -> Vec<Request> {
    scene.posts("ping")
}

/// Waits until so many pings were answered.
fn pinged(scene: &Scene, times: usize) -> Vec<Request> {
    scene.playground.wait_for(|requests| {
        let pings: Vec<Request> = requests
            .iter()
            .filter(|r| r.calls("ping"))
            .cloned()
            .collect();
        let answered = pings.iter().filter(|ping| ping.status.is_some()).count();
        (answered >= times).then_some(pings)
    })
}

fn with(settings: Settings, arguments: &[&str]) -> Scene {
    Scene::opened(settings, NEWEST, everything(), arguments)
}

#[test]
fn a_silent_server_is_pinged_and_the_host_sees_nothing_of_it() {
    for settings in [
        Settings::open(),
        Settings {
            sessions: false,
            ..Settings::open()
        },
    ] {
        let begun = Instant::now();
        let mut scene = with(settings, &["--ping-interval", "0.1"]);
        let seen = pinged(&scene, 3);
        // However late a busy machine makes one, none comes before its time.
        for (ping, earliest) in seen.iter().zip([100, 200, 300].map(Duration::from_millis)) {
            let after = ping.at - begun;
            assert!(after >= earliest, "{after:?}");
        }
        assert_eq!(seen[0].json()["params"], json!(null));
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn without_the_option_nothing_is_pinged() {
    let mut scene = Scene::open();
    scene.goes_on();
    let (_, playground) = scene.close();
    let pinged = playground.requests().iter().any(|r| r.calls("ping"));
    assert!(!pinged);
}

#[test]
fn a_ping_finds_out_that_the_session_is_gone_before_the_host_calls() {
    for lost_session in [LostSession::NotFound, LostSession::BadRequest] {
        let settings = Settings {
            lost_session,
            get_stream: false,
            ..Settings::open()
        };
        let mut scene = with(settings, &["--ping-interval", "0.1"]);
        pinged(&scene, 1);
        scene.playground.forget_sessions();
        scene.bridge.incoming("notifications/tools/list_changed");
        assert_eq!(scene.posts("initialize").len(), 2);
        scene.goes_on();
        assert_eq!(scene.posts("tools/call").len(), 1);
    }
}

#[test]
fn a_ping_without_an_answer_means_new_connections_for_everything() {
    let mut scene = with(Settings::open(), &["--ping-interval", "0.3"]);
    let old = pinged(&scene, 1)[0].connection;
    scene
        .playground
        .notify("notifications/vendor", json!({ "number": 1 }));
    scene.bridge.incoming("notifications/vendor");
    let stream = scene.requests(is_get)[0].connection;
    scene
        .playground
        .fault(Fault::mcp().rpc("ping").then(Then::Hold));
    // The standing stream goes on at its cursor, over another connection.
    let resumed = scene.playground.wait_for(|requests| {
        let again = requests.iter().filter(|r| is_get(r)).nth(1)?;
        again.status.map(|_| again.clone())
    });
    assert_eq!(resumed.header("last-event-id"), Some("0-1"));
    assert_ne!(resumed.connection, stream);
    let after = scene.playground.wait_for(|requests| {
        let later = requests[resumed.number..].iter();
        let mut pings = later.filter(|r| r.calls("ping"));
        pings.find(|ping| ping.status == Some(200)).cloned()
    });
    assert_ne!(after.connection, old);
    scene
        .playground
        .notify("notifications/vendor", json!({ "number": 2 }));
    let heard = scene.bridge.incoming("notifications/vendor");
    assert_eq!(heard["params"]["number"], 2);
    scene.goes_on();
    assert_eq!(scene.posts("initialize").len(), 1);
}

#[test]
fn a_server_that_answers_no_pings_is_worked_with_all_the_same() {
    let mut scene = with(Settings::open(), &["--ping-interval", "0.1"]);
    let pings = Fault::mcp().rpc("ping").always();
    scene.playground.fault(pings.then(Then::Hold));
    scene.playground.wait_for(|requests| {
        let pings = requests.iter().filter(|r| r.calls("ping")).count();
        (pings >= 6).then_some(())
    });
    scene.goes_on();
    // Its streams were broken for that once.
    assert!(scene.requests(is_get).len() <= 2);
    assert_eq!(scene.posts("initialize").len(), 1);
}

#[test]
fn a_server_that_restarts_is_found_out_by_its_standing_stream() {
    for lost_session in [LostSession::NotFound, LostSession::BadRequest] {
        let settings = Settings {
            lost_session,
            ..Settings::open()
        };
        let mut scene = with(settings, &[]);
        scene.playground.restart(Memory::Lost);
        for kind in ["tools", "prompts", "resources"] {
            let changed = format!("notifications/{kind}/list_changed");
            scene.bridge.incoming(&changed);
        }
        assert_eq!(scene.posts("initialize").len(), 2);
        assert_eq!(pings(&scene).len(), 1, "one check is enough");
        scene.goes_on();
        assert_eq!(scene.posts("initialize").len(), 2);
        // The new session has a standing stream of its own.
        scene.playground.wait_for(|requests| {
            let open = requests
                .iter()
                .filter(|r| is_get(r) && r.status == Some(200));
            (open.count() == 2).then_some(())
        });
        scene.playground.notify("notifications/vendor", json!({}));
        scene.bridge.incoming("notifications/vendor");
        scene.close();
    }
}
