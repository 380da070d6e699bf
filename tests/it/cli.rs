//! The command line of the built binary: what goes to stdout, what to stderr, and the exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The binary with a cache of its own and an empty environment.
struct Program {
    folder: TempDir,
}

impl Program {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-drawbridge"));
        command
            .args(args)
            .env_clear()
            .env("MCP_DRAWBRIDGE_DIR", self.cache())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Puts a file for the name `work` into the cache.
    fn cached(&self, content: &str) -> PathBuf {
        self.run(&["status"]);
        let path = self.cache().join("work.token.json");
        std::fs::write(&path, content).expect("written");
        set_mode(&path, 0o600);
        path
    }
}

const SIGN_IN: &str = r#"{
  "access_token": "ACCESS_SECRET_1",
  "refresh_token": "REFRESH_SECRET_1",
  "expires_at": 1600000000,
  "issuer": "https://auth.example.com",
  "scopes": ["read"],
  "version": 1,
  "server": "https://mcp.example.com/mcp",
  "token_type": "Bearer",
  "granted_at": 1590000000,
  "client": {
    "https://auth.example.com": {
      "client_id": "client-1",
      "client_secret": "CLIENT_SECRET_1",
      "token_endpoint_auth_method": "client_secret_post",
      "token_endpoint": "https://auth.example.com/token"
    }
  }
}"#;

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) {}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn help_and_version_go_to_stdout_and_end_with_0() {
    let program = Program::new();
    for args in [
        &["-h"][..],
        &["--help"],
        &["--version"],
        &["login", "--help"],
        &["status", "-h"],
    ] {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!stdout(&output).is_empty(), "{args:?}");
        assert_eq!(stderr(&output), "", "{args:?}");
    }
}

#[test]
fn the_readme_names_every_option() {
    let readme = include_str!("../../README.md");
    let help = stdout(&Program::new().run(&["--help"]));
    let words = help.split_whitespace();
    let options: Vec<_> = words.filter(|word| word.starts_with("--")).collect();
    assert!(options.len() > 20, "{help}");
    for option in options {
        let option = option.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        assert!(readme.contains(option), "{option}");
    }
}

#[test]
fn wrong_usage_is_told_in_one_line_on_stderr_and_ends_with_2() {
    let program = Program::new();
    for args in [
        &[][..],
        &["mcp.example.com"],
        &["https://mcp.example.com", "--resource", "x"],
        &["https://mcp.example.com", "--dpop", "x"],
        &[
            "https://mcp.example.com",
            "--zzz",
            "--bearer-env",
            "NOT_SET",
        ],
        &["status", "--zzz"],
        &["migrate", "--zzz"],
        &["http://mcp.example.com"],
        &["logout"],
        &["login", "https://mcp.example.com", "--name", "../x"],
    ] {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        let text = stderr(&output);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("error: "), "{text}");
        assert!(
            lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")),
            "{text}"
        );
    }
    assert!(
        !program.cache().exists(),
        "nothing is made before the arguments are understood"
    );
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let program = Program::new();
    let argument = std::ffi::OsStr::from_bytes(b"x\xff");
    let output = program
        .command(&["status"])
        .arg(argument)
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: an argument is not valid UTF-8\n");
}

#[test]
fn status_shows_a_sign_in_without_its_secrets() {
    let program = Program::new();
    assert!(stdout(&program.run(&["status"])).starts_with("No sign-ins in `"));
    program.cached(SIGN_IN);
    for args in [&["status"][..], &["status", "--json"], &["status", "work"]] {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let shown = stdout(&output);
        assert!(
            shown.contains("client-1") && !shown.contains("SECRET"),
            "{shown}"
        );
        assert_eq!(stderr(&output), "");
    }
    let report: serde_json::Value =
        serde_json::from_str(&stdout(&program.run(&["status", "--json"]))).expect("JSON");
    assert_eq!(report["sign_ins"][0]["health"], "refreshable");
    assert_eq!(program.run(&["status", "other"]).status.code(), Some(1));
}

#[test]
fn a_damaged_file_is_told_by_status_and_stays_as_it_is() {
    let program = Program::new();
    let cut = &SIGN_IN[..100];
    let path = program.cached(cut);
    let output = program.run(&["status"]);
    assert_eq!(output.status.code(), Some(0));
    let shown = stdout(&output);
    let says = |line: &str| line.trim_start().starts_with("health ") && line.contains("unreadable");
    assert!(shown.lines().any(says), "{shown}");
    assert!(!stdout(&output).contains("SECRET"));
    assert_eq!(std::fs::read_to_string(path).expect("still there"), cut);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_could_read_is_repaired_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let program = Program::new();
    let path = program.cached(SIGN_IN);
    set_mode(&path, 0o644);
    let output = program.run(&["status"]);
    assert!(
        stderr(&output).starts_with("warning: other users could read `"),
        "{}",
        stderr(&output)
    );
    let mode = std::fs::metadata(&path)
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = std::fs::metadata(program.cache()).expect("metadata");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    assert_eq!(stderr(&program.run(&["status"])), "");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_nobody_takes_is_an_error_and_no_panic() {
    let program = Program::new();
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    let output = program
        .command(&["--help"])
        .stdout(full())
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: cannot write to stdout: "));
    let status = program
        .command(&[])
        .stderr(full())
        .status()
        .expect("it starts");
    assert_eq!(status.code(), Some(2));
}
