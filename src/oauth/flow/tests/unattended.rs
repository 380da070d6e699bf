//! Tokens without a person.

mod assertions;
mod renewing;
mod resource;

use super::*;
use crate::oauth::mode::AuthMode;

const SHORT_CLIENT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const IDP_METADATA: &str = "https://idp.example/.well-known/oauth-authorization-server/acme";

fn client_credentials() -> Way {
    Way::Unattended(Unattended::ClientCredentials)
}

fn workload() -> Way {
    Way::Unattended(Unattended::Workload)
}

fn enterprise(endpoint: ProviderEndpoint) -> Way {
    let client = ConfiguredClient {
        client_id: "IDP_CLIENT".to_owned(),
        client_secret: None,
        auth_method: None,
        ..ConfiguredClient::default()
    };
    Way::Unattended(Unattended::Enterprise(IdentityProvider {
        endpoint,
        client,
    }))
}

fn by_endpoint() -> Way {
    let url = Url::parse("https://idp.example/token").unwrap();
    enterprise(ProviderEndpoint::Given(url))
}

fn by_issuer() -> Way {
    let address = ServerUrl::parse("https://idp.example/acme", false).unwrap();
    enterprise(ProviderEndpoint::OfIssuer(address))
}

fn configured() -> ConfiguredClient {
    ConfiguredClient {
        client_id: "SERVICE".to_owned(),
        client_secret: Some(secret("SERVICE_SECRET")),
        auth_method: None,
        ..ConfiguredClient::default()
    }
}

/// Nothing is cached.
fn world(way: Way) -> World {
    World::new().with(|world| {
        world.settings.client = (way != workload()).then(configured);
        world.settings.way = way;
        let metadata =
            r#"{"issuer":"https://idp.example/acme","token_endpoint":"https://idp.example/token"}"#;
        world.serve(IDP_METADATA, metadata);
    })
}

/// A token of an hour is cached that ends in so many seconds.
fn signed_in(way: Way, ends_in: i64) -> World {
    world(way).with(|world| {
        let client = match &world.settings.client {
            Some(configured) => Client {
                registered: false,
                redirect_uri: None,
                auth_method: AuthMethod::ClientSecretBasic,
                ..client(&configured.client_id)
            },
            None => Client::nobody(),
        };
        let Way::Unattended(unattended) = &world.settings.way else {
            panic!("somebody is asked");
        };
        world.cache = sign_in(ends_in);
        let grant = world.cache.grant.as_mut().unwrap();
        grant.mode = unattended.mode();
        grant.tokens.refresh_token = None;
        world.cache.clients = BTreeMap::from([(Issuer::new(ISSUER), known(client))]);
    })
}

fn ways() -> [Way; 4] {
    [client_credentials(), workload(), by_endpoint(), by_issuer()]
}

/// All ways, and a configured refresh token.
fn ways_and_seed() -> Vec<Way> {
    let seed = Seed {
        refresh_token: secret("SEED_1"),
        origin: "the variable `SEED`".to_owned(),
    };
    let seeded = Way::Unattended(Unattended::Seeded(seed));
    ways().into_iter().chain([seeded]).collect()
}

fn requests(end: &End) -> Vec<&str> {
    let requests = end.world.requests.iter();
    requests.map(|request| request.grant.grant_type()).collect()
}

fn challenge(scope: &str) -> Challenge {
    Challenge {
        scope: Some(scopes(scope)),
        ..Challenge::default()
    }
}

fn step_up(world: World, scope: &str) -> End {
    let used = world.held();
    let challenge = challenge(scope);
    world.run(Goal::StepUp { used, challenge })
}

