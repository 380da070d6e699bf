//! The command line: the clap types and every word of `--help`. No other module knows clap.
//!
//! Values stay text here. What they mean, and where else they may come from, is decided in
//! [`crate::config`].

mod server;
mod which;

mod authorization;
mod automation;
mod callback;
mod client;
mod common;
mod dpop;
mod grants;
mod traffic;
mod trust;

mod cached;
mod doctor;
mod hosts;
mod import;

mod error;
mod launcher;
mod lenient;
mod pages;
mod shape;
#[cfg(test)]
mod table;
mod topics;

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use authorization::{ProviderOptions, RuleOptions};
pub use automation::{BearerOptions, SeedOptions};
pub use cached::{LogoutArgs, StatusArgs};
pub use callback::CallbackOptions;
pub use client::ClientOptions;
pub use common::CommonOptions;
pub use doctor::DoctorArgs;
pub use dpop::DpopOptions;
pub use error::UsageError;
use error::usage_error;
pub use grants::GrantOptions;
pub use hosts::{AddArgs, AddRequest, MigrateArgs};
pub use import::ImportArgs;
use launcher::{LEFT_OUT, Meant, behind_launcher};
pub(crate) use lenient::leading_integer;
use lenient::{Known, understand};
use pages::{CompletionsArgs, ManArgs};
pub use server::{ServerArgs, Tolerance};
pub use shape::{ENV_PREFIX, OptionShape, option_names, option_shapes, variable};
pub use traffic::{HeaderOrder, TrafficOptions};
pub use trust::TrustOptions;
pub use which::WhichOptions;

/// What the command line asks for.
pub enum Parsed {
    /// Do this.
    Run(Box<Request>),
    /// Write this text to stdout and finish: help or version.
    Text(String),
}

/// One command with its arguments, as given.
pub enum Request {
    /// Join stdin and stdout to the remote server.
    Bridge(ServerArgs),
    /// Sign in and say what was granted.
    Login(ServerArgs),
    /// Revoke and forget a sign-in.
    Logout(LogoutArgs),
    /// List the cached sign-ins.
    Status(StatusArgs),
    /// Walk the way to a server step by step.
    Doctor(DoctorArgs),
    /// Put this program in the place of mcp-remote in hosts' configuration.
    Migrate(MigrateArgs),
    /// Write an entry into a host's configuration.
    Add(AddRequest),
    /// Sign in if that is needed, and show what the server has.
    Client(ServerArgs),
    /// Take over sign-ins of mcp-remote.
    Import(ImportArgs),
}

#[derive(Parser)]
#[command(
    name = "mcp-drawbridge",
    version,
    about = "Connects an AI client to a remote MCP server and signs in for it",
    override_usage = "mcp-drawbridge <URL|NAME> [CALLBACK_PORT] [OPTIONS]",
    after_help = "More options: --help. Every option can also be an environment variable.\n\
                  Example: mcp-drawbridge https://mcp.example.com/mcp --scope \"read write\"",
    after_long_help = AFTER_LONG_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Commands>,
    #[command(flatten)]
    server: ServerArgs,
}

const AFTER_LONG_HELP: &str = "\
Each option can also be given as the environment variable named with it; a flag wins over its \
variable. Options that may be repeated take one value a line there, and switches take `true` or \
`false`.

What neither says is looked up in the configuration file, `config.json` in `mcp-drawbridge` in your \
configuration directory, or --config. Its `mcpServers` has an entry for each server, whose name can \
stand in place of an address, and its `defaults` are for all servers. Options are called there as \
here, with `_` for `-`.

`mcp-drawbridge completions SHELL` prints what makes bash, zsh, fish or PowerShell complete all this, \
`mcp-drawbridge man` the manual page.

Sign-ins are kept in `mcp-drawbridge` in your local data directory; MCP_DRAWBRIDGE_DIR names \
another folder.

Exit codes: 0 finished, 1 failed, 2 wrong usage or configuration, 3 sign-in needed but not \
possible here, 4 server unreachable (login, doctor), 130 interrupted.

Example: mcp-drawbridge https://mcp.example.com/mcp --scope \"read write\"";

