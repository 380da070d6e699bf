use super::*;

const PUSH: &str = "https://as.example/par";

/// Nothing is cached; the authorization server takes pushed requests only.
fn pushing() -> World {
    World::new().with(|world| {
        let body = metadata(ISSUER).replacen(
            '{',
            &format!(
                r#"{{"pushed_authorization_request_endpoint":"{PUSH}","require_pushed_authorization_requests":true,"#
            ),
            1,
        );
        let body = body.replace("as.example/authorize", "as.example/authorize?tenant=1");
        world.serve(ASM, &body);
    })
}

fn refusing(error: &str) -> World {
    let url = Url::parse(PUSH).unwrap();
    let refused = reply(&url, 400, error);
    pushing().with(|world| world.pushes.push_back(refused))
}

fn form(end: &End, at: usize) -> BTreeMap<&str, &str> {
    let form = end.world.pushed[at].form.iter();
    form.map(|(name, value)| (&**name, &**value)).collect()
}

#[test]
fn the_request_is_left_and_the_browser_refers_to_it() {
    let end = pushing().challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let at = |what: &str| end.log().iter().position(|line| *line == what).unwrap();
    assert!(at("put client") < at("push") && at("push") < at("browser"));
    let (request, attempt) = (&end.world.pushed[0], &end.world.attempts[0]);
    assert_eq!(request.endpoint.as_str(), PUSH);
    assert_eq!(request.client.client_id, "CLIENT_1");
    let form = form(&end, 0);
    assert_eq!(form["response_type"], "code");
    assert_eq!(form["redirect_uri"], attempt.redirect_uri);
    assert_eq!(form["state"], attempt.state.expose());
    assert_eq!(form["code_challenge_method"], "S256");
    assert_eq!(form["resource"], RESOURCE);
    assert_eq!(form["scope"], "read write");
    for foreign in ["client_id", "request_uri", "tenant"] {
        assert!(!form.contains_key(foreign), "{foreign}");
    }
    assert_eq!(
        attempt.address.0.as_str(),
        "https://as.example/authorize?tenant=1&client_id=CLIENT_1&request_uri=urn%3Aleft%3A1"
    );
    let shown = format!("{request:?}");
    assert!(!shown.contains(attempt.state.expose()), "{shown}");
}

#[test]
fn a_known_client_is_not_probed_since_leaving_the_request_proves_it() {
    let end = pushing()
        .with(|world| {
            world.cache = sign_in(-1);
            world.cache.grant = None;
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        (end.did("probe"), end.did("push"), end.did("register")),
        (0, 1, 0)
    );
}

#[test]
fn a_client_that_the_endpoint_does_not_know_is_replaced_once() {
    for error in [
        r#"{"error":"invalid_client"}"#,
        r#"{"error":"invalid_redirect_uri"}"#,
        r#"{"error":"invalid_request","error_description":"redirect_uri did not match"}"#,
    ] {
        let end = refusing(error).challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{error}");
        assert_eq!(
            (end.did("register"), end.did("drop client")),
            (2, 1),
            "{error}"
        );
        assert_eq!(end.did("browser"), 1, "{error}");
        let url = Url::parse(PUSH).unwrap();
        let again = refusing(error).with(|world| world.pushes.push_back(reply(&url, 400, error)));
        let end = again.challenged();
        assert!(matches!(end.error(), FlowError::Pushed(_)), "{error}");
        assert_eq!(end.did("browser"), 0);
    }
}

#[test]
fn a_refused_resource_is_left_out_once_and_remembered() {
    let end = refusing(r#"{"error":"invalid_target"}"#).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(form(&end, 0).contains_key("resource"));
    assert!(!form(&end, 1).contains_key("resource"));
    assert!(end.noted("leaving it out"));
    assert!(end.world.cache.clients[&Issuer::new(ISSUER)].resource_refused);
    assert_eq!(end.world.requests[0].resource, None);
}

#[test]
fn refused_scopes_are_narrowed_to_the_challenge() {
    let challenge = Challenge {
        scope: Some(scopes("read")),
        ..Challenge::default()
    };
    let world = refusing(r#"{"error":"invalid_scope"}"#).with(|world| {
        let body = metadata(ISSUER).replacen(
            '{',
            &format!(
                r#"{{"pushed_authorization_request_endpoint":"{PUSH}","require_pushed_authorization_requests":true,
                "scopes_supported":["offline_access"],"#
            ),
            1,
        );
        world.serve(ASM, &body);
    });
    let end = world.run(Goal::Challenged {
        rejected: None,
        challenge,
    });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(form(&end, 0)["scope"], "read offline_access");
    assert_eq!(form(&end, 0)["prompt"], "consent");
    assert_eq!(form(&end, 1)["scope"], "read");
    assert!(!form(&end, 1).contains_key("prompt"));
}

#[test]
fn an_endpoint_that_is_down_is_asked_once_more() {
    let down = || reply(&Url::parse(PUSH).unwrap(), 503, "");
    let end = pushing()
        .with(|world| world.pushes.push_back(down()))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("push"), end.did("push after 1")), (1, 1));
    let end = pushing()
        .with(|world| world.pushes.extend([down(), unreachable()]))
        .challenged();
    assert!(matches!(end.error(), FlowError::Pushed(_)) && end.error().is_transient());
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn an_address_that_ends_is_renewed_for_the_same_sign_in() {
    let end = pushing()
        .visited([Visit::Ours("never"), Visit::Ours("never")])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        (end.did("push"), end.did("browser"), end.did("resume")),
        (3, 1, 2)
    );
    let [first, second, third] = &end.world.attempts[..] else {
        panic!("{:?}", end.world.attempts);
    };
    assert!(first.state == second.state && second.state == third.state);
    assert!(third.address.0.as_str().ends_with("urn%3Aleft%3A3"));
    assert_eq!(end.world.now, NOW + 120);
}