#[test]
fn a_client_gets_its_token_by_its_own_credentials() {
    let end = world(client_credentials()).challenged().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.log(),
        [
            "read",
            "lock",
            "read",
            &format!("fetch {PRM}"),
            &format!("fetch {ASM}"),
            "client_credentials",
            "put grant",
        ]
    );
    let request = &end.world.requests[0];
    assert_eq!(request.endpoint.as_str(), "https://as.example/token");
    assert_eq!(request.resource, Some(ResourceId::new(RESOURCE)));
    assert_eq!(request.client.client_id, "SERVICE");
    assert_eq!(request.client.client_secret, Some(secret("SERVICE_SECRET")));
    assert_eq!(
        request.grant,
        GrantRequest::ClientCredentials {
            scopes: scopes("read write")
        }
    );
    let grant = end.world.cache.grant.unwrap();
    assert_eq!(grant.mode, AuthMode::ClientCredentials);
    assert_eq!(grant.tokens.refresh_token, None);
    assert_eq!(grant.requested_scopes, scopes("read write"));
    let known = &end.world.cache.clients[&Issuer::new(ISSUER)];
    assert_eq!(
        known.client.client_secret, None,
        "it stays where the user keeps it"
    );
}

#[test]
fn nothing_is_asked_for_before_the_server_asks() {
    for way in ways() {
        let end = world(way).silent().asked_nobody();
        assert_eq!(end.token(), None);
        assert_eq!(end.log(), ["read"]);
    }
}

#[test]
fn an_ended_token_is_replaced_without_asking_the_server_first() {
    for way in ways() {
        for ends_in in [-10, 0, 299] {
            let end = signed_in(way.clone(), ends_in).silent().asked_nobody();
            assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{way:?} {ends_in}");
            assert_eq!(end.did(&format!("fetch {PRM}")), 0);
            let grant = end.world.cache.grant.unwrap();
            assert_eq!(grant.refreshed_at, Some(NOW));
            assert!(grant.granted_at < NOW);
            assert_eq!(grant.tokens.refresh_token, None);
        }
        let end = signed_in(way.clone(), 3600).silent();
        assert_eq!(end.token(), Some("OLD_ACCESS"));
        assert_eq!(end.log(), ["read"]);
    }
}

#[test]
fn a_token_is_renewed_ahead_of_time() {
    for way in ways() {
        let end = signed_in(way, 3000).renewed().asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.did("lock"), 1);
    }
}

#[test]
fn what_a_sibling_got_meanwhile_is_used() {
    for way in ways() {
        let end = signed_in(way.clone(), -10)
            .with(|world| {
                let mut theirs = siblings("SIBLINGS_ACCESS");
                theirs.grant.as_mut().unwrap().mode = world.cache.grant.as_ref().unwrap().mode;
                world.sibling_refreshes = Some(theirs);
            })
            .silent();
        assert_eq!(end.token(), Some("SIBLINGS_ACCESS"));
        assert!(end.world.requests.is_empty());
        assert!(end.noted("another process"));
    }
}

#[test]
fn a_refused_token_leads_back_to_the_metadata() {
    for way in ways() {
        let end = signed_in(way.clone(), 3000).refused().asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.did(&format!("fetch {PRM}")), 1, "{way:?}");
        // The next one that is refused at once is the last.
        let count = end.world.requests.len();
        let mut world = end.world;
        world.locked = false;
        let end = world.refused();
        assert!(matches!(
            end.error(),
            FlowError::Unattended(UnattendedError::TokenRefused)
        ));
        assert_eq!(end.world.requests.len(), count);
    }
}

#[test]
fn another_authorization_server_is_not_shown_the_client_of_the_first() {
    let moved = |way: Way| {
        signed_in(way, 3000).with(|world| {
            let prm = r#"{"resource":"https://m.example/mcp","authorization_servers":["https://other.example"]}"#;
            world.serve(PRM, prm);
            let place = "https://other.example/.well-known/oauth-authorization-server";
            world.serve(place, &metadata("https://other.example"));
        })
    };
    for way in [client_credentials(), by_endpoint()] {
        let end = moved(way).refused();
        assert!(matches!(end.error(), FlowError::OtherIssuersClient { .. }));
        assert!(end.world.requests.is_empty());
    }
    let end = moved(workload()).refused();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.world.requests[0].endpoint.as_str(),
        "https://other.example/token"
    );
}

