//! Refreshing ahead of time: nobody asks for it, nobody notices it.

use std::time::{Duration, Instant, SystemTime};

use playground::{Fault, Playground, Request, Settings, Then};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A machine that has signed in before.
fn signed_in(playground: &Playground) -> Machine {
    let machine = Machine::new();
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    // The host may have been answered before the browser came back.
    bridge.tool("echo", json!({}));
    bridge.close();
    assert_eq!(machine.opened().len(), 1);
    machine
}

/// Makes the cached token one of this lifetime, of which a fifth will be left in so many seconds.
fn due_in(machine: &Machine, seconds: u64, lifetime: u64) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.expect("a clock").as_secs();
    let expires_at = now + seconds + lifetime / 5;
    machine.edit_cached(|cached| {
        cached["expires_at"] = json!(expires_at);
        cached["granted_at"] = json!(expires_at - lifetime);
    });
}

/// An open session, after everything that opens it has been answered: what comes from then on is
/// nothing that the host asked for.
fn idle(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Bridge {
    let before = playground.requests().len();
    let bridge = Bridge::open(machine, &playground.mcp_url(), arguments);
    playground.wait_for(|requests| {
        let stream = requests[before..]
            .iter()
            .find(|r| r.method == "GET" && r.path == "/mcp");
        stream.and_then(|request| request.status)
    });
    bridge
}

fn is_refresh(request: &Request) -> bool {
    request.parameter("grant_type").as_deref() == Some("refresh_token")
}

/// Waits until this many refreshes have been answered.
fn refreshed(playground: &Playground, times: usize) {
    playground.wait_for(|requests| {
        let answered = |request: &&Request| is_refresh(request) && request.status.is_some();
        (requests.iter().filter(answered).count() >= times).then_some(())
    });
}

/// Waits until each has written one of these to stderr.
fn all_said(bridges: &[Bridge], words: [&str; 2]) {
    let end = Instant::now() + Duration::from_secs(60);
    for bridge in bridges {
        while !words.iter().any(|words| bridge.stderr().contains(words)) {
            assert!(Instant::now() < end, "{}", bridge.story());
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_token_is_renewed_again_and_again_while_the_host_says_nothing() {
    let settings = Settings {
        token_lifetime: Some(5),
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let mut bridge = idle(&machine, &playground, &[]);
    let signed_in = playground.requests().len();
    refreshed(&playground, 2);
    bridge.tool("echo", json!({}));
    // No request ever met a token that had ended.
    let since = playground.requests().split_off(signed_in);
    assert!(
        since.iter().all(|request| request.status != Some(401)),
        "{}",
        playground.printed_log()
    );
    assert_eq!((playground.reuses(), machine.opened().len()), (0, 1));
}

#[test]
fn ten_bridges_whose_token_is_due_at_once_renew_it_once() {
    let playground = Playground::start(Settings::default());
    let machine = signed_in(&playground);
    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    due_in(&machine, 5, 60);
    let mut bridges: Vec<Bridge> = (0..10)
        .map(|_| Bridge::start(&machine, &playground.mcp_url(), &["--debug"]))
        .collect();
    let ids: Vec<u64> = bridges
        .iter_mut()
        .map(|bridge| {
            bridge.request(
                "initialize",
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
            )
        })
        .collect();
    // One of them refreshes, and the others want to as well, although no request needs it.
    let wants = ["refreshing: the token ends", "waiting for another process"];
    all_said(&bridges, wants);
    playground.release_held();
    all_said(&bridges, [wants[0], "using the token that another process"]);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        let answer = bridge.answer(id);
        assert!(answer.get("result").is_some(), "{answer}");
        bridge.tool("echo", json!({}));
    }
    let counts = (
        playground.refreshes(),
        playground.reuses(),
        machine.opened().len(),
    );
    assert_eq!(counts, (1, 0, 1), "{}", playground.printed_log());
}

#[test]
fn a_grant_that_is_found_dead_meanwhile_opens_no_browser_until_somebody_asks() {
    let settings = Settings {
        token_lifetime: Some(5),
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let mut bridge = idle(&machine, &playground, &[]);
    playground.revoke_grants();
    playground.expire_access_tokens();
    let ended = ["has ended the sign-in", "signing in anew is needed"];
    all_said(std::slice::from_ref(&bridge), ended);
    assert_eq!(machine.opened().len(), 1);
    bridge.tool("echo", json!({}));
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 1));
}

#[test]
fn a_token_endpoint_that_is_down_is_asked_again_and_no_request_notices() {
    let playground = Playground::start(Settings::default());
    let machine = signed_in(&playground);
    due_in(&machine, 1, 60);
    // Each try is two requests.
    playground.fault(
        Fault::token("refresh_token")
            .times(2)
            .then(Then::answer(500)),
    );
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    refreshed(&playground, 3);
    bridge.tool("echo", json!({}));
    assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
    let stderr = bridge.close().stderr;
    assert_eq!(
        stderr.matches("is used until it ends").count(),
        1,
        "{stderr}"
    );
}

#[test]
fn a_token_that_cannot_be_renewed_is_left_alone() {
    let playground = Playground::start(Settings::default());
    let (without, with) = (signed_in(&playground), signed_in(&playground));
    without.edit_cached(|cached| {
        let cached = cached.as_object_mut().expect("an object");
        cached.remove("refresh_token");
    });
    due_in(&without, 1, 10);
    let mut bridge = idle(&without, &playground, &[]);
    // The other begins later, and is due later.
    due_in(&with, 4, 10);
    let _other = idle(&with, &playground, &[]);
    playground.expire_access_tokens();
    refreshed(&playground, 1);
    assert_eq!(without.opened().len(), 1);
    bridge.tool("echo", json!({}));
    assert_eq!((without.opened().len(), with.opened().len()), (2, 1));
    assert_eq!(playground.refreshes(), 1);
}
