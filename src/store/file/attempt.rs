//! `<name>.signin.json`: the sign-in that is open in a browser, so that whoever takes over from a
//! process that died binds the same port and finishes with the tab the user already has.

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::super::error::StoreError;
use super::super::lock::SignInLock;
use super::{Content, FileStore};
use crate::ids::{Issuer, ResourceId, ServerKey};
use crate::oauth::authorize::{Attempt, AuthorizationUrl};
use crate::oauth::device::DeviceAttempt;
use crate::oauth::dpop::ProofKey;
use crate::oauth::invitation::Open;
use crate::secret::Secret;

/// What every kind begins with. Files without a kind are of the first version of this program, which
/// knew the browser only.
#[derive(Deserialize)]
struct Head {
    version: u64,
    kind: Option<String>,
}

/// A sign-in in a browser that is sent back to this machine.
#[derive(Serialize, Deserialize)]
struct Wire {
    version: u64,
    state: String,
    /// Absent without PKCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_verifier: Option<String>,
    issuer: String,
    iss_required: bool,
    client_id: String,
    redirect_uri: String,
    address: String,
    resource: Option<String>,
    scopes: Vec<String>,
    token_endpoint: String,
    lapses_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
}

/// A code to be confirmed on any device (RFC 8628).
#[derive(Serialize, Deserialize)]
struct DeviceWire {
    version: u64,
    kind: String,
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    interval: u64,
    issuer: String,
    client_id: String,
    resource: Option<String>,
    scopes: Vec<String>,
    token_endpoint: String,
    begun_at: u64,
    until: u64,
    expires_at: u64,
}

const VERSION: u64 = 1;

/// The `kind` of a [`DeviceWire`].
const DEVICE: &str = "device";

impl FileStore {
    /// The attempt that a former holder of the lock left open; `None` if there is none or it
    /// cannot be understood, in which case a new one is begun.
    pub(super) fn read_attempt_file(&self, lock: &SignInLock) -> Result<Option<Open>, StoreError> {
        match self.content(&self.path(lock.key(), "signin.json"))? {
            Content::Bytes(bytes) => Ok(parse(&bytes)),
            Content::Absent | Content::Unusable(_) => Ok(None),
        }
    }

    /// The attempt that another process has open now, as far as it can be told without its lock.
    pub(super) fn peek_attempt_file(&self, key: &ServerKey) -> Option<Open> {
        match self.content(&self.path(key, "signin.json")) {
            Ok(Content::Bytes(bytes)) => parse(&bytes),
            _ => None,
        }
    }

    /// Notes the attempt that a person is about to be shown.
    pub(super) fn write_attempt_file(
        &self,
        lock: &SignInLock,
        open: &Open,
    ) -> Result<(), StoreError> {
        let path = self.path(lock.key(), "signin.json");
        self.sweep(&path, lock.is_exclusive());
        self.replace(
            &path,
            &match open {
                Open::Browser(attempt) => to_bytes(&Wire::from(&**attempt)),
                Open::Device(attempt) => to_bytes(&DeviceWire::from(&**attempt)),
            },
        )
    }

    /// Forgets the attempt, when its outcome is known.
    pub(super) fn remove_attempt_file(&self, lock: &SignInLock) -> Result<(), StoreError> {
        let path = self.path(lock.key(), "signin.json");
        self.sweep(&path, lock.is_exclusive());
        self.delete(&path)
    }
}

fn parse(bytes: &[u8]) -> Option<Open> {
    let head: Head = serde_json::from_slice(bytes).ok()?;
    match head.kind.as_deref() {
        _ if head.version != VERSION => None,
        None => serde_json::from_slice::<Wire>(bytes).ok()?.open(),
        Some(DEVICE) => serde_json::from_slice::<DeviceWire>(bytes).ok()?.open(),
        Some(_) => None,
    }
}

fn to_bytes(wire: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Serialising plain strings and numbers cannot fail.
    let mut bytes = serde_json::to_vec_pretty(wire).unwrap_or_default();
    bytes.push(b'\n');
    Zeroizing::new(bytes)
}

fn address(text: &str) -> Option<AuthorizationUrl> {
    Url::parse(text).ok().map(AuthorizationUrl)
}

