//! What `logout` is asked to do.

use std::path::PathBuf;

use url::Url;

use super::apart::Apart;
use super::file::{Entry, File, Need};
use super::given::Lookup;
use super::which::{Which, cached_name, is_address, server};
use super::{
    Base, ClientDocument, ConfiguredClient, Surroundings, automation, elsewhere, network, oauth,
};
use crate::cli::{LogoutArgs, ServerArgs, UsageError};
use crate::ids::{ServerKey, ServerUrl};
use crate::net::client::HttpSettings;

/// What `logout` is to do.
#[derive(Clone, Debug)]
pub struct Logout {
    /// What every command needs.
    pub base: Base,
    /// How connections are made.
    pub http: HttpSettings,
    /// Which sign-ins end.
    pub target: LogoutTarget,
    /// What it takes to end one that no entry of the configuration file leads to.
    pub means: Means,
    /// The same for those that entries lead to, over which arguments win as well.
    pub entries: Vec<(ServerKey, Means)>,
    /// The folder of mcp-remote's sign-ins, if the system names a home.
    pub elsewhere: Option<PathBuf>,
    /// Whether a person at a terminal is asked before all of them end.
    pub asks: bool,
    /// Whether the output is JSON.
    pub json: bool,
    /// How messages call a token of the user's own that takes the place of signing in.
    pub own_token: Option<String>,
}

/// Which sign-ins `logout` ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTarget {
    /// Every cached one.
    All,
    /// One, by the name of its cache file, and the address it was given by.
    One(ServerKey, Option<ServerUrl>),
}

/// What it takes to end a sign-in besides what is cached of it: no secret of the user's is, and no
/// address is the user's own there.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// The client whose tokens are revoked, with what proves it.
    pub client: Option<ConfiguredClient>,
    /// The same, for a client that a document describes.
    pub document: Option<ClientDocument>,
    /// Where tokens are revoked, in place of what metadata said.
    pub revocation_endpoint: Option<Url>,
    /// The addresses that the user named.
    pub own: Vec<Url>,
    /// The files with private keys, which nobody else should be able to read.
    pub key_files: Vec<PathBuf>,
}

impl Logout {
    pub(super) fn new(args: &LogoutArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let (server, target) = (&args.server, args.server.url.as_deref());
        let file = File::find(&server.common.config, around)?;
        let entry = match target {
            Some(text) => file.remote_entry(text)?,
            None => None,
        };
        let lookup = file.lookup(entry.as_ref(), Need::Find, around.env)?;
        let lookup = lookup.taking(&server.tolerance);
        let which = Which::new(&server.which, around, &lookup)?;
        let mut base = Base::new(&server.common, around, &lookup)?;
        base.warnings
            .extend(server.tolerance.warnings.iter().cloned());
        let http = network::http_settings(&server.common, around, &lookup, &mut base.warnings)?;
        let target = match (target, args.all) {
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
            (Some(text), false) => {
                let apart = || Apart::find(&server.traffic, around, &lookup);
                self::target(text, &which, entry.as_ref(), around, apart)?
            }
        };
        Ok(Self {
            http,
            elsewhere: elsewhere::base(around),
            asks: !args.yes,
            json: args.json,
            own_token: automation::own_token(server, &lookup),
            means: Means::new(server, &lookup, which)?,
            entries: entries(&file, server, around),
            base: base.warning(lookup.take_warnings()),
            target,
        })
    }

    /// What it takes to end this sign-in.
    pub fn means(&self, key: &ServerKey) -> &Means {
        let mut entries = self.entries.iter();
        let entry = entries.find(|(of, _)| of == key);
        entry.map_or(&self.means, |(_, means)| means)
    }
}

impl Means {
    fn new(args: &ServerArgs, lookup: &Lookup<'_>, which: Which) -> Result<Self, UsageError> {
        let issuer = match lookup.text("issuer", &args.rules.issuer) {
            Some(given) => Url::parse(oauth::issuer(&given)?.as_str()).ok(),
            None => None,
        };
        let endpoints = which.endpoints.into_iter().flat_map(|given| {
            let authorization = given.authorization_endpoint.into_iter();
            authorization.chain([given.token_endpoint])
        });
        let revocation_endpoint = which.revocation_endpoint;
        let files = [
            network::key_file(&args.common, lookup),
            which.clients.key_file,
        ];
        Ok(Self {
            own: issuer
                .into_iter()
                .chain(endpoints)
                .chain(revocation_endpoint.clone())
                .collect(),
            client: which.clients.client,
            document: which.clients.document,
            revocation_endpoint,
            key_files: files.into_iter().flatten().collect(),
        })
    }
}

fn target(
    text: &str,
    which: &Which,
    entry: Option<&Entry<'_>>,
    around: &Surroundings<'_>,
    apart: impl Fn() -> Result<Apart, UsageError>,
) -> Result<LogoutTarget, UsageError> {
    let server = match entry {
        Some(entry) => entry.server(around.env, which.allow_http)?,
        None if is_address(text) => server(text, which.allow_http)?,
        None => return Ok(LogoutTarget::One(cached_name(text)?, None)),
    };
    let key = which.key(&server, &apart()?)?;
    Ok(LogoutTarget::One(key, Some(server)))
}

/// What it takes to end the sign-ins that the entries of the configuration file lead to, however they
/// are named. An entry that cannot be used is no reason not to sign out.
fn entries(file: &File, args: &ServerArgs, around: &Surroundings<'_>) -> Vec<(ServerKey, Means)> {
    let entry = |name: &str| -> Result<Option<(ServerKey, Means)>, UsageError> {
        let Some(entry) = file.remote_entry(name)? else {
            return Ok(None);
        };
        let lookup = file.lookup(Some(&entry), Need::Find, around.env)?;
        let which = |options| Which::new(options, around, &lookup);
        // Nothing is sent to the server itself, so plain http does no harm here.
        let server = entry.server(around.env, true)?;
        let none = ServerArgs::default();
        let apart = Apart::find(&none.traffic, around, &lookup)?;
        let key = which(&none.which)?.key(&server, &apart)?;
        let means = Means::new(args, &lookup, which(&args.which)?)?;
        Ok(Some((key, means)))
    };
    let names = file.names();
    names
        .filter_map(|name| entry(name).ok().flatten())
        .collect()
}
