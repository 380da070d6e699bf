mod client;

use super::*;
use crate::oauth::authorize::CallbackError;

/// The registered client of an earlier sign-in, whose grant is gone.
fn signed_out() -> World {
    World::signed_in(0).with(|world| world.cache.grant = None)
}

fn query(attempt: &Attempt) -> BTreeMap<String, String> {
    attempt.address.0.query_pairs().into_owned().collect()
}

fn configured(secret_text: Option<&str>) -> ConfiguredClient {
    ConfiguredClient {
        client_id: "MINE".to_owned(),
        client_secret: secret_text.map(Secret::new),
        auth_method: None,
        ..ConfiguredClient::default()
    }
}

fn known_secret(secret_text: &str) -> Option<Secret> {
    Some(Secret::new(secret_text))
}

#[test]
fn a_first_sign_in_does_each_thing_once_and_in_order() {
    let end = World::new().challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let log = [
        "read",
        "turn",
        "read",
        &format!("fetch {PRM}"),
        &format!("fetch {ASM}"),
        "bind",
        "register",
        "put client",
        "browser",
        "await",
        "authorization_code",
        "put grant",
    ];
    assert_eq!(end.log(), log);
}

#[test]
fn a_sign_in_remembers_what_a_warm_start_needs() {
    let end = World::new().challenged();
    let cache = &end.world.cache;
    let grant = cache.grant.as_ref().unwrap();
    assert_eq!(grant.issuer, Issuer::new(ISSUER));
    assert_eq!(grant.resource, Some(ResourceId::new(RESOURCE)));
    assert_eq!(grant.requested_scopes, scopes("read write"));
    assert_eq!(grant.granted_at, NOW);
    let known = &cache.clients[&Issuer::new(ISSUER)];
    assert_eq!(known.client.client_id, "CLIENT_1");
    let uri = format!("http://localhost:{PORT}/oauth/callback");
    assert_eq!(known.client.redirect_uri, Some(uri));
    assert_eq!(known.token_endpoint.as_str(), "https://as.example/token");
    let revocation = known.revocation_endpoint.as_ref().map(Url::as_str);
    assert_eq!(revocation, Some("https://as.example/revoke"));
    // And that start reads once.
    let mut world = World::new();
    world.cache = cache.clone();
    assert_eq!(world.silent().log(), ["read"]);
}

#[test]
fn one_redirect_uri_and_resource_go_through_registration_request_and_exchange() {
    let end = World::new().challenged();
    let uri = format!("http://localhost:{PORT}/oauth/callback");
    assert_eq!(
        end.world.bodies[0]["redirect_uris"],
        serde_json::json!([uri])
    );
    let attempt = &end.world.attempts[0];
    let query = query(attempt);
    assert_eq!(query["redirect_uri"], uri);
    assert_eq!(query["resource"], RESOURCE);
    assert_eq!(query["scope"], "read write");
    let request = &end.world.requests[0];
    assert_eq!(request.endpoint.as_str(), "https://as.example/token");
    assert_eq!(request.resource, Some(ResourceId::new(RESOURCE)));
    assert_eq!(request.client.client_id, "CLIENT_1");
    assert_eq!(request.grant, attempt.exchange(secret("CODE_1")));
}

#[test]
fn the_challenge_says_where_and_for_what() {
    let hint = "https://m.example/custom.json";
    let end = World::new()
        .with(|world| {
            let body = world.pages[PRM].as_ref().unwrap().body.clone();
            world.serve(hint, std::str::from_utf8(&body).unwrap());
        })
        .run(Goal::Challenged {
            rejected: None,
            challenge: Challenge {
                resource_metadata: Some(hint.to_owned()),
                scope: Some(scopes("special")),
                ..Challenge::default()
            },
        });
    assert_eq!(end.did(&format!("fetch {hint}")), 1);
    assert_eq!(end.did(&format!("fetch {PRM}")), 0);
    assert_eq!(query(&end.world.attempts[0])["scope"], "special");
}

#[test]
fn a_hint_that_leads_nowhere_is_mentioned() {
    for hint in ["https://m.example/nothing", "http://m.example/unsafe"] {
        let end = World::new().run(Goal::Challenged {
            rejected: None,
            challenge: Challenge {
                resource_metadata: Some(hint.to_owned()),
                ..Challenge::default()
            },
        });
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert!(end.noted("leads nowhere"), "{hint}");
    }
}

