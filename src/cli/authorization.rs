//! Options about the authorization server and the rules it is held to.

use clap::Args;

/// What is known about the authorization server. It decides which sign-in is meant.
#[derive(Args, Default)]
pub struct ProviderOptions {
    /// Sign in at this address instead of the one that metadata names
    ///
    /// With --token-endpoint, for authorization servers that publish no metadata: no metadata is
    /// asked for then, neither the server's nor the authorization server's. It needs a client of
    /// yours, since there is nowhere to register one.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub authorization_endpoint: Option<String>,

    /// Get tokens at this address instead of the one that metadata names
    ///
    /// Its origin is the issuer then, unless --issuer names another.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub token_endpoint: Option<String>,

    /// Revoke tokens at this address instead of the one that metadata names
    ///
    /// It is remembered with the sign-in, and asked by `logout` (RFC 7009).
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub revocation_endpoint: Option<String>,

    /// Ask for tokens for this audience
    ///
    /// For authorization servers that take `audience` in place of the `resource` of RFC 8707. It is
    /// sent to sign in and to refresh, and not when the code is handed in.
    #[arg(long, value_name = "AUDIENCE", hide_short_help = true)]
    pub audience: Option<String>,

    /// Add a parameter to every request for tokens, repeatable
    ///
    /// Those that a request for tokens consists of cannot be set.
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true)]
    pub token_param: Vec<String>,
}

/// Which rules are bent.
#[derive(Args, Default)]
pub struct RuleOptions {
    /// Leave the `resource` parameter out of OAuth requests
    ///
    /// For authorization servers that refuse RFC 8707 resource indicators.
    #[arg(long, hide_short_help = true)]
    pub disable_resource_parameter: bool,

    /// Believe metadata that names this issuer, wherever it is found
    ///
    /// By default an authorization server must name itself exactly as it is asked for (RFC 8414).
    /// Some that are known to be good do not. What is given here is then what everything is
    /// compared with, the `iss` in the browser's answer included (RFC 9207).
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub issuer: Option<String>,

    /// Sign in even if the server does not say that it supports PKCE
    ///
    /// PKCE with S256 is used in any case. A server that lists only other methods is still refused.
    #[arg(long, hide_short_help = true)]
    pub allow_missing_pkce_metadata: bool,

    /// Treat every server by the rules alone
    ///
    /// What a few well-known servers need beyond the rules is built in. With this option it is left
    /// out of account.
    #[arg(long, hide_short_help = true)]
    pub no_known_servers: bool,

    /// Sign in without PKCE
    ///
    /// For authorization servers that refuse the parameter. Whoever gets hold of the code that the
    /// browser brings can then use it.
    #[arg(long, hide_short_help = true)]
    pub disable_pkce: bool,
}
