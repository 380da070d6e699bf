//! mcp-drawbridge joins an AI client that speaks JSON-RPC on stdin and stdout to a remote MCP
//! server that speaks HTTP, and signs in for it.
//!
//! The middle decides, the rim acts. [`mcp`] and [`oauth`] are given messages, the time and
//! randomness, and say what is to be done; they know no socket, file, clock or environment.
//! [`net`], [`store`], [`stdio`] and [`browser`] do it. [`bridge`], [`access`] and [`login`] join
//! the two.
//!
//! One message's way:
//!
//! ```text
//! stdin → stdio → bridge → mcp::relay → bridge::exchange → net::remote → the server
//!                                              │ 401
//!                                              └──▶ access: a token of the user's own, or
//!                                                   login (oauth::flow ⇄ store, net, browser); then again
//! the server → net::remote → mcp::sse → bridge::exchange → mcp::relay → bridge → stdio → stdout
//! ```

// Stdout belongs to the protocol.
#![deny(clippy::print_stdout)]

// Strings that must not be mixed up, must not print, or must not be believed.
pub mod ids;
pub mod jwt;
pub mod pem;
pub mod secret;
pub mod untrusted;

// How memory for large messages grows and is given back, what seldom happens, and which word a
// misspelt one was meant to be.
mod buffer;
mod heap;
mod seldom;
mod similar;

// What the user wants, and what is said to people.
pub mod cli;
pub mod compat;
pub mod config;
pub mod diag;
pub mod error;
pub mod term;

// The middle.
pub mod mcp;
pub mod oauth;

// The rim.
pub mod assertion_source;
pub mod browser;
pub mod debug_log;
pub mod net;
pub mod secret_command;
pub mod stdio;
pub mod store;
pub mod takeover;

// Middle and rim together.
pub mod access;
pub mod bridge;
pub mod command;
pub mod login;

// For tests.
#[cfg(test)]
mod dice;
