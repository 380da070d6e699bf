use super::*;
use crate::oauth::authorize::CallbackError;

fn step_up(scope: Option<&str>) -> Goal {
    Goal::StepUp {
        used: secret("OLD_ACCESS"),
        challenge: Challenge {
            scope: scope.map(scopes),
            error: Some("insufficient_scope".to_owned()),
            ..Challenge::default()
        },
    }
}

#[test]
fn a_step_up_asks_for_everything_so_far_and_what_is_missing() {
    let end = World::signed_in(3600)
        .with(|world| {
            let grant = world.cache.grant.as_mut().unwrap();
            grant.tokens.scopes = scopes("read profile");
        })
        .run(step_up(Some("admin")));
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.attempts[0].scopes, scopes("read profile admin"));
    // A refresh cannot widen a grant.
    assert_eq!(end.did("refresh_token"), 0);
}

#[test]
fn a_step_up_that_names_nothing_asks_for_what_the_resource_lists() {
    let end = World::signed_in(3600).run(step_up(None));
    assert_eq!(end.world.attempts[0].scopes, scopes("read write"));
}

#[test]
fn a_scope_that_was_asked_for_already_is_not_asked_for_again() {
    let end = World::signed_in(3600)
        .run(step_up(Some("read")))
        .asked_nobody();
    assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
    assert!(end.error().to_string().contains("`read`"));
    let end = World::signed_in(3600)
        .with(|world| {
            let grant = world.cache.grant.as_mut().unwrap();
            grant.requested_scopes = scopes("read write");
        })
        .run(step_up(None));
    assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn a_server_that_is_never_content_stops_after_one_round() {
    let first = World::signed_in(3600).run(step_up(Some("admin")));
    let token = first.token().unwrap().to_owned();
    let mut world = World::new();
    world.cache = first.world.cache.clone();
    world.history = first.world.history.clone();
    let end = world.run(Goal::StepUp {
        used: Secret::new(token),
        challenge: Challenge {
            scope: Some(scopes("admin")),
            ..Challenge::default()
        },
    });
    assert!(matches!(
        end.asked_nobody().error(),
        FlowError::ScopesNotGranted(_)
    ));
}

#[test]
fn a_declined_step_up_is_not_offered_again_in_this_process() {
    let first = World::signed_in(3600)
        .visited([Visit::Ours("error=access_denied")])
        .run(step_up(Some("admin")));
    assert!(matches!(
        first.error(),
        FlowError::SignIn(CallbackError::Declined(_))
    ));
    assert_eq!(first.world.cache.grant, sign_in(3600).grant);
    let end = World::signed_in(3600)
        .with(|world| world.history = first.world.history.clone())
        .run(step_up(Some("admin")));
    assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn a_sibling_that_stepped_up_is_not_repeated() {
    let mut wider = siblings("SIBLINGS");
    wider.grant.as_mut().unwrap().tokens.scopes = scopes("read admin");
    let end = World::signed_in(3600)
        .with(|world| world.siblings_sign_in.push_back(wider.clone()))
        .run(step_up(Some("admin")));
    assert_eq!(end.token(), Some("SIBLINGS"));
    let mut world = World::new();
    world.cache = wider;
    assert_eq!(world.run(step_up(Some("admin"))).log(), ["read"]);
}

#[test]
fn a_sibling_that_only_refreshed_does_not_end_the_step_up() {
    let mut world = World::new();
    world.cache = siblings("SIBLINGS");
    let end = world.run(step_up(Some("admin")));
    assert_eq!(end.did("browser"), 1);
}

#[test]
fn a_401_for_want_of_a_scope_keeps_the_scopes_so_far() {
    let challenge = |error: &str| Challenge {
        scope: Some(scopes("write")),
        error: Some(error.to_owned()),
        ..Challenge::default()
    };
    let asked = |error| {
        let world = World::signed_in(-1).with(|world| {
            if let Some(grant) = &mut world.cache.grant {
                grant.tokens.refresh_token = None;
            }
        });
        let rejected = Some(world.held());
        let challenge = challenge(error);
        let end = world.run(Goal::Challenged {
            rejected,
            challenge,
        });
        end.world.attempts[0].scopes.join(" ")
    };
    assert_eq!(asked("insufficient_scope"), "read write");
    assert_eq!(asked("invalid_token"), "write");
}

#[test]
fn a_step_up_at_a_server_that_moved_asks_for_what_is_asked_there() {
    let end = World::signed_in(3600)
        .with(|world| {
            let grant = world.cache.grant.as_mut().unwrap();
            grant.issuer = Issuer::new("https://old.example");
        })
        .run(step_up(Some("admin")));
    assert_eq!(end.world.attempts[0].scopes, scopes("admin"));
}

#[test]
fn without_a_grant_a_step_up_is_a_first_sign_in() {
    let end = World::new().run(step_up(Some("admin")));
    assert_eq!(end.world.attempts[0].scopes, scopes("admin"));
}
