//! Peers that other people wrote: an MCP server and a host made of the official TypeScript SDK, authorization servers made of
//! oidc-provider, better-auth and workers-oauth-provider, and an MCP server made of FastMCP. Installs them once, starts and stops them, and reads what the servers were
//! asked.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use url::Url;

use super::machine::Machine;
use super::program::Program;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The official TypeScript SDK; the authorization server has an origin of its own.
    OfficialSdk,
    /// FastMCP with its in-memory provider; one origin.
    FastMcp,
    /// The official TypeScript SDK behind oidc-provider; see `support/oidc.rs` for what only this one can do.
    OidcProvider,
    /// `@modelcontextprotocol/server-everything`: no sign-in, no log of requests, and only the step `echo` of the host.
    Everything,
    /// The same over the HTTP+SSE of 2024.
    EverythingSse,
    /// The official TypeScript SDK over the HTTP+SSE of 2024.
    OfficialSdkSse,
    /// FastMCP over the HTTP+SSE of 2024.
    FastMcpSse,
    /// The official TypeScript SDK behind better-auth and its MCP plugin; see `tests/it/foreign.rs`.
    BetterAuth,
    /// Cloudflare's workers-oauth-provider under workerd; only the tool `add`.
    Workers,
}

impl Kind {
    /// Whether it speaks the HTTP+SSE of 2024 alone.
    fn is_sse(self) -> bool {
        matches!(
            self,
            Self::EverythingSse | Self::OfficialSdkSse | Self::FastMcpSse
        )
    }

    /// What the bridge has to be told about it. FastMCP's speaks both eras and says so of one alone, and its tools ask in the
    /// middle of a call, which it does in a session only.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::FastMcp => &["--protocol", "legacy"],
            _ => &[],
        }
    }

    /// Whether it keeps a log of its requests and takes [`GIVEN_TOKEN`].
    fn logs(self) -> bool {
        !matches!(
            self,
            Self::Everything | Self::EverythingSse | Self::BetterAuth | Self::Workers
        )
    }
}

/// An access token that every server takes without a sign-in.
pub const GIVEN_TOKEN: &str = "given-by-hand";

/// A running server. Ends when dropped, and when the test process ends in any other way.
pub struct Server {
    program: Program,
    kind: Kind,
    /// Where its MCP endpoint is.
    pub url: Url,
    /// The issuer of its tokens, as its authorization server spells it; empty where nobody signs in.
    pub issuer: String,
    control: Url,
}

/// One request that a server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Whether it had an `Authorization` header.
    pub authorization: bool,
    /// Whether it had a session id.
    pub session: bool,
    /// Methods of the JSON-RPC messages in its body; `response` for an answer.
    pub rpc: Vec<String>,
    /// `grant_type` of a token request.
    pub grant_type: Option<String>,
    /// Status of the answer, if one has begun.
    pub status: Option<u64>,
}

impl Request {
    /// Whether it is that POST to the MCP endpoint.
    pub fn is_rpc(&self, method: &str) -> bool {
        self.rpc == [method]
    }

    /// Whether it is a token request of that grant.
    pub fn is_grant(&self, grant_type: &str) -> bool {
        self.grant_type.as_deref() == Some(grant_type)
    }
}

impl Server {
    /// Starts a server on free ports and waits until it listens.
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// The same with more arguments, which the head of the server's source file lists.
    pub fn start_with(kind: Kind, arguments: &[String]) -> Self {
        let command = match kind {
            Kind::OfficialSdk | Kind::OfficialSdkSse => node_program("server.mjs"),
            Kind::FastMcp | Kind::FastMcpSse => python_program("server.py"),
            Kind::OidcProvider => node_program("oidc.mjs"),
            Kind::Everything | Kind::EverythingSse => node_program("everything.mjs"),
            Kind::BetterAuth => node_program("better-auth.mjs"),
            Kind::Workers => node_program("workers.mjs"),
        };
        let program = Program::start(command, |folder, command| {
            if kind.is_sse() {
                command.arg("--sse");
            }
            if kind.logs() {
                command.arg("--log").arg(folder.join("requests"));
                command.args(["--token", GIVEN_TOKEN]);
            }
            command.args(arguments);
        });
        Self {
            url: program.address("url"),
            issuer: program.told("issuer"),
            control: program.address("control"),
            program,
            kind,
        }
    }

