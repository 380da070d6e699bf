//! What requests to a server without sessions say of the AI client.

use super::super::adapt::capabilities;
use super::super::meta::{self, Introduction};
use super::ServerSide;
use crate::mcp::capability::HostCapabilities;
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::revision::{self, Revision};

/// The AI client, as it introduced itself to the relay.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) revision: &'static Revision,
    pub(super) capabilities: HostCapabilities,
    /// `clientInfo`, JSON text.
    info: String,
    /// What it can be asked, JSON text.
    declared: String,
}

impl Client {
    /// What its `initialize` says.
    pub(super) fn of(initialize: &Message) -> Self {
        let version = initialize
            .body_member("protocolVersion")
            .and_then(jsonrpc::string)
            .unwrap_or_default();
        let info = initialize.body_member("clientInfo").unwrap_or("{}");
        Self {
            revision: revision::find(&version).unwrap_or(revision::NEWEST),
            capabilities: HostCapabilities::of(initialize),
            info: info.to_owned(),
            declared: capabilities::of_client(
                initialize.body_member("capabilities").unwrap_or("{}"),
            ),
        }
    }
}

impl ServerSide {
    /// What requests say of the AI client to a server of this revision.
    pub(super) fn introduction(&self, version: &str) -> Introduction {
        let mut introduction = match &self.client {
            Some(client) => Introduction {
                version: version.to_owned(),
                client: client.info.clone(),
                capabilities: client.declared.clone(),
            },
            None => Introduction::of_ourselves(version),
        };
        introduction.capabilities =
            meta::with_extensions(&introduction.capabilities, &self.extensions);
        introduction
    }

    /// The `params` of a request of our own, JSON text.
    pub(super) fn introduced(&self, params: &str, version: &str) -> String {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{params}}}");
        match jsonrpc::parse(text.into()) {
            Ok(message) => {
                let introduction = self.introduction(version);
                let introduced = meta::introduced(&message, &introduction, None, &[]);
                introduced.body().to_owned()
            }
            Err(_) => params.to_owned(),
        }
    }
}
