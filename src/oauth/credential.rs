//! What is sent to the MCP server to prove who asks (RFC 6750 §2.1).

use crate::secret::Secret;

/// What is sent to the MCP server to prove who asks. Whoever got it sends it with one request and
/// asks for it anew for the next: it may have been replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access token.
    pub token: Secret,
}

impl Credential {
    /// A token that needs nothing beside it (RFC 6750).
    pub fn bearer(token: Secret) -> Self {
        Self { token }
    }
}
