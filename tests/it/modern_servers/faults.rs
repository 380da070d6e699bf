//! Servers that are busy, broken or odd.

use playground::{Fault, Settings, Then};
use serde_json::json;

use super::*;
use crate::support::scene::{detail, kind};

fn json_answer(status: u16, body: &str) -> Then {
    Then::answer(status)
        .header("Content-Type", "application/json")
        .body(body)
        .into()
}

#[test]
fn a_busy_server_is_waited_for_and_nothing_runs_twice() {
    let mut scene = open(Settings::open_stateless());
    for (serial, status) in [(1, 429), (2, 503)] {
        let busy = Then::answer(status).header("Retry-After", "1");
        scene
            .playground
            .fault(Fault::mcp().rpc("tools/call").times(2).then(busy));
        let result = scene.bridge.tool("book", json!({ "serial": serial }));
        assert_eq!(result["content"][0]["text"], format!("serial {serial}"));
        assert_eq!(scene.playground.executions(serial), 1);
    }
}

#[test]
fn garbage_becomes_an_error_that_says_so() {
    let mut scene = open(Settings::open_stateless());
    scene.bridge.call("tools/list", json!({}));
    let page = "<html><body>maintenance</body></html>";
    let of_nobody = r#"{"jsonrpc":"2.0","id":"somebody-else","result":{}}"#;
    for then in [
        Then::answer(200)
            .header("Content-Type", "text/html")
            .body(page)
            .into(),
        json_answer(200, "{"),
        json_answer(200, "[]"),
        json_answer(200, of_nobody),
        json_answer(202, ""),
        json_answer(204, ""),
        Then::answer(500).body(page).into(),
        Then::answer(413).body(page).into(),
    ] {
        scene
            .playground
            .fault(Fault::mcp().rpc("tools/call").then(then));
        let params = json!({ "name": "book", "arguments": { "serial": 7 } });
        let answer = scene.bridge.call("tools/call", params);
        assert!(["http", "protocol"].contains(&kind(&answer).0), "{answer}");
        assert!(!detail(&answer).contains('<'), "{answer}");
    }
    scene.goes_on();
    assert_eq!(scene.playground.executions(7), 0);
}

#[test]
fn arrays_and_session_ids_are_put_up_with() {
    let mut scene = open(Settings::open_stateless());
    // The first answer to each carries what the revision has no more.
    let odd = Then::edit(|body| *body = json!([body.clone()]));
    scene
        .playground
        .fault(Fault::mcp().rpc("prompts/list").then(odd));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(
        answer["result"]["prompts"].as_array().map(Vec::len),
        Some(2)
    );
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#;
    let session = Then::answer(200)
        .header("Content-Type", "application/json")
        .header("Mcp-Session-Id", "secret")
        .body(body);
    scene
        .playground
        .fault(Fault::mcp().rpc("prompts/list").then(session));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(answer["error"]["code"], -32000, "{answer}");
    scene.goes_on();
    let with = scene.requests(|request| request.header("mcp-session-id").is_some());
    assert!(with.is_empty());
}

#[test]
fn statuses_mean_what_they_say_while_the_server_is_what_it_was() {
    let mut scene = open(Settings::open_stateless());
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no such method"}}"#;
    let fault = |then: Then| Fault::mcp().rpc("prompts/list").then(then);
    scene.playground.fault(fault(json_answer(404, error)));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    for status in [404, 405, 410, 400] {
        let from = scene.playground.requests().len();
        scene.playground.fault(fault(Then::answer(status).into()));
        let answer = scene.bridge.call("prompts/list", json!({}));
        assert_eq!(kind(&answer).2, Some(u64::from(status)), "{answer}");
        assert_eq!(
            methods(&scene.playground, from),
            ["prompts/list", "server/discover"]
        );
    }
    for (code, told) in [
        (-32020, -32603),
        (-32021, -32603),
        (-32022, -32603),
        (-32602, -32602),
    ] {
        let error = json!({ "code": code, "message": "m", "data": { "x": 1 } });
        let body = json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
        scene.playground.fault(fault(json_answer(400, &body)));
        let answer = scene.bridge.call("prompts/list", json!({}));
        assert_eq!(answer["error"]["code"], told, "{answer}");
    }
    let answer = scene.bridge.call("vendor/unknown", json!({}));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    let answer = scene
        .bridge
        .call("resources/read", json!({ "uri": "playground://none" }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[test]
fn a_server_that_may_not_ask_is_not_answered() {
    let mut scene = open(Settings::open_stateless());
    let stream = "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"roots/list\"}\n\n\
                  data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n\
                  data: {\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"end\"}}\n\n";
    let asking = Then::answer(200)
        .header("Content-Type", "text/event-stream")
        .body(stream);
    scene
        .playground
        .fault(Fault::mcp().rpc("prompts/list").then(asking));
    let answer = scene.bridge.call("prompts/list", json!({}));
    assert_eq!(answer["error"]["message"], "end", "{answer}");
    scene.goes_on();
    assert!(!scene.bridge.has_come("roots/list"));
    let responses = scene.requests(|request| request.json().get("result").is_some());
    assert!(responses.is_empty());
}
