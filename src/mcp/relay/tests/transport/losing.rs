//! An event stream that is lost, and the session with it.

use super::*;

const LIST: &str = r#"{"jsonrpc":"2.0","id":50,"method":"tools/list"}"#;

/// How long until the relay acts by itself.
fn delay(scene: &Scene) -> Option<u64> {
    scene.relay.deadline().map(|at| at - scene.now)
}

/// A session over HTTP+SSE that has been open for a minute.
fn open_for_long() -> (Scene, u64) {
    let (mut scene, stream) = open_over_sse();
    scene.passes(60_000);
    (scene, stream)
}

#[test]
fn every_request_in_flight_is_answered_or_sent_again_once() {
    let (mut scene, stream) = open_for_long();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.host(LIST);
    let (list, _) = sent_to(&mut scene, "/m");
    scene.remote(one, Event::Accepted);
    scene.remote(stream, ended());
    assert_eq!(scene.aborted(), one);
    let failure = scene.told();
    assert!(failure.contains("\"id\":1,"), "{failure}");
    assert!(failure.contains("\"retryable\":false"), "{failure}");
    assert!(
        failure.contains("may have been carried out, so it was not sent again"),
        "{failure}"
    );
    assert_eq!(scene.aborted(), list);
    scene.nothing();
    // What comes late of the exchanges of before changes nothing.
    scene.remote(list, answered(404));
    scene.remote(one, outage());
    scene.nothing();

    assert_eq!(delay(&scene), Some(1000));
    scene.passes(1000);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    let (again, body) = sent_to(&mut scene, "/m");
    assert!(body.contains("tools/list"), "{body}");
    assert_ne!(again, list);
    scene.nothing();

    // Lost once more, it fails, and may be repeated.
    scene.remote(stream, ended());
    assert_eq!(scene.aborted(), again);
    let failure = scene.told();
    assert!(failure.contains("\"id\":50,"), "{failure}");
    assert!(failure.contains("\"retryable\":true"), "{failure}");
}

#[test]
fn a_post_that_was_under_way_may_still_show_that_nothing_was_done() {
    let no_session = || Event::Refused {
        status: 400,
        error: error_reply(-32000),
    };
    for refusal in [
        answered(404),
        answered(400),
        no_session(),
        Event::SessionLost,
        outage(),
    ] {
        let (mut scene, stream) = open_for_long();
        scene.host(&call("1"));
        let (one, _) = sent_to(&mut scene, "/m");
        scene.remote(stream, ended());
        scene.nothing();
        // It need not wait for the delay any more than a new request.
        scene.remote(one, refusal);
        let stream = get(&mut scene);
        opens_again(&mut scene, stream);
        let (again, body) = sent_to(&mut scene, "/m");
        assert!(body.contains("tools/call"), "{body}");
        // Once.
        scene.remote(stream, ended());
        scene.remote(again, answered(404));
        assert_eq!(code(&scene.told()), -32603);
    }
}

