//! Payloads pass byte for byte, whatever JSON allows, and in any size.

use playground::{Fault, Settings, Then};
use serde_json::{Value, json};

use crate::support::scene::{NEWEST, Scene, everything};

/// Texts that a program would change by reading them into values and writing them again.
const DELICATE: [&str; 12] = [
    r#"{"number":1.0}"#,
    r#"{"number":1e400,"small":-0.0,"exponent":1E+2}"#,
    r#"{"number":12345678901234567890,"negative":-98765432109876543210}"#,
    r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
    r#"{"twice":1,"twice":2}"#,
    r#"{"":null,"proto":{"__proto__":[]}}"#,
    r#"{"half":"\ud800","other":"\udc00x","\ud801":1}"#,
    r#"{"escapes":"\/\u0041\b\f\n\r\t\"\\"}"#,
    "{\"separators\":\"\u{2028}\u{2029}\",\"nul\":\"\\u0000\",\"mark\":\"\u{feff}\"}",
    r#"{"text":"Zürich 東京 🦀"}"#,
    r#"{ "blanks" :	[ 1 ,2 ] }"#,
    r#"{"method":"ping","id":9,"jsonrpc":"1.0","result":{},"error":{"id":3}}"#,
];

/// Calls `echo` with these arguments, as text; gives the line of the answer.
fn echo(scene: &mut Scene, arguments: &str) -> String {
    scene.bridge.send_line(&format!(
        r#"{{"jsonrpc":"2.0","id":"e","method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
    ));
    scene.bridge.line()
}

