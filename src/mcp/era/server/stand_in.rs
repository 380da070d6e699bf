//! What stands in for the session that a server without sessions does not have: an answer to
//! `initialize`, made from what the server says of itself or has said before.

use serde_json::{Value, json};

use super::super::adapt::capabilities;
use super::super::meta;
use super::super::object::Object;
use super::{Agreed, Era, ServerSide};
use crate::mcp::jsonrpc::{self, Id, Message};
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::Outgoing;
use crate::mcp::revision;

/// What a server is taken to have that does not say what it has.
const ASSUMED: &str = r#"{"tools":{},"prompts":{},"resources":{}}"#;

/// What is known of a server without sessions from an earlier process.
#[derive(Debug)]
pub(super) struct Remembered {
    version: &'static str,
    /// An InitializeResult without a version, JSON text.
    pub(super) result: Option<String>,
}

impl Remembered {
    pub(super) fn new(version: &'static str) -> Self {
        Self {
            version,
            result: None,
        }
    }
}

/// What a record says of a server, as a DiscoverResult would.
pub(super) fn result_of_record(record: &ServerRecord) -> String {
    let mut result = json!({ "capabilities": record.capabilities });
    if let Some(info) = &record.server_info {
        result["serverInfo"] = Value::Object(info.clone());
    }
    if let Some(instructions) = &record.instructions {
        result["instructions"] = instructions.as_str().into();
    }
    result.to_string()
}

impl ServerSide {
    /// Whether the server is known from an earlier process.
    pub(super) fn is_remembered(&self) -> bool {
        let remembered = self.remembered.as_ref();
        remembered.is_some_and(|remembered| remembered.result.is_some())
    }

    /// What is known from earlier answers the relay, so that the AI client's request goes out at once.
    /// If the server is not that any more, the request will show it. Not so for a client that opens
    /// with `initialize`: it holds on to what it is told, and asking costs it nothing more.
    pub(super) fn open_remembered(&mut self, outgoing: &Outgoing, initialize: &Message) {
        // Once: a session that is opened again was lost.
        let Some(remembered) = self.remembered.take() else {
            return;
        };
        let result = remembered.result.unwrap_or_else(|| "{}".to_owned());
        self.agree(
            outgoing.exchange,
            initialize,
            remembered.version,
            &result,
            false,
        );
    }

    /// Answers the relay's `initialize` with what a DiscoverResult says.
    pub(super) fn agree(
        &mut self,
        number: u64,
        initialize: &Message,
        version: &'static str,
        discovered: &str,
        has_sessions: bool,
    ) {
        let requested = initialize
            .body_member("protocolVersion")
            .unwrap_or("\"2025-11-25\"");
        let capabilities = jsonrpc::member(discovered, "capabilities").unwrap_or(ASSUMED);
        let result = initialize_result(requested, capabilities, discovered);
        self.era = Era::Stateless(Agreed {
            version,
            capabilities: capabilities.to_owned(),
            has_sessions,
        });
        let id = Id::from_number(number);
        let response = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}");
        self.reply(number, response.into());
    }
}

/// The InitializeResult that says what a DiscoverResult says. `version`: JSON text.
fn initialize_result(version: &str, capabilities: &str, discovered: &str) -> String {
    let revision = jsonrpc::string(version);
    let revision = revision.and_then(|name| revision::find(&name));
    let told = capabilities::of_server(capabilities, revision);
    let info = jsonrpc::member(discovered, "_meta")
        .and_then(|found| jsonrpc::member(found, meta::SERVER_INFO))
        .or_else(|| jsonrpc::member(discovered, "serverInfo"));
    let mut result = Object::default();
    result.set("protocolVersion", version);
    result.set("capabilities", &told);
    if let Some(info) = info {
        result.set("serverInfo", info);
    }
    if let Some(instructions) = jsonrpc::member(discovered, "instructions") {
        result.set("instructions", instructions);
    }
    result.write()
}
