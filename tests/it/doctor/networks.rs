//! Networks and certificates that are not as they should be: each fault has its words, and what to do
//! about it stands where it is looked for.

use std::io::{Read, Write};
use std::thread;

use playground::{Playground, Settings};
use serde_json::json;
use tempfile::TempDir;

use super::{Found, examine};
use crate::network::authority::{Authority, For, Pair, self_signed};
use crate::network::nginx::{Nginx, Site};
use crate::network::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::divert::Divert;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, failure, opening};

/// That the network is what is wrong, in these words, and what is to be done.
#[track_caller]
fn network_fails(found: &Found, says: &str, hint: &str) {
    assert_eq!(
        (found.code, found.status("network")),
        (4, "fail"),
        "{}",
        found.text
    );
    let step = found.step("network");
    let summary = step["summary"].as_str().expect("a summary");
    assert!(summary.contains(says), "`{says}` is missing: {summary}");
    let told = step["hint"].as_str().expect("a hint");
    assert!(told.contains(hint), "`{hint}` is missing: {told}");
    // It stands there once.
    assert!(!summary.contains(told), "{summary}");
    for jargon in [
        "rustls",
        "UnknownIssuer",
        "hyper",
        "os error",
        "dns error",
        "resolving",
    ] {
        assert!(!summary.contains(jargon), "{summary}");
    }
    assert_eq!(found.statuses()[2..7], ["skip"; 5], "{}", found.text);
    assert_eq!(found.statuses()[9..], ["skip"; 2], "{}", found.text);
}

