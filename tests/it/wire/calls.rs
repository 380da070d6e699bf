//! Faults in the phases of a call.

use std::time::Duration;

use playground::{End, Phase, Trouble};

use super::Row;
use super::cell::{Asked, Cell, Saw};
use super::world::{Form, SILENCE};

const ALL: [Asked; 3] = [Asked::Book, Asked::Look, Asked::List];
const ENDS: [(End, &str); 2] = [(End::Reset, "reset"), (End::Close, "closed")];

/// The waits before a message is sent again, and a little.
const REPEATS: Duration = Duration::from_secs(4);

/// The phases before any of the answer's body has come, and how often the server has received the
/// request by then.
const PHASES: [(Phase, &str, u32); 6] = [
    (Phase::RequestHead(0), "before the request", 0),
    (Phase::RequestHead(20), "in the request's head", 0),
    (Phase::RequestBody(10), "in the request's body", 0),
    (Phase::AnswerHead(0), "before the answer", 1),
    (Phase::AnswerHead(20), "in the answer's head", 1),
    (Phase::AnswerBody(0), "after the answer's head", 1),
];

/// What must come of a call that was lost in a phase.
fn lost(asked: Asked, received: u32) -> Saw {
    match asked {
        Asked::Book => Saw::unknown(received),
        Asked::Look | Asked::List => Saw::again(received + 1),
    }
}

/// Faults that come about with every form of answer.
fn common(form: Form) -> Vec<Row> {
    let mut rows = Vec::new();
    for asked in ALL {
        for (phase, when, received) in PHASES {
            for (end, how) in ENDS {
                let cell = Cell::new(format!("{how} {when}"), form, asked);
                let trouble = Trouble::at(phase).end(end);
                let expected = [lost(asked, received)];
                rows.push(
                    cell.trouble(trouble)
                        .expect(&expected)
                        .within(REPEATS)
                        .row(),
                );
            }
        }
        for (end, how) in ENDS {
            // Whether the server still reads what was sent is a matter of chance.
            let cell = Cell::new(format!("{how} after the request"), form, asked);
            let trouble = Trouble::at(Phase::Requested).end(end);
            let expected = [lost(asked, 0), lost(asked, 1)];
            rows.push(
                cell.trouble(trouble)
                    .expect(&expected)
                    .within(REPEATS)
                    .row(),
            );
        }
        rows.extend(slow(form, asked));
        rows.extend(over(form, asked));
    }
    // So long that the bridge is still writing when the connection ends.
    for (end, how) in ENDS {
        let cell = Cell::new(format!("{how} within a request of 8 MB"), form, Asked::Book);
        let trouble = Trouble::at(Phase::RequestBody(100_000)).end(end);
        let cell = cell.padded(8_000_000).trouble(trouble);
        rows.push(cell.expect(&[Saw::unknown(0)]).row());
    }
    rows
}

/// Messages that take their time come all the same.
fn slow(form: Form, asked: Asked) -> Vec<Row> {
    let mut rows = Vec::new();
    let slow = [
        (Phase::RequestHead(0), "request"),
        (Phase::AnswerHead(0), "answer"),
        (Phase::AnswerBody(0), "answer's body"),
    ];
    for (phase, what) in slow {
        let trouble = Trouble::at(phase);
        for (trouble, how) in [
            (trouble.clone().wait(Duration::from_millis(300)), "late"),
            (
                trouble.clone().drip(Duration::from_micros(200)),
                "byte by byte",
            ),
            (trouble.limit(2_000), "at 2 kB/s"),
        ] {
            let cell = Cell::new(format!("{what} {how}"), form, asked);
            rows.push(cell.trouble(trouble).expect(&[Saw::ANSWERED]).row());
        }
    }
    rows
}

/// Connections that end when the answer is there.
fn over(form: Form, asked: Asked) -> Vec<Row> {
    let mut rows = Vec::new();
    for (end, how) in ENDS {
        let cell = Cell::new(format!("{how} after the answer"), form, asked);
        let trouble = Trouble::at(Phase::Answered).end(end);
        let rpc = asked.rpc();
        let cell = cell.striking(1).expect(&[Saw::ANSWERED]);
        let cell = cell.before(move |world| {
            world.without_connections();
            world.wire.trouble(trouble.clone().rpc(rpc));
        });
        // The connection is gone before the next call.
        let gone = cell.after(|world| {
            world.one_has_ended();
            world.bridge_is_told();
        });
        rows.push(gone.row());
    }
    rows
}

pub fn json() -> Vec<Row> {
    let mut rows = common(Form::Json);
    for asked in ALL {
        for (end, how) in ENDS {
            let cell = Cell::new(format!("{how} in the answer's body"), Form::Json, asked);
            let trouble = Trouble::at(Phase::AnswerBody(10)).end(end);
            let expected = [lost(asked, 1)];
            rows.push(
                cell.trouble(trouble)
                    .expect(&expected)
                    .within(REPEATS)
                    .row(),
            );
        }
    }
    rows
}

