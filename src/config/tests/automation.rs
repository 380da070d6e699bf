//! What stands in for a person.

use http::header::AUTHORIZATION;

use super::*;

const CLIENT: [&str; 2] = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];

fn seeded(world: &World, args: &[&str]) -> Config {
    world.config(&[&CLIENT[..], args].concat())
}

#[test]
fn a_bearer_token_of_a_variable_is_trimmed_and_shows_nowhere() {
    let world = World::default().var("MY_TOKEN", " SECRET_TOKEN_1\n");
    let config = world.config(&["--bearer-env", "MY_TOKEN"]);
    assert_eq!(config.auth, AuthMode::Bearer);
    assert!(!config.headers.contains_key(AUTHORIZATION));
    let Some(BearerSource::Variable { name, token }) = &config.bearer else {
        panic!("{:?}", config.bearer);
    };
    assert_eq!(
        (name.as_str(), token.expose()),
        ("MY_TOKEN", "SECRET_TOKEN_1")
    );
    assert!(!format!("{config:?}").contains("SECRET_TOKEN_1"));
}

#[test]
fn a_variable_that_holds_no_token_is_named_and_never_quoted() {
    let long = "x".repeat(80);
    let world = World::default()
        .var("EMPTY", " ")
        .var("PREFIXED", "Bearer SECRET_1")
        .var("LINES", "SECRET_1\nSECRET_2");
    for option in ["--bearer-env", "--refresh-token-env"] {
        for (name, expected) in [
            ("ABSENT", "names the variable `ABSENT`, which is not set"),
            ("EMPTY", "names the variable `EMPTY`, which is not set"),
            ("PREFIXED", "the variable `PREFIXED` holds no token"),
            ("LINES", "the variable `LINES` holds no token"),
            ("eyJh.SECRET_1", "is not the name of a variable"),
            ("", "is not the name of a variable"),
            (&long, "is not the name of a variable"),
            (
                "ghp16C7e42F292c6912E77SECRET_1",
                "names the variable `…`, which is not set",
            ),
        ] {
            let error = world.error(&[&CLIENT[..], &[option, name]].concat());
            let text = format!("{error} {:?}", error.hint());
            assert!(text.contains(expected), "{name}: {text}");
            assert!(!text.contains("SECRET"), "{text}");
            assert!(error.hint().is_some());
        }
    }
}

#[test]
fn a_command_is_taken_apart_at_start_and_a_broken_one_refused() {
    let config = config(&["--bearer-command", "vault read 'a b'"]);
    assert_eq!(config.auth, AuthMode::Bearer);
    assert!(!format!("{config:?}").contains("a b"));
    for (text, expected) in [
        ("", "`--bearer-command` names no program"),
        (
            "a 'SECRET",
            "`--bearer-command` has a quote that is not closed",
        ),
        (
            "[1]",
            "`--bearer-command` begins with `[`, but is no JSON array of texts",
        ),
    ] {
        let error = error(&["--bearer-command", text]);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
}

#[test]
fn one_token_excludes_all_others_and_oauth_with_a_client() {
    let world = World::default()
        .var("MY_TOKEN", "TOKEN_1")
        .var("SEED", "REFRESH_TOKEN_1");
    let sources = [
        &["--bearer-env", "MY_TOKEN"][..],
        &["--bearer-command", "print"],
        &["--header", "Authorization: Bearer x"],
        &["--refresh-token-env", "SEED"],
        &["--device-code"],
    ];
    for (index, one) in sources.iter().enumerate() {
        for other in &sources[index + 1..] {
            let error = world.error(&[*one, *other].concat());
            assert!(error.to_string().contains("exclude each other"), "{error}");
            assert!(error.hint().is_some());
        }
    }
    for bearer in &sources[..3] {
        let error = world.error(&[*bearer, &CLIENT[..]].concat());
        assert!(error.to_string().contains("exclude each other"), "{error}");
        for option in [&["--scope", "a"][..], &["--use-id-token"]] {
            let warnings = world.config(&[*bearer, option].concat()).base.warnings;
            let useless = |told: &&String| told.contains("have no effect");
            assert_eq!(warnings.iter().filter(useless).count(), 1, "{warnings:?}");
        }
    }
}

#[test]
fn a_seed_is_taken_from_its_variable_from_the_one_that_is_named_or_from_the_file() {
    let world = World::default().var("MCP_DRAWBRIDGE_REFRESH_TOKEN", "REFRESH_TOKEN_1\n");
    let config = seeded(&world, &[]);
    assert_eq!(config.auth, AuthMode::Seeded);
    assert_eq!(config.base.warnings, [""; 0]);
    let seed = config.seed.expect("seed");
    assert_eq!(seed.refresh_token.expose(), "REFRESH_TOKEN_1");
    assert_eq!(seed.origin, "the variable `MCP_DRAWBRIDGE_REFRESH_TOKEN`");
    let world = world.var("OTHER", "REFRESH_TOKEN_2");
    let seed = seeded(&world, &["--refresh-token-env", "OTHER"])
        .seed
        .expect("seed");
    assert_eq!(seed.refresh_token.expose(), "REFRESH_TOKEN_2");
    assert!(seed.origin.contains("`OTHER`"));
    assert!(!format!("{seed:?}").contains("REFRESH_TOKEN"));

    let entry = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","oauth":{{"client_id":"c","refresh_token":"${{SEED}}"}}}}}}}}"#
    );
    let world = World::default()
        .file("c.json", entry)
        .var("SEED", "REFRESH_TOKEN_3");
    let Ok(Job::Bridge(config)) = world.job(&["it", "--config", "c.json"]) else {
        panic!("refused");
    };
    assert_eq!(config.auth, AuthMode::Seeded);
    let seed = config.seed.expect("seed");
    assert_eq!(seed.refresh_token.expose(), "REFRESH_TOKEN_3");
    assert!(seed.origin.contains("refresh_token"), "{}", seed.origin);
    let empty = World::default().var("MCP_DRAWBRIDGE_REFRESH_TOKEN", " ");
    assert_eq!(empty.config(&[]).auth, AuthMode::OAuth);
}

