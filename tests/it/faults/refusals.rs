//! Answers that are no success: what each status means, whether the request is sent again, and
//! what the host is told.

use std::time::{Duration, SystemTime};

use playground::{Canned, Fault, Playground, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, Scene, detail, failure, is_get, kind, opening};

/// A page as proxies and gateways send it.
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sorry</title></head><body>Sorry.</body></html>";

/// Sends a request that meets these answers, one after the other. Gives what came of it, and how
/// often it was sent.
fn met_by(scene: &mut Scene, method: &str, answers: &[Canned]) -> (Value, usize) {
    for answer in answers {
        let fault = Fault::mcp().rpc(method);
        scene.playground.fault(fault.then(answer.clone()));
    }
    let before = scene.posts(method).len();
    let params = match method {
        "tools/call" => json!({ "name": "add", "arguments": { "a": 20, "b": 22 } }),
        _ => json!({}),
    };
    let answer = scene.bridge.call(method, params);
    let sent = scene.posts(method).len() - before;
    scene.playground.clear_faults();
    (answer, sent)
}

fn page(status: u16) -> Canned {
    Then::answer(status)
        .header("Content-Type", "text/html")
        .body(PAGE)
}

#[test]
fn a_call_that_is_refused_is_sent_once_and_the_host_is_told_why() {
    let mut scene = Scene::open();
    for (status, retryable, words) in [
        (400, false, "check the address and the headers"),
        (403, false, "may not have access"),
        (405, false, "no MCP endpoint"),
        (406, false, "content types"),
        (408, true, ""),
        (409, false, ""),
        (413, false, "too large"),
        (415, false, "content types"),
        (431, false, "too large"),
        (500, true, "on its side"),
        (501, false, "no MCP endpoint"),
        (502, true, "on its side"),
        (503, true, "on its side"),
        (504, true, "on its side"),
        (599, true, "on its side"),
    ] {
        let (answer, sent) = met_by(&mut scene, "tools/call", &[page(status)]);
        let expected = ("http", retryable, Some(u64::from(status)));
        assert_eq!(kind(&answer), expected, "{answer}");
        assert!(detail(&answer).contains(words), "{answer}");
        assert!(detail(&answer).contains(&status.to_string()), "{answer}");
        assert!(!detail(&answer).contains("Sorry"), "{answer}");
        assert_eq!(sent, 1, "{status}");
        scene.goes_on();
    }
    scene.close();
}

#[test]
fn a_request_without_effects_is_sent_again_after_a_fault_of_the_server() {
    for status in [408, 500, 502, 503, 504] {
        let mut scene = Scene::open();
        let (answer, sent) = met_by(&mut scene, "tools/list", &[page(status)]);
        assert!(answer["result"]["tools"].is_array(), "{answer}");
        assert_eq!(sent, 2, "{status}");
    }
}

#[test]
fn a_request_without_effects_is_not_sent_again_without_end() {
    let mut scene = Scene::open();
    let (answer, sent) = met_by(&mut scene, "tools/list", &[page(502), page(502), page(502)]);
    assert_eq!(kind(&answer), ("http", true, Some(502)));
    assert_eq!(sent, 3);
    scene.goes_on();
}

#[test]
fn a_server_that_asks_to_wait_gets_the_same_request_again() {
    let mut scene = Scene::open();
    for (status, after) in [
        (429, "0"),
        (503, "0"),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT"),
        (425, "0"),
    ] {
        let wait = page(status).header("Retry-After", after);
        let (answer, sent) = met_by(&mut scene, "tools/call", &[wait]);
        assert_eq!(answer["result"]["content"][0]["text"], "42", "{answer}");
        assert_eq!(sent, 2, "{status} {after}");
        // It is the same message, with the same id.
        let posts = scene.posts("tools/call");
        assert_eq!(posts[posts.len() - 1].body, posts[posts.len() - 2].body);
    }
    assert!(scene.bridge.stderr().contains("sending again"));
}

#[test]
fn a_limit_of_the_rate_is_waited_for_even_without_a_time() {
    let mut scene = Scene::open();
    let (answer, sent) = met_by(&mut scene, "tools/call", &[page(429)]);
    assert_eq!(answer["result"]["content"][0]["text"], "42", "{answer}");
    assert_eq!(sent, 2);
}

