//! The built binary, talked to over its real stdin and stdout as a host does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::machine::Machine;

/// Longest wait for anything; long, since machines are slow at times, and only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running bridge. Killed when dropped.
pub struct Bridge {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    /// Ends when stderr was read to its end.
    stderr_read: Receiver<()>,
    /// Messages that came while another was awaited.
    waiting: VecDeque<Value>,
    transcript: Vec<String>,
    next_id: u64,
}

/// How a bridge ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: String,
    /// Messages that nobody had asked for by then.
    pub rest: Vec<Value>,
}

impl Bridge {
    /// Starts the bridge to an address, on this machine.
    pub fn start(machine: &Machine, url: &str, arguments: &[&str]) -> Self {
        Self::start_command(Self::command(machine, url, arguments))
    }

    /// The command that starts it, for a test to change first.
    pub fn command(machine: &Machine, url: &str, arguments: &[&str]) -> Command {
        let mut command = machine.command();
        command.arg(url).args(arguments);
        command
    }

    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bridge starts");
        let stdin = child.stdin.take();
        let (lines, stdout) = channel();
        let output = BufReader::new(child.stdout.take().expect("a piped stdout"));
        thread::spawn(move || {
            for line in output.lines() {
                if lines.send(line.expect("stdout is UTF-8")).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut errors, collected) =
            (child.stderr.take().expect("a piped stderr"), stderr.clone());
        let (reading, stderr_read) = channel();
        thread::spawn(move || {
            let _reading: Sender<()> = reading;
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut chunk) {
                collected
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        });
        Self {
            child,
            stdin,
            stdout,
            stderr,
            stderr_read,
            waiting: VecDeque::new(),
            transcript: Vec::new(),
            next_id: 1,
        }
    }

    /// A bridge whose session is open.
    pub fn open(machine: &Machine, url: &str, arguments: &[&str]) -> Self {
        let mut bridge = Self::start(machine, url, arguments);
        bridge.initialize(
            "2025-11-25",
            json!({ "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": {} }),
        );
        bridge
    }

    /// Opens the session and gives the result of `initialize`.
    pub fn initialize(&mut self, version: &str, capabilities: Value) -> Value {
        let answer = self.call(
            "initialize",
            json!({
                "protocolVersion": version,
                "capabilities": capabilities,
                "clientInfo": { "name": "tests", "version": "1" },
            }),
        );
        assert!(answer.get("result").is_some(), "{answer}\n{}", self.story());
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer["result"].clone()
    }

    /// Writes one message.
    pub fn send(&mut self, message: Value) {
        self.send_line(&message.to_string());
    }

    /// Writes one line as it stands.
    pub fn send_line(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    /// Writes bytes, which need not be a line, nor text.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]);
        self.transcript
            .push(format!("→ {}", short(shown.trim_end())));
        let stdin = self.stdin.as_mut().expect("stdin is open");
        // A bridge that has ended shows in what the test waits for next.
        let _ = stdin.write_all(bytes);
    }

    /// Sends a request and gives its id.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a request and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// Calls a tool and gives its result.
    pub fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let answer = self.call(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        );
        assert!(answer.get("result").is_some(), "{answer}\n{}", self.story());
        answer["result"].clone()
    }

    /// The answer to a request, whenever it comes.
    pub fn answer(&mut self, id: u64) -> Value {
        self.message(|message| message.get("method").is_none() && message["id"] == json!(id))
    }

    /// The next request or notification with this method.
    pub fn incoming(&mut self, method: &str) -> Value {
        self.message(|message| message["method"] == method)
    }

