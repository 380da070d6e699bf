//! A host that can put addresses before the user is asked to, where no browser shows it.

use serde_json::{Value, json};

use super::{
    BY_HAND, Scene, address_in, approve, close, is_promise, lists_changed, sign_in, works,
};
use crate::support::bridge::{Bridge, Ended};
use crate::support::scene::opening;

fn shows() -> Value {
    json!({ "elicitation": { "url": {} } })
}

/// The question that the host is asked, after a look at it.
#[track_caller]
fn asked(bridge: &mut Bridge, address: &str) -> Value {
    let question = bridge.incoming("elicitation/create");
    let params = &question["params"];
    assert_eq!(params["mode"], "url", "{question}");
    assert_eq!(params["url"], address);
    assert!(params["message"].as_str().unwrap().contains("127.0.0.1"));
    assert!(params["elicitationId"].is_string());
    question
}

fn reply(bridge: &mut Bridge, question: &Value, result: Value) {
    bridge.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }));
}

/// How often the host was asked or told something in the end that is about elicitation.
fn told(ended: &Ended, method: &str) -> usize {
    let all = ended.rest.iter();
    all.filter(|message| message["method"] == method).count()
}

#[test]
fn the_host_is_asked_once_it_is_ready_and_told_when_it_is_done() {
    let scene = Scene::new();
    let mut bridge = scene.start(&BY_HAND);
    let answer = bridge.call("initialize", opening("2025-11-25", shows()));
    is_promise(&answer["result"]);
    let address = bridge.stderr_address();
    // Nothing comes before the host has said that it is ready.
    bridge.send(json!({ "jsonrpc": "2.0", "id": "ping", "method": "ping" }));
    assert!(bridge.line().contains("\"id\":\"ping\""));
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let question = asked(&mut bridge, &address);
    reply(&mut bridge, &question, json!({ "action": "accept" }));
    let list = bridge.request("tools/list", json!({}));
    approve(&address);
    let complete = bridge.incoming("notifications/elicitation/complete");
    assert_eq!(
        complete["params"]["elicitationId"],
        question["params"]["elicitationId"]
    );
    lists_changed(&mut bridge);
    super::are_real(&bridge.answer(list));
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}

#[test]
fn a_user_who_declines_is_left_alone_and_may_change_their_mind() {
    for action in ["decline", "cancel"] {
        let scene = Scene::new();
        let mut bridge = scene.promised_to(shows(), &BY_HAND);
        let address = bridge.stderr_address();
        let question = asked(&mut bridge, &address);
        reply(&mut bridge, &question, json!({ "action": action }));
        let (text, _) = sign_in(&mut bridge, json!({}));
        assert_eq!(address_in(&text), address);
        approve(&address);
        lists_changed(&mut bridge);
        works(&mut bridge);
        let ended = bridge.close();
        assert!(ended.status.success());
        for method in ["elicitation/create", "notifications/elicitation/complete"] {
            assert_eq!(told(&ended, method), 0, "{:?}", ended.rest);
        }
    }
}

#[test]
fn a_question_that_nobody_answered_is_taken_back() {
    let scene = Scene::new();
    let mut bridge = scene.promised_to(shows(), &BY_HAND);
    let address = bridge.stderr_address();
    let question = asked(&mut bridge, &address);
    approve(&address);
    let withdrawn = bridge.incoming("notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    lists_changed(&mut bridge);
    // An answer that comes too late is no harm.
    reply(&mut bridge, &question, json!({ "action": "accept" }));
    works(&mut bridge);
    close(bridge);
}

#[test]
fn a_host_is_not_asked_for_what_a_browser_shows() {
    let scene = Scene::new();
    let mut bridge = scene.promised_to(shows(), &[]);
    scene.wait_for_browsers(1);
    let (text, _) = sign_in(&mut bridge, json!({}));
    approve(address_in(&text));
    lists_changed(&mut bridge);
    works(&mut bridge);
    close(bridge);
}

#[test]
fn a_host_that_shows_only_forms_is_not_asked() {
    for capabilities in [
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {} } }),
        json!({}),
    ] {
        let scene = Scene::new();
        let mut bridge = scene.promised_to(capabilities, &BY_HAND);
        let (text, _) = sign_in(&mut bridge, json!({}));
        approve(address_in(&text));
        lists_changed(&mut bridge);
        works(&mut bridge);
        close(bridge);
    }
}

#[test]
fn the_host_that_starts_again_is_asked_again_for_the_same_address() {
    let scene = Scene::new();
    let mut first = scene.promised_to(shows(), &BY_HAND);
    let address = first.stderr_address();
    asked(&mut first, &address);
    drop(first);
    let mut second = scene.promised_to(shows(), &BY_HAND);
    let question = asked(&mut second, &address);
    reply(&mut second, &question, json!({ "action": "accept" }));
    approve(&address);
    second.incoming("notifications/elicitation/complete");
    lists_changed(&mut second);
    works(&mut second);
    scene.one_sign_in();
    close(second);
}

#[test]
fn a_sign_in_that_is_begun_again_is_shown_again() {
    let scene = Scene::new();
    let mut bridge = scene.promised_to(shows(), &BY_HAND);
    let first = bridge.stderr_address();
    let question = asked(&mut bridge, &first);
    reply(&mut bridge, &question, json!({ "action": "accept" }));
    playground::browse(&first, playground::Manner::Deny).unwrap();
    let list = bridge.call("tools/list", json!({}));
    assert_eq!(super::tools(&list), ["sign_in"]);
    let (text, _) = sign_in(&mut bridge, json!({}));
    let second = address_in(&text).to_owned();
    assert_ne!(first, second);
    let again = asked(&mut bridge, &second);
    assert_ne!(
        again["params"]["elicitationId"],
        question["params"]["elicitationId"]
    );
    reply(&mut bridge, &again, json!({ "action": "accept" }));
    approve(&second);
    let complete = bridge.incoming("notifications/elicitation/complete");
    assert_eq!(
        complete["params"]["elicitationId"],
        again["params"]["elicitationId"]
    );
    lists_changed(&mut bridge);
    works(&mut bridge);
    close(bridge);
}
