//! Reads TOML.

use toml_edit::{Document, Item, Key, TableLike, Value};

use super::tree::{Form, Kind, Member, Node, Quote, ReadError, line_of};

/// Reads a text. An empty one is a table without members.
pub fn read(text: &str) -> Result<Option<Node>, ReadError> {
    let document = Document::parse(text).map_err(|error| ReadError {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        // It may quote a key; what stands there is the user's own.
        reason: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    Ok(Some(Node {
        span: 0..text.len(),
        kind: table(document.as_table(), Form::Block, text),
    }))
}

/// Whether a string may stand between single quotes as it is.
pub fn is_literal(value: &str) -> bool {
    !value.contains(|c: char| c == '\'' || c.is_control())
}

fn table(table: &dyn TableLike, form: Form, text: &str) -> Kind {
    let members = table.iter().filter_map(|(name, item)| {
        let key = table
            .get_key_value(name)
            .and_then(|(key, _)| Key::span(key));
        Some(Member {
            key: name.to_owned(),
            key_span: key.unwrap_or_default(),
            value: item_node(item, text)?,
        })
    });
    Kind::Map(members.collect(), form)
}

fn item_node(item: &Item, text: &str) -> Option<Node> {
    let kind = match item {
        Item::None => return None,
        Item::Value(value) => return Some(value_node(value, text)),
        Item::Table(inner) => table(inner, Form::Block, text),
        Item::ArrayOfTables(tables) => {
            let tables = tables.iter().map(|inner| Node {
                span: inner.span().unwrap_or_default(),
                kind: table(inner, Form::Block, text),
            });
            Kind::List(tables.collect(), Form::Block)
        }
    };
    let span = item.span().unwrap_or_default();
    Some(Node { span, kind })
}

fn value_node(value: &Value, text: &str) -> Node {
    let span = value.span().unwrap_or_default();
    let kind = match value {
        Value::String(string) => {
            let written = text.get(span.clone()).unwrap_or_default();
            let quote = match () {
                () if written.starts_with("\"\"\"") || written.starts_with("'''") => Quote::Lines,
                () if written.starts_with('\'') => Quote::Single,
                () => Quote::Double,
            };
            Kind::Text(string.value().clone(), quote)
        }
        Value::Array(array) => {
            let items = array.iter().map(|item| value_node(item, text));
            Kind::List(items.collect(), Form::Flow)
        }
        Value::InlineTable(inner) => table(inner, Form::Flow, text),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => Kind::Plain,
    };
    Node { span, kind }
}
