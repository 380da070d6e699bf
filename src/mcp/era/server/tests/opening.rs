//! What is asked first, and what comes of the answer.

use super::*;

fn initialized(exchange: u64) -> Value {
    json!({
        "jsonrpc": "2.0", "id": exchange,
        "result": {
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
            "serverInfo": { "name": "old", "version": "1" },
        },
    })
}

#[test]
fn a_server_without_sessions_looks_like_one_with() {
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize(version);
        let asked = bench.discover(json!({
            "instructions": "be kind",
            "capabilities": {
                "tools": { "listChanged": true }, "completions": {}, "x/y": { "z": 1 },
                "extensions": { "io.modelcontextprotocol/tasks": {}, "a/b": { "c": 1 } },
            },
        }));
        let params = &asked.body["params"]["_meta"];
        assert_eq!(params[meta::VERSION], VERSION);
        assert_eq!(params[meta::CLIENT_INFO]["title"], "C");
        assert_eq!(
            params[meta::CLIENT_CAPABILITIES],
            json!({
                "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {},
                "extensions": { "a/b": {} },
            })
        );
        assert_eq!(asked.head().method, "server/discover");
        assert_eq!(
            (asked.head().version.as_str(), &asked.head().name),
            (VERSION, &None)
        );
        let mut capabilities = json!({
            "tools": { "listChanged": true }, "completions": {}, "x/y": { "z": 1 },
            "extensions": { "a/b": { "c": 1 } },
        });
        if version == "2024-11-05" {
            capabilities.as_object_mut().unwrap().remove("completions");
        }
        let expected = json!({
            "protocolVersion": version, "capabilities": capabilities,
            "serverInfo": { "name": "server", "version": "1" }, "instructions": "be kind",
        });
        assert_eq!(bench.answer(id)["result"], expected);
        assert_eq!(bench.records[0].era, Some(stateless()));
        bench.begin();
        bench.sent("subscriptions/listen");
        bench.nothing_sent();
    }
}

#[test]
fn a_name_may_stand_where_drafts_had_it_or_nowhere() {
    for (more, name) in [
        (
            json!({ "_meta": {}, "serverInfo": { "name": "top", "version": "2" } }),
            "top",
        ),
        (json!({ "_meta": {} }), "mcp.example.com"),
    ] {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize("2025-11-25");
        bench.discover(more);
        assert_eq!(bench.answer(id)["result"]["serverInfo"]["name"], name);
    }
}

#[test]
fn what_is_no_answer_of_the_new_era_leads_to_initialize() {
    let refusals: [(u16, i64); 6] = [
        (400, -32000),
        (400, -32600),
        (404, -32601),
        (200, -32601),
        (200, -32602),
        (405, -32000),
    ];
    let check = |act: &dyn Fn(&mut Bench, u64)| {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize("2025-11-25");
        let asked = bench.sent("server/discover");
        act(&mut bench, asked.exchange);
        let initialize = bench.sent("initialize");
        assert_eq!(initialize.head, None);
        assert_ne!(initialize.exchange, asked.exchange);
        assert!(!initialize.text.contains("io.modelcontextprotocol/c"));
        let message = initialized(initialize.exchange);
        bench.event(initialize.exchange, Event::Reply(parsed(&message)));
        assert_eq!(bench.answer(id)["result"]["serverInfo"]["name"], "old");
        assert_eq!(bench.records[0].era, Some(with_sessions()));
        bench.rests();
    };
    for (status, code) in refusals {
        check(&|bench, exchange| {
            bench.refuse(exchange, status, json!({ "code": code, "message": "no" }));
        });
    }
    for status in [400, 404, 405, 406, 410, 415, 501] {
        check(&|bench, exchange| bench.fail(exchange, status));
    }
    for result in [
        json!({}),
        json!({ "tools": [] }),
        json!({ "supportedVersions": ["2025-11-25"] }),
    ] {
        check(&|bench, exchange| bench.reply(exchange, result.clone()));
    }
    check(&|bench, exchange| bench.event(exchange, Event::Accepted));
    check(&|bench, exchange| {
        let id = jsonrpc::Id::from_number(exchange);
        let reason = "it is no message";
        bench.event(exchange, Event::NoMessage { id, reason });
    });
}

#[test]
fn an_outage_decides_nothing_and_the_next_attempt_asks_again() {
    let check = |act: &dyn Fn(&mut Bench, u64)| {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize("2025-11-25");
        let asked = bench.sent("server/discover");
        act(&mut bench, asked.exchange);
        assert!(bench.answer(id).get("error").is_some());
        bench.nothing_sent();
        bench.rests();
        assert!(bench.records.is_empty());
        let id = bench.initialize("2025-11-25");
        bench.discover(json!({}));
        assert!(bench.answer(id).get("result").is_some());
    };
    for status in [0, 403, 408, 429, 500, 502, 503, 504, 520] {
        check(&|bench, exchange| bench.fail(exchange, status));
    }
    // Gateways say so in JSON-RPC, too.
    for status in [403, 429, 500, 502, 503, 504] {
        let error = json!({ "code": -32603, "message": "upstream is away" });
        check(&|bench, exchange| bench.refuse(exchange, status, error.clone()));
    }
}

#[test]
fn whoever_signs_in_is_waited_for_and_the_question_counts() {
    let mut bench = Bench::new(Protocol::Auto, None);
    let id = bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.event(asked.exchange, Event::Delayed);
    bench.pass(60_000);
    bench.nothing_sent();
    bench.discovered(asked.exchange, json!({}));
    bench.unanswered(id + 1);
    assert_eq!(bench.records[0].era, Some(stateless()));
}

