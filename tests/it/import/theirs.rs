//! mcp-remote on a machine of the tests: how it is started, and what it keeps.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use url::Url;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::mcp_remote_folder;
use crate::support::scene::opening;

/// A version of mcp-remote, as `tests/peers/mcp-remote/package.json` calls it.
#[derive(Clone, Copy, Debug)]
pub struct Version(pub &'static str);

/// The one whose place is taken.
pub const NEWEST: Version = Version("mcp-remote");
/// The last one before each change of what is kept, or where.
pub const OLDER: [Version; 3] = [
    Version("mcp-remote-0.2.7"),
    Version("mcp-remote-0.1.38"),
    Version("mcp-remote-0.1.29"),
];

impl Version {
    /// The folder of its program.
    pub fn package(self) -> PathBuf {
        mcp_remote_folder().join("node_modules").join(self.0)
    }

    /// It, started as a host does.
    pub fn command(self, machine: &Machine, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command
            .arg(self.package().join("dist/proxy.js"))
            .arg(url)
            .args(arguments)
            .env_clear()
            .envs(std::env::var("PATH").map(|path| ("PATH", path)))
            .envs(machine.environment());
        command
    }

    /// The same with a session, for which a person signed in.
    pub fn open(self, machine: &Machine, url: &str, arguments: &[&str]) -> Bridge {
        let mut command = self.command(machine, url, arguments);
        // Older ones open the browser before they listen for it.
        let is_hasty = self.0 != NEWEST.0;
        if is_hasty {
            command.env("FAKE_BROWSER_MODE", "never");
        }
        let mut bridge = Bridge::start_command(command);
        // The last revision that older ones keep to.
        let asked = bridge.request("initialize", opening("2025-03-26", json!({})));
        let mut person = is_hasty.then(|| approve(machine));
        let answer = bridge.answer(asked);
        assert!(answer["result"].is_object(), "{answer}");
        bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        if let Some(person) = &mut person {
            person.wait().expect("the browser ends");
        }
        bridge
    }

    /// It signs in and ends. Its browser approves.
    pub fn sign_in(self, machine: &Machine, url: &str, arguments: &[&str]) {
        self.open(machine, url, arguments).close();
    }
}

/// A person approves what a browser was opened with, once somebody listens for the answer.
fn approve(machine: &Machine) -> Child {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "nobody listens");
        if let [address] = &machine.opened()[..]
            && let Ok(url) = Url::parse(address)
            && let Some((_, back)) = url.query_pairs().find(|(name, _)| name == "redirect_uri")
            && let Some(port) = Url::parse(&back).ok().and_then(|back| back.port())
            && TcpStream::connect(("127.0.0.1", port)).is_ok()
        {
            return machine.browse(address);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The user's home.
pub fn home(machine: &Machine) -> PathBuf {
    let mut variables = machine.environment().into_iter();
    let home = variables.find(|(name, _)| *name == "HOME");
    PathBuf::from(home.expect("a home").1)
}

/// The folder of mcp-remote's sign-ins.
pub fn store(machine: &Machine) -> PathBuf {
    home(machine).join(".mcp-auth")
}

/// A file or folder with all that could change about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
    modified: SystemTime,
    inode: u64,
}

/// Everything in mcp-remote's folders, in order.
pub fn snapshot(machine: &Machine) -> Vec<Snapshot> {
    let mut found = Vec::new();
    collect(&store(machine), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(path: &Path, found: &mut Vec<Snapshot>) {
    let Ok(about) = fs::symlink_metadata(path) else {
        return;
    };
    found.push(Snapshot {
        path: path.to_owned(),
        bytes: match about.is_file() {
            true => fs::read(path).unwrap_or_default(),
            false => Vec::new(),
        },
        mode: about.permissions().mode(),
        modified: about.modified().expect("a time"),
        inode: about.ino(),
    });
    if about.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), found);
        }
    }
}

/// mcp-remote's one file of a kind.
pub fn file(machine: &Machine, ending: &str) -> PathBuf {
    let all = snapshot(machine);
    let mut fitting = all
        .into_iter()
        .map(|found| found.path)
        .filter(|path| path.to_string_lossy().ends_with(ending));
    let path = fitting.next().expect("mcp-remote keeps it");
    assert_eq!(fitting.next(), None);
    path
}
