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
fn a_request_that_takes_too_long_is_cancelled_at_the_server_and_answered() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.says(
        number,
        r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}"#,
    );
    let question = scene.told();
    let failure = Failure::new(Stage::Http, true, "gave up");
    scene.remote(number, Event::GivenUp(failure));
    let (_, body) = scene.sent();
    assert!(
        body.contains("notifications/cancelled")
            && body.contains(&format!("\"requestId\":{number},")),
        "{body}"
    );
    let withdrawn = scene.told();
    let asked = message(&question).id().unwrap().to_string();
    assert!(
        withdrawn.contains("notifications/cancelled") && withdrawn.contains(&asked),
        "{withdrawn}"
    );
    let answer = scene.told();
    assert!(
        answer.contains("\"id\":7") && answer.contains("gave up"),
        "{answer}"
    );
    scene.nothing();
}

#[test]
fn initialize_that_takes_too_long_is_not_cancelled() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (number, _) = scene.sent();
    scene.remote(
        number,
        Event::GivenUp(Failure::new(Stage::Http, true, "gave up")),
    );
    assert!(scene.told().contains("gave up"));
    scene.nothing();
}
