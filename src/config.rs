//! Flags, environment, configuration file and defaults become one checked [`Config`].
//!
//! Everything from outside arrives in [`Surroundings`], so that a test needs no process
//! environment and no files. Precedence: flag, environment variable, the server's entry in the
//! configuration file, its `defaults`, default.

mod again;
mod automation;
mod client;
mod endpoints;
mod file;
mod given;
mod grants;
mod headers;
mod mode;
mod network;
mod oauth;
mod which;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Map, Value};
use url::Host;

use crate::cli::{
    CommonOptions, LogoutArgs, Request, ServerArgs, StatusArgs, UsageError, WhichOptions,
};
use crate::diag::Level;
use crate::ids::{Issuer, ResourceId, ServerKey, ServerUrl};
use crate::mcp::transport::Preference;
use crate::net::client::HttpSettings;
use crate::net::remote::Timeouts;
use crate::oauth::dpop;
use crate::oauth::flow::{ConfiguredEndpoints, Seed};
use crate::oauth::known::{Known, Row};
use crate::secret::Secret;
use crate::secret_command::SecretCommand;
use grants::Grants;
use mode::Claim;

pub use crate::oauth::flow::{ClientDocument, ConfiguredClient};
pub use crate::oauth::mode::AuthMode;
pub use again::Again;
use file::{Entry, File, Need, Target};
pub use file::{OpenError, Opened, open};
use given::{Given, Lookup};
pub use grants::UnattendedGrant;
use which::{Which, cached_name, is_address, server};

/// The variable that names the folder of the sign-ins.
pub const DIR_VARIABLE: &str = "MCP_DRAWBRIDGE_DIR";

/// How long nothing may be sent to the server before a ping is, with `--keep-alive` alone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a person may take for the sign-in, unless `--auth-timeout` says otherwise.
const AUTH_TIMEOUT: Duration = Duration::from_secs(600);

/// Path of the redirect URI, as mcp-remote has it: clients registered by hand list it.
const CALLBACK_PATH: &str = "/oauth/callback";

/// What the program finds around it, besides its arguments.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// The folder for a user's local data on this system, if it is known.
    pub data_dir: Option<PathBuf>,
    /// The folder for a user's configuration on this system, if it is known.
    pub config_dir: Option<PathBuf>,
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
}

/// What every command needs.
#[derive(Clone, Debug)]
pub struct Base {
    /// The folder of the sign-ins; absolute. `None` where the system names none.
    pub dir: Option<PathBuf>,
    /// How much is written to stderr.
    pub level: Level,
    /// What is odd but no reason to stop; to be written once the output exists.
    pub warnings: Vec<String>,
    /// Decisions about the configuration, for who wants to know them all.
    pub remarks: Vec<String>,
    /// Which options were given, by their long names, and where; known once all are read.
    pub origins: Vec<(String, String)>,
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
    /// How a person says the same in a terminal.
    pub again: Again,
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

/// The redirect URI without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// A loopback host as it stands in a URL: an IPv6 address is in brackets.
    pub host: String,
    /// The port to use strictly; `None` leaves the choice to the system.
    pub port: Option<u16>,
    /// The path; begins with `/`.
    pub path: String,
    /// The address to listen on instead of loopback.
    pub bind: Option<IpAddr>,
}

impl Callback {
    /// The redirect URI for the port that was bound.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
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

/// What `logout` is to do.
#[derive(Clone, Debug)]
pub struct Logout {
    /// What every command needs.
    pub base: Base,
    /// How connections are made.
    pub http: HttpSettings,
    /// Which sign-ins end.
    pub target: LogoutTarget,
    /// Whether plain http to other machines is allowed.
    pub allow_http: bool,
    /// The client whose tokens are revoked, with what proves it: no secret of the user's is cached.
    pub client: Option<ConfiguredClient>,
    /// The same, for a client that a document describes.
    pub document: Option<ClientDocument>,
}

/// Which sign-ins `logout` ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTarget {
    /// Every cached one.
    All,
    /// One, by the name of its cache file, and the address it was given by.
    One(ServerKey, Option<ServerUrl>),
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
}

