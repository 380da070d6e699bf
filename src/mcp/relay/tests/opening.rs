//! Opening a session.

use super::*;

#[test]
fn a_session_opens_in_the_order_that_mcp_demands() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-06-18", "{}"));
    let (first, body) = scene.sent();
    assert_eq!(body, initialize(first, "2025-06-18", "{}"));
    scene.reply(first, &initialized_result(first, "2025-06-18", TOOLS));
    assert_eq!(scene.told(), initialized_result(0, "2025-06-18", TOOLS));
    scene.nothing();
    scene.host(INITIALIZED);
    let (announced, body) = scene.sent();
    assert_eq!(body, INITIALIZED);
    // Nothing else goes out before the server has seen `notifications/initialized`.
    scene.host(r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#);
    scene.nothing();
    scene.remote(announced, Event::Accepted);
    scene.standing();
    assert!(scene.sent().1.contains("tools/list"));
    scene.nothing();
}

#[test]
fn a_client_that_goes_on_without_a_word_is_announced_all_the_same() {
    let list = r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#;
    for early in [true, false] {
        let mut scene = Scene::new();
        scene.host(&initialize(0, "2025-06-18", "{}"));
        let (first, _) = scene.sent();
        if early {
            scene.host(list);
            scene.nothing();
        }
        scene.reply(first, &initialized_result(first, "2025-06-18", TOOLS));
        scene.told();
        if !early {
            scene.host(list);
        }
        let (announced, body) = scene.sent();
        assert_eq!(body, INITIALIZED);
        // Its own word, come late, is not sent again.
        scene.host(INITIALIZED);
        scene.nothing();
        scene.remote(announced, Event::Accepted);
        scene.standing();
        assert!(scene.sent().1.contains("tools/list"));
        scene.nothing();
    }
}

/// A session whose standing stream is asked for and not answered; gives its exchange.
pub(super) fn awaiting_standing(capabilities: &str) -> (Scene, u64) {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", capabilities));
    let (first, _) = scene.sent();
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    (scene, standing)
}

#[test]
fn calls_wait_for_the_standing_stream_and_lists_do_not() {
    for capability in ["sampling", "elicitation", "roots"] {
        for answer in [Event::StandingOpen, Event::StandingAbsent] {
            let (mut scene, standing) = awaiting_standing(&format!(r#"{{"{capability}":{{}}}}"#));
            scene.host(&call("1"));
            scene.nothing();
            scene.host(r#"{"jsonrpc":"2.0","id":2,"method":"prompts/list"}"#);
            assert!(scene.sent().1.contains("prompts/list"));
            scene.host(&call("3"));
            scene.nothing();
            scene.remote(standing, answer);
            // In the order in which they came.
            let (first, body) = scene.sent();
            assert!(body.contains("tools/call"));
            let (second, body) = scene.sent();
            assert!(body.contains("tools/call") && first < second);
            scene.nothing();
        }
    }
}

#[test]
fn calls_of_a_client_that_cannot_be_asked_anything_wait_for_no_stream() {
    for capabilities in ["{}", r#"{"extensions":{"x/y":{}},"tasks":{}}"#] {
        let (mut scene, _) = awaiting_standing(capabilities);
        scene.host(&call("1"));
        assert!(scene.sent().1.contains("tools/call"));
        scene.nothing();
    }
}

#[test]
fn a_server_that_never_answers_the_standing_stream_holds_calls_up_briefly() {
    let (mut scene, _) = awaiting_standing(r#"{"elicitation":{}}"#);
    scene.host(&call("1"));
    assert_eq!(scene.relay.deadline(), Some(STANDING_LIMIT));
    scene.passes(STANDING_LIMIT - 1);
    scene.nothing();
    scene.passes(1);
    assert!(scene.sent().1.contains("tools/call"));
}

#[test]
fn nothing_waits_for_the_standing_stream_once_the_client_has_ended() {
    for after_opening in [true, false] {
        let mut scene = Scene::new();
        scene.host(&initialize(0, "2025-11-25", r#"{"sampling":{}}"#));
        scene.host(INITIALIZED);
        let (first, _) = scene.sent();
        let answer = initialized_result(first, "2025-11-25", TOOLS);
        scene.host(&call("1"));
        if !after_opening {
            scene.relay.host_ended(scene.now);
        }
        scene.reply(first, &answer);
        scene.told();
        let (announced, _) = scene.sent();
        scene.remote(announced, Event::Accepted);
        scene.standing();
        if after_opening {
            scene.nothing();
            scene.relay.host_ended(scene.now);
            scene.effects.extend(scene.relay.take_effects());
        }
        assert!(scene.sent().1.contains("tools/call"));
    }
}

#[test]
fn the_version_is_agreed_on_with_each_side_by_itself() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2031-01-01", "{}"));
    let (first, body) = scene.sent();
    assert_eq!(body, initialize(first, "2025-11-25", "{}"));
    scene.reply(first, &initialized_result(first, "2024-11-05", TOOLS));
    assert_eq!(scene.told(), initialized_result(0, "2025-11-25", TOOLS));
}

#[test]
fn a_server_with_an_unknown_version_is_left() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.remote(first, Event::SessionHeader(Some(Secret::new("s1"))));
    scene.reply(first, &initialized_result(first, "2031-01-01", TOOLS));
    assert!(matches!(scene.next(), Some(Effect::EndSession(_))));
    let line = scene.told();
    assert_eq!(code(&line), -32603);
    assert!(line.contains("2031-01-01"));
}

#[test]
fn a_refusal_that_lists_versions_is_tried_once_more() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let refusal = |id| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no","data":{{"supported":["2025-03-26"]}}}}}}"#
        )
    };
    let (first, _) = scene.sent();
    scene.reply(first, &refusal(first));
    let (second, body) = scene.sent();
    assert_eq!(body, initialize(second, "2025-03-26", "{}"));
    scene.reply(second, &refusal(second));
    assert_eq!(scene.told(), refusal(0));
}

#[test]
fn a_missing_server_info_is_made_up() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.reply(first, &format!(r#"{{"jsonrpc":"2.0","id":{first},"result":{{"protocolVersion":"2025-11-25","capabilities":{{}}}}}}"#));
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"mcp.example.com","version":"unknown"}}}"#
    );
}

