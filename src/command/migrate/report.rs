//! What `migrate` found and did, for people and for programs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::compat::rewrite::{Entry, Outcome, Plan};
use crate::config::Step;
use crate::diag::clean;
use crate::error::Error;

/// Version of the JSON form. New members may come without a new version.
const FORMAT: u32 = 1;

/// The JSON form of the whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    /// What entries start after the change.
    program: String,
    #[serde(skip)]
    step: Step,
    /// Every file that has to do with mcp-remote, or had.
    pub files: Vec<FileReport>,
}

/// A file. An absent value is `null`.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Where it is.
    pub path: String,
    /// The host, as `--host` takes it.
    pub host: &'static str,
    /// What became of it.
    pub state: State,
    /// Why it stays, if it should have been changed.
    pub problem: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
    /// The copy of what was there before.
    pub copy: Option<String>,
    /// Its entries that have to do with mcp-remote.
    pub entries: Vec<EntryReport>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// `--apply` would change it.
    WouldChange,
    /// It was changed.
    Changed,
    /// None of its entries is changed.
    Unchanged,
    /// It could not be changed.
    Refused,
    /// It is again what it was.
    Restored,
}

/// An entry that has to do with mcp-remote.
#[derive(Debug, Serialize)]
pub struct EntryReport {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: EntryState,
    /// Why it stays, if it should have been changed.
    pub problem: Option<String>,
    /// What the user should know about it.
    pub remarks: Vec<String>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// `--apply` would change it.
    WouldChange,
    /// It was changed.
    Changed,
    /// It starts mcp-remote, and could not be changed.
    Left,
    /// It starts another program, which is told of mcp-remote.
    Mentioned,
}

impl Report {
    /// An empty one. `program` is what entries start after the change.
    pub fn new(program: &str, step: Step) -> Self {
        Self {
            version: FORMAT,
            program: program.to_owned(),
            step,
            files: Vec::new(),
        }
    }

    /// The JSON form.
    pub fn json(&self) -> String {
        // The report holds nothing that JSON cannot hold.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What came of it in one sentence. `searched` is the number of places that were looked at.
    pub fn summary(&self, searched: usize) -> String {
        let count = |state| self.files.iter().filter(|file| file.state == state).count();
        let entries = self
            .files
            .iter()
            .flat_map(FileReport::names_of_changed)
            .count();
        match self.step {
            Step::Undo => match count(State::Restored) {
                0 => "nothing to undo".to_owned(),
                files => format!("{} as before", are(files, "file")),
            },
            _ if self.files.is_empty() => format!(
                "no entry starts mcp-remote; {} looked for",
                were(searched, "file")
            ),
            Step::Show => match count(State::WouldChange) {
                0 => "nothing to change".to_owned(),
                files => format!(
                    "{} in {} would start mcp-drawbridge; `mcp-drawbridge migrate --apply` writes that",
                    plural(entries, "entry", "entries"),
                    plural(files, "file", "files")
                ),
            },
            Step::Apply => match count(State::Changed) {
                0 => "nothing was changed".to_owned(),
                files => format!(
                    "{} in {} now start{} mcp-drawbridge; restart the AI clients. Sign-ins of mcp-remote are taken over at the first use (`mcp-drawbridge import` shows them). `mcp-drawbridge migrate --undo` puts everything back",
                    plural(entries, "entry", "entries"),
                    plural(files, "file", "files"),
                    if entries == 1 { "s" } else { "" },
                ),
            },
        }
    }

    /// Success, unless something that starts mcp-remote had to stay.
    pub fn outcome(&self) -> Result<(), Error> {
        let files = self
            .files
            .iter()
            .filter(|file| file.state == State::Refused);
        let entries = self.files.iter().flat_map(|file| &file.entries);
        let left = entries
            .filter(|entry| entry.state == EntryState::Left)
            .count();
        match files.count() {
            0 if left == 0 => Ok(()),
            files => Err(Error::Unchanged {
                files,
                entries: left,
            }),
        }
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

fn are(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what} is"),
        count => format!("{count} {what}s are"),
    }
}

fn were(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what} was"),
        count => format!("{count} {what}s were"),
    }
}

impl FileReport {
    /// One without entries.
    pub fn of(path: &Path, host: &'static str, state: State) -> Self {
        Self {
            path: path.display().to_string(),
            host,
            state,
            problem: None,
            hint: None,
            copy: None,
            entries: Vec::new(),
        }
    }

    /// One that could not be changed.
    pub fn refused(path: &Path, host: &'static str, problem: String, hint: String) -> Self {
        Self {
            problem: Some(clean(&problem)),
            hint: Some(hint),
            ..Self::of(path, host, State::Refused)
        }
    }

    /// One that has not been changed yet.
    pub fn new(path: &Path, host: &'static str, plan: &Plan) -> Self {
        let changes = plan
            .entries
            .iter()
            .any(|entry| entry.outcome == Outcome::Changed);
        let state = match changes {
            true => State::WouldChange,
            false => State::Unchanged,
        };
        Self {
            entries: plan.entries.iter().map(EntryReport::new).collect(),
            ..Self::of(path, host, state)
        }
    }

    /// It was changed, and this is the copy of what was there.
    pub fn changed(&mut self, copy: PathBuf) {
        self.state = State::Changed;
        self.copy = Some(copy.display().to_string());
        for entry in &mut self.entries {
            if entry.state == EntryState::WouldChange {
                entry.state = EntryState::Changed;
            }
        }
    }

    /// The names of the entries that are changed, or would be.
    pub fn names_of_changed(&self) -> impl Iterator<Item = &str> {
        let changes = |entry: &&EntryReport| {
            matches!(entry.state, EntryState::Changed | EntryState::WouldChange)
        };
        self.entries
            .iter()
            .filter(changes)
            .map(|entry| entry.name.as_str())
    }
}

impl EntryReport {
    fn new(entry: &Entry) -> Self {
        let (state, problem) = match &entry.outcome {
            Outcome::Changed => (EntryState::WouldChange, None),
            Outcome::Left(why) => (EntryState::Left, Some(clean(&why.to_string()))),
            Outcome::Mentioned => (EntryState::Mentioned, None),
        };
        Self {
            name: entry.name.clone(),
            state,
            problem,
            remarks: entry.remarks.clone(),
        }
    }
}
