//! The rules of discovery and of the authorization request, where they bend and where they do not.

use std::fs;

use playground::{
    AuthMethod, Pkce, Playground, Registration, Request, ResourceParameter, Settings, StaticClient,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

const CLIENT: &str = "by-hand";
/// Without a port: any will do (RFC 8252 §7.3).
const REDIRECT_URI: &str = "http://127.0.0.1/oauth/callback";

/// A server with a client that a person has registered at it, and nothing else to become one.
fn with_client() -> Settings {
    Settings {
        registration: Registration::Off,
        clients: vec![StaticClient {
            id: CLIENT.to_owned(),
            secret: None,
            auth_method: AuthMethod::None,
            redirect_uris: vec![REDIRECT_URI.to_owned()],
        }],
        ..Settings::default()
    }
}

/// Starts a session, makes one call, and closes it. Gives what was written to stderr.
fn visit(machine: &Machine, playground: &Playground, arguments: &[&str]) -> String {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), arguments);
    bridge.tool("echo", json!({ "text": "hello" }));
    let ended = bridge.close();
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.stderr
}

/// The message of the error that the host gets.
fn refused(machine: &Machine, server: &str, arguments: &[&str]) -> String {
    let mut bridge = Bridge::start(machine, server, arguments);
    let mut answer = bridge.call(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    // Where that took more than two seconds, the host was told something to go on with.
    if answer.get("result").is_some() {
        answer = bridge.call("tools/call", json!({ "name": "echo" }));
    }
    assert_eq!(
        answer["error"]["data"]["bridge"]["stage"],
        "auth",
        "{answer}\n{}",
        bridge.story()
    );
    let message = answer["error"]["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    bridge.close();
    message
}

/// Writes a configuration file with these members of `oauth`, and gives the arguments that name it.
fn configure(machine: &Machine, playground: &Playground, oauth: &Value) -> [String; 2] {
    let folder = machine.cache().with_file_name("configuration");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("c.json");
    let entry = json!({ "url": playground.mcp_url(), "oauth": oauth });
    let file = json!({ "mcpServers": { "it": entry } });
    fs::write(&path, file.to_string()).expect("written");
    ["--config".to_owned(), path.display().to_string()]
}

fn at(playground: &Playground, path: &str) -> Vec<Request> {
    let mut requests = playground.requests();
    requests.retain(|request| request.path.ends_with(path));
    requests
}

fn cached(machine: &Machine) -> Value {
    serde_json::from_slice(&fs::read(&machine.cached()[0]).unwrap()).unwrap()
}

fn expire(playground: &Playground, machine: &Machine) {
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
}

#[test]
fn given_endpoints_ask_for_no_metadata_at_all() {
    let settings = Settings {
        resource_parameter: ResourceParameter::Refused,
        ..with_client()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let issuer = playground.issuer();
    let oauth = json!({
        "authorization_url": format!("{issuer}/authorize"),
        "token_url": format!("{issuer}/token"),
        "client_id": CLIENT,
        "redirect_uri": REDIRECT_URI,
        "scopes": ["tools"],
        "audience": "https://api.example",
        "extra_auth_params": { "team": "T1" },
        "extra_token_params": { "tenant": "t" },
    });
    let config = configure(&machine, &playground, &oauth);
    let arguments: Vec<&str> = config.iter().map(String::as_str).collect();
    let call = || {
        let mut bridge = Bridge::open(&machine, "it", &arguments);
        bridge.tool("echo", json!({}));
        bridge.close();
    };
    call();
    expire(&playground, &machine);
    call();
    assert_eq!(machine.opened().len(), 1);
    for request in playground.requests() {
        assert!(
            !request.path.contains("well-known"),
            "{}",
            playground.printed_log()
        );
    }
    let asked = &at(&playground, "/authorize")[0];
    for (name, value) in [
        ("client_id", Some(CLIENT)),
        ("scope", Some("tools")),
        ("audience", Some("https://api.example")),
        ("team", Some("T1")),
        ("resource", None),
    ] {
        assert_eq!(asked.parameter(name).as_deref(), value, "{name}");
    }
    let [code, refresh] = &at(&playground, "/token")[..] else {
        panic!("{}", playground.printed_log());
    };
    let audience = |request: &Request| request.parameter("audience");
    assert_eq!(
        (audience(code), audience(refresh)),
        (None, Some("https://api.example".into()))
    );
    for request in [code, refresh] {
        assert_eq!(request.parameter("tenant").as_deref(), Some("t"));
        assert_eq!(request.parameter("resource"), None);
    }
    // The playground's `iss` is the origin of its token endpoint.
    assert_eq!(cached(&machine)["issuer"], issuer.as_str());
}

#[test]
fn an_answer_from_another_issuer_than_the_given_one_is_refused() {
    let (playground, machine) = (Playground::start(with_client()), Machine::new());
    let issuer = playground.issuer();
    let oauth = json!({
        "authorization_url": format!("{issuer}/authorize"),
        "token_url": format!("{issuer}/token"),
        "issuer": "https://as.example",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT_URI,
        "resource": playground.mcp_url(),
    });
    let config = configure(&machine, &playground, &oauth);
    let arguments: Vec<&str> = config.iter().map(String::as_str).collect();
    let told = refused(&machine, "it", &arguments);
    assert!(
        told.contains("https://as.example") && told.contains(&issuer),
        "{told}"
    );
    assert!(
        at(&playground, "/token").is_empty(),
        "{}",
        playground.printed_log()
    );
}

#[test]
fn without_pkce_nothing_of_it_is_sent_and_the_user_is_told() {
    let settings = Settings {
        pkce: Pkce::Refused,
        code_challenge_methods: None,
        ..with_client()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let config = configure(
        &machine,
        &playground,
        &json!({ "client_id": CLIENT, "redirect_uri": REDIRECT_URI, "use_pkce": false }),
    );
    let arguments: Vec<&str> = config.iter().map(String::as_str).collect();
    let mut bridge = Bridge::open(&machine, "it", &arguments);
    bridge.tool("echo", json!({}));
    let stderr = bridge.close().stderr;
    assert!(stderr.contains("PKCE is off"), "{stderr}");
    let asked = &at(&playground, "/authorize")[0];
    assert_eq!(asked.parameter("code_challenge"), None);
    assert_eq!(asked.parameter("code_challenge_method"), None);
    assert_eq!(
        at(&playground, "/token")[0].parameter("code_verifier"),
        None
    );
}

#[test]
fn a_fixed_redirect_uri_is_used_as_it_stands() {
    let port = playground::free_port().unwrap();
    let redirect_uri = format!("http://127.0.0.1:{port}/signed/in");
    let mut settings = with_client();
    settings.clients[0].redirect_uris = vec![redirect_uri.clone()];
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let oauth = json!({ "client_id": CLIENT, "redirect_uri": redirect_uri });
    let config = configure(&machine, &playground, &oauth);
    let arguments: Vec<&str> = config.iter().map(String::as_str).collect();
    let mut bridge = Bridge::open(&machine, "it", &arguments);
    bridge.tool("echo", json!({}));
    bridge.close();
    for path in ["/authorize", "/token"] {
        let sent = at(&playground, path)[0].parameter("redirect_uri");
        assert_eq!(sent.as_ref(), Some(&redirect_uri), "{path}");
    }
}

#[test]
fn a_server_that_refuses_resource_is_used_without_it_from_then_on() {
    for (rule, browsers) in [
        (ResourceParameter::Refused, 2),
        (ResourceParameter::RefusedInWords, 2),
        (ResourceParameter::RefusedWithTokens, 1),
    ] {
        let settings = Settings {
            resource_parameter: rule,
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let stderr = visit(&machine, &playground, &[]);
        assert!(
            stderr.contains("`resource` parameter"),
            "{rule:?}: {stderr}"
        );
        assert_eq!(machine.opened().len(), browsers, "{rule:?}");
        assert_eq!(playground.registrations(), 1, "{rule:?}");
        let sent = at(&playground, "/authorize")[0].parameter("resource");
        assert_eq!(sent, Some(playground.mcp_url()), "{rule:?}");
        // What is remembered holds for a refresh and for the next sign-in.
        let before = playground.requests().len();
        expire(&playground, &machine);
        visit(&machine, &playground, &[]);
        expire(&playground, &machine);
        playground.revoke_grants();
        visit(&machine, &playground, &[]);
        for request in playground.requests().split_off(before) {
            assert_eq!(
                request.parameter("resource"),
                None,
                "{rule:?}: {}",
                request.path
            );
        }
        assert_eq!(machine.opened().len(), browsers + 1, "{rule:?}");
    }
}

#[test]
fn a_resource_that_the_user_named_is_not_left_out() {
    let settings = Settings {
        resource_parameter: ResourceParameter::Refused,
        ..Settings::default()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let told = refused(
        &machine,
        &playground.mcp_url(),
        &["--resource", &playground.mcp_url()],
    );
    assert!(told.contains("invalid_target"), "{told}");
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_server_that_moves_to_another_authorization_server_gets_a_client_and_a_grant_there() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    visit(&machine, &playground, &[]);
    let old = cached(&machine);
    // Another issuer, at other endpoints; what the first one issued is worth nothing any more.
    playground.change(|settings| settings.issuer_path = "/moved".into());
    expire(&playground, &machine);
    playground.revoke_grants();
    let before = playground.requests().len();
    visit(&machine, &playground, &[]);
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 2));
    let old_client = old["client"][old["issuer"].as_str().unwrap()]["client_id"].clone();
    let old_refresh = old["refresh_token"].clone();
    assert!(old_client.is_string() && old_refresh.is_string(), "{old}");
    let mut moved = playground.requests().split_off(before);
    moved.retain(|request| request.path.starts_with("/moved/"));
    let named = |request: &&playground::Request| request.parameter("client_id").is_some();
    assert!(moved.iter().filter(named).count() >= 2, "{moved:?}");
    for request in moved {
        for (name, old) in [("client_id", &old_client), ("refresh_token", &old_refresh)] {
            let sent = request.parameter(name);
            assert_ne!(
                sent.as_deref().or(Some("nothing")),
                old.as_str(),
                "{}",
                request.path
            );
        }
    }
    assert_eq!(cached(&machine)["issuer"], playground.issuer().as_str());
}

#[test]
fn a_configured_client_is_not_shown_to_the_authorization_server_that_a_server_moved_to() {
    let (playground, machine) = (Playground::start(with_client()), Machine::new());
    let info = r#"{"client_id":"by-hand"}"#;
    let client = ["--static-oauth-client-info", info, "--host", "127.0.0.1"];
    visit(&machine, &playground, &client);
    let old = playground.issuer();
    playground.change(|settings| settings.issuer_path = "/moved".into());
    expire(&playground, &machine);
    playground.revoke_grants();
    let told = refused(&machine, &playground.mcp_url(), &client);
    assert!(
        told.contains(&old) && told.contains(&playground.issuer()),
        "{told}"
    );
    assert_eq!(machine.opened().len(), 1);
    assert!(at(&playground, "/moved/authorize").is_empty());
}
