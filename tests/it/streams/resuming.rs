//! The stream of one answer ends before the answer is there (MCP 2025-11-25, Transports,
//! Resumability and Redelivery).

use playground::{Cut, Fault, LostSession, Request, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::scene::{NEWEST, REVISIONS, Scene, detail, is_get, kind};

/// Whether this asks for the rest of a stream.
fn resumes(request: &Request) -> bool {
    is_get(request) && request.header("last-event-id").is_some()
}

/// How the stream of the next call ends, without the wait of a client that was not told one.
fn cut(messages: usize, ids: bool, clean: bool) -> Then {
    Then::CutStream(Cut {
        messages,
        ids,
        retry: Some(0),
        clean,
    })
}

/// A call that reports progress in three steps.
fn stepping_call() -> Value {
    json!({ "name": "slow", "arguments": { "steps": 3 }, "_meta": { "progressToken": "t" } })
}

/// The stream and the place in it that an event id names at the playground.
fn cursor(request: &Request) -> (u64, u64) {
    let id = request.header("last-event-id").expect("a cursor");
    let (stream, place) = id.split_once('-').expect("the playground's form of id");
    (stream.parse().unwrap(), place.parse().unwrap())
}

#[test]
fn a_stream_that_ends_early_is_resumed_where_it_ended_and_answered_once() {
    for version in REVISIONS {
        for (messages, clean) in [(0, true), (1, true), (2, false), (3, true), (3, false)] {
            let mut scene = Scene::speaking(version);
            let fault = Fault::mcp().rpc("tools/call");
            scene
                .playground
                .fault(fault.then(cut(messages, true, clean)));
            let id = scene.bridge.request("tools/call", stepping_call());
            // Nothing is lost, and nothing comes twice.
            for step in 1..=3 {
                let line: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
                assert_eq!(line["params"]["progress"], step, "{version}: {line}");
            }
            let answer: Value = serde_json::from_str(&scene.bridge.line()).unwrap();
            assert_eq!(answer["id"], id);
            assert!(answer["result"].is_object(), "{version}: {answer}");

            let resumed = scene.requests(resumes);
            assert_eq!(resumed.len(), 1, "{version}");
            assert_eq!(cursor(&resumed[0]).1, messages as u64, "{version}");
            assert_eq!(resumed[0].header("accept"), Some("text/event-stream"));
            assert!(resumed[0].header("mcp-session-id").is_some());
            let named = (version != "2025-03-26").then_some(version);
            assert_eq!(resumed[0].header("mcp-protocol-version"), named);
            assert_eq!(scene.posts("tools/call").len(), 1, "{version}");
            scene.close();
        }
    }
}

#[test]
fn a_stream_may_end_early_more_than_once() {
    let mut scene = Scene::open();
    let (call, get) = (
        Fault::mcp().rpc("tools/call"),
        Fault::of(Server::Mcp).method("GET"),
    );
    scene.playground.fault(call.then(cut(1, true, true)));
    scene.playground.fault(get.clone().then(Then::answer(503)));
    scene.playground.fault(get.clone().then(Then::CloseBefore));
    scene
        .playground
        .fault(get.clone().then(cut(1, true, false)));
    scene.playground.fault(get.then(cut(1, true, true)));
    let id = scene.bridge.request("tools/call", stepping_call());
    for step in 1..=3 {
        let progress = scene.bridge.incoming("notifications/progress");
        assert_eq!(progress["params"]["progress"], step);
    }
    assert!(scene.bridge.answer(id)["result"].is_object());
    let places: Vec<u64> = scene
        .requests(resumes)
        .iter()
        .map(|r| cursor(r).1)
        .collect();
    assert_eq!(places, [1, 1, 1, 2, 3]);
    scene.close();
}

#[test]
fn a_server_may_end_the_stream_as_often_as_it_likes_to_be_asked_again() {
    let mut scene = Scene::open();
    let (call, get) = (
        Fault::mcp().rpc("tools/call"),
        Fault::of(Server::Mcp).method("GET"),
    );
    scene.playground.fault(call.then(Then::poll(1)));
    scene.playground.fault(get.times(20).then(Then::poll(1)));
    let call = json!({ "name": "slow", "arguments": { "steps": 0, "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene.playground.wait_for(|requests| {
        let asked = requests.iter().filter(|request| resumes(request)).count();
        (asked == 21).then_some(())
    });
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(scene.posts("tools/call").len(), 1);
    scene.close();
}

#[test]
fn a_stream_without_event_ids_is_lost_and_the_call_is_not_repeated() {
    for clean in [true, false] {
        let mut scene = Scene::open();
        let fault = Fault::mcp().rpc("tools/call");
        scene.playground.fault(fault.then(cut(1, false, clean)));
        let answer = scene.bridge.call("tools/call", stepping_call());
        assert_eq!(kind(&answer), ("http", false, None));
        let said = detail(&answer);
        assert!(said.contains("may have been carried out"), "{said}");
        assert!(said.contains("not sent again"), "{said}");
        assert_eq!(scene.posts("tools/call").len(), 1);
        assert_eq!(scene.requests(resumes).len(), 0);
        // What the server says later about it concerns nobody.
        assert_eq!(
            scene.bridge.incoming("notifications/progress")["params"]["progress"],
            1
        );
        scene.goes_on();
        scene.close();
    }
}

#[test]
fn a_server_that_cannot_resume_after_all_fails_the_call() {
    for (then, status) in [
        (Then::answer(405), "405"),
        (Then::answer(400).body("unknown cursor"), "400"),
        (Then::answer(404), "404"),
        (
            Then::answer(200)
                .header("Content-Type", "text/html")
                .body("<html>hello</html>"),
            "200",
        ),
    ] {
        let mut scene = Scene::open();
        let get = Fault::of(Server::Mcp).method("GET");
        scene.playground.fault(get.then(then));
        let call = Fault::mcp().rpc("tools/call");
        scene.playground.fault(call.then(cut(1, true, true)));
        let answer = scene.bridge.call("tools/call", stepping_call());
        assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
        let said = detail(&answer);
        assert!(said.contains(status), "{said}");
        assert!(said.contains("may have been carried out"), "{said}");
        assert_eq!(scene.posts("tools/call").len(), 1);
        scene.goes_on();
    }
}

#[test]
fn a_server_that_stays_away_fails_the_call_in_the_end() {
    let mut scene = Scene::open();
    let (call, get) = (
        Fault::mcp().rpc("tools/call"),
        Fault::of(Server::Mcp).method("GET"),
    );
    scene.playground.fault(call.then(cut(1, true, true)));
    scene.playground.fault(get.always().then(Then::answer(502)));
    let answer = scene.bridge.call("tools/call", stepping_call());
    assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
    assert!(detail(&answer).contains("502"), "{answer}");
    assert_eq!(scene.requests(resumes).len(), 5);
    scene.playground.clear_faults();
    scene.goes_on();
}

#[test]
fn a_server_that_opens_streams_and_says_nothing_fails_the_call_in_the_end() {
    let mut scene = Scene::open();
    let (call, get) = (
        Fault::mcp().rpc("tools/call"),
        Fault::of(Server::Mcp).method("GET"),
    );
    scene.playground.fault(call.then(cut(1, true, true)));
    let nothing = Then::answer(200)
        .header("Content-Type", "text/event-stream")
        .body(": hello\n\n");
    scene.playground.fault(get.always().then(nothing));
    let answer = scene.bridge.call("tools/call", stepping_call());
    assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
    assert_eq!(scene.requests(resumes).len(), 5);
}

#[test]
fn the_server_says_when_to_ask_again() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    // Much longer than the test: the answer must come from the second stream, which says another
    // delay than the first.
    let get = Fault::of(Server::Mcp).method("GET");
    scene.playground.fault(call.then(Then::poll(1)));
    scene.playground.fault(get.then(Then::poll(300_000)));
    let call = json!({ "name": "slow", "arguments": { "steps": 0, "wait": true } });
    scene.bridge.request("tools/call", call);
    scene.playground.wait_for_answered(resumes);
    // A hundred calls go back and forth, and it still waits.
    for _ in 0..100 {
        scene.goes_on();
    }
    assert_eq!(scene.requests(resumes).len(), 1);
}

#[test]
fn streams_of_several_calls_keep_their_own_cursors() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    for messages in [1, 2, 3] {
        scene
            .playground
            .fault(call.clone().then(cut(messages, true, true)));
    }
    let ids: Vec<u64> = (0..3)
        .map(|number| {
            let mut call = stepping_call();
            call["_meta"]["progressToken"] = number.into();
            scene.bridge.request("tools/call", call)
        })
        .collect();
    for id in ids {
        assert!(scene.bridge.answer(id)["result"].is_object());
    }
    let mut steps = [0; 3];
    for _ in 0..9 {
        let params = scene.bridge.incoming("notifications/progress")["params"].take();
        let token = params["progressToken"].as_u64().unwrap() as usize;
        steps[token] += 1;
        assert_eq!(params["progress"], steps[token]);
    }
    let mut cursors: Vec<_> = scene.requests(resumes).iter().map(cursor).collect();
    cursors.sort_unstable_by_key(|(stream, place)| (*place, *stream));
    let places: Vec<u64> = cursors.iter().map(|(_, place)| *place).collect();
    assert_eq!(places, [1, 2, 3]);
    let mut streams: Vec<u64> = cursors.iter().map(|(stream, _)| *stream).collect();
    streams.sort_unstable();
    streams.dedup();
    assert_eq!(streams.len(), 3, "{cursors:?}");
    scene.close();
}

