//! Everything at once: processes that work, processes that are killed, and a token endpoint at which
//! things go wrong, round after round. After each the cache is in order and the grant works, and a
//! person was asked only where the server had ended the grant.
//!
//! `STORM_SEED` repeats what chance decided in another run, except for what the machine's own timing
//! adds; `STORM_ROUNDS` asks for another number of rounds than 500.

mod world;

use std::ops::AddAssign;
use std::thread;

use playground::{Playground, Settings};

use super::{counted, expire, initialize, list_tools, seed, sign_in, start, tell};
use crate::support::authority::{Authority, Grant, Mishap};
use crate::support::machine::Machine;
use crate::support::oidc::OidcProvider;
use world::World;

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    rounds: usize,
    /// Rounds that began without a sign-in.
    forgotten: usize,
    started: usize,
    killed: usize,
    mishaps: usize,
    /// Requests of hosts that were answered with an error, to be tried again.
    errors: usize,
    refreshes: usize,
    reuses: usize,
    ended: usize,
    /// Code exchanges, the first of each world included.
    sign_ins: usize,
    /// Grants whose first tokens nobody ever used.
    unused: usize,
    browsers: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.forgotten += other.forgotten;
        self.started += other.started;
        self.killed += other.killed;
        self.mishaps += other.mishaps;
        self.errors += other.errors;
        self.refreshes += other.refreshes;
        self.reuses += other.reuses;
        self.ended += other.ended;
        self.sign_ins += other.sign_ins;
        self.unused += other.unused;
        self.browsers += other.browsers;
    }
}

/// What a server makes of a refresh token that comes again after its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// It is taken once more.
    Forgiven,
    /// It ends the grant.
    Fatal,
}

/// How many rounds there are, if the environment does not say otherwise.
fn rounds(usual: usize) -> usize {
    match std::env::var("STORM_ROUNDS") {
        Ok(given) => given.parse().expect("`STORM_ROUNDS` is a number"),
        Err(_) => usual,
    }
}

#[test]
fn whatever_goes_wrong_the_cache_stays_valid_and_nobody_is_asked_without_need() {
    let in_world = |number: usize, rounds: usize| {
        let reuse = [Reuse::Forgiven, Reuse::Fatal][number % 2];
        let server = Playground::start(Settings {
            retry_of_refresh: reuse == Reuse::Forgiven,
            one_access_token: number % 4 > 1,
            ..Settings::default()
        });
        World::new(&server, reuse, seed().wrapping_add(number as u64)).live_through(rounds)
    };
    let all = thread::scope(|scope| {
        // These wait most of the time, so they need not wait for the rest.
        scope.spawn(nobody_is_left_waiting_for_an_answer_that_never_comes);
        in_worlds(16, rounds(500), in_world)
    });
    tell(format_args!("storm with seed {}: {all:?}", seed()));
}

#[test]
fn whatever_goes_wrong_at_oidc_provider_nobody_is_asked_without_need() {
    let in_world = |number: usize, rounds: usize| {
        let server = OidcProvider::start();
        World::new(&server, Reuse::Fatal, seed().wrapping_sub(number as u64)).live_through(rounds)
    };
    let all = in_worlds(3, rounds(45), in_world);
    tell(format_args!(
        "storm at oidc-provider with seed {}: {all:?}",
        seed()
    ));
}

/// A refresh that is never answered is tried once more. How long it is waited for is the product's
/// own decision, half a minute, which passes for real: at four servers at a time.
fn nobody_is_left_waiting_for_an_answer_that_never_comes() {
    let ways = [Reuse::Forgiven, Reuse::Fatal]
        .into_iter()
        .flat_map(|reuse| [Mishap::Held, Mishap::HeldAfter].map(|mishap| (reuse, mishap)));
    thread::scope(|scope| {
        for (reuse, mishap) in ways {
            scope.spawn(move || never_answered(reuse, mishap));
        }
    });
}

fn never_answered(reuse: Reuse, mishap: Mishap) {
    let server = Playground::start(Settings {
        retry_of_refresh: reuse == Reuse::Forgiven,
        ..Settings::default()
    });
    let machine = Machine::new();
    sign_in(&machine, &server);
    let mut bridges = start(&machine, &server, 5);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    expire(&machine, &server);
    server.mishap(Grant::Refresh, mishap);
    // Every one gets what it asked for, although one of them had to wait for the server in vain.
    list_tools(&mut bridges);
    let (browsers, counts) = match (reuse, mishap) {
        // It was not done, so this is the first use of the token.
        (_, Mishap::Held) => (1, [1, 1, 1, 0]),
        (Reuse::Forgiven, _) => (1, [1, 1, 2, 0]),
        (Reuse::Fatal, _) => (2, [1, 2, 1, 1]),
    };
    assert_eq!(machine.opened().len(), browsers, "{}", server.printed_log());
    assert_eq!(counted(&server), counts, "{}", server.printed_log());
}

/// Several servers, each with a machine of its own, have their rounds at the same time. Most of a
/// round is waiting, as the product waits a second before it repeats a refresh.
fn in_worlds(
    worlds: usize,
    rounds: usize,
    in_world: impl Fn(usize, usize) -> Tally + Sync,
) -> Tally {
    let mut all = Tally::default();
    thread::scope(|scope| {
        let in_world = &in_world;
        let start = |number| {
            let share = rounds / worlds + usize::from(number < rounds % worlds);
            scope.spawn(move || in_world(number, share))
        };
        let running: Vec<_> = (0..worlds).map(start).collect();
        for world in running {
            match world.join() {
                Ok(tally) => all += tally,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all
}
