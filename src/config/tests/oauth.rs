use super::*;

#[test]
fn what_has_no_effect_together_with_a_device_code_is_worth_a_warning() {
    let world = World::default().var("MCP_DRAWBRIDGE_CALLBACK_PATH", "/cb");
    let given = ["--device-code", "--host", "127.0.0.1"];
    let warnings = world
        .config(&[&["3334"], &given[..]].concat())
        .base
        .warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, what) in warnings.iter().zip([
        "the callback port has no effect",
        "`--host` has no effect",
        "`MCP_DRAWBRIDGE_CALLBACK_PATH` has no effect",
    ]) {
        assert!(warning.starts_with(what), "{warning}");
    }
    assert!(
        config(&["--device-code", "--no-browser"])
            .base
            .warnings
            .is_empty()
    );
    let bearer = ["--header", "Authorization: Bearer x", "--device-code"];
    assert_eq!(
        error(&bearer),
        "an `Authorization` header and `--device-code` exclude each other: the first is for the mode `bearer`, the second for `device`"
    );
}

#[test]
fn a_device_code_makes_no_other_sign_in() {
    assert_eq!(config(&["--device-code"]).key, config(&[]).key);
}

#[test]
fn a_configured_client_comes_from_json_or_a_file_with_placeholders() {
    let secret = r#"a"b\c"#;
    let text = r#"{"client_id":"${ID}","client_secret":"${SECRET}","token_endpoint_auth_method":"client_secret_post"}"#;
    let world = World::default()
        .var("ID", "c1")
        .var("SECRET", secret)
        .file("c.json", text);
    for value in [text, "@c.json"] {
        let client = world
            .config(&["--static-oauth-client-info", value])
            .client
            .expect("a client");
        assert_eq!(client.client_id, "c1");
        assert!(client.client_secret.expect("a secret").matches(secret));
        assert_eq!(
            client.auth_method,
            Some(crate::oauth::registration::AuthMethod::ClientSecretPost)
        );
    }
    let client = config(&[
        "--static-oauth-client-info",
        r#"{"client_id":"c","client_secret":null,"extra":1}"#,
    ])
    .client;
    assert_eq!(
        client,
        Some(ConfiguredClient {
            client_id: "c".to_owned(),
            client_secret: None,
            auth_method: None,
            ..ConfiguredClient::default()
        })
    );
}

#[test]
fn a_configured_client_that_cannot_work_is_refused_without_being_repeated() {
    for text in [
        "",
        "SECRET_1",
        "[]",
        "\"SECRET_1\"",
        "{}",
        r#"{"client_secret":"SECRET_1"}"#,
        r#"{"client_id":7,"client_secret":"SECRET_1"}"#,
        r#"{"client_id":"c","client_secret":["SECRET_1"]}"#,
        r#"{"client_id":"c","token_endpoint_auth_method":"client_secret_basic"}"#,
        r#"{"client_id":"c","client_secret":"SECRET_1","token_endpoint_auth_method":"private_key_jwt"}"#,
        r#"{client_id:SECRET_1}"#,
        r#"{"client_id":"${NOT_SET}"}"#,
        "@none.json",
    ] {
        let error = World::default().error(&["--static-oauth-client-info", text]);
        assert!(
            !format!("{error}{:?}", error.hint()).contains("SECRET"),
            "{text}: {error}"
        );
    }
}

