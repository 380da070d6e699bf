//! What passes over an open event stream, both ways.

use playground::{Fault, Request, Settings, Sse, Then};
use serde_json::json;

use super::{announced, expected, open, until, what, whats, with};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, Scene, detail, everything, is_delete, is_get, kind};

fn with_sse(change: impl FnOnce(&mut Sse)) -> Scene {
    let mut settings = Settings::open_sse();
    change(&mut settings.sse);
    with(settings)
}

#[test]
fn a_session_is_opened_over_the_event_stream() {
    let mut scene = Scene::started(Settings::open_sse(), &["--header", "X-Team: blue"]);
    let result = scene.bridge.initialize(NEWEST, everything());
    // The host speaks what it asked for, whatever the server chose.
    assert_eq!(result["protocolVersion"], NEWEST);
    announced(&scene.playground);
    scene.goes_on();
    let requests = scene.requests(|_| true);
    assert_eq!(
        whats(&requests),
        expected([
            ("server/discover", 405),
            ("initialize", 405),
            ("GET", 200),
            ("initialize", 202),
            ("notifications/initialized", 202),
            ("tools/call", 202),
        ])
    );
    for request in &requests[1..] {
        assert_eq!(request.header("x-team"), Some("blue"));
        assert_eq!(request.header("mcp-session-id"), None);
        assert_eq!(request.header("mcp-protocol-version"), None);
    }
    assert_eq!(requests[2].header("accept"), Some("text/event-stream"));
    assert_eq!(requests[2].path, "/sse");
    assert!(requests[3..].iter().all(|r| r.path == "/messages"));
}

#[test]
fn a_newer_revision_may_be_agreed_on_and_changes_no_header() {
    let mut scene = with(Settings {
        highest_revision: NEWEST.into(),
        ..Settings::open_sse()
    });
    scene.goes_on();
    let call = &scene.posts("tools/call")[0];
    assert_eq!(call.status, Some(202));
    assert_eq!(call.header("mcp-protocol-version"), None);
}

#[test]
fn answers_are_taken_wherever_they_come() {
    for (inline_answers, accepted) in [(false, 202), (false, 200), (false, 204), (true, 202)] {
        let mut scene = with_sse(|sse| {
            sse.inline_answers = inline_answers;
            sse.accepted = accepted;
        });
        scene.goes_on();
        scene.goes_on();
        let ids: Vec<_> = (0..20)
            .map(|a| {
                let call = json!({ "name": "add", "arguments": { "a": a, "b": 1 } });
                scene.bridge.request("tools/call", call)
            })
            .collect();
        for (a, id) in ids.into_iter().enumerate() {
            let answer = scene.bridge.answer(id);
            let text = &answer["result"]["content"][0]["text"];
            assert_eq!(*text, (a + 1).to_string(), "{answer}");
        }
        scene.close();
    }
}

#[test]
fn a_post_that_is_never_answered_holds_nothing_up() {
    let mut scene = open();
    let fault = Fault::mcp().rpc("tools/call").times(3);
    scene.playground.fault(fault.then(Then::HoldAnswer));
    for _ in 0..3 {
        scene.goes_on();
    }
    assert_eq!(scene.playground.faults_left(), 0);
    // The connections are given up soon after.
    until("the POSTs to be given up", || scene.playground.held() == 0);
    scene.goes_on();
}

#[test]
fn a_notification_whose_post_is_never_answered_holds_up_the_session_for_a_while_only() {
    let settings = Settings::open_sse();
    let mut scene = Scene::started(settings, &[]);
    let fault = Fault::mcp().rpc("notifications/initialized");
    scene.playground.fault(fault.then(Then::HoldAnswer));
    scene.bridge.initialize(NEWEST, everything());
    // Longer than it would take is what fails this test.
    scene.goes_on();
    assert_eq!(scene.playground.held(), 0);
}

#[test]
fn progress_and_questions_come_on_the_event_stream() {
    let mut scene = open();
    let call = scene.bridge.request(
        "tools/call",
        json!({ "name": "slow", "arguments": { "steps": 3 }, "_meta": { "progressToken": "p" } }),
    );
    for step in 1..=3 {
        let progress = scene.bridge.incoming("notifications/progress");
        assert_eq!(progress["params"]["progress"], step);
    }
    scene.bridge.answer(call);

    let sample = json!({ "name": "sample", "arguments": { "prompt": "?" } });
    let call = scene.bridge.request("tools/call", sample);
    let question = scene.bridge.incoming("sampling/createMessage");
    let result =
        json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "yes" } });
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }));
    let answer = scene.bridge.answer(call);
    assert!(answer.to_string().contains("yes"), "{answer}");

    scene
        .playground
        .notify("notifications/tools/list_changed", json!(null));
    scene.bridge.incoming("notifications/tools/list_changed");
}

#[test]
fn a_cancelled_call_is_cancelled_at_the_server() {
    let mut scene = open();
    let slow = json!({ "name": "slow", "arguments": { "wait": true } });
    let call = scene.bridge.request("tools/call", slow);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    scene.bridge.send(json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call },
    }));
    scene
        .playground
        .wait_for(|_| scene.playground.cancellations().first().cloned());
    assert!(scene.playground.cancellations()[0].was_running);
    scene.goes_on();
    scene.close();
}

