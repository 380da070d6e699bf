//! Options for automation: tokens without a person.

use clap::Args;

/// Where tokens come from if no person is asked. It decides which sign-in is meant.
#[derive(Args, Default)]
pub struct GrantOptions {
    /// Get tokens with the client's own credentials; nobody signs in
    ///
    /// For services and automation (RFC 6749 §4.4). Needs a client of yours that the authorization
    /// server allows this grant, with its secret or key.
    #[arg(long, hide_short_help = true)]
    pub client_credentials: bool,

    /// Get tokens by your organisation's identity provider, with this issuer
    ///
    /// Enterprise-managed authorization: your ID token of the identity provider is exchanged there
    /// for a statement (ID-JAG) that the server's authorization server takes. Nobody signs in at the
    /// server. Needs --idp-client-id, --idp-id-token-file, and a client of yours at the server's
    /// authorization server.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub idp_issuer: Option<String>,

    /// Exchange ID tokens at this address
    ///
    /// Without it, at the one that the metadata of --idp-issuer names.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub idp_token_endpoint: Option<String>,

    /// Identifier of your client at the identity provider
    #[arg(long, value_name = "ID", hide_short_help = true)]
    pub idp_client_id: Option<String>,

    /// Take the secret of that client from this environment variable
    ///
    /// Without it from MCP_DRAWBRIDGE_IDP_CLIENT_SECRET, if that is set; else the client has none.
    #[arg(long, value_name = "VARIABLE", hide_short_help = true)]
    pub idp_client_secret_env: Option<String>,

    /// Read your ID token of the identity provider from this file
    ///
    /// It is read anew each time, so that another program can keep it current.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub idp_id_token_file: Option<String>,

    /// Get tokens for the JWT in this file, which the platform issued to the workload
    ///
    /// For workloads whose platform says who they are (RFC 7523), as Kubernetes does with service
    /// account tokens. The file is read anew each time. The JWT's audience must be what the
    /// authorization server expects: its issuer, as a rule.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub workload_jwt_file: Option<String>,

    /// The same with the JWT in this environment variable
    #[arg(long, value_name = "VARIABLE", hide_short_help = true)]
    pub workload_jwt_env: Option<String>,

    /// The same with the JWT that this command prints
    ///
    /// It is run anew each time, without a shell: blanks separate its words, and quotes and
    /// backslashes keep them together; a JSON array of texts says the same without any doubt. It
    /// has 30 seconds.
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub workload_jwt_command: Option<String>,
}
