//! What `status` is asked to show.

use super::file::{File, Need};
use super::which::{Which, cached_name, is_address, server};
use super::{Base, Surroundings};
use crate::cli::{CommonOptions, StatusArgs, UsageError, WhichOptions};
use crate::ids::{ServerKey, ServerUrl};

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

impl Status {
    pub(super) fn new(args: &StatusArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let file = File::find(&args.config, around)?;
        let entry = match &args.target {
            Some(text) => file.remote_entry(text)?,
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
