//! The ID token in place of the access token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::seeded::{seed, sent, sprouted, world};
use super::*;

fn id_token(claims: &str) -> Secret {
    Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)))
}

fn answer(claims: Option<&str>) -> Result<TokenSet, TokenError> {
    let mut answer = tokens(Some(NOW + 3600));
    answer.id_token = claims.map(id_token);
    Ok(answer)
}

fn sends_it(world: World) -> World {
    world.with(|world| world.settings.use_id_token = true)
}

#[test]
fn it_takes_the_place_of_the_access_token_until_its_own_end() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    let end = sends_it(world("SEED_1")).answering([answer(Some(&claims))]);
    let end = end.challenged();
    let token = id_token(&claims);
    assert_eq!(end.token(), Some(token.expose()));
    let kept = end.world.cache.grant.unwrap().tokens;
    assert_eq!(kept.access_token, token);
    assert_eq!(kept.expires_at, Some(NOW + 100));
    assert_eq!(kept.refresh_token, Some(secret("OLD_REFRESH")));
}

#[test]
fn one_that_had_ended_when_it_came_lasts_by_the_servers_clock() {
    let claims = format!(r#"{{"iat":{},"exp":{}}}"#, NOW - 9000, NOW - 5400);
    for world in [World::new(), world("SEED_1"), sending(-10)] {
        let end = sends_it(world).answering([answer(Some(&claims))]);
        let end = end.challenged();
        assert_eq!(end.token(), Some(id_token(&claims).expose()));
        let grant = end.world.cache.grant.as_ref().unwrap();
        assert_eq!(grant.tokens.expires_at, Some(NOW + 3600));
    }
}

#[test]
fn it_is_refreshed_like_an_access_token() {
    let claims = format!(r#"{{"exp":{}.5}}"#, NOW + 100);
    // Whether the ID token or another was sent before.
    for world in [
        sprouted("SEED_1", -10),
        sprouted("SEED_1", 1800),
        sending(-10),
    ] {
        let end = sends_it(world).answering([answer(Some(&claims))]).silent();
        assert_eq!(end.token(), Some(id_token(&claims).expose()));
        assert_eq!(sent(&end), ["OLD_REFRESH"]);
    }
}

#[test]
fn a_sign_in_without_one_is_an_error_that_says_so() {
    for claims in [None, Some("{}"), Some(r#"{"exp":"soon"}"#), Some("[]")] {
        let end = sends_it(World::new()).answering([answer(claims)]);
        let end = end.challenged();
        let text = end.error().to_string();
        assert!(text.contains("issued no ID token"), "{text}");
        assert!(text.contains("--use-id-token"), "{text}");
        assert_eq!(end.world.cache.grant, None);
    }
}

#[test]
fn a_seed_without_one_is_an_error_that_names_it_and_what_it_brought_is_kept() {
    for claims in [None, Some("{}"), Some(r#"{"exp":"soon"}"#), Some("[]")] {
        let mut rotated = answer(claims).unwrap();
        rotated.refresh_token = Some(secret("NEW_REFRESH_1"));
        let end = sends_it(world("SEED_1")).answering([Ok(rotated)]);
        let end = end.challenged().asked_nobody();
        let text = end.error().to_string();
        assert!(text.contains("`SEED` brings no ID token"), "{text}");
        assert!(text.contains("--use-id-token"), "{text}");
        assert!(!end.error().is_transient());
        let kept = &end.world.cache.grant.as_ref().unwrap().tokens;
        assert_eq!(kept.refresh_token, Some(secret("NEW_REFRESH_1")));
        assert_eq!(kept.id_token, None);
        assert_eq!(end.world.cache.seeds, [seed("SEED_1").mark()]);
        // Neither it nor its successor is sent again, and the access token never.
        let world = end.world.with(|world| world.requests.clear());
        let end = world.silent();
        assert_eq!((end.token(), end.world.requests.len()), (None, 0));
        let end = end.world.challenged().asked_nobody();
        assert_eq!(end.world.requests.len(), 0);
        assert!(end.error().to_string().contains("brings no ID token"));
        // A new one in its place is.
        let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
        let way = Way::Unattended(Unattended::Seeded(seed("SEED_2")));
        let world = end.world.answering([answer(Some(&claims))]);
        let end = world.with(|world| world.settings.way = way).challenged();
        assert_eq!(end.token(), Some(id_token(&claims).expose()));
    }
}

/// A person has signed in, and the ID token of an hour ends in so many seconds.
fn sending(ends_in: i64) -> World {
    sends_it(World::signed_in(ends_in)).with(|world| {
        let tokens = &mut world.cache.grant.as_mut().unwrap().tokens;
        tokens.id_token = Some(ending(ends_in));
        tokens.access_token = ending(ends_in);
    })
}

fn ending(ends_in: i64) -> Secret {
    let end = NOW.checked_add_signed(ends_in).unwrap();
    id_token(&format!(r#"{{"exp":{end}}}"#))
}

/// The answer to a refresh that has rotated the refresh token, with this ID token.
fn rotated(id_token: Option<Secret>) -> Result<TokenSet, TokenError> {
    let mut tokens = tokens(Some(NOW + 3600));
    tokens.access_token = secret("NEW_ACCESS");
    tokens.refresh_token = Some(secret("NEW_REFRESH_1"));
    tokens.id_token = id_token;
    Ok(tokens)
}

fn kept_refresh(end: &End) -> Option<Secret> {
    let grant = end.world.cache.grant.as_ref()?;
    grant.tokens.refresh_token.clone()
}

#[test]
fn a_refresh_without_one_keeps_what_it_brought_and_the_old_one_is_sent_until_it_ends() {
    type Run = fn(World) -> End;
    // Of the time that is left a fifth has to pass before it is due once more.
    let runs: [(Run, usize); 3] = [
        (World::silent, 0),
        (|world| world.run(Goal::Renew { held: ending(100) }), 1),
        (World::challenged, 0),
    ];
    for (refresh, tries) in runs {
        let end = refresh(sending(100).answering([rotated(None)])).asked_nobody();
        assert_eq!(end.token(), Some(ending(100).expose()));
        assert_eq!(kept_refresh(&end), Some(secret("NEW_REFRESH_1")));
        assert_eq!(sent(&end), ["OLD_REFRESH"]);
        assert!(end.noted("brought no ID token"));
        // Another refresh would bring none either. A process that does not know tries it once.
        let history = &end.world.history;
        for (history, count) in [(history, 0), (history, 0), (&History::default(), tries)] {
            let mut again = sending(100).answering([rotated(None)]);
            again.cache.clone_from(&end.world.cache);
            again.history.clone_from(history);
            let again = refresh(again).asked_nobody();
            assert_eq!(again.token(), Some(ending(100).expose()));
            assert_eq!(again.world.requests.len(), count);
        }
    }
}

#[test]
fn the_one_of_before_in_the_answer_is_no_new_one() {
    let end = sending(100)
        .answering([rotated(Some(ending(100)))])
        .silent();
    assert_eq!(end.token(), Some(ending(100).expose()));
    let world = end.world.with(|world| {
        world.requests.clear();
        world.locked = false;
    });
    assert_eq!(world.silent().world.requests.len(), 0);
}

#[test]
fn one_that_has_ended_and_is_not_replaced_leads_to_a_sign_in() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 1000);
    let end = sending(-10).answering([rotated(None)]).silent();
    // The server's clock is the one that counts.
    assert_eq!(end.token(), Some(ending(-10).expose()));
    assert_eq!(kept_refresh(&end), Some(secret("NEW_REFRESH_1")));
    let world = end.world.with(|world| {
        world.requests.clear();
        world.locked = false;
    });
    let end = world.answering([answer(Some(&claims))]).refused();
    assert_eq!(end.token(), Some(id_token(&claims).expose()));
    assert_eq!((end.did("browser"), end.world.requests.len()), (1, 1));
    assert!(!end.noted("refreshing"));
    // From then on it is refreshed again.
    let grant = end.world.cache.grant.as_ref().unwrap();
    assert_eq!(grant.tokens.access_token, id_token(&claims));
}

#[test]
fn a_refused_one_is_refreshed_and_if_that_brings_none_a_person_signs_in() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 1000);
    let end = sending(1800)
        .answering([rotated(None), answer(Some(&claims))])
        .refused();
    assert_eq!(end.token(), Some(id_token(&claims).expose()));
    assert_eq!((end.did("browser"), end.world.requests.len()), (1, 2));
    let asked = |at: usize| end.world.requests[at].grant.grant_type();
    assert_eq!(
        (asked(0), asked(1)),
        ("refresh_token", "authorization_code")
    );
}

#[test]
fn the_successor_of_a_seed_without_one_is_an_error_once_the_last_has_ended() {
    let sprouted = |ends_in| {
        sends_it(sprouted("SEED_1", ends_in)).with(|world| {
            let tokens = &mut world.cache.grant.as_mut().unwrap().tokens;
            tokens.id_token = Some(ending(ends_in));
            tokens.access_token = ending(ends_in);
        })
    };
    let end = sprouted(100).answering([rotated(None)]).silent();
    assert_eq!(end.token(), Some(ending(100).expose()));
    let end = sprouted(1800).answering([rotated(None)]).refused();
    let end = end.asked_nobody();
    assert!(end.error().to_string().contains("brings no ID token"));
    assert_eq!(kept_refresh(&end), Some(secret("NEW_REFRESH_1")));
    assert_eq!(sent(&end), ["OLD_REFRESH"]);
}

#[test]
fn a_refresh_that_cannot_be_saved_says_so_and_goes_on() {
    let end = sending(100)
        .answering([rotated(None)])
        .with(|world| world.writes_fail = true)
        .silent();
    assert_eq!(end.token(), Some(ending(100).expose()));
    assert!(end.noted("could not be saved"));
}

#[test]
fn under_one_name_the_one_token_is_never_sent_for_the_other() {
    // An access token was sent so far. There is no ID token, and a refresh brings none.
    let end = sends_it(World::signed_in(1800)).answering([rotated(None)]);
    let end = end.silent();
    assert_eq!((end.token(), end.world.requests.len()), (None, 1));
    let end = sends_it(World::signed_in(1800)).with(|world| world.cache.clients.clear());
    assert_eq!(end.silent().token(), None);
    // There is one.
    let world = World::signed_in(1800).with(|world| {
        let tokens = &mut world.cache.grant.as_mut().unwrap().tokens;
        tokens.id_token = Some(ending(900));
    });
    assert_eq!(sends_it(world).silent().token(), Some(ending(900).expose()));
    // The ID token was sent so far: a refresh brings the access token.
    let back = |world: &mut World| world.settings.use_id_token = false;
    let end = sending(1800).with(back).silent().asked_nobody();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(sent(&end), ["OLD_REFRESH"]);
    let end = sending(1800).with(back).with(|world| {
        let tokens = &mut world.cache.grant.as_mut().unwrap().tokens;
        tokens.refresh_token = None;
    });
    assert_eq!(end.silent().token(), None);
}

#[test]
fn a_server_that_wants_access_tokens_bound_to_a_key_gets_it_as_it_is() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    for mode in [dpop::Mode::Auto, dpop::Mode::Never] {
        let world = sends_it(World::new()).with(|world| {
            let metadata = r#"{"resource":"https://m.example/mcp","dpop_bound_access_tokens_required":true,
                "authorization_servers":["https://as.example"]}"#;
            world.serve(PRM, metadata);
            world.settings.dpop = mode;
        });
        let end = world.answering([answer(Some(&claims))]).challenged();
        assert_eq!(end.token(), Some(id_token(&claims).expose()));
        assert_eq!(end.world.requests[0].binding, None);
        assert_eq!(end.did("key"), 0);
    }
}

#[test]
fn one_that_no_header_can_carry_is_none_to_send() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    let mut bad = answer(Some(&claims)).unwrap();
    bad.id_token = Some(secret(&format!("{}\r\nX: y", id_token(&claims).expose())));
    let end = sends_it(World::new()).answering([Ok(bad)]).challenged();
    let text = end.error().to_string();
    assert!(
        text.contains("characters that no header can carry"),
        "{text}"
    );
}

#[test]
fn the_scope_for_it_is_asked_for_besides_the_others() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    for (configured, expected) in [
        (None, "read write openid"),
        (Some("a openid"), "a openid"),
        (Some("a"), "a openid"),
    ] {
        let world = sends_it(World::new()).answering([answer(Some(&claims))]);
        let world = world.with(|world| world.settings.scopes = configured.map(scopes));
        let end = world.challenged();
        let grant = end.world.cache.grant.as_ref().unwrap();
        assert_eq!(grant.requested_scopes, scopes(expected));
    }
}
