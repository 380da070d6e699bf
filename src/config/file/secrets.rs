//! Whether the file holds a secret, which other users of the machine must not read.

use url::Url;

use super::json::{Members, Node};

/// Parts of the names of headers whose values grant access.
const TELLING: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

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

fn is_telling(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    TELLING.iter().any(|part| header.contains(part))
}

fn is_literal(node: &Node) -> bool {
    matches!(node, Node::Text(text) if !text.is_empty() && !text.contains("${"))
}

/// A header as the option `--header` takes it.
fn is_telling_line(node: &Node) -> bool {
    let Node::Text(line) = node else { return false };
    let name = line.split_once(':').map(|(name, _)| name);
    name.is_some_and(is_telling) && is_literal(node)
}

fn holds_secret(name: &str, text: &str) -> bool {
    if text.is_empty() || text.contains("${") {
        return false;
    }
    let name = name.replace('-', "_");
    // A client may stand in one text as it does on a command line.
    let is_client = name == "static_oauth_client_info" && !text.starts_with('@');
    let is_client = is_client && text.contains("client_secret");
    let has_password = || Url::parse(text).is_ok_and(|url| url.password().is_some());
    let is_secret = matches!(&*name, "client_secret" | "initial_access_token");
    is_secret || is_client || (text.contains('@') && has_password())
}
