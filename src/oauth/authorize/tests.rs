use std::collections::BTreeMap;

use super::*;

const REDIRECT: &str = "http://localhost:4711/oauth/callback";
/// What 32 bytes of `s` are in base64url.
const STATE: &str = "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M";

fn server() -> AuthorizationServer {
    let url = |text| Url::parse(text).unwrap();
    AuthorizationServer {
        issuer: Issuer::new("https://as.example"),
        authorization_endpoint: Some(url("https://as.example/authorize?tenant=t%201")),
        pushed_authorization_request_endpoint: None,
        require_pushed_authorization_requests: false,
        token_endpoint: url("https://as.example/token"),
        device_authorization_endpoint: None,
        registration_endpoint: None,
        revocation_endpoint: None,
        grant_types: None,
        scopes_supported: Vec::new(),
        auth_methods: None,
        iss_supported: false,
        dpop_algorithms: None,
        auth_signing_algorithms: None,
        client_id_metadata_documents: false,
    }
}

fn randomness() -> Randomness {
    Randomness {
        state: [b's'; 32],
        // RFC 7636 appendix B.
        code_verifier: [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212,
            37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ],
    }
}

fn ask<'a>(server: &'a AuthorizationServer, scopes: &'a [String]) -> Ask<'a> {
    Ask {
        server,
        client_id: "CLIENT_1",
        redirect_uri: REDIRECT,
        resource: None,
        scopes,
        params: &[],
        pkce: true,
        lapses_at: 1000,
        proof_key: None,
    }
}

fn attempt_at(server: &AuthorizationServer) -> Attempt {
    Attempt::new(&ask(server, &[]), &randomness()).unwrap()
}

fn attempt() -> Attempt {
    attempt_at(&server())
}

/// An attempt at a server that always says who it is.
fn strict() -> Attempt {
    attempt_at(&AuthorizationServer {
        iss_supported: true,
        dpop_algorithms: None,
        ..server()
    })
}

fn query(attempt: &Attempt) -> BTreeMap<String, String> {
    let pairs: Vec<_> = attempt.address.0.query_pairs().into_owned().collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(
        pairs.len(),
        map.len(),
        "a parameter stands twice: {pairs:?}"
    );
    map
}

