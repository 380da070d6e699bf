//! The servers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::peers::{node_program, python_program};
use crate::support::program::Program;

/// What a server is made of, and which era it is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The TypeScript SDK 1.x: sessions and nothing else.
    Sdk1,
    /// The TypeScript SDK 2.x, strict: no sessions.
    Sdk2,
    /// Python's `mcp` 2.x, which serves both eras, where the user asks for sessions.
    PythonSessions,
    /// The same without the user asking for anything.
    PythonBoth,
    /// FastMCP 4, which serves both eras, where the user asks for sessions.
    FastMcpSessions,
    /// The same without the user asking for anything.
    FastMcpBoth,
    /// Rust's `rmcp`, told to serve sessions and nothing else.
    RmcpSessions,
    /// The same, told to serve no sessions.
    RmcpStateless,
    /// The same, told nothing: it serves both eras.
    RmcpBoth,
}

impl Server {
    /// In the order of the matrix.
    pub const ALL: [Self; 9] = [
        Self::Sdk1,
        Self::Sdk2,
        Self::PythonSessions,
        Self::PythonBoth,
        Self::FastMcpSessions,
        Self::FastMcpBoth,
        Self::RmcpSessions,
        Self::RmcpStateless,
        Self::RmcpBoth,
    ];

    /// Its name in the matrix.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sdk1 => "SDK 1.x",
            Self::Sdk2 => "SDK 2.x, strict",
            Self::PythonSessions => "Python mcp 2.x, --protocol legacy",
            Self::PythonBoth => "Python mcp 2.x, both eras",
            Self::FastMcpSessions => "FastMCP 4, --protocol legacy",
            Self::FastMcpBoth => "FastMCP 4, both eras",
            Self::RmcpSessions => "rmcp 3.x, up to 2025-11-25",
            Self::RmcpStateless => "rmcp 3.x, 2026-07-28",
            Self::RmcpBoth => "rmcp 3.x, both eras",
        }
    }

    /// The revision that the bridge is to agree on with it, where the host agreed on `host` with the bridge. A server that says
    /// that it serves both eras is spoken to as the host speaks. The servers of Python serve both too, but name one of them.
    pub fn revision(self, host: &'static str) -> &'static str {
        match self {
            Self::Sdk1 | Self::PythonSessions | Self::FastMcpSessions | Self::RmcpSessions => {
                "2025-11-25"
            }
            Self::Sdk2 | Self::PythonBoth | Self::FastMcpBoth | Self::RmcpStateless => "2026-07-28",
            Self::RmcpBoth => host,
        }
    }

    /// What the user tells the bridge of it.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::PythonSessions | Self::FastMcpSessions => &["--protocol", "legacy"],
            _ => &[],
        }
    }

    /// Starts it for one host.
    pub fn start(self) -> Program {
        let (command, arguments) = match self {
            Self::Sdk1 => (node_program("era-server.mjs"), ["--sdk", "1"]),
            Self::Sdk2 => (node_program("era-server.mjs"), ["--sdk", "2"]),
            Self::PythonSessions | Self::PythonBoth => {
                (python_program("era_server.py"), ["--library", "mcp"])
            }
            Self::FastMcpSessions | Self::FastMcpBoth => {
                (python_program("era_server.py"), ["--library", "fastmcp"])
            }
            Self::RmcpSessions => (Command::new(rmcp_server()), ["--revisions", "sessions"]),
            Self::RmcpStateless => (Command::new(rmcp_server()), ["--revisions", "stateless"]),
            Self::RmcpBoth => (Command::new(rmcp_server()), ["--revisions", "all"]),
        };
        Program::start(command, |_, command| {
            command.args(arguments);
        })
    }
}

/// The program of `fixtures/rmcp-server`. It is built when it is needed, so that nothing else of this package has to do with
/// what it is made of.
fn rmcp_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("the target folder");
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--package", "rmcp-server"])
            .args(["--message-format", "json-render-diagnostics"])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .output()
            .expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "cannot build rmcp-server: {errors}"
        );
        let messages = String::from_utf8(output.stdout).expect("cargo writes text");
        messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo says where the program is")
    })
}
