//! Pages that the user has to go to, before a request or in the middle of it.

use super::rounds::retry;
use super::*;

fn url_error(elicitations: Value) -> Value {
    json!({ "error": {
        "code": -32042, "message": "go there first", "data": { "elicitations": elicitations },
    } })
}

fn page(id: &str, url: &str) -> Value {
    json!({ "mode": "url", "elicitationId": id, "url": url, "message": "go" })
}

/// A call that needs two pages opened first.
fn sent_to_pages() -> (Bench, Value) {
    let mut bench = Bench::opened();
    let params =
        json!({ "name": "t", "arguments": { "a": 1, "b": 2 }, "_meta": { "progressToken": "p" } });
    let id = bench.ask("tools/call", params);
    let exchange = bench.take("tools/call").exchange;
    let pages = json!([
        page("e1", "https://x.example/1"),
        page("e2", "http://x.example/2")
    ]);
    bench.reply_as(exchange, url_error(pages));
    let required = bench.result(id);
    (bench, required)
}

#[test]
fn pages_that_are_needed_first_are_shown_and_the_request_goes_again() {
    let (mut bench, required) = sent_to_pages();
    assert_eq!(
        required["inputRequests"]["input-1"],
        json!({ "method": "elicitation/create", "params": { "mode": "url", "url": "https://x.example/1", "message": "go" } })
    );
    assert!(!required.to_string().contains("elicitationId"));
    // One of them: the other is asked for again.
    let id = retry(
        &mut bench,
        &required,
        json!({ "input-1": { "action": "accept" } }),
    );
    let again = bench.result(id);
    let id = retry(
        &mut bench,
        &again,
        json!({ "input-2": { "action": "accept" } }),
    );
    assert!(bench.sent.is_empty() && bench.told.is_empty());
    // They say that they are done, one by one.
    let standing = bench.standing.unwrap();
    let done = |bench: &mut Bench, page: &str| {
        let params = json!({ "elicitationId": page });
        bench.server_says(standing, "notifications/elicitation/complete", params);
    };
    done(&mut bench, "e1");
    done(&mut bench, "e7");
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    done(&mut bench, "e2");
    let call = bench.take("tools/call");
    assert_eq!(
        call.message["params"]["arguments"],
        json!({ "a": 1, "b": 2 })
    );
    bench.reply(call.exchange, json!({ "content": [] }));
    assert_eq!(bench.result(id)["resultType"], "complete");
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
}

#[test]
fn a_page_that_never_says_that_it_is_done_is_not_waited_for_for_ever() {
    let (mut bench, required) = sent_to_pages();
    let yes = json!({ "action": "accept" });
    let id = retry(
        &mut bench,
        &required,
        json!({ "input-1": yes, "input-2": yes }),
    );
    bench.pass(29_000);
    assert!(bench.sent.is_empty());
    bench.pass(2000);
    let call = bench.take("tools/call");
    bench.reply(call.exchange, json!({ "content": [] }));
    bench.result(id);
    bench.rests();
    // One that has said so before the client came back.
    let (mut bench, required) = sent_to_pages();
    let standing = bench.standing.unwrap();
    for page in ["e1", "e2"] {
        let params = json!({ "elicitationId": page });
        bench.server_says(standing, "notifications/elicitation/complete", params);
    }
    let id = retry(
        &mut bench,
        &required,
        json!({ "input-1": yes, "input-2": yes }),
    );
    let call = bench.take("tools/call");
    // The server may need more pages.
    bench.reply_as(
        call.exchange,
        url_error(json!([page("e3", "https://x.example/3")])),
    );
    assert_eq!(bench.result(id)["resultType"], "input_required");
    // One that waits for a page can be cancelled.
    let (mut bench, required) = sent_to_pages();
    let id = retry(
        &mut bench,
        &required,
        json!({ "input-1": yes, "input-2": yes }),
    );
    bench.cancel(id);
    bench.pass(60_000);
    assert!(bench.sent.is_empty() && bench.told.is_empty());
    bench.rests();
}

