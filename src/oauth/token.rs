//! Tokens: what a grant consists of, and what the token endpoint's answers mean (RFC 6749 §5).

use crate::ids::{Issuer, ResourceId};
use crate::secret::Secret;

/// The tokens of one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// Sent to the remote server as `Authorization: Bearer`.
    pub access_token: Secret,
    /// Spent at the token endpoint for the next access token; absent where none was issued.
    pub refresh_token: Option<Secret>,
    /// The `token_type` as the server wrote it.
    pub token_type: String,
    /// When the access token ends, in seconds since the epoch; `None` if the server did not say.
    pub expires_at: Option<u64>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// The OpenID Connect ID token, where one was issued.
    pub id_token: Option<Secret>,
}

/// A grant: tokens, who issued them, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The authorization server that issued the tokens; they are never shown to another.
    pub issuer: Issuer,
    /// The `resource` that was asked for; `None` if none was sent.
    pub resource: Option<ResourceId>,
    /// The tokens.
    pub tokens: TokenSet,
    /// The scopes that were asked for, which a step-up adds to.
    pub requested_scopes: Vec<String>,
    /// When a person consented, in seconds since the epoch.
    pub granted_at: u64,
    /// When the tokens were last refreshed, in seconds since the epoch.
    pub refreshed_at: Option<u64>,
}
