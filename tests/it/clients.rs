//! Who asks for tokens: clients from the environment, clients with a key, clients that a document
//! describes, registrations that need a token; and how signing out proves the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use playground::{
    AuthMethod, GrantState, Playground, Registration, Request, Settings, StaticClient,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// RFC 7515, Appendix A.3.
pub const PUBLIC_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const PRIVATE: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const DOCUMENT: &str = "https://client.example.com/mcp.json";

/// Writes that key to a file that only its user can read; gives its path.
pub fn key_file(folder: &Path) -> String {
    let mut key: Value = serde_json::from_str(PUBLIC_KEY).expect("JSON");
    key["d"] = json!(PRIVATE);
    let path = folder.join("key.json");
    fs::write(&path, key.to_string()).expect("a writable folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    path.display().to_string()
}

fn client(id: &str, secret: Option<&str>, auth_method: AuthMethod) -> StaticClient {
    StaticClient {
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
        auth_method,
        // RFC 8252 §7.3: any port.
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
    }
}

fn without_registration(client: StaticClient) -> Settings {
    Settings {
        registration: Registration::Off,
        clients: vec![client],
        ..Settings::default()
    }
}

/// A server, a machine, and what the bridge is started with there.
struct Scene {
    playground: Playground,
    machine: Machine,
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

impl Scene {
    fn new(settings: Settings, arguments: &[&str]) -> Self {
        let host = ["--host", "127.0.0.1"];
        let arguments = host.iter().chain(arguments);
        Self {
            playground: Playground::start(settings),
            machine: Machine::new(),
            arguments: arguments.map(|word| (*word).to_owned()).collect(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.envs(self.variables.iter().copied());
        command
    }

    /// One session with one call; gives what was said on stderr.
    fn visit(&self) -> String {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let command = Bridge::command(&self.machine, &self.playground.mcp_url(), &arguments);
        let mut bridge = Bridge::start_command(self.prepared(command));
        bridge.initialize("2025-11-25", json!({}));
        bridge.tool("echo", json!({}));
        let stderr = bridge.close().stderr;
        for secret in ["SECRET", PRIVATE, "eyJ"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
        stderr
    }

    /// A first session, one with a fresh token, and one whose token has ended.
    fn days_pass(&self) {
        self.visit();
        self.visit();
        assert_eq!(self.machine.opened().len(), 1);
        self.playground.expire_access_tokens();
        self.machine.expire_cached();
        self.visit();
        assert_eq!(
            (self.machine.opened().len(), self.playground.refreshes()),
            (1, 1)
        );
    }

    fn logout(&self, arguments: &[&str]) -> Output {
        let url = self.playground.mcp_url();
        let mut command = self.prepared(self.machine.command());
        command.args(["logout", &url]).args(arguments);
        let output = command.stdin(Stdio::null()).output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output
    }

    fn ended(&self) -> bool {
        let grants = self.playground.grants();
        assert!(!grants.is_empty(), "nothing was ever granted");
        grants.iter().all(|grant| *grant == GrantState::Ended)
    }

    fn to(&self, path: &str) -> Vec<Request> {
        let mut requests = self.playground.requests();
        requests.retain(|request| request.path == path);
        requests
    }
}

#[test]
fn a_key_without_its_public_half_is_mended_as_the_error_says() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (whole, half, mended) = (path("whole.pem"), path("half.pem"), path("mended.pem"));
    let curve = "ec_paramgen_curve:P-256";
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        curve,
        "-out",
        &whole,
    ]);
    openssl(&["ec", "-in", &whole, "-no_public", "-out", &half]);
    openssl(&["ec", "-in", &half, "-out", &mended]);
    let known = client("mine", None, AuthMethod::PrivateKeyJwt);
    let arguments = |key| ["--client-id", "mine", "--client-assertion-key", key];
    let scene = Scene::new(without_registration(known), &[]);
    let mut command = scene.machine.command();
    command
        .arg(scene.playground.mcp_url())
        .args(arguments(&half));
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("lacks its public half"), "{said}");
    assert!(said.contains("`openssl ec -in KEY -out FILE`"), "{said}");
    let mut command = scene.machine.command();
    command
        .arg(scene.playground.mcp_url())
        .args(arguments(&mended));
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_client_from_the_environment_signs_in_refreshes_and_signs_out() {
    for (method, basic) in [(AuthMethod::Basic, true), (AuthMethod::Post, false)] {
        // What RFC 6749 §2.3.1 has encoded before it goes into a header.
        let known = client("mine:1", Some("SECRET %1+&"), method);
        let settings = Settings {
            registration: Registration::Secret(method),
            clients: vec![known],
            ..Settings::default()
        };
        let scene = Scene::new(settings, &[])
            .with("MCP_DRAWBRIDGE_CLIENT_ID", "mine:1")
            .with("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET %1+&");
        scene.days_pass();
        assert_eq!(scene.playground.registrations(), 0);
        let cached = scene.machine.sign_in().to_string();
        assert!(!cached.contains("SECRET"), "{cached}");
        scene.logout(&[]);
        assert!(scene.ended());
        for request in scene.to("/token").into_iter().chain(scene.to("/revoke")) {
            assert_eq!(request.status, Some(200));
            assert_eq!(request.basic().is_some(), basic);
            assert_eq!(request.parameter("client_secret").is_some(), !basic);
        }
    }
}

#[test]
fn a_sign_out_without_the_secret_says_so_and_deletes_all_the_same() {
    let settings = without_registration(client("mine", Some("SECRET_1"), AuthMethod::Basic));
    let mut scene = Scene::new(settings, &["--client-id", "mine"])
        .with("MCP_DRAWBRIDGE_CLIENT_SECRET", "SECRET_1");
    scene.visit();
    scene.variables.clear();
    let output = scene.logout(&["--client-id", "mine"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("cannot prove itself without its secret or key"),
        "{stderr}"
    );
    assert!(scene.machine.cached().is_empty() && scene.to("/revoke").is_empty());
}

#[test]
fn a_client_with_a_key_signs_each_request_anew() {
    let settings =
        without_registration(client("mine", Some(PUBLIC_KEY), AuthMethod::PrivateKeyJwt));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let key = key_file(folder.path());
    let arguments = ["--client-id", "mine", "--client-assertion-key", &key];
    let scene = Scene::new(settings, &arguments);
    scene.days_pass();
    let mut sent: Vec<String> = scene
        .to("/token")
        .iter()
        .filter_map(|request| request.parameter("client_assertion"))
        .collect();
    assert_eq!(sent.len(), 2);
    scene.logout(&arguments);
    assert!(scene.ended());
    sent.extend(
        scene
            .to("/revoke")
            .iter()
            .filter_map(|r| r.parameter("client_assertion")),
    );
    assert_eq!(sent.len(), 4);
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 4, "an assertion was sent twice");
    let cached = fs::read_dir(scene.machine.cache()).expect("a folder");
    for file in cached {
        let text = fs::read_to_string(file.expect("a file").path()).expect("text");
        assert!(!text.contains(PRIVATE));
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let settings =
        without_registration(client("mine", Some(PUBLIC_KEY), AuthMethod::PrivateKeyJwt));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let key = key_file(folder.path());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let scene = Scene::new(
        settings,
        &["--client-id", "mine", "--client-assertion-key", &key],
    );
    let stderr = scene.visit();
    assert!(
        stderr.contains("other users can read the private key"),
        "{stderr}"
    );
}

#[test]
fn a_document_is_the_client_where_the_server_takes_it() {
    let settings = Settings {
        client_documents: true,
        clients: vec![client(DOCUMENT, None, AuthMethod::None)],
        ..Settings::default()
    };
    let scene = Scene::new(settings, &["--client-metadata-url", DOCUMENT]);
    scene.days_pass();
    assert_eq!(scene.playground.registrations(), 0);
    scene.logout(&["--client-metadata-url", DOCUMENT]);
    assert!(scene.ended());
}

#[test]
fn a_document_with_a_key_is_proved_by_signatures() {
    let settings = Settings {
        client_documents: true,
        registration: Registration::Off,
        clients: vec![client(
            DOCUMENT,
            Some(PUBLIC_KEY),
            AuthMethod::PrivateKeyJwt,
        )],
        ..Settings::default()
    };
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let key = key_file(folder.path());
    let arguments = [
        "--client-metadata-url",
        DOCUMENT,
        "--client-assertion-key",
        &key,
    ];
    let scene = Scene::new(settings, &arguments);
    scene.days_pass();
    scene.logout(&arguments);
    assert!(scene.ended());
}

#[test]
fn a_document_that_the_server_refuses_costs_no_browser_and_is_not_tried_again() {
    let settings = Settings {
        client_documents: true,
        ..Settings::default()
    };
    let scene = Scene::new(settings, &["--client-metadata-url", DOCUMENT]);
    let stderr = scene.visit();
    assert!(
        stderr.contains("does not take the client's metadata document"),
        "{stderr}"
    );
    assert_eq!(
        (
            scene.machine.opened().len(),
            scene.playground.registrations()
        ),
        (1, 1)
    );
    let tried = |scene: &Scene| {
        let of_document = |r: &&Request| r.parameter("client_id").as_deref() == Some(DOCUMENT);
        scene.to("/authorize").iter().filter(of_document).count()
    };
    assert_eq!(tried(&scene), 1);
    // Another process of another day, whose tokens are gone.
    scene.playground.revoke_grants();
    scene.machine.expire_cached();
    let stderr = scene.visit();
    assert!(!stderr.contains("metadata document"), "{stderr}");
    assert_eq!((tried(&scene), scene.playground.registrations()), (1, 1));
    assert_eq!(scene.machine.opened().len(), 2);
}

#[test]
fn a_registration_takes_its_token_and_nothing_else_does() {
    let settings = || Settings {
        initial_access_token: Some("INITIAL_SECRET_1".to_owned()),
        ..Settings::default()
    };
    let scene = Scene::new(settings(), &["--initial-access-token-env", "INVITATION"])
        .with("INVITATION", "INITIAL_SECRET_1");
    scene.days_pass();
    assert_eq!(scene.playground.registrations(), 1);
    for request in scene.playground.requests() {
        let carries = format!("{:?} {}", request.headers, request.text());
        let expected = request.path == "/register";
        assert_eq!(
            carries.contains("INITIAL_SECRET_1"),
            expected,
            "{}",
            request.path
        );
    }
    // RFC 7592: the registration is given up with its own token.
    scene.logout(&[]);
    assert!(scene.ended());
    let deleted = scene.playground.requests();
    let deleted = deleted
        .iter()
        .find(|request| request.method == "DELETE" && request.path.starts_with("/register/"));
    assert_eq!(deleted.and_then(|request| request.status), Some(204));

    let scene = Scene::new(settings(), &[]);
    let command = Bridge::command(&scene.machine, &scene.playground.mcp_url(), &[]);
    let mut bridge = Bridge::start_command(command);
    let answer = bridge.call(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}),
    );
    let answer = match answer.get("error") {
        Some(error) => error.to_string(),
        None => {
            bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            bridge
                .call("tools/call", json!({"name": "echo", "arguments": {}}))
                .to_string()
        }
    };
    assert!(
        answer.contains("does not let clients register themselves"),
        "{answer}"
    );
}
