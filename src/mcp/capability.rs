//! What the AI client declared it can be asked (MCP 2025-11-25, Lifecycle, Capability Negotiation).

use serde_json::{Map, Value};

use super::jsonrpc::{self, Message};
use super::revision::Revision;

/// The `capabilities` of the AI client's `initialize`.
#[derive(Clone, Debug, Default)]
pub struct HostCapabilities(Map<String, Value>);

impl HostCapabilities {
    /// Reads them from an `initialize` request.
    pub fn of(initialize: &Message) -> Self {
        Self::read(initialize.body_member("capabilities").unwrap_or("{}"))
    }

    /// Reads them from JSON text.
    pub fn read(capabilities: &str) -> Self {
        Self(serde_json::from_str(capabilities).unwrap_or_default())
    }

    /// Whether the server may put this request to the AI client, which agreed on `revision`.
    pub fn allow(&self, request: &Message, revision: &Revision) -> bool {
        match request.method() {
            "roots/list" => self.0.contains_key("roots"),
            "sampling/createMessage" => self.allow_sampling(request, revision),
            "elicitation/create" => self.allow_elicitation(request),
            method if method.starts_with("tasks/") => self.0.contains_key("tasks"),
            // Extensions define methods that we have never heard of.
            _ => self.0.contains_key("extensions") || self.0.contains_key("experimental"),
        }
    }

    /// Whether there is anything that a server may want to know of it before it answers a request.
    pub fn can_be_asked(&self) -> bool {
        let features = ["elicitation", "sampling", "roots"];
        features.iter().any(|feature| self.0.contains_key(*feature))
    }

    /// Whether it can be asked to put an address before the user (MCP 2025-11-25, Elicitation, URL
    /// Mode).
    pub fn shows_addresses(&self) -> bool {
        let elicitation = self.0.get("elicitation");
        elicitation.is_some_and(|elicitation| elicitation.get("url").is_some())
    }

    fn allow_sampling(&self, request: &Message, revision: &Revision) -> bool {
        let Some(sampling) = self.0.get("sampling") else {
            return false;
        };
        let asks_tools = ["tools", "toolChoice"]
            .iter()
            .any(|name| request.body_member(name).is_some());
        let context = request
            .body_member("includeContext")
            .and_then(jsonrpc::string);
        let asks_context = revision.sampling_context_capability
            && context.is_some_and(|context| context != "none");
        (!asks_tools || sampling.get("tools").is_some())
            && (!asks_context || sampling.get("context").is_some())
    }

    fn allow_elicitation(&self, request: &Message) -> bool {
        let Some(elicitation) = self.0.get("elicitation") else {
            return false;
        };
        let mode = request.body_member("mode").and_then(jsonrpc::string);
        match mode.as_deref() {
            Some("url") => elicitation.get("url").is_some(),
            // An empty object means forms, as it did before there were modes.
            _ => elicitation.get("form").is_some() || elicitation.get("url").is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision;

    fn allowed(capabilities: &str, method: &str, params: &str, version: &str) -> bool {
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"capabilities":{capabilities}}}}}"#
        );
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let capabilities = HostCapabilities::of(&jsonrpc::parse(initialize.into()).unwrap());
        capabilities.allow(
            &jsonrpc::parse(request.into()).unwrap(),
            revision::find(version).unwrap(),
        )
    }

    #[test]
    fn only_declared_features_are_asked_for() {
        let url = r#"{"mode":"url"}"#;
        let tools = r#"{"tools":[]}"#;
        let context = r#"{"includeContext":"allServers"}"#;
        for (capabilities, method, params, version, expected) in [
            ("{}", "roots/list", "{}", "2025-11-25", false),
            (r#"{"roots":{}}"#, "roots/list", "{}", "2025-11-25", true),
            ("{}", "sampling/createMessage", "{}", "2025-11-25", false),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                "{}",
                "2025-11-25",
                true,
            ),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                tools,
                "2025-11-25",
                false,
            ),
            (
                r#"{"sampling":{"tools":{}}}"#,
                "sampling/createMessage",
                tools,
                "2025-11-25",
                true,
            ),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                context,
                "2025-11-25",
                false,
            ),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                context,
                "2025-06-18",
                true,
            ),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                r#"{"includeContext":"none"}"#,
                "2025-11-25",
                true,
            ),
            ("{}", "elicitation/create", "{}", "2025-11-25", false),
            (
                r#"{"elicitation":{}}"#,
                "elicitation/create",
                "{}",
                "2025-11-25",
                true,
            ),
            (
                r#"{"elicitation":{}}"#,
                "elicitation/create",
                url,
                "2025-11-25",
                false,
            ),
            (
                r#"{"elicitation":{"url":{}}}"#,
                "elicitation/create",
                url,
                "2025-11-25",
                true,
            ),
            (
                r#"{"elicitation":{"url":{}}}"#,
                "elicitation/create",
                r#"{"mode":"form"}"#,
                "2025-11-25",
                false,
            ),
            (
                r#"{"elicitation":{"form":{},"url":{}}}"#,
                "elicitation/create",
                "{}",
                "2025-11-25",
                true,
            ),
            (r#"{"tasks":{}}"#, "tasks/get", "{}", "2025-11-25", true),
            ("{}", "tasks/get", "{}", "2025-11-25", false),
            ("{}", "vendor/ask", "{}", "2025-11-25", false),
            (
                r#"{"experimental":{}}"#,
                "vendor/ask",
                "{}",
                "2025-11-25",
                true,
            ),
        ] {
            assert_eq!(
                allowed(capabilities, method, params, version),
                expected,
                "{capabilities} {method} {params}"
            );
        }
    }
}
