//! Which of the server's tools the AI client sees and may call, where the user wants less than all.
//!
//! Patterns are those of mcp-remote's `--ignore-tool`: `*` stands for any text without a line end,
//! everything else for itself, and the pattern for the whole name. Case does not count, by the rule
//! that JavaScript has for it: character by character, in UTF-16.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jsonrpc::{self, Kind, Message};

/// The tools that the AI client sees and may call; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// If there are any, only what one of them matches.
    allowed: Vec<Pattern>,
    /// Nothing that one of them matches.
    ignored: Vec<Pattern>,
}

/// What names look like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This UTF-16 unit, whatever its case.
    Unit(u16),
    /// Anything without a line end, or nothing.
    Anything,
}

/// What is read of a result with tools. Everything else is passed over.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

impl Visible {
    /// Shows what one of `allowed` matches, or everything if there is none; and of that nothing that
    /// one of `ignored` matches.
    pub fn new<'a>(
        allowed: impl IntoIterator<Item = &'a str>,
        ignored: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            allowed: allowed.into_iter().map(Pattern::new).collect(),
            ignored: ignored.into_iter().map(Pattern::new).collect(),
        }
    }

    /// Whether nothing is hidden. No message has to be looked at then.
    pub fn is_everything(&self) -> bool {
        self.allowed.is_empty() && self.ignored.is_empty()
    }

    /// Whether the AI client sees the tool of this name.
    pub fn shows(&self, name: &str) -> bool {
        let name: Vec<u16> = units(name).collect();
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&name));
        (self.allowed.is_empty() || any(&self.allowed)) && !any(&self.ignored)
    }

    /// Whether a server may read a message otherwise than it is read here, and so call another tool: of
    /// two members of one name some take the first, some the last, and some pass over case.
    pub fn is_ambiguous(&self, message: &Message) -> bool {
        if self.is_everything() {
            return false;
        }
        let envelope = std::str::from_utf8(message.text()).unwrap_or_default();
        is_ambiguous(envelope, ENVELOPE)
            || message.method() == "tools/call" && is_ambiguous(message.body(), &["name"])
    }

    /// The name of the tool that a request calls, if it is hidden. A name that cannot be read is
    /// given as the empty text: nobody knows what the server makes of it.
    pub fn refuses(&self, request: &Message) -> Option<String> {
        if self.is_everything() || request.method() != "tools/call" {
            return None;
        }
        let name = request.body_member("name").and_then(jsonrpc::string);
        match name {
            Some(name) if self.shows(&name) => None,
            name => Some(name.unwrap_or_default()),
        }
    }

    /// The answer to a `tools/list` without what is hidden; `None` if that is the answer as it is. What
    /// is shown stays byte for byte.
    pub fn without_hidden(&self, request: &Message, answer: &Message) -> Option<Message> {
        if self.is_everything() || request.method() != "tools/list" || answer.kind() != Kind::Result
        {
            return None;
        }
        let list = answer.body_member("tools")?;
        let tools: Vec<&RawValue> = serde_json::from_str(list).ok()?;
        let shown = |tool: &&RawValue| {
            let tool: Option<Tool<'_>> = serde_json::from_str(tool.get()).ok();
            let name = tool.and_then(|tool| jsonrpc::string(tool.name?.get()));
            name.is_some_and(|name| self.shows(&name))
        };
        let kept: Vec<&str> = tools
            .iter()
            .copied()
            .filter(shown)
            .map(RawValue::get)
            .collect();
        let is_whole = kept.len() == tools.len();
        (!is_whole).then(|| answer.with_part(list, &format!("[{}]", kept.join(","))))
    }
}

/// The members of a message that say what it is.
const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// Whether an object has two members of one name if case does not count, or one of the `known` in
/// another case; or cannot be read.
fn is_ambiguous(object: &str, known: &[&str]) -> bool {
    struct NamesVisitor<'k>(&'k [&'k str]);

    impl<'de> Visitor<'de> for NamesVisitor<'_> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let mut seen: Vec<String> = Vec::new();
            let mut found = false;
            while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
                let folded = without_case(&name);
                let is_other = folded != name && self.0.contains(&&*folded);
                found |= is_other || seen.contains(&folded);
                seen.push(folded);
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(object);
    let found = reader.deserialize_map(NamesVisitor(known));
    // There may be no `params`.
    found.unwrap_or(!object.is_empty())
}

/// A member's name as those read it who pass over case: that of ASCII, and the two letters beyond it
/// whose other case is ASCII, as Go's library has it.
fn without_case(name: &str) -> String {
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(folded).collect()
}

impl Pattern {
    fn new(text: &str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for unit in text.encode_utf16() {
            let part = match unit == u16::from(b'*') {
                true => Part::Anything,
                false => Part::Unit(folded(unit)),
            };
            if part != Part::Anything || parts.last() != Some(&Part::Anything) {
                parts.push(part);
            }
        }
        Self(parts)
    }

    /// Goes through the name once with all places of the pattern where one can be: a pattern with many
    /// stars takes no longer than another.
    fn matches(&self, name: &[u16]) -> bool {
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.pass_over(&mut places);
        for unit in name {
            let mut next = vec![false; places.len()];
            for (at, part) in self.0.iter().enumerate() {
                match part {
                    _ if !places[at] => {}
                    Part::Unit(expected) if expected == unit => next[at + 1] = true,
                    Part::Anything if !is_line_end(*unit) => next[at] = true,
                    Part::Unit(_) | Part::Anything => {}
                }
            }
            self.pass_over(&mut next);
            places = next;
        }
        places.last() == Some(&true)
    }

    /// A star may stand for nothing.
    fn pass_over(&self, places: &mut [bool]) {
        for (at, part) in self.0.iter().enumerate() {
            if places[at] && *part == Part::Anything {
                places[at + 1] = true;
            }
        }
    }
}

/// A name in the units that are compared.
fn units(name: &str) -> impl Iterator<Item = u16> {
    name.encode_utf16().map(folded)
}

/// What a star does not stand for (ECMA-262, LineTerminator).
fn is_line_end(unit: u16) -> bool {
    matches!(unit, 0x0a | 0x0d | 0x2028 | 0x2029)
}

/// A unit without its case (ECMA-262, Canonicalize, for expressions without the flag `u`): its upper
/// case, if that is one unit too and does not make ASCII of what is none.
fn folded(unit: u16) -> u16 {
    let Some(c) = char::from_u32(u32::from(unit)) else {
        return unit;
    };
    let mut upper = c.to_uppercase();
    let (Some(first), None) = (upper.next(), upper.next()) else {
        return unit;
    };
    match u16::try_from(u32::from(first)) {
        Ok(folded) if unit < 128 || folded >= 128 => folded,
        _ => unit,
    }
}

#[cfg(test)]
mod tests;
