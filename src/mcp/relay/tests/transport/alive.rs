//! Pings that find out whether the event stream is alive.

use super::*;

#[test]
fn new_connections_show_whether_the_event_stream_is_alive() {
    let (mut scene, stream) = open_over_sse();
    scene.renewed();
    let (ping, body) = sent_to(&mut scene, "/m");
    assert!(body.contains("\"method\":\"ping\""), "{body}");
    scene.remote(ping, Event::Accepted);
    scene.says(
        stream,
        &format!(r#"{{"jsonrpc":"2.0","id":{ping},"result":{{}}}}"#),
    );
    assert_eq!(released(&mut scene), ping);
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn an_event_stream_that_brings_no_answer_is_opened_anew_once() {
    let (mut scene, stream) = open_over_sse();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.renewed();
    let (ping, _) = sent_to(&mut scene, "/m");
    scene.remote(ping, Event::Accepted);
    scene.passes(30_000);
    assert_eq!(scene.aborted(), ping);
    assert_eq!(scene.aborted(), stream);
    assert_eq!(scene.aborted(), one);
    assert_eq!(code(&scene.told()), -32603);
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    // A server that never answers pings loses no second session for it.
    scene.renewed();
    let (ping, _) = sent_to(&mut scene, "/m");
    scene.passes(30_000);
    assert_eq!(scene.aborted(), ping);
    scene.nothing();
}
