//! The cache: who can read it, and what happens when it is broken.

use std::fs;

use playground::{Playground, Settings};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

fn visit(machine: &Machine, playground: &Playground) -> String {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    bridge.close().stderr
}

#[cfg(unix)]
mod modes {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::support::scene::{NEWEST, everything};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_cache_is_the_users_alone() {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        visit(&machine, &playground);
        assert_eq!(mode(&machine.cache()), 0o700);
        for entry in fs::read_dir(machine.cache()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn the_sign_in_is_read_while_the_first_line_is_awaited() {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        visit(&machine, &playground);
        let file = machine.sign_in_file();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        let before = playground.requests().len();
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        let end = Instant::now() + Duration::from_secs(60);
        // Reading takes others' rights away.
        while mode(&file) != 0o600 {
            assert!(Instant::now() < end, "it is not read: {}", bridge.story());
            thread::yield_now();
        }
        assert_eq!(playground.requests().len(), before);
        bridge.initialize(NEWEST, everything());
        bridge.tool("echo", json!({}));
        let ended = bridge.close();
        assert_eq!(
            ended.stderr.matches("warning").count(),
            1,
            "{}",
            ended.stderr
        );
        assert_eq!(machine.opened().len(), 1);
    }

    #[test]
    fn a_cache_that_others_can_read_is_repaired_with_a_warning() {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        visit(&machine, &playground);
        let file = machine.cached().remove(0);
        fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        fs::set_permissions(machine.cache(), PermissionsExt::from_mode(0o755)).unwrap();
        let stderr = visit(&machine, &playground);
        assert_eq!((mode(&file), mode(&machine.cache())), (0o600, 0o700));
        assert_eq!(stderr.matches("warning").count(), 2, "{stderr}");
        assert_eq!(machine.opened().len(), 1);
    }
}

#[test]
fn the_file_has_the_documented_members() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    visit(&machine, &playground);
    let cached: Value = serde_json::from_slice(&fs::read(&machine.cached()[0]).unwrap()).unwrap();
    assert_eq!(cached["version"], 1);
    assert_eq!(cached["issuer"], playground.issuer());
    assert_eq!(cached["server"], playground.mcp_url());
    assert_eq!(cached["resource"], playground.mcp_url());
    assert_eq!(cached["scopes"], json!(["tools"]));
    assert!(
        cached["token_type"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("bearer")
    );
    for member in ["access_token", "refresh_token"] {
        assert!(cached[member].is_string(), "{member}");
    }
    for member in ["expires_at", "granted_at"] {
        assert!(cached[member].is_u64(), "{member}");
    }
    assert!(cached["client"][playground.issuer()]["client_id"].is_string());
    // Nothing of the attempt is left.
    let names: Vec<String> = fs::read_dir(machine.cache())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| !name.ends_with(".signin.json") && !name.ends_with(".tmp")),
        "{names:?}"
    );
}

#[test]
fn a_broken_file_leads_to_a_new_sign_in_with_one_clear_line() {
    for broken in [
        &b""[..],
        b"{",
        b"not json at all",
        b"\xff\xfe\x00",
        b"[]",
        b"{\"version\":1,\"access_token\":7}",
    ] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        visit(&machine, &playground);
        let file = machine.cached().remove(0);
        fs::write(&file, broken).unwrap();
        let stderr = visit(&machine, &playground);
        let lines: Vec<&str> = stderr
            .lines()
            .filter(|line| line.contains("token.json"))
            .collect();
        assert_eq!(lines.len(), 1, "{stderr}");
        assert_eq!(machine.opened().len(), 2);
        visit(&machine, &playground);
        assert_eq!(machine.opened().len(), 2);
    }
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    visit(&machine, &playground);
    machine.edit_cached(|cached| cached["version"] = json!(99));
    let before = fs::read(&machine.cached()[0]).unwrap();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let answer = bridge.call(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("newer mcp-drawbridge"),
        "{answer}"
    );
    assert_eq!(fs::read(&machine.cached()[0]).unwrap(), before);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_name_given_by_the_user_names_the_file() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &["--name", "work"]);
    bridge.tool("echo", json!({}));
    bridge.close();
    assert!(machine.cache().join("work.token.json").exists());
}
