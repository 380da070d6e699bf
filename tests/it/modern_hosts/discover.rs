//! `server/discover`, at whatever state the sign-in and the server are in. Hosts ask it of a process
//! that they end at once.

use playground::{Fault, Memory, Playground, Settings, Then};
use serde_json::json;

use super::{Host, SERVER_INFO, is_made_up, nobody_was_asked};
use crate::support::machine::{Browser, Machine};

/// A machine at which somebody has signed in to a server, with a session that is over.
fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let mut host = Host::start(&machine, &playground, &[]);
    host.works();
    host.close();
    assert_eq!(machine.opened().len(), 1);
    (playground, machine)
}

/// Asks a process that is ended as soon as it has answered.
#[track_caller]
fn probe(machine: &Machine, playground: &Playground) -> serde_json::Value {
    let mut host = Host::start(machine, playground, &[]);
    let result = host.discover();
    host.bridge.kill();
    result
}

/// A start after the probes works, with at most this many browsers so far.
#[track_caller]
fn then_works(machine: &Machine, playground: &Playground, browsers: usize) {
    let mut host = Host::start(machine, playground, &[]);
    host.discover();
    host.works();
    host.close();
    assert_eq!(machine.opened().len(), browsers, "{:?}", machine.opened());
}

#[test]
fn before_the_first_sign_in_nobody_is_asked() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for _ in 0..3 {
        assert!(is_made_up(&probe(&machine, &playground)));
    }
    nobody_was_asked(&machine, &playground);
    then_works(&machine, &playground, 1);
}

#[test]
fn a_sign_in_that_holds_brings_the_word_of_the_server() {
    let (playground, machine) = signed_in(Settings::default());
    let result = probe(&machine, &playground);
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "playground");
    assert_eq!(result["ttlMs"], 0);
    then_works(&machine, &playground, 1);
}

#[test]
fn an_expired_token_is_refreshed_and_nobody_is_asked() {
    let (playground, machine) = signed_in(Settings::default());
    machine.expire_cached();
    playground.expire_access_tokens();
    let result = probe(&machine, &playground);
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "playground");
    then_works(&machine, &playground, 1);
}

#[test]
fn a_sign_in_that_has_ended_is_begun_anew_by_the_first_request_only() {
    let (playground, machine) = signed_in(Settings::default());
    playground.revoke_grants();
    playground.expire_access_tokens();
    for _ in 0..2 {
        let result = probe(&machine, &playground);
        assert_eq!(result["_meta"][SERVER_INFO]["name"], "playground");
    }
    assert_eq!(machine.opened().len(), 1);
    then_works(&machine, &playground, 2);
}

#[test]
fn a_token_endpoint_that_hangs_is_not_waited_for() {
    let (playground, machine) = signed_in(Settings::default());
    machine.expire_cached();
    playground.expire_access_tokens();
    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    // The answer is there although nothing has moved, and the process dies with the refresh.
    let result = probe(&machine, &playground);
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "playground");
    assert_eq!(playground.faults_left(), 0);
    playground.release_held();
    then_works(&machine, &playground, 1);
}

#[test]
fn a_server_that_is_down_is_answered_for() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    playground.stop();
    assert!(is_made_up(&probe(&machine, &playground)));
    playground.resume(Memory::Kept);
    then_works(&machine, &playground, 0);
    playground.stop();
    let result = probe(&machine, &playground);
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "playground");
    playground.resume(Memory::Kept);
    then_works(&machine, &playground, 0);
}

#[test]
fn a_server_that_hangs_is_answered_for() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    playground.fault(Fault::mcp().always().then(Then::Hold));
    assert!(is_made_up(&probe(&machine, &playground)));
    playground.clear_faults();
    playground.release_held();
    then_works(&machine, &playground, 0);
}

#[test]
fn ten_at_once_disturb_neither_each_other_nor_anybody() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for round in 0..2 {
        let mut hosts: Vec<Host> = (0..10)
            .map(|_| Host::start(&machine, &playground, &[]))
            .collect();
        let ids: Vec<u64> = hosts
            .iter_mut()
            .map(|host| host.ask("server/discover", json!({})))
            .collect();
        for (host, id) in hosts.iter_mut().zip(ids) {
            assert_eq!(is_made_up(&host.result(id)), round == 0);
        }
        if round == 0 {
            nobody_was_asked(&machine, &playground);
            then_works(&machine, &playground, 1);
        }
    }
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn one_beside_a_sign_in_that_is_open_is_answered() {
    let playground = Playground::start(Settings::default());
    let machine = Machine::with(Browser::Waits);
    let mut first = Host::start(&machine, &playground, &[]);
    first.ask("tools/list", json!({}));
    first.bridge.stderr_address();
    assert!(is_made_up(&probe(&machine, &playground)));
    assert!(is_made_up(&first.discover()));
}

#[test]
fn a_process_that_is_killed_while_it_is_asked_leaves_nothing_broken() {
    let (playground, machine) = signed_in(Settings::default());
    for round in 0..20 {
        if round % 4 == 0 {
            machine.expire_cached();
        }
        let mut host = Host::start(&machine, &playground, &[]);
        host.ask("server/discover", json!({}));
        if round % 2 == 0 {
            let before = playground.requests().len();
            // In the middle of whatever it says first.
            playground.wait_for(|requests| (requests.len() > before).then_some(()));
        }
        host.bridge.kill();
    }
    let mut host = Host::start(&machine, &playground, &[]);
    host.discover();
    host.works();
    host.close();
}
