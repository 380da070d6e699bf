//! Proxies, with and without a password.

use std::process::Stdio;

use playground::{Playground, Server, Settings};
use serde_json::json;

use super::authority::{Authority, For};
use super::before::free_port;
use super::nginx::{Nginx, Site};
use super::tinyproxy::Tinyproxy;
use super::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, kind, opening};

/// Not all that a password can have: tinyproxy takes only a few characters.
const PASSWORD: &str = "p-ss.w_rd";
/// The same as it stands in an address.
const CREDENTIALS: &str = "me:p%2Dss.w%5Frd@";

#[test]
fn a_sign_in_and_all_messages_go_through_a_proxy_with_a_password() {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["mcp.test", "auth.test"]));
    let playground = Playground::start(Settings::default());
    let issuer = playground.issuer();
    let sites = [port_of(&playground.mcp_url()), port_of(&issuer)];
    let nginx = Nginx::start(&sites.map(|to| Site::new(&pair, to)));
    let mcp = format!("https://mcp.test:{}", nginx.ports[0]);
    let auth = format!("https://auth.test:{}", nginx.ports[1]);
    playground.change(|settings| {
        settings.public_mcp = Some(mcp.clone());
        settings.public_authorization = Some(auth.clone());
    });
    let proxy = Tinyproxy::start(Some(PASSWORD));
    let url = format!("{mcp}/mcp");
    let (roots, given) = (authority.option(), proxy.url(CREDENTIALS));

    // By option, and as the environment has it.
    for variable in [None, Some("HTTPS_PROXY"), Some("all_proxy")] {
        let machine = Machine::new();
        let option = format!("--proxy={given}");
        let arguments = [&*roots, "--no-browser", &*option];
        let mut command = match variable {
            None => Bridge::command(&machine, &url, &arguments),
            Some(_) => Bridge::command(&machine, &url, &arguments[..2]),
        };
        if let Some(name) = variable {
            command.env(name, &given);
        }
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, json!({}));
        let list = bridge.request("tools/list", json!({}));
        // The person's browser knows no proxy, and finds the page all the same.
        let address = bridge.stderr_address();
        let page = address.replacen(&auth, &issuer, 1);
        assert_ne!(page, address);
        let browsed = machine.browse(&page).wait().expect("a browser");
        assert!(browsed.success());
        assert!(bridge.tools_listed(list).contains(&"slow".to_owned()));
        let result = bridge.tool("slow", json!({ "steps": 2 }));
        assert_eq!(result["content"][0]["text"], "done after 2 steps");
        let ended = bridge.close();
        assert!(
            !ended.stderr.contains("p-ss") && !ended.stderr.contains("p%2Dss"),
            "{}",
            ended.stderr
        );
    }

    let passed = proxy.passed();
    for origin in [&mcp, &auth] {
        let tunnel = format!("CONNECT {} HTTP/1.1", origin.trim_start_matches("https://"));
        assert!(
            passed.iter().any(|line| line.eq_ignore_ascii_case(&tunnel)
                || line.starts_with(&tunnel[..tunnel.len() - 4])),
            "{passed:?}"
        );
    }
    // The token endpoint is among what was reached through it.
    assert_eq!(playground.code_exchanges(), 3);
    let tokens = nginx.requests();
    let tokens = tokens
        .iter()
        .filter(|request| request.request == "POST /token");
    assert_eq!(tokens.count(), 3);
}

