//! Looks for a sign-in of mcp-remote, and notes that it is taken over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Hands;
use crate::compat::import::Claim;
use crate::ids::ServerKey;
use crate::oauth::takeover::{Offer, Shared, TakeOver};
use crate::store::{Cached, ImportLock, Store, StoreError};
use crate::takeover;

/// How long another process may be taking something over. It takes a few writes.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Whether what is kept under a name is the sign-in with this mark, taken over.
pub fn holds(store: &Store, name: &str, mark: &str) -> bool {
    let key = ServerKey::from_cached(name);
    let cached = key.ok().and_then(|key| store.read(&key).ok());
    match cached {
        Some(Cached::Present(sign_in)) => {
            let taken = sign_in.taken_over.as_ref();
            taken.is_some_and(|taken| taken.mark == mark)
        }
        // What is there cannot be told, so it may be that.
        Some(Cached::Unreadable { .. } | Cached::Newer { .. }) => true,
        Some(Cached::Absent) | None => false,
    }
}

impl Hands {
    /// What mcp-remote has for this server, if it may be taken over. The right to do so is kept until
    /// it is done, or something else is.
    pub(super) async fn look_elsewhere(&mut self) -> Option<Offer> {
        let rim = self.rim.clone();
        let place = rim.elsewhere.clone()?;
        let looking = tokio::task::spawn_blocking(move || takeover::look(&place));
        let looked = looking.await.ok()?;
        if !rim.told_elsewhere.swap(true, Ordering::Relaxed) {
            for trouble in &looked.troubles {
                rim.diag.warn(trouble);
            }
        }
        let (mut offer, path) = looked.offer.zip(looked.path)?;
        if !rim.store.is_kept() {
            offer.shared = offer.shared.or(Some(Shared::NotKept));
            return Some(offer);
        }
        match self.claim(&offer, &path.display().to_string()).await {
            Ok(None) => Some(offer),
            Ok(Some(barred)) => {
                rim.diag
                    .debug(format_args!("the sign-in of mcp-remote stays: {barred}"));
                None
            }
            Err(error) => {
                rim.diag.warn(format_args!(
                    "the sign-in of mcp-remote is not taken over: {error}"
                ));
                None
            }
        }
    }

    /// Notes that this sign-in is taken over, before it is; gives why it must not be.
    async fn claim(&mut self, offer: &Offer, place: &str) -> Result<Option<String>, String> {
        let rim = self.rim.clone();
        let lock = rim.store.lock_imports(LOCK_LIMIT).await;
        let lock = lock.map_err(|error| error.to_string())?;
        let claim = Claim {
            place: place.to_owned(),
            name: rim.key.as_str().to_owned(),
            at: super::now(),
            mark: offer.source.mark.clone(),
        };
        let asked = rim.settings.take_over == TakeOver::Only;
        // What is only borrowed is not claimed: it is taken over once mcp-remote has ended.
        let notes = offer.shared.is_none();
        let store = rim.store.clone();
        // The disk may be slow.
        let noting = tokio::task::spawn_blocking(move || {
            let barred = note_claim(&store, &lock, claim, asked, notes);
            (lock, barred)
        });
        let (lock, barred) = noting.await.map_err(|error| error.to_string())?;
        let barred = barred.map_err(|error| error.to_string())?;
        if barred.is_none() {
            self.taking = Some(lock);
        }
        Ok(barred)
    }
}

/// Looks whether a sign-in may be taken over and, with `notes`, notes that it is; gives why it must
/// not be.
fn note_claim(
    store: &Store,
    lock: &ImportLock,
    claim: Claim,
    asked: bool,
    notes: bool,
) -> Result<Option<String>, StoreError> {
    let mut ledger = store.read_ledger()?;
    let source = (&*claim.place, &*claim.mark);
    let holds = |name: &str, mark: &str| holds(store, name, mark);
    if let Some(barred) = ledger.bars(source, &claim.name, asked, holds) {
        return Ok(Some(barred.to_string()));
    }
    if notes {
        ledger.claim(claim);
        store.write_ledger(lock, &ledger)?;
    }
    Ok(None)
}
