//! The argument lists that mcp-remote's own documentation shows. As in a configuration in which `npx` was
//! changed to this program and nothing else, the name of the package is still among them. Each row says
//! what it shows, and how that is seen at the server or the browser.

mod snippets;

use playground::{
    AuthMethod, Fault, Manner, Playground, Registration, Request, ResourceParameter, Settings,
    StaticClient, Then, browse,
};
use serde_json::{Value, json};
use url::Url;

use super::works;
use crate::network::before::free_port;
use crate::network::tinyproxy::Tinyproxy;
use crate::support::bridge::Bridge;
use crate::support::device::Shown;
use crate::support::machine::Machine;
use crate::support::oidc::{IdTokens, OidcProvider, Switches};
use crate::support::scene::NEWEST;
use snippets::{DOCUMENT, SNIPPETS, any};

/// What became of a run with a snippet.
struct Seen {
    playground: Playground,
    machine: Machine,
    folder: tempfile::TempDir,
    port: String,
    /// The tools that the host was shown.
    tools: Value,
    stderr: String,
}

const FILES: &[(&str, &str)] = &[
    (
        "headers.txt",
        "# credentials for the example server\nAuthorization: Bearer my-token\nX-Custom-Header: custom-value\n",
    ),
    ("oauth client metadata.json", r#"{"scope":"tools admin"}"#),
    (
        "oauth client info.json",
        r#"{"client_id":"xxx","client_secret":"yyy"}"#,
    ),
];

impl Seen {
    fn start(settings: Settings) -> Self {
        let seen = Self {
            playground: Playground::start(settings),
            machine: Machine::new(),
            folder: tempfile::TempDir::new().expect("a folder"),
            port: free_port().to_string(),
            tools: Value::Null,
            stderr: String::new(),
        };
        for (name, text) in FILES {
            std::fs::write(seen.folder.path().join(name), text).expect("written");
        }
        seen
    }

    fn argument(&self, argument: &str) -> String {
        argument
            .replace("$URL", &self.playground.mcp_url())
            .replace("$ISSUER", &self.playground.issuer())
            .replace("$FOLDER", &self.folder.path().display().to_string())
            .replace("$PORT", &self.port)
    }

    /// Starts the program so, uses a tool, and ends it.
    fn run(&mut self, arguments: &[&str], variables: &[(&str, &str)]) {
        let mut command = self.machine.command();
        command.args(arguments.iter().map(|argument| self.argument(argument)));
        command.envs(variables.iter().copied());
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, json!({}));
        let is_first = self.stderr.is_empty();
        if arguments.contains(&"--device-code") && is_first {
            let shown = Shown::wait(1, || bridge.stderr());
            browse(&shown.complete, Manner::Approve).expect("a page");
        }
        works(&mut bridge);
        let answer = bridge.call("tools/call", json!({ "name": "deleteTask" }));
        assert!(
            answer["error"].is_object() || answer["result"]["isError"] == true,
            "{answer}"
        );
        self.tools = bridge.call("tools/list", json!({}))["result"]["tools"].take();
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("no option"), "{}", ended.stderr);
        self.stderr = ended.stderr;
    }

    fn requests(&self, path: &str) -> Vec<Request> {
        let mut requests = self.playground.requests();
        requests.retain(|request| request.path.ends_with(path));
        requests
    }

    /// The requests to the MCP server.
    fn messages(&self) -> Vec<Request> {
        let path = self.playground.settings().mcp_path;
        let messages = self.requests(&path);
        assert!(!messages.is_empty());
        messages
    }

    /// A parameter of the address that the one browser was opened with.
    fn asked(&self, name: &str) -> Option<String> {
        let opened = self.machine.opened();
        assert_eq!(opened.len(), 1, "{}", self.stderr);
        let address = Url::parse(&opened[0]).expect("an address");
        let mut pairs = address.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    }

    fn redirect_uri(&self) -> Url {
        let uri = self.asked("redirect_uri").expect("a redirect URI");
        Url::parse(&uri).expect("an address")
    }

    /// A parameter of the request that got the first token.
    fn token(&self, name: &str) -> Option<String> {
        let requests = self.requests("/token");
        requests.first().expect("a token").parameter(name)
    }

    /// The document that a client was registered with.
    fn registered(&self) -> Value {
        let requests = self.requests("/register");
        assert_eq!(requests.len(), 1);
        requests[0].json()
    }
}

#[test]
fn what_its_documentation_shows_has_its_effect() {
    for snippet in SNIPPETS {
        let mut seen = Seen::start((snippet.server)());
        let cookie = Then::answer(503).header("set-cookie", "lb=7; Path=/");
        if snippet.arguments.contains(&"--disable-cookies") {
            let fault = Fault::mcp().rpc("initialize");
            let fault = fault.then(cookie.header("retry-after", "0"));
            seen.playground.fault(fault);
        }
        eprintln!("{:?}", snippet.arguments);
        seen.run(snippet.arguments, snippet.variables);
        (snippet.shows)(&seen);
    }
}

