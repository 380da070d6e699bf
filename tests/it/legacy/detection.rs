//! How the bridge finds out which transport a server speaks, and what it keeps of it.

use std::fs;
use std::path::PathBuf;

use playground::{Fault, Playground, Settings, Then, Transports};
use serde_json::{Value, json};

use super::{announced, expected, open_again, whats};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, everything, kind, opening};

/// A bridge with an open session.
fn opened(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Bridge {
    let announced = |r: &&playground::Request| r.calls("notifications/initialized");
    let before = playground.requests().iter().filter(announced).count();
    let mut bridge = Bridge::start(machine, &playground.mcp_url(), arguments);
    bridge.initialize(NEWEST, everything());
    open_again(playground, before);
    bridge
}

/// What a bridge with these arguments sends to open a session.
fn opening_requests(
    machine: &Machine,
    playground: &Playground,
    arguments: &[&str],
) -> Vec<(String, u16)> {
    let before = playground.requests().len();
    let bridge = opened(machine, playground, arguments);
    bridge.close();
    let mut requests = whats(&playground.requests()[before..]);
    let end = requests
        .iter()
        .position(|(what, _)| what == "notifications/initialized");
    requests.truncate(end.expect("a session was opened"));
    requests
}

fn only_sse(refusal: u16) -> Settings {
    let mut settings = Settings::open_sse();
    settings.sse.refusal = refusal;
    settings
}

fn both() -> Settings {
    Settings {
        transports: Transports::Both,
        ..Settings::open()
    }
}

fn server_file(machine: &Machine) -> PathBuf {
    let is_server = |path: &PathBuf| path.to_string_lossy().ends_with(".server.json");
    match &machine.files(is_server)[..] {
        [path] => path.clone(),
        others => panic!("one server is kept, not {others:?}"),
    }
}

fn kept(machine: &Machine) -> Value {
    serde_json::from_slice(&fs::read(server_file(machine)).expect("a readable cache")).unwrap()
}

/// Makes what is kept look as old as this, in seconds.
fn age(machine: &Machine, seconds: u64) {
    let mut value = kept(machine);
    let found_at = value["transport"]["found_at"].as_u64().unwrap();
    value["transport"]["found_at"] = (found_at - seconds).into();
    fs::write(server_file(machine), value.to_string()).unwrap();
}

const STREAMABLE: [(&str, u16); 2] = [("server/discover", 400), ("initialize", 200)];
/// The same once it is known that the server opens with `initialize`.
const STREAMABLE_AGAIN: [(&str, u16); 1] = [("initialize", 200)];
const SSE: [(&str, u16); 2] = [("GET", 200), ("initialize", 202)];

#[test]
fn each_status_that_refuses_the_transport_leads_to_the_older_one() {
    for refusal in [400, 404, 405, 406, 410, 415, 501] {
        let (machine, playground) = (Machine::new(), Playground::start(only_sse(refusal)));
        let requests = opening_requests(&machine, &playground, &[]);
        assert_eq!(
            requests,
            expected([
                ("server/discover", refusal),
                ("initialize", refusal),
                ("GET", 200),
                ("initialize", 202)
            ])
        );
    }
}

#[test]
fn an_outage_leads_nowhere() {
    for (status, stage) in [(403, "http"), (429, "http"), (500, "http"), (503, "http")] {
        let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
        let refusal = Then::answer(status).header("Retry-After", "3600");
        playground.fault(Fault::mcp().always().then(refusal));
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(
            (kind(&answer).0, kind(&answer).2),
            (stage, Some(status.into()))
        );
        assert!(playground.requests().iter().all(|r| r.method == "POST"));
        // When it is over, the same bridge finds its way.
        playground.clear_faults();
        bridge.initialize(NEWEST, everything());
        announced(&playground);
        let result = bridge.tool("add", json!({ "a": 1, "b": 1 }));
        assert_eq!(result["content"][0]["text"], "2");
    }
}

#[test]
fn the_preference_decides_what_is_tried_first() {
    for (transport, requests) in [
        ("http-first", &STREAMABLE[..]),
        ("auto", &STREAMABLE),
        ("http-only", &STREAMABLE),
        ("http", &STREAMABLE),
        ("sse-first", &SSE),
        ("sse-only", &SSE),
        ("sse", &SSE),
    ] {
        let (machine, playground) = (Machine::new(), Playground::start(both()));
        let arguments = ["--transport", transport];
        let came = opening_requests(&machine, &playground, &arguments);
        let expected: Vec<_> = requests
            .iter()
            .map(|(what, status)| ((*what).to_owned(), *status))
            .collect();
        assert_eq!(came, expected, "{transport}");
    }
}

#[test]
fn the_older_transport_first_finds_the_newer_one() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    let arguments = ["--transport", "sse-first"];
    let requests = opening_requests(&machine, &playground, &arguments);
    let found = [("GET", 400), ("server/discover", 400), ("initialize", 200)];
    assert_eq!(requests, expected(found));
    // The next start begins with what was found.
    let requests = opening_requests(&machine, &playground, &arguments);
    assert_eq!(requests, expected(STREAMABLE_AGAIN));
}

