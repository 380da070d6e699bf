//! Who asks: clients that a document describes, clients with a key, and what is registered when the
//! server does not take them.

use super::*;
use crate::jwt::SigningKey;
use crate::oauth::assertion::{AssertionKey, Audience};
use crate::oauth::registration::ClientAuthError;

const DOCUMENT: &str = "https://client.example/mcp.json";

fn key() -> AssertionKey {
    AssertionKey {
        key: SigningKey::generate().unwrap(),
        kid: None,
        audience: Audience::Issuer,
    }
}

/// The authorization server's metadata with these members besides.
fn with_members(world: &mut World, members: &str) {
    let body = metadata(ISSUER).replace("{\"issuer\"", &format!("{{{members},\"issuer\""));
    world.serve(ASM, &body);
}

/// A user with a metadata document, at a server that takes those and registers clients, too.
fn documented() -> World {
    World::new().with(|world| {
        world.settings.document = Some(ClientDocument {
            url: DOCUMENT.to_owned(),
            assertion_key: None,
        });
        with_members(world, r#""client_id_metadata_document_supported":true"#);
    })
}

fn without_registration(world: &mut World) {
    let body = String::from_utf8(world.pages[ASM].as_ref().unwrap().body.clone()).unwrap();
    world.serve(ASM, &body.replace("registration_endpoint", "other"));
}

fn ids(end: &End) -> Vec<&str> {
    let attempts = end.world.attempts.iter();
    attempts.map(|attempt| attempt.client_id.as_str()).collect()
}

fn known(end: &End) -> &Client {
    &end.world.cache.clients[&Issuer::new(ISSUER)].client
}

fn refusing(status: u16, body: &str) -> Fetched {
    reply(
        &Url::parse("https://as.example/authorize").unwrap(),
        status,
        body,
    )
}

#[test]
fn a_document_is_used_where_the_server_takes_it_and_nothing_is_registered() {
    let end = documented().challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("probe")), (0, 1));
    assert_eq!(ids(&end), [DOCUMENT]);
    assert_eq!(end.world.requests[0].client.auth_method, AuthMethod::None);
    assert!(known(&end).document && !known(&end).registered);
    let warnings = end.notes.iter().filter(|note| note.is_warning());
    assert_eq!(warnings.count(), 0, "{:?}", end.notes);
}

#[test]
fn a_document_is_not_tried_where_the_server_does_not_take_it() {
    for members in [
        r#""x":1"#,
        r#""client_id_metadata_document_supported":false"#,
    ] {
        let end = documented()
            .with(|world| with_members(world, members))
            .challenged();
        assert_eq!(ids(&end), ["CLIENT_1"], "{members}");
        assert_eq!(known(&end).refused_document, None);
    }
}

