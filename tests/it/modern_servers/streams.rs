//! Streams that break, and requests that nobody waits for any more.

use playground::{Cut, Fault, Settings, Then};
use serde_json::json;

use super::*;
use crate::support::scene::kind;

/// The connection breaks after so many messages.
fn broken(messages: usize) -> Then {
    Then::CutStream(Cut {
        messages,
        ids: false,
        retry: None,
        clean: false,
    })
}

/// The ids under which a request arrived.
fn ids(scene: &Scene, method: &str) -> Vec<Value> {
    let posts = scene.posts(method);
    posts.iter().map(|post| post.json()["id"].clone()).collect()
}

#[test]
fn a_call_without_effects_is_made_again_as_another_request() {
    let mut scene = open(Settings::open_stateless());
    scene.bridge.call("tools/list", json!({}));
    for then in [broken(0), Then::cut_without_ids(0)] {
        scene
            .playground
            .fault(Fault::mcp().rpc("tools/call").then(then));
        let before = ids(&scene, "tools/call").len();
        let result = scene.bridge.tool("look", json!({ "serial": 1 }));
        assert_eq!(result["content"][0]["text"], "serial 1");
        let ids = ids(&scene, "tools/call").split_off(before);
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }
    let resumed = scene.requests(|request| request.header("last-event-id").is_some());
    assert!(resumed.is_empty(), "nothing can be resumed");
}

#[test]
fn a_call_that_may_have_had_effects_is_not_made_again() {
    let mut scene = open(Settings::open_stateless());
    scene.bridge.call("tools/list", json!({}));
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(broken(0)));
    let params = json!({ "name": "book", "arguments": { "serial": 1 } });
    let answer = scene.bridge.call("tools/call", params);
    assert_eq!(kind(&answer).0, "http");
    // The connection breaks while the call is carried out.
    let executions = || scene.playground.executions(1);
    scene
        .playground
        .wait_for(|_| (executions() > 0).then_some(()));
    scene.goes_on();
    assert_eq!(scene.playground.executions(1), 1);
}

#[test]
fn a_list_that_breaks_off_is_asked_for_again_and_not_for_ever() {
    let mut scene = open(Settings::open_stateless());
    let fault = |then: Then, times| Fault::mcp().rpc("prompts/list").times(times).then(then);
    scene.playground.fault(fault(Then::CutBody(20), 2));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(
        answer["result"]["prompts"].as_array().map(Vec::len),
        Some(2)
    );
    let asked = ids(&scene, "prompts/list");
    assert_eq!(asked.len(), 3);
    assert!(asked[0] != asked[1] && asked[1] != asked[2], "{asked:?}");
    scene.playground.fault(fault(Then::CutBody(20), 9));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(kind(&answer).0, "http");
    assert_eq!(ids(&scene, "prompts/list").len(), 6);
}

#[test]
fn a_subscription_that_is_lost_is_opened_again() {
    let mut scene = open(Settings::open_stateless());
    scene
        .playground
        .notify("notifications/prompts/list_changed", Value::Null);
    let told = scene.bridge.incoming("notifications/prompts/list_changed");
    assert!(!told.to_string().contains("subscriptionId"), "{told}");
    scene.playground.end_streams();
    // What may have been missed.
    for list in ["tools", "prompts", "resources"] {
        scene
            .bridge
            .incoming(&format!("notifications/{list}/list_changed"));
    }
    assert_eq!(scene.playground.subscriptions().len(), 1);
    scene
        .playground
        .notify("notifications/tools/list_changed", Value::Null);
    scene.bridge.incoming("notifications/tools/list_changed");
    // Ended as a server does that shuts down.
    scene.playground.end_subscriptions();
    listens(&scene.playground, 3);
    scene
        .playground
        .notify("notifications/tools/list_changed", Value::Null);
    scene.bridge.incoming("notifications/tools/list_changed");
}

#[test]
fn resources_are_subscribed_to_one_by_one() {
    let mut scene = open(Settings::open_stateless());
    let (greeting, pixel) = ("playground://greeting", "playground://pixel");
    for uri in [greeting, pixel] {
        let answer = scene
            .bridge
            .call("resources/subscribe", json!({ "uri": uri }));
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    let answer = scene
        .bridge
        .call("resources/subscribe", json!({ "uri": "other://x" }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = scene
        .bridge
        .call("resources/unsubscribe", json!({ "uri": greeting }));
    assert_eq!(answer["result"], json!({}), "{answer}");
    scene.playground.resource_updated(greeting);
    scene.playground.resource_updated(pixel);
    let told = scene.bridge.incoming("notifications/resources/updated");
    assert_eq!(told["params"], json!({ "uri": pixel }));
}

#[test]
fn a_server_without_subscriptions_is_asked_once() {
    let settings = Settings {
        subscriptions: false,
        ..Settings::open_stateless()
    };
    let mut scene = Scene::started(settings, &[]);
    scene.bridge.initialize(NEWEST, everything());
    let uri = json!({ "uri": "playground://greeting" });
    let answer = scene.bridge.call("resources/subscribe", uri.clone());
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    let answer = scene.bridge.call("resources/subscribe", uri);
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    scene.goes_on();
    assert!(scene.posts("subscriptions/listen").len() <= 2);
}

#[test]
fn the_end_of_its_connection_cancels_a_request() {
    let mut scene = open(Settings::open_stateless());
    let params = json!({ "name": "slow", "arguments": { "wait": true, "steps": 1 } });
    let mut params = params;
    params["_meta"] = json!({ "progressToken": 1 });
    let id = scene.bridge.request("tools/call", params);
    scene.bridge.incoming("notifications/progress");
    let cancelled = json!({ "requestId": id });
    scene.bridge.send(
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }),
    );
    let playground = &scene.playground;
    playground.wait_for(|_| (playground.cancellations().len() == 1).then_some(()));
    assert!(scene.posts("notifications/cancelled").is_empty());
    scene.goes_on();
}
