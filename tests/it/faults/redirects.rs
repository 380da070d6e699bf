//! Redirects of the endpoint (RFC 9110 §15.4): tokens and the user's headers stay with their
//! origin.

use playground::{Canned, Fault, Playground, Server, Settings, Then};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, is_delete, is_get, kind, opening};

/// A bridge to `/old?key=1` of this server, whose user configured a token.
fn to_the_old_address(playground: &Playground, machine: &Machine) -> Bridge {
    let url = playground.mcp_url().replace("/mcp", "/old?key=1");
    Bridge::start(
        machine,
        &url,
        &["--header", "Authorization: Bearer TOKEN_1"],
    )
}

fn moved(status: u16, location: &str) -> Canned {
    Then::answer(status).header("Location", location)
}

fn old() -> Fault {
    Fault::of(Server::Mcp).path("/old")
}

#[test]
fn a_redirect_within_the_origin_is_followed_with_the_message_and_the_token() {
    for status in [307, 308] {
        for form in ["/mcp", "mcp", "{origin}/mcp", "/mcp?key=2"] {
            let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
            let origin = playground.mcp_url().replace("/mcp", "");
            let location = form.replace("{origin}", &origin);
            playground.fault(old().always().then(moved(status, &location)));
            let mut bridge = to_the_old_address(&playground, &machine);
            bridge.initialize(NEWEST, json!({}));
            // Not the redirect of it.
            playground.wait_for_answered(|r| is_get(r) && r.status == Some(200));
            bridge.tool("echo", json!({}));
            bridge.close();
            let requests = playground.requests();
            assert_eq!(
                (&*requests[0].path, requests[0].status),
                ("/old", Some(status))
            );
            assert_eq!(requests[0].query.as_deref(), Some("key=1"));
            assert_eq!(requests[1].method, "POST");
            assert_eq!(requests[1].body, requests[0].body);
            assert!(is_delete(&requests[requests.len() - 1]));
            for request in &requests {
                assert_eq!(request.bearer(), Some("TOKEN_1"), "{request:?}");
            }
            // A permanent redirect is kept for all that follows; the other one is for its message
            // alone.
            for (index, request) in requests.iter().enumerate().skip(1) {
                let moved = status == 308 || index % 2 == 1;
                let expected = if moved { "/mcp" } else { "/old" };
                assert_eq!(request.path, expected, "{}", playground.printed_log());
                if moved {
                    let query = form.split_once('?').map(|(_, query)| query);
                    assert_eq!(request.query.as_deref(), query);
                }
            }
            let kept = if status == 308 { 7 } else { 12 };
            assert_eq!(requests.len(), kept, "{}", playground.printed_log());
        }
    }
}

#[test]
fn a_redirect_in_the_middle_of_a_session_is_followed() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    let call = Fault::mcp().rpc("tools/call");
    playground.fault(call.then(moved(307, "/mcp?moved")));
    let result = bridge.tool("add", json!({ "a": 1, "b": 2 }));
    assert_eq!(result["content"][0]["text"], "3");
    let calls: Vec<_> = playground
        .requests()
        .into_iter()
        .filter(|request| request.calls("tools/call"))
        .collect();
    assert_eq!(calls.len(), 2);
    bridge.tool("echo", json!({}));
    let last = playground.requests().pop().unwrap();
    assert_eq!(last.query, None, "{last:?}");
    assert_eq!(calls[1].query.as_deref(), Some("moved"));
    assert_eq!(
        calls[0].header("mcp-session-id"),
        calls[1].header("mcp-session-id")
    );
}

#[test]
fn another_origin_is_named_and_gets_nothing() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let port = playground.issuer();
    for (location, named) in [
        (format!("{port}/mcp?code=SECRET#x"), format!("{port}/mcp?…")),
        (
            "https://user:SECRET@mcp.example.com/mcp".to_owned(),
            "https://mcp.example.com/mcp".to_owned(),
        ),
        (
            "//mcp.example.com/mcp".to_owned(),
            "http://mcp.example.com/mcp".to_owned(),
        ),
    ] {
        playground.fault(old().then(moved(308, &location)));
        let mut bridge = to_the_old_address(&playground, &machine);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert_eq!(kind(&answer), ("http", false, Some(308)));
        assert!(detail(&answer).contains(&format!("`{named}`")), "{answer}");
        assert!(!answer.to_string().contains("SECRET"), "{answer}");
        assert_eq!(bridge.call("ping", json!({}))["result"], json!({}));
    }
    let requests = playground.requests();
    assert!(requests.iter().all(|request| request.server == Server::Mcp));
}

#[test]
fn a_redirect_that_would_lose_the_message_names_its_target() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    for status in [301, 302, 303] {
        for (location, named) in [
            ("/sign-in?code=SECRET", "/sign-in?…`"),
            ("https://mcp.example.com/", "`https://mcp.example.com/`"),
        ] {
            playground.fault(old().then(moved(status, location)));
            let mut bridge = to_the_old_address(&playground, &machine);
            let answer = bridge.call("initialize", opening(NEWEST, json!({})));
            assert_eq!(kind(&answer), ("http", false, Some(status.into())));
            assert!(detail(&answer).contains(named), "{answer}");
            assert!(!answer.to_string().contains("SECRET"), "{answer}");
        }
    }
    assert_eq!(playground.requests().len(), 6);
}

#[test]
fn a_redirect_to_nowhere_or_in_circles_ends() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    playground.fault(old().then(Then::answer(307)));
    let mut bridge = to_the_old_address(&playground, &machine);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("http", false, Some(307)));
    assert!(
        detail(&answer).contains("without saying where to"),
        "{answer}"
    );
    playground.fault(old().always().then(moved(307, "/old")));
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert_eq!(kind(&answer), ("http", false, Some(307)));
    assert_eq!(playground.requests().len(), 1 + 4);
    // When the server has mended its ways, all is well.
    playground.clear_faults();
    playground.fault(old().always().then(moved(308, "/mcp")));
    bridge.initialize(NEWEST, json!({}));
    bridge.tool("echo", json!({}));
}
