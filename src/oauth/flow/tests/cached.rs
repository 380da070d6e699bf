use super::*;

#[test]
fn a_fresh_token_is_used_after_one_read() {
    let end = World::signed_in(3600).silent();
    assert_eq!(end.token(), Some("OLD_ACCESS"));
    assert_eq!(end.log(), ["read"]);
}

#[test]
fn an_empty_cache_gives_nothing_and_asks_nobody() {
    let end = World::new().silent().asked_nobody();
    assert_eq!(end.token(), None);
    assert_eq!(end.log(), ["read"]);
}

#[test]
fn a_token_without_a_named_end_is_used() {
    let world = World::signed_in(0).with(|world| {
        world.cache.grant.as_mut().unwrap().tokens.expires_at = None;
    });
    assert_eq!(world.silent().log(), ["read"]);
}

#[test]
fn a_due_or_expired_token_is_refreshed_under_the_lock_and_saved_before_use() {
    for ends_in in [299, 0, -5000] {
        let end = World::signed_in(ends_in).silent();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{ends_in}");
        assert_eq!(end.log(), ["read", "lock", "read", "refresh_token", "save"]);
    }
    assert_eq!(World::signed_in(301).silent().log(), ["read"]);
}

#[test]
fn a_refresh_names_client_resource_and_nothing_else() {
    let end = World::signed_in(0).silent();
    assert_eq!(
        end.world.requests,
        [TokenRequest {
            endpoint: Url::parse("https://as.example/token").unwrap(),
            client: client("OLD_CLIENT"),
            resource: Some(ResourceId::new(RESOURCE)),
            grant: GrantRequest::RefreshToken {
                refresh_token: secret("OLD_REFRESH")
            },
            binding: None,
            params: Vec::new(),
        }]
    );
    let grant = end.world.cache.grant.unwrap();
    assert_eq!(grant.refreshed_at, Some(NOW));
    assert_eq!(grant.requested_scopes, scopes("read"));
}

#[test]
fn a_sibling_that_refreshed_first_is_not_repeated() {
    let end = World::signed_in(0)
        .with(|world| world.sibling_refreshes = Some(siblings("SIBLINGS")))
        .silent();
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert_eq!(end.log(), ["read", "lock", "read"]);
    assert!(end.noted("another process"));
}

#[test]
fn a_sibling_that_signed_out_leaves_nothing_to_refresh() {
    let end = World::signed_in(0)
        .with(|world| world.sibling_refreshes = Some(SignIn::default()))
        .silent();
    assert_eq!(end.token(), None);
    assert_eq!(end.log(), ["read", "lock", "read", "unlock"]);
}

#[test]
fn a_network_fault_is_tried_once_more_with_the_same_token() {
    for effect in [Effect::None, Effect::Unknown] {
        let end = World::signed_in(0).answering([down(effect)]).silent();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.world.requests.len(), 2);
        assert_eq!(end.world.requests[0], end.world.requests[1]);
    }
}

#[test]
fn a_lasting_network_fault_costs_nothing_while_the_token_lasts() {
    let faults = [down(Effect::Unknown), down(Effect::None)];
    let end = World::signed_in(100).answering(faults).silent();
    assert_eq!(end.token(), Some("OLD_ACCESS"));
    assert!(end.noted("used until it ends"));
    assert_eq!(end.world.cache.grant, sign_in(100).grant);
}

#[test]
fn a_lasting_network_fault_opens_no_browser_and_keeps_the_tokens() {
    let faults = || [down(Effect::None), down(Effect::None)];
    let ends = [
        World::signed_in(0).answering(faults()).silent(),
        World::signed_in(0).answering(faults()).challenged(),
        World::signed_in(0).answering(faults()).refused(),
        World::signed_in(3600).answering(faults()).refused(),
    ];
    for end in ends {
        let end = end.asked_nobody();
        assert!(end.error().is_transient());
        assert!(end.world.cache.grant.is_some());
    }
}

#[test]
fn a_server_that_wants_a_short_pause_gets_it_and_a_long_one_is_an_error() {
    let end = World::signed_in(0).answering([busy(5)]).silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let end = World::signed_in(0).answering([busy(60)]).silent();
    assert!(end.error().is_transient());
    assert_eq!(end.world.requests.len(), 1);
}

#[test]
fn an_answer_that_is_none_opens_no_browser_and_keeps_the_tokens() {
    let portal = Err(TokenError::Unusable("a page".to_owned()));
    let end = World::signed_in(0).answering([portal]).refused();
    let end = end.asked_nobody();
    assert!(end.error().is_transient());
    assert!(end.world.cache.grant.is_some());
    let page = Refusal {
        status: 403,
        ..Refusal::default()
    };
    let end = World::signed_in(0)
        .answering([Err(TokenError::Refused(page))])
        .refused();
    assert!(matches!(end.asked_nobody().error(), FlowError::Token(_)));
}