#[test]
fn one_transport_alone_is_not_left_for_the_other() {
    for (settings, transport, status) in [
        (Settings::open_sse(), "http-only", 405),
        (Settings::open(), "sse-only", 400),
    ] {
        let asked: &[&str] = match transport {
            "http-only" => &["server/discover", "initialize"],
            _ => &["GET"],
        };
        let (machine, playground) = (Machine::new(), Playground::start(settings));
        let arguments = ["--transport", transport];
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(kind(&answer), ("http", false, Some(status)));
        let whats = whats(&playground.requests());
        assert!(whats.iter().map(|(what, _)| what).eq(asked), "{whats:?}");
    }
}

#[test]
fn an_address_without_any_server_is_told_by_its_post() {
    let playground = Playground::start(Settings::open());
    let machine = Machine::new();
    let url = playground.mcp_url().replace("/mcp", "/nothing");
    let mut bridge = Bridge::start(&machine, &url, &[]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("http", false, Some(404)));
    let said = detail(&answer);
    assert!(said.contains("answered 404 to `initialize`"), "{said}");
    assert!(said.contains("check the path"), "{said}");
    assert!(
        said.ends_with("HTTP+SSE transport was answered 404"),
        "{said}"
    );
    assert_eq!(
        whats(&playground.requests()),
        expected([("server/discover", 404), ("initialize", 404), ("GET", 404)])
    );
}

#[test]
fn what_was_found_is_kept_for_the_next_start() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    opening_requests(&machine, &playground, &[]);
    assert_eq!(kept(&machine)["transport"]["name"], "sse");
    for _ in 0..2 {
        let requests = opening_requests(&machine, &playground, &[]);
        assert_eq!(requests, expected(SSE));
    }
    // A preference that excludes it is not moved by it.
    let requests = opening_requests(&machine, &playground, &["--transport", "sse-only"]);
    assert_eq!(requests, expected(SSE));
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--transport=http-only"]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer).2, Some(405));
}

#[test]
fn a_configured_authorization_header_hinders_no_memory() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    let arguments = ["--header", "Authorization: Bearer SECRET_TOKEN_1"];
    opening_requests(&machine, &playground, &arguments);
    let requests = opening_requests(&machine, &playground, &arguments);
    assert_eq!(requests, expected(SSE));
    for request in playground.requests() {
        assert_eq!(request.bearer(), Some("SECRET_TOKEN_1"));
    }
    assert!(!kept(&machine).to_string().contains("SECRET"));
}

