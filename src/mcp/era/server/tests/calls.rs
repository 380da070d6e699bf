//! Requests, their answers, and what comes on their streams.

use super::*;

fn quiet() -> Bench {
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    bench
}

#[test]
fn a_request_says_of_itself_what_the_server_needs() {
    let mut bench = quiet();
    let line = r#"{"jsonrpc":"2.0","id":77,"method":"prompts/get","params":{"name":"p","n":1.50,"_meta":{"progressToken":5,"traceparent":"00-x","v/k":[ 1]}}}"#;
    bench.crossing.host_line(Bytes::from(line), 0);
    bench.settle();
    let sent = bench.sent("prompts/get");
    let found = &sent.body["params"]["_meta"];
    assert_eq!(found[meta::VERSION], VERSION);
    assert_eq!(found["traceparent"], "00-x");
    assert_eq!(found.get(meta::LOG_LEVEL), None);
    assert!(sent.text.contains(
        r#""name":"p","n":1.50,"_meta":{"progressToken":5,"traceparent":"00-x","v/k":[ 1],"#
    ));
    assert_eq!(sent.body["id"], sent.exchange);
    let without = bench.ask("prompts/list", json!({}));
    bench.say(json!({ "jsonrpc": "2.0", "id": "no-params", "method": "resources/list" }));
    assert_ne!(without, sent.exchange);
    bench.sent("prompts/list");
    let bare = bench.sent("resources/list");
    assert_eq!(bare.body["params"]["_meta"][meta::VERSION], VERSION);
}

#[test]
fn what_the_new_era_puts_into_results_is_taken_out() {
    let mut bench = quiet();
    let id = bench.ask("resources/read", json!({ "uri": "file:///x" }));
    let sent = bench.sent("resources/read");
    bench.reply_text(
        sent.exchange,
        r#"{"resultType":"complete","ttlMs":5,"cacheScope":"public","contents":[{"n":1.50}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"v":1},"x":null}"#,
    );
    let expected = json!({ "contents": [{ "n": 1.5 }], "_meta": { "v": 1 }, "x": null });
    assert_eq!(bench.answer(id)["result"], expected);
    bench.rests();
}

#[test]
fn results_of_types_that_no_client_asked_for_fail() {
    let mut bench = quiet();
    let id = bench.ask("prompts/get", json!({ "name": "p" }));
    let sent = bench.sent("prompts/get");
    bench.reply(
        sent.exchange,
        json!({ "resultType": "task", "taskId": "1" }),
    );
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.rests();
}

#[test]
fn errors_are_told_as_a_client_with_sessions_knows_them() {
    for (method, code, told) in [
        ("prompts/get", -32601, -32601),
        ("prompts/get", -32602, -32602),
        ("prompts/get", -32002, -32002),
        ("prompts/get", -32020, -32603),
        ("prompts/get", -32021, -32603),
        ("prompts/get", -32022, -32603),
        ("prompts/get", 4711, 4711),
    ] {
        let mut bench = quiet();
        let id = bench.ask(method, json!({ "name": "p" }));
        let sent = bench.sent(method);
        let status = match code {
            -32601 => 404,
            -32002 | 4711 => 200,
            _ => 400,
        };
        let data = json!({ "requiredCapabilities": { "elicitation": {} }, "x": 1 });
        bench.refuse(
            sent.exchange,
            status,
            json!({ "code": code, "message": "m", "data": data }),
        );
        let error = bench.answer(id)["error"].clone();
        assert_eq!(
            error,
            json!({ "code": told, "message": "m", "data": data }),
            "{code}"
        );
        bench.nothing_sent();
    }
}

#[test]
fn a_model_reads_what_a_tool_would_need() {
    let mut bench = quiet();
    let id = bench.call("echo", json!({}));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, plain_list());
    let call = bench.sent("tools/call");
    let data = json!({ "requiredCapabilities": { "sampling": { "tools": {} } } });
    bench.refuse(
        call.exchange,
        400,
        json!({ "code": -32021, "message": "m", "data": data }),
    );
    let result = bench.answer(id)["result"].clone();
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("sampling"), "{text}");
}

#[test]
fn another_version_in_the_middle_is_spoken_from_then_on() {
    let mut bench = quiet();
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    let offer = json!({
        "code": -32022, "message": "m", "data": { "supported": [VERSION], "requested": VERSION },
    });
    bench.refuse(sent.exchange, 400, offer.clone());
    let again = bench.sent("prompts/list");
    assert_ne!(again.exchange, sent.exchange);
    bench.refuse(again.exchange, 400, offer);
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    // What it offers besides does not count while it speaks ours.
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    let offer =
        json!({ "code": -32022, "message": "m", "data": { "supported": ["2025-11-25", VERSION] } });
    bench.refuse(sent.exchange, 400, offer);
    let again = bench.sent("prompts/list");
    assert_eq!(again.head().version, VERSION);
    bench.reply(again.exchange, json!({ "prompts": [] }));
    bench.answer(id);
    // It speaks nothing but revisions with sessions now.
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    let offer = json!({ "code": -32022, "message": "m", "data": { "supported": ["2025-11-25"] } });
    bench.refuse(sent.exchange, 400, offer);
    bench.unanswered(id);
    bench.sent("initialize");
}

