//! What each command does, one file each.

mod bridge;

use std::io::Write as _;

use crate::config::Job;
use crate::diag::Diag;
use crate::error::Error;

/// Carries out a command.
pub async fn run(job: Job, diag: &Diag) -> Result<(), Error> {
    match job {
        Job::Bridge(config) => bridge::run(&config, diag).await,
        _ => Ok(()),
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