impl Wire {
    fn open(self) -> Option<Open> {
        Some(Open::Browser(Box::new(Attempt {
            state: Secret::new(self.state),
            code_verifier: self.code_verifier.map(Secret::new),
            issuer: Issuer::new(self.issuer),
            iss_required: self.iss_required,
            client_id: self.client_id,
            redirect_uri: self.redirect_uri,
            address: address(&self.address)?,
            resource: self.resource.map(ResourceId::new),
            scopes: self.scopes,
            token_endpoint: Url::parse(&self.token_endpoint).ok()?,
            lapses_at: self.lapses_at,
            // Without it, its code is worth nothing.
            proof_key: match self.dpop_key.map(Secret::new) {
                Some(kept) => Some(ProofKey::from_kept(&kept).ok()?),
                None => None,
            },
        })))
    }
}

impl From<&Attempt> for Wire {
    fn from(attempt: &Attempt) -> Self {
        Self {
            version: VERSION,
            state: attempt.state.expose().to_owned(),
            code_verifier: attempt
                .code_verifier
                .as_ref()
                .map(|verifier| verifier.expose().to_owned()),
            issuer: attempt.issuer.as_str().to_owned(),
            iss_required: attempt.iss_required,
            client_id: attempt.client_id.clone(),
            redirect_uri: attempt.redirect_uri.clone(),
            address: attempt.address.0.to_string(),
            resource: attempt.resource.as_ref().map(|r| r.as_str().to_owned()),
            scopes: attempt.scopes.clone(),
            token_endpoint: attempt.token_endpoint.to_string(),
            lapses_at: attempt.lapses_at,
            dpop_key: attempt
                .proof_key
                .as_ref()
                .map(|key| key.kept().expose().to_owned()),
        }
    }
}

impl DeviceWire {
    fn open(self) -> Option<Open> {
        let complete = self.verification_uri_complete.as_deref();
        Some(Open::Device(Box::new(DeviceAttempt {
            device_code: Secret::new(self.device_code),
            user_code: self.user_code,
            verification_uri: address(&self.verification_uri)?,
            verification_uri_complete: complete.and_then(address),
            // Never without a pause, whatever stands there.
            interval: self.interval.max(1),
            issuer: Issuer::new(self.issuer),
            client_id: self.client_id,
            resource: self.resource.map(ResourceId::new),
            scopes: self.scopes,
            token_endpoint: Url::parse(&self.token_endpoint).ok()?,
            begun_at: self.begun_at,
            until: self.until,
            expires_at: self.expires_at,
        })))
    }
}

