//! The real mcp-remote signs in, and the same arguments go on from there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use playground::{Playground, Settings};
use serde_json::{Value, json};

use super::theirs::{NEWEST, OLDER, Version, file, home, snapshot};
use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;

/// mcp-remote has signed in, and ended.
fn signed_in(version: Version, settings: Settings, arguments: &[&str]) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    version.sign_in(&machine, &playground.mcp_url(), arguments);
    assert_eq!(machine.opened().len(), 1);
    // Early versions let everybody read what they write. A home keeps them out.
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(home(&machine), closed).expect("a mode");
    (playground, machine)
}

/// What mcp-remote keeps, as JSON.
fn json(path: &Path) -> Value {
    let text = fs::read(path).expect("mcp-remote keeps it");
    serde_json::from_slice(&text).expect("JSON")
}

/// A session of ours that uses a tool.
#[track_caller]
fn works(machine: &Machine, url: &str, arguments: &[&str]) -> Ended {
    let mut bridge = Bridge::open(machine, url, arguments);
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    ended
}

const TAKEN: &str = "the sign-in of mcp-remote was taken over";

#[test]
fn a_sign_in_of_mcp_remote_is_taken_over_without_browser_and_registration() {
    for version in [NEWEST].into_iter().chain(OLDER) {
        let (playground, machine) = signed_in(version, Settings::default(), &[]);
        let url = playground.mcp_url();
        let tokens = json(&file(&machine, "tokens.json"));
        let client = json(&file(&machine, "client_info.json"));
        let before = snapshot(&machine);
        let ended = works(&machine, &url, &[]);
        assert!(ended.stderr.contains(TAKEN), "{version:?} {}", ended.stderr);
        let ours = machine.sign_in();
        assert_eq!(ours["access_token"], tokens["access_token"]);
        assert_eq!(ours["refresh_token"], tokens["refresh_token"]);
        assert_eq!(ours["taken_over"]["from"], "mcp-remote");
        let issuer = playground.issuer();
        let known = &ours["client"][issuer.as_str()];
        assert_eq!(known["client_id"], client["client_id"]);
        assert_eq!(known["redirect_uri"], client["redirect_uris"][0]);
        for token in ["access_token", "refresh_token"] {
            let token = tokens[token].as_str().expect("a token");
            assert!(!ended.stderr.contains(token), "{}", ended.stderr);
        }

        // The next start is warm, and says nothing of it.
        let asked = playground.requests().len();
        let ended = works(&machine, &url, &[]);
        assert_eq!(ended.stderr, "");
        let requests = playground.requests();
        let refused = |request: &playground::Request| request.status == Some(401);
        assert!(!requests[asked..].iter().any(refused));

        // A refresh of ours: the grant is alive.
        playground.expire_access_tokens();
        machine.expire_cached();
        works(&machine, &url, &[]);
        assert_eq!((playground.refreshes(), playground.reuses()), (1, 0));
        assert_ne!(machine.sign_in()["access_token"], tokens["access_token"]);
        assert_eq!(machine.sign_in()["taken_over"]["from"], "mcp-remote");

        assert_eq!(machine.opened().len(), 1, "{version:?}");
        assert_eq!(playground.registrations(), 1);
        assert_eq!(playground.code_exchanges(), 1);
        assert_eq!(
            snapshot(&machine),
            before,
            "mcp-remote's files are as they were"
        );
    }
}

#[test]
fn the_same_arguments_find_it_whatever_they_are() {
    let headers = ["--header", "X-Tenant: ${TENANT}", "--header", "x-b:  \"é\""];
    let arguments = |url: &str| {
        let mut arguments: Vec<String> = headers.iter().map(|part| (*part).to_owned()).collect();
        arguments.extend(["--resource".to_owned(), url.to_owned()]);
        arguments.extend(["--authorize-param", "prompt=consent"].map(str::to_owned));
        arguments
    };
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let given = arguments(&url);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let mut theirs = NEWEST.command(&machine, &url, &given);
    let mut theirs = Bridge::start_command({
        theirs.env("TENANT", "one");
        theirs
    });
    theirs.initialize("2025-03-26", json!({}));
    theirs.close();
    assert_eq!(machine.opened().len(), 1);
    let mut ours = Bridge::command(&machine, &url, &given);
    ours.env("TENANT", "two");
    let mut ours = Bridge::start_command(ours);
    ours.initialize("2025-11-25", json!({}));
    let ended = ours.close();
    assert!(ended.stderr.contains(TAKEN), "{}", ended.stderr);
    assert_eq!(machine.opened().len(), 1);
    // Others are another sign-in there, and so here.
    let other = Machine::new();
    let mut command = Bridge::command(&machine, &url, &[]);
    command.env("MCP_DRAWBRIDGE_DIR", other.cache());
    let mut ours = Bridge::start_command(command);
    ours.initialize("2025-11-25", json!({}));
    ours.close();
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn the_folder_that_mcp_remote_is_told_to_use_is_looked_into() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    let elsewhere = home(&machine).join("elsewhere");
    let mut theirs = NEWEST.command(&machine, &url, &[]);
    theirs.env("MCP_REMOTE_CONFIG_DIR", &elsewhere);
    let mut theirs = Bridge::start_command(theirs);
    theirs.initialize("2025-03-26", json!({}));
    theirs.close();
    assert!(elsewhere.join("mcp-remote-v1").is_dir());
    let mut ours = Bridge::command(&machine, &url, &[]);
    ours.env("MCP_REMOTE_CONFIG_DIR", &elsewhere);
    let mut ours = Bridge::start_command(ours);
    ours.initialize("2025-11-25", json!({}));
    let ended = ours.close();
    assert!(ended.stderr.contains(TAKEN), "{}", ended.stderr);
    assert_eq!(machine.opened().len(), 1);
}

