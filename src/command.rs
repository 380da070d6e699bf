//! What each command does, one file each.

mod add;
mod bridge;
mod doctor;
mod hosts;
mod login;
mod logout;
mod migrate;
mod question;
mod status;
mod words;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::{Config, Job};
use crate::diag::Diag;
use crate::error::Error;
use crate::net::connections::Connections;
use crate::net::remote::Remote;
use crate::store;

/// Carries out a command.
pub async fn run(job: Job, diag: &Diag) -> Result<(), Error> {
    match job {
        Job::Bridge(config) => bridge::run(&config, diag).await,
        Job::Status(job) => print(&status::answer(&job, now(), diag)?),
        Job::Logout(job) => logout::run(&job, diag).await,
        Job::Login(config) => login::run(&config, diag).await,
        Job::Doctor(job) => doctor::run(&job, diag).await,
        Job::Migrate(job) => migrate::run(&job, diag),
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
