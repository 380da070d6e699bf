//! The arguments of the commands about sign-ins that exist: `logout` and `status`.

use clap::Args;

use super::{CommonOptions, WhichOptions};

/// Arguments of `logout`.
#[derive(Args, Default)]
#[command(override_usage = "mcp-drawbridge logout <URL|NAME> [OPTIONS]\n       \
                      mcp-drawbridge logout --all")]
pub struct LogoutArgs {
    /// Address of the server, its name in the configuration file, or the one that `status` shows
    #[arg(value_name = "URL|NAME")]
    pub target: Option<String>,

    /// Sign out everywhere
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub which: WhichOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,
}

/// Arguments of `status`.
#[derive(Args, Default)]
pub struct StatusArgs {
    /// Show only the sign-ins for this address, this entry of the configuration file, or this name
    #[arg(value_name = "URL|NAME")]
    pub target: Option<String>,

    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Read the configuration from this file
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
}
