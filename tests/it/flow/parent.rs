//! The death of the process that started a bridge, where somebody else holds its stdin open.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use playground::{Playground, Settings};
use serde_json::json;

use super::leaving::{LIMIT, nothing_is_left, wait_until};
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{is_delete, is_get, opening};

/// A bridge that a shell has started; stdin and stdout are the test's.
struct Started {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Runs a line of shell in which `"$@"` is the bridge and descriptor 3 its stdin.
fn started(machine: &Machine, url: &str, line: &str) -> Started {
    let mut shell = Command::new("sh")
        .args(["-c", &format!("exec 3<&0; {line}"), "sh"])
        .arg(env!("CARGO_BIN_EXE_mcp-drawbridge"))
        .arg(url)
        .envs(machine.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    Started {
        stdin: shell.stdin.take().expect("a pipe"),
        stdout: BufReader::new(shell.stdout.take().expect("a pipe")),
        shell,
    }
}

impl Started {
    fn asks(&mut self, id: u64, method: &str, params: serde_json::Value) -> String {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        writeln!(self.stdin, "{request}").expect("it reads");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it answers");
        line
    }

    fn opens(&mut self) {
        let answer = self.asks(0, "initialize", opening("2025-11-25", json!({})));
        assert!(answer.contains("\"result\""), "{answer}");
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        writeln!(self.stdin, "{initialized}").expect("it reads");
    }

    /// Kills the shell and waits until the last that had stdout open is gone.
    fn dies(mut self) {
        self.shell.kill().expect("it runs");
        self.shell.wait().expect("it ran");
        self.ends();
    }

    fn ends(mut self) {
        let begun = Instant::now();
        let (done, ended) = channel();
        thread::spawn(move || {
            let mut rest = String::new();
            let _ = self.stdout.read_to_string(&mut rest);
            let _ = done.send(rest);
            // Open until here: it is not what ended the bridge.
            drop(self.stdin);
        });
        let rest = ended.recv_timeout(LIMIT);
        assert!(rest.is_ok(), "the bridge lives on");
        println!("ended after {} ms", begun.elapsed().as_millis());
    }
}

const IN_BACKGROUND: &str = r#""$@" <&3 3<&- & wait"#;

#[test]
fn ends_an_idle_bridge_and_its_session() {
    let (server, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut bridge = started(&machine, &server.mcp_url(), IN_BACKGROUND);
    bridge.opens();
    server.wait_for_answered(is_get);
    bridge.dies();
    assert!(is_delete(&server.requests().pop().expect("requests")));
    nothing_is_left(&machine);
}

#[test]
fn ends_a_bridge_that_waits_for_a_person() {
    let server = Playground::start(Settings::default());
    let machine = Machine::with(Browser::Waits);
    let mut bridge = started(&machine, &server.mcp_url(), IN_BACKGROUND);
    bridge.opens();
    machine.tab_is_noted();
    wait_until("a browser", || !machine.opened().is_empty());
    bridge.dies();
    nothing_is_left(&machine);
}

#[test]
fn ends_a_script_that_would_wait_for_its_answers() {
    let (server, machine) = (Playground::start(Settings::open()), Machine::new());
    let slow = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "slow", "arguments": { "wait": true } } });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": opening("2025-11-25", json!({})) });
    let input = format!("'{initialize}' '{slow}'");
    let line = format!(r#"(printf '%s\n' {input}) | "$@" 3<&- & wait"#);
    let bridge = started(&machine, &server.mcp_url(), &line);
    server.wait_for(|requests| requests.iter().find(|r| r.calls("tools/call")).map(|_| ()));
    bridge.dies();
    nothing_is_left(&machine);
}

#[test]
fn that_happened_before_it_looked_is_no_reason_to_end() {
    let (server, machine) = (Playground::start(Settings::open()), Machine::new());
    // The shell ends at once; whoever takes over orphans is the parent then, or soon.
    let line = r#"(sleep 0.3; exec "$@" <&3 3<&-) & exit 0"#;
    let mut bridge = started(&machine, &server.mcp_url(), line);
    bridge.shell.wait().expect("it ran");
    bridge.opens();
    server.wait_for_answered(is_get);
    thread::sleep(Duration::from_millis(300));
    let answer = bridge.asks(1, "tools/list", json!({}));
    assert!(answer.contains("\"tools\""), "{answer}");
    drop(std::mem::replace(&mut bridge.stdin, dummy()));
    bridge.ends();
    nothing_is_left(&machine);
}

/// The stdin of something that does not matter.
fn dummy() -> ChildStdin {
    let mut child = Command::new("true")
        .stdin(Stdio::piped())
        .spawn()
        .expect("there is `true`");
    let stdin = child.stdin.take().expect("a pipe");
    let _ = child.wait();
    stdin
}

/// A thread of the parent that started it ends; the parent lives.
#[test]
fn is_not_the_end_of_the_thread_that_started_it() {
    let server = Playground::start(Settings::open());
    let url = server.mcp_url();
    let start = move || super::host::Host::start(&url, &[]);
    let mut host = thread::spawn(start).join().expect("it starts");
    host.initialize();
    server.wait_for_answered(is_get);
    host.request(1, "ping", json!({}));
    assert_eq!(host.message()["id"], 1);
}
