//! SIGKILL of the process that signs in or refreshes: the others go on, and at most that one sign-in
//! has to be done again.

use std::thread;
use std::time::{Duration, Instant};

use playground::{GrantState, Playground, Settings};
use serde_json::json;

use super::{MANY, counted, expire, initialize, list_tools, sign_in, start, tell};
use crate::support::authority::{Authority, Grant, Mishap};
use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::oidc::OidcProvider;
use crate::support::scene::{NEWEST, opening};

/// What the process says that opens the browser.
const OPENS: &str = "opening the browser to sign in";
/// What the process says that takes over from one that had opened it.
const TAKES_OVER: &str = "finish the sign-in in the browser tab that is open already";
/// What a process says that has tokens in its hands and must not write them yet.
const WAITS_FOR_THE_LOCK: &str = "waiting for another process that refreshes the token";

/// Waits until one of them has said this, and gives which.
fn who_says(bridges: &[Bridge], text: &str) -> usize {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // The line is complete when its end is there.
        let says = |bridge: &Bridge| {
            let stderr = bridge.stderr();
            let line = stderr
                .split_inclusive('\n')
                .find(|line| line.contains(text));
            line.is_some_and(|line| line.ends_with('\n'))
        };
        if let Some(index) = bridges.iter().position(says) {
            return index;
        }
        let stories = || bridges.iter().map(Bridge::story).collect::<String>();
        assert!(Instant::now() < end, "nobody said `{text}`\n{}", stories());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Starts processes that all ask for a session, which needs a sign-in first.
fn start_asking(machine: &Machine, server: &dyn Authority, count: usize) -> Vec<(Bridge, u64)> {
    let ask = |mut bridge: Bridge| {
        let id = bridge.request("initialize", opening(NEWEST, json!({})));
        (bridge, id)
    };
    start(machine, server, count).into_iter().map(ask).collect()
}

/// All of them get their sessions, and their tools.
fn all_work(asking: Vec<(Bridge, u64)>) {
    let mut bridges: Vec<Bridge> = asking
        .into_iter()
        .map(|(mut bridge, id)| {
            let answer = bridge.answer(id);
            let story = || bridge.story();
            assert!(answer.get("result").is_some(), "{answer}\n{}", story());
            bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            bridge
        })
        .collect();
    list_tools(&mut bridges);
}

fn split(asking: Vec<(Bridge, u64)>) -> (Vec<Bridge>, Vec<u64>) {
    asking.into_iter().unzip()
}

#[test]
fn another_takes_the_open_tab_over_from_the_process_that_opened_it() {
    takes_the_tab_over(&Playground::start(Settings::default()));
}

#[test]
fn another_takes_the_open_tab_over_from_the_process_that_opened_it_at_oidc_provider() {
    takes_the_tab_over(&OidcProvider::start());
}

fn takes_the_tab_over(server: &dyn Authority) {
    let machine = Machine::with(Browser::Waits);
    let (mut bridges, mut ids) = split(start_asking(&machine, server, MANY));
    let holder = who_says(&bridges, OPENS);
    let tab = bridges[holder].stderr_address();
    machine.tab_is_noted();
    let killed = Instant::now();
    bridges.remove(holder).kill();
    ids.remove(holder);
    let successor = who_says(&bridges, TAKES_OVER);
    tell(format_args!(
        "the sign-in of a killed process was taken over after {} ms",
        killed.elapsed().as_millis()
    ));
    // It is the same tab, with the same port behind it.
    assert_eq!(bridges[successor].stderr_address(), tab);
    assert!(machine.browse(&tab).wait().unwrap().success());
    all_work(bridges.into_iter().zip(ids).collect());
    assert_eq!(machine.opened().len(), 1, "{}", server.story());
    assert_eq!(counted(server), [1, 1, 0, 0], "{}", server.story());
}

#[test]
fn a_process_killed_with_the_code_in_its_hands_costs_one_more_browser() {
    killed_while_exchanging(&Playground::start(Settings::default()), Mishap::Held);
}

#[test]
fn a_process_killed_before_it_reads_its_first_tokens_costs_one_more_browser() {
    killed_while_exchanging(&Playground::start(Settings::default()), Mishap::HeldAfter);
}

#[test]
fn a_process_killed_while_it_exchanges_its_code_costs_one_more_browser_at_oidc_provider() {
    for mishap in [Mishap::Held, Mishap::HeldAfter] {
        killed_while_exchanging(&OidcProvider::start(), mishap);
    }
}

fn killed_while_exchanging(server: &dyn Authority, mishap: Mishap) {
    let machine = Machine::new();
    server.mishap(Grant::Code, mishap);
    let (mut bridges, mut ids) = split(start_asking(&machine, server, MANY));
    server.wait_for_held(1);
    let lost = server.counts().exchanges;
    let holder = who_says(&bridges, OPENS);
    bridges.remove(holder).kill();
    ids.remove(holder);
    all_work(bridges.into_iter().zip(ids).collect());
    assert_eq!(machine.opened().len(), 2, "{}", server.story());
    assert_eq!(counted(server), [1, 1 + lost, 0, 0], "{}", server.story());
}

#[test]
fn tokens_of_a_process_killed_before_it_wrote_them_are_all_that_is_lost() {
    let (server, machine) = (
        Playground::start(Settings::default()),
        Machine::with(Browser::Waits),
    );
    let (mut bridges, mut ids) = split(start_asking(&machine, &server, 5));
    let holder = who_says(&bridges, OPENS);
    // The lock that is needed to write is ours, so the process has to wait with its tokens.
    let lock = machine.lock_sign_in();
    let mut person = machine.browse(&bridges[holder].stderr_address());
    let waiting = who_says(&bridges, WAITS_FOR_THE_LOCK);
    assert_eq!((waiting, server.code_exchanges()), (holder, 1));
    bridges.remove(holder).kill();
    ids.remove(holder);
    drop(lock);
    person.wait().unwrap();

    let successor = who_says(&bridges, OPENS);
    let mut person = machine.browse(&bridges[successor].stderr_address());
    all_work(bridges.into_iter().zip(ids).collect());
    person.wait().unwrap();
    assert_eq!(machine.opened().len(), 2);
    assert_eq!(
        server.grants(),
        [GrantState::Unused, GrantState::InUse],
        "{}",
        server.printed_log()
    );
    assert_eq!(server.registrations(), 1);
}

#[test]
fn a_process_killed_while_it_refreshes_holds_nobody_up() {
    let (server, machine) = (Playground::start(Settings::default()), Machine::new());
    sign_in(&machine, &server);
    expire(&machine, &server);
    server.mishap(Grant::Refresh, Mishap::Held);
    let mut first = start_asking(&machine, &server, 1);
    server.wait_for_held(1);
    let others = start_asking(&machine, &server, MANY);
    let (first, _) = first.remove(0);
    first.kill();
    all_work(others);
    assert_eq!(machine.opened().len(), 1, "{}", server.printed_log());
    assert_eq!(counted(&server), [1, 1, 1, 0], "{}", server.printed_log());
}

#[test]
fn a_refresh_whose_process_was_killed_costs_a_sign_in_only_where_the_server_wants_one() {
    for retry_of_refresh in [false, true] {
        let server = Playground::start(Settings {
            retry_of_refresh,
            ..Settings::default()
        });
        let machine = Machine::new();
        sign_in(&machine, &server);
        let mut bridges = start(&machine, &server, 5);
        initialize(&mut bridges);
        // For a process that starts now, but not for those that have the token already.
        machine.expire_cached();
        server.mishap(Grant::Refresh, Mishap::HeldAfter);
        let mut first = start_asking(&machine, &server, 1);
        server.wait_for_held(1);
        first.remove(0).0.kill();
        server.expire_access_tokens();
        list_tools(&mut bridges);
        let (browsers, counts, grants) = match retry_of_refresh {
            true => (1, [1, 1, 2, 0], vec![GrantState::InUse]),
            false => (2, [1, 2, 1, 1], vec![GrantState::Ended, GrantState::InUse]),
        };
        assert_eq!(machine.opened().len(), browsers, "{}", server.printed_log());
        assert_eq!(counted(&server), counts, "{}", server.printed_log());
        assert_eq!(server.grants(), grants);
    }
}
