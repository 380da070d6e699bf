//! The person takes longer than a host waits for an answer.

use std::thread;

use playground::{Manner, browse};
use serde_json::{Value, json};

use super::again::log_in;
use super::{
    BY_HAND, Scene, address_in, approve, close, lists_changed, official_sdk, sign_in, tools, works,
};
use crate::support::bridge::Bridge;
use crate::support::scene::{detail, kind, opening};

/// An error that says where to sign in.
#[track_caller]
fn asks_for_sign_in(answer: &Value, address: &str) {
    assert_eq!(kind(answer), ("auth", true, None), "{answer}");
    assert_eq!(address_in(detail(answer)), address);
}

fn call(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }),
    )
}

/// Each of these takes as long as a host is kept waiting, so they take it together.
#[test]
fn nobody_waits_longer_than_hosts_do() {
    let cases: [(&str, fn()); 5] = [
        (
            "late",
            a_person_who_is_late_is_told_what_to_do_and_served_in_the_end,
        ),
        (
            "ended",
            a_session_whose_sign_in_ended_is_served_when_the_person_is_back,
        ),
        (
            "later",
            a_server_that_wants_a_token_only_after_initialize_keeps_nobody_waiting_either,
        ),
        (
            "declined",
            a_session_whose_sign_in_was_declined_is_served_after_one_in_a_terminal,
        ),
        (
            "official SDK",
            official_sdk::it_takes_the_tool_that_it_is_offered,
        ),
    ];
    let start = |(name, case): (&str, fn())| {
        let thread = thread::Builder::new().name(name.into());
        thread.spawn(case).unwrap()
    };
    let running = cases.map(start);
    for (thread, (name, _)) in running.into_iter().zip(cases) {
        assert!(thread.join().is_ok(), "`{name}` failed");
    }
}

fn a_person_who_is_late_is_told_what_to_do_and_served_in_the_end() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let list = bridge.request(
        "tools/list",
        json!({ "_meta": { "progressToken": "list" } }),
    );
    let waiting = call(&mut bridge);
    let others: Vec<(u64, &str)> = [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ]
    .into_iter()
    .map(|(method, member)| (bridge.request(method, json!({})), member))
    .collect();
    let address = bridge.stderr_address();

    // 45 s later.
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    asks_for_sign_in(&bridge.answer(waiting), &address);
    for (id, member) in others {
        assert_eq!(bridge.answer(id)["result"], json!({ member: [] }));
    }
    let progress = bridge.incoming("notifications/progress");
    assert_eq!(progress["params"]["progressToken"], "list");

    // Nobody is kept waiting twice.
    let late = call(&mut bridge);
    asks_for_sign_in(&bridge.answer(late), &address);
    let list = bridge.call("tools/list", json!({}));
    assert_eq!(tools(&list), ["sign_in"]);
    let (text, is_error) = sign_in(&mut bridge, json!({}));
    assert!(!is_error, "{text}");
    assert_eq!(address_in(&text), address);
    assert_eq!(scene.playground.authorizations(), 0);

    approve(&address);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    scene.opened(0);
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    // More progress, and nothing else.
    let is_progress = |message: &Value| message["method"] == "notifications/progress";
    assert!(ended.rest.iter().all(is_progress), "{:?}", ended.rest);
}

fn a_session_whose_sign_in_ended_is_served_when_the_person_is_back() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let first = bridge.stderr_address();
    approve(&first);
    lists_changed(&mut bridge);
    works(&mut bridge);

    scene.playground.expire_access_tokens();
    scene.playground.revoke_grants();
    let waiting = call(&mut bridge);
    let list = bridge.request("tools/list", json!({}));
    // 45 s later.
    let answer = bridge.answer(waiting);
    let address = address_in(detail(&answer)).to_owned();
    assert_ne!(address, first);
    asks_for_sign_in(&answer, &address);
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    assert_eq!(
        sign_in(&mut bridge, json!({})).0.matches(&address).count(),
        1
    );

    approve(&address);
    lists_changed(&mut bridge);
    works(&mut bridge);
    // The session is the same, and so is the client.
    assert_eq!(scene.playground.sessions().len(), 1);
    let counts = (
        scene.playground.registrations(),
        scene.playground.code_exchanges(),
    );
    assert_eq!(counts, (1, 2), "{}", scene.playground.printed_log());
    close(bridge);
}

fn a_session_whose_sign_in_was_declined_is_served_after_one_in_a_terminal() {
    let mut scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    scene.playground.expire_access_tokens();
    scene.playground.revoke_grants();
    let list = bridge.request("tools/list", json!({}));
    // 45 s later.
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    let (text, _) = sign_in(&mut bridge, json!({}));
    browse(address_in(&text), Manner::Deny).unwrap();
    log_in(&mut scene);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.opened(1);
    close(bridge);
}

fn a_server_that_wants_a_token_only_after_initialize_keeps_nobody_waiting_either() {
    let scene = Scene::new();
    scene.playground.change(|settings| settings.oauth = false);
    let mut bridge = scene.start(&BY_HAND);
    let result = bridge.call("initialize", opening("2025-11-25", json!({})));
    assert_eq!(result["result"]["serverInfo"]["name"], "playground");
    scene.playground.change(|settings| settings.oauth = true);
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let list = bridge.request("tools/list", json!({}));
    // 45 s later.
    assert_eq!(tools(&bridge.answer(list)), ["sign_in"]);
    let address = bridge.stderr_address();
    assert_eq!(address_in(&sign_in(&mut bridge, json!({})).0), address);
    approve(&address);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}
