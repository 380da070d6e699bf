//! A sign-in that failed, and what begins the next.

use super::*;

#[test]
fn a_declined_sign_in_is_begun_again_only_when_the_user_asks() {
    let (mut scene, first) = Scene::promised();
    scene.stands(open());
    scene.host(LIST);
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    scene.is_sign_in_list();
    // Another request looks whether somebody else has signed in meanwhile, and asks nobody.
    scene.host(&call("6"));
    let Some(Effect::Send(quiet)) = scene.next() else {
        panic!("nothing was tried");
    };
    assert!(!quiet.asks);
    scene.remote(quiet.exchange, Event::Failed(auth_failure()));
    let failed = scene.told();
    assert!(
        failed.contains("declined") && failed.contains("`sign_in`"),
        "{failed}"
    );
    scene.host(&sign_in_call("{}"));
    let Some(Effect::Send(asking)) = scene.next() else {
        panic!("nothing was tried");
    };
    assert!(asking.asks);
    scene.stands(open());
    assert!(scene.told().contains(ADDRESS));
    scene.session_opens(asking.exchange, TOOLS);
}

#[test]
fn a_sign_in_by_another_process_is_found_by_the_next_request() {
    let (mut scene, first) = Scene::promised();
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    scene.host(&call("6"));
    let (quiet, _) = scene.sent();
    scene.session_opens(quiet, TOOLS);
    assert!(scene.sent().1.contains("tools/call"));
}

#[test]
fn a_sign_in_by_another_process_is_found_without_a_request() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST);
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    let watch = scene.watched();
    scene.is_sign_in_list();
    // A change that does not help, and the next one, which does.
    scene.remote(watch, Event::TokensChanged);
    let (quiet, _) = scene.sent();
    scene.remote(quiet, Event::Failed(auth_failure()));
    let again = scene.watched();
    scene.remote(watch, Event::TokensChanged);
    scene.nothing();
    scene.remote(again, Event::TokensChanged);
    let Some(Effect::Send(quiet)) = scene.next() else {
        panic!("nothing was tried");
    };
    assert!(!quiet.asks);
    scene.session_opens(quiet.exchange, TOOLS);
    scene.nothing();
}

#[test]
fn the_user_asks_while_it_is_looked_whether_somebody_has_signed_in() {
    let (mut scene, first) = Scene::promised();
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    scene.host(&call("6"));
    let (quiet, _) = scene.sent();
    scene.host(&sign_in_call("{}"));
    scene.remote(quiet, Event::Failed(auth_failure()));
    let Some(Effect::Send(asking)) = scene.next() else {
        panic!("nothing was tried");
    };
    assert!(asking.asks);
    scene.nothing();
    scene.stands(SignInStanding::SignedIn);
    let opened = initialized_result(asking.exchange, "2025-11-25", TOOLS);
    scene.reply(asking.exchange, &opened);
    let (announced, _) = scene.sent();
    assert_eq!(scene.told_value()["id"], "s");
    scene.session_is_open(announced);
    assert!(scene.sent().1.contains("tools/call"));
    scene.nothing();
}

#[test]
fn an_outage_after_the_promise_fails_what_waits_and_is_tried_again() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST);
    scene.remote(
        first,
        Event::Failed(Failure::new(Stage::Connect, true, "no route")),
    );
    let failed = scene.told();
    assert!(failed.contains("no route"), "{failed}");
    scene.host(LIST);
    let (again, body) = scene.sent();
    assert!(body.contains("initialize"), "{body}");
    scene.session_opens(again, TOOLS);
    assert!(scene.sent().1.contains("tools/list"));
}

#[test]
fn a_server_that_refuses_the_session_after_the_promise_is_asked_again() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST);
    scene.reply(first, &format!(r#"{{"jsonrpc":"2.0","id":{first},"error":{{"code":-32000,"message":"closed for today"}}}}"#));
    assert!(scene.told().contains("closed for today"));
    scene.host(LIST);
    assert!(scene.sent().1.contains("initialize"));
}
