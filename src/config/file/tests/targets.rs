use super::*;

#[test]
fn a_name_means_the_entry_and_an_address_only_the_defaults() {
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","scope":"a"}},"io.example/it:2":{{"url":"{SERVER}/2"}}}},
            "defaults":{{"no_browser":true}}}}"#
    );
    let world = world(file);
    let named = taken(&world, &["it", "3334"]);
    assert_eq!(named.server.as_str(), SERVER);
    assert_eq!(named.scopes.expect("scopes"), ["a"]);
    assert_eq!(named.callback.port, Some(3334));
    assert!(!named.browser);
    let given = taken(&world, &[SERVER]);
    assert_eq!(given.scopes, None);
    assert!(!given.browser);
    let slashed = taken(&world, &["io.example/it:2"]);
    assert_eq!(slashed.server.as_str(), "https://mcp.example.com/mcp/2");
    assert!(matches!(world.job(&["login", "it"]), Ok(Job::Login(_))));
}

#[test]
fn an_entry_and_its_address_share_a_sign_in_as_far_as_nothing_separates_them() {
    assert_eq!(it("").key, taken(&World::default(), &[SERVER]).key);
    let separate = it(r#","scope":"a","resource":"https://r.example/""#);
    let args = [SERVER, "--scope", "a", "--resource", "https://r.example/"];
    assert_eq!(separate.key, taken(&World::default(), &args).key);
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    let file = format!(
        r#"{{"mcpServers":{{"notion":{{"url":"{SERVER}"}},"linear":{{}},"local":{{"command":"x"}}}}}}"#
    );
    let place = format!("is neither an address nor the name of a server in `{CONFIG_FILE}`");
    for (world, name, end, hint) in [
        (
            World::default(),
            "it",
            ", which does not exist",
            "write an address whole",
        ),
        (
            world("{}"),
            "it",
            ", which has none",
            "write an address whole",
        ),
        (world(&file), "it", "", "it has `notion`, `linear`, `local`"),
        (world(&file), "Notoin", "", "did you mean `notion`?"),
        (world(&file), "logn", "", "did you mean `login`?"),
        (
            world(&file),
            "mcp.example.com",
            "",
            "did you mean `https://mcp.example.com`?",
        ),
    ] {
        let (message, told) = refused(&world, &[name]);
        assert_eq!(message, format!("`{name}` {place}{end}"));
        assert!(told.starts_with(hint), "{told}");
    }
    let many = (0..50).map(|index| format!(r#""server{index}":{{}}"#));
    let file = format!(
        r#"{{"mcpServers":{{{}}}}}"#,
        many.collect::<Vec<_>>().join(",")
    );
    let (_, hint) = refused(&world(file), &["it"]);
    assert!(hint.ends_with("`server19` and 30 more"), "{hint}");
}

#[test]
fn an_entry_that_is_none_of_a_remote_server_is_refused_only_when_asked_for() {
    let file = format!(
        r#"{{"mcpServers":{{"local":{{"type":"stdio","command":"npx","args":["x"],"name":true}},"bare":{{"scope":"a"}},
            "surf":{{"serverUrl":"{SERVER}"}},"slip":{{"ulr":"{SERVER}"}},"list":[],
            "twice":{{"url":"{SERVER}"}},"twice":{{"url":"{SERVER}"}},
            "number":{{"url":3}},"short":{{"url":"mcp.example.com"}},"open":{{"url":"http://mcp.example.com"}},
            "secret":{{"url":"https://me:SECRET_1@mcp.example.com"}},
            "var":{{"url":"${{VAR}}"}},"unset":{{"url":"${{NOT_SET}}"}},
            "it":{{"url":"{SERVER}"}}}}}}"#
    );
    let world = world(file).var("VAR", "SECRET_1");
    assert!(taken(&world, &["it"]).base.warnings.is_empty());
    for (name, message, hint) in [
        (
            "local",
            "is a program to start (`command`) and no remote server",
            "a `url`",
        ),
        ("bare", "has no `url`", "give it the address"),
        ("surf", "has no `url`", "did you mean `url` by `serverUrl`?"),
        ("slip", "has no `url`", "did you mean `url` by `ulr`?"),
        ("list", "is a list; it must be an object", ""),
        ("twice", "is there twice", "another name"),
        ("number", "is a number; it must be a text", ""),
        (
            "short",
            "is not the address of a server",
            "did you mean `https://mcp.example.com`?",
        ),
        ("open", "plain http", "`--allow-http`"),
        ("secret", "", ""),
        ("var", "is not the address of a server", "write it whole"),
        (
            "unset",
            "needs the environment variable `NOT_SET`, which is not set",
            "`env`",
        ),
    ] {
        let (told, told_hint) = refused(&world, &[name]);
        assert!(
            told.contains(&format!("`{name}` in `{CONFIG_FILE}`")),
            "{told}"
        );
        assert!(told.contains(message), "{told}");
        assert!(told_hint.contains(hint), "{told_hint}");
        assert!(!format!("{told}{told_hint}").contains("SECRET_1"), "{told}");
    }
}

#[test]
fn logout_and_status_take_the_name_of_an_entry_and_else_that_of_a_sign_in() {
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","headers":{{"X-Key":"${{NOT_SET}}"}},
                "oauth":{{"client_id":"c","client_secret":"${{NOT_SET}}","scopes":["a"],"token_endpoint_auth_method":"client_secret_post"}}}},
            "options":{{"url":"{SERVER}","header":["x-key:${{NOT_SET}}"],"callback_port":"${{NOT_SET}}","callback_path":"${{NOT_SET}}","scope":"a","static_oauth_client_info":{{"client_id":"c","client_secret":"${{NOT_SET}}"}}}},
                "local":{{"command":"x"}},"named":{{"url":"{SERVER}","name":"work"}}}}}}"#
    );
    let world = world(file).var("SET", "1");
    let client = r#"{"client_id":"c"}"#;
    let mut args = vec![SERVER, "--scope", "a", "--static-oauth-client-info", client];
    args.extend(["--header", "X-Key: ${NOT_SET}"]);
    let key = taken(&World::default(), &args).key;
    let logout = |name: &str| match world.job(&["logout", name]) {
        Ok(Job::Logout(logout)) => logout.target,
        other => panic!("{name}: {other:?}"),
    };
    let status = |name: &str| match world.job(&["status", name]) {
        Ok(Job::Status(status)) => status.target,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(logout("options"), logout("it"));
    assert!(matches!(logout("it"), LogoutTarget::One(found, Some(_)) if found == key));
    assert_eq!(status("it"), StatusTarget::Entry("it".to_owned(), key));
    assert!(matches!(logout("named"), LogoutTarget::One(key, Some(_)) if key.as_str() == "work"));
    for name in ["local", "cached"] {
        assert!(matches!(logout(name), LogoutTarget::One(key, None) if key.as_str() == name));
        assert!(matches!(status(name), StatusTarget::Name(key) if key.as_str() == name));
    }
    assert!(matches!(status(SERVER), StatusTarget::Server(_)));
    assert!(matches!(logout(SERVER), LogoutTarget::One(_, Some(_))));
}