#[test]
fn a_dead_grant_is_forgotten_but_its_client_is_kept() {
    let end = World::signed_in(0).answering([dead_grant()]).silent();
    assert_eq!(end.token(), None);
    let log = ["read", "lock", "read", "refresh_token", "drop grant"];
    assert_eq!(end.log(), log);
    assert_eq!(end.world.cache.grant, None);
    assert_eq!(end.world.cache.clients.len(), 1);
    assert!(end.noted("invalid_grant"));
}

#[test]
fn a_dead_grant_leads_to_one_browser_when_the_server_asks() {
    let end = World::signed_in(0).answering([dead_grant()]).refused();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("browser"), end.did("register")), (1, 0));
    // The server that refused the grant knew the client.
    assert_eq!(end.did("probe"), 0);
}

#[test]
fn a_dead_client_is_forgotten_together_with_its_grant() {
    let end = World::signed_in(0).answering([dead_client()]).silent();
    assert_eq!(end.token(), None);
    assert_eq!(end.world.cache.grant, None);
    assert!(end.world.cache.clients.is_empty());
    let end = World::signed_in(0).answering([dead_client()]).refused();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("browser"), end.did("register")), (1, 1));
}

#[test]
fn what_a_sibling_renewed_meanwhile_is_adopted_and_not_forgotten() {
    for dead in [dead_grant, dead_client] {
        let world = || {
            World::signed_in(-10)
                .answering([dead()])
                .with(|world| world.intruder_writes = Some(siblings("SIBLINGS")))
        };
        for end in [
            world().silent(),
            world().renewed(),
            world().refused(),
            world().challenged(),
        ] {
            let end = end.asked_nobody();
            assert_eq!(end.token(), Some("SIBLINGS"));
            assert_eq!(end.world.cache, siblings("SIBLINGS"));
            assert!(end.noted("another process"));
        }
    }
}

#[test]
fn what_a_sibling_renewed_meanwhile_and_is_due_again_is_refreshed() {
    let mut due = sign_in(100);
    let grant = due.grant.as_mut().unwrap();
    grant.tokens.refresh_token = Some(secret("SIBLINGS_REFRESH"));
    let end = World::signed_in(0)
        .answering([dead_grant()])
        .with(|world| world.intruder_writes = Some(due))
        .refused()
        .asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let spent: Vec<_> = end.world.requests.into_iter().map(|r| r.grant).collect();
    let spend = |token| GrantRequest::RefreshToken {
        refresh_token: secret(token),
    };
    assert_eq!(spent, [spend("OLD_REFRESH"), spend("SIBLINGS_REFRESH")]);
}

#[test]
fn a_dead_grant_that_cannot_be_deleted_is_forgotten_in_this_flow() {
    for dead in [dead_grant(), dead_client()] {
        let end = World::signed_in(100)
            .answering([dead])
            .with(|world| world.writes_fail = true)
            .silent();
        assert_eq!(end.token(), None);
    }
}

#[test]
fn a_refusal_takes_only_what_was_refused() {
    let drop = |token, client: Option<&str>| Amendment::DropGrant {
        refresh_token: secret(token),
        client: client.map(|id| (Issuer::new(ISSUER), id.to_owned())),
    };
    let after = |amendment: Amendment| {
        let mut cache = sign_in(0);
        amendment.apply(&mut cache);
        (cache.grant.is_some(), cache.clients.len())
    };
    assert_eq!(after(drop("OLD_REFRESH", None)), (false, 1));
    assert_eq!(after(drop("OLD_REFRESH", Some("OLD_CLIENT"))), (false, 0));
    // It was registered anew.
    assert_eq!(after(drop("OLD_REFRESH", Some("OLDER_CLIENT"))), (false, 1));
    // A refresh token that was renewed proves that the client lives.
    assert_eq!(after(drop("OLDER_REFRESH", Some("OLD_CLIENT"))), (true, 1));
    assert_eq!(after(drop("OLDER_REFRESH", None)), (true, 1));
}

#[test]
fn a_configured_client_that_is_refused_is_for_the_user_to_mend() {
    let end = World::signed_in(0)
        .with(|world| configure(world, "OLD_CLIENT"))
        .answering([dead_client()])
        .refused()
        .asked_nobody();
    assert!(matches!(
        end.error(),
        FlowError::Token(TokenError::ClientDead(_))
    ));
    assert!(end.world.cache.grant.is_some());
}

