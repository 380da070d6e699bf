//! Stdin and stdout of other kinds than the pipes that most hosts make.
#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// Nobody listens there; what is asked here is answered without the server.
const NOWHERE: &str = "http://127.0.0.1:9/mcp";

fn ping(id: impl Into<Value>) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "ping" }).to_string() + "\n"
}

fn command(machine: &Machine) -> Command {
    let mut command = Bridge::command(machine, NOWHERE, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

#[test]
fn a_stdout_that_cannot_be_written_is_an_error_that_says_so() {
    for ends in [true, false] {
        let machine = Machine::new();
        let full = OpenOptions::new().write(true).open("/dev/full");
        let mut child = command(&machine)
            .stdout(full.expect("this system has one"))
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(ping(1).as_bytes()).expect("it reads");
        let kept = (!ends).then_some(stdin);
        let output = child.wait_with_output().expect("a child of ours");
        drop(kept);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write to stdout"), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
}
