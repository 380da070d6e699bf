//! The arguments of `import`.

use clap::Args;

use super::ServerArgs;

/// Arguments of `import`.
#[derive(Args, Default)]
#[command(override_usage = "mcp-drawbridge import [OPTIONS]\n       \
                      mcp-drawbridge import <URL|NAME> [CALLBACK_PORT] [OPTIONS]")]
pub struct ImportArgs {
    /// Take them over
    #[arg(long)]
    pub apply: bool,

    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}
