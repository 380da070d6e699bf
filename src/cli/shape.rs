//! The options as other places than the command line may give them: variables and the
//! configuration file.

use clap::{Arg, ArgAction};

use super::{cached, of_bridge};

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
    of_bridge()
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
    /// Whether it decides which sign-in is meant, how to get to its server, or what proves that it
    /// may be ended.
    pub finds_sign_in: bool,
}

/// Every option that has a variable.
pub fn option_shapes() -> Vec<OptionShape> {
    let bridge = of_bridge();
    let shape = |arg: &Arg| {
        let long = arg.get_long()?;
        let names = arg.get_value_names().unwrap_or_default();
        let name = names.first().map(ToString::to_string).unwrap_or_default();
        Some(OptionShape {
            value: arg.get_action().takes_values().then_some(name),
            is_repeatable: matches!(arg.get_action(), ArgAction::Append),
            finds_sign_in: cached::finds_sign_in(long),
            long: long.to_owned(),
        })
    };
    bridge.get_arguments().filter_map(shape).collect()
}
