use super::*;
use crate::oauth::sign_in::TakenOver;
use crate::oauth::takeover::{OfferedClient, Shared, Source, TakeOver, Unfit};

/// What another program has: a grant that ends in so many seconds.
fn offer(ends_in: i64) -> Offer {
    let mut tokens = tokens(NOW.checked_add_signed(ends_in));
    tokens.access_token = secret("THEIR_ACCESS");
    tokens.refresh_token = Some(secret("THEIR_REFRESH"));
    Offer {
        tokens,
        written_at: NOW.checked_add_signed(ends_in).unwrap() - 3600,
        issuer: Some(Issuer::new(ISSUER)),
        client: Some(OfferedClient {
            client_id: "THEIR_CLIENT".to_owned(),
            client_secret: None,
            client_secret_expires_at: None,
            auth_method: None,
            redirect_uris: vec!["http://localhost:41409/oauth/callback".to_owned()],
        }),
        requested_scopes: scopes("read"),
        source: Source {
            program: "mcp-remote",
            mark: "MARK".to_owned(),
        },
        shared: None,
    }
}

fn offered(ends_in: i64) -> World {
    World::new().with(|world| {
        world.settings.take_over = TakeOver::First;
        world.offer = Some(offer(ends_in));
    })
}

const FOUND: [&str; 6] = [
    "read",
    "turn",
    "read",
    concat!(
        "fetch ",
        "https://m.example/.well-known/oauth-protected-resource/mcp"
    ),
    concat!(
        "fetch ",
        "https://as.example/.well-known/oauth-authorization-server"
    ),
    "look elsewhere",
];

#[track_caller]
fn went_on(end: &End, rest: &[&str]) {
    assert_eq!(end.log(), [&FOUND, rest].concat());
}

#[test]
fn a_sign_in_of_another_program_is_taken_over_before_a_person_is_asked() {
    let end = offered(3600).challenged();
    assert_eq!(end.token(), Some("THEIR_ACCESS"));
    went_on(&end, &["put taken"]);
    let cache = &end.world.cache;
    let record = cache.taken_over.as_ref().expect("a record");
    assert_eq!((record.mark.as_str(), record.replaced), ("MARK", false));
    assert_eq!(
        cache.clients[&Issuer::new(ISSUER)].client.client_id,
        "THEIR_CLIENT"
    );
    let grant = cache.grant.as_ref().expect("a grant");
    assert_eq!(grant.resource, Some(ResourceId::new(RESOURCE)));
    assert!(end.noted("the sign-in of mcp-remote was taken over"));
}

#[test]
fn an_ended_token_is_refreshed_under_the_lock_after_it_was_kept() {
    let end = offered(-10).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    went_on(
        &end,
        &["put taken", "lock", "read", "refresh_token", "save"],
    );
    let request = &end.world.requests[0];
    assert_eq!(request.client.client_id, "THEIR_CLIENT");
    assert_eq!(request.resource, Some(ResourceId::new(RESOURCE)));
    assert!(end.world.cache.taken_over.is_some());
}

#[test]
fn a_dead_refresh_token_leads_to_a_person_with_the_registration_and_its_port() {
    let end = offered(-10).answering([dead_grant()]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    let log = end.log();
    assert!(
        log.contains(&"bind 41409") && !log.contains(&"register"),
        "{log:?}"
    );
    assert_eq!(end.did("look elsewhere"), 1);
    let attempt = &end.world.attempts[0];
    assert_eq!(attempt.client_id, "THEIR_CLIENT");
    assert_eq!(
        attempt.redirect_uri,
        "http://localhost:41409/oauth/callback"
    );
    // Now it is a sign-in of ours, and the record stays.
    let record = end.world.cache.taken_over.expect("a record");
    assert!(record.replaced);
}

#[test]
fn a_port_that_is_taken_makes_a_registration_of_ours() {
    let world = offered(-10).answering([dead_grant()]);
    let end = world.with(|world| world.taken.push(41409)).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("register"), 1);
}

#[test]
fn nothing_is_looked_for_unless_the_server_asks_and_nothing_is_here() {
    let quiet = offered(3600).silent();
    assert_eq!((quiet.token(), quiet.did("look elsewhere")), (None, 0));
    let never = offered(3600).with(|world| world.settings.take_over = TakeOver::Never);
    assert_eq!(never.challenged().did("look elsewhere"), 0);
    let own = offered(3600).with(|world| world.cache = sign_in(3600));
    assert_eq!(own.challenged().log(), ["read"]);
    let wanted = offered(3600).run(Goal::SignIn {
        since: NOW,
        challenge: Challenge::default(),
    });
    assert_eq!(
        wanted.did("look elsewhere"),
        0,
        "whoever says so wants their own"
    );
    let before = offered(3600).with(|world| {
        world.cache.taken_over = Some(TakenOver {
            from: "mcp-remote".to_owned(),
            at: NOW - 9,
            mark: "OTHER".to_owned(),
            replaced: false,
        });
    });
    let end = before.challenged();
    assert_eq!(end.did("look elsewhere"), 0, "once was enough");
    assert_eq!(end.did("browser"), 1);
}