/// A session, of mcp-remote or of ours, that uses a tool; gives the last token that was sent for it.
#[track_caller]
fn token_of(playground: &Playground, mut command: Command, folder: Option<&Path>) -> String {
    command.envs(folder.map(|folder| ("MCP_REMOTE_CONFIG_DIR", folder)));
    let asked = playground.requests().len();
    let mut bridge = Bridge::start_command(command);
    bridge.initialize("2025-03-26", json!({}));
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
    bridge.close();
    let requests = playground.requests();
    let mut sent = requests[asked..].iter().rev().filter_map(|request| {
        let sent = request.header("authorization")?;
        sent.strip_prefix("Bearer ")
    });
    sent.next().expect("a token is sent").to_owned()
}

#[test]
fn two_accounts_of_mcp_remote_on_one_server_stay_two() {
    let (a, b) = (["--header", "X-Tenant: a"], ["--header", "X-Tenant: b"]);
    let folder = Path::new("second");
    for two in [
        [(&a[..], None), (&b[..], None)],
        [(&[], None), (&[], Some(folder))],
    ] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let url = playground.mcp_url();
        let home = home(&machine);
        let two = two.map(|(arguments, folder)| (arguments, folder.map(|name| home.join(name))));
        let tokens = two.clone().map(|(arguments, folder)| {
            let theirs = NEWEST.command(&machine, &url, arguments);
            token_of(&playground, theirs, folder.as_deref())
        });
        assert_ne!(tokens[0], tokens[1]);
        // The first use takes over, the second goes on with that.
        for _ in 0..2 {
            for ((arguments, folder), token) in two.iter().zip(&tokens) {
                let ours = Bridge::command(&machine, &url, arguments);
                let sent = token_of(&playground, ours, folder.as_deref());
                assert_eq!(sent, *token, "{arguments:?} {folder:?}");
            }
        }
        assert_eq!(machine.opened().len(), 2);
    }
}

#[test]
fn what_the_user_does_not_want_is_left_where_it_is() {
    for arguments in [&["--no-import"][..], &["--name", "work"]] {
        let (playground, machine) = signed_in(NEWEST, Settings::default(), &[]);
        let before = snapshot(&machine);
        let ended = works(&machine, &playground.mcp_url(), arguments);
        assert!(!ended.stderr.contains("mcp-remote"), "{}", ended.stderr);
        assert_eq!(machine.opened().len(), 2);
        assert_eq!(playground.registrations(), 2);
        assert_eq!(snapshot(&machine), before);
    }
}

#[test]
fn a_later_sign_in_uses_the_registration_and_its_port() {
    let (playground, machine) = signed_in(NEWEST, Settings::default(), &[]);
    works(&machine, &playground.mcp_url(), &[]);
    playground.revoke_grants();
    playground.expire_access_tokens();
    works(&machine, &playground.mcp_url(), &[]);
    let opened = machine.opened();
    assert_eq!(opened.len(), 2);
    let uri = |address: &str| {
        let url = url::Url::parse(address).expect("an address");
        let mut pairs = url.query_pairs().into_owned();
        pairs.find(|(name, _)| name == "redirect_uri")
    };
    assert_eq!(uri(&opened[0]), uri(&opened[1]));
    assert_eq!(playground.registrations(), 1);
    assert_eq!(machine.sign_in()["taken_over"]["replaced"], true);
}

#[test]
fn a_sign_in_that_has_ended_meanwhile_leads_to_a_person_with_its_registration() {
    let (playground, machine) = signed_in(NEWEST, Settings::default(), &[]);
    playground.revoke_grants();
    playground.expire_access_tokens();
    let ended = works(&machine, &playground.mcp_url(), &[]);
    assert!(ended.stderr.contains(TAKEN), "{}", ended.stderr);
    assert_eq!(machine.opened().len(), 2);
    assert_eq!((playground.registrations(), playground.reuses()), (1, 0));
}

#[test]
fn a_dead_refresh_token_under_the_sign_in_s_own_lock_keeps_nobody_waiting() {
    let (playground, machine) = signed_in(NEWEST, Settings::default(), &[]);
    let path = file(&machine, "tokens.json");
    let mut tokens = json(&path);
    tokens["expires_at"] = json!(1_600_000_000_000_u64);
    fs::write(&path, tokens.to_string()).expect("written");
    playground.revoke_grants();
    playground.expire_access_tokens();
    works(&machine, &playground.mcp_url(), &[]);
    assert_eq!(machine.opened().len(), 2);
    assert_eq!(playground.registrations(), 1);
}
