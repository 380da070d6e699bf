//! Looks for a sign-in of mcp-remote, and notes that it is taken over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Hands;
use crate::compat::import::Claim;
use crate::ids::ServerKey;
use crate::oauth::takeover::{Offer, Shared, TakeOver};
use crate::store::{Cached, Store};
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
        let mut ledger = rim.store.read_ledger().map_err(|error| error.to_string())?;
        let asked = rim.settings.take_over == TakeOver::Only;
        let mark = &offer.source.mark;
        let name = rim.key.as_str();
        let holds = |name: &str, mark: &str| holds(&rim.store, name, mark);
        if let Some(barred) = ledger.bars((place, mark), name, asked, holds) {
            return Ok(Some(barred.to_string()));
        }
        // What is only borrowed is not claimed: it is taken over once mcp-remote has ended.
        if offer.shared.is_none() {
            ledger.claim(Claim {
                place: place.to_owned(),
                name: name.to_owned(),
                at: super::now(),
                mark: mark.clone(),
            });
            let written = rim.store.write_ledger(&lock, &ledger);
            written.map_err(|error| error.to_string())?;
        }
        self.taking = Some(lock);
        Ok(None)
    }
}
