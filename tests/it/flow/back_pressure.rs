//! A host that does not read, and a server that does not answer.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::host::Host;
use super::server::Server;

const MIB: usize = 1024 * 1024;

/// How many streams are open at a time.
const STREAMS: u64 = 8;

/// One of the notifications of a stream.
fn note(stream: u64, number: usize, filling: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": { "stream": stream, "number": number, "x": filling } } })
}

/// A server whose calls each bring so many notifications of this size, and then a result of this
/// size.
fn talkative(notes: usize, note_size: usize, result_size: usize) -> Server {
    Server::start(move |message, connection| {
        if message.is_null() {
            return connection.status(405);
        }
        let stream = message["params"]["arguments"]["stream"]
            .as_u64()
            .unwrap_or(0);
        let filling = "n".repeat(note_size);
        connection.begin("text/event-stream")?;
        for number in 0..notes {
            connection.event(&note(stream, number, &filling))?;
        }
        let id = &message["id"];
        write!(
            connection,
            "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"text\":\""
        )?;
        let piece = "r".repeat(result_size.min(MIB));
        for _ in 0..result_size / piece.len().max(1) {
            connection.write_all(piece.as_bytes())?;
        }
        connection.write_all(b"\"}}\n\n")
    })
}

/// Lets every stream begin, and gives how much more memory the bridge takes in MiB when nothing
/// moves any more. `all`: how many bytes the server has to say.
fn blocked(host: &mut Host, server: &Server, all: usize) -> f64 {
    let before = host.memory();
    for stream in 1..=STREAMS {
        host.call(stream, json!({ "stream": stream }));
    }
    server.wait_until("all calls", |server| {
        server.count("tools/call") == STREAMS as usize
    });
    let written = server.stuck();
    // Most of what left it lies in the system's buffers, a few MiB for each connection.
    assert!(written < all as u64, "nothing stopped the server");
    let (Some(before), Some(after)) = (before, host.memory()) else {
        return 0.0;
    };
    let grown = after.peak.saturating_sub(before.now) as f64 / 1024.0;
    let written = written as f64 / MIB as f64;
    println!(
        "{STREAMS} streams: {written:.1} MiB left the server, {grown:.1} MiB more in the bridge"
    );
    grown
}

/// Reads everything, and checks that each stream's messages come in order and are complete.
fn read_all(host: &mut Host, notes: usize, result_size: usize) {
    let mut next: BTreeMap<u64, usize> = (1..=STREAMS).map(|stream| (stream, 0)).collect();
    while !next.is_empty() {
        let message = host.message();
        match message["id"].as_u64() {
            Some(id) => {
                assert_eq!(next.remove(&id), Some(notes), "{id}");
                let text = message["result"]["text"].as_str().expect("a text");
                assert_eq!(text.len(), result_size);
                assert!(text.bytes().all(|byte| byte == b'r'));
            }
            None => {
                let data = &message["params"]["data"];
                let stream = data["stream"].as_u64().expect("a number");
                let next = next.get_mut(&stream).expect("it has not ended yet");
                assert_eq!(data["number"].as_u64(), Some(*next as u64));
                *next += 1;
            }
        }
    }
}

#[test]
fn many_messages_that_nobody_reads_stay_at_the_server_and_all_come_later() {
    let (notes, size) = (800, 12 * 1024);
    let server = talkative(notes, size, 0);
    let mut host = Host::open(server.url(), &[]);
    let grown = blocked(&mut host, &server, STREAMS as usize * notes * size);
    assert!(grown < 16.0, "{grown} MiB");
    read_all(&mut host, notes, 0);
}

#[test]
fn large_messages_that_nobody_reads_stay_at_the_server_and_all_come_later() {
    let size = 12 * MIB;
    let server = talkative(1, 100, size);
    let mut host = Host::open(server.url(), &[]);
    let grown = blocked(&mut host, &server, STREAMS as usize * size);
    // What may be read ahead, one message beyond it, and a little for each stream; 96 MiB are there.
    assert!(grown < 16.0 + 12.0 + 10.0, "{grown} MiB");
    read_all(&mut host, 1, size);
}

