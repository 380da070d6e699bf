//! What the server asks or tells of itself: elicitation, sampling, roots, pings, notifications.

use playground::{ClientAnswer, Settings};
use serde_json::{Value, json};

use crate::support::scene::{NEWEST, REVISIONS, Scene, is_get};

/// Calls a tool that asks the host something; gives the call's id and the question.
fn asked(scene: &mut Scene, tool: &str, arguments: Value, method: &str) -> (u64, Value) {
    let call = json!({ "name": tool, "arguments": arguments });
    let id = scene.bridge.request("tools/call", call);
    (id, scene.bridge.incoming(method))
}

/// Waits for the answer to a question that the server asked on the standing stream.
fn answer_at_server(scene: &Scene, id: &str) -> ClientAnswer {
    scene.playground.wait_for(|_| {
        let mut answers = scene.playground.answers().into_iter();
        answers.find(|answer| answer.id == id)
    })
}

fn error_code(answer: &ClientAnswer) -> i64 {
    let error: Value = serde_json::from_str(answer.error.as_deref().unwrap()).unwrap();
    error["code"].as_i64().unwrap()
}

#[test]
fn the_host_answers_what_a_tool_asks() {
    for version in REVISIONS {
        for (tool, arguments, method, result) in [
            (
                "ask",
                json!({ "message": "Who?" }),
                "elicitation/create",
                r#"{"action":"accept","content":{"name":"Ada","n":1.0,"big":1e400}}"#,
            ),
            (
                "sample",
                json!({ "prompt": "Say hi" }),
                "sampling/createMessage",
                r#"{"role":"assistant","model":"m","content":{"type":"text","text":"hi"}}"#,
            ),
            (
                "roots",
                json!({}),
                "roots/list",
                r#"{"roots":[{"uri":"file:///home","x-unknown":[1.50]}]}"#,
            ),
        ] {
            let mut scene = Scene::speaking(version);
            let (call, question) = asked(&mut scene, tool, arguments, method);
            match tool {
                "ask" => assert_eq!(question["params"]["message"], "Who?"),
                "sample" => assert_eq!(question["params"]["maxTokens"], 100),
                _ => assert_eq!(question.get("params"), None),
            }
            let id = &question["id"];
            scene.bridge.send_line(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#
            ));
            let answer = scene.bridge.answer(call);
            assert_eq!(answer["result"]["content"][0]["text"], result, "{version}");
            // The server has it under its own id, in a POST of its own.
            let given = scene.playground.answers().remove(0);
            assert_eq!(given.result.as_deref(), Some(result));
            let post = scene
                .requests(|request| request.method == "POST")
                .pop()
                .unwrap();
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, given.id);
            assert_eq!((post.text(), post.status), (expected, Some(202)));
            scene.close();
        }
    }
}

#[test]
fn two_questions_with_the_same_id_upstream_are_told_apart() {
    let mut scene = Scene::open();
    let questions: Vec<(u64, Value)> = ["one", "two"]
        .into_iter()
        .map(|who| {
            let arguments = json!({ "message": who });
            asked(&mut scene, "ask", arguments, "elicitation/create")
        })
        .collect();
    assert_ne!(questions[0].1["id"], questions[1].1["id"]);
    for (call, question) in questions.into_iter().rev() {
        let who = question["params"]["message"].clone();
        let result = json!({ "action": "accept", "content": { "who": who } });
        scene
            .bridge
            .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }));
        let answer = scene.bridge.answer(call)["result"]["content"][0]["text"].take();
        assert!(answer.as_str().unwrap().contains(who.as_str().unwrap()));
    }
}

#[test]
fn the_hosts_error_reaches_the_tool_that_asked() {
    let mut scene = Scene::open();
    let (call, question) = asked(&mut scene, "ask", json!({}), "elicitation/create");
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"],
        "error": { "code": -1, "message": "User rejected", "data": { "x": 1 } } }));
    let answer = scene.bridge.answer(call);
    assert_eq!(answer["result"]["isError"], true);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("User rejected") && text.contains("-1"),
        "{text}"
    );
}

#[test]
fn a_page_to_visit_is_asked_for_and_its_completion_told() {
    let mut scene = Scene::open();
    let (call, question) = asked(&mut scene, "ask_url", json!({}), "elicitation/create");
    let params = &question["params"];
    assert_eq!(params["mode"], "url");
    assert!(
        params["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept" } }));
    let done = scene.bridge.incoming("notifications/elicitation/complete");
    assert_eq!(done["params"]["elicitationId"], params["elicitationId"]);
    assert!(scene.bridge.answer(call)["result"].is_object());
}

#[test]
fn an_error_that_names_a_page_passes_with_its_data() {
    let mut scene = Scene::open();
    let call = json!({ "name": "ask_url", "arguments": { "required": true } });
    let error = scene.bridge.call("tools/call", call)["error"].take();
    assert_eq!(error["code"], -32042);
    assert_eq!(error["data"]["elicitations"][0]["mode"], "url");
}

