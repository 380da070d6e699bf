//! What the server wants to know before it answers.

use super::*;

const STATE: &str = r#""\u0072ound\/1 \"=\u00e9\\""#;

fn form(message: &str) -> Value {
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": { "type": "object", "properties": {} } },
    })
}

fn sampling() -> Value {
    json!({ "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5 } })
}

fn asking() -> (Bench, u64, Sent) {
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    let params = json!({ "name": "p", "_meta": { "progressToken": 7, "v/k": 1 } });
    let id = bench.ask("prompts/get", params);
    let sent = bench.sent("prompts/get");
    (bench, id, sent)
}

fn required(bench: &mut Bench, exchange: u64, requests: &Value, state: Option<&str>) {
    let state = state
        .map(|state| format!(",\"requestState\":{state}"))
        .unwrap_or_default();
    let text = format!("{{\"resultType\":\"input_required\",\"inputRequests\":{requests}{state}}}");
    bench.reply_text(exchange, &text);
}

fn answer(bench: &mut Bench, asked: &Value, result: Value) {
    bench.say(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }));
}

#[test]
fn all_kinds_at_once_are_put_to_the_client_and_handed_in_together() {
    let (mut bench, id, sent) = asking();
    let roots = json!({ "method": "roots/list" });
    let wanted = json!({ "who": form("Name?"), "model": sampling(), "where \"x\"": roots });
    required(&mut bench, sent.exchange, &wanted, Some(STATE));
    let form = bench.heard_one("elicitation/create");
    let sample = bench.heard_one("sampling/createMessage");
    let roots = bench.heard_one("roots/list");
    assert_eq!(form["params"]["message"], "Name?");
    assert_eq!(sample["params"]["maxTokens"], 5);
    let accepted = json!({ "action": "accept", "content": { "n": "Ada" } });
    answer(&mut bench, &roots, json!({ "roots": [] }));
    answer(&mut bench, &form, accepted.clone());
    bench.nothing_sent();
    answer(&mut bench, &sample, json!({ "role": "assistant" }));
    let again = bench.sent("prompts/get");
    assert_ne!(again.exchange, sent.exchange);
    assert_eq!(again.body["id"], again.exchange);
    let params = &again.body["params"];
    assert_eq!(params["name"], "p");
    assert_eq!(params["_meta"]["progressToken"], 7);
    assert_eq!(
        params["inputResponses"],
        json!({ "who": accepted, "model": { "role": "assistant" }, "where \"x\"": { "roots": [] } })
    );
    let state = format!("\"requestState\":{STATE}");
    assert!(again.text.contains(&state), "{}", again.text);
    bench.reply(
        again.exchange,
        json!({ "resultType": "complete", "messages": [] }),
    );
    assert_eq!(bench.answer(id)["result"], json!({ "messages": [] }));
    bench.rests();
}

#[test]
fn what_was_not_given_is_not_handed_in_and_nothing_is_kept_of_a_round_before() {
    let (mut bench, _, sent) = asking();
    required(
        &mut bench,
        sent.exchange,
        &json!({ "a": form("1") }),
        Some(STATE),
    );
    let asked = bench.heard_one("elicitation/create");
    answer(&mut bench, &asked, json!({ "action": "decline" }));
    let second = bench.sent("prompts/get");
    required(
        &mut bench,
        second.exchange,
        &json!({ "b": form("2") }),
        None,
    );
    let asked = bench.heard_one("elicitation/create");
    answer(&mut bench, &asked, json!({ "action": "cancel" }));
    let third = bench.sent("prompts/get");
    let params = &third.body["params"];
    assert_eq!(
        params["inputResponses"],
        json!({ "b": { "action": "cancel" } })
    );
    assert_eq!(params.get("requestState"), None);
    required(&mut bench, third.exchange, &json!({}), Some(STATE));
    bench.nothing_sent();
    bench.pass(249);
    bench.nothing_sent();
    bench.pass(1);
    let fourth = bench.sent("prompts/get");
    assert_eq!(fourth.body["params"].get("inputResponses"), None);
    assert!(fourth.text.contains(STATE));
    // No state is none.
    required(
        &mut bench,
        fourth.exchange,
        &json!({ "c": form("3") }),
        Some("null"),
    );
    let asked = bench.heard_one("elicitation/create");
    answer(&mut bench, &asked, json!({ "action": "cancel" }));
    assert!(!bench.sent("prompts/get").text.contains("requestState"));
}

#[test]
fn a_server_that_keeps_asking_is_given_up() {
    let (mut bench, id, mut sent) = asking();
    for round in 0..10 {
        required(&mut bench, sent.exchange, &json!({}), Some(STATE));
        bench.pass(250);
        bench.unanswered(id);
        sent = bench.sent("prompts/get");
        assert!(round < 10);
    }
    required(&mut bench, sent.exchange, &json!({}), Some(STATE));
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.rests();
}