#[test]
fn a_request_that_is_taken_and_not_answered_fails_at_once() {
    let mut bench = quiet();
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    bench.event(sent.exchange, Event::Accepted);
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    let reason = "it is no message";
    let answered = jsonrpc::Id::from_number(sent.exchange);
    bench.event(
        sent.exchange,
        Event::NoMessage {
            id: answered,
            reason,
        },
    );
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.rests();
}

#[test]
fn the_end_of_its_exchange_cancels_a_request() {
    let mut bench = quiet();
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    bench.cancel(id);
    assert!(bench.aborted.contains(&sent.exchange));
    bench.nothing_sent();
    bench.rests();
    bench.reply(
        sent.exchange,
        json!({ "resultType": "complete", "prompts": [] }),
    );
    bench.unanswered(id);
    // While it waits for the list of tools.
    let id = bench.call("echo", json!({}));
    let list = bench.sent("tools/list");
    bench.cancel(id);
    bench.reply(list.exchange, plain_list());
    bench.nothing_sent();
    bench.unanswered(id);
    bench.rests();
}

#[test]
fn on_the_stream_of_a_request_comes_what_belongs_to_it() {
    let mut bench = quiet();
    let id = bench.ask(
        "prompts/get",
        json!({ "name": "p", "_meta": { "progressToken": "t" } }),
    );
    let sent = bench.sent("prompts/get");
    for (progress, rises) in [(1.0, true), (1.0, false), (0.5, false), (2.0, true)] {
        let params = json!({ "progressToken": "t", "progress": progress });
        bench.notify(sent.exchange, "notifications/progress", params);
        assert_eq!(
            bench.heard("notifications/progress").len(),
            usize::from(rises)
        );
    }
    for dropped in [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
        "notifications/subscriptions/acknowledged",
        "notifications/cancelled",
        "notifications/message",
    ] {
        bench.notify(
            sent.exchange,
            dropped,
            json!({ "level": "emergency", "uri": "x" }),
        );
        assert!(bench.told.is_empty(), "{:?}", bench.told);
    }
    bench.notify(sent.exchange, "notifications/vendor", json!({ "x": 1 }));
    assert_eq!(
        bench.heard_one("notifications/vendor")["params"],
        json!({ "x": 1 })
    );
    // The server may not ask (MCP 2026-07-28, Transports, Streamable HTTP, Receiving Messages).
    for method in ["ping", "elicitation/create", "roots/list"] {
        let request = json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": {} });
        bench.event(sent.exchange, Event::Message(parsed(&request)));
        assert!(bench.told.is_empty(), "{:?}", bench.told);
        bench.nothing_sent();
    }
    bench.reply(sent.exchange, json!({ "messages": [] }));
    assert_eq!(bench.answer(id)["result"], json!({ "messages": [] }));
}

#[test]
fn log_levels_are_a_member_of_each_request() {
    let mut bench = quiet();
    for level in [json!("loud"), json!(3), Value::Null] {
        let id = bench.ask("logging/setLevel", json!({ "level": level }));
        assert_eq!(bench.answer(id)["error"]["code"], -32602);
    }
    let id = bench.ask("logging/setLevel", json!({ "level": "warning" }));
    assert_eq!(bench.answer(id)["result"], json!({}));
    bench.nothing_sent();
    bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    assert_eq!(sent.body["params"]["_meta"][meta::LOG_LEVEL], "warning");
    for (level, heard) in [
        ("debug", 0),
        ("notice", 0),
        ("warning", 1),
        ("emergency", 1),
        ("odd", 1),
    ] {
        bench.notify(
            sent.exchange,
            "notifications/message",
            json!({ "level": level, "data": 1 }),
        );
        assert_eq!(bench.heard("notifications/message").len(), heard, "{level}");
    }
    // A server that does not log.
    let mut bench = Bench::new(Protocol::Auto, None);
    bench.initialize("2025-11-25");
    bench.discover(json!({ "capabilities": { "tools": {} } }));
    bench.begin();
    let id = bench.ask("logging/setLevel", json!({ "level": "info" }));
    assert_eq!(bench.answer(id)["error"]["code"], -32601);
}

