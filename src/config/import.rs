//! What `import` is asked to do.

use std::collections::BTreeMap;
use std::io;

use super::file::{File, Need};
use super::migrate::Home;
use super::{Base, Config, Surroundings, file};
use crate::cli::{self, ImportArgs, Parsed, Request, ServerArgs, UsageError};
use crate::compat::hosts::{HOSTS, Host};
use crate::diag::clean;
use crate::oauth::takeover::TakeOver;

/// A server of the configuration file: its name, and what it says, or why that cannot be used.
pub type Entry = (String, Result<Box<Config>, String>);

/// What `import` is to do.
#[derive(Clone, Debug)]
pub struct Import {
    /// What every command needs.
    pub base: Base,
    /// Whether sign-ins are taken over, and not only shown.
    pub apply: bool,
    /// Whether the output is JSON.
    pub json: bool,
    /// For which servers.
    pub target: ImportTarget,
}

/// For which servers sign-ins are taken over.
#[derive(Clone, Debug)]
pub enum ImportTarget {
    /// This one.
    One(Box<Config>),
    /// Those of the configuration file, and those that hosts start a bridge for.
    All {
        /// The servers of the configuration file.
        entries: Vec<Entry>,
        /// The hosts whose files are looked at.
        hosts: Vec<&'static Host>,
        /// Where the user's files are.
        home: Box<Home>,
    },
}

impl Import {
    pub(super) fn new(args: ImportArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let ImportArgs {
            apply,
            json,
            server,
        } = args;
        let (base, target) = match &server.url {
            Some(_) => {
                let config = asked(Config::new(&server, around)?);
                (config.base.clone(), ImportTarget::One(Box::new(config)))
            }
            None => {
                let file = File::find(&server.common.config, around)?;
                let lookup = file.lookup(None, Need::Find, around.env)?;
                let base = Base::new(&server.common, around, &lookup)?;
                let target = ImportTarget::All {
                    entries: entries(&file, server, around),
                    hosts: HOSTS.iter().collect(),
                    home: Box::new(Home::new(around)),
                };
                (base, target)
            }
        };
        Ok(Self {
            base,
            apply,
            json,
            target,
        })
    }
}

/// The user says that it is to be taken over, by whatever name.
fn asked(mut config: Config) -> Config {
    config.take_over = TakeOver::Only;
    config
}

/// The remote servers of the configuration file.
pub(super) fn entries(file: &File, mut args: ServerArgs, around: &Surroundings<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in file.names() {
        if !matches!(file.remote_entry(name), Ok(Some(_))) {
            continue;
        }
        args.url = Some(name.to_owned());
        let config = Config::new(&args, around);
        let config = config.map(|config| Box::new(asked(config))).map_err(told);
        entries.push((name.to_owned(), config));
    }
    entries
}

/// What a bridge has that a host starts with these arguments and variables; `Err` says why it would not
/// start. `home` is where the user's files are.
pub fn launched(
    args: &[String],
    env: &BTreeMap<String, String>,
    home: &Home,
) -> Result<Box<Config>, String> {
    let argv = std::iter::once("mcp-drawbridge").chain(args.iter().map(String::as_str));
    let request = match cli::parse(argv.map(Into::into)) {
        Ok(Parsed::Run(request)) => *request,
        Ok(Parsed::Text(_)) => return Err("its arguments ask for help or the version".to_owned()),
        Err(error) => return Err(told(error)),
    };
    let Request::Bridge(server) = request else {
        return Err("its arguments begin with the name of a command".to_owned());
    };
    let mut all = home.env.clone();
    all.extend(env.clone());
    let around = Surroundings {
        env: &all,
        data_dir: home.local.clone(),
        config_dir: home.config.clone(),
        home_dir: home.home.clone(),
        read: &|path| match path.is_absolute() {
            true => std::fs::read(path),
            // Nobody knows in which folder the host starts it.
            false => Err(io::Error::other("it is not an absolute path")),
        },
        open: &file::open,
    };
    let config = Config::new(&server, &around).map_err(told)?;
    Ok(Box::new(asked(config)))
}

pub(super) fn told(error: UsageError) -> String {
    match error.hint() {
        Some(hint) => clean(&format!("{error} ({hint})")),
        None => clean(&error.to_string()),
    }
}
