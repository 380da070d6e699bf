//! Subscriptions, in place of the standing stream and of `resources/subscribe`.

use super::*;

const X: &str = "file:///x";

fn all(uris: &[&str]) -> Value {
    let mut filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
    });
    if !uris.is_empty() {
        filter["resourceSubscriptions"] = json!(uris);
    }
    filter
}

fn subscribe(bench: &mut Bench, uri: &str) -> u64 {
    bench.ask("resources/subscribe", json!({ "uri": uri }))
}

#[test]
fn what_the_server_has_is_listened_to() {
    for (capabilities, filter) in [
        (
            json!({ "tools": { "listChanged": true }, "prompts": {} }),
            Some(json!({ "toolsListChanged": true })),
        ),
        (json!({ "tools": { "listChanged": false } }), None),
        (json!({}), None),
    ] {
        let mut bench = Bench::new(Protocol::Auto, None);
        bench.initialize("2025-11-25");
        bench.discover(json!({ "capabilities": capabilities }));
        bench.nothing_sent();
        bench.begin();
        match filter {
            Some(filter) => {
                let listen = bench.sent("subscriptions/listen");
                assert_eq!(listen.body["params"]["notifications"], filter);
                assert!(!listen.repeatable, "what is missed has to be known");
            }
            None => bench.nothing_sent(),
        }
    }
}

#[test]
fn changes_are_told_without_the_mark_of_the_subscription() {
    let (mut bench, listen) = Bench::listening();
    for method in [
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    ] {
        bench.changed(&listen, method, json!({}));
        assert_eq!(bench.heard_one(method).get("params"), Some(&json!({})));
    }
    bench.changed(
        &listen,
        "notifications/vendor",
        json!({ "x": 1, "_meta": { "v": 1 } }),
    );
    let told = bench.heard_one("notifications/vendor");
    assert_eq!(told["params"], json!({ "x": 1, "_meta": { "v": 1 } }));
    // Nobody has subscribed to it.
    bench.changed(
        &listen,
        "notifications/resources/updated",
        json!({ "uri": X }),
    );
    bench.changed(
        &listen,
        "notifications/cancelled",
        json!({ "requestId": 1 }),
    );
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "roots/list", "params": {} });
    bench.event(listen.exchange, Event::Message(parsed(&request)));
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.nothing_sent();
}

#[test]
fn a_resource_is_subscribed_to_with_another_subscription() {
    let (mut bench, listen) = Bench::listening();
    let id = subscribe(&mut bench, X);
    let next = bench.sent("subscriptions/listen");
    assert_eq!(next.body["params"]["notifications"], all(&[X]));
    bench.unanswered(id);
    assert!(!bench.aborted.contains(&listen.exchange));
    bench.changed(&listen, "notifications/tools/list_changed", json!({}));
    bench.heard_one("notifications/tools/list_changed");
    bench.acknowledge(&next);
    assert_eq!(bench.answer(id)["result"], json!({}));
    // The server may have written to the former a moment before; what it writes to both is told once.
    bench.changed(&listen, "notifications/prompts/list_changed", json!({}));
    bench.heard_one("notifications/prompts/list_changed");
    bench.changed(&next, "notifications/prompts/list_changed", json!({}));
    assert!(bench.told.is_empty());
    bench.pass(999);
    assert!(!bench.aborted.contains(&listen.exchange));
    bench.pass(1);
    assert!(bench.aborted.contains(&listen.exchange));
    bench.changed(&listen, "notifications/tools/list_changed", json!({}));
    assert!(bench.told.is_empty());
    for (uri, heard) in [(X, 1), ("file:///y", 0)] {
        bench.changed(
            &next,
            "notifications/resources/updated",
            json!({ "uri": uri }),
        );
        assert_eq!(bench.heard("notifications/resources/updated").len(), heard);
    }
    // Again changes nothing.
    let id = subscribe(&mut bench, X);
    assert_eq!(bench.answer(id)["result"], json!({}));
    bench.nothing_sent();
    let id = bench.ask("resources/unsubscribe", json!({ "uri": X }));
    assert_eq!(bench.answer(id)["result"], json!({}));
    bench.changed(
        &next,
        "notifications/resources/updated",
        json!({ "uri": X }),
    );
    assert!(bench.told.is_empty());
    let last = bench.sent("subscriptions/listen");
    assert_eq!(last.body["params"]["notifications"], all(&[]));
    let id = bench.ask("resources/unsubscribe", json!({ "uri": "file:///never" }));
    assert_eq!(bench.answer(id)["result"], json!({}));
    bench.nothing_sent();
}