impl From<&DeviceAttempt> for DeviceWire {
    fn from(attempt: &DeviceAttempt) -> Self {
        let complete = attempt.verification_uri_complete.as_ref();
        Self {
            version: VERSION,
            kind: DEVICE.to_owned(),
            device_code: attempt.device_code.expose().to_owned(),
            user_code: attempt.user_code.clone(),
            verification_uri: attempt.verification_uri.0.to_string(),
            verification_uri_complete: complete.map(|address| address.0.to_string()),
            interval: attempt.interval,
            issuer: attempt.issuer.as_str().to_owned(),
            client_id: attempt.client_id.clone(),
            resource: attempt.resource.as_ref().map(|r| r.as_str().to_owned()),
            scopes: attempt.scopes.clone(),
            token_endpoint: attempt.token_endpoint.to_string(),
            begun_at: attempt.begun_at,
            until: attempt.until,
            expires_at: attempt.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Store;
    use super::*;

    fn browser() -> Open {
        let url = |text: &str| Url::parse(text).expect("url");
        Open::Browser(Box::new(Attempt {
            state: Secret::new("STATE_1"),
            code_verifier: Some(Secret::new("VERIFIER_1")),
            issuer: Issuer::new("https://as.example.com"),
            iss_required: true,
            client_id: "CLIENT_1".to_owned(),
            redirect_uri: "http://localhost:4000/oauth/callback".to_owned(),
            address: AuthorizationUrl(url("https://as.example.com/authorize?state=STATE_1")),
            resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
            scopes: vec!["read".to_owned()],
            token_endpoint: url("https://as.example.com/token"),
            lapses_at: 1_800_000_000,
            proof_key: None,
        }))
    }

    fn device() -> Open {
        let url = |text: &str| Url::parse(text).expect("url");
        let address = |text: &str| AuthorizationUrl(url(text));
        Open::Device(Box::new(DeviceAttempt {
            device_code: Secret::new("DEVICE_CODE_1"),
            user_code: "WDJB-MJHT".to_owned(),
            verification_uri: address("https://as.example.com/device"),
            verification_uri_complete: Some(address("https://as.example.com/device?c=WDJB-MJHT")),
            interval: 10,
            issuer: Issuer::new("https://as.example.com"),
            client_id: "CLIENT_1".to_owned(),
            resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
            scopes: vec!["read".to_owned()],
            token_endpoint: url("https://as.example.com/token"),
            begun_at: 1_800_000_000,
            until: 1_800_000_600,
            expires_at: 1_800_000_300,
        }))
    }

    /// What the first version of this program wrote.
    const FIRST: &str = r#"{
        "version": 1, "state": "STATE_1", "code_verifier": "VERIFIER_1",
        "issuer": "https://as.example.com", "iss_required": true, "client_id": "CLIENT_1",
        "redirect_uri": "http://localhost:4000/oauth/callback",
        "address": "https://as.example.com/authorize?state=STATE_1",
        "resource": "https://mcp.example.com/mcp", "scopes": ["read"],
        "token_endpoint": "https://as.example.com/token", "lapses_at": 1800000000
    }"#;

    #[test]
    fn successor_reads_the_attempt_of_its_predecessor_until_it_is_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("cache")).expect("store");
        let key = ServerKey::from_name("work").expect("name");
        for open in [browser(), device()] {
            let lock = store.try_lock_sign_in(&key).expect("try").expect("free");
            assert_eq!(store.read_attempt(&lock).expect("read"), None);
            store.write_attempt(&lock, &open).expect("write");
            // Others see it while it is locked.
            assert_eq!(store.peek_attempt(&key), Some(open.clone()));
            drop(lock);

            let lock = store.try_lock_sign_in(&key).expect("try").expect("free");
            assert_eq!(store.read_attempt(&lock).expect("read"), Some(open));
            store.remove_attempt(&lock).expect("remove");
            store.remove_attempt(&lock).expect("remove again");
            assert_eq!(store.read_attempt(&lock).expect("read"), None);
        }
    }

    #[test]
    fn attempt_of_the_first_version_is_read_and_still_written_so() {
        assert_eq!(parse(FIRST.as_bytes()), Some(browser()));
        let Open::Browser(attempt) = browser() else {
            panic!("another kind");
        };
        let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("json");
        assert_eq!(
            value(&to_bytes(&Wire::from(&*attempt))),
            value(FIRST.as_bytes())
        );
    }

    #[test]
    fn attempt_that_is_bound_to_a_key_is_worth_nothing_without_it() {
        let Open::Browser(attempt) = browser() else {
            panic!("another kind");
        };
        let bound = Attempt {
            proof_key: Some(ProofKey::generate().expect("key")),
            ..*attempt
        };
        let bytes = to_bytes(&Wire::from(&bound));
        let mut wire: Wire = serde_json::from_slice(&bytes).expect("json");
        assert!(wire.dpop_key.is_some());
        assert_eq!(parse(&bytes), Some(Open::Browser(Box::new(bound))));
        wire.dpop_key = Some("AAAA".to_owned());
        assert_eq!(parse(&to_bytes(&wire)), None);
    }

    #[test]
    fn attempt_that_would_be_polled_without_a_pause_is_polled_with_one() {
        let Open::Device(attempt) = device() else {
            panic!("another kind");
        };
        let hasty = DeviceAttempt {
            interval: 0,
            ..*attempt
        };
        let read = parse(&to_bytes(&DeviceWire::from(&hasty)));
        let paused = DeviceAttempt {
            interval: 1,
            ..hasty
        };
        assert_eq!(read, Some(Open::Device(Box::new(paused))));
    }

    #[test]
    fn attempt_of_another_format_or_kind_is_begun_anew() {
        let Open::Device(attempt) = device() else {
            panic!("another kind");
        };
        let device = to_bytes(&DeviceWire::from(&*attempt));
        for bytes in [FIRST.as_bytes(), &device] {
            let text = std::str::from_utf8(bytes).expect("text");
            assert!(parse(text.as_bytes()).is_some());
            assert!(parse(text.replace("\"version\": 1", "\"version\": 2").as_bytes()).is_none());
            assert!(parse(&bytes[..40]).is_none());
            assert!(parse(text.replace("https://as.example.com/token", "?").as_bytes()).is_none());
        }
        let text = std::str::from_utf8(&device).expect("text");
        assert!(parse(text.replace("\"device\"", "\"other\"").as_bytes()).is_none());
        let other = FIRST.replace("\"version\": 1", "\"version\": 1, \"kind\": \"other\"");
        assert!(parse(other.as_bytes()).is_none());
        // The first version of this program takes it for none of its own.
        assert!(serde_json::from_slice::<Wire>(&device).is_err());
    }
}
