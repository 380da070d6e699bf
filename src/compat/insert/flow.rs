//! New entries where maps stand in braces.

use serde_json::json;

use super::{NewEntry, step};
use crate::compat::hosts::entry::{Layout, compact};
use crate::compat::hosts::tree::{
    Edit, Format, Kind, Node, blanks_end, indentation, line_ending, line_start,
};
use crate::compat::refusal::Refusal;

/// Puts the entry into the innermost map on its way that there is.
pub(super) fn insert(
    text: &str,
    root: Option<&Node>,
    entry: &NewEntry<'_>,
) -> Result<Vec<Edit>, Refusal> {
    let newline = line_ending(text);
    let whole: Vec<&str> = entry.way.iter().copied().chain([entry.name]).collect();
    let Some(root) = root else {
        let layout = Layout {
            newline,
            step: "  ",
        };
        let before = match text.is_empty() || text.ends_with('\n') {
            true => "",
            false => newline,
        };
        let text_end = text.len();
        return Ok(vec![Edit {
            span: text_end..text_end,
            text: format!(
                "{before}{}{newline}",
                layout.json(&whole, &entry.members, "")
            ),
        }]);
    };
    let mut map = root;
    let mut rest = &whole[..];
    while let [key, inner @ ..] = rest {
        let Some(next) = map.get(key) else {
            break;
        };
        (map, rest) = (next, inner);
    }
    let Kind::Map(members, _) = &map.kind else {
        return Err(Refusal::Knotted("its servers are no map"));
    };
    let Some((key, rest)) = rest.split_first() else {
        return Err(Refusal::Exists(entry.name.to_owned()));
    };
    let step = step(text, root);
    let layout = Layout {
        newline,
        step: &step,
    };
    let base = indentation(text, map.span.start);
    let indent = match members.last() {
        Some(last) if is_first(text, last.key_span.start) => {
            indentation(text, last.key_span.start).to_owned()
        }
        _ => format!("{base}{step}"),
    };
    let member = format!(
        "{}: {}",
        json!(key),
        layout.json(rest, &entry.members, &indent)
    );
    let close = map.span.end - 1;
    let mut edits = Vec::new();
    let trailing = match members.last() {
        None => "",
        Some(last) => {
            let has_comma = comma(text, last.value.span.end, close);
            if !text[map.span.clone()].contains('\n') {
                let at = has_comma.unwrap_or(last.value.span.end);
                let before = match has_comma {
                    Some(_) => " ",
                    None => ", ",
                };
                let text = format!("{before}{}: {}", json!(key), compact(rest, &entry.members));
                return Ok(vec![Edit { span: at..at, text }]);
            }
            match has_comma {
                Some(_) => ",",
                None => {
                    let at = last.value.span.end;
                    edits.push(insertion(at, ",".to_owned()));
                    ""
                }
            }
        }
    };
    let start = line_start(text, close);
    let interior = &text[map.span.start + 1..close];
    edits.push(match () {
        () if members.is_empty() && interior.trim().is_empty() => Edit {
            span: map.span.start + 1..close,
            text: format!("{newline}{indent}{member}{newline}{base}"),
        },
        () if is_first(text, close) && start > map.span.start => {
            insertion(start, format!("{indent}{member}{trailing}{newline}"))
        }
        () => insertion(
            close,
            format!("{newline}{indent}{member}{trailing}{newline}{base}"),
        ),
    });
    Ok(edits)
}

fn insertion(at: usize, text: String) -> Edit {
    Edit { span: at..at, text }
}

/// Whether only blanks stand before it in its line.
fn is_first(text: &str, at: usize) -> bool {
    blanks_end(text, line_start(text, at)) == at
}

/// Where the comma ends that stands between `at` and `end`, beside blanks and comments.
fn comma(text: &str, mut at: usize, end: usize) -> Option<usize> {
    while at < end {
        if let Some(after) = Format::Json.comment_end(text, at) {
            at = after;
            continue;
        }
        let c = text[at..].chars().next()?;
        at += c.len_utf8();
        if c == ',' {
            return Some(at);
        }
    }
    None
}