#[test]
fn what_the_new_era_does_not_have_is_not_sent() {
    let mut bench = quiet();
    for method in [
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/cancel",
        "subscriptions/listen",
    ] {
        let id = bench.ask(method, json!({ "taskId": "1" }));
        assert_eq!(bench.answer(id)["error"]["code"], -32601, "{method}");
    }
    for method in [
        "notifications/initialized",
        "notifications/roots/list_changed",
        "notifications/progress",
        "notifications/vendor",
    ] {
        bench.say(json!({ "jsonrpc": "2.0", "method": method, "params": {} }));
    }
    let id = bench.ask("ping", json!({}));
    assert_eq!(bench.answer(id)["result"], json!({}));
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn unknown_requests_are_sent_with_all_that_one_needs() {
    let mut bench = quiet();
    let id = bench.ask("vendor/do", json!({ "x": 1 }));
    let sent = bench.sent("vendor/do");
    assert_eq!(
        (&*sent.head().method, &sent.head().name),
        ("vendor/do", &None)
    );
    assert!(!sent.repeatable);
    bench.reply(sent.exchange, json!({ "y": 2 }));
    assert_eq!(bench.answer(id)["result"], json!({ "y": 2 }));
    let id = bench.ask("vendor/ä", json!({}));
    assert!(bench.answer(id).get("error").is_some());
    let id = bench.ask("prompts/get", json!({ "name": 7 }));
    assert_eq!(bench.answer(id)["error"]["code"], -32602);
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn a_client_of_the_new_era_is_passed_through() {
    let mut bench = Bench::new(Protocol::Auto, Some(&stateless()));
    let id = bench.ask_new("tasks/get", json!({ "taskId": "ä" }));
    bench.discover(json!({}));
    let sent = bench.sent("tasks/get");
    assert_eq!(sent.head().name.as_deref(), Some("=?base64?w6Q=?="));
    let result = json!({ "resultType": "task", "ttlMs": 5, "x": 1 });
    bench.reply(sent.exchange, result.clone());
    assert_eq!(bench.answer(id)["result"], result);
    // It hears of what it asked for.
    let mut params = json!({ "name": "p" });
    params["_meta"][meta::LOG_LEVEL] = "error".into();
    for (params, heard) in [(json!({ "name": "p" }), 0), (params, 1)] {
        bench.ask_new("prompts/get", params);
        let sent = bench.sent("prompts/get");
        bench.notify(
            sent.exchange,
            "notifications/message",
            json!({ "level": "error", "data": 1 }),
        );
        bench.notify(
            sent.exchange,
            "notifications/message",
            json!({ "level": "info", "data": 1 }),
        );
        assert_eq!(bench.heard("notifications/message").len(), heard);
        bench.reply(
            sent.exchange,
            json!({ "resultType": "complete", "messages": [] }),
        );
    }
    for method in ["logging/setLevel", "resources/subscribe", "ping"] {
        let id = bench.ask_new(method, json!({ "level": "info", "uri": "x" }));
        while let Some(sent) = bench.sent.pop_front() {
            bench.refuse(
                sent.exchange,
                404,
                json!({ "code": -32601, "message": "no" }),
            );
        }
        assert_eq!(bench.answer(id)["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn whether_the_server_is_there_is_asked_in_the_words_it_knows() {
    let keep_alive = |bench: &mut Bench| {
        let relay = Relay::new("mcp.example.com")
            .over(Preference::HttpOnly, None)
            .keeping_alive(Some(std::time::Duration::from_secs(30)));
        bench.sent.clear();
        bench.crossing = Crossing::new(relay, "mcp.example.com", Protocol::Auto, None, [7; 32]);
        bench.initialize("2025-11-25");
        bench.discover(json!({}));
        bench.begin();
        bench.sent("subscriptions/listen");
        bench.pass(30_000);
        // The subscription was not acknowledged by then.
        let ping = bench
            .sent
            .iter()
            .position(|sent| sent.method == "server/discover");
        bench.sent.remove(ping.unwrap()).unwrap()
    };
    let mut bench = Bench::new(Protocol::Auto, None);
    let ping = keep_alive(&mut bench);
    bench.sent.clear();
    bench.discovered(ping.exchange, json!({}));
    bench.pass(29_999);
    let mut pings = bench.sent.iter();
    assert!(!pings.any(|sent| sent.method == "server/discover"));
    // It is not the one that it was.
    let ping = keep_alive(&mut bench);
    bench.sent.clear();
    bench.fail(ping.exchange, 405);
    assert_eq!(bench.sent("server/discover").method, "server/discover");
    // It says nothing.
    let ping = keep_alive(&mut bench);
    bench.sent.clear();
    bench.pass(30_000);
    assert!(bench.aborted.contains(&ping.exchange));
}