#[derive(Subcommand)]
enum Commands {
    /// Sign in now and print what was granted
    ///
    /// Give the same arguments as in the AI client's configuration: they decide which sign-in it is.
    ///
    /// If the browser cannot come back to this machine, it ends on a page that it cannot load. Paste
    /// the address of that page here; from a script, write it to stdin as a line. A sign-in that
    /// another process has open is finished by it, too. Terminals take some 4000 characters a line,
    /// on macOS 1000: give a longer address to a second `login` in a file, as its stdin.
    Login(Box<ServerArgs>),
    /// Revoke a sign-in at the server and delete it here
    ///
    /// Give the same arguments as in the AI client's configuration, or the name that `status`
    /// shows. If the server cannot be reached, the sign-in is still deleted here, with a warning.
    Logout(Box<LogoutArgs>),
    /// Show the cached sign-ins
    ///
    /// Reads only what is cached: no server is asked, and no secret is shown.
    Status(StatusArgs),
    /// Walk the way to a server step by step, and say what is wrong where
    ///
    /// Give the same arguments as in the AI client's configuration. Each step says what was asked,
    /// what came back and the rule it goes by: configuration, network, challenge, metadata, client,
    /// sign-in, token, session. What goes wrong comes with what to do about it; steps that do not
    /// depend on it are still taken. Nothing is changed, unless --sign-in is given.
    ///
    /// Without a server it looks at this machine: the folder of the sign-ins, browser, certificates,
    /// proxies, the configuration of AI clients, and what is left of mcp-remote.
    Doctor(Box<DoctorArgs>),
    /// Change AI clients' configuration from mcp-remote to mcp-drawbridge
    ///
    /// Finds the entries that start mcp-remote, in the files of the user and of the current folder,
    /// and shows what would change. Only --apply changes anything: the command becomes this program,
    /// the arguments, the variables and everything else stay as they are written, and a dated copy of
    /// each file is kept beside it. Values that may be secret are not shown.
    Migrate(MigrateArgs),
    /// Take over sign-ins of mcp-remote
    ///
    /// Looks for those of the servers in the configuration file and of the entries that start
    /// mcp-remote or mcp-drawbridge in AI clients' files, or for that of the given server and options,
    /// and shows what can be taken over. Only --apply takes them over, and asks the servers where they
    /// are refreshed. The same happens by itself when a server is used for the first time. Files of
    /// mcp-remote are never changed; do not use it any more for these servers, since only one program
    /// can refresh a sign-in. Without an address, other options are for the servers in the
    /// configuration file; AI clients' entries bring their own.
    Import(Box<ImportArgs>),
    /// Add a server to an AI client's configuration
    ///
    /// Takes the server's address and the options as the bridge does, checks them, and writes them
    /// into the client's configuration file, in which everything else stays as it is. A dated copy of
    /// the file is kept beside it.
    Add(Box<AddArgs>),
    /// Sign in if that is needed, and show the server's tools and resources
    ///
    /// What the program of this name in the package of mcp-remote does.
    #[command(name = CLIENT, hide = true)]
    Client(Box<ServerArgs>),
    /// Print what makes a shell complete commands and options
    #[command(hide = true)]
    Completions(CompletionsArgs),
    /// Print the manual page, for `man`
    #[command(hide = true)]
    Man(ManArgs),
}

/// The command, and the name of the program, that stand for mcp-remote-client.
const CLIENT: &str = "mcp-remote-client";

/// The commands that take the arguments of the bridge as they are.
const LENIENT: [&str; 4] = ["login", "logout", "doctor", CLIENT];

/// Reads the command line. `args` begins with the program's name.
///
/// The bridge, and the commands that people give its arguments to, take what mcp-remote takes; other
/// commands are strict.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(is_client) {
        args.insert(1, CLIENT.into());
    }
    let tolerance = be_lenient(&mut args);
    read(&args).map(|parsed| parsed.with(tolerance))
}

/// The same, with every command strict: for arguments that were not written for mcp-remote.
pub(crate) fn parse_strictly(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Parsed, UsageError> {
    read(&args.into_iter().collect::<Vec<_>>())
}

/// The arguments of the bridge, without the commands, whose arguments take as long again each to
/// build.
fn of_bridge() -> clap::Command {
    ServerArgs::augment_args(clap::Command::new("mcp-drawbridge"))
}

fn is_command(arg: &OsString) -> bool {
    arg.to_str().is_some_and(Commands::has_subcommand)
}

/// `args` begins with the program's name.
fn read(args: &[OsString]) -> Result<Parsed, UsageError> {
    // What is started again and again is the bridge. Help, and what is wrong, are for the whole.
    if !args.iter().skip(1).any(is_command) {
        let matches = of_bridge().try_get_matches_from(args);
        if let Ok(server) = matches.and_then(|matches| ServerArgs::from_arg_matches(&matches)) {
            return Ok(Parsed::Run(Box::new(Request::Bridge(server))));
        }
    }
    let read = |command: clap::Command| {
        let matches = command.try_get_matches_from(args);
        matches.and_then(|matches| Cli::from_arg_matches(&matches))
    };
    // Whoever reads the help needs it in order; every start would pay for that.
    let outcome = read(Cli::command()).or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp => read(command()),
        _ => Err(error),
    });
    match outcome {
        Ok(cli) => asked(cli, args),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(usage_error(&error)),
        },
    }
}