#[test]
fn a_configured_client_comes_before_a_document_and_a_document_before_a_registration() {
    let end = documented()
        .with(|world| {
            world.settings.client = Some(ConfiguredClient {
                client_id: "MINE".to_owned(),
                ..ConfiguredClient::default()
            });
        })
        .challenged();
    assert_eq!(ids(&end), ["MINE"]);
    let end = World::signed_in(0)
        .with(|world| {
            world.cache.grant = None;
            world.settings = documented().settings;
            with_members(world, r#""client_id_metadata_document_supported":true"#);
        })
        .challenged();
    assert_eq!(ids(&end), [DOCUMENT]);
}

#[test]
fn a_document_that_the_server_refuses_is_replaced_by_a_registration_with_a_warning() {
    let client = |error| Err(TokenError::ClientDead(refusal(error)));
    let redirect = Refusal {
        status: 400,
        error: Some("invalid_request".to_owned()),
        description: Some("redirect_uri is not registered".to_owned()),
    };
    let worlds = [
        documented().with(|w| w.page = refusing(400, "<html>Unknown client")),
        documented().with(|w| w.page = refusing(401, r#"{"error":"invalid_client"}"#)),
        documented().with(|w| w.page = refusing(403, r#"{"error":"unauthorized_client"}"#)),
        documented().with(|w| {
            w.page = refusing(
                403,
                r#"{"error":"x","error_description":"Invalid redirect_uri"}"#,
            );
        }),
        documented().visited([Visit::Ours("error=unauthorized_client")]),
        documented().visited([Visit::Ours("error=invalid_client")]),
        documented().visited([Visit::Ours(
            "error=invalid_request&error_description=redirect_uri+mismatch",
        )]),
        documented().answering([client("invalid_client")]),
        documented().answering([client("unauthorized_client")]),
        documented().answering([Err(TokenError::Refused(redirect))]),
    ];
    for (index, world) in worlds.into_iter().enumerate() {
        let end = world.challenged();
        assert_eq!(
            end.token(),
            Some("NEW_ACCESS_1"),
            "{index}: {:?}",
            end.world.log
        );
        assert_eq!(ids(&end).last(), Some(&"CLIENT_1"), "{index}");
        assert_eq!(end.did("register"), 1, "{index}");
        let warned = end
            .notes
            .iter()
            .any(|note| note.is_warning() && matches!(note, Note::DocumentRefused(_)));
        assert!(warned, "{index}");
        assert_eq!(
            known(&end).refused_document.as_deref(),
            Some(DOCUMENT),
            "{index}"
        );
        // The next sign-in does not try it again, nor does the one after a registration died.
        let mut world = documented();
        world.cache = end.world.cache.clone();
        world.cache.grant = None;
        let end = world.challenged();
        assert_eq!(
            (ids(&end), end.did("register")),
            (vec!["CLIENT_1"], 0),
            "{index}"
        );
        let mut world = documented().with(|w| w.page = refusing(400, ""));
        world.cache = end.world.cache.clone();
        world.cache.grant = None;
        let end = world.challenged();
        assert_eq!(end.did("register"), 1, "{index}");
        assert_eq!(
            known(&end).refused_document.as_deref(),
            Some(DOCUMENT),
            "{index}"
        );
    }
}

#[test]
fn another_document_is_tried_where_one_was_refused() {
    let end = documented()
        .with(|world| world.page = refusing(400, ""))
        .challenged();
    let mut world = documented();
    world.cache = end.world.cache.clone();
    world.cache.grant = None;
    world.settings.document = Some(ClientDocument {
        url: "https://client.example/other.json".to_owned(),
        assertion_key: None,
    });
    assert_eq!(
        ids(&world.challenged()),
        ["https://client.example/other.json"]
    );
}

#[test]
fn other_refusals_say_nothing_about_a_document() {
    for visit in [
        "error=access_denied",
        "error=server_error",
        "error=invalid_request&error_description=bad+resource",
    ] {
        let end = documented().visited([Visit::Ours(visit)]).challenged();
        assert!(matches!(end.error(), FlowError::SignIn(_)), "{visit}");
        assert_eq!(end.did("register"), 0, "{visit}");
    }
    for page in [
        refusing(500, ""),
        unreachable(),
        refusing(403, "<html>Forbidden"),
    ] {
        let end = documented().with(|world| world.page = page).challenged();
        assert_eq!(ids(&end), [DOCUMENT]);
    }
}

#[test]
fn a_refused_document_is_reported_where_nothing_can_be_registered() {
    let end = documented()
        .with(without_registration)
        .visited([Visit::Ours("error=unauthorized_client")])
        .challenged();
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    // And nothing is probed, as nothing would follow from it.
    assert_eq!((end.did("probe"), end.did("browser")), (0, 1));
}

#[test]
fn tokens_of_a_document_are_refreshed_by_its_client() {
    let end = documented().challenged();
    let mut world = documented();
    world.cache = end.world.cache.clone();
    world.now = NOW + 3600;
    let end = world.silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.requests[0].client.client_id, DOCUMENT);
    // A server that no longer takes it ends the grant, and a person is asked.
    let mut world =
        documented().answering([Err(TokenError::ClientDead(refusal("invalid_client")))]);
    world.cache = end.world.cache.clone();
    world.now = NOW + 8000;
    let end = world.refused();
    assert_eq!(end.did("browser"), 1);
    assert_eq!(ids(&end), [DOCUMENT]);
}

#[test]
fn a_document_with_a_key_is_proved_by_signatures() {
    let mut world = documented();
    world.settings.document = Some(ClientDocument {
        url: DOCUMENT.to_owned(),
        assertion_key: Some(key()),
    });
    let settings = world.settings.clone();
    let end = world.challenged();
    let client = &end.world.requests[0].client;
    assert_eq!(client.auth_method, AuthMethod::PrivateKeyJwt);
    let claims = client.assertion.as_ref().unwrap().claims(DOCUMENT, 0, "j");
    assert_eq!(claims["aud"], ISSUER);
    // Kept without the key, and refreshed with it.
    let mut world = World::new();
    world.cache = end.world.cache.clone();
    world
        .cache
        .clients
        .values_mut()
        .for_each(|known| known.client.assertion = None);
    world.now = NOW + 3600;
    world.settings = settings;
    let end = world.silent();
    assert!(end.world.requests[0].client.assertion.is_some());
    // Without it, only a person helps.
    let mut world = World::new();
    world.cache = end.world.cache.clone();
    world
        .cache
        .clients
        .values_mut()
        .for_each(|known| known.client.assertion = None);
    world.now = NOW + 10_000;
    assert!(world.silent().world.requests.is_empty());
}

fn with_key(members: &str) -> World {
    World::new().with(|world| {
        world.settings.client = Some(ConfiguredClient {
            client_id: "MINE".to_owned(),
            assertion_key: Some(Box::new(key())),
            ..ConfiguredClient::default()
        });
        with_members(world, members);
    })
}

#[test]
fn a_configured_client_with_a_key_signs_for_codes_and_refreshes() {
    let end = with_key(r#""x":1"#).challenged();
    let request = &end.world.requests[0];
    assert_eq!(request.client.auth_method, AuthMethod::PrivateKeyJwt);
    assert!(request.client.assertion.is_some() && request.client.client_secret.is_none());
    let mut world = with_key(r#""x":1"#);
    world.cache = end.world.cache.clone();
    world.now = NOW + 3600;
    let end = world.silent();
    let request = &end.world.requests[0];
    assert!(matches!(request.grant, GrantRequest::RefreshToken { .. }));
    assert_eq!(request.client.auth_method, AuthMethod::PrivateKeyJwt);
    assert!(request.client.assertion.is_some());
}

#[test]
fn a_key_that_the_server_has_no_use_for_is_refused_before_anybody_is_asked() {
    let end = with_key(r#""token_endpoint_auth_signing_alg_values_supported":["PS256","RS256"]"#)
        .challenged();
    let error = end.error();
    let expected = matches!(
        error,
        FlowError::ClientAuth(ClientAuthError::Algorithms { .. })
    );
    assert!(expected, "{error:?}");
    assert!(
        error.to_string().contains("`ES256`") && error.to_string().contains("`PS256 RS256`"),
        "{error}"
    );
    assert_eq!(end.did("browser"), 0);
    let fits = r#""token_endpoint_auth_signing_alg_values_supported":["RS256","ES256"]"#;
    assert_eq!(with_key(fits).challenged().token(), Some("NEW_ACCESS_1"));
}

#[test]
fn a_secret_that_the_server_has_no_use_for_is_refused_before_anybody_is_asked() {
    let with_secret = |methods: &str, method| {
        World::new().with(|world| {
            world.settings.client = Some(ConfiguredClient {
                client_id: "MINE".to_owned(),
                client_secret: Some(Secret::new("SECRET_1")),
                auth_method: method,
                ..ConfiguredClient::default()
            });
            with_members(
                world,
                &format!(r#""token_endpoint_auth_methods_supported":{methods}"#),
            );
        })
    };
    for methods in [
        r#"["client_secret_jwt"]"#,
        r#"["tls_client_auth"]"#,
        r#"["none","private_key_jwt"]"#,
    ] {
        let end = with_secret(methods, None).challenged();
        assert!(matches!(end.error(), FlowError::ClientAuth(_)), "{methods}");
        assert_eq!(end.did("browser"), 0);
        // The user knows better.
        let named = with_secret(methods, Some(AuthMethod::ClientSecretPost)).challenged();
        assert_eq!(named.token(), Some("NEW_ACCESS_1"), "{methods}");
    }
    for (methods, method) in [
        (
            r#"["client_secret_jwt","client_secret_post"]"#,
            AuthMethod::ClientSecretPost,
        ),
        (r#"["none"]"#, AuthMethod::ClientSecretBasic),
        (r#"["made_up"]"#, AuthMethod::ClientSecretBasic),
        ("[]", AuthMethod::ClientSecretBasic),
    ] {
        let end = with_secret(methods, None).challenged();
        assert_eq!(
            end.world.requests[0].client.auth_method, method,
            "{methods}"
        );
    }
}

#[test]
fn a_client_that_may_not_ask_for_what_it_did_not_register_is_registered_for_it() {
    let refused = || Visit::Ours("error=invalid_scope");
    // The first round is narrowed to nothing in particular by what the challenge says.
    let end = World::new().visited([refused()]).run(Goal::Challenged {
        rejected: None,
        challenge: Challenge {
            scope: Some(scopes("read")),
            ..Challenge::default()
        },
    });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(ids(&end), ["CLIENT_1", "CLIENT_2"]);
    assert_eq!(end.world.bodies[0].get("scope"), None);
    assert_eq!(end.world.bodies[1]["scope"], "read");
    let end = World::new()
        .answering([Err(TokenError::InvalidScope(refusal("invalid_scope")))])
        .run(Goal::Challenged {
            rejected: None,
            challenge: Challenge {
                scope: Some(scopes("read")),
                ..Challenge::default()
            },
        });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("register"), 2);
}

#[test]
fn a_busy_registration_endpoint_is_given_the_time_it_asks_for_once() {
    let busy = |after: Option<u64>| {
        let mut fetched = refusing(429, r#"{"error":"slow_down"}"#);
        if let Ok(reply) = &mut fetched {
            reply.retry_after = after;
        }
        fetched
    };
    let end = World::new()
        .with(|world| world.registrations.push_back(busy(Some(3))))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("register after 3"), 1);
    for answers in [
        vec![busy(None)],
        vec![busy(Some(3600))],
        vec![busy(Some(1)), busy(Some(1))],
    ] {
        let count = answers.len();
        let end = World::new()
            .with(|world| world.registrations.extend(answers))
            .challenged();
        assert!(matches!(end.error(), FlowError::Registration(error) if error.is_transient()));
        assert_eq!(end.world.bodies.len(), count);
    }
}

#[test]
fn a_secret_that_ended_before_it_was_issued_is_believed_to_have_no_end() {
    for end in ["3600", "\"3600\"", "0", "\"0\"", "null", "-1", "\"soon\""] {
        let body = format!(
            r#"{{"client_id":"C","client_secret":"S","token_endpoint_auth_method":"client_secret_post","client_secret_expires_at":{end}}}"#
        );
        let ended = World::new()
            .with(|world| world.registrations.push_back(refusing(201, &body)))
            .challenged();
        assert_eq!(known(&ended).client_secret_expires_at, None, "{end}");
        assert!(known(&ended).client_secret.is_some());
    }
    let later = NOW + 50;
    let body =
        format!(r#"{{"client_id":"C","client_secret":"S","client_secret_expires_at":{later}}}"#);
    let end = World::new()
        .with(|world| world.registrations.push_back(refusing(200, &body)))
        .challenged();
    assert_eq!(known(&end).client_secret_expires_at, Some(later));
}

#[test]
fn what_is_configured_or_described_no_longer_is_not_taken_for_a_registration() {
    for document in [false, true] {
        let end = World::signed_in(0)
            .with(|world| {
                world.cache.grant = None;
                for known in world.cache.clients.values_mut() {
                    known.client.registered = false;
                    known.client.document = document;
                }
            })
            .challenged();
        assert_eq!((ids(&end), end.did("register")), (vec!["CLIENT_1"], 1));
    }
}

#[test]
fn a_document_that_was_refused_is_tried_again_where_nothing_can_be_registered_any_more() {
    let end = documented()
        .with(|world| world.page = refusing(400, ""))
        .challenged();
    let mut world = documented().with(without_registration);
    world.cache = end.world.cache.clone();
    for known in world.cache.clients.values_mut() {
        known.client.client_secret_expires_at = Some(NOW - 1);
        known.client.client_secret = Some(secret("ENDED"));
    }
    world.cache.grant = None;
    assert_eq!(ids(&world.challenged()), [DOCUMENT]);
}

#[test]
fn tokens_of_one_document_are_not_refreshed_in_the_name_of_another() {
    let end = documented().challenged();
    let mut world = documented();
    world.cache = end.world.cache.clone();
    world.settings.document = Some(ClientDocument {
        url: "https://client.example/other.json".to_owned(),
        assertion_key: Some(key()),
    });
    world.now = NOW + 3600;
    let end = world.silent();
    let client = &end.world.requests[0].client;
    assert_eq!(client.client_id, DOCUMENT);
    assert_eq!(client.assertion, None);
}

#[test]
fn a_client_that_asked_for_no_scope_is_not_registered_anew_for_scopes() {
    let end = World::new()
        .with(|world| {
            world.serve(
                PRM,
                r#"{"resource":"https://m.example/mcp","authorization_servers":["https://as.example"]}"#,
            );
        })
        .visited([Visit::Ours("error=invalid_scope")])
        .challenged();
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    assert_eq!((end.did("register"), end.did("browser")), (1, 1));
}

#[test]
fn a_dead_registration_that_cannot_be_deleted_is_forgotten_in_this_flow() {
    let end = World::new()
        .with(|world| {
            world.cache = sign_in(0);
            world.cache.grant = None;
            world.page = refusing(401, r#"{"error":"invalid_client"}"#);
            world.writes_fail = true;
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("drop client"), end.did("register")), (1, 1));
    assert_eq!(ids(&end), ["CLIENT_1"]);
}
