//! A refresh token that the user configured, in place of a person.

use super::*;
use crate::oauth::mode::AuthMode;

pub(super) fn seed(token: &str) -> Seed {
    Seed {
        refresh_token: secret(token),
        origin: "the variable `SEED`".to_owned(),
    }
}

/// Nothing is cached.
pub(super) fn world(token: &str) -> World {
    let way = Way::Unattended(Unattended::Seeded(seed(token)));
    World::new().with(|world| {
        world.settings.client = Some(ConfiguredClient {
            client_id: "CLIENT".to_owned(),
            client_secret: Some(secret("CLIENT_SECRET")),
            assertion_key: None,
            auth_method: None,
        });
        world.settings.way = way;
    })
}

/// The seed was sent, and a token of an hour that came of it ends in so many seconds.
pub(super) fn sprouted(token: &str, ends_in: i64) -> World {
    world(token).with(|world| {
        let client = Client {
            registered: false,
            ..client("CLIENT")
        };
        world.cache = sign_in(ends_in);
        world.cache.grant.as_mut().unwrap().mode = AuthMode::Seeded;
        world.cache.clients = BTreeMap::from([(Issuer::new(ISSUER), known(client))]);
        world.cache.put_seed(seed(token).mark());
    })
}

pub(super) fn sent(end: &End) -> Vec<&str> {
    let token = |request: &TokenRequest| match &request.grant {
        GrantRequest::RefreshToken { refresh_token } => Some(refresh_token.clone()),
        _ => None,
    };
    let tokens: Vec<Secret> = end.world.requests.iter().filter_map(token).collect();
    assert_eq!(tokens.len(), end.world.requests.len());
    let known = ["SEED_1", "SEED_2", "OLD_REFRESH", "NEW_REFRESH_1"];
    let name = |token: &Secret| known.into_iter().find(|name| *name == token.expose());
    tokens
        .iter()
        .map(|token| name(token).unwrap_or("?"))
        .collect()
}

fn refresh_token(end: &End) -> Option<&str> {
    let grant = end.world.cache.grant.as_ref()?;
    grant.tokens.refresh_token.as_ref().map(Secret::expose)
}

#[test]
fn a_seed_is_sent_once_asked_for_and_its_successor_and_mark_are_kept() {
    let end = world("SEED_1").challenged().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.log(),
        [
            "read",
            "lock",
            "read",
            &format!("fetch {PRM}"),
            &format!("fetch {ASM}"),
            "refresh_token",
            "put seeded",
        ]
    );
    assert_eq!(sent(&end), ["SEED_1"]);
    let request = &end.world.requests[0];
    assert_eq!(request.client.client_secret, Some(secret("CLIENT_SECRET")));
    assert_eq!(refresh_token(&end), Some("NEW_REFRESH_1"));
    assert_eq!(end.world.cache.seeds, [seed("SEED_1").mark()]);
    let grant = end.world.cache.grant.unwrap();
    assert_eq!((grant.mode, grant.granted_at), (AuthMode::Seeded, NOW));
    assert_eq!(grant.requested_scopes, scopes(""));
}

#[test]
fn nothing_is_sent_before_a_server_asks() {
    let end = world("SEED_1").silent();
    assert_eq!((end.token(), end.world.requests.len()), (None, 0));
}

#[test]
fn a_seed_that_is_not_rotated_stays_the_refresh_token() {
    let mut answer = tokens(Some(NOW + 3600));
    answer.refresh_token = None;
    let end = world("SEED_1").answering([Ok(answer)]).challenged();
    assert_eq!(refresh_token(&end), Some("SEED_1"));
}

#[test]
fn a_seed_that_was_sent_never_replaces_what_followed_it() {
    let end = sprouted("SEED_1", 1800).silent().asked_nobody();
    assert_eq!(
        (end.token(), end.world.requests.len()),
        (Some("OLD_ACCESS"), 0)
    );
    for end in [
        sprouted("SEED_1", -10).silent(),
        sprouted("SEED_1", 1800).refused(),
        sprouted("SEED_1", -10).challenged(),
    ] {
        let end = end.asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(sent(&end), ["OLD_REFRESH"]);
        assert_eq!(end.world.cache.seeds, [seed("SEED_1").mark()]);
    }
}

#[test]
fn another_seed_is_sent_even_if_the_old_grant_is_good() {
    let changed = || {
        sprouted("SEED_1", 1800).with(|world| {
            world.settings.way = Way::Unattended(Unattended::Seeded(seed("SEED_2")));
        })
    };
    assert_eq!(changed().silent().token(), None);
    let end = changed().challenged().asked_nobody();
    assert_eq!(sent(&end), ["SEED_2"]);
    assert_eq!(refresh_token(&end), Some("NEW_REFRESH_1"));
    // Whoever comes back with the first one does not send it again.
    let back = |world: &mut World| {
        world.cache = end.world.cache.clone();
        world.settings.way = Way::Unattended(Unattended::Seeded(seed("SEED_1")));
    };
    let end = world("SEED_1").with(back).silent();
    assert_eq!(
        (end.token(), end.world.requests.len()),
        (Some("NEW_ACCESS_1"), 0)
    );
}

