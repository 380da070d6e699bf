//! Which transport a session is opened over, and what happens to the event stream of HTTP+SSE.

mod doubted;
mod losing;

use url::Url;

use super::*;
use crate::mcp::transport::{Endpoint, Preference, Route, Transport};

/// The whole of the next effect, which must be a message to the server or a GET.
fn outgoing(scene: &mut Scene) -> Outgoing {
    match scene.next() {
        Some(Effect::Send(outgoing)) => outgoing,
        other => panic!("expected a message to the server, got {other:?}"),
    }
}

/// The next effect, which must be the GET of an event stream.
fn get(scene: &mut Scene) -> u64 {
    let outgoing = outgoing(scene);
    let is_get = matches!(outgoing.kind, OutgoingKind::Events { .. });
    assert!(is_get && outgoing.body.is_empty(), "{outgoing:?}");
    outgoing.exchange
}

/// The next effect, which must be a POST to the configured address.
fn post(scene: &mut Scene) -> (u64, String) {
    sent_by(scene, &Route::Streamable)
}

/// The next effect, which must be a message to the address that the stream named.
fn sent_to(scene: &mut Scene, path: &str) -> (u64, String) {
    sent_by(scene, &Route::Sse(endpoint(path)))
}

fn sent_by(scene: &mut Scene, route: &Route) -> (u64, String) {
    let outgoing = outgoing(scene);
    assert_eq!(&outgoing.route, route, "{outgoing:?}");
    let is_get = matches!(outgoing.kind, OutgoingKind::Events { .. });
    assert!(!is_get, "{outgoing:?}");
    let body = String::from_utf8(outgoing.body.to_vec()).unwrap();
    (outgoing.exchange, body)
}

fn released(scene: &mut Scene) -> u64 {
    match scene.next() {
        Some(Effect::Release(exchange)) => exchange,
        other => panic!("expected an exchange to be released, got {other:?}"),
    }
}

fn endpoint(path: &str) -> Endpoint {
    let stream = Url::parse("https://mcp.example.com/sse").unwrap();
    Endpoint::resolve(&stream, path).unwrap()
}

fn connected(scene: &mut Scene, stream: u64) {
    scene.remote(stream, Event::Connected(endpoint("/m")));
}

fn answered(status: u16) -> Event {
    Event::Failed(Failure {
        status: Some(status),
        ..Failure::new(Stage::Http, false, format!("`x` answered {status}"))
    })
}

fn outage() -> Event {
    Event::Failed(Failure::new(Stage::Connect, true, "no route"))
}

fn ended() -> Event {
    ended_asking(None)
}

fn ended_asking(retry: Option<u64>) -> Event {
    Event::EventsEnded {
        failure: Failure::new(Stage::Http, true, "the event stream was lost"),
        retry: retry.map(std::time::Duration::from_millis),
    }
}

fn error_reply(code: i32) -> Message {
    message(&format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"no"}}}}"#
    ))
}

fn begun(preference: Preference, known: Option<Transport>) -> Scene {
    let mut scene = Scene::new();
    scene.relay = Relay::new("mcp.example.com").over(preference, known);
    scene.host(&initialize(0, "2025-11-25", CAPABILITIES));
    scene
}

const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{}}"#;

/// A session over HTTP+SSE in which everything flows, with the exchange of its stream.
fn open_over_sse() -> (Scene, u64) {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    let result = initialized_result(first, "2024-11-05", TOOLS);
    scene.says(stream, &result);
    scene.told();
    assert_eq!(released(&mut scene), first);
    scene.host(INITIALIZED);
    let (announced, _) = sent_to(&mut scene, "/m");
    scene.remote(announced, Event::Accepted);
    scene.nothing();
    (scene, stream)
}

/// Lets the session open anew on this stream; a request of the client may follow.
fn opens_again(scene: &mut Scene, stream: u64) {
    connected(scene, stream);
    let (again, body) = sent_to(scene, "/m");
    assert_eq!(body, initialize(again, "2025-11-25", CAPABILITIES));
    scene.says(stream, &initialized_result(again, "2024-11-05", TOOLS));
    let (announced, body) = sent_to(scene, "/m");
    assert_eq!(body, INITIALIZED);
    assert_eq!(released(scene), again);
    scene.remote(announced, Event::Accepted);
    assert!(scene.told().contains("tools/list_changed"));
}

