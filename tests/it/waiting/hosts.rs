//! What hosts do while the person is away, in whatever order.

use serde_json::{Value, json};

use super::{BY_HAND, Scene, approve, are_real, close, is_promise, lists_changed, works};
use crate::support::scene::{detail, opening};

#[test]
fn everything_a_host_may_say_meanwhile_has_its_effect() {
    let scene = Scene::new();
    let mut bridge = scene.start(&BY_HAND);
    let capabilities = json!({ "roots": { "listChanged": true } });
    let answer = bridge.call("initialize", opening("2025-11-25", capabilities));
    is_promise(&answer["result"]);
    // Before it says that it is ready.
    let early = bridge.request("tools/list", json!({}));
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let again = bridge.request("tools/list", json!({ "_meta": { "progressToken": 7 } }));
    let cancelled = bridge.request("tools/list", json!({}));
    let level = bridge.request("logging/setLevel", json!({ "level": "debug" }));
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
    bridge.send(json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": cancelled },
    }));
    assert_eq!(bridge.call("ping", json!({}))["result"], json!({}));
    // An id that waits already is not taken twice.
    bridge.send(json!({ "jsonrpc": "2.0", "id": early, "method": "prompts/list" }));
    assert_eq!(bridge.answer(early)["error"]["code"], -32600);
    let progress = bridge.incoming("notifications/progress");
    assert_eq!(progress["params"]["progressToken"], 7, "{progress}");

    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    are_real(&bridge.answer(early));
    are_real(&bridge.answer(again));
    assert_eq!(bridge.answer(level)["result"], json!({}));
    works(&mut bridge);

    // The server hears it in the order it was said, after `notifications/initialized`.
    let requests = scene.playground.requests();
    let accepted = requests.iter().filter(|request| request.bearer().is_some());
    let said: Vec<String> = accepted
        .filter_map(|request| request.rpc_method())
        .collect();
    let opening = ["server/discover", "initialize", "notifications/initialized"];
    assert_eq!(said[..3], opening);
    let count = |method: &str| said.iter().filter(|said| *said == method).count();
    assert_eq!(count("notifications/initialized"), 1, "{said:?}");
    assert_eq!(count("notifications/roots/list_changed"), 1, "{said:?}");
    assert_eq!(count("logging/setLevel"), 1, "{said:?}");
    assert_eq!(count("notifications/cancelled"), 0, "{said:?}");
    // Two that waited, and one of `works`.
    assert_eq!(count("tools/list"), 3, "{said:?}");
    let ended = bridge.close();
    assert!(ended.status.success());
    let is_answer = |message: &&Value| message["id"] == json!(cancelled);
    assert_eq!(ended.rest.iter().find(is_answer), None);
}

#[test]
fn a_host_that_says_nothing_more_is_answered_and_let_go() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let address = bridge.stderr_address();
    let mut ids: Vec<Value> = Vec::new();
    for method in ["tools/list", "prompts/list", "logging/setLevel"] {
        ids.push(bridge.request(method, json!({ "level": "info" })).into());
    }
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let answered: Vec<&Value> = ended.rest.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(answered, ids.iter().collect::<Vec<_>>(), "{:?}", ended.rest);
    for answer in &ended.rest {
        assert!(detail(answer).contains(&address), "{answer}");
    }
    assert_eq!(scene.playground.sessions().len(), 0);
}

#[test]
fn a_host_that_initializes_again_is_answered_again() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let list = bridge.request("tools/list", json!({}));
    let result = bridge.initialize("2025-06-18", json!({}));
    is_promise(&result);
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert!(bridge.answer(list)["error"].is_object());
    approve(&bridge.stderr_address());
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}

#[test]
fn many_requests_wait_together() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let ids: Vec<u64> = (0..300)
        .map(|n| {
            let arguments = json!({ "a": n, "b": 1000 });
            bridge.request(
                "tools/call",
                json!({ "name": "add", "arguments": arguments }),
            )
        })
        .collect();
    approve(&bridge.stderr_address());
    for (n, id) in ids.into_iter().enumerate() {
        let answer = bridge.answer(id);
        let sum = (n + 1000).to_string();
        assert_eq!(answer["result"]["content"][0]["text"], sum, "{answer}");
    }
    lists_changed(&mut bridge);
    close(bridge);
}
