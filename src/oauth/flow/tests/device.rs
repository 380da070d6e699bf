use super::*;
use crate::oauth::authorize::CallbackError;
use crate::oauth::device::DeviceError;
use crate::oauth::mode::AuthMode;
use crate::oauth::token_endpoint::DEVICE_GRANT;

/// A first sign-in by code.
fn world() -> World {
    World::new().with(|world| world.settings.way = Way::Device)
}

/// The registered client of an earlier sign-in, whose grant is gone.
fn signed_out() -> World {
    World::signed_in(0).with(|world| {
        world.settings.way = Way::Device;
        world.cache.grant = None;
    })
}

/// The device authorization endpoint answers this.
fn issues(status: u16, body: &str) -> Fetched {
    let url = Url::parse("https://as.example/device_authorization").unwrap();
    reply(&url, status, body)
}

fn said(error: &str) -> Result<TokenSet, TokenError> {
    let grant = GrantRequest::DeviceCode {
        device_code: secret("x"),
    };
    Err(TokenError::from_refusal(&grant, refusal(error), None))
}

fn pending() -> Result<TokenSet, TokenError> {
    said("authorization_pending")
}

fn times(
    count: usize,
    answer: impl Fn() -> Result<TokenSet, TokenError>,
) -> Vec<Result<TokenSet, TokenError>> {
    (0..count).map(|_| answer()).collect()
}

impl World {
    /// The code has these members in place of the usual ones.
    fn issuing(self, members: &str) -> Self {
        let count = self.codes.len() + 1;
        self.with(|world| {
            world
                .codes
                .push_back(issues(200, &device_code(count, members)))
        })
    }
}

impl End {
    /// How long each poll waited, in seconds.
    fn waits(&self) -> Vec<u64> {
        let after = |line: &str| line.strip_prefix("poll after ")?.parse().ok();
        self.log().into_iter().filter_map(after).collect()
    }

    /// Seconds since the start.
    fn took(&self) -> u64 {
        self.world.now - NOW
    }
}

