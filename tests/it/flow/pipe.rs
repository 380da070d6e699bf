//! Input that is there from the beginning, as scripts and people at a shell write it: every answer
//! is written before the end.
#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use playground::{Playground, Settings};
use serde_json::{Value, json};

use super::host::Host;
use super::leaving::{LIMIT, nothing_is_left};
use super::server::{Server, TALKED_ABOUT, UNANSWERED};
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{detail, is_delete, opening};

fn line(id: u64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string() + "\n"
}

/// A session that is opened, and then these requests.
fn script(requests: &[String]) -> String {
    let initialize = line(0, "initialize", opening("2025-11-25", json!({})));
    let initialized = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
    initialize + initialized + &requests.concat()
}

fn call(id: u64, name: &str, arguments: Value) -> String {
    line(
        id,
        "tools/call",
        json!({ "name": name, "arguments": arguments }),
    )
}

/// Longer than an AI client is waited for that closes stdin.
fn three_seconds(id: u64) -> String {
    call(id, "slow", json!({ "steps": 3, "delay_ms": 1000 }))
}

/// Runs a line of shell, with the bridge as `"$BRIDGE" "$URL"`, a file with the input as `"$INPUT"`
/// and one for the output as `"$OUTPUT"`. Gives its exit code and the answers from its stdout and
/// that file by their id.
fn shell(machine: &Machine, url: &str, input: &str, command: &str) -> (Option<i32>, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("in"), folder.path().join("out"));
    fs::write(&from, input).expect("a writable folder");
    let output = Command::new("sh")
        .args(["-c", command])
        .envs(machine.environment())
        .env("BRIDGE", env!("CARGO_BIN_EXE_mcp-drawbridge"))
        .env("URL", url)
        .env("INPUT", &from)
        .env("OUTPUT", &to)
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let text = [fs::read(&to).unwrap_or_default(), output.stdout].concat();
    let text = String::from_utf8(text).expect("text");
    let parsed = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    let mut answers: Vec<Value> = text.lines().map(parsed).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    (output.status.code(), answers)
}

#[test]
fn every_answer_is_written_however_long_it_takes() {
    let input = script(&[
        call(1, "add", json!({ "a": 1, "b": 2 })),
        three_seconds(2),
        call(3, "big", json!({ "bytes": 3_000_000 })),
    ]);
    let here = format!("\"$BRIDGE\" \"$URL\" <<'END'\n{input}END\n");
    let commands = [
        r#"cat "$INPUT" | "$BRIDGE" "$URL""#,
        r#"printf '%s\n' "$(cat "$INPUT")" | "$BRIDGE" "$URL" | cat"#,
        r#""$BRIDGE" "$URL" < "$INPUT""#,
        r#""$BRIDGE" "$URL" < "$INPUT" > "$OUTPUT""#,
        r#"cat "$INPUT" | "$BRIDGE" "$URL" | (sleep 1; cat) > "$OUTPUT""#,
        &here,
    ];
    thread::scope(|scope| {
        for command in commands {
            let input = &input;
            scope.spawn(move || {
                let server = Playground::start(Settings::open());
                let machine = Machine::new();
                let (code, answers) = shell(&machine, &server.mcp_url(), input, command);
                assert_eq!(code, Some(0), "{command}");
                assert_eq!(answers.len(), 4, "{command}: {answers:?}");
                assert!(answers[0]["result"]["serverInfo"].is_object());
                assert_eq!(answers[1]["result"]["content"][0]["text"], "3");
                let text = &answers[2]["result"]["content"][0]["text"];
                assert_eq!(text, "done after 3 steps", "{command}");
                let big = answers[3]["result"]["content"][0]["text"].as_str();
                assert_eq!(big.map(str::len), Some(3_000_000), "{command}");
                assert!(is_delete(&server.requests().pop().expect("requests")));
                assert!(server.cancellations().is_empty(), "{command}");
                nothing_is_left(&machine);
            });
        }
    });
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let server = Playground::start(Settings::open());
    let machine = Machine::new();
    // Nobody ever ends this call.
    let input = script(&[call(1, "slow", json!({ "wait": true }))]);
    let begun = Instant::now();
    let command = r#"cat "$INPUT" | "$BRIDGE" "$URL" | head -n 1"#;
    let (code, answers) = shell(&machine, &server.mcp_url(), &input, command);
    assert_eq!((code, answers.len()), (Some(0), 1));
    assert!(answers[0]["result"]["serverInfo"].is_object());
    if cfg!(target_os = "linux") {
        assert!(begun.elapsed() < LIMIT * 3, "{:?}", begun.elapsed());
    }
    nothing_is_left(&machine);
}

#[test]
fn a_signal_ends_a_script_that_still_waits() {
    let server = Playground::start(Settings::open());
    let mut host = Host::start(&server.mcp_url(), &[]);
    let input = script(&[call(1, "slow", json!({ "wait": true }))]);
    host.bytes(input.as_bytes());
    drop(host.stdin.take());
    server.wait_for(|requests| requests.iter().find(|r| r.calls("tools/call")).map(|_| ()));
    // It would have ended by now if it were no script.
    thread::sleep(Duration::from_millis(2500));
    assert!(host.child.try_wait().expect("a child of ours").is_none());
    host.signal(rustix::process::Signal::TERM);
    let (status, _) = host.end_within(LIMIT);
    assert_eq!(status.code(), Some(0));
    assert_eq!(server.cancellations().len(), 1);
}