#[test]
fn a_server_that_refuses_the_post_is_asked_for_its_event_stream() {
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, body) = post(&mut scene);
    assert_eq!(body, initialize(first, "2025-11-25", CAPABILITIES));
    scene.remote(first, answered(405));
    let stream = get(&mut scene);
    scene.nothing();
    // What comes late of the refused POST is nobody's.
    scene.remote(first, answered(405));
    scene.nothing();
    connected(&mut scene, stream);
    let (again, body) = sent_to(&mut scene, "/m");
    assert_eq!(body, initialize(again, "2025-11-25", CAPABILITIES));
    scene.remote(again, Event::Accepted);
    scene.says(stream, &initialized_result(again, "2024-11-05", TOOLS));
    assert!(
        scene
            .told()
            .contains(r#""id":0,"result":{"protocolVersion":"2025-11-25""#)
    );
    assert_eq!(released(&mut scene), again);
    scene.host(INITIALIZED);
    let (announced, _) = sent_to(&mut scene, "/m");
    scene.remote(announced, Event::Accepted);
    // The event stream is all there is: no standing stream is opened.
    scene.nothing();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.remote(one, Event::Accepted);
    scene.nothing();
    scene.says(
        stream,
        &format!(r#"{{"jsonrpc":"2.0","id":{one},"result":{{}}}}"#),
    );
    assert_eq!(scene.told(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(released(&mut scene), one);
}

#[test]
fn a_server_without_the_event_stream_is_sent_a_post() {
    for refusal in [
        answered(405),
        Event::NoEvents(Failure::new(Stage::Http, false, "a page")),
    ] {
        let mut scene = begun(Preference::SseFirst, None);
        let stream = get(&mut scene);
        scene.remote(stream, refusal);
        let (first, _) = post(&mut scene);
        scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
        assert!(scene.told().contains("\"result\""));
        scene.host(INITIALIZED);
        let (announced, _) = post(&mut scene);
        scene.remote(announced, Event::Accepted);
        scene.standing();
    }
}

#[test]
fn a_transport_that_is_the_only_one_is_not_left() {
    let mut scene = begun(Preference::HttpOnly, Some(Transport::Sse));
    let (first, _) = post(&mut scene);
    scene.remote(first, answered(405));
    assert!(scene.told().contains("`x` answered 405\""));
    scene.nothing();
    let mut scene = begun(Preference::SseOnly, Some(Transport::Streamable));
    let stream = get(&mut scene);
    scene.remote(stream, answered(404));
    assert!(scene.told().contains("`x` answered 404\""));
    scene.nothing();
}

#[test]
fn an_outage_decides_nothing() {
    for failure in [
        outage(),
        answered(401),
        answered(403),
        answered(429),
        answered(503),
    ] {
        let mut scene = begun(Preference::HttpFirst, None);
        let (first, _) = post(&mut scene);
        scene.remote(first, failure);
        assert_eq!(code(&scene.told()), -32603);
        scene.nothing();
    }
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    scene.remote(stream, outage());
    assert_eq!(code(&scene.told()), -32603);
    // The next attempt begins with the same transport.
    scene.host(&initialize(1, "2025-11-25", "{}"));
    get(&mut scene);
}

#[test]
fn a_known_transport_that_is_refused_is_known_no_longer() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    scene.remote(stream, answered(404));
    let (first, _) = post(&mut scene);
    scene.remote(first, answered(404));
    let failure = scene.told();
    assert!(failure.contains("was answered 404"), "{failure}");
    scene.host(&initialize(1, "2025-11-25", "{}"));
    post(&mut scene);
}

#[test]
fn if_neither_transport_works_the_client_is_told_of_both() {
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    scene.remote(first, answered(405));
    let stream = get(&mut scene);
    scene.remote(stream, answered(404));
    let failure = scene.told();
    assert_eq!(code(&failure), -32603);
    assert!(
        failure.contains("`x` answered 405; a GET for the event stream of the older HTTP+SSE transport was answered 404"),
        "{failure}"
    );
    scene.nothing();
}

#[test]
fn an_error_that_refuses_the_post_leads_on_and_is_delivered_if_that_is_in_vain() {
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    let (status, error) = (400, error_reply(-32000));
    scene.remote(first, Event::Refused { status, error });
    let stream = get(&mut scene);
    scene.remote(stream, answered(404));
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no"}}"#
    );
    scene.nothing();
}

#[test]
fn an_error_that_shows_an_endpoint_is_delivered_at_once() {
    for (status, code_said) in [(400, -32022), (404, -32601), (200, -32000)] {
        let mut scene = begun(Preference::HttpFirst, None);
        let (first, _) = post(&mut scene);
        let error = error_reply(code_said);
        scene.remote(first, Event::Refused { status, error });
        assert_eq!(code(&scene.told()), i64::from(code_said));
        scene.nothing();
    }
}

#[test]
fn a_refusal_that_offers_another_revision_is_tried_again_over_the_same_transport() {
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    let error = message(
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no","data":{"supported":["2025-03-26"]}}}"#,
    );
    scene.remote(first, Event::Refused { status: 400, error });
    let (_, body) = post(&mut scene);
    assert!(body.contains("2025-03-26"), "{body}");
    scene.nothing();
}

#[test]
fn an_error_on_the_event_stream_is_the_answer_and_closes_the_stream() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":{first},"error":{{"code":-32602,"message":"no"}}}}"#);
    scene.says(stream, &error);
    assert_eq!(code(&scene.told()), -32602);
    assert_eq!(scene.aborted(), stream);
    assert_eq!(released(&mut scene), first);
    scene.nothing();
}

