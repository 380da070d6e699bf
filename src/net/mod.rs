//! Everything that touches a socket.

pub mod callback;
pub mod http;
mod tls;
pub mod token_endpoint;
