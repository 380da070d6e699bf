//! Answers that break off or are no answers, and a server that is not there.

use playground::{Fault, Memory, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::scene::{NEWEST, Scene, detail, is_get, kind, opening};

/// Calls a tool whose answer goes wrong like this.
fn call_met_by(scene: &mut Scene, then: impl Into<Then>) -> Value {
    let fault = Fault::mcp().rpc("tools/call");
    scene.playground.fault(fault.then(then));
    let call = json!({ "name": "echo", "arguments": { "text": "hello" } });
    scene.bridge.call("tools/call", call)
}

#[test]
fn json_under_another_name_is_taken() {
    let mut scene = Scene::open();
    for name in [
        "text/plain",
        "application/octet-stream",
        "application/problem+json",
        "x",
    ] {
        let answer = call_met_by(&mut scene, Then::ContentType(name.into()));
        assert!(answer["result"].is_object(), "{name}: {answer}");
    }
}

#[test]
fn an_answer_in_an_array_is_unpacked() {
    let mut scene = Scene::open();
    let answer = call_met_by(&mut scene, Then::edit(|body| *body = json!([body])));
    assert!(answer["result"].is_object(), "{answer}");
}

#[test]
fn what_is_no_answer_fails_the_call_once() {
    let mut scene = Scene::open();
    let page = Then::answer(200)
        .header("Content-Type", "text/html; charset=utf-8")
        .body("<html><body>Please sign in</body></html>");
    let text = Then::answer(200)
        .header("Content-Type", "text/plain")
        .body("It works!");
    let not_text = Then::answer(200)
        .header("Content-Type", "application/json")
        .body(*b"{\"jsonrpc\":\"2.0\",\"x\":\"\xff\xfe\"}");
    for (then, status, words) in [
        (Then::from(page), Some(200), "not JSON-RPC"),
        (Then::from(text), Some(200), "It works!"),
        (Then::from(not_text), Some(200), "not UTF-8"),
        (Then::HalfBody, Some(200), "not JSON-RPC"),
        (Then::without("id"), Some(200), "not JSON-RPC"),
        (Then::without("jsonrpc"), Some(200), "not JSON-RPC"),
        (Then::without("result"), Some(200), "not JSON-RPC"),
        (
            Then::edit(|body| *body = json!(3)),
            Some(200),
            "not JSON-RPC",
        ),
        (
            Then::edit(|body| *body = json!([])),
            None,
            "does not answer",
        ),
        (Then::id(json!(987_654)), None, "does not answer"),
        (Then::id(json!("4")), None, "does not answer"),
    ] {
        let before = scene.posts("tools/call").len();
        let answer = call_met_by(&mut scene, then);
        assert_eq!(kind(&answer), ("protocol", false, status), "{answer}");
        assert!(detail(&answer).contains(words), "{answer}");
        assert!(!answer.to_string().contains("sign in"), "{answer}");
        assert_eq!(scene.posts("tools/call").len(), before + 1, "{answer}");
    }
    scene.goes_on();
    scene.close();
}

#[test]
fn a_call_whose_answer_breaks_off_is_not_repeated() {
    let mut scene = Scene::open();
    for then in [
        Then::CloseBefore,
        Then::CloseAfter,
        Then::CutBody(0),
        Then::CutBody(20),
    ] {
        let before = scene.posts("tools/call").len();
        let answer = call_met_by(&mut scene, then);
        assert_eq!(kind(&answer), ("http", false, None));
        let said = detail(&answer);
        assert!(said.contains("may have been carried out"), "{said}");
        assert!(said.contains("not sent again"), "{said}");
        assert_eq!(scene.posts("tools/call").len(), before + 1);
        scene.goes_on();
    }
    scene.close();
}

#[test]
fn a_list_whose_answer_breaks_off_is_asked_for_again() {
    for then in [Then::CloseBefore, Then::CloseAfter, Then::CutBody(20)] {
        let mut scene = Scene::open();
        let fault = Fault::mcp().rpc("tools/list");
        scene.playground.fault(fault.then(then));
        let answer = scene.bridge.call("tools/list", json!({}));
        assert!(answer["result"]["tools"].is_array(), "{answer}");
        assert_eq!(scene.posts("tools/list").len(), 2);
    }
}

#[test]
fn a_list_that_cannot_be_had_says_how_often_it_was_asked_for() {
    let mut scene = Scene::open();
    let fault = Fault::mcp().rpc("tools/list").always();
    scene.playground.fault(fault.then(Then::CloseBefore));
    let answer = scene.bridge.call("tools/list", json!({}));
    assert_eq!(kind(&answer), ("http", true, None));
    assert!(detail(&answer).contains("sent 3 times"), "{answer}");
    assert_eq!(scene.posts("tools/list").len(), 3);
    scene.goes_on();
}

#[test]
fn a_first_connection_that_is_closed_at_once_is_tried_again() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene
        .playground
        .fault(Fault::of(Server::Mcp).then(Then::CloseOnAccept));
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
}

