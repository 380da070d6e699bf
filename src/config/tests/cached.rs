use super::*;

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
