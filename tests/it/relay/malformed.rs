//! Lines of the host that are no messages, or not the kind that may come (JSON-RPC 2.0 §4 to §6).

use playground::Settings;
use serde_json::{Value, json};

use crate::support::scene::{REVISIONS, Scene, opening};

/// Lines that are answered with an error: the code, and the id where one can be made out.
const REFUSED: [(&str, i64, Option<&str>); 22] = [
    ("hello", -32700, None),
    ("Content-Length: 20", -32700, None),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, -32700, None),
    (r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#, -32700, None),
    ("3", -32600, None),
    (r#""x""#, -32600, None),
    ("null", -32600, None),
    ("[]", -32600, None),
    (r#"{}"#, -32600, None),
    (r#"{"id":5,"method":"ping"}"#, -32600, Some("5")),
    (
        r#"{"jsonrpc":"1.0","id":"s","method":"ping"}"#,
        -32600,
        Some("\"s\""),
    ),
    (
        r#"{"jsonrpc":2.0,"id":5,"method":"ping"}"#,
        -32600,
        Some("5"),
    ),
    (
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#,
        -32600,
        None,
    ),
    (
        r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
        -32600,
        None,
    ),
    (r#"{"jsonrpc":"2.0","id":6}"#, -32600, Some("6")),
    (r#"{"jsonrpc":"2.0","id":6,"method":7}"#, -32600, Some("6")),
    (
        r#"{"jsonrpc":"2.0","id":6,"method":"tools/list","params":[1]}"#,
        -32602,
        Some("6"),
    ),
    (
        r#"{"jsonrpc":"2.0","id":6,"method":"tools/list","params":"x"}"#,
        -32602,
        Some("6"),
    ),
    (
        r#"{"jsonrpc":"2.0","id":6,"method":"tools/list","params":null}"#,
        -32602,
        Some("6"),
    ),
];

/// Lines that are never answered.
const SILENT: [&str; 9] = [
    "",
    " \t ",
    r#"{"jsonrpc":"2.0","id":"nobody asked","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":"br-1","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":"x","result":{},"error":{"code":1,"message":"m"}}"#,
    r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
    r#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/vendor","params":[1]}"#,
    r#"{"jsonrpc":"1.0","method":"notifications/vendor"}"#,
];

/// The next line is this error; without an id it is written as the revision has it.
fn expect_error(scene: &mut Scene, version: Option<&str>, what: &str, code: i64, id: Option<&str>) {
    let line = scene.bridge.line();
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(error["error"]["code"], code, "{what}: {line}");
    assert!(error["error"]["message"].is_string(), "{what}: {line}");
    let start = match (id, version) {
        (Some(id), _) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error""#),
        (None, Some("2025-11-25")) => r#"{"jsonrpc":"2.0","error""#.to_owned(),
        (None, _) => r#"{"jsonrpc":"2.0","id":null,"error""#.to_owned(),
    };
    assert!(line.starts_with(&start), "{what} at {version:?}: {line}");
}

fn sent_upstream(scene: &Scene) -> usize {
    scene.requests(|request| request.method == "POST").len()
}

#[test]
fn each_malformed_line_is_answered_as_json_rpc_demands() {
    let mut scene = Scene::started(Settings::open(), &[]);
    for (line, code, id) in REFUSED {
        scene.bridge.send_line(line);
        expect_error(&mut scene, None, line, code, id);
    }
    assert_eq!(scene.playground.requests().len(), 0);
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        let before = sent_upstream(&scene);
        for (line, code, id) in REFUSED {
            scene.bridge.send_line(line);
            expect_error(&mut scene, Some(version), line, code, id);
        }
        assert_eq!(sent_upstream(&scene), before, "{version}");
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn responses_nobody_awaits_and_malformed_notifications_are_not_answered() {
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        let before = sent_upstream(&scene);
        for line in SILENT {
            scene.bridge.send_line(line);
            // The next line that comes answers the ping after it.
            scene
                .bridge
                .send_line(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
            let expected = r#"{"jsonrpc":"2.0","id":"p","result":{}}"#;
            assert_eq!(scene.bridge.line(), expected, "{line}");
        }
        assert_eq!(sent_upstream(&scene), before, "{version}");
        scene.close();
    }
}

#[test]
fn an_array_is_one_error_where_there_are_no_batches() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#;
    for version in ["2025-06-18", "2025-11-25"] {
        let mut scene = Scene::speaking(version);
        let before = sent_upstream(&scene);
        scene.bridge.send_line(batch);
        expect_error(&mut scene, Some(version), batch, -32600, None);
        scene.bridge.call("ping", json!({}));
        assert_eq!(sent_upstream(&scene), before, "nothing of it is executed");
        scene.close();
    }
}

#[test]
fn bytes_that_are_not_utf8_are_a_parse_error_and_the_next_line_works() {
    let mut scene = Scene::open();
    scene
        .bridge
        .send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\xff\"}\n");
    expect_error(&mut scene, Some("2025-11-25"), "0xff", -32700, None);
    scene.goes_on();
}

#[test]
fn nesting_beyond_what_is_let_through_is_a_parse_error() {
    let mut scene = Scene::open();
    for depth in [511, 100_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        scene.bridge.send_line(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{{"a":{open}{close}}}}}"#
        ));
        expect_error(&mut scene, Some("2025-11-25"), "deep", -32700, None);
    }
    scene.goes_on();
}

#[test]
fn an_id_in_use_is_refused_and_the_first_request_goes_on() {
    let mut scene = Scene::open();
    let call = r#"{"jsonrpc":"2.0","id":"twice","method":"tools/call","params":{"name":"slow","arguments":{"wait":true}}}"#;
    scene.bridge.send_line(call);
    scene.bridge.send_line(call);
    expect_error(&mut scene, None, call, -32600, Some("\"twice\""));
    // `1` and `"1"` are two ids.
    scene.bridge.send_line(&call.replace("\"twice\"", "\"1\""));
    scene.bridge.send_line(&call.replace("\"twice\"", "1"));
    scene.playground.wait_for(|requests| {
        let calls = requests.iter().filter(|r| r.calls("tools/call")).count();
        (calls == 3).then_some(())
    });
    for _ in 0..3 {
        scene.playground.release_slow();
    }
    for id in [json!("twice"), json!("1"), json!(1)] {
        let answer = scene.bridge.message(|message| message["id"] == id);
        assert!(answer["result"].is_object(), "{answer}");
    }
    scene.close();
}

#[test]
fn before_initialize_only_ping_works() {
    let mut scene = Scene::started(Settings::open(), &[]);
    assert_eq!(scene.bridge.call("ping", json!({}))["result"], json!({}));
    let refused = scene.bridge.call("tools/list", json!({}));
    assert_eq!(refused["error"]["code"], -32602);
    let discover = scene.bridge.call("server/discover", json!({}));
    // It has to say which revision it is of.
    assert_eq!(discover["error"]["code"], -32602);
    for wrong in [
        json!({}),
        json!({ "protocolVersion": 1, "capabilities": {}, "clientInfo": {} }),
        json!({ "protocolVersion": "2025-11-25", "capabilities": [], "clientInfo": {} }),
        json!({ "protocolVersion": "2025-11-25", "capabilities": {} }),
    ] {
        let answer = scene.bridge.call("initialize", wrong);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    scene.bridge.call("ping", json!({}));
    assert_eq!(scene.playground.requests().len(), 0);
}

#[test]
fn a_line_over_the_limit_is_refused_and_the_next_one_works() {
    const LIMIT: usize = 64 * 1024 * 1024;
    let mut scene = Scene::open();
    let part = vec![b'x'; 1024 * 1024];
    scene.bridge.send_bytes(b"\"");
    for _ in 0..LIMIT / part.len() {
        scene.bridge.send_bytes(&part);
    }
    scene.bridge.send_bytes(b"\"\n");
    let line = scene.bridge.line();
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(error["error"]["code"], -32600, "{line}");
    let bridge = &error["error"]["data"]["bridge"];
    assert_eq!(bridge["detail"], "message too large", "{line}");
    scene.goes_on();
    scene.close();
}

#[test]
fn carriage_returns_a_byte_order_mark_and_blank_lines_are_no_part_of_messages() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": opening("2025-11-25", json!({})) });
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let input = format!("\u{feff}{initialize}\r\n\r\n\n{initialized}\r\n");
    scene.bridge.send_bytes(input.as_bytes());
    assert!(scene.bridge.answer(0)["result"].is_object());
    scene.goes_on();
    assert!(scene.posts("initialize")[0].body.starts_with(b"{"));
    assert!(
        scene.posts("notifications/initialized")[0]
            .body
            .ends_with(b"}")
    );
}
