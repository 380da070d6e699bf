//! The flags about connections and messages, one test a flag or a pair of them.

use std::path::PathBuf;

use playground::{Fault, Playground, Request, Settings, Then};
use serde_json::json;
use tempfile::TempDir;

use super::{Open, works};
use crate::network::tinyproxy::Tinyproxy;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, everything, is_get, kind, opening};

#[test]
fn header_is_sent_in_either_form_with_variables_replaced() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    let arguments = [
        "--header",
        "X-One:1",
        "--header",
        "X-Two:   2",
        "--header",
        "X-Three:${PART} $PART ${NOT_SET} ${}",
    ];
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &arguments);
    command.env("PART", "a b");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    works(&mut bridge);
    let stderr = bridge.close().stderr;
    assert!(
        stderr.contains("`NOT_SET`, which is not set; it is sent as it is written"),
        "{stderr}"
    );
    for request in playground.requests() {
        let sent = |name| request.header(name);
        assert_eq!(sent("x-one"), Some("1"), "{}", request.line());
        assert_eq!(sent("x-two"), Some("2"));
        assert_eq!(sent("x-three"), Some("a b $PART ${NOT_SET} ${}"));
    }
}

#[test]
fn header_file_is_read_line_by_line() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("headers.txt");
    let text = "# mine\r\n\r\nX-One: 1\r\nno header\r\n  X-Two:2\r\n";
    std::fs::write(&file, text).expect("written");
    let mut open = Open::new(&["--header-file", &file.to_string_lossy()]);
    works(&mut open.bridge);
    assert_eq!(open.sent("x-one").as_deref(), Some("1"));
    assert_eq!(open.sent("x-two").as_deref(), Some("2"));
    let ended = open.close();
    assert!(ended.stderr.contains("line 4 of `"), "{}", ended.stderr);
}

#[test]
fn transport_decides_what_is_tried() {
    let first = |playground: &Playground| {
        let requests = playground.requests();
        requests.first().map(|request| request.method.clone())
    };
    for (transport, settings, expected) in [
        ("http-first", Settings::open(), Some("POST")),
        ("http-first", Settings::open_sse(), Some("POST")),
        ("sse-first", Settings::open_sse(), Some("GET")),
        ("sse-first", Settings::open(), Some("GET")),
        ("http-only", Settings::open(), Some("POST")),
        ("sse-only", Settings::open_sse(), Some("GET")),
    ] {
        let mut open = Open::at(settings, &["--transport", transport]);
        works(&mut open.bridge);
        assert_eq!(first(&open.playground).as_deref(), expected, "{transport}");
        open.close();
    }
    for (transport, settings, method) in [
        ("http-only", Settings::open_sse(), "POST"),
        ("sse-only", Settings::open(), "GET"),
    ] {
        let (machine, playground) = (Machine::new(), Playground::start(settings));
        let arguments = ["--transport", transport];
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert!(answer["error"].is_object(), "{transport}: {answer}");
        let requests = playground.requests();
        assert!(requests.iter().all(|request| request.method == method));
    }
}

#[test]
fn protocol_decides_whether_the_server_is_asked_what_it_speaks() {
    let asked = |open: &Open| {
        let requests = open.playground.requests();
        requests.iter().any(|r| r.calls("server/discover"))
    };
    for (settings, protocol, expected) in [
        (Settings::open(), "legacy", false),
        (Settings::open(), "auto", true),
        (Settings::open_stateless(), "auto", true),
    ] {
        let mut open = Open::at(settings, &["--protocol", protocol]);
        works(&mut open.bridge);
        assert_eq!(asked(&open), expected, "{protocol}");
        open.close();
    }
    let (machine, playground) = (
        Machine::new(),
        Playground::start(Settings::open_stateless()),
    );
    let arguments = ["--protocol", "legacy"];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert!(answer["error"].is_object(), "{answer}");
}