fn names(map: &BTreeMap<String, String>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

fn failed(callback: Callback) -> CallbackError {
    match callback {
        Callback::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn with_state(rest: &str) -> String {
    format!("state={STATE}&{rest}")
}

#[test]
fn the_request_keeps_the_endpoints_query_and_says_nothing_unasked() {
    let query = query(&attempt());
    assert_eq!(
        names(&query),
        [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "redirect_uri",
            "response_type",
            "state",
            "tenant"
        ]
    );
    assert_eq!(query["tenant"], "t 1");
    assert_eq!(query["client_id"], "CLIENT_1");
    assert_eq!(query["redirect_uri"], REDIRECT);
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["state"], STATE);
}

#[test]
fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
    let attempt = attempt();
    assert_eq!(
        attempt.code_verifier.as_ref().unwrap().expose(),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let query = query(&attempt);
    assert_eq!(
        query["code_challenge"],
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    assert_eq!(query["code_challenge_method"], "S256");
}

#[test]
fn resource_and_scope_are_sent_as_they_are() {
    let (server, scopes) = (server(), ["a:b".to_owned(), "c".to_owned()]);
    let resource = ResourceId::new("https://m.example/mcp?x=1");
    let ask = Ask {
        resource: Some(&resource),
        ..ask(&server, &scopes)
    };
    let query = query(&Attempt::new(&ask, &randomness()).unwrap());
    assert_eq!(query["resource"], "https://m.example/mcp?x=1");
    assert_eq!(query["scope"], "a:b c");
    assert!(!query.contains_key("prompt"));
}

#[test]
fn offline_access_asks_for_consent() {
    let (server, scopes) = (server(), ["offline_access".to_owned()]);
    let query = query(&Attempt::new(&ask(&server, &scopes), &randomness()).unwrap());
    assert_eq!(query["prompt"], "consent");
}

#[test]
fn the_users_parameters_replace_others_but_not_those_that_bind_the_attempt() {
    let (server, scopes) = (server(), ["offline_access".to_owned()]);
    let mut params: Vec<_> = [("prompt", "none"), ("audience", "x&y"), ("tenant", "t2")]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .to_vec();
    params.extend(RESERVED.map(|name| (name.to_owned(), "EVIL".to_owned())));
    let ask = Ask {
        params: &params,
        ..ask(&server, &scopes)
    };
    let attempt = Attempt::new(&ask, &randomness()).unwrap();
    let query = query(&attempt);
    assert_eq!(query["prompt"], "none");
    assert_eq!(query["audience"], "x&y");
    assert_eq!(query["tenant"], "t2");
    assert_eq!(query["scope"], "offline_access");
    assert!(!attempt.address.0.as_str().contains("EVIL"));
}

#[test]
fn the_code_comes_with_the_right_state() {
    assert_eq!(
        attempt().judge(&with_state("code=CODE%5F1+x")),
        Callback::Code(Secret::new("CODE_1 x"))
    );
}

#[test]
fn visits_without_our_state_do_not_end_the_attempt() {
    for query in [
        "",
        "code=CODE_1",
        "code=CODE_1&state=",
        "code=CODE_1&state=other",
        "error=access_denied",
        "error=access_denied&state=other",
        &format!("code=CODE_1&state={STATE}&state={STATE}"),
        &format!("code=CODE_1&state={STATE}x"),
        &format!("code=CODE_1&state={}", &STATE[1..]),
        &format!("code=CODE_1&State={STATE}"),
        &format!("code=CODE_1&state={}", STATE.to_lowercase()),
    ] {
        assert!(
            matches!(attempt().judge(query), Callback::Stray(_)),
            "{query}"
        );
    }
}

#[test]
fn the_sender_is_compared_character_by_character() {
    let right = with_state("code=C&iss=https%3A%2F%2Fas.example");
    for attempt in [attempt(), strict()] {
        assert!(matches!(attempt.judge(&right), Callback::Code(_)));
        for iss in [
            "https%3A%2F%2Fas.example%2F",
            "https://AS.example",
            "https://as.example:443",
            "https%253A%252F%252Fas.example",
            "https://evil.example",
            "",
        ] {
            for rest in ["code=C", "error=access_denied&error_description=EVIL"] {
                let callback = attempt.judge(&with_state(&format!("{rest}&iss={iss}")));
                let error = failed(callback);
                assert!(matches!(error, CallbackError::OtherIssuer { .. }), "{iss}");
                assert!(!error.to_string().contains("EVIL"));
            }
        }
    }
}

#[test]
fn a_missing_sender_counts_only_where_it_was_promised() {
    assert!(matches!(
        attempt().judge(&with_state("code=C")),
        Callback::Code(_)
    ));
    for rest in ["code=C", "error=access_denied"] {
        let error = failed(strict().judge(&with_state(rest)));
        assert!(matches!(error, CallbackError::NoIssuer(_)), "{error}");
    }
}

#[test]
fn repeated_parameters_end_the_attempt() {
    for (rest, name) in [
        ("code=A&code=B", "code"),
        (
            "code=A&iss=https://as.example&iss=https://as.example",
            "iss",
        ),
        ("error=a&error=b", "error"),
    ] {
        let error = failed(attempt().judge(&with_state(rest)));
        assert_eq!(error, CallbackError::Repeated(name.to_owned()));
    }
}

#[test]
fn a_declined_sign_in_is_told_from_other_refusals() {
    let error = failed(attempt().judge(&with_state("error=access_denied")));
    assert!(matches!(error, CallbackError::Declined(_)));
    assert_eq!(error.to_string(), "the sign-in was declined");
    let error = failed(attempt().judge(&with_state(
        "error=invalid_scope&error_description=No%20such%1B%5B31m%20scope",
    )));
    assert_eq!(
        error.to_string(),
        "the authorization server refused the sign-in: `invalid_scope`: No such[31m scope"
    );
}

#[test]
fn an_error_outranks_a_code() {
    let error = failed(attempt().judge(&with_state("code=C&error=server_error")));
    assert!(matches!(error, CallbackError::Refused(_)));
}

#[test]
fn an_answer_without_code_and_error_ends_the_attempt() {
    for rest in ["", "code="] {
        assert_eq!(
            failed(attempt().judge(&with_state(rest))),
            CallbackError::NoCode
        );
    }
}

#[test]
fn the_code_is_handed_in_with_redirect_uri_and_verifier() {
    let attempt = attempt();
    assert_eq!(
        attempt.exchange(Secret::new("CODE_1")),
        GrantRequest::AuthorizationCode {
            code: Secret::new("CODE_1"),
            redirect_uri: REDIRECT.to_owned(),
            code_verifier: attempt.code_verifier.clone(),
        }
    );
}

#[test]
fn an_attempt_is_continued_only_by_the_same_request() {
    let (server, other) = (
        server(),
        AuthorizationServer {
            issuer: Issuer::new("https://other.example"),
            ..server()
        },
    );
    let (attempt, scopes) = (attempt(), ["a".to_owned()]);
    assert!(attempt.is_continued_by(&ask(&server, &[]), 999));
    assert!(!attempt.is_continued_by(&ask(&server, &[]), 1000));
    assert!(!attempt.is_continued_by(&ask(&server, &scopes), 999));
    assert!(!attempt.is_continued_by(&ask(&other, &[]), 999));
    let with = |client_id, redirect_uri| Ask {
        client_id,
        redirect_uri,
        ..ask(&server, &[])
    };
    assert!(!attempt.is_continued_by(&with("CLIENT_2", REDIRECT), 999));
    assert!(!attempt.is_continued_by(&with("CLIENT_1", "http://localhost:1/"), 999));
    let moved = AuthorizationServer {
        token_endpoint: Url::parse("https://as.example/other").unwrap(),
        ..server.clone()
    };
    assert!(!attempt.is_continued_by(&ask(&moved, &[]), 999));
}

#[test]
fn debug_output_hides_what_binds_the_attempt() {
    let shown = format!("{:?} {:?}", attempt(), randomness());
    assert!(
        !shown.contains(STATE) && !shown.contains("dBjftJeZ"),
        "{shown}"
    );
    assert!(!shown.contains("E9Melhoa"), "{shown}");
}

#[test]
fn without_pkce_neither_challenge_nor_verifier_is_sent() {
    let server = server();
    let ask = Ask {
        pkce: false,
        ..ask(&server, &[])
    };
    let attempt = Attempt::new(&ask, &randomness()).unwrap();
    assert!(!attempt.address.0.as_str().contains("code_challenge"));
    assert_eq!(attempt.code_verifier, None);
    assert!(matches!(
        attempt.exchange(Secret::new("CODE_1")),
        GrantRequest::AuthorizationCode {
            code_verifier: None,
            ..
        }
    ));
    // What was begun with it is not finished without, nor the other way round.
    assert!(!self::attempt().is_continued_by(&ask, 999));
    assert!(attempt.is_continued_by(&ask, 999));
}

#[test]
fn without_an_authorization_endpoint_nobody_is_asked() {
    let server = AuthorizationServer {
        authorization_endpoint: None,
        ..server()
    };
    let error = Attempt::new(&ask(&server, &[]), &randomness()).unwrap_err();
    assert_eq!(error, AskError::NoAuthorizationEndpoint);
}

#[test]
fn an_attempt_that_is_spelled_out_again_ends_when_it_would_have() {
    let server = server();
    let mut left = attempt();
    let whole = left.clone();
    left.refer_to(
        &Url::parse("https://as.example/authorize").unwrap(),
        "urn:1",
    );
    let later = Ask {
        lapses_at: 2000,
        ..ask(&server, &[])
    };
    assert_eq!(left.spelled_out(&later), Ok(whole));
}

#[test]
fn each_failure_names_the_rule_that_it_goes_by() {
    let refused = |error: &str| {
        CallbackError::Refused(Refusal {
            status: 200,
            error: Some(error.to_owned()),
            description: None,
        })
    };
    let issuer = || Issuer::new("https://as.example");
    for (error, rule) in [
        (refused("invalid_target"), "RFC 8707 §2"),
        (refused("invalid_scope"), "RFC 6749 §4.1.2.1"),
        (
            CallbackError::Declined(Refusal::default()),
            "RFC 6749 §4.1.2.1",
        ),
        (CallbackError::NoIssuer(issuer()), "RFC 9207 §2.4"),
        (
            CallbackError::OtherIssuer {
                expected: issuer(),
                found: issuer(),
            },
            "RFC 9207 §2.4",
        ),
        (CallbackError::Repeated("code".to_owned()), "RFC 6749 §3.1"),
        (CallbackError::NoCode, "RFC 6749 §4.1.2"),
    ] {
        assert_eq!(error.rule(), rule, "{error}");
    }
}
