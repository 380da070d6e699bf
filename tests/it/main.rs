//! End to end: the built binary, talked to as hosts and servers talk to it.

mod cli;
mod peers;
mod support;