#[test]
fn plain_http_to_another_machine_is_allowed_only_if_it_is_asked_for() {
    let playground = Playground::start(Settings::open());
    let url = playground.mcp_url().replace("127.0.0.1", "mcp.test");
    let proxy = Tinyproxy::start(None);
    let started = |arguments: &[&str], variables: &[&str]| {
        let mut command = Bridge::command(&Machine::new(), &url, arguments);
        for name in variables {
            command.env(name, proxy.url(""));
        }
        Bridge::start_command(command)
    };
    let refused = started(&["--enable-proxy"], &["HTTP_PROXY"]).wait();
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--allow-http"),
        "{}",
        refused.stderr
    );
    for (arguments, variables) in [
        (&["--allow-http", "--enable-proxy"][..], &["HTTP_PROXY"][..]),
        (&["--allow-http", "--enable-proxy"], &["http_proxy"]),
        (&["--allow-http"], &["HTTP_PROXY"]),
    ] {
        let before = proxy.passed().len();
        let mut bridge = started(arguments, variables);
        bridge.initialize(NEWEST, everything());
        works(&mut bridge);
        let ended = bridge.close();
        assert!(proxy.passed().len() > before, "{}", ended.stderr);
        assert!(!ended.stderr.contains("proxy"), "{}", ended.stderr);
    }
}

#[test]
fn headers_timeout_and_body_timeout_bound_a_silence() {
    let mut open = Open::new(&["--headers-timeout", "0.3", "--body-timeout", "0"]);
    let fault = Fault::mcp().rpc("tools/call").then(Then::Hold);
    open.playground.fault(fault);
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let answer = open.bridge.call("tools/call", call);
    assert!(detail(&answer).contains("within 0.3 s"), "{answer}");
    open.playground.release_held();

    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let mut open = Open::at(settings, &["--body-timeout", "0.2"]);
    let slow = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true }, "_meta": { "progressToken": "t" } });
    let answer = open.bridge.call("tools/call", slow);
    assert!(detail(&answer).contains("silent for 0.2 s"), "{answer}");
}

/// A port of a machine that takes no connection: its queue is full.
#[cfg(target_os = "linux")]
#[test]
fn connect_timeout_bounds_the_way_to_the_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let wait = std::time::Duration::from_millis(300);
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, wait) {
        queued.push(stream);
    }
    let url = format!("http://{address}/mcp");
    let mut bridge = Bridge::start(&Machine::new(), &url, &["--connect-timeout", "0.2"]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    assert!(detail(&answer).contains("0.2 s"), "{answer}");
}

