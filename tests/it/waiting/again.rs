//! A sign-in that came to nothing, and the next one.

use std::process::Stdio;

use playground::{Manner, browse};
use serde_json::{Value, json};

use super::{BY_HAND, Scene, address_in, approve, close, lists_changed, sign_in, tools, works};
use crate::support::bridge::Bridge;
use crate::support::machine::Browser;
use crate::support::scene::{detail, kind};

/// A person has declined; the requests that waited were answered at once. Gives the address that
/// is void now.
#[track_caller]
fn declined(scene: &Scene, bridge: &mut Bridge) -> String {
    let list = bridge.request("tools/list", json!({}));
    let call = bridge.request("tools/call", json!({ "name": "whoami" }));
    let address = bridge.stderr_address();
    let browsed = browse(&address, Manner::Deny).unwrap();
    assert_eq!(browsed.status, 400, "{}", browsed.page);
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    let answer = bridge.answer(call);
    assert_eq!(kind(&answer), ("auth", true, None), "{answer}");
    let said = detail(&answer);
    assert!(
        said.contains("declined") && said.contains("`sign_in`"),
        "{said}"
    );
    assert_eq!(scene.playground.code_exchanges(), 0);
    address
}

#[test]
fn a_declined_sign_in_is_said_at_once_and_begun_again_by_the_tool() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&[]);
    scene.wait_for_browsers(1);
    let first = declined(&scene, &mut bridge);
    // Whatever the host asks for, no browser opens before the user wants one.
    for _ in 0..3 {
        let answer = bridge.call("tools/call", json!({ "name": "whoami" }));
        assert!(detail(&answer).contains("declined"), "{answer}");
        assert_eq!(tools(&bridge.call("tools/list", json!({}))), ["sign_in"]);
    }
    scene.opened(1);

    let (text, is_error) = sign_in(&mut bridge, json!({}));
    assert!(!is_error, "{text}");
    let second = address_in(&text).to_owned();
    assert_ne!(second, first);
    scene.wait_for_browsers(2);
    approve(&second);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    scene.opened(2);
    close(bridge);
}

#[test]
fn a_sign_in_that_nobody_finished_in_time_is_said_and_begun_again() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&["--no-browser", "--auth-timeout", "4"]);
    let first = bridge.stderr_address();
    let list = bridge.request("tools/list", json!({}));
    let call = bridge.request("tools/call", json!({ "name": "whoami" }));
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    let answer = bridge.answer(call);
    assert!(detail(&answer).contains("4 s"), "{answer}");
    let (text, _) = sign_in(&mut bridge, json!({}));
    assert_ne!(address_in(&text), first);
    approve(address_in(&text));
    lists_changed(&mut bridge);
    works(&mut bridge);
    close(bridge);
}

/// `mcp-drawbridge login` in a terminal, with a browser in which the person consents.
#[track_caller]
pub(super) fn log_in(scene: &mut Scene) {
    scene.machine.browser = Browser::Approves;
    let mut command = scene.machine.command();
    command.args(["login", &scene.playground.mcp_url()]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[test]
fn a_sign_in_in_a_terminal_serves_the_host_that_waits() {
    let mut scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    declined(&scene, &mut bridge);
    log_in(&mut scene);
    // Either finds it: the next request, or the bridge by itself.
    works(&mut bridge);
    lists_changed(&mut bridge);
    scene.one_sign_in();
    scene.opened(1);
    close(bridge);
}

#[test]
fn a_sign_in_in_a_terminal_is_found_though_the_host_asks_for_nothing() {
    let mut scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    declined(&scene, &mut bridge);
    log_in(&mut scene);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    scene.opened(1);
    close(bridge);
}

#[test]
fn a_server_that_is_away_after_the_promise_is_tried_again_by_the_next_request() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let list = bridge.request("tools/list", json!({}));
    let address = bridge.stderr_address();
    let refusal = playground::Then::answer(400).body("not now");
    scene
        .playground
        .fault(playground::Fault::mcp().rpc("initialize").then(refusal));
    approve(&address);
    let answer: Value = bridge.answer(list);
    assert_eq!(kind(&answer).0, "http", "{answer}");
    works(&mut bridge);
    lists_changed(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}

#[test]
fn a_declined_sign_in_is_declined_for_all_and_the_next_one_serves_all() {
    let scene = Scene::new();
    let mut first = scene.promised(&[]);
    scene.wait_for_browsers(1);
    let mut second = scene.promised(&[]);
    let list = second.request("tools/list", json!({}));
    declined(&scene, &mut first);
    assert_eq!(tools(&second.answer(list)), ["sign_in"]);
    let answer = second.call("tools/call", json!({ "name": "whoami" }));
    assert!(detail(&answer).contains("declined"), "{answer}");
    scene.opened(1);

    let (text, is_error) = sign_in(&mut second, json!({}));
    assert!(!is_error, "{text}");
    scene.wait_for_browsers(2);
    approve(address_in(&text));
    for mut bridge in [first, second] {
        lists_changed(&mut bridge);
        works(&mut bridge);
        close(bridge);
    }
    scene.one_sign_in();
    scene.opened(2);
}
