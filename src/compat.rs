//! What exists for other programs' sake, and for nothing else.

pub mod callback_port;