#[test]
fn a_post_that_was_under_way_may_show_that_something_was_done() {
    for (event, said) in [
        (Event::Accepted, "may have been carried out"),
        (answered(500), "answered 500"),
        (
            Event::Failed(Failure::new(Stage::Http, false, "it broke")),
            "it broke",
        ),
    ] {
        let (mut scene, stream) = open_for_long();
        scene.host(&call("1"));
        let (one, _) = sent_to(&mut scene, "/m");
        scene.remote(stream, ended());
        scene.remote(one, event);
        let failure = scene.told();
        assert!(failure.contains(said), "{failure}");
        scene.nothing();
    }
    // Answered in the POST itself, it is answered.
    let (mut scene, stream) = open_for_long();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.remote(stream, ended());
    scene.says(
        one,
        &format!(r#"{{"jsonrpc":"2.0","id":{one},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

#[test]
fn a_post_that_is_never_answered_is_not_waited_for() {
    let (mut scene, stream) = open_for_long();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.remote(stream, ended());
    scene.passes(1000);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    assert_eq!(delay(&scene), Some(4000));
    scene.passes(4000);
    assert_eq!(scene.aborted(), one);
    assert!(scene.told().contains("may have been carried out"));
    scene.nothing();
}

#[test]
fn the_state_of_the_session_is_restored() {
    let (mut scene, stream) = open_for_long();
    for line in [
        r#"{"jsonrpc":"2.0","id":90,"method":"logging/setLevel","params":{"level":"info"}}"#,
        r#"{"jsonrpc":"2.0","id":91,"method":"resources/subscribe","params":{"uri":"a://b"}}"#,
    ] {
        scene.host(line);
        let (number, _) = sent_to(&mut scene, "/m");
        let result = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#);
        scene.says(stream, &result);
        scene.told();
        released(&mut scene);
    }
    scene.says(
        stream,
        r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create"}"#,
    );
    let question = message(&scene.told());
    scene.remote(stream, ended());
    assert!(scene.told().contains("notifications/cancelled"));
    scene.nothing();
    // The answer comes too late.
    let id = question.id().unwrap();
    scene.host(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    scene.nothing();

    scene.passes(1000);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    assert!(sent_to(&mut scene, "/m").1.contains("logging/setLevel"));
    assert!(sent_to(&mut scene, "/m").1.contains("resources/subscribe"));
    scene.nothing();
}

#[test]
fn a_request_need_not_wait_for_the_delay() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.nothing();
    scene.host(&call("1"));
    let stream = get(&mut scene);
    scene.host(&call("2"));
    scene.nothing();
    opens_again(&mut scene, stream);
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn the_delay_grows_with_each_attempt_that_fails_and_the_servers_wish_counts() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    let mut delays = Vec::new();
    for _ in 0..11 {
        delays.push(delay(&scene).unwrap());
        scene.passes(delay(&scene).unwrap());
        let outgoing = outgoing(&mut scene);
        // The relay alone decides when to try again.
        assert_eq!(outgoing.kind, OutgoingKind::Events { once: true });
        scene.remote(outgoing.exchange, outage());
    }
    assert_eq!(
        delays,
        [
            1000, 1500, 2250, 3375, 5062, 7593, 11390, 17085, 25628, 30000, 30000
        ]
    );

    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended_asking(Some(250)));
    assert_eq!(delay(&scene), Some(250));
    scene.passes(250);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    // Said once, it holds for later streams.
    scene.passes(60_000);
    scene.remote(stream, ended());
    assert_eq!(delay(&scene), Some(250));
}

#[test]
fn a_busy_server_says_when_it_is_asked_again() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.passes(1000);
    let attempt = get(&mut scene);
    let busy = Failure {
        status: Some(503),
        retry_after: Some(std::time::Duration::from_secs(20)),
        ..Failure::new(Stage::Http, true, "`x` answered 503")
    };
    scene.remote(attempt, Event::Failed(busy));
    assert_eq!(delay(&scene), Some(20_000));
    // Not even for a request any sooner.
    scene.host(&call("1"));
    scene.nothing();
    scene.passes(19_999);
    scene.nothing();
    scene.passes(1);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
}

#[test]
fn streams_that_end_soon_are_opened_less_and_less_often() {
    let (mut scene, mut stream) = open_over_sse();
    let mut delays = Vec::new();
    for _ in 0..4 {
        scene.remote(stream, ended());
        delays.push(delay(&scene).unwrap());
        scene.passes(delay(&scene).unwrap());
        stream = get(&mut scene);
        opens_again(&mut scene, stream);
    }
    assert_eq!(delays, [1000, 1500, 2250, 3375]);
    scene.passes(LIVED);
    scene.remote(stream, ended());
    assert_eq!(delay(&scene), Some(1000));
}

const LIVED: u64 = 10_000;

#[test]
fn requests_wait_for_the_stream_for_a_while_only() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.host(&call("1"));
    let mut attempt = get(&mut scene);
    scene.passes(10_000);
    scene.host(&call("2"));
    let end = scene.now + 20_000;
    while scene.now < end {
        scene.remote(attempt, outage());
        scene.nothing();
        let next = delay(&scene).unwrap();
        scene.passes(next);
        if scene.now >= end {
            break;
        }
        attempt = get(&mut scene);
    }
    let mut effects: Vec<String> = Vec::new();
    while let Some(effect) = scene.next() {
        if let Effect::ToHost(line) = effect {
            effects.push(String::from_utf8(line.to_vec()).unwrap());
        }
    }
    let [failure] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(
        failure.contains("\"id\":1,") && failure.contains("no route"),
        "{failure}"
    );
    assert!(failure.contains("out of reach for 30 s"), "{failure}");
    assert!(failure.contains("\"retryable\":true"), "{failure}");
}

#[test]
fn a_request_that_was_cancelled_while_it_waited_is_not_sent() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.host(&call("1"));
    let stream = get(&mut scene);
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    scene.nothing();
    opens_again(&mut scene, stream);
    scene.nothing();
    scene.passes(60_000);
    scene.nothing();
}

#[test]
fn a_person_is_asked_to_sign_in_again_for_a_request_alone() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.passes(1000);
    let attempt = get(&mut scene);
    let denied = || Event::Failed(Failure::new(Stage::Auth, false, "denied"));
    scene.remote(attempt, denied());
    assert_eq!(scene.relay.deadline(), None);
    scene.host(&call("1"));
    let attempt = get(&mut scene);
    scene.remote(attempt, denied());
    assert!(scene.told().contains("denied"));
    assert_eq!(
        scene.relay.deadline().filter(|at| *at < scene.now + 30_000),
        None
    );
}

