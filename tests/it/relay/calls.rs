//! Requests of the host: their ids, several at once, cancellation, progress, batches.

use playground::{Fault, Then};
use serde_json::{Value, json};

use crate::support::scene::{REVISIONS, Scene};

/// The arguments of a call that ends when the test lets it.
fn waiting_call() -> Value {
    json!({ "name": "slow", "arguments": { "steps": 0, "wait": true } })
}

/// Waits until so many calls of tools have reached the server; gives the id the last one has there.
fn calls_arrived(scene: &Scene, count: usize) -> u64 {
    scene.playground.wait_for(|requests| {
        let calls = requests
            .iter()
            .filter(|request| request.calls("tools/call"));
        let id = calls.clone().next_back()?.json()["id"].as_u64();
        (calls.count() == count).then_some(id).flatten()
    })
}

#[test]
fn an_id_comes_back_exactly_as_it_was() {
    let mut scene = Scene::open();
    for id in [
        "0",
        "1",
        "\"1\"",
        "-7",
        "9007199254740993",
        "123456789012345678901234567890",
        "\"\"",
        "\"br-1\"",
        "\"a \\\"b\\\" \\u00e4 ä 🦀\"",
        "\"\\ud800\"",
    ] {
        for method in ["ping", "tools/list", "vendor/unknown"] {
            scene.bridge.send_line(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#
            ));
            let line = scene.bridge.line();
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},""#);
            assert!(line.starts_with(&start), "{method}: {line}");
        }
    }
    // None of them reached the server, where ids are unique in a session.
    let mut ids: Vec<Option<u64>> = scene
        .requests(|request| request.method == "POST" && !request.calls("notifications/initialized"))
        .iter()
        .map(|request| request.json()["id"].as_u64())
        .collect();
    let count = ids.len();
    assert!(ids.iter().all(Option::is_some), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn a_call_that_takes_long_blocks_nothing() {
    let mut scene = Scene::open();
    let first = scene.bridge.request("tools/call", waiting_call());
    calls_arrived(&scene, 1);
    assert_eq!(scene.bridge.call("ping", json!({}))["result"], json!({}));
    let listed = scene.bridge.call("tools/list", json!({}));
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    scene.goes_on();
    // Nor do many of them.
    let more: Vec<u64> = (0..20)
        .map(|_| scene.bridge.request("tools/call", waiting_call()))
        .collect();
    calls_arrived(&scene, 22);
    scene.goes_on();
    for _ in 0..21 {
        scene.playground.release_slow();
    }
    for id in more.into_iter().chain([first]) {
        assert!(scene.bridge.answer(id)["result"].is_object());
    }
    scene.close();
}

#[test]
fn answers_come_in_the_order_in_which_the_server_gives_them() {
    let mut scene = Scene::open();
    let list = Fault::mcp().rpc("tools/list");
    scene.playground.fault(list.then(Then::Hold));
    let slow = scene.bridge.request("tools/list", json!({}));
    scene
        .playground
        .wait_for(|requests| requests.iter().find(|r| r.calls("tools/list")).map(|_| ()));
    let fast = scene.bridge.request("tools/list", json!({}));
    let first: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    scene.playground.release_held();
    let second: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!((&first["id"], &second["id"]), (&json!(fast), &json!(slow)));
}

#[test]
fn a_cancellation_reaches_the_server_and_no_answer_follows() {
    for (version, form) in [
        ("2025-03-26", Then::AsJson),
        ("2025-06-18", Then::AsSse),
        ("2025-11-25", Then::AsJson),
        ("2025-11-25", Then::AsSse),
    ] {
        let mut scene = Scene::speaking(version);
        let call = Fault::mcp().rpc("tools/call");
        scene.playground.fault(call.then(form));
        scene.bridge.send(
            json!({ "jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": waiting_call() }),
        );
        let upstream = calls_arrived(&scene, 1);
        scene.bridge.send(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": "mine", "reason": "enough" } }),
        );
        let notice = scene
            .playground
            .wait_for_answered(|request| request.calls("notifications/cancelled"));
        assert_eq!(
            notice.json()["params"],
            json!({ "requestId": upstream, "reason": "enough" })
        );
        let cancelled = scene.playground.cancellations();
        assert_eq!(cancelled.len(), 1);
        assert!(cancelled[0].was_running, "{cancelled:?}");
        // The id is free again, and whatever the server still says about the old call is not heard.
        scene.playground.release_slow();
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn cancelling_what_is_unknown_or_done_says_nothing_to_the_server() {
    let mut scene = Scene::open();
    scene.bridge.call("tools/list", json!({}));
    for params in [
        json!({ "requestId": 1 }),
        json!({ "requestId": 2 }),
        json!({ "requestId": 99 }),
        json!({ "requestId": null }),
        json!({}),
    ] {
        scene.bridge.send(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        );
    }
    scene.goes_on();
    let (_, playground) = scene.close();
    assert_eq!(playground.cancellations(), []);
}

#[test]
fn progress_comes_before_the_answer_and_only_rises() {
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        for token in [json!("t/1"), json!(7)] {
            let mut call = json!({ "name": "slow", "arguments": { "steps": 3 } });
            call["_meta"] = json!({ "progressToken": token });
            let id = scene.bridge.request("tools/call", call);
            for step in 1..=3 {
                let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
                assert_eq!(line["method"], "notifications/progress", "{line}");
                let message = format!("step {step} of 3");
                assert_eq!(
                    line["params"],
                    json!({ "progressToken": token, "progress": step, "total": 3, "message": message })
                );
            }
            let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
            assert_eq!(line["id"], json!(id), "{line}");
        }
    }
}

#[test]
fn progress_that_does_not_rise_or_that_nobody_awaits_is_dropped() {
    let mut scene = Scene::open();
    let mut call = waiting_call();
    call["_meta"] = json!({ "progressToken": "t" });
    let id = scene.bridge.request("tools/call", call);
    calls_arrived(&scene, 1);
    let say = |token: &str, progress: Value| {
        let params = json!({ "progressToken": token, "progress": progress });
        scene.playground.notify("notifications/progress", params);
    };
    say("t", json!(0.5));
    say("other", json!(1));
    say("t", json!(0.5));
    say("t", json!(0.25));
    say("t", json!(2));
    for expected in [json!(0.5), json!(2)] {
        let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
        assert_eq!(line["params"]["progress"], expected, "{line}");
    }
    scene.playground.release_slow();
    scene.bridge.answer(id);
    // It is over.
    scene.playground.notify(
        "notifications/progress",
        json!({ "progressToken": "t", "progress": 3 }),
    );
    scene.playground.notify("notifications/vendor", Value::Null);
    assert_eq!(
        scene.bridge.incoming("notifications/vendor")["jsonrpc"],
        "2.0"
    );
    scene.close();
}

#[test]
fn a_batch_is_answered_as_one_and_sent_on_one_by_one() {
    let mut scene = Scene::speaking("2025-03-26");
    scene.bridge.send_line(
        r#"[{"jsonrpc":"2.0","id":"p","method":"ping"},
            {"jsonrpc":"2.0","method":"notifications/vendor"},
            7,
            {"jsonrpc":"2.0","id":1e2,"method":"ping"},
            {"jsonrpc":"2.0","id":"i","method":"initialize","params":{}},
            {"jsonrpc":"2.0","id":"l","method":"tools/list"},
            {"jsonrpc":"2.0","id":"nobody asked","result":{}},
            {"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}]"#
            .replace('\n', "")
            .as_str(),
    );
    let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    let answers = line.as_array().unwrap();
    let of = |id: Value| answers.iter().filter(move |answer| answer["id"] == id);
    assert_eq!(answers.len(), 6, "{line}");
    assert_eq!(of(json!("p")).next().unwrap()["result"], json!({}));
    assert!(of(json!("l")).next().unwrap()["result"]["tools"].is_array());
    let called = of(json!("c")).next().unwrap();
    assert_eq!(called["result"]["content"][0]["text"], "3");
    assert_eq!(of(json!("i")).next().unwrap()["error"]["code"], -32600);
    let invalid: Vec<_> = of(Value::Null).map(|a| &a["error"]["code"]).collect();
    assert_eq!(invalid, [-32600, -32600]);

    scene
        .playground
        .wait_for_answered(|r| r.calls("notifications/vendor"));
    let posts = scene.requests(|request| request.method == "POST");
    assert!(posts.iter().all(|post| post.text().starts_with('{')));
    assert_eq!(scene.posts("ping").len(), 0);
    scene.close();
}

#[test]
fn a_batch_without_requests_is_not_answered_and_an_empty_one_is_an_error() {
    let mut scene = Scene::speaking("2025-03-26");
    scene.bridge.send_line(
        r#"[{"jsonrpc":"2.0","method":"notifications/vendor"},{"jsonrpc":"2.0","id":"x","result":{}}]"#,
    );
    scene.bridge.send_line("[]");
    let answer: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32600))
    );
    scene.goes_on();
    scene.close();
}

#[test]
fn a_cancelled_entry_leaves_its_batch() {
    let mut scene = Scene::speaking("2025-03-26");
    let call = |id: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": waiting_call() });
    let cancel = |id: &str| json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    scene.bridge.send(json!([call("a"), call("b")]));
    calls_arrived(&scene, 2);
    scene.bridge.send(json!([cancel("a")]));
    scene
        .playground
        .wait_for_answered(|request| request.calls("notifications/cancelled"));
    // By the time the server has done this, the cancelled call has ended and takes no release.
    scene.goes_on();
    scene.playground.release_slow();
    let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(line.as_array().unwrap().len(), 1, "{line}");
    assert_eq!(line[0]["id"], "b");
    // Where nothing is left, nothing is said.
    scene.bridge.send(json!([call("c")]));
    calls_arrived(&scene, 4);
    scene.bridge.send(cancel("c"));
    scene.goes_on();
    scene.close();
}
