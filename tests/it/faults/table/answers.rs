//! Successes that are not what they should be.

use serde_json::json;

use super::super::raw::{Act, Manner, event, events, json_body, result, send, status, with_body};
use super::super::row::{Gets, Row, Sends, row, run};
use crate::support::scene::detail;

/// What is no answer is told once, and the request is not sent again: the server has seen it.
fn no_answer(name: &'static str, words: &'static str, answer: fn(&str) -> Vec<u8>) -> Row {
    row(
        name,
        Sends::Call,
        Gets::Fails("protocol", false, Some(200), words),
        1,
    )
    .play(move |id| vec![Act::Send(answer(id))])
}

/// JSON-RPC, but no answer to what was asked.
fn other_answer(name: &'static str, answer: fn(&str) -> Vec<u8>) -> Row {
    row(
        name,
        Sends::Call,
        Gets::Fails("protocol", false, None, "does not answer this request"),
        1,
    )
    .play(move |id| vec![Act::Send(answer(id))])
}

fn taken(name: &'static str, answer: fn(&str) -> Vec<u8>) -> Row {
    row(name, Sends::Call, Gets::Result, 1).play(move |id| vec![Act::Send(answer(id))])
}

fn error(id: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":-32050,\"message\":\"no\"}}}}")
}

#[test]
fn what_can_be_read_is_taken() {
    let rows = vec![
        taken("JSON without a type", |id| {
            let body = result(id, "{}");
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into()
        }),
        taken("JSON called text", |id| {
            with_body("200 OK", "text/plain", result(id, "{}"))
        }),
        taken("JSON called HTML", |id| {
            with_body("200 OK", "text/html", result(id, "{}"))
        }),
        taken("another charset in the type", |id| {
            with_body(
                "200 OK",
                "Application/JSON; charset=latin1",
                result(id, "{}"),
            )
        }),
        taken("201", |id| {
            with_body("201 Created", "application/json", result(id, "{}"))
        }),
        taken("299", |id| {
            with_body("299 Odd", "application/json", result(id, "{}"))
        }),
        taken("a byte order mark", |id| {
            json_body(format!("\u{feff}{}", result(id, "{}")))
        }),
        taken("an array of one", |id| {
            json_body(format!("[{}]", result(id, "{}")))
        }),
        taken("an array with a notification", |id| {
            let other = r#"{"jsonrpc":"2.0","id":"x","result":{}}"#;
            json_body(format!("[{other},{}]", result(id, "{}")))
        }),
        taken("blanks around it", |id| {
            json_body(format!(" \r\n\t{}\n\n", result(id, "{}")))
        }),
        taken("a NUL, escaped", |id| {
            json_body(result(id, r#"{"a":"\u0000"}"#))
        }),
        taken("nested 100 deep", |id| {
            json_body(result(
                id,
                &format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100)),
            ))
        }),
        row("an error", Sends::Call, Gets::Error(-32_050), 1)
            .play(|id| vec![Act::Send(json_body(error(&format!("\"id\":{id},"))))]),
        row(
            "an error with the id null",
            Sends::Call,
            Gets::Error(-32_050),
            1,
        )
        .play(|_| vec![Act::Send(json_body(error("\"id\":null,")))]),
        row(
            "an error without an id",
            Sends::Call,
            Gets::Error(-32_050),
            1,
        )
        .play(|_| vec![Act::Send(json_body(error("")))]),
    ];
    run("taken", rows);
}

