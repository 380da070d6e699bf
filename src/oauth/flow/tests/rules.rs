//! What the user and the table of known servers decide, and what is tried without `resource`.

use super::*;
use crate::oauth::known::Row;

const ROW: Row = Row {
    key: "https://m.example",
    source: "https://docs.example/",
    issuers: &["https://as.example/other"],
    params: &[("access_type", "offline"), ("prompt", "login")],
    resource_refused: false,
    loopback: None,
    console: Some("https://console.example/"),
};

const ROWS: &[Row] = &[
    Row {
        key: "https://as.example",
        resource_refused: true,
        console: None,
        params: &[],
        ..ROW
    },
    ROW,
];

fn query(attempt: &Attempt) -> BTreeMap<String, String> {
    attempt.address.0.query_pairs().into_owned().collect()
}

fn refusal(error: &str, description: &str) -> Refusal {
    Refusal {
        status: 400,
        error: Some(error.to_owned()),
        description: Some(description.to_owned()),
    }
}

fn invalid_target() -> Result<TokenSet, TokenError> {
    Err(TokenError::InvalidTarget(refusal("invalid_target", "")))
}

fn issuer() -> Issuer {
    Issuer::new(ISSUER)
}

fn configured() -> ConfiguredClient {
    ConfiguredClient {
        client_id: "MINE".to_owned(),
        client_secret: None,
        assertion_key: None,
        auth_method: None,
    }
}

fn given() -> World {
    World::new().with(|world| {
        world.pages.clear();
        world.settings.client = Some(configured());
        world.settings.endpoints = Some(ConfiguredEndpoints {
            issuer: Issuer::new("https://login.example"),
            authorization_endpoint: Some(Url::parse("https://login.example/a?t=1").unwrap()),
            token_endpoint: Url::parse("https://login.example/t").unwrap(),
        });
    })
}

#[test]
fn given_endpoints_take_the_place_of_all_metadata() {
    let challenge = Challenge {
        resource_metadata: Some(PRM.to_owned()),
        scope: Some(scopes("read")),
        ..Challenge::default()
    };
    let end = given().run(Goal::Challenged {
        rejected: None,
        challenge,
    });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(
        !end.log().iter().any(|line| line.starts_with("fetch")),
        "{:?}",
        end.log()
    );
    assert_eq!(end.did("register"), 0);
    let attempt = &end.world.attempts[0];
    assert!(
        attempt
            .address
            .0
            .as_str()
            .starts_with("https://login.example/a?t=1&")
    );
    assert_eq!(attempt.issuer.as_str(), "https://login.example");
    let query = query(attempt);
    assert_eq!((&*query["scope"], &*query["client_id"]), ("read", "MINE"));
    assert!(!query.contains_key("resource"));
    let request = &end.world.requests[0];
    assert_eq!(request.endpoint.as_str(), "https://login.example/t");
    assert_eq!(
        end.world.cache.grant.unwrap().issuer.as_str(),
        "https://login.example"
    );
}

#[test]
fn given_endpoints_hold_their_answer_to_the_given_issuer() {
    let ours = Visit::Ours("code=CODE_1&iss=https%3A%2F%2Flogin.example");
    assert_eq!(
        given().visited([ours]).challenged().token(),
        Some("NEW_ACCESS_1")
    );
    let other = Visit::Ours("code=CODE_1&iss=https%3A%2F%2Flogin.example%2Ftenant");
    let end = given().visited([other]).challenged();
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    assert!(end.world.requests.is_empty());
}

#[test]
fn a_resource_that_the_user_names_is_sent_to_given_endpoints() {
    let end = given()
        .with(|world| {
            world.settings.resource = ResourceChoice::Given(ResourceId::new("https://r.example"));
        })
        .challenged();
    assert_eq!(
        query(&end.world.attempts[0])["resource"],
        "https://r.example"
    );
    assert_eq!(
        end.world.requests[0].resource,
        Some(ResourceId::new("https://r.example"))
    );
}

