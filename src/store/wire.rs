//! The format of `<name>.token.json`: [`Wire`] is what stands on disk, [`SignIn`](crate::oauth::sign_in::SignIn)
//! is what is valid.

mod valid;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::jwt::KeyError;
use crate::oauth::dpop::{self, ProofKey};
use crate::secret::Secret;

/// The version this program writes, and the newest it understands.
pub const VERSION: u64 = 1;

/// The file as it stands on disk. Members we do not know are kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    version: Option<u64>,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// The private key that the tokens are bound to (RFC 9449): PKCS#8, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshed_at: Option<u64>,
    /// The way it was obtained; absent for the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_scopes: Option<Vec<String>>,
    client: BTreeMap<String, WireClient>,
    #[serde(skip_serializing_if = "WireFailures::is_empty")]
    failures: WireFailures,
    /// What tells the configured refresh tokens that were used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<String>,
    /// From which program it was taken over, if from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_over: Option<WireTakenOver>,
    /// Whether the ID token is sent in place of the access token. Absent means no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sends_id_token: bool,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct WireTakenOver {
    from: String,
    at: u64,
    mark: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replaced: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireFailures {
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<WireFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<WireFailure>,
}

impl WireFailures {
    fn is_empty(&self) -> bool {
        self.refresh.is_none() && self.sign_in.is_none()
    }
}

#[derive(Serialize, Deserialize)]
struct WireFailure {
    count: u64,
    reason: String,
    transient: bool,
}

/// One client, under the issuer that knows it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireClient {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    token_endpoint_auth_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    /// Whether the server refused `resource`. Absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_refused: Option<bool>,
    /// Whether we registered it; a configured client is not registered anew. Absent means yes.
    registered: Option<bool>,
    /// Whether the identifier is the address of a metadata document.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    document: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_document: Option<String>,
    /// RFC 9449 §5.2. Absent means no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens: bool,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Why a file's content cannot be used. The text never quotes the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing in it.
    Empty,
    /// It ends in the middle.
    Truncated,
    /// It is not JSON; the line it stops being so.
    NotJson(usize),
    /// A member has another type than it should; the line it stands on.
    WrongType(usize),
    /// A member is missing or holds what it cannot.
    Member(&'static str),
    /// Another version of this program wrote it, in a format of this number.
    Newer(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Truncated => f.write_str("it ends in the middle"),
            Self::NotJson(line) => write!(f, "it is not JSON at line {line}"),
            Self::WrongType(line) => write!(f, "it holds something unexpected at line {line}"),
            Self::Member(name) => write!(f, "its member `{name}` is missing or wrong"),
            Self::Newer(version) => write!(f, "its format {version} is newer than this program"),
        }
    }
}

impl Wire {
    /// Reads a file's content.
    pub fn parse(content: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u64,
        }

        if content.iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::Empty);
        }
        let (version, outcome) = match serde_json::from_slice::<Self>(content) {
            Ok(wire) => (wire.version, Ok(wire)),
            // A newer format may differ in more than its number.
            Err(error) => {
                let version = serde_json::from_slice::<VersionOnly>(content);
                (version.ok().map(|only| only.version), Err(fault(&error)))
            }
        };
        match version {
            Some(version) if version > VERSION => Err(Fault::Newer(version)),
            _ => outcome,
        }
    }

    /// Whether there are tokens in it, of use or not.
    pub fn has_tokens(&self) -> bool {
        self.access_token.is_some()
    }

    /// The key that the tokens are bound to, if they are to any; an error if it is lost.
    fn proof_key(&self) -> Result<Option<ProofKey>, KeyError> {
        let bound = |kind: &String| kind.eq_ignore_ascii_case(dpop::SCHEME);
        match &self.dpop_key {
            Some(kept) => ProofKey::from_kept(&Secret::new(kept)).map(Some),
            None if self.token_type.as_ref().is_some_and(bound) => Err(KeyError::NoKey),
            None => Ok(None),
        }
    }

    /// Takes over what `older`, the file about to be replaced, holds beyond what we know.
    pub fn keep_unknown(&mut self, mut older: Self) {
        self.unknown = older.unknown;
        for (issuer, client) in &mut self.client {
            if let Some(older) = older.client.remove(issuer) {
                client.unknown = older.unknown;
            }
        }
    }

    /// The content of the file, ending with a line end.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Serialising plain strings, numbers and maps with string keys cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        Zeroizing::new(bytes)
    }
}

/// serde_json's own message may quote the value it stumbled over, so only the place is kept.
fn fault(error: &serde_json::Error) -> Fault {
    match error.classify() {
        serde_json::error::Category::Eof => Fault::Truncated,
        serde_json::error::Category::Data => Fault::WrongType(error.line()),
        _ => Fault::NotJson(error.line()),
    }
}

#[cfg(test)]
pub mod tests;
