//! The MCP rules. Decides, without IO, clock or randomness.

pub mod answer;
pub mod capability;
pub mod failure;
pub mod jsonrpc;
pub mod line;
pub mod pending;
pub mod record;
pub mod relay;
pub mod revision;
pub mod session;
pub mod sse;
