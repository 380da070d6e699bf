mod client;
mod polling;

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
