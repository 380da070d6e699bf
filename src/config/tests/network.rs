//! How connections are made.

use super::*;

#[test]
fn a_broken_ca_file_is_wrong_usage_and_says_why() {
    let (good, _) = pair();
    for (content, why) in [
        ("\u{1}\u{2}", "holds no certificate in PEM form"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 2 in it is damaged",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "its PEM form is damaged",
        ),
    ] {
        let content = match why.contains('2') {
            true => format!("{good}{content}"),
            false => content.to_owned(),
        };
        let error = World::default()
            .file("ca.pem", &content)
            .error(&["--ca-file", "ca.pem"]);
        let text = error.to_string();
        assert!(
            text.starts_with("the file `ca.pem` of `--ca-file` cannot be used: "),
            "{text}"
        );
        assert!(text.contains(why), "{text}");
    }
    let missing = error(&["--ca-file", "missing.pem"]);
    assert!(
        missing.contains("`missing.pem` of `--ca-file` cannot be read"),
        "{missing}"
    );
}

#[test]
fn roots_come_from_every_ca_file_and_from_node_extra_ca_certs() {
    let (one, _) = pair();
    let (two, _) = pair();
    let (three, _) = pair();
    let world = World::default()
        .file("one.pem", &one)
        .file("two.pem", &two)
        .file("three.pem", &three)
        .var("NODE_EXTRA_CA_CERTS", "three.pem");
    let config = world.config(&["--ca-file", "one.pem", "--ca-file", "two.pem"]);
    assert_eq!(config.http.roots.certificates().len(), 3);
    assert!(config.base.warnings.is_empty());
    let world = world.var("MCP_DRAWBRIDGE_CA_FILE", "one.pem\ntwo.pem");
    assert_eq!(world.config(&[]).http.roots.certificates().len(), 3);
}

#[test]
fn files_that_the_environment_names_may_be_broken_with_a_warning() {
    for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        for (path, why) in [
            ("missing.pem", "entity not found"),
            ("empty.pem", "it holds no certificate in PEM form"),
        ] {
            let world = World::default().file("empty.pem", "").var(name, path);
            let config = world.config(&[]);
            let expected = format!("the file `{path}` in `{name}` is not used: {why}");
            assert_eq!(config.base.warnings, [expected]);
        }
        let (good, _) = pair();
        let world = World::default()
            .file("good.pem", &good)
            .var(name, "good.pem");
        assert!(world.config(&[]).base.warnings.is_empty());
        assert!(
            World::default()
                .var(name, "")
                .config(&[])
                .base
                .warnings
                .is_empty()
        );
    }
}

#[test]
fn a_client_certificate_may_have_its_key_in_another_file() {
    let (certificate, key) = pair();
    let world = World::default()
        .file("own.crt", &certificate)
        .file("own.key", &key);
    let config = world.config(&["--client-cert", "own.crt", "--client-key", "own.key"]);
    assert!(config.http.client_certificate.is_some());
    assert_eq!(config.key_file.as_deref(), Some(Path::new("own.key")));
    let world = world.var("MCP_DRAWBRIDGE_CLIENT_KEY", "own.key");
    assert!(
        world
            .config(&["--client-cert", "own.crt"])
            .http
            .client_certificate
            .is_some()
    );
    assert!(!format!("{config:?}").contains("PRIVATE"));
}

#[test]
fn a_client_certificate_that_cannot_be_used_names_the_file_and_the_reason() {
    let (certificate, key) = pair();
    let (_, other) = pair();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let world = World::default()
        .file("own.crt", &certificate)
        .file("own.key", &key)
        .file("other.key", &other)
        .file("locked.key", encrypted);
    for (args, expected) in [
        (
            &["--client-cert", "own.crt"][..],
            "`own.crt` of `--client-cert` cannot be used: it holds no private key in PEM form",
        ),
        (
            &["--client-cert", "own.key"],
            "`own.key` of `--client-cert` cannot be used: it holds no certificate in PEM form",
        ),
        (
            &["--client-cert", "own.crt", "--client-key", "other.key"],
            "`other.key` of `--client-key` cannot be used: the private key is not the one of the certificate",
        ),
        (
            &["--client-cert", "own.crt", "--client-key", "locked.key"],
            "`locked.key` of `--client-key` cannot be used: its private key is encrypted",
        ),
        (
            &["--client-key", "own.key"],
            "`--client-key` needs the certificate that belongs to the key",
        ),
        (
            &["--client-cert", "missing"],
            "`missing` of `--client-cert` cannot be read",
        ),
    ] {
        let error = world.error(args);
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!format!("{text}{:?}", error.hint()).contains(key.lines().nth(1).unwrap()));
    }
}

