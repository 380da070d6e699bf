//! Shows a change of a text as a unified diff, without the secrets that stand around it.

use std::fmt::Write as _;
use std::ops::Range;

use super::hosts::tree::{Edit, Format, Kind, Node};

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// What is shown in place of a secret.
const HIDDEN: &str = "…";

/// The change that `edits` make to `old`, in the form of `diff -u`. `name` stands in its head. Values
/// that may be secret are not shown, so it is for reading and not for `patch`.
pub fn unified(name: &str, old: &str, new: &str, edits: &[Edit], format: Format) -> String {
    let hunks = hunks(old, new, edits);
    let (old, new) = (masked(old, format), masked(new, format));
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut text = String::new();
    let _ = writeln!(text, "--- {name}\n+++ {name}");
    for group in grouped(&hunks) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let before = first.old.start.min(CONTEXT);
        let after = (old.len() - last.old.end).min(CONTEXT);
        let old_range = first.old.start - before..last.old.end + after;
        let new_range = first.new.start - before..last.new.end + after;
        let _ = writeln!(text, "@@ -{} +{} @@", place(&old_range), place(&new_range));
        let mut at = old_range.start;
        for hunk in group {
            put(&mut text, ' ', &old[at..hunk.old.start]);
            put(&mut text, '-', &old[hunk.old.clone()]);
            put(&mut text, '+', &new[hunk.new.clone()]);
            at = hunk.old.end;
        }
        put(&mut text, ' ', &old[at..old_range.end]);
    }
    text
}

/// Lines, from 0, that others take the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

/// The lines that the edits touch, without those that come out the same.
fn hunks(old: &str, new: &str, edits: &[Edit]) -> Vec<Hunk> {
    let starts = |text: &str| -> Vec<usize> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut starts: Vec<usize> = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        starts.push(text.len());
        starts.dedup();
        starts
    };
    let (old_starts, new_starts) = (starts(old), starts(new));
    let count = |starts: &[usize]| starts.len().saturating_sub(1);
    let line = |starts: &[usize], at: usize| {
        let line = starts.partition_point(|start| *start <= at).max(1) - 1;
        line.min(count(starts).max(1) - 1)
    };
    let mut found: Vec<Hunk> = Vec::new();
    let mut shift = 0isize;
    for edit in edits {
        let first = line(&old_starts, edit.span.start);
        let last = line(&old_starts, edit.span.end).max(first);
        let new_start = edit.span.start.saturating_add_signed(shift);
        let new_end = new_start + edit.text.len();
        shift += edit.text.len() as isize - edit.span.len() as isize;
        let hunk = Hunk {
            old: first..(last + 1).min(count(&old_starts)),
            new: line(&new_starts, new_start)
                ..(line(&new_starts, new_end) + 1).min(count(&new_starts)),
        };
        match found.last_mut() {
            Some(last) if hunk.old.start <= last.old.end || hunk.new.start <= last.new.end => {
                last.old.end = last.old.end.max(hunk.old.end);
                last.new.end = last.new.end.max(hunk.new.end);
            }
            _ => found.push(hunk),
        }
    }
    let text =
        |text: &'_ str, starts: &[usize], at: usize| text[starts[at]..starts[at + 1]].to_owned();
    for hunk in &mut found {
        while !hunk.old.is_empty()
            && !hunk.new.is_empty()
            && text(old, &old_starts, hunk.old.start) == text(new, &new_starts, hunk.new.start)
        {
            hunk.old.start += 1;
            hunk.new.start += 1;
        }
        while !hunk.old.is_empty()
            && !hunk.new.is_empty()
            && text(old, &old_starts, hunk.old.end - 1) == text(new, &new_starts, hunk.new.end - 1)
        {
            hunk.old.end -= 1;
            hunk.new.end -= 1;
        }
    }
    found.retain(|hunk| !hunk.old.is_empty() || !hunk.new.is_empty());
    found
}

/// Hunks whose surroundings meet are shown together.
fn grouped(hunks: &[Hunk]) -> Vec<&[Hunk]> {
    let apart = |a: &Hunk, b: &Hunk| b.old.start - a.old.end <= 2 * CONTEXT;
    hunks.chunk_by(apart).collect()
}

