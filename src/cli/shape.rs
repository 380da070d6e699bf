//! The options as other places than the command line may give them: variables and the
//! configuration file.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, CommandFactory};

use super::Cli;

/// Prefix of the environment variables that stand for options.
pub const ENV_PREFIX: &str = "MCP_DRAWBRIDGE_";

/// The environment variable that stands for an option, from its long name.
pub fn variable(long: &str) -> String {
    format!(
        "{ENV_PREFIX}{}",
        long.to_ascii_uppercase().replace('-', "_")
    )
}

/// The long names of all options that have a variable.
pub fn option_names() -> Vec<String> {
    Cli::command()
        .get_arguments()
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect()
}

/// An option as other places than the command line may give it.
pub struct OptionShape {
    /// The long name.
    pub long: String,
    /// What its value is called in the help; `None` for a switch, which has no value.
    pub value: Option<String>,
    /// Whether it may be given several times.
    pub is_repeatable: bool,
    /// Whether `logout` takes it, too: it decides which sign-in is meant, or how to get to a server.
    pub finds_sign_in: bool,
}

/// Every option that has a variable.
pub fn option_shapes() -> Vec<OptionShape> {
    let cli = Cli::command();
    let logout = cli.find_subcommand("logout");
    let is_of_logout = |long: &str| {
        let mut options = logout.into_iter().flat_map(clap::Command::get_arguments);
        options.any(|arg| arg.get_long() == Some(long))
    };
    let shape = |arg: &Arg| {
        let long = arg.get_long()?;
        let names = arg.get_value_names().unwrap_or_default();
        let name = names.first().map(ToString::to_string).unwrap_or_default();
        Some(OptionShape {
            value: arg.get_action().takes_values().then_some(name),
            is_repeatable: matches!(arg.get_action(), ArgAction::Append),
            finds_sign_in: is_of_logout(long),
            long: long.to_owned(),
        })
    };
    cli.get_arguments().filter_map(shape).collect()
}

/// Adds the environment variable to an option's long help.
pub(super) fn show_variable(arg: Arg) -> Arg {
    let of_one_command = |long: &str| matches!(long, "all" | "json" | "sign-in");
    let Some(long) = arg.get_long().filter(|long| !of_one_command(long)) else {
        return arg;
    };
    let text = arg
        .get_long_help()
        .or(arg.get_help())
        .map(StyledStr::to_string)
        .unwrap_or_default();
    let text = format!("{text}\n\n[env: {}]", variable(long));
    arg.long_help(text)
}