#[test]
fn a_first_sign_in_by_code_does_each_thing_once_and_in_order() {
    let end = world().answering([pending()]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let log = [
        "read",
        "turn",
        "read",
        &format!("fetch {PRM}"),
        &format!("fetch {ASM}"),
        "register",
        "put client",
        "code",
        "show",
        "poll after 5",
        "poll after 5",
        "put grant",
    ];
    assert_eq!(end.log(), log);
}

#[test]
fn one_client_resource_and_scope_go_through_all_requests() {
    let end = world()
        .with(|world| world.settings.authorize_params = vec![("audience".into(), "x".into())])
        .challenged();
    let request = &end.world.code_requests[0];
    assert_eq!(
        request.endpoint.as_str(),
        "https://as.example/device_authorization"
    );
    assert_eq!(request.client.client_id, "CLIENT_1");
    assert_eq!(
        request.form(),
        [
            ("scope", "read write".to_owned()),
            ("resource", RESOURCE.to_owned()),
            ("audience", "x".to_owned()),
        ]
    );
    let poll = &end.world.requests[0];
    assert_eq!(poll.grant.grant_type(), DEVICE_GRANT);
    assert_eq!(poll.resource, Some(ResourceId::new(RESOURCE)));
    assert_eq!(poll.client.client_id, "CLIENT_1");
}

#[test]
fn what_was_granted_by_code_is_remembered_as_any_other_grant() {
    let end = world().challenged();
    let cache = &end.world.cache;
    let grant = cache.grant.as_ref().unwrap();
    assert_eq!(grant.issuer, Issuer::new(ISSUER));
    assert_eq!(grant.requested_scopes, scopes("read write"));
    assert_eq!((grant.granted_at, grant.mode), (NOW + 5, AuthMode::Device));
    let known = &cache.clients[&Issuer::new(ISSUER)];
    assert_eq!(known.client.client_id, "CLIENT_1");
    // And the next start, in the browser's way as in this one, reads once.
    for way in [Way::Browser, Way::Device] {
        let mut world = World::new();
        world.settings.way = way;
        world.cache = cache.clone();
        assert_eq!(world.silent().log(), ["read"]);
    }
}

#[test]
fn the_registration_asks_for_both_grants_and_serves_a_browser_later() {
    let end = world().challenged();
    let body = &end.world.bodies[0];
    let grants = ["authorization_code", DEVICE_GRANT, "refresh_token"];
    assert_eq!(body["grant_types"], serde_json::json!(grants));
    let port = end.world.settings.unbound_port();
    let uri = format!("http://localhost:{port}/oauth/callback");
    assert_eq!(body["redirect_uris"], serde_json::json!([uri]));
    let later = |taken: &[u16]| {
        World::new()
            .with(|world| {
                world.cache = end.world.cache.clone();
                world.cache.grant = None;
                world.taken.extend(taken);
            })
            .challenged()
    };
    assert_eq!(later(&[]).did("register"), 0);
    assert_eq!(later(&[]).did(&format!("bind {port}")), 1);
    // A port that is taken leads to a new registration, as always.
    assert_eq!(later(&[port]).did("register"), 1);
}

#[test]
fn each_server_has_a_port_of_its_own_for_a_browser_later() {
    let port = |text: &str| {
        let server = ServerUrl::parse(text, false).unwrap();
        Settings {
            server,
            ..settings()
        }
        .unbound_port()
    };
    let one = port("https://one.example/mcp");
    assert_eq!(one, port("HTTPS://ONE.example:443/mcp"));
    assert_ne!(one, port("https://two.example/mcp"));
    for server in 0..1000 {
        let port = port(&format!("https://m{server}.example/mcp"));
        assert!((20_000..32_000).contains(&port), "{port}");
    }
}

#[test]
fn a_registration_for_devices_alone_is_not_shown_to_a_browser() {
    let end = world()
        .with(|world| {
            let url = Url::parse("https://as.example/register").unwrap();
            let refused = reply(&url, 400, r#"{"error":"invalid_client_metadata"}"#);
            world.registrations.push_back(refused);
        })
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let grants = [DEVICE_GRANT, "refresh_token"];
    assert_eq!(
        end.world.bodies[1]["grant_types"],
        serde_json::json!(grants)
    );
    let end = World::new()
        .with(|world| {
            world.cache = end.world.cache.clone();
            world.cache.grant = None;
        })
        .challenged();
    assert_eq!((end.did("register"), end.did("bind")), (1, 1));
}

#[test]
fn the_port_that_the_user_fixed_stands_in_the_registration() {
    let end = world()
        .with(|world| world.settings.redirect.port = Some(5000))
        .challenged();
    let uri = "http://localhost:5000/oauth/callback";
    assert_eq!(
        end.world.bodies[0]["redirect_uris"],
        serde_json::json!([uri])
    );
}

#[test]
fn an_earlier_registration_is_used_again_wherever_its_browser_came_back_to() {
    for uri in [None, Some("http://localhost:1/other".to_owned())] {
        let end = signed_out()
            .with(|world| {
                let known = world.cache.clients.get_mut(&Issuer::new(ISSUER)).unwrap();
                known.client.redirect_uri = uri;
            })
            .challenged();
        assert_eq!((end.did("register"), end.did("show")), (0, 1));
        assert_eq!(end.world.requests[0].client.client_id, "OLD_CLIENT");
    }
}

#[test]
fn a_configured_client_is_not_registered_and_its_secret_not_cached() {
    let end = world()
        .with(|world| {
            world.settings.client = Some(ConfiguredClient {
                client_id: "MINE".to_owned(),
                client_secret: Some(secret("MY_SECRET")),
                auth_method: None,
                ..ConfiguredClient::default()
            });
        })
        .challenged();
    assert_eq!((end.did("register"), end.did("put client")), (0, 0));
    for client in [
        &end.world.code_requests[0].client,
        &end.world.requests[0].client,
    ] {
        assert_eq!(client.client_id, "MINE");
        assert_eq!(client.auth_method, AuthMethod::ClientSecretBasic);
    }
    let kept = &end.world.cache.clients[&Issuer::new(ISSUER)].client;
    assert_eq!((kept.registered, &kept.client_secret), (false, &None));
}

#[test]
fn a_client_that_was_registered_for_the_browser_only_is_registered_anew_once() {
    for error in [
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
    ] {
        let refused = issues(400, &format!(r#"{{"error":"{error}"}}"#));
        let end = signed_out()
            .with(|world| world.codes.push_back(refused))
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{error}");
        assert_eq!((end.did("register"), end.did("drop client")), (1, 0));
        assert!(end.noted("gives this client no code"));
    }
    // A page is not the server's word about the client.
    let end = signed_out()
        .with(|world| world.codes.push_back(issues(404, "<html>")))
        .challenged();
    assert!(matches!(end.error(), FlowError::Device(_)));
    assert_eq!(end.did("register"), 0);

    // What is new is not replaced.
    let unauthorized = || issues(400, r#"{"error":"unauthorized_client"}"#);
    for world in [
        signed_out().with(|world| world.codes.push_back(unauthorized())),
        world(),
    ] {
        let end = world
            .with(|world| world.codes.push_back(unauthorized()))
            .challenged();
        assert_eq!(end.did("register"), 1);
        assert!(matches!(end.error(), FlowError::Device(_)));
        assert!(
            end.error()
                .to_string()
                .contains("device authorization endpoint")
        );
        assert!(
            end.error()
                .hint()
                .contains("allow the client the device grant")
        );
    }
}

#[test]
fn a_grant_of_a_client_for_the_browser_only_outlives_the_new_registration() {
    let end = World::signed_in(3600)
        .with(|world| {
            world.settings.way = Way::Device;
            let refused = issues(400, r#"{"error":"unauthorized_client"}"#);
            world.codes.push_back(refused);
        })
        .answering([said("access_denied")])
        .run(Goal::SignIn {
            since: NOW,
            challenge: Challenge::default(),
        });
    assert!(matches!(end.error(), FlowError::SignIn(_)));
    let kept = end.world.cache.grant.as_ref().unwrap();
    assert_eq!(kept.tokens.access_token, secret("OLD_ACCESS"));
}

#[test]
fn a_client_that_the_server_has_forgotten_is_registered_anew_once() {
    let dead = || issues(401, r#"{"error":"invalid_client"}"#);
    let end = signed_out()
        .with(|world| world.codes.push_back(dead()))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("drop client"), end.did("register")), (1, 1));

    let end = signed_out()
        .with(|world| world.codes.extend([dead(), dead()]))
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Device(DeviceError(TokenError::ClientDead(_)))
    ));
    assert_eq!(end.did("register"), 1);

    // The same while the person is typing: the code is worth nothing any more.
    let end = signed_out()
        .answering([pending(), dead_client()])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("show")), (1, 2));
}

#[test]
fn a_server_without_the_grant_is_named_and_nothing_is_registered() {
    let end = world()
        .with(|world| {
            let body = metadata(ISSUER).replace("device_authorization_endpoint", "x");
            world.serve(ASM, &body);
        })
        .challenged();
    assert!(matches!(end.error(), FlowError::NoDeviceGrant(_)));
    assert!(end.error().to_string().contains(ISSUER));
    assert!(end.error().hint().contains("--device-code"));
    assert_eq!(end.did("register"), 0);
    assert!(!end.error().is_transient());
}

#[test]
fn what_only_the_browsers_way_needs_is_not_asked_for() {
    let body = metadata(ISSUER)
        .replace("code_challenge_methods_supported", "x")
        .replacen(
            '{',
            r#"{"response_types_supported":["token"],"require_pushed_authorization_requests":true,
                "grant_types_supported":["authorization_code"],"#,
            1,
        );
    let end = world().with(|world| world.serve(ASM, &body)).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("bind"), 0);
}

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

