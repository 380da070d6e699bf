//! Files of all hosts: migrated as the fixtures say, and undone to the last byte.

use std::fs;

use serde_json::Value;

use super::desk::{Desk, PROGRAM, expected, fixture, fixture_of, places, write};

/// Puts the fixture of every place of every host there.
fn all_hosts() -> (Desk, Vec<(std::path::PathBuf, String)>) {
    let desk = Desk::new();
    let mut put = Vec::new();
    for (host, place) in places() {
        let path = desk.path(place).expect("a path");
        let name = fixture_of(host, place);
        if !put.iter().any(|(known, _)| *known == path) {
            write(&path, &fixture(&name));
            put.push((path, name));
        }
    }
    assert!(put.len() > 45, "{}", put.len());
    (desk, put)
}

#[cfg(unix)]
#[test]
fn every_place_of_every_host_is_changed_as_the_fixtures_say_and_undone_to_the_last_byte() {
    use std::os::unix::fs::PermissionsExt;
    let (desk, put) = all_hosts();
    for (at, (path, _)) in put.iter().enumerate() {
        let mode = [0o600, 0o644, 0o640, 0o664][at % 4];
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let before = desk.files();

    let shown = desk.run(&["migrate"]).ended(0);
    assert_eq!(desk.files(), before, "showing changes nothing");
    assert_eq!(shown.stdout.matches("\n+++ ").count(), put.len());

    desk.run(&["migrate", "--apply"]).ended(0);
    for (at, (path, name)) in put.iter().enumerate() {
        let content = fs::read(path).expect("it is there");
        let text = String::from_utf8_lossy(&content).into_owned();
        assert!(content == expected(name), "{name} became:\n{text}");
        let mode = fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, [0o600, 0o644, 0o640, 0o664][at % 4], "{name}");
    }
    let copies = desk.files().len() - before.len();
    assert_eq!(copies, put.len(), "a copy each, and nothing else");

    let again = desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(
        desk.files().len(),
        before.len() + copies,
        "{}",
        again.stderr
    );

    desk.run(&["migrate", "--undo"]).ended(0);
    assert!(
        desk.files() == before,
        "every byte is as before, and no copy is left"
    );
    let nothing = desk.run(&["migrate", "--undo"]).ended(0);
    assert!(
        nothing.stderr.contains("nothing to undo"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn one_host_alone_is_changed_if_one_is_named() {
    let desk = Desk::new();
    let cursor = desk.put("cursor", &fixture("cursor.json"));
    let kiro = desk.put("kiro", &fixture("kiro.json"));
    desk.run(&["migrate", "--apply", "--host", "Cursor"])
        .ended(0);
    assert_ne!(fs::read(cursor).expect("read"), fixture("cursor.json"));
    assert_eq!(fs::read(kiro).expect("read"), fixture("kiro.json"));
}

#[test]
fn every_way_mcp_remote_is_started_comes_to_the_same() {
    let desk = Desk::new();
    let path = desk.put("claude-desktop", &fixture("forms.json"));
    desk.run(&["migrate", "--apply"]).ended(0);
    let content: Value = serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON");
    let entries = content["mcpServers"].as_object().expect("entries");
    assert!(entries.len() >= 33);
    for (name, entry) in entries {
        assert_eq!(entry["command"], PROGRAM, "{name}");
        assert_eq!(entry["args"][0], "https://mcp.example.com/mcp", "{name}");
        assert!(!entry.to_string().contains("mcp-remote"), "{name}");
    }
}

#[test]
fn odd_layouts_are_kept_to_the_byte() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("layouts.json"));
    desk.run(&["migrate", "--apply"]).ended(0);
    #[cfg(unix)]
    assert_eq!(fs::read(&path).expect("read"), expected("layouts.json"));
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read(&path).expect("read"), fixture("layouts.json"));
}

#[test]
fn what_only_mentions_mcp_remote_stays() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("stay.json"));
    let before = desk.files();
    let ran = desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(desk.files(), before);
    assert!(path.exists() && ran.stdout.is_empty(), "{}", ran.stdout);
    let told = ran.stderr.matches("is told of mcp-remote").count();
    assert_eq!(told, 6, "{}", ran.stderr);
}

