//! Subscriptions of a client, at servers with sessions and without.

use super::*;

const URI: &str = "file:///x";

fn listen(bench: &mut Bench, filter: Value) -> u64 {
    bench.ask("subscriptions/listen", json!({ "notifications": filter }))
}

fn acks(bench: &mut Bench) -> Vec<Value> {
    bench.heard("notifications/subscriptions/acknowledged")
}

/// The tag and the address of each update that the client was told of.
fn told(bench: &mut Bench, method: &str) -> Vec<u64> {
    let told = bench.heard(method);
    let tag = |told: &Value| told["params"]["_meta"][meta::SUBSCRIPTION].as_u64();
    told.iter().map(|told| tag(told).unwrap()).collect()
}

fn changes(bench: &mut Bench, kind: &str) {
    let standing = bench.standing.unwrap();
    bench.server_says(
        standing,
        &format!("notifications/{kind}/list_changed"),
        json!({}),
    );
}

fn updates(bench: &mut Bench, uri: &str) {
    let standing = bench.standing.unwrap();
    bench.server_says(
        standing,
        "notifications/resources/updated",
        json!({ "uri": uri }),
    );
}

#[test]
fn each_hears_of_what_it_asked_for_under_its_own_id() {
    let mut bench = Bench::opened();
    let first = listen(
        &mut bench,
        json!({ "toolsListChanged": true, "promptsListChanged": false }),
    );
    let ack = acks(&mut bench);
    assert_eq!(ack.len(), 1);
    assert_eq!(
        ack[0]["params"],
        json!({ "notifications": { "toolsListChanged": true }, "_meta": { meta::SUBSCRIPTION: first } })
    );
    let second = listen(
        &mut bench,
        json!({ "toolsListChanged": true, "resourcesListChanged": true }),
    );
    acks(&mut bench);
    changes(&mut bench, "tools");
    assert_eq!(
        told(&mut bench, "notifications/tools/list_changed"),
        [first, second]
    );
    changes(&mut bench, "resources");
    assert_eq!(
        told(&mut bench, "notifications/resources/list_changed"),
        [second]
    );
    changes(&mut bench, "prompts");
    updates(&mut bench, URI);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.cancel(first);
    changes(&mut bench, "tools");
    assert_eq!(
        told(&mut bench, "notifications/tools/list_changed"),
        [second]
    );
    bench.cancel(second);
    changes(&mut bench, "tools");
    assert!(bench.told.is_empty() && bench.sent.is_empty());
    bench.rests();
}

#[test]
fn what_the_server_does_not_offer_is_left_out_of_the_answer() {
    let mut bench = Bench::new();
    bench.capabilities_of_server = json!({ "tools": {}, "resources": { "listChanged": true } });
    bench.open();
    let all = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": [URI],
    });
    listen(&mut bench, all);
    let ack = acks(&mut bench);
    assert_eq!(
        ack[0]["params"]["notifications"],
        json!({ "resourcesListChanged": true })
    );
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    for filter in [
        json!(7),
        json!([]),
        Value::Null,
        json!({ "toolsListChanged": 1 }),
        json!({ "resourceSubscriptions": "x" }),
        json!({ "resourceSubscriptions": [1] }),
    ] {
        let id = listen(&mut bench, filter.clone());
        assert_eq!(bench.code(id), -32602, "{filter}");
    }
    let id = bench.ask("subscriptions/listen", json!({}));
    assert_eq!(bench.code(id), -32602);
}

