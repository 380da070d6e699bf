//! mcp-drawbridge joins an AI client that speaks JSON-RPC on stdin and stdout to a remote MCP
//! server that speaks HTTP, and signs in for it.

pub mod bridge;
pub mod browser;
pub mod cli;
pub mod command;
pub mod config;
pub mod diag;
pub mod error;
pub mod ids;
pub mod login;
pub mod mcp;
pub mod net;
pub mod oauth;
pub mod secret;
pub mod stdio;
pub mod store;
pub mod untrusted;
