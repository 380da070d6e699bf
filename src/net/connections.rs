//! The HTTP client that everything shares, in a form that can be replaced while it is in use.
//!
//! A connection can die without a word: the laptop slept and the other side gave up, or the network
//! changed and the address it came from is no more. A request that goes out on it is lost, which is
//! worst for a refresh token: it may be spent, and nobody has the new one. So whoever sends asks
//! for the client right before, and [`Connections::renew`] gives everybody one with an empty pool.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::client::{Client, HttpError, HttpSettings, build};

/// The HTTP client. Clones share one.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: HttpSettings,
    current: Mutex<Client>,
    /// Counts the renewals.
    renewed: watch::Sender<u64>,
}

impl Connections {
    /// Builds the client. Opens no connection yet.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        let client = build(&settings)?;
        Ok(Self(Arc::new(Shared {
            settings,
            current: Mutex::new(client),
            renewed: watch::Sender::new(0),
        })))
    }

    /// The client to send with now. Do not keep it: a later request has to ask again.
    pub fn client(&self) -> Client {
        self.lock().clone()
    }

    /// Gives every later request a new connection. What is in flight on the old ones goes on, and
    /// they are closed when it has ended.
    pub fn renew(&self) {
        // It was built from the same settings before. Should a file have become unreadable since,
        // the old client still connects.
        if let Ok(client) = build(&self.0.settings) {
            *self.lock() = client;
        }
        self.0.renewed.send_modify(|count| *count += 1);
    }

    /// Changes whenever the connections were renewed.
    pub fn renewals(&self) -> watch::Receiver<u64> {
        self.0.renewed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Client> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
