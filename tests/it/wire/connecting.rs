//! Faults before there is a connection, or while nobody uses it.

use std::time::Duration;

use playground::{End, Phase, Trouble};

use super::Row;
use super::cell::{Asked, Cell, Saw};
use super::world::{Form, World};

/// A message that was refused is sent four times, with half a second, one and two between, and up to
/// a quarter more.
const WAITS: Duration = Duration::from_millis(4400);
/// One that nobody answers is sent twice, with half a second between.
const UNANSWERED: Duration = Duration::from_millis(700 + 2 * 3000);

/// Nothing answers at the port any more.
type Gone = fn(&mut World);

const WAYS: [(Gone, &str, Duration); 2] = [
    (|world| world.wire.refuse(), "refused", WAITS),
    (|world| world.wire.deafen(), "unanswered", UNANSWERED),
];

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for asked in [Asked::Book, Asked::Look, Asked::List] {
        for (gone, how, attempts) in WAYS {
            let away = move |world: &mut World| {
                world.without_connections();
                gone(world);
            };
            let cell = |name: String| {
                Cell::new(name, Form::Json, asked)
                    .before(away)
                    .within(attempts)
            };
            rows.push(cell(how.to_owned()).expect(&[Saw::UNREACHABLE]).row());
            let back = |world: &mut World| {
                world.bridge.stderr_says("sending again");
                world.wire.resume();
            };
            let mended = cell(format!("{how} at first")).meanwhile(back);
            rows.push(mended.expect(&[Saw::ANSWERED]).row());
        }
        rows.extend(accepted(asked));
        rows.extend(idle(asked));
    }
    rows
}

/// The connection comes about and ends before anything was read from it. Whether the bridge had
/// written the request by then is a matter of chance, and so is what it may conclude.
fn accepted(asked: Asked) -> Vec<Row> {
    let unsent = Saw::ANSWERED;
    let expected = match asked {
        Asked::Book => vec![unsent, Saw::unknown(0)],
        Asked::Look | Asked::List => vec![unsent],
    };
    let ends = [End::Reset, End::Close].map(|end| Trouble::at(Phase::Accepted).end(end));
    let [reset, closed] = ends;
    let late = Trouble::at(Phase::Accepted).wait(Duration::from_millis(300));
    [
        (reset, "reset when accepted", expected.clone()),
        (closed, "closed when accepted", expected),
        (late, "accepted late", vec![Saw::ANSWERED]),
    ]
    .into_iter()
    .map(|(trouble, name, expected)| {
        let cell = Cell::new(name, Form::Json, asked).striking(1);
        let cell = cell.before(move |world| {
            world.without_connections();
            world.wire.trouble(trouble.clone());
        });
        cell.expect(&expected).within(WAITS).row()
    })
    .collect()
}

/// The connection ends between two calls.
fn idle(asked: Asked) -> Vec<Row> {
    let closed = Cell::new("closed while idle", Form::Json, asked)
        .before(World::without_connections)
        .expect(&[Saw::ANSWERED]);
    let reset = Cell::new("reset while idle", Form::Json, asked)
        .before(|world| {
            world.wire.now(End::Reset);
            world.bridge_is_told();
        })
        .expect(&[Saw::ANSWERED]);
    vec![closed.row(), reset.row()]
}