fn configure(world: &mut World, client_id: &str) {
    world.settings.client = Some(ConfiguredClient {
        client_id: client_id.to_owned(),
        client_secret: Some(secret("CONFIGURED_SECRET")),
        auth_method: Some(AuthMethod::ClientSecretPost),
        ..ConfiguredClient::default()
    });
    let known = world.cache.clients.get_mut(&Issuer::new(ISSUER)).unwrap();
    known.client.registered = false;
}

#[test]
fn a_configured_client_refreshes_with_its_configured_secret() {
    let end = World::signed_in(0)
        .with(|world| configure(world, "OLD_CLIENT"))
        .silent();
    let client = &end.world.requests[0].client;
    assert_eq!(client.client_secret, Some(secret("CONFIGURED_SECRET")));
    assert_eq!(client.auth_method, AuthMethod::ClientSecretPost);
}

#[test]
fn tokens_of_another_client_than_the_configured_one_are_not_refreshed() {
    let end = World::signed_in(0)
        .with(|world| configure(world, "OTHER_CLIENT"))
        .silent();
    assert!(end.world.requests.is_empty());
}

#[test]
fn a_refresh_refused_for_another_reason_keeps_the_grant_until_it_is_replaced() {
    for error in [
        TokenError::Refused(refusal("unsupported_grant_type")),
        TokenError::InvalidScope(refusal("invalid_scope")),
        TokenError::Refused(Refusal {
            status: 401,
            ..Refusal::default()
        }),
        TokenError::Refused(Refusal {
            status: 404,
            ..Refusal::default()
        }),
        TokenError::Refused(Refusal {
            status: 405,
            ..Refusal::default()
        }),
        TokenError::Refused(Refusal {
            status: 410,
            ..Refusal::default()
        }),
    ] {
        let end = World::signed_in(0).answering([Err(error.clone())]).silent();
        assert_eq!(end.token(), Some("OLD_ACCESS"), "{error}");
        let end = World::signed_in(0).answering([Err(error)]).refused();
        assert_eq!(end.did("browser"), 1);
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    }
}

#[test]
fn a_refused_resource_is_reported_with_what_to_try() {
    let refused = Err(TokenError::InvalidTarget(refusal("invalid_target")));
    let end = World::signed_in(0)
        .answering([refused])
        .with(|world| {
            world.settings.resource = ResourceChoice::Given(ResourceId::new(RESOURCE));
        })
        .refused();
    assert!(end.asked_nobody().error().hint().contains("--resource"));
}

#[test]
fn a_busy_lock_is_no_harm_while_the_token_lasts() {
    let world = |ends_in| World::signed_in(ends_in).with(|world| world.lock_fails = true);
    assert_eq!(world(100).silent().token(), Some("OLD_ACCESS"));
    let end = world(0).silent().asked_nobody();
    assert!(matches!(end.error(), FlowError::Lock(_)));
    let end = world(3600).refused().asked_nobody();
    assert!(matches!(end.error(), FlowError::Lock(_)));
}

