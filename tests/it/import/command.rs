//! `import`, and what `status` and `logout` make of what was taken over.

use std::fs;
use std::process::{Output, Stdio};

use playground::{Playground, Settings};
use serde_json::{Value, json};

use super::theirs::{NEWEST, file, home, snapshot, store};
use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;

fn run(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = machine.command();
    command.args(arguments).stdin(Stdio::null());
    command.current_dir(machine.cache().parent().expect("a folder"));
    command.output().expect("the program starts")
}

#[track_caller]
fn ended(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}\n{}", said.0, said.1);
    said
}

fn signed_in() -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    NEWEST.sign_in(&machine, &playground.mcp_url(), &[]);
    (playground, machine)
}

/// A bridge that has used a tool, for which it has to be signed in.
fn used(machine: &Machine, url: &str) -> Ended {
    let mut bridge = Bridge::open(machine, url, &[]);
    bridge.tool("add", json!({ "a": 20, "b": 22 }));
    bridge.close()
}

/// A host's file that starts a bridge for these addresses.
fn configure(machine: &Machine, servers: Value) {
    let path = home(machine).join(".cursor/mcp.json");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let text = json!({ "mcpServers": servers }).to_string();
    fs::write(path, text).expect("written");
}

#[test]
fn import_shows_and_then_takes_over_what_hosts_are_configured_for() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    configure(
        &machine,
        json!({
            "theirs": { "command": "npx", "args": ["-y", "mcp-remote", url] },
            "ours": { "command": "/opt/mcp-drawbridge", "args": [url] },
            "other": { "command": "npx", "args": ["mcp-remote", "https://mcp.example.com/mcp"] },
            "unrelated": { "command": "npx", "args": ["something"] },
        }),
    );
    let before = snapshot(&machine);
    let asked = playground.requests().len();
    let (shown, said) = ended(&run(&machine, &["import"]), 0);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].starts_with("SERVER "), "{shown}");
    let line = |of: &str| {
        let mut lines = lines.iter().filter(|line| line.starts_with(of));
        lines.next().copied().unwrap_or_default()
    };
    assert!(line(&url).ends_with("would be taken over"), "{shown}");
    assert!(line(&url).contains("Cursor: `ours`, and 1 more"), "{shown}");
    let other = line("https://mcp.example.com/mcp");
    assert!(other.ends_with("no sign-in of mcp-remote"), "{shown}");
    assert!(
        said.contains("1 sign-in would be taken over; the same with `--apply`"),
        "{said}"
    );
    assert_eq!(playground.requests().len(), asked, "nobody was asked");
    assert!(machine.cached().is_empty());

    let (shown, said) = ended(&run(&machine, &["import", "--apply"]), 0);
    assert!(
        shown.lines().any(|line| line.ends_with("  taken over")),
        "{shown}"
    );
    assert!(
        said.contains("1 sign-in taken over; do not use mcp-remote for it"),
        "{said}"
    );
    assert_eq!(machine.sign_in()["taken_over"]["from"], "mcp-remote");
    assert_eq!((machine.opened().len(), playground.registrations()), (1, 1));
    assert_eq!(playground.refreshes(), 0);
    assert_eq!(snapshot(&machine), before);

    let (shown, _) = ended(&run(&machine, &["import", "--apply"]), 0);
    assert!(shown.contains("taken over before"), "{shown}");
    let end = used(&machine, &url);
    assert_eq!(end.stderr, "");
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn what_the_current_folder_wants_is_taken_over_by_its_first_use_alone() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".cursor/mcp.json");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let entry = json!({ "command": "npx", "args": ["mcp-remote", url] });
    fs::write(
        &path,
        json!({ "mcpServers": { "theirs": entry } }).to_string(),
    )
    .expect("written");
    let import = || {
        let mut command = machine.command();
        command.args(["import", "--apply"]).stdin(Stdio::null());
        ended(
            &command
                .current_dir(folder.path())
                .output()
                .expect("it starts"),
            0,
        )
    };
    let asked = playground.requests().len();
    let (shown, said) = import();
    let ends = |shown: &str, end: &str| shown.lines().any(|line| line.ends_with(end));
    assert!(
        ends(&shown, "would be taken over at the first use"),
        "{shown}"
    );
    assert!(said.contains("nothing to take over"), "{said}");
    assert_eq!(playground.requests().len(), asked, "nobody was asked");
    assert!(machine.cached().is_empty());

    // The user wants the same.
    configure(&machine, json!({ "own": entry }));
    let (shown, _) = import();
    assert!(ends(&shown, "  taken over"), "{shown}");
    assert!(shown.contains("Cursor: `own`, and 1 more"), "{shown}");
}

