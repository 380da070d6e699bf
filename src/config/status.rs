//! What `status` is asked to show.

use super::apart::Apart;
use super::file::{self, File, Need};
use super::import::{Entry, entries, told};
use super::migrate::Home;
use super::which::{Which, cached_name, is_address, server};
use super::{Base, Config, Surroundings};
use crate::cli::{CommonOptions, ServerArgs, StatusArgs, UsageError};
use crate::ids::{ServerKey, ServerUrl};
use crate::oauth::takeover::TakeOver;

/// What `status` is to show.
#[derive(Clone, Debug)]
pub struct Status {
    /// What every command needs.
    pub base: Base,
    /// Which sign-ins are shown.
    pub target: StatusTarget,
    /// Whether the output is JSON.
    pub json: bool,
    /// Whether all that is known of each is shown.
    pub long: bool,
    /// What it takes to try whether they can be refreshed, if that is to be done.
    pub check: Option<Checking>,
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

/// What it takes to refresh sign-ins that were made by somebody else's options: a sign-in does not
/// hold those.
#[derive(Clone, Debug)]
pub struct Checking {
    /// The servers of the configuration file.
    pub entries: Vec<Entry>,
    /// Where the user's files are.
    pub home: Box<Home>,
    /// The configuration file, if one is named.
    config: Option<String>,
}

impl Checking {
    fn new(args: &StatusArgs, file: &File, around: &Surroundings<'_>) -> Self {
        let mut options = ServerArgs::default();
        options.common.config.clone_from(&args.config);
        Self {
            entries: entries(file, options, around),
            home: Box::new(Home::new(around)),
            config: args.config.clone(),
        }
    }

    /// What a bridge for this server has that is started with its address and, where that leads to
    /// another sign-in, the name of this one; `Err` says why it would not start.
    pub fn bare(&self, server: &str, key: &ServerKey) -> Result<Box<Config>, String> {
        let config = self.started(server, None)?;
        match ServerKey::from_name(key.as_str()) {
            Ok(_) if config.key != *key => self.started(server, Some(key)),
            _ => Ok(config),
        }
    }

    fn started(&self, server: &str, name: Option<&ServerKey>) -> Result<Box<Config>, String> {
        let mut options = ServerArgs {
            url: Some(server.to_owned()),
            ..ServerArgs::default()
        };
        options.common.config.clone_from(&self.config);
        options.which.name = name.map(ServerKey::to_string);
        // It was allowed when the sign-in was made.
        options.which.allow_http = ServerUrl::parse(server, false).is_err();
        let around = Surroundings {
            env: &self.home.env,
            data_dir: self.home.local.clone(),
            config_dir: self.home.config.clone(),
            home_dir: self.home.home.clone(),
            read: &|path| std::fs::read(path),
            open: &file::open,
        };
        let config = Config::new(&options, &around).map_err(told)?;
        Ok(Box::new(config))
    }
}

/// The same for a refresh of this sign-in and nothing else.
pub fn only_refreshing(mut config: Box<Config>, key: &ServerKey) -> Box<Config> {
    config.key = key.clone();
    config.take_over = TakeOver::Never;
    config.elsewhere = None;
    config.browser = false;
    config
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
                let none = ServerArgs::default();
                let which = Which::new(&none.which, around, &lookup)?;
                let apart = Apart::find(&none.traffic, around, &lookup)?;
                let key = which.key(&entry.server(around.env, true)?, &apart)?;
                StatusTarget::Entry(entry.name.to_owned(), key)
            }
            (Some(text), None) if is_address(text) => StatusTarget::Server(server(text, true)?),
            (Some(text), None) => StatusTarget::Name(cached_name(text)?),
        };
        Ok(Self {
            base: Base::new(&CommonOptions::default(), around, &lookup)?,
            target,
            json: args.json,
            long: args.long,
            check: args.check.then(|| Checking::new(args, &file, around)),
        })
    }
}
