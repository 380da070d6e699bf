//! Messages on their way between host and server, when nothing goes wrong at the server.

mod calls;
mod ending;
mod malformed;
mod opening;
mod payloads;
mod questions;
