//! The list of tools, for the heads of calls.

use super::*;

fn annotated(header: &str) -> Value {
    json!({ "type": "object", "properties": { "a": { "type": "string", "x-mcp-header": header } } })
}

fn quiet() -> Bench {
    let mut bench = Bench::open();
    bench.sent("subscriptions/listen");
    bench
}

#[test]
fn the_list_is_read_once_before_the_first_call() {
    let mut bench = quiet();
    let ids = [
        bench.call("t", json!({ "a": "1" })),
        bench.call("t", json!({ "a": "2" })),
        bench.call("other", json!({ "a": "3" })),
    ];
    let list = bench.sent("tools/list");
    bench.nothing_sent();
    let mut page = list_of("t", &annotated("A"));
    page["nextCursor"] = "".into();
    bench.reply(list.exchange, page);
    let second = bench.sent("tools/list");
    assert_eq!(second.body["params"]["cursor"], "");
    bench.nothing_sent();
    bench.reply(second.exchange, plain_list());
    for value in ["1", "2"] {
        let call = bench.sent("tools/call");
        let expected = [("Mcp-Param-A".to_owned(), value.to_owned())];
        assert_eq!(call.head().parameters, expected);
        bench.reply(call.exchange, json!({ "content": [] }));
    }
    let call = bench.sent("tools/call");
    assert!(call.head().parameters.is_empty());
    bench.reply(call.exchange, json!({ "content": [] }));
    for id in ids {
        bench.answer(id);
    }
    bench.call("t", json!({ "a": "4" }));
    bench.sent("tools/call");
}

#[test]
fn a_list_that_goes_round_in_circles_ends() {
    let mut bench = quiet();
    bench.call("t", json!({}));
    for _ in 0..2 {
        let list = bench.sent("tools/list");
        let mut page = plain_list();
        page["nextCursor"] = "again".into();
        bench.reply(list.exchange, page);
    }
    bench.sent("tools/call");
}

#[test]
fn a_list_that_cannot_be_had_stops_no_call() {
    let acts: [Act<'_>; 4] = [
        &|bench, exchange| bench.fail(exchange, 0),
        &|bench, exchange| bench.refuse(exchange, 404, json!({ "code": -32601, "message": "no" })),
        &|bench, exchange| bench.event(exchange, Event::Accepted),
        &|bench, exchange| {
            let id = jsonrpc::Id::from_number(exchange);
            bench.event(exchange, Event::NoMessage { id, reason: "x" });
        },
    ];
    for act in acts {
        let mut bench = quiet();
        bench.call("t", json!({}));
        let list = bench.sent("tools/list");
        act(&mut bench, list.exchange);
        bench.sent("tools/call");
    }
    // Nobody has signed in as long as a call can wait.
    let mut bench = quiet();
    let id = bench.call("t", json!({}));
    let list = bench.sent("tools/list");
    bench.event(list.exchange, Event::NotSignedIn);
    bench.nothing_sent();
    bench.answer(id);
    bench.rests();
}

#[test]
fn a_tool_that_must_not_be_offered_is_not_and_cannot_be_called() {
    let mut bench = quiet();
    let id = bench.ask("tools/list", json!({}));
    let list = bench.sent("tools/list");
    let bad = json!({ "type": "object", "properties": { "a": { "type": "number", "x-mcp-header": "A" } } });
    let mut all = list_of("bad", &bad);
    let good = json!({ "name": "good", "inputSchema": annotated("A"), "x": 1.5 });
    all["tools"].as_array_mut().unwrap().push(good.clone());
    bench.reply(list.exchange, all);
    assert_eq!(bench.answer(id)["result"]["tools"], json!([good]));
    let id = bench.call("bad", json!({ "a": 1 }));
    assert_eq!(bench.answer(id)["error"]["code"], -32602);
    bench.nothing_sent();
    let id = bench.call("good", json!({ "a": "ä" }));
    let call = bench.sent("tools/call");
    assert_eq!(call.head().parameters[0].1, "=?base64?w6Q=?=");
    bench.reply(call.exchange, json!({ "content": [] }));
    bench.answer(id);
    bench.rests();
}

