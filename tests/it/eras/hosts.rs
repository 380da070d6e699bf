//! The hosts, and how a host does with a server.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use url::Url;

use super::matrix::{COLUMNS, Cell, Row};
use super::servers::Server;
use crate::support::machine::Machine;
use crate::support::peers::{node_program, python_program};

/// What a host is made of, and how it agrees on a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// The TypeScript SDK 1.x.
    Sdk1,
    /// The TypeScript SDK 2.x, which asks and falls back to `initialize`.
    Sdk2Auto,
    /// The same, pinned to the revision without sessions.
    Sdk2Pinned,
    /// Python's `mcp` 2.x, which opens with `initialize`.
    PythonSessions,
    /// The same, which asks and falls back to `initialize`.
    PythonAuto,
    /// The same, pinned to the revision without sessions; it does not even ask.
    PythonPinned,
}

impl Host {
    /// In the order of the matrix.
    pub const ALL: [Self; 6] = [
        Self::Sdk1,
        Self::Sdk2Auto,
        Self::Sdk2Pinned,
        Self::PythonSessions,
        Self::PythonAuto,
        Self::PythonPinned,
    ];

    /// Its name in the matrix.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sdk1 => "SDK 1.x",
            Self::Sdk2Auto => "SDK 2.x, auto",
            Self::Sdk2Pinned => "SDK 2.x, 2026-07-28",
            Self::PythonSessions => "Python mcp 2.x, legacy",
            Self::PythonAuto => "Python mcp 2.x, auto",
            Self::PythonPinned => "Python mcp 2.x, 2026-07-28",
        }
    }

    /// The revision that it agrees on with the bridge, which serves both eras whatever the server is.
    pub fn revision(self) -> &'static str {
        match self {
            Self::Sdk1 | Self::PythonSessions => "2025-11-25",
            Self::Sdk2Auto | Self::Sdk2Pinned | Self::PythonAuto | Self::PythonPinned => {
                "2026-07-28"
            }
        }
    }

    fn program(self) -> Command {
        let (mut command, arguments) = match self {
            Self::Sdk1 => (node_program("era-host.mjs"), &["--sdk", "1"][..]),
            Self::Sdk2Auto => (node_program("era-host.mjs"), &["--sdk", "2"][..]),
            Self::Sdk2Pinned => (
                node_program("era-host.mjs"),
                &["--sdk", "2", "--pin", "2026-07-28"][..],
            ),
            Self::PythonSessions => (python_program("era_host.py"), &["--mode", "legacy"][..]),
            Self::PythonAuto => (python_program("era_host.py"), &["--mode", "auto"][..]),
            Self::PythonPinned => (python_program("era_host.py"), &["--mode", "2026-07-28"][..]),
        };
        command.args(arguments);
        command
    }

    /// Starts the server and, on a machine of its own, the host, which starts the bridge to it and goes through all columns.
    pub fn meets(self, server: Server) -> Row {
        let serving = server.start();
        let url = serving.address("url");
        let mut row = self.goes_to(server, &url, &Machine::new());
        if !row.is_right() {
            row.stderr += &serving.errors();
        }
        row
    }

    /// The same on this machine, with a server that is as `server` and runs there already.
    pub fn goes_to(self, server: Server, url: &Url, machine: &Machine) -> Row {
        let mut command = self.program();
        for (name, value) in machine.environment() {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command
            .arg("--")
            .args([env!("CARGO_BIN_EXE_mcp-drawbridge"), url.as_str()])
            .args(server.arguments());
        let output = command.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        self.row(server, &output)
    }

    /// Reads what the host printed; the head of its source file says what that is.
    fn row(self, server: Server, output: &Output) -> Row {
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let find = |name: &str| lines.iter().find(|line| line.get(name).is_some());
        let cells = COLUMNS.map(|column| {
            let line = lines.iter().find(|line| line["column"] == column);
            match line.map(|line| &line["error"]) {
                None => Cell::Missing,
                Some(Value::Null) => Cell::Passed,
                Some(Value::String(error)) => Cell::Failed(error.clone()),
                Some(error) => Cell::Failed(error.to_string()),
            }
        });
        let told = find("host").map_or_else(String::new, |line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let (changes, updates) = (&line["changes"], &line["updates"]);
            format!("{} {} {changes} {updates}", text("host"), text("server"))
        });
        let mut stderr = find("stderr").map_or_else(String::new, |line| {
            line["stderr"].as_str().unwrap_or_default().to_owned()
        });
        if !output.status.success() {
            stderr += &String::from_utf8_lossy(&output.stderr);
            stderr += &output.status.to_string();
        }
        Row {
            host: self,
            server,
            cells,
            told,
            stderr,
        }
    }
}
