//! The proofs of possession that go with one request to an authorization server (RFC 9449 §5, §8,
//! §10.1).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use url::Url;

use crate::jwt::KeyError;
use crate::net::connections::Connections;
use crate::net::dpop::{DPOP, Told};
use crate::oauth::dpop::{ProofKey, Tries};

/// The proofs of one POST, each time that it is sent.
pub(super) struct Proving {
    endpoint: Url,
    key: Option<ProofKey>,
    tries: Mutex<Tries>,
    mended: AtomicBool,
}

impl Proving {
    /// For a POST there. Without a key there is nothing to prove.
    pub(super) fn new(endpoint: &Url, key: Option<&ProofKey>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            key: key.cloned(),
            tries: Mutex::default(),
            mended: AtomicBool::new(false),
        }
    }

    /// Adds the proof, if there is something to prove.
    pub(super) fn prove(
        &self,
        http: &Connections,
        headers: &mut HeaderMap,
    ) -> Result<(), KeyError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = http
            .prover()
            .prove(key, "POST", &self.endpoint, None, &tries)?;
        headers.insert(DPOP, proof);
        Ok(())
    }

    /// Takes note of what the answer says about the proof; `error` is that of a refusal.
    pub(super) fn hear(&self, http: &Connections, told: &Told, error: Option<&str>) {
        if self.key.is_some() {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let mended = http.prover().hear(&self.endpoint, told, error, &mut tries);
            self.mended.store(mended, Ordering::Relaxed);
        }
    }

    /// Whether the last answer was about the proof alone, and another may do.
    pub(super) fn is_mended(&self) -> bool {
        self.mended.swap(false, Ordering::Relaxed)
    }
}
