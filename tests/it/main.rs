//! End to end: the built binary, talked to as hosts and servers talk to it.

mod cache;
mod cli;
mod peers;
mod refresh;
mod sign_in;
mod support;
