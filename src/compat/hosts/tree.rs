//! What a configuration file says, and where in its text. Files are changed in their text, at the
//! places that this tree knows, so that everything else stays as it was written.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

/// Bytes of the text.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands, quotes and brackets included.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text(String, Quote),
    /// A list.
    List(Vec<Node>, Form),
    /// Members with names, in the order of the file.
    Map(Vec<Member>, Form),
    /// A number, a switch, nothing.
    Plain,
    /// Something that means more than its text shows, such as a reference to another place. It is
    /// never changed.
    Knotted,
}

/// A member of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub key: String,
    /// Where the name stands; the whole entry of a list of tables has none.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// How a list or a map is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In brackets, with commas.
    Flow,
    /// In lines: YAML's blocks, TOML's tables.
    Block,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// In `"`.
    Double,
    /// In `'`.
    Single,
    /// As it is.
    Bare,
    /// Over several lines, by a rule of its own.
    Lines,
}

/// The format of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, also with comments and trailing commas.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, in words that quote nothing from the file.
    pub reason: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// One change of the text: what stands at `span` becomes `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

impl Format {
    /// Reads a text without a byte order mark; `None` if there is nothing in it but blanks and
    /// comments.
    pub fn read(self, text: &str) -> Result<Option<Node>, ReadError> {
        match self {
            Self::Json => super::json::read(text),
            Self::Toml => super::toml::read(text),
            Self::Yaml => super::yaml::read(text),
        }
    }

    /// How this format is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }

    /// A string as the format writes it, like one that is written so.
    pub fn text(self, value: &str, like: Quote) -> String {
        match (self, like) {
            (Self::Json, _) => double_quoted(value),
            (Self::Toml, Quote::Single) if super::toml::is_literal(value) => format!("'{value}'"),
            (Self::Toml, _) => double_quoted(value),
            (Self::Yaml, Quote::Bare) if super::yaml::is_bare(value) => value.to_owned(),
            (Self::Yaml, Quote::Single | Quote::Bare) if !value.contains(char::is_control) => {
                format!("'{}'", value.replace('\'', "''"))
            }
            (Self::Yaml, _) => double_quoted(value),
        }
    }

    /// Where the comment ends that begins at `at`, if one does.
    pub fn comment_end(self, text: &str, at: usize) -> Option<usize> {
        let rest = &text[at..];
        let line = || at + rest.find('\n').unwrap_or(rest.len());
        match self {
            Self::Json if rest.starts_with("//") => Some(line()),
            Self::Json if rest.starts_with("/*") => {
                Some(rest.find("*/").map_or(text.len(), |end| at + end + 2))
            }
            Self::Toml | Self::Yaml if rest.starts_with('#') => Some(line()),
            _ => None,
        }
    }
}

/// JSON's escapes are also TOML's and YAML's.
fn double_quoted(value: &str) -> String {
    // A string is always JSON.
    let text = serde_json::to_string(value).unwrap_or_default();
    text.replace('\u{7f}', "\\u007f")
}

impl Node {
    /// The string that it is.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The members that it has.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map(members, _) => members,
            _ => &[],
        }
    }

    /// The entries that it has.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items, _) => items,
            _ => &[],
        }
    }

    /// The first member of that name.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let mut members = self.members().iter();
        let member = members.find(|member| member.key == key);
        member.map(|member| &member.value)
    }

    /// A name that stands twice in this map.
    pub fn twice(&self) -> Option<&str> {
        let mut seen = std::collections::BTreeSet::new();
        let mut members = self.members().iter();
        let member = members.find(|member| !seen.insert(member.key.as_str()));
        member.map(|member| member.key.as_str())
    }

    /// What it says, without how it is written. Numbers and the like are their text.
    pub fn value(&self, text: &str) -> Value {
        match &self.kind {
            Kind::Text(text, _) => Value::String(text.clone()),
            Kind::List(items, _) => items.iter().map(|item| item.value(text)).collect(),
            Kind::Map(members, _) => {
                let each = members.iter();
                each.map(|member| (member.key.clone(), member.value.value(text)))
                    .collect()
            }
            // No string of a file looks like this.
            Kind::Plain | Kind::Knotted => Value::String(format!(
                "\u{0}{}",
                text.get(self.span.clone()).unwrap_or_default().trim_end()
            )),
        }
    }
}

/// The text with the changes made; `None` if two of them reach for the same place.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        changed.push_str(text.get(at..edit.span.start)?);
        changed.push_str(&edit.text);
        at = edit.span.end;
    }
    changed.push_str(text.get(at..)?);
    Some(changed)
}

/// The line, from 1, in which a byte stands.
pub fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where the line begins in which a byte stands.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where blanks and tabs from `at` on end.
pub fn blanks_end(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches([' ', '\t']).len()
}

/// The line break at `at`, if there is one: its length. The end of the text is one of length 0.
pub fn line_break(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    match () {
        () if rest.is_empty() => Some(0),
        () if rest.starts_with('\n') => Some(1),
        () if rest.starts_with("\r\n") => Some(2),
        () => None,
    }
}

/// The blanks that the line of `at` begins with.
pub fn indentation(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    &text[start..blanks_end(text, start)]
}

/// The line break that the text uses.
pub fn line_ending(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests;