#[test]
fn a_host_that_declared_nothing_is_never_asked() {
    for version in REVISIONS {
        let mut scene = Scene::opened(Settings::open(), version, json!({}), &[]);
        let url = json!({ "mode": "url", "message": "m", "url": "http://x", "elicitationId": "1" });
        for (method, params) in [
            (
                "elicitation/create",
                json!({ "message": "m", "requestedSchema": {} }),
            ),
            ("elicitation/create", url),
            (
                "sampling/createMessage",
                json!({ "messages": [], "maxTokens": 1 }),
            ),
            ("roots/list", Value::Null),
            ("vendor/ask", json!({})),
        ] {
            let id = scene.playground.request(method, params).remove(0);
            let answer = answer_at_server(&scene, &id);
            assert_eq!(error_code(&answer), -32601, "{method}: {answer:?}");
        }
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn a_host_is_asked_only_for_the_parts_that_it_declared() {
    let capabilities = json!({ "elicitation": {}, "sampling": {} });
    let mut scene = Scene::opened(Settings::open(), NEWEST, capabilities, &[]);
    let url = json!({ "mode": "url", "message": "m", "url": "http://x", "elicitationId": "1" });
    let tools = json!({ "messages": [], "maxTokens": 1, "tools": [] });
    for (method, params) in [
        ("elicitation/create", url),
        ("sampling/createMessage", tools),
    ] {
        let id = scene.playground.request(method, params).remove(0);
        assert_eq!(error_code(&answer_at_server(&scene, &id)), -32601);
    }
    asked(&mut scene, "ask", json!({}), "elicitation/create");
    asked(
        &mut scene,
        "sample",
        json!({ "prompt": "p" }),
        "sampling/createMessage",
    );
}

#[test]
fn a_ping_of_the_server_is_answered_without_the_host() {
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        let id = scene.playground.request("ping", Value::Null).remove(0);
        let answer = answer_at_server(&scene, &id);
        assert_eq!(answer.result.as_deref(), Some("{}"));
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn notifications_of_the_server_reach_the_host() {
    let mut scene = Scene::open();
    let id = scene.bridge.request(
        "tools/call",
        json!({ "name": "notify", "arguments": { "count": 2, "list_changed": true } }),
    );
    for number in 1..=2 {
        let said = scene.bridge.incoming("notifications/message");
        assert_eq!(said["params"]["data"]["number"], number);
    }
    for kind in ["tools", "resources", "prompts"] {
        let method = format!("notifications/{kind}/list_changed");
        assert_eq!(scene.bridge.incoming(&method).get("params"), None);
    }
    scene.bridge.answer(id);
    let uri = "playground://greeting";
    scene
        .bridge
        .call("resources/subscribe", json!({ "uri": uri }));
    scene.playground.resource_updated(uri);
    let updated = scene.bridge.incoming("notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], uri);
    scene
        .bridge
        .call("resources/unsubscribe", json!({ "uri": uri }));
    scene.playground.resource_updated(uri);
    scene.goes_on();
    scene.close();
}

#[test]
fn what_the_server_says_before_an_answer_comes_before_it() {
    let mut scene = Scene::open();
    let call = json!({ "name": "notify", "arguments": { "count": 50 } });
    let id = scene.bridge.request("tools/call", call);
    for number in 1..=50 {
        let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
        assert_eq!(line["params"]["data"]["number"], number, "{line}");
    }
    let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(line["id"], json!(id));
}

#[test]
fn a_question_ends_with_the_call_that_asked_it() {
    let mut scene = Scene::open();
    let (call, question) = asked(&mut scene, "ask", json!({}), "elicitation/create");
    scene.bridge.send(
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": call } }),
    );
    let withdrawn = scene.bridge.incoming("notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    // An answer that comes all the same goes nowhere.
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "cancel" } }));
    scene.goes_on();
    let (_, playground) = scene.close();
    assert_eq!(playground.answers(), []);
    assert!(playground.cancellations()[0].was_running);
}

#[test]
fn the_server_can_withdraw_its_question() {
    let mut scene = Scene::open();
    let id = scene
        .playground
        .request("roots/list", Value::Null)
        .remove(0);
    let question = scene.bridge.incoming("roots/list");
    let request_id: Value = serde_json::from_str(&id).unwrap();
    scene.playground.notify(
        "notifications/cancelled",
        json!({ "requestId": request_id, "reason": "too late" }),
    );
    let withdrawn = scene.bridge.incoming("notifications/cancelled");
    assert_eq!(
        withdrawn["params"],
        json!({ "requestId": question["id"], "reason": "too late" })
    );
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } }));
    scene.goes_on();
    assert_eq!(scene.playground.answers(), []);
}

#[test]
fn an_answer_that_is_none_fails_the_question_at_the_server() {
    let mut scene = Scene::open();
    for wrong in [
        r#""result":{},"error":{"code":1,"message":"m"}"#,
        r#""results":{}"#,
    ] {
        let id = scene
            .playground
            .request("roots/list", Value::Null)
            .remove(0);
        let question = scene.bridge.incoming("roots/list")["id"].take();
        scene
            .bridge
            .send_line(&format!(r#"{{"jsonrpc":"2.0","id":{question},{wrong}}}"#));
        assert_eq!(
            error_code(&answer_at_server(&scene, &id)),
            -32603,
            "{wrong}"
        );
    }
}

#[test]
fn a_server_that_answers_with_json_asks_on_the_standing_stream() {
    let settings = Settings {
        answers: playground::Answers::Json,
        ..Settings::open()
    };
    let mut scene = Scene::started(settings, &[]);
    // The call comes right after the opening: the standing stream must be there before it.
    scene
        .bridge
        .initialize(NEWEST, json!({ "elicitation": {} }));
    let (call, question) = asked(&mut scene, "ask", json!({}), "elicitation/create");
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } }));
    let answer = scene.bridge.answer(call);
    assert_eq!(
        answer["result"]["content"][0]["text"],
        r#"{"action":"decline"}"#
    );
    let requests = scene.requests(|request| is_get(request) || request.calls("tools/call"));
    assert!(is_get(&requests[0]));
}
