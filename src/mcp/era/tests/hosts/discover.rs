//! `server/discover` of a client, and what comes after it.

use super::*;

fn kinds(result: &Value) -> Vec<String> {
    keys(&result["capabilities"]).into_keys().collect()
}

#[test]
fn it_is_answered_in_time_by_a_server_that_is_silent() {
    for (record, expected) in [
        (None, vec!["prompts", "resources", "tools"]),
        (
            Some(record(r#"{"tools":{},"logging":{}}"#)),
            vec!["logging", "tools"],
        ),
    ] {
        for known in [None, Some(false), Some(true)] {
            let mut bench = Bench::remembering(known, record.clone());
            let id = bench.ask("server/discover", json!({}));
            bench.pass(1400);
            assert!(bench.told.is_empty(), "{:?}", bench.told);
            bench.pass(200);
            let result = bench.result(id);
            assert_eq!(kinds(&result), expected);
            assert_eq!(result["resultType"], "complete");
            assert_eq!(result["ttlMs"], 0);
            assert_eq!(result["cacheScope"], "private");
            assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
            assert_eq!(result["supportedVersions"][0], "2026-07-28");
            assert!(bench.sent.iter().all(|sent| !sent.asks), "{:?}", bench.sent);
            // What the server says later is for the next who asks.
            bench.pass(60_000);
            assert!(bench.told.is_empty(), "{:?}", bench.told);
        }
    }
}

#[test]
fn it_is_answered_at_once_where_a_sign_in_is_needed_and_nobody_is_asked() {
    let mut bench = Bench::new();
    let id = bench.ask("server/discover", json!({}));
    let opening = bench.take("initialize");
    assert!(!opening.asks);
    bench.breaks(opening.exchange, Stage::Auth);
    assert_eq!(kinds(&bench.result(id)), ["prompts", "resources", "tools"]);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.rests();
    // Now somebody needs it.
    let id = bench.ask("tools/list", json!({}));
    let opening = bench.sent[0].clone();
    assert!(opening.asks);
    assert_eq!(opening.method(), "initialize");
    bench.server_opens();
    let list = bench.take("tools/list");
    bench.reply(list.exchange, json!({ "tools": [] }));
    assert_eq!(bench.result(id)["resultType"], "complete");
    bench.rests();
}

#[test]
fn what_waits_while_it_is_asked_has_a_person_asked_when_that_is_needed() {
    let mut bench = Bench::new();
    let first = bench.ask("server/discover", json!({}));
    let list = bench.ask("tools/list", json!({}));
    let opening = bench.take("initialize");
    bench.breaks(opening.exchange, Stage::Auth);
    bench.result(first);
    assert!(bench.sent[0].asks);
    bench.server_opens();
    let sent = bench.take("tools/list");
    bench.reply(sent.exchange, json!({ "tools": [] }));
    bench.result(list);
    bench.rests();
}

#[test]
fn a_session_that_was_promised_without_asking_anybody_is_opened_by_who_needs_it() {
    let mut bench = Bench::new();
    let id = bench.ask("server/discover", json!({}));
    let opening = bench.take("initialize");
    // The token is being refreshed, and that takes long.
    bench.event(opening.exchange, Event::Delayed);
    bench.result(id);
    let id = bench.ask("tools/list", json!({}));
    assert!(bench.aborted.contains(&opening.exchange));
    assert!(bench.sent[0].asks);
    bench.server_opens();
    let list = bench.take("tools/list");
    bench.reply(list.exchange, json!({ "tools": [] }));
    bench.result(id);
    bench.rests();
}

#[test]
fn the_word_of_the_server_takes_the_place_of_what_was_promised() {
    let mut bench = Bench::new();
    let id = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    let opening = bench.sent[0].clone();
    bench.event(opening.exchange, Event::SigningIn);
    let early = bench.ask("server/discover", json!({}));
    let early = bench.result(early);
    assert_eq!(early["_meta"][meta::SERVER_INFO]["version"], "unknown");
    bench.server_opens();
    let late = bench.ask("server/discover", json!({}));
    let late = bench.result(late);
    assert_eq!(late["_meta"][meta::SERVER_INFO]["name"], "server");
    assert_eq!(late["capabilities"]["logging"], json!({}));
    let call = bench.take("tools/call");
    bench.reply(call.exchange, json!({ "content": [] }));
    let result = bench.result(id);
    assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "server");
    bench.rests();
}

#[test]
fn the_list_of_a_kind_that_was_promised_and_is_not_there_is_empty() {
    let mut bench = Bench::new();
    let id = bench.ask("server/discover", json!({}));
    let opening = bench.take("initialize");
    bench.breaks(opening.exchange, Stage::Auth);
    bench.result(id);
    bench.capabilities_of_server = json!({ "tools": {} });
    bench.open();
    for (method, member) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let id = bench.ask(method, json!({}));
        let result = bench.result(id);
        assert_eq!(result[member], json!([]), "{result}");
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["ttlMs"], 0);
    }
    assert!(bench.sent.is_empty());
    // Nobody was told that there are prompts here.
    let mut bench = Bench::new();
    bench.capabilities_of_server = json!({ "tools": {} });
    bench.open();
    bench.ask("prompts/list", json!({}));
    assert_eq!(bench.methods(), ["prompts/list"]);
}

