//! Tokens without a person.

use std::path::PathBuf;

use url::Url;

use super::*;
use crate::assertion_source::AssertionSource;
use crate::oauth::flow::{IdentityProvider, ProviderEndpoint, Unattended};
use crate::secret::Secret;
use crate::secret_command::SecretCommand;

const CLIENT: [&str; 2] = [
    "--static-oauth-client-info",
    r#"{"client_id":"c","client_secret":"SECRET_1"}"#,
];
const PROVIDER: [&str; 6] = [
    "--idp-token-endpoint",
    "https://idp.example/token",
    "--idp-client-id",
    "at-idp",
    "--idp-id-token-file",
    "/run/id_token",
];

fn way(config: &Config) -> (&Unattended, Option<&AssertionSource>) {
    let unattended = config.unattended.as_ref().expect("nobody is asked");
    (&unattended.way, unattended.assertion.as_ref())
}

#[test]
fn a_clients_own_credentials_are_a_mode_of_their_own() {
    let given = [&["--client-credentials"], &CLIENT[..]].concat();
    let by_flag = config(&given);
    assert_eq!(by_flag.auth, AuthMode::ClientCredentials);
    assert_eq!(way(&by_flag), (&Unattended::ClientCredentials, None));
    let by_variable = World::default()
        .var("MCP_DRAWBRIDGE_CLIENT_CREDENTIALS", "true")
        .config(&CLIENT);
    assert_eq!(by_variable.key, by_flag.key);
    assert_ne!(by_flag.key, config(&CLIENT).key);
    assert_eq!(
        error(&["--client-credentials"]),
        "the mode `client-credentials` needs a client that you obtained from the server's authorization server"
    );
    let public = ["--static-oauth-client-info", r#"{"client_id":"c"}"#];
    let message = error(&[&["--client-credentials"], &public[..]].concat());
    assert!(message.contains("with a secret or key"), "{message}");
}

#[test]
fn an_identity_provider_is_named_by_its_endpoint_or_its_issuer() {
    let by_endpoint = config(&[&PROVIDER[..], &CLIENT].concat());
    assert_eq!(by_endpoint.auth, AuthMode::Enterprise);
    let provider = IdentityProvider {
        endpoint: ProviderEndpoint::Given(Url::parse("https://idp.example/token").unwrap()),
        client: ConfiguredClient {
            client_id: "at-idp".to_owned(),
            client_secret: None,
            auth_method: None,
            assertion_key: None,
        },
    };
    let file = AssertionSource::File(PathBuf::from("/run/id_token"));
    assert_eq!(
        way(&by_endpoint),
        (&Unattended::Enterprise(provider), Some(&file))
    );
    let own = &by_endpoint.http.policy.own;
    assert_eq!(own.len(), 1, "the user's own address need not be public");

    let issuer = ["--idp-issuer", "https://idp.example/t1/"];
    let by_issuer = World::default()
        .var("MCP_DRAWBRIDGE_IDP_CLIENT_SECRET", "SECRET_2")
        .config(&[&issuer[..], &PROVIDER[2..], &CLIENT].concat());
    let Unattended::Enterprise(provider) = way(&by_issuer).0 else {
        panic!("another way");
    };
    let ProviderEndpoint::OfIssuer(address) = &provider.endpoint else {
        panic!("another endpoint");
    };
    assert_eq!(address.as_str(), "https://idp.example/t1/");
    assert_eq!(provider.client.client_secret, Some(Secret::new("SECRET_2")));
    assert_ne!(by_issuer.key, by_endpoint.key);
    assert!(
        by_issuer.base.warnings.is_empty(),
        "{:?}",
        by_issuer.base.warnings
    );
    assert!(!format!("{by_issuer:?}").contains("SECRET"));
}

#[test]
fn the_providers_secret_comes_from_the_variable_that_is_named() {
    let named = [
        &["--idp-client-secret-env", "MY_SECRET"],
        &PROVIDER[..],
        &CLIENT,
    ]
    .concat();
    let config = World::default().var("MY_SECRET", "SECRET_3").config(&named);
    let Unattended::Enterprise(provider) = way(&config).0 else {
        panic!("another way");
    };
    assert_eq!(provider.client.client_secret, Some(Secret::new("SECRET_3")));
    assert_eq!(
        error(&named),
        "`--idp-client-secret-env` names the environment variable `MY_SECRET`, which is not set"
    );
}

#[test]
fn what_belongs_together_is_missed_by_name() {
    let without = |at: usize| {
        let mut given = PROVIDER.to_vec();
        given.drain(at..at + 2);
        error(&[&given[..], &CLIENT].concat())
    };
    assert_eq!(without(0), "`--idp-issuer` is missing");
    assert_eq!(without(2), "`--idp-client-id` is missing");
    assert_eq!(without(4), "`--idp-id-token-file` is missing");
    assert!(error(&PROVIDER).contains("needs a client"));
    let plain = [
        &["--idp-issuer", "http://idp.example"],
        &PROVIDER[2..],
        &CLIENT,
    ]
    .concat();
    assert!(error(&plain).contains("https"), "{}", error(&plain));
    // Also where it is not used, since its endpoint is given.
    let both = [
        &["--idp-issuer", "http://idp.example"],
        &PROVIDER[..],
        &CLIENT,
    ]
    .concat();
    assert!(error(&both).contains("https"), "{}", error(&both));
}

#[test]
fn a_workloads_jwt_has_one_place() {
    let command = "fetch-jwt --audience 'https://as.example'";
    for (option, value, source) in [
        (
            "--workload-jwt-file",
            "/run/jwt",
            AssertionSource::File(PathBuf::from("/run/jwt")),
        ),
        (
            "--workload-jwt-env",
            "MY_JWT",
            AssertionSource::Variable("MY_JWT".to_owned()),
        ),
        (
            "--workload-jwt-command",
            command,
            AssertionSource::Command(SecretCommand::parse(command).unwrap()),
        ),
    ] {
        let config = config(&[option, value]);
        assert_eq!(config.auth, AuthMode::Workload);
        assert_eq!(way(&config), (&Unattended::Workload, Some(&source)));
    }
    assert_eq!(
        error(&["--workload-jwt-file", "a", "--workload-jwt-env", "B"]),
        "`--workload-jwt-file` and `--workload-jwt-env` exclude each other: both say where the workload's JWT is"
    );
    let message = error(&["--workload-jwt-command", "fetch 'SECRET"]);
    assert!(
        message.contains("quote") && !message.contains("SECRET"),
        "{message}"
    );
}

#[test]
fn two_ways_exclude_each_other_and_both_are_named() {
    let all: [(&str, &[&str]); 5] = [
        (
            "an `Authorization` header",
            &["--header", "Authorization: Bearer x"],
        ),
        ("`--device-code`", &["--device-code"]),
        ("`--client-credentials`", &["--client-credentials"]),
        ("`--idp-client-id`", &["--idp-client-id", "x"]),
        ("`--workload-jwt-env`", &["--workload-jwt-env", "X"]),
    ];
    for (i, (one, given)) in all.iter().enumerate() {
        for (other, also) in &all[i + 1..] {
            let message = error(&[given, *also].concat());
            assert!(
                message.starts_with(&format!("{one} and {other} exclude each other")),
                "{message}"
            );
        }
    }
}

#[test]
fn what_is_handed_in_makes_another_sign_in() {
    let key = |more: &[&str]| config(&[more, &CLIENT].concat()).key.to_string();
    let keys = [
        key(&[]),
        key(&["--client-credentials"]),
        key(&PROVIDER),
        key(&[
            &PROVIDER[..2],
            &["--idp-client-id", "other"],
            &PROVIDER[4..],
        ]
        .concat()),
        key(&["--workload-jwt-file", "/run/jwt"]),
        key(&["--workload-jwt-file", "/run/other"]),
    ];
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
}

#[test]
fn logout_finds_the_sign_in_without_what_is_handed_in() {
    let given = [&["--client-credentials"], &CLIENT[..]].concat();
    let key = config(&given).key;
    let job = World::default().job(&[&["logout", SERVER], &given[..]].concat());
    let Ok(Job::Logout(logout)) = job else {
        panic!("{job:?}");
    };
    assert!(matches!(logout.target, LogoutTarget::One(found, _) if found == key));
}

#[test]
fn the_configuration_file_says_the_same_in_its_oauth_object() {
    let filed = |oauth: &str| {
        let file = format!(r#"{{"mcpServers":{{"x":{{"url":"{SERVER}","oauth":{oauth}}}}}}}"#);
        let job = World::default().file(CONFIG_FILE, file).job(&["x"]);
        job.map(|job| match job {
            Job::Bridge(config) => *config,
            other => panic!("{other:?}"),
        })
    };
    let config =
        filed(r#"{"grant":"client_credentials","client_id":"c","client_secret":"SECRET_1"}"#)
            .unwrap();
    assert_eq!(config.auth, AuthMode::ClientCredentials);
    let config = filed(
        r#"{"client_id":"c","client_secret":"s","idp_issuer":"https://idp.example",
            "idp_client_id":"at-idp","idp_client_secret":"SECRET_2","idp_id_token_file":"id_token"}"#,
    )
    .unwrap();
    let (Unattended::Enterprise(provider), Some(AssertionSource::File(file))) = way(&config) else {
        panic!("another way");
    };
    assert_eq!(provider.client.client_secret, Some(Secret::new("SECRET_2")));
    assert!(file.is_absolute(), "{file:?}");
    let config = filed(r#"{"grant":"workload","workload_jwt_file":"/run/jwt"}"#).unwrap();
    assert_eq!(config.auth, AuthMode::Workload);
    let message = filed(r#"{"grant":"workload"}"#).unwrap_err().to_string();
    assert_eq!(message, "`--workload-jwt-file` is missing");
    let message = filed(r#"{"grant":"magic"}"#).unwrap_err().to_string();
    assert!(message.contains("`magic`"), "{message}");
    let plain = filed(r#"{"grant":"authorization_code"}"#).unwrap();
    assert_eq!(plain.auth, AuthMode::OAuth);
}
