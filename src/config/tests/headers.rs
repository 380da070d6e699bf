use super::*;

#[test]
fn placeholders_in_headers_are_replaced_and_a_missing_variable_is_named() {
    let world = World::default()
        .var("TOKEN", "t1")
        .var("A B", "spaced")
        .var("TWICE", "${TOKEN}");
    let value = |text: &str| {
        let config = world.config(&["--header", &format!("X-Key:{text}")]);
        header(&config, "x-key").expect("the header")
    };
    assert_eq!(value(" ${TOKEN} and ${TOKEN}\t"), "t1 and t1");
    assert_eq!(value("$TOKEN ${} ${TOKEN"), "$TOKEN ${} ${TOKEN");
    assert_eq!(value("${A B}"), "spaced");
    assert_eq!(value("${TWICE}"), "${TOKEN}");
    let error = world.error(&["--header", "X-Key: Bearer ${NOT_SET}"]);
    assert_eq!(
        error.to_string(),
        "the header `x-key` in `--header` needs the environment variable `NOT_SET`, which is not set"
    );
    assert!(error.hint().is_some());
}

#[test]
fn an_authorization_header_replaces_signing_in() {
    let world = World::default().var("TOKEN", "t1").var("EMPTY", "");
    let header = ["--header", "authorization:Bearer ${TOKEN}"];
    let config = world.config(&header);
    assert_eq!(config.auth, AuthMode::Bearer);
    assert!(config.base.warnings.is_empty());
    let config = world.config(&[&header[..], &["--scope", "a"]].concat());
    assert_eq!(config.base.warnings.len(), 1);
    let client = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];
    assert!(
        world
            .error(&[header, client].concat())
            .to_string()
            .contains("exclude each other")
    );
    let error = world.error(&["--header", "Authorization: Bearer ${EMPTY}"]);
    assert_eq!(error.to_string(), "the header `authorization` has no value");
}

#[test]
fn headers_of_the_connection_itself_are_refused() {
    for name in [
        "Accept",
        "content-type",
        "Content-Length",
        "HOST",
        "MCP-Protocol-Version",
        "Mcp-Session-Id",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Param-Region",
        "Last-Event-ID",
        "Connection",
        "Transfer-Encoding",
    ] {
        let message = error(&["--header", &format!("{name}: x")]);
        assert!(
            message.contains("belongs to the connection itself"),
            "{message}"
        );
    }
    config(&[
        "--header",
        "User-Agent: x",
        "--header",
        "Cookie: a=b",
        "--header",
        "X-Empty:",
    ]);
}

#[test]
fn headers_that_could_carry_another_header_are_refused_without_being_repeated() {
    let world = World::default().var("EVIL", "SECRET_1\r\nHost: evil.example");
    for text in [
        "X-Key: ${EVIL}",
        "X-Key: SECRET_1\nA: b",
        "X-Key: SECRET_1\rA",
        "X-Key: SECRET_1\0",
        "X Key: SECRET_1",
        ": SECRET_1",
        "SECRET_1",
        "",
        "X-K\u{e9}y: SECRET_1",
        "X\r\nY: SECRET_1",
    ] {
        let error = world.error(&["--header", text]);
        assert!(
            !format!("{error}{:?}", error.hint()).contains("SECRET"),
            "{error}"
        );
    }
    assert_eq!(
        header(&config(&["--header", "X-City: Z\u{fc}rich"]), "x-city").as_deref(),
        Some("Z\u{fc}rich")
    );
}

