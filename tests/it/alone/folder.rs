//! Homes that nothing can be written to: sign-ins live as long as the bridge does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use playground::{Playground, Request, Settings};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, everything};
use crate::support::sealed::{can_seal, mounted, sealed};
use crate::support::skip::skipped;

const IN_MEMORY: &str = "kept in memory and end with this program";

fn add(bridge: &mut Bridge) {
    let result = bridge.tool("add", json!({ "a": 2, "b": 3 }));
    assert_eq!(result["content"][0]["text"], "5", "{}", bridge.story());
}

fn occurrences(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

/// A bridge that finds its folder at this place.
fn command_in(machine: &Machine, url: &str, folder: &Path) -> Command {
    let mut command = Bridge::command(machine, url, &[]);
    command.env("MCP_DRAWBRIDGE_DIR", folder);
    command
}

/// A place where nobody can make a folder, root neither: below a regular file.
fn impossible(machine: &Machine) -> PathBuf {
    let file = machine.cache();
    fs::write(&file, "").expect("a file");
    file.join("below")
}

fn is_refresh(request: &Request) -> bool {
    request.parameter("grant_type").as_deref() == Some("refresh_token")
}

#[test]
fn where_no_folder_can_be_made_one_bridge_signs_in_refreshes_and_says_so_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let folder = impossible(&machine);
    let mut bridge = Bridge::start_command(command_in(&machine, &playground.mcp_url(), &folder));
    bridge.initialize(NEWEST, everything());
    add(&mut bridge);
    assert_eq!(machine.opened().len(), 1);
    playground.expire_access_tokens();
    add(&mut bridge);
    assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
    assert_eq!(playground.reuses(), 0);
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(occurrences(&ended.stderr, IN_MEMORY), 1, "{}", ended.stderr);
    let named = format!("`{}`", folder.display());
    assert!(ended.stderr.contains(&named), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("MCP_DRAWBRIDGE_DIR"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read(machine.cache()).expect("the file"), b"");

    // Nothing was kept, so the next one asks again.
    let mut next = Bridge::start_command(command_in(&machine, &playground.mcp_url(), &folder));
    next.initialize(NEWEST, everything());
    add(&mut next);
    assert_eq!(machine.opened().len(), 2);
    next.close();
}

#[test]
fn many_requests_at_once_share_the_one_sign_in_in_memory() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let folder = impossible(&machine);
    let mut bridge = Bridge::start_command(command_in(&machine, &playground.mcp_url(), &folder));
    bridge.initialize(NEWEST, everything());
    let call = |bridge: &mut Bridge| {
        bridge.request(
            "tools/call",
            json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
        )
    };
    for _ in 0..2 {
        let ids: Vec<u64> = (0..10).map(|_| call(&mut bridge)).collect();
        for id in ids {
            let answer = bridge.answer(id);
            assert_eq!(answer["result"]["content"][0]["text"], "5", "{answer}");
        }
        playground.expire_access_tokens();
    }
    assert_eq!(machine.opened().len(), 1);
    assert_eq!((playground.registrations(), playground.refreshes()), (1, 1));
    assert_eq!(playground.reuses(), 0);
    bridge.close();
}

#[test]
fn without_a_home_memory_is_used_and_other_commands_say_what_to_do() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    // A user without a name has no home in the system's list either.
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=54321", "--regid=54321", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_mcp-drawbridge"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let copy = |arguments: &[&str]| {
        let mut copy = Command::new(command.get_program());
        copy.args(command.get_args()).args(arguments).env_clear();
        copy
    };
    let possible = copy(&["--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        skipped(
            "without_a_home: another user cannot be taken on here (root and `setpriv` are needed)",
        );
        return;
    }
    let url = playground.mcp_url();
    let mut bridge = Bridge::start_command(copy(&[&url, "--no-browser"]));
    bridge.initialize(NEWEST, everything());
    let address = bridge.stderr_address();
    let mut browser = machine.browse(&address);
    add(&mut bridge);
    assert!(browser.wait().expect("a browser").success());
    let ended = bridge.close();
    assert_eq!(occurrences(&ended.stderr, IN_MEMORY), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("names no folder"), "{}", ended.stderr);
    for arguments in [&["status"][..], &["logout", &url]] {
        let output = copy(arguments).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("no sign-ins are kept"), "{stderr}");
        assert!(stderr.contains("hint: set MCP_DRAWBRIDGE_DIR"), "{stderr}");
    }
}

