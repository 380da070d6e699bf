//! Tokens that are renewed, ahead of time and when they are refused.

use super::*;

#[tokio::test]
async fn ten_callers_with_a_refused_token_refresh_once() {
    let scene = Scene::new();
    let old = scene.signed_in(3600).await;
    let process = scene.process();
    let callers: JoinSet<_> = (0..10)
        .map(|_| challenged(process.login.clone(), Some(old.clone())))
        .collect();
    let tokens = callers.join_all().await;
    let first = tokens[0].clone().unwrap();
    assert!(first != old && tokens.into_iter().all(|token| token.unwrap() == first));
    assert_eq!(
        (scene.playground.refreshes(), scene.playground.reuses()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_refresh_that_is_put_off_delays_one_request_and_no_other() {
    let scene = Scene::new();
    let old = scene.signed_in(1).await;
    // Due, but far from its end.
    scene
        .edit(|grant| {
            grant.granted_at = now() - 3500;
            grant.tokens.expires_at = Some(now() + 100);
        })
        .await;
    let busy = Fault::token("refresh_token").then(Then::answer(503));
    scene.playground.fault(busy.always());
    let mut process = scene.process();
    for _ in 0..5 {
        assert_eq!(process.bearer().await.unwrap(), Some(old.clone()));
        assert_eq!(scene.refreshes_asked(), 2);
    }
    assert!(process.stderr.text().contains("used until it ends"));
    assert_eq!(process.unseen(), 0);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_without_a_request() {
    let scene = Scene::new();
    let old = scene.signed_in(42).await;
    // Due in half a minute, when twelve seconds of its sixty are left.
    scene.edit(|grant| grant.granted_at = now() - 18).await;
    let process = scene.process();
    assert_eq!(process.bearer().await.unwrap(), Some(old.clone()));
    assert_eq!(scene.refreshes_asked(), 0);
    assert!(process.renews_after(33).await);
    assert_ne!(process.bearer().await.unwrap(), Some(old));
    assert_eq!(scene.refreshes_asked(), 1);
}

#[tokio::test]
async fn a_clock_that_stands_still_does_not_keep_a_token_from_being_renewed() {
    let scene = Scene::new();
    let old = scene.signed_in(3600).await;
    let mut process = scene.process();
    assert_eq!(process.bearer().await.unwrap(), Some(old.clone()));
    // By the wall clock no time passes at all, so the token seems as new.
    assert!(process.renews_after(3361).await);
    assert_ne!(process.bearer().await.unwrap(), Some(old));
    assert_eq!((scene.refreshes_asked(), process.unseen()), (1, 0));
}

#[tokio::test]
async fn a_refresh_that_fails_in_the_background_is_tried_again_and_asks_nobody() {
    let scene = Scene::new();
    let old = scene.signed_in(3600).await;
    let mut process = scene.process();
    process.bearer().await.unwrap();
    let busy = Fault::token("refresh_token").then(Then::answer(500));
    // Each try sends the request twice.
    scene.playground.fault(busy.times(4));
    assert!(!process.renews_after(3361).await);
    assert_eq!(scene.refreshes_asked(), 2);
    assert!(process.stderr.text().contains("could not be refreshed"));
    assert!(!process.renews_after(46).await);
    assert_eq!(scene.refreshes_asked(), 4);
    assert_eq!(process.bearer().await.unwrap(), Some(old.clone()));
    assert!(process.renews_after(91).await);
    assert_ne!(process.bearer().await.unwrap(), Some(old));
    assert_eq!((scene.refreshes_asked(), process.unseen()), (5, 0));
}

#[tokio::test]
async fn a_grant_that_is_found_dead_in_the_background_costs_one_sign_in_once_somebody_asks() {
    let scene = Scene::new();
    scene.signed_in(3600).await;
    let mut process = scene.process();
    process.bearer().await.unwrap();
    scene.playground.revoke_grants();
    assert!(process.renews_after(3361).await);
    assert_eq!(process.bearer().await.unwrap(), None);
    assert_eq!((scene.refreshes_asked(), process.unseen()), (1, 0));
    let caller = tokio::spawn(challenged(process.login.clone(), None));
    process.approve().await;
    caller.await.unwrap().unwrap();
    assert_eq!(process.unseen(), 0);
    assert_eq!(scene.playground.registrations(), 1);
}

#[tokio::test]
async fn a_refresh_under_way_reaches_the_disk_before_the_end() {
    let scene = Arc::new(Scene::new());
    let old = scene.signed_in(-10).await;
    let process = scene.process();
    scene
        .playground
        .fault(Fault::token("refresh_token").then(Then::Hold));
    let caller = {
        let login = process.login.clone();
        tokio::spawn(async move { bearer(&login).await })
    };
    refresh_arrived(&scene).await;
    caller.abort();
    let _ = caller.await;
    let ending = tokio::spawn(process.close());
    scene.playground.release_held();
    ending.await.unwrap();
    let kept = scene.cached().grant.unwrap();
    assert_ne!(kept.tokens.access_token, old);
    assert!(kept.refreshed_at.is_some());
}

#[tokio::test]
async fn a_refresh_under_way_reaches_the_disk_although_another_flow_has_ended() {
    let scene = Arc::new(Scene::new());
    let old = scene.signed_in(-10).await;
    let process = scene.process();
    scene
        .playground
        .fault(Fault::token("refresh_token").then(Then::Hold));
    let caller = {
        let login = process.login.clone();
        tokio::spawn(async move { bearer(&login).await })
    };
    refresh_arrived(&scene).await;
    caller.abort();
    let _ = caller.await;
    // What is asked for was granted already, so this ends at once.
    let stepping_up = process
        .login
        .insufficient_scope(Credential::bearer(old.clone()), asking_for("tools"));
    stepping_up.await.unwrap_err();
    let ending = tokio::spawn(process.close());
    // Whoever does not wait for the refresh has ended by then.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    scene.playground.release_held();
    ending.await.unwrap();
    assert_ne!(scene.cached().grant.unwrap().tokens.access_token, old);
}

#[tokio::test]
async fn an_outage_opens_no_browser_and_says_that_it_may_pass() {
    let scene = Scene::new();
    let old = scene.signed_in(-10).await;
    let mut process = scene.process();
    scene.playground.stop();
    for outcome in [
        process.bearer().await.map(|_| ()),
        process.challenged(Some(&old)).await.map(|_| ()),
    ] {
        let error = outcome.unwrap_err();
        assert!(error.failure().retryable, "{error}");
    }
    assert_eq!(process.unseen(), 0);
    // It has passed.
    scene.playground.resume(playground::Memory::Kept);
    assert!(process.bearer().await.unwrap().is_some());
}
