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
    let mut hider = Hider {
        text: body,
        read: Vec::new(),
        hidden: Vec::new(),
    };
    hider.node(&root, Known::Nothing);
    hider.comments(format);
    let mut hidden = hider.hidden;
    hidden.sort_by_key(|span| span.start);
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
const SECRET_WORDS: [&str; 15] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "cookie",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "private_key",
    "private-key",
    "authorization",
];

/// Options whose value is a header.
const HEADER_OPTIONS: [&str; 2] = ["--header", "-H"];

/// Options whose value is a name and what may be secret.
const PARAMETER_OPTIONS: [&str; 2] = ["--authorize-param", "--token-param"];

/// Options whose value is a variable, or something else with other programs.
const VARIABLE_OPTIONS: [&str; 2] = ["--env", "-e"];

/// An option whose value is a document with a secret in it.
const CLIENT_OPTION: &str = "--static-oauth-client-info";

/// What is known of a value by what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing: only what it says itself tells.
    Nothing,
    /// It is a header, whose name is no secret.
    Header,
    /// It is a parameter, whose name is no secret.
    Parameter,
    /// It may be a variable.
    Variable,
    /// It may be the rest of a header that was cut at its blanks, or what comes after it.
    Rest,
    /// It is secret.
    Secret,
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// What comes after a word, if it is an option or the beginning of a header that goes on.
fn announced(word: &str) -> Known {
    let is_cut = word.strip_suffix(':').is_some_and(is_secret_name);
    match () {
        () if HEADER_OPTIONS.contains(&word) => Known::Header,
        () if PARAMETER_OPTIONS.contains(&word) => Known::Parameter,
        () if VARIABLE_OPTIONS.contains(&word) => Known::Variable,
        () if word == CLIENT_OPTION => Known::Secret,
        () if word.starts_with('-') && !word.contains('=') && is_secret_name(word) => Known::Secret,
        () if is_cut || is_scheme(word.rsplit([' ', ':']).next().unwrap_or_default()) => {
            Known::Rest
        }
        () => Known::Nothing,
    }
}

/// Whether it says that a credential comes next (RFC 9110 §11.4).
fn is_scheme(word: &str) -> bool {
    let schemes = ["bearer", "basic", "digest", "dpop"];
    schemes
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether it is an option rather than the rest of what came before.
fn is_option(word: &str) -> bool {
    word.starts_with("--") || word.starts_with('-') && word.len() == 2
}

/// Finds what is not to be shown.
struct Hider<'t> {
    text: &'t str,
    /// Names and values, in no order.
    read: Vec<Range<usize>>,
    /// What is not to be shown of them and of what stands between them.
    hidden: Vec<Range<usize>>,
}

impl Hider<'_> {
    fn node(&mut self, node: &Node, known: Known) {
        match &node.kind {
            Kind::List(items, _) => return self.list(items, known),
            Kind::Map(members, _) => {
                for member in members {
                    self.read.push(member.key_span.clone());
                    let name = member.key.to_ascii_lowercase();
                    let is_secret = SECRET_MAPS.contains(&name.as_str()) || is_secret_name(&name);
                    let known = if is_secret { Known::Secret } else { known };
                    self.node(&member.value, known);
                }
                return;
            }
            Kind::Text(value, _) => self.hidden.extend(self.part(node, value, known)),
            Kind::Plain if matches!(known, Known::Nothing | Known::Variable) => {}
            // What is tied to another place may be anything.
            Kind::Plain | Kind::Knotted => self.hidden.push(node.span.clone()),
        }
        self.read.push(node.span.clone());
    }

    fn list(&mut self, items: &[Node], known: Known) {
        let mut next = Known::Nothing;
        for item in items {
            let value = item.as_text().unwrap_or_default();
            let goes_on = next == Known::Rest && !is_option(value);
            let of_item = match known {
                Known::Nothing => next,
                known => known,
            };
            self.node(item, of_item);
            next = match announced(value) {
                Known::Nothing if goes_on || next == Known::Header => Known::Rest,
                announced => announced,
            };
        }
    }

    /// The part of a string that is not to be shown.
    fn part(&self, node: &Node, value: &str, known: Known) -> Option<Range<usize>> {
        let written = self.text.get(node.span.clone())?;
        let quote = usize::from(written.starts_with(['"', '\'']));
        let inside = node.span.start + quote..node.span.end.max(quote + node.span.start) - quote;
        let secret = secret_from(value, known)?;
        // Where the text is not what it means, its places are others.
        match self.text.get(inside.clone()) == Some(value) {
            true => Some(inside.start + secret..inside.end),
            false => Some(inside),
        }
    }

    /// Hides what comments say: what was turned off in them may be secret as well.
    fn comments(&mut self, format: Format) {
        let mut read = std::mem::take(&mut self.read);
        read.sort_by_key(|span| span.start);
        let mut at = 0;
        let end = self.text.len();
        read.push(end..end);
        for span in read {
            if let Some(between) = self.text.get(at..span.start) {
                let found = comments_in(between, format);
                let found = found.map(|found| at + found.start..at + found.end);
                self.hidden.extend(found);
            }
            at = at.max(span.end);
        }
    }
}

