//! What the tests are made with.

pub mod authority;
pub mod bridge;
pub mod device;
pub mod divert;
pub mod machine;
pub mod oidc;
pub mod peers;
pub mod program;
pub mod running;
pub mod scene;
pub mod sealed;
pub mod skip;
#[cfg(unix)]
pub mod terminal;
