//! Requests that the server has questions about: what the client is asked, and what it comes back
//! with.

use super::*;

const FORM: &str = r#"{"message":"name?","requestedSchema":{"type":"object","properties":{}}}"#;

fn form() -> Value {
    serde_json::from_str(FORM).unwrap()
}

/// A call about which the server has asked once, and what the client was given for it.
fn asked() -> (Bench, u64, Value) {
    let mut bench = Bench::opened();
    let (exchange, required) = ask_once(&mut bench, json!({ "progressToken": "p" }));
    (bench, exchange, required)
}

fn ask_once(bench: &mut Bench, found: Value) -> (u64, Value) {
    let params = json!({ "name": "t", "arguments": { "a": 1, "b": 2 }, "_meta": found });
    let id = bench.ask("tools/call", params);
    let call = bench.take("tools/call");
    bench.server_asks(call.exchange, "q1", "elicitation/create", form());
    bench.pass(60);
    let required = bench.result(id);
    (call.exchange, required)
}

pub(super) fn retry(bench: &mut Bench, required: &Value, responses: Value) -> u64 {
    bench.ask(
        "tools/call",
        json!({
            "name": "t", "arguments": { "b": 2, "a": 1 },
            "requestState": required["requestState"], "inputResponses": responses,
        }),
    )
}

fn accept() -> Value {
    json!({ "action": "accept", "content": { "n": "Ada" } })
}

fn answered(bench: &mut Bench, exchange: u64, id: u64) {
    bench.reply(exchange, json!({ "content": [] }));
    assert_eq!(bench.result(id)["resultType"], "complete");
    bench.rests();
}

#[test]
fn questions_that_come_together_are_put_together() {
    let mut bench = Bench::opened();
    let id = bench.ask(
        "tools/call",
        json!({ "name": "t", "arguments": { "a": 1, "b": 2 } }),
    );
    let exchange = bench.take("tools/call").exchange;
    bench.server_asks(exchange, "q1", "elicitation/create", form());
    bench.pass(40);
    bench.server_asks(exchange, "q2", "roots/list", json!({}));
    assert!(bench.told.is_empty());
    bench.pass(20);
    let required = bench.result(id);
    assert_eq!(required["resultType"], "input_required");
    assert_eq!(required["_meta"][meta::SERVER_INFO]["name"], "server");
    let requests = keys(&required["inputRequests"]);
    assert_eq!(
        requests["input-1"],
        json!({ "method": "elicitation/create", "params": form() })
    );
    assert_eq!(requests["input-2"]["method"], "roots/list");
    assert!(required["requestState"].as_str().unwrap().len() >= 32);
    // One of the two, and what nobody asked.
    let id = retry(
        &mut bench,
        &required,
        json!({ "input-2": { "roots": [] }, "input-9": {}, "input-1": 7 }),
    );
    assert_eq!(bench.take_answer("q2")["result"], json!({ "roots": [] }));
    let again = bench.result(id);
    assert_eq!(
        keys(&again["inputRequests"])
            .into_keys()
            .collect::<Vec<_>>(),
        ["input-1"]
    );
    assert_ne!(again["requestState"], required["requestState"]);
    // The first handle is used up.
    let old = retry(&mut bench, &required, json!({ "input-1": accept() }));
    assert_eq!(bench.code(old), -32602);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    let id = retry(&mut bench, &again, json!({ "input-1": accept() }));
    assert_eq!(bench.take_answer("q1")["result"], accept());
    // The server has another one.
    bench.server_asks(
        exchange,
        "q3",
        "sampling/createMessage",
        json!({ "messages": [], "maxTokens": 1 }),
    );
    bench.pass(60);
    let third = bench.result(id);
    let id = retry(
        &mut bench,
        &third,
        json!({ "input-1": { "role": "assistant" } }),
    );
    bench.take_answer("q3");
    answered(&mut bench, exchange, id);
}

