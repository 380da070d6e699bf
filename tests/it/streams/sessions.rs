//! Sessions that the server loses, and servers that keep none (MCP 2025-11-25, Transports, Session
//! Management).

use playground::{Fault, LostSession, Memory, Request, Settings, Then};
use serde_json::{Value, json};

use crate::support::scene::{
    NEWEST, REVISIONS, Scene, detail, everything, is_delete, is_get, kind,
};

fn what(request: &Request) -> (String, u16) {
    let what = request.rpc_method().unwrap_or(request.method.clone());
    (what, request.status.unwrap_or(0))
}

#[test]
fn the_next_call_after_a_lost_session_works() {
    for lost_session in [LostSession::NotFound, LostSession::BadRequest] {
        for version in REVISIONS {
            let settings = Settings {
                lost_session,
                // Without the standing stream the order of requests is always the same.
                get_stream: false,
                ..Settings::open()
            };
            let mut scene = Scene::opened(settings, version, everything(), &[]);
            let before = scene.playground.requests().len();
            scene.playground.forget_sessions();
            scene.goes_on();
            let requests = scene.playground.requests().split_off(before);
            let order: Vec<(String, u16)> = requests.iter().map(what).collect();
            let refused = match lost_session {
                LostSession::NotFound => 404,
                LostSession::BadRequest => 400,
            };
            let expected = [
                ("tools/call", refused),
                ("initialize", 200),
                ("notifications/initialized", 202),
                ("GET", 405),
                ("tools/call", 200),
            ];
            assert_eq!(
                order,
                expected.map(|(what, status)| (what.to_owned(), status))
            );
            assert_eq!(requests[1].header("mcp-session-id"), None);
            assert_eq!(requests[1].header("mcp-protocol-version"), None);
            let session = scene.playground.sessions();
            assert_eq!(
                requests[4].header("mcp-session-id"),
                Some(session[0].as_str())
            );
            // The host opened one session, and still has one.
            let asked = |request: &Request| request.json()["params"].clone();
            let initialized = scene.posts("initialize");
            assert_eq!(asked(&initialized[0]), asked(&initialized[1]));
        }
    }
}

#[test]
fn several_calls_that_lose_their_session_open_one_new_one() {
    let mut scene = Scene::open();
    scene.playground.forget_sessions();
    let ids: Vec<u64> = (0..8)
        .map(|a| {
            let call = json!({ "name": "add", "arguments": { "a": a, "b": 1 } });
            scene.bridge.request("tools/call", call)
        })
        .collect();
    for (a, id) in ids.into_iter().enumerate() {
        let answer = scene.bridge.answer(id);
        let sum = (a + 1).to_string();
        assert_eq!(answer["result"]["content"][0]["text"], sum, "{answer}");
    }
    assert_eq!(scene.posts("initialize").len(), 2);
    assert_eq!(scene.playground.sessions().len(), 1);
}

#[test]
fn a_new_session_knows_what_the_lost_one_knew() {
    let mut scene = Scene::open();
    let (kept, left) = ("playground://greeting", "playground://pixel");
    scene
        .bridge
        .call("logging/setLevel", json!({ "level": "debug" }));
    scene
        .bridge
        .call("logging/setLevel", json!({ "level": "error" }));
    for uri in [kept, left] {
        scene
            .bridge
            .call("resources/subscribe", json!({ "uri": uri }));
    }
    scene
        .bridge
        .call("resources/unsubscribe", json!({ "uri": left }));
    let before = scene.playground.requests().len();
    scene.playground.forget_sessions();
    scene.goes_on();

    // The host may have missed changes of the lists, and is told; the rest is none of its business.
    for kind in ["tools", "prompts", "resources"] {
        scene
            .bridge
            .incoming(&format!("notifications/{kind}/list_changed"));
    }
    let restored: Vec<(Value, u16)> = scene.playground.wait_for(|requests| {
        let restored: Vec<(Value, u16)> = requests[before..]
            .iter()
            .filter(|r| r.calls("logging/setLevel") || r.calls("resources/subscribe"))
            .filter_map(|r| Some((r.json()["params"].clone(), r.status?)))
            .collect();
        (restored.len() == 2).then_some(restored)
    });
    assert!(
        restored.contains(&(json!({ "level": "error" }), 200)),
        "{restored:?}"
    );
    assert!(
        restored.contains(&(json!({ "uri": kept }), 200)),
        "{restored:?}"
    );
    scene.playground.wait_for(|requests| {
        let answered = |r: &&Request| is_get(r) && r.status == Some(200);
        (requests.iter().filter(answered).count() == 2).then_some(())
    });
    scene.playground.resource_updated(left);
    scene.playground.resource_updated(kept);
    let updated = scene.bridge.incoming("notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], kept);
    scene.bridge.tool("notify", json!({ "level": "info" }));
    scene.close();
}

#[test]
fn a_server_that_restarts_without_its_memory_is_worked_with_again() {
    let mut scene = Scene::open();
    scene.restart_server(Memory::Lost);
    scene.goes_on();
    assert_eq!(scene.posts("initialize").len(), 2);
    // And with its memory, the session goes on.
    scene.restart_server(Memory::Kept);
    scene.goes_on();
    assert_eq!(scene.posts("initialize").len(), 2);
    assert_eq!(scene.playground.sessions().len(), 1);
}

#[test]
fn questions_of_a_lost_session_are_withdrawn() {
    let mut scene = Scene::open();
    scene.playground.request("roots/list", Value::Null);
    let question = scene.bridge.incoming("roots/list")["id"].take();
    scene.playground.forget_sessions();
    scene.goes_on();
    let withdrawn = scene.bridge.incoming("notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question);
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question, "result": { "roots": [] } }));
    scene.goes_on();
    assert_eq!(scene.playground.answers(), []);
}

