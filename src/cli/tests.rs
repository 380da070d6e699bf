use super::*;

fn read(args: &[&str]) -> Result<Parsed, UsageError> {
    parse(
        std::iter::once("mcp-drawbridge")
            .chain(args.iter().copied())
            .map(OsString::from),
    )
}

fn request(args: &[&str]) -> Request {
    match read(args) {
        Ok(Parsed::Run(request)) => *request,
        Ok(Parsed::Text(text)) => panic!("{args:?} printed {text}"),
        Err(error) => panic!("{args:?}: {error}"),
    }
}

fn bridge(args: &[&str]) -> ServerArgs {
    match request(args) {
        Request::Bridge(args) => args,
        _ => panic!("{args:?} is another command"),
    }
}

fn text(args: &[&str]) -> String {
    match read(args) {
        Ok(Parsed::Text(text)) => text,
        _ => panic!("{args:?} printed nothing"),
    }
}

/// What is said about arguments that are not taken as mcp-remote's.
fn error(args: &[&str]) -> UsageError {
    let args = std::iter::once("mcp-drawbridge").chain(args.iter().copied());
    match parse_strictly(args.map(OsString::from)) {
        Err(error) => error,
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn clap_finds_no_fault_in_the_definitions() {
    command().debug_assert();
}

#[test]
fn an_address_in_first_place_means_bridge() {
    let args = bridge(&["https://mcp.example.com/mcp", "3334", "--debug"]);
    assert_eq!(args.url.as_deref(), Some("https://mcp.example.com/mcp"));
    assert_eq!(args.callback_port.as_deref(), Some("3334"));
    assert!(args.common.debug);
}

#[test]
fn options_may_stand_before_the_address_and_take_equals() {
    let args = bridge(&["--name=work", "--scope", "a b", "https://mcp.example.com"]);
    assert_eq!(args.url.as_deref(), Some("https://mcp.example.com"));
    assert_eq!(args.which.name.as_deref(), Some("work"));
    assert_eq!(args.which.scope.as_deref(), Some("a b"));
}

#[test]
fn a_command_word_counts_only_in_first_place() {
    assert!(matches!(
        request(&["login", "https://mcp.example.com"]),
        Request::Login(args) if args.url.as_deref() == Some("https://mcp.example.com")
    ));
    let args = bridge(&["https://mcp.example.com", "login"]);
    assert_eq!(args.callback_port, None);
    assert!(args.tolerance.warnings[0].contains("no callback port"));
    let args = bridge(&["--debug", "login"]);
    assert_eq!(args.url.as_deref(), Some("login"));
    let args = bridge(&["https://mcp.example.com", "--name", "status"]);
    assert_eq!(args.which.name.as_deref(), Some("status"));
}

#[test]
fn logout_and_status_take_an_address_a_name_or_neither() {
    assert!(matches!(
        request(&["logout", "--all"]),
        Request::Logout(LogoutArgs {
            all: true,
            yes: false,
            json: false,
            server: ServerArgs { url: None, .. }
        })
    ));
    assert!(matches!(
        request(&["logout", "work"]),
        Request::Logout(LogoutArgs { all: false, server: ServerArgs { url: Some(name), .. }, .. }) if name == "work"
    ));
    assert!(matches!(
        request(&["status", "--json"]),
        Request::Status(StatusArgs {
            json: true,
            check: false,
            long: false,
            target: None,
            config: None
        })
    ));
    assert!(matches!(
        request(&["status", "work", "--check", "--long"]),
        Request::Status(StatusArgs { json: false, check: true, long: true, target: Some(name), .. }) if name == "work"
    ));
}

#[test]
fn migrate_and_add_name_the_ai_client_by_host() {
    assert!(matches!(
        request(&["migrate", "--host", "cursor", "--host=zed", "--apply"]),
        Request::Migrate(MigrateArgs { hosts, apply: true, undo: false, json: false })
            if hosts == ["cursor", "zed"]
    ));
    let add = [
        "add",
        "notion",
        "https://x.example",
        "3334",
        "--host",
        "cursor",
        "--redirect-host",
        "127.0.0.1",
    ];
    let Request::Add(add) = request(&add) else {
        panic!("another command");
    };
    assert_eq!(add.args.hosts, ["cursor"]);
    assert_eq!(add.args.entry.as_deref(), Some("notion"));
    assert_eq!(
        add.words,
        ["https://x.example", "3334", "--host", "127.0.0.1"]
    );
    assert_eq!(
        bridge(&add.words.iter().map(String::as_str).collect::<Vec<_>>())
            .callback
            .host
            .as_deref(),
        Some("127.0.0.1")
    );
}

#[test]
fn repeatable_options_keep_their_order() {
    let args = bridge(&["https://x.example", "--header", "A: 1", "--header", "B: 2"]);
    assert_eq!(args.traffic.header, ["A: 1", "B: 2"]);
}

#[test]
fn no_arguments_at_all_are_left_to_the_configuration_to_judge() {
    assert_eq!(bridge(&[]).url, None);
}

#[test]
fn short_help_fits_one_screen() {
    for args in [
        &["-h"][..],
        &["login", "-h"],
        &["logout", "-h"],
        &["migrate", "-h"],
        &["add", "-h"],
    ] {
        let error = command()
            .term_width(80)
            .try_get_matches_from(std::iter::once("mcp-drawbridge").chain(args.iter().copied()))
            .expect_err("help");
        let help = error.render().to_string();
        assert!(help.lines().count() <= 24, "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
    }
    let help = text(&["-h"]);
    assert!(
        help.lines()
            .last()
            .is_some_and(|line| line.starts_with("Example: mcp-drawbridge ")),
        "{help}"
    );
}

#[test]
fn long_help_shows_every_option_with_its_variable() {
    let help = text(&["--help"]);
    for name in option_names() {
        assert!(help.contains(&format!("--{name}")), "{name}");
        assert!(
            help.contains(&format!("[env: {}]", variable(&name))),
            "{name}"
        );
    }
    assert!(option_names().len() >= 19);
    assert_eq!(variable("ca-file"), "MCP_DRAWBRIDGE_CA_FILE");
}

#[test]
fn version_is_one_line() {
    assert_eq!(
        text(&["--version"]),
        format!("mcp-drawbridge {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_is_told_in_one_line() {
    for (args, message, hint) in [
        (
            &["https://x.example", "--headr", "A: 1"][..],
            "there is no option `--headr`",
            Some("did you mean `--header`?"),
        ),
        (
            &["https://x.example", "--zzz"],
            "there is no option `--zzz`",
            Some("`mcp-drawbridge --help` lists the options"),
        ),
        (
            &["https://x.example", "--name"],
            "`--name <NAME>` needs a value",
            None,
        ),
        (
            &["https://x.example", "--name", "a", "--name", "b"],
            "`--name <NAME>` can be given only once",
            None,
        ),
        (
            &["https://x.example", "--debug=yes"],
            "`--debug` takes no value",
            None,
        ),
        (
            &["status", "--header", "A: 1"],
            "there is no option `--header`",
            Some("`mcp-drawbridge --help` lists the options"),
        ),
    ] {
        let error = error(args);
        assert_eq!(error.to_string(), message, "{args:?}");
        assert_eq!(error.hint(), hint, "{args:?}");
    }
}

#[test]
fn a_misplaced_secret_is_not_repeated() {
    for args in [
        &["https://x.example", "--token=SECRET_1"][..],
        &["https://x.example", "--header", "X-Key:", "1", "SECRET_1"],
        &["https://x.example", "-tSECRET_1"],
        &["https://x.example", "--debug=SECRET_1"],
    ] {
        let error = error(args);
        assert!(
            !format!("{error} {:?}", error.hint()).contains("SECRET"),
            "{args:?}: {error}"
        );
    }
}
