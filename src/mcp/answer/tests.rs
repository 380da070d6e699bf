use std::time::Duration;

use super::*;

const CALL: Sent<'static> = Sent {
    what: What::Request {
        method: "tools/call",
        repeatable: false,
    },
    with_session: true,
    server: "mcp.example.com",
};
const LIST: Sent<'static> = Sent {
    what: What::Request {
        method: "tools/list",
        repeatable: true,
    },
    ..CALL
};
const FIRST: Sent<'static> = Sent {
    what: What::Request {
        method: "initialize",
        repeatable: true,
    },
    with_session: false,
    server: "mcp.example.com",
};
const NOTE: Sent<'static> = Sent {
    what: What::Notification,
    ..CALL
};

const RPC: &[u8] = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#;
const NO_SESSION: &[u8] =
    br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Session not found"}}"#;

fn refusal(status: u16, body: &'static [u8]) -> Refusal<'static> {
    Refusal {
        status,
        body,
        retry_after: None,
        insufficient_scope: false,
        location: None,
    }
}

fn failure(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Fail(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn verdict(sent: Sent<'_>, refusal: Refusal<'_>) -> String {
    describe(judge(sent, refusal, &mut Tries::default()))
}

fn describe(verdict: Verdict) -> String {
    match verdict {
        Verdict::SignIn => "sign in".into(),
        Verdict::StepUp => "step up".into(),
        Verdict::SessionLost => "session lost".into(),
        Verdict::Deliver(_) => "deliver".into(),
        Verdict::Redirect => "redirect".into(),
        Verdict::Again(wait) => format!("again in {}", wait.as_millis()),
        Verdict::Fail(failure) => format!(
            "fail {}",
            if failure.retryable {
                "retryable"
            } else {
                "for good"
            }
        ),
    }
}

#[test]
fn each_status_has_its_row() {
    for (sent, status, body, expected) in [
        (CALL, 400, &b""[..], "fail for good"),
        (CALL, 400, RPC, "deliver"),
        (CALL, 400, NO_SESSION, "session lost"),
        (FIRST, 400, NO_SESSION, "deliver"),
        (NOTE, 400, RPC, "fail for good"),
        (NOTE, 404, b"", "session lost"),
        (CALL, 401, RPC, "sign in"),
        (CALL, 403, b"", "fail for good"),
        (CALL, 403, RPC, "deliver"),
        (CALL, 404, b"", "session lost"),
        (CALL, 404, RPC, "session lost"),
        (FIRST, 404, b"", "fail for good"),
        (FIRST, 404, RPC, "deliver"),
        (FIRST, 405, b"", "fail for good"),
        (CALL, 406, b"", "fail for good"),
        (CALL, 409, b"", "fail for good"),
        (CALL, 410, b"", "session lost"),
        (CALL, 413, b"", "fail for good"),
        (CALL, 301, b"", "fail for good"),
        (CALL, 302, b"", "fail for good"),
        (CALL, 307, b"", "redirect"),
        (CALL, 308, b"", "redirect"),
        (CALL, 429, b"", "again in 1000"),
        (CALL, 425, b"", "again in 1000"),
        (CALL, 503, b"", "fail retryable"),
        (LIST, 503, b"", "again in 1000"),
        (CALL, 500, b"<html>", "fail retryable"),
        (CALL, 500, RPC, "deliver"),
        (LIST, 500, b"", "again in 1000"),
        (LIST, 500, RPC, "deliver"),
        (LIST, 502, b"", "again in 1000"),
        (CALL, 502, b"", "fail retryable"),
        (NOTE, 502, b"", "fail retryable"),
        (LIST, 504, b"", "again in 1000"),
        (CALL, 501, b"", "fail for good"),
    ] {
        assert_eq!(
            verdict(sent, refusal(status, body)),
            expected,
            "{status} to {sent:?}"
        );
    }
}

#[test]
fn insufficient_scope_asks_for_a_wider_grant() {
    let refusal = Refusal {
        insufficient_scope: true,
        ..refusal(403, RPC)
    };
    assert_eq!(verdict(CALL, refusal), "step up");
}

#[test]
fn a_redirect_that_is_not_followed_names_its_target() {
    for status in [301, 302, 303] {
        let refusal = Refusal {
            location: Some("https://elsewhere.example/mcp"),
            ..refusal(status, b"")
        };
        let failure = failure(judge(CALL, refusal, &mut Tries::default()));
        assert!(
            failure.detail.contains("`https://elsewhere.example/mcp`"),
            "{failure}"
        );
    }
    let failure = failure(judge(CALL, refusal(302, b""), &mut Tries::default()));
    assert!(
        failure.detail.contains("without saying where to"),
        "{failure}"
    );
}

#[test]
fn retry_after_is_obeyed_within_bounds() {
    let mut tries = Tries::default();
    let asked = |seconds| Refusal {
        retry_after: Some(Duration::from_secs(seconds)),
        ..refusal(503, b"")
    };
    assert_eq!(
        describe(judge(CALL, asked(20), &mut tries)),
        "again in 20000"
    );
    assert_eq!(
        describe(judge(CALL, asked(40), &mut tries)),
        "again in 40000"
    );
    assert_eq!(
        describe(judge(CALL, asked(1), &mut tries)),
        "fail retryable"
    );
    let failure = failure(judge(CALL, asked(61), &mut Tries::default()));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(61)));
}

#[test]
fn sending_again_ends() {
    let mut tries = Tries::default();
    let rounds = (0..10)
        .take_while(|_| {
            matches!(
                judge(LIST, refusal(502, b""), &mut tries),
                Verdict::Again(_)
            )
        })
        .count();
    assert_eq!(rounds, 2);
    let mut tries = Tries::default();
    let rounds = (0..10)
        .take_while(|_| {
            matches!(
                judge(CALL, refusal(429, b""), &mut tries),
                Verdict::Again(_)
            )
        })
        .count();
    assert_eq!(rounds, 3);
    let mut tries = Tries::default();
    let rounds = (0..10)
        .take_while(|_| {
            matches!(
                judge(CALL, refusal(307, b""), &mut tries),
                Verdict::Redirect
            )
        })
        .count();
    assert_eq!(rounds, 3);
}

#[test]
fn only_what_was_not_sent_or_has_no_effects_goes_again() {
    let broken =
        |sent, delivery| describe(judge_broken(sent, delivery, "reset", &mut Tries::default()));
    assert_eq!(broken(CALL, Delivery::NotSent), "again in 500");
    assert_eq!(broken(NOTE, Delivery::NotSent), "again in 500");
    assert_eq!(broken(LIST, Delivery::Distrusted), "fail for good");
    assert_eq!(broken(CALL, Delivery::GivenUp), "fail retryable");
    assert_eq!(broken(LIST, Delivery::GivenUp), "fail retryable");
    assert_eq!(broken(CALL, Delivery::Unknown), "fail for good");
    assert_eq!(broken(NOTE, Delivery::Unknown), "fail for good");
    assert_eq!(broken(LIST, Delivery::Unknown), "again in 1000");
}

#[test]
fn a_broken_connection_is_told_with_what_was_done_about_it() {
    let told = |sent, replays| {
        let mut tries = Tries {
            replays,
            ..Tries::default()
        };
        failure(judge_broken(sent, Delivery::Unknown, "reset", &mut tries))
    };
    let call = told(CALL, 0);
    assert!(!call.retryable);
    assert!(call.detail.contains("it was not sent again"), "{call}");
    let list = told(LIST, REPLAY_LIMIT);
    assert!(list.retryable);
    assert!(list.detail.contains("it was sent 3 times"), "{list}");
}

#[test]
fn content_types_are_compared_by_media_type() {
    assert_eq!(
        body_kind(Some("Application/JSON; charset=utf-8")),
        BodyKind::Json
    );
    assert_eq!(
        body_kind(Some("text/event-stream;x=y")),
        BodyKind::EventStream
    );
    assert_eq!(body_kind(Some("text/html")), BodyKind::Unknown);
    assert_eq!(body_kind(None), BodyKind::Unknown);
}

#[test]
fn pages_and_control_characters_never_reach_the_client() {
    assert_eq!(plain_reason(b"<html>x</html>"), None);
    assert_eq!(plain_reason(b""), None);
    assert_eq!(
        plain_reason("a\u{1b}[31mb\u{202e}c\n".as_bytes()).unwrap(),
        "a[31mbc"
    );
    assert_eq!(
        plain_reason(br#"{"error":"x","error_description":"why"}"#).unwrap(),
        "why"
    );
    assert_eq!(plain_reason(br#"{"a":1}"#), None);
    assert_eq!(plain_reason(&[b'a'; 9000]).unwrap().chars().count(), 201);
}

#[test]
fn reconnects_follow_the_server_and_then_grow() {
    let asked = Some(Duration::from_millis(500));
    assert_eq!(reconnect_delay(asked, 0), Duration::from_millis(500));
    assert_eq!(reconnect_delay(asked, 1), Duration::from_millis(750));
    assert_eq!(reconnect_delay(None, 0), Duration::from_secs(1));
    assert_eq!(reconnect_delay(None, 100), Duration::from_secs(30));
    assert_eq!(
        reconnect_delay(Some(Duration::from_secs(200)), 5),
        Duration::from_secs(200)
    );
}
