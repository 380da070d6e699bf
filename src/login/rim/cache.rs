//! Reads and writes what is remembered of the server, under its lock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Hands, cause};
use crate::oauth::flow::Amendment;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token_endpoint::Cause;
use crate::store::{Cached, StoreError, Warning};

/// How long another process may hold the tokens. A refresh takes far less, unless nobody answers: two
/// tries of half a minute then, and the pause between. Whoever waits for that learns why it failed.
const LOCK_LIMIT: Duration = Duration::from_secs(75);

impl Hands {
    pub(super) fn read(&mut self) -> Result<SignIn, Cause> {
        let rim = &self.rim;
        let cached = rim.cached();
        self.tell_warnings();
        let sign_in = match cached.map_err(cause)? {
            Cached::Present(sign_in) => *sign_in,
            Cached::Absent => SignIn::default(),
            Cached::Unreadable { reason } => {
                if !rim.told_unreadable.swap(true, Ordering::Relaxed) {
                    let path = rim.store.token_file(&rim.key);
                    rim.diag.warn(format_args!(
                        "`{}` cannot be used: {reason}; signing in replaces it",
                        path.display()
                    ));
                }
                SignIn::default()
            }
            Cached::Newer { version } => {
                let path = rim.store.token_file(&rim.key);
                return Err(cause(StoreError::Newer { path, version }));
            }
        };
        self.seen = sign_in.clone();
        Ok(sign_in)
    }

    fn tell_warnings(&self) {
        for warning in self.rim.store.take_warnings() {
            match warning {
                Warning::Unwritable { what } => self.rim.tell_unwritable(what),
                warning => self.rim.diag.warn(warning),
            }
        }
    }

    pub(super) async fn lock(&mut self) -> Result<(), Cause> {
        let rim = self.rim.clone();
        let here = rim.refreshing.clone().lock_owned().await;
        let waiting = || {
            rim.diag
                .note("waiting for another process that refreshes the token");
        };
        let lock = rim.store.lock(&rim.key, LOCK_LIMIT, waiting).await;
        self.lock = Some((lock.map_err(cause)?, here));
        Ok(())
    }

    /// Writes under the lock that is held. The disk may be slow, so this is done elsewhere.
    pub(super) async fn save(&mut self, mut sign_in: SignIn) -> Result<(), Cause> {
        let Some((lock, here)) = self.lock.take() else {
            return Err(cause(std::io::Error::other("the cache is not locked")));
        };
        sign_in.server = self.rim.settings.server.as_str().to_owned();
        sign_in.sends_id_token = self.rim.settings.use_id_token;
        let store = self.rim.store.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let outcome = store.write(&lock, &sign_in);
            (lock, outcome)
        });
        let (lock, outcome) = writing.await.map_err(cause)?;
        self.lock = Some((lock, here));
        self.tell_warnings();
        outcome.map_err(cause)
    }

    pub(super) async fn amend(&mut self, amendment: &Amendment) -> Result<SignIn, Cause> {
        if self.lock.is_none() {
            self.lock().await?;
        }
        let mut sign_in = self.read()?;
        amendment.apply(&mut sign_in);
        sign_in.sends_id_token = self.rim.settings.use_id_token;
        self.save(sign_in.clone()).await?;
        self.seen = sign_in.clone();
        Ok(sign_in)
    }
}
