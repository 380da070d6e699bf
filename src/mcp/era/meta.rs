//! What a message of a revision without sessions says of itself in `_meta`, and what it may not say
//! towards a side that opens with `initialize` (MCP 2026-07-28, Base Protocol, `_meta`).

use super::object::Object;
use crate::mcp::jsonrpc::{self, Id, Message};
use crate::mcp::search::Word;

/// The revision of a request; a string.
pub const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The end of that member's name, wherever it stands. JSON may write a slash as `\/`, and many
/// libraries do.
pub(super) static NAMED: Word = Word::new("protocolVersion\"");
/// Who sends a request; an object.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the sender of a request can be asked; an object.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// From which level on the server may log on behalf of a request; a string.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Who gives a result; an object.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which subscription a notification belongs to; the id of the request that opened it.
pub const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// What each request to a server without sessions carries, as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The revision, without quotes.
    pub version: String,
    /// `clientInfo`.
    pub client: String,
    /// `clientCapabilities`.
    pub capabilities: String,
}

impl Introduction {
    /// That of this program, which can be asked nothing.
    pub fn of_ourselves(version: &str) -> Self {
        let (name, our_version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self {
            version: version.to_owned(),
            client: format!("{{\"name\":\"{name}\",\"version\":\"{our_version}\"}}"),
            capabilities: "{}".to_owned(),
        }
    }
}

/// The revision that a request names in its `_meta`; `None` if it is of a side that opens with
/// `initialize`.
pub fn version(request: &Message) -> Option<String> {
    // Requests without it are the rule where it is not meant: a search is cheaper than a walk.
    if !NAMED.is_in(request.text()) {
        return None;
    }
    jsonrpc::string(meta_member(request, VERSION)?)
}

/// A member of a message's `_meta`.
pub fn meta_member<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    jsonrpc::member(message.body_member("_meta")?, name)
}

/// The request with what a server without sessions has to know of its sender. What else its `_meta`
/// has stays. `extra`: members of `params` to be set.
pub fn introduced(
    request: &Message,
    introduction: &Introduction,
    log_level: Option<&str>,
    extra: &[(&str, &str)],
) -> Message {
    let version = jsonrpc::quote(&introduction.version);
    let level = log_level.map(jsonrpc::quote);
    let mut meta = Object::read(request.body_member("_meta").unwrap_or("{}")).unwrap_or_default();
    meta.set(VERSION, &version);
    meta.set(CLIENT_INFO, &introduction.client);
    meta.set(CLIENT_CAPABILITIES, &introduction.capabilities);
    match &level {
        Some(level) => meta.set(LOG_LEVEL, level),
        None => meta.remove(&[LOG_LEVEL]),
    }
    let meta = meta.write();
    let mut params = Object::read(request.body()).unwrap_or_default();
    for (name, value) in extra {
        params.set(name, value);
    }
    params.set("_meta", &meta);
    with_params(request, &params.write())
}

/// The request of an AI client of the new era as one of this revision.
pub fn of_version(request: &Message, version: &str) -> Message {
    match meta_member(request, VERSION) {
        Some(part) if jsonrpc::string(part).as_deref() != Some(version) => {
            request.with_part(part, &jsonrpc::quote(version))
        }
        _ => request.clone(),
    }
}