#[test]
fn ipv4_leaves_other_addresses_alone() {
    let mut open = Open::new(&["--ipv4"]);
    works(&mut open.bridge);
    open.close();
    // Somebody who takes connections and says nothing.
    let listener = std::net::TcpListener::bind("[::1]:0").expect("IPv6");
    let port = listener.local_addr().expect("bound").port();
    let url = format!("http://[::1]:{port}/mcp");
    listener.set_nonblocking(true).expect("a listener");
    let refused = Bridge::start(&Machine::new(), &url, &["--ipv4"]).wait();
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    assert!(listener.accept().is_err());
    let mut bridge = Bridge::start(&Machine::new(), &url, &["--headers-timeout", "0.2"]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert!(answer["error"].is_object(), "{answer}");
    assert!(listener.accept().is_ok(), "{answer}");
}

#[test]
fn keep_alive_pings_the_server_and_an_interval_alone_turns_it_on() {
    let is_ping = |request: &Request| request.calls("ping");
    let mut open = Open::new(&["--ping-interval", "0.05"]);
    open.playground
        .wait_for(|requests| requests.iter().filter(|r| is_ping(r)).nth(1).map(drop));
    works(&mut open.bridge);
    let ended = open.close();
    assert!(ended.rest.is_empty(), "the client sees nothing of it");
    // Its interval is half a minute, so there is none to wait for.
    let mut open = Open::new(&["--keep-alive"]);
    works(&mut open.bridge);
    assert!(!open.playground.requests().iter().any(is_ping));
    open.close();
}

#[test]
fn cookies_go_back_unless_they_are_disabled() {
    for (arguments, expected) in [(&[][..], true), (&["--disable-cookies"], false)] {
        let playground = Playground::start(Settings::open());
        let fault = Fault::mcp().rpc("initialize");
        let cookie = Then::answer(503).header("set-cookie", "lb=7; Path=/");
        playground.fault(fault.then(cookie.header("retry-after", "0")));
        let mut bridge = Bridge::open(&Machine::new(), &playground.mcp_url(), arguments);
        works(&mut bridge);
        let requests = playground.requests();
        let mut calls = requests.iter().filter(|r| r.calls("tools/call"));
        let call = calls.next().expect("a call");
        assert_eq!(call.header("cookie") == Some("lb=7"), expected);
    }
}

#[test]
fn debug_says_more_and_silent_nothing() {
    // There is more to say about a sign-in.
    let said = |arguments: &[&str]| {
        let mut open = Open::at(Settings::default(), arguments);
        works(&mut open.bridge);
        open.playground.wait_for_answered(is_get);
        open.close().stderr
    };
    let usual = said(&[]);
    let debug = said(&["--debug"]);
    assert!(debug.lines().count() > usual.lines().count(), "{debug}");
    let both = said(&["--silent", "--debug"]);
    assert!(both.lines().count() > usual.lines().count(), "{both}");
    let silent = said(&["--silent", "--zzz", "--transport", "x"]);
    assert!(!silent.contains("warning: "), "{silent}");
    let mut open = Open::new(&["--silent", "--zzz"]);
    works(&mut open.bridge);
    assert_eq!(open.close().stderr, "");
}

/// mcp-remote's users look for a file, since many hosts show stderr to nobody.
#[test]
fn debug_writes_a_file_that_can_be_given_away() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::default()));
    let is_log = |path: &PathBuf| path.to_string_lossy().ends_with(".debug.log");
    let run = |arguments: &[&str]| {
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), arguments);
        works(&mut bridge);
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        ended.stderr
    };
    let arguments = ["--debug", "--header", "X-Key: SECRET_9"];
    let said = run(&arguments);
    let [path] = &machine.files(is_log)[..] else {
        panic!("one file\n{said}");
    };
    assert!(said.contains(&format!("to `{}`", path.display())), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let log = std::fs::read_to_string(path).expect("text");
    // All of stderr is in it, with the time before each line, but for the queries of addresses.
    let lines = said.lines().filter(|line| !line.contains('?'));
    for line in lines {
        assert!(log.contains(&format!("] {line}\n")), "{line}\n{log}");
    }
    assert!(
        log.lines()
            .all(|line| line.starts_with("20") && line.contains("Z ["))
    );
    assert!(
        log.contains("/authorize?…") && !log.contains("state="),
        "{log}"
    );
    let cached = machine.sign_in();
    let tokens = ["access_token", "refresh_token"].map(|name| cached[name].as_str());
    for secret in tokens.into_iter().flatten().chain(["SECRET_9"]) {
        assert!(!log.contains(secret), "{log}");
    }
    // The next adds to it; without the option, nothing is added.
    run(&arguments);
    let longer = std::fs::read_to_string(path).expect("text");
    assert!(longer.starts_with(&log) && longer.len() > log.len());
    run(&["--header", "X-Key: SECRET_9"]);
    assert_eq!(std::fs::read_to_string(path).expect("text"), longer);
    let status = machine.command().arg("status").output().expect("it starts");
    let shown = String::from_utf8_lossy(&status.stdout);
    assert!(!shown.contains("debug"), "{shown}");
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_no_reason_to_stop() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    std::fs::write(machine.cache(), "a file").expect("written");
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &["--debug"]);
    works(&mut bridge);
    let stderr = bridge.close().stderr;
    assert!(
        stderr.contains("warning: nothing is written to `"),
        "{stderr}"
    );
}

#[test]
fn help_and_version_are_printed_wherever_they_stand() {
    let run = |arguments: &[&str]| {
        let mut command = Machine::new().command();
        let output = command.args(arguments).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let url = "https://mcp.example.com/mcp";
    assert!(run(&[url, "--zzz", "--help"]).contains("Usage: mcp-drawbridge"));
    assert!(run(&["--version", url, "-h"]).contains("Usage: mcp-drawbridge"));
    let version = format!("mcp-drawbridge {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&[url, "--header", "--version"]), version);
}