#[test]
fn a_refused_call_fails_alone() {
    for (status, body, expected) in [
        (400, "", ("http", false, Some(400))),
        (404, "<html>Not Found</html>", ("http", false, Some(404))),
        (405, "", ("http", false, Some(405))),
        (500, "", ("http", false, Some(500))),
    ] {
        let mut scene = open();
        let fault = Fault::mcp().rpc("tools/call");
        scene
            .playground
            .fault(fault.then(Then::answer(status).body(body)));
        let answer = scene
            .bridge
            .call("tools/call", json!({ "name": "add", "arguments": {} }));
        let (stage, mut retryable, code) = kind(&answer);
        if status == 500 {
            // It may work the next time.
            assert!(retryable);
            retryable = false;
        }
        assert_eq!((stage, retryable, code), expected);
        scene.goes_on();
        assert_eq!(scene.requests(is_get).len(), 1);
    }
}

#[test]
fn an_error_in_the_refusal_of_a_call_is_delivered() {
    let mut scene = open();
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not today"}}"#;
    let refusal = Then::answer(400)
        .header("Content-Type", "application/json")
        .body(error);
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(refusal));
    let answer = scene
        .bridge
        .call("tools/call", json!({ "name": "add", "arguments": {} }));
    assert_eq!(answer["error"]["message"], "not today");
    scene.goes_on();
}

#[test]
fn a_session_that_the_server_forgot_behind_an_open_stream_is_opened_anew() {
    for (status, body) in [
        (404, "Session not found"),
        (400, "No transport found for sessionId"),
        (
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No valid session ID"}}"#,
        ),
    ] {
        let mut scene = open();
        let fault = Fault::mcp().rpc("tools/call");
        scene
            .playground
            .fault(fault.then(Then::answer(status).body(body)));
        scene.goes_on();
        let requests = scene.requests(|_| true);
        assert_eq!(
            whats(&requests[5..]),
            expected([
                ("tools/call", status),
                ("GET", 200),
                ("initialize", 202),
                ("notifications/initialized", 202),
                ("tools/call", 202),
            ])
        );
        scene.bridge.incoming("notifications/tools/list_changed");
        // The stream of before is closed, and with it the session.
        scene
            .playground
            .wait_for(|_| (scene.playground.sessions().len() == 1).then_some(()));
    }
}

#[test]
fn a_large_answer_comes_whole() {
    let mut scene = open();
    let result = scene.bridge.tool("big", json!({ "bytes": 5_000_000 }));
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    assert_eq!(text.len(), 5_000_000);
}

#[test]
fn the_end_closes_the_stream_and_deletes_nothing() {
    let mut scene = open();
    scene.goes_on();
    let slow = json!({ "name": "slow", "arguments": { "wait": true } });
    scene.bridge.request("tools/call", slow);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call") && r.json()["params"]["name"] == "slow");
    let ended = scene.bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let [answer] = &ended.rest[..] else {
        panic!("{:?}", ended.rest)
    };
    assert!(detail(answer).contains("had not answered when the session ended"));
    scene
        .playground
        .wait_for(|_| scene.playground.sessions().is_empty().then_some(()));
    let requests = scene.playground.requests();
    assert!(!requests.iter().any(is_delete));
    assert_eq!(scene.playground.cancellations().len(), 1);
}

#[test]
fn piped_requests_are_answered_before_the_end() {
    let playground = playground::Playground::start(Settings::open_sse());
    let machine = Machine::new();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let opening = crate::support::scene::opening(NEWEST, json!({}));
    bridge.request("initialize", opening);
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    bridge.request("tools/list", json!({}));
    let ended = bridge.close();
    assert_eq!(ended.rest.len(), 2, "{:?}\n{}", ended.rest, ended.stderr);
    assert!(ended.rest[1]["result"]["tools"].is_array());
}

#[test]
fn requests_are_not_redirected_for_good() {
    let mut scene = open();
    // Each message is redirected anew, and the address for messages stays what it was.
    for _ in 0..2 {
        let query = scene.posts("initialize")[1].query.clone().unwrap();
        let redirect = Then::answer(307).header("Location", &format!("/messages?{query}"));
        scene
            .playground
            .fault(Fault::mcp().rpc("tools/call").then(redirect));
        scene.goes_on();
    }
    let redirect = Then::answer(307).header("Location", "http://127.0.0.2:9/messages");
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(redirect));
    let answer = scene
        .bridge
        .call("tools/call", json!({ "name": "add", "arguments": {} }));
    assert!(detail(&answer).contains("127.0.0.2"), "{answer}");
    let calls: Vec<(String, u16)> = scene.posts("tools/call").iter().map(what).collect();
    let statuses: Vec<u16> = calls.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [307, 202, 307, 202, 307]);
    assert!(
        scene
            .posts("tools/call")
            .iter()
            .all(|r: &Request| r.path == "/messages")
    );
}