#[test]
fn silence_leads_to_initialize_but_is_not_remembered() {
    let mut bench = Bench::new(Protocol::Auto, None);
    let id = bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.pass(9_999);
    bench.nothing_sent();
    bench.pass(1);
    assert!(bench.aborted.contains(&asked.exchange));
    let initialize = bench.sent("initialize");
    let message = initialized(initialize.exchange);
    bench.event(initialize.exchange, Event::Reply(parsed(&message)));
    assert!(bench.answer(id).get("result").is_some());
    assert_eq!(bench.records[0].era, None);
    // What comes late is of no interest.
    bench.discovered(asked.exchange, json!({}));
    bench.rests();
}

#[test]
fn one_that_is_known_to_have_no_sessions_may_take_its_time() {
    let verdict = stateless();
    for (protocol, known) in [
        (Protocol::Auto, Some(&verdict)),
        (Protocol::Stateless(None), None),
    ] {
        let mut bench = Bench::new(protocol, known);
        let id = bench.initialize("2025-11-25");
        let asked = bench.sent("server/discover");
        bench.pass(60_000);
        bench.nothing_sent();
        bench.discovered(asked.exchange, json!({}));
        assert!(bench.answer(id).get("result").is_some());
    }
}

#[test]
fn another_version_is_asked_for_once() {
    let offer = |supported: Value| {
        json!({
            "code": -32022, "message": "Unsupported protocol version",
            "data": { "supported": supported, "requested": VERSION },
        })
    };
    for code in [-32022, -32004] {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize("2025-11-25");
        let asked = bench.sent("server/discover");
        let mut error = offer(json!([VERSION]));
        error["code"] = code.into();
        bench.refuse(asked.exchange, 400, error.clone());
        let again = bench.sent("server/discover");
        assert_ne!(again.exchange, asked.exchange);
        assert_eq!(again.body["id"], again.exchange);
        bench.refuse(again.exchange, 400, error);
        let error = bench.answer(id)["error"].clone();
        assert_eq!(error["code"], -32602);
        assert_eq!(
            error["data"],
            json!({ "supported": [VERSION], "requested": VERSION })
        );
        bench.rests();
    }
    // Only revisions with sessions.
    let mut bench = Bench::new(Protocol::Auto, None);
    bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.refuse(asked.exchange, 400, offer(json!(["2025-11-25"])));
    bench.sent("initialize");
    // It names a revision, and does not know the question.
    let mut bench = Bench::new(Protocol::Auto, None);
    let id = bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.refuse(asked.exchange, 400, offer(json!([VERSION])));
    let again = bench.sent("server/discover");
    let unknown = json!({ "code": -32601, "message": "Method not found" });
    bench.refuse(again.exchange, 404, unknown);
    let capabilities = &bench.answer(id)["result"]["capabilities"];
    assert_eq!(
        *capabilities,
        json!({ "tools": {}, "prompts": {}, "resources": {} })
    );
}

#[test]
fn one_that_calls_our_question_wrong_is_of_the_new_era() {
    for code in [-32020, -32021] {
        let mut bench = Bench::new(Protocol::Auto, None);
        let id = bench.initialize("2025-11-25");
        let asked = bench.sent("server/discover");
        bench.refuse(
            asked.exchange,
            400,
            json!({ "code": code, "message": "no" }),
        );
        assert!(bench.answer(id).get("result").is_some());
        bench.nothing_sent();
    }
}

#[test]
fn what_the_user_wants_spoken_is_spoken() {
    let mut bench = Bench::new(Protocol::Initialize(Some("2025-06-18")), Some(&stateless()));
    bench.initialize("2025-11-25");
    let initialize = bench.sent("initialize");
    assert_eq!(initialize.body["params"]["protocolVersion"], "2025-06-18");
    let mut bench = Bench::new(Protocol::Stateless(None), Some(&with_sessions()));
    let id = bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.fail(asked.exchange, 404);
    let answer = bench.answer(id).to_string();
    assert!(answer.contains("`--protocol`"), "{answer}");
    bench.nothing_sent();
}

#[test]
fn a_client_that_leaves_before_the_answer_leaves_nothing() {
    let mut bench = Bench::new(Protocol::Auto, None);
    bench.initialize("2025-11-25");
    let asked = bench.sent("server/discover");
    bench.initialize("2025-11-25");
    assert!(bench.aborted.contains(&asked.exchange));
    let second = bench.sent("server/discover");
    bench.discovered(asked.exchange, json!({}));
    bench.discovered(second.exchange, json!({}));
    bench.rests();
}

#[test]
fn ways_of_authorization_are_declared_beside_what_the_client_can_do() {
    let id = "io.modelcontextprotocol/oauth-client-credentials";
    let mut bench = Bench::with(Protocol::Auto, None, None, vec![id]);
    bench.initialize("2025-11-25");
    let asked = bench.discover(json!({}));
    let declared = &asked.body["params"]["_meta"][meta::CLIENT_CAPABILITIES];
    assert_eq!(declared["extensions"], json!({ "a/b": {}, id: {} }));
    assert_eq!(declared["sampling"], json!({}));
    let mut bench = Bench::with(Protocol::Auto, Some(&stateless()), None, vec![id]);
    let mut params = json!({ "name": "echo", "arguments": {} });
    params["_meta"] = json!({
        meta::VERSION: VERSION,
        meta::CLIENT_CAPABILITIES: { "extensions": { "a/b": { "c": 1 } } },
    });
    bench.ask("tools/call", params);
    bench.discover(json!({}));
    bench.sent("tools/list");
    let list = bench.crossing.server.legs.keys().copied().max().unwrap();
    bench.reply(list, plain_list());
    let call = bench.sent("tools/call");
    let declared = &call.body["params"]["_meta"][meta::CLIENT_CAPABILITIES];
    assert_eq!(declared["extensions"], json!({ "a/b": { "c": 1 }, id: {} }));
}
