//! Which answer goes where.

use super::opening::awaiting_standing;
use super::*;

#[test]
fn answers_go_back_under_the_clients_own_id() {
    let mut scene = Scene::open();
    for id in ["7", "\"7\"", "12345678901234567890123", "\"\\u0061\""] {
        scene.host(&call(id));
        let (number, body) = scene.sent();
        assert_eq!(body, call(&number.to_string()));
        scene.reply(
            number,
            &format!(r#"{{"result":{{"n":1.0}},"id":{number},"jsonrpc":"2.0"}}"#),
        );
        assert_eq!(
            scene.told(),
            format!(r#"{{"result":{{"n":1.0}},"id":{id},"jsonrpc":"2.0"}}"#)
        );
    }
}

#[test]
fn an_id_in_use_is_refused_and_the_first_request_goes_on() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.host(&call("7"));
    assert_eq!(code(&scene.told()), -32600);
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
}

#[test]
fn only_the_first_answer_counts() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#);
    scene.reply(number, &answer);
    scene.told();
    scene.reply(number, &answer);
    scene.says(3, &answer);
    scene.says(3, r#"{"jsonrpc":"2.0","id":"foreign","result":{}}"#);
    scene.nothing();
}

#[test]
fn an_answer_on_another_stream_counts() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.says(
        3,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
    );
    scene.told();
    assert_eq!(scene.aborted(), number);
}

#[test]
fn an_error_without_id_answers_its_exchange() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.reply(
        number,
        r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"m"}}"#,
    );
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"m"}}"#
    );
}

#[test]
fn an_accepted_request_waits_for_the_standing_stream_or_fails() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.remote(number, Event::Accepted);
    scene.nothing();
    scene.remote(3, Event::StandingAbsent);
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&call("8"));
    let (number, _) = scene.sent();
    scene.remote(number, Event::Accepted);
    assert_eq!(code(&scene.told()), -32603);
}

#[test]
fn an_accepted_request_fails_otherwise_if_there_never_was_a_stream_for_its_answer() {
    // A client that cannot be asked anything waits for no stream.
    let (mut scene, standing) = awaiting_standing("{}");
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.remote(number, Event::Accepted);
    scene.nothing();
    scene.remote(standing, Event::StandingAbsent);
    let told = scene.told();
    assert!(
        told.contains("accepted the request but gave no answer"),
        "{told}"
    );
    scene.nothing();
}

#[test]
fn an_accepted_request_fails_when_its_answer_can_no_longer_come() {
    for lost in [false, true] {
        let mut scene = Scene::open();
        scene.host(&call("1"));
        let (one, _) = scene.sent();
        scene.remote(one, Event::Accepted);
        if lost {
            scene.host(&call("2"));
            let (two, _) = scene.sent();
            scene.remote(two, Event::SessionLost);
            scene.aborted();
        } else {
            scene.remote(3, Event::StandingGap);
            assert!(scene.told().contains("list_changed"));
        }
        let failed = scene.told();
        assert!(failed.contains(r#""id":1,"error""#), "{failed}");
        assert!(failed.contains("may have been carried out"), "{failed}");
    }
}

#[test]
fn a_late_word_about_a_lost_session_leaves_the_new_one_alone() {
    let mut scene = Scene::open();
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#);
    let (notice, _) = scene.sent();
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.remote(one, Event::SessionLost);
    reopen(&mut scene);
    scene.sent();
    scene.remote(notice, Event::SessionLost);
    scene.nothing();
    // That of the new one counts.
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#);
    let (notice, _) = scene.sent();
    scene.remote(notice, Event::SessionLost);
    reopen(&mut scene);
}

fn took_too_long() -> Event {
    Event::GaveUp(Failure::new(Stage::Http, true, "`x` took too long"))
}

#[test]
fn a_request_that_takes_too_long_is_cancelled_at_the_server_and_fails() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.remote(number, took_too_long());
    let (_, cancelled) = scene.sent();
    assert_eq!(
        cancelled,
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number},"reason":"no answer came in time"}}}}"#
        )
    );
    let told = scene.told();
    assert!(
        told.contains(r#""id":7,"error":{"code":-32603,"message":"`x` took too long""#),
        "{told}"
    );
    // An answer that comes all the same is too late.
    scene.says(
        3,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
    );
    scene.nothing();
}

#[test]
fn an_initialize_that_takes_too_long_is_not_cancelled() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (number, _) = scene.sent();
    scene.remote(number, took_too_long());
    assert_eq!(code(&scene.told()), -32603);
    scene.nothing();
}

#[test]
fn what_a_request_asked_the_client_is_withdrawn_when_it_takes_too_long() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.says(
        number,
        r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#,
    );
    assert!(scene.told().contains("elicitation/create"));
    scene.remote(number, took_too_long());
    assert!(scene.sent().1.contains("notifications/cancelled"));
    let withdrawn = scene.told();
    assert!(withdrawn.contains("notifications/cancelled"), "{withdrawn}");
    assert_eq!(code(&scene.told()), -32603);
}

#[test]
fn a_request_of_a_lost_session_is_not_cancelled_in_the_new_one() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.host(&call("2"));
    let (two, _) = scene.sent();
    scene.remote(two, Event::SessionLost);
    reopen(&mut scene);
    scene.sent();
    scene.remote(one, took_too_long());
    assert_eq!(code(&scene.told()), -32603);
    scene.nothing();
}

#[test]
fn an_accepted_request_that_is_never_answered_ends_with_the_silence() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.remote(number, Event::Accepted);
    assert_eq!(scene.relay.deadline(), Some(300_000));
    scene.passes(299_999);
    scene.nothing();
    // The server lives: it says something else.
    scene.says(3, r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#);
    scene.told();
    scene.passes(299_999);
    scene.nothing();
    scene.passes(1);
    assert!(scene.sent().1.contains("notifications/cancelled"));
    let told = scene.told();
    assert!(told.contains("no answer within 300 s"), "{told}");
    scene.passes(300_000);
    scene.nothing();
}

#[test]
fn an_accepted_request_that_was_cancelled_is_not_failed_later() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (number, _) = scene.sent();
    scene.remote(number, Event::Accepted);
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#);
    scene.sent();
    scene.aborted();
    scene.passes(300_000);
    scene.nothing();
}

#[test]
fn an_answer_that_is_no_message_fails_its_request() {
    let mut scene = Scene::open();
    for exchange in [None, Some(3)] {
        scene.host(&call("7"));
        let (number, _) = scene.sent();
        let broken = |id| Event::NoMessage {
            id,
            reason: "response with both `result` and `error`",
        };
        scene.remote(3, broken(Id::from_number(number + 1000)));
        scene.remote(3, broken(Id::from_plain("7")));
        scene.nothing();
        scene.remote(exchange.unwrap_or(number), broken(Id::from_number(number)));
        let told = scene.told();
        assert!(told.contains("both `result` and `error`"), "{told}");
        assert_eq!(code(&told), -32603);
        if exchange.is_some() {
            assert_eq!(scene.aborted(), number);
        }
        scene.nothing();
    }
}
