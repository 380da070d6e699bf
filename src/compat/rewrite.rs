//! `migrate`: finds the entries of a configuration file that start mcp-remote, and puts our program
//! in its place in the text. Everything else stays as it is written.

mod command;
mod list;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::hosts::tree::{Edit, Format, Kind, Node, apply};
use super::mcp_remote::{Odd, names_it};
use super::refusal::Refusal;
use super::retired;
use command::Command;

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The text with the changes made.
    pub text: String,
    /// The changes.
    pub edits: Vec<Edit>,
    /// Every entry that has to do with mcp-remote, in the order of the file.
    pub entries: Vec<Entry>,
}

/// An entry that has to do with mcp-remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// What the user should know about it.
    pub remarks: Vec<String>,
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It starts our program now.
    Changed,
    /// It stays, since it cannot be changed.
    Left(Why),
    /// It stays, since mcp-remote is not what it starts.
    Mentioned,
}

/// Why an entry stays that starts mcp-remote, or so it seems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// How it starts mcp-remote is not understood.
    Odd(Odd),
    /// Our program would not take these arguments, for this reason.
    Arguments(String),
    /// The text of the entry cannot be changed at its place.
    Written(&'static str),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Odd(odd) => odd.fmt(f),
            Self::Arguments(reason) => {
                write!(f, "mcp-drawbridge would not take its arguments: {reason}")
            }
            Self::Written(what) => f.write_str(what),
        }
    }
}

/// Says why our program would not take these arguments with these variables, or what it finds odd about
/// them.
pub type Judge<'a> =
    &'a dyn Fn(&[String], &BTreeMap<String, String>) -> Result<Vec<String>, String>;

/// Plans the change of a file. `ways` lead to the maps or lists of servers in it; `program` is the
/// absolute path of ours.
pub fn plan(
    text: &str,
    format: Format,
    ways: &[&[&str]],
    program: &str,
    judge: Judge<'_>,
) -> Result<Plan, Refusal> {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..3], body),
        None => ("", text),
    };
    let unreadable = |error| Refusal::Unreadable(format, error);
    let Some(root) = format.read(body).map_err(unreadable)? else {
        return Ok(Plan {
            text: text.to_owned(),
            edits: Vec::new(),
            entries: Vec::new(),
        });
    };
    let mut writer = Writer {
        text: body,
        format,
        program,
        judge,
        edits: Vec::new(),
        entries: Vec::new(),
        wanted: root.value(body),
    };
    for way in ways {
        writer.walk(&root, way, &mut Vec::new())?;
    }
    let changed = apply(body, &writer.edits).ok_or(Refusal::Unproven)?;
    let read = format.read(&changed).map_err(|_| Refusal::Unproven)?;
    if read.map(|root| root.value(&changed)) != Some(writer.wanted) {
        return Err(Refusal::Unproven);
    }
    let shifted = writer.edits.into_iter().map(|edit| Edit {
        span: edit.span.start + mark.len()..edit.span.end + mark.len(),
        text: edit.text,
    });
    let mut edits: Vec<Edit> = shifted.collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    Ok(Plan {
        text: format!("{mark}{changed}"),
        edits,
        entries: writer.entries,
    })
}

/// A step into what a file says.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

struct Writer<'a> {
    text: &'a str,
    format: Format,
    program: &'a str,
    judge: Judge<'a>,
    edits: Vec<Edit>,
    entries: Vec<Entry>,
    /// What the file is to say in the end.
    wanted: Value,
}

impl Writer<'_> {
    /// Goes the way to the servers, and looks at each.
    fn walk(&mut self, node: &Node, way: &[&str], path: &mut Vec<Step>) -> Result<(), Refusal> {
        let Some((key, rest)) = way.split_first() else {
            return self.servers(node, path);
        };
        let mut seen = BTreeSet::new();
        for member in node.members() {
            if *key == "*" || *key == member.key {
                // Hosts differ in which of two counts. Of other names it does not matter here.
                if !seen.insert(&member.key) {
                    return Err(Refusal::Twice(member.key.clone()));
                }
                path.push(Step::Key(member.key.clone()));
                self.walk(&member.value, rest, path)?;
                path.pop();
            }
        }
        Ok(())
    }

    /// Of two members of one name, hosts differ in which counts. It matters only where mcp-remote is.
    fn ensure_once(&self, map: &Node, whole: &Node) -> Result<(), Refusal> {
        let concerned = self.text.get(whole.span.clone()).is_none_or(names_it);
        match map.twice().filter(|_| concerned) {
            Some(name) => Err(Refusal::Twice(name.to_owned())),
            None => Ok(()),
        }
    }

    fn servers(&mut self, servers: &Node, path: &mut Vec<Step>) -> Result<(), Refusal> {
        if servers.kind == Kind::Knotted {
            let written = self.text.get(servers.span.clone()).unwrap_or_default();
            if names_it(written) {
                return Err(Refusal::Knotted("its servers are tied to another place"));
            }
        }
        self.ensure_once(servers, servers)?;
        for member in servers.members() {
            path.push(Step::Key(member.key.clone()));
            self.entry(&member.key, &member.value, path)?;
            path.pop();
        }
        for (at, item) in servers.items().iter().enumerate() {
            let name = item.get("name").and_then(Node::as_text);
            path.push(Step::Index(at));
            self.entry(name.unwrap_or("without a name"), item, path)?;
            path.pop();
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, entry: &Node, path: &[Step]) -> Result<(), Refusal> {
        let add = |writer: &mut Self, outcome, remarks| {
            writer.entries.push(Entry {
                name: name.to_owned(),
                outcome,
                remarks,
            });
        };
        if entry.kind == Kind::Knotted {
            let written = self.text.get(entry.span.clone()).unwrap_or_default();
            if names_it(written) {
                let why = Why::Written("its entry is tied to another place");
                add(self, Outcome::Left(why), Vec::new());
            }
            return Ok(());
        }
        let command = match Command::find(entry, self.text) {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(()),
            Err(command::Fault::Mentioned) => {
                add(self, Outcome::Mentioned, Vec::new());
                return Ok(());
            }
            Err(command::Fault::Left(why)) => {
                add(self, Outcome::Left(why), Vec::new());
                return Ok(());
            }
        };
        self.ensure_once(entry, entry)?;
        self.ensure_once(command.holder, entry)?;
        let odd = match (self.judge)(&command.launch.args, &command.env) {
            Ok(odd) => odd,
            Err(reason) => {
                add(self, Outcome::Left(Why::Arguments(reason)), Vec::new());
                return Ok(());
            }
        };
        match command.edits(self.text, self.format, self.program) {
            Ok(edits) => {
                self.edits.extend(edits);
                let mut at = &mut self.wanted;
                let inner = command.inner.map(|key| Step::Key(key.to_owned()));
                for step in path.iter().cloned().chain(inner) {
                    at = match step {
                        Step::Key(key) => &mut at[key.as_str()],
                        Step::Index(index) => &mut at[index],
                    };
                }
                command.want(at, self.program);
                let mut remarks = retired::remarks(&command);
                remarks.extend(odd);
                add(self, Outcome::Changed, remarks);
            }
            Err(what) => add(self, Outcome::Left(Why::Written(what)), Vec::new()),
        }
        Ok(())
    }
}

pub(super) use command::Command as Found;

#[cfg(test)]
mod tests;
