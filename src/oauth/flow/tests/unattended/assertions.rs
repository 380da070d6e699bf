//! What a platform or an identity provider says, handed in for a token.

use super::*;

#[test]
fn a_workload_hands_in_its_jwt_and_no_identifier() {
    let end = world(workload()).challenged().asked_nobody();
    let request = &end.world.requests[0];
    assert!(request.client.is_nobody());
    assert_eq!(request.resource, Some(ResourceId::new(RESOURCE)));
    assert_eq!(
        request.grant,
        GrantRequest::JwtBearer {
            assertion: secret("ASSERTION_1"),
            scopes: scopes("read write"),
        }
    );
    // Unless the user configured one.
    let end = world(workload())
        .with(|world| world.settings.client = Some(configured()))
        .challenged();
    assert_eq!(end.world.requests[0].client.client_id, "SERVICE");
}

#[test]
fn a_refused_jwt_is_not_handed_in_again_until_there_is_another() {
    for error in [
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "made_up",
    ] {
        let grant = GrantRequest::JwtBearer {
            assertion: secret("x"),
            scopes: Vec::new(),
        };
        let refused = TokenError::from_refusal(&grant, refusal(error), None);
        let end = world(workload()).answering([Err(refused)]).challenged();
        assert!(end.error().to_string().contains(error), "{}", end.error());
        assert_eq!(requests(&end), [SHORT_CLIENT]);
        assert!(!end.error().is_transient());
        let mut world = end.world;
        world.locked = false;
        let end = world.challenged();
        assert_eq!(requests(&end), [SHORT_CLIENT], "{error}");
        assert!(end.error().to_string().contains("it was refused before"));
        let mut world = end.world;
        world.locked = false;
        world.assertions.push_back(Ok(secret("ASSERTION_2")));
        let end = world.challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(requests(&end).len(), 2);
    }
}

#[test]
fn an_assertion_that_is_not_there_keeps_a_token_in_use_while_it_lasts() {
    for way in [workload(), by_endpoint(), by_issuer()] {
        let without = |ends_in| {
            signed_in(way.clone(), ends_in)
                .with(|world| world.assertions.push_back(Err(cause("no such file"))))
        };
        let end = without(100).renewed();
        assert_eq!(end.token(), Some("OLD_ACCESS"));
        assert!(end.noted("no such file"));
        let end = without(-100).silent();
        assert_eq!(end.error().to_string(), "no such file");
        assert!(end.world.requests.is_empty());
        assert_eq!(end.did("note failure"), 0);
    }
}

#[test]
fn an_identity_provider_vouches_for_the_user() {
    let end = world(by_endpoint()).challenged().asked_nobody();
    assert_eq!(requests(&end), [EXCHANGE, SHORT_CLIENT]);
    let exchange = &end.world.requests[0];
    assert_eq!(exchange.endpoint.as_str(), "https://idp.example/token");
    assert_eq!(exchange.client.client_id, "IDP_CLIENT");
    assert_eq!(exchange.client.auth_method, AuthMethod::None);
    assert_eq!(exchange.resource, Some(ResourceId::new(RESOURCE)));
    let GrantRequest::TokenExchange(asked) = &exchange.grant else {
        panic!("{exchange:?}");
    };
    assert_eq!(asked.audience, ISSUER);
    assert_eq!(asked.subject_token, secret("ASSERTION_1"));
    assert_eq!(asked.scopes, scopes("read write"));
    let bearer = &end.world.requests[1];
    assert_eq!(bearer.client.client_id, "SERVICE");
    assert_eq!(
        bearer.grant,
        GrantRequest::JwtBearer {
            assertion: secret("ID_JAG_1"),
            scopes: scopes("read write")
        }
    );
    assert_eq!(end.world.cache.grant.unwrap().mode, AuthMode::Enterprise);
}

#[test]
fn the_identity_provider_is_found_by_its_issuer() {
    let found = |issuer: &str| {
        let issuer = issuer.to_owned();
        world(by_issuer()).with(|world| {
            let metadata = format!(
                r#"{{"issuer":"{issuer}","token_endpoint":"https://login.idp.example/token",
                    "token_endpoint_auth_methods_supported":["client_secret_post"]}}"#
            );
            world.serve(IDP_METADATA, &metadata);
        })
    };
    let end = found("https://idp.example/acme").challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let exchange = &end.world.requests[0];
    assert_eq!(
        exchange.endpoint.as_str(),
        "https://login.idp.example/token"
    );
    for other in ["https://idp.example/acme/", "https://evil.example/acme"] {
        let end = found(other).challenged();
        assert!(end.world.requests.is_empty());
        let shown = end.error().to_string();
        assert!(
            shown.contains("https://idp.example/acme") && shown.contains(other),
            "{shown}"
        );
    }
    let end = world(by_issuer())
        .with(|world| world.pages.remove(IDP_METADATA).map_or((), drop))
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Unattended(UnattendedError::Provider(_))
    ));
}

#[test]
fn a_policy_that_says_no_is_shown_and_not_routed_round() {
    let denied = Err(TokenError::Refused(refusal("access_denied")));
    let end = world(by_endpoint())
        .with(|world| world.exchanges.push_back(denied.map(|()| unreachable!())))
        .challenged()
        .asked_nobody();
    assert_eq!(requests(&end), [EXCHANGE]);
    let shown = end.error().to_string();
    assert!(
        shown.contains("the identity provider refused: `access_denied`"),
        "{shown}"
    );
    // The same ID token is not shown to it again.
    let mut again = end.world;
    again.locked = false;
    let end = again.challenged();
    assert_eq!(requests(&end), [EXCHANGE]);
    assert!(end.error().to_string().contains("it was refused before"));
    let end = world(by_endpoint())
        .answering([dead_grant()])
        .challenged()
        .asked_nobody();
    assert_eq!(requests(&end), [EXCHANGE, SHORT_CLIENT]);
    assert!(end.error().to_string().contains("ID-JAG"));
    assert_eq!(end.did("note failure"), 1);
}

#[test]
fn another_kind_of_token_is_no_statement() {
    for kind in [None, Some("urn:ietf:params:oauth:token-type:access_token")] {
        let issued = Issued {
            token: secret("OTHER_TOKEN"),
            issued_token_type: kind.map(str::to_owned),
        };
        let end = world(by_endpoint())
            .with(|world| world.exchanges.push_back(Ok(issued)))
            .challenged();
        assert_eq!(requests(&end), [EXCHANGE]);
        assert!(end.error().to_string().contains("issued_token_type"));
        assert!(!format!("{:?}", end.error()).contains("OTHER_TOKEN"));
    }
}

#[test]
fn what_came_with_a_refused_proof_is_handed_in_again() {
    for error in ["invalid_dpop_proof", "use_dpop_nonce"] {
        for way in ways_and_seed() {
            let refused = || TokenError::Refused(refusal(error));
            let at_provider = matches!(&way, Way::Unattended(Unattended::Enterprise(_)));
            let end = world(way.clone())
                .with(|world| match at_provider {
                    true => world.exchanges.push_back(Err(refused())),
                    false => world.answers.push_back(Err(refused())),
                })
                .challenged();
            assert!(end.error().to_string().contains(error));
            let hint = end.error().hint();
            assert!(hint.contains("check the clock"), "{way:?}: {hint}");
            let world = end.world.with(|world| {
                world.requests.clear();
                world.locked = false;
            });
            let end = world.challenged();
            assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{error} {way:?}");
        }
    }
}
