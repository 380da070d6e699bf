//! The servers that are configured on this machine: in the configuration file, and by AI clients that
//! start a bridge.

use super::hosts::file::Original;
use super::hosts::{self, Spot};
use crate::compat::hosts::Host;
use crate::compat::launches::launches;
use crate::config::{Config, Home, launched};
use crate::diag::{clean, clean_to};

/// A server that somebody configured.
pub(super) struct Configured {
    /// Who uses it.
    pub used_by: String,
    /// Whether the user wrote it, and not whoever made the current folder.
    pub is_own: bool,
    /// What it is used with, or why that cannot be used.
    pub config: Result<Box<Config>, String>,
}

/// All of them: those of the configuration file, then those that these hosts start. A file that cannot
/// be read is told to `unreadable`.
pub(super) fn all(
    entries: &[(String, Result<Box<Config>, String>)],
    hosts: &[&'static Host],
    home: &Home,
    mut unreadable: impl FnMut(String),
) -> Vec<Configured> {
    let own = entries.iter().map(|(name, config)| Configured {
        used_by: format!("`{}` in the configuration file", clean(name)),
        is_own: true,
        config: config.clone(),
    });
    let mut found: Vec<Configured> = own.collect();
    for spot in hosts::of_machine(hosts, home) {
        match of_host(&spot, home) {
            Ok(started) => found.extend(started),
            Err(why) => {
                let path = clean_to(&spot.path.display().to_string(), 2000);
                unreadable(format!(
                    "{}: `{path}` cannot be read: {why}",
                    spot.host.title
                ));
            }
        }
    }
    found
}

/// Those that a host's file starts a bridge for; the error says why it cannot be read.
fn of_host(spot: &Spot, home: &Home) -> Result<Vec<Configured>, String> {
    // What it starts in a container keeps its sign-ins there.
    if spot.place.is_for_container() {
        return Ok(Vec::new());
    }
    let original = match Original::read(&spot.path) {
        Ok(Some(original)) => original,
        Ok(None) => return Ok(Vec::new()),
        Err(fault) => return Err(fault.to_string()),
    };
    let text = original.text().map_err(|fault| fault.to_string())?;
    let found = launches(text, spot.place.format, spot.place.servers);
    let found = found.map_err(|refusal| refusal.to_string())?;
    let of_entry = |entry: crate::compat::launches::Launched| Configured {
        used_by: format!("{}: `{}`", spot.host.title, clean(&entry.name)),
        is_own: !spot.place.is_project(),
        config: launched(&entry.args, &entry.env, home),
    };
    Ok(found.into_iter().map(of_entry).collect())
}
