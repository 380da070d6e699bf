//! What a server without sessions wants to know, for an AI client that opens with `initialize`.
//!
//! | what                                   | for a client of   | becomes                       |
//! |----------------------------------------|-------------------|-------------------------------|
//! | `mode` of a form                       | before 2025-11-25 | nothing                       |
//! | choices with titles (`oneOf`)          | before 2025-11-25 | `enum` and `enumNames`        |
//! | a form with a choice of several        | before 2025-11-25 | not asked: it cannot be shown |
//! | an address that is not of the web      | all               | not asked                     |
//! | content of a sampling message in a list of one | before 2025-11-25 | that one              |

use url::Url;

use super::super::object::{self, Object};
use super::{is_before, type_of, with_body, with_member};
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::revision::Revision;

/// The question as a client of `revision` knows it; `None` if it cannot show it.
pub fn question_for_session(question: &Message, revision: &Revision) -> Option<Message> {
    let older = is_before(Some(revision), "2025-11-25");
    let body = question.body();
    let changed = match question.method() {
        "elicitation/create" if mode(body).as_deref() == Some("url") => {
            is_of_the_web(body).then_some(None)?
        }
        "elicitation/create" if older => Some(form(body)?),
        "sampling/createMessage" if older => sampling(body),
        _ => None,
    };
    Some(with_body(question, changed))
}

fn mode(params: &str) -> Option<String> {
    jsonrpc::member(params, "mode").and_then(jsonrpc::string)
}

/// MCP 2025-11-25, Elicitation, URL Mode: the client shows it to the user, who opens it.
fn is_of_the_web(params: &str) -> bool {
    let url = jsonrpc::member(params, "url").and_then(jsonrpc::string);
    let url = url.and_then(|url| Url::parse(&url).ok());
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn form(params: &str) -> Option<String> {
    let mut form = Object::read(params)?;
    form.remove(&["mode"]);
    let schema = form.get("requestedSchema").unwrap_or("{}");
    let properties = Object::read(jsonrpc::member(schema, "properties").unwrap_or("{}"))?;
    let mut changed = Object::default();
    let fields: Vec<(&str, Option<String>)> = properties
        .iter()
        .map(|(name, field)| Some((name, self::field(field)?)))
        .collect::<Option<_>>()?;
    for ((name, field), (_, text)) in fields.iter().zip(properties.iter()) {
        changed.set(name, field.as_deref().unwrap_or(text));
    }
    let schema = match fields.iter().any(|(_, field)| field.is_some()) {
        true => with_member(schema, "properties", &changed.write()),
        false => None,
    };
    if let Some(schema) = &schema {
        form.set("requestedSchema", schema);
    }
    Some(form.write())
}

/// A field of a form; within, `None` if it is the same, without, if it cannot be shown.
fn field(field: &str) -> Option<Option<String>> {
    if type_of(field).as_deref() == Some("array") {
        return None;
    }
    let Some(choices) = jsonrpc::member(field, "oneOf").and_then(object::elements) else {
        return Some(None);
    };
    let all = |name: &str| -> Option<String> {
        let members = choices.iter().map(|choice| jsonrpc::member(choice, name));
        let members: Option<Vec<&str>> = members.collect();
        Some(object::array(members?))
    };
    let (Some(values), Some(titles)) = (all("const"), all("title")) else {
        return Some(None);
    };
    let mut field = Object::read(field)?;
    field.remove(&["oneOf"]);
    field.set("enum", &values);
    field.set("enumNames", &titles);
    Some(Some(field.write()))
}

fn sampling(params: &str) -> Option<String> {
    let messages = object::elements(jsonrpc::member(params, "messages")?)?;
    let mut changed = false;
    let messages: Vec<String> = messages
        .into_iter()
        .map(|message| {
            let content = jsonrpc::member(message, "content").and_then(object::elements);
            let single = content.filter(|content| content.len() == 1);
            let replaced = single.and_then(|content| with_member(message, "content", content[0]));
            changed |= replaced.is_some();
            replaced.unwrap_or_else(|| message.to_owned())
        })
        .collect();
    let messages = object::array(messages.iter().map(String::as_str));
    changed
        .then(|| with_member(params, "messages", &messages))
        .flatten()
}
