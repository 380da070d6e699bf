//! The variables that mcp-remote, or Node under it, goes by.

use std::fs;
use std::path::Path;

use playground::{Playground, Settings};
use serde_json::json;

use super::works;
use crate::network::authority::{Authority, For, self_signed};
use crate::network::nginx::{Nginx, Site};
use crate::network::tinyproxy::Tinyproxy;
use crate::network::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, everything, kind, opening};

/// Whatever lies in a folder and below, with its content.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(content(&path)),
            false => found.push((
                path.display().to_string(),
                fs::read(&path).unwrap_or_default(),
            )),
        }
    }
    found.sort();
    found
}

#[test]
fn mcp_remote_config_dir_is_mcp_remotes_own() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let theirs = folder.path().join("mcp-remote-v1");
    fs::create_dir(&theirs).expect("made");
    fs::write(theirs.join("0_tokens.json"), "{\"access_token\":\"x\"}").expect("written");
    let before = content(folder.path());
    let (machine, playground) = (Machine::new(), Playground::start(Settings::default()));
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &[]);
    command.env("MCP_REMOTE_CONFIG_DIR", folder.path());
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    works(&mut bridge);
    bridge.close();
    assert_eq!(
        machine.cached().len(),
        1,
        "our sign-ins are where they always are"
    );
    assert_eq!(content(folder.path()), before);
}

#[test]
fn node_extra_ca_certs_adds_roots() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let playground = Playground::start(Settings::open());
    let nginx = Nginx::start(&[Site::new(&pair, port_of(&playground.mcp_url()))]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    let mut command = Bridge::command(&Machine::new(), &url, &[]);
    command.env("NODE_EXTRA_CA_CERTS", &authority.certificate);
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    works(&mut bridge);
}

#[test]
fn node_tls_reject_unauthorized_turns_no_check_off_and_that_is_said() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let pair = self_signed(&folder, &["localhost"]);
    let playground = Playground::start(Settings::open());
    let nginx = Nginx::start(&[Site::new(&pair, port_of(&playground.mcp_url()))]);
    let url = format!("https://localhost:{}/mcp", nginx.ports[0]);
    let mut command = Bridge::command(&Machine::new(), &url, &[]);
    command.env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    let mut bridge = Bridge::start_command(command);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer).0, "connect", "{answer}");
    assert!(detail(&answer).contains("certificate"), "{answer}");
    assert!(playground.requests().is_empty());
    let stderr = bridge.close().stderr;
    assert!(
        stderr.contains("`NODE_TLS_REJECT_UNAUTHORIZED=0` has no effect"),
        "{stderr}"
    );
}

/// mcp-remote reads them only with `--enable-proxy`. For https it takes the proxy for http where it
/// has no other.
#[test]
fn the_proxy_for_http_is_that_for_https_where_mcp_remote_has_it_so() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["mcp.test"]));
    let playground = Playground::start(Settings::open());
    let nginx = Nginx::start(&[Site::new(&pair, port_of(&playground.mcp_url()))]);
    let url = format!("https://mcp.test:{}/mcp", nginx.ports[0]);
    let proxy = Tinyproxy::start(None);
    let started = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Bridge::command(&Machine::new(), &url, arguments);
        command.env("NODE_EXTRA_CA_CERTS", &authority.certificate);
        command.envs(variables.iter().copied());
        Bridge::start_command(command)
    };
    let through = proxy.url("");
    for variables in [
        &[("HTTP_PROXY", &*through)][..],
        &[
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("https_proxy", &through),
        ],
    ] {
        let mut bridge = started(&["--enable-proxy"], variables);
        bridge.initialize(NEWEST, everything());
        works(&mut bridge);
    }
    assert!(
        proxy
            .passed()
            .iter()
            .any(|line| line.starts_with("CONNECT mcp.test:"))
    );
    // Without a proxy nobody knows the name, as with one that is not to be used for it.
    let direct = [("HTTP_PROXY", &*through), ("NO_PROXY", "mcp.test")];
    for (arguments, variables) in [
        (&["--enable-proxy"][..], &direct[..]),
        (&["--enable-proxy", "--proxy", "direct"], &direct[..1]),
    ] {
        let before = proxy.passed().len();
        let mut bridge = started(arguments, variables);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(kind(&answer).0, "connect", "{answer}");
        assert_eq!(proxy.passed().len(), before);
    }
}
