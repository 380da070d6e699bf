//! [`MemoryStore`]: sign-ins that live as long as this process, where nothing can be written. What
//! stands in files that can be read is still used.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{StoreError, Warning, Warnings};
use super::file::{FileStore, Stamp};
use super::lock::{Hold, ImportLock, Lock, LockError, SignInLock};
use super::{Cached, TokenStore};
use crate::compat::import::Ledger;
use crate::ids::ServerKey;
use crate::oauth::invitation::Open;
use crate::oauth::sign_in::SignIn;
use crate::secret::Secret;

/// Sign-ins in memory, over files that can only be read.
#[derive(Debug)]
pub struct MemoryStore {
    folder: PathBuf,
    below: Option<FileStore>,
    warnings: Warnings,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sign_ins: HashMap<ServerKey, Kept>,
    attempts: HashMap<ServerKey, Open>,
    taken: HashSet<(ServerKey, Kind)>,
}

/// What is kept of one name.
#[derive(Debug)]
struct Kept {
    /// `None` if it was forgotten.
    sign_in: Option<SignIn>,
    /// What the file held then.
    over: Option<SignIn>,
}

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tokens,
    SignIn,
}

/// The right to something, given up on drop.
#[derive(Debug)]
pub(super) struct Turn {
    state: Arc<Mutex<State>>,
    what: (ServerKey, Kind),
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.state).taken.remove(&self.what);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// An empty one. `folder` is where files would be, `below` what can be read of them.
    pub(super) fn new(folder: PathBuf, below: Option<FileStore>) -> Self {
        Self {
            folder,
            below,
            warnings: Warnings::default(),
            state: Arc::default(),
        }
    }

    fn take_turn(&self, key: &ServerKey, kind: Kind) -> Option<Hold> {
        let what = (key.clone(), kind);
        let free = locked(&self.state).taken.insert(what.clone());
        free.then(|| {
            Hold::Memory(Turn {
                state: self.state.clone(),
                what,
            })
        })
    }

    fn read_below(&self, key: &ServerKey) -> Cached {
        let Some(below) = &self.below else {
            return Cached::Absent;
        };
        below.read(key).unwrap_or_else(|error| Cached::Unreadable {
            reason: error.to_string(),
        })
    }

    fn keep(&self, lock: &Lock, sign_in: Option<SignIn>) {
        let over = present(self.read_below(lock.key()));
        if let (Some(sign_in), Some(over)) = (&sign_in, &over)
            && is_spent(over, sign_in)
        {
            let path = self.token_file(lock.key());
            self.warnings.add(Warning::Spent { path });
        }
        let kept = Kept { sign_in, over };
        let mut state = locked(&self.state);
        state.sign_ins.insert(lock.key().clone(), kept);
    }
}

fn present(cached: Cached) -> Option<SignIn> {
    match cached {
        Cached::Present(sign_in) => Some(*sign_in),
        Cached::Absent | Cached::Unreadable { .. } | Cached::Newer { .. } => None,
    }
}

fn refresh_token(sign_in: &SignIn) -> Option<&Secret> {
    sign_in.grant.as_ref()?.tokens.refresh_token.as_ref()
}

/// Whether the refresh token in `file` was given for the one in `now`.
fn is_spent(file: &SignIn, now: &SignIn) -> bool {
    let same_grant = |a: &SignIn, b: &SignIn| {
        let given = |sign_in: &SignIn| sign_in.grant.as_ref().map(|grant| grant.granted_at);
        given(a) == given(b)
    };
    let (Some(old), Some(new)) = (refresh_token(file), refresh_token(now)) else {
        return false;
    };
    old != new && same_grant(file, now)
}

/// Whether somebody has put other tokens into the file since, which are younger than ours.
fn is_newer(file: &SignIn, kept: &Kept) -> bool {
    let Some(theirs) = &file.grant else {
        return false;
    };
    let ours = kept.sign_in.as_ref();
    let ours = ours.and_then(|sign_in| sign_in.grant.as_ref());
    kept.over.as_ref() != Some(file)
        && ours.is_none_or(|ours| theirs.issued_at() > ours.issued_at())
}

impl TokenStore for MemoryStore {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn token_file(&self, key: &ServerKey) -> PathBuf {
        match &self.below {
            Some(below) => below.token_file(key),
            None => self.folder.join(key.as_str()),
        }
    }

    fn take_warnings(&self) -> Vec<Warning> {
        let below = self.below.as_ref().map(FileStore::take_warnings);
        let mut warnings = below.unwrap_or_default();
        warnings.extend(self.warnings.take());
        warnings
    }

    fn read(&self, key: &ServerKey) -> Result<Cached, StoreError> {
        let below = self.read_below(key);
        let state = locked(&self.state);
        let Some(kept) = state.sign_ins.get(key) else {
            return Ok(below);
        };
        if let Cached::Present(file) = &below
            && is_newer(file, kept)
        {
            return Ok(below);
        }
        Ok(match &kept.sign_in {
            Some(sign_in) => Cached::Present(Box::new(sign_in.clone())),
            None => Cached::Absent,
        })
    }

    fn stamp(&self, _key: &ServerKey) -> Option<Stamp> {
        None
    }

    fn write(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError> {
        self.keep(lock, Some(sign_in.clone()));
        Ok(())
    }

    fn remove(&self, lock: &Lock) -> Result<(), StoreError> {
        self.keep(lock, None);
        Ok(())
    }

    fn list(&self) -> Result<Vec<ServerKey>, StoreError> {
        let mut keys = match &self.below {
            Some(below) => below.list()?,
            None => Vec::new(),
        };
        for (key, kept) in &locked(&self.state).sign_ins {
            keys.retain(|known| known != key);
            if kept.sign_in.is_some() {
                keys.push(key.clone());
            }
        }
        keys.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(keys)
    }

    fn try_lock(&self, key: &ServerKey) -> Result<Option<Lock>, LockError> {
        let hold = self.take_turn(key, Kind::Tokens);
        Ok(hold.map(|hold| Lock::new(key.clone(), hold)))
    }

    fn try_lock_sign_in(&self, key: &ServerKey) -> Result<Option<SignInLock>, LockError> {
        let hold = self.take_turn(key, Kind::SignIn);
        Ok(hold.map(|hold| SignInLock::new(key.clone(), hold)))
    }

    fn read_attempt(&self, lock: &SignInLock) -> Result<Option<Open>, StoreError> {
        Ok(self.peek_attempt(lock.key()))
    }

    fn peek_attempt(&self, key: &ServerKey) -> Option<Open> {
        locked(&self.state).attempts.get(key).cloned()
    }

    fn write_attempt(&self, lock: &SignInLock, open: &Open) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        state.attempts.insert(lock.key().clone(), open.clone());
        Ok(())
    }

    fn is_kept(&self) -> bool {
        false
    }

    fn try_lock_imports(&self) -> Result<Option<ImportLock>, LockError> {
        Ok(Some(ImportLock(Hold::Nothing)))
    }

    fn read_ledger(&self) -> Result<Ledger, StoreError> {
        match &self.below {
            Some(below) => below.read_ledger(),
            None => Ok(Ledger::default()),
        }
    }

    /// Nothing is taken over that is not kept, so there is nothing to note.
    fn write_ledger(&self, _lock: &ImportLock, _ledger: &Ledger) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_attempt(&self, lock: &SignInLock) -> Result<(), StoreError> {
        locked(&self.state).attempts.remove(lock.key());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