#[test]
fn what_waits_is_told_at_once_if_waiting_is_of_no_use() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.host(&call("1"));
    let attempt = get(&mut scene);
    let distrusted = Failure::new(Stage::Connect, false, "the certificate is not trusted");
    scene.remote(attempt, Event::Failed(distrusted));
    assert!(scene.told().contains("not trusted"));
    // It is tried again all the same.
    let next = delay(&scene).unwrap();
    scene.passes(next);
    get(&mut scene);
}

#[test]
fn a_server_that_has_learnt_the_other_transport_is_found_there() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.passes(1000);
    let attempt = get(&mut scene);
    scene.remote(attempt, answered(405));
    let (again, body) = post(&mut scene);
    assert_eq!(body, initialize(again, "2025-11-25", CAPABILITIES));
    scene.remote(again, Event::SessionHeader(Some(Secret::new("s1"))));
    scene.reply(again, &initialized_result(again, "2025-11-25", TOOLS));
    let (announced, _) = post(&mut scene);
    scene.remote(announced, Event::Accepted);
    scene.standing();
    assert!(scene.told().contains("list_changed"));
}

#[test]
fn a_stream_that_ends_while_the_session_is_opened_is_opened_once_more() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.remote(stream, ended());
    assert_eq!(scene.aborted(), first);
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (second, _) = sent_to(&mut scene, "/m");
    scene.remote(stream, ended());
    assert_eq!(scene.aborted(), second);
    assert!(scene.told().contains("the event stream was lost"));
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn a_stream_that_ends_while_it_is_restored_is_tried_later() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.host(&call("1"));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (again, _) = sent_to(&mut scene, "/m");
    scene.remote(stream, ended());
    assert_eq!(scene.aborted(), again);
    scene.nothing();
    let next = delay(&scene).unwrap();
    scene.passes(next);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
}

#[test]
fn a_session_that_the_server_forgot_is_opened_anew_with_its_stream() {
    let (mut scene, stream) = open_for_long();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.host(&call("2"));
    let (two, _) = sent_to(&mut scene, "/m");
    scene.remote(one, Event::SessionLost);
    assert_eq!(scene.aborted(), stream);
    let stream = get(&mut scene);
    scene.remote(two, Event::SessionLost);
    scene.nothing();
    // What was still to come of the old stream is nobody's.
    scene.says(stream - 1, r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#);
    opens_again(&mut scene, stream);
    // Both were refused unseen.
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
    scene.nothing();
}

#[test]
fn a_session_that_keeps_being_forgotten_is_not_opened_without_end() {
    let (mut scene, _) = open_for_long();
    for round in 1..=REOPEN_LIMIT {
        scene.host(&call(&round.to_string()));
        let (number, _) = sent_to(&mut scene, "/m");
        scene.remote(number, Event::SessionLost);
        scene.aborted();
        let stream = get(&mut scene);
        opens_again(&mut scene, stream);
        let (number, _) = sent_to(&mut scene, "/m");
        scene.says(
            stream,
            &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#),
        );
        scene.told();
        released(&mut scene);
    }
    scene.host(&call("9"));
    let (number, _) = sent_to(&mut scene, "/m");
    scene.remote(number, Event::SessionLost);
    scene.aborted();
    assert!(scene.told().contains("keeps losing the session"));
    scene.now += REOPEN_WINDOW;
    scene.host(&call("10"));
    get(&mut scene);
}

#[test]
fn a_client_that_said_it_is_ready_while_the_stream_was_away_is_announced() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.says(stream, &initialized_result(first, "2024-11-05", TOOLS));
    scene.told();
    released(&mut scene);
    scene.remote(stream, ended());
    scene.host(INITIALIZED);
    scene.nothing();
    scene.passes(1000);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    scene.nothing();
}

#[test]
fn the_end_of_the_client_while_the_stream_is_away_answers_what_waits() {
    let (mut scene, stream) = open_for_long();
    scene.remote(stream, ended());
    scene.host(&call("1"));
    get(&mut scene);
    scene.relay.close();
    scene.effects.extend(scene.relay.take_effects());
    let mut told = 0;
    while let Some(effect) = scene.next() {
        match effect {
            Effect::ToHost(line) => {
                assert!(String::from_utf8_lossy(&line.to_vec()).contains("\"retryable\":true"));
                told += 1;
            }
            Effect::Abort(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 1);
}
