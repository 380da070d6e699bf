use super::*;

/// A relay, and shorthand for both sides of it.
struct Scene {
    relay: Relay,
    now: u64,
    effects: VecDeque<Effect>,
}

const TOOLS: &str = r#"{"tools":{"listChanged":true},"resources":{}}"#;

impl Scene {
    fn new() -> Self {
        Self {
            relay: Relay::new("mcp.example.com"),
            now: 0,
            effects: VecDeque::new(),
        }
    }

    /// A session in which everything flows; the standing stream is open as exchange 3.
    fn open() -> Self {
        Self::open_as("2025-11-25", r#"{"sampling":{},"elicitation":{}}"#)
    }

    fn open_as(version: &str, capabilities: &str) -> Self {
        let mut scene = Self::new();
        scene.host(&initialize(0, version, capabilities));
        let first = scene.sent();
        scene.remote(first.0, Event::SessionHeader(Some(Secret::new("s1"))));
        scene.reply(first.0, &initialized_result(first.0, version, TOOLS));
        scene.told();
        scene.host(INITIALIZED);
        let announced = scene.sent();
        scene.remote(announced.0, Event::Accepted);
        let standing = scene.standing();
        scene.remote(standing, Event::StandingOpen);
        assert!(scene.effects.is_empty(), "{:?}", scene.effects);
        scene
    }

    fn host(&mut self, line: &str) {
        self.relay
            .host_line(Bytes::copy_from_slice(line.as_bytes()), self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn remote(&mut self, exchange: u64, event: Event) {
        self.relay.remote_event(exchange, event, self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn reply(&mut self, exchange: u64, text: &str) {
        self.remote(exchange, Event::Reply(message(text)));
    }

    fn says(&mut self, exchange: u64, text: &str) {
        self.remote(exchange, Event::Message(message(text)));
    }

    fn passes(&mut self, millis: u64) {
        self.now += millis;
        self.relay.on_time(self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn next(&mut self) -> Option<Effect> {
        loop {
            match self.effects.pop_front()? {
                Effect::Note(_) => {}
                effect => return Some(effect),
            }
        }
    }

    /// The next effect, which must be a message to the server.
    fn sent(&mut self) -> (u64, String) {
        match self.next() {
            Some(Effect::Send(outgoing)) => (
                outgoing.exchange,
                String::from_utf8(outgoing.body.to_vec()).unwrap(),
            ),
            other => panic!("expected a message to the server, got {other:?}"),
        }
    }

    /// The next effect, which must be a line to the client.
    fn told(&mut self) -> String {
        match self.next() {
            Some(Effect::ToHost(line)) => String::from_utf8(line.to_vec()).unwrap(),
            other => panic!("expected a line to the client, got {other:?}"),
        }
    }

    fn standing(&mut self) -> u64 {
        match self.next() {
            Some(Effect::OpenStanding { exchange, .. }) => exchange,
            other => panic!("expected the standing stream, got {other:?}"),
        }
    }

    fn aborted(&mut self) -> u64 {
        match self.next() {
            Some(Effect::Abort(exchange)) => exchange,
            other => panic!("expected an end of an exchange, got {other:?}"),
        }
    }

    fn nothing(&mut self) {
        let left = self.next();
        assert!(left.is_none(), "{left:?}");
    }
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn message(text: &str) -> Message {
    jsonrpc::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

fn initialize(id: u64, version: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1"}}}}}}"#
    )
}

fn initialized_result(id: u64, version: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{{"name":"s","version":"2"}}}}}}"#
    )
}

fn call(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#)
}

fn code(line: &str) -> i64 {
    let error = message(line);
    error.body_member("code").unwrap().parse().unwrap()
}

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

#[test]
fn calls_wait_for_the_standing_stream_and_lists_do_not() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    scene.host(&call("1"));
    scene.nothing();
    scene.host(r#"{"jsonrpc":"2.0","id":2,"method":"prompts/list"}"#);
    assert!(scene.sent().1.contains("prompts/list"));
    scene.remote(standing, Event::StandingAbsent);
    assert!(scene.sent().1.contains("tools/call"));
    scene.nothing();
}

#[test]
fn a_server_that_never_answers_the_standing_stream_holds_calls_up_briefly() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.host(INITIALIZED);
    scene.told();
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    scene.standing();
    scene.host(&call("1"));
    assert_eq!(scene.relay.deadline(), Some(STANDING_LIMIT));
    scene.passes(STANDING_LIMIT);
    assert!(scene.sent().1.contains("tools/call"));
}

#[test]
fn nothing_waits_for_the_standing_stream_once_the_client_has_ended() {
    for after_opening in [true, false] {
        let mut scene = Scene::new();
        scene.host(&initialize(0, "2025-11-25", "{}"));
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

/// Lets a lost session be opened again, up to the open standing stream.
fn reopen(scene: &mut Scene) {
    scene.aborted();
    let (again, body) = scene.sent();
    assert!(body.contains("initialize"), "{body}");
    scene.reply(again, &initialized_result(again, "2025-11-25", "{}"));
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    scene.remote(standing, Event::StandingOpen);
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
