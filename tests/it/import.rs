//! Sign-ins of mcp-remote, the real one, are taken over.

#[cfg(unix)]
mod theirs;

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod hash;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod real;
#[cfg(unix)]
mod together;
