//! Several processes at once, and mcp-remote among them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use playground::{Playground, Settings};
use serde_json::{Value, json};

use super::theirs::{NEWEST, OLDER, file, snapshot};
use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;

const TAKEN: &str = "the sign-in of mcp-remote was taken over";

/// A bridge that has used a tool, for which it has to be signed in.
fn used(machine: &Machine, url: &str) -> Ended {
    let mut bridge = Bridge::open(machine, url, &[]);
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
    bridge.close()
}

#[test]
fn ten_at_once_take_it_over_once_and_refresh_it_once() {
    for state in ["fresh", "refused", "ended"] {
        // The second use of a refresh token ends the grant.
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let url = playground.mcp_url();
        NEWEST.sign_in(&machine, &url, &[]);
        if state == "ended" {
            let path = file(&machine, "tokens.json");
            let text = fs::read(&path).expect("mcp-remote keeps it");
            let mut tokens: Value = serde_json::from_slice(&text).expect("JSON");
            tokens["expires_at"] = json!(1_600_000_000_000_u64);
            fs::write(&path, tokens.to_string()).expect("written");
        }
        if state != "fresh" {
            playground.expire_access_tokens();
        }
        let (before, refreshed) = (snapshot(&machine), playground.refreshes());
        // Some as after a change of the command alone: they are no mcp-remote for the others.
        let words = [&["-y", "mcp-remote@latest"][..], &[]];
        let start = |at: usize| {
            let mut command = machine.command();
            command.args(words[at % 2]).arg(&url);
            Bridge::start_command(command)
        };
        let started: Vec<Bridge> = (0..10).map(start).collect();
        let working = started.into_iter().map(|mut bridge| {
            thread::spawn(move || {
                bridge.initialize("2025-11-25", json!({}));
                let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
                assert_eq!(result["content"][0]["text"], "42");
                bridge.close().stderr
            })
        });
        let working: Vec<_> = working.collect();
        let said: Vec<String> = working
            .into_iter()
            .map(|working| working.join().expect("it worked"))
            .collect();
        let took = said.iter().filter(|text| text.contains(TAKEN)).count();
        assert_eq!(took, 1, "{said:#?}");
        assert!(!said.concat().contains("still runs"), "{said:#?}");
        let refreshes = playground.refreshes() - refreshed;
        assert_eq!(
            refreshes,
            usize::from(state != "fresh"),
            "{}",
            playground.printed_log()
        );
        assert_eq!(playground.reuses(), 0);
        assert_eq!((machine.opened().len(), playground.registrations()), (1, 1));
        assert_eq!(snapshot(&machine), before);
        let ledger = fs::read(machine.cache().join(".imports.json")).expect("a ledger");
        let ledger = String::from_utf8(ledger).expect("text");
        let place = file(&machine, "tokens.json").display().to_string();
        assert_eq!(ledger.matches(&place).count(), 1, "{ledger}");
        // The last refresh token that was given out is the one that is kept.
        playground.expire_access_tokens();
        machine.expire_cached();
        used(&machine, &url);
        assert_eq!((playground.reuses(), machine.opened().len()), (0, 1));
    }
}

/// mcp-remote notes in a file that it is about to refresh: who, and when.
#[test]
fn a_refresh_that_mcp_remote_has_begun_is_left_to_it() {
    let lease = |machine: &Machine, pid: u32, age: Duration| {
        let tokens = file(machine, "tokens.json").display().to_string();
        let path = tokens.replace("tokens.json", "refresh_in_progress.json");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = now.expect("a time").saturating_sub(age).as_millis() as u64;
        let nonce = "7f0c1d52-3e0d-4a8e-9a59-0d6f2f7f0f11";
        let text = json!({ "pid": pid, "nonce": nonce, "at": at }).to_string();
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    // A process of that name, which waits for nothing to read.
    let mut command = Command::new("sh");
    command.args(["-c", "echo; read x", "mcp-remote"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = Ending(command.spawn().expect("it starts"));
    // From now on it is known by its words.
    let mut said = other.0.stdout.take().expect("a pipe");
    said.read_exact(&mut [0]).expect("it runs");
    let dead = {
        let mut child = Command::new("true").spawn().expect("it starts");
        child.wait().expect("it ends");
        child.id()
    };
    let minute = Duration::from_secs(60);
    for (pid, age, is_held) in [
        (other.0.id(), Duration::ZERO, true),
        (other.0.id(), minute, false),
        // Its number is another program's by now.
        (std::process::id(), Duration::ZERO, false),
        (dead, Duration::ZERO, false),
    ] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let url = playground.mcp_url();
        NEWEST.sign_in(&machine, &url, &[]);
        lease(&machine, pid, age);
        let before = snapshot(&machine);
        let ended = used(&machine, &url);
        let held = format!("mcp-remote still runs for this server (process {pid})");
        assert_eq!(ended.stderr.contains(&held), is_held, "{}", ended.stderr);
        assert_eq!(ended.stderr.contains(TAKEN), !is_held, "{}", ended.stderr);
        assert_eq!(machine.cached().is_empty(), is_held);
        assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
        assert_eq!(snapshot(&machine), before);
    }
}

/// A process that ends with the test, whatever becomes of that.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_mcp_remote_keeps_its_sign_in() {
    for version in [NEWEST, OLDER[1]] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let url = playground.mcp_url();
        let mut theirs = version.open(&machine, &url, &[]);
        let before = snapshot(&machine);
        let ended = used(&machine, &url);
        assert!(
            ended
                .stderr
                .contains("mcp-remote still runs for this server (process ")
                && ended.stderr.contains("end it and start this again"),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains(TAKEN));
        assert!(machine.cached().is_empty(), "nothing is kept");
        assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
        assert_eq!(snapshot(&machine), before);

        // Once its token has ended, a person signs in here, and it goes on as before.
        playground.expire_access_tokens();
        let ended = used(&machine, &url);
        assert!(ended.stderr.contains("end mcp-remote"), "{}", ended.stderr);
        assert_eq!((playground.refreshes(), playground.reuses()), (0, 0));
        assert_eq!(machine.opened().len(), 2);
        if version.0 == NEWEST.0 {
            let result = theirs.tool("add", json!({ "a": 1, "b": 2 }));
            assert_eq!(result["content"][0]["text"], "3");
            assert_eq!(playground.refreshes(), 1, "its own");
        }
        assert_eq!(playground.reuses(), 0);
        drop(theirs);
    }
}

#[test]
fn once_mcp_remote_has_ended_its_sign_in_is_taken_over() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let theirs = NEWEST.open(&machine, &url, &[]);
    let ours = used(&machine, &url);
    assert!(ours.stderr.contains("still runs"), "{}", ours.stderr);
    theirs.close();
    let ours = used(&machine, &url);
    assert!(ours.stderr.contains(TAKEN), "{}", ours.stderr);
    assert_eq!(machine.opened().len(), 1);
}
