//! Load balancers that tell clients apart by a cookie.

use playground::{Playground, Request, Server, Settings};
use serde_json::json;

use super::authority::{Authority, For};
use super::nginx::{Nginx, Site};
use super::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

const STICKY: &str = "add_header Set-Cookie 'lb=node-7; Path=/; Secure; HttpOnly' always;\n\
                      add_header Set-Cookie 'else=1; Path=/elsewhere' always;";

/// The requests that came while a bridge with these arguments signed in and called a tool.
fn requests(arguments: &[&str]) -> Vec<Request> {
    let authority = Authority::new("The tests' CA");
    let pair = authority.issue(For::Server(&["localhost"]));
    let playground = Playground::start(Settings::default());
    let site = Site {
        more: STICKY,
        ..Site::new(&pair, port_of(&playground.mcp_url()))
    };
    let nginx = Nginx::start(&[site]);
    let origin = format!("https://localhost:{}", nginx.ports[0]);
    playground.change(|settings| settings.public_mcp = Some(origin.clone()));
    let option = authority.option();
    let arguments = [&[&*option], arguments].concat();
    let mut bridge = Bridge::open(&Machine::new(), &format!("{origin}/mcp"), &arguments);
    bridge.tool("add", json!({ "a": 1, "b": 1 }));
    bridge.close();
    playground.requests()
}

#[test]
fn a_load_balancers_cookie_goes_back_to_the_mcp_server_alone() {
    let requests = requests(&[]);
    let mcp = |request: &&Request| request.server == Server::Mcp && request.path == "/mcp";
    let mut at_mcp = requests.iter().filter(mcp);
    assert_eq!(
        at_mcp.next().expect("a first request").header("cookie"),
        None
    );
    for request in at_mcp {
        assert_eq!(
            request.header("cookie"),
            Some("lb=node-7"),
            "{}",
            request.line()
        );
    }
    let others: Vec<&Request> = requests.iter().filter(|request| !mcp(request)).collect();
    assert!(others.iter().any(|request| request.path == "/token"));
    assert!(
        others
            .iter()
            .all(|request| request.header("cookie").is_none())
    );
}

#[test]
fn a_cookie_that_the_user_configured_comes_first() {
    let requests = requests(&["--header", "Cookie: own=1"]);
    let cookies: Vec<_> = requests
        .iter()
        .filter(|r| r.path == "/mcp")
        .map(|r| r.header("cookie"))
        .collect();
    assert_eq!(cookies[0], Some("own=1"));
    assert_eq!(cookies[1], Some("own=1; lb=node-7"));
}

#[test]
fn no_cookie_goes_back_if_none_is_wanted() {
    let requests = requests(&["--disable-cookies"]);
    assert!(
        requests
            .iter()
            .all(|request| request.header("cookie").is_none())
    );
}
