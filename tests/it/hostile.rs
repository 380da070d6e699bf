//! A hostile MCP server and a hostile authorization server get nothing: no request where they may
//! not send us, no process started with their text in a shell, no secret on the wire or in a log.
//! The host is told what is wrong, and the bridge goes on.
//!
//! Each attack is a row of a table that the tests print (`cargo test --test it hostile:: --
//! --nocapture`).

mod challenges;
mod documents;
mod fields;
mod internal;
mod proxied;
mod registrations;
mod row;
mod tokens;
mod visits;
mod world;
