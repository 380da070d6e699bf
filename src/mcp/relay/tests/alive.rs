//! Checking the session, and keeping the connection alive.

use std::time::Duration;

use super::*;

const INTERVAL: u64 = 30_000;

/// An open session, with pings after so long a silence.
fn pinging() -> Scene {
    let mut scene = Scene::open();
    let relay = std::mem::replace(&mut scene.relay, Relay::new("unused"));
    scene.relay = relay.keeping_alive(Some(Duration::from_millis(INTERVAL)));
    scene
}

impl Scene {
    /// The next effect, which must be a ping of ours.
    fn pinged(&mut self) -> u64 {
        match self.next() {
            Some(Effect::Send(outgoing)) => {
                let number = outgoing.exchange;
                let ping = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#);
                assert_eq!(outgoing.body, ping);
                assert!(outgoing.session.is_some());
                assert!(!outgoing.asks, "nobody signs in for a ping");
                number
            }
            other => panic!("expected a ping, got {other:?}"),
        }
    }

    fn pong(&mut self, number: u64) {
        let pong = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#);
        self.reply(number, &pong);
        self.nothing();
    }

    /// Time passes until the relay wants to be told.
    fn passes_until_due(&mut self) -> u64 {
        let begun = self.now;
        let due = self.relay.deadline().expect("something to wait for");
        assert!(due > begun, "{due} is not later than {begun}");
        self.passes(due - begun);
        self.now - begun
    }
}

#[test]
fn new_connections_lead_to_a_check_that_nobody_sees() {
    let mut scene = Scene::open();
    assert_eq!(scene.relay.deadline(), None);
    scene.renewed();
    let ping = scene.pinged();
    scene.pong(ping);
    assert_eq!(scene.relay.deadline(), None);
    // A server may know no pings.
    scene.renewed();
    let ping = scene.pinged();
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":{ping},"error":{{"code":-32601,"message":"no such method"}}}}"#
    );
    scene.reply(ping, &error);
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn a_check_that_finds_the_session_gone_opens_a_new_one_and_the_client_learns_it() {
    let mut scene = Scene::open();
    scene.host(&call("1"));
    let (running, _) = scene.sent();
    scene.renewed();
    let ping = scene.pinged();
    scene.remote(ping, Event::SessionLost);
    reopen(&mut scene);
    // The ping is not repeated, nor is the call.
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
    scene.remote(
        running,
        Event::Failed(Failure::new(Stage::Http, false, "it broke")),
    );
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&call("2"));
    assert!(scene.sent().1.contains("tools/call"));
}

#[test]
fn a_session_without_an_id_has_nothing_to_check() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    scene.remote(standing, Event::StandingOpen);
    scene.renewed();
    scene.remote(standing, Event::SessionDoubted);
    scene.nothing();
}

#[test]
fn without_an_open_session_there_is_nothing_to_check() {
    let mut scene = Scene::new();
    scene.renewed();
    scene.nothing();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.renewed();
    scene.nothing();
    scene.remote(first, Event::SessionHeader(Some(Secret::new("s1"))));
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.told();
    scene.renewed();
    scene.nothing();
    scene.host(INITIALIZED);
    scene.sent();
    scene.renewed();
    scene.nothing();
}

#[test]
fn a_stream_that_cannot_be_opened_again_casts_doubt_on_its_own_session_only() {
    let mut scene = Scene::open();
    scene.remote(99, Event::SessionDoubted);
    scene.nothing();
    scene.remote(3, Event::SessionDoubted);
    let ping = scene.pinged();
    // One check is enough.
    scene.remote(3, Event::SessionDoubted);
    scene.nothing();
    scene.pong(ping);

    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.remote(one, Event::SessionDoubted);
    let ping = scene.pinged();
    scene.remote(
        one,
        Event::Failed(Failure::new(Stage::Http, false, "resuming failed")),
    );
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&call("2"));
    let (two, _) = scene.sent();
    scene.remote(ping, Event::SessionLost);
    reopen(&mut scene);
    // That session is gone, which is known.
    scene.remote(two, Event::SessionDoubted);
    scene.remote(3, Event::SessionDoubted);
    scene.nothing();
}

