//! Client registration (RFC 7591): the request, and what the reply is worth.

use url::Url;

use crate::secret::Secret;

/// How a client proves itself at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client: `client_id` in the body and nothing else.
    None,
    /// HTTP Basic with form-encoded identifier and secret (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Identifier and secret in the body.
    ClientSecretPost,
}

/// A client as one authorization server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The identifier.
    pub client_id: String,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// When the secret ends, in seconds since the epoch; `None` if it never does.
    pub client_secret_expires_at: Option<u64>,
    /// How it authenticates at the token endpoint.
    pub auth_method: AuthMethod,
    /// The one redirect URI it was registered with; `None` for a configured client.
    pub redirect_uri: Option<String>,
    /// Where and with what the registration is managed (RFC 7592), if the server said.
    pub management: Option<Management>,
    /// Whether we registered it (and may do so again) or the user configured it.
    pub registered: bool,
}

/// RFC 7592: the handle of a dynamic registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// `registration_client_uri`.
    pub uri: Url,
    /// `registration_access_token`.
    pub token: Secret,
}
