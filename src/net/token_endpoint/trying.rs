//! Whether a refused request is sent once more, and in which way.

use std::sync::Arc;

use url::Url;

use super::proving::Proving;
use crate::oauth::dpop::ProofKey;
use crate::oauth::registration::{AuthMethod, Client};

/// One request of a client to an authorization server, as often as it is sent: one that refuses the
/// proof of a client or of a key has looked at nothing else.
pub(super) struct Trying {
    /// How the client proves itself this time.
    pub(super) method: AuthMethod,
    /// The proofs of possession.
    pub(super) proving: Arc<Proving>,
    /// Whether a secret in the header may be tried in the body.
    may_post: bool,
}

impl Trying {
    /// A request of this client there. `key` is what the tokens are to be bound to.
    pub(super) fn new(client: &Client, endpoint: &Url, key: Option<&ProofKey>) -> Self {
        let in_header = client.auth_method == AuthMethod::ClientSecretBasic;
        Self {
            method: client.auth_method,
            proving: Arc::new(Proving::new(endpoint, key)),
            may_post: in_header && client.client_secret.is_some(),
        }
    }

    /// Whether another try may end otherwise than the last one, which was refused with this `error`
    /// if it was.
    ///
    /// Many servers read a secret only in the header or only in the body, or decode the header
    /// differently from RFC 6749 §2.3.1. And one that wants to see another nonce or time in the
    /// proof of a key says so (RFC 9449 §8).
    pub(super) fn goes_on(&mut self, error: Option<&str>) -> bool {
        if self.proving.is_mended() {
            return true;
        }
        let post = self.may_post && error == Some("invalid_client");
        if post {
            self.may_post = false;
            self.method = AuthMethod::ClientSecretPost;
        }
        post
    }
}
