//! Everything that touches a socket.

pub mod callback;
pub mod connections;
pub mod http;
pub mod remote;
mod tls;
pub mod token_endpoint;
