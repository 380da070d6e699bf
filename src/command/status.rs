//! `status`: what is cached about each sign-in, for people and for programs. Asks no server, unless
//! `--check` says so, and shows no secret.

mod check;
mod page;
mod report;

use std::path::PathBuf;

use report::{Around, Entry, FORMAT, Report};

use super::now;
use crate::compat::import::Ledger;
use crate::config::{Status, StatusTarget};
use crate::diag::Diag;
use crate::error::Error;
use crate::ids::{ServerKey, ServerUrl};
use crate::store::{Cached, FileStore, Store, StoreError};
use crate::takeover;
use crate::term::Terminal;

/// Shows what `status` asks for, and fails if `--check` finds something that does not work.
pub async fn run(status: &Status, diag: &Diag) -> Result<(), Error> {
    let cache = Cache::open(status)?;
    let keys = cache.wanted(&status.target)?;
    let checks = match &status.check {
        Some(checking) => check::all(checking, &cache.store, &keys, diag).await?,
        None => Vec::new(),
    };
    let now = now();
    let mut sign_ins = Vec::new();
    for key in &keys {
        sign_ins.push(cache.entry(key, now)?);
    }
    for (entry, check) in sign_ins.iter_mut().zip(checks) {
        entry.check = Some(check);
    }
    for warning in cache.store.take_warnings() {
        diag.warn(warning);
    }
    let report = Report {
        version: FORMAT,
        folder: cache.store.folder().display().to_string(),
        sign_ins,
    };
    super::print(&match status.json {
        true => super::json(&report),
        false => page::page(&report, status.long, now, Terminal::of_stdout()),
    })?;
    match report.failures() {
        (0, _) => Ok(()),
        (count, exit_code) => Err(Error::NotRefreshed { count, exit_code }),
    }
}

/// What is kept on this machine.
struct Cache {
    store: Store,
    /// The same folder, for what servers said of themselves.
    files: FileStore,
    /// What was taken over; nothing where that cannot be read.
    ledger: Ledger,
}

impl Cache {
    fn open(status: &Status) -> Result<Self, Error> {
        let folder = status.base.dir.clone().ok_or(StoreError::NoFolder)?;
        let store = Store::open(folder.clone())?;
        Ok(Self {
            ledger: store.read_ledger().unwrap_or_default(),
            files: FileStore::open(folder)?,
            store,
        })
    }

    /// The names of those that are to be shown; an error if one was asked for that is not there.
    fn wanted(&self, target: &StatusTarget) -> Result<Vec<ServerKey>, Error> {
        let mut wanted = Vec::new();
        for key in self.store.list()? {
            let is_wanted = match target {
                StatusTarget::All => true,
                StatusTarget::Name(name) | StatusTarget::Entry(_, name) => *name == key,
                StatusTarget::Server(server) => is_for(&self.store.read(&key)?, server),
            };
            wanted.extend(is_wanted.then_some(key));
        }
        match target {
            StatusTarget::Name(name) if wanted.is_empty() => Err(Error::no_sign_in(name.as_str())),
            StatusTarget::Entry(name, _) if wanted.is_empty() => Err(Error::no_sign_in(name)),
            StatusTarget::Server(server) if wanted.is_empty() => {
                Err(Error::no_sign_in(server.to_string()))
            }
            _ => Ok(wanted),
        }
    }

    fn entry(&self, key: &ServerKey, now: u64) -> Result<Entry, Error> {
        let cached = self.store.read(key)?;
        let mut around = Around::default();
        if let Cached::Present(sign_in) = &cached {
            let server = ServerUrl::parse(&sign_in.server, true).ok();
            around.record = server.and_then(|server| self.files.read_server(key, &server));
            let taken = sign_in.taken_over.as_ref();
            if taken.is_some_and(|taken| !taken.replaced) {
                let claim = self.ledger.claim_of(key.as_str());
                around.origin = claim.map(|claim| PathBuf::from(&claim.place));
                around.still_runs = takeover::still_runs(&sign_in.server, around.origin.as_deref());
            }
        }
        Ok(Entry::new(key, &cached, &around, now))
    }
}

fn is_for(cached: &Cached, server: &ServerUrl) -> bool {
    match cached {
        Cached::Present(sign_in) => ServerUrl::parse(&sign_in.server, true)
            .is_ok_and(|known| known.canonical() == server.canonical()),
        Cached::Absent | Cached::Unreadable { .. } | Cached::Newer { .. } => false,
    }
}

#[cfg(test)]
mod tests;
