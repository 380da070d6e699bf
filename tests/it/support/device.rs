//! A sign-in by a code: what a person is shown, and `login` that shows it.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::machine::Machine;

/// Longest wait for anything; only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// `login --device-code`. Killed when dropped.
pub struct Login {
    child: Child,
    stderr: Arc<Mutex<String>>,
}

impl Login {
    pub fn start(machine: &Machine, url: &str, args: &[&str]) -> Self {
        let mut command = machine.command();
        command
            .args(["login", url])
            // A callback port counts right behind the address.
            .args(args)
            .arg("--device-code")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut errors, collected) =
            (child.stderr.take().expect("a piped stderr"), stderr.clone());
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..read]);
                collected.lock().unwrap().push_str(&text);
            }
        });
        Self { child, stderr }
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The `count`th code that a person is shown.
    pub fn shown(&self, count: usize) -> Shown {
        Shown::wait(count, || self.stderr())
    }

    /// Waits for the end: exit code, stdout, stderr.
    pub fn ended(mut self) -> (Option<i32>, String, String) {
        let mut stdout = String::new();
        let mut output = self.child.stdout.take().expect("a piped stdout");
        output.read_to_string(&mut stdout).expect("UTF-8");
        let status = self.child.wait().expect("it was started");
        let end = Instant::now() + DEADLINE;
        // The last lines come through a thread of their own.
        while !status.success() && !self.stderr().contains("hint: ") && Instant::now() < end {
            thread::yield_now();
        }
        (status.code(), stdout, self.stderr())
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a person is shown on stderr.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The address that has the code in it.
    pub complete: String,
    /// The address to enter it at.
    pub plain: String,
    /// What the person enters.
    pub code: String,
}

impl Shown {
    /// Waits for the `count`th one.
    pub fn wait(count: usize, stderr: impl Fn() -> String) -> Self {
        let end = Instant::now() + DEADLINE;
        loop {
            let text = stderr();
            let whole = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let lines: Vec<_> = whole.filter_map(Self::read).collect();
            if let Some(shown) = lines.get(count - 1) {
                return shown.clone();
            }
            assert!(Instant::now() < end, "no code {count} on stderr:\n{text}");
            thread::yield_now();
        }
    }

    fn read(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("enter the code ")?;
        let code = rest.split(',').next()?.to_owned();
        let mut addresses = line
            .split_whitespace()
            .filter(|word| word.starts_with("http"));
        Some(Self {
            plain: addresses.next()?.to_owned(),
            complete: addresses.next()?.to_owned(),
            code,
        })
    }
}