#[test]
fn a_host_that_does_not_read_can_cancel_and_ask_and_leave() {
    let (notes, size) = (800, 12 * 1024);
    let server = talkative(notes, size, 0);
    let mut host = Host::open(server.url(), &[]);
    blocked(&mut host, &server, STREAMS as usize * notes * size);
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 1 } });
    host.send(&cancel);
    host.call(100, json!({ "stream": 100 }));
    // A ping's answer has to wait, and holds up nothing.
    host.request(101, "ping", json!({}));
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
    server.wait_until("what the host says arrives", |server| {
        server.count("notifications/cancelled") == 1
            && server.count("tools/call") == STREAMS as usize + 1
            && server.count("notifications/roots/list_changed") == 1
    });
    drop(host.stdin.take());
    let (status, took) = host.end_within(Duration::from_secs(4));
    println!("left after {took:?}");
    // There was more to be read.
    assert_eq!(status.code(), Some(1), "{}", host.stderr());
    assert_eq!(server.deletes(), 1);
}

/// As far as it is not read, a host may fill stdin with what it likes and then leave.
#[test]
fn a_host_that_only_writes_is_stopped_and_its_leaving_noticed() {
    let server = Server::start(|message, connection| match message.is_null() {
        true => connection.status(405),
        false => connection.answer(message, &json!({})),
    });
    let mut host = Host::open(server.url(), &[]);
    let before = host.memory();
    let mut stdin = host.stdin.take().expect("stdin is open");
    // It is stopped with pings whose answers nobody reads; this thread is the host that goes on.
    let writer = std::thread::spawn(move || {
        let ping = r#"{"jsonrpc":"2.0","id":"0123456789","method":"ping"}"#.to_owned() + "\n";
        let many = ping.repeat(1000);
        let mut written = 0_usize;
        while written < 64 * MIB && stdin.write_all(many.as_bytes()).is_ok() {
            written += many.len();
        }
        written
    });
    while host.memory().is_some() && writer_is_busy(host.child.id()) {
        std::thread::sleep(Duration::from_millis(50));
    }
    if let (Some(before), Some(after)) = (before, host.memory()) {
        let grown = (after.peak - before.now) as f64 / 1024.0;
        println!("{grown:.1} MiB more in the bridge");
        assert!(grown < 16.0, "{grown} MiB");
    }
    drop(host.stdout.take());
    let (status, _) = host.end_within(Duration::from_secs(4));
    assert_eq!(status.code(), Some(0));
    assert!(writer.join().expect("it does not panic") < 64 * MIB);
}

/// Whether a process still uses the processor, which one that is stopped does not.
fn writer_is_busy(pid: u32) -> bool {
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.split_whitespace().skip(13);
        fields
            .next()
            .map(str::to_owned)
            .zip(fields.next().map(str::to_owned))
    };
    let before = used();
    std::thread::sleep(Duration::from_millis(500));
    used() != before
}

#[test]
fn more_requests_than_the_server_takes_wait_in_bounds_and_are_refused_beyond() {
    let server = Server::start(|message, connection| {
        if message.is_null() {
            return connection.status(405);
        }
        if message["params"]["arguments"]["asks"] == json!(true) {
            connection.begin("text/event-stream")?;
            connection.event(&json!({ "jsonrpc": "2.0", "id": "q",
                "method": "sampling/createMessage", "params": {} }))?;
        }
        connection.hang()
    });
    let mut host = Host::open(server.url(), &[]);
    let before = host.memory();
    host.call(1, json!({ "asks": true }));
    let question = host.message();
    assert_eq!(question["method"], "sampling/createMessage");
    for id in 2..=1200 {
        host.call(id, json!({ "text": "x".repeat(4096) }));
    }
    for id in 1025..=1200 {
        let answer = host.message();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert_eq!(
            answer["error"]["data"]["bridge"]["retryable"], true,
            "{answer}"
        );
    }
    // What helps comes through although every place at the server is taken.
    server.wait_until("all it takes", |server| server.count("tools/call") == 100);
    host.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": {} }));
    host.send(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 2 } }),
    );
    host.request(3000, "ping", json!({}));
    assert_eq!(host.message()["id"], 3000);
    server.wait_until("the answer and the cancellation", |server| {
        let answered = |message: &&Value| message["id"] == "q";
        server.messages().iter().any(|message| answered(&message))
            && server.count("notifications/cancelled") == 1
    });
    // The place that became free is taken by the next in line.
    server.wait_until("the next call", |server| server.count("tools/call") == 101);
    assert!(
        server.most_connections() <= 110,
        "{}",
        server.most_connections()
    );
    if let (Some(before), Some(after)) = (before, host.memory()) {
        let grown = (after.peak - before.now) as f64 / 1024.0;
        println!("1024 requests: {grown:.1} MiB more in the bridge");
        assert!(grown < 40.0, "{grown} MiB");
    }
}
