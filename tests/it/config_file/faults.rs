//! Files that cannot be used, and files that are odd but can.

use std::fs;

use playground::{Playground, Settings};
use serde_json::json;

use super::{arrived, configure, entry, run, set_mode, stderr};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// What the bridge says about a file before it does anything: one line and perhaps a hint.
fn refused(machine: &Machine, path: &str) -> String {
    let output = run(machine, &["notion", "--config", path]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("error: "), "{told}");
    assert!(
        lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")),
        "{told}"
    );
    assert!(!told.contains("SECRET"), "{told}");
    told
}

#[test]
fn a_file_that_cannot_be_used_is_told_in_one_line_and_ends_with_2() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let of = |members| entry(&playground, members);
    let url = playground.mcp_url();
    let twice = format!(
        r#"{{"mcpServers":{{"notion":{{"url":"{url}"}},"notion":{{"url":"{url}/other"}}}}}}"#
    );
    for (file, told) in [
        (
            "{\r\n\"mcpServers\": {},\r\n}".to_owned(),
            "at line 3, column 1",
        ),
        ("{ // SECRET_1".to_owned(), "at line 1, column 3"),
        (twice, "`notion` in `"),
        (
            of(json!({ "scope": ["SECRET_1"], "connect_timeout": [] })),
            "is a list; it must be a text or a number",
        ),
        (
            of(json!({ "debug": 1 })),
            "is a number; it must be `true` or `false`",
        ),
        (
            of(json!({ "headers": { "X-Key": "SECRET_1 ${NOT_SET}" } })),
            "`NOT_SET`, which is not set",
        ),
        (
            of(json!({ "oauth": { "use_pcke": false } })),
            "`oauth.use_pcke` of `notion`",
        ),
        (
            json!({ "tokenStorage": { "backend": "vault", "vaultToken": "SECRET_1" } }).to_string(),
            "`tokenStorage` in `",
        ),
        (
            json!({ "mcpServers": { "notion": { "command": "npx" } } }).to_string(),
            "is a program to start",
        ),
        (String::new(), "which has none"),
        (" ".repeat(1024 * 1024 + 1), "is larger than 1 MiB"),
        ("x".repeat(50_000_000), "is larger than 1 MiB"),
        ("[".repeat(1_000_000), "recursion limit"),
    ] {
        let path = configure(&machine, file);
        let message = refused(&machine, &path);
        assert!(message.contains(told), "{message}");
        assert!(message.contains(&path), "{message}");
    }
    let folder = machine.cache().with_file_name("configuration");
    let folder = folder.display().to_string();
    assert!(refused(&machine, &folder).contains("it is a folder"));
    assert!(refused(&machine, "no such file").contains("`no such file` of `--config`"));
    assert!(refused(&machine, "").contains("`--config` names no file"));
    assert!(playground.requests().is_empty());
    assert!(!machine.cache().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_there_and_cannot_be_read_stops_even_where_none_is_needed() {
    let machine = Machine::new();
    let home = machine.cache().with_file_name("home");
    let folder = home.join(".config/mcp-drawbridge");
    fs::create_dir_all(&folder).expect("a folder");
    // Its first page cannot be read by anybody.
    std::os::unix::fs::symlink("/proc/self/mem", folder.join("config.json")).expect("a link");
    let output = run(&machine, &["status"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(
        told.starts_with("error: the configuration file `") && told.contains("cannot be read: "),
        "{told}"
    );
    // A folder that is hidden, or no folder at all, is as good as none.
    fs::remove_dir_all(home.join(".config")).expect("removed");
    fs::write(home.join(".config"), "").expect("written");
    let output = run(&machine, &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn what_editors_and_other_programs_leave_in_a_file_does_no_harm() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let members = json!({
        "headers": { "X-Key": "1" },
        "autoApprove": ["x"],
        "conect_timeout": 3,
    });
    let file = entry(&playground, members).replacen('{', "{\r\n\"inputs\": [],\r\n", 1);
    let path = configure(&machine, format!("\u{feff}{file}\r\n"));
    let mut bridge = Bridge::open(&machine, "notion", &["--config", &path]);
    bridge.call("tools/list", json!({}));
    let ended = bridge.close();
    assert_eq!(arrived(&playground, "x-key"), ["1"]);
    assert_eq!(
        ended.stderr,
        format!(
            "warning: `conect_timeout` of `notion` in `{path}` stands for no option; did you mean `connect_timeout`?\n"
        )
    );
    let bridge = Bridge::open(&machine, "notion", &["--config", &path, "--debug"]);
    let told = bridge.close().stderr;
    assert!(told.contains("`inputs` in `") && told.contains("`autoApprove` of `notion`"));
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_warned_of_and_not_shown() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let secret = json!({ "headers": { "Authorization": "Bearer SECRET_1" } });
    let path = configure(&machine, entry(&playground, secret));
    let told = |path: &str| {
        let mut bridge = Bridge::open(&machine, "notion", &["--config", path]);
        bridge.call("tools/list", json!({}));
        bridge.close().stderr
    };
    assert_eq!(told(&path), "");
    set_mode(&path.clone().into(), 0o644);
    let shown = told(&path);
    assert!(
        shown.starts_with(&format!(
            "warning: other users can read `{path}` (mode 644), which holds a secret in `Authorization`"
        )),
        "{shown}"
    );
    assert!(!shown.contains("SECRET_1"), "{shown}");
    assert_eq!(arrived(&playground, "authorization"), ["Bearer SECRET_1"]);
}

#[cfg(unix)]
#[test]
fn a_file_may_come_through_a_pipe() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let path = configure(
        &machine,
        entry(&playground, json!({ "headers": { "X-Key": "1" } })),
    );
    let mut shell = machine.command();
    let program = shell.get_program().to_owned();
    let mut command = std::process::Command::new("/bin/sh");
    command
        .envs(
            shell
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .args(["-c", "cat \"$1\" | \"$0\" login notion --config /dev/stdin"])
        .arg(program)
        .arg(&path);
    shell = command;
    let output = shell.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(arrived(&playground, "x-key"), ["1"]);
}
