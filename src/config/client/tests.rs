use super::super::tests::{SERVER, World};
use super::*;
use crate::config::{Config, Job, Logout};

/// A P-256 key (RFC 7515, Appendix A.3), under the name `2026`.
const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"2026",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

fn world() -> World {
    World::default()
        .file("key.json", KEY)
        .file("none.pem", "nothing")
}

fn client(config: Config) -> ConfiguredClient {
    config.client.expect("a client")
}

fn error(world: World, arguments: &[&str]) -> String {
    let whole = [&[SERVER], arguments].concat();
    let error = world.strict_job(&whole).map(drop).expect_err("refused");
    let text = format!("{error} | {}", error.hint().unwrap_or_default());
    assert!(!text.contains("SECRET"), "{text}");
    text
}

fn logout(world: World, arguments: &[&str]) -> Logout {
    let whole = [&["logout"], arguments].concat();
    match world.job(&whole) {
        Ok(Job::Logout(logout)) => *logout,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_secret_comes_from_the_usual_variable_or_the_named_one() {
    let world = || {
        World::default()
            .var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_1")
            .var("MINE", "SECRET_2")
    };
    let usual = client(world().config(&["--client-id", "c"]));
    assert_eq!(usual.client_secret, Some(Secret::new("SECRET_1")));
    let named = client(world().config(&["--client-id", "c", "--client-secret-env", "MINE"]));
    assert_eq!(named.client_secret, Some(Secret::new("SECRET_2")));
    let both = world().var("MCP_DRAWBRIDGE_CLIENT_ID", "c").config(&[]);
    assert!(both.base.warnings.is_empty(), "{:?}", both.base.warnings);
    assert_eq!(client(both), usual);
    let public = client(World::default().config(&["--client-id", "c"]));
    assert_eq!(public.client_secret, None);
}

#[test]
fn a_secret_without_its_client_has_no_effect_and_a_named_one_is_a_mistake() {
    let world = World::default().var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_1");
    let config = world.config(&[]);
    assert!(config.client.is_none());
    assert_eq!(
        config.base.warnings,
        ["`MCP_DRAWBRIDGE_CLIENT_SECRET` has no effect without `--client-id`"]
    );
    let world = World::default().var("MINE", "SECRET_1");
    let text = error(world, &["--client-secret-env", "MINE"]);
    assert!(
        text.contains("without the client whose secret it is"),
        "{text}"
    );
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    for arguments in [
        &["--client-id", "c", "--client-secret-env", "MINE"][..],
        &["--initial-access-token-env", "MINE"],
    ] {
        let text = error(World::default(), arguments);
        assert!(
            text.contains("needs the environment variable `MINE`"),
            "{text}"
        );
    }
}

#[test]
fn two_names_for_the_client_contradict_each_other_unless_one_place_outranks_the_other() {
    let info = r#"{"client_id":"a","client_secret":"SECRET_1"}"#;
    let text = error(
        World::default(),
        &["--client-id", "b", "--static-oauth-client-info", info],
    );
    assert!(text.contains("name two different clients"), "{text}");
    let same =
        client(World::default().config(&["--client-id", "a", "--static-oauth-client-info", info]));
    assert_eq!(same.client_secret, Some(Secret::new("SECRET_1")));
    let file = format!(r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","oauth":{info}}}}}}}"#);
    let from_file = |arguments: &[&str]| {
        let world = World::default().file("c.json", file.as_str());
        let whole = [&["it", "--config", "c.json"], arguments].concat();
        match world.job(&whole) {
            Ok(Job::Bridge(config)) => client(*config),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(from_file(&[]).client_id, "a");
    // The file's secret is another client's.
    let typed = from_file(&["--client-id", "b"]);
    assert_eq!((&*typed.client_id, typed.client_secret), ("b", None));
    let known = from_file(&["--client-id", "a"]);
    assert_eq!(known.client_secret, Some(Secret::new("SECRET_1")));
}

#[test]
fn two_secrets_contradict_each_other_unless_one_place_outranks_the_other() {
    let info = r#"{"client_id":"a","client_secret":"SECRET_1"}"#;
    let world = || World::default().var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_2");
    let text = world()
        .error(&["--static-oauth-client-info", info])
        .to_string();
    assert_eq!(
        text,
        "`MCP_DRAWBRIDGE_CLIENT_SECRET` and `--static-oauth-client-info` give two different client secrets"
    );
    let file = format!(r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","oauth":{info}}}}}}}"#);
    let world = world().file("c.json", file);
    let Ok(Job::Bridge(config)) = world.job(&["it", "--config", "c.json"]) else {
        panic!("refused")
    };
    assert_eq!(client(*config).client_secret, Some(Secret::new("SECRET_2")));
}

#[test]
fn a_key_proves_the_client() {
    let config = world().config(&["--client-id", "c", "--client-assertion-key", "key.json"]);
    assert_eq!(
        config.assertion_key_file.as_deref(),
        Some(std::path::Path::new("key.json"))
    );
    let key = client(config).assertion_key.expect("a key");
    assert_eq!(key.kid.as_deref(), Some("2026"));
    assert_eq!(key.audience, Audience::Issuer);
    assert_eq!(key.key.algorithm(), Algorithm::Es256);
    let config = world().config(&[
        "--client-id",
        "c",
        "--client-assertion-key",
        "key.json",
        "--client-assertion-alg",
        "ES256",
        "--client-assertion-kid",
        "mine",
        "--client-assertion-audience",
        "token-endpoint",
    ]);
    let key = client(config).assertion_key.expect("a key");
    assert_eq!(key.kid.as_deref(), Some("mine"));
    assert_eq!(key.audience, Audience::TokenEndpoint);
}

#[test]
fn a_client_proves_itself_in_one_way() {
    let key = ["--client-assertion-key", "key.json"];
    let named =
        |method: &str| format!(r#"{{"client_id":"c","token_endpoint_auth_method":"{method}"}}"#);
    let with_secret = world().var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_1");
    let text = error(with_secret, &[&["--client-id", "c"][..], &key].concat());
    assert!(text.contains("exclude each other"), "{text}");
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let info = named(method);
        let info = ["--static-oauth-client-info", &info];
        let text = error(world(), &[&info[..], &key].concat());
        assert!(text.contains("makes no use of"), "{text}");
    }
    let info = named("private_key_jwt");
    let info = ["--static-oauth-client-info", &*info];
    let text = error(world(), &info);
    assert!(text.contains("needs the client's private key"), "{text}");
    let config = world().config(&[&info[..], &key].concat());
    assert!(client(config).assertion_key.is_some());
    for method in [
        "client_secret_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ] {
        let info = named(method);
        let text = error(world(), &["--static-oauth-client-info", &info]);
        assert!(
            text.contains(method) && text.contains("it must be `none`"),
            "{text}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_used_is_told_apart() {
    let with = |arguments: &[&'static str]| {
        error(world(), &[&["--client-id", "c"][..], arguments].concat())
    };
    for (arguments, expected) in [
        (
            &["--client-assertion-key", "gone.pem"][..],
            "cannot be read",
        ),
        (
            &["--client-assertion-key", "none.pem"],
            "holds no private key",
        ),
        (
            &[
                "--client-assertion-key",
                "key.json",
                "--client-assertion-alg",
                "RS256",
            ],
            "is for `ES256`, not for `RS256`",
        ),
        (
            &[
                "--client-assertion-key",
                "key.json",
                "--client-assertion-alg",
                "HS256",
            ],
            "it must be `ES256`, `EdDSA`, `RS256` or `PS256`",
        ),
        (
            &[
                "--client-assertion-key",
                "key.json",
                "--client-assertion-audience",
                "me",
            ],
            "it must be `issuer` or `token-endpoint`",
        ),
        (
            &["--client-assertion-alg", "ES256"],
            "no effect without `--client-assertion-key`",
        ),
        (
            &["--client-assertion-kid", "k"],
            "no effect without `--client-assertion-key`",
        ),
    ] {
        let text = with(arguments);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let text = error(world(), &["--client-assertion-key", "key.json"]);
    assert!(
        text.contains("without the client that the key proves"),
        "{text}"
    );
}

#[test]
fn a_metadata_document_has_an_address_that_nobody_can_misread() {
    let url = |text: &str| ["--client-metadata-url".to_owned(), text.to_owned()];
    for good in [
        "https://client.example.com/mcp.json",
        "https://client.example.com:8443/a/b?v=2",
        "https://client.example.com/m",
    ] {
        let url = url(good);
        let config = world().config(&[&*url[0], &*url[1]]);
        assert_eq!(config.document.expect("a document").url, good);
    }
    for bad in [
        "http://client.example.com/mcp.json",
        "http://localhost/mcp.json",
        "https://client.example.com",
        "https://client.example.com/",
        "https://client.example.com/mcp.json#key",
        "https://client.example.com/mcp.json#",
        "https://me@client.example.com/mcp.json",
        "https://me:SECRET@client.example.com/mcp.json",
        "https://client.example.com/a/../mcp.json",
        "https://client.example.com/./mcp.json",
        "https://client.example.com/%2e%2e/mcp.json",
        "https://CLIENT.example.com/mcp.json",
        "https://client.example.com:443/mcp.json",
        "client.example.com/mcp.json",
        "data:application/json,x",
    ] {
        let url = url(bad);
        let text = error(world(), &[&url[0], &url[1]]);
        assert!(
            text.contains("no address that a client's metadata document can have"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn a_document_may_have_a_key_and_gives_way_to_a_configured_client() {
    let url = ["--client-metadata-url", "https://c.example/m"];
    let key = ["--client-assertion-key", "key.json"];
    let config = world().config(&[url, key].concat());
    assert!(config.document.expect("a document").assertion_key.is_some());
    let config = world().config(&[url, ["--client-id", "c"]].concat());
    assert!(config.document.is_none() && config.client.is_some());
    assert!(config.base.warnings[0].contains("`--client-metadata-url` has no effect"));
}

#[test]
fn a_client_of_another_kind_is_another_sign_in() {
    let key = |arguments: &[&str]| world().config(arguments).key.to_string();
    let all = [
        key(&[]),
        key(&["--client-id", "c"]),
        key(&["--client-id", "d"]),
        key(&["--client-metadata-url", "https://c.example/m"]),
        key(&["--client-metadata-url", "https://c.example/n"]),
    ];
    let mut distinct = all.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
    // Where the client comes from makes none.
    let info = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];
    assert_eq!(key(&info), all[1]);
}

#[test]
fn an_initial_access_token_is_nothing_to_a_client_that_is_there() {
    let world = || World::default().var("T", "TOKEN_SECRET_1");
    let token = ["--initial-access-token-env", "T"];
    let config = world().config(&token);
    let shown = format!("{config:?}");
    assert!(config.initial_access_token.is_some() && !shown.contains("TOKEN_SECRET_1"));
    let config = world().config(&[token, ["--client-id", "c"]].concat());
    assert!(config.initial_access_token.is_none());
    assert!(config.base.warnings[0].contains("`--initial-access-token-env` has no effect"));
    let broken = World::default().var("T", "TOKEN SECRET\n");
    let text = error(broken, &token);
    assert!(text.contains("characters that no token has"), "{text}");
}

#[test]
fn the_configuration_file_takes_it_all_in_its_oauth_object() {
    let file = format!(
        r#"{{"mcpServers":{{
            "signed":{{"url":"{SERVER}","oauth":{{"client_id":"c","client_assertion_key":"key.json",
                "client_assertion_alg":"ES256","client_assertion_kid":"k","client_assertion_audience":"token-endpoint"}}}},
            "described":{{"url":"{SERVER}","oauth":{{"client_metadata_url":"https://c.example/m"}}}},
            "invited":{{"url":"{SERVER}","oauth":{{"initial_access_token":"${{TOKEN}}"}}}},
            "named":{{"url":"{SERVER}","oauth":{{"client_id":"c","client_secret_env":"MINE"}}}}}}}}"#
    );
    let config = |name: &str| {
        let world = World::default()
            .var("TOKEN", "TOKEN_1")
            .var("MINE", "SECRET_1")
            .file("c.json", file.as_str())
            .file("key.json", KEY);
        match world.job(&[name, "--config", "c.json"]) {
            Ok(Job::Bridge(config)) => *config,
            other => panic!("{name}: {other:?}"),
        }
    };
    let key = client(config("signed")).assertion_key.expect("a key");
    assert_eq!(
        (key.kid.as_deref(), key.audience),
        (Some("k"), Audience::TokenEndpoint)
    );
    assert!(config("described").document.is_some());
    let token = config("invited").initial_access_token.expect("a token");
    assert!(token.matches("TOKEN_1"));
    assert_eq!(
        client(config("named")).client_secret,
        Some(Secret::new("SECRET_1"))
    );
}

#[test]
fn signing_out_takes_what_proves_the_client_and_can_do_without() {
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}",
            "oauth":{{"client_id":"c","client_secret":"${{MINE}}","token_endpoint_auth_method":"client_secret_post"}}}}}}}}"#
    );
    let world = || World::default().file("c.json", file.as_str());
    let filed = ["it", "--config", "c.json"];
    let proven = logout(world().var("MINE", "SECRET_1"), &filed);
    let own = proven.means.client.expect("a client");
    assert_eq!(own.client_secret, Some(Secret::new("SECRET_1")));
    assert_eq!(own.auth_method, Some(AuthMethod::ClientSecretPost));
    // A terminal that lacks the variable still finds the sign-in.
    let bare = logout(world(), &filed);
    assert_eq!(bare.target, proven.target);
    assert_eq!(bare.means.client.expect("a client").client_secret, None);
    let typed = World::default().var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_2");
    let typed = logout(typed, &[SERVER, "--client-id", "c"]);
    assert!(
        typed
            .means
            .client
            .is_some_and(|own| own.client_secret.is_some())
    );
}