/// A script whose answers are there, and whose reader does something else first.
fn unread() -> (Host, Playground) {
    let server = Playground::start(Settings::open());
    let mut host = Host::start(&server.mcp_url(), &[]);
    host.bytes(script(&[call(1, "big", json!({ "bytes": 3_000_000 }))]).as_bytes());
    drop(host.stdin.take());
    server.wait_for(|requests| requests.iter().find(|r| is_delete(r)).map(|_| ()));
    // Without anything to be written it would have ended by now.
    thread::sleep(Duration::from_millis(2000));
    assert!(host.child.try_wait().expect("a child of ours").is_none());
    (host, server)
}

#[test]
fn a_reader_that_takes_its_time_gets_all_of_it() {
    let (mut host, _server) = unread();
    assert!(host.message()["result"]["serverInfo"].is_object());
    let big = host.message();
    let big = big["result"]["content"][0]["text"].as_str().map(str::len);
    assert_eq!(big, Some(3_000_000));
    assert_eq!(host.line(), None);
    let (status, _) = host.end_within(LIMIT);
    assert_eq!(status.code(), Some(0), "{}", host.stderr());
}

#[test]
fn a_signal_ends_a_script_that_nobody_reads() {
    for (signal, code) in [
        (rustix::process::Signal::TERM, 0),
        (rustix::process::Signal::INT, 130),
    ] {
        let (mut host, _server) = unread();
        host.signal(signal);
        let (status, _) = host.end_within(LIMIT);
        assert_eq!(status.code(), Some(code), "{}", host.stderr());
    }
}

#[test]
fn what_awaits_no_answer_keeps_no_script_for_long() {
    for last in [TALKED_ABOUT, UNANSWERED] {
        let server = Server::start(|message, connection| match message.is_null() {
            true => connection.status(405),
            false => connection.answer(message, &json!({ "tools": [] })),
        });
        let mut host = Host::start(server.url(), &[]);
        let notification = json!({ "jsonrpc": "2.0", "method": last }).to_string() + "\n";
        let input = script(&[line(1, "tools/list", json!({})), notification]);
        host.bytes(input.as_bytes());
        drop(host.stdin.take());
        for _ in 0..2 {
            assert!(host.message()["result"].is_object());
        }
        let (status, _) = host.end_within(Duration::from_secs(60));
        assert_eq!(status.code(), Some(0), "{last}: {}", host.stderr());
        assert_eq!(server.count(last), 1);
    }
}

#[test]
fn a_question_of_the_server_is_refused_when_nobody_is_there_to_answer() {
    let server = Playground::start(Settings::open());
    let initialize = line(
        0,
        "initialize",
        opening("2025-11-25", json!({ "sampling": {} })),
    );
    let input = initialize
        + "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
        + &call(1, "sample", json!({ "prompt": "x" }));
    let command = r#""$BRIDGE" "$URL" < "$INPUT""#;
    let (code, answers) = shell(&Machine::new(), &server.mcp_url(), &input, command);
    assert_eq!(code, Some(0));
    let last = answers.last().expect("answers");
    assert_eq!(last["id"], 1, "{answers:?}");
    assert_eq!(last["result"]["isError"], true, "{last}");
}

#[test]
fn an_unreachable_server_answers_everything_with_an_error() {
    let port = playground::free_port().expect("a port");
    let url = format!("http://127.0.0.1:{port}/mcp");
    let input = script(&[call(1, "add", json!({})), line(2, "tools/list", json!({}))]);
    let command = r#"cat "$INPUT" | "$BRIDGE" "$URL""#;
    let (code, answers) = shell(&Machine::new(), &url, &input, command);
    assert_eq!((code, answers.len()), (Some(0), 3), "{answers:?}");
    for answer in &answers {
        assert!(detail(answer).contains("127.0.0.1"), "{answer}");
    }
}

#[test]
fn where_a_person_has_to_sign_in_the_answers_have_the_address() {
    let server = Playground::start(Settings::default());
    let machine = Machine::with(Browser::Waits);
    let input = script(&[call(1, "add", json!({ "a": 1, "b": 2 }))]);
    let command = r#"cat "$INPUT" | "$BRIDGE" "$URL""#;
    let (code, answers) = shell(&machine, &server.mcp_url(), &input, command);
    assert_eq!((code, answers.len()), (Some(0), 2), "{answers:?}");
    assert!(answers[0]["result"].is_object(), "{answers:?}");
    assert!(
        detail(&answers[1]).contains("code_challenge="),
        "{answers:?}"
    );
    nothing_is_left(&machine);
}

#[test]
fn a_person_who_signs_in_meanwhile_is_waited_for() {
    let server = Playground::start(Settings::default());
    let machine = Machine::new();
    let input = script(&[call(1, "add", json!({ "a": 1, "b": 2 })), three_seconds(2)]);
    let command = r#"cat "$INPUT" | "$BRIDGE" "$URL""#;
    let (code, answers) = shell(&machine, &server.mcp_url(), &input, command);
    assert_eq!(code, Some(0));
    let results: Vec<&Value> = answers.iter().filter(|a| a["result"].is_object()).collect();
    assert_eq!(results.len(), 3, "{answers:?}");
    nothing_is_left(&machine);
}