#[test]
fn a_proxy_that_wants_a_password_is_told_apart_from_the_server() {
    let proxy = Tinyproxy::start(Some(PASSWORD));
    let refusal = |url: &str, credentials: &str| {
        let machine = Machine::new();
        let option = format!("--proxy={}", proxy.url(credentials));
        let mut bridge = Bridge::start(&machine, url, &[&option, "--allow-http"]);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert!(!bridge.story().contains("SECRET_1"), "{}", bridge.story());
        assert!(machine.opened().is_empty());
        answer
    };
    let named = format!("the proxy `{}` ", proxy.url(""));
    for url in ["https://mcp.test/mcp", "http://mcp.test/mcp"] {
        let answer = refusal(url, "");
        assert_eq!(kind(&answer), ("connect", false, None), "{answer}");
        let said = detail(&answer);
        assert!(
            said.contains(&format!("{named}wants a user name and a password")),
            "{said}"
        );
        assert!(said.contains("http://USER:PASSWORD@HOST:PORT"), "{said}");
    }
    // This one answers 401 to a wrong password, which says as much as any other refusal.
    let answer = refusal("https://mcp.test/mcp", "me:SECRET_1@");
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    let said = detail(&answer);
    assert!(said.contains(&named), "{said}");
    assert!(
        said.contains("or not accept the user name and password"),
        "{said}"
    );
    assert!(proxy.passed().is_empty());
}

#[test]
fn plain_http_goes_through_the_proxy_too_unless_the_host_is_excepted() {
    let playground = Playground::start(Settings::open());
    let proxy = Tinyproxy::start(None);
    let option = format!("--proxy={}", proxy.url(""));
    let url = format!("http://mcp.test:{}/mcp", port_of(&playground.mcp_url()));
    let machine = Machine::new();
    let mut bridge = Bridge::open(&machine, &url, &[&option, "--allow-http"]);
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42");
    bridge.close();
    let passed = proxy.passed();
    assert!(
        passed.len() >= 3 && passed.iter().all(|line| line.contains("/mcp")),
        "{passed:?}"
    );

    // What is on this machine never goes through it.
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[&option]);
    bridge.tool("add", json!({ "a": 1, "b": 1 }));
    bridge.close();
    // Nor what is excepted, here a name that only the proxy knows.
    let arguments = [&*option, "--allow-http", "--no-proxy", ".test"];
    let mut bridge = Bridge::start(&machine, &url, &arguments);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    assert!(!detail(&answer).contains("proxy"), "{answer}");
    assert_eq!(proxy.passed().len(), passed.len());
}

#[test]
fn a_proxy_that_is_not_there_is_named_in_place_of_the_server() {
    let port = free_port();
    let machine = Machine::new();
    let option = format!("--proxy=http://me:SECRET_1@127.0.0.1:{port}");
    let mut bridge = Bridge::start(&machine, "https://mcp.test/mcp", &[&option]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    let expected = format!("the proxy `http://127.0.0.1:{port}` cannot be reached");
    assert!(detail(&answer).contains(&expected), "{answer}");
    assert!(!bridge.story().contains("SECRET_1"), "{}", bridge.story());
    assert!(machine.opened().is_empty());
}

#[test]
fn a_host_that_the_proxy_cannot_find_is_told() {
    let proxy = Tinyproxy::start(None);
    let option = format!("--proxy={}", proxy.url(""));
    // The proxy behind it finds every name on this machine, where nothing listens on this port.
    let url = format!("https://gone.test:{}/mcp", free_port());
    let mut bridge = Bridge::start(&Machine::new(), &url, &[&option]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("connect", true, None), "{answer}");
    let expected = format!("the proxy `{}` ", proxy.url(""));
    assert!(detail(&answer).contains(&expected), "{answer}");
}

#[test]
fn a_sign_in_that_cannot_get_out_says_so_and_opens_no_browser() {
    let playground = Playground::start(Settings::default());
    let port = free_port();
    // The authorization server is beyond a proxy that is not there.
    playground.change(|settings| settings.public_authorization = Some("https://auth.test".into()));
    let machine = Machine::new();
    let mut login = machine.command();
    login.args(["login", &playground.mcp_url()]);
    login.arg(format!("--proxy=http://127.0.0.1:{port}"));
    let output = login.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let expected = format!("the proxy `http://127.0.0.1:{port}` cannot be reached");
    assert!(said.contains(&expected), "{said}");
    assert!(machine.opened().is_empty());
    let asked = playground.requests();
    assert!(asked.iter().all(|request| request.server == Server::Mcp));
}
