//! The matrix: a row for each pair of host and server, a column for each thing that passes between them.

use std::fmt::Write;

use super::hosts::Host;
use super::servers::Server;

/// What is tried, as `tests/peers/node/era-host.mjs` and `tests/peers/python/era_host.py` name it.
pub const COLUMNS: [&str; 6] = [
    "tools",
    "progress",
    "elicitation",
    "list change",
    "subscription",
    "cancellation",
];

/// How one of them went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// All of it was as it should be.
    Passed,
    /// What the host says was wrong.
    Failed(String),
    /// The host did not come so far.
    Missing,
}

/// How one pair did.
#[derive(Debug)]
pub struct Row {
    pub host: Host,
    pub server: Server,
    /// In the order of [`COLUMNS`].
    pub cells: [Cell; COLUMNS.len()],
    /// The revisions at either side of the bridge and how often the host was told of changes, as [`Row::is_as_told`] expects it.
    pub told: String,
    /// What the bridge wrote to stderr; where something was wrong, also what the others wrote there.
    pub stderr: String,
}

impl Row {
    /// Whether all of it was as it should be.
    pub fn is_right(&self) -> bool {
        self.is_as_told() && self.cells.iter().all(|cell| *cell == Cell::Passed)
    }

    /// Whether host and server spoke the revisions that they are there for, the host was told of each change once, and the
    /// bridge had nothing to say.
    pub fn is_as_told(&self) -> bool {
        let host = self.host.revision();
        let server = self.server.revision(host);
        self.told == format!("{host} {server} 1 1") && self.stderr.is_empty()
    }
}

/// A cell that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    pub host: Host,
    pub server: Server,
    pub column: &'static str,
    pub reason: String,
}

/// All cells in which something is wrong.
pub fn troubles(rows: &[Row]) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for row in rows {
        for (column, cell) in COLUMNS.into_iter().zip(&row.cells) {
            let reason = match cell {
                Cell::Passed => continue,
                Cell::Failed(reason) => reason.clone(),
                Cell::Missing => "missing".to_owned(),
            };
            troubles.push(Trouble {
                host: row.host,
                server: row.server,
                column,
                reason,
            });
        }
    }
    troubles
}

/// The troubles that a table lists, in its order.
pub fn expected(table: &[(Host, Server, &'static str, &str)]) -> Vec<Trouble> {
    table
        .iter()
        .map(|&(host, server, column, reason)| Trouble {
            host,
            server,
            column,
            reason: reason.to_owned(),
        })
        .collect()
}

/// The matrix as text. A cell is `ok` or says what is wrong.
pub fn drawn(rows: &[Row]) -> String {
    let mut text = format!("{:<26} {:<34}", "host", "server");
    for column in COLUMNS {
        let _ = write!(text, " {column:<13}");
    }
    for row in rows {
        let _ = write!(
            text,
            "\n{:<26} {:<34}",
            row.host.title(),
            row.server.title()
        );
        for cell in &row.cells {
            let _ = match cell {
                Cell::Passed => write!(text, " {:<13}", "ok"),
                Cell::Failed(reason) => write!(text, " [{reason}]"),
                Cell::Missing => write!(text, " [missing]"),
            };
        }
        if !row.is_as_told() {
            let _ = write!(text, " but {}; {}", row.told, row.stderr);
        }
    }
    text
}
