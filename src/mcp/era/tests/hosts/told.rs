//! What a client hears by the way: the log, progress, and what is meant for somebody else.

use super::*;

fn log(bench: &mut Bench, exchange: u64, level: &str) -> usize {
    let params = json!({ "level": level, "data": "x" });
    bench.server_says(exchange, "notifications/message", params);
    bench.heard("notifications/message").len()
}

fn call(bench: &mut Bench, level: Option<&str>) -> (u64, u64) {
    let found = match level {
        Some(level) => json!({ meta::LOG_LEVEL: level }),
        None => json!({}),
    };
    let params = json!({ "name": "t", "arguments": {}, "_meta": found });
    let id = bench.ask("tools/call", params);
    let sent = bench.take("tools/call");
    assert!(
        !sent
            .message
            .to_string()
            .contains("io.modelcontextprotocol/")
    );
    (id, sent.exchange)
}

fn end(bench: &mut Bench, (id, exchange): (u64, u64)) {
    bench.reply(exchange, json!({ "content": [] }));
    bench.result(id);
}

/// The level that the server was told, if it was told any.
fn level(bench: &mut Bench) -> Option<String> {
    let place = bench
        .sent
        .iter()
        .position(|sent| sent.method() == "logging/setLevel")?;
    let sent = bench.sent.remove(place).unwrap();
    bench.reply(sent.exchange, json!({}));
    sent.message["params"]["level"].as_str().map(str::to_owned)
}

#[test]
fn the_log_reaches_who_asked_for_it_from_that_level_on() {
    let mut bench = Bench::opened();
    let standing = bench.standing.unwrap();
    let quiet = call(&mut bench, None);
    assert_eq!(level(&mut bench), None);
    assert_eq!(log(&mut bench, quiet.1, "emergency"), 0);
    assert_eq!(log(&mut bench, standing, "emergency"), 0);
    let warning = call(&mut bench, Some("warning"));
    assert_eq!(level(&mut bench).as_deref(), Some("warning"));
    assert_eq!(log(&mut bench, warning.1, "notice"), 0);
    assert_eq!(log(&mut bench, warning.1, "warning"), 1);
    assert_eq!(log(&mut bench, warning.1, "x"), 0);
    // What belongs to a request that did not ask for it is for nobody.
    assert_eq!(log(&mut bench, quiet.1, "emergency"), 0);
    // There is only one that it can be for.
    assert_eq!(log(&mut bench, standing, "error"), 1);
    let debug = call(&mut bench, Some("debug"));
    assert_eq!(level(&mut bench).as_deref(), Some("debug"));
    assert_eq!(log(&mut bench, debug.1, "debug"), 1);
    assert_eq!(log(&mut bench, warning.1, "debug"), 0);
    assert_eq!(log(&mut bench, standing, "emergency"), 0);
    let other = call(&mut bench, Some("error"));
    assert_eq!(level(&mut bench), None);
    for call in [debug, warning, other, quiet] {
        end(&mut bench, call);
    }
    assert_eq!(log(&mut bench, standing, "emergency"), 0);
    let error = call(&mut bench, Some("error"));
    assert_eq!(level(&mut bench).as_deref(), Some("error"));
    end(&mut bench, error);
    bench.rests();
}

#[test]
fn a_level_that_there_is_not_is_refused() {
    let mut bench = Bench::opened();
    for wrong in [json!("loud"), json!(7), json!("")] {
        let id = bench.ask("tools/list", json!({ "_meta": { meta::LOG_LEVEL: wrong } }));
        assert_eq!(bench.code(id), -32602);
    }
    let mut bench = Bench::new();
    bench.capabilities_of_server = json!({ "tools": {} });
    bench.open();
    let one = call(&mut bench, Some("debug"));
    assert_eq!(level(&mut bench), None, "the server does not log");
    end(&mut bench, one);
}

#[test]
fn the_level_of_a_client_with_a_session_is_its_own() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    let one = call(&mut bench, Some("debug"));
    assert_eq!(level(&mut bench), None);
    assert_eq!(log(&mut bench, one.1, "debug"), 1);
    let quiet = call(&mut bench, None);
    assert_eq!(log(&mut bench, quiet.1, "error"), 0);
    let standing = bench.standing.unwrap();
    assert_eq!(log(&mut bench, standing, "error"), 1);
    end(&mut bench, one);
    end(&mut bench, quiet);
}

