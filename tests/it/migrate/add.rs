//! `add`: new files, files with servers in them, and what is refused.

use std::fs;
use std::path::PathBuf;

use mcp_drawbridge::compat::hosts::{HOSTS, Host, System};
use serde_json::{Value, json};

use super::desk::{Desk, PROGRAM, fixture, fixture_of, write};
use super::judged::read;

const URL: &str = "https://mcp.example.com/mcp";

/// Hosts with a file of the user, and that file.
fn hosts_with_files(desk: &Desk) -> Vec<(&'static Host, usize, PathBuf)> {
    let mut found = Vec::new();
    for host in HOSTS {
        let is_first = |place: &&mcp_drawbridge::compat::hosts::Place| {
            place.on.contains(&System::HERE) && !place.is_project() && !place.is_pattern()
        };
        if let Some(at) = host.places.iter().position(|place| is_first(&place)) {
            let path = desk.path(&host.places[at]).expect("a path");
            found.push((host, at, path));
        }
    }
    assert!(found.len() > 25);
    found
}

/// The entry of this name, wherever it is.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => match map.get(name).filter(|entry| entry.is_object()) {
            Some(entry) => Some(entry),
            None => map.values().find_map(|value| find(value, name)),
        },
        Value::Array(items) => {
            let named = items.iter().find(|item| item["name"] == name);
            named.or_else(|| items.iter().find_map(|item| find(item, name)))
        }
        _ => None,
    }
}

fn started(entry: &Value) -> Vec<Value> {
    let command = entry
        .get("command")
        .or(entry.get("cmd"))
        .expect("a command");
    let mut words = command
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![command.clone()]);
    words.extend(
        entry
            .get("args")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
    );
    words
}

#[test]
fn every_host_gets_a_file_that_it_reads() {
    let desk = Desk::new();
    let hosts = hosts_with_files(&desk);
    for (host, ..) in &hosts {
        desk.run(&[
            "add",
            "team work",
            URL,
            "--host",
            host.name,
            "--header",
            "X-A: b \"c\" ü",
        ])
        .ended(0);
    }
    let paths: Vec<PathBuf> = hosts.iter().map(|(.., path)| path.clone()).collect();
    for ((host, ..), value) in hosts.iter().zip(read(&paths)) {
        let entry = find(&value, "team work").unwrap_or_else(|| panic!("{}: {value}", host.name));
        let words = [PROGRAM, URL, "--header", "X-A: b \"c\" ü"];
        assert_eq!(started(entry), words.map(Value::from), "{}", host.name);
    }
    assert_eq!(
        find(
            &read(&[desk.home().join(".copilot/mcp-config.json")])[0],
            "team work"
        )
        .expect("it")["tools"],
        json!(["*"])
    );
    for (host, ..) in &hosts {
        let ran = desk
            .run(&["add", "team work", URL, "--host", host.name])
            .ended(1);
        assert!(
            ran.stderr.contains("there is an entry `team work` already"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--replace"), "{}", ran.stderr);
    }
}

#[test]
fn what_was_in_a_file_stays_and_is_kept_beside_it() {
    let desk = Desk::new();
    let hosts = hosts_with_files(&desk);
    let mut before = Vec::new();
    for (host, at, path) in &hosts {
        let content = fixture(&fixture_of(host, &host.places[*at]));
        write(path, &content);
        before.push(content);
    }
    let paths: Vec<PathBuf> = hosts.iter().map(|(.., path)| path.clone()).collect();
    let old = read(&paths);
    for (host, _, path) in &hosts {
        desk.run(&["add", "new", URL, "--host", host.name]).ended(0);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let copies = fs::read_dir(path.parent().expect("a folder"))
            .expect("a folder")
            .flatten();
        let copies: Vec<PathBuf> = copies
            .map(|entry| entry.path())
            .filter(|path| {
                path.to_string_lossy()
                    .contains(&format!("{name}.drawbridge-add-"))
            })
            .collect();
        let at = paths.iter().position(|known| known == path).expect("it");
        assert_eq!(copies.len(), 1, "{}", host.name);
        assert_eq!(
            fs::read(&copies[0]).expect("read"),
            before[at],
            "{}",
            host.name
        );
    }
    for (((host, ..), old), new) in hosts.iter().zip(old).zip(read(&paths)) {
        assert!(find(&new, "new").is_some(), "{}", host.name);
        let (mut old, mut new) = (old, new);
        assert_ne!(old, new);
        remove(&mut new, "new");
        remove(&mut old, "new");
        assert_eq!(old, new, "{}", host.name);
    }
    // Lines that were there are there still, in their order.
    for ((host, _, path), before) in hosts.iter().zip(&before) {
        let before = String::from_utf8(before.clone()).expect("UTF-8");
        let after = fs::read_to_string(path).expect("read");
        if before.lines().count() == 1 {
            continue;
        }
        let mut lines = after.lines().map(|line| line.trim_end_matches([',', '\r']));
        for line in before
            .lines()
            .map(|line| line.trim_end_matches([',', '\r']))
        {
            assert!(
                lines.any(|new| new == line),
                "{}: {line}\n{after}",
                host.name
            );
        }
    }
}

fn remove(value: &mut Value, name: &str) {
    match value {
        Value::Object(map) => {
            map.remove(name);
            map.values_mut().for_each(|value| remove(value, name));
        }
        Value::Array(items) => {
            items.retain(|item| item["name"] != name);
            items.iter_mut().for_each(|value| remove(value, name));
        }
        _ => {}
    }
}

#[test]
fn the_project_is_written_to_only_if_it_is_meant() {
    let desk = Desk::new();
    desk.run(&["add", "n", URL, "--host", "cursor", "--project"])
        .ended(0);
    let files = desk.files();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].0, desk.project().join(".cursor/mcp.json"));
    let ran = desk
        .run(&["add", "n", URL, "--host", "lm-studio", "--project"])
        .ended(1);
    assert!(
        ran.stderr.contains("no configuration file in a project"),
        "{}",
        ran.stderr
    );
}

