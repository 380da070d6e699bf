//! Everything that touches a socket.

pub mod callback;
pub mod client;
pub mod connections;
mod cookies;
mod direct;
pub mod dpop;
pub mod guard;
pub mod http;
mod intake;
pub mod proxy;
pub mod pulse;
pub mod remote;
pub mod request;
pub mod response;
pub mod tls;
pub mod token_endpoint;
pub mod trouble;
