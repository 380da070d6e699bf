//! The arguments of the commands about AI clients' configuration: `migrate` and `add`.

use std::ffi::OsString;

use clap::{Args, CommandFactory};

use super::{Cli, ServerArgs};

/// What the bridge's `--host` is called in `add`, whose own `--host` is an AI client.
const REDIRECT_HOST: &str = "redirect-host";

/// Arguments of `migrate`.
#[derive(Args, Default)]
pub struct MigrateArgs {
    /// Look only at this AI client, such as `cursor`, repeatable
    #[arg(id = "ai_client", long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Write the changes
    #[arg(long)]
    pub apply: bool,

    /// Put back what the last --apply changed
    ///
    /// A file that was changed since by someone else stays as it is; how to do it by hand is said.
    #[arg(long)]
    pub undo: bool,

    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `add`.
#[derive(Args, Default)]
#[command(
    override_usage = "mcp-drawbridge add <NAME> <URL> [CALLBACK_PORT] --host <HOST> [OPTIONS]",
    mut_arg("host", |arg| arg.long(REDIRECT_HOST))
)]
pub struct AddArgs {
    /// Name of the server in the AI client
    #[arg(id = "entry", value_name = "NAME")]
    pub entry: Option<String>,

    /// The AI client, such as `cursor`, repeatable
    ///
    /// Its name as in the README's list, or as it calls itself.
    #[arg(id = "ai_client", long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Show the entry and write nothing
    ///
    /// Without --host in the form that most AI clients take.
    #[arg(long)]
    pub print: bool,

    /// Write into the current folder's configuration instead of the user's
    #[arg(long)]
    pub project: bool,

    /// Replace an entry of the same name
    #[arg(long)]
    pub replace: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

/// What `add` is asked for.
#[derive(Default)]
pub struct AddRequest {
    /// Its arguments.
    pub args: AddArgs,
    /// What the bridge is to be started with, as it was given.
    pub words: Vec<String>,
}

impl AddRequest {
    /// `argv` is the whole command line, which was found to be in order.
    pub(super) fn new(args: AddArgs, argv: &[OsString]) -> Self {
        let argv: Vec<String> = argv
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        Self {
            args,
            words: bridge_words(argv.get(2..).unwrap_or_default()),
        }
    }
}

/// Takes the words out that are for `add` itself: its options and the name. The address comes first.
fn bridge_words(given: &[String]) -> Vec<String> {
    let cli = Cli::command();
    let takes_value = |long: &str| {
        let mut args = cli.get_arguments();
        let arg = args.find(|arg| arg.get_long() == Some(long));
        arg.is_some_and(|arg| arg.get_action().takes_values())
    };
    let (mut places, mut options) = (Vec::new(), Vec::new());
    let mut words = given.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            places.extend(words.by_ref().cloned());
            break;
        }
        let Some(option) = word.strip_prefix("--") else {
            places.push(word.clone());
            continue;
        };
        let (long, value) = match option.split_once('=') {
            Some((long, value)) => (long, Some(value)),
            None => (option, None),
        };
        match long {
            "print" | "project" | "replace" => {}
            "host" if value.is_some() => {}
            "host" => drop(words.next()),
            long => {
                let long = match long {
                    REDIRECT_HOST => "host",
                    long => long,
                };
                match value {
                    Some(value) => options.push(format!("--{long}={value}")),
                    None => options.push(format!("--{long}")),
                }
                if value.is_none() && takes_value(long) {
                    options.extend(words.next().cloned());
                }
            }
        }
    }
    places.into_iter().skip(1).chain(options).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_add_itself_are_taken_out() {
        let words = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|word| (*word).to_owned()).collect();
            bridge_words(&given).join("|")
        };
        assert_eq!(
            words(&[
                "notion",
                "--host",
                "cursor",
                "https://x.example",
                "3334",
                "--header",
                "--print",
                "--print",
                "--host=zed",
                "--redirect-host",
                "127.0.0.1",
                "--scope=a b",
                "--debug",
                "--replace",
            ]),
            "https://x.example|3334|--header|--print|--host|127.0.0.1|--scope=a b|--debug"
        );
        assert_eq!(
            words(&["--debug", "n", "--", "https://x.example"]),
            "https://x.example|--debug"
        );
    }
}
