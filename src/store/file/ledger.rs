//! `.imports.json`: what was taken over from other programs, and what was signed out of. Written
//! under `.imports.lock`. No sign-in's file is called like these: no name begins with a point.

use super::super::error::StoreError;
use super::super::lock::{ImportLock, LockError};
use super::{Content, FileStore};
use crate::compat::import::Ledger;

const NAME: &str = ".imports.json";

impl FileStore {
    pub(super) fn try_lock_imports_file(&self) -> Result<Option<ImportLock>, LockError> {
        let hold = self.try_hold(&self.folder.join(".imports.lock"))?;
        Ok(hold.map(ImportLock))
    }

    pub(super) fn read_ledger_file(&self) -> Result<Ledger, StoreError> {
        let path = self.folder.join(NAME);
        let unusable = |reason: String| StoreError::Ledger {
            path: path.clone(),
            reason,
        };
        match self.content(&path)? {
            Content::Absent => Ok(Ledger::default()),
            Content::Unusable(reason) => Err(unusable(reason.to_owned())),
            Content::Bytes(bytes) => {
                Ledger::read(&bytes).map_err(|fault| unusable(fault.to_string()))
            }
        }
    }

    pub(super) fn write_ledger_file(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let path = self.folder.join(NAME);
        self.sweep(&path, true);
        self.replace(&path, &ledger.to_bytes())
    }
}
