//! What the parsers that hosts use read in a file before and after: the same, but for the command.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::desk::{Desk, PROGRAM, fixture, fixture_of, places, write};
use crate::support::peers::parsers_folder;

/// What the files say, as `jsonc-parser`, `smol-toml` and `yaml` read them.
pub fn read(files: &[PathBuf]) -> Vec<Value> {
    let output = Command::new("node")
        .arg(parsers_folder().join("parse.mjs"))
        .args(files)
        .output()
        .expect("node runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "a host could not read it: {errors}"
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Whether two values are the same but for commands that start our program and their arguments. Counts
/// those.
fn compare(before: &Value, after: &Value, changed: &mut usize) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if let (Value::Array(old), Value::Array(new)) = (before, after) {
            assert_eq!(old.len(), new.len());
            for (old, new) in old.iter().zip(new) {
                compare(old, new, changed);
            }
            return;
        }
        assert_eq!(before, after);
        return;
    };
    let started = ["command", "cmd", "path"].into_iter().find(|key| {
        old.get(*key) != new.get(*key)
            && (new[*key] == PROGRAM || new[*key].get(0).is_some_and(|first| first == PROGRAM))
    });
    let own = |key: &str| started.is_some_and(|started| key == started || key == "args");
    if let Some(key) = started {
        *changed += 1;
        let words = |list: &Value| -> Vec<String> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|word| word.as_str().map_or(word.to_string(), str::to_owned))
                .collect()
        };
        let (mut args, mut given) = (words(&new[key]), words(&old[key]));
        args.extend(new.get("args").map(words).unwrap_or_default());
        given.extend(old.get("args").map(words).unwrap_or_default());
        args.retain(|word| word != PROGRAM);
        let whole = given.iter().any(|word| word.contains("mcp-remote "));
        let is_string = old[key]
            .as_str()
            .is_some_and(|text| text.contains("mcp-remote "));
        assert!(
            whole || is_string || given.ends_with(&args),
            "{given:?} became {args:?}"
        );
        assert!(!args.is_empty());
    }
    let keys = |map: &serde_json::Map<String, Value>| -> Vec<String> {
        map.keys().filter(|key| !own(key)).cloned().collect()
    };
    assert_eq!(keys(old), keys(new));
    for key in keys(old) {
        compare(&old[&key], &new[&key], changed);
    }
}

/// The files that end so, so that the judge knows what they are.
fn named(desk: &Desk, path: &Path, before: &[u8]) -> [PathBuf; 2] {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .expect("an ending");
    let name = path.to_string_lossy().replace(['/', '\\', ':'], "_");
    let judged = desk.home().parent().expect("a folder").join("judged");
    let files = ["before", "after"].map(|when| judged.join(format!("{name}.{when}.{ending}")));
    write(&files[0], before);
    write(&files[1], &std::fs::read(path).expect("read"));
    files
}

#[test]
fn hosts_read_the_same_as_before_but_for_the_command() {
    let desk = Desk::new();
    let mut put = Vec::new();
    for (host, place) in places() {
        let (path, content) = (
            desk.path(place).expect("a path"),
            fixture(&fixture_of(host, place)),
        );
        write(&path, &content);
        put.push((path, content));
    }
    desk.run(&["migrate", "--apply"]).ended(0);
    let pairs: Vec<[PathBuf; 2]> = put
        .iter()
        .map(|(path, content)| named(&desk, path, content))
        .collect();
    let values = read(&pairs.concat());
    for (pair, files) in values.chunks(2).zip(&pairs) {
        let mut changed = 0;
        compare(&pair[0], &pair[1], &mut changed);
        assert!(changed > 0, "{}", files[0].display());
    }
}

#[test]
fn odd_layouts_and_every_form_are_read_the_same() {
    for name in ["layouts.json", "forms.json"] {
        let desk = Desk::new();
        let path = desk.put("cursor", &fixture(name));
        desk.run(&["migrate", "--apply"]).ended(0);
        let values = read(&named(&desk, &path, &fixture(name)));
        let mut changed = 0;
        compare(&values[0], &values[1], &mut changed);
        assert_eq!(
            changed,
            values[0]["mcpServers"].as_object().expect("entries").len()
        );
    }
}
