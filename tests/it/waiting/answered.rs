//! `initialize` is answered while the person is still away, and the first requests wait for them.

use serde_json::json;

use super::{BY_HAND, Scene, approve, are_real, close, lists_changed, works};

#[test]
fn a_host_is_answered_although_nobody_did_anything() {
    let scene = Scene::new();
    // Nobody has opened the address yet when this returns.
    let mut bridge = scene.promised(&BY_HAND);
    let list = bridge.request("tools/list", json!({}));
    let call = bridge.request("tools/call", json!({ "name": "whoami", "arguments": {} }));
    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    are_real(&bridge.answer(list));
    let person = bridge.answer(call)["result"]["content"][0]["text"].to_string();
    assert!(person.contains("ada"), "{person}");
    works(&mut bridge);
    scene.one_sign_in();
    scene.opened(0);
    // The server was asked once for a session, and has it.
    assert_eq!(scene.playground.sessions().len(), 1);
    close(bridge);
    assert_eq!(scene.playground.sessions().len(), 0);
}

#[test]
fn the_revision_of_the_host_is_promised_and_kept() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18"] {
        let scene = Scene::new();
        let mut bridge = scene.start(&BY_HAND);
        let result = bridge.initialize(version, json!({}));
        assert_eq!(result["protocolVersion"], version);
        approve(&bridge.stderr_address());
        lists_changed(&mut bridge);
        works(&mut bridge);
        close(bridge);
    }
}

#[test]
fn a_batch_waits_for_the_person_as_a_whole() {
    let scene = Scene::new();
    let mut bridge = scene.start(&BY_HAND);
    bridge.initialize("2025-03-26", json!({}));
    bridge.send(json!([
        { "jsonrpc": "2.0", "id": "a", "method": "tools/list" },
        { "jsonrpc": "2.0", "id": "b", "method": "tools/call",
          "params": { "name": "add", "arguments": { "a": 1, "b": 2 } } },
    ]));
    approve(&bridge.stderr_address());
    let batch = bridge.message(|message| message.is_array());
    let mut ids: Vec<_> = batch
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    ids.sort_by_key(|id| id.to_string());
    assert_eq!(ids, ["a", "b"]);
    assert!(batch.to_string().contains("\"echo\""), "{batch}");
    lists_changed(&mut bridge);
    close(bridge);
}
