//! The same fault ends `login` and `doctor` with the same code.

use std::process::Output;

use playground::{Fault, Playground, Server, Settings, Then};

use super::run;
use crate::support::machine::{Browser, Machine};

type Break = fn(&Playground);

fn login(machine: &Machine, url: &str, options: &[&str]) -> Output {
    let mut command = machine.command();
    command.args(["login", url]).args(options);
    command.output().expect("it runs")
}

#[test]
fn faults_come_to_the_same_as_with_login() {
    let cases: [(&str, Break, i32); 6] = [
        ("the server is down", |p| p.stop(), 4),
        (
            "the authorization server's metadata are out of order",
            |p| {
                p.fault(
                    Fault::of(Server::Authorization)
                        .always()
                        .then(Then::answer(503)),
                )
            },
            4,
        ),
        (
            "the authorization server hangs up",
            |p| {
                p.fault(
                    Fault::of(Server::Authorization)
                        .always()
                        .then(Then::CloseBefore),
                )
            },
            4,
        ),
        (
            "the token endpoint is out of order",
            |p| {
                p.fault(
                    Fault::of(Server::Authorization)
                        .path("/token")
                        .always()
                        .then(Then::answer(503)),
                )
            },
            4,
        ),
        (
            "the server refuses everything",
            |p| p.fault(Fault::of(Server::Mcp).always().then(Then::answer(404))),
            1,
        ),
        (
            "the server calls itself another",
            |p| p.change(|settings| settings.metadata_issuer = Some("https://evil.example".into())),
            1,
        ),
    ];
    for (what, breaks, code) in cases {
        let playground = Playground::start(Settings::default());
        breaks(&playground);
        let url = playground.mcp_url();
        let ended = login(&Machine::new(), &url, &[]);
        assert_eq!(ended.status.code(), Some(code), "login, {what}: {ended:?}");
        let ended = run(&Machine::new(), &[&url, "--sign-in"]);
        assert_eq!(ended.status.code(), Some(code), "doctor, {what}: {ended:?}");
    }
}

#[test]
fn who_is_needed_and_does_not_come_is_the_same_to_both() {
    let options = ["--no-browser", "--auth-timeout", "1"];
    let playground = Playground::start(Settings::default());
    let url = playground.mcp_url();
    let ended = login(&Machine::new(), &url, &options);
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let ended = run(
        &Machine::new(),
        &[&[&url, "--sign-in"], &options[..]].concat(),
    );
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    // Without leave to ask, nobody is signed in is the first failure.
    assert_eq!(run(&Machine::new(), &[&url]).status.code(), Some(3));
    let denies = Machine::with(Browser::Denies);
    assert_eq!(login(&denies, &url, &[]).status.code(), Some(1));
    assert_eq!(run(&denies, &[&url, "--sign-in"]).status.code(), Some(1));
}
