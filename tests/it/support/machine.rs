//! A user's machine: a home, a cache and a browser of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// What the fake browser does; see `tests/support/fake_browser.rs`.
#[derive(Clone, Copy, Debug)]
pub enum Browser {
    Approves,
    Denies,
    BringsWrongState,
    BringsWrongStateFirst,
    /// Opens the page, where a person then does nothing.
    Waits,
}

impl Browser {
    fn mode(self) -> &'static str {
        match self {
            Self::Approves => "approve",
            Self::Denies => "deny",
            Self::BringsWrongState => "wrong-state",
            Self::BringsWrongStateFirst => "wrong-state-first",
            Self::Waits => "never",
        }
    }
}

/// A user's machine: home and cache of their own, one browser, and the official SDK's host that starts the built bridge.
pub struct Machine {
    folder: TempDir,
    pub browser: Browser,
}

impl Machine {
    /// With an empty cache and a browser that approves.
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            browser: Browser::Approves,
        }
    }

    /// With an empty cache and this browser.
    pub fn with(browser: Browser) -> Self {
        let mut machine = Self::new();
        machine.browser = browser;
        machine
    }

    /// What the bridge finds in its environment.
    pub fn environment(&self) -> [(&'static str, String); 7] {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        [
            ("HOME", path("home")),
            ("MCP_DRAWBRIDGE_DIR", path("cache")),
            ("BROWSER", fake_browser().display().to_string()),
            ("FAKE_BROWSER_MODE", self.browser.mode().to_owned()),
            ("FAKE_BROWSER_LOG", path("opened")),
            ("FAKE_BROWSER_VISITS", path("visits")),
            ("FAKE_BROWSER_ERRORS", path("errors")),
        ]
    }

    /// The person goes through with an address in a browser, or loads a tab anew. It does not count
    /// as opened by a bridge.
    pub fn browse(&self, address: &str) -> Child {
        Command::new(fake_browser())
            .arg(address)
            .envs(self.environment())
            .env("FAKE_BROWSER_MODE", Browser::Approves.mode())
            .env_remove("FAKE_BROWSER_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the fake browser starts")
    }

    /// Every address a browser was opened with.
    pub fn opened(&self) -> Vec<String> {
        self.lines("opened")
    }

    /// The `count` answers that browsers got: status, a blank, address without its query. Waits for
    /// them, as a browser may still read its last page when the host has ended.
    pub fn visits(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let visits = self.lines("visits");
            if visits.len() == count {
                return visits;
            }
            assert!(
                visits.len() < count && Instant::now() < deadline,
                "{count} visits expected: {visits:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The answers that browsers got so far.
    pub fn seen(&self) -> Vec<String> {
        self.lines("visits")
    }

    /// The bridge's program in this machine's environment, and in nothing of ours.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-drawbridge"));
        command
            .env_clear()
            .envs(std::env::var("PATH").map(|path| ("PATH", path)))
            .envs(self.environment());
        command
    }

    /// The folder of the sign-ins.
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The files of sign-ins in the cache.
    pub fn cached(&self) -> Vec<PathBuf> {
        self.files(|path| path.to_string_lossy().ends_with(".token.json"))
    }

    /// The files in the cache that fit.
    pub fn files(&self, fits: impl Fn(&PathBuf) -> bool) -> Vec<PathBuf> {
        let Ok(folder) = fs::read_dir(self.cache()) else {
            return Vec::new();
        };
        let paths = folder.map(|entry| entry.expect("a readable folder").path());
        paths.filter(fits).collect()
    }

    /// The file of the one sign-in in the cache.
    pub fn sign_in_file(&self) -> PathBuf {
        match &self.cached()[..] {
            [path] => path.clone(),
            others => panic!("one sign-in is cached, not {others:?}"),
        }
    }

    /// What that file says.
    pub fn sign_in(&self) -> Value {
        let text = fs::read(self.sign_in_file()).expect("a readable cache");
        serde_json::from_slice(&text).expect("a cache of JSON")
    }

    /// Waits until the process that opened a tab has noted it for a successor. Killed before, it
    /// leaves none to take over.
    pub fn tab_is_noted(&self) {
        let is_note = |path: &PathBuf| path.to_string_lossy().ends_with(".signin.json");
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.files(is_note).is_empty() {
            assert!(Instant::now() < deadline, "no open tab was noted");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Changes the one cached sign-in, as time or a person would, under the lock that bridges take
    /// for it and as a whole.
    pub fn edit_cached(&self, edit: impl FnOnce(&mut Value)) {
        let _lock = self.lock_sign_in();
        let path = self.sign_in_file();
        let mut content = self.sign_in();
        edit(&mut content);
        let new = path.with_extension("edited");
        fs::write(&new, serde_json::to_vec(&content).expect("JSON")).expect("a writable cache");
        let mode = fs::metadata(&path).expect("a readable cache").permissions();
        fs::set_permissions(&new, mode).expect("a writable cache");
        fs::rename(&new, &path).expect("a writable cache");
    }

    /// The cached token has ended, as far as this machine can tell.
    pub fn expire_cached(&self) {
        self.edit_cached(|cached| cached["expires_at"] = Value::from(1_600_000_000));
    }

    /// The one sign-in is gone from the cache.
    pub fn forget_sign_in(&self) {
        let _lock = self.lock_sign_in();
        fs::remove_file(self.sign_in_file()).expect("a writable cache");
    }

    /// Takes the lock under which bridges change the one sign-in; free again when dropped.
    pub fn lock_sign_in(&self) -> File {
        let is_lock = |path: &PathBuf| {
            let name = path.to_string_lossy();
            let others = [".signin.lock", "/.imports.lock"];
            name.ends_with(".lock") && !others.iter().any(|other| name.ends_with(other))
        };
        let [path] = &self.files(is_lock)[..] else {
            panic!("one lock is there, not {:?}", self.files(is_lock));
        };
        let file = File::open(path).expect("a readable cache");
        fs2::FileExt::lock_exclusive(&file).expect("a file system with locks");
        file
    }
}

impl Drop for Machine {
    /// A test that fails says how far its browsers came.
    fn drop(&mut self) {
        if thread::panicking() {
            for name in ["opened", "visits", "errors"] {
                eprintln!("{name}: {:#?}", self.lines(name));
            }
        }
    }
}

/// The example program beside this test: `target/debug/deps/it-…` → `target/debug/examples/fake-browser`.
pub fn fake_browser() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let built = test
        .parent()
        .and_then(Path::parent)
        .expect("the test lies in `deps`");
    let browser = built
        .join("examples")
        .join(format!("fake-browser{}", std::env::consts::EXE_SUFFIX));
    assert!(
        browser.exists(),
        "`{}` is missing: run `cargo build --example fake-browser`",
        browser.display()
    );
    browser
}
