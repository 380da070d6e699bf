//! Which client asks for a code.

use super::*;

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
