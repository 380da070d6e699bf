use url::Url;

use super::*;
use crate::ids::{Issuer, ResourceId};
use crate::oauth::dpop::ProofKey;
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client, Management};
use crate::oauth::sign_in::{FailureNote, Failures, KnownClient, SignIn, TakenOver};
use crate::oauth::token::{Grant, TokenSet};

/// A sign-in with every member set.
pub fn full() -> SignIn {
    let issuer = Issuer::new("https://as.example.com");
    let url = |text: &str| Url::parse(text).expect("url");
    SignIn {
        server: "https://mcp.example.com/mcp".to_owned(),
        grant: Some(Grant {
            issuer: issuer.clone(),
            resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
            tokens: TokenSet {
                access_token: Secret::new("ACCESS_TOKEN_1"),
                refresh_token: Some(Secret::new("REFRESH_TOKEN_1")),
                token_type: "bearer".to_owned(),
                expires_at: Some(1_800_000_000),
                scopes: vec!["read".to_owned(), "write".to_owned()],
                id_token: Some(Secret::new("ID_TOKEN_1")),
                proof_key: None,
            },
            requested_scopes: vec!["read".to_owned()],
            granted_at: 1_700_000_000,
            refreshed_at: Some(1_700_000_100),
            mode: AuthMode::Device,
        }),
        clients: BTreeMap::from([(
            issuer,
            KnownClient {
                client: Client {
                    client_id: "CLIENT_1".to_owned(),
                    client_secret: Some(Secret::new("CLIENT_SECRET_1")),
                    client_secret_expires_at: Some(1_900_000_000),
                    auth_method: AuthMethod::ClientSecretPost,
                    redirect_uri: Some("http://localhost:4000/oauth/callback".to_owned()),
                    management: Some(Management {
                        uri: url("https://as.example.com/register/CLIENT_1"),
                        token: Secret::new("REGISTRATION_TOKEN_1"),
                    }),
                    registered: false,
                    dpop_bound: false,
                    assertion: None,
                    document: true,
                    refused_document: Some("https://client.example.com/refused".to_owned()),
                },
                token_endpoint: url("https://as.example.com/token"),
                revocation_endpoint: Some(url("https://as.example.com/revoke")),
                resource_refused: true,
            },
        )]),
        failures: Failures {
            refresh: Some(FailureNote {
                count: 3,
                reason: "it did not answer".to_owned(),
                transient: true,
            }),
            sign_in: Some(FailureNote {
                count: 1,
                reason: "the sign-in was declined".to_owned(),
                transient: false,
            }),
        },
        seeds: vec!["MARK_1".to_owned()],
        taken_over: Some(TakenOver {
            from: "mcp-remote".to_owned(),
            at: 1_700_000_000,
            mark: "MARK_2".to_owned(),
            replaced: true,
        }),
        sends_id_token: true,
    }
}

fn read(text: &str) -> Result<SignIn, Fault> {
    Wire::parse(text.as_bytes())?.try_into()
}

#[test]
fn what_is_written_is_read_back_unchanged() {
    for sign_in in [full(), SignIn::default()] {
        let bytes = Wire::from(&sign_in).to_bytes();
        let back = SignIn::try_from(Wire::parse(&bytes).expect("parse")).expect("valid");
        assert_eq!(back, sign_in);
    }
}

#[test]
fn members_stand_under_their_documented_names_in_order() {
    let bytes = Wire::from(&full()).to_bytes();
    let text = std::str::from_utf8(&bytes).expect("text");
    let at = |name: &str| text.find(&format!("\n  \"{name}\":")).expect(name);
    let order = [
        "access_token",
        "refresh_token",
        "expires_at",
        "issuer",
        "scopes",
        "version",
        "server",
        "resource",
        "token_type",
        "id_token",
        "granted_at",
        "refreshed_at",
        "mode",
        "requested_scopes",
        "client",
        "failures",
        "seeds",
        "taken_over",
        "sends_id_token",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
}

#[test]
fn smallest_file_is_enough() {
    let sign_in = read(r#"{"access_token":"A","issuer":"https://as.example.com"}"#);
    let grant = sign_in.expect("valid").grant.expect("grant");
    assert_eq!(grant.tokens.token_type, "Bearer");
    assert_eq!(grant.tokens.expires_at, None);
    assert_eq!(read("{}").expect("valid"), SignIn::default());
}

#[test]
fn faults_are_told_apart_without_quoting_the_content() {
    let cases = [
        ("", Fault::Empty),
        (" \n", Fault::Empty),
        ("{\"access_token\":\"SECR", Fault::Truncated),
        ("SECRET", Fault::NotJson(1)),
        ("[\"SECRET\"]", Fault::WrongType(1)),
        ("{\n\"expires_at\":\"SECRET\"}", Fault::WrongType(2)),
        (
            "{\"issuer\":\"SECRET\",\"issuer\":\"b\"}",
            Fault::WrongType(1),
        ),
        ("{\"access_token\":\"SECRET\"}", Fault::Member("issuer")),
        ("{\"access_token\":\"\"}", Fault::Member("access_token")),
        (
            "{\"refresh_token\":\"SECRET\"}",
            Fault::Member("access_token"),
        ),
        ("{\"client\":{\"i\":{}}}", Fault::Member("client_id")),
        (
            "{\"client\":{\"i\":{\"client_id\":\"c\",\"token_endpoint\":\"SECRET\"}}}",
            Fault::Member("token_endpoint"),
        ),
        (
            "{\"client\":{\"i\":{\"client_id\":\"c\",\"token_endpoint_auth_method\":\"SECRET\"}}}",
            Fault::Member("token_endpoint_auth_method"),
        ),
        ("{\"failures\":{\"refresh\":7}}", Fault::WrongType(1)),
        ("{\"version\":2}", Fault::Newer(2)),
        ("{\"version\":9,\"scopes\":{\"a\":1}}", Fault::Newer(9)),
    ];
    for (text, expected) in cases {
        let fault = read(text).expect_err(text);
        assert!(!fault.to_string().contains("SECR"), "{fault}");
        assert_eq!(fault, expected, "{text}");
    }
}

#[test]
fn no_prefix_of_a_file_is_taken_for_the_file() {
    let bytes = Wire::from(&full()).to_bytes();
    for end in 0..bytes.len() - 2 {
        assert!(Wire::parse(&bytes[..end]).is_err(), "{end}");
    }
}

fn bound() -> (SignIn, ProofKey) {
    let key = ProofKey::generate().expect("key");
    let mut sign_in = full();
    let tokens = &mut sign_in.grant.as_mut().expect("grant").tokens;
    tokens.token_type = "DPoP".to_owned();
    tokens.proof_key = Some(key.clone());
    (sign_in, key)
}

#[test]
fn the_key_is_kept_with_the_tokens_that_are_bound_to_it() {
    let (sign_in, key) = bound();
    let bytes = Wire::from(&sign_in).to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    assert!(text.contains(key.kept().expose()));
    assert_eq!(read(&text), Ok(sign_in));
}

#[test]
fn tokens_without_the_key_they_are_bound_to_are_dropped_and_the_client_is_not() {
    let (sign_in, key) = bound();
    let bytes = Wire::from(&sign_in).to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    for other in ["", "AAAA", "no base64 at all"] {
        let damaged = text.replace(key.kept().expose(), other);
        let back = read(&damaged).expect(other);
        assert_eq!(back.grant, None);
        assert_eq!(back.clients, sign_in.clients);
    }
    let without = text.replace("\"dpop_key\"", "\"other\"");
    assert_eq!(read(&without).expect("without").grant, None);
}