#[test]
fn a_refusal_at_the_address_for_messages_says_nothing_about_the_transport() {
    for refusal in [
        answered(404),
        Event::Refused {
            status: 400,
            error: error_reply(-32000),
        },
    ] {
        let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
        let stream = get(&mut scene);
        connected(&mut scene, stream);
        let (first, _) = sent_to(&mut scene, "/m");
        scene.remote(first, refusal);
        let mut told_and_aborted = [scene.next(), scene.next()];
        told_and_aborted.sort_by_key(|effect| matches!(effect, Some(Effect::Abort(_))));
        assert!(matches!(&told_and_aborted[0], Some(Effect::ToHost(_))));
        assert!(matches!(&told_and_aborted[1], Some(Effect::Abort(number)) if *number == stream));
        scene.nothing();
    }
}

#[test]
fn what_was_found_out_is_kept() {
    let kept = |scene: &Scene| {
        scene.effects.iter().find_map(|effect| match effect {
            Effect::Remember {
                transport,
                detected,
                ..
            } => Some((*transport, *detected)),
            _ => None,
        })
    };
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    assert_eq!(kept(&scene), Some((Transport::Streamable, true)));

    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    scene.remote(first, answered(404));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.says(stream, &initialized_result(first, "2024-11-05", TOOLS));
    assert_eq!(kept(&scene), Some((Transport::Sse, true)));

    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.says(stream, &initialized_result(first, "2024-11-05", TOOLS));
    assert_eq!(kept(&scene), Some((Transport::Sse, false)));
}

