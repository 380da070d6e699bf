//! The policy of faults, row by row, against a server that answers byte for byte what the row says.

mod answers;
mod broken;
mod statuses;
mod streams;
