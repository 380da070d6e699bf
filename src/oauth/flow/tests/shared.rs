//! What went wrong for one process concerns those that wait for it.

use super::*;
use crate::oauth::sign_in::FailureNote;

fn noted(count: u64) -> Option<FailureNote> {
    Some(FailureNote {
        count,
        reason: "the sign-in was declined".to_owned(),
        transient: false,
    })
}

fn denied() -> Visit {
    Visit::Ours("error=access_denied")
}

/// What the cache holds after a sibling's sign-in failed.
fn sibling_failed(before: &SignIn) -> SignIn {
    let mut after = before.clone();
    after.failures.sign_in = noted(before.failures.sign_in.as_ref().map_or(1, |n| n.count + 1));
    after
}

#[test]
fn a_sign_in_that_fails_is_noted_for_those_that_wait() {
    let end = World::new().visited([denied()]).challenged();
    assert!(matches!(end.result, Err(FlowError::SignIn(_))));
    let note = end.world.cache.failures.sign_in.clone().unwrap();
    assert_eq!((note.count, note.transient), (1, false));
    assert_eq!(note.reason, "the sign-in was declined (RFC 6749 §4.1.2.1)");
    // The next one is told from it.
    let again = end.world.visited([denied()]).challenged();
    assert_eq!(again.world.cache.failures.sign_in.unwrap().count, 2);
}

#[test]
fn those_that_waited_for_a_failed_sign_in_ask_nobody() {
    for earlier in [None, noted(7)] {
        let mut world = World::new();
        world.cache.failures.sign_in = earlier;
        let failed = sibling_failed(&world.cache);
        let end = world
            .with(|world| world.siblings_sign_in.push_back(failed))
            .challenged();
        match &end.result {
            Err(error @ FlowError::SignInElsewhere(_)) => {
                let text = error.to_string();
                assert!(text.contains("declined"), "{text}");
                assert!(!error.is_transient());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((end.did("browser"), end.did("note failure")), (0, 0));
    }
}

#[test]
fn a_failure_that_was_known_before_keeps_nobody_from_signing_in() {
    let end = World::new()
        .with(|world| world.cache.failures.sign_in = noted(3))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.cache.failures, Failures::default());
}

#[test]
fn a_step_up_neither_fails_with_others_nor_fails_them() {
    let goal = || Goal::StepUp {
        used: secret("OLD_ACCESS"),
        challenge: Challenge {
            scope: Some(scopes("admin")),
            ..Challenge::default()
        },
    };
    let failed = sibling_failed(&sign_in(3600));
    let end = World::signed_in(3600)
        .with(|world| world.siblings_sign_in.push_back(failed))
        .run(goal());
    assert_eq!(end.did("browser"), 1);
    let end = World::signed_in(3600).visited([denied()]).run(goal());
    assert_eq!(end.did("note failure"), 0);
}

#[test]
fn a_refresh_that_fails_is_noted_for_those_that_wait() {
    let outage = || [down(Effect::Unknown), down(Effect::Unknown)];
    let end = World::signed_in(0).answering(outage()).challenged();
    assert!(matches!(end.result, Err(FlowError::Token(_))));
    let note = end.world.cache.failures.refresh.clone().unwrap();
    assert_eq!((note.count, note.transient), (1, true));
    // Nothing else has changed, and the next success forgets it.
    assert_eq!(end.world.cache.grant, sign_in(0).grant);
    let end = end.world.with(|world| world.locked = false).silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.cache.failures, Failures::default());
}

#[test]
fn those_that_waited_for_a_failed_refresh_do_not_try_it_too() {
    let failed = |ends_in| {
        let mut failed = sign_in(ends_in);
        failed.failures.refresh = noted(1);
        failed
    };
    let world = |ends_in| {
        World::signed_in(ends_in).with(|world| world.sibling_refreshes = Some(failed(ends_in)))
    };
    // An expired token is of no use; one that still works is used on.
    let end = world(0).silent();
    assert!(matches!(end.result, Err(FlowError::RefreshElsewhere(_))));
    assert!(end.world.requests.is_empty());
    let end = world(100).silent();
    assert_eq!(end.token(), Some("OLD_ACCESS"));
    assert!(end.world.requests.is_empty());
    // What failed before this one began to wait is tried again.
    let end = world(0)
        .with(|world| world.cache.failures.refresh = noted(1))
        .silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}