#[test]
fn a_server_that_asks_to_wait_again_and_again_is_told_of() {
    let mut scene = Scene::open();
    let wait = page(429).header("Retry-After", "0");
    let (answer, sent) = met_by(&mut scene, "tools/call", &vec![wait; 4]);
    assert_eq!(kind(&answer), ("http", true, Some(429)));
    assert_eq!(failure(&answer)["retryAfterMs"], 0);
    assert_eq!(sent, 4);
    scene.goes_on();
}

#[test]
fn a_wait_that_is_too_long_is_left_to_the_host() {
    let mut scene = Scene::open();
    let date = SystemTime::now() + Duration::from_secs(24 * 3600);
    for (after, at_least) in [
        ("3600".to_owned(), 3_600_000),
        (httpdate::fmt_http_date(date), 23 * 3_600_000),
    ] {
        for status in [429, 503] {
            let wait = page(status).header("Retry-After", &after);
            let (answer, sent) = met_by(&mut scene, "tools/call", &[wait]);
            assert_eq!(kind(&answer), ("http", true, Some(status.into())));
            let wait = failure(&answer)["retryAfterMs"].as_u64().unwrap();
            assert!(wait >= at_least, "{answer}");
            assert_eq!(sent, 1);
        }
    }
    scene.goes_on();
}

#[test]
fn a_client_that_wants_progress_hears_of_a_wait() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    let wait = page(429).header("Retry-After", "2");
    scene.playground.fault(call.then(wait));
    let params = json!({ "name": "echo", "arguments": {}, "_meta": { "progressToken": "t" } });
    let id = scene.bridge.request("tools/call", params);
    let progress = scene.bridge.incoming("notifications/progress");
    assert_eq!(progress["params"]["progressToken"], "t");
    assert_eq!(
        progress["params"]["message"],
        "waiting to send the request again: it answered 429"
    );
    assert!(scene.bridge.answer(id)["result"].is_object());
    assert_eq!(scene.posts("tools/call").len(), 2);
}

#[test]
fn a_call_that_waits_to_be_sent_again_can_be_cancelled() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    let wait = page(429).header("Retry-After", "59");
    scene.playground.fault(call.then(wait));
    let id = scene
        .bridge
        .request("tools/call", json!({ "name": "echo" }));
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }));
    scene.goes_on();
    scene.close();
}

