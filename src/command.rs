//! The commands besides bridging, a file each.

pub mod status;
