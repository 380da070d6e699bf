//! Answers that are no success.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::super::raw::{Act, Manner, result, send, status, with_body};
use super::super::row::{Gets, Row, Sends, row, run};

const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sorry</title></head><body>Sorry.</body></html>";

fn page(code: u16) -> Vec<u8> {
    with_body(&format!("{code} Whatever"), "text/html", PAGE)
}

/// A row whose arrivals are all met by this status, with a page of HTML.
fn met_by(code: u16, sends: Sends, gets: Gets, arrivals: usize) -> Row {
    let name = Box::leak(format!("{code}").into_boxed_str());
    let refused = match gets {
        Gets::Result => arrivals - 1,
        _ => arrivals,
    };
    row(name, sends, gets, arrivals).plays(refused, move |_| vec![Act::Send(page(code))])
}

fn fails(code: u16, retryable: bool, words: &'static str) -> Gets {
    Gets::Fails("http", retryable, Some(code.into()), words)
}

#[test]
fn each_status_is_met_as_the_table_says() {
    use Sends::{Call, List, Look, Note};
    let mut rows = Vec::new();
    // Statuses that are final, whatever was sent.
    for (code, words) in [
        (300, "elsewhere"),
        (304, "elsewhere"),
        (400, "check the address"),
        (402, "check the address"),
        (403, "may not have access"),
        (404, "no MCP endpoint"),
        (405, "no MCP endpoint"),
        (406, "content types"),
        (407, "proxy"),
        (409, "at odds"),
        (410, "no MCP endpoint"),
        (411, "check the address"),
        (413, "too large"),
        (414, "check the address"),
        (415, "content types"),
        (417, "check the address"),
        (418, "check the address"),
        (422, "check the address"),
        (426, "check the address"),
        (431, "too large"),
        (451, "check the address"),
        (501, "no MCP endpoint"),
        (505, "on its side"),
        (600, "check the address"),
        (999, "check the address"),
    ] {
        rows.push(met_by(code, Call, fails(code, false, words), 1));
        rows.push(met_by(code, List, fails(code, false, words), 1));
    }
    for code in [511, 599] {
        rows.push(met_by(code, List, fails(code, true, ""), 1));
    }
    // A server that failed may have done its work: only what does no harm is sent again.
    for code in [408, 500, 502, 504, 520, 522, 530] {
        rows.push(met_by(code, Call, fails(code, true, "look first"), 1));
        rows.push(met_by(code, Look, Gets::Result, 2));
        rows.push(met_by(code, Note, Gets::Nothing, 1));
    }
    rows.push(met_by(502, List, fails(502, true, "sent 3 times"), 3));
    rows.push(met_by(503, Call, fails(503, true, "look first"), 1));
    rows.push(met_by(503, List, Gets::Result, 2));
    rows.push(met_by(503, List, fails(503, true, "sent 2 times"), 2));
    // Refused unseen.
    for code in [421, 425, 429] {
        rows.push(met_by(code, Call, Gets::Result, 2));
        let once = move |_: &str| vec![Act::Send(page(code))];
        rows.push(row("refused unseen", Note, Gets::Nothing, 2).play(once));
    }
    run("statuses", rows);
}

#[test]
fn a_misdirected_request_goes_over_another_connection_once() {
    let wrong = || {
        row(
            "421",
            Sends::Call,
            fails(421, true, "not the server for this address"),
            2,
        )
        .plays(2, |_| vec![send(status("421 Misdirected Request", ""))])
    };
    run(
        "421",
        vec![wrong().check(|server, _| {
            let arrivals = server.arrivals();
            assert_ne!(arrivals[0].connection, arrivals[1].connection);
        })],
    );
}

