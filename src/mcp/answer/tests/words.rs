//! What the user reads.

use super::*;
use crate::mcp::jsonrpc;

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

/// What is said when the answer is the same each time.
fn refused(sent: Sent<'_>, refusal: Refusal<'_>) -> Failure {
    let mut tries = Tries::default();
    loop {
        if let Verdict::Fail(failure) = judge(sent, refusal, &mut tries) {
            return failure;
        }
    }
}

/// What is said when no answer comes, time after time.
fn broken(sent: Sent<'_>, delivery: Delivery, cause: &str) -> Failure {
    let mut tries = Tries::default();
    loop {
        match judge_broken(sent, delivery, cause, &mut tries) {
            Verdict::Fail(failure) | Verdict::GiveUp(failure) => return failure,
            _ => {}
        }
    }
}

#[test]
fn a_broken_delivery_is_told_with_what_was_done_about_it() {
    use Delivery::*;
    for (sent, delivery, cause, text) in [
        (
            CALL,
            NotSent,
            "connection refused",
            "`mcp.example.com` cannot be reached: connection refused; check the address and the network, then try again",
        ),
        (
            CALL,
            Distrusted,
            "UnknownIssuer",
            "`mcp.example.com` cannot be reached: UnknownIssuer",
        ),
        (
            CALL,
            Unknown,
            "connection reset",
            "the connection to `mcp.example.com` broke before the answer came: connection reset; the request may have been carried out, so it was not sent again; look first whether it was",
        ),
        (
            LIST,
            Unknown,
            "connection reset",
            "the connection to `mcp.example.com` broke before the answer came: connection reset; it was sent 3 times and may have been carried out; try again later",
        ),
        (
            NOTE,
            Unknown,
            "connection reset",
            "the connection to `mcp.example.com` broke before the answer came: connection reset; it may have arrived, so it was not sent again",
        ),
        (
            CALL,
            TimedOut,
            "no answer within 300 s",
            "`mcp.example.com` took too long: no answer within 300 s; it was told to stop; look first whether the request was carried out, then try again",
        ),
        (
            LIST,
            TimedOut,
            "no answer within 300 s",
            "`mcp.example.com` took too long: no answer within 300 s; it was told to stop; the request may have been carried out; try again later",
        ),
        (
            LIST,
            TooLarge,
            "more than 256 MiB",
            "`mcp.example.com` gave an answer that is too large: more than 256 MiB; ask for less at once",
        ),
    ] {
        assert_eq!(broken(sent, delivery, cause).detail, text);
    }
}

#[test]
fn a_refusal_says_what_to_do_next() {
    for (sent, status, body, text) in [
        (
            CALL,
            400,
            &b""[..],
            "`mcp.example.com` answered 400 to `tools/call`: check the address and the headers you configured",
        ),
        (
            CALL,
            403,
            b"Origin not allowed",
            "`mcp.example.com` answered 403 to `tools/call` (“Origin not allowed”): you may not have access, or the server does not accept this client",
        ),
        (
            CALL,
            413,
            b"",
            "`mcp.example.com` answered 413 to `tools/call`: the request is too large for it; ask for less at once",
        ),
        (
            CALL,
            502,
            b"<html>",
            "`mcp.example.com` answered 502 to `tools/call`: the fault is on its side; the request may have been carried out, so it was not sent again; look first whether it was",
        ),
        (
            LIST,
            502,
            b"<html>",
            "`mcp.example.com` answered 502 to `tools/list`: the fault is on its side; it was sent 3 times and may have been carried out; try again later",
        ),
        (
            LIST,
            511,
            b"",
            "`mcp.example.com` answered 511 to `tools/list`: the network wants you to sign in first; open any page in a browser",
        ),
    ] {
        assert_eq!(refused(sent, refusal(status, body)).detail, text);
    }
}

#[test]
fn a_wait_that_is_left_to_the_client_is_told_in_words_and_as_a_number() {
    let asked = Refusal {
        retry_after: Some(Duration::from_millis(90_500)),
        ..refusal(429, b"")
    };
    let failure = refused(CALL, asked);
    assert_eq!(failure.retry_after, Some(Duration::from_millis(90_500)));
    assert_eq!(
        failure.detail,
        "`mcp.example.com` answered 429 to `tools/call`: it asks to wait 91 s; try again then"
    );
}

