mod broken;
mod status;
mod words;

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
        location_is_ours: false,
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
        Verdict::Renew => "renew".into(),
        Verdict::Again(wait) => format!("in {}", wait.as_millis()),
        Verdict::GiveUp(failure) => format!("give up, {}", outlook(&failure)),
        Verdict::Fail(failure) => outlook(&failure).into(),
    }
}

/// The five columns of the tables.
const COLUMNS: [Sent<'static>; 5] = [
    LIST,
    CALL,
    NOTE,
    Sent {
        what: What::Response,
        ..CALL
    },
    Sent {
        what: What::Stream,
        ..CALL
    },
];

fn outlook(failure: &Failure) -> &'static str {
    match failure.retryable {
        true => "later",
        false => "for good",
    }
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