/// `clientCapabilities`, JSON text, with these extensions; what they say of them themselves stays.
pub fn with_extensions(capabilities: &str, extensions: &[&'static str]) -> String {
    let Some(mut declared) = Object::read(capabilities).filter(|_| !extensions.is_empty()) else {
        return capabilities.to_owned();
    };
    let all = declared.get("extensions").unwrap_or("{}");
    let mut all = Object::read(all).unwrap_or_default();
    for extension in extensions {
        if all.get(extension).is_none() {
            all.set(extension, "{}");
        }
    }
    let all = all.write();
    declared.set("extensions", &all);
    declared.write()
}

/// The request of an AI client of the new era with extensions that are ours.
pub fn extended(request: &Message, extensions: &[&'static str]) -> Message {
    match meta_member(request, CLIENT_CAPABILITIES) {
        Some(part) if !extensions.is_empty() => {
            request.with_part(part, &with_extensions(part, extensions))
        }
        _ => request.clone(),
    }
}

/// The request without what only a server without sessions understands.
pub fn plain(request: &Message) -> Message {
    let mut params = Object::read(request.body()).unwrap_or_default();
    let meta = params.get("_meta").and_then(Object::read);
    let kept = meta.map(|mut meta| {
        meta.remove(&[VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL]);
        (meta.is_empty(), meta.write())
    });
    match &kept {
        Some((false, meta)) => params.set("_meta", meta),
        Some((true, _)) => params.remove(&["_meta"]),
        None => {}
    }
    params.remove(&["inputResponses", "requestState"]);
    with_params(request, &params.write())
}

/// A notification of the subscription that was opened under this id.
pub fn tagged(notification: &Message, id: &Id) -> Message {
    let mut params = Object::read(notification.body()).unwrap_or_default();
    let found = params.get("_meta").and_then(Object::read);
    let mut found = found.unwrap_or_default();
    found.set(SUBSCRIPTION, id.as_json());
    let found = found.write();
    params.set("_meta", &found);
    with_params(notification, &params.write())
}

/// A notification without the mark of the subscription that it came by.
pub fn untagged(notification: &Message) -> Message {
    let Some(mut found) = notification.body_member("_meta").and_then(Object::read) else {
        return notification.clone();
    };
    found.remove(&[SUBSCRIPTION]);
    let text = found.write();
    let mut params = Object::read(notification.body()).unwrap_or_default();
    match found.is_empty() {
        true => params.remove(&["_meta"]),
        false => params.set("_meta", &text),
    }
    with_params(notification, &params.write())
}

/// The request with other `params`, JSON text of an object.
pub fn with_params(request: &Message, params: &str) -> Message {
    if !request.body().is_empty() {
        return request.with_part(request.body(), params);
    }
    let method = jsonrpc::quote(request.method());
    let id = request
        .id()
        .map(|id| format!("\"id\":{id},"))
        .unwrap_or_default();
    let text = format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":{method},\"params\":{params}}}");
    jsonrpc::parse(text.into()).unwrap_or_else(|_| request.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        jsonrpc::parse(text.to_owned().into()).unwrap()
    }

    fn introduction() -> Introduction {
        Introduction {
            version: "2026-07-28".to_owned(),
            client: r#"{"name":"h"}"#.to_owned(),
            capabilities: "{}".to_owned(),
        }
    }

    #[test]
    fn a_request_is_introduced_and_the_rest_of_it_stays() {
        let request = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1.0,"_meta":{"progressToken":5,"v/k":[1]},"z":0}}"#,
        );
        let introduced = introduced(
            &request,
            &introduction(),
            Some("info"),
            &[("requestState", "\"q\"")],
        );
        assert_eq!(
            introduced.text(),
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1.0,"_meta":{"progressToken":5,"v/k":[1],"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h"},"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info"},"z":0,"requestState":"q"}}"#
        );
        assert_eq!(version(&introduced).as_deref(), Some("2026-07-28"));
        assert_eq!(version(&request), None);
    }

    #[test]
    fn the_version_is_found_however_the_slash_is_written() {
        for name in [
            VERSION,
            r"io.modelcontextprotocol\/protocolVersion",
            r"io.modelcontextprotocol\u002fprotocolVersion",
        ] {
            let request = message(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{{"{name}":"2026-07-28"}}}}}}"#
            ));
            assert_eq!(version(&request).as_deref(), Some("2026-07-28"), "{name}");
        }
        let other = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"protocolVersion":"2025-11-25"}}"#,
        );
        assert_eq!(version(&other), None);
    }

    #[test]
    fn a_request_without_params_gets_some() {
        let request = message(r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#);
        let introduced = introduced(&request, &introduction(), None, &[]);
        assert_eq!(
            introduced.text(),
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#
        );
    }

    #[test]
    fn what_a_client_says_of_an_extension_itself_stays() {
        for (declared, expected) in [
            ("{}", r#"{"extensions":{"a/b":{},"c/d":{}}}"#),
            (
                r#"{"roots":{},"extensions":{"a/b":{"x":1.0},"e/f":{}}}"#,
                r#"{"roots":{},"extensions":{"a/b":{"x":1.0},"e/f":{},"c/d":{}}}"#,
            ),
            (
                r#"{"extensions":7}"#,
                r#"{"extensions":{"a/b":{},"c/d":{}}}"#,
            ),
        ] {
            assert_eq!(with_extensions(declared, &["a/b", "c/d"]), expected);
            assert_eq!(with_extensions(declared, &[]), declared);
        }
    }

    #[test]
    fn what_is_introduced_becomes_plain_again() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1.0,"_meta":{"progressToken":5},"z":0}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1.0}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{}}"#,
        ] {
            let extra = [("requestState", "\"q\""), ("inputResponses", "{}")];
            let introduced = introduced(&message(text), &introduction(), Some("info"), &extra);
            assert_eq!(plain(&introduced).text(), text);
        }
    }
}
