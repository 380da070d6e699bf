//! The command line: the clap types and every word of `--help`. No other module knows clap.
//!
//! Values stay text here. What they mean, and where else they may come from, is decided in
//! [`crate::config`].

mod authorization;
mod automation;
mod client;
mod doctor;
mod grants;
mod trust;

use std::ffi::OsString;
use std::fmt;

pub use authorization::{ProviderOptions, RuleOptions};
pub use automation::{BearerOptions, SeedOptions};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use client::ClientOptions;
pub use grants::GrantOptions;

pub use doctor::DoctorArgs;
pub use trust::TrustOptions;

/// Prefix of the environment variables that stand for options.
pub const ENV_PREFIX: &str = "MCP_DRAWBRIDGE_";

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
}

/// A command line or a setting that cannot be used: one line for the user, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    /// An error of one sentence without a full stop. It must not contain a value that may grant access.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what the user can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

#[derive(Parser)]
#[command(
    name = "mcp-drawbridge",
    version,
    about = "Connects an AI client to a remote MCP server and signs in for it",
    override_usage = "mcp-drawbridge <URL|NAME> [CALLBACK_PORT] [OPTIONS]\n       \
                      mcp-drawbridge <login|logout|status|doctor> [OPTIONS]",
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
    Doctor(Box<DoctorArgs>),
}

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

    /// Send this header to the server, repeatable
    ///
    /// It goes with every request to the MCP server, and to no other server.
    ///
    /// `${VAR}` in the value is replaced by the environment variable VAR, which keeps secrets out
    /// of the process list. An `Authorization` header given here replaces signing in.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Read headers from a file, one a line, repeatable
    ///
    /// Lines are `Name: value`; empty lines and lines that begin with `#` are skipped. `${VAR}` is
    /// replaced as for --header, which wins where both name the same header.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub header_file: Vec<String>,

    /// Transport to speak to the server [default: http-first]
    ///
    /// `http-first` tries streamable HTTP, and the HTTP+SSE of 2024 if the server refuses it;
    /// `sse-first` tries them the other way round. `http-only` and `sse-only` try nothing else.
    /// What a server turns out to speak is remembered. `auto`, `http` and `sse` stand for
    /// `http-first`, `http-only` and `sse-only`.
    #[arg(long, value_name = "TRANSPORT", hide_short_help = true)]
    pub transport: Option<String>,

    /// Host name of the address that the browser returns to [default: localhost]
    ///
    /// `localhost`, `127.0.0.1` or `[::1]`. The default on Windows is 127.0.0.1.
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    pub host: Option<String>,

    /// Address to listen on for the browser, instead of loopback
    ///
    /// For containers whose published port leads to their network address, such as `0.0.0.0`.
    /// Whoever can reach it can then knock; only the answer to the sign-in is let in.
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    pub bind_host: Option<String>,

    /// Path of the address that the browser returns to [default: /oauth/callback]
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub callback_path: Option<String>,

    /// Seconds to wait for a person to finish the sign-in [default: 600]
    ///
    /// In mcp-remote, which waits for the person without a limit, an option of this name bounds
    /// how long processes wait for one another.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub auth_timeout: Option<String>,

    /// Leave the `resource` parameter out of OAuth requests
    ///
    /// For authorization servers that refuse RFC 8707 resource indicators.
    #[arg(long, hide_short_help = true)]
    pub disable_resource_parameter: bool,

    /// Believe metadata that names this issuer, wherever it is found
    ///
    /// By default an authorization server must name itself exactly as it is asked for (RFC 8414).
    /// Some that are known to be good do not. What is given here is then what everything is
    /// compared with, the `iss` in the browser's answer included (RFC 9207).
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub issuer: Option<String>,

    /// Sign in even if the server does not say that it supports PKCE
    ///
    /// PKCE with S256 is used in any case. A server that lists only other methods is still refused.
    #[arg(long, hide_short_help = true)]
    pub allow_missing_pkce_metadata: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub rules: RuleOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub bearer: BearerOptions,

    /// Never open a browser; print the address instead
    #[arg(long)]
    pub no_browser: bool,

    /// Sign in by a code entered on another device
    ///
    /// For machines without a browser: the code is confirmed in a browser anywhere, and no browser
    /// has to return to this machine (RFC 8628). The authorization server must offer it. What
    /// --authorize-param sets goes with the request for the code.
    #[arg(long)]
    pub device_code: bool,

    /// Seconds to wait for the server to begin an answer, 0 for no limit [default: 300]
    ///
    /// The request then ends with an error, and the server is told that nobody waits for it.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub headers_timeout: Option<String>,

    /// Seconds that an answer may pause, 0 for no limit [default: 300]
    ///
    /// Event streams may pause for as long as they like unless this is given. One that pauses longer
    /// is then resumed, if the server can do that.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub body_timeout: Option<String>,

    /// Send no cookies back to the server
    ///
    /// By default its cookies are kept in memory, for load balancers that tell clients apart by them.
    #[arg(long, hide_short_help = true)]
    pub disable_cookies: bool,
    /// Ping the server while nothing else is sent to it
    ///
    /// For load balancers and servers that end what is silent. The AI client sees nothing of it. A
    /// ping that is not answered by the time of the next means that the connection is dead: another
    /// is opened, and the session is restored if it is gone.
    #[arg(long, hide_short_help = true)]
    pub keep_alive: bool,

    /// Seconds of silence before a ping [default: 30]
    ///
    /// Turns --keep-alive on.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub ping_interval: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonOptions,
}

