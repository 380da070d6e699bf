//! The standing GET stream (MCP 2025-11-25, Transports, Listening for Messages from the Server).

use playground::{Cut, Fault, Memory, Request, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::scene::{NEWEST, REVISIONS, Scene, detail, everything, is_get, kind};

fn get() -> Fault {
    Fault::of(Server::Mcp).method("GET")
}

/// A stream that ends after so many messages, and is to be asked for again at once.
fn cut(messages: usize, ids: bool) -> Then {
    Then::CutStream(Cut {
        messages,
        ids,
        retry: Some(0),
        clean: true,
    })
}

/// An open session whose standing streams end one after the other like this.
fn with_streams(settings: Settings, version: &str, streams: &[Then]) -> Scene {
    let mut scene = Scene::started(settings, &[]);
    for then in streams {
        scene.playground.fault(get().then(then.clone()));
    }
    scene.bridge.initialize(version, everything());
    scene
}

/// Waits until the stream was asked for so many times and has been answered.
fn asked_for(scene: &Scene, times: usize) -> Vec<Request> {
    scene.playground.wait_for(|requests| {
        let asked: Vec<Request> = requests.iter().filter(|r| is_get(r)).cloned().collect();
        let answered = asked.iter().all(|request| request.status.is_some());
        (asked.len() == times && answered).then_some(asked)
    })
}

fn say(scene: &Scene, number: u64) {
    let params = json!({ "number": number });
    scene.playground.notify("notifications/vendor", params);
}

fn hear(scene: &mut Scene, number: u64) {
    let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(line["params"]["number"], number, "{line}");
}

#[test]
fn a_standing_stream_that_ends_is_opened_again_at_its_own_cursor() {
    for version in REVISIONS {
        let mut scene = with_streams(Settings::open(), version, &[cut(2, true), cut(1, true)]);
        // The stream of a call has ids of its own, which must not be mixed up with these.
        let call = Fault::mcp().rpc("tools/call");
        scene.playground.fault(call.then(Then::AsSse));
        scene.goes_on();
        for number in 1..=4 {
            say(&scene, number);
        }
        for number in 1..=4 {
            hear(&mut scene, number);
        }
        let asked = asked_for(&scene, 3);
        let cursors: Vec<_> = asked.iter().map(|r| r.header("last-event-id")).collect();
        assert_eq!(cursors, [None, Some("0-2"), Some("0-3")], "{version}");
        let session = asked[0].header("mcp-session-id");
        assert!(asked.iter().all(|r| r.header("mcp-session-id") == session));
        scene.goes_on();
        // Nothing was lost, so there is nothing to read again.
        scene.close();
    }
}

#[test]
fn a_standing_stream_that_breaks_is_opened_again() {
    let mut scene = with_streams(Settings::open(), NEWEST, &[]);
    asked_for(&scene, 1);
    say(&scene, 1);
    hear(&mut scene, 1);
    scene.playground.restart(Memory::Kept);
    say(&scene, 2);
    hear(&mut scene, 2);
    let asked = asked_for(&scene, 2);
    assert_eq!(asked[1].header("last-event-id"), Some("0-1"));
    scene.goes_on();
    scene.close();
}

#[test]
fn after_a_gap_the_host_is_told_to_read_the_lists_again() {
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let mut scene = with_streams(settings, NEWEST, &[cut(1, false)]);
    asked_for(&scene, 1);
    say(&scene, 1);
    hear(&mut scene, 1);
    let asked = asked_for(&scene, 2);
    assert_eq!(asked[1].header("last-event-id"), None);
    for kind in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{kind}/list_changed");
        assert_eq!(
            scene.bridge.line(),
            json!({ "jsonrpc": "2.0", "method": method }).to_string()
        );
    }
    say(&scene, 2);
    hear(&mut scene, 2);
    scene.close();
}

#[test]
fn a_server_without_a_standing_stream_is_asked_for_it_once() {
    let not_events = Then::answer(200)
        .header("Content-Type", "application/json")
        .body("{}");
    for then in [
        Then::answer(405),
        Then::answer(404).body("<html>no</html>"),
        Then::answer(400),
        Then::answer(406),
        Then::answer(501),
        not_events,
    ] {
        let mut scene = Scene::started(Settings::open(), &[]);
        scene.playground.fault(get().always().then(then));
        scene.bridge.initialize(NEWEST, json!({}));
        scene.goes_on();
        scene.goes_on();
        let (ended, playground) = scene.close();
        assert_eq!(
            playground.requests().iter().filter(|r| is_get(r)).count(),
            1
        );
        assert_eq!(ended.stderr, "", "this is nothing to worry a person with");
    }
}

