//! A server that is replaced by one of the other era, while nobody looks or in the middle of it.

use super::*;

fn record() -> ServerRecord {
    ServerRecord {
        protocol_version: "2025-11-25".to_owned(),
        capabilities: serde_json::from_str(ALL).unwrap(),
        server_info: serde_json::from_str(r#"{"name":"before","version":"1"}"#).unwrap(),
        instructions: Some("be kind".to_owned()),
        verdict: None,
        era: Some(stateless()),
        tool_heads: None,
    }
}

fn initialize_answered(bench: &mut Bench) -> Sent {
    let initialize = bench.sent("initialize");
    let result = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": serde_json::from_str::<Value>(ALL).unwrap(),
        "serverInfo": { "name": "old", "version": "1" },
    });
    bench.event(
        initialize.exchange,
        Event::SessionHeader(Some(crate::secret::Secret::new("s"))),
    );
    bench.reply(initialize.exchange, result);
    initialize
}

/// How a server with sessions refuses what comes without.
fn refusals() -> Vec<(u16, Option<Value>)> {
    let error = |code: i64, message: &str| Some(json!({ "code": code, "message": message }));
    vec![
        (400, error(-32000, "Bad Request: Server not initialized")),
        (
            400,
            error(-32000, "Bad Request: Mcp-Session-Id header is required"),
        ),
        (400, error(-32600, "Bad Request: Missing session ID")),
        (
            400,
            error(
                -32000,
                "Bad Request: Unsupported protocol version: 2026-07-28",
            ),
        ),
        (404, error(-32001, "Session not found")),
        (400, None),
        (404, None),
        (405, None),
    ]
}

fn refused(bench: &mut Bench, exchange: u64, (status, error): (u16, Option<Value>)) {
    match error {
        Some(error) => bench.refuse(exchange, status, error),
        None => bench.fail(exchange, status),
    }
}

#[test]
fn a_server_that_got_sessions_again_is_noticed_by_the_next_request() {
    for refusal in refusals() {
        let (mut bench, listen) = Bench::listening();
        let id = bench.ask("prompts/list", json!({}));
        let first = bench.sent("prompts/list");
        refused(&mut bench, first.exchange, refusal);
        bench.unanswered(id);
        let asked = bench.sent("server/discover");
        bench.nothing_sent();
        bench.refuse(
            asked.exchange,
            400,
            json!({ "code": -32000, "message": "no" }),
        );
        assert!(bench.aborted.contains(&listen.exchange));
        initialize_answered(&mut bench);
        let again = bench.sent("prompts/list");
        assert_eq!(again.head, None);
        assert!(
            !again.text.contains("io.modelcontextprotocol/"),
            "{}",
            again.text
        );
        bench.reply(again.exchange, json!({ "prompts": [] }));
        assert_eq!(bench.answer(id)["result"], json!({ "prompts": [] }));
        assert_eq!(bench.records.last().unwrap().era, Some(with_sessions()));
        bench.rests();
    }
}

#[test]
fn a_refusal_is_a_refusal_if_the_server_is_what_it_was() {
    for (status, error) in refusals() {
        let mut bench = Bench::open();
        let id = bench.ask("vendor/do", json!({}));
        bench.sent("subscriptions/listen");
        let call = bench.sent("vendor/do");
        refused(&mut bench, call.exchange, (status, error.clone()));
        bench.discover(json!({}));
        bench.nothing_sent();
        let answer = bench.answer(id);
        if let Some(error) = error {
            assert_eq!(answer["error"]["code"], error["code"]);
        }
        assert!(answer.get("error").is_some());
        bench.rests();
    }
}

#[test]
fn an_outage_while_in_doubt_decides_nothing() {
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    let first = bench.ask("vendor/do", json!({}));
    let second = bench.ask("vendor/do", json!({}));
    let (one, two) = (bench.sent("vendor/do"), bench.sent("vendor/do"));
    bench.fail(one.exchange, 404);
    bench.fail(two.exchange, 404);
    let asked = bench.sent("server/discover");
    bench.nothing_sent();
    bench.fail(asked.exchange, 503);
    for id in [first, second] {
        assert!(bench.answer(id).get("error").is_some());
    }
    bench.rests();
    // It is asked for each request once.
    let third = bench.ask("vendor/do", json!({}));
    let call = bench.sent("vendor/do");
    bench.fail(call.exchange, 404);
    let asked = bench.sent("server/discover");
    bench.cancel(third);
    bench.fail(asked.exchange, 404);
    bench.unanswered(third);
    bench.rests();
}

