//! The command of an entry, in each of the shapes that hosts give it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Why, list};
use crate::compat::hosts::tree::{
    Edit, Form, Format, Kind, Node, Quote, Span, indentation, line_ending, line_start,
};
use crate::compat::mcp_remote::{self, Launch, Start, names_it};

/// What the program is called in an entry. `path` is what Zed had in a map of its own.
const PROGRAM: [&str; 3] = ["command", "cmd", "path"];

/// What variables are called.
const VARIABLES: [&str; 3] = ["env", "envs", "environment"];

/// The command of an entry that starts mcp-remote.
pub struct Command<'n> {
    /// The map that the command is in.
    pub holder: &'n Node,
    /// The member of the entry that this map is, if it is not the entry itself.
    pub inner: Option<&'static str>,
    /// What the program is called there.
    key: &'static str,
    /// What it says.
    program: &'n Node,
    /// The arguments, which may be those after the program in its own list.
    args: Option<&'n Node>,
    /// Whether the program's list has the arguments.
    is_whole: bool,
    /// What it starts.
    pub launch: Launch,
    /// The variables that it sets.
    pub env: BTreeMap<String, String>,
}

/// Why an entry is not changed.
pub enum Fault {
    /// It starts something else that is told of mcp-remote.
    Mentioned,
    /// It cannot be changed.
    Left(Why),
}

impl<'n> Command<'n> {
    /// The command of an entry; `None` if it has nothing to do with mcp-remote.
    pub fn find(entry: &'n Node, text: &str) -> Result<Option<Self>, Fault> {
        let Some((key, program)) = member(entry, &PROGRAM) else {
            return Ok(None);
        };
        if let Kind::Map(..) = program.kind {
            return Self::within(program, Some(key), entry, text);
        }
        Self::within(entry, None, entry, text)
    }

    fn within(
        holder: &'n Node,
        inner: Option<&'static str>,
        entry: &'n Node,
        text: &str,
    ) -> Result<Option<Self>, Fault> {
        let Some((key, program)) = member(holder, &PROGRAM) else {
            return Ok(None);
        };
        let args = holder.get("args");
        let is_whole = matches!(program.kind, Kind::List(..));
        let knotted = |node: &Node| match node.kind {
            Kind::Knotted => true,
            _ => node.items().iter().any(|item| item.kind == Kind::Knotted),
        };
        if knotted(program) || args.is_some_and(knotted) {
            let whole = text.get(holder.span.clone()).unwrap_or_default();
            return match names_it(whole) {
                true => Err(Fault::Left(Why::Written(
                    "its command is tied to another place",
                ))),
                false => Ok(None),
            };
        }
        let words: Vec<&str> = match is_whole {
            true => program.items(),
            false => std::slice::from_ref(program),
        }
        .iter()
        .chain(args.filter(|_| !is_whole).map_or(&[][..], Node::items))
        .map(|word| shown(word, text))
        .collect();
        let Some((first, rest)) = words.split_first() else {
            return Ok(None);
        };
        let launch = match mcp_remote::recognise(first, rest) {
            Start::Bridge(launch) => launch,
            Start::Other => return Ok(None),
            Start::Mentioned => return Err(Fault::Mentioned),
            Start::Unknown(odd) => return Err(Fault::Left(Why::Odd(odd))),
        };
        Ok(Some(Self {
            holder,
            inner,
            key,
            program,
            args,
            is_whole,
            launch,
            env: variables(holder, entry),
        }))
    }

