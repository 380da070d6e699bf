use super::*;
use crate::ids::ServerKey;
use crate::secret::Secret;

#[test]
fn what_separates_two_sign_ins_changes_the_name_and_the_rest_does_not() {
    let key = |args: &[&str]| config(args).key.as_str().to_owned();
    let plain = key(&[]);
    for args in [
        &["--scope", "read"][..],
        &["--resource", "https://r.example/"],
        &["--static-oauth-client-info", r#"{"client_id":"c"}"#],
        &["--authorize-param", "team=T1"],
        &["--static-oauth-client-metadata", r#"{"scope":"read"}"#],
        &["--client-metadata-url", "https://client.example/mcp.json"],
        &["--audience", "a"],
        &["--use-id-token"],
    ] {
        assert_ne!(key(args), plain, "{args:?}");
    }
    for args in [
        &["3334", "--host", "127.0.0.1"][..],
        &["--header", "X: 1", "--debug", "--no-browser"],
        &["--static-oauth-client-metadata", r#"{"client_name":"n"}"#],
    ] {
        assert_eq!(key(args), plain, "{args:?}");
    }
    let endpoints = |authorization, token| {
        key(&[
            "--authorization-endpoint",
            authorization,
            "--token-endpoint",
            token,
            "--static-oauth-client-info",
            r#"{"client_id":"c"}"#,
        ])
    };
    let given = endpoints("https://as.example/a", "https://as.example/t");
    assert_ne!(
        given,
        endpoints("https://as.example/b", "https://as.example/t")
    );
    assert_ne!(
        given,
        endpoints("https://as.example/a", "https://as.example/u")
    );
    assert_eq!(key(&["--scope", "a b"]), key(&["--scope", " b  a b"]));
}

#[test]
fn logout_finds_the_sign_in_by_the_same_arguments_by_name_or_takes_all() {
    let world = World::default();
    let target = |args: &[&str]| match world.job(&[&["logout"], args].concat()) {
        Ok(Job::Logout(logout)) => logout.target,
        other => panic!("{args:?}: {other:?}"),
    };
    assert_eq!(target(&["--all"]), LogoutTarget::All);
    assert!(matches!(target(&["work"]), LogoutTarget::One(key, None) if key.as_str() == "work"));
    for args in [&[][..], &["--scope", "read"], &["--name", "work"]] {
        let key = config(args).key;
        assert!(
            matches!(target(&[&[SERVER], args].concat()), LogoutTarget::One(k, Some(_)) if k == key)
        );
    }
    let long = format!("https://mcp.example.com/{}", "a".repeat(80));
    let key = match world.job(&[&long]) {
        Ok(Job::Bridge(config)) => config.key,
        other => panic!("{other:?}"),
    };
    assert!(matches!(target(&[key.as_str()]), LogoutTarget::One(k, None) if k == key));
    for args in [
        &["logout"][..],
        &["logout", "--all", "work"],
        &["logout", "a b"],
        &["logout", "../x"],
    ] {
        assert!(world.job(args).is_err(), "{args:?}");
    }
}

#[test]
fn status_takes_an_address_a_name_or_neither() {
    let target = |args: &[&str]| match World::default().job(&[&["status"], args].concat()) {
        Ok(Job::Status(status)) => (status.target, status.json),
        other => panic!("{args:?}: {other:?}"),
    };
    assert_eq!(target(&["--json"]), (StatusTarget::All, true));
    assert!(matches!(
        target(&["http://mcp.example.com"]).0,
        StatusTarget::Server(_)
    ));
    assert!(matches!(target(&["work"]).0, StatusTarget::Name(name) if name.as_str() == "work"));
}

fn logout(world: &World, args: &[&str]) -> Logout {
    match world.job(&[&["logout"], args].concat()) {
        Ok(Job::Logout(logout)) => *logout,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// A file whose entries have a client each, and whose defaults have one, too.
fn clients() -> World {
    let file = format!(
        r#"{{"mcpServers":{{
            "one":{{"url":"{SERVER}","oauth":{{"client_id":"c1","client_secret":"${{S1}}"}}}},
            "two":{{"url":"{SERVER}","name":"second","oauth":{{"client_id":"c2","issuer":"https://as.internal/",
                "token_url":"https://as.internal/token","revocation_url":"https://as.internal/revoke"}}}},
            "three":{{"url":"https://broken.example"}},
            "four":{{"url":"https://broken.example","oauth":7}},
            "local":{{"command":"x"}}}},
          "defaults":{{"client_id":"c0"}}}}"#
    );
    World::default()
        .file(CONFIG_FILE, file)
        .var("S1", "SECRET_1")
}

#[test]
fn a_sign_in_that_an_entry_leads_to_ends_with_what_the_entry_says_however_it_is_named() {
    let world = clients();
    let id = |means: &Means| means.client.as_ref().map(|own| own.client_id.clone());
    let some = |id: &str| Some(id.to_owned());
    let LogoutTarget::One(one, _) = logout(&world, &["one"]).target else {
        panic!("not one");
    };
    let second = ServerKey::from_name("second").expect("a name");
    for args in [&["one"][..], &["--all"], &[one.as_str()]] {
        let logout = logout(&world, args);
        let means = logout.means(&one);
        assert_eq!(id(means), some("c1"), "{args:?}");
        let secret = means
            .client
            .as_ref()
            .and_then(|own| own.client_secret.as_ref());
        assert_eq!(secret, Some(&Secret::new("SECRET_1")), "{args:?}");
        assert!(means.own.is_empty());
    }
    for args in [&["two"][..], &["--all"], &["second"]] {
        let logout = logout(&world, args);
        let means = logout.means(&second);
        assert_eq!(id(means), some("c2"), "{args:?}");
        let endpoint = means.revocation_endpoint.as_ref().map(Url::as_str);
        assert_eq!(endpoint, Some("https://as.internal/revoke"), "{args:?}");
        let own: Vec<&str> = means.own.iter().map(Url::as_str).collect();
        let expected = ["/", "/token", "/revoke"].map(|path| format!("https://as.internal{path}"));
        assert_eq!(own, expected, "{args:?}");
    }
    // What no entry leads to ends with the defaults, and what is said now wins over all.
    let other = ServerKey::from_name("other").expect("a name");
    assert_eq!(id(logout(&world, &["--all"]).means(&other)), some("c0"));
    let typed = logout(&world, &["second", "--client-id", "c9"]);
    assert_eq!(id(typed.means(&second)), some("c9"));
}

#[test]
fn logout_takes_the_arguments_of_every_other_command() {
    let all = [
        SERVER,
        "3334",
        "--transport",
        "sse-only",
        "--no-browser",
        "--dpop",
        "always",
        "--host",
        "127.0.0.1",
        "--issuer",
        "https://as.example",
        "--keep-alive",
    ];
    let ended = logout(&World::default(), &all);
    let LogoutTarget::One(key, _) = ended.target else {
        panic!("not one");
    };
    assert_eq!(key, World::default().config(&all[1..]).key);
    assert_eq!(
        ended.means.own,
        [Url::parse("https://as.example/").expect("an address")]
    );
}

#[test]
fn a_token_of_the_users_own_is_known_without_being_had() {
    for (args, origin) in [
        (&["--bearer-env", "NOT_SET"][..], "`--bearer-env`"),
        (
            &["--bearer-command", "no such program"],
            "`--bearer-command`",
        ),
        (
            &["--header", "authorization: Bearer ${NOT_SET}"],
            "`--header`",
        ),
    ] {
        let logout = logout(&World::default(), &[&[SERVER], args].concat());
        assert_eq!(logout.own_token.as_deref(), Some(origin));
    }
    let other = logout(
        &World::default(),
        &[SERVER, "--header", "X-Authorization: 1"],
    );
    assert_eq!(other.own_token, None);
    for member in [
        r#""bearer_command":["vault","${NOT_SET}"]"#,
        r#""headers":{"Authorization":"Bearer ${NOT_SET}"}"#,
    ] {
        let file = format!(r#"{{"mcpServers":{{"it":{{"url":"{SERVER}",{member}}}}}}}"#);
        let filed = logout(&World::default().file(CONFIG_FILE, file), &["it"]);
        assert!(
            filed
                .own_token
                .is_some_and(|origin| origin.contains("`it`")),
            "{member}"
        );
    }
}