#[test]
fn a_dead_sign_in_of_ours_makes_room() {
    let mut world = offered(3600).answering([dead_grant()]);
    world.cache = sign_in(-10);
    let end = world.refused();
    assert_eq!(end.token(), Some("THEIR_ACCESS"));
    assert_eq!(end.did("browser"), 0);
}

#[test]
fn what_is_not_there_or_does_not_fit_leads_to_a_person() {
    let nothing = offered(0).with(|world| world.offer = None).challenged();
    assert_eq!(nothing.did("browser"), 1);
    assert!(!nothing.noted("mcp-remote"));
    let foreign = offered(3600).with(|world| {
        let offer = world.offer.as_mut().unwrap();
        offer.issuer = Some(Issuer::new("https://other.example"));
    });
    let end = foreign.challenged();
    assert_eq!((end.did("browser"), end.did("put taken")), (1, 0));
    assert!(end.noted("its tokens are from `https://other.example`"));
    // It was sent to nobody.
    assert!(
        end.world
            .requests
            .iter()
            .all(|request| !matches!(request.grant, GrantRequest::RefreshToken { .. }))
    );
}

#[test]
fn a_running_program_keeps_its_refresh_token_and_lends_the_other() {
    let running = |ends_in| {
        offered(ends_in).with(|world| {
            world.offer.as_mut().unwrap().shared = Some(Shared::Running(42));
        })
    };
    let end = running(3600).challenged();
    assert_eq!(end.token(), Some("THEIR_ACCESS"));
    went_on(&end, &[]);
    assert!(end.noted("process 42"));
    assert_eq!(end.world.cache, SignIn::default(), "nothing is kept");
    // Its token has ended: a person signs in, here.
    let end = running(-10).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did("browser"), 1);
    assert!(end.noted("end mcp-remote and start this again"));
}

#[test]
fn a_record_that_cannot_be_written_leaves_the_refresh_token_alone() {
    let end = offered(3600).with(|world| world.writes_fail = true);
    let end = end.challenged();
    let grant = end
        .result
        .as_ref()
        .expect("a token")
        .as_ref()
        .expect("a token");
    assert_eq!(grant.tokens.refresh_token, None);
    assert!(end.noted("could not be saved"));
}

#[test]
fn a_sibling_s_take_over_is_adopted() {
    let taken = sign_in(3600);
    let world = offered(3600).with(|world| world.siblings_sign_in.push_back(taken));
    let end = world.challenged();
    assert_eq!(end.log(), ["read", "turn"]);
}

#[test]
fn what_a_killed_sibling_took_over_is_refreshed_and_nobody_asked() {
    let world = offered(3600).with(|world| world.siblings_sign_in.push_back(sign_in(-10)));
    let end = world.challenged();
    assert_eq!(
        end.log(),
        [
            "read",
            "turn",
            "turn",
            "read",
            "lock",
            "read",
            "refresh_token",
            "save"
        ]
    );
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn a_refresh_that_is_refused_again_and_again_ends_with_a_person() {
    let refused = || Err(TokenError::Refused(refusal("access_denied")));
    let world = offered(-10).answering([refused(), refused(), refused()]);
    let end = world.challenged();
    assert_eq!(end.did("browser"), 1);
    assert!(end.did("refresh_token") <= 2, "{:?}", end.log());
}

#[test]
fn a_device_s_way_is_taken_over_as_well() {
    let end = offered(3600).with(|world| world.settings.way = Way::Device);
    assert_eq!(end.challenged().token(), Some("THEIR_ACCESS"));
}

#[test]
fn who_asks_for_nothing_else_is_asked_for_nothing_else() {
    let asked = |ends_in| offered(ends_in).with(|world| world.settings.take_over = TakeOver::Only);
    let end = asked(-10).challenged();
    assert_eq!(end.token(), Some("THEIR_ACCESS"));
    went_on(&end, &["put taken"]);
    let end = asked(0).with(|world| world.offer = None).challenged();
    assert!(matches!(end.error(), FlowError::NotTakenOver(None)));
    assert_eq!(end.did("note failure"), 0, "it concerns nobody else");
    let shared = |world: &mut World| {
        world.offer.as_mut().unwrap().shared = Some(Shared::Running(42));
    };
    let end = asked(3600).with(shared).challenged();
    assert!(matches!(
        end.error(),
        FlowError::NotTakenOver(Some(Unfit::Shared(Shared::Running(42))))
    ));
    assert!(end.error().to_string().contains("process 42"));
    assert!(end.error().hint().contains("end mcp-remote"));
}
