//! Reads YAML, from the events of a parser that says where each of them stands.

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marked};

use super::tree::{Form, Kind, Member, Node, Quote, ReadError, Span};

/// How deep a file may be nested.
const DEPTH: usize = 128;

/// Reads a text; `None` if there is no document in it.
pub fn read(text: &str) -> Result<Option<Node>, ReadError> {
    let mut reader = Reader::new(text);
    for step in Parser::new_from_str(text) {
        let (event, span) = step.map_err(|error| ReadError {
            line: error.marker().line(),
            reason: error.info().to_owned(),
        })?;
        let line = span.start.line();
        let refused = |reason: &str| ReadError {
            line,
            reason: reason.to_owned(),
        };
        reader.take(event, span).map_err(refused)?;
    }
    Ok(reader.root)
}

/// Whether a string can stand without quotes and is still that string in every place.
pub fn is_bare(value: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '~' && value.len() > 1;
    let holds = |c: char| c.is_ascii_alphanumeric() || "/._+-~".contains(c);
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    value.starts_with(starts)
        && value.chars().all(holds)
        && !words.contains(&value.to_ascii_lowercase().as_str())
}

struct Reader<'t> {
    text: &'t str,
    /// Byte offsets of the characters up to the last one asked for.
    at: (usize, usize),
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

/// A list or a map whose end has not come.
struct Open {
    start: usize,
    form: Form,
    /// Whether an anchor or a tag is on it.
    knotted: bool,
    items: Vec<Node>,
    members: Option<Vec<Member>>,
    /// The name whose value comes next.
    key: Option<(String, Span)>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            at: (0, 0),
            open: Vec::new(),
            root: None,
            documents: 0,
        }
    }

    /// The byte offset of a character. Events come in the order of the text, so this goes on from
    /// the last one where it can.
    fn offset(&mut self, character: usize) -> usize {
        let (mut count, mut byte) = match character < self.at.0 {
            true => (0, 0),
            false => self.at,
        };
        for c in self.text[byte..].chars().take(character - count) {
            count += 1;
            byte += c.len_utf8();
        }
        self.at = (count, byte);
        byte
    }

    fn span(&mut self, span: Marked) -> Span {
        let start = self.offset(span.start.index());
        start..self.offset(span.end.index()).max(start)
    }

    /// Where a scalar ends. The parser's own mark may be behind blanks and a comment.
    fn scalar_end(&self, span: &Span, style: ScalarStyle) -> usize {
        let written = &self.text[span.clone()];
        let quote = match style {
            ScalarStyle::SingleQuoted => '\'',
            ScalarStyle::DoubleQuoted => '"',
            _ => return span.start + written.trim_end().len(),
        };
        let Some(begin) = written.find(quote) else {
            return span.end;
        };
        let mut chars = written[begin + 1..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote == '"' => drop(chars.next()),
                // A quote is doubled between single quotes.
                '\'' if quote == c && chars.peek().is_some_and(|(_, next)| *next == c) => {
                    chars.next();
                }
                c if c == quote => return span.start + begin + 1 + at + 1,
                _ => {}
            }
        }
        span.end
    }

    fn take(&mut self, event: Event<'_>, marked: Marked) -> Result<(), &'static str> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("there is more than one document in it");
                }
            }
            Event::Alias(_) => {
                let span = self.span(marked);
                self.put(span, Kind::Knotted)?;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let span = self.span(marked);
                let span = span.start..self.scalar_end(&span, style);
                let kind = match anchor != 0 || tag.is_some() {
                    true => Kind::Knotted,
                    false => scalar(value.into_owned(), style),
                };
                self.put(span, kind)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(marked, anchor, tag.is_some(), false)?
            }
            Event::MappingStart(anchor, tag) => self.begin(marked, anchor, tag.is_some(), true)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let mark = self.span(marked);
                // The parser's own end may be behind blanks and a comment.
                let end = match self.text[mark.start..].starts_with([']', '}']) {
                    true => mark.start + 1,
                    false => mark.end,
                };
                let Some(open) = self.open.pop() else {
                    return Err("something ends that has not begun");
                };
                let kind = match (open.knotted, open.members) {
                    (true, _) => Kind::Knotted,
                    (false, Some(members)) => Kind::Map(members, open.form),
                    (false, None) => Kind::List(open.items, open.form),
                };
                self.put(open.start..end.max(open.start), kind)?;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        marked: Marked,
        anchor: usize,
        tagged: bool,
        is_map: bool,
    ) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH {
            return Err("it is nested too deep");
        }
        let start = self.span(marked).start;
        let is_flow = self.text[start..].starts_with(['[', '{']);
        self.open.push(Open {
            start,
            form: match is_flow {
                true => Form::Flow,
                false => Form::Block,
            },
            knotted: anchor != 0 || tagged,
            items: Vec::new(),
            members: is_map.then(Vec::new),
            key: None,
        });
        Ok(())
    }

    fn put(&mut self, span: Span, kind: Kind) -> Result<(), &'static str> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(Node { span, kind });
            return Ok(());
        };
        let Some(members) = &mut open.members else {
            open.items.push(Node { span, kind });
            return Ok(());
        };
        match open.key.take() {
            Some((key, key_span)) => members.push(Member {
                key,
                key_span,
                value: Node { span, kind },
            }),
            None => {
                let name = match kind {
                    Kind::Text(name, _) => name,
                    Kind::Plain => self.text[span.clone()].to_owned(),
                    Kind::Knotted if self.text[span.clone()].starts_with('*') => String::new(),
                    _ => return Err("a name in it is no string"),
                };
                open.key = Some((name, span));
            }
        }
        Ok(())
    }
}

fn scalar(value: String, style: ScalarStyle) -> Kind {
    match style {
        ScalarStyle::Plain if is_other(&value) => Kind::Plain,
        ScalarStyle::Plain => Kind::Text(value, Quote::Bare),
        ScalarStyle::SingleQuoted => Kind::Text(value, Quote::Single),
        ScalarStyle::DoubleQuoted => Kind::Text(value, Quote::Double),
        ScalarStyle::Literal | ScalarStyle::Folded => Kind::Text(value, Quote::Lines),
    }
}

/// Whether YAML's core schema takes an unquoted scalar for something else than a string.
fn is_other(value: &str) -> bool {
    let words = ["", "~", "null", "true", "false"];
    words.contains(&value.to_ascii_lowercase().as_str()) || value.parse::<f64>().is_ok()
}