#[test]
fn of_two_that_want_the_same_the_users_own_takes_it_over_whichever_is_found_first() {
    let (playground, machine) = signed_in();
    let entry = json!({ "command": "npx", "args": ["mcp-remote", playground.mcp_url()] });
    let file = json!({ "mcpServers": { "it": entry } }).to_string();
    // Claude Code's files come before Cursor's.
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".mcp.json"), &file).expect("written");
    configure(&machine, json!({ "own": entry }));
    let run_there = |arguments: &[&str]| {
        let mut command = machine.command();
        command.args(arguments).stdin(Stdio::null());
        command.current_dir(folder.path());
        ended(&command.output().expect("it starts"), 0).0
    };
    let doctor = run_there(&["doctor"]);
    assert!(
        doctor.contains("and 1 sign-in of it can be taken over"),
        "{doctor}"
    );
    assert!(!doctor.contains("first used"), "{doctor}");
    let shown = run_there(&["import", "--apply"]);
    assert!(
        shown.lines().any(|line| line.ends_with("  taken over")),
        "{shown}"
    );
    assert!(shown.contains("Cursor: `own`, and 1 more"), "{shown}");
}

#[test]
fn doctor_tells_of_what_can_be_taken_over_and_of_what_the_first_use_will() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(".cursor/mcp.json");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let entry = json!({ "command": "/opt/mcp-drawbridge", "args": [url] });
    let file = json!({ "mcpServers": { "ours": entry } }).to_string();
    fs::write(&path, &file).expect("written");
    let doctor = || {
        let mut command = machine.command();
        command.args(["doctor", "--json"]).stdin(Stdio::null());
        command.current_dir(folder.path());
        let (shown, _) = ended(&command.output().expect("it starts"), 0);
        let document: Value = serde_json::from_str(&shown).expect("JSON");
        let steps = document["steps"].as_array().expect("steps").clone();
        let mut steps = steps.into_iter();
        steps.find(|step| step["step"] == "mcp-remote").expect("it")
    };
    let found = doctor();
    assert_eq!(found["status"], "ok", "{found}");
    assert_eq!(
        found["summary"], "1 sign-in of mcp-remote is left to the first use",
        "{found}"
    );
    assert!(found["found"].to_string().contains(&url), "{found}");
    configure(&machine, json!({ "own": entry }));
    let found = doctor();
    assert_eq!(found["status"], "warn", "{found}");
    assert_eq!(
        found["hint"], "run `mcp-drawbridge import --apply`",
        "{found}"
    );
    assert!(!found.to_string().contains("first use"), "{found}");
}

#[test]
fn where_no_person_signs_in_nothing_is_taken_over() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    for options in [
        &["--bearer-env", "TOKEN"][..],
        &["--client-credentials", "--client-id", "mine"],
    ] {
        let arguments = [&["import", &url, "--apply"], options].concat();
        let mut command = machine.command();
        command.args(&arguments).env("TOKEN", "SECRET_1");
        command.env("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_2");
        let output = command.output().expect("it starts");
        let (shown, _) = ended(&output, 0);
        assert!(shown.contains("needs no sign-in"), "{shown}");
    }
    playground.change(|settings| settings.oauth = false);
    let (shown, _) = ended(&run(&machine, &["import", &url]), 0);
    assert!(shown.contains("would be taken over"), "nobody was asked");
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 0);
    assert!(shown.contains("needs no sign-in"), "{shown}");
    assert!(machine.cached().is_empty());
}

#[test]
fn a_sign_in_of_a_later_version_stays() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    ended(&run(&machine, &["import", &url, "--apply"]), 0);
    let later = r#"{"version":99}"#;
    fs::write(machine.sign_in_file(), later).expect("written");
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 0);
    assert!(shown.contains("signed in here already"), "{shown}");
    let kept = fs::read_to_string(machine.sign_in_file()).expect("text");
    assert_eq!(kept, later);
}

#[test]
fn files_that_cannot_be_used_are_named_and_are_a_failure() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    for kind in ["_tokens.json", "_client_info.json"] {
        let path = file(&machine, kind);
        let whole = fs::read(&path).expect("mcp-remote keeps it");
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        for apply in [&[][..], &["--apply"]] {
            let arguments = [&["import", &url][..], apply].concat();
            let (shown, said) = ended(&run(&machine, &arguments), 1);
            assert!(shown.contains("left: its files cannot be used"), "{shown}");
            let named = format!(
                "mcp-remote's `{}` is not taken over: it ends",
                path.display()
            );
            assert_eq!(said.matches(&named).count(), 1, "{said}");
        }
        assert!(machine.cached().is_empty());
        fs::write(&path, &whole).expect("written");
    }
    ended(&run(&machine, &["import", &url]), 0);
}