#[test]
fn commands_about_what_is_kept_name_the_folder_that_cannot_be_used() {
    let machine = Machine::new();
    let folder = impossible(&machine);
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["logout", "--all"],
        &["logout", "https://mcp.example.com/mcp"],
    ] {
        let mut command = machine.command();
        command.args(arguments).env("MCP_DRAWBRIDGE_DIR", &folder);
        let output = command.output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let named = format!("cannot use the folder `{}`", folder.display());
        assert!(stderr.contains(&named), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn tokens_on_a_read_only_mount_are_used_and_what_is_spent_of_them_is_said() {
    if !can_seal("tokens_on_a_read_only_mount") {
        return;
    }
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let mut bridge = Bridge::open(&machine, &url, &[]);
    add(&mut bridge);
    bridge.close();
    let kept = fs::read(machine.sign_in_file()).expect("a sign-in");

    let command = Bridge::command(&machine, &url, &[]);
    let mut bridge = Bridge::start_command(sealed(&command, &machine.cache()));
    bridge.initialize(NEWEST, everything());
    add(&mut bridge);
    assert_eq!((machine.opened().len(), playground.refreshes()), (1, 0));
    bridge.stderr_says("what is there is used");
    assert!(
        !bridge.stderr().contains("has been spent"),
        "{}",
        bridge.story()
    );
    playground.expire_access_tokens();
    add(&mut bridge);
    bridge.stderr_says("has been spent");
    add(&mut bridge);
    assert_eq!((machine.opened().len(), playground.refreshes()), (1, 1));
    assert_eq!(playground.reuses(), 0);
    let ended = bridge.close();
    assert_eq!(
        occurrences(&ended.stderr, "has been spent"),
        1,
        "{}",
        ended.stderr
    );
    let file = machine.sign_in_file().display().to_string();
    assert!(ended.stderr.contains(&file), "{}", ended.stderr);
    assert_eq!(fs::read(machine.sign_in_file()).expect("a sign-in"), kept);
    assert!(
        playground
            .requests()
            .iter()
            .filter(|r| is_refresh(r))
            .all(|r| r.status == Some(200))
    );

    // What can be read is shown; what cannot be ended here says why.
    let mut status = machine.command();
    status.args(["status", "--json"]);
    let output = sealed(&status, &machine.cache())
        .output()
        .expect("it starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["sign_ins"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    let mut logout = machine.command();
    logout.args(["logout", &url]);
    let output = sealed(&logout, &machine.cache())
        .output()
        .expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("Read-only file system"), "{stderr}");
    assert_eq!(playground.revocations(), 0);
}

#[test]
fn home_that_is_read_only_and_empty_is_no_obstacle() {
    if !can_seal("home_that_is_read_only_and_empty") {
        return;
    }
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let home = tempfile::tempdir().expect("folder");
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &[]);
    command
        .env("HOME", home.path())
        .env_remove("MCP_DRAWBRIDGE_DIR");
    let mut bridge = Bridge::start_command(sealed(&command, home.path()));
    bridge.initialize(NEWEST, everything());
    add(&mut bridge);
    playground.expire_access_tokens();
    add(&mut bridge);
    assert_eq!((machine.opened().len(), playground.refreshes()), (1, 1));
    let ended = bridge.close();
    assert_eq!(occurrences(&ended.stderr, IN_MEMORY), 1, "{}", ended.stderr);
    assert_eq!(fs::read_dir(home.path()).expect("home").count(), 0);
}

#[test]
fn full_disk_at_the_start_is_no_obstacle_and_can_be_told_from_others() {
    // As many files as one likes, and no room for what is in them.
    let script = "mount -t tmpfs -o size=4k,mode=700 none \"$0\" && head -c 4096 /dev/zero >\"$0\"/full; exec \"$@\"";
    let folder = tempfile::tempdir().expect("folder");
    let wrapped = |command: &Command| mounted(command, folder.path(), script);
    let mut works = Command::new("true");
    works.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let possible = wrapped(&works).stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        skipped(
            "full_disk_at_the_start: nothing can be mounted here (root and `unshare` are needed)",
        );
        return;
    }
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let command = command_in(&machine, &playground.mcp_url(), folder.path());
    let mut bridge = Bridge::start_command(wrapped(&command));
    bridge.initialize(NEWEST, everything());
    add(&mut bridge);
    playground.expire_access_tokens();
    add(&mut bridge);
    assert_eq!((machine.opened().len(), playground.refreshes()), (1, 1));
    let ended = bridge.close();
    assert_eq!(occurrences(&ended.stderr, IN_MEMORY), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("free some space"), "{}", ended.stderr);
}
