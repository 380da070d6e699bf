//! Grants that need no person: what is handed in at a token endpoint for each.
//!
//! Only parameters are made here. Who asks and how that is proved, and `resource`, are the same for
//! all grants and come with the request.

pub mod client_credentials;
pub mod jwt_bearer;
pub mod token_exchange;

use std::borrow::Cow;

use super::token_endpoint::GrantRequest;

/// Parameters of a request, in the order they are sent. Some are secrets.
pub type Form<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// What a grant consists of; `None` for those that the oauth2 crate writes.
pub fn form(grant: &GrantRequest) -> Option<Form<'_>> {
    match grant {
        GrantRequest::AuthorizationCode { .. } | GrantRequest::RefreshToken { .. } => None,
        GrantRequest::DeviceCode { device_code } => Some(vec![
            ("grant_type", grant.grant_type().into()),
            ("device_code", device_code.expose().into()),
        ]),
        GrantRequest::ClientCredentials { scopes } => Some(client_credentials::form(scopes)),
        GrantRequest::JwtBearer { assertion, scopes } => Some(jwt_bearer::form(assertion, scopes)),
        GrantRequest::TokenExchange(exchange) => Some(exchange.form()),
    }
}

/// RFC 6749 §3.3: none at all rather than an empty one.
fn scope<'a>(scopes: &[String]) -> Option<(&'static str, Cow<'a, str>)> {
    (!scopes.is_empty()).then(|| ("scope", scopes.join(" ").into()))
}
