//! The arguments of the commands about sign-ins that exist: `logout` and `status`.

use clap::Args;

use super::ServerArgs;

/// Options that make no difference to a sign-in that exists. `logout` takes them, since people give
/// it the arguments of their AI client's configuration, and shows them to nobody.
const OF_NO_EFFECT: [&str; 22] = [
    "allow-missing-pkce-metadata",
    "auth-success-url",
    "auth-timeout",
    "bind-host",
    "body-timeout",
    "callback-path",
    "device-code",
    "disable-cookies",
    "disable-pkce",
    "disable-resource-parameter",
    "dpop",
    "headers-timeout",
    "host",
    "ignore-tool",
    "keep-alive",
    "no-browser",
    "no-import",
    "no-known-servers",
    "ping-interval",
    "protocol",
    "tool",
    "transport",
];

/// Whether an option decides which sign-in is meant, how to get to its server, or what proves that it
/// may be ended.
pub(super) fn finds_sign_in(long: &str) -> bool {
    !OF_NO_EFFECT.contains(&long)
}

/// Arguments of `logout`.
#[derive(Args, Default)]
#[command(override_usage = "mcp-drawbridge logout <URL|NAME> [OPTIONS]\n       \
                      mcp-drawbridge logout --all")]
pub struct LogoutArgs {
    /// Sign out everywhere
    ///
    /// In a terminal it asks before.
    #[arg(long)]
    pub all: bool,

    /// Do not ask before all sign-ins end
    #[arg(long)]
    pub yes: bool,

    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// Arguments of `status`.
#[derive(Args, Default)]
pub struct StatusArgs {
    /// Show only the sign-ins for this address, this entry of the configuration file, or this name
    #[arg(value_name = "URL|NAME")]
    pub target: Option<String>,

    /// Try whether each can be refreshed
    ///
    /// What comes of it is kept, as if a bridge had refreshed it. Nobody is asked for anything.
    #[arg(long)]
    pub check: bool,

    /// Show all that is known of each
    ///
    /// As it is done where there is only one to show.
    #[arg(long)]
    pub long: bool,

    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Read the configuration from this file
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
}
