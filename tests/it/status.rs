//! `status`: in terminals of all kinds, and with `--check`.

mod check;
#[cfg(unix)]
mod shown;

use std::process::{Output, Stdio};

use playground::{Playground, Settings};
use serde_json::Value;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

fn run(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = machine.command();
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Signs in under a name.
fn sign_in(playground: &Playground, machine: &Machine, name: &str) {
    let output = run(machine, &["login", &playground.mcp_url(), "--name", name]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    sign_in(&playground, &machine, "work");
    (playground, machine)
}

/// What `--json` says of each sign-in, and the exit code.
fn document(machine: &Machine, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = run(machine, &[&["status", "--json"], arguments].concat());
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["version"], 1);
    let sign_ins = document["sign_ins"].as_array().expect("a list").clone();
    (sign_ins, output.status.code())
}

/// A bridge that starts now works, without asking anybody.
fn works(playground: &Playground, machine: &Machine) {
    let before = machine.opened().len();
    let bridge = Bridge::open(machine, &playground.mcp_url(), &["--name", "work"]);
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(machine.opened().len(), before, "nobody was asked");
    assert_eq!(playground.reuses(), 0, "{}", playground.printed_log());
}

#[test]
fn what_the_server_was_seen_to_speak_is_shown_once_it_was_reached() {
    let (playground, machine) = signed_in(Settings::default());
    let (before, _) = document(&machine, &[]);
    assert_eq!(before[0]["protocol"], Value::Null);
    works(&playground, &machine);
    let (seen, _) = document(&machine, &[]);
    let protocol = &seen[0]["protocol"];
    assert_eq!(protocol["revision"], "2025-11-25", "{protocol}");
    assert_eq!(protocol["has_sessions"], true, "{protocol}");
    assert_eq!(protocol["transport"], "streamable-http", "{protocol}");
    let shown = stdout(&run(&machine, &["status"]));
    assert!(
        shown.contains("\n  speaks        MCP 2025-11-25, over streamable HTTP, as playground "),
        "{shown}"
    );
}
