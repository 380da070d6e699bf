//! Signs a proof for each request that has to prove something (RFC 9449), and remembers what servers
//! say about proofs. What a proof says, and what an answer means, is decided in `oauth::dpop`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use rand::RngCore;
use rand::rngs::OsRng;
use url::Url;

use crate::jwt::{Header, KeyError};
use crate::oauth::dpop::{Heard, Memory, Proof, ProofId, ProofKey, Tries};
use crate::secret::Secret;

/// The header that a proof goes in. There is exactly one.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What a server wants to see in the next proof.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// RFC 9449 §4.2.
const TYPE: &str = "dpop+jwt";

/// Makes the proofs for the servers of one role: authorization servers, or an MCP server. Clones
/// share what is remembered, which is in memory only.
#[derive(Clone, Debug, Default)]
pub struct Prover(Arc<Mutex<Memory>>);

/// What an answer's head says that concerns proofs.
#[derive(Clone, Debug, Default)]
pub struct Told {
    nonce: Option<String>,
    date: Option<u64>,
}

impl Told {
    /// Reads it off the headers.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        Self {
            nonce: text(NONCE).map(str::to_owned),
            date: date.map(seconds),
        }
    }
}

impl Prover {
    /// The proof for one request to this address. `token` is what goes with it to an MCP server.
    pub fn prove(
        &self,
        key: &ProofKey,
        method: &str,
        url: &Url,
        token: Option<&Secret>,
        tries: &Tries,
    ) -> Result<HeaderValue, KeyError> {
        let mut id = ProofId::default();
        OsRng
            .try_fill_bytes(&mut id)
            .map_err(|_| KeyError::Signing)?;
        let claims = {
            let memory = self.lock();
            let proof = Proof {
                method,
                url,
                token,
                nonce: memory.nonce(url, tries),
                now: memory.time_at(url, tries, now()),
                id: &id,
            };
            proof.claims()
        };
        let header = Header {
            typ: Some(TYPE),
            kid: None,
            jwk: true,
        };
        let proof = key.signer().sign(header, &claims)?;
        // The compact form is base64url and dots.
        let mut value = HeaderValue::from_str(proof.expose()).map_err(|_| KeyError::Signing)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Takes note of what the answer to a request with a proof says; says whether the request is
    /// to be sent again with another. `refused` is the `error` of a refusal for want of
    /// authorization.
    pub fn hear(&self, url: &Url, told: &Told, refused: Option<&str>, tries: &mut Tries) -> bool {
        let heard = Heard {
            url,
            error: refused,
            nonce: told.nonce.as_deref(),
            date: told.date,
        };
        self.lock().hear(&heard, tries, now())
    }

    /// Takes note of the nonce in the answer to a request without a proof, if there is one.
    pub fn take_nonce(&self, url: &Url, headers: &HeaderMap) {
        if headers.contains_key(NONCE) {
            self.hear(url, &Told::read(headers), None, &mut Tries::default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    seconds(SystemTime::now())
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