#[test]
fn what_a_stranger_may_have_given_the_client_reaches_nobody() {
    let (mut bench, exchange, required) = asked();
    let state = required["requestState"].as_str().unwrap().to_owned();
    let good = json!({ "name": "t", "arguments": { "a": 1, "b": 2 } });
    let responses = json!({ "input-1": accept() });
    let long = "x".repeat(1 << 20);
    let flipped = format!(
        "{}{}",
        &state[..47],
        if state.ends_with('0') { "1" } else { "0" }
    );
    for (method, params, state) in [
        ("tools/call", good.clone(), json!("")),
        ("tools/call", good.clone(), json!(flipped)),
        ("tools/call", good.clone(), json!(long)),
        (
            "tools/call",
            good.clone(),
            json!(state.to_uppercase() + " "),
        ),
        ("tools/call", good.clone(), json!([state])),
        ("tools/call", good.clone(), json!({ "requestState": state })),
        ("tools/call", good.clone(), json!(1)),
        ("tools/call", good.clone(), Value::Null),
        (
            "tools/call",
            json!({ "name": "u", "arguments": { "a": 1, "b": 2 } }),
            json!(state),
        ),
        (
            "tools/call",
            json!({ "name": "t", "arguments": { "a": 1 } }),
            json!(state),
        ),
        (
            "tools/call",
            json!({ "name": "t", "arguments": { "a": "1", "b": 2 } }),
            json!(state),
        ),
        ("tools/call", json!({ "name": "t" }), json!(state)),
        ("prompts/get", good.clone(), json!(state)),
        ("resources/read", json!({ "uri": "t" }), json!(state)),
    ] {
        let mut params = params;
        params["requestState"] = state.clone();
        params["inputResponses"] = responses.clone();
        let id = bench.ask(method, params.clone());
        assert_eq!(bench.code(id), -32602, "{method} {params:.200}");
        assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    }
    for responses in [json!([]), json!("x"), Value::Null] {
        let id = retry(&mut bench, &required, responses);
        assert_eq!(bench.code(id), -32602);
    }
    // Answers without a handle belong to nothing.
    let mut params = good;
    params["inputResponses"] = responses.clone();
    let id = bench.ask("tools/call", params);
    assert_eq!(bench.code(id), -32602);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    // None of that has harmed the one that it was given to.
    let id = retry(&mut bench, &required, responses);
    bench.take_answer("q1");
    answered(&mut bench, exchange, id);
}

#[test]
fn other_requests_know_no_handles() {
    let mut bench = Bench::opened();
    bench.ask(
        "tools/list",
        json!({ "requestState": "x", "inputResponses": {} }),
    );
    let list = bench.take("tools/list");
    assert!(list.message["params"].get("requestState").is_none());
}

#[test]
fn a_client_that_does_not_come_back_lapses() {
    let (mut bench, exchange, required) = asked();
    bench.pass(10 * 60 * 1000 + 100);
    assert!(bench.take_answer("q1").get("error").is_some());
    let cancelled = bench.take("notifications/cancelled");
    assert_eq!(cancelled.message["params"]["requestId"], exchange);
    assert!(bench.aborted.contains(&exchange));
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    assert_eq!(bench.code(id), -32602);
    bench.rests();
}

