//! Tokens that the user's environment or a command of theirs gives.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use playground::{Playground, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, everything, failure, opening};

/// A server, and tokens that it takes: each a sign-in of its own machine.
struct Scene {
    playground: Playground,
    machine: Machine,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            playground: Playground::start(Settings::default()),
            machine: Machine::new(),
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    /// A new token that the server takes.
    fn token(&self) -> String {
        let machine = Machine::new();
        let mut bridge = Bridge::open(&machine, &self.playground.mcp_url(), &[]);
        bridge.tool("add", json!({ "a": 2, "b": 3 }));
        bridge.close();
        let token = machine.sign_in()["access_token"]
            .as_str()
            .map(str::to_owned);
        token.expect("a token")
    }

    /// What the command prints from now on.
    fn put(&self, text: &str) {
        fs::write(self.source(), text).expect("a file");
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// A command that notes each run and prints what was put.
    fn printer(&self) -> String {
        let script = format!(
            "echo run >>'{}'; echo for people >&2; cat '{}'",
            self.folder.path().join("runs").display(),
            self.source().display()
        );
        json!(["sh", "-c", script]).to_string()
    }

    fn runs(&self) -> usize {
        let text = fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
        text.lines().count()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        Bridge::command(&self.machine, &self.playground.mcp_url(), arguments)
    }

    fn by_command(&self) -> Bridge {
        Bridge::start_command(self.command(&["--bearer-command", &self.printer(), "--debug"]))
    }

    fn by_variable(&self, token: &str) -> Bridge {
        let mut command = self.command(&["--bearer-env", "MY_TOKEN", "--debug"]);
        command.env("MY_TOKEN", token);
        Bridge::start_command(command)
    }
}

fn add(bridge: &mut Bridge) -> Value {
    bridge.call(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    )
}

fn added(answer: &Value) {
    assert_eq!(answer["result"]["content"][0]["text"], "5", "{answer}");
}

/// Nothing was signed in to, kept, or shown.
fn left_nothing(scene: &Scene, bridge: Bridge, tokens: &[&str]) {
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(scene.machine.opened(), [""; 0]);
    assert!(scene.machine.cached().is_empty());
    for token in tokens {
        assert!(!ended.stderr.contains(token), "{}", ended.stderr);
    }
}

#[test]
fn token_of_a_variable_is_sent_and_its_end_is_final_and_names_the_variable() {
    let scene = Scene::new();
    let token = scene.token();
    let mut bridge = scene.by_variable(&token);
    bridge.initialize(NEWEST, everything());
    added(&add(&mut bridge));
    scene.playground.expire_access_tokens();
    let before = scene.playground.requests().len();
    let answer = add(&mut bridge);
    let failure = failure(&answer);
    assert_eq!(
        (&failure["stage"], &failure["status"]),
        (&json!("auth"), &json!(401))
    );
    assert_eq!(failure["retryable"], false);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`MY_TOKEN`"),
        "{answer}"
    );
    let calls = scene.playground.requests().split_off(before);
    let calls = calls.iter().filter(|request| request.calls("tools/call"));
    assert_eq!(calls.count(), 1, "it is not sent again");
    left_nothing(&scene, bridge, &[&token]);
}

#[test]
fn command_is_run_at_first_need_and_again_when_its_token_ends() {
    let scene = Scene::new();
    let (first, second) = (scene.token(), scene.token());
    scene.put(&format!("{first}\n"));
    let mut bridge = scene.by_command();
    bridge.initialize(NEWEST, everything());
    added(&add(&mut bridge));
    added(&add(&mut bridge));
    assert_eq!(scene.runs(), 1);
    scene.playground.expire_access_tokens();
    let third = scene.token();
    scene.put(&third);
    let ids: Vec<u64> = (0..10)
        .map(|_| {
            let call = json!({ "name": "add", "arguments": { "a": 2, "b": 3 } });
            bridge.request("tools/call", call)
        })
        .collect();
    for id in ids {
        added(&bridge.answer(id));
    }
    assert_eq!(scene.runs(), 2, "ten share one run");
    left_nothing(&scene, bridge, &[&first, &second, &third]);
}

