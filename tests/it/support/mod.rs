//! What the tests are made with.

pub mod bridge;
pub mod machine;
pub mod peers;
pub mod running;
pub mod scene;
