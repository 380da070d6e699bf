//! Gives tokens back (RFC 7009).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use url::Url;

use super::form::{not_sent, proved};
use super::trying::Trying;
use crate::net::connections::Connections;
use crate::net::http::{Document, FetchError, post_form};
use crate::oauth::registration::{AuthMethod, Client};
use crate::oauth::token::Refusal;
use crate::secret::Secret;

/// Longest wait that a revocation grants a busy server.
const REVOKE_PATIENCE: Duration = Duration::from_secs(5);

/// RFC 7009 §2.1: what a token that is to be revoked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
}

/// Why a token could not be revoked. It still works until it ends.
#[derive(Debug)]
pub enum RevokeError {
    /// The server did not answer.
    Network(FetchError),
    /// The server refused.
    Refused(Refusal),
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => write!(f, "the token could not be revoked: {error}"),
            Self::Refused(refusal) => write!(f, "the server did not revoke the token: {refusal}"),
        }
    }
}

impl Error for RevokeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Network(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}

/// Ends a token's life at the server (RFC 7009). A token that the server does not know, or of a kind
/// it does not revoke, counts as revoked. A busy server is asked once more.
///
/// Sent by hand: the oauth2 crate revokes at https addresses only, which a server on this machine
/// need not have.
pub async fn revoke(
    http: &Connections,
    endpoint: &Url,
    client: &Client,
    token: &Secret,
    hint: TokenTypeHint,
) -> Result<(), RevokeError> {
    let mut trying = Trying::new(client, endpoint, None);
    let mut waited = false;
    loop {
        let document = send_revocation(http, endpoint, client, trying.method, token, hint)
            .await
            .map_err(RevokeError::Network)?;
        if (200..300).contains(&document.status) {
            return Ok(());
        }
        let refusal = Refusal::read(document.status, &document.body);
        let busy = refusal.status == 503 && document.retry_after.is_some();
        if refusal.error.as_deref() == Some("unsupported_token_type") {
            return Ok(());
        } else if busy && !waited {
            waited = true;
            let wait = document.retry_after.unwrap_or_default();
            tokio::time::sleep(wait.min(REVOKE_PATIENCE)).await;
        } else if !trying.goes_on(refusal.error.as_deref()) {
            return Err(RevokeError::Refused(refusal));
        }
    }
}

async fn send_revocation(
    http: &Connections,
    endpoint: &Url,
    client: &Client,
    method: AuthMethod,
    token: &Secret,
    hint: TokenTypeHint,
) -> Result<Document, FetchError> {
    let hint = match hint {
        TokenTypeHint::AccessToken => "access_token",
        TokenTypeHint::RefreshToken => "refresh_token",
    };
    let form = [("token", token.expose()), ("token_type_hint", hint)];
    let (headers, body) = proved(client, method, form).map_err(|e| not_sent(endpoint, &e))?;
    post_form(http, endpoint.clone(), headers, body).await
}