/// A range as the head of a hunk has it.
fn place(lines: &Range<usize>) -> String {
    match lines.len() {
        1 => format!("{}", lines.start + 1),
        0 => format!("{},0", lines.start),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn put(text: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        let _ = write!(text, "{sign}{line}");
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// The text with the same lines, and without values that may be secret. One that cannot be read
/// is shown as it is: nothing is changed in such.
fn masked(text: &str, format: Format) -> String {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..3], body),
        None => ("", text),
    };
    let Ok(Some(root)) = format.read(body) else {
        return text.to_owned();
    };
    let mut hidden = Vec::new();
    collect(&root, body, false, &mut hidden);
    hidden.sort_by_key(|span: &Range<usize>| span.start);
    let mut shown = mark.to_owned();
    let mut at = 0;
    for span in hidden.into_iter().filter(|span| !span.is_empty()) {
        let Some(before) = body.get(at..span.start) else {
            continue;
        };
        shown.push_str(before);
        shown.push_str(HIDDEN);
        let breaks = body[span.clone()]
            .matches('\n')
            .map(|_| format!("\n{HIDDEN}"));
        shown.extend(breaks);
        at = span.end;
    }
    shown.push_str(&body[at..]);
    shown
}

/// Maps whose values are secret as a rule.
const SECRET_MAPS: [&str; 7] = [
    "env",
    "envs",
    "environment",
    "headers",
    "http_headers",
    "requestinit",
    "auth",
];

/// What names of secrets have in them.
const SECRET_WORDS: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "authorization",
];

/// Options whose value may hold a secret.
const SECRET_OPTIONS: [&str; 5] = [
    "--header",
    "-H",
    "--static-oauth-client-info",
    "--authorize-param",
    "--token-param",
];

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Finds what is not to be shown. `secret` is whether it stands in a map of secrets.
fn collect(node: &Node, text: &str, secret: bool, hidden: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Text(value, _) => hidden.extend(part(node, value, text, secret)),
        Kind::List(items, _) => {
            let mut before = "";
            for item in items {
                let value = item.as_text().unwrap_or_default();
                let named = SECRET_OPTIONS.contains(&before)
                    || before.starts_with('-') && is_secret_name(before);
                collect(item, text, secret || named, hidden);
                before = value;
            }
        }
        Kind::Map(members, _) => {
            for member in members {
                let name = member.key.to_ascii_lowercase();
                let secret =
                    secret || SECRET_MAPS.contains(&name.as_str()) || is_secret_name(&name);
                collect(&member.value, text, secret, hidden);
            }
        }
        Kind::Plain if secret => hidden.push(node.span.clone()),
        Kind::Plain => {}
        // What it stands for may be anything.
        Kind::Knotted => hidden.push(node.span.clone()),
    }
}

/// The part of a string that is not to be shown.
fn part(node: &Node, value: &str, text: &str, secret: bool) -> Option<Range<usize>> {
    let written = text.get(node.span.clone())?;
    let quote = usize::from(written.starts_with(['"', '\'']));
    let inside = node.span.start + quote..node.span.end.max(quote + node.span.start) - quote;
    let from = |mark: &str| {
        let at = text.get(inside.clone())?.find(mark)?;
        Some(inside.start + at + mark.len()..inside.end)
    };
    if secret && is_reference(value) {
        return None;
    }
    let option = value.split_once('=').filter(|(name, _)| {
        name.starts_with('-') && (is_secret_name(name) || SECRET_OPTIONS.contains(name))
    });
    match () {
        () if option.is_some() => from("="),
        () if secret => match value.split_once([':', '=']) {
            // The name of a header or a parameter is no secret.
            Some((name, _)) if is_name(name) => from(&value[name.len()..=name.len()]),
            _ => Some(inside),
        },
        () if value.contains("://") && value.contains('?') => from("?"),
        () if value.contains("://") && value.contains('@') => from("://"),
        () if value.starts_with("Bearer ") => from(" "),
        () => None,
    }
}

/// Whether it only says where the secret is, which is no secret and shows what is meant.
fn is_reference(value: &str) -> bool {
    let named = value.split_once(':').filter(|(name, _)| is_name(name));
    let value = named.map_or(value, |(_, value)| value).trim();
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    let begins = ["${", "{env:", "{file:"];
    begins.iter().any(|begin| value.starts_with(begin)) && value.find('}') == Some(value.len() - 1)
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() < 40 && text.chars().all(is_part)
}

#[cfg(test)]
mod tests;