#[test]
fn printing_writes_nothing_and_knows_hosts_without_files() {
    let desk = Desk::new();
    for host in HOSTS {
        let ran = desk
            .run(&["add", "n", URL, "--print", "--host", host.name])
            .ended(0);
        assert!(
            ran.stdout.contains(PROGRAM) && ran.stdout.contains(URL),
            "{}",
            ran.stdout
        );
        assert_eq!(ran.stderr, "");
    }
    let ran = desk.run(&["add", "n", URL, "--print"]).ended(0);
    let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        value,
        json!({"mcpServers": {"n": {"command": PROGRAM, "args": [URL]}}})
    );
    assert!(desk.files().is_empty());
    let ran = desk.run(&["add", "n", URL, "--host", "jetbrains"]).ended(1);
    assert!(ran.stderr.contains("--print"), "{}", ran.stderr);
}

#[test]
fn what_the_bridge_would_not_take_is_not_written() {
    let desk = Desk::new();
    for (args, part) in [
        (&["add", "n", "mcp.example.com"][..], "mcp.example.com"),
        (&["add", "n", "http://mcp.example.com"], "http"),
        (&["add", "n", URL, "--transport", "pigeon"], "pigeon"),
        (&["add", "n", URL, "--zzz"], "--zzz"),
        (&["add", "n", URL, "--host", "emacs"], "emacs"),
        (&["add", URL], "name"),
        (&["add", "", URL], "name"),
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--host", "cursor"]).collect();
        let ran = desk.run(&args).ended(2);
        assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
    }
    let ran = desk.run(&["add", "n", URL]).ended(2);
    assert!(ran.stderr.contains("`--host`"), "{}", ran.stderr);
    assert!(desk.files().is_empty());
}

#[test]
fn an_entry_is_replaced_where_that_is_asked_for() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("windsurf.json"));
    desk.run(&[
        "add",
        "figma",
        URL,
        "--host",
        "cursor",
        "--replace",
        "--redirect-host",
        "127.0.0.1",
    ])
    .ended(0);
    let value = &read(&[path])[0];
    assert_eq!(
        value["mcpServers"]["figma"],
        json!({"command": PROGRAM, "args": [URL, "--host", "127.0.0.1"]})
    );
    assert_eq!(value["mcpServers"]["asana"]["disabled"], true);
}

#[test]
fn the_readme_names_every_client() {
    let readme = include_str!("../../../README.md");
    for host in HOSTS {
        assert!(
            readme.contains(&format!("`{}`", host.name)),
            "{}",
            host.name
        );
    }
}