#[test]
fn a_seed_without_its_client_is_refused() {
    let world = World::default().var("MCP_DRAWBRIDGE_REFRESH_TOKEN", "REFRESH_TOKEN_1");
    let error = world.error(&[]);
    assert!(error.to_string().contains("client"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn an_id_token_in_place_of_the_access_token_is_another_sign_in() {
    let key = |args: &[&str]| seeded(&World::default(), args).key;
    assert_ne!(key(&[]), key(&["--use-id-token"]));
}

#[test]
fn a_refresh_token_makes_another_sign_in_by_its_place_and_not_by_what_it_is() {
    let world = World::default()
        .var("SEED", "REFRESH_TOKEN_1")
        .var("OTHER", "REFRESH_TOKEN_2");
    let key = |world: &World, args: &[&str]| seeded(world, args).key;
    let person = key(&world, &[]);
    let seed = key(&world, &["--refresh-token-env", "SEED"]);
    assert_ne!(seed, person);
    assert_ne!(seed, key(&world, &["--refresh-token-env", "OTHER"]));
    let rotated = World::default().var("SEED", "REFRESH_TOKEN_9");
    assert_eq!(seed, key(&rotated, &["--refresh-token-env", "SEED"]));
    let variable = "MCP_DRAWBRIDGE_REFRESH_TOKEN";
    let usual = |token| World::default().var(variable, token);
    let by_default = key(&usual("REFRESH_TOKEN_1"), &[]);
    assert_eq!(by_default, key(&usual("REFRESH_TOKEN_2"), &[]));
    assert_eq!(
        by_default,
        key(&usual("X"), &["--refresh-token-env", variable])
    );
    assert_ne!(by_default, person);
    assert_ne!(by_default, seed);
    // An empty variable is none.
    assert_eq!(key(&usual(" "), &[]), person);
    // Who names it says that it is one.
    for args in [
        &["--name", "ci"][..],
        &["--name", "ci", "--refresh-token-env", "SEED"],
    ] {
        assert_eq!(key(&world, args).as_str(), "ci");
    }
}

#[test]
fn a_refresh_token_of_the_file_is_another_sign_in_too_and_logout_finds_each() {
    let entry = |more: &str| {
        let file = format!(
            r#"{{"mcpServers":{{"a":{{"url":"{SERVER}","oauth":{{"client_id":"c"{more}}}}}}}}}"#
        );
        World::default()
            .file(CONFIG_FILE, file)
            .var("MCP_DRAWBRIDGE_CLIENT_ID", "c")
            .var("T", "REFRESH_TOKEN_1")
    };
    let key = |world: &World| match world.job(&["a"]) {
        Ok(Job::Bridge(config)) => config.key,
        other => panic!("{other:?}"),
    };
    let seeded = key(&entry(r#","refresh_token":"${T}""#));
    assert_ne!(seeded, key(&entry("")));
    let variable = "MCP_DRAWBRIDGE_REFRESH_TOKEN";
    for world in [
        entry(r#","refresh_token":"${T}""#),
        entry("").var(variable, "REFRESH_TOKEN_1"),
        entry(""),
    ] {
        match world.job(&["logout", "a"]) {
            Ok(Job::Logout(logout)) => {
                assert!(
                    matches!(&logout.target, LogoutTarget::One(found, _) if *found == key(&world))
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_id_token_and_tokens_that_are_always_bound_are_a_contradiction() {
    let says = |error: UsageError| format!("{error} {:?}", error.hint());
    let error = World::default().error(&["--use-id-token", "--dpop", "always"]);
    let text = says(error);
    assert!(
        text.contains("`--use-id-token` and `always` in `--dpop` exclude each other"),
        "{text}"
    );
    let world = World::default().var("MCP_DRAWBRIDGE_DPOP", "always");
    let text = says(world.error(&["--use-id-token"]));
    assert!(text.contains("`MCP_DRAWBRIDGE_DPOP`"), "{text}");
    let file = format!(
        r#"{{"mcpServers":{{"a":{{"url":"{SERVER}","oauth":{{"use_id_token":true,"dpop":"always"}}}}}}}}"#
    );
    let world = World::default().file(CONFIG_FILE, file);
    let text = match world.job(&["a"]) {
        Err(error) => says(error),
        Ok(other) => panic!("{other:?}"),
    };
    assert!(text.contains("exclude each other"), "{text}");
    for fine in [
        &["--use-id-token", "--dpop", "auto"][..],
        &["--use-id-token", "--dpop", "never"],
        &["--dpop", "always"],
    ] {
        config(fine);
    }
}

#[test]
fn a_system_without_a_folder_for_data_is_no_reason_to_stop() {
    let Ok(Parsed::Run(request)) = cli::parse(["mcp-drawbridge", SERVER].map(Into::into)) else {
        panic!("help");
    };
    let around = Surroundings {
        env: &BTreeMap::new(),
        data_dir: None,
        config_dir: None,
        home_dir: None,
        read: &|_| Err(io::ErrorKind::NotFound.into()),
        open: &|_| Err(OpenError::Absent(io::ErrorKind::NotFound.into())),
    };
    let job = Job::new(*request, &around).expect("taken");
    assert_eq!(job.base().dir, None);
}
