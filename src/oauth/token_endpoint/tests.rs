use super::*;

fn refresh() -> GrantRequest {
    GrantRequest::RefreshToken {
        refresh_token: Secret::new("REFRESH_TOKEN_1"),
    }
}

fn code() -> GrantRequest {
    GrantRequest::AuthorizationCode {
        code: Secret::new("CODE_1"),
        redirect_uri: "http://localhost:1/cb".to_owned(),
        code_verifier: Some(Secret::new("VERIFIER_1")),
    }
}

fn sort(grant: &GrantRequest, status: u16, body: &str) -> TokenError {
    TokenError::from_refusal(grant, Refusal::read(status, body.as_bytes()), None)
}

#[test]
fn spellings_of_a_dead_refresh_token() {
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (
            200,
            r#"{"error":"invalid_grant","error_description":"Grant not found"}"#,
        ),
        (
            403,
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Invalid refresh token"}"#,
        ),
        (
            401,
            r#"{"error":"invalid_token","error_description":"The refresh token expired"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"OAuth grant revoked"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"Server: refresh_token is invalid"}"#,
        ),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        (
            200,
            r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}"#,
        ),
        (
            400,
            r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
        ),
        (
            400,
            r#"{"code":400,"error_code":"refresh_token_already_used","msg":"Already used"}"#,
        ),
        (400, r#"{"message":"Invalid Refresh Token"}"#),
        (401, "Refresh token expired\n"),
    ] {
        let error = sort(&refresh(), status, body);
        assert!(
            matches!(error, TokenError::GrantDead(_)),
            "{body}: {error:?}"
        );
    }
}

#[test]
fn spellings_of_a_refused_resource() {
    for body in [
        r#"{"error":"invalid_target"}"#,
        r#"{"error":"invalid_target","error_description":"unknown resource"}"#,
        r#"{"error":"invalid_request","error_description":"AADSTS901002: The 'resource' request parameter is not supported."}"#,
        r#"{"error":"invalid_grant","error_description":"AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes."}"#,
        r#"{"error":"invalid_request","error_description":"Unrecognized parameter: resource"}"#,
        r#"{"error":"invalid_request","error_description":"The parameter \"resource\" is not allowed"}"#,
        r#"{"error":"invalid_request","error_description":"resource indicators are not supported"}"#,
        r#"{"error":"invalid_resource","error_description":"`resource` is not valid"}"#,
    ] {
        for grant in [code(), refresh()] {
            let error = sort(&grant, 400, body);
            assert!(
                matches!(error, TokenError::InvalidTarget(_)),
                "{body}: {error:?}"
            );
        }
    }
    for body in [
        r#"{"error":"invalid_request","error_description":"The resource owner denied it"}"#,
        r#"{"error":"invalid_request","error_description":"resource not found"}"#,
        r#"{"error":"invalid_grant","error_description":"unknown resource parameter"}"#,
        r#"{"error":"invalid_request","error_description":"missing parameter: code"}"#,
        r#"{"error":"invalid_request"}"#,
    ] {
        let error = sort(&code(), 400, body);
        assert!(!matches!(error, TokenError::InvalidTarget(_)), "{body}");
    }
}

#[test]
fn a_missing_parameter_is_no_dead_refresh_token() {
    let body = r#"{"error":"invalid_request","error_description":"refresh_token is required"}"#;
    assert!(matches!(
        sort(&refresh(), 400, body),
        TokenError::Refused(_)
    ));
    let body = r#"{"error":"invalid_request","error_description":"bad refresh_token"}"#;
    assert!(matches!(sort(&code(), 400, body), TokenError::Refused(_)));
    for body in [
        r#"{"error":"missing_refresh_token"}"#,
        r#"{"error":"REFRESH_TOKEN_REQUIRED"}"#,
        r#"{"message":"A refresh token is required"}"#,
        r#"{"error":"other","error_description":"no refresh token for this scope"}"#,
        r#"{"status":"error","message":"no"}"#,
        r#"{"error":{"type":"refresh_token"}}"#,
    ] {
        let error = sort(&refresh(), 400, body);
        assert!(matches!(error, TokenError::Refused(_)), "{body}: {error:?}");
    }
    let page = "<html>Refresh token expired</html>";
    let error = sort(&refresh(), 403, page);
    assert!(matches!(error, TokenError::Refused(_)), "{error:?}");
}

