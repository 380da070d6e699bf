//! How often the token endpoint is asked whether the person is done.

use super::*;

#[test]
fn the_interval_that_the_server_names_is_kept() {
    let end = world()
        .issuing(r#""interval":7"#)
        .answering(times(3, pending))
        .challenged();
    assert_eq!(end.waits(), [7, 7, 7, 7]);
}

#[test]
fn slow_down_counts_for_all_later_polls_and_for_a_successor() {
    let end = world()
        .answering([
            pending(),
            said("slow_down"),
            pending(),
            said("slow_down"),
            pending(),
        ])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.waits(), [5, 5, 10, 10, 15, 15]);
    // It is written down, and shown to nobody.
    assert_eq!((end.did("show"), end.did("slower")), (1, 2));
    assert_eq!(end.world.shown[2].0.interval, 15);
}

#[test]
fn without_an_answer_the_pause_doubles_until_there_is_one() {
    for effect in [Effect::None, Effect::Unknown] {
        let lost = || down(effect);
        let end = world()
            .answering([lost(), lost(), lost(), pending(), lost(), pending()])
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.waits(), [5, 10, 20, 40, 5, 10, 5]);
        assert!(end.notes.iter().all(|note| !note.is_warning()));
    }
}

#[test]
fn the_doubled_pause_has_a_limit_and_leaves_a_last_chance() {
    let end = world()
        .issuing(r#""expires_in":300"#)
        .with(|world| world.settings.auth_timeout = 300)
        .answering(times(20, || down(Effect::None)))
        .challenged();
    // 5 + 10 + 20 + 40 + 60 + 60 + 60 = 255, and 44 more are the second before the end.
    assert_eq!(end.waits(), [5, 10, 20, 40, 60, 60, 60, 44]);
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::Unavailable(_))
    ));
    // A person has to come again.
    assert!(!end.error().is_transient());
    // An interval that is longer already is not shortened.
    let end = world()
        .issuing(r#""interval":90"#)
        .answering([down(Effect::None), down(Effect::None)])
        .challenged();
    assert_eq!(end.waits(), [90, 90, 90]);
}

#[test]
fn the_time_that_a_busy_server_names_is_kept() {
    let end = world()
        .answering([busy(30), busy(1), pending()])
        .challenged();
    assert_eq!(end.waits(), [5, 30, 5, 5]);
    let end = world().answering([busy(3600)]).challenged();
    assert_eq!(end.waits(), [5]);
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::Unavailable(_))
    ));
}

#[test]
fn a_person_who_declines_ends_it() {
    for error in ["access_denied", "authorization_declined"] {
        let end = world().answering([pending(), said(error)]).challenged();
        assert!(matches!(
            end.error(),
            FlowError::SignIn(CallbackError::Declined(_))
        ));
        assert_eq!(end.did("code"), 1);
    }
}

#[test]
fn any_other_refusal_ends_it() {
    for error in [
        "invalid_grant",
        "unsupported_grant_type",
        "invalid_request",
        "made_up",
    ] {
        let end = world().answering([pending(), said(error)]).challenged();
        assert!(matches!(end.error(), FlowError::Exchange(_)), "{error}");
        assert!(end.error().to_string().contains(error));
        assert_eq!((end.did("code"), end.waits().len()), (1, 2));
    }
    let page = Err(TokenError::Unusable("a page".to_owned()));
    let end = world().answering([page]).challenged();
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::Unusable(_))
    ));
}