#[test]
fn import_of_one_server_takes_its_options_and_fails_if_there_is_nothing() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    let (shown, said) = ended(&run(&machine, &["import", &url, "--header", "X: 1"]), 1);
    assert!(shown.contains("no sign-in of mcp-remote"), "{shown}");
    assert!(said.contains("1 sign-in was not taken over"), "{said}");
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply", "--json"]), 0);
    let report: Value = serde_json::from_str(&shown).expect("JSON");
    let row = &report["servers"][0];
    assert_eq!(
        (&report["version"], &row["state"]),
        (&json!(1), &json!("taken"))
    );
    assert_eq!(
        (&row["server"], &row["refreshable"]),
        (&json!(url), &json!(true))
    );
    assert!(
        row["source"]
            .as_str()
            .expect("a path")
            .ends_with("_tokens.json")
    );
    for token in ["access_token", "refresh_token"] {
        let token = machine.sign_in()[token].clone();
        assert!(!shown.contains(token.as_str().expect("a token")));
    }
    // Under another name it is not taken a second time.
    let (shown, _) = ended(
        &run(&machine, &["import", &url, "--name", "two", "--apply"]),
        1,
    );
    assert!(
        shown.contains("left: it was taken over already, as `"),
        "{shown}"
    );
}

#[test]
fn import_says_that_a_server_is_down_and_leaves_everything() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    playground.stop();
    ended(&run(&machine, &["import", &url]), 0);
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 4);
    assert!(
        shown.contains("left: ") && shown.contains("cannot be reached"),
        "{shown}"
    );
    assert!(machine.cached().is_empty());
}

#[test]
fn import_leaves_a_sign_in_of_ours_and_a_running_mcp_remote() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let theirs = NEWEST.open(&machine, &url, &[]);
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 1);
    assert!(
        shown.contains("left: mcp-remote still runs for this server (process "),
        "{shown}"
    );
    theirs.close();
    ended(&run(&machine, &["login", &url]), 0);
    let ours = machine.sign_in();
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 0);
    assert!(shown.contains("signed in here already"), "{shown}");
    assert_eq!(machine.sign_in(), ours);
}

#[test]
fn status_tells_where_a_sign_in_is_from_until_one_of_ours_replaces_it() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    used(&machine, &url);
    let (shown, _) = ended(&run(&machine, &["status"]), 0);
    assert!(
        shown.contains("  taken over    from mcp-remote on "),
        "{shown}"
    );
    let (shown, _) = ended(&run(&machine, &["status", "--json"]), 0);
    let report: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(report["sign_ins"][0]["taken_over"]["from"], "mcp-remote");
    ended(&run(&machine, &["login", &url]), 0);
    let (shown, _) = ended(&run(&machine, &["status"]), 0);
    assert!(!shown.contains("taken over"), "{shown}");
}

#[test]
fn after_a_logout_nothing_is_taken_over_again() {
    let (playground, machine) = signed_in();
    let url = playground.mcp_url();
    let before = snapshot(&machine);
    used(&machine, &url);
    let (_, said) = ended(&run(&machine, &["logout", &url]), 0);
    assert!(
        said.contains("taken over from mcp-remote, whose own files still hold it"),
        "{said}"
    );
    assert!(machine.cached().is_empty());
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 1);
    assert!(shown.contains("and signed out of"), "{shown}");
    let end = used(&machine, &url);
    assert!(!end.stderr.contains("mcp-remote"), "{}", end.stderr);
    assert_eq!(machine.opened().len(), 2, "a person signs in");
    assert!(machine.sign_in()["taken_over"].is_null());
    assert_eq!(snapshot(&machine), before);

    // What mcp-remote gets later is taken over when the user asks for it, and not before.
    ended(&run(&machine, &["logout", "--all"]), 0);
    fs::remove_dir_all(store(&machine)).expect("removed");
    NEWEST.sign_in(&machine, &url, &[]);
    Bridge::open(&machine, &url, &["--no-browser"]).close();
    assert!(
        machine
            .cached()
            .iter()
            .all(|_| machine.sign_in()["taken_over"].is_null())
    );
    let (shown, _) = ended(&run(&machine, &["import", &url, "--apply"]), 0);
    assert!(shown.contains("  taken over"), "{shown}");
}

#[test]
fn a_logout_of_a_sign_in_of_ours_is_not_undone_either() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    ended(&run(&machine, &["login", &url]), 0);
    NEWEST.sign_in(&machine, &url, &[]);
    ended(&run(&machine, &["logout", &url]), 0);
    let opened = machine.opened().len();
    let end = used(&machine, &url);
    assert!(!end.stderr.contains("mcp-remote"), "{}", end.stderr);
    assert_eq!(machine.opened().len(), opened + 1);
}
