//! Event streams that are cut, and servers that go away and come back.

use playground::{Cut, Fault, Memory, Server, Settings, Then};
use serde_json::{Value, json};

use super::{announced, gets, open, open_again, restart, until};
use crate::support::scene::{NEWEST, Scene, detail, everything, failure, is_get};

fn slow() -> Value {
    json!({ "name": "slow", "arguments": { "wait": true } })
}

/// A call that the server is carrying out.
fn running(scene: &mut Scene) -> u64 {
    let before = scene.posts("tools/call").len();
    let call = scene.bridge.request("tools/call", slow());
    scene.playground.wait_for(|requests| {
        let mut calls = requests.iter().filter(|r| r.calls("tools/call"));
        calls.nth(before)?.status
    });
    call
}

#[test]
fn a_restart_between_two_calls_goes_unnoticed() {
    let mut scene = open();
    scene.goes_on();
    restart(&scene);
    scene.goes_on();
    scene.bridge.incoming("notifications/tools/list_changed");
    scene.bridge.stderr_says("connected again");
}

#[test]
fn a_call_while_the_server_is_away_waits_for_it() {
    let mut scene = open();
    scene.playground.stop();
    scene.bridge.stderr_says("opening it again");
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let call = scene.bridge.request("tools/call", call);
    scene.playground.resume(Memory::Lost);
    let answer = scene.bridge.answer(call);
    assert_eq!(answer["result"]["content"][0]["text"], "3", "{answer}");
}

#[test]
fn a_restart_in_the_middle_of_a_call_is_told_and_the_next_call_works() {
    let mut scene = open();
    let call = running(&mut scene);
    let list = scene.bridge.request("tools/list", json!({}));
    scene.bridge.answer(list);
    restart(&scene);
    let answer = scene.bridge.answer(call);
    let said = detail(&answer);
    assert!(
        said.contains("ended the stream on which the answer was to come"),
        "{said}"
    );
    assert!(
        said.contains("may have been carried out, so it was not sent again"),
        "{said}"
    );
    assert_eq!(failure(&answer)["retryable"], false);
    scene.goes_on();
}