#[test]
fn a_refused_seed_is_an_error_that_names_its_place_and_leaves_other_grants_alone() {
    for (kept, expected) in [
        (false, "the cache holds no other sign-in"),
        (true, "stands as it was"),
    ] {
        let world = world("SEED_2").answering([dead_grant()]).with(|world| {
            if kept {
                world.cache = sprouted("SEED_1", 1800).cache;
            }
        });
        let before = world.cache.grant.clone();
        let end = world.challenged().asked_nobody();
        let text = end.error().to_string();
        assert!(text.contains("the variable `SEED`"), "{text}");
        assert!(text.contains("invalid_grant"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("SEED_2"), "{text}");
        assert!(!end.error().is_transient());
        assert_eq!(end.world.cache.grant, before);
        assert!(!end.world.cache.seeds.contains(&seed("SEED_2").mark()));
    }
}

#[test]
fn a_refused_seed_is_not_sent_again_by_the_same_process() {
    let end = world("SEED_1").answering([dead_grant()]).challenged();
    let world = end.world.with(|world| world.requests.clear());
    let end = world.challenged().asked_nobody();
    assert_eq!(end.world.requests.len(), 0);
    assert!(end.error().to_string().contains("refused before"));
}

#[test]
fn when_all_that_followed_a_seed_is_dead_nobody_is_asked() {
    let end = sprouted("SEED_1", 1800).answering([dead_grant()]).refused();
    let end = end.asked_nobody();
    assert_eq!(sent(&end), ["OLD_REFRESH"]);
    let text = end.error().to_string();
    assert!(
        text.contains("the variable `SEED` was used before"),
        "{text}"
    );
    assert_eq!(end.world.cache.grant, None);
    assert_eq!(end.world.cache.seeds, [seed("SEED_1").mark()]);
    // The seed is not tried in its place.
    let world = end.world.with(|world| world.requests.clear());
    let end = world.challenged().asked_nobody();
    assert_eq!(end.world.requests.len(), 0);
}

#[test]
fn an_outage_is_tried_once_more_and_leaves_the_seed_for_later() {
    let end = world("SEED_1").answering([down(Effect::None), down(Effect::None)]);
    let end = end.challenged().asked_nobody();
    assert_eq!(sent(&end), ["SEED_1", "SEED_1"]);
    assert!(end.error().is_transient());
    assert_eq!(end.world.cache.seeds, [""; 0]);
}

#[test]
fn a_sibling_that_was_faster_has_sent_it_for_all() {
    let sibling = sprouted("SEED_1", 1800).cache;
    let end = world("SEED_1").with(|world| world.sibling_refreshes = Some(sibling));
    let end = end.challenged().asked_nobody();
    assert_eq!(
        (end.token(), end.world.requests.len()),
        (Some("OLD_ACCESS"), 0)
    );
}

#[test]
fn what_a_person_signed_in_to_after_a_seed_was_sent_is_used() {
    let end = sprouted("SEED_1", 1800).with(|world| {
        world.cache.grant.as_mut().unwrap().mode = AuthMode::OAuth;
    });
    assert_eq!(end.silent().token(), Some("OLD_ACCESS"));
    // What came in a way without refresh tokens is none of its successors.
    let end = sprouted("SEED_1", 1800).with(|world| {
        world.cache.grant.as_mut().unwrap().mode = AuthMode::Workload;
    });
    assert_eq!(end.silent().token(), None);
}

#[test]
fn a_token_refused_although_it_replaced_a_refused_one_is_the_servers_fault() {
    let end = sprouted("SEED_1", 1800).refused().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let mut world = end.world;
    world.locked = false;
    let end = world.refused().asked_nobody();
    assert!(
        matches!(
            end.error(),
            FlowError::Unattended(UnattendedError::TokenRefused)
        ),
        "{}",
        end.error()
    );
    assert_eq!(sent(&end), ["OLD_REFRESH"]);
}

#[test]
fn login_shows_that_a_seed_still_works() {
    let goal = || Goal::SignIn {
        since: NOW,
        challenge: Challenge::default(),
    };
    let end = sprouted("SEED_1", 1800).run(goal()).asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(sent(&end), ["OLD_REFRESH"]);
    let end = world("SEED_1").run(goal()).asked_nobody();
    assert_eq!(sent(&end), ["SEED_1"]);
}

#[test]
fn scopes_that_a_seed_does_not_have_are_an_error() {
    let world = sprouted("SEED_1", 1800);
    let used = world.held();
    let challenge = Challenge {
        scope: Some(scopes("admin")),
        ..Challenge::default()
    };
    let end = world.run(Goal::StepUp { used, challenge }).asked_nobody();
    assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
    assert_eq!(end.world.requests.len(), 0);
}

#[test]
fn marks_tell_seeds_apart_and_nothing_about_them() {
    let mark = seed("SEED_1").mark();
    assert_eq!(mark, seed("SEED_1").mark());
    assert_ne!(mark, seed("SEED_2").mark());
    assert_eq!(mark.len(), 22);
    let mut cache = SignIn::default();
    for number in 0..40 {
        cache.put_seed(format!("MARK_{number}"));
    }
    cache.put_seed("MARK_30".to_owned());
    assert_eq!(cache.seeds.len(), 16);
    assert_eq!(cache.seeds.last().unwrap(), "MARK_30");
}
