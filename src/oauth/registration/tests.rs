use std::error::Error as _;

use super::super::discovery::tests::{reply, server, unreachable};
use super::*;
use crate::ids::Issuer;

const LOCALHOST: &str = "http://localhost:4711/oauth/callback";
const NUMBER: &str = "http://127.0.0.1:4711/oauth/callback";

fn authorization_server(methods: Option<&[&str]>) -> AuthorizationServer {
    let url = |path: &str| Url::parse(&format!("https://as.example/{path}")).unwrap();
    AuthorizationServer {
        issuer: Issuer::new("https://as.example"),
        authorization_endpoint: Some(url("authorize")),
        pushed_authorization_request_endpoint: None,
        require_pushed_authorization_requests: false,
        token_endpoint: url("token"),
        device_authorization_endpoint: None,
        registration_endpoint: Some(url("register")),
        revocation_endpoint: None,
        grant_types: None,
        scopes_supported: Vec::new(),
        auth_methods: methods.map(|list| list.iter().map(|&m| m.to_owned()).collect()),
        iss_supported: false,
        dpop_algorithms: None,
        auth_signing_algorithms: None,
        client_id_metadata_documents: false,
    }
}

fn begin(methods: Option<&[&str]>, extra: Value) -> Result<Registration, RegistrationError> {
    let server = authorization_server(methods);
    let endpoint = server.registration_endpoint.clone().unwrap();
    let Value::Object(extra) = extra else {
        panic!()
    };
    Registration::new(&server, endpoint, LOCALHOST.to_owned(), &extra)
}

fn plain() -> Registration {
    begin(None, json!({})).unwrap()
}

fn answer(registration: Registration, status: u16, body: &str) -> Step {
    let fetched = reply(registration.endpoint(), status, body);
    registration.judge(fetched, &server("https://m.example/mcp"))
}

fn registered(registration: Registration, body: &str) -> Client {
    match answer(registration, 201, body) {
        Step::Registered(client) => client,
        other => panic!("{other:?}"),
    }
}

