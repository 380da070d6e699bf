//! Servers that want to know who connects before they listen (mutual TLS).

use std::fs;

use playground::{Playground, Settings};
use serde_json::json;
use tempfile::TempDir;

use super::authority::{Authority, For};
use super::before::{Program, free_port, text};
use super::nginx::{Nginx, Site};
use super::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, kind, opening};

#[test]
fn the_certificate_opens_the_door_and_its_absence_is_told() {
    let authority = Authority::new("The tests' CA");
    let strangers = Authority::new("Somebody else's CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let playground = Playground::start(Settings::open());
    let nginx = Nginx::start(&[Site {
        clients: Some(&authority),
        ..Site::new(&pair, port_of(&playground.mcp_url()))
    }]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    let machine = Machine::new();
    let option = authority.option();

    let ada = authority.issue(For::Client("ada"));
    let certificate = format!("--client-cert={}", text(&ada.certificate));
    let key = format!("--client-key={}", text(&ada.key));
    let mut bridge = Bridge::open(&machine, &url, &[&option, &certificate, &key]);
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
    let ended = bridge.close();
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    let requests = nginx.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.client.contains("CN=ada")),
        "{requests:?}"
    );

    let stranger = strangers.issue(For::Client("eve"));
    let certificate = format!("--client-cert={}", text(&stranger.certificate));
    let key = format!("--client-key={}", text(&stranger.key));
    for arguments in [&[&*option][..], &[&*option, &*certificate, &*key]] {
        let mut bridge = Bridge::start(&machine, &url, arguments);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(kind(&answer), ("http", false, Some(400)), "{answer}");
        assert!(detail(&answer).contains("`--client-cert`"), "{answer}");
    }
}

#[test]
fn a_server_that_ends_the_connection_for_want_of_a_certificate_is_understood() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let port = free_port();
    let accept = format!("127.0.0.1:{port}");
    for version in ["-tls1_3", "-tls1_2"] {
        let arguments = [
            "s_server",
            "-accept",
            &accept,
            version,
            "-www",
            "-cert",
            text(&pair.certificate),
            "-key",
            text(&pair.key),
            "-CAfile",
            text(&authority.certificate),
            "-Verify",
            "1",
            "-verify_return_error",
        ];
        let _server = Program::start("openssl", &arguments, TempDir::new().unwrap(), &[port]);
        let url = format!("https://localhost:{port}/mcp");
        let option = authority.option();
        let mut bridge = Bridge::start(&Machine::new(), &url, &[&option]);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        let said = detail(&answer);
        // TLS 1.2 has no alert that says what is missing.
        match version {
            "-tls1_3" => {
                assert_eq!(kind(&answer), ("connect", false, None), "{answer}");
                assert!(
                    said.contains("it wants a client certificate; name yours with `--client-cert`"),
                    "{said}"
                );
            }
            _ => {
                assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
                assert!(said.contains("it ended the TLS handshake"), "{said}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let playground = Playground::start(Settings::open());
    let authority = Authority::new("The tests' CA");
    let ada = authority.issue(For::Client("ada"));
    // Both in one file.
    let both = [
        fs::read(&ada.certificate).unwrap(),
        fs::read(&ada.key).unwrap(),
    ]
    .concat();
    fs::write(&ada.key, both).unwrap();
    fs::set_permissions(&ada.key, fs::Permissions::from_mode(0o644)).unwrap();
    let option = format!("--client-cert={}", text(&ada.key));
    let bridge = Bridge::open(&Machine::new(), &playground.mcp_url(), &[&option]);
    bridge.stderr_says(&format!(
        "warning: other users can read the private key in `{}`",
        text(&ada.key)
    ));
}