#[test]
fn headers_and_files_count_in_the_order_of_the_command_line() {
    let (line, file) = (["--header", "X-K: a"], ["--header-file", "f"]);
    let value = |variables: &[(&str, &str)], args: &[&str]| {
        let mut world = World::default().file("f", "X-K: b\n").file("g", "X-K: c\n");
        for (name, value) in variables {
            world = world.var(name, value);
        }
        let strict = match world.strict_job(&[&[SERVER], args].concat()) {
            Ok(Job::Bridge(config)) => *config,
            other => panic!("{other:?}"),
        };
        let config = world.config(args);
        assert_eq!(header(&config, "x-k"), header(&strict, "x-k"));
        (header(&config, "x-k").expect("it is there"), config)
    };
    let (sent, config) = value(&[], &[line, file].concat());
    assert_eq!(sent, "b");
    assert_eq!(value(&[], &[file, line].concat()).0, "a");
    let many = ["--header", "X-K: 1", "--header-file=g", "--header=X-K: 2"];
    assert_eq!(value(&[], &[&many[..], &file].concat()).0, "b");
    assert_eq!(value(&[], &many).0, "2");
    // mcp-remote has the same, and so its sign-in is found.
    let same = value(&[], &["--header", "X-K: b"]).1;
    assert_eq!(config.callback.derived_port, same.callback.derived_port);
    assert_eq!(config.key, same.key);
    // Of variables, none comes before the other.
    let filed = ("MCP_DRAWBRIDGE_HEADER_FILE", "f");
    let lined = ("MCP_DRAWBRIDGE_HEADER", "X-K: a");
    assert_eq!(value(&[filed, lined], &[]).0, "a");
    assert_eq!(value(&[filed], &line).0, "a");
    assert_eq!(value(&[lined], &file).0, "a");
}

#[test]
fn a_later_header_replaces_one_of_the_same_name_and_a_flag_a_file() {
    let world = World::default().var("T", "t1").file(
        "h.txt",
        "\u{feff}# comment\r\n\r\nX-A: file\r\n  # indented\r\nX-B: ${T}\r\n",
    );
    let config = world.config(&[
        "--header",
        "x-a: 1",
        "--header-file",
        "h.txt",
        "--header",
        "X-A: 2",
    ]);
    assert_eq!(config.headers.len(), 2);
    assert_eq!(header(&config, "x-a").as_deref(), Some("2"));
    assert_eq!(header(&config, "x-b").as_deref(), Some("t1"));
    let world = World::default().file("h.txt", "A: 1\n\nSECRET_1\n");
    assert_eq!(
        world.error(&["--header-file", "h.txt"]).to_string(),
        "line 3 of `h.txt` is not of the form `Name: value`"
    );
    assert!(
        error(&["--header-file", "none.txt"])
            .starts_with("the file `none.txt` of `--header-file` cannot be read: ")
    );
}

#[test]
fn a_secret_on_the_command_line_is_warned_of_and_not_repeated() {
    let client = r#"{"client_id":"c","client_secret":"SECRET_1"}"#;
    let by_variable = r#"{"client_id":"c","client_secret":"${S}"}"#;
    let world = || World::default().var("S", "SECRET_1");
    for (option, value, is_exposed) in [
        ("--header", "X-Api-Key: SECRET_1", true),
        ("--header", "X-Api-Key: ${S}", false),
        ("--header", "X-Team: a", false),
        ("--static-oauth-client-info", client, true),
        ("--static-oauth-client-info", by_variable, false),
        ("--proxy", "http://me:SECRET_1@proxy.test:3128", true),
        ("--proxy", "http://proxy.test:3128", false),
    ] {
        let warnings = world().config(&[option, value]).base.warnings;
        assert_eq!(
            warnings.len(),
            usize::from(is_exposed),
            "{value}: {warnings:?}"
        );
        let named = format!("other users can read the secret in `{option}`");
        assert!(
            warnings.iter().all(|told| told.starts_with(&named)),
            "{warnings:?}"
        );
        assert!(!format!("{warnings:?}").contains("SECRET_1"));
    }
    // Variables are nobody else's to read.
    let hidden = World::default().var("MCP_DRAWBRIDGE_HEADER", "X-Api-Key: SECRET_1");
    assert!(hidden.config(&[]).base.warnings.is_empty());
}