#[test]
fn each_form_of_retry_after_is_understood() {
    let asks = |name, code: &'static str, value: String| {
        row(name, Sends::Call, Gets::Result, 2)
            .play(move |_| vec![send(status(code, &format!("Retry-After: {value}\r\n")))])
    };
    let late = |name, code: &'static str, value: String, number| {
        row(name, Sends::Call, fails(number, true, "it asks to wait"), 1)
            .play(move |_| vec![send(status(code, &format!("retry-after: {value}\r\n")))])
            .check(|_, answer| {
                let wait = answer["error"]["data"]["bridge"]["retryAfterMs"].as_u64();
                assert!(wait.is_some_and(|wait| wait > 60_000), "{answer}");
            })
    };
    let at =
        |seconds: u64| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
    let (many, busy) = ("429 Too Many Requests", "503 Service Unavailable");
    let zero = "Retry-After: 0\r\n";
    let mut rows = vec![
        asks("seconds", many, "1".into()),
        asks("no seconds", busy, "0".into()),
        asks("a date", busy, at(2)),
        asks(
            "a date in the past",
            many,
            "Sun, 06 Nov 1994 08:49:37 GMT".into(),
        ),
        asks(
            "an obsolete date",
            many,
            "Sunday, 06-Nov-94 08:49:37 GMT".into(),
        ),
        asks("too early", "425 Too Early", "0".into()),
        asks("neither, so a second", many, "soon".into()),
        late("a day", many, "86400".into(), 429),
        late("a date in a day", busy, at(86_400), 503),
        late("more than a number holds", busy, "9".repeat(40), 503),
        late("just over a minute", busy, "61".into(), 503),
        row(
            "again and again",
            Sends::Call,
            fails(429, true, "asks to wait 0 s"),
            4,
        )
        .plays(4, move |_| vec![send(status(many, zero))]),
        row(
            "again and again",
            Sends::List,
            fails(503, true, "asks to wait 0 s"),
            4,
        )
        .plays(4, move |_| vec![send(status(busy, zero))]),
        row("after which it knows", Sends::Call, Gets::Result, 4)
            .plays(3, move |_| vec![send(status(busy, zero))]),
    ];
    // A wait that is no wait: what was told on stderr is in the way of nobody.
    rows.push(asks("a notification waits, too", many, "0".into()));
    run("Retry-After", rows);
}

#[test]
fn an_error_of_json_rpc_is_the_servers_word_whatever_the_status() {
    let mut rows = Vec::new();
    for code in [400, 402, 403, 404, 405, 409, 422, 500, 501, 502, 504] {
        let name: &'static str = Box::leak(format!("{code} with JSON-RPC").into_boxed_str());
        rows.push(
            row(name, Sends::List, Gets::Error(-32_050), 1).play(move |id| {
                let error = format!(
                    "\u{feff}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32050,\"message\":\"no\"}}}}"
                );
                vec![Act::Send(with_body(&format!("{code} X"), "application/json", error))]
            }),
        );
    }
    // What is no error is no answer to a refusal.
    rows.push(
        row("500 with a result", Sends::Call, fails(500, true, ""), 1).play(|id| {
            vec![Act::Send(with_body(
                "500 X",
                "application/json",
                result(id, "{}"),
            ))]
        }),
    );
    run("JSON-RPC errors", rows);
}

#[test]
fn a_lost_session_is_opened_again_and_the_message_sent_again() {
    let mut rows = Vec::new();
    let manner = Manner {
        sessions: true,
        standing: false,
    };
    let gone = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
    for (name, code, body) in [
        ("404 for a session", 404, ""),
        ("404 for a session, a page", 404, PAGE),
        ("404 for a session, JSON-RPC", 404, gone),
        ("410 for a session", 410, ""),
        ("400 that names the session", 400, gone),
    ] {
        for sends in [Sends::Call, Sends::List] {
            rows.push(
                row(name, sends, Gets::Result, 2)
                    .manner(manner)
                    .play(move |_| {
                        let answer = with_body(&format!("{code} X"), "application/json", body);
                        vec![Act::Send(answer)]
                    })
                    .told("notifications/tools/list_changed")
                    .check(|server, _| assert_eq!(server.count("initialize"), 2)),
            );
        }
    }
    rows.push(
        row(
            "404 twice",
            Sends::Call,
            fails_without_status("lost the session twice"),
            2,
        )
        .manner(manner)
        .plays(2, |_| vec![send(status("404 Not Found", ""))])
        .told("notifications/tools/list_changed")
        .told("notifications/tools/list_changed")
        .check(|server, _| assert_eq!(server.count("initialize"), 3)),
    );
    run("lost sessions", rows);
}

