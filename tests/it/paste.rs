//! Signing in where the browser cannot come back: the address that it ended on is pasted into
//! `login`.

#[cfg(target_os = "linux")]
mod terminal;

use std::process::{Command, Stdio};

use playground::{Manner, Playground, Settings, browse};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::running::{Ended, Running};

/// `login` on a machine that nobody sits at.
fn login_command(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Command {
    let mut command = machine.command();
    command
        .env_remove("BROWSER")
        .env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
        .args(["login", &playground.mcp_url()])
        .args(arguments);
    command
}

fn login(machine: &Machine, playground: &Playground) -> Running {
    Running::start(login_command(machine, playground, &[]))
}

/// Where the person's browser ends, on a machine where nothing listens.
pub fn ends_on(address: &str) -> String {
    let browsed = browse(address, Manner::Abandon).expect("a browser");
    browsed.url.to_string()
}

fn code_of(end: &str) -> String {
    let url = url::Url::parse(end).expect("an address");
    let mut pairs = url.query_pairs();
    let code = pairs.find(|(name, _)| name == "code").expect("a code");
    code.1.into_owned()
}

#[track_caller]
fn signed_in(ended: &Ended, playground: &Playground) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("signed in to `"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        playground.code_exchanges(),
        1,
        "{}",
        playground.printed_log()
    );
}

#[test]
fn login_over_a_pipe_completes_with_the_pasted_address() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = Running::start(login_command(&machine, &playground, &["--debug"]));
    let end = ends_on(&login.address());
    login.line(&end);
    let ended = login.end();
    signed_in(&ended, &playground);
    assert!(machine.opened().is_empty());
    assert!(!ended.stderr.contains(&code_of(&end)), "{}", ended.stderr);
    // The question is for those who can see it.
    assert!(!ended.stderr.contains("paste the address it ended on here"));
    // The AI client finds the sign-in.
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    assert!(bridge.close().status.success());
    assert!(machine.opened().is_empty());
}

#[test]
fn a_last_line_without_an_end_counts() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = login(&machine, &playground);
    let end = ends_on(&login.address());
    login.bytes(end.as_bytes());
    login.end_of_stdin();
    signed_in(&login.end(), &playground);
}

#[test]
fn what_is_pasted_before_the_address_is_open_waits_for_it() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let first = login(&machine, &playground);
    let end = ends_on(&first.address());
    machine.tab_is_noted();
    // Killed; its sign-in is taken over, which needs a round of questions first.
    drop(first);
    let mut second = login(&machine, &playground);
    second.line(&end);
    second.end_of_stdin();
    signed_in(&second.end(), &playground);
}

#[test]
fn wrong_lines_are_told_apart_and_the_right_one_still_works() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = login(&machine, &playground);
    let address = login.address();
    let end = ends_on(&address);
    let foreign = "http://localhost:3334/oauth/callback?code=CODE_1&state=STATE_1";
    let long = "x".repeat(1024 * 1024);
    let stray = "this address belongs to another sign-in";
    for (line, said) in [
        (address.as_str(), "the address that the sign-in begins at"),
        ("http://localhost:3334/oauth/callback", "does not carry"),
        ("yes please", "this is not an address"),
        ("\u{1b}[200~\u{fffd}", "does not carry"),
        (&long, "too long to be an address"),
        (foreign, stray),
    ] {
        let before = login.said().matches(said).count();
        login.line(line);
        login.says(said, before + 1);
    }
    login.bytes(b"\xff\xfe\x00\n");
    login.line("");
    assert!(login.goes_on());
    login.line(&format!("  \"{end}\"\r"));
    let ended = login.end();
    signed_in(&ended, &playground);
    for secret in ["CODE_1", &code_of(&end)] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

#[test]
fn ten_lines_at_once_are_looked_at_in_order() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = login(&machine, &playground);
    let end = ends_on(&login.address());
    let mut lines = String::new();
    for number in 0..9 {
        lines += &format!("http://localhost:1/?code=CODE_{number}&state=S\n");
    }
    login.bytes(format!("{lines}{end}\n").as_bytes());
    let ended = login.end();
    signed_in(&ended, &playground);
    let strays = ended.stderr.matches("belongs to another sign-in").count();
    assert_eq!(strays, 9, "{}", ended.stderr);
}

#[test]
fn lines_without_end_are_not_read_for_ever() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = login(&machine, &playground);
    let address = login.address();
    login.bytes("no\n".repeat(200).as_bytes());
    login.says("no more are read", 1);
    let shown = login.said().matches("does not carry").count();
    assert_eq!(shown, 50, "{}", login.said());
    // The browser may still come.
    assert_eq!(browse(&address, Manner::Approve).unwrap().status, 200);
    signed_in(&login.end(), &playground);
}

#[test]
fn the_end_of_stdin_is_not_the_end_of_the_sign_in() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut command = login_command(&machine, &playground, &[]);
    command.stdin(Stdio::null());
    let mut login = Running::start_as_it_is(command);
    let address = login.address();
    // The listener answers only while the sign-in is open.
    assert_eq!(browse(&address, Manner::WrongState).unwrap().status, 400);
    assert!(login.goes_on());
    assert_eq!(browse(&address, Manner::Approve).unwrap().status, 200);
    signed_in(&login.end(), &playground);
}

#[test]
fn an_address_that_carries_a_refusal_ends_the_sign_in_and_the_next_one_works() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut first = login(&machine, &playground);
    let old = ends_on(&first.address());
    let state = old.split("state=").nth(1).unwrap();
    let state = state.split('&').next().unwrap();
    let issuer = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("iss", &playground.issuer())
        .finish();
    first.line(&format!(
        "http://localhost:1/?error=access_denied&state={state}&{issuer}"
    ));
    let ended = first.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.matches("declined").count(),
        1,
        "{}",
        ended.stderr
    );

    let mut second = login(&machine, &playground);
    let address = second.address();
    second.line(&old);
    second.says("belongs to another sign-in", 1);
    second.line(&ends_on(&address));
    signed_in(&second.end(), &playground);
}

#[test]
fn an_address_pasted_while_a_bridge_holds_the_sign_in_is_handed_on_to_it() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--no-browser"]);
    let id = bridge.request("initialize", opening());
    let address = bridge.stderr_address();
    let mut login = login(&machine, &playground);
    login.says(
        "another bridge is signing in; do that in its browser tab",
        1,
    );
    assert_eq!(login.address(), address);
    login.line("http://localhost:1/?code=CODE_1&state=STATE_1");
    login.says("belongs to another sign-in", 1);
    login.line(&ends_on(&address));
    signed_in(&login.end(), &playground);
    let answer = bridge.answer(id);
    assert!(answer.get("result").is_some(), "{answer}");
    let result = bridge.tool("echo", serde_json::json!({ "text": "hello" }));
    assert!(result.to_string().contains("hello"), "{result}");
    assert_eq!((playground.registrations(), machine.opened().len()), (1, 0));
}

fn opening() -> serde_json::Value {
    crate::support::scene::opening(crate::support::scene::NEWEST, serde_json::json!({}))
}