#[test]
fn an_expired_code_is_replaced_once_while_the_person_has_time() {
    let end = world()
        .answering([pending(), said("expired_token"), pending()])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("code"), end.did("show")), (2, 2));
    assert!(end.noted("the code has expired"));
    let codes: Vec<&str> = end.world.shown.iter().map(|(a, _)| &*a.user_code).collect();
    assert_eq!(codes, ["USER-1", "USER-2"]);

    let end = world()
        .answering([said("expired_token"), pending(), said("expired_token")])
        .challenged();
    assert!(matches!(end.error(), FlowError::NotConfirmed(15)));
    assert_eq!(end.did("code"), 2);
}

#[test]
fn a_code_that_ends_before_the_persons_time_is_replaced_without_asking_the_server() {
    let end = world()
        .with(|world| world.settings.auth_timeout = 120)
        .issuing(r#""expires_in":60"#)
        .issuing(r#""expires_in":60"#)
        .answering(times(100, pending))
        .challenged();
    // The first ends at 60, the second with the person's time at 120.
    assert_eq!(end.did("code"), 2);
    assert!(matches!(end.error(), FlowError::NotConfirmed(115..=120)));
    assert!(end.took() < 120, "{}", end.took());
    assert!(end.waits().iter().all(|wait| *wait == 5));
    assert!(end.error().to_string().contains("was not confirmed within"));
}

#[test]
fn the_persons_time_ends_it_however_long_the_code_lives() {
    let end = world()
        .with(|world| world.settings.auth_timeout = 21)
        .issuing(r#""expires_in":1800"#)
        .answering(times(100, pending))
        .challenged();
    assert!(matches!(end.error(), FlowError::NotConfirmed(21)));
    assert_eq!(end.waits(), [5, 5, 5, 5]);
    // With too little of it left there is no second code.
    let end = world()
        .with(|world| world.settings.auth_timeout = 34)
        .answering([said("expired_token")])
        .challenged();
    assert!(matches!(end.error(), FlowError::NotConfirmed(5)));
}

#[test]
fn a_successor_goes_on_with_the_code_that_the_person_has() {
    let left = world()
        .answering([pending(), said("slow_down")])
        .challenged();
    let (attempt, _) = left.world.shown.last().unwrap().clone();
    let successor = |change: fn(&mut DeviceAttempt)| {
        let mut attempt = attempt.clone();
        change(&mut attempt);
        World::new()
            .with(|world| {
                world.settings.way = Way::Device;
                world.cache.clients = left.world.cache.clients.clone();
                world.now = NOW + 20;
                world.pending = Some(Open::Device(Box::new(attempt)));
            })
            .challenged()
    };
    let end = successor(|_| {});
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    // It waits first, as the other may just have asked, and as long as that had to.
    assert_eq!(end.waits(), [10]);
    assert_eq!((end.did("code"), end.did("show again")), (0, 1));
    assert_eq!(end.world.shown[0].0, attempt);

    type Change = fn(&mut DeviceAttempt);
    let changes: [Change; 7] = [
        |attempt| attempt.issuer = Issuer::new("https://other.example"),
        |attempt| attempt.token_endpoint = Url::parse("https://as.example/other").unwrap(),
        |attempt| attempt.client_id = "OTHER".to_owned(),
        |attempt| attempt.resource = None,
        |attempt| attempt.scopes = Vec::new(),
        |attempt| attempt.expires_at = NOW + 30,
        |attempt| attempt.until = NOW + 30,
    ];
    for change in changes {
        let end = successor(change);
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!((end.did("code"), end.did("show again")), (1, 0));
    }
}

#[test]
fn the_time_of_a_person_counts_from_when_they_were_first_asked() {
    let left = world().challenged();
    let attempt = left.world.shown[0].0.clone();
    let end = world()
        .with(|world| {
            world.cache.clients = left.world.cache.clients.clone();
            world.now = NOW + 200;
            world.pending = Some(Open::Device(Box::new(attempt.clone())));
        })
        .answering([said("expired_token")])
        .answering(times(100, pending))
        .challenged();
    // Another process, and another code, and still the time that the first one gave.
    assert_eq!((end.did("show again"), end.did("show")), (1, 1));
    let (code, _) = end.world.shown.last().unwrap();
    assert_eq!(
        (code.begun_at, code.until),
        (attempt.begun_at, attempt.until)
    );
    assert!(matches!(end.error(), FlowError::NotConfirmed(300)));
}

#[test]
fn an_attempt_of_the_other_way_is_begun_anew() {
    let browsers = World::new().challenged();
    let end = world()
        .with(|world| {
            world.cache.clients = browsers.world.cache.clients.clone();
            let attempt = browsers.world.attempts[0].clone();
            world.pending = Some(Open::Browser(Box::new(attempt)));
        })
        .challenged();
    assert_eq!((end.token(), end.did("show")), (Some("NEW_ACCESS_1"), 1));

    let devices = world().challenged();
    let end = World::new()
        .with(|world| {
            world.cache.clients = devices.world.cache.clients.clone();
            let attempt = devices.world.shown[0].0.clone();
            world.pending = Some(Open::Device(Box::new(attempt)));
        })
        .challenged();
    assert_eq!((end.token(), end.did("browser")), (Some("NEW_ACCESS_1"), 1));
}

#[test]
fn tokens_that_may_have_got_lost_cost_the_person_one_more_code() {
    // The answer to a poll never came, and then the code is spent.
    let end = world()
        .answering([down(Effect::Unknown), said("invalid_grant"), pending()])
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("code"), 2);
    assert!(end.noted("got lost"));
    // Nor was it lost if the request never left.
    let end = world()
        .answering([down(Effect::None), said("invalid_grant")])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::GrantDead(_))
    ));
    // The process that asked died with the answer.
    let left = world().challenged();
    let end = world()
        .with(|world| {
            world.cache.clients = left.world.cache.clients.clone();
            world.pending = Some(Open::Device(Box::new(left.world.shown[0].0.clone())));
        })
        .answering([said("invalid_grant"), said("invalid_grant")])
        .challenged();
    assert_eq!((end.did("show again"), end.did("code")), (1, 1));
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::GrantDead(_))
    ));
}

