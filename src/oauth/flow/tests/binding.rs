use super::*;
use crate::oauth::challenge::Scheme;
use crate::oauth::dpop::{Demand, DpopError, Mode};
use crate::oauth::token_endpoint::DEVICE_GRANT;

/// The authorization server signs with what we have.
fn offering() -> World {
    World::new().with(|world| {
        let with =
            metadata(ISSUER).replacen('{', r#"{"dpop_signing_alg_values_supported":["ES256"],"#, 1);
        world.serve(ASM, &with);
    })
}

/// The same, and the server takes nothing else.
fn demanding() -> World {
    offering().with(|world| {
        world.serve(
            PRM,
            r#"{"resource":"https://m.example/mcp","authorization_servers":["https://as.example"],
                "dpop_bound_access_tokens_required":true}"#,
        );
    })
}

fn in_mode(world: World, mode: Mode) -> World {
    world.with(|world| world.settings.dpop = mode)
}

/// The server answers 401 with the scheme `DPoP`.
fn asks(world: World) -> End {
    let cached = world.cache.grant.as_ref();
    let rejected = cached.map(|grant| grant.tokens.access_token.clone());
    world.run_challenged(rejected)
}

impl World {
    fn run_challenged(self, rejected: Option<Secret>) -> End {
        self.run(Goal::Challenged {
            rejected,
            challenge: Challenge {
                scheme: Scheme::Dpop,
                ..Challenge::default()
            },
        })
    }
}

/// What the token endpoint answers to a proof with this key.
fn bound(key: &ProofKey) -> TokenSet {
    TokenSet {
        token_type: "DPoP".to_owned(),
        proof_key: Some(key.clone()),
        ..tokens(Some(NOW + 3600))
    }
}

/// A grant whose tokens are bound is cached.
fn signed_in(ends_in: i64) -> (World, ProofKey) {
    let key = ProofKey::generate().unwrap();
    let mut world = offering();
    world.cache = sign_in(ends_in);
    let grant = world.cache.grant.as_mut().unwrap();
    grant.tokens.token_type = "dpop".to_owned();
    grant.tokens.proof_key = Some(key.clone());
    (world, key)
}

fn key_of(request: &TokenRequest) -> Option<&ProofKey> {
    request.binding.as_ref().map(|binding| &binding.key)
}

/// The server wants more of a token that is bound.
fn steps_up(world: World) -> End {
    let challenge = Challenge {
        scheme: Scheme::Dpop,
        scope: Some(scopes("write")),
        ..Challenge::default()
    };
    let used = secret("OLD_ACCESS");
    world.run(Goal::StepUp { used, challenge })
}

#[test]
fn one_key_is_made_and_goes_through_authorization_request_and_exchange() {
    let end = asks(offering());
    assert_eq!(end.log().iter().filter(|line| **line == "key").count(), 1);
    let attempt = &end.world.attempts[0];
    let key = attempt.proof_key.as_ref().expect("a key");
    let query: BTreeMap<String, String> = attempt.address.0.query_pairs().into_owned().collect();
    assert_eq!(query["dpop_jkt"], key.thumbprint());
    let request = &end.world.requests[0];
    assert_eq!(key_of(request), Some(key));
    assert!(!request.binding.as_ref().unwrap().required);
}

#[test]
fn no_key_is_made_where_nobody_asks_for_it() {
    let end = offering().challenged();
    assert!(!end.log().contains(&"key"));
    assert_eq!(end.world.requests[0].binding, None);
    assert!(!end.world.attempts[0].address.0.as_str().contains("dpop"));
}

#[test]
fn a_demand_of_the_metadata_requires_bound_tokens() {
    let end = demanding().challenged();
    assert!(end.world.requests[0].binding.as_ref().unwrap().required);
    let without = World::new().with(|world| {
        world
            .pages
            .insert(PRM.to_owned(), demanding().pages[PRM].clone());
    });
    let error = without.challenged().result.unwrap_err();
    let FlowError::Dpop(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error, DpopError::NotOffered(Demand::Resource));
}

#[test]
fn a_registration_that_demands_bound_tokens_gets_them() {
    let registered = r#"{"client_id":"C","dpop_bound_access_tokens":true}"#;
    let register = Url::parse("https://as.example/register").unwrap();
    let world = offering().with(|world| {
        let answer = reply(&register, 201, registered);
        world.registrations.push_back(answer);
    });
    let end = world.challenged();
    assert!(end.world.requests[0].binding.as_ref().unwrap().required);
    let known = &end.world.cache.clients[&Issuer::new(ISSUER)];
    assert!(known.client.dpop_bound);
}

