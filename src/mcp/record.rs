//! What a server said of itself when it was last reached, and what an AI client is told from that
//! while a person has yet to sign in. A hint: the server's own word replaces it.

use serde_json::{Map, Value, json};

use super::era;
use super::jsonrpc::{self, Message};
use super::revision::Revision;
use super::transport::Verdict;

/// Longest text of a server about itself that is kept, in bytes.
const LIMIT: usize = 256 * 1024;

/// The kinds of things whose lists a server can say to change (MCP 2025-11-25, Capability
/// Negotiation).
pub const LISTED: [&str; 3] = ["tools", "prompts", "resources"];
/// The list requests, with the kind of thing they list and the member of the result that holds it.
pub const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "tools"),
    ("prompts/list", "prompts", "prompts"),
    ("resources/list", "resources", "resources"),
    ("resources/templates/list", "resources", "resourceTemplates"),
];

/// What a server answered to `initialize`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerRecord {
    /// The revision it chose.
    pub protocol_version: String,
    /// Its `capabilities`.
    pub capabilities: Map<String, Value>,
    /// Its `serverInfo`.
    pub server_info: Option<Map<String, Value>>,
    /// Its `instructions`.
    pub instructions: Option<String>,
    /// The transport it speaks, and when that was found out.
    pub verdict: Option<Verdict>,
    /// The era it is of, and when that was found out.
    pub era: Option<era::Verdict>,
    /// What calls of its tools repeat in their heads, by tool, at a server without sessions; `None` if
    /// its list of tools was not read.
    pub tool_heads: Option<Map<String, Value>>,
}

impl ServerRecord {
    /// Reads it from an InitializeResult, without a verdict; `None` if that holds nothing that could be kept.
    pub fn of(result: &Message) -> Option<Self> {
        if result.body().len() > LIMIT {
            return None;
        }
        let object = |name| serde_json::from_str(result.body_member(name)?).ok();
        Some(Self {
            protocol_version: result
                .body_member("protocolVersion")
                .and_then(jsonrpc::string)?,
            capabilities: object("capabilities")?,
            server_info: object("serverInfo"),
            instructions: result.body_member("instructions").and_then(jsonrpc::string),
            verdict: None,
            era: None,
            tool_heads: None,
        })
    }
}

/// An answer to `initialize` that is given before the server has said anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The InitializeResult, JSON text.
    pub result: String,
    /// The capabilities in it, JSON text.
    pub capabilities: String,
}

/// Promises what the server had the last time, or everything that can be listed. All lists may
/// change: they will, when the sign-in is done.
pub fn promise(record: Option<&ServerRecord>, server: &str, revision: &Revision) -> Promise {
    let mut capabilities = match record {
        Some(record) => record.capabilities.clone(),
        None => LISTED
            .map(|kind| (kind.to_owned(), json!({})))
            .into_iter()
            .collect(),
    };
    // The list of tools is where the user is told about the sign-in.
    capabilities.entry("tools").or_insert_with(|| json!({}));
    for kind in LISTED {
        if let Some(Value::Object(capability)) = capabilities.get_mut(kind) {
            capability.insert("listChanged".to_owned(), Value::Bool(true));
        }
    }
    let capabilities = Value::Object(capabilities);
    let unknown = json!({ "name": server, "version": "unknown" });
    let info = record.and_then(|record| record.server_info.clone());
    let mut result = json!({
        "protocolVersion": revision.name,
        "capabilities": capabilities,
        "serverInfo": info.map_or(unknown, Value::Object),
    });
    if let Some(instructions) = record.and_then(|record| record.instructions.as_deref()) {
        result["instructions"] = instructions.into();
    }
    Promise {
        result: result.to_string(),
        capabilities: capabilities.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::NEWEST;

    fn result(body: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{body}}}"#);
        jsonrpc::parse(text.into()).unwrap()
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn without_a_record_every_list_is_promised() {
        let promise = promise(None, "mcp.example.com", NEWEST);
        let all = json!({
            "tools": { "listChanged": true },
            "prompts": { "listChanged": true },
            "resources": { "listChanged": true },
        });
        assert_eq!(value(&promise.capabilities), all);
        let expected = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": all,
            "serverInfo": { "name": "mcp.example.com", "version": "unknown" },
        });
        assert_eq!(value(&promise.result), expected);
    }

    #[test]
    fn with_a_record_the_server_is_promised_as_it_was() {
        let said = result(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"resources":{"subscribe":true},"logging":{},"x/y":{"z":1}},"serverInfo":{"name":"s","version":"2","title":"S"},"instructions":"be kind"}"#,
        );
        let record = ServerRecord::of(&said).unwrap();
        assert_eq!(record.protocol_version, "2025-06-18");
        let promise = promise(Some(&record), "mcp.example.com", NEWEST);
        let expected = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {
                "tools": { "listChanged": true },
                "resources": { "subscribe": true, "listChanged": true },
                "logging": {},
                "x/y": { "z": 1 },
            },
            "serverInfo": { "name": "s", "version": "2", "title": "S" },
            "instructions": "be kind",
        });
        assert_eq!(value(&promise.result), expected);
    }

    #[test]
    fn a_server_without_tools_is_promised_to_have_some() {
        let said = result(r#"{"protocolVersion":"2025-06-18","capabilities":{"prompts":{}}}"#);
        let record = ServerRecord::of(&said).unwrap();
        let promise = promise(Some(&record), "mcp.example.com", NEWEST);
        let expected =
            json!({ "tools": { "listChanged": true }, "prompts": { "listChanged": true } });
        assert_eq!(value(&promise.capabilities), expected);
    }

    #[test]
    fn nothing_unusable_is_kept() {
        let long = "x".repeat(LIMIT);
        for body in [
            "{}".to_owned(),
            r#"{"protocolVersion":1,"capabilities":{}}"#.to_owned(),
            r#"{"protocolVersion":"2025-06-18","capabilities":[]}"#.to_owned(),
            format!(
                r#"{{"protocolVersion":"2025-06-18","capabilities":{{}},"instructions":"{long}"}}"#
            ),
        ] {
            assert_eq!(ServerRecord::of(&result(&body)), None, "{body:.80}");
        }
    }
}
