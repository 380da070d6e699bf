//! Whatever happens to a connection, in whatever phase of a call: each cell of the table has the
//! outcome that it must have, the server has done exactly what the outcome says, and the same bridge
//! works when the fault is over.
//!
//! `cargo test --test it wire -- --nocapture` prints the table.

mod calls;
mod cell;
mod connecting;
mod peers;
mod rest;
mod world;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use cell::Report;

/// Cells at work at the same time.
const AT_ONCE: usize = 12;
/// The same for those that do nothing but wait most of the time.
const WAITING_AT_ONCE: usize = 48;

/// A row of the table, to be run.
type Row = Box<dyn FnOnce() -> Report + Send>;

/// Runs the rows and prints what came of them.
fn run(title: &str, at_once: usize, rows: Vec<Row>) {
    let queue = Mutex::new(rows.into_iter().enumerate().collect::<VecDeque<_>>());
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some((number, row)) = next else { break };
                    let report = row();
                    reports.lock().unwrap().push((number, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(number, _)| *number);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    println!("{title}");
    for report in &reports {
        println!("    {}", report.line());
    }
    let longest = reports.iter().map(|report| report.took).max();
    let wrong: Vec<_> = reports.iter().filter(|it| it.wrong.is_some()).collect();
    println!(
        "    {} cells, {} wrong, the longest took {:.1} s",
        reports.len(),
        wrong.len(),
        longest.unwrap_or_default().as_secs_f32()
    );
    let stories = wrong
        .iter()
        .map(|report| format!("{}\n{}", report.line(), report.story))
        .collect::<Vec<_>>();
    assert!(stories.is_empty(), "{}", stories.join("\n\n"));
}

/// Seconds, for options.
fn seconds(time: Duration) -> String {
    time.as_secs_f32().to_string()
}

#[test]
fn calls_answered_with_json_end_as_the_table_says() {
    run("answers in JSON", AT_ONCE, calls::json());
}

#[test]
fn calls_answered_with_streams_that_can_be_resumed_end_as_the_table_says() {
    run(
        "answers on streams that can be resumed",
        AT_ONCE,
        calls::resumable(),
    );
}

#[test]
fn calls_answered_with_streams_that_cannot_be_resumed_end_as_the_table_says() {
    run(
        "answers on streams that cannot be resumed",
        AT_ONCE,
        calls::plain(),
    );
}

#[test]
fn connections_that_fall_silent_end_as_the_table_says() {
    run("silence", WAITING_AT_ONCE, calls::silent());
}

#[test]
fn connections_that_do_not_come_about_end_as_the_table_says() {
    run("connecting", AT_ONCE, connecting::rows());
}

#[test]
fn the_rest_of_a_session_ends_as_the_table_says() {
    run("the session around the calls", AT_ONCE, rest::rows());
}

/// A server that ends an idle connection says so, and a call that comes later does not meet it.
#[test]
fn a_connection_that_ended_while_idle_is_never_used_for_a_call() {
    let mut world = world::World::open(world::Form::Json);
    for serial in 0..200 {
        world.wire.now(match serial % 2 {
            0 => playground::End::Close,
            _ => playground::End::Reset,
        });
        world.bridge_is_told();
        let result = world
            .bridge
            .tool("book", serde_json::json!({"serial": serial}));
        assert!(result["content"].is_array());
        assert_eq!(world.playground.executions(serial), 1);
    }
}