/// What `status` is to show.
#[derive(Clone, Debug)]
pub struct Status {
    /// What every command needs.
    pub base: Base,
    /// Which sign-ins are shown.
    pub target: StatusTarget,
    /// Whether the output is JSON.
    pub json: bool,
}

/// Which sign-ins `status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusTarget {
    /// Every cached one.
    All,
    /// Those for one server.
    Server(ServerUrl),
    /// The one of this name.
    Name(ServerKey),
    /// The one that the entry of the configuration file with this name leads to.
    Entry(String, ServerKey),
}

impl Job {
    /// Checks what the command line and the environment ask for.
    pub fn new(request: Request, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        Ok(match request {
            Request::Bridge(args) => Self::Bridge(Box::new(Config::new(&args, around)?)),
            Request::Login(args) => Self::Login(Box::new(Config::new(&args, around)?)),
            Request::Logout(args) => Self::Logout(Box::new(Logout::new(&args, around)?)),
            Request::Status(args) => Self::Status(Box::new(Status::new(&args, around)?)),
            Request::Doctor(args) => Self::Doctor(Box::new(Doctor {
                config: Config::new(&args.server, around)?,
                json: args.json,
                sign_in: args.sign_in,
            })),
        })
    }

    /// What every command needs.
    pub fn base(&self) -> &Base {
        match self {
            Self::Bridge(config) | Self::Login(config) => &config.base,
            Self::Logout(logout) => &logout.base,
            Self::Status(status) => &status.base,
            Self::Doctor(doctor) => &doctor.config.base,
        }
    }
}

