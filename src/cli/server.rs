//! The arguments of the commands that talk to one remote server.

use clap::Args;

use super::{
    BearerOptions, CallbackOptions, CommonOptions, DpopOptions, RuleOptions, TrafficOptions,
    WhichOptions,
};

/// Arguments of the commands that talk to one remote server.
#[derive(Args, Default)]
pub struct ServerArgs {
    /// Address of the remote MCP server, or its name in the configuration file
    ///
    /// `https`, or `http` for a server on this machine (see --allow-http).
    #[arg(value_name = "URL|NAME", hide_short_help = true)]
    pub url: Option<String>,

    /// Port on this machine that the browser returns to after the sign-in
    ///
    /// Without it the system chooses a free one. A port given here is used strictly: if it is
    /// taken, the sign-in fails instead of moving to another. It is what `ssh -L` can forward.
    #[arg(value_name = "CALLBACK_PORT", hide_short_help = true)]
    pub callback_port: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub which: WhichOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub callback: CallbackOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub traffic: TrafficOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub rules: RuleOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub dpop: DpopOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub bearer: BearerOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,

    /// How mistakes are taken.
    #[arg(skip)]
    pub tolerance: Tolerance,
}

/// How mistakes are taken. The bridge goes on where mcp-remote does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Whether a value that cannot be used is left out with a warning, where mcp-remote does that.
    pub is_lenient: bool,
    /// What was found odd about the arguments themselves.
    pub warnings: Vec<String>,
}
