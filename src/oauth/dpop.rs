//! Demonstrating proof of possession (RFC 9449): tokens that are worth something only together
//! with a key.

use std::fmt;

use crate::secret::Secret;

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

/// The private key that tokens are bound to. It is kept with them. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofKey {
    kept: Secret,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey([redacted])")
    }
}

impl ProofKey {
    /// Reads a key as it is kept.
    pub fn from_kept(kept: Secret) -> Self {
        Self { kept }
    }

    /// The key in the form in which it is kept with the tokens.
    pub fn kept(&self) -> &Secret {
        &self.kept
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
