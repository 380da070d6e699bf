//! Every host of either era on every server of either era, all of them made of what other people wrote: what passes between
//! them, through the bridge.

mod hosts;
mod matrix;
mod servers;
mod signed_in;
mod upgraded;

use std::sync::Mutex;
use std::thread;

use hosts::Host;
use matrix::{COLUMNS, Cell, Row};
use servers::Server;

/// What cannot be, though the bridge is not to blame: host, server, column, and the reason as the host tells it. All else must
/// be, and these must not.
const IMPOSSIBLE: &[(Host, Server, &str, &str)] = &[];

#[test]
fn everything_passes_between_hosts_and_servers_of_both_eras() {
    let pairs = Mutex::new(
        Host::ALL
            .into_iter()
            .flat_map(|host| Server::ALL.map(|server| (host, server))),
    );
    let rows = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some((host, server)) = pairs.lock().expect("no panic").next() else {
                        return;
                    };
                    let row = host.meets(server);
                    rows.lock().expect("no panic").push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("no panic");
    rows.sort_by_key(|row| (row.host, row.server));

    println!("{}", matrix::drawn(&rows));
    assert_eq!(rows.len(), Host::ALL.len() * Server::ALL.len());
    assert_eq!(matrix::troubles(&rows), matrix::expected(IMPOSSIBLE));
    let odd: Vec<&Row> = rows.iter().filter(|row| !row.is_as_told()).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn an_empty_cell_is_trouble() {
    let row = Row {
        host: Host::Sdk1,
        server: Server::Sdk1,
        cells: COLUMNS.map(|column| match column {
            "progress" => Cell::Missing,
            _ => Cell::Passed,
        }),
        told: String::new(),
        stderr: String::new(),
    };
    let troubles = matrix::troubles(&[row]);
    assert_eq!(troubles.len(), 1);
    assert_eq!(
        (troubles[0].column, &troubles[0].reason[..]),
        ("progress", "missing")
    );
}