#[test]
fn subscriptions_at_a_time_are_opened_together() {
    let (mut bench, _) = Bench::listening();
    let first = subscribe(&mut bench, X);
    let one = bench.sent("subscriptions/listen");
    let second = subscribe(&mut bench, "file:///y");
    let two = bench.sent("subscriptions/listen");
    assert!(bench.aborted.contains(&one.exchange));
    assert_eq!(two.body["params"]["notifications"], all(&[X, "file:///y"]));
    bench.acknowledge(&one);
    bench.unanswered(first);
    bench.acknowledge_only(&two, all(&[X]));
    assert_eq!(bench.answer(first)["result"], json!({}));
    assert_eq!(bench.answer(second)["error"]["code"], -32602);
    bench.rests();
}

#[test]
fn a_subscription_that_is_taken_back_before_it_is_taken_is_answered() {
    let (mut bench, _) = Bench::listening();
    let id = subscribe(&mut bench, X);
    bench.sent("subscriptions/listen");
    bench.ask("resources/unsubscribe", json!({ "uri": X }));
    let last = bench.sent("subscriptions/listen");
    bench.acknowledge(&last);
    assert_eq!(bench.answer(id)["result"], json!({}));
    // With nothing else to listen to.
    let mut bench = Bench::new(Protocol::Auto, None);
    bench.initialize("2025-11-25");
    bench.discover(json!({ "capabilities": { "resources": { "subscribe": true } } }));
    bench.begin();
    let id = subscribe(&mut bench, X);
    let listen = bench.sent("subscriptions/listen");
    bench.ask("resources/unsubscribe", json!({ "uri": X }));
    assert_eq!(bench.answer(id)["result"], json!({}));
    assert!(bench.aborted.contains(&listen.exchange));
    bench.nothing_sent();
    bench.rests();
}

/// Some libraries write `null` for what they leave out.
#[test]
fn an_acknowledgement_with_members_of_null_counts() {
    let (mut bench, _) = Bench::listening();
    let id = subscribe(&mut bench, X);
    let next = bench.sent("subscriptions/listen");
    let filter = json!({ "toolsListChanged": true, "promptsListChanged": null, "resourceSubscriptions": [X] });
    bench.acknowledge_only(&next, filter);
    assert_eq!(bench.answer(id)["result"], json!({}));
}

#[test]
fn what_the_server_does_not_take_is_not_subscribed_to() {
    let (mut bench, listen) = Bench::listening();
    let id = subscribe(&mut bench, X);
    bench.sent("subscriptions/listen");
    bench.pass(10_000);
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.nothing_sent();
    assert!(!bench.aborted.contains(&listen.exchange));
    let id = subscribe(&mut bench, X);
    let next = bench.sent("subscriptions/listen");
    bench.refuse(
        next.exchange,
        400,
        json!({ "code": -32602, "message": "no" }),
    );
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    for params in [json!({}), json!({ "uri": 1 })] {
        let id = bench.ask("resources/subscribe", params);
        assert_eq!(bench.answer(id)["error"]["code"], -32602);
    }
    let mut bench = Bench::new(Protocol::Auto, None);
    bench.initialize("2025-11-25");
    bench.discover(json!({ "capabilities": { "resources": { "listChanged": true } } }));
    bench.begin();
    let id = subscribe(&mut bench, X);
    assert_eq!(bench.answer(id)["error"]["code"], -32601);
}