#[test]
fn a_standing_stream_that_fails_at_first_is_tried_again() {
    let mut scene = Scene::started(Settings::open(), &[]);
    for then in [Then::from(Then::answer(503)), Then::CloseBefore] {
        scene.playground.fault(get().then(then));
    }
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
    say(&scene, 1);
    hear(&mut scene, 1);
    assert_eq!(scene.requests(is_get).len(), 3);
}

#[test]
fn a_standing_stream_that_the_server_still_thinks_open_is_tried_again() {
    let streams = [cut(1, true), Then::answer(409).into()];
    let mut scene = with_streams(Settings::open(), NEWEST, &streams);
    asked_for(&scene, 1);
    say(&scene, 1);
    hear(&mut scene, 1);
    say(&scene, 2);
    asked_for(&scene, 3);
    let heard = scene.bridge.incoming("notifications/vendor");
    assert_eq!(heard["params"]["number"], 2);
}

#[test]
fn events_that_are_no_messages_are_skipped() {
    let body = "\u{feff}: a comment\n\nevent: other\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/no\"}\n\n\
                data: not JSON\n\ndata: [1]\n\nid: 7\n\n\
                data: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/yes\"}\r\rdata: {\"cut\":";
    let stream = Then::answer(200)
        .header("Content-Type", "text/event-stream;charset=utf-8")
        .body(body);
    let mut scene = with_streams(Settings::open(), NEWEST, &[stream.into()]);
    let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(
        line,
        json!({ "jsonrpc": "2.0", "method": "notifications/yes" })
    );
    let asked = scene
        .playground
        .wait_for(|requests| requests.iter().filter(|r| is_get(r)).nth(1).cloned());
    assert_eq!(asked.header("last-event-id"), Some("7"));
}

#[test]
fn an_answer_may_come_on_the_standing_stream() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::AcceptedThenOnGet));
    let call =
        json!({ "name": "slow", "arguments": { "steps": 2 }, "_meta": { "progressToken": 1 } });
    let id = scene.bridge.request("tools/call", call);
    for step in 1..=2 {
        let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
        assert_eq!(line["params"]["progress"], step, "{line}");
    }
    let answer: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
    assert_eq!(
        (&answer["id"], answer["result"].is_object()),
        (&json!(id), true)
    );
    scene.goes_on();
}

#[test]
fn a_call_that_was_accepted_fails_if_its_answer_cannot_come() {
    let settings = Settings {
        get_stream: false,
        ..Settings::open()
    };
    let mut scene = Scene::with(settings);
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.clone().then(Then::Accepted));
    scene.playground.fault(call.then(Then::answer(200)));
    for _ in 0..2 {
        let answer = scene.bridge.call("tools/call", json!({ "name": "echo" }));
        assert_eq!(kind(&answer), ("protocol", false, None));
        assert!(detail(&answer).contains("gave no answer"), "{answer}");
    }
    scene.goes_on();
}

#[test]
fn a_call_that_was_accepted_fails_if_its_answer_may_be_lost_in_a_gap() {
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let mut scene = with_streams(settings, NEWEST, &[cut(1, false)]);
    asked_for(&scene, 1);
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::Accepted));
    let id = scene
        .bridge
        .request("tools/call", json!({ "name": "echo" }));
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    // A list after it: the bridge has dealt with the answer to the call by then.
    scene.bridge.call("tools/list", json!({}));
    say(&scene, 1);
    let answer = scene.bridge.answer(id);
    assert_eq!(kind(&answer), ("http", false, None));
    assert!(
        detail(&answer).contains("may have been carried out"),
        "{answer}"
    );
    scene.goes_on();
}

/// Events with these ids, whose messages are numbered alike.
fn events(ids: std::ops::RangeInclusive<u64>) -> Then {
    let event = |id| {
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/vendor", "params": { "number": id } });
        format!("id: e{id}\ndata: {message}\n\n")
    };
    let body: String = ids.map(event).collect();
    Then::answer(200)
        .header("Content-Type", "text/event-stream")
        .body(format!("retry: 0\n\n{body}"))
        .into()
}

