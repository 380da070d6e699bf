//! Hosts' configuration files on this machine: where they are, and how they are changed safely.

pub(super) mod file;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use crate::compat::hosts::{Folders, Host, Place, System, fits};
use crate::config::{Base, Home};
use crate::diag::Diag;
use crate::error::Error;
use crate::store::{FileStore, HostsLock, LockError, StoreError};

/// What the program is called.
const PROGRAM: &str = "mcp-drawbridge";

/// How long another process may be changing files.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// How long a try for the lock waits for the next.
const POLL: Duration = Duration::from_millis(20);

/// A file of a host.
#[derive(Clone)]
pub struct Spot {
    /// The host.
    pub host: &'static Host,
    /// Its place among the host's.
    pub place: &'static Place,
    /// The file.
    pub path: PathBuf,
}

/// Where the user's files are on this machine.
pub fn folders<'a>(home: &Home, variable: &'a dyn Fn(&str) -> Option<String>) -> Folders<'a> {
    Folders {
        system: System::HERE,
        home: home.home.clone(),
        config: home.config.clone(),
        local: home.local.clone(),
        project: std::env::current_dir().ok(),
        variable,
    }
}

/// The files that these hosts have on this machine and in the current folder, each once.
pub fn of_machine(hosts: &[&'static Host], home: &Home) -> Vec<Spot> {
    let variable = |name: &str| home.env.get(name).cloned();
    spots(hosts, &folders(home, &variable))
}

/// The files that these hosts have in all their places, each once. For patterns, those that
/// `candidate` takes are looked for among what is there; others are given whether they exist or not.
fn spots(hosts: &[&'static Host], folders: &Folders<'_>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    for host in hosts {
        for place in host.places {
            let Some(path) = place.path(folders) else {
                continue;
            };
            let paths = match place.is_pattern() {
                true => matching(&path),
                false => vec![path],
            };
            for path in paths {
                if !spots.iter().any(|spot| spot.path == path) {
                    spots.push(Spot { host, place, path });
                }
            }
        }
    }
    spots
}

/// The paths that fit a pattern, in order.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        let is_pattern = matches!(component, Component::Normal(_)) && name.contains('*');
        found = match is_pattern {
            false => found.into_iter().map(|path| path.join(component)).collect(),
            true => found
                .iter()
                .flat_map(|folder| entries(folder, &name))
                .collect(),
        };
    }
    found
}

/// What is in a folder and fits the pattern, in order.
fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| fits(pattern, name))
    });
    let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The path by which hosts start this program. What a package manager keeps up to date is a link
/// to a place that the next version does not have, so the link is taken where it leads here.
pub fn program() -> Result<String, Error> {
    let own = std::env::current_exe().map_err(Error::Runtime)?;
    let real = fs::canonicalize(&own).unwrap_or_else(|_| own.clone());
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut known = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name));
    let linked = known.find(|path| fs::canonicalize(path).is_ok_and(|path| path == real));
    let path = linked.unwrap_or(own);
    match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(Error::Runtime(std::io::Error::other(
            "the path of this program is not Unicode",
        ))),
    }
}

/// Waits for the right to change hosts' files, and says so.
pub fn lock(base: &Base, diag: &Diag) -> Result<HostsLock, Error> {
    let folder = base.dir.clone().ok_or(StoreError::NoFolder)?;
    let store = FileStore::open(folder)?;
    let deadline = Instant::now() + LOCK_LIMIT;
    let mut announced = false;
    loop {
        if let Some(lock) = store.try_lock_hosts()? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(Error::Lock(LockError::Busy {
                name: "AI clients' files".to_owned(),
                waited: LOCK_LIMIT,
            }));
        }
        if !std::mem::replace(&mut announced, true) {
            diag.note("waiting for another process that changes AI clients' files");
        }
        std::thread::sleep(POLL);
    }
}
