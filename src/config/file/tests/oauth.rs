use super::*;

#[test]
fn a_redirect_uri_without_a_port_leaves_it_open() {
    for (members, arguments, port, any) in [
        (
            r#","oauth":{"redirect_uri":"http://127.0.0.1/cb"}"#,
            &["it"][..],
            None,
            true,
        ),
        (
            r#","oauth":{"redirect_uri":"http://127.0.0.1:80/cb"}"#,
            &["it"],
            Some(80),
            false,
        ),
        (
            r#","callback_port":4000,"oauth":{"redirect_uri":"http://127.0.0.1/cb"}"#,
            &["it"],
            Some(4000),
            false,
        ),
        (
            r#","oauth":{"redirect_uri":"http://127.0.0.1/cb"}"#,
            &["it", "5000"],
            Some(5000),
            false,
        ),
        ("", &["it"], None, false),
    ] {
        let callback = taken(&entry(members), arguments).callback;
        assert_eq!((callback.port, callback.any_port), (port, any), "{members}");
    }
}

#[test]
fn the_object_says_in_one_place_what_options_say() {
    let members = r#","oauth":{"client_id":"c","client_secret":"${S}","token_endpoint_auth_method":"client_secret_post",
        "scopes":["a","b c"],"resource":"https://r.example/","issuer":"https://as.example/",
        "extra_auth_params":{"prompt":"consent","n":1},"redirect_uri":"http://127.0.0.1:3334/cb"}"#;
    let world = entry(members).var("S", "s1");
    let config = taken(&world, &["it"]);
    let client = config.client.expect("a client");
    assert_eq!(client.client_id, "c");
    assert!(client.client_secret.expect("a secret").matches("s1"));
    assert_eq!(client.auth_method, Some(AuthMethod::ClientSecretPost));
    assert_eq!(config.scopes.expect("scopes"), ["a", "b", "c"]);
    assert_eq!(
        config.resource,
        Resource::Given(ResourceId::new("https://r.example/"))
    );
    assert_eq!(
        config.issuer.expect("an issuer").as_str(),
        "https://as.example/"
    );
    assert_eq!(config.authorize_params.len(), 2);
    assert_eq!(
        config.callback.redirect_uri(3334),
        "http://127.0.0.1:3334/cb"
    );
    assert_eq!(
        (config.callback.port, config.callback.any_port),
        (Some(3334), false)
    );
    assert!(config.base.warnings.is_empty());
    assert_eq!(
        it(r#","oauth":{"scopes":"a b"}"#).scopes.expect("scopes"),
        ["a", "b"]
    );
    assert!(it(r#","oauth":{}"#).client.is_none());
    let unused = r#","device_code":true,"oauth":{"redirect_uri":"http://127.0.0.1:3334/cb"}"#;
    let warnings = it(unused).base.warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with(&of_it("oauth.redirect_uri", "has no effect")));
    assert_eq!(
        taken(&world, &["it", "--scope", "x", "5000"])
            .scopes
            .expect("scopes"),
        ["x"]
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for member in ["nonsense", "client", "static_oauth_client_info"] {
        let (message, hint) = refused(&entry(&format!(r#","oauth":{{"{member}":true}}"#)), &["it"]);
        assert_eq!(
            message,
            of_it(&format!("oauth.{member}"), "is not supported")
        );
        assert!(hint.contains("`client_id`"), "{hint}");
    }
    for (member, known) in [
        ("token_uri", "token_url"),
        ("authorisation_url", "authorization_url"),
        ("scope", "scopes"),
        ("use_pcke", "use_pkce"),
        ("extra_auth_param", "extra_auth_params"),
        ("auidence", "audience"),
    ] {
        let (_, hint) = refused(&entry(&format!(r#","oauth":{{"{member}":true}}"#)), &["it"]);
        assert_eq!(hint, format!("did you mean `{known}`?"));
    }
    let (_, hint) = refused(&entry(r#","oauth":{"clientId":"c"}"#), &["it"]);
    assert_eq!(hint, "did you mean `client_id`?");
    assert!(refusal(r#","oauth":{"client_secret":"SECRET_1"}"#).ends_with("has no `client_id`"));
}

#[test]
fn given_endpoints_and_the_rest_of_the_object_are_taken() {
    let config = it(
        r#","oauth":{"authorization_url":"https://login.example/authorize?tenant=1","token_url":"https://login.example:8443/token",
        "client_id":"c","use_pkce":false,"audience":"https://api.example","extra_token_params":{"tenant":"t"}}"#,
    );
    let endpoints = config.endpoints.expect("endpoints");
    assert_eq!(endpoints.issuer.as_str(), "https://login.example:8443");
    assert_eq!(
        endpoints.authorization_endpoint.map(String::from),
        Some("https://login.example/authorize?tenant=1".to_owned())
    );
    assert_eq!(
        endpoints.token_endpoint.as_str(),
        "https://login.example:8443/token"
    );
    assert!(!config.pkce);
    assert_eq!(config.audience.as_deref(), Some("https://api.example"));
    assert_eq!(config.token_params, [("tenant".to_owned(), "t".to_owned())]);
    let named = it(
        r#","oauth":{"authorization_url":"https://login.example/a","token_url":"https://login.example/token","issuer":"https://as.example/","client_id":"c","use_pkce":true}"#,
    );
    let endpoints = named.endpoints.expect("endpoints");
    assert_eq!(endpoints.issuer.as_str(), "https://as.example/");
    assert!(named.pkce);
}

#[test]
fn the_redirect_uri_is_on_this_machine() {
    for (uri, host, port, path) in [
        ("http://localhost/cb", "localhost", None, "/cb"),
        ("http://localhost:80/cb", "localhost", Some(80), "/cb"),
        ("http://[::1]:3000", "[::1]", Some(3000), "/"),
        ("http://[::1]/x/y", "[::1]", None, "/x/y"),
    ] {
        let callback = it(&format!(r#","oauth":{{"redirect_uri":"{uri}"}}"#)).callback;
        assert_eq!(
            (
                callback.host.as_str(),
                callback.port,
                callback.path.as_str()
            ),
            (host, port, path)
        );
    }
    for uri in [
        "https://localhost:3334/cb",
        "http://example.com/cb",
        "http://localhost/cb?a=b",
        "http://localhost/cb#a",
        "http://me@localhost/cb",
        "http://localhost/../cb",
        "http://localhost/a b",
        "http://localhost:99999/cb",
        "myapp://callback",
        "/cb",
        "",
    ] {
        let told = refusal(&format!(r#","oauth":{{"redirect_uri":"{uri}"}}"#));
        assert_eq!(
            told,
            of_it(
                "oauth.redirect_uri",
                "is not an address on this machine without `?` and `#`"
            ),
            "{uri}"
        );
    }
}
