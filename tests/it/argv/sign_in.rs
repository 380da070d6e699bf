//! The arguments about signing in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Output, Stdio};

use playground::{
    AuthMethod, Manner, Playground, Registration, Request, Settings, StaticClient, browse,
};
use serde_json::json;
use url::{Position, Url};

use super::works;
use crate::network::before::free_port;
use crate::paste::ends_on;
use crate::support::bridge::Bridge;
use crate::support::device::Login;
use crate::support::machine::{Browser, Machine};

/// A bridge that has worked at a server that wants a sign-in, and has ended well.
struct Visit {
    playground: Playground,
    machine: Machine,
    stderr: String,
}

impl Visit {
    fn new(settings: Settings, arguments: &[&str]) -> Self {
        Self::with(settings, arguments, &[])
    }

    fn with(settings: Settings, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (machine, playground) = (Machine::new(), Playground::start(settings));
        let mut command = Bridge::command(&machine, &playground.mcp_url(), arguments);
        command.envs(variables.iter().copied());
        let mut bridge = Bridge::start_command(command);
        bridge.initialize("2025-11-25", json!({}));
        works(&mut bridge);
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        Self {
            playground,
            machine,
            stderr: ended.stderr,
        }
    }

    /// A parameter of the address that the browser was opened with.
    fn asked(&self, name: &str) -> Option<String> {
        let opened = self.machine.opened();
        let [address] = &opened[..] else {
            panic!("one browser, not {opened:?}\n{}", self.stderr);
        };
        let address = Url::parse(address).expect("an address");
        let mut pairs = address.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    }

    fn redirect_uri(&self) -> String {
        self.asked("redirect_uri").expect("a redirect URI")
    }

    /// The requests for tokens.
    fn token_requests(&self) -> Vec<Request> {
        let mut requests = self.playground.requests();
        requests.retain(|request| request.path.ends_with("/token"));
        requests
    }
}

fn client(method: AuthMethod, redirect_uri: &str) -> StaticClient {
    StaticClient {
        id: "mine".to_owned(),
        secret: Some("SECRET_1\"".to_owned()),
        auth_method: method,
        redirect_uris: vec![redirect_uri.to_owned()],
    }
}

#[test]
fn the_callback_port_is_the_one_that_is_given() {
    let port = free_port();
    for given in [port.to_string(), format!("{port}x")] {
        let visit = Visit::new(Settings::default(), &[&given]);
        let expected = format!("http://localhost:{port}/oauth/callback");
        assert_eq!(visit.redirect_uri(), expected);
    }
}

#[test]
fn host_and_callback_path_make_up_the_redirect_address() {
    let arguments = ["--host", "127.0.0.1", "--callback-path", "/custom/callback"];
    let visit = Visit::new(Settings::default(), &arguments);
    let uri = visit.redirect_uri();
    assert!(uri.starts_with("http://127.0.0.1:"), "{uri}");
    assert!(uri.ends_with("/custom/callback"), "{uri}");
}

/// Only a list of hosts of one's own knows such a name: what a browser that knows it does is done here.
#[test]
fn host_may_be_a_name_that_leads_to_this_machine() {
    let port = free_port().to_string();
    let uri = format!("http://dev.test:{port}/oauth/callback");
    let (machine, playground) = (
        Machine::with(Browser::Waits),
        Playground::start(Settings {
            registration: Registration::Off,
            clients: vec![client(AuthMethod::Basic, &uri)],
            ..Settings::default()
        }),
    );
    let info = r#"{"client_id":"mine","client_secret":"SECRET_1\""}"#;
    let arguments = [
        &*port,
        "--host",
        "dev.test",
        "--static-oauth-client-info",
        info,
    ];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    bridge.initialize("2025-11-25", json!({}));
    let end = Url::parse(&ends_on(&bridge.stderr_address())).expect("an address");
    assert!(end.as_str().starts_with(&uri), "{end}");
    let at = format!("127.0.0.1:{port}");
    let mut stream = TcpStream::connect(at).expect("it listens");
    let target = &end[Position::BeforePath..];
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: dev.test:{port}\r\n\r\n"
    )
    .expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    works(&mut bridge);
    let stderr = bridge.close().stderr;
    assert!(stderr.contains("has to lead to this machine"), "{stderr}");
}

