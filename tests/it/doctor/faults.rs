//! Servers that are not as they should be: which step says so, by which rule, and what is still
//! looked at.

use playground::{Fault, Playground, Registration, Server, Settings, Then};

use super::{Found, examine, nothing_was_done, signed_in};
use crate::support::machine::Machine;

/// A server with one thing wrong, and where that shows.
struct Row {
    settings: Settings,
    /// The step that fails.
    step: &'static str,
    rule: &'static str,
    /// What the failure names.
    names: &'static [&'static str],
    /// What the user is told to do.
    hint: &'static str,
}

fn look(settings: Settings) -> (Found, Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let found = examine(&machine, &playground.mcp_url(), &[]);
    (found, playground, machine)
}

#[test]
fn what_breaks_a_rule_is_shown_at_its_step_with_the_rule() {
    let default = Settings::default;
    for row in [
        Row {
            settings: Settings {
                metadata_resource: Some("https://other.example/mcp".into()),
                ..default()
            },
            step: "resource-metadata",
            rule: "RFC 9728 §3.3",
            names: &["`https://other.example/mcp`", "`http://127.0.0.1:"],
            hint: "`--resource`",
        },
        Row {
            settings: Settings {
                metadata_issuer: Some("https://evil.example".into()),
                ..default()
            },
            step: "authorization-server",
            rule: "RFC 8414 §3.3",
            names: &["`https://evil.example`", "`http://127.0.0.1:"],
            hint: "`--issuer`",
        },
        Row {
            settings: Settings {
                code_challenge_methods: None,
                ..default()
            },
            step: "pkce",
            rule: "MCP 2025-11-25, Authorization, Authorization Code Protection",
            names: &["PKCE"],
            hint: "`--allow-missing-pkce-metadata`",
        },
        Row {
            settings: Settings {
                registration: Registration::Off,
                ..default()
            },
            step: "client",
            rule: "MCP 2025-11-25, Authorization, Client Registration Approaches",
            names: &["`http://127.0.0.1:"],
            hint: "`--static-oauth-client-info`",
        },
    ] {
        let (found, playground, machine) = look(row.settings);
        let step = found.step(row.step);
        assert_eq!(step["status"], "fail", "{}", found.text);
        assert_eq!(step["rule"], row.rule, "{step}");
        for name in row.names {
            assert!(step["summary"].as_str().unwrap().contains(name), "{step}");
        }
        assert!(step["hint"].as_str().unwrap().contains(row.hint), "{step}");
        assert_eq!(found.code, 1, "{}", found.text);
        // What was asked is told, also where it failed.
        let asked = found.text.matches("status 200").count();
        assert!(asked >= 1, "{}", found.text);
        nothing_was_done(&playground, &machine);
    }
}

#[test]
fn what_does_not_depend_on_the_failure_is_still_looked_at() {
    let (playground, machine) = signed_in(Settings::default());
    playground.change(|settings| settings.metadata_issuer = Some("https://evil.example".into()));
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 1, "{}", found.text);
    assert_eq!(found.status("authorization-server"), "fail");
    assert_eq!(
        (found.status("pkce"), found.status("client")),
        ("skip", "skip")
    );
    // The token is there, and the server takes it.
    for step in ["sign-in", "token", "initialize", "tools"] {
        assert_eq!(found.status(step), "ok", "{}", found.text);
    }
    // With the server gone, what is on this machine is told all the same.
    let url = playground.mcp_url();
    drop(playground);
    let found = examine(&machine, &url, &[]);
    assert_eq!(
        (found.code, found.status("network")),
        (4, "fail"),
        "{}",
        found.text
    );
    assert_eq!(
        (found.status("sign-in"), found.status("token")),
        ("ok", "ok")
    );
    assert_eq!(found.status("initialize"), "skip");
}

#[test]
fn pkce_that_is_not_promised_is_a_warning_where_the_user_has_said_so() {
    let settings = Settings {
        code_challenge_methods: None,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let url = playground.mcp_url();
    let found = examine(&machine, &url, &["--allow-missing-pkce-metadata"]);
    assert_eq!(
        (found.code, found.status("pkce")),
        (3, "warn"),
        "{}",
        found.text
    );
    nothing_was_done(&playground, &machine);
}

#[test]
fn metadata_that_is_down_is_out_of_reach() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let down = Fault::of(Server::Authorization).method("GET").always();
    playground.fault(down.then(Then::answer(503)));
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(
        (found.code, found.status("authorization-server")),
        (4, "fail"),
        "{}",
        found.text
    );
    nothing_was_done(&playground, &machine);
}

#[test]
fn servers_out_of_reach_are_told_with_the_cause() {
    let machine = Machine::new();
    let playground = Playground::start(Settings::default());
    let no_tls = playground.mcp_url().replacen("http:", "https:", 1);
    for (url, arguments, cause) in [
        ("http://127.0.0.1:1/mcp", &[][..], "refused"),
        ("https://no-such-host.invalid/mcp", &[], "looked up"),
        (&*no_tls, &[], "does not speak TLS"),
        (
            "https://a.invalid/mcp",
            &["--proxy", "http://127.0.0.1:1"],
            "proxy `http://127.0.0.1:1",
        ),
    ] {
        let found = examine(&machine, url, arguments);
        assert_eq!(
            (found.code, found.status("network")),
            (4, "fail"),
            "{}",
            found.text
        );
        let summary = found.step("network")["summary"].as_str().unwrap();
        assert!(
            summary.to_lowercase().contains(&cause.to_lowercase()),
            "{summary}"
        );
        assert_eq!(found.statuses()[2..7], ["skip"; 5], "{}", found.text);
    }
}

#[test]
fn an_address_without_mcp_is_told_to_be_one() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url().replace("/mcp", "/other");
    let found = examine(&machine, &url, &[]);
    assert_eq!(
        (found.code, found.status("challenge")),
        (1, "fail"),
        "{}",
        found.text
    );
    assert!(found.text.contains("check the path"), "{}", found.text);
    // Both eras and both transports were tried.
    assert_eq!(
        found.step("challenge")["asked"].as_array().map(Vec::len),
        Some(3)
    );
}

#[test]
fn what_a_server_says_cannot_steer_the_terminal() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let evil = "\u{1b}[2J\u{202e}\u{7}evil\r\n";
    let named = Then::edit(move |body| body["result"]["serverInfo"]["name"] = evil.into());
    playground.fault(Fault::mcp().rpc("initialize").always().then(named));
    let refused = Then::answer(500)
        .header("Content-Type", "text/plain")
        .body(evil);
    playground.fault(Fault::mcp().rpc("tools/list").always().then(refused));
    let output = super::run(&machine, &[&playground.mcp_url()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("`[2Jevil`"), "{text}");
    let odd = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!text.contains(odd), "{text:?}");

    let settings = Settings {
        metadata_issuer: Some(format!("https://{evil}.example")),
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let output = super::run(&machine, &[&playground.mcp_url()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("RFC 8414 §3.3") && !text.contains(odd),
        "{text:?}"
    );
}
