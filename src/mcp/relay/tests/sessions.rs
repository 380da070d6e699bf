//! Losing, restoring and closing a session.

use super::*;

#[test]
fn a_lost_session_is_opened_again_once_for_all() {
    let mut scene = Scene::open();
    scene
        .host(r#"{"jsonrpc":"2.0","id":90,"method":"logging/setLevel","params":{"level":"info"}}"#);
    let (level, _) = scene.sent();
    scene.reply(
        level,
        &format!(r#"{{"jsonrpc":"2.0","id":{level},"result":{{}}}}"#),
    );
    scene.told();
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    scene.told();
    scene.host(&call("1"));
    scene.host(&call("2"));
    let (one, _) = scene.sent();
    let (two, _) = scene.sent();

    scene.remote(one, Event::SessionLost);
    assert_eq!(scene.aborted(), 3);
    assert!(scene.told().contains("notifications/cancelled"));
    let (again, body) = scene.sent();
    assert_eq!(
        body,
        initialize(again, "2025-11-25", r#"{"sampling":{},"elicitation":{}}"#)
    );
    scene.remote(two, Event::SessionLost);
    scene.host(&call("3"));
    scene.nothing();

    scene.remote(again, Event::SessionHeader(Some(Secret::new("s2"))));
    scene.reply(again, &initialized_result(again, "2025-11-25", TOOLS));
    let (announced, body) = scene.sent();
    assert_eq!(body, INITIALIZED);
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    );
    assert!(scene.sent().1.contains("logging/setLevel"));
    scene.remote(standing, Event::StandingOpen);
    for _ in 0..3 {
        assert!(scene.sent().1.contains("tools/call"));
    }
    scene.nothing();
    scene.reply(
        one,
        &format!(r#"{{"jsonrpc":"2.0","id":{one},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

#[test]
fn a_request_that_loses_the_session_twice_fails() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.remote(one, Event::SessionLost);
    reopen(&mut scene);
    assert!(scene.sent().1.contains("tools/call"));
    scene.remote(one, Event::SessionLost);
    assert_eq!(code(&scene.told()), -32603);
}

#[test]
fn a_session_that_keeps_being_lost_is_not_opened_without_end() {
    let mut scene = Scene::open();
    for round in 1..=REOPEN_LIMIT {
        scene.host(&call(&round.to_string()));
        let (number, _) = scene.sent();
        scene.remote(number, Event::SessionLost);
        reopen(&mut scene);
        scene.sent();
        scene.reply(
            number,
            &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
        );
        scene.told();
    }
    scene.host(&call("9"));
    scene.host(&call("10"));
    let numbers = [scene.sent().0, scene.sent().0];
    scene.remote(numbers[0], Event::SessionLost);
    scene.aborted();
    assert_eq!(code(&scene.told()), -32603);
    scene.remote(numbers[1], Event::SessionLost);
    assert_eq!(code(&scene.told()), -32603);
    // A minute later it is tried again.
    scene.now += REOPEN_WINDOW;
    scene.host(&call("11"));
    assert!(scene.sent().1.contains("initialize"));
}

#[test]
fn a_session_that_cannot_be_opened_again_fails_what_waits() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.remote(one, Event::SessionLost);
    scene.aborted();
    let (again, _) = scene.sent();
    scene.remote(
        again,
        Event::Failed(Failure::new(Stage::Connect, true, "down")),
    );
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&call("2"));
    assert!(scene.sent().1.contains("initialize"));
}

#[test]
fn a_gap_in_the_standing_stream_makes_the_client_read_again() {
    let mut scene = Scene::open();
    scene.remote(3, Event::StandingGap);
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    );
    scene.nothing();
}

#[test]
fn closing_answers_and_cancels_what_is_in_flight_and_ends_the_session() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (number, _) = scene.sent();
    scene.relay.close();
    scene.effects.extend(scene.relay.take_effects());
    assert!(scene.sent().1.contains(&format!("\"requestId\":{number}")));
    assert_eq!(scene.aborted(), number);
    assert_eq!(code(&scene.told()), -32603);
    assert_eq!(scene.aborted(), 3);
    let Some(Effect::EndSession(session)) = scene.next() else {
        panic!()
    };
    assert_eq!(session.id, Some(Secret::new("s1")));
    scene.nothing();
}

#[test]
fn what_the_end_overtakes_is_only_worth_repeating_if_it_cannot_have_had_effects() {
    let told = |scene: &mut Scene| {
        scene.relay.close();
        let effects = scene.relay.take_effects();
        effects.into_iter().find_map(|effect| match effect {
            Effect::ToHost(line) => Some(String::from_utf8(line.to_vec()).unwrap()),
            _ => None,
        })
    };
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned();
    for (line, retryable) in [(call("1"), false), (list, true)] {
        let mut scene = Scene::open();
        scene.host(&line);
        let answer = told(&mut scene).unwrap();
        assert!(
            answer.contains(&format!("\"retryable\":{retryable}")),
            "{answer}"
        );
    }
    // A call that was never sent cannot have had any.
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.host(&call("1"));
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.remote(first, Event::Accepted);
    assert!(told(&mut scene).unwrap().contains("\"retryable\":true"));
}

#[test]
fn requests_carry_the_session_they_were_made_in() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let Some(Effect::Send(outgoing)) = scene.next() else {
        panic!()
    };
    let session = outgoing.session.unwrap();
    assert_eq!((session.serial, session.revision.name), (1, "2025-11-25"));
    assert_eq!(outgoing.kind, OutgoingKind::Request("tools/call".into()));
}

#[test]
fn a_request_that_died_with_its_session_is_not_cancelled_in_another() {
    let mut scene = Scene::open();
    scene.host(&call("7"));
    let (first, _) = scene.sent();
    scene.host(&call("8"));
    let (second, _) = scene.sent();
    scene.remote(second, Event::SessionLost);
    reopen(&mut scene);
    assert!(scene.sent().1.contains("tools/call"));
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#);
    assert_eq!(scene.aborted(), first);
    scene.nothing();
}
