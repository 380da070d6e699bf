//! Servers without sessions, and those of both eras.

use playground::{Era, Playground, Settings};

use super::{examine, signed_in};
use crate::support::machine::Machine;

fn of_both() -> Settings {
    Settings {
        era: Era::Both,
        ..Settings::open()
    }
}

#[test]
fn a_server_is_said_to_speak_what_is_spoken_with_it() {
    let discovery = "MCP 2026-07-28, Discovery";
    let lifecycle = "MCP 2025-11-25, Lifecycle, Initialization";
    for (settings, arguments, revision, rule) in [
        (
            Settings::open_stateless(),
            &[][..],
            "`2026-07-28`",
            discovery,
        ),
        (of_both(), &["--protocol=modern"], "`2026-07-28`", discovery),
        (of_both(), &["--protocol=legacy"], "`2025-11-25`", lifecycle),
        (
            of_both(),
            &["--protocol=2025-06-18"],
            "`2025-06-18`",
            lifecycle,
        ),
        (Settings::open(), &[], "`2025-11-25`", lifecycle),
    ] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), arguments);
        assert_eq!(found.code, 0, "{}", found.text);
        assert_eq!(found.value("initialize", "protocol"), Some(revision));
        assert_eq!(found.step("initialize")["rule"], rule);
        assert_eq!(found.status("tools"), "ok");
        assert!(playground.sessions().is_empty());
    }
}

#[test]
fn a_server_without_sessions_is_looked_at_with_the_token_that_there_is() {
    let (playground, machine) = signed_in(Settings::stateless());
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.value("initialize", "protocol"), Some("`2026-07-28`"));
    assert_eq!(playground.code_exchanges(), 1);
}

#[test]
fn a_server_without_sessions_says_whether_it_wants_a_sign_in() {
    let (open, machine) = (
        Playground::start(Settings::open_stateless()),
        Machine::new(),
    );
    let mut command = machine.command();
    let output = command.args(["login", &open.mcp_url()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.ends_with(" needs no sign-in\n"), "{shown}");

    let playground = Playground::start(Settings::stateless());
    let found = examine(&machine, &playground.mcp_url(), &[]);
    assert_eq!(found.status("challenge"), "ok");
    assert_eq!(found.code, 3, "{}", found.text);
}

#[test]
fn a_server_that_does_not_speak_what_is_wanted_is_no_server_to_use() {
    for (settings, protocol, step, said) in [
        (
            Settings::open_stateless(),
            "--protocol=legacy",
            "challenge",
            "leave `--protocol` out",
        ),
        (
            Settings::open(),
            "--protocol=modern",
            "initialize",
            "leave that option out",
        ),
    ] {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let found = examine(&machine, &playground.mcp_url(), &[protocol]);
        assert_eq!(found.code, 1, "{}", found.text);
        assert_eq!(found.status(step), "fail", "{}", found.text);
        assert!(found.text.contains(said), "{}", found.text);
    }
}
