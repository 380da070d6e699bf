//! How a bridge ends: input that ends, signals, a host that no longer reads.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use playground::{Fault, Playground, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{Scene, is_delete, is_get, opening};

fn line(id: u64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string() + "\n"
}

fn initialize() -> String {
    line(0, "initialize", opening("2025-11-25", json!({})))
}

const INITIALIZED: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";

/// Writes all of the input at once, closes stdin, and gives the messages that came, by their id.
fn piped(scene: Scene, input: &str) -> (Vec<Value>, Playground) {
    let mut bridge = scene.bridge;
    bridge.send_bytes(input.as_bytes());
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let mut answers = ended.rest;
    answers.sort_by_key(|answer| answer["id"].as_u64());
    (answers, scene.playground)
}

#[test]
fn input_from_a_pipe_is_answered_before_the_end() {
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let requests = line(1, "tools/list", json!({})) + &line(2, "tools/call", call);
    for initialized in [INITIALIZED, ""] {
        let scene = Scene::started(Settings::open(), &[]);
        let input = initialize() + initialized + &requests;
        let (answers, playground) = piped(scene, &input);
        assert_eq!(answers.len(), 3, "{answers:?}");
        assert!(answers[0]["result"]["serverInfo"].is_object());
        assert!(answers[1]["result"]["tools"].is_array());
        assert_eq!(answers[2]["result"]["content"][0]["text"], "3");
        let last = playground.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.status), ("DELETE", Some(204)));
    }
}

#[test]
fn input_from_a_pipe_is_answered_even_if_the_standing_stream_is_not() {
    let scene = Scene::started(Settings::open(), &[]);
    let get = Fault::of(Server::Mcp).method("GET").always();
    scene.playground.fault(get.then(Then::Hold));
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let input = initialize() + INITIALIZED + &line(1, "tools/call", call);
    let (answers, _) = piped(scene, &input);
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[1]["result"]["content"][0]["text"], "3");
}

#[test]
fn a_last_line_without_an_end_counts_if_it_is_whole() {
    for (last, answered) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, true),
        (r#"{"jsonrpc":"2.0","id":7,"method":"pi"#, false),
    ] {
        let scene = Scene::started(Settings::open(), &[]);
        let (answers, _) = piped(scene, &(line(1, "ping", json!({})) + last));
        assert_eq!(answers.len(), if answered { 2 } else { 1 }, "{last}");
    }
}

#[test]
fn a_host_that_says_nothing_asks_nothing_of_the_server() {
    let (answers, playground) = piped(Scene::started(Settings::open(), &[]), "");
    assert!(answers.is_empty() && playground.requests().is_empty());
}

/// An open session in which a call runs.
fn busy() -> Scene {
    let mut scene = Scene::open();
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    scene.bridge.request("tools/call", call);
    scene.playground.wait_for(|requests| {
        let call = requests.iter().find(|request| request.calls("tools/call"));
        call.filter(|call| call.status.is_some()).map(|_| ())
    });
    scene
}

/// The one request that was running has been answered: there will be no result.
fn assert_given_up(rest: &[Value]) {
    assert!(
        rest.len() == 1 && rest[0]["error"]["code"] == -32603,
        "{rest:?}"
    );
}

#[test]
fn at_the_end_of_input_what_runs_is_cancelled_and_the_session_ended() {
    let Scene {
        bridge, playground, ..
    } = busy();
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_given_up(&ended.rest);
    let cancelled = playground.cancellations();
    assert!(cancelled.len() == 1 && cancelled[0].was_running);
    let last = playground.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.status), ("DELETE", Some(204)));
}

#[cfg(unix)]
#[test]
fn a_signal_cancels_what_runs_and_ends_the_session() {
    for (signal, code) in [("TERM", 0), ("INT", 130), ("HUP", 0)] {
        let scene = busy();
        scene.bridge.signal(signal);
        let ended = scene.bridge.wait();
        let stderr = &ended.stderr;
        assert_eq!(ended.status.code(), Some(code), "{signal}: {stderr}");
        assert_given_up(&ended.rest);
        let cancelled = scene.playground.cancellations();
        assert!(cancelled.len() == 1 && cancelled[0].was_running, "{signal}");
        let last = scene.playground.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.status), ("DELETE", Some(204)));
    }
}

#[test]
fn a_server_that_does_not_take_leave_holds_nothing_up() {
    for then in [
        Then::Hold,
        Then::CloseBefore,
        Then::answer(405).into(),
        Then::answer(500).body("<html>no</html>").into(),
    ] {
        let scene = Scene::open();
        let delete = Fault::of(Server::Mcp).method("DELETE");
        scene.playground.fault(delete.then(then));
        let (ended, playground) = scene.close();
        assert_eq!(ended.stderr, "");
        assert_eq!(
            playground
                .requests()
                .iter()
                .filter(|r| is_delete(r))
                .count(),
            1
        );
    }
}

#[test]
fn a_server_that_hangs_from_the_start_does_not_keep_the_bridge() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let fault = Fault::mcp().rpc("initialize").always();
    scene.playground.fault(fault.then(Then::Hold));
    scene
        .bridge
        .request("initialize", opening("2025-11-25", json!({})));
    scene
        .playground
        .wait_for(|requests| requests.first().map(|_| ()));
    let ended = scene.bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_given_up(&ended.rest);
}

/// Waits for the end of a bridge that no test helper reads from.
fn end_of(mut child: Child) -> ExitStatus {
    let (done, ended) = channel();
    let pid = child.id();
    thread::spawn(move || done.send(child.wait()));
    match ended.recv_timeout(Duration::from_secs(60)) {
        Ok(status) => status.expect("the bridge was started"),
        Err(_) => panic!("the bridge (process {pid}) did not end"),
    }
}

#[test]
fn a_host_that_closes_stdout_ends_the_bridge() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut child = Bridge::command(&machine, &playground.mcp_url(), &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    stdin.write_all(initialize().as_bytes()).unwrap();
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("\"result\""), "{first}");
    stdin.write_all(INITIALIZED.as_bytes()).unwrap();
    playground.wait_for_answered(is_get);
    drop(stdout);
    // The next thing that it says finds no reader.
    let _ = stdin.write_all(line(1, "ping", json!({})).as_bytes());
    assert_eq!(end_of(child).code(), Some(0));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert!(is_delete(&playground.requests().pop().unwrap()));
    drop(stdin);
}

#[cfg(unix)]
#[test]
fn a_host_that_does_not_read_cannot_keep_a_bridge_that_is_told_to_end() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut child = Bridge::command(&machine, &playground.mcp_url(), &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take();
    let call = json!({ "name": "big", "arguments": { "bytes": 100_000 } });
    let mut input = initialize() + INITIALIZED;
    (1..=100).for_each(|id| input += &line(id, "tools/call", call.clone()));
    stdin.write_all(input.as_bytes()).unwrap();
    playground.wait_for(|requests| {
        let called = |r: &&playground::Request| r.calls("tools/call") && r.status.is_some();
        (requests.iter().filter(called).count() == 100).then_some(())
    });
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(kill.unwrap().success());
    assert_eq!(end_of(child).code(), Some(0));
    let requests = playground.requests();
    let deletes = requests.iter().filter(|request| is_delete(request)).count();
    let cancels = requests
        .iter()
        .filter(|r| r.calls("notifications/cancelled"));
    assert_eq!(deletes, 1, "{} cancellations", cancels.count());
    drop((stdin, stdout));
}
