//! Signing in: one browser the first time, none the second, and none at all where a person could
//! not help.

use playground::{
    AuthMethod, AuthorizationServerAt, Consent, IssInCallback, MetadataAt, Playground,
    ProtectedResourceMetadata, Registration, Request, ResourceParameter, Settings, StaticClient,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};

/// Starts a session, makes one call, and closes it. Gives what was written to stderr.
fn visit(machine: &Machine, playground: &Playground, arguments: &[&str]) -> String {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), arguments);
    let result = bridge.tool("echo", json!({ "text": "hello" }));
    assert!(result.to_string().contains("hello"), "{result}");
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.stderr
}

/// Starts a session that must fail, and gives the error and what was written to stderr.
fn refused(machine: &Machine, playground: &Playground, arguments: &[&str]) -> (Value, String) {
    let mut bridge = Bridge::start(machine, &playground.mcp_url(), arguments);
    let mut answer = bridge.call(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    // Where that took more than two seconds, the host was told something to go on with.
    if answer.get("result").is_some() {
        answer = bridge.call("tools/call", json!({ "name": "echo" }));
    }
    let error = answer["error"].clone();
    assert_eq!(
        error["data"]["bridge"]["stage"],
        "auth",
        "{answer}\n{}",
        bridge.story()
    );
    // The process lives on, and answers.
    assert_eq!(bridge.call("ping", json!({}))["result"], json!({}));
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    (error, ended.stderr)
}

fn authorization(playground: &Playground) -> Request {
    let requests = playground.requests();
    let found = requests
        .into_iter()
        .find(|request| request.path.ends_with("/authorize"));
    found.unwrap_or_else(|| panic!("no authorization request\n{}", playground.printed_log()))
}

fn asked(playground: &Playground, part: &str) -> usize {
    playground
        .requests()
        .iter()
        .filter(|request| request.path.contains(part))
        .count()
}

#[test]
fn the_first_start_signs_in_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let stderr = visit(&machine, &playground, &[]);
    assert_eq!(machine.opened().len(), 1);
    assert_eq!(playground.registrations(), 1);
    assert_eq!(playground.authorizations(), 1);
    assert_eq!(playground.code_exchanges(), 1);
    // The address stands on stderr whether or not a browser opens.
    assert!(stderr.contains(&machine.opened()[0]), "{stderr}");
    let request = authorization(&playground);
    assert_eq!(
        request.parameter("code_challenge_method").as_deref(),
        Some("S256")
    );
    assert_eq!(request.parameter("resource"), Some(playground.mcp_url()));
    assert_eq!(request.parameter("scope").as_deref(), Some("tools"));
    let redirect_uri = request.parameter("redirect_uri").unwrap();
    assert!(
        redirect_uri.starts_with("http://localhost:") && redirect_uri.ends_with("/oauth/callback"),
        "{redirect_uri}"
    );
    // The page at the end is there, and says that it worked.
    assert!(
        machine.visits(2).last().unwrap().starts_with("200 "),
        "{:?}",
        machine.visits(2)
    );
}

#[test]
fn the_second_start_sends_the_token_with_its_first_request() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    visit(&machine, &playground, &[]);
    let before = playground.requests().len();
    visit(&machine, &playground, &[]);
    let requests = playground.requests().split_off(before);
    assert!(
        requests[0].calls("initialize") && requests[0].bearer().is_some(),
        "{}",
        playground.printed_log()
    );
    for request in &requests {
        assert!(
            request.path == "/mcp" && request.bearer().is_some(),
            "{}",
            playground.printed_log()
        );
    }
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn no_secret_is_written_to_stderr_even_when_debugging() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let stderr = visit(&machine, &playground, &["--debug"]);
    let text = std::fs::read_to_string(&machine.cached()[0]).unwrap();
    let cached: Value = serde_json::from_str(&text).unwrap();
    for secret in ["access_token", "refresh_token"] {
        let secret = cached[secret].as_str().unwrap();
        assert!(!stderr.contains(secret), "{stderr}");
    }
    let exchange = playground
        .requests()
        .into_iter()
        .find(|request| request.path.ends_with("/token"))
        .unwrap();
    for name in ["code", "code_verifier"] {
        assert!(
            !stderr.contains(&exchange.parameter(name).unwrap()),
            "{name} in {stderr}"
        );
    }
    let session = playground
        .requests()
        .iter()
        .find_map(|request| request.header("mcp-session-id").map(str::to_owned));
    assert!(!stderr.contains(&session.unwrap()), "{stderr}");
}