#[test]
fn errors_that_mean_what_they_say_raise_no_doubt() {
    for (status, code) in [
        (400, -32602),
        (404, -32601),
        (200, -32000),
        (500, -32603),
        (400, -32021),
        (400, -32004),
    ] {
        let mut bench = Bench::open();
        bench.sent("subscriptions/listen");
        let id = bench.ask("vendor/do", json!({}));
        let call = bench.sent("vendor/do");
        let mut error = json!({ "code": code, "message": "no" });
        if code == -32004 {
            error["data"] = json!({ "supported": [VERSION] });
        }
        bench.refuse(call.exchange, status, error);
        bench.nothing_sent();
        assert!(bench.answer(id).get("error").is_some(), "{status} {code}");
    }
}

#[test]
fn where_the_user_says_what_is_spoken_a_refusal_is_told_at_once() {
    let mut bench = Bench::new(Protocol::Stateless(None), None);
    bench.initialize("2025-11-25");
    bench.discover(json!({}));
    bench.begin();
    bench.sent("subscriptions/listen");
    let id = bench.ask("vendor/do", json!({}));
    let call = bench.sent("vendor/do");
    bench.fail(call.exchange, 404);
    bench.nothing_sent();
    assert!(bench.answer(id).get("error").is_some());

    let mut bench = Bench::new(Protocol::Initialize(None), None);
    bench.initialize("2025-11-25");
    initialize_answered(&mut bench);
    bench.begin();
    let id = bench.ask("prompts/list", json!({}));
    let call = bench.sent("prompts/list");
    let data = json!({ "supported": [VERSION], "requested": "2025-11-25" });
    let error = json!({ "code": -32022, "message": "no", "data": data });
    bench.refuse(call.exchange, 400, error);
    bench.nothing_sent();
    assert_eq!(bench.answer(id)["error"]["code"], -32022);
}

#[test]
fn a_server_that_lost_its_sessions_is_noticed_by_the_next_request() {
    for code in [-32020, -32021, -32022] {
        let mut bench = Bench::new(Protocol::Auto, Some(&with_sessions()));
        bench.initialize("2025-11-25");
        initialize_answered(&mut bench);
        bench.begin();
        let first = bench.ask("prompts/list", json!({}));
        let second = bench.ask("prompts/list", json!({}));
        let (one, two) = (bench.sent("prompts/list"), bench.sent("prompts/list"));
        let error = json!({
            "code": code, "message": "no", "data": { "supported": [VERSION], "requested": "x" },
        });
        bench.refuse(one.exchange, 400, error.clone());
        // It is asked at once; there is nothing to lose.
        bench.refuse(two.exchange, 400, error);
        bench.discover(json!({}));
        let sent = [
            bench.sent.pop_front(),
            bench.sent.pop_front(),
            bench.sent.pop_front(),
        ];
        let mut again: Vec<Sent> = sent.into_iter().flatten().collect();
        again.sort_by(|one, two| one.method.cmp(&two.method));
        let methods: Vec<&str> = again.iter().map(|sent| &*sent.method).collect();
        assert_eq!(
            methods,
            ["prompts/list", "prompts/list", "subscriptions/listen"]
        );
        for sent in &again[..2] {
            assert_eq!(sent.head().version, VERSION);
            bench.reply(
                sent.exchange,
                json!({ "resultType": "complete", "prompts": [] }),
            );
        }
        for id in [first, second] {
            assert_eq!(bench.answer(id)["result"], json!({ "prompts": [] }));
        }
        assert_eq!(bench.records.last().unwrap().era, Some(stateless()));
    }
}

#[test]
fn a_server_that_lost_its_sessions_between_two_starts_is_noticed_at_initialize() {
    for (status, error) in [
        (400, Some(json!({ "code": -32020, "message": "no" }))),
        (
            400,
            Some(json!({ "code": -32022, "message": "no", "data": { "supported": [VERSION] } })),
        ),
        (404, Some(json!({ "code": -32601, "message": "no" }))),
        (400, None),
        (405, None),
    ] {
        let mut bench = Bench::new(Protocol::Auto, Some(&with_sessions()));
        let id = bench.initialize("2025-11-25");
        let initialize = bench.sent("initialize");
        refused(&mut bench, initialize.exchange, (status, error));
        bench.unanswered(id);
        bench.discover(json!({}));
        assert_eq!(bench.answer(id)["result"]["serverInfo"]["name"], "server");
        assert_eq!(bench.records[0].era, Some(stateless()));
    }
}