#[test]
fn resources_are_subscribed_to_before_the_client_is_told_and_as_long_as_one_wants_it() {
    let mut bench = Bench::opened();
    let first = listen(
        &mut bench,
        json!({ "resourceSubscriptions": [URI, "file:///no"] }),
    );
    let second = listen(&mut bench, json!({ "resourceSubscriptions": [URI] }));
    let (one, two) = (
        bench.take("resources/subscribe"),
        bench.take("resources/subscribe"),
    );
    assert!(bench.sent.is_empty(), "asked for once: {:?}", bench.sent);
    updates(&mut bench, URI);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    for sent in [one, two] {
        let refused = sent.message["params"]["uri"] == "file:///no";
        let error = json!({ "error": { "code": -32602, "message": "no" } });
        let body = if refused {
            error
        } else {
            json!({ "result": {} })
        };
        bench.reply_as(sent.exchange, body);
    }
    let mut ack = acks(&mut bench);
    ack.sort_by_key(|ack| ack["params"]["_meta"][meta::SUBSCRIPTION].as_u64());
    assert_eq!(ack.len(), 2);
    assert_eq!(
        ack[0]["params"]["notifications"],
        json!({ "resourceSubscriptions": [URI] })
    );
    updates(&mut bench, URI);
    assert_eq!(
        told(&mut bench, "notifications/resources/updated"),
        [first, second]
    );
    updates(&mut bench, "file:///no");
    assert!(bench.told.is_empty());
    // A third one need not be asked for.
    let third = listen(&mut bench, json!({ "resourceSubscriptions": [URI] }));
    assert_eq!(acks(&mut bench).len(), 1);
    for id in [first, third] {
        bench.cancel(id);
        assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    }
    bench.cancel(second);
    let gone = bench.take("resources/unsubscribe");
    assert_eq!(gone.message["params"]["uri"], URI);
    bench.reply(gone.exchange, json!({}));
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
}

#[test]
fn a_server_that_is_slow_to_subscribe_is_not_waited_for() {
    let mut bench = Bench::opened();
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [URI] });
    let id = listen(&mut bench, filter);
    let sent = bench.take("resources/subscribe");
    bench.pass(9000);
    assert!(acks(&mut bench).is_empty());
    bench.pass(2000);
    let ack = acks(&mut bench);
    assert_eq!(
        ack[0]["params"]["notifications"],
        json!({ "toolsListChanged": true })
    );
    // What the client was not told of, it does not hear of.
    bench.reply(sent.exchange, json!({}));
    let gone = bench.take("resources/unsubscribe");
    bench.reply(gone.exchange, json!({}));
    updates(&mut bench, URI);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.cancel(id);
    // One that the client gives up meanwhile.
    let id = listen(&mut bench, json!({ "resourceSubscriptions": [URI] }));
    let sent = bench.take("resources/subscribe");
    bench.cancel(id);
    bench.reply(sent.exchange, json!({}));
    let gone = bench.take("resources/unsubscribe");
    bench.reply(gone.exchange, json!({}));
    bench.rests();
}

#[test]
fn an_outage_is_bridged_and_everything_may_have_changed() {
    let mut bench = Bench::opened();
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [URI] });
    let id = listen(&mut bench, filter);
    let sent = bench.take("resources/subscribe");
    bench.reply(sent.exchange, json!({}));
    acks(&mut bench);
    // The stream has a gap.
    let standing = bench.standing.unwrap();
    bench.event(standing, Event::StandingGap);
    assert_eq!(told(&mut bench, "notifications/tools/list_changed"), [id]);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // The session is lost.
    let list = bench.ask("tools/list", json!({}));
    let sent = bench.take("tools/list");
    bench.event(sent.exchange, Event::SessionLost);
    bench.server_opens();
    let again = bench.take("resources/subscribe");
    bench.reply(again.exchange, json!({}));
    let sent = bench.take("tools/list");
    bench.reply(sent.exchange, json!({ "tools": [] }));
    bench.result(list);
    assert_eq!(told(&mut bench, "notifications/tools/list_changed"), [id]);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    updates(&mut bench, URI);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
}

#[test]
fn what_cannot_be_had_again_ends_as_it_should() {
    let mut bench = Bench::opened();
    let id = listen(&mut bench, json!({ "toolsListChanged": true }));
    acks(&mut bench);
    let list = bench.ask("tools/list", json!({}));
    let sent = bench.take("tools/list");
    bench.event(sent.exchange, Event::SessionLost);
    let opening = bench.take("initialize");
    bench.breaks(opening.exchange, Stage::Connect);
    bench.code(list);
    let result = bench.result(id);
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["_meta"][meta::SUBSCRIPTION], id);
    let cancelled = bench.heard("notifications/cancelled");
    assert_eq!(cancelled[0]["params"]["requestId"], id);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // The next one finds a server again.
    let id = listen(&mut bench, json!({ "toolsListChanged": true }));
    bench.server_opens();
    assert_eq!(acks(&mut bench).len(), 1);
    changes(&mut bench, "tools");
    assert_eq!(told(&mut bench, "notifications/tools/list_changed"), [id]);
}

