//! Where nobody has to sign in, nothing of this shows.

use std::fs;

use playground::client;
use serde_json::{Value, json};
use url::Url;

use super::{Scene, close, works};
use crate::support::machine::Browser;
use crate::support::scene::opening;

/// What the server answers to `initialize`, to the letter. The id is the one that a bridge gives
/// its first request.
fn answered_directly(scene: &Scene, headers: &[(&str, &str)]) -> String {
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening("2025-11-25", json!({})),
    });
    let mut all = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    all.extend_from_slice(headers);
    let url = Url::parse(&scene.playground.mcp_url()).unwrap();
    let answer = client::send("POST", &url, &all, request.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200);
    answer.text().unwrap()
}

/// What a bridge answers to it.
#[track_caller]
fn answered_by_bridge(scene: &Scene) -> String {
    let mut bridge = scene.start(&[]);
    bridge.request("initialize", opening("2025-11-25", json!({})));
    let line = bridge.line();
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    works(&mut bridge);
    close(bridge);
    line
}

#[test]
fn a_server_without_sign_in_is_passed_on_to_the_letter() {
    let scene = Scene::new();
    scene.playground.change(|settings| settings.oauth = false);
    let direct = answered_directly(&scene, &[]);
    // The second time, something is known of the server.
    for _ in 0..2 {
        assert_eq!(answered_by_bridge(&scene), direct);
    }
}

#[test]
fn a_warm_start_is_passed_on_to_the_letter() {
    let mut scene = Scene::new();
    scene.machine.browser = Browser::Approves;
    let mut bridge = scene.start(&[]);
    bridge.initialize("2025-11-25", json!({}));
    works(&mut bridge);
    let ended = bridge.close();
    assert!(ended.status.success());
    let [file] = &scene.machine.cached()[..] else {
        panic!("one sign-in is cached, not {:?}", scene.machine.cached());
    };
    let cached: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let token = format!("Bearer {}", cached["access_token"].as_str().unwrap());
    let direct = answered_directly(&scene, &[("Authorization", &token)]);
    for _ in 0..2 {
        assert_eq!(answered_by_bridge(&scene), direct);
    }
    scene.one_sign_in();
}
