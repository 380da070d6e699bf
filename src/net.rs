//! Everything that touches a socket.

pub mod callback;
pub mod http;
mod intake;
pub mod remote;
mod tls;
pub mod token_endpoint;