#[test]
fn spellings_of_an_unknown_client() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"unauthorized_client"}"#),
        (422, r#"{"message":"Unrecognized client_id"}"#),
        (
            400,
            r#"{"error":"unauthorized_client","error_description":"Unknown application"}"#,
        ),
        (200, r#"{"error":"incorrect_client_credentials"}"#),
        (200, r#"{"ok":false,"error":"invalid_client_id"}"#),
        (200, r#"{"ok":false,"error":"bad_client_secret"}"#),
        (
            400,
            r#"{"error":{"code":"x","message":"Client not found"}}"#,
        ),
    ] {
        for grant in [refresh(), code()] {
            let error = sort(&grant, status, body);
            assert!(
                matches!(error, TokenError::ClientDead(_)),
                "{body}: {error:?}"
            );
        }
    }
}

#[test]
fn outages_say_whether_the_request_can_have_taken_effect() {
    for (status, body, effect) in [
        (503, "", Effect::None),
        (429, r#"{"error":"invalid_grant"}"#, Effect::None),
        (400, r#"{"error":"temporarily_unavailable"}"#, Effect::None),
        (400, r#"{"error":"server_error"}"#, Effect::Unknown),
        (500, r#"{"error":"invalid_grant"}"#, Effect::Unknown),
        (502, "<html>Bad gateway</html>", Effect::Unknown),
        (504, "", Effect::Unknown),
    ] {
        match sort(&refresh(), status, body) {
            TokenError::Unavailable(outage) => {
                assert_eq!(outage.effect, effect, "{status} {body}")
            }
            other => panic!("{status} {body}: {other:?}"),
        }
    }
}

#[test]
fn other_refusals_keep_their_kind() {
    let sorted = |body| sort(&refresh(), 400, body);
    assert!(matches!(
        sorted(r#"{"error":"invalid_scope"}"#),
        TokenError::InvalidScope(_)
    ));
    assert!(matches!(
        sorted(r#"{"error":"invalid_target"}"#),
        TokenError::InvalidTarget(_)
    ));
    assert!(matches!(
        sorted(r#"{"error":"unsupported_grant_type"}"#),
        TokenError::Refused(_)
    ));
    assert!(matches!(
        sort(&refresh(), 404, "<html>"),
        TokenError::Refused(_)
    ));
}

#[test]
fn what_a_poll_for_a_device_code_is_told() {
    let device = GrantRequest::DeviceCode {
        device_code: Secret::new("DEVICE_CODE_1"),
    };
    type Is = fn(&TokenError) -> bool;
    let cases: [(u16, &str, Is); 11] = [
        (400, "authorization_pending", |e| {
            matches!(e, TokenError::Pending(_))
        }),
        (428, "authorization_pending", |e| {
            matches!(e, TokenError::Pending(_))
        }),
        (400, "slow_down", |e| matches!(e, TokenError::SlowDown(_))),
        (429, "slow_down", |e| matches!(e, TokenError::SlowDown(_))),
        (403, "access_denied", |e| {
            matches!(e, TokenError::Declined(_))
        }),
        (400, "authorization_declined", |e| {
            matches!(e, TokenError::Declined(_))
        }),
        (400, "expired_token", |e| {
            matches!(e, TokenError::Expired(_))
        }),
        (400, "invalid_grant", |e| {
            matches!(e, TokenError::GrantDead(_))
        }),
        (401, "invalid_client", |e| {
            matches!(e, TokenError::ClientDead(_))
        }),
        (429, "too_many", |e| matches!(e, TokenError::Unavailable(_))),
        (400, "made_up", |e| matches!(e, TokenError::Refused(_))),
    ];
    for (status, error, is) in cases {
        let body = format!(r#"{{"error":"{error}"}}"#);
        let sorted = sort(&device, status, &body);
        assert!(is(&sorted), "{status} {error}: {sorted:?}");
    }
    // To other grants they mean nothing, or what RFC 6749 has them mean.
    for error in ["authorization_pending", "access_denied", "expired_token"] {
        let body = format!(r#"{{"error":"{error}"}}"#);
        assert!(matches!(sort(&code(), 400, &body), TokenError::Refused(_)));
    }
    let body = r#"{"error":"slow_down"}"#;
    assert!(matches!(
        sort(&refresh(), 400, body),
        TokenError::Unavailable(_)
    ));
}

#[test]
fn a_refusal_shows_no_pages_and_no_control_characters() {
    assert_eq!(
        Refusal::read(403, b"<html>Forbidden</html>").to_string(),
        "status 403"
    );
    assert_eq!(
        Refusal::read(403, b"Forbidden\n").to_string(),
        "status 403: Forbidden"
    );
    let body = br#"{"error":"invalid_client","error_description":"\u001b[2Jgone"}"#;
    assert_eq!(
        Refusal::read(401, body).to_string(),
        "`invalid_client`: [2Jgone"
    );
    assert_eq!(Refusal::read(400, b"").to_string(), "status 400");
}

#[test]
fn debug_output_of_requests_hides_secrets() {
    let device = GrantRequest::DeviceCode {
        device_code: Secret::new("DEVICE_CODE_1"),
    };
    let shown = format!("{:?} {:?} {device:?}", refresh(), code());
    for secret in [
        "DEVICE_CODE_1",
        "REFRESH_TOKEN_1",
        "CODE_1",
        "VERIFIER_1",
        "ACCESS_TOKEN_1",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn an_outage_tells_how_long_the_server_wants_to_be_left_alone() {
    let refusal = || Refusal::read(429, br#"{"error":"slow_down"}"#);
    let text = |wait| TokenError::from_endpoint(refusal(), wait).to_string();
    let plain = "the token endpoint is unavailable: it answered `slow_down`";
    assert_eq!(text(None), plain);
    assert_eq!(text(Some(0)), plain);
    let asks = format!("{plain}; it asks to come again in 3600 s");
    assert_eq!(text(Some(3600)), asks);
}
