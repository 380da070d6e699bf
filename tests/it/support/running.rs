//! A command of the built binary that goes on while the test does something else.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longest wait for anything; only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running command. Killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

struct Collected {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Collected {
    fn start(mut source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let collected = text.clone();
        let thread = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut chunk) {
                let piece = String::from_utf8_lossy(&chunk[..read]).into_owned();
                collected.lock().unwrap().push_str(&piece);
            }
        });
        Self {
            text,
            thread: Some(thread),
        }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn whole(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("reading does not panic");
        }
        self.so_far()
    }
}

impl Running {
    /// Starts it with all three streams in the test's hands.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::start_as_it_is(command)
    }

    /// Starts it with the stdin that the command says.
    pub fn start_as_it_is(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self {
            stdin: child.stdin.take(),
            stdout: Collected::start(child.stdout.take().expect("a piped stdout")),
            stderr: Collected::start(child.stderr.take().expect("a piped stderr")),
            child,
        }
    }

    /// Writes one line to its stdin.
    pub fn line(&mut self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    /// Writes to its stdin.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        // A command that has ended shows in what the test waits for next.
        let _ = stdin.write_all(bytes);
    }

    /// Ends its stdin.
    pub fn end_of_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// What it wrote so far, to both streams.
    pub fn said(&self) -> String {
        self.stdout.so_far() + &self.stderr.so_far()
    }

    /// Waits until it has written this so many times.
    pub fn says(&self, text: &str, times: usize) {
        self.wait(|said| (said.matches(text).count() >= times).then_some(()))
            .unwrap_or_else(|| panic!("`{text}` was not written {times} times:\n{}", self.said()));
    }

    /// The address that a person is to open, once it is there.
    pub fn address(&self) -> String {
        let address = self.wait(|said| {
            // A word is complete when something follows.
            let (complete, _) = said.rsplit_once(char::is_whitespace)?;
            let mut words = complete.split_whitespace();
            let address = words.find(|word| word.contains("code_challenge="))?;
            Some(address.to_owned())
        });
        address.unwrap_or_else(|| panic!("no address is there:\n{}", self.said()))
    }

    fn wait<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look(&self.said()) {
                return Some(found);
            }
            if Instant::now() > end {
                return None;
            }
            thread::yield_now();
        }
    }

    /// Whether it has not ended yet.
    pub fn goes_on(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + DEADLINE;
        while self.goes_on() {
            assert!(Instant::now() < end, "it did not end:\n{}", self.said());
            thread::yield_now();
        }
        let status = self.child.wait().expect("a child of ours");
        Ended {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
