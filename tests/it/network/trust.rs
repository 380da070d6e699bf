//! Whose certificates are believed.

use playground::{Playground, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::authority::{Authority, For, Pair, self_signed};
use super::before::text;
use super::nginx::{Nginx, Site};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, kind, opening};

/// An nginx with this certificate before a playground like this, and its address.
fn site(settings: Settings, pair: &Pair) -> (Playground, Nginx, String) {
    let playground = Playground::start(settings);
    let to = port_of(&playground.mcp_url());
    let nginx = Nginx::start(&[Site::new(pair, to)]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    (playground, nginx, url)
}

pub fn port_of(url: &str) -> u16 {
    let url = url::Url::parse(url).expect("an address");
    url.port().expect("a port")
}

/// What the host is told when it opens a session at a server with this certificate.
fn refusal(pair: &Pair, arguments: &[&str]) -> Value {
    let (playground, _nginx, url) = site(Settings::default(), pair);
    let machine = Machine::new();
    let mut bridge = Bridge::start(&machine, &url, arguments);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("connect", false, None), "{answer}");
    assert!(
        playground.requests().is_empty(),
        "{}",
        playground.printed_log()
    );
    assert!(machine.opened().is_empty(), "a browser was opened");
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    answer
}

#[test]
fn a_private_ca_is_trusted_wherever_it_is_named() {
    let authority = Authority::new("The tests' CA");
    let other = Authority::new("Another CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let (_playground, nginx, url) = site(Settings::open(), &pair);
    let machine = Machine::new();
    let (option, path) = (authority.option(), text(&authority.certificate));
    let other_option = other.option();
    for (arguments, variable) in [
        (&[&*option][..], None),
        (&[&*other_option, &*option], None),
        (&[], Some("NODE_EXTRA_CA_CERTS")),
        (&[], Some("SSL_CERT_FILE")),
        (&[&*other_option], Some("MCP_DRAWBRIDGE_CA_FILE")),
    ] {
        let mut command = Bridge::command(&machine, &url, arguments);
        if let Some(variable) = variable {
            command.env(variable, path);
        }
        let wins = arguments.len() == 1 && variable == Some("MCP_DRAWBRIDGE_CA_FILE");
        let mut bridge = Bridge::start_command(command);
        if wins {
            // A flag takes the place of its variable.
            let answer = bridge.call("initialize", opening(NEWEST, json!({})));
            assert_eq!(kind(&answer), ("connect", false, None), "{answer}");
            continue;
        }
        bridge.initialize(NEWEST, json!({}));
        let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
        assert_eq!(result["content"][0]["text"], "42");
        let ended = bridge.close();
        assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    }
    let requests = nginx.requests();
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|request| request.protocol == "HTTP/2.0"),
        "{requests:?}"
    );
}

#[test]
fn a_network_that_inspects_tls_is_named_with_what_to_do_and_opens_no_browser() {
    let authority = Authority::new("Inspection CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let answer = refusal(&pair, &[]);
    let said = detail(&answer);
    assert!(
        said.contains(
            "its certificate was issued by `Inspection CA`, whom this machine does not trust"
        ),
        "{said}"
    );
    assert!(said.contains("`--ca-file`"), "{said}");
}

#[test]
fn each_fault_of_a_certificate_is_told_in_words() {
    let authority = Authority::new("The tests' CA");
    let option = authority.option();
    let folder = TempDir::new().unwrap();
    for (pair, expected) in [
        (
            authority.issue(For::Expired(&["localhost"])),
            "its certificate ended on Wed, 03 Feb 2021 00:00:00 GMT",
        ),
        (
            authority.issue(For::Server(&["other.test", "*.more.test"])),
            "its certificate is for `other.test`, `*.more.test`, not for `localhost`; check the address",
        ),
        (
            self_signed(&folder, &["localhost"]),
            "its certificate is self-signed; if your network inspects TLS",
        ),
    ] {
        let answer = refusal(&pair, &[&option]);
        let said = detail(&answer);
        assert!(said.contains(expected), "{said}");
        for jargon in ["invalid peer", "UnknownIssuer", "NotValid", "rustls"] {
            assert!(!said.contains(jargon), "{said}");
        }
    }
}

#[test]
fn a_self_signed_certificate_can_be_named_itself() {
    let folder = TempDir::new().unwrap();
    let pair = self_signed(&folder, &["localhost"]);
    let (_playground, _nginx, url) = site(Settings::open(), &pair);
    let option = format!("--ca-file={}", text(&pair.certificate));
    let mut bridge = Bridge::open(&Machine::new(), &url, &[&option]);
    let result = bridge.tool("add", json!({ "a": 1, "b": 1 }));
    assert_eq!(result["content"][0]["text"], "2");
}

#[test]
fn files_that_the_environment_names_wrongly_only_cost_a_warning() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let (_playground, _nginx, url) = site(Settings::open(), &pair);
    let machine = Machine::new();
    for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        let mut command = Bridge::command(&machine, &url, &[&authority.option()]);
        command.env(variable, "/nonexistent/roots.pem");
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, json!({}));
        bridge.stderr_says(&format!(
            "warning: the file `/nonexistent/roots.pem` in `{variable}` is not used: "
        ));
    }
}

#[test]
fn a_broken_ca_file_ends_the_bridge_at_the_start_as_wrong_usage() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ca.der");
    std::fs::write(&path, [0x30, 0x82]).unwrap();
    let machine = Machine::new();
    let option = format!("--ca-file={}", text(&path));
    let ended = Bridge::start(&machine, "https://mcp.test/mcp", &[&option]).wait();
    assert_eq!(ended.status.code(), Some(2));
    let expected = format!(
        "the file `{}` of `--ca-file` cannot be used: it holds no certificate in PEM form",
        text(&path)
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}