#[test]
fn the_client_loses_the_session_while_it_is_checked() {
    let mut scene = Scene::open();
    scene.renewed();
    let ping = scene.pinged();
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.remote(one, Event::SessionLost);
    assert_eq!(scene.aborted(), ping);
    reopen(&mut scene);
    assert!(scene.sent().1.contains("tools/call"));
    // What was on its way about it means nothing any more.
    scene.remote(ping, Event::SessionLost);
    scene.nothing();
}

#[test]
fn connections_that_are_renewed_again_take_their_ping_along() {
    let mut scene = Scene::open();
    scene.renewed();
    let first = scene.pinged();
    scene.renewed();
    assert_eq!(scene.aborted(), first);
    let second = scene.pinged();
    scene.pong(second);
}

#[test]
fn a_check_that_comes_to_nothing_is_made_again_less_and_less_often() {
    let unreachable = || Event::Failed(Failure::new(Stage::Connect, true, "no route"));
    for answers in [false, true] {
        let mut scene = Scene::open();
        scene.renewed();
        let mut waits = Vec::new();
        for _ in 1..CHECKS {
            let ping = scene.pinged();
            match answers {
                true => scene.remote(ping, unreachable()),
                false => {
                    assert_eq!(scene.passes_until_due(), 30_000);
                    assert_eq!(scene.aborted(), ping);
                }
            }
            scene.nothing();
            waits.push(scene.passes_until_due() / 1000);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60, 60, 60]);
        let ping = scene.pinged();
        scene.remote(ping, unreachable());
        scene.nothing();
        assert_eq!(scene.relay.deadline(), None);
        // The next time it begins afresh.
        scene.renewed();
        let ping = scene.pinged();
        scene.remote(ping, unreachable());
        assert_eq!(scene.passes_until_due(), 5_000);
        let ping = scene.pinged();
        scene.pong(ping);
        assert_eq!(scene.relay.deadline(), None);
    }
}

const CHECKS: u32 = 10;

#[test]
fn a_server_that_refuses_pings_but_not_for_want_of_the_session_is_there() {
    for (status, again) in [(400, false), (403, false), (500, true), (503, true)] {
        let mut scene = Scene::open();
        scene.renewed();
        let ping = scene.pinged();
        let mut failure = Failure::new(Stage::Http, false, "no");
        failure.status = Some(status);
        scene.remote(ping, Event::Failed(failure));
        scene.nothing();
        assert_eq!(scene.relay.deadline().is_some(), again, "{status}");
    }
}

#[test]
fn a_ping_keeps_a_silent_connection_alive() {
    let mut scene = pinging();
    for _ in 0..3 {
        assert_eq!(scene.passes_until_due(), INTERVAL);
        let ping = scene.pinged();
        scene.pong(ping);
    }
    // Whatever is sent puts it off; what comes does not.
    scene.now += 20_000;
    scene.host(&call("1"));
    let (one, _) = scene.sent();
    scene.now += 10_000;
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
    );
    scene.told();
    assert_eq!(scene.passes_until_due(), 20_000);
    let ping = scene.pinged();
    scene.pong(ping);
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
    ] {
        scene.now += 20_000;
        scene.host(line);
        while scene.next().is_some() {}
        assert_eq!(scene.relay.deadline(), Some(scene.now + INTERVAL), "{line}");
    }
    scene.remote(one, Event::Accepted);
}

#[test]
fn without_being_asked_nothing_pings() {
    let mut scene = Scene::open();
    scene.passes(10 * INTERVAL);
    scene.nothing();
}

