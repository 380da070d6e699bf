//! Which client asks, and at which port it is met.

use super::*;

#[test]
fn an_earlier_registration_is_used_again_on_its_port() {
    let end = signed_out().challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("bind 4711")), (0, 1));
    assert_eq!(query(&end.world.attempts[0])["client_id"], "OLD_CLIENT");
}

#[test]
fn a_taken_port_leads_to_a_new_registration() {
    let end = signed_out()
        .with(|world| world.taken.push(4711))
        .challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("register"), end.did("bind 4711")), (1, 1));
    let uri = format!("http://localhost:{PORT}/oauth/callback");
    assert_eq!(query(&end.world.attempts[0])["redirect_uri"], uri);
    assert!(end.noted("`4711`"));
}

#[test]
fn a_registration_in_the_other_loopback_spelling_is_used_as_it_is() {
    let uri = "http://127.0.0.1:4711/oauth/callback";
    let end = signed_out()
        .with(|world| {
            let known = world.cache.clients.get_mut(&Issuer::new(ISSUER)).unwrap();
            known.client.redirect_uri = Some(uri.to_owned());
        })
        .challenged();
    assert_eq!(end.did("register"), 0);
    assert_eq!(query(&end.world.attempts[0])["redirect_uri"], uri);
}

#[test]
fn a_registration_that_the_settings_no_longer_lead_to_is_replaced() {
    type Change = fn(&mut Redirect);
    let changes: [Change; 3] = [
        |redirect| redirect.path = "/other".to_owned(),
        |redirect| redirect.host = "[::1]".to_owned(),
        |redirect| redirect.port = Some(5000),
    ];
    for change in changes {
        let end = signed_out()
            .with(|world| change(&mut world.settings.redirect))
            .challenged();
        assert_eq!(end.did("register"), 1);
    }
}

#[test]
fn a_port_that_the_user_fixed_is_that_one_or_an_error() {
    let world = || World::new().with(|world| world.settings.redirect.port = Some(5000));
    assert_eq!(world().challenged().did("bind 5000 or fail"), 1);
    let end = world().with(|world| world.taken.push(5000)).challenged();
    assert!(matches!(end.error(), FlowError::Callback(_)));
    assert_eq!(end.did("register"), 0);
}