#[test]
fn a_code_is_asked_for_twice_where_the_server_is_down() {
    for (first, wait) in [
        (unreachable(), 1),
        (issues(503, ""), 1),
        (issues(500, ""), 1),
    ] {
        let end = world()
            .with(|world| world.codes.push_back(first))
            .challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!(end.did(&format!("code after {wait}")), 1);
    }
    let end = world()
        .with(|world| world.codes.extend([unreachable(), unreachable()]))
        .challenged();
    assert!(matches!(end.error(), FlowError::Device(_)));
    assert!(end.error().is_transient());
    assert_eq!(end.did("show"), 0);
}

#[test]
fn a_refused_scope_is_asked_for_without_once() {
    let refused = || issues(400, r#"{"error":"invalid_scope"}"#);
    let end = world()
        .with(|world| world.codes.push_back(refused()))
        .run(Goal::Challenged {
            rejected: None,
            challenge: Challenge::default(),
        });
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert!(end.noted("the scopes were refused"));
    assert_eq!(end.world.code_requests[0].scopes, scopes("read write"));
    assert_eq!(end.world.code_requests[1].scopes, scopes(""));
    assert_eq!(end.did("register"), 1);
    let end = world()
        .with(|world| world.codes.extend([refused(), refused(), refused()]))
        .challenged();
    assert!(matches!(end.error(), FlowError::Device(_)));
    assert!(end.error().hint().contains("--scope"));
}

#[test]
fn no_more_than_three_codes_are_asked_of_a_person_in_ten_minutes() {
    let (mut history, mut now) = (History::default(), NOW);
    for _ in 0..3 {
        let end = world()
            .with(|world| (world.history, world.now) = (history, now))
            .answering([said("expired_token")])
            .challenged();
        // The code that took the place of another counts with it.
        assert_eq!((end.token(), end.did("show")), (Some("NEW_ACCESS_1"), 2));
        (history, now) = (end.world.history, end.world.now);
    }
    let end = world()
        .with(|world| (world.history, world.now) = (history, now))
        .challenged();
    assert!(matches!(end.error(), FlowError::TooManyAttempts));
    assert_eq!(end.did("code"), 0);
}

#[test]
fn a_sibling_that_was_faster_spares_the_code() {
    let end = world()
        .with(|world| world.siblings_sign_in.push_back(siblings("SIBLINGS")))
        .challenged();
    assert_eq!(end.token(), Some("SIBLINGS"));
    assert_eq!((end.did("code"), end.did("show")), (0, 0));
}

#[test]
fn a_step_up_by_code_asks_for_the_union_and_remembers_a_refusal() {
    let step_up = |world: World| {
        world.run(Goal::StepUp {
            used: secret("OLD_ACCESS"),
            challenge: Challenge {
                scope: Some(scopes("admin")),
                ..Challenge::default()
            },
        })
    };
    let world = || World::signed_in(3600).with(|world| world.settings.way = Way::Device);
    let end = step_up(world());
    assert_eq!(end.world.code_requests[0].scopes, scopes("read admin"));
    let end = step_up(world().answering([said("access_denied")]));
    let history = end.world.history;
    let end = step_up(world().with(|world| world.history = history));
    assert!(matches!(end.error(), FlowError::ScopesNotGranted(_)));
}