#[test]
fn what_a_server_sends_again_after_a_resumption_comes_once() {
    let streams = [events(1..=2), events(1..=3), events(3..=3), events(2..=5)];
    let mut scene = with_streams(Settings::open(), NEWEST, &streams);
    for number in 1..=5 {
        hear(&mut scene, number);
    }
    let asked = asked_for(&scene, 5);
    let cursors: Vec<_> = asked.iter().map(|r| r.header("last-event-id")).collect();
    assert_eq!(
        cursors,
        [None, Some("e2"), Some("e3"), Some("e3"), Some("e5")]
    );
    scene.goes_on();
    scene.close();
}

#[test]
fn messages_that_are_equal_are_not_taken_for_repeated() {
    let message =
        json!({ "jsonrpc": "2.0", "method": "notifications/vendor", "params": { "number": 7 } });
    let twice = |one: &str, other: &str| {
        Then::answer(200)
            .header("Content-Type", "text/event-stream")
            .body(format!(
                "retry: 0\nid: {one}\ndata: {message}\n\nid: {other}\ndata: {message}\n\n"
            ))
            .into()
    };
    let streams = [twice("1", "2"), twice("3", "4")];
    let mut scene = with_streams(Settings::open(), NEWEST, &streams);
    for _ in 0..4 {
        hear(&mut scene, 7);
    }
    scene.goes_on();
    scene.close();
}

#[test]
fn a_cursor_is_kept_while_the_server_thinks_the_stream_open_and_given_up_if_it_is_unknown() {
    let streams = [
        cut(1, true),
        Then::answer(409).into(),
        Then::answer(400).body("unknown event").into(),
    ];
    let mut scene = with_streams(Settings::open(), NEWEST, &streams);
    asked_for(&scene, 1);
    say(&scene, 1);
    hear(&mut scene, 1);
    let asked = asked_for(&scene, 4);
    let cursors: Vec<_> = asked.iter().map(|r| r.header("last-event-id")).collect();
    assert_eq!(cursors, [None, Some("0-1"), Some("0-1"), None]);
    // What was said in between is lost.
    scene.bridge.incoming("notifications/tools/list_changed");
    scene.goes_on();
}

#[test]
fn a_standing_stream_is_asked_for_again_for_as_long_as_it_takes() {
    let mut scene = with_streams(Settings::open(), NEWEST, &[cut(1, true)]);
    asked_for(&scene, 1);
    say(&scene, 1);
    for then in [
        Then::answer(403),
        Then::answer(502),
        Then::answer(400).body("session already exists"),
        Then::answer(204),
    ] {
        scene.playground.fault(get().then(then));
    }
    hear(&mut scene, 1);
    asked_for(&scene, 6);
    say(&scene, 2);
    let heard = scene.bridge.incoming("notifications/vendor");
    assert_eq!(heard["params"]["number"], 2);
    assert_eq!(scene.posts("initialize").len(), 1);
    scene.goes_on();
}

#[test]
fn a_404_for_the_standing_stream_alone_costs_no_session() {
    let streams = [
        cut(1, true),
        Then::answer(404).into(),
        Then::answer(404).into(),
    ];
    let mut scene = with_streams(Settings::open(), NEWEST, &streams);
    asked_for(&scene, 1);
    say(&scene, 1);
    hear(&mut scene, 1);
    asked_for(&scene, 4);
    say(&scene, 2);
    hear(&mut scene, 2);
    // It was looked into, once.
    assert_eq!(scene.posts("ping").len(), 1);
    assert_eq!(scene.posts("initialize").len(), 1);
    scene.goes_on();
    scene.close();
}

#[test]
fn a_standing_stream_follows_the_endpoint_within_its_origin() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let moved = Then::answer(307).header("Location", "/mcp");
    scene.playground.fault(get().then(moved));
    scene.bridge.initialize(NEWEST, everything());
    let asked = asked_for(&scene, 2);
    assert_eq!(asked[1].status, Some(200));
    let away = Then::answer(308).header("Location", "https://other.example/mcp");
    let mut other = Scene::started(Settings::open(), &[]);
    other.playground.fault(get().always().then(away));
    other.bridge.initialize(NEWEST, everything());
    other.goes_on();
    assert_eq!(other.requests(is_get).len(), 1);
}
