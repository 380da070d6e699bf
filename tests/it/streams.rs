//! Event streams that end early, the standing stream, and sessions that get lost.

mod resuming;
mod sessions;
mod standing;
mod timing;