#[test]
fn a_refused_redirect_uri_is_registered_in_the_other_spelling() {
    let end = World::new()
        .with(|world| {
            let url = Url::parse("https://as.example/register").unwrap();
            let refused = reply(&url, 400, r#"{"error":"invalid_redirect_uri"}"#);
            world.registrations.push_back(refused);
        })
        .challenged();
    assert_eq!(end.did("register"), 2);
    let uri = format!("http://127.0.0.1:{PORT}/oauth/callback");
    assert_eq!(query(&end.world.attempts[0])["redirect_uri"], uri);
}

#[test]
fn a_failed_registration_ends_the_flow() {
    let url = Url::parse("https://as.example/register").unwrap();
    for (fetched, transient) in [(reply(&url, 403, "no"), false), (unreachable(), true)] {
        let end = World::new()
            .with(|world| world.registrations.push_back(fetched))
            .challenged();
        assert!(matches!(end.error(), FlowError::Registration(_)));
        assert_eq!(end.error().is_transient(), transient);
        assert_eq!(end.did("browser"), 0);
    }
}

#[test]
fn a_configured_client_is_not_registered_and_its_secret_not_cached() {
    let end = World::new()
        .with(|world| world.settings.client = Some(configured(Some("MY_SECRET"))))
        .challenged();
    assert_eq!((end.did("register"), end.did("put client")), (0, 0));
    let request = &end.world.requests[0];
    assert_eq!(request.client.client_secret, known_secret("MY_SECRET"));
    assert_eq!(request.client.auth_method, AuthMethod::ClientSecretBasic);
    let kept = &end.world.cache.clients[&Issuer::new(ISSUER)].client;
    assert_eq!((kept.client_id.as_str(), kept.registered), ("MINE", false));
    assert_eq!(kept.client_secret, None);
}

#[test]
fn a_configured_client_comes_back_to_a_port_that_can_be_registered() {
    let world = |port| {
        World::new().with(|world| {
            world.settings.client = Some(configured(None));
            world.settings.redirect.port = port;
        })
    };
    for (port, bound) in [(None, "4712"), (Some(3334), "3334")] {
        let end = world(port).challenged();
        assert_eq!(
            end.did(&format!("bind {bound} or fail")),
            1,
            "{:?}",
            end.world.log
        );
        let uri = format!("http://localhost:{bound}/oauth/callback");
        assert_eq!(query(&end.world.attempts[0])["redirect_uri"], uri);
    }
    // Another port would be a redirect URI that nobody registered.
    let end = world(None)
        .with(|world| world.taken.push(4712))
        .challenged();
    assert!(matches!(end.error(), FlowError::Callback(_)));
    assert_eq!(end.did("browser"), 0);
    // Unless it was registered without a port.
    for taken in [vec![], vec![4712]] {
        let is_free = taken.is_empty();
        let end = world(None)
            .with(|world| {
                world.settings.redirect.any_port = true;
                world.taken = taken;
            })
            .challenged();
        let uri = &query(&end.world.attempts[0])["redirect_uri"];
        let wanted = "http://localhost:4712/oauth/callback";
        assert_eq!(uri == wanted, is_free, "{uri}");
    }
}

#[test]
fn a_redirect_uri_that_the_users_client_does_not_have_is_named() {
    let refused = "error=invalid_request&error_description=redirect_uri+mismatch";
    let end = World::new()
        .with(|world| world.settings.client = Some(configured(None)))
        .visited([Visit::Ours(refused)])
        .challenged();
    let told = end.error().to_string();
    assert!(
        told.contains(
            "`http://localhost:4712/oauth/callback` as the redirect URI of the client `MINE`"
        ),
        "{told}"
    );
}

#[test]
fn a_configured_client_is_not_shown_to_another_issuer_than_before() {
    let world = |issuers: &[&str]| {
        let issuers: Vec<String> = issuers.iter().map(|&text| text.to_owned()).collect();
        World::new().with(|world| {
            world.settings.client = Some(configured(None));
            for issuer in issuers {
                let mine = Client {
                    registered: false,
                    redirect_uri: None,
                    ..client("MINE")
                };
                world.cache.clients.insert(Issuer::new(issuer), known(mine));
            }
        })
    };
    let end = world(&["https://old.example"]).challenged();
    let text = end.error().to_string();
    assert!(matches!(end.error(), FlowError::OtherIssuersClient { .. }));
    assert!(text.contains("`https://old.example`") && text.contains("`https://as.example`"));
    assert_eq!(world(&[ISSUER]).challenged().token(), Some("NEW_ACCESS_1"));
    let both = world(&["https://old.example", ISSUER]).challenged();
    assert_eq!(both.token(), Some("NEW_ACCESS_1"));
}

#[test]
fn without_registration_the_user_is_told_to_bring_a_client() {
    let end = World::new()
        .with(|world| {
            let body = metadata(ISSUER).replace("registration_endpoint", "x");
            world.serve(ASM, &body);
        })
        .challenged();
    assert!(matches!(end.error(), FlowError::NoRegistration { .. }));
    assert!(end.error().hint().contains("--static-oauth-client-info"));
    assert_eq!(end.did("bind"), 0);
}

#[test]
fn an_authorization_server_that_changed_gets_a_client_of_its_own() {
    let other = "https://new.example";
    let end = World::signed_in(3600)
        .with(|world| {
            world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
            world.serve(
                PRM,
                r#"{"resource":"https://m.example/mcp","authorization_servers":["https://new.example"]}"#,
            );
            let place = format!("{other}/.well-known/oauth-authorization-server");
            world.serve(&place, &metadata(other));
        })
        .refused();
    assert_eq!(end.did("register"), 1);
    assert_eq!(
        end.world.requests[0].endpoint.as_str(),
        "https://new.example/token"
    );
    assert_eq!(query(&end.world.attempts[0])["client_id"], "CLIENT_1");
    let grant = end.world.cache.grant.as_ref().unwrap();
    assert_eq!(grant.issuer, Issuer::new(other));
    assert_eq!(end.world.cache.clients.len(), 2);
}

#[test]
fn a_registration_not_heard_of_for_long_is_tried_before_the_browser_opens() {
    let end = signed_out().challenged();
    assert_eq!((end.did("probe"), end.did("browser")), (1, 1));
    let recent = World::signed_in(3500)
        .with(|world| {
            world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
        })
        .refused();
    assert_eq!((recent.did("probe"), recent.did("register")), (0, 0));
    // A clock that was set back does not tell how long it has been.
    let of_later = World::signed_in(3601)
        .with(|world| {
            world.cache.grant.as_mut().unwrap().tokens.refresh_token = None;
        })
        .refused();
    assert_eq!(of_later.did("probe"), 1);
    assert_eq!(World::new().challenged().did("probe"), 0);
}

#[test]
fn a_registration_that_the_server_forgot_is_replaced_before_the_browser_opens() {
    let url = Url::parse("https://as.example/authorize").unwrap();
    let elsewhere = Url::parse("https://as.example/error").unwrap();
    for page in [
        reply(&url, 400, "<html>unknown client</html>"),
        reply(&url, 404, ""),
        reply(&url, 422, r#"{"message":"Unrecognized client_id"}"#),
        reply(&url, 401, r#"{"error":"invalid_client"}"#),
        reply(&elsewhere, 400, r#"{"error":"invalid_client"}"#),
    ] {
        let end = signed_out().with(|world| world.page = page).challenged();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        assert_eq!((end.did("drop client"), end.did("register")), (1, 1));
        assert_eq!(end.did("browser"), 1);
        assert_eq!(query(&end.world.attempts[0])["client_id"], "CLIENT_1");
    }
}

#[test]
fn a_page_that_only_browsers_may_see_costs_no_registration() {
    let url = Url::parse("https://as.example/authorize").unwrap();
    let elsewhere = Url::parse("https://as.example/login").unwrap();
    for page in [
        reply(&elsewhere, 400, "<html>your session was not found</html>"),
        reply(&elsewhere, 404, ""),
        reply(&url, 403, "<html>no robots</html>"),
        reply(&url, 401, "<html>log in</html>"),
        reply(&url, 500, ""),
        unreachable(),
        Err(FetchFault::Unusable(cause("redirects elsewhere"))),
    ] {
        let end = signed_out().with(|world| world.page = page).challenged();
        assert_eq!((end.did("register"), end.did("browser")), (0, 1));
    }
}

#[test]
fn a_client_that_dies_during_the_sign_in_is_replaced_once() {
    let end = signed_out().answering([dead_client()]).challenged();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!((end.did("drop client"), end.did("register")), (1, 1));
    assert_eq!(end.did("browser"), 2);
    let end = signed_out()
        .answering([dead_client(), dead_client()])
        .challenged();
    assert!(matches!(
        end.error(),
        FlowError::Exchange(TokenError::ClientDead(_))
    ));
    assert_eq!((end.did("register"), end.did("browser")), (1, 2));
    let end = signed_out()
        .visited([Visit::Ours("error=unauthorized_client")])
        .challenged();
    assert_eq!((end.did("register"), end.did("browser")), (1, 2));
}

#[test]
fn a_client_that_a_sibling_registered_meanwhile_is_not_dropped() {
    let mut sign_in = SignIn::default();
    let issuer = Issuer::new(ISSUER);
    sign_in
        .clients
        .insert(issuer.clone(), known(client("SIBLINGS_CLIENT")));
    Amendment::DropClient(issuer.clone(), "OLD_CLIENT".to_owned()).apply(&mut sign_in);
    assert!(sign_in.clients.contains_key(&issuer));
    Amendment::DropClient(issuer.clone(), "SIBLINGS_CLIENT".to_owned()).apply(&mut sign_in);
    assert!(sign_in.clients.is_empty());
}