#[test]
fn equal_tokens_are_told_apart() {
    for stateless in [false, true] {
        let mut bench = match stateless {
            false => Bench::opened(),
            true => Bench::stateless(),
        };
        let ask = |bench: &mut Bench| {
            let params = json!({ "uri": "x:y", "_meta": { "progressToken": "p" } });
            let id = bench.ask("resources/read", params);
            let sent = bench.take("resources/read");
            (
                id,
                sent.exchange,
                sent.message["params"]["_meta"]["progressToken"].clone(),
            )
        };
        let (first, second) = (ask(&mut bench), ask(&mut bench));
        assert_eq!(first.2, "p");
        assert_ne!(second.2, "p");
        for (index, (_, exchange, token)) in [&first, &second, &first].iter().enumerate() {
            let params = json!({ "progressToken": token, "progress": index + 1, "message": "m" });
            bench.server_says(*exchange, "notifications/progress", params);
            let told = bench.heard("notifications/progress");
            assert_eq!(told.len(), 1, "{index}");
            assert_eq!(told[0]["params"]["progressToken"], "p");
        }
        for (id, exchange, _) in [first, second] {
            bench.reply(
                exchange,
                json!({ "resultType": "complete", "contents": [] }),
            );
            bench.result(id);
        }
        bench.rests();
    }
}

#[test]
fn a_token_of_a_client_with_a_session_is_not_taken_for_one_of_the_new_era() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    let params = json!({ "name": "t", "_meta": { "progressToken": 1 } });
    bench.say(&json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params }));
    let old = bench.take("tools/call");
    let id = bench.ask("tools/call", params.clone());
    let new = bench.take("tools/call");
    let token = new.message["params"]["_meta"]["progressToken"].clone();
    assert_ne!(token, 1);
    let mut value = 0;
    for (exchange, token) in [(old.exchange, json!(1)), (new.exchange, token)] {
        value += 1;
        let params = json!({ "progressToken": token, "progress": value });
        bench.server_says(exchange, "notifications/progress", params);
        let told = bench.heard("notifications/progress");
        assert_eq!(
            told[0]["params"],
            json!({ "progressToken": 1, "progress": value })
        );
    }
    bench.reply(new.exchange, json!({ "content": [] }));
    bench.result(id);
    bench.reply(old.exchange, json!({ "content": [] }));
    bench.answer("a");
    bench.rests();
}

#[test]
fn what_nobody_asked_for_is_told_to_nobody() {
    let mut bench = Bench::opened();
    let standing = bench.standing.unwrap();
    for (method, params) in [
        ("notifications/tools/list_changed", json!({})),
        ("notifications/resources/updated", json!({ "uri": "x:y" })),
        ("notifications/tasks/status", json!({ "taskId": "t" })),
        (
            "notifications/elicitation/complete",
            json!({ "elicitationId": "e" }),
        ),
        ("notifications/vendor", json!({})),
        ("notifications/cancelled", json!({ "requestId": 7 })),
        ("notifications/subscriptions/acknowledged", json!({})),
        (
            "notifications/message",
            json!({ "level": "error", "data": 1 }),
        ),
        (
            "notifications/progress",
            json!({ "progressToken": 1, "progress": 1 }),
        ),
    ] {
        bench.server_says(standing, method, params.clone());
        assert!(bench.told.is_empty(), "{method}: {:?}", bench.told);
        // Nor by the stream of a request that has nothing to do with it.
        let one = call(&mut bench, None);
        if method != "notifications/vendor" {
            bench.server_says(one.1, method, params);
            assert!(bench.told.is_empty(), "{method}: {:?}", bench.told);
        }
        end(&mut bench, one);
    }
    // What an extension says of a request is for whoever made it.
    let one = call(&mut bench, None);
    bench.server_says(one.1, "notifications/vendor", json!({ "a": 1 }));
    assert_eq!(
        bench.heard("notifications/vendor")[0]["params"],
        json!({ "a": 1 })
    );
}

#[test]
fn results_are_marked_and_otherwise_as_they_came() {
    let mut bench = Bench::opened();
    let one = call(&mut bench, None);
    let result =
        json!({ "content": [], "x": 1.5, "_meta": { "v/k": 1 }, "structuredContent": [1] });
    bench.reply(one.1, result);
    let result = bench.result(one.0);
    assert_eq!(
        result,
        json!({
            "content": [], "x": 1.5, "structuredContent": [1], "resultType": "complete",
            "_meta": { "v/k": 1, meta::SERVER_INFO: { "name": "server", "version": "1" } },
        })
    );
    for method in [
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    ] {
        let id = bench.ask(method, json!({ "uri": "x:y" }));
        let sent = bench.take(method);
        bench.reply(sent.exchange, json!({}));
        let result = bench.result(id);
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(0), &json!("private"))
        );
    }
    let id = bench.ask("completion/complete", json!({}));
    let sent = bench.take("completion/complete");
    bench.reply(sent.exchange, json!({ "completion": { "values": [] } }));
    assert!(bench.result(id).get("ttlMs").is_none());
}
