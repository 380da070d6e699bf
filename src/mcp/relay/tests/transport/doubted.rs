//! An event stream whose connection may be dead, although nothing was said.

use super::*;

fn renewed(scene: &mut Scene) {
    scene.relay.connections_renewed(scene.now);
    scene.effects.extend(scene.relay.take_effects());
}

#[test]
fn an_idle_stream_is_exchanged_for_another_at_once() {
    let (mut scene, stream) = open_over_sse();
    renewed(&mut scene);
    assert_eq!(scene.aborted(), stream);
    let stream = get(&mut scene);
    scene.host(&call("1"));
    scene.nothing();
    opens_again(&mut scene, stream);
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
}

#[test]
fn a_stream_on_which_an_answer_may_come_is_asked_for_a_sign_of_life() {
    let (mut scene, stream) = open_over_sse();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.remote(one, Event::Accepted);
    renewed(&mut scene);
    let (ping, body) = sent_to(&mut scene, "/m");
    assert!(body.contains("\"ping\""), "{body}");
    scene.says(
        stream,
        &format!(r#"{{"jsonrpc":"2.0","id":{ping},"result":{{}}}}"#),
    );
    assert_eq!(released(&mut scene), ping);
    scene.passes(60_000);
    scene.nothing();
    scene.says(
        stream,
        &format!(r#"{{"jsonrpc":"2.0","id":{one},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

#[test]
fn a_stream_without_a_sign_of_life_is_lost() {
    let (mut scene, stream) = open_over_sse();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.remote(one, Event::Accepted);
    renewed(&mut scene);
    let (ping, _) = sent_to(&mut scene, "/m");
    scene.remote(ping, Event::Accepted);
    scene.passes(29_999);
    scene.nothing();
    scene.passes(1);
    assert_eq!(scene.aborted(), ping);
    assert_eq!(scene.aborted(), stream);
    assert_eq!(scene.aborted(), one);
    assert!(scene.told().contains("may have been carried out"));
    let stream = get(&mut scene);
    opens_again(&mut scene, stream);
    scene.nothing();
}

#[test]
fn a_delay_is_over_when_the_connections_are_renewed() {
    let (mut scene, stream) = open_over_sse();
    scene.remote(stream, ended());
    scene.nothing();
    renewed(&mut scene);
    get(&mut scene);
}

#[test]
fn a_session_that_is_being_opened_goes_on() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    renewed(&mut scene);
    scene.nothing();
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    renewed(&mut scene);
    scene.nothing();
    scene.says(stream, &initialized_result(first, "2024-11-05", TOOLS));
    assert!(scene.told().contains("\"result\""));
}