/// Whether the program was started as mcp-remote-client.
fn is_client(program: &OsString) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    name.strip_suffix(".exe").unwrap_or(&name) == CLIENT
}

/// Puts what was understood in the place of the arguments, unless a command is strict.
fn be_lenient(args: &mut Vec<OsString>) -> Tolerance {
    let named = |arg: Option<&OsString>| {
        let name = arg?.to_str()?;
        Commands::has_subcommand(name).then(|| name.to_owned())
    };
    let first = named(args.get(1));
    let is_lenient = |command: &String| LENIENT.contains(&command.as_str());
    if first.as_ref().is_some_and(|command| !is_lenient(command)) {
        return Tolerance::default();
    }
    let mut warnings = Vec::new();
    let at = 1 + usize::from(first.is_some());
    let mut given = texts(args.get(at..).unwrap_or_default());
    // Behind a command, too: people copy the arguments from their configuration.
    if let Some(meant) = behind_launcher(&given) {
        given = match meant {
            Meant::Bridge(rest) => rest,
            Meant::Client(rest) => {
                args.insert(1, CLIENT.into());
                rest
            }
        };
        warnings.push(LEFT_OUT.to_owned());
    }
    let (own, skip) = match named(args.get(1)) {
        Some(command) => {
            let all = Cli::command();
            let found = all.find_subcommand(&command);
            (found.cloned().unwrap_or_default(), 2)
        }
        None => (of_bridge(), 1),
    };
    let options = own.get_arguments().filter_map(|arg| {
        let long = arg
            .get_long()
            .filter(|long| !matches!(*long, "help" | "version"));
        Some(Known {
            long: long?.to_owned(),
            takes_value: arg.get_action().takes_values(),
            is_repeatable: matches!(arg.get_action(), ArgAction::Append),
        })
    });
    let options: Vec<Known> = options.collect();
    let understood = understand(&given, &options);
    args.truncate(skip);
    args.extend(understood.args.into_iter().map(OsString::from));
    warnings.extend(understood.warnings);
    Tolerance {
        is_lenient: true,
        warnings,
    }
}

/// The arguments as text. Node does the same with what is not UTF-8.
fn texts(args: &[OsString]) -> Vec<String> {
    let text = |arg: &OsString| arg.to_string_lossy().into_owned();
    args.iter().map(text).collect()
}

impl Parsed {
    /// The same with how mistakes are taken.
    fn with(mut self, tolerance: Tolerance) -> Self {
        if let Self::Run(request) = &mut self {
            let server = match &mut **request {
                Request::Bridge(args) | Request::Login(args) | Request::Client(args) => args,
                Request::Logout(args) => &mut args.server,
                Request::Doctor(args) => &mut args.server,
                Request::Status(_) | Request::Migrate(_) | Request::Add(_) | Request::Import(_) => {
                    return self;
                }
            };
            server.tolerance = tolerance;
        }
        self
    }
}

/// What was asked for. `argv` is the whole command line.
fn asked(cli: Cli, argv: &[OsString]) -> Result<Parsed, UsageError> {
    let run = |request| Ok(Parsed::Run(Box::new(request)));
    match cli.command {
        None => run(Request::Bridge(cli.server)),
        Some(Commands::Login(args)) => run(Request::Login(*args)),
        Some(Commands::Logout(args)) => run(Request::Logout(*args)),
        Some(Commands::Status(args)) => run(Request::Status(args)),
        Some(Commands::Doctor(args)) => run(Request::Doctor(*args)),
        Some(Commands::Migrate(args)) => run(Request::Migrate(args)),
        Some(Commands::Import(args)) => run(Request::Import(*args)),
        Some(Commands::Add(args)) => run(Request::Add(AddRequest::new(*args, argv))),
        Some(Commands::Client(args)) => run(Request::Client(*args)),
        Some(Commands::Completions(args)) => pages::completions(&args).map(Parsed::Text),
        Some(Commands::Man(args)) => pages::manual(&args).map(Parsed::Text),
    }
}

/// The commands with their options in the order of the help.
fn command() -> clap::Command {
    topics::arranged(Cli::command()).mut_subcommands(topics::arranged)
}

#[cfg(test)]
mod tests;
