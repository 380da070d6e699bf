//! When streams are asked for again, and how long they may be silent (MCP 2025-11-25, Transports,
//! Sending Messages; WHATWG HTML §9.2.6).

use std::env;
use std::thread::{self, sleep};
use std::time::Duration;

use playground::{Fault, Request, Server, Settings, Then};
use serde_json::json;

use crate::support::scene::{NEWEST, REVISIONS, Scene, everything, is_get};

fn get() -> Fault {
    Fault::of(Server::Mcp).method("GET")
}

fn resumes(request: &Request) -> bool {
    is_get(request) && request.header("last-event-id").is_some()
}

/// Holds measured delays against the one that was asked for: none much too early, and, as a busy
/// machine may hold up any of them, the typical one hardly too late.
#[track_caller]
fn assert_as_asked(mut delays: Vec<Duration>, asked: Duration) {
    delays.sort_unstable();
    let (first, median) = (delays[0], delays[delays.len() / 2]);
    assert!(first + Duration::from_millis(50) >= asked, "{delays:?}");
    assert!(median <= asked + Duration::from_millis(200), "{delays:?}");
}

#[test]
fn a_server_that_ends_a_stream_before_the_answer_is_asked_again_when_it_said() {
    const ROUNDS: usize = 5;
    for (version, retry) in REVISIONS.into_iter().zip([500, 700, 40]) {
        let mut scene = Scene::speaking(version);
        let call = Fault::mcp().rpc("tools/call");
        scene.playground.fault(call.then(Then::poll(retry)));
        scene
            .playground
            .fault(get().times(ROUNDS - 1).then(Then::poll(retry)));
        let answer = scene.bridge.call(
            "tools/call",
            json!({ "name": "echo", "arguments": { "message": "m" } }),
        );
        assert!(answer["result"].is_object(), "{answer}");
        // Each stream ends as soon as it was asked for.
        let mut asked = scene.posts("tools/call");
        asked.extend(scene.requests(resumes));
        assert_eq!(asked.len(), ROUNDS + 1);
        let delays = asked.windows(2).map(|pair| pair[1].at - pair[0].at);
        assert_as_asked(delays.collect(), Duration::from_millis(retry));
        scene.close();
    }
}

#[test]
fn a_standing_stream_that_ends_is_asked_for_again_when_the_server_said() {
    const ROUNDS: usize = 5;
    let mut scene = Scene::started(Settings::open(), &[]);
    scene
        .playground
        .fault(get().times(ROUNDS).then(Then::poll(400)));
    scene.bridge.initialize(NEWEST, everything());
    let asked = scene.playground.wait_for(|requests| {
        let asked: Vec<Request> = requests.iter().filter(|r| is_get(r)).cloned().collect();
        (asked.len() > ROUNDS).then_some(asked)
    });
    let delays = asked.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert_as_asked(delays.collect(), Duration::from_millis(400));
}

#[test]
fn a_delay_grows_only_with_attempts_that_fail() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::poll(200)));
    scene
        .playground
        .fault(get().times(2).then(Then::answer(503)));
    scene.playground.fault(get().then(Then::poll(200)));
    let answer = scene.bridge.call(
        "tools/call",
        json!({ "name": "echo", "arguments": { "message": "m" } }),
    );
    assert!(answer["result"].is_object(), "{answer}");
    let mut asked = scene.posts("tools/call");
    asked.extend(scene.requests(resumes));
    let delays: Vec<Duration> = asked
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    for (delay, least) in delays.iter().zip([200, 300, 450, 200]) {
        assert!(
            *delay + Duration::from_millis(50) >= Duration::from_millis(least),
            "{delays:?}"
        );
    }
    // Then it is the server's again: far from the 675 that a fourth failure would have made of it.
    assert!(delays[3] < Duration::from_millis(600), "{delays:?}");
}

#[test]
fn a_server_that_is_busy_says_when_to_ask_for_the_standing_stream() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let busy = Then::answer(429).header("Retry-After", "2");
    scene.playground.fault(get().then(busy));
    scene.bridge.initialize(NEWEST, everything());
    let asked = scene.playground.wait_for(|requests| {
        let asked: Vec<Request> = requests.iter().filter(|r| is_get(r)).cloned().collect();
        (asked.len() == 2).then_some(asked)
    });
    assert_as_asked(vec![asked[1].at - asked[0].at], Duration::from_secs(2));
}

#[test]
fn a_server_that_asks_for_a_very_long_delay_is_told_of() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene.playground.fault(get().then(Then::poll(86_400_000)));
    scene.bridge.initialize(NEWEST, everything());
    scene
        .bridge
        .stderr_says("asks to be left alone for 86400 s; it is asked again after 300 s");
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::poll(3_600_000)));
    scene
        .bridge
        .request("tools/call", json!({ "name": "echo" }));
    scene.bridge.stderr_says("left alone for 3600 s");
    scene.bridge.call("tools/list", json!({}));
    assert_eq!(scene.requests(resumes).len(), 0);
}

#[test]
fn a_server_that_asks_for_no_delay_and_says_nothing_is_not_hammered() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene.playground.fault(get().always().then(Then::poll(0)));
    scene.bridge.initialize(NEWEST, everything());
    let asked = scene.playground.wait_for(|requests| {
        let asked: Vec<Request> = requests.iter().filter(|r| is_get(r)).cloned().collect();
        (asked.len() == 40).then_some(asked)
    });
    let delays: Vec<Duration> = asked[34..]
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    let least = Duration::from_millis(95);
    assert!(delays.iter().all(|delay| *delay >= least), "{delays:?}");
}

/// How long the streams are silent. `.ci/run` asks for ten minutes.
fn silence() -> Duration {
    let seconds = env::var("SILENCE_SECONDS").ok();
    let seconds = seconds.map(|text| text.parse().expect("`SILENCE_SECONDS` is a number"));
    Duration::from_secs(seconds.unwrap_or(3))
}

fn both_streams_are_silent(resumable: bool) {
    let settings = Settings {
        resumable,
        ..Settings::open()
    };
    let mut scene = Scene::with(settings);
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::AsSse));
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    sleep(silence());
    scene.playground.notify("notifications/vendor", json!({}));
    scene.bridge.incoming("notifications/vendor");
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(scene.requests(is_get).len(), 1, "one was asked for again");
    scene.goes_on();
    scene.close();
}

/// Both at once, since it takes as long as they are silent.
#[test]
fn streams_with_and_without_ids_may_be_silent_for_as_long_as_they_like() {
    thread::scope(|scope| {
        scope.spawn(|| both_streams_are_silent(true));
        scope.spawn(|| both_streams_are_silent(false));
    });
}
