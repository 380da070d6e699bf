//! The token cache on disk.
