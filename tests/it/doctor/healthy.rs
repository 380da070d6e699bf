//! Servers that are as they should be.

use playground::{Fault, Playground, Request, Server, Settings, Then, Transports};

use super::{Found, STEPS, examine, nothing_was_done, signed_in};
use crate::support::machine::Machine;

/// The playground's tools.
fn has_tools(found: &Found) {
    let summary = found.step("tools")["summary"].as_str().unwrap_or_default();
    let count: usize = summary
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    assert!(count > 3, "{}", found.text);
}

/// That nothing which grants access was printed.
fn keeps_secrets(machine: &Machine, found: &Found) {
    let cached = machine.sign_in();
    let mut secrets: Vec<String> = Vec::new();
    for name in ["access_token", "refresh_token", "id_token"] {
        secrets.extend(cached[name].as_str().map(str::to_owned));
    }
    assert!(secrets.len() >= 2, "{cached}");
    for secret in secrets {
        assert!(!found.text.contains(&secret), "{}", found.text);
        assert!(!found.stderr.contains(&secret), "{}", found.stderr);
    }
}

#[test]
fn nobody_signed_in_is_said_and_nothing_is_done_about_it() {
    for settings in [
        Settings::default(),
        Settings::of_2025_03_26(),
        Settings::of_2024_11_05(),
    ] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), &[]);
        assert_eq!(found.code, 3, "{}", found.text);
        nothing_was_done(&playground, &machine);
        assert_eq!(found.status("challenge"), "ok", "{}", found.text);
        assert_eq!(found.status("client"), "ok", "{}", found.text);
        assert!(
            found.text.contains("would be registered at"),
            "{}",
            found.text
        );
        assert_eq!(found.status("sign-in"), "fail", "{}", found.text);
        assert_eq!(
            found.statuses()[8..],
            ["skip", "skip", "skip"],
            "{}",
            found.text
        );
    }
}

#[test]
fn a_sign_in_is_used_and_nothing_of_it_is_spent() {
    let (playground, machine) = signed_in(Settings::default());
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.statuses(), ["ok"; 11], "{}", found.text);
    assert_eq!(found.document()["status"], "ok");
    has_tools(&found);
    let issuer = format!("`{}`", playground.issuer());
    assert_eq!(found.value("sign-in", "issuer"), Some(&*issuer));
    assert_eq!(found.value("token", "refresh token"), Some("yes"));
    assert_eq!(found.value("initialize", "protocol"), Some("`2025-11-25`"));
    assert!(
        found.text.contains("a client is registered already"),
        "{}",
        found.text
    );
    keeps_secrets(&machine, &found);
    assert_eq!((playground.registrations(), playground.refreshes()), (1, 0));
    assert_eq!(machine.opened().len(), 1);
    assert!(playground.sessions().is_empty());
}

#[test]
fn a_token_that_has_ended_is_not_refreshed_without_leave() {
    let (playground, machine) = signed_in(Settings::default());
    machine.expire_cached();
    let before = machine.sign_in();
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(
        (found.status("sign-in"), found.status("token")),
        ("warn", "warn")
    );
    assert_eq!(found.status("initialize"), "skip");
    assert_eq!(playground.refreshes(), 0);
    assert_eq!(machine.sign_in(), before);

    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.status("initialize"), "ok");
    assert_eq!(playground.refreshes(), 1);
    assert_eq!(machine.opened().len(), 1);
    keeps_secrets(&machine, &found);
}

#[test]
fn a_sign_in_is_made_with_leave() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(found.code, 0, "{}\n{}", found.text, found.stderr);
    assert_eq!(found.statuses(), ["ok"; 11], "{}", found.text);
    assert_eq!(
        (machine.opened().len(), playground.code_exchanges()),
        (1, 1)
    );
    assert!(playground.sessions().is_empty());
    keeps_secrets(&machine, &found);
}

#[test]
fn a_refused_token_is_said_to_be_one() {
    let (playground, machine) = signed_in(Settings::default());
    playground.expire_access_tokens();
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 3, "{}", found.text);
    assert_eq!(
        (found.status("token"), found.status("initialize")),
        ("ok", "fail")
    );
    let step = found.step("initialize");
    assert_eq!(step["rule"], "RFC 6750 §3.1", "{step}");
    assert!(
        step["hint"].as_str().unwrap().contains("--sign-in"),
        "{step}"
    );
    assert_eq!(playground.refreshes(), 0);
    let found = examine(&machine, &playground.mcp_url(), &["--sign-in"]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(playground.refreshes(), 1);
}

#[test]
fn a_server_without_protection_needs_none_of_the_steps_between() {
    let both = Settings {
        transports: Transports::Both,
        ..Settings::open()
    };
    for settings in [Settings::open(), Settings::open_sse(), both] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), &[]);
        assert_eq!(found.code, 0, "{}\n{}", found.text, found.stderr);
        assert_eq!(found.statuses()[..3], ["ok"; 3], "{}", found.text);
        assert_eq!(found.statuses()[3..9], ["skip"; 6], "{}", found.text);
        assert_eq!(found.statuses()[9..], ["ok"; 2], "{}", found.text);
        has_tools(&found);
        nothing_was_done(&playground, &machine);
    }
}

