//! Where the first issuer is of no use, or none is named.

use super::*;

#[test]
fn the_next_issuer_is_asked_where_the_first_has_no_metadata() {
    let other = "https://second.example";
    let walk = Walk::of(&["https://first.example", other])
        .gets(404, "")
        .gets(404, "")
        .gets(200, &with("issuer", &format!("\"{other}\"")));
    assert_eq!(walk.found().issuer, Issuer::new(other));
}

#[test]
fn the_next_issuer_is_asked_where_the_first_may_not_be_used() {
    let other = "https://second.example";
    let good = with("issuer", &format!("\"{other}\""));
    for bad in [
        with("issuer", "\"https://evil.example\""),
        with("code_challenge_methods_supported", ""),
        with("token_endpoint", "\"http://as.example/token\""),
        "{\"issuer\":\"a\",\"issuer\":\"b\"}".to_owned(),
    ] {
        let walk = Walk::of(&[T1, other]).gets(200, &bad);
        // The same issuer is not looked for elsewhere.
        assert!(walk.asked[1].starts_with(other), "{:?}", walk.asked);
        assert_eq!(walk.gets(200, &good).found().issuer, Issuer::new(other));
        let walk = Walk::of(&[T1, other]).gets(200, &bad);
        let first = Walk::of(&[T1]).gets(200, &bad).failed().to_string();
        // What was wrong with the first says more than that the second is not there.
        assert_eq!(walk.gets(404, "").gets(404, "").failed().to_string(), first);
    }
}

#[test]
fn an_issuer_that_is_known_already_is_asked_first() {
    let walk = Walk::of(&["https://first.example", "https://known.example"]);
    assert!(walk.asked[0].starts_with("https://known.example/"));
}

#[test]
fn unsafe_issuers_are_passed_over() {
    let walk = Walk::of(&["http://as.example", "https://u@as.example", "x", T1]);
    assert!(walk.asked[0].starts_with("https://as.example/"));
    let error = Walk::of(&["http://as.example", "x"]).failed();
    assert!(
        error.to_string().contains("`http://as.example/`"),
        "{error}"
    );
}

#[test]
fn without_resource_metadata_the_servers_own_origin_is_asked() {
    let walk = Walk::guessed("https://m.example:8443/a/mcp?x=1")
        .gets(404, "")
        .gets(404, "");
    assert_eq!(
        walk.asked,
        [
            "https://m.example:8443/.well-known/oauth-authorization-server",
            "https://m.example:8443/.well-known/openid-configuration",
        ]
    );
    let found = walk.found();
    assert_eq!(found.issuer, Issuer::new("https://m.example:8443"));
    let endpoint = |name: &str| Url::parse(&format!("https://m.example:8443/{name}")).unwrap();
    assert_eq!(found.authorization_endpoint, Some(endpoint("authorize")));
    assert_eq!(found.token_endpoint, endpoint("token"));
    assert_eq!(found.registration_endpoint, Some(endpoint("register")));
    assert!(!found.iss_supported);
}

#[test]
fn default_endpoints_are_not_used_while_something_is_down() {
    let walk = Walk::guessed("https://m.example/mcp")
        .fails()
        .fails()
        .gets(404, "");
    assert!(walk.failed().is_transient());
}

#[test]
fn metadata_at_the_servers_own_origin_may_lack_issuer_and_pkce_methods() {
    let body = r#"{"authorization_endpoint":"https://m.example/oauth/authorize",
        "token_endpoint":"https://m.example/oauth/token","response_types_supported":["code"]}"#;
    let found = Walk::guessed("https://m.example/mcp")
        .gets(200, body)
        .found();
    assert_eq!(found.issuer, Issuer::new("https://m.example"));
    assert_eq!(found.token_endpoint.path(), "/oauth/token");
}

#[test]
fn metadata_at_the_servers_own_origin_still_has_to_be_about_it() {
    let error = Walk::guessed("https://m.example/mcp")
        .gets(200, FULL)
        .failed();
    assert!(matches!(error, DiscoveryError::IssuerMismatch { .. }));
}

#[test]
fn a_server_on_plain_http_elsewhere_has_no_authorization_server_of_its_own() {
    let error = Walk::guessed("http://m.example/mcp").failed();
    assert!(matches!(error, DiscoveryError::Address { .. }));
    assert_eq!(Walk::guessed("http://localhost:9/mcp").asked.len(), 1);
}

#[test]
fn an_embedded_document_counts_if_it_comes_from_its_issuers_origin() {
    let document = |url: &str| AuthorizationServers::Embedded {
        document: Object::parse(FULL.as_bytes(), &[]).unwrap(),
        url: Url::parse(url).unwrap(),
    };
    let m = || server("https://m.example/mcp");
    let found = Walk::start(m(), document("https://as.example/anywhere")).found();
    assert_eq!(found.issuer, Issuer::new(T1));
    let walk = Walk::start(m(), document("https://m.example/anywhere"));
    assert_eq!(
        walk.asked,
        ["https://as.example/.well-known/oauth-authorization-server/t1"]
    );
}
