//! `doctor`: what it says of servers as they are, and that it changes nothing by itself.

mod codes;
mod eras;
mod faults;
mod healthy;
mod machine;
mod modes;
mod networks;
mod odds;
mod peers;
mod report;

use std::process::Output;

use playground::{Playground, Settings};
use serde_json::Value;

use crate::support::machine::Machine;

/// The steps, in order.
pub const STEPS: [&str; 11] = [
    "configuration",
    "network",
    "challenge",
    "resource-metadata",
    "authorization-server",
    "pkce",
    "client",
    "sign-in",
    "token",
    "initialize",
    "tools",
];

/// What `doctor` found.
pub struct Found {
    pub code: i32,
    pub text: String,
    pub stderr: String,
    document: Value,
}

impl Found {
    /// One step of the document.
    #[track_caller]
    pub fn step(&self, name: &str) -> &Value {
        let steps = self.document["steps"].as_array().expect("steps");
        let found = steps.iter().find(|step| step["step"] == name);
        found.unwrap_or_else(|| panic!("no step `{name}` in {}", self.text))
    }

    /// How the steps went, in order.
    pub fn statuses(&self) -> Vec<&str> {
        let steps = self.document["steps"].as_array().expect("steps");
        let status = |step: &'_ Value| step["status"].as_str().map(str::to_owned);
        let known = ["ok", "warn", "fail", "skip"];
        let find = |text: String| known.into_iter().find(|known| *known == text);
        steps
            .iter()
            .filter_map(|step| status(step).and_then(find))
            .collect()
    }

    /// How one step went.
    #[track_caller]
    pub fn status(&self, name: &str) -> &str {
        self.step(name)["status"].as_str().expect("a status")
    }

    /// What a step found under a name.
    pub fn value(&self, step: &str, name: &str) -> Option<&str> {
        let found = self.step(step)["found"].as_array()?;
        found.iter().find(|one| one["name"] == name)?["value"].as_str()
    }

    pub fn document(&self) -> &Value {
        &self.document
    }
}

/// Runs `doctor` with these arguments, the address among them.
pub fn run(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = machine.command();
    command.arg("doctor").args(arguments);
    command.output().expect("the bridge starts")
}

/// Runs `doctor --json` and reads the document.
#[track_caller]
pub fn examine(machine: &Machine, url: &str, arguments: &[&str]) -> Found {
    let arguments = [&[url, "--json"], arguments].concat();
    let output = run(machine, &arguments);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let document: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("no document ({error}): {text}\n{stderr}"));
    let code = output.status.code().expect("an exit code");
    assert_eq!(document["exit_code"], code, "{text}");
    report::is_of_the_form(&document);
    Found {
        code,
        text,
        stderr,
        document,
    }
}

/// A machine that has signed in to a server like this.
pub fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let mut command = machine.command();
    command.args(["login", &playground.mcp_url()]);
    let output = command.output().expect("the bridge starts");
    assert!(output.status.success(), "{output:?}");
    (playground, machine)
}

/// That nothing was changed anywhere by what ran since the machine was new.
#[track_caller]
pub fn nothing_was_done(playground: &Playground, machine: &Machine) {
    let log = playground.printed_log();
    assert_eq!(playground.registrations(), 0, "{log}");
    assert_eq!(playground.authorizations(), 0, "{log}");
    assert_eq!(playground.code_exchanges(), 0, "{log}");
    assert_eq!(playground.refreshes(), 0, "{log}");
    assert!(machine.opened().is_empty(), "{log}");
    assert!(machine.cached().is_empty(), "{:?}", machine.cached());
    // A session of HTTP+SSE is over when its stream is, which a server hears of a little later.
    playground.wait_for(|_| playground.sessions().is_empty().then_some(()));
}
