//! End to end: the built binary, talked to as hosts and servers talk to it.

mod peers;
mod support;