/// Options that decide which sign-in is meant.
#[derive(Args, Default)]
pub struct WhichOptions {
    /// Name the sign-in, to keep several apart
    ///
    /// The name is also the name of the cache files. Without it, one is made from the address
    /// and from what else separates two sign-ins: resource, client, scope, extra parameters.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Ask for exactly these scopes, separated by spaces
    ///
    /// Without it the scopes follow from what the server asks for.
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,

    /// Use this OAuth client instead of registering one, as JSON or @FILE
    ///
    /// An object with `client_id` and, where there is one, `client_secret` and
    /// `token_endpoint_auth_method`. `${VAR}` is replaced by the environment variable VAR.
    #[arg(long, value_name = "JSON|@FILE", hide_short_help = true)]
    pub static_oauth_client_info: Option<String>,

    /// Add these members to the client registration, as JSON or @FILE
    ///
    /// They are merged over the request that registers the client (RFC 7591). A `scope` in it has
    /// the effect of --scope.
    #[arg(long, value_name = "JSON|@FILE", hide_short_help = true)]
    pub static_oauth_client_metadata: Option<String>,

    /// Name this resource in OAuth requests instead of the server's own
    ///
    /// An absolute URI (RFC 8707). An empty value acts as --disable-resource-parameter.
    #[arg(long, value_name = "URI", hide_short_help = true)]
    pub resource: Option<String>,

    /// Add a parameter to the authorization address, repeatable
    ///
    /// It wins over a parameter of the same name that would be sent anyway. Those that secure the
    /// sign-in cannot be set: client_id, redirect_uri, response_type, state, code_challenge and
    /// code_challenge_method.
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true)]
    pub authorize_param: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub client: ClientOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub provider: ProviderOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub grants: GrantOptions,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub seed: SeedOptions,

    /// Allow plain http to servers on other machines
    ///
    /// Tokens can then be read by anyone on the way.
    #[arg(long, hide_short_help = true)]
    pub allow_http: bool,
}

/// Options that every command with a connection has.
#[derive(Args, Default)]
pub struct CommonOptions {
    /// Read the configuration from this file
    ///
    /// Without it, from `config.json` in `mcp-drawbridge` in your configuration directory. JSON: an entry for each server in `mcpServers`, and `defaults` for all. Flags and environment
    /// variables win over it. Files that it names are looked for in its own folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Seconds to wait for a connection [default: 10]
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub connect_timeout: Option<String>,