#[test]
fn client_metadata_is_taken_as_it_is_and_its_scope_counts_unless_one_is_given() {
    let text = r#"{"client_name":"${NAME}","scope":"b a"}"#;
    let config = config(&["--static-oauth-client-metadata", text]);
    assert_eq!(config.client_metadata["client_name"], "${NAME}");
    assert_eq!(config.scopes.expect("scopes"), ["b", "a"]);
    let config = World::default().config(&["--static-oauth-client-metadata", text, "--scope", "c"]);
    assert_eq!(config.scopes.expect("scopes"), ["c"]);
    for text in ["[1]", "x", r#"{"scope":["a"]}"#] {
        World::default().error(&["--static-oauth-client-metadata", text]);
    }
    // mcp-remote takes it for none.
    let empty = World::default().config(&["--static-oauth-client-metadata", r#"{"scope":""}"#]);
    assert_eq!(empty.scopes, None);
}

#[test]
fn an_empty_resource_means_none_and_disabling_wins() {
    assert_eq!(config(&["--resource", " "]).resource, Resource::Omitted);
    let config = config(&[
        "--resource",
        "urn:example:r",
        "--disable-resource-parameter",
    ]);
    assert_eq!(config.resource, Resource::Omitted);
    assert_eq!(config.base.warnings.len(), 1);
}

#[test]
fn authorization_parameters_are_unique_and_a_resource_among_them_is_worth_a_warning() {
    let config = config(&[
        "--authorize-param",
        "a=1",
        "--authorize-param",
        "resource=r=2",
        "--authorize-param",
        "a=",
    ]);
    let params = [
        ("resource".to_owned(), "r=2".to_owned()),
        ("a".to_owned(), String::new()),
    ];
    assert_eq!(config.authorize_params, params);
    assert_eq!(config.base.warnings.len(), 1);
}

#[test]
fn addresses_that_the_user_names_are_theirs_and_not_judged() {
    let own = |args: &[&str]| {
        let policy = config(args).http.policy;
        assert_eq!(policy.server.map(String::from).as_deref(), Some(SERVER));
        let own: Vec<String> = policy.own.into_iter().map(String::from).collect();
        own
    };
    assert_eq!(own(&[]), Vec::<String>::new());
    let issuer = "--issuer=https://login.corp.test/realm";
    assert_eq!(own(&[issuer]), ["https://login.corp.test/realm"]);
    let endpoints = [
        "--authorization-endpoint=https://a.corp.test/authorize",
        "--token-endpoint=https://t.corp.test/token",
        "--client-id=c",
    ];
    let id = r#"--static-oauth-client-info={"client_id":"c"}"#;
    assert_eq!(
        own(&[id, endpoints[0], endpoints[1]]),
        ["https://a.corp.test/authorize", "https://t.corp.test/token"]
    );
    for (option, address) in [
        ("--idp-issuer=", "https://idp.corp.test/"),
        ("--idp-token-endpoint=", "https://idp.corp.test/token"),
    ] {
        let option = format!("{option}{address}");
        let args = [id, &option, "--idp-client-id=i", "--idp-id-token-file=f"];
        assert_eq!(own(&args), [address]);
    }
}

#[test]
fn the_port_for_a_client_of_the_users_own_is_the_same_at_every_start() {
    let port = |args: &[&str]| config(args).callback.derived_port;
    // Those that mcp-remote was seen to use.
    assert_eq!(port(&[]), 41409);
    assert_eq!(port(&["--client-id", "c", "--scope", "x"]), 41409);
    assert_eq!(port(&["--resource", "https://tenant1.example.net/"]), 12234);
    let headers = [
        "--header",
        "X-B: 2",
        "--header",
        "Authorization: Bearer ${TOK}",
    ];
    let world = World::default().var("TOK", "x");
    assert_eq!(world.config(&headers).callback.derived_port, 44925);
    let file = format!(r#"{{"mcpServers":{{"it":{{"url":"{SERVER}/"}}}}}}"#);
    let Ok(Job::Bridge(filed)) = World::default().file(CONFIG_FILE, file).job(&["it"]) else {
        panic!("not taken");
    };
    assert_eq!(filed.callback.derived_port, 3494);
}

/// The callback port, which mcp-remote derives from what it names a sign-in after.
fn derived_port(world: &World, args: &[&str]) -> u16 {
    world.config(args).callback.derived_port
}

#[test]
fn a_mark_that_windows_editors_write_is_no_part_of_a_header_s_name() {
    let world = World::default()
        .file("plain.txt", "X-A: 1\nX-B: 2\n")
        .file("marked.txt", "\u{feff}X-A: 1\r\nX-B: 2\r\n");
    let port = |file| derived_port(&world, &["--header-file", file]);
    assert_eq!(port("marked.txt"), port("plain.txt"));
    assert_ne!(port("plain.txt"), derived_port(&world, &[]));
}

#[test]
fn a_metadata_document_names_mcp_remote_s_sign_in_even_where_it_has_no_effect() {
    let port = |args: &[&str]| derived_port(&World::default(), args);
    let plain = port(&[]);
    let info = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];
    let document = ["--client-metadata-url", "https://c.example/m"];
    assert_eq!(port(&info), plain);
    assert_ne!(port(&document), plain);
    assert_eq!(port(&[&info[..], &document].concat()), port(&document));
    // MD5 of `https://mcp.example.com/mcp|https://C.example/m` begins with c411.
    let unusual = ["--client-metadata-url", " https://C.example/m "];
    assert_eq!(port(&unusual), 7_712);
    for none in ["http://c.example/m", "https://c.example", "c.example/m"] {
        assert_eq!(port(&["--client-metadata-url", none]), plain, "{none}");
    }
}

#[test]
fn blanks_around_the_key_of_a_parameter_are_no_part_of_it() {
    let consent = ["--authorize-param", "prompt=consent"];
    let blank = ["--authorize-param", " prompt =consent"];
    let params = config(&consent).authorize_params;
    assert_eq!(config(&blank).authorize_params, params);
    let port = |args: &[&str]| derived_port(&World::default(), args);
    assert_eq!(port(&blank), port(&consent));
    // No blank hides what secures a sign-in.
    for text in [" state=1", "state =1", " =1"] {
        let job = World::default().job(&[SERVER, "--authorize-param", text]);
        assert!(job.is_err(), "{text}");
    }
}

#[test]
fn where_no_browser_returns_its_way_back_is_worth_a_warning() {
    let service = [
        "--client-id",
        "c",
        "--client-credentials",
        "--host",
        "127.0.0.1",
    ];
    let warnings = World::default()
        .var("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_1")
        .config(&service)
        .base
        .warnings;
    assert_eq!(
        warnings,
        [
            "`--host` has no effect, since no browser returns to this machine with `--client-credentials`"
        ]
    );
}
