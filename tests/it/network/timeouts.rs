//! Servers that are silent for longer than they may be.

use playground::{Fault, Request, Settings, Then};
use serde_json::json;

use crate::support::scene::{NEWEST, Scene, detail, everything, is_get, kind};

fn scene(settings: Settings, arguments: &[&str]) -> Scene {
    Scene::opened(settings, NEWEST, everything(), arguments)
}

fn resumes(request: &Request) -> bool {
    is_get(request) && request.header("last-event-id").is_some()
}

#[test]
fn a_call_without_a_word_is_given_up_and_cancelled_at_the_server() {
    let mut scene = scene(Settings::open(), &["--headers-timeout", "0.3"]);
    let fault = Fault::mcp().rpc("tools/call").then(Then::Hold);
    scene.playground.fault(fault);
    let id = scene.bridge.request(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }),
    );
    let answer = scene.bridge.answer(id);
    assert_eq!(kind(&answer), ("http", true, None), "{answer}");
    let said = detail(&answer);
    assert!(
        said.contains("gave no answer within 0.3 s (`--headers-timeout` allows more)"),
        "{said}"
    );
    scene.playground.wait_for(|requests| {
        let cancelled = requests
            .iter()
            .find(|r| r.calls("notifications/cancelled"))?;
        cancelled.status
    });
    let sent = scene.posts("tools/call");
    assert_eq!(sent.len(), 1, "it is not sent again");
    assert_eq!(scene.playground.cancellations().len(), 1);
    scene.playground.release_held();
    scene.goes_on();
    scene.close();
}

#[test]
fn a_silent_stream_is_resumed_if_a_limit_is_asked_for() {
    let mut scene = scene(Settings::open(), &["--body-timeout", "0.2"]);
    let arguments = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true }, "_meta": { "progressToken": "t" } });
    let id = scene.bridge.request("tools/call", arguments);
    scene.bridge.incoming("notifications/progress");
    scene
        .playground
        .wait_for(|requests| requests.iter().filter(|r| resumes(r)).nth(1).map(drop));
    scene.playground.release_slow();
    let answer = scene.bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"], "done after 1 steps",
        "{answer}"
    );
    assert_eq!(scene.posts("tools/call").len(), 1);
    assert!(scene.playground.cancellations().is_empty());
    scene.close();
}

#[test]
fn a_silent_stream_that_cannot_be_resumed_is_given_up() {
    let settings = Settings {
        resumable: false,
        ..Settings::open()
    };
    let mut scene = scene(settings, &["--body-timeout", "0.2"]);
    let arguments = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true }, "_meta": { "progressToken": "t" } });
    let id = scene.bridge.request("tools/call", arguments);
    scene.bridge.incoming("notifications/progress");
    let answer = scene.bridge.answer(id);
    let said = detail(&answer);
    assert!(
        said.contains("silent for 0.2 s (`--body-timeout` allows more)"),
        "{said}"
    );
    scene.playground.wait_for(|requests| {
        let cancelled = requests
            .iter()
            .find(|r| r.calls("notifications/cancelled"))?;
        cancelled.status
    });
    scene.playground.release_slow();
    scene.goes_on();
    scene.close();
}

#[test]
fn a_stream_on_which_a_person_is_asked_may_be_silent() {
    let mut scene = scene(Settings::open(), &["--body-timeout", "0.2"]);
    let asking = scene.bridge.request(
        "tools/call",
        json!({ "name": "ask", "arguments": { "message": "Who are you?" } }),
    );
    let question = scene.bridge.incoming("elicitation/create");
    // Another stream shows that the time goes by.
    let slow = json!({ "name": "slow", "arguments": { "steps": 1, "wait": true }, "_meta": { "progressToken": "t" } });
    let slow = scene.bridge.request("tools/call", slow);
    scene.bridge.incoming("notifications/progress");
    scene
        .playground
        .wait_for(|requests| requests.iter().filter(|r| resumes(r)).nth(2).map(drop));
    let resumed = scene.requests(resumes);
    let stream = |request: &Request| {
        request
            .header("last-event-id")
            .map(|id| id.split('-').next().unwrap_or_default().to_owned())
    };
    let first = stream(&resumed[0]);
    assert!(
        resumed
            .iter()
            .all(|request| stream(request) == first || !is_of_call(request)),
        "{}",
        scene.playground.printed_log()
    );
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "content": { "name": "Ada" } } });
    scene.bridge.send(answer);
    let answer = scene.bridge.answer(asking);
    assert!(answer["result"].is_object(), "{answer}");
    scene.playground.release_slow();
    scene.bridge.answer(slow);
    scene.close();
}

/// Whether a cursor is one of a call's stream, rather than of the standing one.
fn is_of_call(request: &Request) -> bool {
    !request
        .header("last-event-id")
        .is_some_and(|id| id.starts_with("0-"))
}
