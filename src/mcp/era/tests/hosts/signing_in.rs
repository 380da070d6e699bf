//! A person has to sign in, and does or does not.

use super::*;
use crate::oauth::authorize::AuthorizationUrl;
use crate::oauth::invitation::{Invitation, Standing};

const ADDRESS: &str = "https://as.example.com/authorize?state=s";

fn open(browser_opened: bool) -> Standing {
    Standing::Open(Invitation {
        address: AuthorizationUrl(ADDRESS.parse().unwrap()),
        browser_opened,
        user_code: None,
        entry: None,
        lapses_at: 0,
    })
}

fn stands(bench: &mut Bench, standing: Standing) {
    bench.crossing.sign_in_stands(standing, bench.now);
    bench.perform();
}

/// A client whose request needs a sign-in for which no browser could be opened.
fn needed(method: &str) -> (Bench, u64, u64) {
    let mut bench = Bench::new();
    let id = bench.ask(method, json!({ "name": "t", "arguments": {} }));
    let opening = bench.sent[0].exchange;
    stands(&mut bench, Standing::Preparing);
    bench.event(opening, Event::SigningIn);
    stands(&mut bench, open(false));
    (bench, id, opening)
}

fn list(bench: &mut Bench) -> u64 {
    bench.ask("tools/list", json!({}))
}

fn names(result: &Value) -> Vec<&str> {
    let tools = result["tools"].as_array().unwrap();
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[test]
fn a_user_who_declines_is_asked_again_only_by_the_tool() {
    let mut bench = Bench::new();
    let id = list(&mut bench);
    let opening = bench.take("initialize").exchange;
    stands(&mut bench, Standing::Preparing);
    bench.event(opening, Event::SigningIn);
    stands(&mut bench, open(true));
    stands(&mut bench, Standing::Quiet);
    bench.breaks(opening, Stage::Auth);
    let error = &bench.answer(id)["error"];
    assert_eq!(error["data"]["bridge"]["detail"], "it broke", "{error}");
    let id = list(&mut bench);
    let sent = bench.sent.remove(0).unwrap();
    assert!(!sent.asks, "{sent:?}");
    bench.breaks(sent.exchange, Stage::Auth);
    let result = bench.result(id);
    assert_eq!(names(&result), ["sign_in"], "{result}");
    assert_eq!(
        (&result["resultType"], &result["ttlMs"]),
        (&json!("complete"), &json!(0))
    );
    // Whatever else the client wants, nobody is asked for it.
    for method in ["tools/call", "tools/list", "server/discover"] {
        bench.capabilities = json!({ "roots": {}, "sampling": { "tools": {} } });
        bench.ask(method, json!({ "name": "t", "arguments": {} }));
        for sent in bench.sent.clone() {
            assert!(!sent.asks, "{method}: {sent:?}");
            bench.breaks(sent.exchange, Stage::Auth);
        }
        bench.sent.clear();
    }
    bench.told.clear();
    let id = bench.ask("tools/call", json!({ "name": "sign_in", "arguments": {} }));
    let opening = bench.take("initialize");
    assert!(opening.asks);
    stands(&mut bench, Standing::Preparing);
    bench.event(opening.exchange, Event::SigningIn);
    stands(&mut bench, open(false));
    let told = bench.result(id);
    assert!(
        told["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains(ADDRESS),
        "{told}"
    );
    assert_eq!(told["resultType"], "complete");
}

#[test]
fn requests_wait_for_a_person_as_long_as_clients_do() {
    let (mut bench, id, _) = needed("tools/list");
    bench.pass(44_000);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.pass(2000);
    assert_eq!(names(&bench.result(id)), ["sign_in"]);
    let id = bench.ask("resources/read", json!({ "uri": "x:y" }));
    let answer = bench.answer(id);
    assert_eq!(answer["error"]["code"], -32603);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains(ADDRESS)
    );
    // The person signs in after all.
    stands(&mut bench, Standing::SignedIn);
    bench.server_opens();
    let id = list(&mut bench);
    let sent = bench.take("tools/list");
    bench.reply(sent.exchange, json!({ "tools": [{ "name": "t" }] }));
    assert_eq!(names(&bench.result(id)), ["t"]);
    bench.rests();
}

#[test]
fn a_client_that_shows_addresses_is_asked_with_its_call() {
    let (mut bench, id, _) = needed("tools/call");
    bench.pass(60);
    let required = bench.result(id);
    assert_eq!(required["resultType"], "input_required", "{required}");
    let asked = &required["inputRequests"]["input-1"]["params"];
    assert_eq!(
        (&asked["mode"], &asked["url"]),
        (&json!("url"), &json!(ADDRESS))
    );
    assert!(asked.get("elicitationId").is_none());
    let params = json!({
        "name": "t", "arguments": {}, "requestState": required["requestState"],
        "inputResponses": { "input-1": { "action": "accept" } },
    });
    let id = bench.ask("tools/call", params);
    stands(&mut bench, Standing::SignedIn);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.server_opens();
    let call = bench.take("tools/call");
    bench.reply(call.exchange, json!({ "content": [] }));
    assert_eq!(bench.result(id)["resultType"], "complete");
    bench.rests();
}

#[test]
fn what_is_to_be_shown_waits_for_a_call_that_can_show_it() {
    let (mut bench, id, _) = needed("tools/list");
    bench.pass(100);
    let all = bench.capabilities.clone();
    bench.capabilities = json!({ "elicitation": {} });
    let plain = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    bench.pass(100);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    bench.capabilities = all;
    let params = json!({ "name": "u", "arguments": {} });
    let call = bench.ask("tools/call", params.clone());
    bench.pass(100);
    assert_eq!(bench.result(call)["resultType"], "input_required");
    // It is shown once.
    let other = bench.ask("tools/call", params);
    bench.pass(100);
    assert!(bench.told.is_empty(), "{:?}", bench.told);
    // The sign-in is done elsewhere: it is not shown any more, and everybody is served.
    stands(&mut bench, Standing::SignedIn);
    bench.server_opens();
    for id in [id, plain, other] {
        let place = bench
            .sent
            .iter()
            .position(|sent| sent.method().starts_with("tools/"));
        let sent = bench.sent.remove(place.unwrap()).unwrap();
        bench.reply(sent.exchange, json!({ "tools": [] }));
        let _ = id;
    }
    for id in [id, plain] {
        bench.result(id);
    }
}

#[test]
fn what_need_not_be_shown_any_more_is_not() {
    let (mut bench, _, _) = needed("tools/list");
    stands(&mut bench, Standing::SignedIn);
    bench.server_opens();
    let call = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    bench.pass(100);
    assert!(bench.heard("elicitation/create").is_empty());
    assert!(bench.told.iter().all(|told| told["id"] != call));
}

#[test]
fn a_server_cannot_have_an_address_shown_in_place_of_the_one_to_sign_in_at() {
    // It has no session, and so nobody to ask.
    let (mut bench, id, opening) = needed("tools/list");
    let params = json!({ "mode": "url", "url": "https://evil.example/", "message": "", "elicitationId": "sign-in-1" });
    bench.server_asks(opening, "q", "elicitation/create", params);
    let call = bench.ask("tools/call", json!({ "name": "t", "arguments": {} }));
    bench.pass(100);
    let required = bench.result(call);
    assert!(!required.to_string().contains("evil"), "{required}");
    assert!(bench.told.iter().all(|told| told["id"] != id));
}
