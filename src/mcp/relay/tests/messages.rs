//! Malformed messages, batches, cancellation.

use super::*;

#[test]
fn malformed_lines_are_answered_and_malformed_notifications_are_not() {
    let mut scene = Scene::open();
    scene.host("garbage");
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}"#
    );
    scene.host("[]");
    assert_eq!(code(&scene.told()), -32600);
    scene.host(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#);
    assert_eq!(code(&scene.told()), -32600);
    scene.host(r#"{"jsonrpc":"2.0","method":"x","params":[]}"#);
    scene.host(r#"{"jsonrpc":"2.0","id":77,"result":{}}"#);
    scene.host(r#"{"jsonrpc":"2.0","id":"br-77","result":{}}"#);
    scene.nothing();
}

#[test]
fn errors_without_id_have_a_null_id_for_older_clients() {
    let mut scene = Scene::open_as("2025-06-18", "{}");
    scene.host("garbage");
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#
    );
}

#[test]
fn a_batch_of_2025_03_26_is_answered_as_one() {
    let mut scene = Scene::open_as("2025-03-26", "{}");
    scene.host(&format!(
        r#"[{{"jsonrpc":"2.0","id":1,"method":"ping"}},{},7,{INITIALIZED},{}]"#,
        call("2"),
        initialize(3, "2025-03-26", "{}")
    ));
    let (number, _) = scene.sent();
    scene.nothing();
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"a":1}}}}"#),
    );
    let line = scene.told();
    let answers: Vec<serde_json::Value> = serde_json::from_str(&line).unwrap();
    assert_eq!(answers.len(), 4, "{line}");
    assert!(
        line.contains(r#"{"jsonrpc":"2.0","id":2,"result":{"a":1}}"#),
        "{line}"
    );
}

#[test]
fn a_batch_without_requests_is_not_answered() {
    let mut scene = Scene::open_as("2025-03-26", "{}");
    scene.host(&format!("[{INITIALIZED}]"));
    scene.nothing();
}

#[test]
fn a_cancelled_entry_leaves_its_batch() {
    let mut scene = Scene::open_as("2025-03-26", "{}");
    scene.host(&format!("[{},{}]", call("1"), call("2")));
    let (one, _) = scene.sent();
    let (two, _) = scene.sent();
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    scene.sent();
    assert_eq!(scene.aborted(), one);
    scene.reply(
        two,
        &format!(r#"{{"jsonrpc":"2.0","id":{two},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"[{"jsonrpc":"2.0","id":2,"result":{}}]"#);
}

#[test]
fn a_cancellation_reaches_the_server_under_the_upstream_id() {
    let mut scene = Scene::open();
    scene.host(&call("\"a\""));
    let (number, _) = scene.sent();
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"r"}}"#);
    let (_, body) = scene.sent();
    assert_eq!(
        body,
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number},"reason":"r"}}}}"#
        )
    );
    assert_eq!(scene.aborted(), number);
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
    );
    scene.nothing();
}

#[test]
fn cancelling_what_is_unknown_or_initialize_does_nothing() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    scene.sent();
    for id in ["0", "99", "null"] {
        scene.host(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#));
    }
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#);
    scene.nothing();
}

#[test]
fn a_request_that_still_waits_is_cancelled_without_a_word_to_the_server() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    scene.sent();
    scene.host(&call("1"));
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    scene.nothing();
}

#[test]
fn a_call_is_repeatable_if_the_latest_list_says_so() {
    let mut scene = Scene::open();
    assert!(!is_repeatable(&mut scene, "x"));
    reads_the_list(&mut scene);
    assert!(is_repeatable(&mut scene, "x"));
    assert!(!is_repeatable(&mut scene, "y"));
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
    );
    scene.told();
    assert!(!is_repeatable(&mut scene, "x"));
    reads_the_list(&mut scene);
    assert!(is_repeatable(&mut scene, "x"));
}

#[test]
fn a_call_that_does_no_harm_may_be_tried_again_after_the_end_of_the_session() {
    let mut scene = Scene::open();
    reads_the_list(&mut scene);
    for (tool, retryable) in [("x", true), ("y", false)] {
        is_repeatable(&mut scene, tool);
        scene.relay.close();
        let told = scene
            .relay
            .take_effects()
            .into_iter()
            .find_map(|effect| match effect {
                Effect::ToHost(line) => Some(String::from_utf8(line.to_vec()).unwrap()),
                _ => None,
            })
            .unwrap();
        assert!(
            told.contains(&format!(r#""retryable":{retryable}"#)),
            "{told}"
        );
        scene = Scene::open();
        reads_the_list(&mut scene);
    }
}

#[test]
fn a_wait_is_told_to_a_client_that_wants_to_know() {
    for (version, message) in [
        ("2025-11-25", r#","message":"it answered \"429\"""#),
        ("2024-11-05", ""),
    ] {
        let mut scene = Scene::open_as(version, "{}");
        scene.host(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":"t"}}}"#,
        );
        let (one, _) = scene.sent();
        scene.host(&call("2"));
        let (two, _) = scene.sent();
        let why = || Event::Waiting {
            why: r#"it answered "429""#.into(),
        };
        scene.remote(one, why());
        assert_eq!(
            scene.told(),
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"t","progress":0.000001{message}}}}}"#
            )
        );
        scene.remote(one, why());
        assert!(scene.told().contains(r#""progress":0.000002"#));
        // The other one did not ask for it.
        scene.remote(two, why());
        scene.nothing();
    }
}
