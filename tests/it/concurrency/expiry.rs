//! Processes whose access token ends: one refresh each time, however many there are.

use std::thread;
use std::time::{Duration, Instant};

use playground::{Playground, Settings};
use serde_json::json;

use super::{MANY, counted, expire, initialize, list_tools, sign_in, start, tell};
use crate::support::authority::Authority;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::OidcProvider;

#[test]
fn processes_that_meet_an_expired_token_refresh_it_once() {
    refresh_once(&Playground::start(Settings::default()));
}

#[test]
fn processes_that_meet_an_expired_token_refresh_it_once_at_oidc_provider() {
    refresh_once(&OidcProvider::start());
}

fn refresh_once(server: &dyn Authority) {
    let machine = Machine::new();
    sign_in(&machine, server);
    expire(&machine, server);
    let mut bridges = start(&machine, server, MANY);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    assert_eq!(counted(server), [1, 1, 1, 0], "{}", server.story());

    // The grant has survived: it is good for another refresh, by processes in the middle of their
    // sessions this time.
    expire(&machine, server);
    list_tools(&mut bridges);
    assert_eq!(counted(server), [1, 1, 2, 0], "{}", server.story());
    assert_eq!(machine.opened().len(), 1, "{}", server.story());
}

#[test]
fn processes_whose_sessions_meet_a_refused_token_refresh_it_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    sign_in(&machine, &playground);
    let mut bridges = start(&machine, &playground, MANY);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    // Only the server knows that it has ended.
    playground.expire_access_tokens();
    list_tools(&mut bridges);
    assert_eq!(
        counted(&playground),
        [1, 1, 1, 0],
        "{}",
        playground.printed_log()
    );
    assert_eq!(machine.opened().len(), 1);
}

/// Lifetime of an access token in seconds.
const LIFETIME: u64 = 5;

#[test]
fn a_minute_of_five_second_tokens_under_load_has_one_refresh_for_each() {
    let playground = |one_access_token| {
        Playground::start(Settings {
            token_lifetime: Some(LIFETIME),
            one_access_token,
            ..Settings::default()
        })
    };
    let provider = || {
        let provider = OidcProvider::start();
        provider.set_access_token_seconds(LIFETIME);
        provider
    };
    // The minutes pass side by side.
    thread::scope(|scope| {
        scope.spawn(|| a_minute_of_work("the playground", &playground(false)));
        // The siblings' token is ended by each refresh there.
        scope.spawn(|| a_minute_of_work("one token at a time", &playground(true)));
        scope.spawn(|| a_minute_of_work("oidc-provider", &provider()));
    });
}

/// Several processes at work. The minute passes for real: lifetimes count in whole seconds of the
/// system's clock, on both sides. The pace is the server's, whose answers take a while.
fn a_minute_of_work(name: &str, server: &dyn Authority) {
    const AT_WORK: usize = 6;
    let machine = Machine::new();
    sign_in(&machine, server);
    let mut bridges = start(&machine, server, AT_WORK);
    initialize(&mut bridges);
    let begin = Instant::now();
    let work = |mut bridge: Bridge| {
        let mut calls = 0;
        while begin.elapsed() < Duration::from_secs(60) {
            // The host sees neither a 401 nor anything else but the result.
            let result = bridge.tool("slow", json!({ "steps": 30, "delay_ms": 5 }));
            assert!(result.get("isError").is_none(), "{result}");
            calls += 1;
        }
        calls
    };
    let calls: usize = thread::scope(|scope| {
        let workers: Vec<_> = bridges
            .into_iter()
            .map(|bridge| scope.spawn(move || work(bridge)))
            .collect();
        workers.into_iter().map(|at| at.join().unwrap()).sum()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let refreshes = server.counts().refreshes;
    tell(format_args!(
        "{name}: {calls} calls in {seconds:.0} s with tokens of {LIFETIME} s: {refreshes} refreshes, {} answers 401",
        server.tokens_refused(),
    ));
    // Refresh tokens are rotated, and none came a second time: each refresh was the only one of its
    // token.
    assert_eq!(counted(server), [1, 1, refreshes, 0], "{}", server.story());
    assert_eq!(machine.opened().len(), 1);
    // The calls were answered without a gap, and no token is good for longer than its lifetime: so
    // many tokens there must have been, of which the first came from the sign-in.
    let (refreshes, lifetime) = (refreshes as f64, LIFETIME as f64);
    assert!(refreshes >= seconds / lifetime - 2.0, "{}", server.story());
    // A token is renewed when a fifth of its life is left, which is after 4 s by a clock that counts
    // whole seconds, so after more than 3 s.
    assert!(refreshes <= seconds / 3.0 + 1.0, "{}", server.story());
}
