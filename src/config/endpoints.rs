//! Endpoints that the user gave, so that no metadata is asked for.

use url::Url;

use super::AuthMode;
use super::given::{Given, Lookup};
use crate::cli::{ProviderOptions, UsageError};
use crate::ids::{Issuer, is_loopback};
use crate::oauth::flow::ConfiguredEndpoints;

/// `--authorization-endpoint` and `--token-endpoint`. The issuer is the origin of the latter, for
/// the caller to replace by a given one.
pub(super) fn endpoints(
    options: &ProviderOptions,
    lookup: &Lookup<'_>,
) -> Result<Option<ConfiguredEndpoints>, UsageError> {
    let authorization = lookup.text("authorization-endpoint", &options.authorization_endpoint);
    let token = lookup.text("token-endpoint", &options.token_endpoint);
    let authorization_endpoint = authorization.as_ref().map(endpoint).transpose()?;
    let Some(token) = token else {
        return match authorization {
            None => Ok(None),
            Some(given) => Err(UsageError::new(format!(
                "{} is given without the place where its codes are handed in",
                given.origin
            ))
            .with_hint("add `--token-endpoint`, or leave both to the server's metadata")),
        };
    };
    let token_endpoint = endpoint(&token)?;
    Ok(Some(ConfiguredEndpoints {
        issuer: Issuer::new(token_endpoint.origin().ascii_serialization()),
        authorization_endpoint,
        token_endpoint,
    }))
}

/// What given endpoints need besides, for the ways that ask a person: nobody says where a client
/// could be registered, and a code is asked for at one endpoint and handed in at the other.
pub(super) fn check(
    endpoints: Option<&ConfiguredEndpoints>,
    auth: AuthMode,
    has_client: bool,
) -> Result<(), UsageError> {
    let Some(endpoints) = endpoints else {
        return Ok(());
    };
    match auth {
        AuthMode::OAuth if !has_client => Err(UsageError::new(
            "`--token-endpoint` leaves nowhere to register a client, and no client is given",
        )
        .with_hint(
            "pass the client that the provider gave you with `--static-oauth-client-info`, or `client_id` in the configuration file",
        )),
        AuthMode::OAuth if endpoints.authorization_endpoint.is_none() => Err(UsageError::new(
            "`--token-endpoint` is given without the place where a person signs in",
        )
        .with_hint("add `--authorization-endpoint`, or leave both to the server's metadata")),
        AuthMode::Device => Err(UsageError::new(
            "`--token-endpoint` and `--device-code` exclude each other: only metadata says where codes for devices are asked for",
        )
        .with_hint("leave out one of them")),
        _ => Ok(()),
    }
}

/// An https address, http on this machine, without what no endpoint has (RFC 6749 §3.1, §3.2).
pub(super) fn endpoint(given: &Given) -> Result<Url, UsageError> {
    let url = Url::parse(given.text.trim()).ok();
    let usable = |url: &Url| {
        let bare = url.username().is_empty() && url.password().is_none();
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        secure && bare && url.fragment().is_none()
    };
    url.filter(usable).ok_or_else(|| {
        UsageError::new(format!(
            "{} is no https address without a user name, password and `#`",
            given.origin
        ))
        .with_hint("write it whole, such as `https://login.example.com/oauth/token`")
    })
}