    /// Every request so far, in the order they came.
    pub fn requests(&self) -> Vec<Request> {
        let log = fs::read_to_string(self.program.folder().join("requests")).unwrap_or_default();
        let entries: Vec<Value> = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let status: HashMap<u64, u64> = entries
            .iter()
            .filter_map(|entry| Some((entry["answers"].as_u64()?, entry["status"].as_u64()?)))
            .collect();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        entries
            .iter()
            .filter(|entry| entry["n"].is_u64())
            .map(|entry| Request {
                method: text(&entry["method"]).unwrap_or_default(),
                path: text(&entry["path"]).unwrap_or_default(),
                authorization: entry["authorization"] == true,
                session: entry["session"] == true,
                rpc: entry["rpc"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(text)
                    .collect(),
                grant_type: text(&entry["grant_type"]),
                status: entry["n"].as_u64().and_then(|n| status.get(&n).copied()),
            })
            .collect()
    }

    /// Asks the server to do what the head of its source file lists, such as `/expire`, and waits until it is done. Gives
    /// what it answers, null for nothing.
    pub fn control(&self, path: &str) -> Value {
        let address = self
            .control
            .socket_addrs(|| None)
            .expect("a loopback address");
        let mut stream = TcpStream::connect(address.as_slice()).expect("the control port listens");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream
            .write_all(request.as_bytes())
            .expect("the control port reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("the control port answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        if head.starts_with("HTTP/1.1 204") {
            return Value::Null;
        }
        assert!(
            head.starts_with("HTTP/1.1 200"),
            "control {path} answered: {answer}"
        );
        serde_json::from_str(body).expect("the control port answers JSON")
    }
}

impl Machine {
    /// Runs the host with the bridge to `server` through `steps` (see `tests/peers/node/host.mjs`), all of which must succeed.
    pub fn host(&self, server: &Server, steps: &str) -> Vec<Step> {
        self.host_with(server, steps, &[])
    }

    /// The same with more arguments for the bridge.
    pub fn host_with(&self, server: &Server, steps: &str, arguments: &[&str]) -> Vec<Step> {
        let mut command = node_program("host.mjs");
        command.args([
            "--steps",
            steps,
            "--control",
            server.control.as_str().trim_end_matches('/'),
        ]);
        for (name, value) in self.environment() {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command
            .arg("--")
            .args([env!("CARGO_BIN_EXE_mcp-drawbridge"), server.url.as_str()])
            .args(server.kind.arguments())
            .args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("node runs");
        let text = String::from_utf8(output.stdout).expect("the host writes text");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "the host failed:\n{text}\n{errors}\nrequests: {:#?}",
            server.requests()
        );
        text.lines()
            .map(|line| Step(serde_json::from_str(line).expect("the host writes JSON")))
            .collect()
    }
}

/// What the host reported of one step.
pub struct Step(Value);

impl Step {
    /// Its name among the steps of the host.
    pub fn name(&self) -> &str {
        self.0["step"].as_str().unwrap_or_default()
    }

    /// What the step saw, as `tests/peers/node/steps.mjs` returns it.
    pub fn saw(&self) -> &Value {
        &self.0["saw"]
    }
}

fn program(interpreter: impl AsRef<OsStr>, script: PathBuf) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(script);
    command
}

/// A script of `tests/peers/node`, with what it needs installed.
pub fn node_program(script: &str) -> Command {
    program("node", node_folder().join(script))
}

/// A script of `tests/peers/python`, with what it needs installed.
pub fn python_program(script: &str) -> Command {
    let interpreter = python_folder().join("venv/bin/python");
    program(interpreter, sources().join("python").join(script))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// The folder with the Node peers and what they need.
fn node_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const NEEDED: &str =
            "install Node.js 20.19 or newer with npm (Debian 13: apt-get install nodejs npm)";
        let version = version("node", NEEDED);
        let numbers: Vec<u32> = version
            .trim_start_matches('v')
            .split('.')
            .map_while(|number| number.parse().ok())
            .collect();
        assert!(
            numbers[..] >= [20, 19][..],
            "tests against real peers need another Node.js than {version}: {NEEDED}"
        );
        from_npm("node", &version, NEEDED)
    })
}