#[test]
fn a_server_without_any_metadata_is_asked_at_the_default_places() {
    let end = World::new().with(|world| world.pages.clear()).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let attempt = &end.world.attempts[0];
    let address = attempt.address.0.as_str();
    assert!(
        address.starts_with("https://m.example/authorize?"),
        "{address}"
    );
    assert_eq!(attempt.resource, None);
    assert!(!query(attempt).contains_key("scope"));
    assert_eq!(
        end.world.requests[0].endpoint.as_str(),
        "https://m.example/token"
    );
}

#[test]
fn the_user_decides_which_resource_and_scopes_are_named() {
    let end = World::new()
        .with(|world| {
            world.settings.resource = ResourceChoice::Given(ResourceId::new("api://mine"));
            world.settings.scopes = Some(scopes("mine"));
        })
        .challenged();
    let query_given = query(&end.world.attempts[0]);
    assert_eq!(query_given["resource"], "api://mine");
    assert_eq!(query_given["scope"], "mine");
    let end = World::new()
        .with(|world| world.settings.resource = ResourceChoice::Omitted)
        .challenged();
    assert!(!query(&end.world.attempts[0]).contains_key("resource"));
    assert_eq!(end.world.requests[0].resource, None);
}

#[test]
fn metadata_out_of_reach_opens_no_browser_and_may_come_back() {
    for place in [PRM, ASM] {
        let end = World::new()
            .with(|world| world.fail_to_serve(place))
            .challenged();
        assert!(end.error().is_transient(), "{}", end.error());
        assert_eq!((end.did("browser"), end.did("register")), (0, 0));
        assert_eq!(end.did(&format!("fetch {place}")), 2);
    }
}

#[test]
fn metadata_about_somebody_else_ends_the_flow_before_anything_is_sent() {
    let end = World::new()
        .with(|world| world.serve(ASM, &metadata("https://evil.example")))
        .challenged();
    assert!(matches!(end.error(), FlowError::Discovery(_)));
    assert_eq!((end.did("browser"), end.did("register")), (0, 0));
}

#[test]
fn a_sibling_that_signs_in_first_saves_the_browser() {
    let registered = signed_out().cache;
    let end = World::new()
        .with(|world| {
            world
                .siblings_sign_in
                .extend([registered, siblings("SIBLINGS")])
        })
        .challenged();
    assert_eq!(end.token(), Some("SIBLINGS"));
    // Its registration alone does not end the wait.
    assert_eq!(end.log(), ["read", "turn", "turn"]);
}

#[test]
fn a_sibling_that_gives_up_leaves_its_registration_and_the_turn() {
    let registered = signed_out().cache;
    let end = World::new()
        .with(|world| world.siblings_sign_in.push_back(registered))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("browser"), end.did("register")), (1, 0));
}

#[test]
fn a_sibling_that_keeps_the_turn_is_waited_for_as_long_as_a_person() {
    let end = World::new()
        .with(|world| world.turn_fails = true)
        .challenged();
    assert!(matches!(end.error(), FlowError::SignInLock(_)));
    assert_eq!(end.world.now, NOW + 300);
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn stray_visits_are_ignored_until_the_answer_comes() {
    let end = World::new()
        .visited([
            Visit::Raw("code=EVIL&state=x"),
            Visit::Raw(""),
            Visit::Raw("error=access_denied"),
            Visit::Ours("code=CODE_2"),
        ])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("await"), end.did("browser")), (4, 1));
    let expected = end.world.attempts[0].exchange(secret("CODE_2"));
    assert_eq!(end.world.requests[0].grant, expected);
}

#[test]
fn an_answer_from_another_issuer_is_never_redeemed() {
    let end = World::new()
        .visited([Visit::Ours("code=C&iss=https://evil.example")])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::SignIn(CallbackError::OtherIssuer { .. })
    ));
    assert!(end.world.requests.is_empty());
}

#[test]
fn a_declined_sign_in_keeps_the_registration_and_says_so() {
    let end = World::new()
        .visited([Visit::Ours("error=access_denied")])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::SignIn(CallbackError::Declined(_))
    ));
    assert_eq!(end.world.cache.clients.len(), 1);
}

#[test]
fn nobody_who_signs_in_is_waited_for_no_longer_than_allowed() {
    let end = World::new().visited([Visit::Ours("never")]).challenged();
    assert!(matches!(end.error(), FlowError::TimedOut(300)));
    assert_eq!(end.world.now, NOW + 300);
}

#[test]
fn a_fourth_browser_within_ten_minutes_is_not_opened() {
    let mut history = History::default();
    for at in [NOW - 500, NOW - 400, NOW - 300] {
        history.opened(at);
    }
    let end = World::new()
        .with(|world| world.history = history.clone())
        .challenged()
        .asked_nobody();
    assert!(matches!(end.error(), FlowError::TooManyAttempts));
    let end = World::new()
        .with(|world| {
            world.history = history;
            world.now = NOW + 100;
        })
        .challenged();
    assert_eq!(end.did("browser"), 1);
    assert!(!end.world.history.allows(NOW + 100));
}