/// Most of its snippets have an address that ends in `/sse`.
#[test]
fn it_has_the_same_effect_at_a_server_of_the_older_transport() {
    let is_of_no_concern = |argument: &&str| {
        [
            "--protocol",
            "--client-metadata-url",
            "--device-code",
            "--static-oauth-client-metadata",
        ]
        .contains(argument)
    };
    for snippet in SNIPPETS {
        if snippet.arguments.iter().any(is_of_no_concern) {
            continue;
        }
        let older = Settings::of_2024_11_05();
        let mut seen = Seen::start(Settings {
            transports: older.transports,
            mcp_path: older.mcp_path,
            highest_revision: older.highest_revision,
            ..(snippet.server)()
        });
        eprintln!("{:?}", snippet.arguments);
        seen.run(snippet.arguments, snippet.variables);
        if !snippet.arguments.contains(&"--ignore-tool") {
            (snippet.shows)(&seen);
        }
    }
    for (transport, first) in [
        ("sse-only", "GET"),
        ("sse-first", "GET"),
        ("http-first", "POST"),
    ] {
        let mut seen = Seen::start(Settings::open_sse());
        seen.run(&["mcp-remote", "$URL", "--transport", transport], &[]);
        assert_eq!(seen.messages()[0].method, first);
    }
}

/// What was signed in to with a code once needs nobody the next time.
#[test]
fn a_device_is_signed_in_once() {
    let mut seen = Seen::start(any());
    for _ in 0..2 {
        seen.run(&["mcp-remote", "$URL", "--device-code"], &[]);
    }
    assert_eq!(seen.playground.device_codes(), 1);
}

#[test]
fn plain_http_in_a_private_network_is_allowed() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open_sse()));
    let proxy = Tinyproxy::start(None);
    let url = playground
        .mcp_url()
        .replace("127.0.0.1", "internal-service.test");
    let mut command = machine.command();
    command.args(["mcp-remote", &url, "--allow-http"]);
    // The network that knows the name.
    command.env("http_proxy", proxy.url(""));
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, json!({}));
    works(&mut bridge);
    let requests = playground.requests();
    let host = requests[0].header("host").unwrap_or_default();
    assert!(host.starts_with("internal-service.test:"), "{host}");
}

/// Tenants of one server are signed in to apart.
#[test]
fn a_resource_separates_the_sign_ins_of_one_server() {
    let mut seen = Seen::start(Settings::default());
    let url = seen.playground.mcp_url();
    seen.run(&["mcp-remote", "$URL", "--resource", "$URL"], &[]);
    assert_eq!(seen.asked("resource"), Some(url.clone()));
    assert_eq!(seen.token("resource"), Some(url));
    // This playground has one tenant. Another would ask for a sign-in of its own.
    let machine = &seen.machine;
    let tenant = ["--resource", "https://tenant2.example.net/", "--no-browser"];
    let mut command = machine.command();
    command.args(["mcp-remote", &seen.playground.mcp_url()]);
    command.args(tenant);
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, json!({}));
    let address = Url::parse(&bridge.stderr_address()).expect("an address");
    let pair = ("resource".into(), "https://tenant2.example.net/".into());
    assert!(address.query_pairs().any(|found| found == pair));
    assert_eq!(seen.playground.code_exchanges(), 1, "the other's is no use");
}

fn client(redirect_uris: Vec<String>) -> StaticClient {
    StaticClient {
        id: "xxx".to_owned(),
        secret: Some("yyy".to_owned()),
        auth_method: AuthMethod::Basic,
        redirect_uris,
    }
}

/// The address to come back to, as a person registers it: at the port that mcp-remote derives.
fn known_address(url: &str) -> String {
    let port = mcp_drawbridge::compat::callback_port::Parts {
        server: url,
        ..Default::default()
    }
    .port(mcp_drawbridge::net::callback::is_blocked);
    format!("http://localhost:{port}/oauth/callback")
}

#[test]
fn a_client_of_ones_own_takes_the_place_of_a_registration() {
    for info in [
        r#"{ "client_id": "xxx", "client_secret": "yyy" }"#,
        "@$FOLDER/oauth client info.json",
    ] {
        let mut seen = Seen::start(Settings::default());
        let uri = known_address(&seen.playground.mcp_url());
        let clients = vec![client(vec![uri.clone()])];
        seen.playground
            .change(|settings| settings.clients = clients);
        seen.run(
            &["mcp-remote", "$URL", "--static-oauth-client-info", info],
            &[],
        );
        assert_eq!(seen.playground.registrations(), 0);
        assert_eq!(seen.redirect_uri().as_str(), uri);
        let pair = Some(("xxx".to_owned(), "yyy".to_owned()));
        assert_eq!(seen.requests("/token")[0].basic(), pair);
    }
}

