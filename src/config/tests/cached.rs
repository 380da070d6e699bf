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
        &["--header", "X-Tenant: a"],
    ] {
        assert_ne!(key(args), plain, "{args:?}");
    }
    for args in [
        &["3334", "--host", "127.0.0.1"][..],
        &["--debug", "--no-browser"],
        // It takes the place of signing in, and is a secret.
        &["--header", "authorization: Bearer a"],
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
fn what_mcp_remote_keeps_apart_by_headers_or_folder_is_kept_apart() {
    let world = || World::default().file("h.txt", "X-Tenant: a\n# more\n");
    let key = |world: World, args: &[&str]| world.config(args).key.to_string();
    let with = |args: &[&str]| key(world(), args);
    let a = with(&["--header", "X-Tenant: a"]);
    assert_ne!(a, with(&["--header", "X-Tenant: b"]));
    assert_ne!(a, with(&["--header", "X-Other: a"]));
    assert_ne!(a, with(&["--header", "X-Tenant: a", "--header", "X: 1"]));
    // The same headers, however they are written and wherever they stand.
    for args in [
        &["--header", "x-tenant:a "][..],
        &["--header", "X-Tenant: b", "--header", "X-Tenant: a"],
        &["--header-file", "h.txt"],
        &["--header", "X-Tenant: a", "--header", "Authorization: b"],
    ] {
        assert_eq!(a, with(args), "{args:?}");
    }
    let two = ["--header", "A: 1", "--header", "B: 2"];
    let swapped = ["--header", "B: 2", "--header", "A: 1"];
    assert_eq!(with(&two), with(&swapped));
    // Another secret in the variable is the same account.
    let secret = |value| key(world().var("KEY", value), &["--header", "X-Key: ${KEY}"]);
    assert_eq!(secret("1"), secret("2"));

    let folder = |folder| key(world().var("MCP_REMOTE_CONFIG_DIR", folder), &[]);
    assert_eq!(folder(""), with(&[]));
    assert_ne!(folder("/a"), with(&[]));
    assert_ne!(folder("/a"), folder("/b"));
    assert_eq!(folder("/a"), folder("/a/"));
    let named = world().var("MCP_REMOTE_CONFIG_DIR", "/a");
    assert_eq!(key(named, &["--name", "work"]), "work");
}

#[test]
fn the_usual_folder_of_mcp_remote_keeps_nothing_apart() {
    let apart = |folder: &str| {
        let env = BTreeMap::from([("MCP_REMOTE_CONFIG_DIR".to_owned(), folder.to_owned())]);
        let around = Surroundings {
            env: &env,
            data_dir: None,
            config_dir: None,
            home_dir: Some("/home/me".into()),
            read: &|_| Err(io::ErrorKind::NotFound.into()),
            open: &|_| Err(OpenError::Absent(io::ErrorKind::NotFound.into())),
        };
        apart::Apart::new(&[], &around).parts().count()
    };
    assert_eq!(apart("/home/me/.mcp-auth"), 0);
    assert_eq!(apart("/home/me/.mcp-auth/"), 0);
    assert_eq!(apart("/home/me/.mcp-auth-2"), 1);
}

#[test]
fn an_entry_of_the_configuration_file_leads_to_the_sign_in_of_its_headers() {
    let file = format!(
        r#"{{"mcpServers":{{
            "a":{{"url":"{SERVER}","headers":{{"X-Tenant":"a"}}}},
            "b":{{"url":"{SERVER}","headers":{{"X-Tenant":"${{NOT_SET}}"}}}}}}}}"#
    );
    let world = World::default().file(CONFIG_FILE, file);
    let Ok(Job::Bridge(bridge)) = world.job(&["a"]) else {
        panic!("not taken");
    };
    assert_eq!(bridge.key, config(&["--header", "X-Tenant: a"]).key);
    assert_ne!(bridge.key, config(&[]).key);
    let Ok(Job::Status(status)) = world.job(&["status", "a"]) else {
        panic!("not taken");
    };
    assert_eq!(
        status.target,
        StatusTarget::Entry("a".to_owned(), bridge.key.clone())
    );
    let ended = logout(&world, &["a"]);
    let LogoutTarget::One(key, Some(_)) = &ended.target else {
        panic!("{:?}", ended.target);
    };
    assert_eq!(*key, bridge.key);
    // A terminal may lack the variable that the AI client has.
    let other = config(&["--header", "X-Tenant: ${NOT_SET}"]).key;
    let keys: Vec<_> = ended.entries.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [&bridge.key, &other]);
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
    for args in [
        &[][..],
        &["--scope", "read"],
        &["--name", "work"],
        &["--header", "X-Tenant: a"],
    ] {
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
