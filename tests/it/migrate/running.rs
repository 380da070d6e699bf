//! What `migrate` wrote is started as a host starts it, and works.

use std::path::PathBuf;
use std::process::Command;

use playground::{Playground, Settings, Transports};
use serde_json::{Value, json};

use super::desk::{Desk, PROGRAM, fixture, fixture_of, places, write};
use super::judged::read;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// An entry that starts this program, as its host reads it.
struct Entry {
    name: String,
    args: Vec<String>,
    variables: Vec<(String, String)>,
}

/// The entries of a file, wherever they stand in it. `name` is what the value is called there.
fn entries(value: &Value, name: &str, found: &mut Vec<Entry>) {
    match value {
        Value::Object(map) => {
            if let Some(entry) = entry(value, name) {
                return found.push(entry);
            }
            map.iter()
                .for_each(|(name, value)| entries(value, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| entries(item, name, found)),
        _ => {}
    }
}

fn entry(value: &Value, name: &str) -> Option<Entry> {
    let command = ["command", "cmd"].iter().find_map(|key| value.get(key))?;
    // Zed had a map there.
    let (holder, command) = match command {
        Value::Object(map) => (command, map.get("path")?),
        _ => (value, command),
    };
    let words = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.map(|word| word.as_str().map_or(word.to_string(), str::to_owned))
            .collect()
    };
    let mut args = match command {
        Value::String(program) => vec![program.clone()],
        _ => words(Some(command)),
    };
    args.extend(words(holder.get("args")));
    if args.first()? != PROGRAM {
        return None;
    }
    let variables = ["env", "envs", "environment"];
    let variables = variables
        .iter()
        .find_map(|key| holder.get(key)?.as_object());
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Some(Entry {
        name: value["name"].as_str().unwrap_or(name).to_owned(),
        args: args.split_off(1),
        variables: variables.into_iter().flatten().filter_map(pair).collect(),
    })
}

impl Entry {
    /// What the host puts in the place of what only it knows.
    fn filled(&self, url: &str) -> Vec<String> {
        let fill = |word: &String| match word.starts_with("${input:") {
            true => url.to_owned(),
            false => word.clone(),
        };
        self.args.iter().map(fill).collect()
    }

    /// It opens a session and uses a tool, and was told of nothing odd.
    fn works(&self, file: &str, url: &str) {
        let machine = Machine::new();
        let mut command: Command = machine.command();
        command.args(self.filled(url));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut bridge = Bridge::start_command(command);
        bridge.initialize("2025-11-25", json!({}));
        let sum = bridge.tool("add", json!({ "a": 20, "b": 22 }));
        assert_eq!(sum["content"][0]["text"], "42");
        let ended = bridge.close();
        let named = format!("{file}, `{}`: {}", self.name, ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{named}");
        assert!(!ended.stderr.contains("left out"), "{named}");
    }
}

/// The text with this address in the place of every server's.
fn pointed_at(text: &str, url: &str) -> String {
    let mut rest = text;
    let mut pointed = String::new();
    while let Some(at) = rest.find("https://") {
        let (before, address) = rest.split_at(at);
        pointed.push_str(before);
        let ends = |c: char| c.is_whitespace() || "\"',\\)".contains(c);
        let (address, after) = address.split_at(address.find(ends).unwrap_or(address.len()));
        let is_server = !address.ends_with("config.json");
        pointed.push_str(if is_server { url } else { address });
        rest = after;
    }
    pointed + rest
}

/// Writes, migrates, reads as the host does, and undoes.
fn migrated(desk: &Desk, put: &[(PathBuf, String)]) -> Vec<Value> {
    for (path, text) in put {
        write(path, text.as_bytes());
    }
    desk.run(&["migrate", "--apply"]).ended(0);
    let paths: Vec<PathBuf> = put.iter().map(|(path, _)| path.clone()).collect();
    let values = read(&paths);
    desk.run(&["migrate", "--undo"]).ended(0);
    let left = desk.files();
    assert_eq!(left.len(), put.len());
    for (path, text) in put {
        let now = std::fs::read(path).expect("read");
        assert!(now == text.as_bytes(), "{}", path.display());
    }
    values
}

#[test]
fn every_entry_of_every_host_runs_as_it_stands_there() {
    let playground = Playground::start(Settings {
        transports: Transports::Both,
        ..Settings::open()
    });
    let desk = Desk::new();
    let mut put: Vec<(PathBuf, String)> = Vec::new();
    for (host, place) in places() {
        let path = desk.path(place).expect("a path");
        let text = String::from_utf8(fixture(&fixture_of(host, place))).expect("UTF-8");
        if !put.iter().any(|(known, _)| *known == path) {
            put.push((path, pointed_at(&text, &playground.mcp_url())));
        }
    }
    let mut count = 0;
    for ((path, _), value) in put.iter().zip(migrated(&desk, &put)) {
        let file = path.display().to_string();
        let mut found = Vec::new();
        entries(&value, "", &mut found);
        assert!(!found.is_empty(), "{file}");
        let url = playground.mcp_url();
        found.iter().for_each(|entry| entry.works(&file, &url));
        count += found.len();
    }
    assert!(count > 60, "{count}");
}

/// The ways to start mcp-remote, each a program and its arguments, at this address.
fn forms(url: &str) -> Vec<(String, Vec<String>)> {
    let text = String::from_utf8(fixture("forms.json")).expect("UTF-8");
    let value: Value = serde_json::from_str(&pointed_at(&text, url)).expect("JSON");
    let entries = value["mcpServers"].as_object().expect("entries");
    let words = |entry: &Value| -> Vec<String> {
        let list = entry["args"].as_array().into_iter().flatten();
        list.map(|word| word.as_str().expect("a text").to_owned())
            .collect()
    };
    let form = |entry: &Value| {
        let command = entry["command"].as_str().expect("a command");
        (command.to_owned(), words(entry))
    };
    entries.values().map(form).collect()
}

/// A file of a host with an entry for each form. `way` leads to them.
fn file(host: &str, path: &str, way: &[&str], forms: &[(String, Vec<String>)]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let each = forms.iter().enumerate();
    let named = each.map(|(at, (command, args))| (format!("form {at:02}"), command, args));
    match path.rsplit('.').next().unwrap_or_default() {
        "toml" => {
            let table = |(name, command, args): (String, &String, &Vec<String>)| {
                let (command, args) = (quoted(command), json!(args));
                let head = match host {
                    "mistral-vibe" => format!("[[mcp_servers]]\nname = {}", quoted(&name)),
                    _ => format!("[mcp_servers.{}] # ü", quoted(&name)),
                };
                format!("{head}\ncommand = {command}\nargs = {args}\n\n")
            };
            format!("# ü\n{}", named.map(table).collect::<String>())
        }
        "yaml" => {
            let entry = |(name, command, args): (String, &String, &Vec<String>)| {
                let (command, args) = (quoted(command), json!(args));
                let key = if host == "goose" { "cmd" } else { "command" };
                match host {
                    "continue" => {
                        format!("  - name: {name}\n    {key}: {command} # ü\n    args: {args}\n")
                    }
                    _ => format!("  {name}:\n    {key}: {command} # ü\n    args: {args}\n"),
                }
            };
            let key = way.first().expect("a key");
            format!("# ü\n{key}:\n{}", named.map(entry).collect::<String>())
        }
        _ => {
            let entry = |(name, command, args): (String, &String, &Vec<String>)| {
                let (name, command, list) = (quoted(&name), quoted(command), json!(args));
                match host {
                    "opencode" => {
                        let all: Vec<&String> = std::iter::once(command_of(forms, &name))
                            .chain(args)
                            .collect();
                        format!(
                            "\t{name}: {{\"type\": \"local\", \"command\": {}}},\n",
                            json!(all)
                        )
                    }
                    _ => format!(
                        "\t{name}: {{ \"command\": {command},\n\t\t\"args\": {list} }}, // ü\n"
                    ),
                }
            };
            let inner: String = named.map(entry).collect();
            let open: String = way
                .iter()
                .map(|key| format!("{}: {{\n", quoted(&key.replace('*', "/home/me/ü"))))
                .collect::<Vec<_>>()
                .concat();
            format!("{{ /* ü */ {open}{inner}{}}}\n", "}".repeat(way.len()))
        }
    }
}

/// The program of the form that is called so.
fn command_of<'f>(forms: &'f [(String, Vec<String>)], quoted: &str) -> &'f String {
    let digits: String = quoted.chars().filter(char::is_ascii_digit).collect();
    &forms[digits.parse::<usize>().expect("a number")].0
}

