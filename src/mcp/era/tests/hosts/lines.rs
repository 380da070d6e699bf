//! What a client may write, and what it may not.

use super::*;

#[test]
fn ids_of_the_client_are_its_own() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    // The very ids that are given to the relay.
    let ours: Vec<String> = (1..20)
        .flat_map(|number| [format!("era-{number}"), format!("era-00-{number}")])
        .collect();
    bench.ask("tools/call", json!({ "name": "slow", "arguments": {} }));
    let slow = bench.take("tools/call");
    for id in &ours {
        bench.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" }));
        let list = bench.take("tools/list");
        bench.reply(list.exchange, json!({ "tools": [] }));
        let answer = bench.answer(id.as_str());
        assert_eq!(answer["result"], json!({ "tools": [] }), "{answer}");
    }
    bench.reply(slow.exchange, json!({ "content": [] }));
    assert_eq!(bench.result(1)["resultType"], "complete");
}

#[test]
fn an_id_that_is_in_use_is_refused_whatever_its_era() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    let plain = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" });
    // The older first, then the new.
    bench.say(&plain(1));
    let id = bench.ask("tools/list", json!({}));
    assert_eq!(bench.code(id), -32600);
    let list = bench.take("tools/list");
    bench.reply(list.exchange, json!({ "tools": [] }));
    assert!(bench.answer(1)["result"].get("resultType").is_none());
    // The new first, then the older, then the new again.
    let id = bench.ask("tools/list", json!({}));
    bench.say(&plain(id));
    assert_eq!(bench.code(id), -32600);
    let again = bench.request(id.into(), "tools/list", json!({}));
    bench.say(&again);
    assert_eq!(bench.code(id), -32600);
    let list = bench.take("tools/list");
    bench.reply(list.exchange, json!({ "tools": [] }));
    assert_eq!(bench.result(id)["resultType"], "complete");
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
}

#[test]
fn an_id_is_in_use_while_its_request_waits_for_the_session() {
    for method in ["tools/list", "server/discover"] {
        let mut bench = Bench::new();
        let id = bench.ask(method, json!({}));
        let again = bench.request(id.into(), "tools/list", json!({}));
        bench.say(&again);
        assert_eq!(bench.code(id), -32600, "{method}");
        bench.say(&bench.request(id.into(), "server/discover", json!({})));
        assert_eq!(bench.code(id), -32600, "{method}");
    }
}

#[test]
fn batches_of_an_older_client_go_on_beside_requests_of_the_new_era() {
    let mut bench = Bench::new();
    bench.initialize("2025-03-26");
    let slow = bench.ask("tools/call", json!({ "name": "slow", "arguments": {} }));
    let call = bench.take("tools/call");
    let odd = bench.request(11.into(), "vendor/x", json!({ "a": 1 }));
    let batch = json!([
        { "jsonrpc": "2.0", "id": 10, "method": "tools/list" },
        odd,
        7,
        { "jsonrpc": "2.0", "id": 12, "method": "ping" },
    ]);
    bench.say(&batch);
    let list = bench.take("tools/list");
    let other = bench.take("vendor/x");
    // What is in a batch is of the revision that has batches.
    assert_eq!(other.message["params"], json!({ "a": 1 }));
    bench.reply(other.exchange, json!({}));
    bench.reply(call.exchange, json!({ "content": [] }));
    assert_eq!(bench.result(slow)["resultType"], "complete");
    bench.reply(list.exchange, json!({ "tools": [] }));
    let batch = bench.told.pop_front().unwrap();
    let answers = batch.as_array().unwrap();
    assert_eq!(answers.len(), 4, "{batch}");
    for answer in answers {
        assert!(answer["result"].get("resultType").is_none(), "{answer}");
    }
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}

#[test]
fn a_client_of_the_new_era_has_no_batches() {
    let mut bench = Bench::opened();
    let list = bench.request(9.into(), "tools/list", json!({}));
    for batch in [json!([]), json!([list]), json!([list, list])] {
        bench.say(&batch);
        let answer = bench.told.pop_front().unwrap();
        assert_eq!(answer["error"]["code"], -32600);
        assert!(answer.get("id").is_none(), "{answer}");
    }
    assert!(bench.told.is_empty() && bench.sent.is_empty());
}

