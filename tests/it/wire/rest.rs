//! Faults around the calls: opening the session, its standing stream, and its end.

use std::time::{Duration, Instant};

use playground::{End, Phase, Trouble};
use serde_json::json;

use super::Row;
use super::cell::{Report, guarded};
use super::world::{Form, World, settings};
use crate::support::scene::{NEWEST, is_delete, is_get};

const ENDS: [(End, &str); 2] = [(End::Reset, "reset"), (End::Close, "closed")];

/// Makes a row of something that a world goes through and that says what came of it.
fn row(
    name: String,
    start: impl FnOnce() -> World + Send + 'static,
    act: impl FnOnce(&mut World) -> Result<String, String> + Send + 'static,
) -> Row {
    Box::new(move || {
        let mut world = start();
        let begun = Instant::now();
        let came = guarded(&mut world, act);
        let wrong = came.as_ref().err().map(|_| "otherwise".to_owned());
        Report {
            name,
            came: came.unwrap_or_else(|why| why),
            wrong,
            took: begun.elapsed(),
            story: world.story(),
        }
    })
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (end, how) in ENDS {
        for form in [Form::Json, Form::Resumable, Form::Plain] {
            rows.extend(opening_rows(form, end, how));
        }
        rows.extend(standing_rows(end, how));
    }
    rows.extend(leaving_rows());
    rows
}

/// `initialize` and `notifications/initialized` have no effects that could be done twice.
fn opening_rows(form: Form, end: End, how: &'static str) -> Vec<Row> {
    let phases = [
        (Phase::RequestHead(0), "before the request"),
        (Phase::RequestBody(10), "in the request"),
        (Phase::AnswerHead(0), "before the answer"),
        (Phase::AnswerHead(20), "in the answer's head"),
        (Phase::AnswerBody(0), "after the answer's head"),
        (Phase::AnswerBody(30), "in the answer's body"),
    ];
    let mut rows = Vec::new();
    for rpc in ["initialize", "notifications/initialized"] {
        for (phase, when) in phases {
            if phase >= Phase::AnswerBody(0) && rpc != "initialize" {
                // Its answer has no body.
                continue;
            }
            let start = move || {
                let world = World::start(settings(form));
                world.wire.trouble(Trouble::at(phase).rpc(rpc).end(end));
                world
            };
            rows.push(row(
                format!("{rpc}, {form:?}, {how} {when}"),
                start,
                |world| {
                    world.bridge.initialize(NEWEST, json!({}));
                    world.wire.wait_for(|counts| counts.struck == 1);
                    world.goes_on()?;
                    Ok("opened".into())
                },
            ));
        }
    }
    rows
}

/// What the server says on the standing stream comes once each, in order. `before`: whether the
/// stream ends before the client has an id to resume it by. What the server says into such a
/// stream is lost; it says nothing before the next one is there.
fn standing_rows(end: End, how: &'static str) -> Vec<Row> {
    let phases = [
        (Phase::RequestHead(0), "before the request", Some(1)),
        (Phase::AnswerHead(0), "before the answer", Some(2)),
        (Phase::AnswerHead(20), "in the answer's head", Some(2)),
        (Phase::Event(0), "after the answer's head", Some(2)),
        (Phase::WithinEvent(0, 4), "in the first event", Some(2)),
        (Phase::Event(1), "after the first event", None),
        (Phase::WithinEvent(1, 20), "in the first message", None),
        (Phase::Event(3), "between two messages", None),
        (Phase::WithinEvent(3, 20), "in the third message", None),
    ];
    let rows = phases.into_iter().map(move |(phase, when, opened)| {
        let start = move || {
            let world = World::start(settings(Form::Resumable));
            world.wire.trouble(Trouble::at(phase).opening().end(end));
            world
        };
        row(
            format!("standing stream, {how} {when}"),
            start,
            move |world| {
                world.bridge.initialize(NEWEST, json!({}));
                if let Some(opened) = opened {
                    world.playground.wait_for(|requests| {
                        let streams = requests.iter().filter(|request| is_get(request));
                        (streams.filter(|it| it.status.is_some()).count() >= opened).then_some(())
                    });
                }
                hear(world)
            },
        )
    });
    rows.collect()
}

/// Five messages on the standing stream come once each, in order.
fn hear(world: &mut World) -> Result<String, String> {
    const MESSAGES: u64 = 5;
    for number in 1..=MESSAGES {
        let data = json!({"level": "info", "data": number});
        world.playground.notify("notifications/message", data);
    }
    for number in 1..=MESSAGES {
        let came = world.bridge.incoming("notifications/message");
        if came["params"]["data"] != json!(number) {
            return Err(format!("{came} came in place of number {number}"));
        }
    }
    world.goes_on()?;
    match world.bridge.came("notifications/message") {
        Some(twice) => Err(format!("twice: {twice}")),
        None => Ok("every message came once, in order".into()),
    }
}

/// Whatever happens to the farewell, the bridge ends, and soon.
fn leaving_rows() -> Vec<Row> {
    let ends = [
        (End::Reset, "reset"),
        (End::Close, "closed"),
        (End::HalfOpen, "half-open"),
        (End::BlackHole, "in a black hole"),
    ];
    let phases = [
        (Phase::RequestHead(0), "before the request"),
        (Phase::AnswerHead(0), "before the answer"),
        (Phase::AnswerHead(20), "in the answer's head"),
    ];
    let mut rows = Vec::new();
    for (phase, when) in phases {
        for (end, how) in ends {
            let start = move || {
                let world = World::open(Form::Json);
                world
                    .wire
                    .trouble(Trouble::at(phase).method("DELETE").end(end));
                world
            };
            rows.push(row(format!("DELETE, {how} {when}"), start, leave));
        }
    }
    let gone = || {
        let world = World::open(Form::Json);
        world.wire.unplug();
        world
    };
    rows.push(row("DELETE, unplugged".into(), gone, leave));
    let refused = || {
        let mut world = World::open(Form::Json);
        world.without_connections();
        world.wire.refuse();
        world
    };
    rows.push(row("DELETE, refused".into(), refused, leave));
    rows
}

fn leave(world: &mut World) -> Result<String, String> {
    world.bridge.leave();
    let end = Instant::now() + Duration::from_secs(30);
    while !world.bridge.has_ended() {
        if Instant::now() > end {
            return Err("it did not end".into());
        }
        std::thread::yield_now();
    }
    let told = world.playground.requests().iter().any(is_delete);
    Ok(format!(
        "ended; the server {}",
        if told { "was told" } else { "does not know" }
    ))
}
