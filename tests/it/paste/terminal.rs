//! The same at a terminal, which `script` of util-linux plays.

use std::process::Command;

use playground::{Manner, Playground, Settings, browse};

use super::{code_of, ends_on};
use crate::support::machine::Machine;
use crate::support::running::Running;

const QUESTION: &str =
    "if the browser cannot come back to this machine, paste the address it ended on here:";

/// Runs a line of shell at a terminal. `$LOGIN` is the command to sign in with.
fn at_terminal(machine: &Machine, playground: &Playground, line: &str) -> Running {
    let mut command = Command::new("script");
    command
        .env_clear()
        .envs(std::env::var("PATH").map(|path| ("PATH", path)))
        .envs(machine.environment())
        .env_remove("BROWSER")
        .env("SSH_TTY", "/dev/pts/0")
        .env("SHELL", "/bin/sh")
        .env(
            "LOGIN",
            format!(
                "{} login {}",
                env!("CARGO_BIN_EXE_mcp-drawbridge"),
                playground.mcp_url()
            ),
        )
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            line,
            "/dev/null",
        ]);
    Running::start(command)
}

#[test]
fn the_address_is_asked_for_until_it_is_the_right_one() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    // What is pasted is shown by nobody but the terminal, which is told not to.
    let mut login = at_terminal(&machine, &playground, "stty -echo; exec $LOGIN");
    login.says(QUESTION, 1);
    let said = login.said();
    let shown = (said.find("code_challenge="), said.find("paste the address"));
    assert!(shown.0 < shown.1, "{said}");
    let end = ends_on(&login.address());
    login.line("what?");
    login.says("does not carry the answer", 1);
    login.says(QUESTION, 2);
    login.line(&end);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("signed in to `"), "{}", ended.stdout);
    assert!(!ended.stdout.contains(&code_of(&end)), "{}", ended.stdout);
    assert_eq!(
        ended.stdout.matches(QUESTION).count(),
        2,
        "{}",
        ended.stdout
    );
}

#[test]
fn ctrl_c_at_the_question_ends_with_130() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = at_terminal(&machine, &playground, "exec $LOGIN");
    login.says(QUESTION, 1);
    login.bytes(b"half a line\x03");
    let ended = login.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stdout);
}

#[test]
fn ctrl_d_at_the_question_leaves_the_rest_to_the_browser() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = at_terminal(&machine, &playground, "exec $LOGIN");
    login.says(QUESTION, 1);
    login.bytes(b"\x04");
    let address = login.address();
    assert_eq!(browse(&address, Manner::WrongState).unwrap().status, 400);
    assert_eq!(browse(&address, Manner::Approve).unwrap().status, 200);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
}

#[test]
fn a_job_in_the_background_goes_on() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let login = at_terminal(&machine, &playground, "set -m; $LOGIN & wait $!");
    login.says(QUESTION, 1);
    let status = browse(&login.address(), Manner::Approve).unwrap().status;
    assert_eq!(status, 200);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("signed in to `"), "{}", ended.stdout);
}

#[test]
fn a_line_that_the_terminal_has_cut_is_not_taken_for_the_answer() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut login = at_terminal(&machine, &playground, "stty -echo; exec $LOGIN");
    login.says(QUESTION, 1);
    let end = ends_on(&login.address());
    let long = end.replace("code=", &format!("code={}", "x".repeat(5000)));
    login.line(&long);
    login.says("takes no more than 4095 characters a line", 1);
    login.line(&end);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(playground.code_exchanges(), 1);
}
