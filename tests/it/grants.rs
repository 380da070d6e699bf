//! Tokens without a person: nobody is asked, no browser is opened, nothing is registered.

mod dpop;
mod resource;

use std::path::PathBuf;
use std::process::{Command, Output};

use playground::{AuthMethod, IdentityProvider, Playground, Request, Settings, StaticClient};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A server with one way, and how a bridge is told of it.
struct Scene {
    playground: Playground,
    machine: Machine,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    /// The grants that one token takes.
    grants: Vec<&'static str>,
    /// The mode that `status` names.
    mode: &'static str,
}

fn service() -> StaticClient {
    StaticClient {
        id: "service".to_owned(),
        secret: Some("SERVICE_SECRET".to_owned()),
        auth_method: AuthMethod::Basic,
        redirect_uris: Vec::new(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const SERVICE: [&str; 2] = [
    "--static-oauth-client-info",
    r#"{"client_id":"service","client_secret":"SERVICE_SECRET"}"#,
];

impl Scene {
    fn new(settings: Settings, grants: &[&'static str], mode: &'static str) -> Self {
        Self {
            playground: Playground::start(Settings {
                clients: vec![service()],
                ..settings
            }),
            machine: Machine::new(),
            folder: tempfile::tempdir().expect("a folder"),
            arguments: words(&["--debug"]),
            grants: grants.to_vec(),
            mode,
        }
    }

    fn client_credentials() -> Self {
        let settings = Settings {
            client_credentials: true,
            ..Settings::default()
        };
        let mut scene = Self::new(settings, &[CLIENT_CREDENTIALS], "client-credentials");
        scene.arguments.extend(words(&["--client-credentials"]));
        scene.arguments.extend(words(&SERVICE));
        scene
    }

    fn workload() -> Self {
        let settings = Settings {
            workloads: words(&["JWT.1.x", "JWT.2.x"]),
            ..Settings::default()
        };
        let mut scene = Self::new(settings, &[JWT_BEARER], "workload");
        let file = scene.file("jwt", "JWT.1.x\n");
        scene
            .arguments
            .extend(words(&["--workload-jwt-file", &file.display().to_string()]));
        scene
    }

    fn enterprise() -> Self {
        let settings = Settings {
            identity_provider: Some(IdentityProvider {
                client_id: "at-idp".to_owned(),
                id_token: "ID.TOKEN.1".to_owned(),
                allows: true,
            }),
            ..Settings::default()
        };
        let mut scene = Self::new(settings, &[EXCHANGE, JWT_BEARER], "enterprise");
        let file = scene.file("id_token", "ID.TOKEN.1");
        let issuer = format!("{}/idp", scene.playground.issuer());
        scene.arguments.extend(words(&[
            "--idp-issuer",
            &issuer,
            "--idp-client-id",
            "at-idp",
            "--idp-id-token-file",
            &file.display().to_string(),
        ]));
        scene.arguments.extend(words(&SERVICE));
        scene
    }

    fn all() -> [Self; 3] {
        [
            Self::client_credentials(),
            Self::workload(),
            Self::enterprise(),
        ]
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn arguments(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    fn start(&self) -> Bridge {
        Bridge::start(&self.machine, &self.playground.mcp_url(), &self.arguments())
    }

    /// A session with one call.
    fn visit(&self) {
        let mut bridge = Bridge::open(&self.machine, &self.playground.mcp_url(), &self.arguments());
        let result = bridge.tool("echo", json!({ "text": "hello" }));
        assert!(
            result.to_string().contains("hello"),
            "{result}\n{}",
            bridge.story()
        );
        let ended = bridge.close();
        assert!(ended.status.success());
        self.nobody_was_asked();
    }

    fn nobody_was_asked(&self) {
        assert!(self.machine.opened().is_empty());
        assert_eq!(self.playground.registrations(), 0);
        assert_eq!(self.playground.authorizations(), 0);
        assert_eq!(self.playground.refreshes(), 0);
    }

    /// The grants that were asked for, in order.
    fn asked(&self) -> Vec<String> {
        let requests = self.playground.requests();
        requests.iter().filter_map(grant).collect()
    }

    /// That so many tokens were asked for.
    fn tokens_asked_for(&self, count: usize) {
        let expected = self.grants.repeat(count);
        assert_eq!(self.asked(), expected, "{}", self.playground.printed_log());
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let mut process: Command = self.machine.command();
        process.arg(command).arg(self.playground.mcp_url());
        process.args(self.arguments()).args(more);
        process.output().expect("it runs")
    }

    /// Answers `initialize` with an error and gives its text.
    fn refused(&self) -> String {
        let mut bridge = self.start();
        let text = initialize_fails(&mut bridge);
        assert!(bridge.close().status.success());
        self.nobody_was_asked();
        text
    }
}

fn grant(request: &Request) -> Option<String> {
    (request.method == "POST")
        .then(|| request.parameter("grant_type"))
        .flatten()
}

fn initialize_fails(bridge: &mut Bridge) -> String {
    let answer = bridge.call(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "tests", "version": "1" },
        }),
    );
    let message = &answer["error"]["message"];
    let text = message.as_str().unwrap_or_else(|| panic!("{answer}"));
    text.to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_token_without_a_person_is_got_once_and_kept() {
    for scene in Scene::all() {
        scene.visit();
        scene.tokens_asked_for(1);
        let requests = scene.playground.requests();
        for request in requests.iter().filter(|request| grant(request).is_some()) {
            let resource = request.parameter("resource");
            assert_eq!(resource, Some(scene.playground.mcp_url()));
            assert_eq!(request.parameter("scope").as_deref(), Some("tools"));
        }
        let cached = scene.machine.sign_in();
        assert_eq!(cached["mode"], scene.mode);
        // The server gives one all the same.
        assert_eq!(cached.get("refresh_token"), None, "{cached}");
        let kept = cached.to_string();
        for secret in ["SERVICE_SECRET", "JWT.1.x", "ID.TOKEN.1"] {
            assert!(!kept.contains(secret), "{secret}");
        }
        scene.visit();
        scene.tokens_asked_for(1);
    }
}

#[test]
fn an_ended_token_is_replaced_before_it_is_sent() {
    for scene in Scene::all() {
        scene.visit();
        scene.machine.expire_cached();
        let before = scene.playground.requests().len();
        scene.visit();
        scene.tokens_asked_for(2);
        let requests = scene.playground.requests();
        let refused = requests[before..]
            .iter()
            .filter(|request| request.status == Some(401));
        assert_eq!(refused.count(), 0, "{}", scene.playground.printed_log());
    }
}

#[test]
fn a_refused_token_is_replaced_in_the_middle_of_a_session() {
    for scene in Scene::all() {
        let mut bridge = Bridge::open(
            &scene.machine,
            &scene.playground.mcp_url(),
            &scene.arguments(),
        );
        bridge.tool("echo", json!({ "text": "one" }));
        scene.playground.expire_access_tokens();
        let result = bridge.tool("echo", json!({ "text": "two" }));
        assert!(result.to_string().contains("two"), "{result}");
        assert!(bridge.close().status.success());
        scene.tokens_asked_for(2);
        scene.nobody_was_asked();
    }
}

#[test]
fn ten_at_once_ask_for_one_token() {
    for scene in Scene::all() {
        for round in 1..=2 {
            let mut bridges: Vec<Bridge> = (0..10).map(|_| scene.start()).collect();
            for bridge in &mut bridges {
                bridge.initialize("2025-11-25", json!({}));
                let result = bridge.tool("echo", json!({ "text": "hello" }));
                assert!(result.to_string().contains("hello"), "{result}");
            }
            for bridge in bridges {
                assert!(bridge.close().status.success());
            }
            scene.tokens_asked_for(round);
            // The next ten meet an ended one.
            scene.machine.expire_cached();
        }
        scene.nobody_was_asked();
    }
}

#[test]
fn a_bridge_that_is_killed_while_it_asks_holds_up_nobody() {
    for scene in Scene::all() {
        let held = playground::Fault::token(scene.grants[0]).then(playground::Then::Hold);
        scene.playground.fault(held);
        let mut first = scene.start();
        first.request(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "tests", "version": "1" }}),
        );
        scene
            .playground
            .wait_for(|_| (scene.playground.held() == 1).then_some(()));
        first.kill();
        scene.visit();
        scene.playground.release_held();
    }
}

#[test]
fn a_scope_that_is_missing_is_asked_for_once() {
    for scene in Scene::all() {
        let mut bridge = Bridge::open(
            &scene.machine,
            &scene.playground.mcp_url(),
            &scene.arguments(),
        );
        let result = bridge.tool("admin", json!({}));
        assert!(result.get("content").is_some(), "{result}");
        assert!(bridge.close().status.success());
        scene.tokens_asked_for(2);
        let requests = scene.playground.requests();
        let last = requests.iter().rev().find(|one| grant(one).is_some());
        let scope = last.and_then(|one| one.parameter("scope"));
        assert_eq!(scope.as_deref(), Some("tools admin"));
        scene.nobody_was_asked();
    }
}

#[test]
fn login_status_and_logout_know_the_mode() {
    for scene in Scene::all() {
        let output = scene.run("login", &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.starts_with("got a token for `127.0.0.1:"), "{said}");
        assert!(
            said.contains(&format!("  mode     {}", scene.mode)),
            "{said}"
        );
        assert!(said.contains("renewed silently"), "{said}");
        scene.tokens_asked_for(1);

        let mut status = scene.machine.command();
        let output = status.args(["status", "--json"]).output().expect("it runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let entry = &report["sign_ins"][0];
        assert_eq!(entry["mode"], scene.mode, "{report}");
        assert_eq!(entry["refreshable"], true);
        assert_eq!(entry["health"], "ok");

        let output = scene.run("logout", &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(scene.machine.cached().is_empty());
        scene.nobody_was_asked();
    }
}

#[test]
fn a_policy_that_says_no_reaches_the_host_and_is_not_routed_round() {
    let scene = Scene::enterprise();
    scene.playground.change(|settings| {
        if let Some(provider) = &mut settings.identity_provider {
            provider.allows = false;
        }
    });
    let said = scene.refused();
    assert!(
        said.contains("`access_denied`: the policy does not allow this server"),
        "{said}"
    );
    assert!(said.contains("ask its administrator"), "{said}");
    assert_eq!(scene.asked(), [EXCHANGE]);
}

#[test]
fn a_refused_jwt_is_sent_once_and_the_next_one_in_its_place() {
    let scene = Scene::workload();
    scene.file("jwt", "JWT.UNKNOWN.x");
    let mut bridge = scene.start();
    let said = initialize_fails(&mut bridge);
    assert!(
        said.contains("`invalid_grant`: the JWT is not trusted"),
        "{said}"
    );
    assert!(!said.contains("JWT.UNKNOWN"), "{said}");
    let said = initialize_fails(&mut bridge);
    assert!(said.contains("it was refused before"), "{said}");
    assert_eq!(scene.asked(), [JWT_BEARER]);
    // The platform puts another there, which is seen at once.
    scene.file("jwt", "JWT.2.x");
    bridge.initialize("2025-11-25", json!({}));
    bridge.tool("echo", json!({}));
    assert!(bridge.close().status.success());
    assert_eq!(scene.asked(), [JWT_BEARER, JWT_BEARER]);
    scene.nobody_was_asked();
}

#[test]
fn a_jwt_that_is_not_there_is_named_by_its_place() {
    let scene = Scene::workload();
    let file = scene.folder.path().join("jwt");
    std::fs::remove_file(&file).expect("it was there");
    let said = scene.refused();
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert!(scene.asked().is_empty());
}

#[cfg(unix)]
#[test]
fn a_jwt_may_come_from_a_variable_or_a_command() {
    let mut scene = Scene::workload();
    let url = scene.playground.mcp_url();
    scene.arguments = words(&["--workload-jwt-env", "THE_JWT"]);
    let mut command = Bridge::command(&scene.machine, &url, &scene.arguments());
    command.env("THE_JWT", "JWT.1.x");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize("2025-11-25", json!({}));
    bridge.tool("echo", json!({}));
    assert!(bridge.close().status.success());

    // It is run anew for each token, without our own variables.
    let runs = scene.folder.path().join("runs");
    let script = format!(
        "echo \"$MCP_DRAWBRIDGE_NAME.\" >> {}; echo JWT.2.x",
        runs.display()
    );
    scene.arguments = vec![
        "--workload-jwt-command".to_owned(),
        json!(["sh", "-c", script]).to_string(),
    ];
    for _ in 0..2 {
        let mut command = Bridge::command(&scene.machine, &url, &scene.arguments());
        command.env("MCP_DRAWBRIDGE_NAME", "by-command");
        let mut bridge = Bridge::start_command(command);
        bridge.initialize("2025-11-25", json!({}));
        bridge.tool("echo", json!({}));
        scene.playground.expire_access_tokens();
        assert!(bridge.close().status.success());
    }
    let runs = std::fs::read_to_string(runs).expect("it was run");
    assert_eq!(runs, ".\n.\n");
    scene.nobody_was_asked();
}

#[test]
fn a_server_that_lists_other_grants_is_not_asked() {
    let scene = Scene::client_credentials();
    scene
        .playground
        .change(|settings| settings.client_credentials = false);
    let said = scene.refused();
    assert!(
        said.contains("does not list the grant `client_credentials`"),
        "{said}"
    );
    assert!(scene.asked().is_empty());
}

#[test]
fn a_wrong_secret_is_told_from_a_server_that_is_down() {
    let scene = Scene::client_credentials();
    scene.playground.change(|settings| {
        settings.clients[0].secret = Some("ANOTHER_SECRET".to_owned());
    });
    let said = scene.refused();
    assert!(said.contains("`invalid_client`"), "{said}");
    assert!(said.contains("check the client's identifier"), "{said}");
    let output = scene.run("login", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));

    let scene = Scene::client_credentials();
    let down = || playground::Fault::token(CLIENT_CREDENTIALS).then(playground::Then::answer(500));
    scene.playground.fault(down());
    scene.playground.fault(down());
    let output = scene.run("login", &[]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}

#[test]
fn two_ways_at_once_are_wrong_usage() {
    let scene = Scene::client_credentials();
    let output = scene.run("login", &["--workload-jwt-env", "JWT"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("`--client-credentials` and `--workload-jwt-env` exclude each other"),
        "{said}"
    );
}