#[test]
fn given_endpoints_without_one_to_sign_in_at_say_so() {
    let end = given()
        .with(|world| {
            if let Some(endpoints) = &mut world.settings.endpoints {
                endpoints.authorization_endpoint = None;
            }
        })
        .challenged();
    assert!(matches!(end.error(), FlowError::NoAuthorizationEndpoint(_)));
}

#[test]
fn an_audience_is_named_to_sign_in_and_to_refresh_and_not_with_the_code() {
    let with = |mut world: World| {
        world.settings.audience = Some("https://api.example".to_owned());
        world.settings.token_params = vec![("tenant".to_owned(), "t".to_owned())];
        world
    };
    let end = with(World::new()).challenged();
    assert_eq!(
        query(&end.world.attempts[0])["audience"],
        "https://api.example"
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(end.world.requests[0].params, [pair("tenant", "t")]);
    let end = with(World::signed_in(0)).silent();
    assert_eq!(
        end.world.requests[0].params,
        [pair("tenant", "t"), pair("audience", "https://api.example")]
    );
}

#[test]
fn a_known_server_gets_the_parameters_it_needs_unless_the_user_says_otherwise() {
    let known = || World::new().with(|world| world.settings.known = Known::of(ROWS));
    let end = known().challenged();
    let asked = query(&end.world.attempts[0]);
    assert_eq!(
        (&*asked["access_type"], &*asked["prompt"]),
        ("offline", "login")
    );
    let end = known()
        .with(|world| {
            world.settings.authorize_params = vec![("prompt".to_owned(), "none".to_owned())];
        })
        .challenged();
    assert_eq!(query(&end.world.attempts[0])["prompt"], "none");
    let asked = query(&World::new().challenged().world.attempts[0]);
    assert!(!asked.contains_key("access_type"));
}

#[test]
fn a_resource_that_is_known_to_be_refused_is_not_sent_unless_the_user_names_one() {
    let known = || World::new().with(|world| world.settings.known = Known::of(ROWS));
    let end = known().challenged();
    assert!(!query(&end.world.attempts[0]).contains_key("resource"));
    assert_eq!(end.world.requests[0].resource, None);
    let end = known()
        .with(|world| {
            world.settings.resource = ResourceChoice::Given(ResourceId::new("https://r.example"));
        })
        .challenged();
    assert_eq!(
        query(&end.world.attempts[0])["resource"],
        "https://r.example"
    );
}

#[test]
fn a_known_server_without_registration_is_told_where_a_client_is_created() {
    let closed = |known: Known| {
        let end = World::new()
            .with(|world| {
                let body = metadata(ISSUER).replace("registration_endpoint", "x");
                world.serve(ASM, &body);
                world.settings.known = known;
            })
            .challenged();
        assert!(matches!(end.error(), FlowError::NoRegistration { .. }));
        end.error().to_string()
    };
    assert!(closed(Known::of(ROWS)).contains("https://console.example/"));
    assert!(!closed(Known::default()).contains("https://console"));
}

#[test]
fn a_known_server_whose_registration_is_for_others_is_told_where_a_client_is_created() {
    let closed = |known: Known, status: u16| {
        let url = Url::parse(&format!("{ISSUER}/register")).unwrap();
        let end = World::new()
            .with(|world| {
                world.settings.known = known;
                world
                    .registrations
                    .push_back(reply(&url, status, "Forbidden"));
            })
            .challenged();
        end.error().to_string()
    };
    let known = Known::of(ROWS);
    assert!(closed(known, 403).contains("https://console.example/"));
    assert!(closed(known, 401).contains("https://console.example/"));
    // What it refuses for another reason, a client made by hand may not mend.
    assert!(!closed(known, 400).contains("https://console"));
    assert!(!closed(Known::default(), 403).contains("https://console"));
}

#[test]
fn a_row_lets_the_metadata_name_another_issuer_which_is_then_the_one() {
    let known = |known| {
        World::new()
            .with(|world| {
                let body = metadata(ISSUER).replace(
                    r#""issuer":"https://as.example""#,
                    r#""issuer":"https://as.example/other""#,
                );
                world.serve(ASM, &body);
                world.settings.known = known;
            })
            .visited([Visit::Ours(
                "code=CODE_1&iss=https%3A%2F%2Fas.example%2Fother",
            )])
            .challenged()
    };
    let end = known(Known::of(ROWS));
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(
        end.world.cache.grant.unwrap().issuer.as_str(),
        "https://as.example/other"
    );
    assert!(matches!(
        known(Known::default()).error(),
        FlowError::Discovery(_)
    ));
}

#[test]
fn the_user_s_issuer_then_the_grant_s_then_a_known_client_s_comes_first() {
    let listed = [
        "https://first.example",
        "https://client.example",
        ISSUER,
        "https://named.example",
    ];
    let asked = |change: &dyn Fn(&mut World)| {
        let end = World::signed_in(-1)
            .with(|world| {
                let body = format!(
                    r#"{{"resource":"{RESOURCE}","authorization_servers":["{}"]}}"#,
                    listed.join("\",\"")
                );
                world.serve(PRM, &body);
                for issuer in listed {
                    let place = format!("{issuer}/.well-known/oauth-authorization-server");
                    world.serve(&place, &metadata(issuer));
                }
                let known = known(client("ELSEWHERE"));
                world
                    .cache
                    .clients
                    .insert(Issuer::new("https://client.example"), known);
                change(world);
            })
            .run(Goal::SignIn {
                since: NOW,
                challenge: Challenge::default(),
            });
        end.world.cache.grant.unwrap().issuer.as_str().to_owned()
    };
    assert_eq!(asked(&|_| {}), ISSUER);
    assert_eq!(
        asked(&|world| world.settings.issuer = Some(Issuer::new("https://named.example"))),
        "https://named.example"
    );
    let no_grant = |world: &mut World| {
        world.cache.grant = None;
        world.cache.clients.remove(&issuer());
    };
    assert_eq!(asked(&no_grant), "https://client.example");
    assert_eq!(
        asked(&|world| world.cache = SignIn::default()),
        "https://first.example"
    );
}

#[test]
fn a_resource_that_the_page_refuses_is_left_out_once() {
    for answer in [
        "error=invalid_target",
        "error=invalid_request&error_description=AADSTS901002%3A+The+%27resource%27+request+parameter+is+not+supported.",
        "error=invalid_request&error_description=unknown+parameter%3A+resource",
    ] {
        let end = World::new().visited([Visit::Ours(answer)]).challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{answer}");
        assert_eq!(
            (end.did("browser"), end.did("register")),
            (2, 1),
            "{answer}"
        );
        assert!(query(&end.world.attempts[0]).contains_key("resource"));
        assert!(!query(&end.world.attempts[1]).contains_key("resource"));
        assert_eq!(end.world.requests[0].resource, None);
        let cache = &end.world.cache;
        assert!(cache.clients[&issuer()].resource_refused, "{answer}");
        assert_eq!(cache.grant.as_ref().unwrap().resource, None);
        let end = World::new()
            .visited([Visit::Ours(answer), Visit::Ours(answer)])
            .challenged();
        assert!(matches!(end.error(), FlowError::SignIn(_)), "{answer}");
    }
}

#[test]
fn a_resource_that_the_token_endpoint_refuses_is_left_out_with_the_same_code() {
    let end = World::new().answering([invalid_target()]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("browser"), 1);
    let [first, second] = &end.world.requests[..] else {
        panic!("{:?}", end.world.requests);
    };
    assert_eq!(first.grant, second.grant);
    assert!(first.resource.is_some() && second.resource.is_none());
    assert!(end.world.cache.clients[&issuer()].resource_refused);
    assert_eq!(end.world.cache.grant.unwrap().resource, None);
    let end = World::new()
        .answering([invalid_target(), invalid_target()])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::InvalidTarget(_))
    ));
}

