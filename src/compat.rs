//! What exists for other programs' sake, and for nothing else.
//!
//! [`rewrite`] and [`insert`] are given the text of a host's configuration file and give the new
//! one; [`hosts`] knows where the files are and how they are written, [`mcp_remote`] how mcp-remote
//! is started in them. [`import`] knows where and how mcp-remote keeps sign-ins.

pub mod callback_port;
pub mod import;

pub mod hosts;
pub mod mcp_remote;

pub mod insert;
pub mod launches;
pub mod rewrite;

pub mod diff;
pub mod refusal;
mod retired;
