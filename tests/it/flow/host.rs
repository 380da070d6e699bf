//! A host that reads only when the test says so, and looks at the bridge's memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::opening;
use crate::support::skip::skipped;

/// Longest wait for an end.
const DEADLINE: Duration = Duration::from_secs(60);

/// A host and its bridge, which is killed when this is dropped.
pub struct Host {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<BufReader<ChildStdout>>,
    stderr: Arc<Mutex<String>>,
    pub machine: Machine,
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The most there was.
    pub peak: u64,
    /// What there is.
    pub now: u64,
}

impl Host {
    /// Starts a bridge to this address.
    pub fn start(url: &str, arguments: &[&str]) -> Self {
        Self::start_on(Machine::new(), url, arguments)
    }

    /// The same on this machine.
    pub fn start_on(machine: Machine, url: &str, arguments: &[&str]) -> Self {
        let mut child = Bridge::command(&machine, url, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bridge starts");
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut source, said) = (child.stderr.take().expect("a pipe"), stderr.clone());
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..read]).into_owned();
                said.lock().unwrap().push_str(&text);
            }
        });
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            stderr,
            machine,
        }
    }

    /// The same with an open session.
    pub fn open(url: &str, arguments: &[&str]) -> Self {
        let mut host = Self::start(url, arguments);
        host.initialize();
        host
    }

    /// Opens the session.
    pub fn initialize(&mut self) {
        let capabilities = json!({ "sampling": {} });
        self.request(0, "initialize", opening("2025-11-25", capabilities));
        let answer = self.message();
        assert!(answer["result"].is_object(), "{answer}");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    pub fn send(&mut self, message: &Value) {
        self.bytes(format!("{message}\n").as_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        // A bridge that has ended shows in what the test looks at next.
        let _ = stdin.write_all(bytes);
    }

    pub fn request(&mut self, id: u64, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    pub fn call(&mut self, id: u64, arguments: Value) {
        let params = json!({ "name": "flow", "arguments": arguments });
        self.request(id, "tools/call", params);
    }

    /// The next line, without its end; `None` at the end of stdout.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let stdout = self.stdout.as_mut().expect("stdout is open");
        let mut line = Vec::new();
        stdout
            .read_until(b'\n', &mut line)
            .expect("a readable pipe");
        let ended = line.pop();
        assert!(matches!(ended, None | Some(b'\n')), "a line without an end");
        ended.map(|_| line)
    }

    /// The next message.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        let Some(line) = self.line() else {
            panic!("the bridge closed stdout\n{}", self.stderr());
        };
        serde_json::from_slice(&line)
            .unwrap_or_else(|_| panic!("stdout has `{}`", String::from_utf8_lossy(&line)))
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until stderr has something.
    #[track_caller]
    pub fn stderr_says(&self, what: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let said = self.stderr();
            if said.contains(what) {
                return said;
            }
            assert!(Instant::now() < end, "no `{what}` on stderr:\n{said}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The bridge's memory; `None` where the system does not tell, which is said aloud.
    pub fn memory(&self) -> Option<Memory> {
        let path = format!("/proc/{}/status", self.child.id());
        let Ok(status) = std::fs::read_to_string(path) else {
            skipped("this system has no /proc, so memory was not looked at");
            return None;
        };
        let figure = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Memory {
            peak: figure("VmHWM:").expect("a figure"),
            now: figure("VmRSS:").expect("a figure"),
        })
    }

    /// Waits for the end, for so long at most.
    #[track_caller]
    pub fn end_within(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return (status, begun.elapsed());
            }
            assert!(
                begun.elapsed() < limit,
                "it did not end within {limit:?}\n{}",
                self.stderr()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal.
    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process"), signal).expect("it runs");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
