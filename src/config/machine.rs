//! What `doctor` is asked to look at where no server is named: this machine.

use std::path::PathBuf;

use super::file::{File, Need};
use super::import::{Entry, entries};
use super::migrate::Home;
use super::{Base, Surroundings, network};
use crate::cli::{DoctorArgs, UsageError};
use crate::net::client::HttpSettings;

/// What is looked at on this machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What every command needs.
    pub base: Base,
    /// How connections are made.
    pub http: HttpSettings,
    /// The configuration file, whether it is there or not.
    pub file: PathBuf,
    /// Whether it is there.
    pub has_file: bool,
    /// Its servers.
    pub entries: Vec<Entry>,
    /// Where the user's files are.
    pub home: Box<Home>,
    /// Whether the output is JSON.
    pub json: bool,
}

impl Machine {
    /// A variable of the environment that says something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let value = self.home.env.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub(super) fn new(args: DoctorArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let server = args.server;
        if args.sign_in {
            return Err(
                UsageError::new("`--sign-in` is for one server, and none is named")
                    .with_hint("give the arguments from the AI client's configuration as well"),
            );
        }
        let file = File::find(&server.common.config, around)?;
        let lookup = file.lookup(None, Need::Find, around.env)?;
        let lookup = lookup.taking(&server.tolerance);
        let mut base = Base::new(&server.common, around, &lookup)?;
        base.warnings
            .extend(server.tolerance.warnings.iter().cloned());
        let http = network::http_settings(&server.common, around, &lookup, &mut base.warnings)?;
        base.origins = lookup.origins();
        Ok(Self {
            http,
            file: file.path().to_owned(),
            has_file: file.is_there(),
            base: base.warning(lookup.take_warnings()),
            entries: entries(&file, server, around),
            home: Box::new(Home::new(around)),
            json: args.json,
        })
    }
}
