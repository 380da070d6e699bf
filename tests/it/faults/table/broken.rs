//! Answers that do not come, or break off.

use std::time::Duration;

use serde_json::json;

use super::super::raw::{Act, json_body, result, send, with_body};
use super::super::row::{Gets, Sends, row, run};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, kind, opening};

/// What a call gets that may have been carried out.
const LOST: Gets = Gets::Fails("http", false, None, "may have been carried out");
/// What a list gets that was asked for as often as may be.
const TIRED: Gets = Gets::Fails("http", true, None, "sent 3 times");

/// A good answer, cut off after so many bytes of its body.
fn cut(id: &str, bytes: usize) -> Act {
    let body = result(id, r#"{"content":[]}"#);
    let whole = json_body(&body);
    let head = whole.len() - body.len();
    Act::Send(whole[..head + bytes.min(body.len())].to_vec())
}

/// A good answer in chunks, cut off before the last one.
fn unfinished(id: &str) -> Act {
    let body = result(id, r#"{"content":[]}"#);
    send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    ))
}

#[test]
fn a_connection_that_breaks_loses_no_more_than_it_must() {
    use Sends::{Call, Initialize, List, Look, Note};
    type Break = fn(&str) -> Vec<Act>;
    let breaks: [(&str, Break); 11] = [
        ("reset once the request is there", |_| vec![Act::Reset]),
        ("closed once the request is there", |_| vec![Act::Close]),
        ("reset in the status line", |_| {
            vec![send("HTTP/1.1 2"), Act::Reset]
        }),
        ("closed in the head", |_| {
            vec![send("HTTP/1.1 200 OK\r\nContent-Type: appl"), Act::Close]
        }),
        ("closed after the head", |id| vec![cut(id, 0), Act::Close]),
        ("closed in the body", |id| vec![cut(id, 20), Act::Close]),
        ("reset in the body", |id| vec![cut(id, 20), Act::Reset]),
        ("closed before the last chunk", |id| {
            vec![unfinished(id), Act::Close]
        }),
        ("reset before the last chunk", |id| {
            vec![unfinished(id), Act::Reset]
        }),
        ("a chunk without a size", |_| {
            vec![
                send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
                Act::Close,
            ]
        }),
        ("a chunk that is shorter than it says", |_| {
            vec![
                send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}\r\n0\r\n\r\n"),
                Act::Close,
            ]
        }),
    ];
    let mut rows = Vec::new();
    for (name, play) in breaks {
        rows.push(row(name, Call, LOST, 1).play(play));
        rows.push(row(name, Look, Gets::Result, 2).play(play));
        rows.push(row(name, List, TIRED, 3).plays(3, play));
        rows.push(row(name, Note, Gets::Nothing, 1).play(play));
    }
    for (name, play) in breaks.into_iter().take(2) {
        rows.push(row(name, Initialize, Gets::Result, 2).play(play));
    }
    run("broken connections", rows);
}

#[test]
fn a_body_that_comes_slowly_is_read_to_its_end() {
    let slow = |content_type: &'static str, body: fn(&str) -> String| {
        move |id: &str| {
            let whole = with_body("200 OK", content_type, body(id));
            vec![Act::Drip(whole, Duration::from_millis(3))]
        }
    };
    run(
        "slow drips",
        vec![
            row("JSON", Sends::Call, Gets::Result, 1)
                .play(slow("application/json", |id| result(id, "{\"a\":1}"))),
            row("an event stream", Sends::Call, Gets::Result, 1).play(slow(
                "text/event-stream",
                |id| format!(": hello\n\ndata: {}\n\n", result(id, "{\"a\":1}")),
            )),
            row("a refusal whose body never ends", Sends::Call,
                Gets::Fails("http", false, Some(403), "may not have access"), 1)
                .play(|_| vec![send("HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\nno"), Act::Hang])
                .check(|_, answer| assert!(detail(answer).contains("“no”"), "{answer}")),
        ],
    );
}

/// Nothing that takes too long is sent again: it has cost its time, and the server, which may be at
/// work still, is told to stop.
#[test]
fn what_takes_too_long_ends_with_its_time_out_and_is_cancelled() {
    type Silence = fn(&str) -> Vec<Act>;
    let silences: [(&str, Silence); 3] = [
        ("no answer", |_| vec![Act::Hang]),
        ("half a head", |_| {
            vec![send("HTTP/1.1 200 OK\r\nContent-"), Act::Hang]
        }),
        ("half a body", |id| vec![cut(id, 10), Act::Hang]),
    ];
    let mut rows = Vec::new();
    for (name, silence) in silences {
        for (sends, words) in [
            (Sends::Call, "look first whether"),
            (Sends::Look, "told to stop"),
            (Sends::List, "told to stop"),
        ] {
            rows.push(
                row(name, sends, Gets::Fails("http", true, None, words), 1)
                    .arguments(&["--headers-timeout", "1", "--body-timeout", "1"])
                    .play(silence)
                    .check(|server, _| {
                        server.wait_for(|state| state.has_been_sent("notifications/cancelled"));
                    }),
            );
        }
    }
    run("time-outs", rows);
}

/// A bridge to this address; what `initialize` gets.
fn opened(url: &str, arguments: &[&str]) -> (serde_json::Value, String) {
    let machine = Machine::new();
    let mut bridge = Bridge::start(&machine, url, arguments);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(bridge.call("ping", json!({}))["result"], json!({}));
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0));
    (answer, ended.stderr)
}

#[test]
fn an_address_where_nobody_is_is_told_with_what_to_check() {
    let port = playground::free_port().unwrap();
    for (url, words) in [
        (format!("http://127.0.0.1:{port}/mcp"), "refused"),
        ("https://no-such-host.invalid/mcp".to_owned(), ""),
    ] {
        let (answer, stderr) = opened(&url, &[]);
        assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
        let said = detail(&answer);
        assert!(said.contains("cannot be reached"), "{said}");
        assert!(said.contains("check the address and the network"), "{said}");
        assert!(said.to_lowercase().contains(words), "{said}");
        assert_eq!(stderr.matches("sending again").count(), 3, "{stderr}");
    }
}

#[test]
fn a_server_without_tls_where_tls_is_expected_is_no_hang() {
    let listener = playground::listen_high().unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepts = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..4 {
            let (mut connection, _) = listener.accept().unwrap();
            let mut hello = [0; 16];
            let _ = connection.read(&mut hello);
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nno TLS here");
        }
    });
    let (answer, _) = opened(&format!("https://127.0.0.1:{port}/mcp"), &[]);
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    assert!(detail(&answer).contains("cannot be reached"), "{answer}");
    accepts.join().unwrap();
}

/// A listener that lets no connection come about: as many as it takes wait to be accepted.
#[cfg(target_os = "linux")]
fn black_hole() -> (tokio::net::TcpListener, Vec<std::net::TcpStream>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connection) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300))
    {
        waiting.push(connection);
    }
    (listener, waiting)
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_that_does_not_come_about_costs_its_time_out_twice() {
    let (listener, _waiting) = black_hole();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let (answer, stderr) = opened(&url, &["--connect-timeout", "1"]);
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    assert!(detail(&answer).contains("cannot be reached"), "{answer}");
    assert_eq!(stderr.matches("sending again").count(), 1, "{stderr}");
}