#[test]
fn a_failed_initialize_can_be_repeated() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.host(&call("1"));
    scene.remote(
        first,
        Event::Failed(Failure::new(Stage::Connect, true, "down")),
    );
    assert_eq!(code(&scene.told()), -32603);
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&initialize(1, "2025-11-25", "{}"));
    scene.sent();
    scene.nothing();
}

#[test]
fn initialize_without_its_parts_is_refused() {
    for params in [
        r#"{"capabilities":{},"clientInfo":{}}"#,
        r#"{"protocolVersion":"2025-11-25","clientInfo":{}}"#,
        r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#,
        r#"{"protocolVersion":1,"capabilities":{},"clientInfo":{}}"#,
    ] {
        let mut scene = Scene::new();
        scene.host(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#
        ));
        assert_eq!(code(&scene.told()), -32602, "{params}");
        scene.nothing();
    }
}

#[test]
fn a_second_initialize_starts_afresh() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    scene.sent();
    scene.host(&initialize(2, "2025-11-25", "{}"));
    assert_eq!(code(&scene.told()), -32603);
    scene.aborted();
    scene.aborted();
    assert!(matches!(scene.next(), Some(Effect::EndSession(_))));
    let (again, _) = scene.sent();
    scene.nothing();
    // Nothing of the old session is restored, and nothing was missed.
    scene.reply(again, &initialized_result(again, "2025-11-25", TOOLS));
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    scene.standing();
    scene.nothing();
}

#[test]
fn an_announcement_that_never_arrived_ends_the_session_and_the_next_request_opens_another() {
    for (status, lost) in [(None, true), (Some(400), false)] {
        let mut scene = Scene::new();
        scene.host(&initialize(0, "2025-11-25", "{}"));
        let (first, _) = scene.sent();
        scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
        scene.told();
        scene.host(INITIALIZED);
        let (announced, _) = scene.sent();
        scene.host(r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#);
        let failure = Failure {
            status,
            ..Failure::new(Stage::Http, true, "the connection broke")
        };
        scene.remote(announced, Event::Failed(failure));
        if !lost {
            // Some servers refuse it and work all the same.
            scene.standing();
            assert!(scene.sent().1.contains("tools/list"));
            continue;
        }
        assert!(matches!(scene.next(), Some(Effect::EndSession(_))));
        assert_eq!(code(&scene.told()), -32603);
        scene.nothing();
        scene.host(r#"{"jsonrpc":"2.0","id":6,"method":"tools/list"}"#);
        assert!(scene.sent().1.contains("initialize"));
    }
}

#[test]
fn before_initialize_only_ping_works() {
    let mut scene = Scene::new();
    scene.host(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
    scene.host(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(code(&scene.told()), -32602);
    scene.host(r#"{"jsonrpc":"2.0","id":2,"method":"server/discover"}"#);
    assert_eq!(code(&scene.told()), -32601);
    scene.host(INITIALIZED);
    scene.nothing();
}
