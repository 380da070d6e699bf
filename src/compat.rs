//! What exists for other programs' sake, and for nothing else.
//!
//! [`rewrite`] and [`insert`] are given the text of a host's configuration file and give the new
//! one; [`hosts`] knows where the files are and how they are written, [`mcp_remote`] how mcp-remote
//! is started in them.

pub mod callback_port;

pub mod hosts;
pub mod mcp_remote;

pub mod insert;
pub mod rewrite;

pub mod diff;
pub mod refusal;
mod retired;
