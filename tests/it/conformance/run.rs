//! One scenario at one revision with one host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::suite::Suite;
use super::table::{Host, Outcome, Scenario};
use crate::support::machine::fake_browser;

/// What the suite gives the host, in milliseconds.
const HOST_TIMEOUT: &str = "60000";

/// After this long the suite itself hangs. Only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(90);

pub struct Run {
    pub scenario: &'static Scenario,
    pub revision: &'static str,
    pub host: Host,
    /// Whether the suite has it for this revision. It can be told to run it all the same.
    pub applies: bool,
}

/// What came of it.
pub struct Verdict {
    passed: u64,
    failed: u64,
    warnings: u64,
    ended_well: bool,
    /// What the host was told instead of an answer.
    pub refusals: Vec<String>,
    /// Everything that was seen, for a person.
    pub story: String,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.ended_well && self.failed == 0 && self.warnings == 0 && self.passed > 0
    }

    /// Checks passed of checks made, and what is wrong.
    pub fn summary(&self) -> String {
        let Self { passed, failed, .. } = self;
        let mut text = format!("{passed}/{}", passed + failed);
        if self.warnings > 0 {
            text += &format!(" {}w", self.warnings);
        }
        if !self.passed() {
            text += " FAIL";
        }
        text
    }
}

impl Run {
    /// Runs it in a folder of its own.
    pub fn perform(&self, suite: &Suite) -> Verdict {
        let folder = TempDir::new().expect("a temporary folder");
        let output = folder.path().join("output");
        let log = File::create(&output).expect("a writable folder");
        let mut command = self.command(suite, folder.path());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let status = wait(command.spawn().expect("node runs"));
        let said = fs::read_to_string(&output).unwrap_or_default();
        let checks = checks(&folder.path().join("results"));
        let told = fs::read_to_string(folder.path().join("told.json")).unwrap_or_default();
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        let count = |status: &str| {
            let fits = |check: &&Value| check["status"] == status;
            checks.iter().filter(fits).count() as u64
        };
        let asked = told["told"].as_array().cloned().unwrap_or_default();
        let refusals = asked.iter().filter_map(|asked| {
            let said = asked["error"]["message"].as_str()?;
            Some(format!("{} → {said}", asked["asked"].as_str()?))
        });
        Verdict {
            passed: count("SUCCESS"),
            failed: count("FAILURE"),
            warnings: count("WARNING"),
            // The suite overlooks how the host ended where it is to be refused. The host itself does not.
            ended_well: status.is_some_and(|status| status.success())
                && told.is_object()
                && told.get("failure").is_none(),
            refusals: refusals.collect(),
            story: format!(
                "{}\n{said}\nthe host: {:#}\nthe bridge: {}",
                status.map_or("killed: it did not end".to_owned(), |status| status
                    .to_string()),
                told["told"],
                told["stderr"].as_str().unwrap_or_default(),
            ),
        }
    }

    fn command(&self, suite: &Suite, folder: &Path) -> Command {
        let mut command = suite.command();
        command.args(["client", "--scenario", self.scenario.name]);
        command.args(["--spec-version", self.revision, "--force"]);
        command.args(["--timeout", HOST_TIMEOUT]);
        command.arg("--output-dir").arg(folder.join("results"));
        // A shell reads it, after it was split at its blanks.
        command.args(["--command", "\"$CONFORMANCE_NODE\" \"$CONFORMANCE_DRIVER\""]);
        let expects = match self.scenario.outcome {
            Outcome::Refused => "refusal",
            Outcome::Answered => "answers",
        };
        command
            .env("CONFORMANCE_NODE", suite.node())
            .env("CONFORMANCE_DRIVER", suite.driver())
            .env("CONFORMANCE_BRIDGE", env!("CARGO_BIN_EXE_mcp-drawbridge"))
            .env("CONFORMANCE_BROWSER", fake_browser())
            .env("CONFORMANCE_FOLDER", folder)
            .env("CONFORMANCE_HOST", self.host.name())
            .env("CONFORMANCE_EXPECTS", expects);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// Waits for the end; none for one that had to be killed, with all that it has started.
fn wait(mut child: Child) -> Option<ExitStatus> {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    #[cfg(unix)]
    {
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The checks that the suite has written below this folder.
fn checks(folder: &Path) -> Vec<Value> {
    let mut folders = vec![PathBuf::from(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "checks.json") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let checks: Vec<Value> = serde_json::from_str(&text).expect("checks are a list");
                found.extend(checks);
            }
        }
    }
    found
}