#[test]
fn they_end_with_the_program_the_result_first() {
    for stateless in [false, true] {
        let mut bench = match stateless {
            false => Bench::opened(),
            true => Bench::stateless(),
        };
        let id = listen(&mut bench, json!({ "toolsListChanged": true }));
        bench.crossing.close(bench.now);
        bench.perform();
        acks(&mut bench);
        let methods: Vec<_> = bench
            .told
            .iter()
            .map(|told| told["method"].clone())
            .collect();
        assert_eq!(methods, [Value::Null, json!("notifications/cancelled")]);
        assert_eq!(bench.result(id)["_meta"][meta::SUBSCRIPTION], id);
        bench.rests();
    }
}

#[test]
fn a_client_that_opens_a_session_of_its_own_has_none() {
    let mut bench = Bench::opened();
    let id = listen(&mut bench, json!({ "toolsListChanged": true }));
    acks(&mut bench);
    bench.initialize("2025-11-25");
    assert_eq!(bench.result(id)["resultType"], "complete");
    assert_eq!(bench.heard("notifications/cancelled").len(), 1);
    changes(&mut bench, "tools");
    let told = bench.heard("notifications/tools/list_changed");
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .get("params")
            .is_none_or(|params| params.get("_meta").is_none())
    );
    // Beside a session, there can be one again.
    let id = listen(&mut bench, json!({ "toolsListChanged": true }));
    assert_eq!(acks(&mut bench).len(), 1);
    changes(&mut bench, "tools");
    let told = bench.heard("notifications/tools/list_changed");
    let tags: Vec<&Value> = told
        .iter()
        .map(|told| &told["params"]["_meta"][meta::SUBSCRIPTION])
        .collect();
    assert!(
        tags.contains(&&json!(id)) && tags.contains(&&Value::Null),
        "{told:?}"
    );
}

#[test]
fn a_wider_session_takes_them_over() {
    let mut bench = Bench::new();
    bench.capabilities = json!({});
    bench.open();
    let id = listen(&mut bench, json!({ "resourceSubscriptions": [URI] }));
    let sent = bench.take("resources/subscribe");
    bench.reply(sent.exchange, json!({}));
    acks(&mut bench);
    bench.capabilities = json!({ "elicitation": {} });
    let call = bench.ask("tools/call", json!({ "name": "t" }));
    bench.server_opens();
    let sent = bench.take("resources/subscribe");
    bench.reply(sent.exchange, json!({}));
    assert_eq!(
        told(&mut bench, "notifications/resources/updated").last(),
        Some(&id)
    );
    updates(&mut bench, URI);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
    let sent = bench.take("tools/call");
    bench.reply(sent.exchange, json!({ "content": [] }));
    bench.result(call);
}

/// A subscription at a server without sessions, acknowledged; gives the exchange and the id.
fn streaming() -> (Bench, u64, u64) {
    let mut bench = Bench::stateless();
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [URI] });
    let id = listen(&mut bench, filter);
    let sent = bench.take("subscriptions/listen");
    assert!(!sent.asks && sent.head);
    acknowledge(&mut bench, sent.exchange);
    let ack = acks(&mut bench);
    assert_eq!(ack.len(), 1);
    assert_eq!(ack[0]["params"]["_meta"][meta::SUBSCRIPTION], id);
    (bench, sent.exchange, id)
}

fn acknowledge(bench: &mut Bench, exchange: u64) {
    let params = json!({
        "notifications": { "toolsListChanged": true, "resourceSubscriptions": [URI] },
        "_meta": { meta::SUBSCRIPTION: exchange },
    });
    bench.server_says(exchange, "notifications/subscriptions/acknowledged", params);
}