#[test]
fn a_question_that_came_before_the_end_of_its_stream_is_still_answered() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(cut(1, true, true)));
    let call = json!({ "name": "ask", "arguments": {} });
    let id = scene.bridge.request("tools/call", call);
    let question = scene.bridge.incoming("elicitation/create")["id"].take();
    scene.playground.wait_for_answered(resumes);
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "id": question, "result": { "action": "cancel" } }));
    let answer = scene.bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"],
        r#"{"action":"cancel"}"#
    );
}

#[test]
fn a_call_can_be_cancelled_between_two_streams() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(Then::poll(300_000)));
    let call = json!({ "name": "slow", "arguments": { "wait": true } });
    let id = scene.bridge.request("tools/call", call);
    scene
        .playground
        .wait_for_answered(|r| r.calls("tools/call"));
    scene.bridge.send(
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": id } }),
    );
    scene
        .playground
        .wait_for_answered(|request| request.calls("notifications/cancelled"));
    assert!(scene.playground.cancellations()[0].was_running);
    scene.goes_on();
    scene.close();
}

#[test]
fn initialize_that_gets_no_answer_is_sent_again_and_if_that_is_in_vain_can_be_repeated() {
    for (times, sent) in [(1, 2), (3, 3)] {
        let mut scene = Scene::started(Settings::open(), &[]);
        let fault = Fault::mcp().rpc("initialize").times(times);
        scene.playground.fault(fault.then(cut(0, false, true)));
        let answer = scene.try_initialize();
        assert_eq!(scene.posts("initialize").len(), sent);
        if times == 1 {
            assert!(answer["result"].is_object(), "{answer}");
            continue;
        }
        assert_eq!(kind(&answer).0, "http");
        scene.bridge.initialize(NEWEST, json!({}));
        scene.goes_on();
    }
}