#[test]
fn what_is_not_understood_stays_and_is_told_while_the_rest_is_changed() {
    let desk = Desk::new();
    let left = desk.put("cursor", &fixture("left.json"));
    let kiro = desk.put("kiro", &fixture("kiro.json"));
    let ran = desk.run(&["migrate", "--apply"]).ended(1);
    assert_eq!(fs::read(left).expect("read"), fixture("left.json"));
    assert_ne!(fs::read(kiro).expect("read"), fixture("kiro.json"));
    for number in 0..10 {
        let name = format!("left {number:02}");
        assert!(
            ran.stderr.contains(&format!("`{name}`")),
            "{name}: {}",
            ran.stderr
        );
    }
    assert!(
        ran.stderr
            .ends_with("error: 10 entries could not be changed\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn every_option_of_mcp_remote_is_taken_over_and_a_mistake_is_told() {
    let desk = Desk::new();
    let entry = |arguments: &[&str]| {
        let words = [&["-y", "mcp-remote", "https://a.example/mcp"], arguments].concat();
        serde_json::json!({ "command": "npx", "args": words })
    };
    let text = serde_json::json!({ "mcpServers": {
        "proxy": entry(&["--enable-proxy"]),
        "tools": entry(&["--ignore-tool", "delete*", "--ignore-tool", "remove*"]),
        "page": entry(&["--auth-success-url", "https://app.example/done"]),
        "typo": entry(&["--ignore-tools", "delete*", "--transport sse-only"]),
    } });
    let path = desk.put("cursor", text.to_string().as_bytes());
    let ran = desk.run(&["migrate", "--apply"]).ended(0);
    let written = fs::read_to_string(path).expect("read");
    assert!(!written.contains("npx") && !written.contains("mcp-remote"));
    for kept in [
        "--enable-proxy",
        "delete*",
        "https://app.example/done",
        "--ignore-tools",
    ] {
        assert!(written.contains(kept), "{kept}: {written}");
    }
    assert!(
        ran.stderr.contains("`typo`") && ran.stderr.contains("did you mean `--ignore-tool`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn nothing_that_may_be_secret_is_written_anywhere() {
    let (desk, _) = all_hosts();
    for args in [
        &["migrate"][..],
        &["migrate", "--json"],
        &["migrate", "--apply"],
        &["migrate", "--undo"],
    ] {
        let ran = desk.run(args);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("FIXTURE_SECRET"), "{said}");
    }
}

#[test]
fn json_says_what_became_of_each_file() {
    let desk = Desk::new();
    desk.put("cursor", &fixture("cursor.json"));
    desk.put("kiro", b"{ mcp-remote");
    desk.put("windsurf", &fixture("windsurf.json"));
    let read = |args: &[&str]| -> Value {
        let ran = desk.run(args).ended(1);
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let states = |report: &Value| -> Vec<String> {
        let files = report["files"].as_array().expect("files").iter();
        files
            .map(|file| {
                format!(
                    "{} {}",
                    file["host"].as_str().unwrap_or_default(),
                    file["state"].as_str().unwrap_or_default()
                )
            })
            .collect()
    };
    let report = read(&["migrate", "--json"]);
    assert_eq!(report["version"], 1);
    assert_eq!(report["program"], PROGRAM);
    assert_eq!(
        states(&report),
        [
            "cursor would_change",
            "windsurf would_change",
            "kiro refused"
        ]
    );
    assert_eq!(report["files"][1]["entries"][0]["name"], "asana");
    assert!(
        report["files"][1]["entries"][0]["remarks"][0]
            .as_str()
            .is_some_and(|text| text.contains("/v2/mcp"))
    );
    assert!(report["files"][2]["problem"].is_string() && report["files"][2]["hint"].is_string());
    let report = read(&["migrate", "--json", "--apply"]);
    assert_eq!(
        states(&report),
        ["cursor changed", "windsurf changed", "kiro refused"]
    );
    assert!(std::path::Path::new(report["files"][0]["copy"].as_str().expect("a copy")).exists());
    let ran = desk.run(&["migrate", "--json", "--undo"]).ended(0);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(states(&report), ["cursor restored", "windsurf restored"]);
}

#[test]
fn what_runs_in_a_container_stays() {
    let desk = Desk::new();
    let path = desk.project().join(".devcontainer/devcontainer.json");
    write(&path, &fixture("vscode-devcontainer.json"));
    let ran = desk.run(&["migrate", "--apply"]).ended(1);
    assert!(ran.stderr.contains("runs in a container"), "{}", ran.stderr);
    assert_eq!(
        fs::read(path).expect("read"),
        fixture("vscode-devcontainer.json")
    );
}

#[test]
fn a_home_without_hosts_has_nothing_to_change() {
    let desk = Desk::new();
    let ran = desk.run(&["migrate"]).ended(0);
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains("no entry starts mcp-remote"),
        "{}",
        ran.stderr
    );
    assert!(desk.files().is_empty());
}
