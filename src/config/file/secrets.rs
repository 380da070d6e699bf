//! Whether the file holds a secret, which other users of the machine must not read.

use super::json::{Members, Node};
use crate::config::telling::{self, holds_secret, is_telling};

/// The name of the first member that holds a secret itself, and not by `${VAR}`.
pub(super) fn first(members: &Members) -> Option<&str> {
    members.iter().find_map(|(name, node)| match node {
        Node::Object(headers) if is_header(name) => headers.iter().find_map(|(header, value)| {
            let telling = is_telling(header) && is_literal(value);
            telling.then_some(header.as_str())
        }),
        Node::List(lines) if is_header(name) => lines.iter().any(is_telling_line).then_some(name),
        Node::Text(_) if is_header(name) => is_telling_line(node).then_some(name.as_str()),
        Node::Object(members) => first(members),
        Node::Text(text) => holds_secret(name, text).then_some(name.as_str()),
        Node::List(list) => {
            let telling =
                |node: &Node| matches!(node, Node::Text(text) if holds_secret(name, text));
            list.iter().any(telling).then_some(name.as_str())
        }
        Node::Null | Node::Bool(_) | Node::Number(_) => None,
    })
}

fn is_header(name: &str) -> bool {
    matches!(name, "header" | "headers")
}

/// A header as the option `--header` takes it.
fn is_telling_line(node: &Node) -> bool {
    matches!(node, Node::Text(line) if telling::is_telling_line(line))
}

fn is_literal(node: &Node) -> bool {
    matches!(node, Node::Text(text) if telling::is_literal(text))
}
