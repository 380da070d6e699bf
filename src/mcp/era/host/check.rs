//! What each request of the new era must say of itself.

use bytes::Bytes;
use serde_json::json;

use crate::mcp::capability::HostCapabilities;
use crate::mcp::era::matrix::Level;
use crate::mcp::era::meta;
use crate::mcp::era::verdict::UNSUPPORTED_VERSION;
use crate::mcp::jsonrpc::{self, INVALID_PARAMS, Id, Message, MissingId};
use crate::mcp::revision;

/// What a request must say of itself (MCP 2026-07-28, Base Protocol, `_meta`); an error is the
/// answer to one that does not.
pub(super) fn check(request: &Message, id: &Id) -> Result<(), Bytes> {
    let error = |code, text: &str, data: Option<&str>| {
        jsonrpc::error(Some(id), MissingId::Omitted, code, text, data)
    };
    let invalid = |key: &str, what: &str| {
        let text = format!("Invalid params: `_meta` must have `{key}`, {what}");
        Err(error(INVALID_PARAMS, &text, None))
    };
    let Some(version) = meta::meta_member(request, meta::VERSION).and_then(jsonrpc::string) else {
        return invalid(meta::VERSION, "a string");
    };
    if revision::find_stateless(&version).is_none() {
        let supported: Vec<&str> = revision::names().collect();
        let data = json!({ "supported": supported, "requested": version }).to_string();
        let code = UNSUPPORTED_VERSION.parse().unwrap_or(INVALID_PARAMS);
        return Err(error(code, "Unsupported protocol version", Some(&data)));
    }
    let capabilities = meta::meta_member(request, meta::CLIENT_CAPABILITIES);
    if !capabilities.is_some_and(|capabilities| capabilities.starts_with('{')) {
        return invalid(meta::CLIENT_CAPABILITIES, "an object");
    }
    match meta::meta_member(request, meta::LOG_LEVEL) {
        Some(level) if Level::read(level).is_none() => {
            let text = format!(
                "Invalid params: `{}` must be one of: {}",
                meta::LOG_LEVEL,
                Level::names()
            );
            Err(error(INVALID_PARAMS, &text, None))
        }
        _ => Ok(()),
    }
}

/// What a request says that its client can be asked.
pub(super) fn capabilities(request: &Message) -> HostCapabilities {
    HostCapabilities::read(meta::meta_member(request, meta::CLIENT_CAPABILITIES).unwrap_or("{}"))
}
