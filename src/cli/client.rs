//! Options about the client: who asks an authorization server for tokens, and how that is proved.

use clap::Args;

/// Who asks for tokens. `logout` takes them, too, since it has to prove the same.
#[derive(Args, Default)]
pub struct ClientOptions {
    /// Use the OAuth client with this identifier instead of registering one
    ///
    /// Its secret, if it has one, is taken from the variable MCP_DRAWBRIDGE_CLIENT_SECRET, or the
    /// one that --client-secret-env names.
    #[arg(long, value_name = "ID", hide_short_help = true)]
    pub client_id: Option<String>,

    /// Take the secret of the OAuth client from this environment variable
    ///
    /// [default: MCP_DRAWBRIDGE_CLIENT_SECRET]
    #[arg(long, value_name = "VAR", hide_short_help = true)]
    pub client_secret_env: Option<String>,

    /// Be the OAuth client that the document at this address describes
    ///
    /// An https address. It is used as the client's identifier where the authorization server takes
    /// such documents (MCP 2025-11-25, Client ID Metadata Documents). Elsewhere, and where the
    /// server refuses it, a client is registered.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub client_metadata_url: Option<String>,

    /// Prove the OAuth client by signatures with this private key, instead of a secret
    ///
    /// In PEM form without a passphrase, or a JWK (`private_key_jwt`, RFC 7523).
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_assertion_key: Option<String>,

    /// Algorithm of --client-assertion-key: ES256, EdDSA, RS256 or PS256 [default: what the key is for]
    #[arg(long, value_name = "ALG", hide_short_help = true)]
    pub client_assertion_alg: Option<String>,

    /// What the authorization server calls the key of --client-assertion-key
    ///
    /// By default what the JWK says, or nothing.
    #[arg(long, value_name = "KID", hide_short_help = true)]
    pub client_assertion_kid: Option<String>,

    /// Whom the signatures are for: `issuer` or `token-endpoint` [default: issuer]
    ///
    /// Older authorization servers want to be named by the address of their token endpoint.
    #[arg(long, value_name = "AUDIENCE", hide_short_help = true)]
    pub client_assertion_audience: Option<String>,

    /// Take a token that allows to register a client from this environment variable
    ///
    /// For authorization servers that do not let just anyone register (RFC 7591). It is sent with
    /// the registration and with nothing else.
    #[arg(long, value_name = "VAR", hide_short_help = true)]
    pub initial_access_token_env: Option<String>,
}