/// `login`, with this as its input.
fn login(machine: &Machine, url: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = machine.command();
    command.args(["login", url]).args(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a piped stdin");
    // Who has what they need reads no further.
    let _ = writeln!(stdin, "{input}");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// Where the browsers of a visit came, without ports.
fn places(machine: &Machine, count: usize) -> Vec<String> {
    let visits = machine.visits(count);
    let plain = |visit: &String| {
        let (status, address) = visit.split_once(' ').expect("status and address");
        let address = Url::parse(address).expect("an address");
        format!(
            "{status} {}{}",
            address.host_str().unwrap_or_default(),
            address.path()
        )
    };
    visits.iter().map(plain).collect()
}

#[test]
fn auth_success_url_is_where_the_browser_ends() {
    // Any server will do for the page.
    let page = Playground::start(Settings::open());
    let url = format!("{}/connected", page.issuer());
    let visit = Visit::new(Settings::default(), &["--auth-success-url", &url]);
    let places = places(&visit.machine, 3);
    assert!(places[0].ends_with("/authorize"), "{places:?}");
    assert_eq!(places[1], "303 localhost/oauth/callback");
    assert_eq!(places[2], "404 127.0.0.1/connected");
    // It is told nothing.
    let requests = page.requests();
    let asked = requests.iter().find(|request| request.path == "/connected");
    let asked = asked.expect("the browser came");
    assert_eq!((asked.text().as_str(), asked.header("referer")), ("", None));
    assert!(asked.parameter("code").is_none() && asked.parameter("state").is_none());
    let registered = visit.playground.registrations();
    assert_eq!((registered, visit.playground.code_exchanges()), (1, 1));
}

#[test]
fn a_sign_in_that_fails_ends_on_our_own_page() {
    let (machine, playground) = (
        Machine::with(Browser::Denies),
        Playground::start(Settings::default()),
    );
    let url = playground.mcp_url();
    let arguments = ["--auth-success-url", "http://127.0.0.1:9/connected"];
    let output = login(&machine, &url, &arguments, "");
    assert!(!output.status.success(), "{output:?}");
    let places = places(&machine, 2);
    assert_eq!(places[1], "400 localhost/oauth/callback");
}

#[test]
fn what_a_person_pastes_into_another_process_is_a_success_all_the_same() {
    let (machine, playground) = (
        Machine::with(Browser::Waits),
        Playground::start(Settings::default()),
    );
    let url = playground.mcp_url();
    // Nobody is there; a browser would show that.
    let arguments = ["--auth-success-url", "http://127.0.0.1:9/connected"];
    let mut bridge = Bridge::start(&machine, &url, &arguments);
    bridge.initialize("2025-11-25", json!({}));
    let end = ends_on(&bridge.stderr_address());
    machine.tab_is_noted();
    let output = login(&machine, &url, &arguments, &end);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    works(&mut bridge);
    assert_eq!(playground.code_exchanges(), 1);
}

#[test]
fn auth_timeout_bounds_the_wait_for_a_person() {
    let (machine, playground) = (
        Machine::with(Browser::Waits),
        Playground::start(Settings::default()),
    );
    let url = playground.mcp_url();
    let output = login(&machine, &url, &["--auth-timeout", "1s"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("within 1 s"), "{said}");
}

#[test]
fn resource_is_named_replaced_or_left_out() {
    let asked = |arguments: &[&str]| {
        let settings = Settings {
            resource_parameter: playground::ResourceParameter::Optional,
            ..Settings::default()
        };
        let visit = Visit::new(settings, arguments);
        let asked = visit.asked("resource");
        let tokens = visit.token_requests();
        assert_eq!(tokens[0].parameter("resource"), asked, "{arguments:?}");
        (asked, visit.playground.mcp_url())
    };
    let (resource, url) = asked(&[]);
    assert_eq!(resource, Some(url));
    for arguments in [
        &["--disable-resource-parameter"][..],
        &["--resource", ""],
        &[
            "--resource",
            "https://r.example",
            "--disable-resource-parameter",
        ],
    ] {
        assert_eq!(asked(arguments).0, None, "{arguments:?}");
    }
}

#[test]
fn resource_of_the_users_own_goes_to_every_endpoint() {
    let machine = Machine::with(Browser::Waits);
    let playground = Playground::start(Settings::default());
    let arguments = ["--resource", "https://tenant1.example/"];
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
    bridge.initialize("2025-11-25", json!({}));
    let address = Url::parse(&bridge.stderr_address()).expect("an address");
    let mut pairs = address.query_pairs();
    let resource = pairs
        .find(|(key, _)| key == "resource")
        .expect("a resource");
    assert_eq!(resource.1, "https://tenant1.example/");
}

#[test]
fn authorize_param_is_added_to_the_address() {
    let arguments = [
        "--authorize-param",
        "access_type=offline",
        "--authorize-param",
        "prompt=consent",
        "--authorize-param",
        "a=b=c",
    ];
    let visit = Visit::new(Settings::default(), &arguments);
    for (name, value) in [
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("a", "b=c"),
    ] {
        assert_eq!(visit.asked(name).as_deref(), Some(value));
    }
}

#[test]
fn static_oauth_client_metadata_is_part_of_the_registration_and_its_scope_is_asked_for() {
    let text = r#"{"client_name":"mine","scope":"tools admin"}"#;
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("oauth client.json");
    std::fs::write(&file, text).expect("written");
    for given in [text.to_owned(), format!("@{}", file.display())] {
        let arguments = ["--static-oauth-client-metadata", &given];
        let visit = Visit::new(Settings::default(), &arguments);
        let requests = visit.playground.requests();
        let registration = requests.iter().find(|r| r.path.ends_with("/register"));
        let registration = registration.expect("a registration").json();
        assert_eq!(registration["client_name"], "mine");
        assert_eq!(visit.asked("scope").as_deref(), Some("tools admin"));
    }
}

#[test]
fn static_oauth_client_info_takes_the_place_of_a_registration() {
    let port = free_port().to_string();
    let uri = format!("http://localhost:{port}/oauth/callback");
    let whole = r#"{"client_id":"mine","client_secret":"SECRET_1\""}"#;
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("client.json");
    std::fs::write(
        &file,
        r#"{"client_id":"${ID}","client_secret":"${SECRET}"}"#,
    )
    .expect("written");
    let in_file = format!("@{}", file.display());
    for given in [
        whole,
        r#"{"client_id":"mine","client_secret":"${SECRET}"}"#,
        "${WHOLE}",
        &in_file,
    ] {
        let settings = Settings {
            registration: Registration::Off,
            clients: vec![client(AuthMethod::Basic, &uri)],
            ..Settings::default()
        };
        let arguments = [&*port, "--static-oauth-client-info", given];
        let variables = [("SECRET", "SECRET_1\""), ("ID", "mine"), ("WHOLE", whole)];
        let visit = Visit::with(settings, &arguments, &variables);
        assert_eq!(visit.asked("client_id").as_deref(), Some("mine"));
        assert_eq!(visit.redirect_uri(), uri);
        let tokens = visit.token_requests();
        let secret = tokens[0].basic().map(|(_, secret)| secret);
        assert_eq!(secret.as_deref(), Some("SECRET_1\""), "{given}");
    }
}

#[test]
fn client_metadata_url_is_the_client_where_the_server_takes_such() {
    let document = "https://client.example/mcp.json";
    let port = free_port().to_string();
    let settings = |takes| Settings {
        client_documents: takes,
        clients: vec![StaticClient {
            id: document.to_owned(),
            secret: None,
            auth_method: AuthMethod::None,
            redirect_uris: vec![format!("http://localhost:{port}/oauth/callback")],
        }],
        ..Settings::default()
    };
    let visit = Visit::new(settings(false), &["--client-metadata-url", document]);
    assert_eq!(visit.playground.registrations(), 1);
    let arguments = [&*port, "--client-metadata-url", document];
    let visit = Visit::new(settings(true), &arguments);
    assert_eq!(visit.asked("client_id").as_deref(), Some(document));
    assert_eq!(visit.playground.registrations(), 0);
}

#[test]
fn device_code_needs_no_browser_here_and_wins_over_client_credentials() {
    let settings = Settings {
        device_interval: 1,
        client_credentials: true,
        clients: vec![client(AuthMethod::Basic, "http://localhost/")],
        ..Settings::default()
    };
    let info = r#"{"client_id":"mine","client_secret":"SECRET_1\""}"#;
    for arguments in [
        &[][..],
        // The helper gives `--device-code` besides.
        &["--client-credentials", "--static-oauth-client-info", info],
    ] {
        let (machine, playground) = (Machine::new(), Playground::start(settings.clone()));
        let login = Login::start(&machine, &playground.mcp_url(), arguments);
        let page = browse(&login.shown(1).complete, Manner::Approve).expect("a page");
        assert_eq!(page.status, 200, "{}", page.page);
        let (code, _, said) = login.ended();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(playground.device_codes(), 1, "{arguments:?}");
        assert!(machine.opened().is_empty());
    }
}

#[test]
fn client_credentials_ask_nobody_and_token_endpoint_asks_for_no_metadata() {
    let settings = || Settings {
        client_credentials: true,
        clients: vec![client(AuthMethod::Basic, "http://localhost/")],
        ..Settings::default()
    };
    let info = r#"{"client_id":"mine","client_secret":"${SECRET}"}"#;
    let arguments = ["--client-credentials", "--static-oauth-client-info", info];
    let variables = [("SECRET", "SECRET_1\"")];
    let visit = Visit::with(settings(), &arguments, &variables);
    assert!(visit.machine.opened().is_empty());
    let tokens = visit.token_requests();
    let grant = tokens[0].parameter("grant_type");
    assert_eq!(grant.as_deref(), Some("client_credentials"));

    let (machine, playground) = (Machine::new(), Playground::start(settings()));
    let endpoint = format!("{}/token", playground.issuer());
    let metadata = r#"{"scope":"tools","token_endpoint_auth_method":"client_secret_basic"}"#;
    let more = [
        "--token-endpoint",
        &endpoint,
        "--static-oauth-client-metadata",
        metadata,
        "--resource",
        &playground.mcp_url(),
    ];
    let arguments = [&arguments[..], &more].concat();
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &arguments);
    command.envs(variables);
    let mut bridge = Bridge::start_command(command);
    bridge.initialize("2025-11-25", json!({}));
    works(&mut bridge);
    let requests = playground.requests();
    let is_metadata = |request: &Request| request.path.contains("/.well-known/");
    assert!(
        !requests.iter().any(is_metadata),
        "{}",
        playground.printed_log()
    );
}