#[test]
fn never_fails_before_anybody_is_asked_if_it_is_demanded() {
    for world in [demanding(), offering()] {
        let end = asks(in_mode(world, Mode::Never));
        assert!(matches!(
            end.result,
            Err(FlowError::Dpop(DpopError::Forbidden(_)))
        ));
        assert!(end.world.attempts.is_empty());
    }
    let end = in_mode(offering(), Mode::Never).challenged();
    assert_eq!(end.world.requests[0].binding, None);
}

#[test]
fn always_binds_without_being_asked() {
    let end = in_mode(World::new(), Mode::Always).challenged();
    assert!(end.world.requests[0].binding.as_ref().unwrap().required);
}

#[test]
fn a_code_for_another_device_is_polled_for_with_a_proof() {
    let world = offering().with(|world| world.settings.way = Way::Device);
    let end = asks(world);
    let request = end.world.requests.last().unwrap();
    assert_eq!(request.grant.grant_type(), DEVICE_GRANT);
    assert!(key_of(request).is_some());
}

#[test]
fn a_refresh_proves_the_key_that_the_tokens_are_bound_to() {
    let (world, key) = signed_in(0);
    let end = world.answering([Ok(bound(&key))]).silent();
    assert_eq!(key_of(&end.world.requests[0]), Some(&key));
    assert!(end.notes.iter().all(|note| !matches!(note, Note::NotBound)));
}

#[test]
fn a_bearer_token_in_answer_to_a_proof_is_used_with_a_warning() {
    let (world, key) = signed_in(0);
    let answer = TokenSet {
        token_type: "Bearer".to_owned(),
        ..bound(&key)
    };
    let end = world.answering([Ok(answer.clone())]).silent();
    assert!(end.result.is_ok());
    assert!(end.notes.iter().any(|note| matches!(note, Note::NotBound)));
    let credential = end.world.cache.grant.as_ref().unwrap().credential();
    assert!(!credential.is_bound());
    // The refresh token may be bound all the same, and nobody is warned twice.
    let cache = end.world.cache;
    let later = World::new().with(|world| {
        world.cache = cache;
        world.now += 10_000;
    });
    let end = later.answering([Ok(answer)]).silent();
    assert_eq!(key_of(end.world.requests.last().unwrap()), Some(&key));
    assert!(end.notes.iter().all(|note| !matches!(note, Note::NotBound)));
}

#[test]
fn a_sign_in_anew_keeps_the_key_of_issuer_client_and_resource() {
    let (world, key) = signed_in(3600);
    let end = asks(world.answering([dead_grant(), Ok(bound(&key))]));
    // The refresh was refused, which dropped the grant and its key.
    assert_ne!(key_of(end.world.requests.last().unwrap()), Some(&key));
    let (world, key) = signed_in(3600);
    let end = steps_up(world);
    assert_eq!(key_of(end.world.requests.last().unwrap()), Some(&key));
}

#[test]
fn whoever_takes_over_an_open_sign_in_has_its_key() {
    let begun = asks(offering());
    let (attempt, known) = (begun.world.attempts[0].clone(), begun.world.cache.clients);
    let world = offering().with(|world| {
        world.cache.clients = known;
        world.pending = Some(Open::Browser(Box::new(attempt.clone())));
    });
    let end = asks(world);
    assert!(end.log().contains(&"resume"), "{:?}", end.log());
    assert!(!end.log().contains(&"key"));
    let request = end.world.requests.last().unwrap();
    assert_eq!(key_of(request), attempt.proof_key.as_ref());
}

#[test]
fn an_open_sign_in_without_a_key_is_not_taken_over_where_one_is_wanted() {
    let begun = offering().challenged();
    let (attempt, known) = (begun.world.attempts[0].clone(), begun.world.cache.clients);
    let world = offering().with(|world| {
        world.cache.clients = known;
        world.pending = Some(Open::Browser(Box::new(attempt)));
    });
    let end = asks(world);
    assert!(!end.log().contains(&"resume"));
    assert!(key_of(end.world.requests.last().unwrap()).is_some());
}