#[test]
fn the_proxy_is_the_given_one_none_or_the_systems() {
    let choice = |args: &[&str]| config(args).http.proxies.choice;
    assert_eq!(choice(&[]), ProxyChoice::System);
    assert_eq!(choice(&["--proxy", "direct"]), ProxyChoice::None);
    assert_eq!(choice(&["--proxy", ""]), ProxyChoice::None);
    assert!(matches!(
        choice(&["--proxy", "proxy.test:3128"]),
        ProxyChoice::One(_)
    ));
    let wrong = World::default().error(&["--proxy", "ftp://me:PASSWORD_1@proxy.test"]);
    assert_eq!(wrong.to_string(), "`--proxy` is not the address of a proxy");
    assert!(!format!("{wrong:?}").contains("PASSWORD_1"));
    let config = config(&["--proxy", "http://me:PASSWORD_1@proxy.test:3128"]);
    assert!(!format!("{config:?}").contains("PASSWORD_1"));
    assert!(!config.again.login().contains("PASSWORD_1"));
}

#[test]
fn hosts_without_a_proxy_are_ours_and_those_of_the_environment() {
    let world = World::default().var("no_proxy", "b.test");
    assert_eq!(
        world.config(&["--no-proxy", "a.test"]).http.proxies.direct,
        "a.test,b.test"
    );
    let world = world.var("NO_PROXY", "c.test");
    assert_eq!(world.config(&[]).http.proxies.direct, "c.test");
}

#[test]
fn a_proxy_variable_that_cannot_be_used_is_worth_a_warning_without_its_value() {
    let world = World::default()
        .var("https_proxy", "htp://me:PASSWORD_1@proxy.test")
        .var("HTTP_PROXY", "")
        .var("ALL_PROXY", "socks5h://proxy.test");
    let config = world.config(&[]);
    assert_eq!(
        config.base.warnings,
        ["`https_proxy` is not the address of a proxy, so it is not used"]
    );
    assert!(
        world
            .config(&["--proxy", "direct"])
            .base
            .warnings
            .is_empty()
    );
}

#[test]
fn event_streams_are_limited_only_if_that_is_asked_for_and_0_is_no_limit() {
    let five = Some(Duration::from_secs(300));
    let given = config(&["--headers-timeout", "0"]).timeouts;
    assert_eq!(
        (given.headers, given.body, given.stream),
        (None, five, None)
    );
    let given = config(&["--body-timeout", "0.0"]).timeouts;
    assert_eq!(
        (given.headers, given.body, given.stream),
        (five, None, None)
    );
    for option in ["--headers-timeout", "--body-timeout"] {
        for value in ["-1", "x", "NaN", "inf", "", "1e9", "0.0001"] {
            let text = error(&[&format!("{option}={value}")]);
            assert_eq!(
                text,
                format!(
                    "`{option}` is `{value}`; it must be a number of seconds of at most 86400, or 0 for no limit"
                )
            );
        }
    }
}

#[test]
fn ipv4_alone_cannot_reach_an_ipv6_address() {
    let world = World::default();
    let job = world.job(&["https://[fd00::1]/mcp", "--ipv4"]);
    let error = job.expect_err("refused").to_string();
    assert_eq!(
        error,
        "`--ipv4` excludes the IPv6 address in `https://[fd00::1]/mcp`"
    );
}

#[test]
fn signing_out_uses_the_same_connections() {
    let (ca, _) = pair();
    let world = World::default().file("ca.pem", &ca);
    let args = [
        "logout",
        "--all",
        "--ca-file",
        "ca.pem",
        "--proxy",
        "direct",
        "--ipv4",
    ];
    let Ok(Job::Logout(logout)) = world.job(&args) else {
        panic!("logout");
    };
    assert_eq!(logout.http.roots.certificates().len(), 1);
    assert_eq!(logout.http.proxies.choice, ProxyChoice::None);
    assert!(logout.http.ipv4);
}