#[test]
fn every_way_of_starting_it_is_known_in_the_file_of_every_host() {
    let playground = Playground::start(Settings::open());
    let forms = forms(&playground.mcp_url());
    assert!(forms.len() > 30);
    // As editors on Windows write files, with and without the mark at the beginning.
    type Written = fn(String) -> String;
    let manners: [Written; 3] = [
        |text| text,
        |text| text.replace('\n', "\r\n"),
        |text| format!("\u{feff}{}", text.replace('\n', "\r\n")),
    ];
    for (at, manner) in manners.into_iter().enumerate() {
        let desk = Desk::new();
        let mut put: Vec<(PathBuf, String)> = Vec::new();
        for (host, place) in places() {
            let path = desk.path(place).expect("a path");
            if !put.iter().any(|(known, _)| *known == path) {
                let text = file(host.name, place.path, place.servers[0], &forms);
                put.push((path, manner(text)));
            }
        }
        for ((path, _), value) in put.iter().zip(migrated(&desk, &put)) {
            let path = path.display().to_string();
            let mut found = Vec::new();
            entries(&value, "", &mut found);
            assert_eq!(found.len(), forms.len(), "{path}");
            for entry in &found {
                assert_eq!(entry.args[0], playground.mcp_url(), "{path} {}", entry.name);
            }
            // They come to the same everywhere.
            if at == 0 && path.ends_with("/.cursor/mcp.json") {
                let url = playground.mcp_url();
                found.iter().for_each(|entry| entry.works(&path, &url));
            }
        }
    }
}