/// The first event gives an id and holds no message; three messages and the answer follow.
pub fn resumable() -> Vec<Row> {
    let form = Form::Resumable;
    let mut rows = common(form);
    for asked in ALL {
        // Lists come without messages before them.
        let say = if asked == Asked::List { 0 } else { 3 };
        let within = |events| Phase::WithinEvent(events, 25);
        let mut phases = vec![
            (Phase::WithinEvent(0, 4), "in the first event", false),
            (Phase::Event(1), "after the first event", true),
            (within(1 + say), "in the answer's event", true),
        ];
        if say > 0 {
            phases.extend([
                (within(1), "in the first message", true),
                (Phase::Event(2), "after the first message", true),
                (within(2), "in the second message", true),
                (Phase::Event(1 + say), "before the answer's event", true),
            ]);
        }
        for (phase, when, has_id) in phases {
            for (end, how) in ENDS {
                let expected = match has_id {
                    true => Saw::RESUMED,
                    false => lost(asked, 1),
                };
                let cell = Cell::new(format!("{how} {when}"), form, asked);
                let cell = cell.saying(say).trouble(Trouble::at(phase).end(end));
                rows.push(cell.expect(&[expected]).within(REPEATS).row());
            }
        }
        rows.extend(resumed_in_vain(asked, say));
    }
    rows
}

/// What resumes the stream is lost as well, in each phase; the next attempt succeeds.
fn resumed_in_vain(asked: Asked, say: u64) -> impl Iterator<Item = Row> {
    let phases = [
        (Phase::RequestHead(0), "before the resuming request", 1),
        (Phase::AnswerHead(0), "before the resuming answer", 2),
        (Phase::AnswerHead(20), "in the resuming answer's head", 2),
        (Phase::Event(0), "after the resuming answer's head", 2),
        (
            Phase::WithinEvent(1, 25),
            "in the resuming answer's event",
            2,
        ),
    ];
    phases.into_iter().flat_map(move |(phase, when, resumed)| {
        ENDS.map(|(end, how)| {
            let rpc = asked.rpc();
            let cell = Cell::new(format!("{how}, and {how} {when}"), Form::Resumable, asked);
            let cell = cell.saying(say).striking(2).before(move |world| {
                let first = Trouble::at(Phase::Event(1)).rpc(rpc).end(end);
                world.wire.trouble(first);
                world.wire.trouble(Trouble::at(phase).resuming().end(end));
            });
            let expected = Saw {
                resumed,
                ..Saw::RESUMED
            };
            cell.expect(&[expected]).within(REPEATS).row()
        })
    })
}

/// Three messages and the answer, none with an id.
pub fn plain() -> Vec<Row> {
    let form = Form::Plain;
    let mut rows = common(form);
    for asked in ALL {
        let say = if asked == Asked::List { 0 } else { 3 };
        let mut phases = vec![(Phase::WithinEvent(say, 25), "in the answer's event")];
        if say > 0 {
            phases.extend([
                (Phase::WithinEvent(0, 25), "in the first message"),
                (Phase::Event(1), "after the first message"),
                (Phase::Event(say), "before the answer's event"),
            ]);
        }
        for (phase, when) in phases {
            for (end, how) in ENDS {
                let cell = Cell::new(format!("{how} {when}"), form, asked);
                let cell = cell.saying(say).trouble(Trouble::at(phase).end(end));
                rows.push(cell.expect(&[lost(asked, 1)]).within(REPEATS).row());
            }
        }
    }
    rows
}

/// Connections that fall silent: what was waited for does not come, and nothing says so.
pub fn silent() -> Vec<Row> {
    const SILENT: [(End, &str); 2] = [
        (End::HalfOpen, "half-open"),
        (End::BlackHole, "in a black hole"),
    ];
    let mut rows = Vec::new();
    for asked in ALL {
        for (end, how) in SILENT {
            for form in [Form::Json, Form::Resumable, Form::Plain] {
                let before = PHASES
                    .iter()
                    .filter(|(phase, ..)| *phase < Phase::AnswerBody(0));
                for (phase, when, received) in before {
                    rows.push(fallen_silent(
                        asked,
                        form,
                        *phase,
                        end,
                        Saw::too_late(*received),
                    )(format!("{how} {when}")));
                }
            }
            for (phase, when) in [
                (Phase::AnswerBody(0), "after the answer's head"),
                (Phase::AnswerBody(10), "in the answer's body"),
            ] {
                let saw = Saw::too_late(1);
                rows.push(fallen_silent(asked, Form::Json, phase, end, saw)(format!(
                    "{how} {when}"
                )));
            }
            for (form, phase, when, saw) in [
                (
                    Form::Resumable,
                    Phase::Event(0),
                    "after the answer's head",
                    Saw::too_late(1),
                ),
                (
                    Form::Resumable,
                    Phase::Event(1),
                    "after the first event",
                    Saw::RESUMED,
                ),
                (
                    Form::Resumable,
                    Phase::WithinEvent(1, 25),
                    "in the answer's event",
                    Saw::RESUMED,
                ),
                (
                    Form::Plain,
                    Phase::Event(0),
                    "after the answer's head",
                    Saw::too_late(1),
                ),
                (
                    Form::Plain,
                    Phase::WithinEvent(0, 25),
                    "in the answer's event",
                    Saw::too_late(1),
                ),
            ] {
                rows.push(fallen_silent(asked, form, phase, end, saw)(format!(
                    "{how} {when}"
                )));
            }
        }
    }
    rows
}

fn fallen_silent(
    asked: Asked,
    form: Form,
    phase: Phase,
    end: End,
    saw: Saw,
) -> impl Fn(String) -> Row {
    move |name| {
        let cell = Cell::new(format!("{name}, {form:?}"), form, asked).impatient();
        let cell = cell.trouble(Trouble::at(phase).end(end));
        cell.expect(&[saw]).within(SILENCE + REPEATS).row()
    }
}