#[test]
fn idle_connections_that_the_server_closed_are_not_used() {
    let mut scene = Scene::open();
    scene.goes_on();
    scene.playground.break_connections();
    // The standing stream's return shows that the bridge has seen them close.
    scene.playground.wait_for(|requests| {
        let answered = |r: &&playground::Request| is_get(r) && r.status.is_some();
        (requests.iter().filter(answered).count() == 2).then_some(())
    });
    scene.goes_on();
    assert_eq!(scene.posts("tools/call").len(), 2);
    scene.close();
}

#[test]
fn a_notification_that_is_not_taken_is_none_of_the_hosts_business() {
    let mut scene = Scene::open();
    for then in [
        Then::from(Then::answer(500).body("<html>")),
        Then::from(
            Then::answer(400)
                .body(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#),
        ),
        Then::from(Then::answer(200).body("x")),
        Then::from(Then::answer(204)),
        Then::CloseBefore,
    ] {
        let method = "notifications/vendor";
        scene.playground.fault(Fault::mcp().rpc(method).then(then));
        scene
            .bridge
            .send(json!({ "jsonrpc": "2.0", "method": method }));
    }
    scene.goes_on();
    scene.playground.wait_for(|requests| {
        let told = requests.iter().filter(|r| r.calls("notifications/vendor"));
        (told.count() == 5).then_some(())
    });
    scene.goes_on();
    let (ended, _) = scene.close();
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_server_that_refuses_notifications_works_all_the_same() {
    let mut scene = Scene::started(
        Settings {
            sessions: false,
            ..Settings::open()
        },
        &[],
    );
    let fault = Fault::mcp().rpc("notifications/initialized");
    scene.playground.fault(fault.then(Then::answer(400)));
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
}

#[test]
fn a_server_that_is_down_is_told_of_and_used_when_it_is_back() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene.playground.stop();
    let answer = scene.try_initialize();
    assert_eq!(kind(&answer), ("connect", true, None));
    assert!(detail(&answer).contains("cannot be reached"), "{answer}");
    assert!(scene.bridge.stderr().contains("sending again"));
    scene.playground.resume(Memory::Kept);
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
    // And in the middle of a session. A call could still meet an old connection; a list is sent
    // again in that case.
    scene.playground.stop();
    let answer = scene.bridge.call("tools/list", json!({}));
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    scene.playground.resume(Memory::Kept);
    scene.goes_on();
    assert_eq!(scene.posts("initialize").len(), 1);
}

#[test]
fn a_server_that_comes_up_a_moment_later_is_waited_for() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene.playground.stop();
    assert_eq!(scene.bridge.call("ping", json!({}))["result"], json!({}));
    let id = scene
        .bridge
        .request("initialize", opening(NEWEST, json!({})));
    scene.bridge.call("ping", json!({}));
    scene.playground.resume(Memory::Kept);
    assert!(scene.bridge.answer(id)["result"].is_object());
}
