//! The arguments of `doctor`.

use clap::Args;

use super::ServerArgs;

/// Arguments of `doctor`.
#[derive(Args, Default)]
#[command(override_usage = "mcp-drawbridge doctor [URL|NAME] [CALLBACK_PORT] [OPTIONS]")]
pub struct DoctorArgs {
    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Sign in if that is needed, as `login` does
    ///
    /// Without it nobody is asked, no client is registered, and no token is spent.
    #[arg(long)]
    pub sign_in: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}