#[test]
fn a_server_that_answers_although_it_asked_is_believed() {
    // Before the client was asked.
    let mut bench = Bench::opened();
    let id = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let exchange = bench.take("tools/call").exchange;
    bench.server_asks(exchange, "q1", "elicitation/create", form());
    answered(&mut bench, exchange, id);
    assert!(bench.take_answer("q1").get("error").is_some());
    bench.pass(1000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // While it was away: a result, and a failure.
    for fails in [false, true] {
        let (mut bench, exchange, required) = asked();
        match fails {
            false => bench.reply(exchange, json!({ "content": [], "n": 1 })),
            true => bench.breaks(exchange, Stage::Http),
        }
        assert!(bench.told.is_empty(), "{:?}", bench.told);
        let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
        match fails {
            false => assert_eq!(bench.result(id)["n"], 1),
            true => assert_eq!(bench.code(id), -32603),
        }
        bench.rests();
    }
    // And nobody comes back for it.
    let (mut bench, exchange, _) = asked();
    bench.reply(exchange, json!({ "content": [] }));
    bench.pass(11 * 60 * 1000);
    bench.rests();
}

#[test]
fn a_server_that_withdraws_its_question_goes_on() {
    let (mut bench, exchange, required) = asked();
    bench.server_says(
        exchange,
        "notifications/cancelled",
        json!({ "requestId": "q1" }),
    );
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    answered(&mut bench, exchange, id);
    // Before the client was asked.
    let mut bench = Bench::opened();
    let id = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let exchange = bench.take("tools/call").exchange;
    bench.server_asks(exchange, "q1", "elicitation/create", form());
    bench.server_says(
        exchange,
        "notifications/cancelled",
        json!({ "requestId": "q1" }),
    );
    bench.pass(100);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    answered(&mut bench, exchange, id);
}

#[test]
fn what_is_asked_while_the_client_is_away_waits_for_it() {
    let (mut bench, exchange, required) = asked();
    bench.server_asks(exchange, "q2", "roots/list", json!({}));
    bench.pass(1000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    bench.take_answer("q1");
    let again = bench.result(id);
    let id = retry(&mut bench, &again, json!({ "input-2": { "roots": [] } }));
    bench.take_answer("q2");
    answered(&mut bench, exchange, id);
}

#[test]
fn cancelling_ends_what_is_under_way_and_nothing_that_has_ended() {
    let (mut bench, exchange, required) = asked();
    let first = bench.next_id;
    // That one is over.
    bench.cancel(first);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    bench.take_answer("q1");
    bench.cancel(id);
    let cancelled = bench.take("notifications/cancelled");
    assert_eq!(cancelled.message["params"]["requestId"], exchange);
    assert!(bench.aborted.contains(&exchange));
    bench.pass(11 * 60 * 1000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
    // While its questions are being gathered.
    let mut bench = Bench::opened();
    let id = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let exchange = bench.take("tools/call").exchange;
    bench.server_asks(exchange, "q1", "elicitation/create", form());
    bench.cancel(id);
    bench.pass(1000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
}

#[test]
fn a_session_that_is_lost_meanwhile_is_told_to_whoever_comes_back() {
    let (mut bench, exchange, required) = asked();
    let other = bench.ask("tools/list", json!({}));
    let list = bench.take("tools/list");
    bench.event(list.exchange, Event::SessionLost);
    bench.breaks(exchange, Stage::Http);
    bench.server_opens();
    let list = bench.take("tools/list");
    bench.reply(list.exchange, json!({ "tools": [] }));
    bench.result(other);
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    assert_eq!(bench.code(id), -32603);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.rests();
}

#[test]
fn progress_rises_from_round_to_round_under_the_token_given_last() {
    let (mut bench, exchange, required) = asked();
    let progress = |bench: &mut Bench, value: Value| {
        let params = json!({ "progressToken": "p", "progress": value });
        bench.server_says(exchange, "notifications/progress", params);
        let told = bench.heard("notifications/progress");
        told.first().map(|told| told["params"].clone())
    };
    // Nobody waits for anything.
    assert_eq!(progress(&mut bench, json!(1)), None);
    let params = json!({
        "name": "t", "arguments": { "a": 1, "b": 2 }, "_meta": { "progressToken": 77 },
        "requestState": required["requestState"], "inputResponses": { "input-1": accept() },
    });
    let id = bench.ask("tools/call", params);
    bench.take_answer("q1");
    assert_eq!(
        progress(&mut bench, json!(2.5)),
        Some(json!({ "progressToken": 77, "progress": 2.5 }))
    );
    assert_eq!(progress(&mut bench, json!(2.5)), None);
    assert_eq!(progress(&mut bench, json!(2)), None);
    assert!(progress(&mut bench, json!(3)).is_some());
    answered(&mut bench, exchange, id);
    assert_eq!(progress(&mut bench, json!(4)), None);
    // One that comes back without a token wants to hear nothing.
    let (exchange, required) = ask_once(&mut bench, json!({ "progressToken": "p" }));
    let id = retry(&mut bench, &required, json!({ "input-1": accept() }));
    let params = json!({ "progressToken": "p", "progress": 9 });
    bench.server_says(exchange, "notifications/progress", params);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.take_answer("q1");
    answered(&mut bench, exchange, id);
}

#[test]
fn questions_are_refused_that_the_client_cannot_be_asked() {
    let mut bench = Bench::opened();
    bench.capabilities = json!({ "elicitation": {} });
    let id = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let exchange = bench.take("tools/call").exchange;
    let url =
        json!({ "mode": "url", "url": "https://x.example/", "message": "", "elicitationId": "e" });
    for (id, method, params, code) in [
        ("q1", "roots/list", json!({}), -32601),
        ("q2", "elicitation/create", url, -32601),
        ("q3", "sampling/createMessage", json!({}), -32601),
        ("q4", "vendor/ask", json!({}), -32601),
    ] {
        bench.server_asks(exchange, id, method, params);
        assert_eq!(bench.take_answer(id)["error"]["code"], code, "{method}");
    }
    bench.server_asks(exchange, "q5", "ping", json!({}));
    assert_eq!(bench.take_answer("q5")["result"], json!({}));
    // Of a request that is not one to ask about.
    bench.ask("tools/list", json!({}));
    let list = bench.take("tools/list").exchange;
    bench.server_asks(list, "q6", "elicitation/create", form());
    assert_eq!(bench.take_answer("q6")["error"]["code"], -32601);
    bench.pass(1000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.reply(list, json!({ "tools": [] }));
    bench.told.clear();
    // Of none in particular: there is only one that it can be.
    let standing = bench.standing.unwrap();
    bench.server_asks(standing, "q7", "elicitation/create", form());
    bench.pass(100);
    assert_eq!(bench.result(id)["resultType"], "input_required");
    // And none.
    bench.pass(11 * 60 * 1000);
    bench.sent.clear();
    bench.server_asks(standing, "q8", "elicitation/create", form());
    assert_eq!(bench.take_answer("q8")["error"]["code"], -32602);
}

#[test]
fn what_belongs_to_a_client_with_a_session_is_asked_there() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    let new = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let of_new = bench.take("tools/call").exchange;
    let call = json!({ "name": "t", "arguments": {} });
    bench.say(&json!({ "jsonrpc": "2.0", "id": "old", "method": "tools/call", "params": call }));
    let of_old = bench.take("tools/call").exchange;
    let standing = bench.standing.unwrap();
    for exchange in [of_old, standing] {
        bench.server_asks(exchange, "q", "elicitation/create", form());
        let asked = bench.heard("elicitation/create");
        assert_eq!(asked.len(), 1);
        bench.say(&json!({ "jsonrpc": "2.0", "id": asked[0]["id"], "result": accept() }));
        assert_eq!(bench.take_answer("q")["result"], accept());
    }
    bench.server_asks(of_new, "q", "elicitation/create", form());
    bench.pass(60);
    assert_eq!(bench.result(new)["resultType"], "input_required");
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}