impl Config {
    /// Checks the arguments of a command for one server.
    pub fn new(args: &ServerArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let Some(url) = &args.url else {
            return Err(UsageError::new("the address of the server is missing")
                .with_hint("give it first, such as `mcp-drawbridge https://mcp.example.com/mcp`; `-h` shows more"));
        };
        let file = File::find(&args.common.config, around)?;
        let entry = match file.target(url)? {
            Target::Address => None,
            Target::Entry(entry) => Some(entry),
            Target::Neither => return Err(file.no_entry(url)),
        };
        let lookup = file.lookup(entry.as_ref(), Need::Connect, around.env)?;
        let mut which = Which::new(&args.which, around, &lookup)?;
        let server = match &entry {
            Some(entry) => entry.server(around.env, which.allow_http)?,
            None => server(url, which.allow_http)?,
        };
        let mut base = Base::new(&args.common, around, &lookup)?;
        let disabled = lookup.switch(
            "disable-resource-parameter",
            args.disable_resource_parameter,
        )?;
        let headers = headers::collect(
            &lookup.lists("header", &args.header),
            &lookup.lists("header-file", &args.header_file),
            around,
        )?;
        let bearer = automation::bearer(&args.bearer, &lookup, around)?;
        let seed = automation::seed(&args.which.seed, &lookup, around)?;
        let claims = claims(
            args,
            &lookup,
            (&headers, bearer.as_ref(), seed.as_ref()),
            &which.grants,
        )?;
        let auth = mode::choose(&claims)?;
        if let Some(error) = which.clients.missing.take() {
            return Err(error);
        }
        base.warnings.append(&mut which.clients.warnings);
        which.check_mode(&claims, &mut base.warnings)?;
        if which.use_id_token && auth.is_unattended() {
            return Err(UsageError::new(format!(
                "`--use-id-token` and {} exclude each other: there is no user whom an ID token could be about",
                claims.first().map_or("this mode", |claim| &claim.origin)
            ))
            .with_hint("leave out one of them"));
        }
        if let Some(seed) = &seed
            && which.clients.client.is_none()
        {
            return Err(UsageError::new(format!(
                "the refresh token in {} is of no use without the client that it was issued to",
                seed.origin
            ))
            .with_hint("give it with `--client-id`"));
        }
        if disabled && matches!(which.resource, Resource::Given(_)) {
            base.warnings
                .push("`--resource` has no effect with `--disable-resource-parameter`".to_owned());
        }
        if which
            .authorize_params
            .iter()
            .any(|(name, _)| name == "resource")
        {
            base.warnings.push("`--authorize-param resource=…` changes only the authorization address; `--resource` changes every request".to_owned());
        }
        let issuer = match lookup.text("issuer", &args.issuer) {
            Some(given) => Some(oauth::issuer(&given)?),
            None => None,
        };
        if let (Some(endpoints), Some(issuer)) = (&mut which.endpoints, &issuer) {
            endpoints.issuer = issuer.clone();
        }
        if auth == AuthMode::Device {
            base.warnings.extend(without_effect(args, &lookup));
        }
        let known = match lookup.switch("no-known-servers", args.rules.no_known_servers)? {
            true => Known::default(),
            false => Known::BUILT_IN,
        };
        let callback = callback(args, &lookup, known.server(&server))?;
        let pkce = !lookup.switch("disable-pkce", args.rules.disable_pkce)?;
        if !pkce && auth == AuthMode::OAuth {
            base.warnings.push(
                "PKCE is off (`--disable-pkce`): whoever gets hold of the code that the browser brings can sign in as you"
                    .to_owned(),
            );
        }
        endpoints::check(
            which.endpoints.as_ref(),
            auth,
            which.clients.client.is_some(),
        )?;
        let mut http = network::http_settings(&args.common, around, &lookup, &mut base.warnings)?;
        http.policy.server = Some(server.url().clone());
        if http.ipv4 && matches!(server.url().host(), Some(Host::Ipv6(_))) {
            return Err(UsageError::new(format!(
                "`--ipv4` excludes the IPv6 address in `{server}`"
            )));
        }
        let mut config = Self {
            http,
            timeouts: network::timeouts(args, &lookup)?,
            cookies: !lookup.switch("disable-cookies", args.disable_cookies)?,
            key_file: network::key_file(&args.common, &lookup),
            key: which.key(&server)?,
            again: Again::new(
                args,
                &server,
                (&file, entry.as_ref().map(|entry| entry.name)),
                &callback,
                around,
                &lookup.typed(),
            )?,
            callback,
            transport: match lookup.text("transport", &args.transport) {
                Some(given) => given.transport()?,
                None => Preference::default(),
            },
            auth_timeout: match lookup.text("auth-timeout", &args.auth_timeout) {
                Some(given) => given.whole_seconds()?,
                None => AUTH_TIMEOUT,
            },
            resource: match disabled {
                true => Resource::Omitted,
                false => which.resource,
            },
            unattended: which.grants.way(
                auth,
                which.clients.client.as_ref(),
                &args.which.grants,
                &lookup,
            )?,
            bearer: bearer.map(|(source, _)| source),
            seed,
            use_id_token: which.use_id_token,
            client: which.clients.client,
            document: which.clients.document,
            initial_access_token: which.clients.initial_access_token,
            assertion_key_file: which.clients.key_file,
            client_metadata: which.client_metadata,
            issuer,
            scopes: which.scopes,
            authorize_params: which.authorize_params,
            endpoints: which.endpoints,
            audience: which.audience,
            token_params: which.token_params,
            pkce,
            dpop: automation::dpop(args, &lookup)?,
            known,
            allow_http: which.allow_http,
            allow_missing_pkce_metadata: lookup.switch(
                "allow-missing-pkce-metadata",
                args.allow_missing_pkce_metadata,
            )?,
            browser: !lookup.switch("no-browser", args.no_browser)?,
            keep_alive: keep_alive(args, &lookup)?,
            base,
            server,
            auth,
            headers,
        };
        config.http.policy.own = network::own_addresses(&config);
        config.base.origins = lookup.origins();
        let server = entry.as_ref().map_or_else(
            || "the command line".to_owned(),
            |entry| entry.place().to_owned(),
        );
        config.base.origins.insert(0, ("url".to_owned(), server));
        Ok(config)
    }
}