#[test]
fn a_sign_in_for_the_event_stream_is_one_for_the_session() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    scene.remote(stream, Event::SigningIn);
    scene.nothing();
    scene.passes(2000);
    // The client is answered without the server, and its requests wait.
    assert!(scene.told().contains(r#""id":0,"result""#));
    scene.host(INITIALIZED);
    scene.host(&call("1"));
    scene.nothing();
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.says(stream, &initialized_result(first, "2024-11-05", TOOLS));
    let (announced, _) = sent_to(&mut scene, "/m");
    assert_eq!(released(&mut scene), first);
    scene.remote(announced, Event::Accepted);
    assert!(scene.told().contains("list_changed"));
    while let Some(Effect::ToHost(line)) = scene.effects.front() {
        assert!(String::from_utf8_lossy(&line.to_vec()).contains("list_changed"));
        scene.effects.pop_front();
    }
    assert!(sent_to(&mut scene, "/m").1.contains("tools/call"));
}

#[test]
fn a_token_that_takes_long_holds_up_no_answer_to_initialize() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    scene.remote(stream, Event::Delayed);
    assert!(scene.told().contains(r#""id":0,"result""#));
}

#[test]
fn a_sign_in_for_the_event_stream_that_fails_fails_the_session() {
    let mut scene = begun(Preference::HttpFirst, None);
    let (first, _) = post(&mut scene);
    scene.remote(first, answered(405));
    let stream = get(&mut scene);
    scene.remote(
        stream,
        Event::Failed(Failure::new(Stage::Auth, false, "denied")),
    );
    let failure = scene.told();
    assert!(failure.contains(r#""message":"denied""#), "{failure}");
    scene.nothing();
}

#[test]
fn a_quiet_attempt_is_quiet_over_either_transport() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    scene.remote(stream, Event::SigningIn);
    scene.passes(2000);
    scene.told();
    scene.host(INITIALIZED);
    scene.remote(
        stream,
        Event::Failed(Failure::new(Stage::Auth, false, "denied")),
    );
    // Nobody called for a sign-in since: the next request asks no person.
    scene.host(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let get = outgoing(&mut scene);
    assert!(matches!(get.kind, OutgoingKind::Events { .. }) && !get.asks);
    scene.remote(get.exchange, answered(404));
    let post = outgoing(&mut scene);
    assert!(matches!(post.kind, OutgoingKind::Request(_)) && !post.asks);
}

#[test]
fn another_address_for_messages_takes_the_place_of_the_first() {
    let (mut scene, stream) = open_over_sse();
    scene.remote(stream, Event::Connected(endpoint("/other")));
    scene.nothing();
    scene.host(&call("1"));
    sent_to(&mut scene, "/other");
}

#[test]
fn an_initialize_that_is_accepted_and_never_answered_fails_in_the_end() {
    let mut scene = begun(Preference::HttpFirst, Some(Transport::Sse));
    let stream = get(&mut scene);
    connected(&mut scene, stream);
    let (first, _) = sent_to(&mut scene, "/m");
    scene.remote(first, Event::Accepted);
    assert_eq!(scene.relay.deadline(), Some(60_000));
    scene.passes(59_999);
    scene.nothing();
    scene.passes(1);
    assert_eq!(scene.aborted(), first);
    assert_eq!(scene.aborted(), stream);
    assert!(scene.told().contains("did not answer it within 60 s"));
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn questions_on_the_event_stream_are_answered_at_the_address_for_messages() {
    let (mut scene, stream) = open_over_sse();
    scene.says(
        stream,
        r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}"#,
    );
    let question = message(&scene.told());
    let id = question.id().unwrap().clone();
    scene.host(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    let (_, body) = sent_to(&mut scene, "/m");
    assert_eq!(body, r#"{"jsonrpc":"2.0","id":"q","result":{}}"#);
    scene.says(stream, r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#);
    let (_, body) = sent_to(&mut scene, "/m");
    assert_eq!(body, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
}

#[test]
fn a_second_initialize_closes_the_event_stream_of_the_first() {
    let (mut scene, stream) = open_over_sse();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.host(&initialize(2, "2025-11-25", "{}"));
    assert_eq!(code(&scene.told()), -32603);
    assert_eq!(scene.aborted(), one);
    assert_eq!(scene.aborted(), stream);
    assert!(matches!(scene.next(), Some(Effect::EndSession(_))));
    // What was found out still holds.
    let second = get(&mut scene);
    assert_ne!(second, stream);
    scene.remote(stream, Event::Connected(endpoint("/old")));
    scene.remote(stream, ended());
    scene.nothing();
}

#[test]
fn the_end_cancels_what_is_in_flight_over_the_stream_that_is_still_open() {
    let (mut scene, _) = open_over_sse();
    scene.host(&call("1"));
    let (one, _) = sent_to(&mut scene, "/m");
    scene.relay.close();
    scene.effects.extend(scene.relay.take_effects());
    let (_, body) = sent_to(&mut scene, "/m");
    assert!(body.contains(&format!("\"requestId\":{one}")), "{body}");
    assert_eq!(scene.aborted(), one);
    assert_eq!(code(&scene.told()), -32603);
    let Some(Effect::EndSession(session)) = scene.next() else {
        panic!()
    };
    assert_eq!(session.id, None);
    scene.nothing();
}
