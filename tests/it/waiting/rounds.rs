//! Many sign-ins, one after the other and side by side: none hangs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use playground::{Playground, Settings};
use serde_json::json;

use super::{BY_HAND, approve, are_real};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// How many sign-ins, unless [`VARIABLE`] says otherwise: as many as a test run has patience for.
const ROUNDS: usize = 200;
/// Says how many.
const VARIABLE: &str = "SIGN_IN_ROUNDS";
/// How many at a time.
const AT_A_TIME: usize = 4;

/// One sign-in on a machine that has never seen the server, up to the end of the host. Every other
/// one in a browser that the bridge opens, the rest in one that the person opens.
fn round(playground: &Playground, by_hand: bool) {
    let machine = Machine::new();
    let arguments: &[&str] = match by_hand {
        true => &BY_HAND,
        false => &[],
    };
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), arguments);
    let initialize = bridge.request(
        "initialize",
        crate::support::scene::opening("2025-11-25", json!({})),
    );
    if by_hand {
        approve(&bridge.stderr_address());
    }
    assert!(bridge.answer(initialize)["result"].is_object());
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    are_real(&bridge.call("tools/list", json!({})));
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn no_sign_in_hangs_however_many_there_are() {
    let rounds = std::env::var(VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let (begun, start) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let playground = Playground::start(Settings::default());
                let mut own = 0;
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds {
                        break;
                    }
                    round(&playground, number % 2 == 1);
                    own += 1;
                }
                let counts = (playground.registrations(), playground.code_exchanges());
                assert_eq!(counts, (own, own));
                assert_eq!(playground.sessions().len(), 0);
            });
        }
    });
    println!(
        "{rounds} sign-ins, {AT_A_TIME} at a time, in {:.1} s",
        start.elapsed().as_secs_f32()
    );
}
