//! What a server wants to know before it answers, and the heads of requests.

use playground::Settings;
use serde_json::json;

use super::*;

fn respond(bridge: &mut Bridge, asked: &Value, result: Value) {
    bridge.send(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }));
}

#[test]
fn everything_is_asked_at_once_and_handed_in_round_for_round() {
    let mut scene = open(Settings::open_stateless());
    let bridge = &mut scene.bridge;
    let params = json!({
        "name": "interview", "arguments": { "rounds": 3 }, "_meta": { "progressToken": "p" },
    });
    let id = bridge.request("tools/call", params);
    let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
    let said = json!({
        "role": "assistant", "content": { "type": "text", "text": "here" }, "model": "m",
    });
    for _ in 0..3 {
        let roots = bridge.incoming("roots/list");
        let form = bridge.incoming("elicitation/create");
        let sample = bridge.incoming("sampling/createMessage");
        respond(bridge, &sample, said.clone());
        respond(bridge, &form, accepted.clone());
        respond(bridge, &roots, json!({ "roots": [{ "uri": "file:///x" }] }));
    }
    let answer = bridge.answer(id);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let last: Value = serde_json::from_str(text).unwrap();
    assert_eq!(last["who"], accepted);
    assert_eq!(last["where"], said);
    assert_eq!(last["roots"]["roots"][0]["uri"], "file:///x");
    // Each leg counts anew; the client sees it rise.
    let mut before = 0;
    while let Some(told) = bridge.came("notifications/progress") {
        let progress = told["params"]["progress"].as_u64().unwrap();
        assert!(progress > before, "{progress} after {before}");
        before = progress;
    }
    assert_eq!(before, 4);
    let calls = scene.posts("tools/call");
    let ids: std::collections::BTreeSet<String> = calls
        .iter()
        .map(|call| call.json()["id"].to_string())
        .collect();
    assert_eq!((calls.len(), ids.len()), (4, 4));
}

#[test]
fn a_server_that_only_wants_to_be_asked_again_is() {
    let mut scene = open(Settings::open_stateless());
    let arguments = json!({ "rounds": 2, "silent": true });
    let result = scene.bridge.tool("interview", arguments);
    assert_eq!(result["content"][0]["text"], "{}");
    let endless = json!({ "rounds": 11, "silent": true });
    let params = json!({ "name": "interview", "arguments": endless });
    let answer = scene.bridge.call("tools/call", params);
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
}

#[test]
fn a_call_that_is_cancelled_takes_back_its_form() {
    let mut scene = open(Settings::open_stateless());
    let params = json!({ "name": "ask", "arguments": {} });
    let id = scene.bridge.request("tools/call", params);
    let asked = scene.bridge.incoming("elicitation/create");
    let cancelled = json!({ "requestId": id });
    scene.bridge.send(
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }),
    );
    let told = scene.bridge.incoming("notifications/cancelled");
    assert_eq!(told["params"]["requestId"], asked["id"]);
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    respond(&mut scene.bridge, &asked, answer);
    scene.goes_on();
    assert_eq!(scene.posts("tools/call").len(), 2);
}

#[test]
fn heads_say_what_bodies_say_in_all_spellings() {
    let mut scene = open(Settings::open_stateless());
    let listed = scene.bridge.call("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap();
    let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
    assert!(has("region") && !has("misannotated"), "{listed}");
    for arguments in [
        r#"{"region":"Zürich","place":{"floor":1e2},"urgent":true}"#,
        r#"{"region":" padded ","place":{"floor":100.0},"urgent":false}"#,
        r#"{"region":"a\tb\r\nX-Evil: 1","place":{"floor":-7}}"#,
        r#"{"region":"=?base64?x?=","place":{"floor":null}}"#,
        r#"{"region":"","place":{}}"#,
        r#"{"region":null,"urgent":null}"#,
        r#"{"place":{"floor":9007199254740991}}"#,
        "{}",
    ] {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":"h","method":"tools/call","params":{{"name":"region","arguments":{arguments}}}}}"#
        );
        scene.bridge.send_line(&line);
        let answer = scene.bridge.message(|message| message["id"] == "h");
        assert_eq!(
            answer["result"]["content"][0]["text"], arguments,
            "{answer}"
        );
    }
    for (tool, arguments) in [
        ("misannotated", json!({ "weight": 1.5 })),
        ("region", json!({ "place": { "floor": 1.5 } })),
    ] {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = scene.bridge.call("tools/call", params);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[test]
fn a_head_that_has_become_wrong_is_made_anew() {
    let mut scene = open(Settings::open_stateless());
    let call = |scene: &mut Scene| {
        let result = scene.bridge.tool("region", json!({ "region": "eu" }));
        assert_eq!(result["structuredContent"]["region"], "eu");
    };
    call(&mut scene);
    scene
        .playground
        .change(|settings| settings.region_header = "Area".into());
    let from = scene.playground.requests().len();
    call(&mut scene);
    assert_eq!(
        methods(&scene.playground, from),
        ["tools/call", "tools/list", "tools/call"]
    );
    let last = scene.posts("tools/call").pop().unwrap();
    assert_eq!(last.header("mcp-param-area"), Some("eu"));
}
