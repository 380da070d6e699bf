use super::*;
use crate::mcp::jsonrpc;

const PREFERENCES: [Preference; 4] = [
    Preference::HttpFirst,
    Preference::SseFirst,
    Preference::HttpOnly,
    Preference::SseOnly,
];

fn answered(status: u16) -> Setback {
    Setback::Failed(Failure {
        status: Some(status),
        ..Failure::new(Stage::Http, false, format!("`x` answered {status}"))
    })
}

fn refused(status: u16, code: i32) -> Setback {
    let text = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"no"}}}}"#);
    let error = jsonrpc::parse(text.into()).unwrap();
    Setback::Refused { status, error }
}

fn outage(stage: Stage) -> Setback {
    Setback::Failed(Failure::new(stage, true, "`x` is out of reach"))
}

fn no_events() -> Setback {
    Setback::NoEvents(Failure {
        status: Some(200),
        ..Failure::new(Stage::Http, false, "`x` answered a page")
    })
}

fn tries(next: &Next) -> Option<Transport> {
    match next {
        Next::Try(transport) => Some(*transport),
        _ => None,
    }
}

fn report(next: Next) -> Failure {
    match next {
        Next::Report(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn begun(preference: Preference, known: Option<Transport>) -> (Detection, Transport) {
    let mut detection = Detection::new(preference, known);
    let first = detection.begin();
    assert_eq!(detection.trying(), first);
    (detection, first)
}

#[test]
fn every_name_of_a_preference_is_read() {
    for (name, expected) in [
        ("http-first", Some(Preference::HttpFirst)),
        ("auto", Some(Preference::HttpFirst)),
        ("sse-first", Some(Preference::SseFirst)),
        ("http-only", Some(Preference::HttpOnly)),
        ("http", Some(Preference::HttpOnly)),
        ("sse-only", Some(Preference::SseOnly)),
        ("sse", Some(Preference::SseOnly)),
        ("stdio", None),
        ("HTTP-FIRST", None),
        ("", None),
    ] {
        assert_eq!(Preference::parse(name), expected, "{name}");
    }
    assert_eq!(Preference::default(), Preference::HttpFirst);
}

#[test]
fn a_transport_is_found_by_its_name() {
    for transport in [Transport::Streamable, Transport::Sse] {
        assert_eq!(Transport::find(transport.name()), Some(transport));
    }
    assert_eq!(Transport::find("carrier-pigeon"), None);
}

#[test]
fn what_is_tried_first_follows_from_the_preference_and_from_what_is_known() {
    use Transport::{Sse, Streamable};
    for (preference, known, first) in [
        (Preference::HttpFirst, None, Streamable),
        (Preference::HttpFirst, Some(Streamable), Streamable),
        (Preference::HttpFirst, Some(Sse), Sse),
        (Preference::SseFirst, None, Sse),
        (Preference::SseFirst, Some(Sse), Sse),
        (Preference::SseFirst, Some(Streamable), Streamable),
        (Preference::HttpOnly, None, Streamable),
        (Preference::HttpOnly, Some(Sse), Streamable),
        (Preference::SseOnly, None, Sse),
        (Preference::SseOnly, Some(Streamable), Sse),
    ] {
        assert_eq!(
            begun(preference, known).1,
            first,
            "{preference:?} {known:?}"
        );
    }
}

#[test]
fn only_a_refusal_of_the_transport_leads_to_the_other() {
    let decides = [400, 404, 405, 406, 410, 415, 501];
    for status in 100..600 {
        for preference in PREFERENCES {
            let (mut detection, first) = begun(preference, None);
            let expected = (decides.contains(&status) && preference.allows(first.other()))
                .then_some(first.other());
            let next = detection.set_back(answered(status));
            assert_eq!(tries(&next), expected, "{status} {preference:?}");
            if expected.is_none() {
                assert_eq!(report(next).status, Some(status));
            }
        }
    }
    for stage in [Stage::Auth, Stage::Connect, Stage::Http, Stage::Protocol] {
        for preference in PREFERENCES {
            let next = begun(preference, None).0.set_back(outage(stage));
            assert_eq!(report(next).stage, stage);
        }
    }
}

#[test]
fn a_json_rpc_error_in_the_refusal_leads_on_unless_it_shows_an_endpoint() {
    for (status, code, leads_on) in [
        (400, -32000, true),
        (400, -32600, true),
        (400, -32601, true),
        (404, -32001, true),
        (405, -32000, true),
        (406, -32000, true),
        (410, -32000, true),
        (415, -32000, true),
        (501, -32601, true),
        (404, -32601, false),
        (400, -32020, false),
        (400, -32021, false),
        (400, -32022, false),
        (404, -32022, false),
        (200, -32000, false),
        (401, -32000, false),
        (403, -32000, false),
        (429, -32000, false),
        (500, -32603, false),
        (503, -32000, false),
    ] {
        let (mut detection, _) = begun(Preference::HttpFirst, None);
        let next = detection.set_back(refused(status, code));
        let expected = leads_on.then_some(Transport::Sse);
        assert_eq!(tries(&next), expected, "{status} {code}");
        assert!(leads_on || matches!(next, Next::Deliver(_, None)));
        let (mut detection, _) = begun(Preference::HttpOnly, None);
        let next = detection.set_back(refused(status, code));
        assert!(matches!(next, Next::Deliver(_, None)));
    }
}

#[test]
fn a_get_without_the_event_stream_leads_to_the_post() {
    let (mut detection, _) = begun(Preference::SseFirst, None);
    let next = detection.set_back(no_events());
    assert_eq!(tries(&next), Some(Transport::Streamable));
    let (mut detection, _) = begun(Preference::SseOnly, None);
    assert_eq!(
        report(detection.set_back(no_events())).detail,
        "`x` answered a page"
    );
}

#[test]
fn if_both_are_refused_the_post_is_reported_and_the_get_mentioned() {
    for (preference, known) in [
        (Preference::HttpFirst, None),
        (Preference::SseFirst, None),
        (Preference::HttpFirst, Some(Transport::Sse)),
        (Preference::SseFirst, Some(Transport::Streamable)),
    ] {
        let (mut detection, first) = begun(preference, known);
        let (one, two) = match first {
            Transport::Streamable => (answered(405), answered(404)),
            Transport::Sse => (answered(404), answered(405)),
        };
        assert_eq!(tries(&detection.set_back(one)), Some(first.other()));
        let failure = report(detection.set_back(two));
        assert_eq!(
            failure.detail,
            "`x` answered 405; a GET for the event stream of the older HTTP+SSE transport was answered 404"
        );
        assert_eq!((failure.status, failure.retryable), (Some(405), false));
    }
}

#[test]
fn what_came_of_the_get_is_mentioned_in_words_that_fit() {
    for (get, mention, retryable) in [
        (
            no_events(),
            "as for the older HTTP+SSE transport, `x` answered a page",
            false,
        ),
        (
            outage(Stage::Connect),
            "as for the older HTTP+SSE transport, `x` is out of reach",
            true,
        ),
        (
            answered(503),
            "a GET for the event stream of the older HTTP+SSE transport was answered 503",
            false,
        ),
    ] {
        let (mut detection, _) = begun(Preference::HttpFirst, None);
        detection.set_back(answered(404));
        let failure = report(detection.set_back(get));
        assert_eq!(failure.detail, format!("`x` answered 404; {mention}"));
        assert_eq!(failure.retryable, retryable);
    }
}

#[test]
fn a_sign_in_that_failed_or_an_address_that_is_refused_is_reported_as_it_is() {
    for stage in [Stage::Auth, Stage::Protocol] {
        let (mut detection, _) = begun(Preference::HttpFirst, None);
        detection.set_back(answered(405));
        assert_eq!(
            report(detection.set_back(outage(stage))).detail,
            "`x` is out of reach"
        );
    }
    let (mut detection, _) = begun(Preference::SseFirst, None);
    detection.set_back(answered(405));
    let failure = report(detection.set_back(outage(Stage::Auth)));
    assert_eq!(failure.detail, "`x` is out of reach");
}

#[test]
fn a_json_rpc_error_is_delivered_as_it_came_and_the_get_remarked_on() {
    let (mut detection, _) = begun(Preference::HttpFirst, None);
    detection.set_back(refused(400, -32000));
    let Next::Deliver(error, Some(remark)) = detection.set_back(answered(404)) else {
        panic!("the error was not delivered");
    };
    assert_eq!(error.body_member("code"), Some("-32000"));
    assert!(remark.ends_with("404"), "{remark}");
}

#[test]
fn what_works_is_known_from_then_on() {
    let (mut detection, _) = begun(Preference::HttpFirst, None);
    detection.set_back(answered(405));
    assert!(detection.works());
    assert_eq!(detection.begin(), Transport::Sse);
    assert!(!detection.works());
}

#[test]
fn a_verdict_that_is_contradicted_is_forgotten() {
    let (mut detection, _) = begun(Preference::HttpFirst, Some(Transport::Sse));
    assert_eq!(
        tries(&detection.set_back(answered(404))),
        Some(Transport::Streamable)
    );
    detection.set_back(answered(404));
    // Neither worked: the next attempt begins as if nothing had been known.
    assert_eq!(detection.begin(), Transport::Streamable);
}

#[test]
fn an_outage_contradicts_nothing() {
    for setback in [
        outage(Stage::Connect),
        answered(503),
        answered(401),
        outage(Stage::Auth),
    ] {
        let (mut detection, _) = begun(Preference::HttpFirst, Some(Transport::Sse));
        detection.set_back(setback);
        assert_eq!(detection.begin(), Transport::Sse);
    }
}

#[test]
fn an_attempt_knows_nothing_of_the_one_before() {
    let (mut detection, _) = begun(Preference::HttpFirst, None);
    detection.set_back(answered(405));
    detection.set_back(outage(Stage::Connect));
    detection.begin();
    assert_eq!(
        tries(&detection.set_back(answered(405))),
        Some(Transport::Sse)
    );
}

#[test]
fn a_verdict_against_the_preference_holds_for_a_day() {
    use Transport::{Sse, Streamable};
    const FOUND: u64 = 1_800_000_000;
    for (transport, preference, age, expected) in [
        (Sse, Preference::HttpFirst, 0, true),
        (Sse, Preference::HttpFirst, LIFETIME - 1, true),
        (Sse, Preference::HttpFirst, LIFETIME, false),
        (Sse, Preference::SseFirst, 100 * LIFETIME, true),
        (Sse, Preference::SseOnly, 100 * LIFETIME, true),
        (Sse, Preference::HttpOnly, 0, false),
        (Streamable, Preference::HttpFirst, 100 * LIFETIME, true),
        (Streamable, Preference::HttpOnly, 100 * LIFETIME, true),
        (Streamable, Preference::SseFirst, LIFETIME - 1, true),
        (Streamable, Preference::SseFirst, LIFETIME, false),
        (Streamable, Preference::SseOnly, 0, false),
    ] {
        let verdict = Verdict {
            transport,
            found_at: FOUND,
        };
        let holds = verdict.holds(preference, FOUND + age);
        assert_eq!(holds, expected, "{transport:?} {preference:?} {age}");
    }
    // A clock that was set back says nothing about its age.
    let verdict = Verdict {
        transport: Sse,
        found_at: FOUND,
    };
    assert!(!verdict.holds(Preference::HttpFirst, FOUND - 1));
}

#[test]
fn a_verdict_that_only_held_keeps_its_date() {
    let older = Verdict {
        transport: Transport::Sse,
        found_at: 5,
    };
    for (older, transport, detected, found_at) in [
        (Some(older), Transport::Sse, false, 5),
        (Some(older), Transport::Sse, true, 9),
        (Some(older), Transport::Streamable, false, 9),
        (None, Transport::Sse, false, 9),
        (None, Transport::Sse, true, 9),
    ] {
        let kept = Verdict::kept(older, transport, detected, 9);
        assert_eq!(
            kept,
            Verdict {
                transport,
                found_at
            }
        );
    }
}

#[test]
fn an_address_for_messages_is_resolved_against_that_of_the_stream() {
    let stream = Url::parse("https://mcp.example.com/a/sse?key=1").unwrap();
    for (data, expected) in [
        (
            "/messages?sid=9f2",
            "https://mcp.example.com/messages?sid=9f2",
        ),
        (
            "messages?sid=9f2",
            "https://mcp.example.com/a/messages?sid=9f2",
        ),
        ("?sid=9f2", "https://mcp.example.com/a/sse?sid=9f2"),
        (" /m \n", "https://mcp.example.com/m"),
        ("https://mcp.example.com/m", "https://mcp.example.com/m"),
        ("HTTPS://MCP.example.com:443/m", "https://mcp.example.com/m"),
        ("//mcp.example.com/m", "https://mcp.example.com/m"),
    ] {
        let endpoint = Endpoint::resolve(&stream, data).unwrap();
        assert_eq!(endpoint.url().as_str(), expected, "{data}");
    }
}

#[test]
fn an_address_where_tokens_must_not_go_is_refused() {
    let stream = Url::parse("https://mcp.example.com/sse").unwrap();
    let foreign = |origin: &str| EndpointError::Foreign(origin.to_owned());
    for (data, expected) in [
        ("https://evil.example/m", foreign("https://evil.example")),
        ("//evil.example/m", foreign("https://evil.example")),
        ("\\\\evil.example/m", foreign("https://evil.example")),
        (
            "http://mcp.example.com/m",
            foreign("http://mcp.example.com"),
        ),
        (
            "https://mcp.example.com:8443/m",
            foreign("https://mcp.example.com:8443"),
        ),
        (
            "https://mcp.example.com.evil.example/m",
            foreign("https://mcp.example.com.evil.example"),
        ),
        (
            "file:///etc/passwd",
            EndpointError::NotHttp("file".to_owned()),
        ),
        (
            "javascript:alert(1)",
            EndpointError::NotHttp("javascript".to_owned()),
        ),
        (
            "ws://mcp.example.com/m",
            EndpointError::NotHttp("ws".to_owned()),
        ),
        (
            "https://me:pw@mcp.example.com/m",
            EndpointError::Credentials,
        ),
        ("https://[", EndpointError::NoAddress),
    ] {
        assert_eq!(Endpoint::resolve(&stream, data), Err(expected), "{data}");
    }
}

#[test]
fn an_address_for_messages_does_not_print() {
    let stream = Url::parse("https://mcp.example.com/sse").unwrap();
    let endpoint = Endpoint::resolve(&stream, "/m?sid=SECRET_1").unwrap();
    let shown = format!("{:?}", Route::Sse(endpoint));
    assert!(!shown.contains("SECRET_1"), "{shown}");
}
