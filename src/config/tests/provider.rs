//! What the user says about the authorization server, and which rules they bend.

use super::*;
use crate::oauth::known::Known;

const AUTHORIZE: &str = "https://login.example/authorize?tenant=1";
const TOKEN: &str = "https://as.example:8443/token";
const CLIENT: [&str; 2] = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];

fn given<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let endpoints = [
        "--authorization-endpoint",
        AUTHORIZE,
        "--token-endpoint",
        TOKEN,
    ];
    [&endpoints, more].concat()
}

#[test]
fn given_endpoints_need_a_client_and_are_of_the_token_endpoints_origin() {
    let config = config(&given(&CLIENT));
    let endpoints = config.endpoints.expect("endpoints");
    assert_eq!(endpoints.issuer.as_str(), "https://as.example:8443");
    let authorize = endpoints.authorization_endpoint.expect("an address");
    assert_eq!(authorize.as_str(), AUTHORIZE);
    assert_eq!(endpoints.token_endpoint.as_str(), TOKEN);
    let issuer = ["--issuer", "https://as.example/realm"];
    let named = super::config(&given(&[&CLIENT[..], &issuer].concat()));
    let endpoints = named.endpoints.expect("endpoints");
    assert_eq!(endpoints.issuer.as_str(), "https://as.example/realm");
    assert!(error(&given(&[])).contains("no client is given"));
}

#[test]
fn endpoints_that_lack_their_other_half_or_a_safe_address_are_refused() {
    let only = |long, value| error(&[&[long, value], &CLIENT[..]].concat());
    let told = only("--authorization-endpoint", AUTHORIZE);
    assert!(
        told.starts_with("`--authorization-endpoint` is given without"),
        "{told}"
    );
    let told = only("--token-endpoint", TOKEN);
    assert!(told.contains("where a person signs in"), "{told}");
    let told = error(&given(&["--device-code"]));
    assert!(told.contains("exclude each other"), "{told}");
    for address in [
        "http://as.example/token",
        "https://me@as.example/token",
        "https://as.example/token#x",
        "javascript:alert(1)",
        "/token",
        "as.example",
    ] {
        let told = only("--token-endpoint", address);
        assert!(
            told.starts_with("`--token-endpoint` is no https address"),
            "{address}: {told}"
        );
    }
    let local = [
        "--authorization-endpoint",
        "http://localhost:1/a",
        "--token-endpoint",
        "http://[::1]:1/t",
    ];
    assert!(config(&[&local, &CLIENT[..]].concat()).endpoints.is_some());
}

#[test]
fn endpoints_and_audience_make_another_sign_in() {
    let key = |args: &[&str]| config(args).key;
    let keys = [
        key(&CLIENT),
        key(&given(&CLIENT)),
        key(&[&CLIENT[..], &["--audience", "https://api.example"]].concat()),
    ];
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    // `logout` finds what the bridge has made.
    let args = [&["logout", SERVER], &given(&CLIENT)[..]].concat();
    let Ok(Job::Logout(logout)) = World::default().job(&args) else {
        panic!("not taken");
    };
    let LogoutTarget::One(found, _) = logout.target else {
        panic!("another target");
    };
    assert_eq!(found, keys[1]);
}

#[test]
fn parameters_that_have_a_place_of_their_own_are_refused() {
    for (option, name) in [
        ("--authorize-param", "state"),
        ("--authorize-param", "code_challenge"),
        ("--authorize-param", "redirect_uri"),
        ("--token-param", "grant_type"),
        ("--token-param", "client_secret"),
        ("--token-param", "code_verifier"),
        ("--token-param", "assertion"),
    ] {
        let told = error(&[option, &format!("{name}=x")]);
        assert!(
            told.starts_with(&format!("`{option}` sets `{name}`")),
            "{told}"
        );
    }
    let told = error(&["--authorize-param", "response_mode=form_post"]);
    assert!(told.contains("`response_mode`"), "{told}");
    config(&["--authorize-param", "response_mode=query"]);
    for name in ["scope", "resource", "audience"] {
        let error = World::default().error(&["--token-param", &format!("{name}=x")]);
        assert_eq!(error.hint(), Some(&*format!("use `--{name}` for it")));
    }
}

#[test]
fn pkce_is_not_left_out_in_silence() {
    let off = config(&["--disable-pkce"]);
    assert!(!off.pkce);
    assert!(
        off.base
            .warnings
            .iter()
            .any(|line| line.contains("PKCE is off"))
    );
    let on = config(&[]);
    assert!(on.pkce && on.base.warnings.is_empty());
}

#[test]
fn a_known_server_has_the_spelling_of_this_machine_that_it_wants() {
    let slack = |args: &[&str]| {
        let args = [&["https://mcp.slack.com/mcp"], args].concat();
        match World::default().job(&args) {
            Ok(Job::Bridge(config)) => *config,
            _ => panic!("not taken"),
        }
    };
    assert_eq!(slack(&[]).callback.host, "localhost");
    assert_eq!(slack(&["--host", "127.0.0.1"]).callback.host, "127.0.0.1");
    assert_eq!(slack(&[]).known, Known::BUILT_IN);
    assert_eq!(slack(&["--no-known-servers"]).known, Known::default());
}