#[test]
fn a_server_without_subscriptions_is_asked_once() {
    let unknown = json!({ "code": -32601, "message": "no" });
    let acts: [Act<'_>; 4] = [
        &|bench, exchange| bench.refuse(exchange, 404, unknown.clone()),
        &|bench, exchange| bench.refuse(exchange, 200, unknown.clone()),
        &|bench, exchange| bench.fail(exchange, 405),
        &|bench, exchange| bench.event(exchange, Event::Accepted),
    ];
    for act in acts {
        let mut bench = Bench::open();
        let listen = bench.sent("subscriptions/listen");
        let waiting = subscribe(&mut bench, X);
        let next = bench.sent("subscriptions/listen");
        assert!(bench.aborted.contains(&listen.exchange));
        act(&mut bench, next.exchange);
        assert_eq!(bench.answer(waiting)["error"]["code"], -32601);
        bench.pass(60_000);
        bench.nothing_sent();
        let id = subscribe(&mut bench, X);
        assert_eq!(bench.answer(id)["error"]["code"], -32601);
        bench.nothing_sent();
        bench.rests();
    }
}

#[test]
fn a_subscription_that_is_lost_is_opened_again_and_changes_may_have_been_missed() {
    let (mut bench, listen) = Bench::listening();
    bench.pass(20_000);
    bench.fail(listen.exchange, 0);
    bench.nothing_sent();
    bench.pass(999);
    bench.nothing_sent();
    bench.pass(1);
    let mut next = bench.sent("subscriptions/listen");
    for wait in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        bench.fail(next.exchange, 503);
        bench.pass(wait - 1);
        bench.nothing_sent();
        bench.pass(1);
        next = bench.sent("subscriptions/listen");
    }
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.acknowledge(&next);
    for kind in ["tools", "prompts", "resources"] {
        bench.heard_one(&format!("notifications/{kind}/list_changed"));
    }
}

#[test]
fn a_subscription_that_the_server_ends_is_opened_again() {
    let (mut bench, listen) = Bench::listening();
    bench.pass(20_000);
    bench.reply(listen.exchange, json!({ "resultType": "complete" }));
    bench.pass(1000);
    let next = bench.sent("subscriptions/listen");
    bench.acknowledge(&next);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // One that ends them at once is left alone for longer and longer.
    let mut listen = next;
    for wait in [1000, 2000, 4000] {
        bench.reply(listen.exchange, json!({ "resultType": "complete" }));
        bench.pass(wait - 1);
        bench.nothing_sent();
        bench.pass(1);
        listen = bench.sent("subscriptions/listen");
        bench.acknowledge(&listen);
    }
}

#[test]
fn a_connection_that_may_be_dead_is_replaced() {
    let (mut bench, listen) = Bench::listening();
    bench.crossing.connections_renewed(0);
    bench.settle();
    let next = bench.sent("subscriptions/listen");
    bench.acknowledge(&next);
    bench.heard_one("notifications/tools/list_changed");
    bench.pass(1000);
    assert!(bench.aborted.contains(&listen.exchange));
}

#[test]
fn resources_that_are_subscribed_to_are_said_to_have_changed_after_a_gap() {
    let (mut bench, listen) = Bench::listening();
    let id = bench.ask("resources/subscribe", json!({ "uri": "file:///x" }));
    let listen = {
        let wider = bench.sent("subscriptions/listen");
        bench.acknowledge(&wider);
        bench.pass(1000);
        assert!(bench.aborted.contains(&listen.exchange));
        wider
    };
    bench.answer(id);
    bench.fail(listen.exchange, 0);
    bench.pass(1000);
    let next = bench.sent("subscriptions/listen");
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.acknowledge(&next);
    let told = bench.heard_one("notifications/resources/updated");
    assert_eq!(told["params"], json!({ "uri": "file:///x" }));
}