#[test]
fn an_error_of_the_server_reaches_the_host_whatever_the_status() {
    let mut scene = Scene::open();
    let error = r#"{"code":-32050,"message":"<b>no</b>","data":{"n":1.0,"big":1e400}}"#;
    for status in [200, 400, 403, 422, 500] {
        for id in [r#""id":null,"#, r#""id":"other","#, ""] {
            if status == 200 && id.contains("other") {
                // Under 200 an id is believed: this answers something else.
                continue;
            }
            let body = format!(r#"{{"jsonrpc":"2.0",{id}"error":{error}}}"#);
            let canned = Then::answer(status)
                .header("Content-Type", "application/json")
                .body(body);
            scene
                .playground
                .fault(Fault::mcp().rpc("tools/call").then(canned));
            scene.bridge.send_line(
                r#"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"echo"}}"#,
            );
            let line = scene.bridge.line();
            assert!(
                line.starts_with('{') && line.contains(r#""id":"mine""#),
                "{status}: {line}"
            );
            assert!(
                line.contains(&format!(r#""error":{error}"#)),
                "{status}: {line}"
            );
        }
    }
    scene.goes_on();
}

#[test]
fn a_plain_reason_of_the_server_is_quoted_without_what_a_terminal_would_obey() {
    let mut scene = Scene::open();
    let reason = format!(
        "Origin \u{1b}[31mnot\u{7} allowed\r\n\u{202e}{}",
        "x".repeat(10_000)
    );
    let refusal = Then::answer(403)
        .header("Content-Type", "text/plain")
        .body(reason);
    let (answer, _) = met_by(&mut scene, "tools/call", &[refusal]);
    let said = detail(&answer);
    assert!(said.contains("Origin [31mnot allowed"), "{said}");
    assert!(
        !said.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{said}"
    );
    assert!(said.len() < 500, "{said}");
}

#[test]
fn an_address_without_an_mcp_endpoint_is_told_at_once() {
    for status in [404, 405, 410] {
        let mut scene = Scene::started(Settings::open(), &[]);
        let fault = Fault::mcp().rpc("initialize");
        scene.playground.fault(fault.then(page(status)));
        let answer = scene.try_initialize();
        assert_eq!(kind(&answer), ("http", false, Some(status.into())));
        assert!(detail(&answer).contains("no MCP endpoint"), "{answer}");
        scene.bridge.initialize(NEWEST, json!({}));
        scene.goes_on();
    }
}

const TOKEN: &str = "SECRET_TOKEN_1";
const KEY: &str = "SECRET_KEY_1";

/// A bridge whose user configured a token and a key.
fn with_secrets(playground: &Playground) -> Bridge {
    let machine = Machine::new();
    let arguments = [
        "--debug",
        "--header",
        "Authorization: Bearer ${TOKEN}",
        "--header",
        "X-Api-Key: ${KEY}",
    ];
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &arguments);
    command.env("TOKEN", TOKEN).env("KEY", KEY);
    Bridge::start_command(command)
}

fn assert_secret(text: &str) {
    assert!(!text.contains("SECRET"), "{text}");
}

#[test]
fn a_configured_token_that_is_not_accepted_is_final() {
    let playground = Playground::start(Settings::open());
    let mut bridge = with_secrets(&playground);
    let challenge = r#"Bearer error="invalid_token", resource_metadata="http://127.0.0.1:1/x""#;
    let fault = Fault::mcp().rpc("initialize").times(2);
    playground.fault(fault.then(Then::Unauthorized(Some(challenge.into()))));
    for times in 1..=2 {
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(kind(&answer), ("auth", false, Some(401)));
        assert!(
            detail(&answer).contains("`Authorization` header"),
            "{answer}"
        );
        assert_secret(&answer.to_string());
        // Nobody looked for another way to sign in.
        let requests = playground.requests();
        assert!(requests.iter().all(|r| r.path == "/mcp"));
        assert!(requests.iter().all(|r| r.bearer() == Some(TOKEN)));
        let opened = requests.iter().filter(|r| r.calls("initialize"));
        assert_eq!(opened.count(), times);
    }
    bridge.initialize(NEWEST, json!({}));
    playground.fault(
        Fault::mcp()
            .rpc("tools/call")
            .then(Then::Unauthorized(None)),
    );
    let answer = bridge.call("tools/call", json!({ "name": "echo" }));
    assert_eq!(kind(&answer), ("auth", false, Some(401)));
    let scope = Then::InsufficientScope("admin".into());
    playground.fault(Fault::mcp().rpc("tools/call").then(scope));
    let answer = bridge.call("tools/call", json!({ "name": "echo" }));
    assert_eq!(kind(&answer), ("auth", false, Some(403)));
    bridge.tool("echo", json!({}));
    let ended = bridge.close();
    assert_secret(&ended.stderr);
    for request in playground.requests() {
        assert_eq!(request.bearer(), Some(TOKEN), "{request:?}");
    }
}

#[test]
fn a_secret_that_the_server_repeats_does_not_reach_the_host_or_the_log() {
    let playground = Playground::start(Settings::open());
    let mut bridge = with_secrets(&playground);
    bridge.initialize(NEWEST, json!({}));
    playground.wait_for_answered(is_get);
    let said = format!("the token {TOKEN} and the key {KEY} (Bearer {TOKEN}) are not known");
    for status in [200, 400, 403, 500] {
        let refusal = Then::answer(status)
            .header("Content-Type", "text/plain")
            .body(said.clone());
        playground.fault(Fault::mcp().rpc("tools/call").then(refusal));
        let answer = bridge.call("tools/call", json!({ "name": "echo" }));
        assert!(detail(&answer).contains("are not known"), "{answer}");
        assert_secret(&answer.to_string());
    }
    assert_secret(&bridge.close().stderr);
}