#[test]
fn a_code_that_was_spent_on_the_refusal_is_brought_again() {
    let spent = || Err(TokenError::GrantDead(refusal("invalid_grant", "used")));
    let end = World::new()
        .answering([invalid_target(), spent()])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("browser"), 2);
    assert!(!query(&end.world.attempts[1]).contains_key("resource"));
    let end = World::new()
        .answering([invalid_target(), spent(), spent()])
        .challenged();
    assert!(matches!(end.error(), FlowError::Exchange(_)));
    assert_eq!(end.did("browser"), 2);
}

#[test]
fn a_resource_that_was_refused_once_is_not_sent_again() {
    let refused = |mut world: World| {
        if let Some(known) = world.cache.clients.get_mut(&issuer()) {
            known.resource_refused = true;
        }
        world
    };
    let end = refused(World::signed_in(0)).silent();
    assert_eq!(end.world.requests[0].resource, None);
    let end = refused(World::signed_in(-1)).run(Goal::SignIn {
        since: NOW,
        challenge: Challenge::default(),
    });
    assert!(!query(&end.world.attempts[0]).contains_key("resource"));
    assert!(end.world.cache.clients[&issuer()].resource_refused);
}

#[test]
fn a_refresh_that_is_refused_for_its_resource_is_tried_without_it_once() {
    let end = World::signed_in(0).answering([invalid_target()]).silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("refresh_token"), 2);
    assert_eq!(end.world.requests[1].resource, None);
    assert!(end.world.cache.clients[&issuer()].resource_refused);
    assert_eq!(end.world.cache.grant.unwrap().resource, None);
    let end = World::signed_in(0)
        .answering([invalid_target(), invalid_target()])
        .silent();
    assert_eq!(end.did("refresh_token"), 2);
    assert!(!end.world.cache.clients[&issuer()].resource_refused);
    assert!(end.world.cache.grant.unwrap().resource.is_some());
}