#[test]
fn cached_tokens_that_are_not_as_the_user_wants_them_are_replaced() {
    let (bound_world, _) = signed_in(3600);
    let unbound_world = World::signed_in(3600);
    for (world, mode) in [(bound_world, Mode::Never), (unbound_world, Mode::Always)] {
        let world = in_mode(world, mode);
        let silent = Goal::Silent;
        assert_eq!(world.run(silent).result.unwrap(), None);
    }
    let (world, _) = signed_in(3600);
    let end = in_mode(world, Mode::Never).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let told = |note: &&Note| matches!(note, Note::BindingUnwanted(Mode::Never));
    assert_eq!(end.notes.iter().filter(told).count(), 1);
    assert_eq!(
        end.world.requests[0].grant.grant_type(),
        "authorization_code"
    );
}

#[test]
fn a_proof_that_is_refused_asks_no_person_and_ends_no_grant() {
    for error in ["use_dpop_nonce", "invalid_dpop_proof"] {
        let (world, _) = signed_in(-10);
        let refused = Err(TokenError::Refused(refusal(error)));
        let end = asks(world.answering([refused]));
        assert!(matches!(end.result, Err(FlowError::Token(_))), "{error}");
        assert!(end.world.attempts.is_empty());
        assert!(end.world.cache.grant.is_some());
    }
}

#[test]
fn without_randomness_there_is_no_key_and_no_sign_in() {
    let world = offering().with(|world| world.no_randomness = true);
    let end = asks(world);
    assert!(matches!(end.result, Err(FlowError::ProofKey(_))));
    assert!(end.world.attempts.is_empty());
}

#[test]
fn what_is_wanted_and_not_offered_is_told_and_tried_without() {
    let end = asks(World::new());
    assert_eq!(end.world.requests[0].binding, None);
    let told = |note: &Note| matches!(note, Note::BindingNotOffered);
    assert!(end.notes.iter().any(told));
}

#[test]
fn a_refresh_demands_a_bound_token_where_the_user_does_and_proves_nothing_where_none_is_wanted() {
    for (mode, required) in [(Mode::Auto, false), (Mode::Always, true)] {
        let (world, key) = signed_in(0);
        let end = in_mode(world, mode).answering([Ok(bound(&key))]).silent();
        let binding = end.world.requests[0].binding.as_ref().unwrap();
        assert_eq!(binding.required, required, "{mode:?}");
    }
    // The server gave no bound token when it was asked for one, so that it is used in any mode.
    let (world, _) = signed_in(0);
    let unbound = world.with(|world| {
        world.cache.grant.as_mut().unwrap().tokens.token_type = "Bearer".to_owned();
    });
    let end = in_mode(unbound, Mode::Never).silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.requests[0].binding, None);
}

#[test]
fn a_key_is_not_used_for_another_client_or_resource() {
    let other = || Some(ResourceId::new("https://m.example/other"));
    let begun = asks(offering());
    let attempt = begun.world.attempts[0].clone();
    let key = attempt.proof_key.clone().unwrap();
    let clients = &begun.world.cache.clients;
    for open in [
        Attempt {
            resource: other(),
            ..attempt.clone()
        },
        Attempt {
            client_id: "ANOTHER".to_owned(),
            ..attempt.clone()
        },
        Attempt {
            issuer: Issuer::new("https://other.example"),
            ..attempt.clone()
        },
    ] {
        let end = asks(offering().with(|world| {
            world.cache.clients = clients.clone();
            world.pending = Some(Open::Browser(Box::new(open)));
        }));
        assert!(!end.log().contains(&"resume"), "{:?}", end.log());
        let used = key_of(end.world.requests.last().unwrap());
        assert!(used.is_some_and(|used| *used != key));
    }
    let (world, key) = signed_in(3600);
    let moved = world.with(|world| world.cache.grant.as_mut().unwrap().resource = other());
    let (world, second) = signed_in(3600);
    let replaced = world.with(|world| {
        world.settings.client = Some(ConfiguredClient {
            client_id: "MINE".to_owned(),
            ..ConfiguredClient::default()
        });
    });
    for (world, key) in [(moved, key), (replaced, second)] {
        let end = steps_up(world);
        let used = key_of(end.world.requests.last().unwrap());
        assert!(used.is_some_and(|used| *used != key), "{:?}", end.log());
    }
}

#[test]
fn who_asks_nobody_is_not_told_what_is_wrong_with_the_cached_tokens() {
    let (world, _) = signed_in(3600);
    let end = in_mode(world, Mode::Never).silent();
    assert_eq!(end.token(), None);
    assert!(end.notes.is_empty(), "{:?}", end.notes);
}
