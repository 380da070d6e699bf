//! `add`: puts a new entry into the text of a configuration file, and leaves the rest as it is.

mod flow;
mod lines;

use serde_json::Value;

use super::hosts::entry::{Layout, Members, Shape};
use super::hosts::tree::{
    Edit, Form, Format, Kind, Node, apply, blanks_end, line_ending, line_start,
};
use super::refusal::Refusal;

/// A new entry.
#[derive(Debug)]
pub struct NewEntry<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is in it.
    pub members: Members,
    /// Where the servers are.
    pub way: &'a [&'a str],
    /// How the host writes entries.
    pub shape: &'a Shape,
    /// Whether one of that name may be replaced.
    pub replace: bool,
}

/// The text with the entry in it. A byte order mark and line ends stay as they are.
pub fn insert(text: &str, format: Format, entry: &NewEntry<'_>) -> Result<String, Refusal> {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..3], body),
        None => ("", text),
    };
    let unreadable = |error| Refusal::Unreadable(format, error);
    let root = format.read(body).map_err(unreadable)?;
    let edits = edits(body, format, root.as_ref(), entry)?;
    let changed = apply(body, &edits).ok_or(Refusal::Unproven)?;
    let after = format.read(&changed).map_err(|_| Refusal::Unproven)?;
    let before = match &root {
        Some(root) => root.value(body),
        None => head(format, entry),
    };
    let after = after.map_or(Value::Null, |root| root.value(&changed));
    match is_as_wanted(before, after, entry) {
        true => Ok(format!("{mark}{changed}")),
        false => Err(Refusal::Unproven),
    }
}

fn edits(
    text: &str,
    format: Format,
    root: Option<&Node>,
    entry: &NewEntry<'_>,
) -> Result<Vec<Edit>, Refusal> {
    if let Some(root) = root {
        if !matches!(root.kind, Kind::Map(..)) {
            return Err(Refusal::Knotted("it does not begin with named members"));
        }
        if let Some((found, servers)) = existing(root, entry)? {
            return match entry.replace {
                true => replace(text, format, found, servers, entry),
                false => Err(Refusal::Exists(entry.name.to_owned())),
            };
        }
    }
    match format {
        Format::Json => flow::insert(text, root, entry),
        Format::Toml => lines::append_toml(text, root, entry),
        Format::Yaml => match root.map(|root| &root.kind) {
            Some(Kind::Map(_, Form::Flow)) => flow::insert(text, root, entry),
            _ => lines::insert_yaml(text, root, entry),
        },
    }
}

