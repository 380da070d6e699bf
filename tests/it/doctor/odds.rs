//! What lies between a server that is as it should be and one that is not.

use playground::{Fault, Playground, Settings, Then};
use serde_json::{Value, json};

use super::{examine, nothing_was_done, signed_in};
use crate::support::machine::{Browser, Machine};

#[track_caller]
fn says(step: &Value, member: &str, text: &str) {
    let said = step[member].as_str().unwrap_or_default();
    assert!(said.contains(text), "{step}");
}

#[test]
fn a_challenge_without_an_address_is_told_from_one_with() {
    for (names, rule) in [(true, "RFC 9728 §5.1"), (false, "RFC 6750 §3")] {
        let settings = Settings {
            challenge_names_metadata: names,
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), &[]);
        let step = found.step("challenge");
        assert_eq!(
            (&step["status"], &step["rule"]),
            (&json!("ok"), &json!(rule))
        );
        let by_rule = step["summary"].as_str().unwrap().contains("by rule");
        assert_eq!(by_rule, !names, "{step}");
        nothing_was_done(&playground, &machine);
    }
}

#[test]
fn an_open_server_is_said_to_ask_for_no_sign_in_and_over_which_transport() {
    for (settings, transport) in [
        (Settings::open(), "streamable HTTP"),
        (Settings::open_sse(), "HTTP+SSE (MCP 2024-11-05)"),
    ] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), &[]);
        assert_eq!(found.value("challenge", "transport"), Some(transport));
        says(found.step("sign-in"), "summary", "asks for no sign-in");
    }
}

#[test]
fn leave_to_sign_in_is_not_used_where_somebody_is_signed_in() {
    let (playground, machine) = signed_in(Settings::default());
    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.step("sign-in")["summary"], "signed in");
    assert_eq!(
        (machine.opened().len(), playground.code_exchanges()),
        (1, 1)
    );
}

#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    let (playground, machine) = signed_in(Settings::default());
    std::fs::write(machine.sign_in_file(), "{").expect("a file");
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.status("configuration"), "warn", "{}", found.text);
    let cached = found.value("configuration", "cached").unwrap_or_default();
    assert!(cached.starts_with("cannot be used: "), "{cached}");
    assert_eq!(found.code, 3, "{}", found.text);
}

#[test]
fn why_nobody_could_be_signed_in_decides_the_exit_code() {
    let machine = Machine::with(Browser::Waits);
    let playground = Playground::start(Settings::default());
    let arguments = ["--sign-in", "--auth-timeout", "1"];
    let found = examine(&machine, &playground.mcp_url(), &arguments);
    assert_eq!(
        (found.code, found.status("sign-in")),
        (3, "fail"),
        "{}",
        found.text
    );
    let machine = Machine::new();
    let down = Fault::token("authorization_code").always();
    playground.fault(down.then(Then::answer(503)));
    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(
        (found.code, found.status("sign-in")),
        (4, "fail"),
        "{}",
        found.text
    );
    let machine = Machine::with(Browser::Denies);
    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(
        (found.code, found.status("sign-in")),
        (1, "fail"),
        "{}",
        found.text
    );
}

#[test]
fn a_refresh_token_that_was_configured_asks_nobody() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut command = machine.command();
    command
        .args(["doctor", "--json", &playground.mcp_url()])
        .args(["--static-oauth-client-info", r#"{"client_id":"robot"}"#])
        .env("MCP_DRAWBRIDGE_REFRESH_TOKEN", "SECRET_SEED");
    let output = command.output().expect("the bridge starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.contains("SECRET_SEED"), "{text}");
    let document: Value = serde_json::from_str(&text).expect("a document");
    assert_eq!(document["exit_code"], 0, "{text}");
    let steps = document["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["step"] == "sign-in");
    let step = step.expect("the step");
    assert_eq!(step["status"], "skip", "{step}");
    says(step, "summary", "without a person");
    nothing_was_done(&playground, &machine);
}

#[test]
fn a_scope_that_is_lacking_is_not_to_be_had_by_a_refresh() {
    let (playground, machine) = signed_in(Settings::default());
    let lacking = Then::InsufficientScope("admin".to_owned());
    playground.fault(Fault::mcp().rpc("initialize").always().then(lacking));
    let found = examine(&machine, &playground.mcp_url(), &[]);
    let step = found.step("initialize");
    assert_eq!((found.code, &step["status"]), (3, &json!("fail")), "{step}");
    says(step, "summary", "lacks a scope");
    says(step, "hint", "mcp-drawbridge login");
    assert_eq!(found.value("initialize", "scope"), Some("`admin`"));
}

#[test]
fn a_server_without_tools_is_a_warning() {
    let (playground, machine) = signed_in(Settings::default());
    let none = Then::edit(|document| document["result"]["tools"] = json!([]));
    playground.fault(Fault::mcp().rpc("tools/list").always().then(none));
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(
        (found.code, found.status("tools")),
        (0, "warn"),
        "{}",
        found.text
    );
    assert_eq!(found.document()["status"], "warn");
}
