//! What `logout` is asked to do.

use super::file::{File, Need};
use super::which::{Which, cached_name, is_address, server};
use super::{Base, ClientDocument, ConfiguredClient, Surroundings, network};
use crate::cli::{LogoutArgs, UsageError};
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

impl Logout {
    pub(super) fn new(args: &LogoutArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let file = File::find(&args.common.config, around)?;
        let entry = match &args.target {
            Some(text) => file.remote_entry(text)?,
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