#[test]
fn one_without_sessions_keeps_the_id_of_the_client() {
    let (mut bench, exchange, id) = streaming();
    let params = json!({ "_meta": { meta::SUBSCRIPTION: exchange, "x/y": 1 } });
    bench.server_says(exchange, "notifications/tools/list_changed", params);
    let told = bench.heard("notifications/tools/list_changed");
    assert_eq!(
        told[0]["params"]["_meta"],
        json!({ meta::SUBSCRIPTION: id, "x/y": 1 })
    );
    bench.cancel(id);
    assert!(bench.aborted.contains(&exchange));
    assert!(bench.told.is_empty() && bench.sent.is_empty());
    bench.rests();
}

#[test]
fn one_that_is_lost_is_opened_again_without_a_word() {
    let (mut bench, exchange, id) = streaming();
    bench.breaks(exchange, Stage::Http);
    assert!(bench.told.is_empty() && bench.sent.is_empty());
    // The id is in use all the while.
    let again = bench.request(id.into(), "tools/list", json!({}));
    bench.say(&again);
    assert_eq!(bench.code(id), -32600);
    for wait in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        bench.pass(wait - 1);
        assert!(bench.sent.is_empty(), "{wait}: {:?}", bench.sent);
        bench.pass(1);
        let sent = bench.take("subscriptions/listen");
        bench.breaks(sent.exchange, Stage::Connect);
    }
    bench.pass(30_000);
    let sent = bench.take("subscriptions/listen");
    acknowledge(&mut bench, sent.exchange);
    assert!(acks(&mut bench).is_empty());
    assert_eq!(told(&mut bench, "notifications/tools/list_changed"), [id]);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // It is lost once more, and given up by the client.
    bench.breaks(sent.exchange, Stage::Http);
    bench.cancel(id);
    bench.pass(60_000);
    assert!(bench.told.is_empty() && bench.sent.is_empty());
    bench.rests();
}

#[test]
fn one_that_the_server_ends_ends_for_the_client() {
    // As it should be.
    let (mut bench, exchange, id) = streaming();
    bench.reply(
        exchange,
        json!({ "resultType": "complete", "_meta": { meta::SUBSCRIPTION: exchange } }),
    );
    assert_eq!(bench.result(id)["_meta"][meta::SUBSCRIPTION], id);
    assert_eq!(
        bench.heard("notifications/cancelled")[0]["params"]["requestId"],
        id
    );
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
    // With an error, or because a sign-in is needed.
    for refused in [false, true] {
        let (mut bench, exchange, id) = streaming();
        match refused {
            false => bench.breaks(exchange, Stage::Auth),
            true => bench.reply_as(
                exchange,
                json!({ "error": { "code": -32603, "message": "no more" } }),
            ),
        }
        assert_eq!(bench.result(id)["resultType"], "complete");
        assert_eq!(bench.heard("notifications/cancelled").len(), 1);
        bench.pass(60_000);
        assert!(bench.told.is_empty() && bench.sent.is_empty());
        bench.rests();
    }
    // Before it was acknowledged, that is an error.
    let mut bench = Bench::stateless();
    let id = listen(&mut bench, json!({}));
    let sent = bench.take("subscriptions/listen");
    bench.reply_as(
        sent.exchange,
        json!({ "error": { "code": -32601, "message": "no" } }),
    );
    assert_eq!(bench.code(id), -32601);
    bench.rests();
}

#[test]
fn one_whose_request_goes_again_is_acknowledged_once() {
    let (mut bench, exchange, id) = streaming();
    bench.event(exchange, Event::SessionLost);
    bench.server_discovers();
    let sent = bench.take("subscriptions/listen");
    acknowledge(&mut bench, sent.exchange);
    assert!(acks(&mut bench).is_empty());
    assert_eq!(told(&mut bench, "notifications/tools/list_changed"), [id]);
    assert_eq!(told(&mut bench, "notifications/resources/updated"), [id]);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}
