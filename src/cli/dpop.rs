//! Options about tokens that are bound to a key.

use clap::Args;

/// Whether tokens are bound to a key.
#[derive(Args, Default)]
pub struct DpopOptions {
    /// Bind tokens to a key, so that a stolen one is worth nothing: auto, always or never [default: auto]
    ///
    /// With `auto` it is done where the server asks for it and its authorization server offers it
    /// (DPoP, RFC 9449). With `always` it is done with every token, and a token that is not bound is
    /// refused; with `never` a server that demands it is.
    #[arg(long, value_name = "WHEN", hide_short_help = true)]
    pub dpop: Option<String>,
}
