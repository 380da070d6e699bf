//! Requests and revocations over real sockets.

mod proofs;

use url::form_urlencoded;

use super::super::http::tests::{Remote, answer, client as http};
use super::*;
use crate::ids::ResourceId;
use crate::oauth::device::DeviceRequest;
use crate::oauth::registration::Client;

const GOOD: &str = r#"{"access_token":"ACCESS_TOKEN_2","token_type":"Bearer","expires_in":"3600",
    "refresh_token":"REFRESH_TOKEN_2","scope":["read","write"],"id_token":"ID_TOKEN_1"}"#;

fn ours(auth_method: AuthMethod) -> Client {
    Client {
        client_id: "client:1".to_owned(),
        client_secret: Some(Secret::new("CLIENT SECRET+1")),
        client_secret_expires_at: None,
        auth_method,
        redirect_uri: None,
        management: None,
        registered: true,
        dpop_bound: false,
        ..Client::default()
    }
}

fn refresh(remote: &Remote, auth_method: AuthMethod) -> TokenRequest {
    TokenRequest {
        endpoint: remote.url.clone(),
        client: ours(auth_method),
        resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
        grant: GrantRequest::RefreshToken {
            refresh_token: Secret::new("REFRESH_TOKEN_1"),
        },
        binding: None,
        params: Vec::new(),
    }
}

fn json(status: u16, body: &str) -> String {
    answer(status, "content-type: application/json\r\n", body)
}

fn form(request: &str) -> Vec<(String, String)> {
    let body = request.split("\r\n\r\n").nth(1).expect("body");
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

fn has(request: &str, name: &str, value: &str) -> bool {
    form(request).contains(&(name.to_owned(), value.to_owned()))
}

#[tokio::test]
async fn refresh_sends_what_rfc_6749_asks_and_reads_the_tokens() {
    let remote = Remote::new([json(201, GOOD)]).await;
    let request = refresh(&remote, AuthMethod::ClientSecretBasic);
    let tokens = super::request(&http(), &request, 1000)
        .await
        .expect("tokens");
    assert_eq!(tokens.access_token, Secret::new("ACCESS_TOKEN_2"));
    assert_eq!(tokens.refresh_token, Some(Secret::new("REFRESH_TOKEN_2")));
    assert_eq!(tokens.id_token, Some(Secret::new("ID_TOKEN_1")));
    assert_eq!(tokens.expires_at, Some(4600));
    assert_eq!(tokens.scopes, ["read", "write"]);
    let asked = remote.asked().remove(0);
    assert!(asked.contains("accept: application/json\r\n"), "{asked}");
    // "client%3A1:CLIENT+SECRET%2B1"
    assert!(asked.contains("authorization: Basic Y2xpZW50JTNBMTpDTElFTlQrU0VDUkVUJTJCMQ==\r\n"));
    assert!(has(&asked, "grant_type", "refresh_token"));
    assert!(has(&asked, "refresh_token", "REFRESH_TOKEN_1"));
    assert!(has(&asked, "resource", "https://mcp.example.com/mcp"));
    let names: Vec<_> = form(&asked).into_iter().map(|(name, _)| name).collect();
    assert!(!names.contains(&"scope".to_owned()), "{names:?}");
    assert!(!names.contains(&"client_secret".to_owned()), "{names:?}");
}

#[tokio::test]
async fn code_is_exchanged_by_a_public_client_with_its_redirect_uri_as_written() {
    let remote = Remote::new([json(200, GOOD)]).await;
    let request = TokenRequest {
        client: Client {
            client_secret: None,
            ..ours(AuthMethod::None)
        },
        resource: None,
        grant: GrantRequest::AuthorizationCode {
            code: Secret::new("CODE_1"),
            redirect_uri: "http://LOCALHOST:4000".to_owned(),
            code_verifier: Some(Secret::new("VERIFIER_1")),
        },
        ..refresh(&remote, AuthMethod::None)
    };
    super::request(&http(), &request, 1000)
        .await
        .expect("tokens");
    let asked = remote.asked().remove(0);
    assert!(!asked.contains("authorization:"), "{asked}");
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "CODE_1"),
        ("redirect_uri", "http://LOCALHOST:4000"),
        ("code_verifier", "VERIFIER_1"),
        ("client_id", "client:1"),
    ] {
        assert!(has(&asked, name, value), "{name}: {asked}");
    }
    assert!(!asked.contains("resource="), "{asked}");
}