#[test]
fn a_request_without_effects_is_sent_again_in_the_new_session() {
    let mut scene = open();
    // The POST is taken, and its answer never comes.
    let fault = Fault::mcp().rpc("tools/list");
    scene.playground.fault(fault.then(Then::Accepted));
    let list = scene.bridge.request("tools/list", json!({}));
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/list"));
    scene.playground.break_connections();
    let answer = scene.bridge.answer(list);
    assert!(answer["result"]["tools"].is_array(), "{answer}");
    assert_eq!(scene.posts("tools/list").len(), 2);
    // Under another id, since it is another request.
    let ids: Vec<Value> = scene
        .posts("tools/list")
        .iter()
        .map(|r| r.json()["id"].clone())
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_stream_that_is_cut_fails_each_request_in_flight_and_is_opened_again() {
    for clean in [true, false] {
        let settings = Settings::open_sse();
        let mut scene = Scene::started(settings, &[]);
        // The answer to `initialize`, then two more messages.
        let cut = Cut {
            messages: 3,
            ids: false,
            retry: Some(50),
            clean,
        };
        let fault = Fault::of(Server::Mcp).method("GET");
        scene.playground.fault(fault.then(Then::CutStream(cut)));
        scene.bridge.initialize(NEWEST, everything());
        announced(&scene.playground);
        let calls: Vec<u64> = (0..3).map(|_| running(&mut scene)).collect();
        for _ in 0..2 {
            scene
                .playground
                .notify("notifications/tools/list_changed", json!(null));
        }
        for call in calls {
            let answer = scene.bridge.answer(call);
            assert!(detail(&answer).contains("ended the stream"), "{answer}");
        }
        open_again(&scene.playground, 1);
        scene.goes_on();
        assert_eq!(gets(&scene.playground), 2);
        // The session of before ended with its stream.
        until("one session", || scene.playground.sessions().len() == 1);
    }
}

#[test]
fn what_the_client_set_holds_in_the_new_session_and_its_questions_are_withdrawn() {
    let mut scene = open();
    let level = json!({ "level": "error" });
    scene.bridge.call("logging/setLevel", level);
    let uri = scene.bridge.call("resources/list", json!({}))["result"]["resources"][0]["uri"]
        .as_str()
        .expect("a resource")
        .to_owned();
    scene
        .bridge
        .call("resources/subscribe", json!({ "uri": uri }));
    let sample = json!({ "name": "sample", "arguments": { "prompt": "?" } });
    let call = scene.bridge.request("tools/call", sample);
    let question = scene.bridge.incoming("sampling/createMessage");
    restart(&scene);
    let withdrawn = scene.bridge.incoming("notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    detail(&scene.bridge.answer(call));
    scene.playground.wait_for(|requests| {
        let mut again = requests.iter().filter(|r| r.calls("resources/subscribe"));
        again.nth(1)?.status
    });
    assert_eq!(scene.posts("logging/setLevel").len(), 2);
    // The server has carried out what came before this.
    scene.goes_on();
    scene.playground.resource_updated(&uri);
    let updated = scene.bridge.incoming("notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], json!(uri));
    // Late, the answer goes nowhere.
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": {} }));
    scene.goes_on();
    assert!(scene.playground.answers().is_empty());
}

#[test]
fn a_server_that_is_busy_when_it_comes_back_is_waited_for() {
    let mut scene = open();
    for status in [502, 503, 500] {
        let fault = Fault::of(Server::Mcp).method("GET");
        scene.playground.fault(fault.then(Then::answer(status)));
    }
    scene.playground.end_streams();
    scene.bridge.stderr_says("opening it again");
    scene.goes_on();
    let statuses: Vec<u16> = scene
        .requests(is_get)
        .iter()
        .filter_map(|r| r.status)
        .collect();
    assert_eq!(statuses, [200, 502, 503, 500, 200]);
}

#[test]
fn a_server_that_dies_while_the_session_is_opened_is_asked_once_more() {
    let settings = Settings::open_sse();
    let mut scene = Scene::started(settings, &[]);
    let cut = Then::cut_without_ids(0);
    let fault = Fault::of(Server::Mcp).method("GET");
    scene.playground.fault(fault.then(cut));
    scene.bridge.initialize(NEWEST, everything());
    announced(&scene.playground);
    scene.goes_on();
    assert_eq!(scene.requests(is_get).len(), 2);
}

#[test]
fn ten_restarts_in_a_row_lose_no_call() {
    let mut scene = open();
    for round in 1..=10 {
        scene.playground.restart(Memory::Lost);
        let losses = || scene.bridge.stderr().matches("opening it again").count();
        until("the loss to be seen", || losses() == round);
        // The delays grow, but a call waits for none of them.
        scene.goes_on();
    }
    until("one session", || scene.playground.sessions().len() == 1);
}

#[test]
fn a_call_that_meets_the_end_of_its_session_is_carried_out_in_the_next() {
    let mut scene = open();
    // The server forgets the session while the call is on its way; the stream ends first.
    let fault = Fault::mcp().rpc("tools/call");
    scene.playground.fault(fault.then(Then::Hold));
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let call = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for(|_| (scene.playground.held() == 1).then_some(()));
    scene.playground.forget_sessions();
    scene.bridge.stderr_says("opening it again");
    scene.playground.release_held();
    let answer = scene.bridge.answer(call);
    assert_eq!(answer["result"]["content"][0]["text"], "3", "{answer}");
    let statuses: Vec<_> = scene.posts("tools/call").iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(404), Some(202)]);
}

#[test]
fn the_end_while_the_server_is_away_is_quick_and_answers_what_waits() {
    let mut scene = open();
    scene.playground.stop();
    scene.bridge.stderr_says("opening it again");
    let call = scene.bridge.request("tools/call", slow());
    let ended = scene.bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let [answer] = &ended.rest[..] else {
        panic!("{:?}", ended.rest)
    };
    assert_eq!(answer["id"], call);
    assert_eq!(failure(answer)["retryable"], true);
}
