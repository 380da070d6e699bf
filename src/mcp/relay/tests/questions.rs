//! What the server asks and tells on its own.

use super::*;

#[test]
fn a_question_goes_to_the_client_and_its_answer_back() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (number, _) = scene.sent();
    let ask = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{"maxTokens":1.0}}}}"#
        )
    };
    scene.says(number, &ask("0"));
    let line = scene.told();
    let id = message(&line).id().unwrap().clone();
    assert_eq!(line, ask(id.as_json()));
    // The same id on another stream is another question.
    scene.says(3, &ask("0"));
    assert_ne!(message(&scene.told()).id().unwrap(), &id);
    scene.host(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":1.0}}}}"#
    ));
    assert_eq!(
        scene.sent().1,
        r#"{"jsonrpc":"2.0","id":0,"result":{"x":1.0}}"#
    );
    scene.host(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    scene.nothing();
}

#[test]
fn a_question_that_the_client_did_not_declare_is_refused() {
    let mut scene = Scene::open_as("2025-11-25", "{}");
    scene.says(3, r#"{"jsonrpc":"2.0","id":4,"method":"roots/list"}"#);
    assert_eq!(code(&scene.sent().1), -32601);
    scene.says(3, r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#);
    assert_eq!(scene.sent().1, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
    scene.nothing();
}

#[test]
fn an_invalid_answer_to_a_question_fails_it_at_the_server() {
    let mut scene = Scene::open();
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    let id = message(&scene.told()).id().unwrap().clone();
    scene.host(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"error":{{}}}}"#
    ));
    assert_eq!(code(&scene.sent().1), -32603);
    scene.nothing();
}

#[test]
fn a_question_nobody_answers_lapses() {
    let mut scene = Scene::open();
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    scene.told();
    assert_eq!(scene.relay.deadline(), Some(QUESTION_LIMIT));
    scene.passes(QUESTION_LIMIT);
    assert!(scene.told().contains("notifications/cancelled"));
    assert_eq!(code(&scene.sent().1), -32603);
}

#[test]
fn the_server_can_withdraw_its_question() {
    let mut scene = Scene::open();
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    let id = message(&scene.told()).id().unwrap().clone();
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}"#,
    );
    assert_eq!(
        scene.told(),
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    );
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}"#,
    );
    scene.nothing();
}

#[test]
fn questions_of_a_cancelled_request_are_withdrawn() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (number, _) = scene.sent();
    scene.says(
        number,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    scene.told();
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    scene.sent();
    scene.aborted();
    assert!(scene.told().contains("notifications/cancelled"));
}

#[test]
fn progress_passes_only_for_requests_in_flight() {
    let mut scene = Scene::open();
    scene.host(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#,
    );
    let (number, _) = scene.sent();
    let progress = |value: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"progress":{value},"message":"m"}}}}"#
        )
    };
    scene.says(number, &progress("0.5"));
    assert_eq!(scene.told(), progress("0.5"));
    scene.says(number, &progress("0.5"));
    scene.nothing();
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
    );
    scene.told();
    scene.says(number, &progress("1"));
    scene.nothing();
}

#[test]
fn progress_for_the_first_revision_has_no_message() {
    let mut scene = Scene::open_as("2024-11-05", "{}");
    scene.host(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#,
    );
    let (number, _) = scene.sent();
    scene.says(number, r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1e0,"total":2.0,"message":"m"}}"#);
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1e0,"total":2.0}}"#
    );
}

#[test]
fn a_waiting_sign_in_shows_as_progress() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}").replace(
        "\"capabilities\"",
        "\"_meta\":{\"progressToken\":\"t\"},\"capabilities\"",
    ));
    let (first, _) = scene.sent();
    scene.remote(first, Event::SigningIn);
    assert!(
        scene
            .told()
            .contains(r#""progressToken":"t","progress":0.000001"#)
    );
    scene.remote(first, Event::SigningIn);
    assert!(scene.told().contains(r#""progress":0.000002"#));
}

#[test]
fn other_notifications_pass_byte_for_byte() {
    let mut scene = Scene::open();
    let text = r#"{"method":"notifications/vendor", "params":{"n":1e400}, "jsonrpc":"2.0"}"#;
    scene.says(3, text);
    assert_eq!(scene.told(), text);
    scene.host(text);
    assert_eq!(scene.sent().1, text);
}