#[test]
fn what_is_no_message_is_told_with_what_it_was() {
    let rows = vec![
        no_answer("a page", "(text/html; charset=utf-8)", |_| {
            with_body(
                "200 OK",
                "text/html; charset=utf-8",
                "<html>Please <b>sign in</b></html>",
            )
        })
        .check(|_, answer| assert!(!detail(answer).contains("sign in"), "{answer}")),
        no_answer("a page called JSON", "not JSON-RPC", |_| {
            json_body("<!doctype html><p>x")
        }),
        no_answer("a page after a byte order mark", "not JSON-RPC", |_| {
            json_body("\u{feff}<html>SECRETS</html>")
        })
        .check(|_, answer| assert!(!detail(answer).contains("SECRETS"), "{answer}")),
        no_answer("text", "“It works!”", |_| {
            with_body("200 OK", "text/plain", "It works!")
        }),
        no_answer("half a message", "Parse error", |id| {
            let body = result(id, "{\"content\":[]}");
            json_body(&body[..body.len() / 2])
        }),
        no_answer("not UTF-8", "not UTF-8", |id| {
            let mut body = result(id, "\"@\"").into_bytes();
            let at = body.iter().position(|byte| *byte == b'@').unwrap();
            body[at] = 0xff;
            json_body(body)
        }),
        no_answer("not UTF-8: UTF-16", "not JSON-RPC", |id| {
            let units = result(id, "{}").encode_utf16().collect::<Vec<_>>();
            json_body(
                units
                    .iter()
                    .flat_map(|unit| unit.to_le_bytes())
                    .collect::<Vec<u8>>(),
            )
        }),
        no_answer("a NUL between tokens", "Parse error", |id| {
            json_body(format!("\0{}", result(id, "{}")))
        }),
        no_answer("a NUL in a string", "Parse error", |id| {
            json_body(result(id, "\"\0\""))
        }),
        no_answer("nested 600 deep", "nested too deeply", |id| {
            json_body(result(
                id,
                &format!("{}{}", "[".repeat(600), "]".repeat(600)),
            ))
        }),
        no_answer("nested a million deep", "nested too deeply", |id| {
            json_body(result(id, &"[".repeat(1_000_000)))
        }),
        no_answer("two messages", "Parse error", |id| {
            json_body(format!("{0}{0}", result(id, "{}")))
        }),
        no_answer("a number", "not JSON-RPC", |_| json_body("3")),
        no_answer("null", "not JSON-RPC", |_| json_body("null")),
        no_answer("result and error", "both `result` and `error`", |id| {
            json_body(format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}},\"error\":{{\"code\":1,\"message\":\"m\"}}}}"
            ))
        }),
        no_answer("neither result nor error", "not JSON-RPC", |id| {
            json_body(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"))
        }),
        no_answer("JSON-RPC 1.0", "jsonrpc", |id| {
            json_body(format!(
                "{{\"jsonrpc\":\"1.0\",\"id\":{id},\"result\":{{}}}}"
            ))
        }),
        no_answer("a result without an id", "without a usable `id`", |_| {
            json_body(r#"{"jsonrpc":"2.0","result":{}}"#)
        }),
        no_answer("events called JSON", "not JSON-RPC", |id| {
            json_body(event(result(id, "{}")))
        }),
        other_answer("another id", |_| json_body(result("987654", "{}"))),
        other_answer("the id as a string", |id| {
            json_body(result(&format!("\"{id}\""), "{}"))
        }),
        other_answer("an empty array", |_| json_body("[]")),
        other_answer("an array of others", |_| {
            json_body(format!("[{}]", result("987654", "{}")))
        }),
        other_answer("a notification", |_| {
            json_body(r#"{"jsonrpc":"2.0","method":"notifications/vendor2","params":{}}"#)
        })
        .told("notifications/vendor2"),
        // A list is no other case: it was answered, so it is not asked for again.
        row(
            "a page for a list",
            Sends::List,
            Gets::Fails("protocol", false, Some(200), "HTML"),
            1,
        )
        .play(|_| vec![Act::Send(with_body("200 OK", "text/HTML", "<p>"))]),
    ];
    run("no answer", rows);
}

#[test]
fn a_request_that_is_taken_without_an_answer_fails_at_once_without_a_standing_stream() {
    let accepted = Gets::Fails("protocol", false, None, "gave no answer");
    let rows = [
        ("202", "202 Accepted"),
        ("204", "204 No Content"),
        ("205", "205 Reset Content"),
        ("200, empty", "200 OK"),
    ]
    .map(|(name, line)| {
        row(name, Sends::Call, accepted, 1).play(move |_| vec![send(status(line, ""))])
    });
    let mut rows = Vec::from(rows);
    rows.push(
        row("200, blanks", Sends::Call, accepted, 1).play(|_| vec![Act::Send(json_body(" \r\n "))]),
    );
    run("accepted", rows);
}

#[test]
fn answers_that_come_twice_or_to_nobody_are_dropped() {
    let twice = |id: &str| {
        let answer = event(result(id, "{\"first\":true}"));
        [answer, event(result(id, "{\"second\":true}"))].concat()
    };
    let first = |_: &_, answer: &serde_json::Value| {
        assert_eq!(answer["result"], json!({ "first": true }));
    };
    let standing = Manner {
        sessions: false,
        standing: true,
    };
    let rows = vec![
        row("twice in one stream", Sends::Call, Gets::Result, 1)
            .play(move |id| vec![Act::Send(events(twice(id))), Act::Close])
            .check(first),
        row("twice in one array", Sends::Call, Gets::Result, 1)
            .play(|id| {
                let (first, second) = (result(id, "{\"first\":true}"), result(id, "{}"));
                vec![Act::Send(json_body(format!("[{first},{second}]")))]
            })
            .check(first),
        row(
            "and again on the standing stream",
            Sends::Call,
            Gets::Result,
            1,
        )
        .manner(standing)
        .play(|id| vec![Act::Send(json_body(result(id, "{\"first\":true}")))])
        .check(move |server, answer| {
            first(server, answer);
            let id = &server.arrivals()[0].id;
            let again = event(result(id, "{\"second\":true}"));
            server.say(&String::from_utf8(again).unwrap());
            server.say("data: {\"jsonrpc\":\"2.0\",\"id\":\"nobody\",\"result\":{}}\n\n");
        }),
        row("to nobody, before the answer", Sends::Call, Gets::Result, 1)
            .play(|id| {
                let strange = event(result("\"who\"", "{}"));
                let unknown = event(result("987654", "{}"));
                let text = format!("\"{id}\"");
                let answer = event(result(id, "{\"first\":true}"));
                let all = [strange, unknown, event(result(&text, "{}")), answer].concat();
                vec![Act::Send(events(all)), Act::Close]
            })
            .check(first),
    ];
    run("twice or to nobody", rows);
}

#[test]
fn a_large_message_passes() {
    // 64 MiB take a debug build a while; the full size is for the whole check of the repository.
    let size = match std::env::var("LARGE_MESSAGES") {
        Ok(mebibytes) => mebibytes.parse::<usize>().expect("a number of MiB") << 20,
        Err(_) => 8 << 20,
    };
    let large = move |id: &str| result(id, &format!("{{\"text\":\"{}\"}}", "x".repeat(size)));
    let whole = move |_: &_, answer: &serde_json::Value| {
        let text = answer["result"]["text"].as_str();
        assert_eq!(text.map(str::len), Some(size));
    };
    let rows = vec![
        row("as JSON", Sends::Call, Gets::Result, 1)
            .play(move |id| vec![Act::Send(json_body(large(id)))])
            .check(whole),
        row("as an event", Sends::Call, Gets::Result, 1)
            .play(move |id| vec![Act::Send(events(event(large(id)))), Act::Close])
            .check(whole),
    ];
    run("large messages", rows);
}

#[test]
fn an_answer_that_says_it_is_larger_than_any_is_refused_unread() {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{";
    let too_large = Gets::Fails("protocol", false, None, "more than 256 MiB; ask for less");
    run(
        "too large",
        vec![
            row("a call", Sends::Call, too_large, 1).play(move |_| vec![send(head), Act::Hang]),
            row("a list is not asked for again", Sends::List, too_large, 1)
                .play(move |_| vec![send(head), Act::Hang]),
        ],
    );
}