#[test]
fn the_same_token_or_another_that_is_refused_is_final() {
    let scene = Scene::new();
    let (same, other) = (scene.token(), scene.token());
    scene.put(&same);
    let mut bridge = scene.by_command();
    bridge.initialize(NEWEST, everything());
    added(&add(&mut bridge));
    scene.playground.expire_access_tokens();
    let runs = scene.runs();
    let answer = add(&mut bridge);
    assert_eq!(failure(&answer)["status"], 401);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("the command `sh`"),
        "{answer}"
    );
    assert!(scene.runs() > runs);

    scene.put(&other);
    let runs = scene.runs();
    let answer = add(&mut bridge);
    assert_eq!(failure(&answer)["status"], 401);
    assert_eq!(scene.runs(), runs + 1);
    // A good one heals it.
    let good = scene.token();
    scene.put(&good);
    added(&add(&mut bridge));
    left_nothing(&scene, bridge, &[&same, &other, &good]);
}

#[test]
fn command_that_fails_is_an_answer_that_says_what_to_do_and_may_be_asked_again() {
    let scene = Scene::new();
    let token = scene.token();
    for (printed, expected) in [
        (None, "failed (exit status: 1)"),
        (Some(String::new()), "printed nothing"),
        (Some(format!("{token}\n{token}")), "more than one line"),
        (Some(format!("Bearer {token}")), "blanks or characters"),
    ] {
        match printed {
            Some(text) => scene.put(&text),
            None => drop(fs::remove_file(scene.source())),
        }
        let mut bridge = scene.by_command();
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        let failure = failure(&answer);
        assert_eq!(
            (&failure["stage"], &failure["retryable"]),
            (&json!("auth"), &json!(true))
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(&token), "{message}");
        scene.put(&token);
        bridge.initialize(NEWEST, everything());
        added(&add(&mut bridge));
        left_nothing(&scene, bridge, &[&token]);
    }
}

#[test]
fn program_that_is_not_there_is_an_answer_too() {
    let scene = Scene::new();
    let mut bridge =
        Bridge::start_command(scene.command(&["--bearer-command", "/nonexistent/x SECRET_1"]));
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`/nonexistent/x` cannot be started"),
        "{message}"
    );
    assert!(!message.contains("SECRET_1"), "{message}");
    bridge.close();
}

#[test]
fn command_sees_none_of_our_variables_and_none_of_our_input() {
    let scene = Scene::new();
    let token = scene.token();
    let seen = scene.folder.path().join("seen");
    let script = format!("{{ env; cat; }} >'{}'; echo {token}", seen.display());
    let mut command =
        scene.command(&["--bearer-command", &json!(["sh", "-c", script]).to_string()]);
    command
        .env("MCP_DRAWBRIDGE_HEADER", "X-Key: SECRET_1")
        .env("FOR_THE_COMMAND", "1");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    added(&add(&mut bridge));
    bridge.close();
    let seen = fs::read_to_string(seen).expect("what it saw");
    assert!(seen.contains("FOR_THE_COMMAND=1"), "{seen}");
    assert!(
        !seen.contains("MCP_DRAWBRIDGE_") && !seen.contains("jsonrpc"),
        "{seen}"
    );
}

#[cfg(unix)]
#[test]
fn end_of_the_bridge_is_the_end_of_all_that_a_command_has_started() {
    let scene = Scene::new();
    let pipe = scene.folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    // A pipeline: the shell is one process, what hangs is another.
    let script = format!("(exec 3>'{}'; sleep 300) | cat", pipe.display());
    let command = json!(["sh", "-c", script]).to_string();
    let mut bridge = Bridge::start_command(scene.command(&["--bearer-command", &command]));
    bridge.request("initialize", opening(NEWEST, everything()));
    // Opening it waits for the one who writes.
    let mut held = fs::File::open(&pipe).expect("the pipe");
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        std::io::copy(&mut held, &mut std::io::sink()).expect("the end");
        let _ = told.send(());
    });
    bridge.close();
    let ended = ended.recv_timeout(std::time::Duration::from_secs(60));
    ended.expect("what the command has started runs on");
}
