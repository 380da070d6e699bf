//! A user's machine with hosts' configuration files and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mcp_drawbridge::compat::hosts::{Base, Folders, HOSTS, Host, Place, System};
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-drawbridge");

/// A home, a project, and a cache, all empty.
pub struct Desk {
    folder: TempDir,
}

/// What a run said, and how it ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        for name in ["home", "project", "cache"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("MCP_DRAWBRIDGE_DIR", self.folder.path().join("cache"))
            .current_dir(self.project())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("the program starts"))
    }

    /// Where a host's file is on this machine. What a pattern stands for is `x`.
    pub fn path(&self, place: &Place) -> Option<PathBuf> {
        let config = match System::HERE {
            System::Mac => self.home().join("Library/Application Support"),
            _ => self.home().join(".config"),
        };
        let folders = Folders {
            system: System::HERE,
            home: Some(self.home()),
            config: Some(config.clone()),
            local: Some(config),
            project: Some(self.project()),
            variable: &|_| None,
        };
        let path = place.path(&folders)?;
        Some(path.to_str().expect("Unicode").replace('*', "x").into())
    }

    /// Puts a file where the host looks for its servers first.
    pub fn put(&self, host: &str, content: &[u8]) -> PathBuf {
        let host = Host::find(host).expect("a host");
        let mut paths = host.places.iter().filter_map(|place| self.path(place));
        let path = paths.next().expect("a place on this system");
        write(&path, content);
        path
    }

    /// Every file below home and project with what is in it.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.home(), &mut found);
        collect(&self.project(), &mut found);
        found.sort();
        found
    }
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// The same, which must have ended so.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        match path.is_dir() {
            true => collect(&path, found),
            false => {
                let content = fs::read(&path).expect("a readable file");
                found.push((path, content));
            }
        }
    }
}

pub fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("written");
}

/// A fixture of hosts' configuration.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = fixtures().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts")
}

/// The name of a fixture after `migrate`.
pub fn after(name: &str) -> String {
    let (base, ending) = name.rsplit_once('.').expect("an ending");
    format!("{base}.after.{ending}")
}

/// The text of such a fixture with the program's path in it.
pub fn expected(name: &str) -> Vec<u8> {
    let text = String::from_utf8(fixture(&after(name))).expect("UTF-8");
    text.replace("@PROGRAM@", PROGRAM).into_bytes()
}

/// The fixture for a place of a host.
pub fn fixture_of(host: &Host, place: &Place) -> String {
    let file = place.path.rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit('.').next().unwrap_or_default();
    let own = format!("{}-{file}", host.name);
    match fixtures().join(&own).exists() {
        true => own,
        false => format!("{}.{ending}", host.name),
    }
}

/// Every place that can be changed on this system, with its host.
pub fn places() -> impl Iterator<Item = (&'static Host, &'static Place)> {
    let each = HOSTS
        .iter()
        .flat_map(|host| host.places.iter().map(move |place| (host, place)));
    each.filter(|(_, place)| {
        place.on.contains(&System::HERE)
            && !place.is_for_container()
            && place.base != Base::LocalAppData
    })
}