    /// Trust the certificates in this PEM file, besides the system's, repeatable
    ///
    /// For networks that inspect TLS, and servers with a private CA. The variable
    /// NODE_EXTRA_CA_CERTS names one more such file, SSL_CERT_FILE and SSL_CERT_DIR the system's.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Vec<String>,

    /// Prove who you are to servers that ask for a certificate, with this PEM file
    ///
    /// The certificate comes first in it, then those that lead to its CA. The key may be in the same
    /// file.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_cert: Option<String>,

    /// Private key of --client-cert, in PEM form and without a passphrase
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<String>,

    /// Connect through this proxy; `direct` for none
    ///
    /// `http://`, `https://`, `socks5://` or `socks5h://` (which finds addresses at the proxy), then
    /// `HOST:PORT`, with `USER:PASSWORD@` before it if it wants that. Without this option the
    /// variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY count, then the system's settings. Servers on
    /// this machine are reached without a proxy.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub proxy: Option<String>,

    /// Connect to these hosts without a proxy, besides those in NO_PROXY
    ///
    /// Separated by commas: domains, which include what is below them, addresses, ranges such as
    /// `10.0.0.0/8`, each also with `:PORT`, and `*` for all.
    #[arg(long, value_name = "HOSTS", hide_short_help = true)]
    pub no_proxy: Option<String>,

    /// Use IPv4 only
    #[arg(long, hide_short_help = true)]
    pub ipv4: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub trust: TrustOptions,

    /// Write decisions and their reasons to stderr
    #[arg(long)]
    pub debug: bool,

    /// Write only what you must act on to stderr
    ///
    /// --debug wins where both are given.
    #[arg(long, hide_short_help = true)]
    pub silent: bool,
}

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

/// Reads the command line. `args` begins with the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let outcome = command()
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match outcome {
        Ok(cli) => Ok(Parsed::Run(Box::new(match cli.command {
            None => Request::Bridge(cli.server),
            Some(Commands::Login(args)) => Request::Login(*args),
            Some(Commands::Logout(args)) => Request::Logout(*args),
            Some(Commands::Status(args)) => Request::Status(args),
            Some(Commands::Doctor(args)) => Request::Doctor(*args),
        }))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(usage_error(&error)),
        },
    }
}

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

fn command() -> clap::Command {
    Cli::command()
        .mut_args(show_variable)
        .mut_subcommands(|command| command.mut_args(show_variable))
}

/// Adds the environment variable to an option's long help.
fn show_variable(arg: Arg) -> Arg {
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

/// Says in one line what clap says in a page. Values are not repeated: in a wrong command line,
/// a secret may stand where nobody expects it.
fn usage_error(error: &clap::Error) -> UsageError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let error = UsageError::new(format!("there is no option `{argument}`"));
            match text(ContextKind::SuggestedArg) {
                Some(similar) => error.with_hint(format!("did you mean `{similar}`?")),
                None => error.with_hint("`mcp-drawbridge --help` lists the options"),
            }
        }
        ErrorKind::UnknownArgument => UsageError::new("there is an argument too many")
            .with_hint("a value that contains spaces must be one argument, in quotes"),
        ErrorKind::InvalidValue => UsageError::new(format!("`{argument}` needs a value")),
        ErrorKind::TooManyValues => UsageError::new(format!("`{argument}` takes no value")),
        ErrorKind::ArgumentConflict => {
            UsageError::new(format!("`{argument}` can be given only once"))
        }
        ErrorKind::InvalidUtf8 => UsageError::new("an argument is not valid UTF-8"),
        kind => UsageError::new(format!("the command line is not usable: {kind}"))
            .with_hint("`mcp-drawbridge --help` shows what is possible"),
    }
}

#[cfg(test)]
mod tests;
