//! Options that decide which sign-in is meant.

use clap::Args;

use super::{ClientOptions, GrantOptions, ProviderOptions, SeedOptions};

/// Options that decide which sign-in is meant.
#[derive(Args, Default)]
pub struct WhichOptions {
    /// Name the sign-in, to keep several apart
    ///
    /// The name is also the name of the cache files. Without it, one is made from the address
    /// and from what else separates two sign-ins: resource, client, scope, extra parameters.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Ask for exactly these scopes, separated by spaces
    ///
    /// Without it the scopes follow from what the server asks for.
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,

    /// Use this OAuth client instead of registering one, as JSON or @FILE
    ///
    /// An object with `client_id` and, where there is one, `client_secret` and
    /// `token_endpoint_auth_method`. `${VAR}` is replaced by the environment variable VAR.
    #[arg(long, value_name = "JSON|@FILE", hide_short_help = true)]
    pub static_oauth_client_info: Option<String>,

    /// Add these members to the client registration, as JSON or @FILE
    ///
    /// They are merged over the request that registers the client (RFC 7591). A `scope` in it has
    /// the effect of --scope.
    #[arg(long, value_name = "JSON|@FILE", hide_short_help = true)]
    pub static_oauth_client_metadata: Option<String>,

    /// Name this resource in OAuth requests instead of the server's own
    ///
    /// An absolute URI (RFC 8707). An empty value acts as --disable-resource-parameter.
    #[arg(long, value_name = "URI", hide_short_help = true)]
    pub resource: Option<String>,

    /// Add a parameter to the authorization address, repeatable
    ///
    /// It wins over a parameter of the same name that would be sent anyway. Those that secure the
    /// sign-in cannot be set: client_id, redirect_uri, response_type, state, code_challenge and
    /// code_challenge_method.
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true)]
    pub authorize_param: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub client: ClientOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub provider: ProviderOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub grants: GrantOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub seed: SeedOptions,

    /// Allow plain http to servers on other machines
    ///
    /// Tokens can then be read by anyone on the way.
    #[arg(long, hide_short_help = true)]
    pub allow_http: bool,
}
