//! The ways to tokens that need no person, and what is kept where.

use std::fs;

use playground::{AuthMethod, Playground, Settings, StaticClient};
use serde_json::json;
use tempfile::TempDir;

use super::{STEPS, examine, nothing_was_done, signed_in};
use crate::support::machine::Machine;
#[cfg(target_os = "linux")]
use crate::support::sealed::{can_seal, sealed};

const SERVICE: [&str; 2] = [
    "--static-oauth-client-info",
    r#"{"client_id":"service","client_secret":"SECRET_OF_MINE"}"#,
];

fn service() -> Settings {
    Settings {
        client_credentials: true,
        workloads: vec!["JWT.1.x".to_owned()],
        clients: vec![StaticClient {
            id: "service".to_owned(),
            secret: Some("SECRET_OF_MINE".to_owned()),
            auth_method: AuthMethod::Basic,
            redirect_uris: Vec::new(),
        }],
        ..Settings::default()
    }
}

#[test]
fn a_way_that_needs_nobody_is_shown_and_with_leave_it_is_taken() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jwt");
    fs::write(&file, "JWT.1.x").unwrap();
    let workload = format!("--workload-jwt-file={}", file.display());
    for (mode, arguments, client) in [
        (
            "client-credentials",
            vec!["--client-credentials", SERVICE[0], SERVICE[1]],
            "a client is configured",
        ),
        (
            "workload",
            vec![&*workload],
            "the workload's own token is handed in for tokens",
        ),
    ] {
        let (playground, machine) = (Playground::start(service()), Machine::new());
        let url = playground.mcp_url();
        let found = examine(&machine, &url, &arguments);
        assert_eq!(found.code, 0, "{}", found.text);
        assert_eq!(found.value("configuration", "mode"), Some(mode));
        assert_eq!(found.step("client")["summary"], client, "{}", found.text);
        assert_eq!(found.status("sign-in"), "skip", "{}", found.text);
        assert!(
            found.step("sign-in")["summary"]
                .as_str()
                .unwrap()
                .contains("without a person")
        );
        nothing_was_done(&playground, &machine);
        let found = examine(&machine, &url, &[&arguments[..], &["--sign-in"]].concat());
        assert_eq!(found.code, 0, "{}", found.text);
        for step in ["sign-in", "token", "initialize", "tools"] {
            assert_eq!(found.status(step), "ok", "{}", found.text);
        }
        assert!(machine.opened().is_empty());
        assert!(
            !found.text.contains("SECRET_OF_MINE") && !found.text.contains("JWT.1.x"),
            "{}",
            found.text
        );
    }
}

#[test]
fn a_refresh_token_of_the_users_own_is_shown_and_not_spent_without_leave() {
    let (playground, first) = signed_in(Settings::default());
    let cached = first.sign_in();
    let issuer = cached["issuer"].as_str().unwrap();
    let client = cached["client"][issuer]["client_id"].as_str().unwrap();
    let seed = cached["refresh_token"].as_str().unwrap();
    let machine = Machine::new();
    let doctor = |more: &[&str]| {
        let mut command = machine.command();
        command
            .args(["doctor", &playground.mcp_url(), "--client-id", client])
            .args(more)
            .env("MCP_DRAWBRIDGE_REFRESH_TOKEN", seed);
        let output = command.output().expect("the bridge starts");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(seed), "{text}");
        (output.status.code(), text)
    };
    let (code, text) = doctor(&[]);
    assert_eq!((code, playground.refreshes()), (Some(0), 0), "{text}");
    assert!(text.contains("mode oauth-seeded"), "{text}");
    assert!(text.contains("without a person"), "{text}");
    let (code, text) = doctor(&["--sign-in"]);
    assert_eq!((code, playground.refreshes()), (Some(0), 1), "{text}");
    assert!(
        text.contains("signed in just now") && text.contains("ok    tools"),
        "{text}"
    );
    assert!(machine.opened().is_empty());
}

#[test]
fn a_bearer_token_that_the_server_refuses_is_told_with_where_it_came_from() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for (arguments, named) in [
        (
            ["--bearer-env", "MY_TOKEN"],
            "`bearer-env` by `--bearer-env`",
        ),
        (
            ["--bearer-command", "echo SECRET_TOKEN_1"],
            "`bearer-command` by `--bearer-command`",
        ),
    ] {
        let mut command = machine.command();
        command
            .env("MY_TOKEN", "SECRET_TOKEN_1")
            .args(["doctor", &playground.mcp_url()])
            .args(arguments);
        let output = command.output().expect("the bridge starts");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(named), "`{named}` is missing:\n{text}");
        assert!(text.contains("fail  initialize"), "{text}");
        assert!(!text.contains("SECRET_TOKEN_1"), "{text}");
        nothing_was_done(&playground, &machine);
    }
}

#[test]
fn a_name_of_the_configuration_file_carries_its_oauth_members() {
    let (playground, machine) = (Playground::start(service()), Machine::new());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.json");
    let content = json!({ "mcpServers": { "work": {
        "url": playground.mcp_url(),
        "oauth": { "client_id": "service", "client_secret": "SECRET_OF_MINE", "grant": "client_credentials" },
    } } });
    fs::write(&file, content.to_string()).unwrap();
    let found = examine(&machine, "work", &["--config", file.to_str().unwrap()]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(
        found.value("configuration", "mode"),
        Some("client-credentials")
    );
    assert_eq!(
        found.value("client", "client_id"),
        Some("`service`"),
        "{}",
        found.text
    );
    assert!(!found.text.contains("SECRET_OF_MINE"), "{}", found.text);
    assert_eq!(found.statuses().len(), STEPS.len());
}

#[cfg(target_os = "linux")]
#[test]
fn a_sign_in_that_can_be_read_and_not_replaced_is_found_and_warned_of() {
    if !can_seal("a_sign_in_that_can_be_read_and_not_replaced") {
        return;
    }
    let (playground, machine) = signed_in(Settings::default());
    let mut command = machine.command();
    command.args(["doctor", &playground.mcp_url()]);
    let output = sealed(&command, &machine.cache())
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("warn  configuration"), "{text}");
    assert!(text.contains("cached a sign-in of"), "{text}");
    assert!(text.contains("in memory only"), "{text}");
    for step in [
        "ok    sign-in",
        "ok    token",
        "ok    initialize",
        "ok    tools",
    ] {
        assert!(text.contains(step), "`{step}` is missing:\n{text}");
    }
    assert!(text.contains("it works, with 1 warning"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_made_is_warned_of_and_nothing_is_cached() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    // Below a regular file nobody can make a folder, root neither.
    fs::write(machine.cache(), "").unwrap();
    let mut command = machine.command();
    let folder = machine.cache().join("below");
    command
        .env("MCP_DRAWBRIDGE_DIR", &folder)
        .args(["doctor", &playground.mcp_url()]);
    let output = command.output().expect("the bridge starts");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.starts_with("warn  configuration"), "{text}");
    assert!(
        text.contains("in memory only") && text.contains(&folder.display().to_string()),
        "{text}"
    );
    assert!(text.contains("cached nothing"), "{text}");
}
