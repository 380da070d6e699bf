use super::super::discovery::tests::{reply, unreachable};
use super::*;

fn judged(status: u16, body: &str) -> Result<Pushed, TokenError> {
    judge(reply(
        &Url::parse("https://as.example/par").unwrap(),
        status,
        body,
    ))
}

#[test]
fn a_request_that_was_left_has_a_reference_and_a_lifetime() {
    for (status, body, expires_in) in [
        (201, r#"{"request_uri":"urn:x:1","expires_in":90}"#, 90),
        (200, r#"{"request_uri":"urn:x:1","expires_in":"90"}"#, 90),
        (201, r#"{"request_uri":"urn:x:1"}"#, 60),
    ] {
        let pushed = judged(status, body).unwrap();
        assert_eq!(pushed.request_uri, "urn:x:1");
        assert_eq!(pushed.expires_in, expires_in);
    }
}

#[test]
fn a_refusal_is_sorted_as_the_token_endpoints_are() {
    let error = |status, body| judged(status, body).unwrap_err();
    assert!(matches!(
        error(401, r#"{"error":"invalid_client"}"#),
        TokenError::ClientDead(_)
    ));
    assert!(matches!(
        error(400, r#"{"error":"invalid_scope"}"#),
        TokenError::InvalidScope(_)
    ));
    assert!(matches!(
        error(400, r#"{"error":"invalid_target"}"#),
        TokenError::InvalidTarget(_)
    ));
    assert!(matches!(
        error(
            200,
            r#"{"error":"invalid_request","error_description":"unknown parameter `resource`"}"#
        ),
        TokenError::InvalidTarget(_)
    ));
    assert!(matches!(error(503, ""), TokenError::Unavailable(_)));
    assert!(matches!(error(429, "{}"), TokenError::Unavailable(_)));
    assert!(matches!(
        error(400, r#"{"error":"invalid_request"}"#),
        TokenError::Refused(_)
    ));
    assert!(matches!(
        judge(unreachable()).unwrap_err(),
        TokenError::Unavailable(Outage {
            effect: Effect::None,
            ..
        })
    ));
    let lost = std::sync::Arc::new(std::io::Error::other("connection reset"));
    assert!(matches!(
        judge(Err(FetchFault::NoAnswer(lost))).unwrap_err(),
        TokenError::Unavailable(Outage {
            effect: Effect::Unknown,
            ..
        })
    ));
}

#[test]
fn an_answer_without_a_usable_reference_is_no_use() {
    let long = format!(
        r#"{{"request_uri":"urn:{}","expires_in":60}}"#,
        "x".repeat(5000)
    );
    for body in [
        "<html>",
        "[]",
        "{}",
        r#"{"request_uri":"","expires_in":60}"#,
        r#"{"request_uri":7,"expires_in":60}"#,
        r#"{"request_uri":"urn:x y","expires_in":60}"#,
        r#"{"request_uri":"urn:\u0007","expires_in":60}"#,
        r#"{"request_uri":"urn:a","request_uri":"urn:b","expires_in":60}"#,
        &long,
    ] {
        let error = judged(201, body).unwrap_err();
        assert!(matches!(error, TokenError::Unusable(_)), "{body}: {error}");
    }
}
