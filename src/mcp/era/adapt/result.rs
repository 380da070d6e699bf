//! Results of a server without sessions, for an AI client that opens with `initialize`.
//!
//! | what                                       | for a client of   | becomes                          |
//! |--------------------------------------------|-------------------|----------------------------------|
//! | `resultType`, `ttlMs`, `cacheScope`        | all               | nothing                          |
//! | `_meta` with the server's name             | all               | nothing                          |
//! | `structuredContent` that is no object      | 2025-06-18 and on | nothing, its JSON as text        |
//! | `outputSchema` that is not of an object    | 2025-06-18 and on | nothing                          |
//! | `inputSchema` without `type`               | all               | one of an object                 |
//! | a tool whose `inputSchema` has another     | all               | nothing                          |
//! | `audio`                                    | 2024-11-05        | text that names its type         |
//! | `resource_link`                            | before 2025-06-18 | text with its name and address   |

use super::super::meta;
use super::super::object::{self, Object};
use super::{is_before, type_of, with_body, with_member};
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::revision::Revision;

/// The answer to `method` as a client of `revision` knows it.
pub fn result_for_session(result: &Message, method: &str, revision: Option<&Revision>) -> Message {
    let result = with_body(result, without_marks(result.body()));
    let body = match method {
        "tools/call" => called(result.body(), revision),
        "tools/list" => tools(result.body(), revision),
        "prompts/get" => prompt(result.body(), revision),
        _ => None,
    };
    with_body(&result, body)
}

/// Without what only the new era knows.
fn without_marks(body: &str) -> Option<String> {
    let mut result = Object::read(body)?;
    result.remove(&["resultType", "ttlMs", "cacheScope"]);
    let found = result.get("_meta").and_then(Object::read);
    let kept = found
        .filter(|found| found.get(meta::SERVER_INFO).is_some())
        .map(|mut found| {
            found.remove(&[meta::SERVER_INFO]);
            (!found.is_empty()).then(|| found.write())
        });
    match &kept {
        Some(Some(kept)) => result.set("_meta", kept),
        Some(None) => result.remove(&["_meta"]),
        None => {}
    }
    Some(result.write())
}

fn called(body: &str, revision: Option<&Revision>) -> Option<String> {
    let mut result = Object::read(body)?;
    let content = result.get("content").unwrap_or("[]");
    let mut blocks = self::blocks(content, revision);
    let structured = result.get("structuredContent");
    let odd =
        structured.filter(|value| !value.starts_with('{') && !is_before(revision, "2025-06-18"));
    if let Some(value) = odd {
        result.remove(&["structuredContent"]);
        let has_text = object::elements(content).is_some_and(|blocks| {
            blocks
                .iter()
                .any(|block| type_of(block).as_deref() == Some("text"))
        });
        if !has_text {
            let all = blocks.as_deref().unwrap_or(content);
            let mut all = object::elements(all).unwrap_or_default();
            let added = text_block(value);
            all.push(&added);
            blocks = Some(object::array(all));
        }
    }
    if odd.is_none() && blocks.is_none() {
        return None;
    }
    if let Some(blocks) = &blocks {
        result.set("content", blocks);
    }
    Some(result.write())
}

fn prompt(body: &str, revision: Option<&Revision>) -> Option<String> {
    let messages = object::elements(jsonrpc::member(body, "messages")?)?;
    let mut changed = false;
    let messages: Vec<String> = messages
        .into_iter()
        .map(|message| {
            let block =
                jsonrpc::member(message, "content").and_then(|content| block(content, revision));
            let replaced = block.and_then(|block| with_member(message, "content", &block));
            changed |= replaced.is_some();
            replaced.unwrap_or_else(|| message.to_owned())
        })
        .collect();
    let messages = object::array(messages.iter().map(String::as_str));
    changed
        .then(|| with_member(body, "messages", &messages))
        .flatten()
}

/// Content blocks; `None` if they are all known.
fn blocks(content: &str, revision: Option<&Revision>) -> Option<String> {
    if !is_before(revision, "2025-06-18") {
        return None;
    }
    let mut changed = false;
    let blocks: Vec<String> = object::elements(content)?
        .into_iter()
        .map(|text| {
            let replaced = block(text, revision);
            changed |= replaced.is_some();
            replaced.unwrap_or_else(|| text.to_owned())
        })
        .collect();
    changed.then(|| object::array(blocks.iter().map(String::as_str)))
}

/// What stands for a block that the client does not know; `None` if it knows it.
fn block(block: &str, revision: Option<&Revision>) -> Option<String> {
    let text = |name| jsonrpc::member(block, name).and_then(jsonrpc::string);
    let shown = match type_of(block)?.as_str() {
        "audio" if is_before(revision, "2025-03-26") => {
            let kind = text("mimeType").unwrap_or_else(|| "unknown type".to_owned());
            format!("[audio, {kind}: this client cannot take it]")
        }
        "resource_link" if is_before(revision, "2025-06-18") => {
            let (name, uri) = (
                text("name").unwrap_or_default(),
                text("uri").unwrap_or_default(),
            );
            format!("{name}: {uri}")
        }
        _ => return None,
    };
    Some(text_block(&jsonrpc::quote(&shown)))
}

/// A block with this text: a JSON string as it is, anything else as its own JSON.
fn text_block(value: &str) -> String {
    let text = match value.starts_with('"') {
        true => value.to_owned(),
        false => jsonrpc::quote(value),
    };
    format!("{{\"type\":\"text\",\"text\":{text}}}")
}

fn tools(body: &str, revision: Option<&Revision>) -> Option<String> {
    let listed = object::elements(jsonrpc::member(body, "tools")?)?;
    let mut changed = false;
    let mut kept = Vec::new();
    for tool in listed {
        match self::tool(tool, revision) {
            Tool::AsItIs => kept.push(tool.to_owned()),
            Tool::Changed(tool) => {
                changed = true;
                kept.push(tool);
            }
            Tool::Unusable => changed = true,
        }
    }
    let tools = object::array(kept.iter().map(String::as_str));
    changed
        .then(|| with_member(body, "tools", &tools))
        .flatten()
}

enum Tool {
    AsItIs,
    Changed(String),
    Unusable,
}

fn tool(text: &str, revision: Option<&Revision>) -> Tool {
    let Some(mut tool) = Object::read(text) else {
        return Tool::AsItIs;
    };
    let mut changed = false;
    let input = tool.get("inputSchema").unwrap_or("{}");
    let typed = match jsonrpc::member(input, "type") {
        None => with_member(input, "type", "\"object\""),
        Some("\"object\"") => None,
        Some(_) => return Tool::Unusable,
    };
    if let Some(typed) = &typed {
        tool.set("inputSchema", typed);
        changed = true;
    }
    let output = tool.get("outputSchema");
    let is_odd = output.is_some_and(|schema| type_of(schema).as_deref() != Some("object"));
    if is_odd && !is_before(revision, "2025-06-18") {
        tool.remove(&["outputSchema"]);
        changed = true;
    }
    match changed {
        true => Tool::Changed(tool.write()),
        false => Tool::AsItIs,
    }
}
