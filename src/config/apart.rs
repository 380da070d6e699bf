//! What keeps two sign-ins apart although it is not about signing in: mcp-remote has one for each set
//! of headers and for each folder that it is told to use, and people keep two accounts apart so.
//!
//! A sign-in of one of them must never be sent along with what belongs to the other, so it has another
//! name here, too. That depends on nothing but what is given: neither on which one was used first, nor
//! on what mcp-remote still keeps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;

use super::Surroundings;
use super::given::Lookup;
use super::headers::{self, Line};
use crate::cli::{TrafficOptions, UsageError};
use crate::compat::import::{FOLDER, VARIABLE};

/// The headers as they are written, so that another value of a variable makes no other sign-in, and the
/// folder.
pub(super) struct Apart {
    /// By their names, which have no case; the later counts.
    headers: BTreeMap<String, String>,
    folder: Option<String>,
}

impl Apart {
    /// Of these headers.
    pub fn new(lines: &[Line], around: &Surroundings<'_>) -> Self {
        let named = lines.iter().filter_map(|line| line.text.split_once(':'));
        let named = named.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()));
        // It takes the place of signing in. The secret in it stays out of names.
        let named = named.filter(|(name, _)| name != AUTHORIZATION.as_str());
        Self {
            headers: named
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            folder: folder(around),
        }
    }

    /// The same from where headers are given.
    pub fn find(
        options: &TrafficOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let lines = headers::written(options, around, lookup)?;
        Ok(Self::new(&lines, around))
    }

    /// A line for each.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, String)> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| ("header", format!("{name}: {value}")));
        let folder = self.folder.iter();
        headers.chain(folder.map(|folder| (VARIABLE, folder.clone())))
    }

    /// The folder of mcp-remote's sign-ins, if it is not the usual one.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }
}

/// Two spellings of a folder that differ in slashes alone are one.
fn folder(around: &Surroundings<'_>) -> Option<String> {
    let named = around.env.get(VARIABLE).filter(|text| !text.is_empty())?;
    let named = Path::new(named);
    let usual = around.home_dir.as_ref().map(|home| home.join(FOLDER));
    if usual.is_some_and(|usual| usual == named) {
        return None;
    }
    let tidy: PathBuf = named.components().collect();
    Some(tidy.to_string_lossy().into_owned())
}