impl Logout {
    fn new(args: &LogoutArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let file = File::find(&args.common.config, around)?;
        let entry = match &args.target {
            Some(text) => remote_entry(&file, text)?,
            None => None,
        };
        let lookup = file.lookup(entry.as_ref(), Need::Find, around.env)?;
        let which = Which::new(&args.which, around, &lookup)?;
        let mut base = Base::new(&args.common, around, &lookup)?;
        let http = network::http_settings(&args.common, around, &lookup, &mut base.warnings)?;
        let target = match (&args.target, args.all) {
            (Some(_), true) => {
                return Err(UsageError::new(
                    "`--all` and a single sign-in exclude each other",
                ));
            }
            (None, true) => LogoutTarget::All,
            (None, false) => {
                return Err(UsageError::new("the sign-in to end is missing").with_hint(
                    "give its address or name, or `--all`; `mcp-drawbridge status` lists them",
                ));
            }
            (Some(text), false) => match (&entry, is_address(text)) {
                (Some(entry), _) => {
                    let server = entry.server(around.env, which.allow_http)?;
                    LogoutTarget::One(which.key(&server)?, Some(server))
                }
                (None, true) => {
                    let server = server(text, which.allow_http)?;
                    LogoutTarget::One(which.key(&server)?, Some(server))
                }
                (None, false) => LogoutTarget::One(cached_name(text)?, None),
            },
        };
        Ok(Self {
            base,
            http,
            target,
            allow_http: which.allow_http,
            client: which.clients.client,
            document: which.clients.document,
        })
    }
}

impl Status {
    fn new(args: &StatusArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let file = File::find(&args.config, around)?;
        let entry = match &args.target {
            Some(text) => remote_entry(&file, text)?,
            None => None,
        };
        let lookup = file.lookup(entry.as_ref(), Need::Find, around.env)?;
        // Nothing is sent, so plain http does no harm here.
        let target = match (&args.target, &entry) {
            (None, _) => StatusTarget::All,
            (Some(_), Some(entry)) => {
                let which = Which::new(&WhichOptions::default(), around, &lookup)?;
                let key = which.key(&entry.server(around.env, true)?)?;
                StatusTarget::Entry(entry.name.to_owned(), key)
            }
            (Some(text), None) if is_address(text) => StatusTarget::Server(server(text, true)?),
            (Some(text), None) => StatusTarget::Name(cached_name(text)?),
        };
        Ok(Self {
            base: Base::new(&CommonOptions::default(), around, &lookup)?,
            target,
            json: args.json,
        })
    }
}

impl Base {
    fn new(
        options: &CommonOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let level = match (
            lookup.switch("debug", options.debug)?,
            lookup.switch("silent", options.silent)?,
        ) {
            (true, _) => Level::Debug,
            (false, true) => Level::Silent,
            (false, false) => Level::Normal,
        };
        Ok(Self {
            dir: dir(around, lookup)?,
            level,
            warnings: lookup
                .unknown_variables()
                .map(|name| format!("the variable `{name}` stands for no option"))
                .chain(lookup.notes.warnings.iter().cloned())
                .collect(),
            remarks: lookup.notes.remarks.clone(),
            origins: Vec::new(),
        })
    }
}

/// An interval alone turns pings on.
fn keep_alive(args: &ServerArgs, lookup: &Lookup<'_>) -> Result<Option<Duration>, UsageError> {
    let wanted = lookup.switch("keep-alive", args.keep_alive)?;
    match lookup.text("ping-interval", &args.ping_interval) {
        Some(given) => Ok(Some(given.seconds()?)),
        None => Ok(wanted.then_some(PING_INTERVAL)),
    }
}

