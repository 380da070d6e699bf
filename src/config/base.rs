//! What every command needs, whatever it is about.

use std::path::{Path, PathBuf};

use super::Surroundings;
use super::given::{Given, Lookup};
use crate::cli::{CommonOptions, UsageError};
use crate::diag::Level;

/// The variable that names the folder of the sign-ins.
pub const DIR_VARIABLE: &str = "MCP_DRAWBRIDGE_DIR";

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

impl Base {
    pub(super) fn new(
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

impl Base {
    /// The same with more to say.
    pub(super) fn warning(mut self, more: Vec<String>) -> Self {
        self.warnings.extend(more);
        self
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