#[test]
fn a_document_is_the_client_where_the_server_takes_such() {
    for with_port in [false, true] {
        let mut seen = Seen::start(Settings {
            client_documents: true,
            registration: Registration::Off,
            ..Settings::default()
        });
        let uri = match with_port {
            true => format!("http://localhost:{}/oauth/callback", seen.port),
            false => {
                // The document is part of what mcp-remote derives the port from.
                let url = seen.playground.mcp_url();
                let port = mcp_drawbridge::compat::callback_port::Parts {
                    server: &url,
                    client_metadata_url: Some(DOCUMENT),
                    ..Default::default()
                }
                .port(mcp_drawbridge::net::callback::is_blocked);
                format!("http://localhost:{port}/oauth/callback")
            }
        };
        let clients = vec![StaticClient {
            id: DOCUMENT.to_owned(),
            secret: None,
            auth_method: AuthMethod::None,
            redirect_uris: vec![uri.clone()],
        }];
        seen.playground
            .change(|settings| settings.clients = clients);
        let port: &[&str] = if with_port { &["$PORT"] } else { &[] };
        let document = ["--client-metadata-url", DOCUMENT];
        seen.run(&[&["mcp-remote", "$URL"], port, &document].concat(), &[]);
        assert_eq!(seen.asked("client_id").as_deref(), Some(DOCUMENT));
        assert_eq!(seen.redirect_uri().as_str(), uri);
    }
}

#[test]
fn a_client_signs_in_for_itself() {
    let unattended = || Settings {
        client_credentials: true,
        clients: vec![client(Vec::new())],
        resource_parameter: ResourceParameter::Optional,
        ..Settings::default()
    };
    let secret = [("MCP_CLIENT_SECRET", "yyy")];
    let info = r#"{"client_id":"xxx","client_secret":"${MCP_CLIENT_SECRET}"}"#;
    let plain = [
        "mcp-remote",
        "$URL",
        "--client-credentials",
        "--static-oauth-client-info",
        info,
    ];
    let mut seen = Seen::start(unattended());
    seen.run(&plain, &secret);
    let is_metadata = |request: &Request| request.path.contains("/.well-known/");
    assert!(seen.playground.requests().iter().any(is_metadata));

    let mut known = Seen::start(unattended());
    let endpoint = [
        "--token-endpoint",
        "$ISSUER/token",
        "--static-oauth-client-metadata",
        r#"{"scope":"tools admin","token_endpoint_auth_method":"client_secret_basic"}"#,
    ];
    known.run(&[&plain[..], &endpoint].concat(), &secret);
    assert!(!known.playground.requests().iter().any(is_metadata));
    assert_eq!(known.token("scope").as_deref(), Some("tools admin"));
    assert_eq!(known.token("resource"), None);
    for seen in [seen, known] {
        assert!(seen.machine.opened().is_empty());
        let grant = seen.token("grant_type");
        assert_eq!(grant.as_deref(), Some("client_credentials"));
        let pair = Some(("xxx".to_owned(), "yyy".to_owned()));
        assert_eq!(seen.requests("/token")[0].basic(), pair);
    }
}

/// At an MCP server that takes ID tokens and nothing else.
#[test]
fn an_id_token_is_sent_in_place_of_the_access_token() {
    for more in [
        &["--use-id-token"][..],
        &[
            "--use-id-token",
            "--static-oauth-client-metadata",
            r#"{ "scope": "openid email" }"#,
        ],
    ] {
        let machine = Machine::new();
        let provider = OidcProvider::with(&Switches {
            id_tokens: IdTokens::Taken,
            ..Switches::default()
        });
        let mut command = machine.command();
        command
            .args(["mcp-remote", provider.url.as_str()])
            .args(more);
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, json!({}));
        works(&mut bridge);
        let cached = machine.sign_in();
        assert!(cached["id_token"].is_string() && cached["access_token"] == cached["id_token"]);
        let asked = machine.opened().concat();
        assert!(asked.contains("openid"), "{asked}");
        assert_eq!(asked.contains("profile"), more.len() == 1, "{asked}");
    }
}

#[test]
fn its_client_mode_is_known_by_the_words_that_start_it() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::default()));
    let mut command = machine.command();
    command.args(["-p", "mcp-remote@latest", "mcp-remote-client"]);
    command.arg(playground.mcp_url());
    let output = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("\ntools: ") && text.contains("\nresources: "),
        "{text}"
    );
    assert_eq!(playground.code_exchanges(), 1);
}