fn fails_without_status(words: &'static str) -> Gets {
    Gets::Fails("http", true, None, words)
}

#[test]
fn heads_that_are_odd_or_endless_come_to_an_end() {
    let unanswered = Gets::Fails("http", false, None, "may have been carried out");
    let good = |id: &str| with_body("200 OK", "application/json", result(id, "{}"));
    let heads = |count: usize, length: usize| {
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        for number in 0..count {
            head.push_str(&format!("X-{number}: {}\r\n", "a".repeat(length)));
        }
        head
    };
    let before =
        |head: &'static str| move |id: &str| vec![Act::Send([head.as_bytes(), &good(id)].concat())];
    let rows = vec![
        row("100 first", Sends::Call, Gets::Result, 1)
            .play(before("HTTP/1.1 100 Continue\r\n\r\n")),
        row("102 and 103 first", Sends::Call, Gets::Result, 1).play(before(
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        )),
        row("ninety headers", Sends::Call, Gets::Result, 1).play(move |id| {
            let head = heads(90, 20);
            let body = result(id, "{}");
            let rest = format!("Content-Length: {}\r\n\r\n{body}", body.len());
            vec![send(head + &rest)]
        }),
        row("ten thousand headers", Sends::Call, unanswered, 1)
            .play(move |_| vec![send(heads(10_000, 20))]),
        row("a header of a megabyte", Sends::Call, unanswered, 1)
            .play(move |_| vec![send(heads(1, 1 << 20))]),
        row(
            "headers without end",
            Sends::List,
            Gets::Fails("http", true, None, "sent 3 times"),
            3,
        )
        .plays(3, move |_| {
            vec![
                send("HTTP/1.1 200 OK\r\n"),
                send("X: y\r\n".repeat(200_000)),
            ]
        }),
        row("no HTTP", Sends::Call, unanswered, 1)
            .play(|_| vec![send("SSH-2.0-OpenSSH_9.6\r\n\r\n"), Act::Close]),
        row("HTTP/0.9", Sends::Call, unanswered, 1)
            .play(|_| vec![send("<html>hello</html>"), Act::Close]),
        row("HTTP/1.0", Sends::Call, Gets::Result, 1).play(|id| {
            let body = result(id, "{}");
            let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n";
            vec![send(format!("{head}{body}")), Act::Close]
        }),
        row(
            "101",
            Sends::Call,
            fails(101, false, "no answer to a request"),
            1,
        )
        .play(|_| {
            vec![send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            )]
        }),
        row("two lengths", Sends::Call, unanswered, 1).play(|_| {
            vec![
                send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}"),
                Act::Close,
            ]
        }),
        row("a header with a NUL", Sends::Call, unanswered, 1).play(|_| {
            vec![send(
                "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
            )]
        }),
        row("a head drop by drop", Sends::Call, Gets::Result, 1)
            .play(move |id| vec![Act::Drip(good(id), Duration::from_millis(2))]),
    ];
    run("heads", rows);
}

/// A notification that meets a fault is none of the client's business.
#[test]
fn nothing_is_told_of_a_notification() {
    let mut rows = Vec::new();
    for code in [400, 403, 404, 413, 500, 503] {
        rows.push(
            met_by(code, Sends::Note, Gets::Nothing, 1).check(|server, _| {
                assert_eq!(server.count("tools/call"), 1);
                assert_eq!(json!(server.arrivals()[0].id), json!("null"));
            }),
        );
    }
    run("notifications", rows);
}