#[test]
fn a_list_whose_stream_is_lost_is_asked_for_again() {
    let mut scene = Scene::open();
    let fault = Fault::mcp().rpc("tools/list");
    scene.playground.fault(fault.then(cut(0, false, true)));
    let answer = scene.bridge.call("tools/list", json!({}));
    assert!(answer["result"]["tools"].is_array(), "{answer}");
    assert_eq!(scene.posts("tools/list").len(), 2);
}

#[test]
fn a_session_that_is_gone_when_a_stream_is_resumed_is_opened_again_and_the_call_fails() {
    for lost_session in [LostSession::NotFound, LostSession::BadRequest] {
        let settings = Settings {
            lost_session,
            get_stream: false,
            ..Settings::open()
        };
        let mut scene = Scene::with(settings);
        let call = Fault::mcp().rpc("tools/call");
        scene.playground.fault(call.then(Then::poll(300)));
        let id = scene.bridge.request("tools/call", stepping_call());
        scene
            .playground
            .wait_for_answered(|r| r.calls("tools/call"));
        scene.playground.forget_sessions();
        let answer = scene.bridge.answer(id);
        assert_eq!((kind(&answer).0, kind(&answer).1), ("http", false));
        let said = detail(&answer);
        assert!(said.contains("may have lost the session"), "{said}");
        assert!(said.contains("may have been carried out"), "{said}");
        // Without a word of the host.
        scene.bridge.incoming("notifications/tools/list_changed");
        assert_eq!(scene.posts("initialize").len(), 2);
        assert_eq!(scene.posts("tools/call").len(), 1);
        scene.goes_on();
    }
}

#[test]
fn an_answer_that_is_sent_again_is_given_once() {
    let mut scene = Scene::open();
    let call = Fault::mcp().rpc("tools/call");
    scene.playground.fault(call.then(cut(1, true, true)));
    let id = scene.bridge.request("tools/call", stepping_call());
    scene.playground.wait_for_answered(resumes);
    assert!(scene.bridge.answer(id)["result"].is_object());
    // The same answer once more, on the standing stream.
    let get = Fault::of(Server::Mcp).method("GET");
    let answer = json!({ "jsonrpc": "2.0", "id": number_of(&scene), "result": {} });
    let again = Then::answer(200)
        .header("Content-Type", "text/event-stream")
        .body(format!("data: {answer}\n\n"));
    scene.playground.fault(get.then(again));
    scene.playground.end_streams();
    scene.playground.wait_for(|requests| {
        let asked = requests
            .iter()
            .filter(|r| r.method == "GET" && r.status.is_some());
        (asked.count() >= 3).then_some(())
    });
    scene.goes_on();
    let ended = scene.bridge.close();
    let answers = ended
        .rest
        .iter()
        .filter(|message| message["id"] == json!(id));
    assert_eq!(answers.count(), 0, "{:?}", ended.rest);
}

/// The id under which the server knows the call.
fn number_of(scene: &Scene) -> Value {
    scene.posts("tools/call")[0].json()["id"].clone()
}
