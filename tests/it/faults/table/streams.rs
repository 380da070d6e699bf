//! Event streams that answer a request, and what can be wrong with them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::super::raw::{Act, Manner, event, events, result, send, status};
use super::super::row::{Gets, Row, Sends, row, run};

fn streams(name: &'static str, gets: Gets, text: fn(&str) -> Vec<u8>) -> Row {
    row(name, Sends::Call, gets, 1).play(move |id| vec![Act::Send(events(text(id))), Act::Close])
}

/// The stream stays open; what can be known must not wait for its end.
fn open_streams(name: &'static str, gets: Gets, text: fn(&str) -> Vec<u8>) -> Row {
    row(name, Sends::Call, gets, 1).play(move |id| vec![Act::Send(events(text(id))), Act::Hang])
}

/// A stream that a server on the way compresses, as far as this text.
fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.flush().unwrap();
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
    [head.as_slice(), encoder.get_ref()].concat()
}

#[test]
fn an_event_that_is_no_message_is_skipped() {
    let rows = vec![
        streams("text", Gets::Result, |id| {
            [event("hello"), event(result(id, "{}"))].concat()
        }),
        streams("half a message", Gets::Result, |id| {
            [
                event("{\"jsonrpc\":\"2.0\",\"id\":"),
                event(result(id, "{}")),
            ]
            .concat()
        }),
        streams("not UTF-8", Gets::Result, |id| {
            [event(b"\xff\xfe"), event(result(id, "{}"))].concat()
        }),
        streams("another type of event", Gets::Result, |id| {
            let other = format!("event: ping\ndata: {}\n\n", result(id, "{\"no\":1}"));
            [other.into_bytes(), event(result(id, "{}"))].concat()
        }),
        streams("a comment, a retry, an id", Gets::Result, |id| {
            [b": hi\n\nretry: 5\n\n".to_vec(), event(result(id, "{}"))].concat()
        }),
        streams("a byte order mark before the stream", Gets::Result, |id| {
            [b"\xef\xbb\xbf".to_vec(), event(result(id, "{}"))].concat()
        }),
        streams("a byte order mark before the message", Gets::Result, |id| {
            event(format!("\u{feff}{}", result(id, "{}")))
        }),
        streams("an array", Gets::Result, |id| {
            event(format!("[{}]", result(id, "{}")))
        }),
        streams("lines that end with CR", Gets::Result, |id| {
            format!("data: {}\r\r", result(id, "{}")).into_bytes()
        }),
        streams("two lines of data", Gets::Result, |id| {
            format!("data: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":{id},\"result\":{{}}}}\n\n")
                .into_bytes()
        }),
        open_streams("the answer, and then no end", Gets::Result, |id| {
            event(result(id, "{}"))
        }),
        row("compressed, and then no end", Sends::Call, Gets::Result, 1).play(|id| {
            let text = [event("hello"), event(result(id, "{}"))].concat();
            vec![Act::Send(compressed(&text)), Act::Hang]
        }),
    ];
    run("events", rows);
}

#[test]
fn an_answer_that_is_no_message_fails_its_request_though_the_stream_goes_on() {
    let fails = |words| Gets::Fails("protocol", false, None, words);
    let rows = vec![
        open_streams("not UTF-8", fails("not UTF-8"), |id| {
            let mut data = result(id, "\"@\"").into_bytes();
            let at = data.iter().position(|byte| *byte == b'@').unwrap();
            data[at] = 0xff;
            event(data)
        }),
        open_streams(
            "result and error",
            fails("both `result` and `error`"),
            |id| {
                event(format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}},\"error\":{{\"code\":1,\"message\":\"m\"}}}}"
                ))
            },
        ),
        open_streams("neither", fails("not JSON-RPC"), |id| {
            event(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"))
        }),
        open_streams("without `jsonrpc`", fails("`jsonrpc`"), |id| {
            event(format!("{{\"id\":{id},\"result\":{{}}}}"))
        }),
        open_streams("nested too deeply", fails("nested too deeply"), |id| {
            event(result(
                id,
                &format!("{}{}", "[".repeat(600), "]".repeat(600)),
            ))
        }),
        open_streams("in an array", fails("both `result` and `error`"), |id| {
            event(format!(
                "[{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}},\"error\":{{}}}}]"
            ))
        }),
        row("on the standing stream", Sends::Call, fails("both"), 1)
            .manner(Manner {
                sessions: false,
                standing: true,
            })
            .play(|_| vec![send(status("202 Accepted", ""))])
            .speaks(|id| {
                format!(
                    "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}},\"error\":{{}}}}\n\n"
                )
            }),
        row(
            "a good one on the standing stream",
            Sends::Call,
            Gets::Result,
            1,
        )
        .manner(Manner {
            sessions: false,
            standing: true,
        })
        .play(|_| vec![send(status("202 Accepted", ""))])
        .speaks(|id| String::from_utf8(event(result(id, "{}"))).unwrap()),
    ];
    run("answers that are no messages", rows);
}

#[test]
fn a_stream_that_ends_without_an_answer_is_as_good_as_a_broken_connection() {
    let lost = Gets::Fails("http", false, None, "may have been carried out");
    type End = fn(&str) -> Vec<Act>;
    let ends: [(&str, End); 6] = [
        ("ends at once", |_| vec![Act::Send(events("")), Act::Close]),
        ("ends after a notification", |_| {
            let text = ": one\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n";
            vec![Act::Send(events(text)), Act::Close]
        }),
        ("ends within the answer", |id| {
            let answer = event(result(id, "{}"));
            vec![Act::Send(events(&answer[..answer.len() - 5])), Act::Close]
        }),
        ("ends before the blank line", |id| {
            let answer = event(result(id, "{}"));
            vec![Act::Send(events(&answer[..answer.len() - 1])), Act::Close]
        }),
        ("is reset", |_| {
            vec![Act::Send(events(": hi\n\n")), Act::Reset]
        }),
        ("has the answer to another request", |_| {
            vec![Act::Send(events(event(result("987654", "{}")))), Act::Close]
        }),
    ];
    let mut rows = Vec::new();
    for (name, play) in ends {
        rows.push(row(name, Sends::Call, lost, 1).play(play));
        rows.push(row(name, Sends::Look, Gets::Result, 2).play(play));
        rows.push(row(name, Sends::List, Gets::Result, 3).plays(2, play));
    }
    run("streams that end", rows);
}

#[test]
fn a_stream_to_a_notification_is_read_without_harm() {
    let rows = vec![
        row("with a notification in it", Sends::Note, Gets::Nothing, 1)
            .play(|_| {
                let data = r#"{"jsonrpc":"2.0","method":"notifications/vendor2","params":{}}"#;
                vec![Act::Send(events(event(data))), Act::Close]
            })
            .told("notifications/vendor2"),
        row("with an error in it", Sends::Note, Gets::Nothing, 1).play(|_| {
            let data = r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#;
            vec![Act::Send(events(event(data))), Act::Close]
        }),
        row("without an end", Sends::Note, Gets::Nothing, 1)
            .play(|_| vec![Act::Send(events(": hi\n\n")), Act::Hang]),
        row("200 with JSON", Sends::Note, Gets::Nothing, 1).play(|_| {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
            vec![Act::Send(super::super::raw::json_body(body))]
        }),
    ];
    run("streams to notifications", rows);
}