/// The folder with the official conformance suite and the host that it drives.
pub fn conformance_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const NEEDED: &str = "install npm (Debian: apt-get install npm)";
        from_npm("conformance", &version("npm", NEEDED), NEEDED)
    })
}

/// The folder with versions of mcp-remote.
pub fn mcp_remote_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const NEEDED: &str = "install npm (Debian: apt-get install npm)";
        from_npm("mcp-remote", &version("npm", NEEDED), NEEDED)
    })
}

/// The folder with the parsers of hosts' configuration files.
pub fn parsers_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const NEEDED: &str = "install npm (Debian: apt-get install npm)";
        from_npm("parsers", &version("npm", NEEDED), NEEDED)
    })
}

/// Installs what the `package.json` of a folder of `tests/peers` asks for, and puts the folder's scripts beside it.
fn from_npm(name: &str, tool: &str, needed: &str) -> PathBuf {
    let sources = sources().join(name);
    let manifest = sources.join("package.json");
    install(name, &manifest, tool, |folder| {
        fs::copy(&manifest, folder.join("package.json")).expect("a writable folder");
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]);
        run(npm.current_dir(folder), needed);
    })
    .with_scripts(&sources)
}

/// The folder with `venv`, which has what the Python peers need.
fn python_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const NEEDED: &str =
            "install Python 3.10 or newer with venv (Debian: apt-get install python3-venv)";
        let version = version("python3", NEEDED);
        let requirements = sources().join("python/requirements.txt");
        let installed = install("python", &requirements, &version, |folder| {
            run(
                Command::new("python3")
                    .args(["-m", "venv", "venv"])
                    .current_dir(folder),
                NEEDED,
            );
            let mut pip = Command::new(folder.join("venv/bin/python"));
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ]);
            run(pip.arg(&requirements), NEEDED);
        });
        installed.folder
    })
}

/// An installed folder, with the lock that keeps other test processes from installing at the same time.
struct Installed {
    folder: PathBuf,
    _lock: File,
}

impl Installed {
    /// Puts the scripts beside `node_modules`, where Node looks for what they import.
    fn with_scripts(self, sources: &Path) -> PathBuf {
        for entry in fs::read_dir(sources).expect("the scripts of the peers") {
            let source = entry.expect("a readable folder").path();
            let target = self.folder.join(source.file_name().expect("a file"));
            let wanted = fs::read(&source).expect("a readable script");
            if fs::read(&target).ok().as_ref() != Some(&wanted) {
                // Another test process may be starting the old one: replace it whole.
                let new = target.with_extension("new");
                fs::write(&new, wanted).expect("a writable folder");
                fs::rename(&new, &target).expect("a writable folder");
            }
        }
        self.folder
    }
}

/// Fills `target/peers/<name>` once for each content of `manifest` and each version of the tool that reads it.
fn install(name: &str, manifest: &Path, tool: &str, fill: impl FnOnce(&Path)) -> Installed {
    let peers = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder")
        .join("peers");
    fs::create_dir_all(&peers).expect("a writable target folder");
    let lock = File::create(peers.join(format!("{name}.lock"))).expect("a writable target folder");
    fs2::FileExt::lock_exclusive(&lock).expect("a file system with locks");

    let folder = peers.join(name);
    let stamp = folder.join("installed");
    let wanted = format!(
        "{tool}\n{}",
        fs::read_to_string(manifest).expect("a readable manifest")
    );
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        // A folder without the right stamp is old or half done.
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a writable target folder");
        }
        fs::create_dir_all(&folder).expect("a writable target folder");
        fill(&folder);
        fs::write(&stamp, wanted).expect("a writable target folder");
    }
    Installed {
        folder,
        _lock: lock,
    }
}

/// What `<tool> --version` says; a tool that is not there is the user's to install.
fn version(tool: &str, needed: &str) -> String {
    let output = Command::new(tool).arg("--version").output();
    let output = output.unwrap_or_else(|error| {
        panic!("tests against real peers need `{tool}` ({error}): {needed}")
    });
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn run(command: &mut Command, needed: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?} ({error}): {needed}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?} failed; {needed}. It said:\n{said}\n{errors}"
    );
}