/// What comments say in a text that has neither names nor values.
fn comments_in(text: &str, format: Format) -> impl Iterator<Item = Range<usize>> {
    let mark = match format {
        Format::Json => '/',
        Format::Toml | Format::Yaml => '#',
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].find(mark)?;
        let rest = &text[at..];
        let (mark, end) = match () {
            () if rest.starts_with("/*") => (2, "*/"),
            () if rest.starts_with("//") => (2, "\n"),
            () => (1, "\n"),
        };
        let body = &rest[mark..];
        let body = &body[..body.find(end).unwrap_or(body.len())];
        // The blanks around it are its form.
        let start = at + mark + body.len() - body.trim_start().len();
        at += mark + body.len();
        // The end of one is no beginning of another.
        at += if end == "*/" {
            end.len().min(text.len() - at)
        } else {
            0
        };
        Some(start..start + body.trim().len())
    })
}

/// Where in a string begins what is not to be shown.
fn secret_from(value: &str, known: Known) -> Option<usize> {
    let behind = |mark: &[char]| {
        let at = value.find(mark)?;
        is_name(&value[..at]).then_some(at + 1)
    };
    if known != Known::Nothing && is_reference(value) {
        return None;
    }
    match known {
        Known::Secret => Some(0),
        Known::Header => Some(behind(&[':', '=']).unwrap_or(0)),
        Known::Parameter => Some(behind(&['=']).unwrap_or(0)),
        Known::Variable => behind(&['=']).or_else(|| first_secret(value)),
        Known::Rest if is_option(value) || value.contains("://") => first_secret(value),
        Known::Rest => Some(0),
        Known::Nothing => first_secret(value),
    }
}

/// Where in a string that nothing is known of a secret begins: it may be a whole command line.
fn first_secret(value: &str) -> Option<usize> {
    let quotes = ['"', '\'', '\\'];
    let (mut at, mut next) = (0, Known::Nothing);
    if is_reference(value) {
        return None;
    }
    if value.trim_start().starts_with(['{', '[']) && is_secret_name(value) {
        // A document of its own.
        return Some(0);
    }
    for word in value.split(char::is_whitespace) {
        let bare = word.trim_start_matches(quotes);
        let start = at + word.len() - bare.len();
        let bare = bare.trim_end_matches(quotes);
        at += word.len();
        at += value[at..].chars().next().map_or(0, char::len_utf8);
        if bare.is_empty() {
            continue;
        }
        let is_secret = match next {
            Known::Nothing => false,
            Known::Variable => bare.contains('='),
            Known::Header | Known::Parameter | Known::Rest | Known::Secret => true,
        };
        if is_secret {
            return Some(start);
        }
        if let Some(inside) = secret_in_word(bare) {
            return Some(start + inside);
        }
        next = announced(bare);
    }
    None
}

/// Where in a word a secret begins: in an option's value, a variable's, a header's, or an address.
fn secret_in_word(word: &str) -> Option<usize> {
    let named = word.find(['=', ':']).filter(|at| *at + 1 < word.len());
    let by_name = named.filter(|at| {
        let (name, mark) = (&word[..*at], &word[*at..=*at]);
        let is_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        match () {
            () if is_secret_name(name) => name.starts_with('-') || is_name(name),
            () if mark == ":" => false,
            () if name.starts_with('-') => announced(name) != Known::Nothing,
            () => !name.is_empty() && name.chars().all(is_variable),
        }
    });
    let in_address = word.find("://").and_then(|at| {
        let (start, rest) = (at + 3, &word[at + 3..]);
        match rest.contains('@') {
            true => Some(start),
            false => Some(start + rest.find(['?', '#'])? + 1),
        }
    });
    let found = by_name.map(|at| at + 1).into_iter().chain(in_address);
    found.min().filter(|at| *at < word.len())
}

/// Whether it only says where the secret is, which is no secret and shows what is meant.
fn is_reference(value: &str) -> bool {
    let named = value.split_once(':').filter(|(name, _)| is_name(name));
    let value = named.map_or(value, |(_, value)| value).trim();
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    let begins = ["${", "{env:", "{file:"];
    begins.iter().any(|begin| value.starts_with(begin))
        && value.find('}') == Some(value.len() - 1)
        // What is taken where there is no such variable may be the secret itself.
        && ![":-", ":=", ":+"].iter().any(|mark| value.contains(mark))
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() < 40 && text.chars().all(is_part)
}

#[cfg(test)]
mod tests;
