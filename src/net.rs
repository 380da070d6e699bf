//! Everything that touches a socket.

pub mod callback;
pub mod connections;
pub mod http;
mod intake;
pub mod pulse;
pub mod remote;
mod tls;
pub mod token_endpoint;
