//! `<name>.signin.json`: the sign-in that is open in a browser, so that whoever takes over from a
//! process that died binds the same port and finishes with the tab the user already has.

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::lock::SignInLock;
use super::tokens::{Content, Store};
use crate::ids::{Issuer, ResourceId, ServerKey};
use crate::oauth::authorize::{Attempt, AuthorizationUrl};
use crate::secret::Secret;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u64,
    state: String,
    code_verifier: String,
    issuer: String,
    iss_required: bool,
    client_id: String,
    redirect_uri: String,
    address: String,
    resource: Option<String>,
    scopes: Vec<String>,
    token_endpoint: String,
    lapses_at: u64,
}

const VERSION: u64 = 1;

impl Store {
    /// The attempt that a former holder of the lock left open; `None` if there is none or it
    /// cannot be understood, in which case a new one is begun.
    pub fn read_attempt(&self, lock: &SignInLock) -> Result<Option<Attempt>, StoreError> {
        match self.content(&self.path(lock.key(), "signin.json"))? {
            Content::Bytes(bytes) => Ok(parse(&bytes)),
            Content::Absent | Content::Unusable(_) => Ok(None),
        }
    }

    /// The attempt that another process has open now, as far as it can be told without its lock.
    pub fn peek_attempt(&self, key: &ServerKey) -> Option<Attempt> {
        match self.content(&self.path(key, "signin.json")) {
            Ok(Content::Bytes(bytes)) => parse(&bytes),
            _ => None,
        }
    }

    /// Notes the attempt that is about to be opened in the browser.
    pub fn write_attempt(&self, lock: &SignInLock, attempt: &Attempt) -> Result<(), StoreError> {
        let path = self.path(lock.key(), "signin.json");
        self.sweep(&path, lock.is_exclusive());
        self.replace(&path, &to_bytes(attempt))
    }

    /// Forgets the attempt, when its outcome is known.
    pub fn remove_attempt(&self, lock: &SignInLock) -> Result<(), StoreError> {
        let path = self.path(lock.key(), "signin.json");
        self.sweep(&path, lock.is_exclusive());
        self.delete(&path)
    }
}

fn parse(bytes: &[u8]) -> Option<Attempt> {
    let wire: Wire = serde_json::from_slice(bytes).ok()?;
    if wire.version != VERSION {
        return None;
    }
    Some(Attempt {
        state: Secret::new(wire.state),
        code_verifier: Secret::new(wire.code_verifier),
        issuer: Issuer::new(wire.issuer),
        iss_required: wire.iss_required,
        client_id: wire.client_id,
        redirect_uri: wire.redirect_uri,
        address: AuthorizationUrl(Url::parse(&wire.address).ok()?),
        resource: wire.resource.map(ResourceId::new),
        scopes: wire.scopes,
        token_endpoint: Url::parse(&wire.token_endpoint).ok()?,
        lapses_at: wire.lapses_at,
    })
}

fn to_bytes(attempt: &Attempt) -> Zeroizing<Vec<u8>> {
    let wire = Wire {
        version: VERSION,
        state: attempt.state.expose().to_owned(),
        code_verifier: attempt.code_verifier.expose().to_owned(),
        issuer: attempt.issuer.as_str().to_owned(),
        iss_required: attempt.iss_required,
        client_id: attempt.client_id.clone(),
        redirect_uri: attempt.redirect_uri.clone(),
        address: attempt.address.0.to_string(),
        resource: attempt.resource.as_ref().map(|r| r.as_str().to_owned()),
        scopes: attempt.scopes.clone(),
        token_endpoint: attempt.token_endpoint.to_string(),
        lapses_at: attempt.lapses_at,
    };
    // Serialising plain strings and numbers cannot fail.
    let mut bytes = serde_json::to_vec_pretty(&wire).unwrap_or_default();
    bytes.push(b'\n');
    Zeroizing::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        let url = |text: &str| Url::parse(text).expect("url");
        Attempt {
            state: Secret::new("STATE_1"),
            code_verifier: Secret::new("VERIFIER_1"),
            issuer: Issuer::new("https://as.example.com"),
            iss_required: true,
            client_id: "CLIENT_1".to_owned(),
            redirect_uri: "http://localhost:4000/oauth/callback".to_owned(),
            address: AuthorizationUrl(url("https://as.example.com/authorize?state=STATE_1")),
            resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
            scopes: vec!["read".to_owned()],
            token_endpoint: url("https://as.example.com/token"),
            lapses_at: 1_800_000_000,
        }
    }

    #[test]
    fn successor_reads_the_attempt_of_its_predecessor_until_it_is_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("cache")).expect("store");
        let key = ServerKey::from_name("work").expect("name");
        let lock = store.try_lock_sign_in(&key).expect("try").expect("free");
        assert_eq!(store.read_attempt(&lock).expect("read"), None);
        store.write_attempt(&lock, &attempt()).expect("write");
        drop(lock);

        let lock = store.try_lock_sign_in(&key).expect("try").expect("free");
        assert_eq!(store.read_attempt(&lock).expect("read"), Some(attempt()));
        store.remove_attempt(&lock).expect("remove");
        store.remove_attempt(&lock).expect("remove again");
        assert_eq!(store.read_attempt(&lock).expect("read"), None);
    }

    #[test]
    fn attempt_of_another_format_is_begun_anew() {
        let bytes = to_bytes(&attempt());
        let text = std::str::from_utf8(&bytes).expect("text");
        assert!(parse(text.as_bytes()).is_some());
        assert!(parse(text.replace("\"version\": 1", "\"version\": 2").as_bytes()).is_none());
        assert!(parse(&bytes[..40]).is_none());
    }
}
