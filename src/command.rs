//! What each command does, one file each.

mod add;
mod bridge;
mod client;
mod configured;
mod doctor;
mod hosts;
mod import;
mod login;
mod logout;
mod migrate;
mod question;
mod status;
mod words;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use crate::access::Access;
use crate::bridge::Wire;
use crate::config::{Config, Job};
use crate::diag::{Diag, Level};
use crate::error::Error;
use crate::net::connections::Connections;
use crate::net::remote::Remote;
use crate::store;
use crate::untrusted::is_invisible;

/// Carries out a command.
pub async fn run(job: Job, diag: &Diag) -> Result<(), Error> {
    match job {
        Job::Bridge(config) => bridge::run(&config, diag).await,
        Job::Status(job) => status::run(&job, diag).await,
        Job::Logout(job) => logout::run(&job, diag).await,
        Job::Login(config) => login::run(&config, diag).await,
        Job::Client(config) => client::run(&config, diag).await,
        Job::Doctor(job) => doctor::run(&job, diag).await,
        Job::Machine(job) => doctor::run_on_machine(&job, diag).await,
        Job::Migrate(job) => migrate::run(&job, diag),
        Job::Import(job) => import::run(&job, diag).await,
        Job::Add(job) => add::run(&job, diag),
    }
}

/// The endpoint that a command for one server talks to.
fn remote(config: &Config, http: Connections) -> Remote {
    let remote = Remote::new(http, &config.server, config.headers.clone());
    let remote = remote.with_timeouts(config.timeouts);
    match config.cookies {
        true => remote,
        false => remote.without_cookies(),
    }
}

/// All that one session with the server needs. Nothing is kept of it, and no pings are sent.
fn wire(config: &Config, http: Connections, access: Access, diag: Diag) -> Wire {
    Wire {
        remote: remote(config, http),
        access,
        memory: None,
        observer: None,
        transport: config.transport,
        protocol: config.protocol,
        extensions: config.extensions(),
        visible: config.visible.clone(),
        server: config.server.host(),
        diag,
        keep_alive: None,
    }
}

/// A private key that others can read is theirs as well. It is the user's own file, so it is left as
/// it is.
fn check_key_file(config: &Config, diag: &Diag) {
    let files = [&config.key_file, &config.assertion_key_file];
    let files: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
    check_key_files(&files, diag);
}

fn check_key_files(files: &[PathBuf], diag: &Diag) {
    for path in files {
        let is_exposed = |found| store::exposure(&found).is_some();
        if !std::fs::metadata(path).is_ok_and(is_exposed) {
            continue;
        }
        diag.warn(format_args!(
            "other users can read the private key in `{}`; take their rights away, as with `chmod 600`",
            path.display()
        ));
    }
}

/// Where remarks of the machinery go: a report that says the same need not be interrupted by them.
fn aside(diag: &Diag) -> Diag {
    match diag.level() {
        Level::Debug => diag.clone(),
        Level::Normal | Level::Silent => Diag::stderr(Level::Silent),
    }
}

/// A report for programs. Nothing in it can steer a terminal: what could is written as an escape.
fn json(report: &impl Serialize) -> String {
    // Reports hold nothing that JSON cannot hold.
    harmless(&serde_json::to_string_pretty(report).unwrap_or_default()) + "\n"
}

/// JSON text in which nothing can steer a terminal: what could is written as an escape. All of it
/// stands in strings.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if !is_invisible(c) || c == '\n' {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// Writes what the user asked to see to stdout.
pub fn print(text: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Error::Stdout)
}

/// The time, in seconds since the epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The members that the README describes in the tables of a section: what stands in backticks in the
/// first column.
#[cfg(test)]
fn documented(section: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once(&format!("\n{section}\n")).expect(section);
    let end = rest.find("\n#").unwrap_or(rest.len());
    let rows = rest[..end].lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let named = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    named.map(str::to_owned).collect()
}