#[test]
fn a_call_that_runs_when_its_session_is_lost_fails_and_is_not_repeated() {
    let mut scene = Scene::open();
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let on_its_stream = scene.bridge.request("tools/call", call.clone());
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    let fault = Fault::mcp().rpc("tools/call");
    scene.playground.fault(fault.then(Then::AcceptedThenOnGet));
    let on_the_standing_one = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call") && r.status == Some(202));
    // By the answer to this, the bridge has dealt with that 202.
    scene.bridge.call("tools/list", json!({}));
    scene.playground.forget_sessions();
    scene.bridge.call("tools/list", json!({}));
    for id in [on_its_stream, on_the_standing_one] {
        let answer = scene.bridge.answer(id);
        assert_eq!(kind(&answer), ("http", false, None));
        assert!(
            detail(&answer).contains("may have been carried out"),
            "{answer}"
        );
    }
    assert_eq!(scene.posts("tools/call").len(), 2);
    scene.goes_on();
}

#[test]
fn a_late_word_about_a_lost_session_does_not_end_the_new_one() {
    let mut scene = Scene::open();
    let notice = "notifications/roots/list_changed";
    scene
        .playground
        .fault(Fault::mcp().rpc(notice).then(Then::Hold));
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "method": notice }));
    scene
        .playground
        .wait_for(|requests| requests.iter().find(|r| r.calls(notice)).map(|_| ()));
    scene.playground.forget_sessions();
    scene.goes_on();
    let session = scene.playground.sessions();
    scene.playground.release_held();
    let refused = scene.playground.wait_for_answered(|r| r.calls(notice));
    assert_eq!(refused.status, Some(404));
    scene.goes_on();
    scene.goes_on();
    assert_eq!(scene.posts("initialize").len(), 2);
    assert_eq!(scene.playground.sessions(), session);
}

#[test]
fn a_session_that_is_lost_again_and_again_is_given_up_for_a_while() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call").always();
    scene.playground.fault(call.then(Then::answer(404)));
    for _ in 0..4 {
        let answer = scene.bridge.call("tools/call", json!({ "name": "echo" }));
        assert_eq!(kind(&answer), ("http", true, None), "{answer}");
    }
    // The first and three more, however often it is tried.
    assert_eq!(scene.posts("initialize").len(), 4);
    assert_eq!(scene.bridge.call("ping", json!({}))["result"], json!({}));
    scene.playground.clear_faults();
    let answer = scene.bridge.call("tools/call", json!({ "name": "echo" }));
    assert!(detail(&answer).contains("in a minute"), "{answer}");
}

#[test]
fn a_new_session_that_cannot_be_had_fails_the_call_and_the_next_tries_again() {
    let mut scene = Scene::open();
    let refusal =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -1, "message": "full" } });
    let initialize = Fault::mcp().rpc("initialize");
    for then in [
        Then::answer(400).body(refusal.to_string()),
        Then::answer(403).body("<html>no</html>"),
    ] {
        scene.playground.fault(initialize.clone().then(then));
        scene.playground.forget_sessions();
        let answer = scene.bridge.call("tools/list", json!({}));
        kind(&answer);
    }
    let listed = scene.bridge.call("tools/list", json!({}));
    assert!(listed["result"].is_object(), "{listed}");
    scene.goes_on();
}

#[test]
fn a_server_that_keeps_no_state_gets_no_session_id_and_no_farewell() {
    for version in REVISIONS {
        let settings = Settings {
            sessions: false,
            ..Settings::open()
        };
        let mut scene = Scene::opened(settings, version, everything(), &[]);
        scene.goes_on();
        scene.restart_server(Memory::Kept);
        scene.goes_on();
        scene.bridge.close();
        for request in scene.playground.requests() {
            assert_eq!(request.header("mcp-session-id"), None);
            assert!(!is_delete(&request), "{version}");
        }
    }
}

#[test]
fn a_404_without_a_session_is_no_lost_session() {
    let settings = Settings {
        sessions: false,
        ..Settings::open()
    };
    let mut scene = Scene::opened(settings, NEWEST, everything(), &[]);
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::answer(404)));
    let answer = scene.bridge.call("tools/call", json!({ "name": "echo" }));
    assert_eq!(kind(&answer), ("http", false, Some(404)));
    assert_eq!(scene.posts("initialize").len(), 1);
    scene.goes_on();
}