/// The map of an entry of that name, and the node of the servers.
fn existing<'n>(
    root: &'n Node,
    entry: &NewEntry<'_>,
) -> Result<Option<(&'n Node, &'n Node)>, Refusal> {
    let mut at = root;
    for key in entry.way {
        if let Some(name) = at.twice() {
            return Err(Refusal::Twice(name.to_owned()));
        }
        match at.get(key) {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    if let Some(name) = at.twice() {
        return Err(Refusal::Twice(name.to_owned()));
    }
    let named = |item: &&Node| item.get("name").and_then(Node::as_text) == Some(entry.name);
    let found = at.get(entry.name).or_else(|| at.items().iter().find(named));
    Ok(found.map(|found| (found, at)))
}

/// Puts the entry in the place of another. In JSON as a whole; where lines are the syntax, command
/// and arguments alone.
fn replace(
    text: &str,
    format: Format,
    found: &Node,
    servers: &Node,
    entry: &NewEntry<'_>,
) -> Result<Vec<Edit>, Refusal> {
    if format == Format::Json {
        let indent = super::hosts::tree::indentation(text, found.span.start);
        let step = step(text, servers);
        let layout = Layout {
            newline: line_ending(text),
            step: &step,
        };
        let text = match text[servers.span.clone()].contains('\n') {
            true => layout.json(&[], &entry.members, indent),
            false => super::hosts::entry::compact(&[], &entry.members),
        };
        let span = found.span.clone();
        return Ok(vec![Edit { span, text }]);
    }
    let known = |key: &str| found.get(key).map(|node| (&node.span, &node.kind));
    let mut edits = Vec::new();
    for (key, value) in &entry.members {
        let Some((span, kind)) = known(key) else {
            return Err(Refusal::Knotted("the entry there is of another kind"));
        };
        let new = match (value, kind) {
            (Value::String(new), Kind::Text(_, quote)) => format.text(new, *quote),
            // A list in one line is the same in all formats.
            (Value::Array(_), Kind::List(_, Form::Flow)) => value.to_string(),
            (Value::Array(_), Kind::List(..)) => {
                return Err(Refusal::Knotted("its arguments are written in lines"));
            }
            _ => continue,
        };
        let span = span.clone();
        edits.push(Edit { span, text: new });
    }
    Ok(edits)
}

/// One step of indentation, as the text has it.
fn step(text: &str, outer: &Node) -> String {
    let outer_at = blanks(text, outer.span.start);
    for member in outer.members() {
        let at = member.key_span.start;
        let inner = blanks(text, at);
        if line_start(text, at) + inner.len() == at
            && let Some(more) = inner.strip_prefix(outer_at)
            && !more.is_empty()
        {
            return more.to_owned();
        }
        if let Kind::Map(..) = member.value.kind {
            let found = step(text, &member.value);
            if found != DEFAULT_STEP {
                return found;
            }
        }
    }
    DEFAULT_STEP.to_owned()
}

const DEFAULT_STEP: &str = "  ";

fn blanks(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    &text[start..blanks_end(text, start)]
}

/// What a new file says besides the entry.
fn head(format: Format, entry: &NewEntry<'_>) -> Value {
    let head = entry.shape.head;
    let root = match format {
        Format::Yaml => format.read(head).ok().flatten(),
        Format::Json | Format::Toml => None,
    };
    root.map_or(Value::Null, |root| root.value(head))
}

/// Whether the new text says what the old one did, and the entry.
fn is_as_wanted(before: Value, after: Value, entry: &NewEntry<'_>) -> bool {
    let wanted = entry.members.iter();
    let wanted = wanted.map(|(key, value)| {
        let value = match value {
            Value::Bool(_) | Value::Number(_) => Value::String(format!("\u{0}{value}")),
            value => value.clone(),
        };
        ((*key).to_owned(), value)
    });
    let wanted: serde_json::Map<String, Value> = wanted.collect();
    let (mut before, mut after) = (before, after);
    let new = take(&mut after, entry);
    let old = take(&mut before, entry);
    let is_kept = |old: &Value| {
        // Where only command and arguments are replaced, the rest of the entry stays.
        let (Some(old), Some(new)) = (old.as_object(), new.as_ref().and_then(Value::as_object))
        else {
            return false;
        };
        let same = |(key, value): (&String, &Value)| match wanted.get(key) {
            Some(Value::String(_) | Value::Array(_)) => new.get(key) == wanted.get(key),
            _ => new.get(key) == Some(value),
        };
        old.iter().all(same)
    };
    let is_new = new == Some(Value::Object(wanted.clone())) || old.as_ref().is_some_and(is_kept);
    without_empty(&mut before, entry.way);
    without_empty(&mut after, entry.way);
    is_new && before == after
}

/// Takes the entry out of what a file says.
fn take(root: &mut Value, entry: &NewEntry<'_>) -> Option<Value> {
    let mut at = root;
    for key in entry.way {
        at = at.get_mut(*key)?;
    }
    match at {
        Value::Object(servers) => servers.remove(entry.name),
        Value::Array(servers) => {
            let at = servers
                .iter()
                .position(|server| server["name"] == entry.name)?;
            Some(servers.remove(at))
        }
        _ => None,
    }
}

/// Takes away maps on the way that have nothing in them: they may be new.
fn without_empty(at: &mut Value, way: &[&str]) {
    let Some((key, rest)) = way.split_first() else {
        return;
    };
    if let Some(members) = at.as_object_mut() {
        if let Some(next) = members.get_mut(*key) {
            without_empty(next, rest);
        }
        let is_empty = members.get(*key).is_some_and(|next| match next {
            Value::Object(members) => members.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.trim_matches('\u{0}').is_empty() || text == "\u{0}null",
            _ => false,
        });
        if is_empty {
            members.remove(*key);
        }
        if members.is_empty() {
            *at = Value::Null;
        }
    }
}

#[cfg(test)]
mod tests;
