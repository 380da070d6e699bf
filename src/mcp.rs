//! The MCP rules. Decides, without IO, clock or randomness.

pub mod answer;
pub mod capability;
pub mod era;
pub mod failure;
pub mod jsonrpc;
pub mod line;
pub mod listening;
pub mod pending;
pub mod queue;
pub mod reconnect;
pub mod record;
pub mod relay;
pub mod replay;
pub mod revision;
mod search;
pub mod session;
pub mod sse;
pub mod tools;
pub mod transport;
pub mod visible;
