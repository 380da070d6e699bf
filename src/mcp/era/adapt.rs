//! What is rewritten in the content of messages from one era or revision to another: the rows of
//! these tables and nothing else. Everything that is not named here goes as it came.

pub mod capabilities;
mod question;
mod result;

use super::object::Object;
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::revision::Revision;

pub use question::question_for_session;
pub use result::result_for_session;

/// Whether a revision is older than another; the names are dates.
fn is_before(revision: Option<&Revision>, name: &str) -> bool {
    revision.is_some_and(|revision| revision.name < name)
}

/// The `type` of something, if it is a string.
fn type_of(object: &str) -> Option<String> {
    jsonrpc::member(object, "type").and_then(jsonrpc::string)
}

/// The message with another body, if that is another.
fn with_body(message: &Message, body: Option<String>) -> Message {
    match body {
        Some(body) => message.with_part(message.body(), &body),
        None => message.clone(),
    }
}

/// An object with one member set.
fn with_member(object: &str, name: &str, value: &str) -> Option<String> {
    let mut object = Object::read(object)?;
    object.set(name, value);
    Some(object.write())
}

#[cfg(test)]
mod tests;