fn failed(step: Step) -> RegistrationError {
    match step {
        Step::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn again(step: Step) -> Registration {
    match step {
        Step::Again(registration, 0) => registration,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_request_describes_a_native_public_client() {
    assert_eq!(
        plain().body(),
        json!({
            "client_name": "mcp-drawbridge",
            "redirect_uris": [LOCALHOST],
            "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "software_id": "mcp-drawbridge",
            "software_version": env!("CARGO_PKG_VERSION"),
        })
    );
}

#[test]
fn a_client_for_other_devices_asks_for_their_grant_as_well() {
    let grants = |body: &Value| body["grant_types"].clone();
    let first = plain().for_devices();
    let all = json!(["authorization_code", DEVICE_GRANT, "refresh_token"]);
    assert_eq!(grants(&first.body()), all);
    assert_eq!(first.body()["redirect_uris"], json!([LOCALHOST]));
    assert_eq!(first.body()["response_types"], json!(["code"]));
    // RFC 7591 §2: left out, the grant would be `authorization_code`.
    let second = again(answer(first, 400, r#"{"error":"invalid_client_metadata"}"#));
    assert_eq!(
        grants(&second.body()),
        json!([DEVICE_GRANT, "refresh_token"])
    );
    assert_eq!(second.body()["response_types"], json!([]));
    let mine = begin(None, json!({"grant_types": [DEVICE_GRANT]})).unwrap();
    assert_eq!(grants(&mine.for_devices().body()), json!([DEVICE_GRANT]));
}

#[test]
fn a_client_that_got_the_device_grant_alone_has_no_redirect_uri() {
    let minimal = || {
        let refused = r#"{"error":"invalid_client_metadata"}"#;
        again(answer(plain().for_devices(), 400, refused))
    };
    let alone = format!(r#"{{"client_id":"C","grant_types":["{DEVICE_GRANT}"]}}"#);
    let both =
        format!(r#"{{"client_id":"C","grant_types":["authorization_code","{DEVICE_GRANT}"]}}"#);
    let silent = r#"{"client_id":"C"}"#;
    for (registration, reply, serves_browsers) in [
        (plain().for_devices(), silent, true),
        (plain().for_devices(), &both, true),
        (plain().for_devices(), &alone, false),
        (minimal(), silent, false),
        (minimal(), &both, true),
        (plain(), &alone, true),
    ] {
        let client = registered(registration, reply);
        let expected = serves_browsers.then(|| LOCALHOST.to_owned());
        assert_eq!(client.redirect_uri, expected, "{reply}");
    }
}

#[test]
fn what_the_user_wants_is_merged_over_but_keeps_our_redirect_uri() {
    let body = begin(
        None,
        json!({"client_name": "Mine", "scope": "a b", "redirect_uris": [LOCALHOST, "http://x/"]}),
    )
    .unwrap()
    .body();
    assert_eq!(body["client_name"], "Mine");
    assert_eq!(body["scope"], "a b");
    assert_eq!(body["redirect_uris"], json!([LOCALHOST, "http://x/"]));
    let body = begin(None, json!({"redirect_uris": "x"})).unwrap().body();
    assert_eq!(body["redirect_uris"], json!([LOCALHOST]));
}

#[test]
fn the_authentication_method_is_one_that_the_server_lists() {
    let asked = |methods| begin(methods, json!({})).map(|r| r.auth_method);
    use AuthMethod as M;
    for (methods, method) in [
        (None, M::None),
        (Some(&[][..]), M::None),
        (Some(&["client_secret_basic", "none"][..]), M::None),
        (
            Some(&["client_secret_post", "client_secret_basic"][..]),
            M::ClientSecretBasic,
        ),
        (
            Some(&["private_key_jwt", "client_secret_post"][..]),
            M::ClientSecretPost,
        ),
    ] {
        assert_eq!(asked(methods).unwrap(), method, "{methods:?}");
    }
    assert!(matches!(
        asked(Some(&["private_key_jwt", "tls_client_auth"][..])),
        Err(RegistrationError::AuthMethods(_))
    ));
    let mine = begin(
        Some(&["none"]),
        json!({"token_endpoint_auth_method": "client_secret_post"}),
    );
    assert_eq!(mine.unwrap().auth_method, M::ClientSecretPost);
    assert!(
        begin(
            None,
            json!({"token_endpoint_auth_method": "private_key_jwt"})
        )
        .is_err()
    );
}

#[test]
fn a_minimal_reply_makes_a_public_client() {
    let client = registered(plain(), r#"{"client_id":"CLIENT_1"}"#);
    assert_eq!(
        client,
        Client {
            client_id: "CLIENT_1".to_owned(),
            client_secret: None,
            client_secret_expires_at: None,
            auth_method: AuthMethod::None,
            redirect_uri: Some(LOCALHOST.to_owned()),
            management: None,
            registered: true,
            dpop_bound: false,
            ..Client::default()
        }
    );
    assert!(matches!(
        answer(plain(), 200, r#"{"client_id":"CLIENT_1"}"#),
        Step::Registered(_)
    ));
}

#[test]
fn what_the_server_registered_outranks_what_was_asked_for() {
    let client = registered(
        plain(),
        r#"{"client_id":"C","client_secret":"CLIENT_SECRET_1",
            "token_endpoint_auth_method":"client_secret_post"}"#,
    );
    assert_eq!(client.auth_method, AuthMethod::ClientSecretPost);
    assert_eq!(client.client_secret, Some(Secret::new("CLIENT_SECRET_1")));
}

#[test]
fn a_secret_without_a_named_method_goes_by_what_the_server_lists() {
    let body = r#"{"client_id":"C","client_secret":"S"}"#;
    let method = |methods| registered(begin(methods, json!({})).unwrap(), body).auth_method;
    assert_eq!(method(None), AuthMethod::ClientSecretBasic);
    assert_eq!(
        method(Some(&["client_secret_post"])),
        AuthMethod::ClientSecretPost
    );
    assert_eq!(
        method(Some(&["client_secret_post", "client_secret_basic"])),
        AuthMethod::ClientSecretBasic
    );
}

#[test]
fn a_public_client_has_no_secret_even_if_one_was_handed_out() {
    let client = registered(
        plain(),
        r#"{"client_id":"C","client_secret":"S","client_secret_expires_at":9,
            "token_endpoint_auth_method":"none"}"#,
    );
    assert_eq!(client.auth_method, AuthMethod::None);
    assert_eq!(
        (client.client_secret, client.client_secret_expires_at),
        (None, None)
    );
}

#[test]
fn without_a_secret_no_method_needs_one() {
    let body = r#"{"client_id":"C","token_endpoint_auth_method":"client_secret_basic"}"#;
    assert_eq!(registered(plain(), body).auth_method, AuthMethod::None);
}

#[test]
fn a_method_that_we_do_not_have_is_refused() {
    let body = r#"{"client_id":"C","token_endpoint_auth_method":"private_key_jwt"}"#;
    assert!(matches!(
        failed(answer(plain(), 201, body)),
        RegistrationError::AuthMethods(_)
    ));
}

#[test]
fn a_secret_ends_when_the_server_says_and_zero_is_never() {
    for (written, end) in [
        ("0", None),
        ("null", None),
        ("1700000000", Some(1_700_000_000)),
        ("1700000000.0", Some(1_700_000_000)),
        ("\"1700000000\"", Some(1_700_000_000)),
        ("-5", None),
        ("\"soon\"", None),
    ] {
        let body = format!(
            r#"{{"client_id":"C","client_secret":"S","client_secret_expires_at":{written}}}"#
        );
        let client = registered(plain(), &body);
        assert_eq!(client.client_secret_expires_at, end, "{written}");
        assert_eq!(client.has_lapsed(1_700_000_000), end.is_some());
        assert!(!client.has_lapsed(1_699_999_999));
    }
}

#[test]
fn the_handle_of_the_registration_is_kept_if_it_is_safe() {
    let with = |uri: &str| {
        let body = format!(
            r#"{{"client_id":"C","registration_client_uri":"{uri}",
                "registration_access_token":"REGISTRATION_TOKEN_1"}}"#
        );
        registered(plain(), &body).management
    };
    let kept = with("https://as.example/register/C").unwrap();
    assert_eq!(kept.uri.path(), "/register/C");
    assert_eq!(kept.token, Secret::new("REGISTRATION_TOKEN_1"));
    assert_eq!(with("http://as.example/register/C"), None);
}

#[test]
fn the_handle_of_the_registration_is_at_the_endpoint_or_the_issuer_and_nowhere_else() {
    let asked = authorization_server(None);
    let endpoint = Url::parse("https://register.example/clients").unwrap();
    for (uri, kept) in [
        ("https://register.example/clients/C", true),
        ("https://REGISTER.example:443/other", true),
        ("https://as.example/clients/C", true),
        ("https://register.example:8443/clients/C", false),
        ("https://x.register.example/clients/C", false),
        ("https://as.example.evil.example/clients/C", false),
        ("https://evil.example/clients/C", false),
        ("https://me@as.example/clients/C", false),
    ] {
        let redirect_uri = LOCALHOST.to_owned();
        let registration =
            Registration::new(&asked, endpoint.clone(), redirect_uri, &Map::new()).unwrap();
        let body = json!({
            "client_id": "C", "registration_client_uri": uri,
            "registration_access_token": "REGISTRATION_TOKEN_1",
        });
        let client = registered(registration, &body.to_string());
        assert_eq!(client.management.is_some(), kept, "{uri}");
    }
}

#[test]
fn a_respelled_redirect_uri_in_the_reply_is_used() {
    let with = |uris: Value| {
        let body = json!({"client_id": "C", "redirect_uris": uris}).to_string();
        registered(plain(), &body).redirect_uri.unwrap()
    };
    assert_eq!(with(json!([NUMBER])), NUMBER);
    assert_eq!(with(json!([NUMBER, LOCALHOST])), LOCALHOST);
    assert_eq!(with(json!(["http://localhost/oauth/callback"])), LOCALHOST);
    assert_eq!(with(json!([])), LOCALHOST);
}

#[test]
fn a_refused_redirect_uri_is_tried_once_in_the_other_spelling() {
    let body = r#"{"error":"invalid_redirect_uri"}"#;
    let second = again(answer(plain(), 400, body));
    assert_eq!(second.redirect_uri(), NUMBER);
    assert_eq!(second.body()["redirect_uris"], json!([NUMBER]));
    assert!(matches!(
        failed(answer(second, 400, body)),
        RegistrationError::Refused(_)
    ));
    assert_eq!(other_spelling(NUMBER).as_deref(), Some(LOCALHOST));
    assert_eq!(other_spelling("http://[::1]:4711/oauth/callback"), None);
    assert_eq!(other_spelling("https://m.example/localhost"), None);
}

#[test]
fn refused_metadata_is_tried_once_with_the_least() {
    let body = r#"{"error":"invalid_client_metadata"}"#;
    let second = again(answer(plain(), 400, body));
    assert_eq!(
        second.body(),
        json!({"client_name": "mcp-drawbridge", "redirect_uris": [LOCALHOST], "application_type": "native"})
    );
    // Each way of giving in is open once, whatever comes first.
    let third = again(answer(second, 400, r#"{"error":"invalid_redirect_uri"}"#));
    assert_eq!(third.body()["redirect_uris"], json!([NUMBER]));
    assert!(matches!(
        failed(answer(third, 400, body)),
        RegistrationError::Refused(_)
    ));
}

#[test]
fn a_closed_registration_says_what_to_do() {
    for (status, body) in [(401, "{}"), (403, "Forbidden"), (403, "<html>no</html>")] {
        let error = failed(answer(plain(), status, body));
        assert!(matches!(error, RegistrationError::Closed(_)), "{status}");
        assert!(error.hint().contains("--static-oauth-client-info"));
        assert!(!error.is_transient());
    }
}

#[test]
fn faults_of_network_and_server_may_pass() {
    for status in [429, 500, 503] {
        assert!(failed(answer(plain(), status, "")).is_transient());
    }
    let step = plain().judge(unreachable(), &server("https://m.example/mcp"));
    let error = failed(step);
    assert!(error.is_transient());
    assert!(error.source().is_some());
}

#[test]
fn replies_that_are_no_registration_are_refused() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"client_id":""}"#,
        r#"{"client_id":7}"#,
    ] {
        let error = failed(answer(plain(), 201, body));
        assert!(matches!(error, RegistrationError::Reply(_)), "{body}");
    }
    let twice = r#"{"client_id":"A","client_id":"B"}"#;
    assert!(matches!(
        failed(answer(plain(), 201, twice)),
        RegistrationError::Reply(_)
    ));
    let error = failed(answer(
        plain(),
        200,
        r#"{"error":"x","error_description":"no"}"#,
    ));
    assert!(matches!(error, RegistrationError::Refused(_)));
}

#[test]
fn other_refusals_show_what_the_server_says() {
    let body = r#"{"error":"invalid_software_statement","error_description":"\u001b[1mno"}"#;
    let text = failed(answer(plain(), 400, body)).to_string();
    assert_eq!(
        text,
        "the registration was refused: `invalid_software_statement`: [1mno"
    );
    let text = failed(answer(plain(), 404, "nothing here")).to_string();
    assert_eq!(
        text,
        "the registration was refused: status 404: nothing here"
    );
}