    /// The first message for which the test holds; others stay for later.
    pub fn message(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.waiting.iter().position(&fits) {
            return self
                .waiting
                .remove(index)
                .expect("the index was just found");
        }
        let end = Instant::now() + DEADLINE;
        loop {
            let message = parsed(self.line_before(end), self);
            if fits(&message) {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    /// The answer to a request if it comes within this time.
    pub fn answer_within(&mut self, id: u64, patience: Duration) -> Option<Value> {
        let fits = |message: &Value| message.get("method").is_none() && message["id"] == json!(id);
        if let Some(index) = self.waiting.iter().position(fits) {
            return self.waiting.remove(index);
        }
        let end = Instant::now() + patience;
        loop {
            let message = parsed(self.line_if_before(end)?, self);
            if fits(&message) {
                return Some(message);
            }
            self.waiting.push_back(message);
        }
    }

    /// Whether a notification with this method has come, or comes in a moment; it is taken.
    pub fn has_come(&mut self, method: &str) -> bool {
        let end = Instant::now() + Duration::from_millis(5);
        while let Some(line) = self.line_if_before(end) {
            self.waiting.push_back(parsed(line, self));
        }
        let fits = |message: &Value| message["method"] == method;
        let index = self.waiting.iter().position(fits);
        index.is_some_and(|index| self.waiting.remove(index).is_some())
    }

    /// The first notification with this method that came while something else was awaited; it is
    /// taken.
    pub fn came(&mut self, method: &str) -> Option<Value> {
        let fits = |message: &Value| message["method"] == method;
        let index = self.waiting.iter().position(fits)?;
        self.waiting.remove(index)
    }

    /// The names of the server's tools, from the answer to a request for them. As long as a person
    /// has to sign in, a bridge may offer nothing but a tool for that, and says when the list has
    /// become another; then it is asked again.
    pub fn tools_listed(&mut self, mut id: u64) -> Vec<String> {
        loop {
            let answer = self.answer(id);
            let Some(tools) = answer["result"]["tools"].as_array() else {
                panic!("no tools: {answer}\n{}", self.story());
            };
            let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
            let names: Vec<String> = tools.iter().map(name).collect();
            if names != ["sign_in"] {
                return names;
            }
            self.incoming("notifications/tools/list_changed");
            id = self.request("tools/list", json!({}));
        }
    }

    /// The next line of stdout as it stands.
    pub fn line(&mut self) -> String {
        self.line_before(Instant::now() + DEADLINE)
    }

    fn line_before(&mut self, end: Instant) -> String {
        match self.line_if_before(end) {
            Some(line) => line,
            None => panic!("nothing came within {DEADLINE:?}\n{}", self.story()),
        }
    }

    fn line_if_before(&mut self, end: Instant) -> Option<String> {
        match self
            .stdout
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            Ok(line) => {
                self.transcript.push(format!("← {}", short(&line)));
                Some(line)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the bridge closed stdout\n{}", self.story())
            }
        }
    }

    /// What was said so far, for a failing test.
    pub fn story(&self) -> String {
        format!("{}\nstderr:\n{}", self.transcript.join("\n"), self.stderr())
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The address that stderr asks a person to open, once it is there; not one that only another
    /// process waits at.
    pub fn stderr_address(&self) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let stderr = self.stderr();
            // The line is complete when its end is there.
            let lines = stderr
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .filter(|line| !line.contains("another bridge is signing in"));
            let words = lines.flat_map(str::split_whitespace);
            if let Some(address) = words
                .into_iter()
                .find(|word| word.contains("code_challenge="))
            {
                return address.to_owned();
            }
            assert!(
                Instant::now() < end,
                "no address on stderr\n{}",
                self.story()
            );
            thread::yield_now();
        }
    }

    /// Waits until stderr has this.
    pub fn stderr_says(&self, text: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.stderr().contains(text) {
            let story = || format!("`{text}` is not on stderr\n{}", self.story());
            assert!(Instant::now() < end, "{}", story());
            thread::yield_now();
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, with no chance to tidy up (SIGKILL), and waits until it is gone.
    pub fn kill(self) {
        // Dropping does it.
    }

    /// Sends a signal, such as `TERM`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("`kill` starts").success(), "{}", self.story());
    }

    /// Closes stdin, as a host does that leaves.
    pub fn leave(&mut self) {
        drop(self.stdin.take());
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// Closes stdin and waits for the end.
    pub fn close(mut self) -> Ended {
        drop(self.stdin.take());
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let mut rest: Vec<Value> = self.waiting.drain(..).collect();
        let end = Instant::now() + DEADLINE;
        loop {
            match self
                .stdout
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    let message = serde_json::from_str(&line);
                    rest.push(
                        message.unwrap_or_else(|_| panic!("stdout has `{line}`\n{}", self.story())),
                    );
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the bridge did not end\n{}", self.story())
                }
            }
        }
        let status = self.child.wait().expect("the bridge was started");
        // What it wrote last may still be on its way.
        let read = self.stderr_read.recv_timeout(DEADLINE);
        assert_eq!(read, Err(RecvTimeoutError::Disconnected), "stderr is open");
        Ended {
            status,
            stderr: self.stderr(),
            rest,
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parsed(line: String, bridge: &Bridge) -> Value {
    serde_json::from_str(&line)
        .unwrap_or_else(|_| panic!("stdout has `{line}`\n{}", bridge.story()))
}

fn short(line: &str) -> String {
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