#[test]
fn a_server_of_2024_is_signed_in_to_and_spoken_to() {
    let (playground, machine) = signed_in(Settings::of_2024_11_05());
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.value("initialize", "protocol"), Some("`2024-11-05`"));
    has_tools(&found);
}

#[test]
fn a_server_that_asks_only_in_the_middle_of_a_session_is_seen_to() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let later = Then::Unauthorized(Some("Bearer scope=\"tools\"".to_owned()));
    playground.fault(Fault::mcp().rpc("tools/list").always().then(later));
    let found = examine(&machine, &playground.mcp_url(), &[]);
    let summary = found.step("challenge")["summary"].as_str().unwrap();
    assert!(
        summary.contains("asks for a sign-in later"),
        "{}",
        found.text
    );
    assert_ne!(found.status("resource-metadata"), "skip", "{}", found.text);
    assert_ne!(found.code, 0, "{}", found.text);
}

#[test]
fn a_configured_header_takes_the_place_of_a_sign_in() {
    let header = ["--header", "Authorization: Bearer SECRET_TOKEN_1"];
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let found = examine(&machine, &playground.mcp_url(), &header);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.value("configuration", "mode"), Some("bearer"));
    assert_eq!(found.statuses()[3..9], ["skip"; 6], "{}", found.text);
    assert_eq!(found.status("tools"), "ok");
    assert!(!found.text.contains("SECRET_TOKEN_1"));

    let playground = Playground::start(Settings::default());
    let found = examine(&machine, &playground.mcp_url(), &header);
    assert_eq!(
        (found.code, found.status("challenge")),
        (1, "fail"),
        "{}",
        found.text
    );
    assert!(!found.text.contains("SECRET_TOKEN_1"));
    let asked: Vec<Request> = playground.requests();
    assert_eq!(asked.len(), 1, "{}", playground.printed_log());
}

#[test]
fn a_client_that_is_configured_is_named() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let client = r#"{"client_id":"my-client","client_secret":"SECRET_OF_MINE"}"#;
    let arguments = ["--static-oauth-client-info", client];
    let found = examine(&machine, &playground.mcp_url(), &arguments);
    assert_eq!(found.value("client", "client_id"), Some("`my-client`"));
    assert_eq!(found.value("client", "would ask for"), Some("`tools`"));
    assert!(!found.text.contains("SECRET_OF_MINE"));
    nothing_was_done(&playground, &machine);
    assert_eq!(found.statuses().len(), STEPS.len());
}

#[test]
fn a_token_of_the_users_own_is_sent_with_the_session_and_not_shown() {
    for (settings, code) in [(Settings::open(), 0), (Settings::default(), 1)] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let mut command = machine.command();
        command.env("MY_TOKEN", "SECRET_TOKEN_1");
        command.args(["doctor", &playground.mcp_url(), "--bearer-env", "MY_TOKEN"]);
        let output = command.output().expect("the bridge starts");
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}\n{stderr}");
        assert!(text.contains("mode bearer"), "{text}");
        assert!(
            !text.contains("SECRET") && !stderr.contains("SECRET"),
            "{text}\n{stderr}"
        );
        let sent = |request: &Request| request.bearer() == Some("SECRET_TOKEN_1");
        assert!(
            playground.requests().iter().any(sent),
            "{}",
            playground.printed_log()
        );
        nothing_was_done(&playground, &machine);
    }
}

#[test]
fn a_way_that_needs_nobody_is_not_taken_without_leave() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let client = r#"{"client_id":"robot","client_secret":"SECRET_OF_MINE"}"#;
    let arguments = ["--client-credentials", "--static-oauth-client-info", client];
    // The server does not offer the grant, and says so.
    let found = examine(&machine, &playground.mcp_url(), &arguments);
    assert_eq!(
        (found.code, found.status("client")),
        (1, "fail"),
        "{}",
        found.text
    );
    assert_eq!(found.status("sign-in"), "skip", "{}", found.text);
    let offers = Then::edit(|document| {
        document["grant_types_supported"] = serde_json::json!(["client_credentials"]);
    });
    let metadata = Fault::of(Server::Authorization).method("GET").always();
    playground.fault(metadata.then(offers));
    let found = examine(&machine, &playground.mcp_url(), &arguments);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.value("client", "grant"), Some("`client_credentials`"));
    assert_eq!(found.status("sign-in"), "skip", "{}", found.text);
    assert!(
        found.step("sign-in")["hint"]
            .as_str()
            .unwrap()
            .contains("--sign-in")
    );
    assert!(!found.text.contains("SECRET_OF_MINE"));
    nothing_was_done(&playground, &machine);
}