#[test]
fn many_at_once_open_one_session() {
    let mut bench = Bench::new();
    let ids: Vec<u64> = (0..10)
        .map(|_| bench.ask("server/discover", json!({})))
        .collect();
    assert_eq!(bench.methods(), ["initialize"]);
    bench.server_opens();
    for id in ids {
        assert_eq!(bench.result(id)["capabilities"]["logging"], json!({}));
    }
    bench.rests();
}

#[test]
fn nothing_that_is_declared_to_it_holds_for_ever() {
    let mut bench = Bench::new();
    bench.capabilities = json!({});
    let id = bench.ask("server/discover", json!({}));
    assert_eq!(bench.sent[0].message["params"]["capabilities"], json!({}));
    bench.server_opens();
    bench.result(id);
    bench.capabilities =
        json!({ "elicitation": {}, "roots": { "listChanged": true }, "tasks": {} });
    let id = bench.ask("tools/list", json!({}));
    let opening = bench.sent.iter().find(|sent| sent.method() == "initialize");
    assert_eq!(
        opening.unwrap().message["params"]["capabilities"],
        json!({ "elicitation": {}, "roots": {} })
    );
    bench.server_opens();
    let list = bench.take("tools/list");
    // While something is under way, the session stays as it is.
    bench.capabilities = json!({ "sampling": {} });
    bench.ask("vendor/x", json!({}));
    let other = bench.take("vendor/x");
    bench.reply(list.exchange, json!({ "tools": [] }));
    bench.reply(other.exchange, json!({}));
    bench.result(id);
    // Another client that can be asked less is not a reason to open it again.
    bench.capabilities = json!({ "roots": {} });
    bench.ask("vendor/y", json!({}));
    let other = bench.take("vendor/y");
    bench.reply(other.exchange, json!({}));
    bench.capabilities = json!({ "sampling": {} });
    bench.ask("vendor/z", json!({}));
    let opening = bench.sent.iter().find(|sent| sent.method() == "initialize");
    assert_eq!(
        opening.unwrap().message["params"]["capabilities"],
        json!({ "elicitation": {}, "roots": {}, "sampling": {} })
    );
}

#[test]
fn a_server_without_sessions_answers_for_itself() {
    let mut bench = Bench::stateless();
    let id = bench.ask("server/discover", json!({}));
    let discover = bench.take("server/discover");
    assert!(!discover.asks && discover.head);
    let mut discovered = bench.discovered();
    discovered["instructions"] = "new".into();
    discovered["_meta"] = json!({});
    discovered["serverInfo"] = json!({ "name": "draft", "version": "1" });
    bench.reply(discover.exchange, discovered);
    let result = bench.result(id);
    assert_eq!(result["instructions"], "new");
    assert_eq!(result["ttlMs"], 5);
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["_meta"][meta::SERVER_INFO]["name"], "draft");
    bench.rests();
}

#[test]
fn a_server_without_sessions_that_fails_or_is_slow_is_answered_for() {
    for slow in [false, true] {
        let mut bench = Bench::stateless();
        let id = bench.ask("server/discover", json!({}));
        let discover = bench.take("server/discover");
        match slow {
            true => bench.pass(1600),
            false => bench.breaks(discover.exchange, Stage::Auth),
        }
        let result = bench.result(id);
        assert_eq!(result["capabilities"], bench.capabilities_of_server);
        if slow {
            let discovered = bench.discovered();
            bench.reply(discover.exchange, discovered);
        }
        assert!(bench.told.is_empty(), "{:?}", bench.told);
        bench.rests();
    }
}

#[test]
fn the_first_request_after_it_goes_without_another() {
    let mut bench = Bench::stateless();
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    assert!(
        !bench.methods().contains(&"server/discover"),
        "{:?}",
        bench.methods()
    );
}

#[test]
fn one_that_is_cancelled_is_not_answered() {
    let mut bench = Bench::stateless();
    let id = bench.ask("server/discover", json!({}));
    bench.cancel(id);
    let discover = bench.take("server/discover");
    let discovered = bench.discovered();
    bench.reply(discover.exchange, discovered);
    bench.pass(5000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.rests();
    let mut bench = Bench::new();
    let id = bench.ask("server/discover", json!({}));
    bench.cancel(id);
    bench.server_opens();
    bench.pass(5000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
}

#[test]
fn one_that_waits_when_the_program_ends_is_answered() {
    let mut bench = Bench::new();
    let first = bench.ask("server/discover", json!({}));
    let second = bench.ask("tools/list", json!({}));
    bench.take("initialize");
    bench.crossing.host_ended(0);
    bench.crossing.close(0);
    bench.perform();
    bench.result(first);
    bench.code(second);
    // Nothing is begun any more.
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.rests();
}
