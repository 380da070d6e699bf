//! Large messages and many of them: complete, in order, and in little memory.

use std::io::Write;

use serde_json::{Value, json};

use super::amount;
use super::host::{Host, Memory};
use super::server::{Connection, Server};

const MIB: usize = 1024 * 1024;

/// What one part of a large result looks like.
const PART: &str = concat!(
    r#"{"type":"text","text":"0123456789 abcdefghijklmnopqrstuvwxyz \u00e9 "#,
    "\u{e9} ",
    r#"\" 0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmnopqrstuvwxyz"}"#
);

#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    JsonOverLines,
    Event,
    EventOverLines,
}

impl Form {
    /// What stands between two parts, and what a client reads there.
    fn joint(self) -> (&'static str, &'static str) {
        match self {
            Self::Json | Self::Event => (",", ","),
            Self::JsonOverLines => (",\r\n", ",  "),
            Self::EventOverLines => (",\ndata: ", ", "),
        }
    }
}

/// A result of so many parts.
fn write_result(
    form: Form,
    parts: usize,
    message: &Value,
    connection: &mut Connection,
) -> std::io::Result<()> {
    let (kind, begin, end) = match form {
        Form::Json | Form::JsonOverLines => ("application/json", "", "\n"),
        Form::Event | Form::EventOverLines => ("text/event-stream", "data: ", "\n\n"),
    };
    connection.begin(kind)?;
    let id = &message["id"];
    write!(
        connection,
        "{begin}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":["
    )?;
    let (joint, _) = form.joint();
    let hundred = [PART; 100].join(joint) + joint;
    for _ in 0..parts / 100 {
        connection.write_all(hundred.as_bytes())?;
    }
    write!(connection, "{PART}]}}}}{end}")
}

/// Whether a line is that result under this id.
fn is_result(form: Form, parts: usize, id: u64, line: &[u8]) -> bool {
    let begin = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[");
    let Some(rest) = line.strip_prefix(begin.as_bytes()) else {
        return false;
    };
    let (_, joint) = form.joint();
    let one = format!("{PART}{joint}");
    let Some((body, last)) = rest.split_at_checked(one.len() * (parts / 100) * 100) else {
        return false;
    };
    body.chunks(one.len()).all(|part| part == one.as_bytes())
        && last.trim_ascii_end() == format!("{PART}]}}}}").as_bytes()
}

fn grown(after: Memory, before: Memory) -> (f64, f64) {
    let mib = |kib: u64| kib.saturating_sub(before.now) as f64 / 1024.0;
    (mib(after.peak), mib(after.now))
}

#[test]
fn a_large_result_passes_in_little_more_than_its_own_memory_and_gives_it_back() {
    let size = amount("FLOW_MIB", 32);
    let parts = size * MIB / PART.len();
    for form in [
        Form::Json,
        Form::JsonOverLines,
        Form::Event,
        Form::EventOverLines,
    ] {
        let server = Server::start(move |message, connection| match message.is_null() {
            true => connection.status(405),
            false => write_result(form, parts, message, connection),
        });
        let mut host = Host::open(server.url(), &[]);
        let before = host.memory();
        for id in [7, 8] {
            host.call(id, json!({}));
            let line = host.line().expect("an answer");
            assert!(is_result(form, parts, id, &line), "{form:?}");
        }
        // What was written is let go of before the next thing is done.
        host.request(9, "ping", json!({}));
        host.message();
        let (Some(before), Some(after)) = (before, host.memory()) else {
            continue;
        };
        let (peak, kept) = grown(after, before);
        println!("{form:?} of {size} MiB: {peak:.1} MiB more at most, {kept:.1} MiB more after it");
        assert!(peak < size as f64 * 1.4 + 6.0, "{form:?}: {peak} MiB");
        // An allocator keeps some of what small buffers took.
        assert!(kept < 16.0, "{form:?}: {kept} MiB");
    }
}

#[test]
fn a_large_request_passes_and_gives_its_memory_back() {
    let size = amount("FLOW_MIB", 32).min(63);
    let server = Server::start(|message, connection| match message.is_null() {
        true => connection.status(405),
        false => connection.answer(message, &json!({})),
    });
    let mut host = Host::open(server.url(), &[]);
    let before = host.memory();
    for id in [7, 8] {
        host.call(id, json!({ "text": "x".repeat(size * MIB) }));
        assert_eq!(host.message()["id"], id);
    }
    let lengths: Vec<Value> = server
        .messages()
        .iter()
        .filter(|message| message["method"] == "tools/call")
        .map(|message| message["params"]["arguments"]["text"].clone())
        .collect();
    assert_eq!(lengths, [json!(size * MIB), json!(size * MIB)]);
    // One over the limit is refused, costs nothing, and the next one passes.
    host.call(9, json!({ "text": "x".repeat(64 * MIB) }));
    let refused = host.message();
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    host.call(10, json!({}));
    assert_eq!(host.message()["id"], 10);
    if let (Some(before), Some(after)) = (before, host.memory()) {
        let (peak, kept) = grown(after, before);
        println!("{size} MiB: {peak:.1} MiB more at most, {kept:.1} MiB more after it");
        // As it came, to be sent again where that is right, and as it is sent.
        assert!(
            peak < (size as f64 * 2.0).max(64.0) * 1.2 + 8.0,
            "{peak} MiB"
        );
        assert!(kept < 16.0, "{kept} MiB");
    }
}

fn note(number: usize) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": number } })
}

/// Reads notifications that count up, and stops for a while after the first so many.
fn read_notes(host: &mut Host, server: &Server, count: usize, pause_after: Option<usize>) {
    for number in 0..count {
        assert_eq!(host.message(), note(number));
        if pause_after == Some(number) {
            server.stuck();
        }
    }
}

#[test]
fn every_notification_of_a_call_arrives_in_order_and_before_its_result() {
    let count = amount("FLOW_NOTES", 20_000);
    let server = Server::start(move |message, connection| {
        if message.is_null() {
            return connection.status(405);
        }
        connection.begin("text/event-stream")?;
        for number in 0..count {
            connection.event(&note(number))?;
        }
        connection.event(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }))
    });
    for pause_after in [None, Some(count / 2)] {
        let mut host = Host::open(server.url(), &[]);
        let before = host.memory();
        host.call(7, json!({}));
        read_notes(&mut host, &server, count, pause_after);
        assert_eq!(
            host.message(),
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
        );
        assert_flat(&host, before);
    }
}

#[test]
fn every_notification_of_the_standing_stream_arrives_in_order() {
    let count = amount("FLOW_NOTES", 20_000);
    let server = Server::start(move |message, connection| {
        if !message.is_null() {
            return connection.answer(message, &json!({}));
        }
        connection.begin("text/event-stream")?;
        for number in 0..count {
            connection.event(&note(number))?;
        }
        connection.hang()
    });
    for pause_after in [None, Some(count / 2)] {
        let mut host = Host::open(server.url(), &[]);
        let before = host.memory();
        read_notes(&mut host, &server, count, pause_after);
        assert_flat(&host, before);
    }
}

fn assert_flat(host: &Host, before: Option<Memory>) {
    if let (Some(before), Some(after)) = (before, host.memory()) {
        let (peak, _) = grown(after, before);
        println!("{peak:.1} MiB more at most");
        assert!(peak < 6.0, "{peak} MiB");
    }
}