#[test]
fn each_attempt_has_its_own_state_and_verifier() {
    let end = signed_out().answering([dead_client()]).challenged();
    let [first, second] = &end.world.attempts[..] else {
        panic!();
    };
    assert_ne!(first.state, second.state);
    assert_ne!(first.code_verifier, second.code_verifier);
}

#[test]
fn refused_scopes_are_narrowed_to_the_challenge_once() {
    let challenged = |world: World| {
        world.run(Goal::Challenged {
            rejected: None,
            challenge: Challenge {
                scope: Some(scopes("read")),
                ..Challenge::default()
            },
        })
    };
    let world = || {
        World::new().with(|world| {
            let body = metadata(ISSUER).replace(
                "{\"issuer\"",
                "{\"scopes_supported\":[\"offline_access\"],\"issuer\"",
            );
            world.serve(ASM, &body);
        })
    };
    let refused = || Visit::Ours("error=invalid_scope");
    let end = challenged(world().visited([refused()]));
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let asked: Vec<_> = end
        .world
        .attempts
        .iter()
        .map(|a| a.scopes.join(" "))
        .collect();
    assert_eq!(asked, ["read offline_access", "read"]);
    let end = challenged(world().visited([refused(), refused(), refused()]));
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    assert_eq!((end.did("browser"), end.did("register")), (3, 2));
    let at_exchange = Err(TokenError::InvalidScope(refusal("invalid_scope")));
    let end = challenged(world().answering([at_exchange]));
    assert_eq!(end.world.attempts.len(), 2);
}

#[test]
fn a_code_is_handed_in_again_only_if_nobody_looked_at_it() {
    let end = World::new().answering([down(Effect::None)]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.requests.len(), 2);
    for answer in [down(Effect::Unknown), busy(60), dead_grant()] {
        let end = World::new().answering([answer]).challenged();
        assert!(matches!(end.error(), FlowError::Exchange(_)));
        assert_eq!((end.world.requests.len(), end.did("browser")), (1, 1));
    }
}

#[test]
fn a_sign_in_that_cannot_be_saved_is_used_with_a_warning() {
    let end = World::new()
        .with(|world| world.writes_fail = true)
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(end.noted("could not be saved"));
}

#[test]
fn a_tab_that_a_dead_process_left_open_finishes_the_sign_in() {
    let left = World::new().visited([Visit::Ours("never")]).challenged();
    let world = |ago: u64| {
        let mut world = World::new();
        world.cache = left.world.cache.clone();
        world.pending = Some(Open::Browser(Box::new(left.world.attempts[0].clone())));
        world.now = NOW + ago;
        world
    };
    let end = world(100).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("resume"), end.did("browser")), (1, 0));
    assert_eq!(end.world.attempts, left.world.attempts);
    // One that has lapsed, or whose port is taken, is begun anew.
    let end = world(300).challenged();
    assert_eq!((end.did("resume"), end.did("browser")), (0, 1));
    let end = world(100).with(|world| world.taken.push(PORT)).challenged();
    assert_eq!((end.did("resume"), end.did("browser")), (0, 1));
}

#[test]
fn who_wants_to_sign_in_now_does_so_in_spite_of_a_fresh_token() {
    let goal = || Goal::SignIn {
        since: NOW,
        challenge: Challenge::default(),
    };
    let end = World::signed_in(3600).run(goal());
    assert_eq!(end.did("browser"), 1);
    // But two who want it at the same time share one.
    let end = World::signed_in(3600)
        .with(|world| world.siblings_sign_in.push_back(siblings("SIBLINGS")))
        .run(goal());
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn what_a_sibling_gets_within_the_same_second_is_told_from_what_was_there() {
    let goal = || Goal::SignIn {
        since: NOW,
        challenge: Challenge::default(),
    };
    let mut got = siblings("SIBLINGS");
    got.grant.as_mut().unwrap().granted_at = NOW;
    for (before, token, browsers) in [
        (SignIn::default(), "SIBLINGS", 0),
        (sign_in(1800), "SIBLINGS", 0),
        (got.clone(), "NEW_ACCESS_1", 1),
    ] {
        let end = World::new()
            .with(|world| {
                world.cache = before;
                world.siblings_sign_in.push_back(got.clone());
            })
            .run(goal());
        assert_eq!((end.token(), end.did("browser")), (Some(token), browsers));
    }
}