#[test]
fn a_refused_token_is_refreshed_however_fresh_it_seems() {
    let end = World::signed_in(3000).refused().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn a_refused_token_that_a_sibling_has_replaced_costs_one_read() {
    let end = World::signed_in(3600).run(Goal::Challenged {
        rejected: Some(secret("OLDER_ACCESS")),
        challenge: Challenge::default(),
    });
    assert_eq!(end.token(), Some("OLD_ACCESS"));
    assert_eq!(end.log(), ["read"]);
    let end = World::signed_in(3600)
        .with(|world| world.sibling_refreshes = Some(siblings("SIBLINGS")))
        .refused();
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert!(end.world.requests.is_empty());
}

#[test]
fn a_challenge_to_a_request_without_token_uses_what_a_sibling_got() {
    assert_eq!(World::signed_in(3600).challenged().log(), ["read"]);
    let due = World::signed_in(100).challenged();
    assert_eq!(due.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn a_token_that_is_due_for_its_holder_is_refreshed_whatever_the_clock_says() {
    for ends_in in [3000, 299, -10] {
        let end = World::signed_in(ends_in).renewed().asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{ends_in}");
        assert_eq!(end.log(), ["read", "lock", "read", "refresh_token", "save"]);
    }
}

#[test]
fn a_due_token_that_a_sibling_has_renewed_costs_one_read() {
    let end = World::signed_in(3600).run(Goal::Renew {
        held: secret("OLDER_ACCESS"),
    });
    assert_eq!(end.token(), Some("OLD_ACCESS"));
    assert_eq!(end.log(), ["read"]);
    assert!(end.noted("another process"));
    let end = World::signed_in(100)
        .with(|world| world.sibling_refreshes = Some(siblings("SIBLINGS")))
        .renewed();
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert_eq!(end.log(), ["read", "lock", "read"]);
    assert!(end.noted("another process"));
    // And its token may be due as well by now.
    let end = World::signed_in(100).run(Goal::Renew {
        held: secret("OLDER_ACCESS"),
    });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn a_due_token_that_cannot_be_renewed_is_used_and_nobody_is_asked() {
    let kept = [
        World::signed_in(100).with(|world| {
            world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
        }),
        World::signed_in(100).with(|world| world.cache.clients.clear()),
        World::signed_in(100).with(|world| world.lock_fails = true),
        World::signed_in(100).answering([down(Effect::Unknown), down(Effect::None)]),
        World::signed_in(100).answering([busy(60)]),
        World::signed_in(100).answering([Err(TokenError::Refused(refusal("other")))]),
    ];
    for world in kept {
        let end = world.renewed().asked_nobody();
        assert_eq!(end.token(), Some("OLD_ACCESS"), "{:?}", end.log());
        assert!(end.world.cache.grant.is_some());
    }
    let faults = [down(Effect::None), down(Effect::None)];
    let end = World::signed_in(-1).answering(faults).renewed();
    assert!(end.asked_nobody().error().is_transient());
}

#[test]
fn a_due_token_whose_grant_or_client_is_dead_is_forgotten_and_nobody_is_asked() {
    for dead in [dead_grant(), dead_client()] {
        let end = World::signed_in(100).answering([dead]).renewed();
        let end = end.asked_nobody();
        assert_eq!((end.token(), &end.world.cache.grant), (None, &None));
    }
    // Somebody has signed out.
    let mut world = World::new();
    world.cache = SignIn::default();
    let held = secret("OLD_ACCESS");
    let end = world.run(Goal::Renew { held }).asked_nobody();
    assert_eq!((end.token(), end.log()), (None, vec!["read"]));
}

#[test]
fn a_token_refused_although_it_replaced_a_refused_one_needs_a_person() {
    let world = |at: u64| {
        World::signed_in(3600).with(|world| {
            world.history.replaced(secret("OLD_ACCESS"), at);
        })
    };
    let end = world(NOW - 59).refused();
    assert_eq!((end.did("refresh_token"), end.did("browser")), (0, 1));
    let end = world(NOW - 60).refused();
    assert_eq!((end.did("refresh_token"), end.did("browser")), (1, 0));
    // The clock was set back, so it may be old.
    let end = world(NOW + 1).refused();
    assert_eq!((end.did("refresh_token"), end.did("browser")), (1, 0));
}

#[test]
fn a_replacement_of_a_refused_token_is_remembered_and_no_other() {
    let token = secret("NEW_ACCESS_1");
    let end = World::signed_in(3600).refused();
    assert!(end.world.history.is_replacement(&token, NOW));
    for end in [
        World::signed_in(0).silent(),
        World::signed_in(0).challenged(),
    ] {
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert!(!end.world.history.is_replacement(&token, NOW));
    }
}

#[test]
fn a_token_refused_right_after_its_refresh_is_refreshed_under_the_lock() {
    // A sibling may be doing just that, at a server that ends the old token first.
    let world = || {
        World::signed_in(3600).with(|world| {
            world.cache.grant.as_mut().unwrap().refreshed_at = Some(NOW);
        })
    };
    let end = world().refused().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let end = world()
        .with(|world| world.sibling_refreshes = Some(siblings("SIBLINGS")))
        .refused();
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert!(end.world.requests.is_empty());
}

#[test]
fn without_a_refresh_token_the_server_judges_an_expired_one() {
    let world = |ends_in| {
        World::signed_in(ends_in).with(|world| {
            world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
        })
    };
    assert_eq!(world(-10).silent().token(), Some("OLD_ACCESS"));
    assert_eq!(world(100).challenged().token(), Some("OLD_ACCESS"));
    assert_eq!(world(-10).challenged().did("browser"), 1);
    assert_eq!(world(3600).refused().did("browser"), 1);
}

#[test]
fn a_token_that_cannot_be_saved_is_used_with_a_warning() {
    let end = World::signed_in(0)
        .with(|world| world.writes_fail = true)
        .silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(end.noted("could not be saved"));
}

#[test]
fn a_cache_that_cannot_be_read_ends_the_flow() {
    let settings = Arc::new(settings());
    let (flow, _) = Flow::begin(settings, Goal::Silent, History::default());
    let (_, action) = flow.step(Event::CacheRead(Err(cause("denied"))), NOW);
    assert!(matches!(action, Action::Fail(FlowError::Store(_))));
}

#[test]
fn notes_say_why_a_token_is_refreshed() {
    assert!(World::signed_in(100).silent().noted("ends in 100 s"));
    assert!(World::signed_in(-12).silent().noted("expired 12 s ago"));
    assert!(
        World::signed_in(3600)
            .refused()
            .noted("the server refused the token")
    );
}