fn dir(around: &Surroundings<'_>, lookup: &Lookup<'_>) -> Result<Option<PathBuf>, UsageError> {
    let hint = format!("name a folder with the variable `{DIR_VARIABLE}`, as an absolute path");
    let variable = around.env.get(DIR_VARIABLE).filter(|text| !text.is_empty());
    let variable = variable.map(|text| Given {
        text: text.clone(),
        origin: format!("`{DIR_VARIABLE}`"),
    });
    match variable.or_else(|| lookup.only_filed("dir")) {
        Some(Given { text, .. }) if Path::new(&text).is_absolute() => Ok(Some(PathBuf::from(text))),
        Some(Given { text, origin }) => Err(UsageError::new(format!(
            "the folder `{text}` in {origin} is not an absolute path"
        ))
        .with_hint(hint)),
        None => Ok(around
            .data_dir
            .as_ref()
            .map(|dir| dir.join("mcp-drawbridge"))),
    }
}

/// The entry that an argument names, if that is one of a remote server. Else the argument may be
/// the name of a cached sign-in.
fn remote_entry<'f>(file: &'f File, text: &str) -> Result<Option<Entry<'f>>, UsageError> {
    Ok(match file.target(text)? {
        Target::Entry(entry) if entry.is_remote() => Some(entry),
        Target::Entry(_) | Target::Address | Target::Neither => None,
    })
}

/// Everything that asks for a mode, the most telling first.
fn claims(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    (headers, bearer, seed): (&HeaderMap, Option<&(BearerSource, String)>, Option<&Seed>),
    grants: &Grants,
) -> Result<Vec<Claim>, UsageError> {
    let mut claims = Vec::new();
    if headers.contains_key(AUTHORIZATION) {
        let origin = "an `Authorization` header";
        if let Some((_, other)) = bearer {
            return Err(
                UsageError::new(format!("{origin} and {other} exclude each other"))
                    .with_hint("leave out one of them"),
            );
        }
        claims.push(Claim::new(AuthMode::Bearer, origin));
    }
    if let Some((_, origin)) = bearer {
        claims.push(Claim::new(AuthMode::Bearer, origin));
    }
    if let Some(seed) = seed {
        let origin = format!("a refresh token in {}", seed.origin);
        claims.push(Claim::new(AuthMode::Seeded, origin));
    }
    if let Some(given) = lookup.switched_on("device-code", args.device_code)? {
        claims.push(Claim::new(AuthMode::Device, given));
    }
    claims.extend(grants.claims()?);
    Ok(claims)
}

/// What `--device-code` takes the effect from.
fn without_effect(args: &ServerArgs, lookup: &Lookup<'_>) -> Vec<String> {
    let host = lookup.text("host", &args.host);
    let path = lookup.text("callback-path", &args.callback_path);
    let bind = lookup.text("bind-host", &args.bind_host);
    let filed_port = lookup.only_filed("callback-port");
    let port = args.callback_port.as_ref();
    let given = [
        port.map(|_| "the callback port".to_owned())
            .or(filed_port.map(|given| given.origin)),
        host.map(|given| given.origin),
        path.map(|given| given.origin),
        bind.map(|given| given.origin),
    ];
    let useless = |what| {
        format!(
            "{what} has no effect, since no browser returns to this machine with `--device-code`"
        )
    };
    let mut given: Vec<String> = given.into_iter().flatten().collect();
    // One member of the configuration file may say several of them.
    given.dedup();
    given.into_iter().map(useless).collect()
}

fn callback(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    known: Option<&Row>,
) -> Result<Callback, UsageError> {
    let default_host = match (known.and_then(|row| row.loopback), cfg!(windows)) {
        (Some(host), _) => host,
        (None, true) => "127.0.0.1",
        (None, false) => "localhost",
    };
    Ok(Callback {
        host: match lookup.text("host", &args.host) {
            Some(given) => given.loopback_host()?,
            None => default_host.to_owned(),
        },
        port: match &args.callback_port {
            Some(text) => given::port(text)?,
            None => match lookup.only_filed("callback-port") {
                Some(given) => given.port()?,
                None => None,
            },
        },
        path: match lookup.text("callback-path", &args.callback_path) {
            Some(given) => given.path()?,
            None => CALLBACK_PATH.to_owned(),
        },
        bind: match lookup.text("bind-host", &args.bind_host) {
            Some(given) => Some(given.address()?),
            None => None,
        },
    })
}

#[cfg(test)]
mod tests;
