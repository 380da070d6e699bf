//! OAuth with a server that speaks HTTP+SSE: the sign-in for the GET of the event stream, and for
//! messages later on.

use playground::{Fault, Memory, Playground, Settings, Then};
use serde_json::json;

use super::{announced, expected, gets, open_again, whats};
use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{NEWEST, detail, everything, is_get};

const ADD: (&str, &str) = ("add", "42");

fn works(bridge: &mut Bridge) {
    let result = bridge.tool(ADD.0, json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], ADD.1);
}

fn opened(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Bridge {
    let is_announced = |r: &&playground::Request| r.calls("notifications/initialized");
    let before = playground.requests().iter().filter(is_announced).count();
    let mut bridge = Bridge::start(machine, &playground.mcp_url(), arguments);
    bridge.initialize(NEWEST, everything());
    open_again(playground, before);
    bridge
}

#[test]
fn one_sign_in_serves_the_stream_and_the_messages_of_every_start() {
    for arguments in [&[][..], &["--transport", "sse-only"]] {
        let playground = Playground::start(Settings::of_2024_11_05());
        let machine = Machine::new();
        for _ in 0..3 {
            let mut bridge = opened(&machine, &playground, arguments);
            works(&mut bridge);
            let ended = bridge.close();
            assert!(!ended.stderr.contains("access-"), "{}", ended.stderr);
        }
        assert_eq!(machine.opened().len(), 1);
        assert_eq!(playground.code_exchanges(), 1);
        let mcp = |r: &&playground::Request| ["/sse", "/messages"].contains(&&*r.path);
        let refused = playground.requests();
        let refused = refused.iter().filter(mcp).filter(|r| r.bearer().is_none());
        assert_eq!(refused.count(), 1);
        assert!(
            playground
                .requests()
                .iter()
                .filter(mcp)
                .all(|r| { r.bearer().is_some() || r.status == Some(401) })
        );
    }
}

#[test]
fn a_server_whose_post_needs_no_token_asks_for_it_at_the_stream() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::new();
    // As where only the routes that there are check tokens.
    playground.fault(Fault::mcp().path("/sse").always().then(Then::answer(404)));
    let mut bridge = opened(&machine, &playground, &[]);
    works(&mut bridge);
    let path = |r: &playground::Request| ["/sse", "/messages"].contains(&&*r.path);
    let mut requests = playground.requests();
    requests.retain(path);
    assert_eq!(
        whats(&requests),
        expected([
            ("server/discover", 404),
            ("initialize", 404),
            ("GET", 401),
            ("GET", 200),
            ("initialize", 202),
            ("notifications/initialized", 202),
            ("tools/call", 202),
        ])
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn the_client_is_answered_while_a_person_signs_in_for_the_stream() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::with(Browser::Waits);
    let arguments = ["--transport", "sse-only"];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    bridge.initialize(NEWEST, json!({}));
    let list = bridge.request("tools/list", json!({}));
    let mut person = machine.browse(&bridge.stderr_address());
    assert!(bridge.tools_listed(list).contains(&"add".to_owned()));
    works(&mut bridge);
    person.wait().unwrap();
    assert_eq!(gets(&playground), 2 + metadata_gets(&playground));
}

fn metadata_gets(playground: &Playground) -> usize {
    let requests = playground.requests();
    let mut gets = requests;
    gets.retain(|r| is_get(r) && r.path != "/sse");
    gets.len()
}

#[test]
fn a_sign_in_that_is_refused_is_told_and_can_be_called_for() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::with(Browser::Denies);
    let arguments = ["--transport", "sse-only"];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    let answer = bridge.call(
        "initialize",
        crate::support::scene::opening(NEWEST, json!({})),
    );
    if answer.get("error").is_some() {
        assert_eq!(
            answer["error"]["data"]["bridge"]["stage"], "auth",
            "{answer}"
        );
        return;
    }
    let tools = bridge.call("tools/list", json!({}));
    assert_eq!(tools["result"]["tools"][0]["name"], "sign_in", "{tools}");
}

/// How often the event stream was opened.
fn streams(playground: &Playground) -> usize {
    let mut all = playground.requests();
    all.retain(|r| is_get(r) && r.path == "/sse" && r.status == Some(200));
    all.len()
}

#[test]
fn a_token_that_ends_is_refreshed_for_a_message_and_the_stream_goes_on() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::new();
    let mut bridge = opened(&machine, &playground, &[]);
    works(&mut bridge);
    playground.expire_access_tokens();
    works(&mut bridge);
    assert_eq!((playground.refreshes(), streams(&playground)), (1, 1));
    // And at the next start.
    bridge.close();
    machine.expire_cached();
    playground.expire_access_tokens();
    let mut bridge = opened(&machine, &playground, &[]);
    works(&mut bridge);
    assert_eq!((playground.refreshes(), streams(&playground)), (2, 2));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_token_that_ends_is_refreshed_for_the_stream_that_is_opened_again() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::new();
    let mut bridge = opened(&machine, &playground, &[]);
    playground.expire_access_tokens();
    playground.restart(Memory::Kept);
    open_again(&playground, 1);
    works(&mut bridge);
    assert_eq!((playground.refreshes(), streams(&playground)), (1, 2));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_call_that_needs_a_wider_scope_gets_it() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::new();
    let mut bridge = opened(&machine, &playground, &[]);
    let result = bridge.tool("admin", json!({}));
    assert!(result.to_string().contains("everything"), "{result}");
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_header_that_the_server_does_not_accept_is_told() {
    let playground = Playground::start(Settings::of_2024_11_05());
    let machine = Machine::new();
    let arguments = [
        "--transport",
        "sse-only",
        "--header",
        "Authorization: Bearer SECRET_TOKEN_1",
    ];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    let answer = bridge.call(
        "initialize",
        crate::support::scene::opening(NEWEST, json!({})),
    );
    assert!(
        detail(&answer).contains("`Authorization` header"),
        "{answer}"
    );
    assert_eq!(gets(&playground), 1);
}

#[test]
fn login_signs_in_to_a_server_of_either_transport() {
    for refusal in [None, Some(404)] {
        let playground = Playground::start(Settings::of_2024_11_05());
        if let Some(status) = refusal {
            let fault = Fault::mcp().path("/sse").always();
            playground.fault(fault.then(Then::answer(status)));
        }
        let machine = Machine::new();
        let mut command = machine.command();
        command.args(["login", &playground.mcp_url()]);
        let output = command.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stdout.contains("signed in to"), "{stdout}");
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        bridge.initialize(NEWEST, everything());
        announced(&playground);
        works(&mut bridge);
        assert_eq!(machine.opened().len(), 1);
    }
}

#[test]
fn login_says_so_if_a_server_needs_no_sign_in_or_is_none() {
    let playground = Playground::start(Settings::open_sse());
    let machine = Machine::new();
    let run = |url: &str, more: &[&str]| {
        let mut command = machine.command();
        command.args(["login", url]).args(more);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, stdout, _) = run(&playground.mcp_url(), &[]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("needs no sign-in"), "{stdout}");
    // The stream that was opened for the question is closed again.
    playground.wait_for(|_| playground.sessions().is_empty().then_some(()));
    let nothing = playground.mcp_url().replace("/sse", "/nothing");
    let (code, _, stderr) = run(&nothing, &[]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("404"), "{stderr}");
    let (code, _, stderr) = run(&playground.mcp_url(), &["--transport", "http-only"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("405"), "{stderr}");
}