#[test]
fn a_number_that_no_head_can_carry_is_not_sent() {
    let mut bench = quiet();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "x-mcp-header": "N" } } });
    let id = bench.call("t", json!({ "n": 1.5 }));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, list_of("t", &schema));
    assert_eq!(bench.answer(id)["error"]["code"], -32602);
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn a_head_that_the_server_finds_wrong_is_made_anew_once() {
    let mut bench = quiet();
    let id = bench.call("t", json!({ "a": "x" }));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, list_of("t", &annotated("Old")));
    let call = bench.sent("tools/call");
    assert_eq!(call.head().parameters[0].0, "Mcp-Param-Old");
    let mismatch = json!({ "code": -32020, "message": "no", "data": 1 });
    bench.refuse(call.exchange, 400, mismatch.clone());
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, list_of("t", &annotated("New")));
    let again = bench.sent("tools/call");
    assert_ne!(again.exchange, call.exchange);
    assert_eq!(again.head().parameters[0].0, "Mcp-Param-New");
    bench.refuse(again.exchange, 400, mismatch);
    let error = &bench.answer(id)["error"];
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!(-32603), &json!(1))
    );
    bench.nothing_sent();
    bench.rests();
}

#[test]
fn the_list_is_read_again_when_it_may_be_another() {
    let acts: [ActOn<'_>; 2] = [
        &|bench, listen| bench.changed(listen, "notifications/tools/list_changed", json!({})),
        // Somebody else may have signed in.
        &|bench, _| {
            bench.ask("prompts/list", json!({}));
            let sent = bench.sent("prompts/list");
            bench.event(sent.exchange, Event::SigningIn);
        },
    ];
    for act in acts {
        let (mut bench, listen) = Bench::listening();
        bench.call("t", json!({ "a": "x" }));
        let list = bench.sent("tools/list");
        bench.reply(list.exchange, list_of("t", &annotated("A")));
        bench.sent("tools/call");
        act(&mut bench, &listen);
        bench.call("t", json!({ "a": "x" }));
        bench.sent("tools/list");
        bench.nothing_sent();
    }
}

#[test]
fn the_list_is_known_to_the_next_process() {
    let kept = |header: &str| {
        json!({ "t": [[header, "string", "a"]] })
            .as_object()
            .cloned()
    };
    let mut bench = quiet();
    bench.call("t", json!({ "a": "1" }));
    let list = bench.sent("tools/list");
    bench.reply(list.exchange, list_of("t", &annotated("A")));
    let record = bench.records.last().unwrap().clone();
    assert_eq!(record.tool_heads, kept("A"));

    let arguments = json!({ "name": "t", "arguments": { "a": "2" } });
    let (protocol, known) = (Protocol::Auto, stateless());
    let mut next = Bench::with(protocol, Some(&known), Some(record), Vec::new());
    next.ask_new("tools/call", arguments);
    let call = next.sent("tools/call");
    let expected = [("Mcp-Param-A".to_owned(), "2".to_owned())];
    assert_eq!(call.head().parameters, expected);
    // It has another by now.
    let mismatch = json!({ "code": -32020, "message": "header mismatch" });
    next.refuse(call.exchange, 400, mismatch);
    let list = next.sent("tools/list");
    next.reply(list.exchange, list_of("t", &annotated("B")));
    let call = next.sent("tools/call");
    let expected = [("Mcp-Param-B".to_owned(), "2".to_owned())];
    assert_eq!(call.head().parameters, expected);
    assert_eq!(next.records.last().unwrap().tool_heads, kept("B"));
}

#[test]
fn what_the_client_lists_is_known_to_the_next_process_too_and_written_once() {
    let mut bench = quiet();
    let before = bench.records.len();
    for (header, written) in [("A", 1), ("A", 1), ("B", 2)] {
        bench.ask("tools/list", json!({}));
        let list = bench.sent("tools/list");
        bench.reply(list.exchange, list_of("t", &annotated(header)));
        assert_eq!(bench.records.len() - before, written);
        let heads = bench.records.last().unwrap().tool_heads.clone();
        let expected = json!({ "t": [[header, "string", "a"]] });
        assert_eq!(heads, expected.as_object().cloned());
    }
}

#[test]
fn what_was_kept_of_a_list_and_makes_no_sense_is_left_out() {
    let record = ServerRecord {
        tool_heads: json!({
            "t": [["A", "string", "a"]], "u": 1, "v": [["A b", "string", "a"]], "w": [["A", "number", "a"]],
            "x": [["A", "string"]], "y": [[]], "z": [["", "string", "a"]],
        })
        .as_object()
        .cloned(),
        ..ServerRecord::default()
    };
    let (protocol, known) = (Protocol::Auto, stateless());
    let mut bench = Bench::with(protocol, Some(&known), Some(record), Vec::new());
    for tool in ["u", "v", "w", "x", "y", "z"] {
        bench.ask_new(
            "tools/call",
            json!({ "name": tool, "arguments": { "a": "1" } }),
        );
        assert!(
            bench.sent("tools/call").head().parameters.is_empty(),
            "{tool}"
        );
    }
}