#[test]
fn a_server_that_refuses_both_says_why_it_refuses_initialize() {
    let mut bench = Bench::new(Protocol::Auto, Some(&with_sessions()));
    let id = bench.initialize("2025-11-25");
    let initialize = bench.sent("initialize");
    bench.refuse(
        initialize.exchange,
        400,
        json!({ "code": -32000, "message": "go away" }),
    );
    let asked = bench.sent("server/discover");
    bench.fail(asked.exchange, 404);
    assert_eq!(bench.answer(id)["error"]["message"], "go away");
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn a_remembered_server_is_called_at_once() {
    let mut bench = Bench::with(
        Protocol::Auto,
        Some(&stateless()),
        Some(record()),
        Vec::new(),
    );
    let id = bench.ask_new("prompts/get", json!({ "name": "p" }));
    let first = bench.sent("prompts/get");
    assert_eq!(first.head().name.as_deref(), Some("p"));
    bench.nothing_sent();
    bench.reply(
        first.exchange,
        json!({ "resultType": "complete", "messages": [] }),
    );
    assert_eq!(bench.answer(id)["result"]["messages"], json!([]));
    assert_eq!(bench.records.last().unwrap().era, Some(stateless()));
}

#[test]
fn a_remembered_server_is_asked_by_who_wants_to_know_what_it_is() {
    let mut bench = Bench::with(
        Protocol::Auto,
        Some(&stateless()),
        Some(record()),
        Vec::new(),
    );
    let id = bench.ask_new("server/discover", json!({}));
    bench.discover(json!({}));
    let result = &bench.answer(id)["result"];
    assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "server");
    // So is one whose client opens with `initialize`, which it would have done as well.
    let mut bench = Bench::with(
        Protocol::Auto,
        Some(&stateless()),
        Some(record()),
        Vec::new(),
    );
    let id = bench.initialize("2025-11-25");
    bench.discover(json!({}));
    assert_eq!(bench.answer(id)["result"]["serverInfo"]["name"], "server");
}

#[test]
fn a_remembered_server_that_is_not_that_any_more_costs_a_round_trip() {
    let mut bench = Bench::with(
        Protocol::Auto,
        Some(&stateless()),
        Some(record()),
        Vec::new(),
    );
    let id = bench.ask_new("prompts/get", json!({ "name": "p" }));
    let first = bench.sent("prompts/get");
    bench.refuse(
        first.exchange,
        400,
        json!({ "code": -32000, "message": "no session" }),
    );
    let asked = bench.sent("server/discover");
    bench.fail(asked.exchange, 400);
    initialize_answered(&mut bench);
    let again = bench.sent("prompts/get");
    assert!(
        !again.text.contains("io.modelcontextprotocol/"),
        "{}",
        again.text
    );
    bench.reply(again.exchange, json!({ "messages": [] }));
    assert_eq!(bench.answer(id)["result"]["messages"], json!([]));
}

#[test]
fn what_waits_when_the_era_changes_is_sent_in_the_next() {
    let (mut bench, _) = Bench::listening();
    let subscribed = bench.ask("resources/subscribe", json!({ "uri": "file:///x" }));
    bench.sent("subscriptions/listen");
    let asking = bench.ask("prompts/get", json!({ "name": "p" }));
    let first = bench.sent("prompts/get");
    let form = json!({ "method": "elicitation/create", "params": { "message": "?", "requestedSchema": {} } });
    bench.reply(
        first.exchange,
        json!({ "resultType": "input_required", "inputRequests": { "a": form } }),
    );
    let asked = bench.heard_one("elicitation/create");
    let refused = bench.ask("prompts/list", json!({}));
    let list = bench.sent("prompts/list");
    bench.fail(list.exchange, 404);
    let discover = bench.sent("server/discover");
    bench.fail(discover.exchange, 404);
    // The user's answer has nowhere to go.
    assert_eq!(
        bench.heard_one("notifications/cancelled")["params"]["requestId"],
        asked["id"]
    );
    let answer = json!({ "action": "accept", "content": {} });
    bench.say(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": answer }));
    initialize_answered(&mut bench);
    let mut answered = Vec::new();
    while let Some(sent) = bench.sent.pop_front() {
        answered.push(sent.method.clone());
        bench.reply(sent.exchange, json!({}));
    }
    for id in [subscribed, refused] {
        assert_eq!(bench.answer(id)["result"], json!({}), "{answered:?}");
    }
    // Its first leg may have had effects; it is told that it came to nothing, or sent again.
    bench.answer(asking);
    bench.rests();
}
