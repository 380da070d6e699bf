//! Takes the first entries out of a list in the text, and puts others in their place. Comments
//! stay, and a line that has nothing else goes with its entry.

use std::ops::Range;

use crate::compat::hosts::tree::{
    Edit, Form, Format, Kind, Node, Quote, Span, blanks_end, indentation, line_break, line_ending,
    line_start,
};

/// Replaces `removed` entries of `list` by strings. What stands behind them stays, so that there is
/// always something behind.
pub(super) fn replace(
    text: &str,
    format: Format,
    list: &Node,
    removed: Range<usize>,
    fresh: &[String],
) -> Result<Vec<Edit>, &'static str> {
    let Kind::List(items, form) = &list.kind else {
        return Err("its arguments are no list");
    };
    let gone = items
        .get(removed.clone())
        .ok_or("its arguments are no list")?;
    let is_last = removed.end == items.len();
    if items
        .iter()
        .any(|item| matches!(item.kind, Kind::Text(_, Quote::Lines)))
        && *form == Form::Block
    {
        return Err("its arguments are written over several lines");
    }
    if fresh.is_empty() {
        return match (is_last && !gone.is_empty(), form) {
            (true, _) => Err("nothing would be left of its arguments"),
            (false, Form::Flow) => without_flow(text, format, gone),
            (false, Form::Block) => gone.iter().map(|item| without_line(text, item)).collect(),
        };
    }
    let like = |node: Option<&Node>| match node.map(|node| &node.kind) {
        Some(Kind::Text(_, quote)) => *quote,
        _ => Quote::Double,
    };
    let texts = |quote| -> Vec<String> {
        let each = fresh.iter();
        each.map(|word| format.text(word, quote)).collect()
    };
    let before = removed.start.checked_sub(1).and_then(|at| items.get(at));
    match (gone.split_last(), before.or(items.first())) {
        // The last one that goes makes room for what comes.
        (Some((last, others)), _) => {
            let new = joined(text, *form, last, &texts(like(Some(last))))?;
            let mut edits = match form {
                Form::Flow => without_flow(text, format, others)?,
                Form::Block => {
                    let each = others.iter().map(|item| without_line(text, item));
                    each.collect::<Result<_, _>>()?
                }
            };
            edits.push(Edit {
                span: last.span.clone(),
                text: new,
            });
            Ok(edits)
        }
        // Behind the program, whose own list this is.
        (None, Some(program)) if before.is_some() => {
            let mut words = texts(like(Some(program)));
            words.insert(0, String::new());
            let at = program.span.end;
            let text = joined(text, *form, program, &words)?;
            Ok(vec![Edit { span: at..at, text }])
        }
        (None, Some(first)) => {
            let mut words = texts(like(Some(first)));
            words.push(String::new());
            let at = first.span.start;
            let text = joined(text, *form, first, &words)?;
            Ok(vec![Edit { span: at..at, text }])
        }
        (None, None) => Ok(vec![Edit {
            span: list.span.clone(),
            text: format!("[{}]", texts(Quote::Double).join(", ")),
        }]),
    }
}

/// Entries one after the other, as they stand in the list at `at`.
fn joined(text: &str, form: Form, at: &Node, words: &[String]) -> Result<String, &'static str> {
    let start = line_start(text, at.span.start);
    let indent = indentation(text, at.span.start);
    let newline = line_ending(text);
    Ok(match form {
        Form::Flow if start + indent.len() == at.span.start => {
            words.join(&format!(",{newline}{indent}"))
        }
        Form::Flow => words.join(", "),
        Form::Block => {
            let dash = dash(text, at)?;
            let before = &text[line_start(text, dash)..dash];
            if !before.trim().is_empty() {
                return Err("its arguments begin in the line of something else");
            }
            words.join(&format!("{newline}{before}{}", &text[dash..at.span.start]))
        }
    })
}

/// Takes entries between commas out, those that stand side by side in a line together.
fn without_flow(text: &str, format: Format, gone: &[Node]) -> Result<Vec<Edit>, &'static str> {
    let mut edits = Vec::new();
    let mut run: Option<Span> = None;
    for item in gone {
        let comma = comma(text, format, item.span.end).ok_or("its arguments have no commas")?;
        let bare = text[item.span.end..comma].trim().is_empty();
        match &mut run {
            Some(run) if bare && blanks_end(text, run.end) == item.span.start => {
                run.end = comma + 1
            }
            _ => {
                edits.extend(run.take().map(|run| without(text, run)));
                if bare {
                    run = Some(item.span.start..comma + 1);
                } else {
                    // A comment between an entry and its comma stays.
                    edits.push(deletion(item.span.clone()));
                    edits.push(deletion(comma..comma + 1));
                }
            }
        }
    }
    edits.extend(run.map(|run| without(text, run)));
    Ok(edits)
}

/// Takes a part of a line out: with its line, if that has nothing else, else with the blanks behind.
fn without(text: &str, part: Span) -> Edit {
    let start = line_start(text, part.start);
    let is_first = text[start..part.start].trim().is_empty();
    let end = blanks_end(text, part.end);
    match line_break(text, end) {
        Some(length) if is_first => deletion(start..end + length),
        Some(_) => deletion(part),
        None => deletion(part.start..end),
    }
}

/// Takes an entry of a YAML block out, with its dash.
fn without_line(text: &str, item: &Node) -> Result<Edit, &'static str> {
    let dash = dash(text, item)?;
    if !text[line_start(text, dash)..dash].trim().is_empty() {
        return Err("its arguments begin in the line of something else");
    }
    Ok(without(text, dash..item.span.end))
}

/// Where the dash of an entry stands.
fn dash(text: &str, item: &Node) -> Result<usize, &'static str> {
    let before = text[..item.span.start].trim_end_matches([' ', '\t']);
    match before.ends_with('-') {
        true => Ok(before.len() - 1),
        false => Err("its arguments do not stand behind dashes"),
    }
}

/// The comma behind an entry, maybe after blanks and comments.
fn comma(text: &str, format: Format, mut at: usize) -> Option<usize> {
    loop {
        if let Some(end) = format.comment_end(text, at) {
            at = end;
            continue;
        }
        let c = text[at..].chars().next()?;
        match c {
            ',' => return Some(at),
            c if c.is_whitespace() => at += c.len_utf8(),
            _ => return None,
        }
    }
}

fn deletion(span: Span) -> Edit {
    Edit {
        span,
        text: String::new(),
    }
}
