//! A server where a grant has one access token: each refresh ends the one that the siblings hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use playground::{Fault, Playground, Settings, Then};
use serde_json::json;

use super::{counted, initialize, list_tools, sign_in, start, tell};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

fn one_access_token() -> Playground {
    Playground::start(Settings {
        one_access_token: true,
        ..Settings::default()
    })
}

/// For processes that start now, the cached token was refreshed a moment ago and is due again.
fn make_due(machine: &Machine) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    machine.edit_cached(|cached| {
        cached["refreshed_at"] = json!(now.as_secs() - 50);
        cached["expires_at"] = json!(now.as_secs() + 10);
    });
}

#[test]
fn siblings_whose_token_has_just_been_replaced_wait_for_the_new_one() {
    let (server, machine) = (one_access_token(), Machine::new());
    sign_in(&machine, &server);
    let mut siblings = start(&machine, &server, 5);
    initialize(&mut siblings);
    list_tools(&mut siblings);

    make_due(&machine);
    server.fault(Fault::token("refresh_token").then(Then::HoldAnswer));
    let mut newcomer = start(&machine, &server, 1);
    let ids: Vec<u64> = thread::scope(|scope| {
        scope.spawn(|| {
            initialize(&mut newcomer);
            list_tools(&mut newcomer);
        });
        // From here on the old token is refused, while the new one is not in the cache yet.
        server.wait_for(|_| (server.refreshes() == 1).then_some(()));
        let ids = siblings
            .iter_mut()
            .map(|bridge| bridge.request("tools/list", json!({})))
            .collect();
        server.wait_for(|requests| {
            let lists = requests.iter().filter(|r| r.calls("tools/list"));
            let refused = lists.filter(|request| request.status == Some(401));
            (refused.count() == 5).then_some(())
        });
        server.release_held();
        ids
    });
    for (bridge, id) in siblings.iter_mut().zip(ids) {
        assert!(bridge.tools_listed(id).contains(&"echo".to_owned()));
    }
    assert_eq!(machine.opened().len(), 1, "{}", server.printed_log());
    assert_eq!(counted(&server), [1, 1, 1, 0], "{}", server.printed_log());
}

#[test]
fn siblings_at_work_never_notice_that_their_tokens_are_ended_by_refreshes() {
    const REFRESHES: usize = 25;
    let (server, machine) = (one_access_token(), Machine::new());
    sign_in(&machine, &server);
    let mut siblings = start(&machine, &server, 4);
    initialize(&mut siblings);
    let done = AtomicBool::new(false);
    let work = |mut bridge: Bridge| {
        let mut calls = 0;
        while !done.load(Ordering::Relaxed) {
            let result = bridge.tool("slow", json!({ "steps": 1, "delay_ms": 5 }));
            assert!(result.get("isError").is_none(), "{result}");
            calls += 1;
        }
        calls
    };
    let calls: usize = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = siblings
            .into_iter()
            .map(|bridge| scope.spawn(move || work(bridge)))
            .collect();
        for round in 0..REFRESHES {
            match round % 2 {
                0 => make_due(&machine),
                _ => machine.expire_cached(),
            }
            let mut newcomer = start(&machine, &server, 1);
            initialize(&mut newcomer);
            list_tools(&mut newcomer);
        }
        done.store(true, Ordering::Relaxed);
        workers.into_iter().map(|at| at.join().unwrap()).sum()
    });
    let requests = server.requests();
    let refused = requests.iter().filter(|r| r.status == Some(401)).count();
    tell(format_args!(
        "{calls} calls while {REFRESHES} refreshes ended the token in use: {refused} answers 401, none seen by a host"
    ));
    assert_eq!(machine.opened().len(), 1, "{}", server.printed_log());
    assert_eq!(
        counted(&server),
        [1, 1, REFRESHES, 0],
        "{}",
        server.printed_log()
    );
}
