//! `migrate` and `add` on the files of all hosts, as the parsers that hosts use read them.

mod add;
mod corpus;
mod desk;
#[cfg(unix)]
mod hostile;
mod judged;