#[cfg(unix)]
#[test]
fn without_a_folder_to_keep_it_in_everything_works_all_the_same() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    // Neither a folder, nor one that could be made.
    fs::write(machine.cache(), "").unwrap();
    let arguments = ["--header", "Authorization: Bearer SECRET_TOKEN_1"];
    for _ in 0..2 {
        let requests = opening_requests(&machine, &playground, &arguments);
        assert_eq!(
            requests,
            expected([
                ("server/discover", 405),
                ("initialize", 405),
                ("GET", 200),
                ("initialize", 202)
            ])
        );
    }
}

#[test]
fn a_verdict_of_yesterday_is_looked_into_again() {
    let (machine, playground) = (Machine::new(), Playground::start(both()));
    opening_requests(&machine, &playground, &["--transport", "sse-only"]);
    assert_eq!(kept(&machine)["transport"]["name"], "sse");
    let found_at = kept(&machine)["transport"]["found_at"].clone();
    // Used again, it grows no younger.
    age(&machine, 80_000);
    assert_eq!(opening_requests(&machine, &playground, &[]), expected(SSE));
    let aged = kept(&machine)["transport"]["found_at"].clone();
    assert_eq!(aged.as_u64().unwrap() + 80_000, found_at.as_u64().unwrap());
    age(&machine, 10_000);
    assert_eq!(
        opening_requests(&machine, &playground, &[]),
        expected(STREAMABLE)
    );
    assert_eq!(kept(&machine)["transport"]["name"], "streamable-http");
}

#[test]
fn a_verdict_that_the_server_contradicts_is_forgotten() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    opening_requests(&machine, &playground, &[]);
    playground.change(|settings| settings.transports = Transports::Streamable);
    let requests = opening_requests(&machine, &playground, &[]);
    assert_eq!(requests, expected([("GET", 400), ("initialize", 200)]));
    assert_eq!(kept(&machine)["transport"]["name"], "streamable-http");
    // And the other way round.
    playground.change(|settings| settings.transports = Transports::Sse);
    let requests = opening_requests(&machine, &playground, &[]);
    assert_eq!(
        requests,
        expected([
            // A server that refuses this might have no sessions any more.
            ("initialize", 405),
            ("server/discover", 405),
            ("GET", 200),
            ("initialize", 202)
        ])
    );
    assert_eq!(kept(&machine)["transport"]["name"], "sse");
}

#[test]
fn a_verdict_without_sense_is_as_good_as_none() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    opening_requests(&machine, &playground, &[]);
    let mut value = kept(&machine);
    value["transport"]["name"] = "carrier-pigeon".into();
    fs::write(server_file(&machine), value.to_string()).unwrap();
    let requests = opening_requests(&machine, &playground, &[]);
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert_eq!(kept(&machine)["transport"]["name"], "sse");
}

#[test]
fn a_transport_that_there_is_not_is_told_with_those_that_there_are() {
    // In arguments it is left at a warning, as mcp-remote passes over it.
    for (argument, variable, origin, code) in [
        (Some("carrier-pigeon"), None, "warning: `--transport`", 0),
        (
            None,
            Some("carrier-pigeon"),
            "error: `MCP_DRAWBRIDGE_TRANSPORT`",
            2,
        ),
    ] {
        let machine = Machine::new();
        let mut command = machine.command();
        command.arg("https://mcp.example.com/mcp");
        command.args(argument.map(|value| format!("--transport={value}")));
        command.envs(variable.map(|value| ("MCP_DRAWBRIDGE_TRANSPORT", value)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let expected = format!(
            "{origin} is `carrier-pigeon`; it must be `http-first`, `sse-first`, `http-only` or `sse-only`"
        );
        assert!(stderr.contains(&expected), "{stderr}");
    }
}

#[test]
fn the_variable_stands_for_the_option() {
    let (machine, playground) = (Machine::new(), Playground::start(both()));
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &[]);
    command.env("MCP_DRAWBRIDGE_TRANSPORT", "sse-only");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    announced(&playground);
    assert_eq!(playground.requests()[0].method, "GET");
}