#[tokio::test]
async fn what_a_server_repeats_of_a_request_is_not_told() {
    let said =
        r#"{"error":"invalid_grant","error_description":"no REFRESH_TOKEN_1 of CLIENT SECRET+1"}"#;
    let remote = Remote::new([json(400, said), json(200, said)]).await;
    let request = refresh(&remote, AuthMethod::ClientSecretPost);
    for _ in 0..2 {
        let error = super::request(&http(), &request, 0).await;
        let told = error.expect_err("refused").to_string();
        assert!(told.contains("no [redacted] of [redacted]"), "{told}");
    }
}

fn poll(remote: &Remote, auth_method: AuthMethod) -> TokenRequest {
    TokenRequest {
        grant: GrantRequest::DeviceCode {
            device_code: Secret::new("DEVICE CODE+1"),
        },
        ..refresh(remote, auth_method)
    }
}

#[tokio::test]
async fn poll_sends_what_rfc_8628_asks_once_and_reads_tokens_and_refusals() {
    let pending = json(400, r#"{"error":"authorization_pending"}"#);
    let remote = Remote::new([pending, json(200, GOOD), json(200, "{}")]).await;
    let request = poll(&remote, AuthMethod::ClientSecretBasic);
    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("none");
    assert!(matches!(error, TokenError::Pending(_)), "{error}");
    let tokens = super::request(&http(), &request, 1000)
        .await
        .expect("tokens");
    assert_eq!(tokens.access_token, Secret::new("ACCESS_TOKEN_2"));
    assert_eq!(tokens.expires_at, Some(4600));
    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("none");
    assert!(matches!(error, TokenError::Unusable(_)), "{error}");
    let asked = remote.asked();
    assert_eq!(asked.len(), 3);
    for asked in asked {
        assert!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"));
        assert!(asked.contains("accept: application/json\r\n"), "{asked}");
        assert!(
            asked.contains("authorization: Basic Y2xpZW50JTNBMTpDTElFTlQrU0VDUkVUJTJCMQ==\r\n")
        );
        let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
        assert!(has(&asked, "grant_type", grant_type), "{asked}");
        assert!(has(&asked, "device_code", "DEVICE CODE+1"));
        assert!(has(&asked, "resource", "https://mcp.example.com/mcp"));
        assert!(has(&asked, "client_id", "client:1"));
        assert_eq!(form(&asked).len(), 4, "{asked}");
    }
}

#[tokio::test]
async fn poll_of_a_public_client_names_it() {
    let remote = Remote::new([json(200, GOOD)]).await;
    let mut request = poll(&remote, AuthMethod::None);
    request.resource = None;
    super::request(&http(), &request, 0).await.expect("tokens");
    let asked = remote.asked().remove(0);
    assert!(has(&asked, "client_id", "client:1"));
    assert!(!asked.contains("authorization:") && !asked.contains("client_secret"));
    assert_eq!(form(&asked).len(), 3, "{asked}");
}

#[tokio::test]
async fn request_for_a_code_proves_who_asks_as_at_the_token_endpoint() {
    let unknown = json(401, r#"{"error":"invalid_client"}"#);
    let ready = json(200, r#"{"device_code":"D"}"#);
    let remote = Remote::new([unknown, ready.clone(), ready.clone(), ready]).await;
    for method in [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::None,
    ] {
        let request = DeviceRequest {
            endpoint: remote.url.clone(),
            client: ours(method),
            resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
            scopes: vec!["a".to_owned(), "b".to_owned()],
            params: vec![("audience".to_owned(), "x&y".to_owned())],
        };
        let document = request_code(&http(), &request).await.expect("an answer");
        assert_eq!(document.status, 200);
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), 4);
    for asked in &asked {
        assert!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"));
        assert!(has(asked, "scope", "a b") && has(asked, "audience", "x&y"));
        assert!(has(asked, "resource", "https://mcp.example.com/mcp"));
        let ids = form(asked)
            .iter()
            .filter(|(name, _)| name == "client_id")
            .count();
        assert_eq!(ids, 1, "{asked}");
    }
    let proofs = asked.iter().map(|asked| {
        (
            asked.contains("authorization: Basic "),
            asked.contains("client_secret="),
        )
    });
    let proofs: Vec<_> = proofs.collect();
    assert_eq!(
        proofs,
        [(true, false), (false, true), (false, true), (false, false)]
    );
}

#[tokio::test]
async fn secret_refused_in_the_header_is_tried_once_in_the_body() {
    let unknown = json(401, r#"{"error":"invalid_client"}"#);
    let remote = Remote::new([
        unknown.clone(),
        json(200, GOOD),
        unknown.clone(),
        unknown.clone(),
    ])
    .await;
    let request = refresh(&remote, AuthMethod::ClientSecretBasic);
    super::request(&http(), &request, 0).await.expect("tokens");
    let asked = remote.asked();
    assert!(asked[0].contains("authorization: Basic "));
    assert!(!asked[1].contains("authorization: "));
    assert!(has(&asked[1], "client_secret", "CLIENT SECRET+1"));
    assert!(has(&asked[1], "client_id", "client:1"));

    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("dead");
    assert!(matches!(error, TokenError::ClientDead(_)));
    assert_eq!(remote.asked().len(), 4);
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    let remote = Remote::new([
        json(
            400,
            r#"{"error":"invalid_grant","error_description":"gone"}"#,
        ),
        json(401, r#"{"error":"invalid_client"}"#),
    ])
    .await;
    let request = refresh(&remote, AuthMethod::ClientSecretBasic);
    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("dead");
    assert!(matches!(error, TokenError::GrantDead(_)));
    assert_eq!(
        error.to_string(),
        "the token endpoint refused: `invalid_grant`: gone"
    );
    let request = refresh(&remote, AuthMethod::ClientSecretPost);
    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("dead");
    assert!(matches!(error, TokenError::ClientDead(_)));
    assert_eq!(remote.asked().len(), 2);
    // Who is known, and may not do this, may not do it with the secret elsewhere either.
    let remote = Remote::new([json(400, r#"{"error":"unauthorized_client"}"#)]).await;
    let request = refresh(&remote, AuthMethod::ClientSecretBasic);
    let error = super::request(&http(), &request, 0)
        .await
        .expect_err("dead");
    assert!(matches!(error, TokenError::ClientDead(_)));
    assert_eq!(remote.asked().len(), 1);
}

#[tokio::test]
async fn who_is_nobody_is_not_named_and_what_the_user_adds_is_sent() {
    let remote = Remote::new([json(200, GOOD), json(200, GOOD)]).await;
    let params = vec![("audience".to_owned(), "a b".to_owned())];
    let request = TokenRequest {
        client: Client::nobody(),
        grant: GrantRequest::JwtBearer {
            assertion: Secret::new("H.P.S"),
            scopes: Vec::new(),
        },
        params: params.clone(),
        ..refresh(&remote, AuthMethod::None)
    };
    super::request(&http(), &request, 0).await.expect("tokens");
    let refresh = TokenRequest {
        params,
        ..refresh(&remote, AuthMethod::None)
    };
    super::request(&http(), &refresh, 0).await.expect("tokens");
    let asked = remote.asked();
    assert!(has(&asked[0], "assertion", "H.P.S"));
    let names: Vec<_> = form(&asked[0]).into_iter().map(|(name, _)| name).collect();
    assert!(
        !names.iter().any(|name| name.starts_with("client")),
        "{names:?}"
    );
    assert!(asked.iter().all(|asked| has(asked, "audience", "a b")));
}

#[test]
fn an_endpoint_that_may_not_be_asked_is_no_outage() {
    let forbidden = crate::net::guard::Forbidden {
        host: "10.0.0.1".to_owned(),
        why: crate::net::guard::Why::NotSecure,
    };
    let hint = forbidden.hint();
    let error = unavailable(FetchError::Forbidden(Box::new(forbidden)));
    assert!(matches!(error, TokenError::Unusable(_)), "{error:?}");
    assert!(error.to_string().contains(hint), "{error}");
}

#[tokio::test]
async fn outages_say_whether_the_token_can_have_been_spent() {
    let busy = answer(503, "retry-after: 9\r\n", "SECRET");
    let remote = Remote::new([busy, String::new()]).await;
    let request = refresh(&remote, AuthMethod::None);
    for (effect, retry_after) in [(Effect::None, Some(9)), (Effect::Unknown, None)] {
        match super::request(&http(), &request, 0).await {
            Err(TokenError::Unavailable(outage)) => {
                assert_eq!((outage.effect, outage.retry_after), (effect, retry_after));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn errors_show_nothing_of_a_body_with_tokens() {
    let mac = GOOD.replace("Bearer", "mac");
    let remote = Remote::new([
        json(200, &mac),
        json(200, r#"{"tokens":{"access_token":"ACCESS_TOKEN_2"}}"#),
        answer(302, "location: /x\r\n", GOOD),
        answer(200, "content-type: text/html\r\n", "<p>ACCESS_TOKEN_2"),
    ])
    .await;
    let request = refresh(&remote, AuthMethod::None);
    for _ in 0..4 {
        let error = super::request(&http(), &request, 0)
            .await
            .expect_err("unusable");
        assert!(matches!(error, TokenError::Unusable(_)), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("TOKEN_"), "{shown}");
    }
}

#[tokio::test]
async fn revocation_counts_unknown_tokens_and_kinds_as_revoked() {
    let remote = Remote::new([
        answer(200, "", ""),
        json(400, r#"{"error":"unsupported_token_type"}"#),
        answer(503, "retry-after: 0\r\n", ""),
        answer(200, "", ""),
        json(401, r#"{"error":"invalid_client"}"#),
        answer(204, "", ""),
    ])
    .await;
    let token = Secret::new("REFRESH_TOKEN_1");
    let client = ours(AuthMethod::ClientSecretBasic);
    for _ in 0..4 {
        revoke(
            &http(),
            &remote.url,
            &client,
            &token,
            TokenTypeHint::RefreshToken,
        )
        .await
        .expect("revoked");
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), 6);
    assert!(has(&asked[0], "token", "REFRESH_TOKEN_1"));
    assert!(has(&asked[0], "token_type_hint", "refresh_token"));
    assert!(asked[0].contains("authorization: Basic Y2xpZW50JTNBMTpDTElFTlQrU0VDUkVUJTJCMQ==\r\n"));
    assert!(has(&asked[5], "client_secret", "CLIENT SECRET+1"));
}

#[tokio::test]
async fn revocation_that_failed_says_so() {
    let remote = Remote::new([
        json(400, r#"{"error":"invalid_request"}"#),
        answer(503, "retry-after: 0\r\n", ""),
        answer(503, "retry-after: 0\r\n", ""),
        answer(503, "", ""),
    ])
    .await;
    let token = Secret::new("ACCESS_TOKEN_1");
    let client = ours(AuthMethod::None);
    for expected in ["`invalid_request`", "status 503", "status 503"] {
        let error = revoke(
            &http(),
            &remote.url,
            &client,
            &token,
            TokenTypeHint::AccessToken,
        )
        .await
        .expect_err("refused");
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), 4);
    assert!(has(&asked[0], "client_id", "client:1"));
    assert!(!asked[0].contains("client_secret"));
}
