//! New entries where lines are the syntax: TOML's tables and YAML's blocks.

use super::{NewEntry, flow, step};
use crate::compat::hosts::entry::{Layout, toml_key, yaml_key};
use crate::compat::hosts::tree::{Edit, Form, Kind, Node, indentation, line_ending};
use crate::compat::refusal::Refusal;

/// A table of its own at the end of the file, where every table may stand.
pub(super) fn append_toml(
    text: &str,
    root: Option<&Node>,
    entry: &NewEntry<'_>,
) -> Result<Vec<Edit>, Refusal> {
    let mut servers = root;
    for key in entry.way {
        servers = servers.and_then(|map| map.get(key));
    }
    let is_list = entry.shape.is_list;
    match servers.map(|servers| &servers.kind) {
        None => {}
        Some(Kind::Map(_, Form::Block)) if !is_list => {}
        Some(Kind::List(_, Form::Block)) if is_list => {}
        _ => return Err(Refusal::Knotted("its servers stand in one value")),
    }
    let newline = line_ending(text);
    let mut way: Vec<String> = entry.way.iter().map(|key| toml_key(key)).collect();
    let header = match is_list {
        true => format!("[[{}]]", way.join(".")),
        false => {
            way.push(toml_key(entry.name));
            format!("[{}]", way.join("."))
        }
    };
    let before = match () {
        () if text.trim().is_empty() => "",
        () if text.ends_with('\n') => newline,
        () => &newline.repeat(2),
    };
    let layout = Layout { newline, step: "" };
    let members = layout.toml(&entry.members);
    Ok(vec![Edit {
        span: text.len()..text.len(),
        text: format!("{before}{header}{newline}{members}"),
    }])
}

/// A member of the block of servers, or the block as well.
pub(super) fn insert_yaml(
    text: &str,
    root: Option<&Node>,
    entry: &NewEntry<'_>,
) -> Result<Vec<Edit>, Refusal> {
    let newline = line_ending(text);
    let &[way] = entry.way else {
        return Err(Refusal::Knotted("its servers lie too deep"));
    };
    let step = match root {
        Some(root) => step(text, root),
        None => "  ".to_owned(),
    };
    let layout = Layout {
        newline,
        step: &step,
    };
    let block = |indent: &str| match entry.shape.is_list {
        true => layout.yaml(
            &entry.members,
            &format!("{indent}- "),
            &format!("{indent}  "),
        ),
        false => {
            let inner = format!("{indent}{step}");
            let members = layout.yaml(&entry.members, &inner, &inner);
            format!("{indent}{}:{newline}{members}", yaml_key(entry.name))
        }
    };
    let Some(root) = root else {
        let before = ended(text, newline);
        let head = entry.shape.head.replace('\n', newline);
        return Ok(vec![insertion(
            text.len(),
            format!("{before}{head}{way}:{newline}{}{newline}", block(&step)),
        )]);
    };
    let outer = root.members().first();
    let outer = outer.map_or("", |first| indentation(text, first.key_span.start));
    let inner = format!("{outer}{step}");
    let members = root.members();
    let Some(servers) = members.iter().find(|member| member.key == way) else {
        if text.lines().any(|line| line.trim_end() == "...") {
            return Err(Refusal::Knotted("it has an end mark"));
        }
        let before = ended(text, newline);
        return Ok(vec![insertion(
            text.len(),
            format!("{before}{outer}{way}:{newline}{}{newline}", block(&inner)),
        )]);
    };
    let value = &servers.value;
    match (&value.kind, last_end(value)) {
        (Kind::Map(members, Form::Block), Some(end)) if !entry.shape.is_list => {
            let first = members.first().map_or(0, |first| first.key_span.start);
            let at = line_end(text, end);
            let block = block(indentation(text, first));
            Ok(vec![insertion(at, format!("{newline}{block}"))])
        }
        (Kind::List(items, Form::Block), Some(end)) if entry.shape.is_list => {
            let first = items.first().map_or(0, |first| first.span.start);
            let at = line_end(text, end);
            let block = block(indentation(text, first));
            Ok(vec![insertion(at, format!("{newline}{block}"))])
        }
        (Kind::Map(members, Form::Flow), _) if !members.is_empty() && !entry.shape.is_list => {
            flow::insert(text, Some(root), entry)
        }
        (Kind::Map(..) | Kind::List(..) | Kind::Plain, None) => {
            // `{}`, `[]`, `null` or nothing.
            let end = match value.span.is_empty() {
                true => servers.key_span.end,
                false => value.span.end,
            };
            let start = servers.key_span.end;
            let Some(colon) = text[start..].find(':').map(|at| start + at + 1) else {
                return Err(Refusal::Unproven);
            };
            let mut edits = vec![insertion(
                line_end(text, end),
                format!("{newline}{}", block(&inner)),
            )];
            if !value.span.is_empty() {
                edits.insert(
                    0,
                    Edit {
                        span: colon..value.span.end,
                        text: String::new(),
                    },
                );
            }
            Ok(edits)
        }
        _ => Err(Refusal::Knotted("its servers are of another kind")),
    }
}

fn insertion(at: usize, text: String) -> Edit {
    Edit { span: at..at, text }
}

/// A line break, where the text does not end with one.
fn ended<'a>(text: &str, newline: &'a str) -> &'a str {
    match text.is_empty() || text.ends_with('\n') {
        true => "",
        false => newline,
    }
}

/// Where the last line of a value ends, without its line break. Comments in that line belong to it.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    match text[..end].ends_with('\r') {
        true => end - 1,
        false => end,
    }
}

/// Where the last thing in a value ends; `None` if there is nothing in it.
fn last_end(node: &Node) -> Option<usize> {
    match &node.kind {
        Kind::Map(members, Form::Block) => {
            let last = members.last()?;
            let value = &last.value;
            // Nothing stands where the next thing begins.
            let end = match value.span.is_empty() {
                true => last.key_span.end,
                false => value.span.end,
            };
            Some(last_end(value).unwrap_or(end))
        }
        Kind::List(items, Form::Block) => {
            let last = items.last()?;
            Some(last_end(last).unwrap_or(last.span.end))
        }
        Kind::Map(members, Form::Flow) => (!members.is_empty()).then_some(node.span.end),
        Kind::List(items, Form::Flow) => (!items.is_empty()).then_some(node.span.end),
        Kind::Plain => None,
        Kind::Text(..) | Kind::Knotted => Some(node.span.end),
    }
}
