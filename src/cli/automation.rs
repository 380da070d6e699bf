//! Options for who runs the program without a person.

use clap::Args;

/// Tokens that are not got by OAuth.
#[derive(Args, Default)]
pub struct BearerOptions {
    /// Send the token in this environment variable
    ///
    /// It goes with every request to the MCP server as `Authorization: Bearer`, in place of signing
    /// in. If the server refuses it, that is final.
    #[arg(long, value_name = "VAR", hide_short_help = true)]
    pub bearer_env: Option<String>,

    /// Send the token that this command prints
    ///
    /// It is run when the first token is needed, and once more when the server refuses that, without
    /// a shell: words are split at blanks as a shell does it, with '…', "…" and \, and nothing else
    /// is replaced; or give a JSON array, such as ["vault", "read", "-field=token", "mcp"]. It has
    /// 30 seconds, and prints the token as one line and nothing else. The token is kept in memory
    /// only.
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub bearer_command: Option<String>,
}

/// How OAuth is used without a person, and which of its tokens.
#[derive(Args, Default)]
pub struct SeedOptions {
    /// Begin with the refresh token in this environment variable
    ///
    /// [default: MCP_DRAWBRIDGE_REFRESH_TOKEN, if it is set]. No browser is opened then. The client
    /// that it was issued to is needed, too. The variable is used until the cache has a newer token,
    /// and again when it holds another one. It is another sign-in than that of a person with the same
    /// client, unless `--name` says otherwise.
    #[arg(long, value_name = "VAR", hide_short_help = true)]
    pub refresh_token_env: Option<String>,

    /// Send the ID token to the server in place of the access token
    ///
    /// For servers that are set up so, as behind some gateways; no specification has it. The scope
    /// `openid` is asked for besides. If a refresh brings no ID token, a sign-in does once the old
    /// one has ended.
    #[arg(long, hide_short_help = true)]
    pub use_id_token: bool,
}
