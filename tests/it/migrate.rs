//! `migrate` and `add` on the files of all hosts, as the parsers that hosts use read them.

mod add;
mod corpus;
#[cfg(unix)]
mod cut_off;
mod desk;
#[cfg(unix)]
mod hostile;
mod judged;
mod running;
