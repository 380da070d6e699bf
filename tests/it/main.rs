//! End to end: the built binary, talked to as hosts and servers talk to it.

mod accounts;
mod ahead;
mod alive;
mod alone;
mod cache;
mod cli;
mod clients;
mod commands;
mod concurrency;
mod config_file;
mod conformance;
mod device;
mod doctor;
mod elsewhere;
mod faults;
mod flow;
mod foreign;
mod grants;
mod healing;
#[cfg(unix)]
mod hostile;
mod legacy;
mod network;
mod oidc;
mod paste;
mod peers;
mod refresh;
mod refusals;
mod relay;
mod rules;
mod sign_in;
mod soak;
mod streams;
mod support;
mod waiting;
mod wire;