fn new_listener() -> (Bench, u64, Sent) {
    let mut bench = Bench::new(Protocol::Auto, Some(&stateless()));
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [X] });
    let id = bench.ask_new("subscriptions/listen", json!({ "notifications": filter }));
    bench.discover(json!({}));
    let listen = bench.sent("subscriptions/listen");
    assert!(!listen.repeatable);
    bench.acknowledge(&listen);
    let told = bench.heard_one("notifications/subscriptions/acknowledged");
    assert_eq!(told["params"]["_meta"][meta::SUBSCRIPTION], id);
    (bench, id, listen)
}

#[test]
fn a_client_of_the_new_era_is_told_once_that_it_is_heard() {
    let (mut bench, id, listen) = new_listener();
    bench.changed(&listen, "notifications/tools/list_changed", json!({}));
    let told = bench.heard_one("notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"][meta::SUBSCRIPTION], id);
    bench.pass(20_000);
    bench.fail(listen.exchange, 0);
    bench.pass(999);
    bench.nothing_sent();
    bench.pass(1);
    let next = bench.sent("subscriptions/listen");
    assert_ne!(next.exchange, listen.exchange);
    assert_eq!(next.body["params"], listen.body["params"]);
    bench.fail(next.exchange, 502);
    bench.pass(2000);
    let next = bench.sent("subscriptions/listen");
    bench.unanswered(id);
    bench.acknowledge(&next);
    assert!(
        bench
            .heard("notifications/subscriptions/acknowledged")
            .is_empty()
    );
    // What it may have missed.
    for method in [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ] {
        let told = bench.heard_one(method);
        assert_eq!(told["params"]["_meta"][meta::SUBSCRIPTION], id);
    }
    bench.changed(
        &next,
        "notifications/resources/updated",
        json!({ "uri": X }),
    );
    let told = bench.heard_one("notifications/resources/updated");
    assert_eq!(told["params"]["_meta"][meta::SUBSCRIPTION], id);
    bench.cancel(id);
    assert!(bench.aborted.contains(&next.exchange));
    bench.unanswered(id);
    bench.rests();
}

#[test]
fn the_end_of_a_subscription_is_told_to_a_client_of_the_new_era() {
    let (mut bench, id, listen) = new_listener();
    let result =
        json!({ "resultType": "complete", "_meta": { meta::SUBSCRIPTION: listen.body["id"] } });
    bench.reply(listen.exchange, result);
    assert_eq!(bench.answer(id)["result"]["resultType"], "complete");
    bench.pass(60_000);
    bench.nothing_sent();
    bench.rests();
    // While it waits to be opened again.
    let (mut bench, id, listen) = new_listener();
    bench.fail(listen.exchange, 0);
    bench.cancel(id);
    bench.pass(60_000);
    bench.nothing_sent();
    bench.rests();
    // Refused when it is opened again.
    let (mut bench, id, listen) = new_listener();
    bench.fail(listen.exchange, 0);
    bench.pass(1000);
    let next = bench.sent("subscriptions/listen");
    bench.refuse(
        next.exchange,
        404,
        json!({ "code": -32601, "message": "no" }),
    );
    // It was heard before, so this is its end.
    assert_eq!(bench.answer(id)["result"]["resultType"], "complete");
    bench.rests();
}

#[test]
fn a_subscription_that_never_was_fails() {
    let mut bench = Bench::new(Protocol::Auto, Some(&stateless()));
    let id = bench.ask_new("subscriptions/listen", json!({ "notifications": {} }));
    bench.discover(json!({}));
    let listen = bench.sent("subscriptions/listen");
    bench.fail(listen.exchange, 503);
    assert!(bench.answer(id).get("error").is_some());
    bench.pass(60_000);
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn the_streams_of_a_client_of_the_new_era_are_opened_again_over_new_connections() {
    let (mut bench, id, listen) = new_listener();
    bench.crossing.connections_renewed(0);
    bench.settle();
    assert!(bench.aborted.contains(&listen.exchange));
    let next = bench.sent("subscriptions/listen");
    bench.acknowledge(&next);
    bench.heard_one("notifications/tools/list_changed");
    bench.unanswered(id);
}
