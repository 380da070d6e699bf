//! What is sent to the MCP server to prove who asks (RFC 6750 §2.1, RFC 9449 §7.1).

use super::dpop::ProofKey;
use crate::secret::Secret;

/// What is sent to the MCP server to prove who asks. Whoever got it sends it with one request and
/// asks for it anew for the next: it may have been replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access token.
    pub token: Secret,
    /// How it is shown.
    pub scheme: Scheme,
}

/// How a token is shown to the server that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As it is (RFC 6750 §2.1).
    Bearer,
    /// With a proof, made anew for each request, that we have the key it is bound to (RFC 9449
    /// §7.1).
    Dpop(ProofKey),
}

impl Credential {
    /// A token that needs nothing beside it (RFC 6750).
    pub fn bearer(token: Secret) -> Self {
        Self {
            token,
            scheme: Scheme::Bearer,
        }
    }

    /// A token that is bound to a key (RFC 9449).
    pub fn bound(token: Secret, key: ProofKey) -> Self {
        Self {
            token,
            scheme: Scheme::Dpop(key),
        }
    }

    /// Whether it is shown with a proof.
    pub fn is_bound(&self) -> bool {
        matches!(self.scheme, Scheme::Dpop(_))
    }
}