#[test]
fn whatever_json_allows_passes_unchanged_both_ways() {
    for form in [Then::AsJson, Then::AsSse] {
        let mut scene = Scene::open();
        let fault = Fault::mcp().rpc("tools/call").always();
        scene.playground.fault(fault.then(form));
        for arguments in DELICATE {
            let answer = echo(&mut scene, arguments);
            let sent = scene.posts("tools/call").pop().unwrap().text();
            let sent_arguments = format!(r#""arguments":{arguments}}}}}"#);
            assert!(sent.ends_with(&sent_arguments), "{sent}");
            let expected = format!(r#","structuredContent":{arguments}}}}}"#);
            assert!(answer.ends_with(&expected), "{answer}");
            assert!(
                answer.starts_with(r#"{"jsonrpc":"2.0","id":"e","#),
                "{answer}"
            );
        }
    }
}

#[test]
fn only_the_id_of_a_message_changes() {
    let mut scene = Scene::open();
    let line = r#" {"x-trace":[1.0, 2],"params" : {"level":"info","_meta":{"vendor/x":1e400}} ,"method":"logging/setLevel","id" : "a\u0062", "jsonrpc":"2.0"} "#;
    scene.bridge.send_line(line);
    assert_eq!(
        scene.bridge.line(),
        r#"{"jsonrpc":"2.0","id":"a\u0062","result":{}}"#
    );
    let sent = scene.posts("logging/setLevel").remove(0).text();
    let (before, after) = line.split_once(r#""a\u0062""#).unwrap();
    let id = sent
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after));
    assert!(id.is_some_and(|id| id.parse::<u64>().is_ok()), "{sent}");
}

#[test]
fn notifications_pass_unchanged_both_ways() {
    let mut scene = Scene::open();
    let line = r#"{"method":"notifications/vendor","params":{"n":1.0,"a":1e400},"jsonrpc":"2.0"}"#;
    scene.bridge.send_line(line);
    let arrived = scene
        .playground
        .wait_for_answered(|request| request.calls("notifications/vendor"));
    assert_eq!((arrived.text().as_str(), arrived.status), (line, Some(202)));

    let params = json!({ "z": 1.0, "a": 12345678901234567890_u64 });
    scene.playground.notify("notifications/vendor", params);
    let line = scene.bridge.line();
    let expected: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(expected["method"], "notifications/vendor");
    assert!(
        line.contains(r#""a":12345678901234567890,"z":1.0"#),
        "{line}"
    );
}

#[test]
fn methods_that_nobody_knows_go_to_the_server_and_its_answer_comes_back() {
    let mut scene = Scene::open();
    let answer = scene.bridge.call("vendor/thing", json!({ "x": 1 }));
    assert_eq!(answer["error"]["code"], -32601);
    assert_eq!(
        answer["error"]["message"],
        "there is no method `vendor/thing`"
    );
    assert_eq!(
        answer["error"].get("data"),
        None,
        "nothing is added: {answer}"
    );
    assert_eq!(scene.posts("vendor/thing").len(), 1);
}

#[test]
fn nesting_of_500_levels_passes() {
    let mut scene = Scene::open();
    let arguments = format!(r#"{{"deep":{}{}}}"#, "[".repeat(497), "]".repeat(497));
    let answer = echo(&mut scene, &arguments);
    assert!(
        answer.ends_with(&format!(r#","structuredContent":{arguments}}}}}"#)),
        "{answer}"
    );
}

#[test]
fn an_argument_of_several_megabytes_passes_both_ways() {
    let mut scene = Scene::open();
    let text = "0123456789äöü\\n".repeat(300_000);
    let arguments = format!(r#"{{"text":"{text}"}}"#);
    let answer = echo(&mut scene, &arguments);
    assert!(answer.ends_with(&format!(r#","structuredContent":{arguments}}}}}"#)));
    let sent = scene.posts("tools/call").remove(0).text();
    assert!(sent.ends_with(&format!(r#""arguments":{arguments}}}}}"#)));
}

#[test]
fn a_result_of_20_megabytes_passes_as_json_and_as_a_stream() {
    for form in [Then::AsJson, Then::AsSse] {
        let mut scene = Scene::open();
        let fault = Fault::mcp().rpc("tools/call");
        scene.playground.fault(fault.then(form));
        let arguments = json!({ "name": "big", "arguments": { "bytes": 20_000_000 } });
        scene.bridge.request("tools/call", arguments);
        let line = scene.bridge.line();
        assert!(line.len() > 20_000_000, "{}", line.len());
        assert!(line.ends_with(r#"abcdef","type":"text"}]}}"#));
        scene.goes_on();
    }
}

#[test]
fn a_pretty_printed_answer_becomes_one_line() {
    let mut scene = Scene::open();
    // Ids of the bridge count its messages; this learns the next one.
    scene.bridge.call("prompts/list", json!({}));
    let id = scene.posts("prompts/list")[0].json()["id"]
        .as_u64()
        .unwrap()
        + 1;
    let body = format!(
        "{{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": {id},\n  \"result\": {{\n    \"tools\": []\n  }}\n}}\n"
    );
    scene.playground.fault(
        Fault::mcp().rpc("tools/list").then(
            Then::answer(200)
                .header("Content-Type", "Application/JSON; charset=utf-8")
                .body(body),
        ),
    );
    let asked = scene.bridge.request("tools/list", json!({}));
    let line = scene.bridge.line();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        answer,
        json!({ "jsonrpc": "2.0", "id": asked, "result": { "tools": [] } })
    );
    assert!(!line.contains('\r'), "{line}");
}

#[test]
fn pages_of_a_list_pass_with_their_cursors() {
    let settings = Settings {
        page_size: Some(4),
        ..Settings::open()
    };
    let mut scene = Scene::opened(settings, NEWEST, everything(), &[]);
    let mut names = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let params = match &cursor {
            Value::Null => json!({}),
            cursor => json!({ "cursor": cursor }),
        };
        let mut result = scene.bridge.call("tools/list", params)["result"].take();
        let tools = result["tools"].as_array().unwrap().iter();
        names.extend(tools.map(|tool| tool["name"].as_str().unwrap().to_owned()));
        cursor = result["nextCursor"].take();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((names.len(), scene.posts("tools/list").len()), (13, 4));
}