#[test]
fn nobody_is_waited_for_longer_than_the_sign_in_lasts() {
    let end = pushing()
        .visited(vec![Visit::Ours("never"); 20])
        .challenged();
    assert!(
        matches!(end.error(), FlowError::TimedOut(300)),
        "{}",
        end.error()
    );
    assert_eq!(end.world.now, NOW + 300);
    assert_eq!((end.did("push"), end.did("browser")), (5, 1));
}

#[test]
fn a_renewal_that_fails_does_not_end_the_sign_in() {
    let url = Url::parse(PUSH).unwrap();
    let first = reply(&url, 201, r#"{"request_uri":"urn:left:1","expires_in":5}"#);
    let end = pushing()
        .with(|world| world.pushes.extend([first, reply(&url, 400, "{}")]))
        .visited([Visit::Ours("never")])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(end.noted("no other is to be had"));
    // A lifetime that is too short to be kept up is not kept up.
    assert_eq!(end.world.now, NOW + 30);
}

#[test]
fn who_takes_over_leaves_the_request_of_the_dead_process_again() {
    let begun = pushing().visited([Visit::Ours("error=x")]).challenged();
    let attempt = begun.world.attempts[0].clone();
    let end = pushing()
        .with(|world| {
            world.cache = begun.world.cache.clone();
            world.pending = Some(Open::Browser(Box::new(attempt.clone())));
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        (end.did("push"), end.did("resume"), end.did("browser")),
        (1, 1, 0)
    );
    assert_eq!(end.world.attempts[0].state, attempt.state);
    assert_eq!(form(&end, 0)["state"], attempt.state.expose());
    assert_eq!(form(&end, 0)["resource"], RESOURCE);
}

#[test]
fn a_browser_that_refers_to_a_request_counts_like_any_other() {
    let mut history = History::default();
    for _ in 0..3 {
        let end = pushing()
            .with(|world| world.history = history)
            .visited([Visit::Ours("error=access_denied")])
            .challenged();
        assert_eq!(end.did("browser"), 1);
        history = end.world.history;
    }
    let end = pushing()
        .with(|world| world.history = history)
        .challenged()
        .asked_nobody();
    assert!(matches!(end.error(), FlowError::TooManyAttempts));
}

#[test]
fn an_endpoint_that_wants_a_long_pause_is_not_waited_for() {
    for (pause, pushes) in [(10, 2), (11, 1), (3600, 1)] {
        let mut busy = reply(&Url::parse(PUSH).unwrap(), 503, "");
        busy.as_mut().unwrap().retry_after = Some(pause);
        let end = pushing()
            .with(|world| world.pushes.push_back(busy))
            .challenged();
        assert_eq!(end.world.pushed.len(), pushes, "{pause}");
        assert_eq!(end.result.is_ok(), pushes == 2, "{pause}");
    }
}

#[test]
fn an_address_that_could_not_be_renewed_is_not_renewed_again() {
    let url = Url::parse(PUSH).unwrap();
    let end = pushing()
        .with(|world| {
            let first = reply(&url, 201, r#"{"request_uri":"urn:left:1","expires_in":60}"#);
            world.pushes.extend([first, reply(&url, 400, "{}")]);
        })
        .visited([Visit::Ours("never"), Visit::Ours("never")])
        .challenged();
    assert!(matches!(end.error(), FlowError::TimedOut(300)));
    assert_eq!((end.world.pushed.len(), end.world.now), (2, NOW + 300));
}