#[test]
fn a_foreign_state_is_refused_and_the_right_one_still_works() {
    let playground = Playground::start(Settings::default());
    let machine = Machine::with(Browser::BringsWrongStateFirst);
    visit(&machine, &playground, &[]);
    assert_eq!(playground.code_exchanges(), 1);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_sign_in_that_only_brings_a_foreign_state_ends_in_time() {
    let playground = Playground::start(Settings::default());
    let machine = Machine::with(Browser::BringsWrongState);
    let (error, _) = refused(&machine, &playground, &["--auth-timeout", "2"]);
    assert!(
        error["message"].as_str().unwrap().contains("2 s"),
        "{error}"
    );
    assert_eq!(playground.code_exchanges(), 0);
}

#[test]
fn a_denied_sign_in_is_said_and_not_repeated() {
    let settings = Settings {
        consent: Consent::Denied,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let (error, _) = refused(&machine, &playground, &[]);
    assert!(
        error["message"].as_str().unwrap().contains("declined"),
        "{error}"
    );
    assert_eq!(
        (machine.opened().len(), playground.code_exchanges()),
        (1, 0)
    );
}

#[test]
fn every_place_of_metadata_is_found() {
    let settings = Settings::default;
    let oauth = vec![MetadataAt::OAuth];
    let cases = [
        ("default", settings()),
        (
            "no hint",
            Settings {
                challenge_names_metadata: false,
                ..settings()
            },
        ),
        (
            "at the root",
            Settings {
                challenge_names_metadata: false,
                protected_resource_metadata: ProtectedResourceMetadata::AtRoot,
                ..settings()
            },
        ),
        (
            "elsewhere",
            Settings {
                protected_resource_metadata: ProtectedResourceMetadata::Custom("/meta".into()),
                ..settings()
            },
        ),
        (
            "path issuer",
            Settings {
                issuer_path: "/tenant/one".into(),
                metadata_at: oauth,
                ..settings()
            },
        ),
        (
            "path issuer, OpenID inserted",
            Settings {
                issuer_path: "/tenant".into(),
                metadata_at: vec![MetadataAt::OpenIdInserted],
                ..settings()
            },
        ),
        (
            "path issuer, OpenID appended",
            Settings {
                issuer_path: "/tenant".into(),
                metadata_at: vec![MetadataAt::OpenIdAppended],
                ..settings()
            },
        ),
        (
            "OpenID alone",
            Settings {
                metadata_at: vec![MetadataAt::OpenIdAppended],
                ..settings()
            },
        ),
        (
            "issuer with a slash",
            Settings {
                issuer_slash: true,
                ..settings()
            },
        ),
        ("2025-03-26 without metadata", Settings::of_2025_03_26()),
        (
            "2025-03-26 with metadata",
            Settings {
                metadata_at: vec![MetadataAt::OAuth],
                ..Settings::of_2025_03_26()
            },
        ),
        (
            "same origin",
            Settings {
                authorization_server: AuthorizationServerAt::McpOrigin,
                ..settings()
            },
        ),
    ];
    for (name, settings) in cases {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        eprintln!("{name}");
        visit(&machine, &playground, &[]);
        visit(&machine, &playground, &[]);
        assert_eq!(
            (machine.opened().len(), playground.registrations()),
            (1, 1),
            "{name}\n{}",
            playground.printed_log()
        );
    }
}

#[test]
fn metadata_that_is_not_about_this_server_opens_no_browser() {
    let cases = [
        (
            "resource",
            Settings {
                metadata_resource: Some("https://other.example.com/mcp".into()),
                ..Settings::default()
            },
            "other.example.com",
        ),
        (
            "issuer",
            Settings {
                metadata_issuer: Some("https://other.example.com".into()),
                ..Settings::default()
            },
            "other.example.com",
        ),
        (
            "PKCE not named",
            Settings {
                code_challenge_methods: None,
                ..Settings::default()
            },
            "--allow-missing-pkce-metadata",
        ),
        (
            "PKCE without S256",
            Settings {
                code_challenge_methods: Some(vec!["plain".into()]),
                ..Settings::default()
            },
            "S256",
        ),
    ];
    for (name, settings, said) in cases {
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let (error, _) = refused(&machine, &playground, &[]);
        assert!(
            error["message"].as_str().unwrap().contains(said),
            "{name}: {error}"
        );
        assert_eq!(
            (machine.opened().len(), playground.registrations()),
            (0, 0),
            "{name}"
        );
    }
}

#[test]
fn another_issuer_can_be_believed_by_name() {
    let other = "https://other.example.com";
    let settings = Settings {
        metadata_issuer: Some(other.into()),
        iss_in_callback: IssInCallback::Absent,
        iss_advertised: false,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let (error, _) = refused(&machine, &playground, &[]);
    assert!(
        error["message"].as_str().unwrap().contains("--issuer"),
        "{error}"
    );
    visit(&machine, &playground, &["--issuer", other]);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn missing_pkce_metadata_can_be_allowed_by_name() {
    let settings = Settings {
        code_challenge_methods: None,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    visit(&machine, &playground, &["--allow-missing-pkce-metadata"]);
    assert_eq!(
        authorization(&playground)
            .parameter("code_challenge_method")
            .as_deref(),
        Some("S256")
    );
}

#[test]
fn the_issuer_in_the_callback_is_compared_byte_for_byte() {
    for (iss_in_callback, iss_advertised, good) in [
        (IssInCallback::Right, true, true),
        (IssInCallback::Right, false, true),
        (IssInCallback::Absent, false, true),
        (IssInCallback::Absent, true, false),
        (IssInCallback::Wrong, true, false),
        (IssInCallback::Wrong, false, false),
        (IssInCallback::WithSlash, true, false),
    ] {
        let settings = Settings {
            iss_in_callback,
            iss_advertised,
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        if good {
            visit(&machine, &playground, &[]);
        } else {
            refused(&machine, &playground, &["--auth-timeout", "3"]);
        }
        assert_eq!(
            playground.code_exchanges(),
            usize::from(good),
            "{iss_in_callback:?} {iss_advertised}"
        );
    }
}

#[test]
fn a_client_authenticates_as_the_server_registered_it() {
    for (method, basic) in [
        (AuthMethod::Basic, true),
        (AuthMethod::Post, false),
        (AuthMethod::None, false),
    ] {
        let settings = Settings {
            registration: Registration::Secret(method),
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        visit(&machine, &playground, &[]);
        let exchange = playground
            .requests()
            .into_iter()
            .find(|request| request.path.ends_with("/token"))
            .unwrap();
        assert_eq!(exchange.basic().is_some(), basic, "{method:?}");
        assert_eq!(
            exchange.parameter("client_secret").is_some(),
            method == AuthMethod::Post,
            "{method:?}"
        );
    }
}

#[test]
fn a_configured_client_is_used_and_nothing_is_registered() {
    let port = playground::free_port().unwrap();
    let client = StaticClient {
        id: "configured:1".into(),
        secret: Some("SECRET %1".into()),
        auth_method: AuthMethod::Basic,
        redirect_uris: vec![format!("http://localhost:{port}/oauth/callback")],
    };
    let settings = Settings {
        registration: Registration::Off,
        clients: vec![client],
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let port = port.to_string();
    let info = r#"{"client_id":"configured:1","client_secret":"SECRET %1"}"#;
    visit(
        &machine,
        &playground,
        &[&port, "--static-oauth-client-info", info],
    );
    visit(
        &machine,
        &playground,
        &[&port, "--static-oauth-client-info", info],
    );
    assert_eq!((machine.opened().len(), playground.registrations()), (1, 0));
    let exchange = playground
        .requests()
        .into_iter()
        .find(|request| request.path.ends_with("/token"))
        .unwrap();
    assert_eq!(
        exchange.basic(),
        Some(("configured:1".into(), "SECRET %1".into()))
    );
}

#[test]
fn a_server_without_registration_asks_for_a_configured_client() {
    let settings = Settings {
        registration: Registration::Off,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let (error, _) = refused(&machine, &playground, &[]);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("--static-oauth-client-info"),
        "{error}"
    );
    assert!(machine.opened().is_empty());
}

#[test]
fn a_server_that_refuses_localhost_is_asked_with_the_address() {
    let settings = Settings {
        refuse_localhost_redirects: true,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    visit(&machine, &playground, &[]);
    let redirect_uri = authorization(&playground)
        .parameter("redirect_uri")
        .unwrap();
    assert!(
        redirect_uri.starts_with("http://127.0.0.1:"),
        "{redirect_uri}"
    );
}

#[test]
fn a_given_port_host_and_path_are_used_as_they_are() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let port = playground::free_port().unwrap().to_string();
    visit(
        &machine,
        &playground,
        &[&port, "--host", "127.0.0.1", "--callback-path", "/here"],
    );
    let redirect_uri = authorization(&playground)
        .parameter("redirect_uri")
        .unwrap();
    assert_eq!(redirect_uri, format!("http://127.0.0.1:{port}/here"));
}

#[test]
fn a_given_port_that_is_taken_is_said() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (error, _) = refused(&machine, &playground, &[&port, "--host", "127.0.0.1"]);
    assert!(
        error["message"].as_str().unwrap().contains(&port),
        "{error}"
    );
    assert!(machine.opened().is_empty());
}

#[test]
fn scope_resource_and_parameters_can_be_given() {
    let settings = Settings {
        resource_parameter: ResourceParameter::Optional,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    visit(
        &machine,
        &playground,
        &[
            "--scope",
            "tools admin",
            "--authorize-param",
            "team=T1",
            "--disable-resource-parameter",
        ],
    );
    let request = authorization(&playground);
    assert_eq!(request.parameter("scope").as_deref(), Some("tools admin"));
    assert_eq!(request.parameter("team").as_deref(), Some("T1"));
    assert_eq!(request.parameter("resource"), None);
}

#[test]
fn a_call_that_needs_more_asks_for_the_union_of_scopes() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    bridge.tool("admin", json!({}));
    assert_eq!(machine.opened().len(), 2);
    assert!(
        machine.opened()[1].contains("scope=tools+admin")
            || machine.opened()[1].contains("scope=tools%20admin")
    );
    assert!(
        bridge
            .tool("whoami", json!({}))
            .to_string()
            .contains("admin")
    );
    bridge.close();
    // The wider grant is remembered.
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    bridge.tool("admin", json!({}));
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_configured_authorization_header_is_used_alone() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let (error, _) = refused(
        &machine,
        &playground,
        &["--header", "Authorization: Bearer WRONG_1"],
    );
    assert!(
        error["message"].as_str().unwrap().contains("Authorization"),
        "{error}"
    );
    assert!(!error.to_string().contains("WRONG_1"), "{error}");
    assert_eq!(
        (machine.opened().len(), asked(&playground, ".well-known")),
        (0, 0)
    );
}

#[test]
fn without_a_browser_the_address_is_printed_and_can_be_opened_by_hand() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--no-browser"]);
    let id = bridge.request(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    let address = bridge.stderr_address();
    assert!(machine.opened().is_empty());
    playground::browse(&address, playground::Manner::Approve).unwrap();
    assert!(
        bridge.answer(id).get("result").is_some(),
        "{}",
        bridge.story()
    );
}