#[test]
fn a_page_that_the_user_does_not_want_ends_the_request() {
    for action in ["decline", "cancel", "x"] {
        let (mut bench, required) = sent_to_pages();
        let responses =
            json!({ "input-1": { "action": "accept" }, "input-2": { "action": action } });
        let id = retry(&mut bench, &required, responses);
        let result = bench.result(id);
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(result["resultType"], "complete");
        bench.rests();
    }
    let mut bench = Bench::opened();
    let id = bench.ask("prompts/get", json!({ "name": "p" }));
    let exchange = bench.take("prompts/get").exchange;
    bench.reply_as(
        exchange,
        url_error(json!([page("e", "https://x.example/")])),
    );
    let required = bench.result(id);
    let params = json!({
        "name": "p", "requestState": required["requestState"],
        "inputResponses": { "input-1": { "action": "decline" } },
    });
    let id = bench.ask("prompts/get", params);
    assert_eq!(bench.code(id), -32603);
    bench.rests();
}

#[test]
fn a_client_that_cannot_show_pages_is_told_so() {
    let mut bench = Bench::opened();
    bench.capabilities = json!({ "elicitation": { "form": {} } });
    let id = bench.ask("tools/call", json!({ "name": "t" }));
    let exchange = bench.take("tools/call").exchange;
    bench.reply_as(
        exchange,
        url_error(json!([page("e", "https://x.example/")])),
    );
    let answer = bench.answer(id);
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    assert_eq!(
        answer["error"]["data"]["requiredCapabilities"],
        json!({ "elicitation": { "url": {} } })
    );
    bench.rests();
}

#[test]
fn only_addresses_of_the_web_reach_the_user() {
    for elicitations in [
        json!([page("e", "file:///etc/passwd")]),
        json!([
            page("e", "https://x.example/"),
            page("f", "javascript:alert(1)")
        ]),
        json!([{ "mode": "url" }]),
        json!([7]),
        json!([]),
        json!({}),
        Value::Null,
        json!(
            (0..100)
                .map(|_| page("e", "https://x.example/"))
                .collect::<Vec<_>>()
        ),
    ] {
        let mut bench = Bench::opened();
        let id = bench.ask("tools/call", json!({ "name": "t" }));
        let exchange = bench.take("tools/call").exchange;
        bench.reply_as(exchange, url_error(elicitations.clone()));
        let result = bench.result(id);
        assert_eq!(result["isError"], true, "{elicitations}: {result}");
        bench.rests();
    }
    // In a question of the server's own.
    let mut bench = Bench::opened();
    let id = bench.ask("tools/call", json!({ "name": "t" }));
    let exchange = bench.take("tools/call").exchange;
    for url in [json!("data:text/html,x"), json!("x"), json!(7), Value::Null] {
        let params = json!({ "mode": "url", "url": url, "message": "", "elicitationId": "e" });
        bench.server_asks(exchange, "q1", "elicitation/create", params);
        assert_eq!(
            bench.take_answer("q1")["result"],
            json!({ "action": "cancel" })
        );
    }
    let params = page("e", "https://x.example/");
    bench.server_asks(exchange, "q2", "elicitation/create", params);
    bench.pass(60);
    let required = bench.result(id);
    let asked = &required["inputRequests"]["input-1"]["params"];
    assert_eq!(asked["url"], "https://x.example/");
    assert!(asked.get("elicitationId").is_none());
    // What it says of it later is not for the client.
    let params = json!({ "elicitationId": "e" });
    bench.server_says(exchange, "notifications/elicitation/complete", params);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}

#[test]
fn an_error_of_the_older_era_is_not_one_of_the_new() {
    let mut bench = Bench::opened();
    // Not of a request that may be answered with a question.
    let id = bench.ask("vendor/x", json!({}));
    let exchange = bench.take("vendor/x").exchange;
    bench.reply_as(
        exchange,
        url_error(json!([page("e", "https://x.example/")])),
    );
    assert_eq!(bench.code(id), -32603);
    let id = bench.ask("resources/read", json!({ "uri": "x:y" }));
    let exchange = bench.take("resources/read").exchange;
    let error = json!({ "code": -32002, "message": "no such", "data": { "uri": "x:y" } });
    bench.reply_as(exchange, json!({ "error": error }));
    let answer = bench.answer(id);
    assert_eq!(
        answer["error"],
        json!({ "code": -32602, "message": "no such", "data": { "uri": "x:y" } })
    );
}
