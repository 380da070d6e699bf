//! Flags, environment, configuration file and defaults become one checked [`Config`].
//!
//! Everything from outside arrives in [`Surroundings`], so that a test needs no process
//! environment and no files. Precedence: flag, environment variable, the server's entry in the
//! configuration file, its `defaults`, default.

mod add;
mod base;
mod import;
mod logout;
mod machine;
mod migrate;
mod remote;
mod status;

mod expand;
mod file;
mod forgiving;
mod given;

mod apart;
mod which;

mod automation;
mod callback;
mod client;
mod elsewhere;
mod endpoints;
mod exposed;
mod grants;
mod headers;
mod mode;
mod network;
mod oauth;
mod telling;

mod again;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::HeaderMap;
use serde_json::{Map, Value};
use url::Url;

use crate::cli::{Request, UsageError};
use crate::compat::import as theirs;
use crate::debug_log;
use crate::ids::{Issuer, ResourceId, ServerKey, ServerUrl};
use crate::mcp::era::Protocol;
use crate::mcp::transport::Preference;
use crate::mcp::visible::Visible;
use crate::net::client::HttpSettings;
use crate::net::remote::Timeouts;
use crate::oauth::dpop;
use crate::oauth::flow::{ConfiguredEndpoints, Seed, Unattended};
use crate::oauth::known::Known;
use crate::oauth::takeover::TakeOver;
use crate::secret::Secret;
use crate::secret_command::SecretCommand;

pub use crate::oauth::flow::{ClientDocument, ConfiguredClient};
pub use crate::oauth::mode::AuthMode;
pub use add::Add;
pub use again::Again;
pub use base::{Base, DIR_VARIABLE};
pub use callback::Callback;
pub use file::{OpenError, Opened, open};
pub use grants::UnattendedGrant;
pub use import::{Import, ImportTarget, launched};
pub use logout::{Logout, LogoutTarget, Means};
pub use machine::Machine;
pub use migrate::{Home, Migrate, Step, judge};
pub use status::{Checking, Status, StatusTarget, only_refreshing};

/// What the program finds around it, besides its arguments.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// The folder for a user's local data on this system, if it is known.
    pub data_dir: Option<PathBuf>,
    /// The folder for a user's configuration on this system, if it is known.
    pub config_dir: Option<PathBuf>,
    /// The user's home, if it is known.
    pub home_dir: Option<PathBuf>,
    /// Reads a file that an argument names.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Reads the configuration file.
    pub open: &'a dyn Fn(&Path) -> Result<Opened, OpenError>,
}

/// The environment of this process. Variables that are not Unicode are left out.
pub fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where this system keeps a user's local data.
pub fn system_data_dir() -> Option<PathBuf> {
    dirs::data_local_dir()
}

/// Where this system keeps a user's configuration.
pub fn system_config_dir() -> Option<PathBuf> {
    dirs::config_dir()
}

/// The user's home on this system.
pub fn system_home_dir() -> Option<PathBuf> {
    dirs::home_dir()
}

/// A command with everything it needs, checked.
#[derive(Debug)]
pub enum Job {
    /// Join stdin and stdout to the remote server.
    Bridge(Box<Config>),
    /// Sign in and say what was granted.
    Login(Box<Config>),
    /// Revoke and forget sign-ins.
    Logout(Box<Logout>),
    /// List the cached sign-ins.
    Status(Box<Status>),
    /// Walk the way to a server step by step.
    Doctor(Box<Doctor>),
    /// Look whether this machine has what it takes.
    Machine(Box<Machine>),
    /// Put this program in the place of mcp-remote in hosts' configuration.
    Migrate(Box<Migrate>),
    /// Write an entry into a host's configuration.
    Add(Box<Add>),
    /// Sign in if that is needed, and show what the server has.
    Client(Box<Config>),
    /// Take over sign-ins of mcp-remote.
    Import(Box<Import>),
}

