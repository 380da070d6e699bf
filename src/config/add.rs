//! What `add` is asked to do.

use super::migrate::{self, Home};
use super::{Base, Surroundings};
use crate::cli::{AddRequest, UsageError};
use crate::compat::hosts::Host;
use crate::diag::clean;

/// What `add` is to do.
#[derive(Clone, Debug)]
pub struct Add {
    /// What every command needs.
    pub base: Base,
    /// The name of the entry.
    pub name: String,
    /// What the bridge is started with.
    pub args: Vec<String>,
    /// The hosts that get the entry. None if it is only shown.
    pub hosts: Vec<&'static Host>,
    /// Whether the entry is only shown.
    pub print: bool,
    /// Whether the current folder's configuration is meant instead of the user's.
    pub project: bool,
    /// Whether an entry of that name may be replaced.
    pub replace: bool,
    /// Where the user's files are.
    pub home: Home,
}

impl Add {
    pub(super) fn new(request: AddRequest, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let AddRequest { args, words } = request;
        let example = "as in `mcp-drawbridge add notion https://mcp.notion.com/mcp --host cursor`";
        let Some(name) = args.entry.filter(|name| !name.trim().is_empty()) else {
            return Err(UsageError::new("the name of the server is missing").with_hint(example));
        };
        if name.chars().any(char::is_control) {
            return Err(UsageError::new(
                "the name of the server has control characters in it",
            ));
        }
        if args.server.url.is_none() {
            return Err(
                UsageError::new("the address of the server is missing").with_hint(
                    match name.contains("://") {
                        true => format!("a name comes before it, {example}"),
                        false => example.to_owned(),
                    },
                ),
            );
        }
        if args.hosts.is_empty() && !args.print {
            return Err(UsageError::new("the AI client is missing")
                .with_hint("name it with `--host`, or see the entry with `--print`"));
        }
        let hosts = migrate::hosts(&args.hosts)?;
        // Variables may be the host's or come with it, so none is missing.
        migrate::judge_strictly(&words).map_err(|reason| UsageError::new(clean(&reason)))?;
        Ok(Self {
            base: migrate::base(around)?,
            name,
            args: words,
            hosts,
            print: args.print,
            project: args.project,
            replace: args.replace,
            home: Home::new(around),
        })
    }
}