#[test]
fn what_cannot_be_asked_ends_the_request() {
    let odd = [
        json!({ "a": { "method": "vendor/ask" } }),
        json!({ "a": { "params": {} } }),
        json!({ "a": 1 }),
        json!([]),
        json!(null),
        json!({}),
    ];
    for wanted in odd {
        let (mut bench, id, sent) = asking();
        required(&mut bench, sent.exchange, &wanted, None);
        assert_eq!(bench.answer(id)["error"]["code"], -32603, "{wanted}");
        assert!(bench.told.is_empty(), "{:?}", bench.told);
        bench.rests();
    }
    // Where nothing may be asked.
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    let id = bench.ask("prompts/list", json!({}));
    let sent = bench.sent("prompts/list");
    required(&mut bench, sent.exchange, &json!({ "a": form("1") }), None);
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.rests();
}

#[test]
fn what_the_client_cannot_do_is_not_asked() {
    let tools = json!({ "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 5, "tools": [] } });
    let (mut bench, id, sent) = asking();
    required(
        &mut bench,
        sent.exchange,
        &json!({ "a": form("1"), "b": tools }),
        None,
    );
    assert!(bench.heard("elicitation/create").is_empty());
    assert_eq!(bench.answer(id)["error"]["code"], -32603);
    bench.rests();
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    let id = bench.call("echo", json!({}));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, plain_list());
    let call = bench.sent("tools/call");
    required(&mut bench, call.exchange, &json!({ "b": tools }), None);
    let result = bench.answer(id)["result"].clone();
    assert_eq!(result["isError"], true, "{result}");
    bench.rests();
}

#[test]
fn an_address_that_is_not_of_the_web_is_as_if_the_user_had_closed_it() {
    let (mut bench, _, sent) = asking();
    let url = |url: &str| {
        let params = json!({ "mode": "url", "url": url, "message": "m", "elicitationId": "e" });
        json!({ "method": "elicitation/create", "params": params })
    };
    let wanted = json!({ "bad": url("javascript:alert(1)"), "good": url("https://a.example/") });
    required(&mut bench, sent.exchange, &wanted, None);
    let asked = bench.heard_one("elicitation/create");
    assert_eq!(asked["params"]["url"], "https://a.example/");
    answer(&mut bench, &asked, json!({ "action": "accept" }));
    let again = bench.sent("prompts/get");
    assert_eq!(
        again.body["params"]["inputResponses"],
        json!({ "bad": { "action": "cancel" }, "good": { "action": "accept" } })
    );
    // If it is all that is asked for, nobody is asked.
    required(
        &mut bench,
        again.exchange,
        &json!({ "bad": url("file:///etc/passwd") }),
        None,
    );
    let again = bench.sent("prompts/get");
    assert_eq!(
        again.body["params"]["inputResponses"],
        json!({ "bad": { "action": "cancel" } })
    );
}

#[test]
fn a_form_that_is_not_answered_is_closed() {
    let answers = [
        json!({ "error": { "code": -32603, "message": "no" } }),
        json!({ "result": {} }),
        json!({ "result": { "content": {} } }),
    ];
    for said in answers {
        let (mut bench, _, sent) = asking();
        required(&mut bench, sent.exchange, &json!({ "a": form("1") }), None);
        let asked = bench.heard_one("elicitation/create");
        let mut said = said;
        said["jsonrpc"] = "2.0".into();
        said["id"] = asked["id"].clone();
        bench.say(said);
        let again = bench.sent("prompts/get");
        assert_eq!(
            again.body["params"]["inputResponses"],
            json!({ "a": { "action": "cancel" } })
        );
    }
    let (mut bench, _, sent) = asking();
    required(&mut bench, sent.exchange, &json!({ "a": form("1") }), None);
    bench.heard_one("elicitation/create");
    bench.pass(11 * 60 * 1000);
    let again = bench
        .sent
        .iter()
        .find(|sent| sent.method == "prompts/get")
        .unwrap();
    assert_eq!(
        again.body["params"]["inputResponses"],
        json!({ "a": { "action": "cancel" } })
    );
}

#[test]
fn a_model_that_is_not_there_ends_the_request_and_closes_the_other_forms() {
    let (mut bench, id, sent) = asking();
    let wanted = json!({ "a": form("1"), "b": sampling() });
    required(&mut bench, sent.exchange, &wanted, None);
    let form = bench.heard_one("elicitation/create");
    let sample = bench.heard_one("sampling/createMessage");
    let error = json!({ "code": -1, "message": "User rejected sampling request" });
    bench.say(json!({ "jsonrpc": "2.0", "id": sample["id"], "error": error }));
    let told = bench.answer(id);
    assert_eq!(told["error"]["code"], -32603);
    assert!(told.to_string().contains("User rejected"), "{told}");
    let withdrawn = bench.heard_one("notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], form["id"]);
    answer(&mut bench, &form, json!({ "action": "accept" }));
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn a_request_that_is_cancelled_takes_back_what_it_asked() {
    let (mut bench, id, sent) = asking();
    required(
        &mut bench,
        sent.exchange,
        &json!({ "a": form("1"), "b": form("2") }),
        None,
    );
    let asked = bench.heard("elicitation/create");
    bench.cancel(id);
    let mut withdrawn: Vec<Value> = bench
        .heard("notifications/cancelled")
        .iter()
        .map(|told| told["params"]["requestId"].clone())
        .collect();
    withdrawn.sort_by_key(Value::to_string);
    let mut open: Vec<Value> = asked.iter().map(|asked| asked["id"].clone()).collect();
    open.sort_by_key(Value::to_string);
    assert_eq!(withdrawn, open);
    answer(&mut bench, &asked[0], json!({ "action": "accept" }));
    bench.nothing_sent();
    bench.unanswered(id);
    bench.rests();
}

#[test]
fn two_requests_are_never_mixed() {
    let (mut bench, first, one) = asking();
    let second = bench.ask("prompts/get", json!({ "name": "q" }));
    let two = bench.sent("prompts/get");
    required(
        &mut bench,
        one.exchange,
        &json!({ "a": form("one") }),
        Some("\"1\""),
    );
    required(
        &mut bench,
        two.exchange,
        &json!({ "a": form("two") }),
        Some("\"2\""),
    );
    let asked = bench.heard("elicitation/create");
    assert_eq!(asked[1]["params"]["message"], "two");
    let said = |n: i64| json!({ "action": "accept", "content": { "n": n } });
    answer(&mut bench, &asked[1], said(2));
    let again = bench.sent("prompts/get");
    assert_eq!(again.body["params"]["name"], "q");
    assert_eq!(again.body["params"]["requestState"], "2");
    assert_eq!(
        again.body["params"]["inputResponses"],
        json!({ "a": said(2) })
    );
    bench.nothing_sent();
    // An answer counts once.
    answer(&mut bench, &asked[1], said(3));
    bench.nothing_sent();
    answer(&mut bench, &asked[0], said(1));
    let last = bench.sent("prompts/get");
    assert_eq!(last.body["params"]["name"], "p");
    assert_eq!(last.body["params"]["requestState"], "1");
    bench.reply(last.exchange, json!({ "messages": [1] }));
    bench.reply(again.exchange, json!({ "messages": [2] }));
    assert_eq!(bench.answer(first)["result"]["messages"], json!([1]));
    assert_eq!(bench.answer(second)["result"]["messages"], json!([2]));
    bench.rests();
}

#[test]
fn progress_rises_over_all_legs() {
    let (mut bench, _, sent) = asking();
    let progress = |bench: &mut Bench, exchange, value: f64| {
        let params = json!({ "progressToken": 7, "progress": value });
        bench.notify(exchange, "notifications/progress", params);
        bench.heard("notifications/progress").len()
    };
    assert_eq!(progress(&mut bench, sent.exchange, 1.0), 1);
    assert_eq!(progress(&mut bench, sent.exchange, 2.0), 1);
    required(&mut bench, sent.exchange, &json!({}), Some(STATE));
    bench.pass(250);
    let again = bench.sent("prompts/get");
    // The leg before is over.
    assert_eq!(progress(&mut bench, sent.exchange, 9.0), 0);
    for (value, heard) in [(1.0, 0), (2.0, 0), (2.5, 1), (3.0, 1)] {
        assert_eq!(
            progress(&mut bench, again.exchange, value),
            heard,
            "{value}"
        );
    }
}

#[test]
fn the_answers_are_not_lost_if_the_tools_change_meanwhile() {
    let (mut bench, listen) = Bench::listening();
    let id = bench.call("echo", json!({}));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, plain_list());
    let call = bench.sent("tools/call");
    required(
        &mut bench,
        call.exchange,
        &json!({ "a": form("1") }),
        Some(STATE),
    );
    bench.changed(&listen, "notifications/tools/list_changed", json!({}));
    let asked = bench.heard_one("elicitation/create");
    answer(&mut bench, &asked, json!({ "action": "decline" }));
    let list = bench.sent("tools/list");
    bench.nothing_sent();
    bench.reply(list.exchange, plain_list());
    let again = bench.sent("tools/call");
    assert_ne!(again.exchange, call.exchange);
    assert!(again.text.contains(STATE));
    assert_eq!(
        again.body["params"]["inputResponses"],
        json!({ "a": { "action": "decline" } })
    );
    // Nor if a head was wrong.
    let mismatch = json!({ "code": -32020, "message": "no" });
    bench.refuse(again.exchange, 400, mismatch);
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, plain_list());
    let third = bench.sent("tools/call");
    assert!(third.text.contains(STATE));
    bench.reply(third.exchange, json!({ "content": [] }));
    assert_eq!(bench.answer(id)["result"], json!({ "content": [] }));
    bench.rests();
}

#[test]
fn a_session_that_is_opened_again_takes_back_what_was_asked() {
    let (mut bench, id, sent) = asking();
    required(&mut bench, sent.exchange, &json!({ "a": form("1") }), None);
    bench.heard_one("elicitation/create");
    bench.ask("vendor/do", json!({}));
    let other = bench.sent("vendor/do");
    bench.fail(other.exchange, 404);
    bench.discover(json!({ "supportedVersions": ["2025-11-25"] }));
    bench.heard_one("notifications/cancelled");
    let initialize = bench.sent("initialize");
    bench.refuse(
        initialize.exchange,
        500,
        json!({ "code": 1, "message": "no" }),
    );
    bench.answer(id);
    bench.rests();
}