#[test]
fn a_grant_that_is_not_listed_is_not_tried() {
    let listing = |grants: &str| {
        let metadata = metadata(ISSUER);
        let rest = metadata.strip_prefix('{').unwrap();
        format!(r#"{{"grant_types_supported":[{grants}],{rest}"#)
    };
    for (way, grant) in [
        (client_credentials(), "client_credentials"),
        (workload(), SHORT_CLIENT),
        (by_endpoint(), SHORT_CLIENT),
    ] {
        let end = world(way.clone())
            .with(|world| world.serve(ASM, &listing(r#""authorization_code""#)))
            .challenged();
        assert!(end.world.requests.is_empty());
        assert_eq!(
            end.error().to_string(),
            format!(
                "the authorization server `https://as.example` does not list the grant `{grant}` among those it offers (`grant_types_supported`) (RFC 8414 §2)"
            )
        );
        let end = world(way)
            .with(|world| world.serve(ASM, &listing(&format!("\"{grant}\""))))
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    }
}

#[test]
fn metadata_of_a_server_without_a_page_to_sign_in_on_will_do() {
    let end = world(client_credentials())
        .with(|world| {
            let bare = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#;
            world.serve(ASM, bare);
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn refresh_tokens_are_not_asked_for() {
    let end = world(client_credentials())
        .with(|world| {
            let metadata = metadata(ISSUER);
            let rest = metadata.strip_prefix('{').unwrap();
            let offline = format!(r#"{{"scopes_supported":["offline_access"],{rest}"#);
            world.serve(ASM, &offline);
        })
        .challenged();
    assert_eq!(
        end.world.requests[0].grant,
        GrantRequest::ClientCredentials {
            scopes: scopes("read write")
        }
    );
}

#[test]
fn a_network_fault_is_tried_once_more_with_everything_fetched_anew() {
    for (way, reads) in [
        (client_credentials(), 0),
        (workload(), 2),
        (by_endpoint(), 2),
    ] {
        let end = world(way.clone())
            .answering([down(Effect::Unknown)])
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.did("assertion"), reads, "{way:?}");
        let end = world(way.clone())
            .answering([down(Effect::None), down(Effect::None)])
            .challenged();
        assert!(end.error().is_transient());
        assert_eq!(end.did("note failure"), 1);
        let end = world(way).answering([busy(3600)]).challenged();
        assert!(end.error().is_transient());
    }
}

#[test]
fn a_failure_ahead_of_time_keeps_the_token_in_use_while_it_lasts() {
    for way in ways() {
        let failing =
            |ends_in| signed_in(way.clone(), ends_in).answering([dead_client(), dead_client()]);
        let end = failing(200).renewed();
        assert_eq!(end.token(), Some("OLD_ACCESS"), "{way:?}");
        assert!(end.noted("used until it ends"));
        assert!(end.world.cache.failures.sign_in.is_some());
        let end = failing(-1).silent();
        assert!(end.error().to_string().contains("invalid_client"));
        // It is not forgotten, and the next token makes it good.
        let mut world = end.world;
        world.locked = false;
        world.history = History::default();
        world.answers.clear();
        let end = world.silent();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.world.cache.failures, Failures::default());
    }
}

#[test]
fn those_that_waited_for_a_failure_fail_with_it() {
    for way in ways() {
        let end = world(way.clone())
            .with(|world| {
                let mut cache = SignIn::default();
                cache.failures.sign_in = Some(crate::oauth::sign_in::FailureNote::after(
                    None,
                    "no access".to_owned(),
                    false,
                ));
                world.sibling_refreshes = Some(cache);
            })
            .challenged();
        assert!(end.world.requests.is_empty());
        assert_eq!(
            end.error().to_string(),
            "another process could not get a token: no access"
        );
    }
}

#[test]
fn a_client_asks_for_less_once_where_a_scope_is_refused() {
    let refused = || Err(TokenError::InvalidScope(refusal("invalid_scope")));
    let asked = |way: Way| {
        let goal = Goal::Challenged {
            rejected: None,
            challenge: challenge("read"),
        };
        world(way)
            .with(|world| {
                world.settings.scopes = None;
                world.answers.push_back(refused());
            })
            .run(goal)
    };
    // What the challenge names is all that is asked for, so there is no less.
    assert_eq!(asked(client_credentials()).world.requests.len(), 1);
    let end = world(client_credentials())
        .answering([refused()])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.world.requests[1].grant,
        GrantRequest::ClientCredentials { scopes: Vec::new() }
    );
    for way in [workload(), by_endpoint()] {
        let end = world(way).answering([refused()]).challenged();
        assert!(end.error().to_string().contains("invalid_scope"));
    }
}

#[test]
fn a_step_up_asks_once_for_the_union() {
    for way in ways() {
        let end = step_up(signed_in(way.clone(), 3000), "admin").asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        let grant = end.world.cache.grant.clone().unwrap();
        assert_eq!(grant.requested_scopes, scopes("read admin"), "{way:?}");
        let count = end.world.requests.len();
        let mut world = end.world;
        world.locked = false;
        let end = step_up(world, "admin");
        assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
        assert_eq!(end.world.requests.len(), count);
    }
}

#[test]
fn a_step_up_that_is_refused_leaves_the_token_as_it_is() {
    for way in ways() {
        let refused = Err(TokenError::InvalidScope(refusal("invalid_scope")));
        let end = step_up(signed_in(way, 3000).answering([refused]), "admin");
        assert!(end.error().to_string().contains("invalid_scope"));
        assert_eq!(end.world.held(), secret("OLD_ACCESS"));
        assert_eq!(end.did("note failure"), 0);
        let count = end.world.requests.len();
        let mut world = end.world;
        world.locked = false;
        let end = step_up(world, "admin");
        assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
        assert_eq!(end.world.requests.len(), count);
    }
}

#[test]
fn a_user_who_wants_a_token_now_gets_one() {
    for way in ways() {
        let end = signed_in(way, 3000).run(Goal::SignIn {
            since: NOW,
            challenge: Challenge::default(),
        });
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.did(&format!("fetch {PRM}")), 1);
    }
}

#[test]
fn a_token_of_another_way_under_the_same_name_is_not_used() {
    for way in ways() {
        let end = signed_in(way, 3000)
            .with(|world| world.cache.grant.as_mut().unwrap().mode = AuthMode::OAuth)
            .silent();
        assert_eq!(end.token(), None);
    }
    for (way, other) in [
        (client_credentials(), AuthMode::Workload),
        (workload(), AuthMode::Enterprise),
        (by_endpoint(), AuthMode::ClientCredentials),
    ] {
        let end = signed_in(way, 3000)
            .with(|world| world.cache.grant.as_mut().unwrap().mode = other)
            .silent();
        assert_eq!(end.token(), None, "{other}");
    }
    let end = World::signed_in(3000)
        .with(|world| world.cache.grant.as_mut().unwrap().mode = AuthMode::Workload)
        .silent();
    assert_eq!(end.token(), None);
}

#[test]
fn an_endpoint_that_is_gone_is_looked_for_anew() {
    let gone = Err(TokenError::Refused(Refusal {
        status: 404,
        ..Refusal::default()
    }));
    for way in ways() {
        let end = signed_in(way.clone(), -10)
            .answering([gone.clone()])
            .silent()
            .asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{way:?}");
        assert_eq!(end.did(&format!("fetch {PRM}")), 1);
        // One that says why it refuses is there.
        let refused = Err(TokenError::Refused(Refusal {
            status: 404,
            ..refusal("access_denied")
        }));
        let end = signed_in(way, -10).answering([refused]).silent();
        assert!(end.error().to_string().contains("access_denied"));
        assert_eq!(end.did(&format!("fetch {PRM}")), 0);
    }
}

#[test]
fn a_lock_that_is_not_to_be_had_keeps_a_token_in_use_while_it_lasts() {
    for way in ways() {
        let locked_out =
            |ends_in| signed_in(way.clone(), ends_in).with(|world| world.lock_fails = true);
        assert_eq!(locked_out(100).renewed().token(), Some("OLD_ACCESS"));
        assert!(matches!(
            locked_out(-1).silent().error(),
            FlowError::Lock(_)
        ));
    }
}

#[test]
fn a_token_that_cannot_be_written_is_used_all_the_same() {
    for way in ways() {
        let end = world(way)
            .with(|world| world.writes_fail = true)
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert!(end.noted("could not be saved"));
    }
}