#[test]
fn pings_begin_with_the_session_and_pause_without_one() {
    let mut scene = Scene::new();
    scene.relay =
        Relay::new("mcp.example.com").keeping_alive(Some(Duration::from_millis(INTERVAL)));
    scene.passes(10 * INTERVAL);
    scene.nothing();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    assert_eq!(scene.relay.deadline(), None);
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    scene.remote(standing, Event::StandingOpen);
    assert_eq!(scene.passes_until_due(), INTERVAL);
    // Even a server without session ids is kept awake.
    let ping = scene.pinged();
    scene.pong(ping);
    scene.relay.close();
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn a_ping_without_an_answer_means_a_dead_connection_once() {
    let mut scene = pinging();
    scene.passes_until_due();
    let ping = scene.pinged();
    assert_eq!(scene.passes_until_due(), INTERVAL);
    assert_eq!(scene.aborted(), ping);
    assert!(matches!(scene.next(), Some(Effect::RenewConnections)));
    scene.nothing();
    // It is no longer awaited, and the next one checks the session on the new connection.
    scene.renewed();
    let check = scene.pinged();
    scene.remote(check, Event::Failed(Failure::new(Stage::Http, false, "-")));
    // A server that answers no pings at all is not taken for dead again and again.
    for _ in 0..5 {
        scene.passes_until_due();
        while let Some(effect) = scene.next() {
            assert!(!matches!(effect, Effect::RenewConnections));
        }
    }
    // Until it has answered one.
    scene.renewed();
    let ping = loop {
        match scene.next() {
            Some(Effect::Send(outgoing)) => break outgoing.exchange,
            other => assert!(matches!(other, Some(Effect::Abort(_))), "{other:?}"),
        }
    };
    scene.pong(ping);
    assert_eq!(scene.passes_until_due(), INTERVAL);
    let ping = scene.pinged();
    scene.passes_until_due();
    assert_eq!(scene.aborted(), ping);
    assert!(matches!(scene.next(), Some(Effect::RenewConnections)));
}

#[test]
fn a_ping_that_finds_the_session_gone_opens_a_new_one() {
    let mut scene = pinging();
    scene.passes_until_due();
    let ping = scene.pinged();
    scene.remote(ping, Event::SessionLost);
    reopen(&mut scene);
    scene.nothing();
    assert_eq!(scene.passes_until_due(), INTERVAL);
    scene.pinged();
}

#[test]
fn a_session_that_could_not_be_opened_again_is_tried_with_new_connections() {
    let mut scene = Scene::open();
    scene.renewed();
    let ping = scene.pinged();
    scene.remote(ping, Event::SessionLost);
    scene.aborted();
    let (again, _) = scene.sent();
    scene.remote(
        again,
        Event::Failed(Failure::new(Stage::Connect, true, "down")),
    );
    scene.nothing();
    scene.renewed();
    let (again, body) = scene.sent();
    assert!(body.contains("initialize"), "{body}");
    scene.reply(again, &initialized_result(again, "2025-11-25", "{}"));
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    scene.standing();
    assert!(scene.told().contains("tools/list_changed"));
}

#[test]
fn checks_cannot_open_sessions_without_end() {
    let mut scene = Scene::open();
    for _ in 0..REOPEN_LIMIT {
        scene.renewed();
        let ping = scene.pinged();
        scene.remote(ping, Event::SessionLost);
        let standing = scene.aborted();
        let (again, _) = scene.sent();
        scene.remote(again, Event::SessionHeader(Some(Secret::new("s2"))));
        scene.reply(again, &initialized_result(again, "2025-11-25", "{}"));
        let (announced, _) = scene.sent();
        scene.remote(announced, Event::Accepted);
        assert_ne!(scene.standing(), standing);
        scene.told();
    }
    scene.renewed();
    let ping = scene.pinged();
    scene.remote(ping, Event::SessionLost);
    scene.aborted();
    scene.nothing();
    // It is lost, and stays so until a minute has passed.
    scene.renewed();
    scene.nothing();
    scene.now += REOPEN_WINDOW;
    scene.renewed();
    assert!(scene.sent().1.contains("initialize"));
}

#[test]
fn the_end_leaves_no_ping_behind() {
    let mut scene = Scene::open();
    scene.renewed();
    let ping = scene.pinged();
    scene.relay.close();
    scene.effects.extend(scene.relay.take_effects());
    assert_eq!(scene.aborted(), ping);
    assert_eq!(scene.aborted(), 3);
    assert!(matches!(scene.next(), Some(Effect::EndSession(_))));
    scene.nothing();
}

#[test]
fn an_answer_to_a_ping_may_come_on_the_standing_stream() {
    let mut scene = Scene::open();
    scene.renewed();
    let ping = scene.pinged();
    scene.remote(ping, Event::Accepted);
    scene.nothing();
    let pong = format!(r#"{{"jsonrpc":"2.0","id":{ping},"result":{{}}}}"#);
    scene.says(3, &pong);
    assert_eq!(scene.aborted(), ping);
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
}
