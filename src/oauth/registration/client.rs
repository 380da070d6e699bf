//! A client as an authorization server knows it, wherever it is from.

use url::Url;

use super::AuthMethod;
use crate::oauth::assertion::Assertion;
use crate::secret::Secret;

/// A client as one authorization server knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The identifier.
    pub client_id: String,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// When the secret ends, in seconds since the epoch; `None` if it never does.
    pub client_secret_expires_at: Option<u64>,
    /// How it authenticates at the token endpoint.
    pub auth_method: AuthMethod,
    /// The one redirect URI it was registered with; `None` for a configured client, and for one
    /// that no browser can come back to.
    pub redirect_uri: Option<String>,
    /// Where and with what the registration is managed (RFC 7592), if the server said.
    pub management: Option<Management>,
    /// Whether we registered it (and may do so again) or the user configured it.
    pub registered: bool,
    /// Whether it takes only tokens that are bound to a key (RFC 9449 §5.2).
    pub dpop_bound: bool,
    /// What proves it by [`AuthMethod::PrivateKeyJwt`]. It is the user's, and kept nowhere else.
    pub assertion: Option<Assertion>,
    /// Whether its identifier is the address of a metadata document that the user named.
    pub document: bool,
    /// The address of the metadata document that the server did not take, so that the client was
    /// registered in its place.
    pub refused_document: Option<String>,
}

impl Client {
    /// Whether it has what its method needs. What the user keeps is not cached.
    pub fn can_prove_itself(&self) -> bool {
        match self.auth_method {
            AuthMethod::None => true,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
                self.client_secret.is_some()
            }
            AuthMethod::PrivateKeyJwt => self.assertion.is_some(),
        }
    }

    /// Nobody: what is handed in says enough of who asks (RFC 7521 §4.1).
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Whether it has no identifier to send.
    pub fn is_nobody(&self) -> bool {
        self.client_id.is_empty()
    }

    /// Whether its secret can no longer be used (RFC 7591 §3.2.1).
    pub fn has_lapsed(&self, now: u64) -> bool {
        self.client_secret_expires_at.is_some_and(|end| now >= end)
    }
}

/// RFC 7592: the handle of a dynamic registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// `registration_client_uri`.
    pub uri: Url,
    /// `registration_access_token`.
    pub token: Secret,
}
