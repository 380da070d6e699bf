//! What is asked of a token endpoint, and what its refusals mean (RFC 6749 §4.1.3, §5.2, §6).

mod error;
mod refusal;

use std::error::Error;
use std::sync::Arc;

use url::Url;

pub use error::{Effect, Outage, OutageCause, TokenError};
pub use refusal::Refusal;

use super::dpop::Binding;
use super::grant::token_exchange::TokenExchange;
use super::grant::{client_credentials, jwt_bearer, token_exchange};
use super::registration::Client;
use crate::ids::ResourceId;
use crate::secret::Secret;

/// What made an action of the rim fail; shared, since several callers may wait for one flow.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// A request to a token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Where it goes. Redirects from there are never followed.
    pub endpoint: Url,
    /// Who asks, and how that is proved.
    pub client: Client,
    /// RFC 8707 §2.2: sent with every request of a grant that was asked for with it.
    pub resource: Option<ResourceId>,
    /// What is handed in.
    pub grant: GrantRequest,
    /// What the tokens are to be bound to (RFC 9449 §5), if to anything.
    pub binding: Option<Binding>,
    /// What the user wants in it besides.
    pub params: Vec<(String, String)>,
}

/// The `grant_type` of the device grant (RFC 8628 §3.4).
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What is handed in for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantRequest {
    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    AuthorizationCode {
        /// The code that the browser brought.
        code: Secret,
        /// The exact redirect URI of the authorization request.
        redirect_uri: String,
        /// The secret behind `code_challenge`, if one was sent.
        code_verifier: Option<Secret>,
    },
    /// RFC 6749 §6. No `scope` is sent, which keeps the scopes of the grant.
    RefreshToken {
        /// The token that is spent.
        refresh_token: Secret,
    },
    /// RFC 8628 §3.4: asked again and again until the person has decided.
    DeviceCode {
        /// The code that stands for what the person confirms.
        device_code: Secret,
    },
    /// RFC 6749 §4.4.2: the client asks for itself.
    ClientCredentials {
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// RFC 7523 §2.1: somebody that the server trusts has said whom the token is for.
    JwtBearer {
        /// What they said, signed.
        assertion: Secret,
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// RFC 8693 §2.1. What comes of it is no token for a server.
    TokenExchange(TokenExchange),
}

impl GrantRequest {
    /// The value of `grant_type`.
    pub fn grant_type(&self) -> &'static str {
        match self {
            Self::AuthorizationCode { .. } => "authorization_code",
            Self::RefreshToken { .. } => "refresh_token",
            Self::DeviceCode { .. } => DEVICE_GRANT,
            Self::ClientCredentials { .. } => client_credentials::GRANT,
            Self::JwtBearer { .. } => jwt_bearer::GRANT,
            Self::TokenExchange(_) => token_exchange::GRANT,
        }
    }
}

#[cfg(test)]
mod tests;