#[test]
fn a_redirect_to_another_origin_or_in_circles_says_so() {
    let moved = |location, location_is_ours| Refusal {
        location,
        location_is_ours,
        ..refusal(307, b"")
    };
    for (moved, words) in [
        (
            moved(Some("https://x.example/"), false),
            "it redirects to `https://x.example/`; tokens are not sent to another origin, so configure that address if you trust it",
        ),
        (
            moved(Some("https://mcp.example.com/a"), true),
            "it keeps sending clients on, in the end to `https://mcp.example.com/a`; check the address",
        ),
        (
            moved(None, false),
            "it sends clients elsewhere without saying where to; check the address",
        ),
    ] {
        let detail = refused(LIST, moved).detail;
        assert!(detail.ends_with(words), "{detail}");
    }
}

#[test]
fn a_success_that_is_no_message_names_its_type_and_quotes_no_page() {
    let told = |content_type, body: &'static [u8]| {
        let malformed = jsonrpc::parse(body.into()).unwrap_err();
        unreadable("mcp.example.com", 200, content_type, body, &malformed).detail
    };
    assert_eq!(
        told(Some("text/html"), b"<html>x"),
        "`mcp.example.com` answered 200 with something that is not JSON-RPC (text/html): Parse error; check that the address is an MCP endpoint"
    );
    assert_eq!(
        told(Some("text/plain"), b"It works!"),
        "`mcp.example.com` answered 200 with something that is not JSON-RPC (text/plain) (“It works!”): Parse error; check that the address is an MCP endpoint"
    );
    assert!(!told(None, br#"{"message":"half"#).contains("half"));
}

#[test]
fn markup_is_told_from_text() {
    for page in [
        "\u{feff}<html>x</html>",
        "\n <!doctype html>",
        "Sorry, <b>no</b>",
        "Sorry</p>",
        "<?xml version='1.0'?><Error/>",
        r#"{"message":"<h1>502</h1>"}"#,
        r#"["<p>"]"#,
    ] {
        assert_eq!(plain_reason(page.as_bytes()), None, "{page}");
    }
    assert_eq!(plain_reason(b"\xff\xfe"), None);
    assert_eq!(
        plain_reason(b"1 < 2 and a <- b <").unwrap(),
        "1 < 2 and a <- b <"
    );
}

#[test]
fn the_reason_in_a_json_document_is_found() {
    for (problem, said) in [
        (r#"{"error":"x","error_description":"why"}"#, "why"),
        (r#"{"detail":"Not Found"}"#, "Not Found"),
        (r#"{"title":"Too many","status":429}"#, "Too many"),
        (r#"{"error":{"code":7,"message":"no"}}"#, "no"),
        ("\u{feff}{\"error\":\"x\"}", "x"),
    ] {
        assert_eq!(plain_reason(problem.as_bytes()).unwrap(), said);
    }
    for nothing in [r#"{"a":1}"#, r#"{"message":7}"#, "[]", r#"{"message":"#] {
        assert_eq!(plain_reason(nothing.as_bytes()), None);
    }
}

#[test]
fn a_character_that_the_limit_cuts_in_two_ends_the_text() {
    let long = format!("a{}", "é".repeat(5000));
    assert!(plain_reason(long.as_bytes()).is_some());
    assert_eq!(plain_reason(&long.as_bytes()[2..]), None);
}

#[test]
fn an_attempt_that_may_have_arrived_is_not_forgotten() {
    let mut tries = Tries {
        unsent: 3,
        replays: 1,
        ..Tries::default()
    };
    let verdict = judge_broken(LIST, Delivery::NotSent, "refused", &mut tries);
    let not_sent = failure(verdict).detail;
    let verdict = judge(LIST, refusal(429, RPC), &mut tries);
    assert!(matches!(verdict, Verdict::Again(_)));
    let limited = failure(judge(LIST, refusal(403, b""), &mut tries)).detail;
    for detail in [not_sent, limited] {
        let end = "an earlier attempt may have been carried out";
        assert!(detail.ends_with(end), "{detail}");
    }
}
