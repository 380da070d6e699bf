//! Demonstrating proof of possession (RFC 9449): tokens that are worth something only together
//! with a key. Decides when they are asked for, what a proof says, and what an answer says about
//! the proof. Proofs are signed by whoever sends them.

mod decision;
mod memory;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use crate::jwt::{Algorithm, KeyError, SigningKey};
use crate::secret::Secret;

pub use decision::{Decision, Demand, DpopError, Wishes};
pub use memory::{Heard, Memory, Tries};

/// How proofs are signed.
pub const ALGORITHM: Algorithm = Algorithm::Es256;

/// RFC 9449 §5, §7.1: `token_type`, and the scheme under which a bound token is shown.
pub const SCHEME: &str = "DPoP";

/// Random bytes for `jti`. RFC 9449 §4.2 asks for 96 bits at the least.
pub type ProofId = [u8; 16];

/// Whether tokens are bound to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Where the server asks for it and the authorization server can do it.
    #[default]
    Auto,
    /// Always; a token that is not bound is not taken.
    Always,
    /// Never; a server that demands it is not used.
    Never,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// The extension of MCP that describes it (SEP-1932, a draft), by the id under which clients
    /// declare it; `None` where the user has not asked for it.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Always => Some("io.modelcontextprotocol/auth/dpop"),
            Self::Auto | Self::Never => None,
        }
    }

    /// The name, as the user writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// The private key that tokens are bound to. It is kept with them. Clones share it; `Debug` shows
/// no more than its thumbprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofKey(SigningKey);

impl ProofKey {
    /// A new key on P-256, from the system's randomness. It may have none to give.
    pub fn generate() -> Result<Self, KeyError> {
        SigningKey::generate().map(Self)
    }

    /// Reads a key as it is kept with the tokens.
    pub fn from_kept(kept: &Secret) -> Result<Self, KeyError> {
        let key = SigningKey::from_kept(kept)?;
        match key.algorithm() {
            ALGORITHM => Ok(Self(key)),
            _ => Err(KeyError::Kind),
        }
    }

    /// The key as it is kept with the tokens.
    pub fn kept(&self) -> Secret {
        self.0.kept()
    }

    /// `dpop_jkt` (RFC 9449 §10), which tells one key from another.
    pub fn thumbprint(&self) -> String {
        self.0.thumbprint()
    }

    /// What signs with it.
    pub fn signer(&self) -> &SigningKey {
        &self.0
    }
}

/// What the tokens that a request asks for are to be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The key; the request proves that we have it.
    pub key: ProofKey,
    /// Whether a token that is not bound is of no use.
    pub required: bool,
}

/// What one proof is about (RFC 9449 §4.2). Each request has a proof of its own.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Where the request goes.
    pub url: &'a Url,
    /// The access token that goes with it; none goes to an authorization server.
    pub token: Option<&'a Secret>,
    /// What the server wants to see in it, as far as it said (RFC 9449 §8).
    pub nonce: Option<&'a str>,
    /// When it is made, in seconds since the epoch.
    pub now: u64,
    /// To be drawn anew for each.
    pub id: &'a ProofId,
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Proof<'_> {
    /// The claims to be signed.
    pub fn claims(&self) -> Value {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("jti", URL_SAFE_NO_PAD.encode(self.id).into());
        put("htm", self.method.into());
        put("htu", target(self.url).into());
        put("iat", self.now.into());
        if let Some(token) = self.token {
            put("ath", token_hash(token).into());
        }
        if let Some(nonce) = self.nonce {
            put("nonce", nonce.into());
        }
        Value::Object(claims)
    }
}

/// RFC 9449 §4.2: `htu` is the target URI without query and fragment. Neither has a request target
/// a user (RFC 9110 §4.2.4).
fn target(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // They fail only for addresses without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// RFC 9449 §4.2: `ath`.
fn token_hash(token: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.expose()))
}

#[cfg(test)]
mod tests;
