//! What mcp-remote goes on with, the bridge goes on with. Only arguments are taken so: what stands in
//! variables of ours and in the configuration file was written for this program.

use super::*;
use crate::oauth::registration::AuthMethod;

/// A value that is left out or mended: the arguments, a part of the warning, and what is to hold.
type Case<'a> = (&'a [&'a str], &'a str, fn(&Config) -> bool);

fn check(world: impl Fn() -> World, cases: &[Case<'_>]) {
    for (args, part, holds) in cases {
        let config = world().config(args);
        assert!(holds(&config), "{args:?}");
        let warnings = &config.base.warnings;
        let told = warnings.iter().any(|warning| warning.contains(part));
        assert!(told, "{args:?}: {warnings:?}");
        assert!(!warnings.join(" ").contains("SECRET"), "{warnings:?}");
        // The same is an error where nobody has mcp-remote in mind, unless it is a warning anyway.
        let strict = world().strict_job(&[&[SERVER], *args].concat());
        let is_error = strict.is_err();
        let mended = config.base.warnings.len() > 1 || !is_error;
        assert!(is_error || mended, "{args:?}");
    }
}

#[test]
fn values_that_mcp_remote_warns_of_are_left_at_a_warning() {
    check(
        World::default,
        &[
            (&["--transport", "fast"], "`http-first` counts", |c| {
                c.transport == Preference::default()
            }),
            (&["--protocol", "old"], "`auto` counts", |c| {
                c.protocol == Protocol::default()
            }),
            (
                &["--callback-path", "cb"],
                "`/oauth/callback` counts",
                |c| c.callback.path == "/oauth/callback",
            ),
            (&["--host", "192.0.2.1"], "`localhost` counts", |c| {
                c.callback.host == "localhost"
            }),
            (&["--host", "a b"], "`localhost` counts", |c| {
                c.callback.host == "localhost"
            }),
            (&["--host", "Mcp.Test"], "nowhere else", |c| {
                c.callback.host == "mcp.test"
            }),
            (&["--auth-timeout", "soon"], "600 s counts", |c| {
                c.auth_timeout == Duration::from_secs(600)
            }),
            (&["--connect-timeout", "0"], "the default counts", |c| {
                c.http.connect_timeout == Duration::from_secs(10)
            }),
            (&["--headers-timeout", "-1"], "the default counts", |c| {
                c.timeouts == Timeouts::default()
            }),
            (&["--body-timeout", "x"], "the default counts", |c| {
                c.timeouts == Timeouts::default()
            }),
            (&["--ping-interval", "0"], "--ping-interval", |c| {
                c.keep_alive.is_none()
            }),
            (
                &["--ping-interval", "0", "--keep-alive"],
                "--ping-interval",
                |c| c.keep_alive == Some(Duration::from_secs(30)),
            ),
            (
                &["--client-metadata-url", "https://c.example"],
                "a client that is registered counts",
                |c| c.document.is_none(),
            ),
            (
                &["--resource", "https://r.example/a#b"],
                "RFC 8707 forbids",
                |c| matches!(&c.resource, Resource::Given(id) if id.as_str() == "https://r.example/a"),
            ),
        ],
    );
}

#[test]
fn what_mcp_remote_passes_over_in_json_is_left_at_a_warning() {
    let scopes = |c: &Config| c.scopes.is_none() && !c.client_metadata.contains_key("scope");
    let usual = |c: &Config| {
        let mut own = c.client.iter();
        own.any(|own| own.auth_method.is_none())
    };
    let info = |rest: &str| format!(r#"{{"client_id":"c",{rest}}}"#);
    let secret = |method: &str| {
        info(&format!(
            r#""client_secret":"${{S}}","token_endpoint_auth_method":{method}"#
        ))
    };
    let option = "--static-oauth-client-info";
    for given in [
        r#""client_secret_jwt""#,
        r#""private_key_jwt""#,
        r#""""#,
        "5",
    ] {
        check(
            || World::default().var("S", "SECRET_1"),
            &[(&[option, &secret(given)], "the usual one counts", usual)],
        );
    }
    let alone = info(r#""token_endpoint_auth_method":"client_secret_post""#);
    check(
        || World::default().file("client.json", &alone),
        &[(&[option, "@client.json"], "`none` counts", |c| {
            c.client
                .as_ref()
                .is_some_and(|own| own.auth_method == Some(AuthMethod::None))
        })],
    );
    let option = "--static-oauth-client-metadata";
    for given in ["null", "[]", "7"] {
        check(
            World::default,
            &[(&[option, given], "the usual metadata counts", |c| {
                c.client_metadata.is_empty()
            })],
        );
    }
    for given in [r#"{"scope":["a"]}"#, r#"{"scope":5}"#] {
        check(
            World::default,
            &[(&[option, given], "what the server names counts", scopes)],
        );
    }
    let form = ["--authorize-param", "response_mode=form_post"];
    check(
        World::default,
        &[(&form, "`query` counts", |c| c.authorize_params.is_empty())],
    );
    // What was sent to be kept by mcp-remote is found by all that was given.
    let place = |args: &[&str]| World::default().config(args).callback.derived_port;
    assert_ne!(place(&form), place(&[]));

    // A method that mcp-remote fails with as well, and what was written for this program.
    let basic = info(r#""token_endpoint_auth_method":"client_secret_basic""#);
    let info = "--static-oauth-client-info";
    assert!(World::default().job(&[SERVER, info, &basic]).is_err());
    for (variable, value) in [
        ("STATIC_OAUTH_CLIENT_INFO", secret(r#""x""#)),
        ("STATIC_OAUTH_CLIENT_METADATA", "null".to_owned()),
        ("AUTHORIZE_PARAM", "response_mode=form_post".to_owned()),
    ] {
        let world = World::default().var(&format!("MCP_DRAWBRIDGE_{variable}"), &value);
        assert!(world.job(&[SERVER]).is_err(), "{variable}");
    }
}

#[test]
fn numbers_are_read_as_javascript_reads_them() {
    let none = |args: &[&str]| {
        let config = config(args);
        assert!(config.base.warnings.is_empty(), "{:?}", config.base);
        config
    };
    let day = Duration::from_secs(24 * 60 * 60);
    let seconds = |text: &str| none(&["--auth-timeout", text]).auth_timeout;
    assert_eq!(seconds("60s"), Duration::from_secs(60));
    assert_eq!(seconds("1.9"), Duration::from_secs(1));
    assert_eq!(seconds("99999999999999999999"), day);
    let body = none(&["--body-timeout", "1e9"]).timeouts.body;
    assert_eq!(body, Some(day));
}

#[test]
fn headers_that_cannot_be_sent_are_left_out() {
    let world = || {
        World::default()
            .var("EVIL", "a\r\nX-Evil: SECRET_1")
            .var("EMPTY", "")
            .file("h.txt", "X-One: 1\nnonsense SECRET_1\nX-Two: 2\n")
    };
    check(
        world,
        &[
            (&["--header", "SECRET_1"], "not of the form", |c| {
                c.headers.is_empty()
            }),
            (
                &["--header", "Accept: a/b"],
                "belongs to the connection",
                |c| c.headers.is_empty(),
            ),
            (&["--header", "X-Key: ${EVIL}"], "a line break", |c| {
                c.headers.is_empty()
            }),
            (
                &["--header", "Authorization: Bearer ${EMPTY}"],
                "has no value",
                |c| c.auth == AuthMode::OAuth && c.headers.is_empty(),
            ),
            (&["--header-file", "h.txt"], "line 2 of `h.txt`", |c| {
                header(c, "x-one").is_some() && header(c, "x-two").is_some()
            }),
        ],
    );
    // There was a mistake in the path, so nothing that it held is known.
    let error = World::default().job(&[SERVER, "--header-file", "none.txt"]);
    assert!(error.is_err_and(|error| error.to_string().contains("none.txt")));
}

#[test]
fn a_variable_that_is_not_set_leaves_its_placeholder() {
    check(
        World::default,
        &[
            (&["--header", "X-Key: a ${NOT_SET}"], "`NOT_SET`", |c| {
                header(c, "x-key").as_deref() == Some("a ${NOT_SET}")
            }),
            (
                &[
                    "--static-oauth-client-info",
                    r#"{"client_id":"c${NOT_SET}"}"#,
                ],
                "`NOT_SET`",
                |c| {
                    c.client
                        .as_ref()
                        .is_some_and(|own| own.client_id == "c${NOT_SET}")
                },
            ),
        ],
    );
    let world = World::default().var("MCP_DRAWBRIDGE_HEADER", "X-Key: ${NOT_SET}");
    assert!(world.job(&[SERVER]).is_err());
}

#[test]
fn placeholders_follow_the_rules_of_mcp_remote() {
    let world = World::default()
        .var("A", "1")
        .var("A${B", "2")
        .var("LINE", "3\n");
    for (value, expected) in [
        ("$A ${A}", "$A 1"),
        ("${A${B}", "2"),
        ("${} ${A", "${} ${A"),
        ("\\${A}", "\\1"),
        ("${LINE}", "3"),
    ] {
        let config = world.config(&["--header", &format!("X-Key: {value}")]);
        assert_eq!(
            header(&config, "x-key").as_deref(),
            Some(expected),
            "{value}"
        );
    }
}

#[test]
fn a_client_may_stand_in_a_variable_as_a_whole() {
    let info = r#"{"client_id":"c","client_secret":"a\"b"}"#;
    let world = World::default().var("INFO", info).var("SECRET", "a\"b");
    for given in [
        "${INFO}",
        r#"{"client_id":"c","client_secret":"${SECRET}"}"#,
    ] {
        let client = world.config(&["--static-oauth-client-info", given]).client;
        let client = client.expect("a client");
        assert_eq!(client.client_id, "c");
        assert_eq!(client.client_secret, Some(Secret::new("a\"b")), "{given}");
    }
    let public = r#"{"client_id":"c","client_secret":""}"#;
    let client = world.config(&["--static-oauth-client-info", public]).client;
    assert_eq!(client.expect("a client").client_secret, None);
}

#[test]
fn of_ways_that_exclude_each_other_the_one_that_mcp_remote_takes_counts() {
    let info = r#"{"client_id":"c","client_secret":"${S}"}"#;
    let world = || World::default().var("S", "SECRET_1");
    check(
        world,
        &[
            (
                &["--header", "Authorization: Bearer ${S}", "--device-code"],
                "`--device-code` has no effect",
                |c| c.auth == AuthMode::Bearer,
            ),
            (
                &[
                    "--header",
                    "Authorization: Bearer ${S}",
                    "--static-oauth-client-info",
                    info,
                ],
                "OAuth options have no effect",
                |c| c.auth == AuthMode::Bearer,
            ),
            (
                &[
                    "--client-credentials",
                    "--device-code",
                    "--static-oauth-client-info",
                    info,
                ],
                "`--client-credentials` has no effect",
                |c| c.auth == AuthMode::Device && c.unattended.is_none(),
            ),
            (
                &[
                    "--client-credentials",
                    "--use-id-token",
                    "--static-oauth-client-info",
                    info,
                ],
                "`--use-id-token` has no effect",
                |c| c.auth == AuthMode::ClientCredentials && !c.use_id_token,
            ),
        ],
    );
}

#[test]
fn what_would_be_unsafe_or_pointless_stays_an_error() {
    for (args, part) in [
        (&[][..], "the address of the server is missing"),
        (&["https://"], "not the address"),
        (&["mcp.example.com"], "neither an address"),
        (&["http://mcp.example.com"], "plain http"),
        (&["ftp://mcp.example.com", "--allow-http"], "ftp"),
        (&[SERVER, "--resource", "relative"], "not an absolute URI"),
        (
            &[SERVER, "--authorize-param", "state=1"],
            "secures the sign-in",
        ),
        (&[SERVER, "--authorize-param", "state"], "key=value"),
        (
            &[SERVER, "--static-oauth-client-info", "{"],
            "not valid JSON",
        ),
        (
            &[SERVER, "--auth-success-url", "http://app.example"],
            "not the address of a page",
        ),
        (
            &[SERVER, "--auth-success-url", "javascript:alert(1)"],
            "not the address of a page",
        ),
        (
            &[
                SERVER,
                "--auth-success-url",
                "https://me:SECRET_1@app.example",
            ],
            "a user name or a password",
        ),
        (&[SERVER, "--name", "a/b"], "a/b"),
    ] {
        let error = match World::default().job(args) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{args:?} was taken"),
        };
        assert!(error.contains(part), "{args:?}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
}

#[test]
fn a_page_over_plain_http_is_on_this_machine_or_allowed() {
    for args in [
        &["--auth-success-url", "http://localhost:3000/done"][..],
        &["--auth-success-url", "http://[::1]/"],
        &["--auth-success-url", "http://app.example/", "--allow-http"],
    ] {
        assert!(config(args).callback.then.is_some(), "{args:?}");
    }
    let useless = config(&["--auth-success-url", "https://app.example", "--device-code"]);
    let warnings = useless.base.warnings.join(" ");
    assert!(
        warnings.contains("`--auth-success-url` has no effect"),
        "{warnings}"
    );
}

#[test]
fn an_address_may_have_a_part_for_browsers() {
    let job = World::default().job(&["https://mcp.example.com/mcp#top"]);
    let Ok(Job::Bridge(config)) = job else {
        panic!("not taken");
    };
    assert_eq!(config.server.as_str(), SERVER);
    assert!(config.base.warnings[0].contains('#'));
}

#[test]
fn proxies_are_read_as_mcp_remote_reads_them_if_that_is_asked_for() {
    let choice = |vars: &[(&str, &str)], args: &[&str]| {
        let mut world = World::default();
        for (name, value) in vars {
            world = world.var(name, value);
        }
        world.config(args).http.proxies.choice
    };
    let url = |text| ProxyUrl::parse(text);
    let each = |http, https| ProxyChoice::Each { http, https };
    let on = &["--enable-proxy"][..];
    for (vars, args, expected) in [
        (
            &[("HTTP_PROXY", "http://a:1")][..],
            &[][..],
            ProxyChoice::System,
        ),
        (
            &[("HTTP_PROXY", "http://a:1")],
            on,
            each(url("http://a:1"), url("http://a:1")),
        ),
        (
            &[("HTTPS_PROXY", "http://b:1")],
            on,
            each(None, url("http://b:1")),
        ),
        (
            &[("HTTPS_PROXY", "http://b:1"), ("https_proxy", "http://c:1")],
            on,
            each(None, url("http://c:1")),
        ),
        (
            &[("HTTP_PROXY", "http://a:1"), ("http_proxy", "")],
            on,
            ProxyChoice::System,
        ),
        (&[("ALL_PROXY", "http://a:1")], on, ProxyChoice::System),
        (
            &[("HTTP_PROXY", "http://a:1")],
            &["--enable-proxy", "--proxy", "direct"],
            ProxyChoice::None,
        ),
    ] {
        assert_eq!(choice(vars, args), expected, "{vars:?} {args:?}");
    }
}

#[test]
fn certificates_are_checked_whatever_node_is_told() {
    let warned = |value: &str| {
        let world = World::default().var("NODE_TLS_REJECT_UNAUTHORIZED", value);
        let warnings = world.config(&[]).base.warnings.join(" ");
        warnings.contains("`NODE_TLS_REJECT_UNAUTHORIZED=0` has no effect")
    };
    assert!(warned("0"));
    assert!(!warned("1") && !warned(""));
}

#[test]
fn what_is_hidden_in_the_configuration_file_stays_hidden() {
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","ignore_tool":["b*"],"tool":["*_x","y"]}}}},
            "defaults":{{"ignore_tool":["a*"]}}}}"#
    );
    let world = World::default().file(CONFIG_FILE, file);
    let Ok(Job::Bridge(config)) = world.job(&["it", "--ignore-tool", "c*", "--tool", "*"]) else {
        panic!("not taken");
    };
    let shown = |name| config.visible.shows(name);
    assert!(!shown("a_x") && !shown("b_x") && !shown("c_x"));
    assert!(shown("d_x") && shown("z"));
    let Ok(Job::Bridge(config)) = world.job(&["it"]) else {
        panic!("not taken");
    };
    assert!(config.visible.shows("d_x") && !config.visible.shows("z"));
}

#[test]
fn commands_for_one_server_take_the_arguments_of_the_bridge_as_they_are() {
    let odd = ["--zzz", "--transport", "fast", "--header=X-A: 1"];
    for command in ["login", "logout", "doctor", "mcp-remote-client"] {
        let args = [&[command, SERVER][..], &odd].concat();
        let job = World::default().job(&args).expect("taken");
        let warnings = job.base().warnings.join(" ");
        assert!(warnings.contains("--zzz"), "{command}: {warnings}");
    }
    for args in [
        &["status", "--zzz"][..],
        &["migrate", "--zzz"],
        &["add", "n", SERVER, "--print", "--zzz"],
        &["add", "n", SERVER, "--print", "--transport", "fast"],
    ] {
        assert!(World::default().job(args).is_err(), "{args:?}");
    }
}
