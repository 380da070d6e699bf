//! `login`, `logout` and `status` against a server.

use std::process::{Output, Stdio};

use playground::{Fault, Playground, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};

fn run(machine: &Machine, args: &[&str]) -> Output {
    let mut command = machine.command();
    command.args(args).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn login(machine: &Machine, playground: &Playground, args: &[&str]) -> Output {
    run(machine, &[&["login", &playground.mcp_url()], args].concat())
}

/// A machine that is signed in.
fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let output = login(&machine, &playground, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (playground, machine)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The tokens in the cache.
fn tokens(machine: &Machine) -> [String; 2] {
    let [path] = &machine.cached()[..] else {
        panic!("one sign-in is cached, not {:?}", machine.cached());
    };
    let content = std::fs::read(path).expect("a readable cache");
    let content: Value = serde_json::from_slice(&content).expect("JSON");
    ["access_token", "refresh_token"].map(|name| content[name].as_str().expect(name).to_owned())
}

#[test]
fn login_signs_in_ahead_of_the_ai_client() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let output = login(&machine, &playground, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.starts_with("signed in to `127.0.0.1:"), "{shown}");
    assert!(shown.contains("  scopes   tools\n"), "{shown}");
    assert!(shown.contains(&playground.issuer()), "{shown}");
    for token in tokens(&machine) {
        assert!(!shown.contains(&token) && !stderr(&output).contains(&token));
    }
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    assert!(bridge.close().status.success());
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn login_has_nothing_to_do_where_nobody_has_to_sign_in() {
    let (open, machine) = (Playground::start(Settings::open()), Machine::new());
    let output = login(&machine, &open, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).ends_with(" needs no sign-in\n"));
    assert!(
        !open
            .requests()
            .iter()
            .any(|request| request.path.contains("well-known"))
    );
    assert_eq!(open.sessions().len(), 0, "the session it opened is closed");

    let playground = Playground::start(Settings::default());
    let header = ["--header", "Authorization: Bearer TOKEN_1"];
    let output = login(&machine, &playground, &header);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(playground.requests().is_empty());
}

#[test]
fn login_finds_an_endpoint_that_has_moved() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let moved = Then::answer(308).header("location", "/mcp");
    playground.fault(Fault::mcp().path("/mcp/").always().then(moved));
    let url = format!("{}/", playground.mcp_url());
    let output = run(&machine, &["login", &url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Another question would get no better answer from it.
#[test]
fn a_server_that_is_out_of_order_is_asked_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    playground.fault(Fault::mcp().always().then(Then::answer(503)));
    let output = login(&machine, &playground, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("503"), "{}", stderr(&output));
    let requests = playground.requests();
    assert_eq!(requests.len(), 1, "{}", playground.printed_log());
}

#[test]
fn a_page_where_the_stream_of_the_older_transport_should_be_is_no_open_server() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let page = Then::answer(200).header("content-type", "text/html");
    playground.fault(Fault::mcp().method("GET").always().then(page.body("<p>")));
    let output = login(&machine, &playground, &["--transport", "sse-only"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

/// It said what it speaks, and then that it is out of order: whether it lets anybody in is not known.
#[test]
fn a_server_that_breaks_after_the_first_question_is_not_said_to_be_open() {
    let machine = Machine::new();
    let playground = Playground::start(Settings {
        oauth: false,
        ..Settings::stateless()
    });
    let output = login(&machine, &playground, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    playground.fault(
        Fault::mcp()
            .rpc("initialize")
            .always()
            .then(Then::answer(503)),
    );
    let output = login(&machine, &playground, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("503"), "{}", stderr(&output));
}

#[test]
fn the_exit_code_of_login_says_what_is_missing() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let unreachable = run(&machine, &["login", "http://127.0.0.1:1/mcp"]);
    assert_eq!(
        unreachable.status.code(),
        Some(4),
        "{}",
        stderr(&unreachable)
    );
    let nobody = login(
        &machine,
        &playground,
        &["--no-browser", "--auth-timeout", "1"],
    );
    assert_eq!(nobody.status.code(), Some(3), "{}", stderr(&nobody));
    assert!(
        stderr(&nobody).contains("was not finished within 1 s"),
        "{}",
        stderr(&nobody)
    );
    let denied = login(&Machine::with(Browser::Denies), &playground, &[]);
    assert_eq!(denied.status.code(), Some(1), "{}", stderr(&denied));
    let nothing = Fault::of(Server::Mcp).path("/mcp").always();
    playground.fault(nothing.then(Then::answer(404)));
    let refused = login(&machine, &playground, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    for output in [unreachable, nobody, denied, refused] {
        assert_eq!(stdout(&output), "");
        let text = stderr(&output);
        let last: Vec<_> = text.lines().rev().take(2).collect();
        assert!(
            last[0].starts_with("hint: ") && last[1].starts_with("error: "),
            "{text}"
        );
    }
    // The registration is kept for the next time, and nothing was granted.
    let kept = machine.sign_in();
    assert!(kept["client"].is_object(), "{kept}");
    assert!(kept.get("access_token").is_none(), "{kept}");
}

#[cfg(unix)]
#[test]
fn login_that_is_interrupted_ends_with_130() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut command = machine.command();
    command.args(["login", &playground.mcp_url(), "--no-browser"]);
    let bridge = Bridge::start_command(command);
    bridge.stderr_address();
    bridge.signal("INT");
    let ended = bridge.wait();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
}

#[test]
fn logout_ends_the_sign_in_at_the_server_and_here() {
    let (playground, machine) = signed_in(Settings::default());
    let held = tokens(&machine);
    let output = run(&machine, &["logout", &playground.mcp_url()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let shown = stdout(&output);
    assert!(shown.starts_with("signed out of `"), "{shown}");
    assert!(
        shown.contains("\n  revoked  refresh token and access token at http://127.0.0.1:"),
        "{shown}"
    );
    assert!(shown.contains("\n  deleted  registration `"), "{shown}");
    assert!(!held.iter().any(|token| shown.contains(token)), "{shown}");
    assert!(playground.revocations() >= 1);
    assert!(machine.cached().is_empty());
    let revoked: Vec<_> = playground
        .requests()
        .iter()
        .filter(|request| request.path == "/revoke")
        .filter_map(|request| request.parameter("token"))
        .collect();
    assert_eq!(revoked, [held[1].clone(), held[0].clone()]);
    let deleted = |request: &playground::Request| {
        request.method == "DELETE" && request.path.starts_with("/register/")
    };
    assert!(
        playground.requests().iter().any(deleted),
        "{}",
        playground.printed_log()
    );
    // The next start asks the person again.
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    assert!(bridge.close().status.success());
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn logout_works_by_name_for_all_and_while_the_server_is_away() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for name in ["work", "home"] {
        let output = login(&machine, &playground, &["--name", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let output = run(&machine, &["logout", "work"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(machine.cached().len(), 1);
    playground.stop();
    let output = run(&machine, &["logout", "--all"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("warning: the token could not be revoked: "));
    let shown = stdout(&output);
    assert!(shown.starts_with("signed out of `home`\n"), "{shown}");
    assert!(
        shown.contains("\n  not revoked  refresh token: "),
        "{shown}"
    );
    assert!(machine.cached().is_empty());
    let output = run(&machine, &["logout", "home"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn status_shows_what_login_got_and_tells_when_it_has_ended() {
    let (playground, machine) = signed_in(Settings::default());
    let status = |args: &[&str]| {
        let output = run(&machine, &[&["status"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let shown = stdout(&output);
        for token in tokens(&machine) {
            assert!(!shown.contains(&token), "{shown}");
        }
        shown
    };
    let before = playground.requests().len();
    let shown = status(&[&playground.mcp_url()]);
    assert!(shown.contains("  health        ok\n"), "{shown}");
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
    let shown = status(&[]);
    assert!(
        shown.contains("health        ok, the next use refreshes it"),
        "{shown}"
    );
    let report: Value = serde_json::from_str(&status(&["--json"])).expect("JSON");
    assert_eq!(report["sign_ins"][0]["health"], "refreshable");
    assert_eq!(report["sign_ins"][0]["issuer"], playground.issuer());
    assert_eq!(playground.requests().len(), before, "no server was asked");
}
