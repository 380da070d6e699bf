//! The proofs of possession that go with one token request (RFC 9449 §5, §8).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

use crate::net::connections::Connections;
use crate::net::dpop::{DPOP, Told};
use crate::oauth::dpop::{Binding, Tries};
use crate::oauth::token::{TokenError, TokenRequest};

/// The proofs of one request, each time that it is sent.
#[derive(Default)]
pub(super) struct Proving {
    tries: Mutex<Tries>,
    mended: AtomicBool,
}

impl Proving {
    /// Adds the proof, if there is something to prove.
    pub(super) fn prove(
        &self,
        http: &Connections,
        request: &TokenRequest,
        headers: &mut HeaderMap,
    ) -> Result<(), TokenError> {
        let Some(Binding { key, .. }) = &request.binding else {
            return Ok(());
        };
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = http
            .prover()
            .prove(key, "POST", &request.endpoint, None, &tries)
            .map_err(|error| TokenError::Unusable(format!("no proof can be signed: {error}")))?;
        headers.insert(DPOP, proof);
        Ok(())
    }

    /// Takes note of what the answer says about the proof; `error` is that of a refusal.
    pub(super) fn hear(
        &self,
        http: &Connections,
        request: &TokenRequest,
        told: &Told,
        error: Option<&str>,
    ) {
        if request.binding.is_some() {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let prover = http.prover();
            let mended = prover.hear(&request.endpoint, told, error, &mut tries);
            self.mended.store(mended, Ordering::Relaxed);
        }
    }

    /// Whether the last answer was about the proof alone, and another may do.
    pub(super) fn is_mended(&self) -> bool {
        self.mended.swap(false, Ordering::Relaxed)
    }
}