/// An nginx with this certificate before a playground, and its address.
fn site(pair: &Pair) -> (Playground, Nginx, String) {
    let playground = Playground::start(Settings::default());
    let nginx = Nginx::start(&[Site::new(pair, port_of(&playground.mcp_url()))]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    (playground, nginx, url)
}

#[test]
fn each_fault_of_a_certificate_is_told_with_what_to_do_about_it() {
    let authority = Authority::new("The tests' CA");
    let other = Authority::new("Inspection CA");
    let folder = TempDir::new().unwrap();
    let option = authority.option();
    let server = For::Server(&["localhost"]);
    for (pair, says, hint) in [
        (
            self_signed(&folder, &["localhost"]),
            "its certificate is self-signed",
            "`--ca-file`",
        ),
        (
            other.issue(server),
            "was issued by `Inspection CA`, whom this machine does not trust",
            "`--ca-file`",
        ),
        (
            authority.issue(For::Expired(&["localhost"])),
            "its certificate ended on Wed, 03 Feb 2021",
            "clock",
        ),
        (
            authority.issue(For::Server(&["other.test"])),
            "its certificate is for `other.test`, not for `localhost`",
            "check the address",
        ),
    ] {
        let (playground, _nginx, url) = site(&pair);
        let found = examine(&Machine::new(), &url, &[&option]);
        network_fails(&found, says, hint);
        assert!(
            playground.requests().is_empty(),
            "{}",
            playground.printed_log()
        );
    }
    let (_playground, _nginx, url) = site(&authority.issue(For::Server(&["localhost"])));
    let found = examine(&Machine::new(), &url, &[&option]);
    assert_eq!(found.status("network"), "ok", "{}", found.text);
    assert_eq!(
        found.value("network", "HTTP"),
        Some("2.0"),
        "{}",
        found.text
    );
}

#[test]
fn plain_http_and_tls_are_told_apart_whichever_way_they_are_confused() {
    let authority = Authority::new("The tests' CA");
    let (playground, _nginx, secure) = site(&authority.issue(For::Server(&["localhost"])));
    let machine = Machine::new();
    let wrong = playground.mcp_url().replacen("http:", "https:", 1);
    let found = examine(&machine, &wrong, &[]);
    network_fails(&found, "does not speak TLS on this port", "`http://`");
    // This one says in HTTP that it wants TLS …
    let found = examine(&machine, &secure.replacen("https:", "http:", 1), &[]);
    assert_eq!(
        (found.code, found.status("challenge")),
        (1, "fail"),
        "{}",
        found.text
    );
    let step = found.step("challenge");
    assert!(step["summary"].as_str().unwrap().contains("400"), "{step}");
    assert!(
        step["hint"].as_str().unwrap().contains("`https://`"),
        "{step}"
    );
    // … and this one in TLS.
    // RFC 8446 §6: a fatal alert, `decode_error`.
    let url = answering(&[21, 3, 3, 0, 2, 2, 50]);
    let found = examine(&machine, &url, &[]);
    network_fails(&found, "what it answers is not HTTP", "`https://`");
}

#[test]
fn a_name_that_leads_nowhere_is_told_to_be_one() {
    let found = examine(&Machine::new(), "https://no-such-host.invalid/mcp", &[]);
    network_fails(&found, "its name cannot be looked up", "check the address");
    assert_eq!(found.value("network", "proxy"), Some("none"));
}

#[test]
fn a_proxy_that_refuses_is_told_apart_from_the_server() {
    let divert = Divert::start(&[]);
    let found = examine(&Machine::new(), "https://mcp.test/mcp", &[&divert.option()]);
    network_fails(
        &found,
        "opens no way to it",
        "check the address and the network",
    );
    let shown = found.value("network", "proxy").expect("a proxy");
    assert!(
        divert
            .option()
            .contains(shown.trim_matches('`').trim_end_matches('/')),
        "{shown}"
    );
    // What the proxy looks up is not looked up here.
    assert_eq!(found.value("network", "addresses"), None);
    assert_eq!(divert.asked(), ["mcp.test:443"]);
}

#[test]
fn an_authorization_server_whose_certificate_is_wrong_is_told_at_its_step() {
    let authority = Authority::new("The tests' CA");
    let folder = TempDir::new().unwrap();
    let (good, bad) = (
        authority.issue(For::Server(&["localhost"])),
        self_signed(&folder, &["localhost"]),
    );
    let playground = Playground::start(Settings::default());
    let ports = [
        port_of(&playground.mcp_url()),
        port_of(&playground.issuer()),
    ];
    let nginx = Nginx::start(&[Site::new(&good, ports[0]), Site::new(&bad, ports[1])]);
    let at = |index: usize| format!("https://localhost:{}", nginx.ports[index]);
    playground.change(|settings| {
        settings.public_mcp = Some(at(0));
        settings.public_authorization = Some(at(1));
    });
    let found = examine(
        &Machine::new(),
        &format!("{}/mcp", at(0)),
        &[&authority.option()],
    );
    assert_eq!(
        (found.code, found.status("authorization-server")),
        (4, "fail"),
        "{}",
        found.text
    );
    let step = found.step("authorization-server");
    let summary = step["summary"].as_str().unwrap();
    for says in [&*at(1), "its certificate is self-signed", "`--ca-file`"] {
        assert!(
            step.to_string().contains(says),
            "`{says}` is missing: {step}"
        );
    }
    assert!(!summary.contains("rustls"), "{summary}");
    // Asking again would not help, and neither would coming again.
    let asked = step["asked"].as_array().expect("a list");
    assert_eq!(asked.len(), 2, "{step}");
    let (machine, url) = (Machine::new(), format!("{}/mcp", at(0)));
    let mut bridge = Bridge::start(&machine, &url, &[&authority.option()]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    let told = failure(&answer);
    assert_eq!(
        (&told["stage"], &told["retryable"]),
        (&json!("auth"), &json!(false)),
        "{answer}"
    );
    assert!(
        told["hint"]
            .as_str()
            .expect("a hint")
            .contains("`--ca-file`"),
        "{answer}"
    );
    bridge.close();
}

/// Answers every request with this.
fn answering(answer: &'static [u8]) -> String {
    let listener = playground::listen_high().unwrap();
    let url = format!(
        "http://127.0.0.1:{}/mcp",
        listener.local_addr().unwrap().port()
    );
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 8192];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
        }
    });
    url
}

#[test]
fn a_page_in_place_of_an_mcp_server_is_told_to_be_one() {
    for (answer, says) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
            "`text/html; charset=utf-8`, which is no MCP message",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK",
            "something that is no MCP message",
        ),
    ] {
        let found = examine(&Machine::new(), &answering(answer.as_bytes()), &[]);
        assert_eq!(
            (found.code, found.status("challenge")),
            (1, "fail"),
            "{}",
            found.text
        );
        let step = found.step("challenge");
        assert!(step["summary"].as_str().unwrap().contains(says), "{step}");
        assert!(
            step["hint"].as_str().unwrap().contains("check the path"),
            "{step}"
        );
        assert_eq!(step["rule"], "MCP 2025-11-25, Transports, Streamable HTTP");
        assert_eq!(found.statuses()[3..7], ["skip"; 4], "{}", found.text);
        assert_eq!(found.status("initialize"), "skip", "{}", found.text);
    }
}
