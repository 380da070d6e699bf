//! A server's program: started, waited for until it is ready, and ended with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

/// A running program that ends with its stdin. Ends when dropped, and when the test process ends in any other way.
pub struct Program {
    child: Child,
    folder: TempDir,
    ready: Value,
}

impl Program {
    /// Starts the command with a folder of its own, and waits for the line of JSON with which it says that it is ready.
    /// `arguments` are made knowing the folder.
    pub fn start(mut command: Command, arguments: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        arguments(folder.path(), &mut command);
        command.arg("--end-with-stdin");
        let errors = File::create(folder.path().join("stderr")).expect("a file for stderr");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));

        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("stdout is text");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let errors = fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
            panic!("{command:?} did not start; it said `{line}` and:\n{errors}")
        });
        Self {
            child,
            folder,
            ready,
        }
    }

    /// An address that it told when it was ready.
    pub fn address(&self, name: &str) -> Url {
        let text = self.ready[name].as_str();
        text.and_then(|text| Url::parse(text).ok())
            .expect("an address")
    }

    /// What else it told then; empty for nothing.
    pub fn told(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_default().to_owned()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to stderr so far.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends with its stdin, and takes along what it has started. One that does not is killed.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
