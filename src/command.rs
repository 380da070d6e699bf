//! What each command does, one file each.

mod bridge;
mod login;
mod logout;
mod status;
mod words;

use std::io::Write as _;
use std::time::SystemTime;

use crate::config::Job;
use crate::diag::Diag;
use crate::error::Error;

/// Carries out a command.
pub async fn run(job: Job, diag: &Diag) -> Result<(), Error> {
    match job {
        Job::Bridge(config) => bridge::run(&config, diag).await,
        Job::Status(job) => print(&status::answer(&job, now(), diag)?),
        Job::Logout(job) => logout::run(&job, diag).await,
        Job::Login(config) => login::run(&config, diag).await,
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