#[test]
fn a_resource_that_the_user_names_is_never_left_out() {
    let named = |mut world: World| {
        world.settings.resource = ResourceChoice::Given(ResourceId::new(RESOURCE));
        world
    };
    let end = named(World::new())
        .answering([invalid_target()])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::InvalidTarget(_))
    ));
    let end = named(World::new())
        .visited([Visit::Ours("error=invalid_target")])
        .challenged();
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    let end = named(World::signed_in(0))
        .answering([invalid_target()])
        .silent();
    assert_eq!(end.did("refresh_token"), 1);
}

#[test]
fn without_pkce_no_challenge_and_no_verifier_is_sent() {
    let end = World::new()
        .with(|world| {
            world.settings.pkce = false;
            let body = metadata(ISSUER).replace("code_challenge_methods_supported", "x");
            world.serve(ASM, &body);
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(!query(&end.world.attempts[0]).contains_key("code_challenge"));
    assert!(matches!(
        end.world.requests[0].grant,
        GrantRequest::AuthorizationCode {
            code_verifier: None,
            ..
        }
    ));
}

#[test]
fn a_device_that_is_refused_for_its_resource_gets_a_code_without_it() {
    let device = || World::new().with(|world| world.settings.way = Way::Device);
    let url = Url::parse("https://as.example/device_authorization").unwrap();
    let refused = reply(&url, 400, r#"{"error":"invalid_target"}"#);
    let end = device()
        .with(|world| world.codes.push_back(refused))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(end.world.code_requests[0].resource.is_some());
    assert_eq!(end.world.code_requests[1].resource, None);
    assert!(end.world.cache.clients[&issuer()].resource_refused);
    let end = device().answering([invalid_target()]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.world.code_requests[1].resource, None);
}