/// Everything about one remote server. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every command needs.
    pub base: Base,
    /// How connections are made.
    pub http: HttpSettings,
    /// How long the remote server may be silent.
    pub timeouts: Timeouts,
    /// Whether the remote server's cookies are kept and sent back to it.
    pub cookies: bool,
    /// The file with the private key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// The file with the private key of the client's assertions.
    pub assertion_key_file: Option<PathBuf>,
    /// The remote server.
    pub server: ServerUrl,
    /// The name under which the sign-in is cached.
    pub key: ServerKey,
    /// How requests to the server are authorized.
    pub auth: AuthMode,
    /// What stands in for a person; `None` where one signs in, or a token is configured.
    pub unattended: Option<UnattendedGrant>,
    /// Which transports may be used, and which is tried first.
    pub transport: Preference,
    /// Which revisions may be spoken to the server.
    pub protocol: Protocol,
    /// Headers for every request to the remote server and to no other; at most one of each name.
    /// Their values are marked as sensitive and do not print.
    pub headers: HeaderMap,
    /// Where the token comes from, if it is neither got by OAuth nor among the headers.
    pub bearer: Option<BearerSource>,
    /// The refresh token to begin with.
    pub seed: Option<Seed>,
    /// Whether the ID token is sent in place of the access token.
    pub use_id_token: bool,
    /// Where the browser returns to.
    pub callback: Callback,
    /// How long a person may take for the sign-in.
    pub auth_timeout: Duration,
    /// The client to use instead of registering one.
    pub client: Option<ConfiguredClient>,
    /// The client to use in place of a registration where the server takes such ones.
    pub document: Option<ClientDocument>,
    /// What lets a client register where not everybody may.
    pub initial_access_token: Option<Secret>,
    /// Members to merge over the registration request.
    pub client_metadata: Map<String, Value>,
    /// Which `resource` OAuth requests name.
    pub resource: Resource,
    /// The issuer to believe wherever its metadata is found.
    pub issuer: Option<Issuer>,
    /// The scopes to ask for instead of those that the server names; never empty.
    pub scopes: Option<Vec<String>>,
    /// Parameters that are set last on the authorization URL; at most one of each name.
    pub authorize_params: Vec<(String, String)>,
    /// Endpoints that take the place of all metadata.
    pub endpoints: Option<ConfiguredEndpoints>,
    /// Where tokens are revoked, in place of what metadata say.
    pub revocation_endpoint: Option<Url>,
    /// What tokens are asked for besides `resource`.
    pub audience: Option<String>,
    /// Parameters for every request for tokens; at most one of each name.
    pub token_params: Vec<(String, String)>,
    /// Whether codes are protected by PKCE.
    pub pkce: bool,
    /// Whether tokens are bound to a key (RFC 9449).
    pub dpop: dpop::Mode,
    /// What is known about servers beyond what they say.
    pub known: Known,
    /// Whether plain http to other machines is allowed.
    pub allow_http: bool,
    /// Whether a missing `code_challenge_methods_supported` is no reason to refuse.
    pub allow_missing_pkce_metadata: bool,
    /// Whether a browser may be opened.
    pub browser: bool,
    /// How long nothing may be sent to the server before a ping is; `None` for no pings.
    pub keep_alive: Option<Duration>,
    /// Which of the server's tools the AI client sees and may call.
    pub visible: Visible,
    /// How a person says the same in a terminal.
    pub again: Again,
    /// Where mcp-remote keeps its sign-in for the same arguments; `None` if there is no such place.
    pub elsewhere: Option<theirs::Place>,
    /// When that is taken over.
    pub take_over: TakeOver,
}

impl Config {
    /// The extensions of MCP that this program brings itself, by their ids: a way of authorization is
    /// between it and the server, whatever the AI client knows of it.
    pub fn extensions(&self) -> Vec<&'static str> {
        let way = self.unattended.as_ref().map(|grant| &grant.way);
        let way = way.and_then(Unattended::extension);
        way.into_iter().chain(self.dpop.extension()).collect()
    }
}

/// Where a token comes from that is not got by OAuth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BearerSource {
    /// A variable.
    Variable {
        /// Its name.
        name: String,
        /// The token in it.
        token: Secret,
    },
    /// What a command prints.
    Command(SecretCommand),
}

/// Which `resource` (RFC 8707) OAuth requests name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The one that the server's metadata names.
    Discovered,
    /// This one.
    Given(ResourceId),
    /// None.
    Omitted,
}

/// What `doctor` is to do.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// The server.
    pub config: Config,
    /// Whether the output is JSON.
    pub json: bool,
    /// Whether to sign in if that is needed.
    pub sign_in: bool,
    /// Where the user's files are.
    pub home: Box<Home>,
}

impl Job {
    /// Checks what the command line and the environment ask for.
    pub fn new(request: Request, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        Ok(match request {
            Request::Bridge(args) => Self::Bridge(Box::new(Config::new(&args, around)?)),
            Request::Login(args) => Self::Login(Box::new(Config::new(&args, around)?)),
            Request::Logout(args) => Self::Logout(Box::new(Logout::new(&args, around)?)),
            Request::Status(args) => Self::Status(Box::new(Status::new(&args, around)?)),
            Request::Doctor(args) if args.server.url.is_none() => {
                Self::Machine(Box::new(Machine::new(args, around)?))
            }
            Request::Doctor(args) => Self::Doctor(Box::new(Doctor {
                config: Config::new(&args.server, around)?,
                json: args.json,
                sign_in: args.sign_in,
                home: Box::new(Home::new(around)),
            })),
            Request::Migrate(args) => Self::Migrate(Box::new(Migrate::new(&args, around)?)),
            Request::Client(args) => Self::Client(Box::new(Config::new(&args, around)?)),
            Request::Import(args) => Self::Import(Box::new(Import::new(args, around)?)),
            Request::Add(args) => Self::Add(Box::new(Add::new(args, around)?)),
        })
    }

    /// Where what is said about one server is to be written besides stderr: with `--debug`, beside its
    /// sign-in.
    pub fn debug_log(&self) -> Option<PathBuf> {
        let config = match self {
            Self::Bridge(config) | Self::Login(config) | Self::Client(config) => config,
            Self::Doctor(doctor) => &doctor.config,
            _ => return None,
        };
        let dir = config.base.dir.as_ref();
        let dir = dir.filter(|_| config.base.level == crate::diag::Level::Debug)?;
        Some(debug_log::path(dir, &config.key))
    }

    /// What every command needs.
    pub fn base(&self) -> &Base {
        match self {
            Self::Bridge(config) | Self::Login(config) | Self::Client(config) => &config.base,
            Self::Logout(logout) => &logout.base,
            Self::Status(status) => &status.base,
            Self::Doctor(doctor) => &doctor.config.base,
            Self::Machine(machine) => &machine.base,
            Self::Migrate(migrate) => &migrate.base,
            Self::Add(add) => &add.base,
            Self::Import(import) => &import.base,
        }
    }
}

#[cfg(test)]
mod tests;