#[test]
fn malformed_lines_are_answered_without_an_id_where_there_is_none() {
    for (line, code, id) in [
        ("{", -32700, None),
        ("\"x\"", -32600, None),
        (r#"{"jsonrpc":"1.0","id":5,"method":"x"}"#, -32600, Some(5)),
        (r#"{"jsonrpc":"2.0","id":5}"#, -32600, Some(5)),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, -32600, None),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"x","params":[]}"#,
            -32602,
            Some(5),
        ),
    ] {
        let mut bench = Bench::opened();
        bench.line(line);
        let answer = bench.told.pop_front().unwrap();
        assert_eq!(answer["error"]["code"], code, "{line}");
        assert_eq!(answer.get("id").and_then(Value::as_u64), id, "{line}");
        assert!(bench.told.is_empty() && bench.sent.is_empty(), "{line}");
    }
    // Of a client that was refused all it asked, too.
    let mut bench = Bench::new();
    bench.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover" }));
    assert_eq!(bench.code(1), -32602);
    bench.line("{");
    assert!(bench.told[0].get("id").is_none(), "{:?}", bench.told);
    // Before anything else, the oldest form is the safe one.
    let mut bench = Bench::new();
    bench.line("{");
    assert_eq!(bench.told[0]["id"], Value::Null);
}

#[test]
fn what_a_client_of_the_new_era_does_not_say_is_dropped() {
    let mut bench = Bench::opened();
    for message in [
        json!({ "jsonrpc": "2.0", "id": "br-1", "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1, "message": "" } }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {}, "error": {} }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }),
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled" }),
    ] {
        bench.notes.clear();
        bench.say(&message);
        assert!(bench.told.is_empty(), "{message}: {:?}", bench.told);
        assert!(bench.sent.is_empty(), "{message}: {:?}", bench.sent);
        assert_eq!(bench.notes.len(), 1, "{message}: {:?}", bench.notes);
    }
    // Extensions define others.
    let params = json!({ "a": 1, "_meta": { meta::VERSION: "2026-07-28", "x/y": 1 } });
    bench.notify("notifications/vendor", params);
    let sent = bench.take("notifications/vendor");
    assert_eq!(
        sent.message["params"],
        json!({ "a": 1, "_meta": { "x/y": 1 } })
    );
}

#[test]
fn requests_that_belong_to_no_era_say_what_they_lack() {
    let mut bench = Bench::opened();
    bench.say(&json!({ "jsonrpc": "2.0", "id": 50, "method": "tools/list" }));
    let answer = bench.answer(50);
    assert_eq!(answer["error"]["code"], -32602);
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.contains(meta::VERSION), "{text}");
    bench.say(&json!({ "jsonrpc": "2.0", "id": 51, "method": "ping" }));
    assert_eq!(bench.result(51), json!({}));
    for method in ["ping", "initialize", "logging/setLevel", "tasks/get"] {
        let id = bench.ask(method, json!({}));
        assert_eq!(bench.code(id), -32601, "{method}");
    }
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
}

#[test]
fn a_client_may_turn_from_one_era_to_the_other_at_any_time() {
    let mut bench = Bench::opened();
    let before = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "o", "version": "1" },
    });
    bench.say(&json!({ "jsonrpc": "2.0", "id": "open", "method": "initialize", "params": params }));
    // What was under way ends with its session.
    assert_eq!(bench.code(before), -32603);
    // The session is refused; the client is of the new era after all.
    let opening = bench.take("initialize");
    bench.reply_as(
        opening.exchange,
        json!({ "error": { "code": -32603, "message": "no" } }),
    );
    assert_eq!(bench.answer("open")["error"]["message"], "no");
    bench.open();
    bench.rests();
}

#[test]
fn lines_of_a_client_with_a_session_pass_as_they_are() {
    let mut bench = Bench::new();
    bench.initialize("2025-11-25");
    bench.line(
        r#"{ "jsonrpc":"2.0", "id" : 7, "method":"tools/call","params":{"name":"x", "n": 1.50} }"#,
    );
    let call = bench.take("tools/call");
    assert_eq!(call.message["params"]["n"], 1.5);
    let exchange = call.exchange;
    let text = format!(r#"{{"jsonrpc":"2.0","id":{exchange},"result":{{"a": 1.50 }}}}"#);
    let reply = jsonrpc::parse(text.into()).unwrap();
    bench
        .crossing
        .remote_event(exchange, Event::Reply(reply), 0);
    let effects = bench.crossing.take_effects();
    let [Effect::ToHost(line)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(
        line.to_vec(),
        br#"{"jsonrpc":"2.0","id":7,"result":{"a": 1.50 }}"#
    );
}
