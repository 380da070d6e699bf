//! Client secrets that end (RFC 7591 §3.2.1), and clients that are replaced while their tokens are in
//! use.

use super::*;

/// The registered client has a secret, which ends in so many seconds.
fn ending(mut sign_in: SignIn, ends_in: i64) -> SignIn {
    let known = sign_in.clients.get_mut(&Issuer::new(ISSUER)).unwrap();
    known.client.client_secret = Some(secret("OLD_SECRET"));
    known.client.auth_method = AuthMethod::ClientSecretPost;
    known.client.client_secret_expires_at = NOW.checked_add_signed(ends_in);
    sign_in
}

/// A grant that ends in so many seconds, of a client whose secret does in so many.
fn world(grant_ends_in: i64, secret_ends_in: i64) -> World {
    World::signed_in(grant_ends_in)
        .with(|world| world.cache = ending(world.cache.clone(), secret_ends_in))
}

/// Registers anew and signs in once; the secret is shown to nobody.
fn heals(end: &End) {
    assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{:?}", end.log());
    let did = ["register", "browser", "probe", "refresh_token"].map(|what| end.did(what));
    assert_eq!(did, [1, 1, 0, 0], "{:?}", end.log());
    let [request] = &end.world.requests[..] else {
        panic!("{:?}", end.log());
    };
    assert_eq!(request.client.client_id, "CLIENT_1");
    assert_eq!(request.client.client_secret, None);
    let cache = &end.world.cache;
    assert_eq!(cache.clients.len(), 1);
    assert_eq!(
        cache.clients[&Issuer::new(ISSUER)].client.client_id,
        "CLIENT_1"
    );
}

#[test]
fn a_secret_that_has_not_ended_refreshes() {
    let end = world(0, 1).silent();
    assert_eq!(
        end.world.requests[0].client.client_secret,
        Some(secret("OLD_SECRET"))
    );
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn with_a_secret_that_has_ended_the_token_is_used_until_the_server_refuses_it() {
    for grant_ends_in in [3600, 100, -10] {
        for end in [
            world(grant_ends_in, 0).silent(),
            world(grant_ends_in, -5000).renewed(),
        ] {
            let end = end.asked_nobody();
            assert_eq!((end.token(), end.log()), (Some("OLD_ACCESS"), vec!["read"]));
        }
    }
    assert_eq!(world(100, 0).challenged().token(), Some("OLD_ACCESS"));
}

#[test]
fn a_secret_that_has_ended_leads_to_a_registration_and_one_sign_in() {
    heals(&world(3600, 0).refused());
    heals(&world(100, 0).refused());
    heals(&world(-10, 0).refused());
    heals(&world(-10, 0).challenged());
}

#[test]
fn a_secret_that_ends_while_the_lock_is_waited_for_is_not_used() {
    let end = world(-10, 1)
        .with(|world| world.sibling_refreshes = Some(ending(world.cache.clone(), 0)))
        .refused();
    heals(&end);
}

#[test]
fn a_secret_that_the_server_holds_for_ended_is_replaced_as_any_dead_client() {
    let end = world(-10, 5).answering([dead_client()]).refused();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("browser")), (1, 1));
}

#[test]
fn a_sign_in_does_not_begin_with_a_secret_that_may_end_before_it_does() {
    let signed_out = |ends_in| world(0, ends_in).with(|world| world.cache.grant = None);
    for ends_in in [-10, 0, 1, 300] {
        heals(&signed_out(ends_in).challenged());
    }
    let end = signed_out(301).challenged();
    assert_eq!((end.did("register"), end.did("probe")), (0, 1));
    assert_eq!(
        end.world.requests[0].client.client_secret,
        Some(secret("OLD_SECRET"))
    );
}

#[test]
fn a_secret_that_ends_as_it_is_issued_is_tried_once() {
    let body = format!(
        r#"{{"client_id":"CLIENT_1","client_secret":"S","client_secret_expires_at":{},
            "token_endpoint_auth_method":"client_secret_post"}}"#,
        NOW - 1
    );
    let registered = reply(
        &Url::parse("https://as.example/register").unwrap(),
        201,
        &body,
    );
    let end = World::new()
        .with(|world| world.registrations.push_back(registered))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("browser")), (1, 1));
}

#[test]
fn a_configured_client_has_no_end() {
    let end = world(0, -5000)
        .with(|world| {
            world.settings.client = Some(ConfiguredClient {
                client_id: "OLD_CLIENT".to_owned(),
                client_secret: Some(secret("CONFIGURED_SECRET")),
                auth_method: None,
                ..ConfiguredClient::default()
            });
        })
        .silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.world.requests[0].client.client_secret,
        Some(secret("CONFIGURED_SECRET"))
    );
}

#[test]
fn no_client_spends_the_refresh_token_of_the_one_before() {
    // A sign-in with a new client that nobody has finished.
    let end = world(3600, 0).visited([Visit::Ours("never")]).refused();
    assert!(matches!(end.error(), FlowError::TimedOut(_)));
    let left = end.world.cache;
    assert_eq!(
        left.clients[&Issuer::new(ISSUER)].client.client_id,
        "CLIENT_1"
    );
    let grant = left.grant.clone().unwrap();
    assert_eq!(grant.tokens.access_token, secret("OLD_ACCESS"));
    assert_eq!(grant.tokens.refresh_token, None);
    for ends_in in [3600, 0, -10] {
        let mut world = World::signed_in(ends_in);
        world.cache.clients = left.clients.clone();
        world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
        let end = world.silent().asked_nobody();
        assert_eq!(end.token(), Some("OLD_ACCESS"));
        assert!(end.world.requests.is_empty());
    }
}

#[test]
fn a_client_whose_tokens_are_in_use_stays_until_the_sign_in_with_another_is_done() {
    let step_up = || Goal::StepUp {
        used: secret("OLD_ACCESS"),
        challenge: Challenge {
            scope: Some(scopes("admin")),
            ..Challenge::default()
        },
    };
    let taken = || World::signed_in(3600).with(|world| world.taken.push(4711));
    let end = taken()
        .visited([Visit::Ours("error=access_denied")])
        .run(step_up());
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    assert_eq!((end.did("register"), end.did("put client")), (1, 0));
    assert_eq!(end.world.cache, sign_in(3600));
    let end = taken().run(step_up());
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let known = &end.world.cache.clients[&Issuer::new(ISSUER)];
    assert_eq!(known.client.client_id, "CLIENT_1");
    // Even if it takes two rounds, it is registered once.
    let end = taken()
        .visited([Visit::Ours("error=invalid_scope")])
        .run(Goal::SignIn {
            since: NOW,
            challenge: Challenge::default(),
        });
    assert_eq!((end.did("register"), end.did("browser")), (1, 2));
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}