    /// The changes of the text that make it start `program`.
    pub fn edits(
        &self,
        text: &str,
        format: Format,
        program: &str,
    ) -> Result<Vec<Edit>, &'static str> {
        let (name, first) = match self.is_whole {
            true => (&self.program.items()[0], 1),
            false => (self.program, 0),
        };
        let Kind::Text(_, quote) = name.kind else {
            return Err("its command is no string");
        };
        if quote == Quote::Lines {
            return Err("its command is written over several lines");
        }
        let mut edits = vec![Edit {
            span: name.span.clone(),
            text: format.text(program, quote),
        }];
        let held = match self.is_whole {
            true => Some(self.program),
            false => self.args,
        };
        match held {
            Some(args) => {
                let removed = first..first + self.launch.skip;
                edits.extend(list::replace(
                    text,
                    format,
                    args,
                    removed,
                    &self.launch.fresh,
                )?);
            }
            None => edits.push(self.new_args(text, format)?),
        }
        Ok(edits)
    }

    /// A member for the arguments, behind the command that had them in its string.
    fn new_args(&self, text: &str, format: Format) -> Result<Edit, &'static str> {
        let Kind::Map(members, form) = &self.holder.kind else {
            return Err("its command stands in no map");
        };
        let member = members.iter().find(|member| member.key == self.key);
        let key = member
            .map(|member| &member.key_span)
            .ok_or("its command has no place")?;
        let words = self.launch.fresh.iter();
        let words: Vec<String> = words.map(|word| format.text(word, Quote::Double)).collect();
        let list = format!("[{}]", words.join(", "));
        let newline = line_ending(text);
        let end = self.program.span.end;
        let (at, text) = match (format, form) {
            (Format::Json, _) => {
                let before = match is_first(text, key) {
                    true => format!("{newline}{}", indentation(text, key.start)),
                    false => " ".to_owned(),
                };
                (end, format!(",{before}\"args\": {list}"))
            }
            (Format::Toml, Form::Flow) => (end, format!(", args = {list}")),
            (Format::Yaml, Form::Flow) => (end, format!(", args: {list}")),
            // Comments in the command's line stay in it.
            (Format::Toml, Form::Block) => {
                let indent = indentation(text, key.start);
                (
                    line_end(text, end),
                    format!("{newline}{indent}args = {list}"),
                )
            }
            (Format::Yaml, Form::Block) => {
                // The name may stand behind the dash of a list.
                let before = &text[line_start(text, key.start)..key.start];
                let indent = " ".repeat(before.chars().count());
                (
                    line_end(text, end),
                    format!("{newline}{indent}args: {list}"),
                )
            }
        };
        Ok(Edit { span: at..at, text })
    }

    /// Makes what the entry says into what it is to say.
    pub fn want(&self, entry: &mut Value, program: &str) {
        let (key, first) = match self.is_whole {
            true => (self.key, 1),
            false => ("args", 0),
        };
        let kept = entry[key].as_array().cloned().unwrap_or_default();
        let kept = kept.into_iter().skip(first + self.launch.skip);
        let fresh = self.launch.fresh.iter().map(|word| json!(word));
        let args = fresh.chain(kept);
        if self.is_whole {
            entry[self.key] = std::iter::once(json!(program)).chain(args).collect();
        } else {
            entry["args"] = args.collect();
            entry[self.key] = json!(program);
        }
    }
}

fn member<'n>(map: &'n Node, names: &[&'static str]) -> Option<(&'static str, &'n Node)> {
    let mut names = names.iter();
    names.find_map(|name| map.get(name).map(|node| (*name, node)))
}

/// What an argument says. Numbers are arguments, too.
fn shown<'t>(node: &'t Node, text: &'t str) -> &'t str {
    match node.as_text() {
        Some(value) => value,
        None => text.get(node.span.clone()).unwrap_or_default(),
    }
}

fn variables(holder: &Node, entry: &Node) -> BTreeMap<String, String> {
    let maps = [holder, entry].map(|map| member(map, &VARIABLES));
    let members = maps
        .into_iter()
        .flatten()
        .flat_map(|(_, map)| map.members());
    let pair = |member: &crate::compat::hosts::tree::Member| {
        let value = member.value.as_text()?;
        Some((member.key.clone(), value.to_owned()))
    };
    members.filter_map(pair).collect()
}

/// Whether only blanks stand before it in its line.
fn is_first(text: &str, span: &Span) -> bool {
    indentation(text, span.start).len() == span.start - line_start(text, span.start)
}

/// Where a line ends, without its line break.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    match text[..end].ends_with('\r') {
        true => end - 1,
        false => end,
    }
}
