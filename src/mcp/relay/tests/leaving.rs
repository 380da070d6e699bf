//! What is still owed to an AI client that has said its last.

use super::*;

fn request(id: u64, bytes: usize) -> String {
    let filling = "x".repeat(bytes);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x","arguments":{{"a":"{filling}"}}}}}}"#
    )
}

fn retryable(line: &str) -> bool {
    assert_eq!(code(line), -32603, "{line}");
    let error = message(line);
    let data = error.body_member("data").unwrap();
    let bridge = jsonrpc::member(data, "bridge").unwrap();
    jsonrpc::member(bridge, "retryable") == Some("true")
}

#[test]
fn a_client_that_speaks_on_before_the_answer_to_initialize_gets_all_answers() {
    for said in [
        INITIALIZED.to_owned(),
        call("1"),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
    ] {
        let mut scene = Scene::new();
        scene.host(&initialize(0, "2025-11-25", "{}"));
        assert!(!scene.relay.awaits_all());
        scene.host(&said);
        assert!(scene.relay.awaits_all(), "{said}");
        let (opening, _) = scene.sent();
        scene.reply(opening, &initialized_result(opening, "2025-11-25", "{}"));
        assert!(scene.relay.awaits_all(), "{said}");
    }
}

#[test]
fn a_client_that_waits_for_the_answer_to_initialize_is_not_awaited_for_long() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    for said in [
        r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":0}}"#,
        "not even JSON",
        r#"{"jsonrpc":"2.0","id":"br-7","result":{}}"#,
    ] {
        scene.host(said);
        assert!(!scene.relay.awaits_all(), "{said}");
    }
    let mut open = Scene::open();
    open.host(&call("1"));
    assert!(!open.relay.awaits_all());
}

#[test]
fn notifications_are_held_only_for_a_session_that_is_on_its_way() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let mut scene = Scene::new();
    scene.host(changed);
    assert!(!scene.relay.is_holding());
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (opening, _) = scene.sent();
    scene.host(changed);
    assert!(scene.relay.is_holding());
    scene.reply(opening, &initialized_result(opening, "2025-11-25", "{}"));
    scene.told();
    // Nobody says that the session is open, if the client has said its last.
    assert!(!scene.relay.is_holding());
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    assert!(scene.relay.is_holding());
    scene.remote(announced, Event::Accepted);
    assert!(!scene.relay.is_holding());
    scene.standing();
    assert_eq!(scene.sent().1, changed);

    let mut open = Scene::open();
    open.host(&call("1"));
    let (exchange, _) = open.sent();
    open.remote(exchange, Event::SessionLost);
    open.host(changed);
    assert!(open.relay.is_holding());
}

#[test]
fn a_client_that_starts_afresh_is_judged_afresh() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    scene.host(INITIALIZED);
    assert!(scene.relay.awaits_all());
    scene.host(&initialize(1, "2025-11-25", "{}"));
    assert!(!scene.relay.awaits_all());
}

#[test]
fn a_server_that_asks_a_client_that_has_ended_its_input_is_told_so() {
    let ask = r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}"#;
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (exchange, _) = scene.sent();
    scene.says(exchange, ask);
    assert!(scene.told().contains("br-"));
    scene.relay.host_ended(scene.now);
    scene.effects.extend(scene.relay.take_effects());
    let (_, refusal) = scene.sent();
    assert!(refusal.contains(r#""id":"q""#), "{refusal}");
    assert_eq!(code(&refusal), -32603);
    scene.says(exchange, &ask.replace("\"q\"", "\"r\""));
    let (_, refusal) = scene.sent();
    assert!(refusal.contains(r#""id":"r""#), "{refusal}");
    scene.nothing();
}

#[test]
fn one_request_too_many_is_refused_and_the_next_taken_when_one_is_answered() {
    let mut scene = Scene::open();
    let mut last = 0;
    for id in 1..=REQUEST_LIMIT as u64 {
        scene.host(&request(id, 1));
        last = scene.sent().0;
    }
    scene.host(&request(5000, 1));
    assert!(retryable(&scene.told()));
    // Whatever helps still gets through.
    scene.host(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert!(scene.told().contains(r#""id":"p""#));
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert!(scene.sent().1.contains("notifications/cancelled"));
    scene.aborted();
    scene.host(&request(5001, 1));
    scene.sent();
    scene.host(&request(5002, 1));
    assert!(retryable(&scene.told()));
    scene.reply(
        last,
        &format!(r#"{{"jsonrpc":"2.0","id":{last},"result":{{}}}}"#),
    );
    scene.told();
    scene.host(&request(5003, 1));
    scene.sent();
    scene.nothing();
}

#[test]
fn requests_are_counted_by_their_bytes_too_and_a_single_one_may_be_as_large_as_it_is() {
    let mut scene = Scene::open();
    scene.host(&request(1, REQUEST_BYTES));
    let (large, _) = scene.sent();
    scene.host(&request(2, 1));
    assert!(retryable(&scene.told()));
    scene.reply(
        large,
        &format!(r#"{{"jsonrpc":"2.0","id":{large},"result":{{}}}}"#),
    );
    scene.told();
    scene.host(&request(3, 1));
    scene.sent();
    scene.nothing();
}

#[test]
fn a_server_that_takes_no_notifications_makes_nothing_pile_up() {
    let mut scene = Scene::open();
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let mut sent = 0;
    for _ in 0..2 * REQUEST_LIMIT {
        scene.host(progress);
        sent += usize::from(matches!(scene.next(), Some(Effect::Send(_))));
    }
    assert_eq!(sent, REQUEST_LIMIT);
    // A request that is cancelled then is ended all the same.
    scene.host(&call("1"));
    let (exchange, _) = scene.sent();
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(scene.aborted(), exchange);
    scene.nothing();
}

#[test]
fn a_large_answer_is_passed_on_without_a_copy() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (exchange, _) = scene.sent();
    let filling = "y".repeat(crate::mcp::line::SMALL);
    let answer = message(&format!(
        r#"{{"jsonrpc":"2.0","id":{exchange},"result":{{"a":"{filling}"}}}}"#
    ));
    let lies_at = answer.body().as_ptr();
    scene.remote(exchange, Event::Reply(answer));
    let Some(Effect::ToHost(line)) = scene.next() else {
        panic!("no answer");
    };
    let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":"{filling}"}}}}"#);
    assert!(line.to_vec() == expected.as_bytes());
    let inside = |piece: &Bytes| piece.as_ptr_range().contains(&lies_at);
    assert!(line.pieces().iter().any(inside));
}
