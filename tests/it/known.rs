//! Servers about which more is known than they say: the bridge as it is shipped, with the table that
//! it is shipped with. A proxy leads it to servers of the test that have the names of the real ones,
//! and certificates of an authority that it is told to trust.

use playground::{
    AuthMethod, Fault, IssInCallback, Playground, Registration, Request, ResourceParameter, Server,
    Settings, StaticClient, Then,
};
use serde_json::json;
use url::Url;

use crate::network::authority::{Authority, For};
use crate::network::before::free_port;
use crate::network::nginx::{Nginx, Site};
use crate::network::trust::port_of;
use crate::support::bridge::Bridge;
use crate::support::divert::Divert;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, failure, opening};

/// Servers under names of others.
struct Stage {
    playground: Playground,
    _nginx: Nginx,
    divert: Divert,
    authority: Authority,
    /// The MCP server's address, as the user has it.
    url: String,
    /// Where the authorization server really is.
    local_issuer: String,
}

impl Stage {
    /// The MCP server at the host of `url`, the authorization server at the origin `issuer`.
    fn new(url: &str, issuer: &str, settings: Settings) -> Self {
        let host = |text: &str| {
            let url = Url::parse(text).expect(text);
            url.host_str().expect(text).to_owned()
        };
        let names = [host(url), host(issuer)];
        let authority = Authority::new("The tests' CA");
        let pair = authority.issue(For::Server(&[&names[0], &names[1]]));
        let playground = Playground::start(settings);
        let local_issuer = playground.issuer();
        let behind = [port_of(&playground.mcp_url()), port_of(&local_issuer)];
        let nginx = Nginx::start(&behind.map(|to| Site::new(&pair, to)));
        let (mcp, auth) = (
            format!("https://{}", names[0]),
            format!("https://{}", names[1]),
        );
        playground.change(|settings| {
            settings.public_mcp = Some(mcp);
            settings.public_authorization = Some(auth);
        });
        let [mcp, auth] = names.map(|name| format!("{name}:443"));
        let divert = Divert::start(&[(&mcp, nginx.ports[0]), (&auth, nginx.ports[1])]);
        Self {
            playground,
            _nginx: nginx,
            divert,
            authority,
            url: url.to_owned(),
            local_issuer,
        }
    }

    fn start(&self, machine: &Machine, more: &[&str]) -> Bridge {
        let own = [self.divert.option(), self.authority.option()];
        let mut arguments = vec!["--no-browser"];
        arguments.extend(own.iter().map(String::as_str));
        arguments.extend(more);
        Bridge::start(machine, &self.url, &arguments)
    }

    /// Signs in and makes a call; gives the authorization request, as the browser had it.
    fn visit(&self, more: &[&str]) -> Url {
        let machine = Machine::new();
        let mut bridge = self.start(&machine, more);
        bridge.initialize(NEWEST, json!({}));
        let list = bridge.request("tools/list", json!({}));
        let address = bridge.stderr_address();
        let sent = Url::parse(&address).expect("an address");
        // The person's browser knows no proxy.
        let page = address.replacen(&sent.origin().ascii_serialization(), &self.local_issuer, 1);
        assert!(machine.browse(&page).wait().expect("a browser").success());
        assert!(bridge.tools_listed(list).contains(&"add".to_owned()));
        bridge.close();
        sent
    }

    /// What the host is told where there is no way in.
    fn refused(&self, more: &[&str]) -> String {
        let machine = Machine::new();
        let mut bridge = self.start(&machine, more);
        let mut answer = bridge.call("initialize", opening(NEWEST, json!({})));
        if answer.get("result").is_some() {
            answer = bridge.call("tools/call", json!({ "name": "add" }));
        }
        let told = failure(&answer)["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        bridge.close();
        told
    }

    /// The requests to this path.
    fn at(&self, path: &str) -> Vec<Request> {
        let mut all = self.playground.requests();
        all.retain(|request| request.path == path);
        all
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Metadata that name this issuer, whoever was asked.
fn calls_itself(issuer: &str) -> Settings {
    Settings {
        metadata_issuer: Some(issuer.to_owned()),
        iss_in_callback: IssInCallback::Absent,
        iss_advertised: false,
        ..Settings::default()
    }
}

#[test]
fn a_known_server_may_name_the_issuer_that_is_known_of_it_and_no_other() {
    for (url, issuer) in [
        ("https://mcp.slack.com/mcp", "https://slack.com"),
        (
            "https://mcp.atlassian.com/v1/mcp",
            "https://cf.mcp.atlassian.com",
        ),
        (
            "https://mcp.atlassian.com/v1/mcp",
            "https://auth.atlassian.com",
        ),
        (
            "https://mcp.pagerduty.com/mcp",
            "https://app.pagerduty.com/global/oauth/anonymous",
        ),
        ("https://mcp.facebook.com/ads", "https://www.facebook.com"),
        (
            "https://api.salesforce.com/platform/mcp/v1/x",
            "https://login.salesforce.com",
        ),
    ] {
        let mut settings = calls_itself(issuer);
        settings.mcp_path = Url::parse(url).expect(url).path().to_owned();
        let stage = Stage::new(url, "https://as.test", settings);
        stage.visit(&[]);
        assert_eq!(stage.playground.code_exchanges(), 1, "{url}");
        // Without the table, and for another issuer, the rule is the rule.
        for (issuer, more) in [
            (issuer, &["--no-known-servers"][..]),
            ("https://evil.test", &[]),
        ] {
            stage
                .playground
                .change(|s| s.metadata_issuer = Some(issuer.to_owned()));
            let told = stage.refused(more);
            assert!(
                told.contains("RFC 8414 §3.3") && told.contains(issuer),
                "{url}: {told}"
            );
        }
        assert_eq!(stage.playground.code_exchanges(), 1, "{url}");
    }
    // Nor does what is known of one server hold for the next.
    let stage = Stage::new(
        "https://mcp.other.test/mcp",
        "https://as.test",
        calls_itself("https://slack.com"),
    );
    let told = stage.refused(&[]);
    assert!(told.contains("RFC 8414 §3.3"), "{told}");
}

#[test]
fn what_a_known_authorization_server_wants_is_in_the_request_unless_the_user_says_otherwise() {
    let stage = Stage::new(
        "https://mcp.own.test/mcp",
        "https://accounts.google.com",
        Settings::default(),
    );
    let sent = stage.visit(&[]);
    assert_eq!(sent.host_str(), Some("accounts.google.com"));
    assert_eq!(parameter(&sent, "access_type").as_deref(), Some("offline"));
    assert_eq!(parameter(&sent, "prompt").as_deref(), Some("consent"));
    let sent = stage.visit(&["--authorize-param", "prompt=select_account"]);
    assert_eq!(parameter(&sent, "access_type").as_deref(), Some("offline"));
    assert_eq!(
        parameter(&sent, "prompt").as_deref(),
        Some("select_account")
    );
    let sent = stage.visit(&["--no-known-servers"]);
    assert_eq!(parameter(&sent, "access_type"), None);
}

#[test]
fn a_known_server_that_refuses_resource_is_sent_none() {
    let settings = || Settings {
        resource_parameter: ResourceParameter::Refused,
        ..Settings::default()
    };
    let url = "https://api.fabric.microsoft.com/mcp";
    let stage = Stage::new(url, "https://as.test", settings());
    let sent = stage.visit(&[]);
    assert_eq!(parameter(&sent, "resource"), None);
    assert_eq!(stage.at("/token")[0].parameter("resource"), None);
    assert_eq!(stage.at("/authorize").len(), 1);
}

#[test]
fn a_known_server_gets_the_loopback_address_that_it_takes() {
    let port = free_port().to_string();
    let settings = Settings {
        registration: Registration::Off,
        clients: vec![StaticClient {
            id: "mine".to_owned(),
            secret: None,
            auth_method: AuthMethod::None,
            redirect_uris: vec![format!("http://localhost:{port}/oauth/callback")],
        }],
        ..calls_itself("https://slack.com")
    };
    let stage = Stage::new("https://mcp.slack.com/mcp", "https://as.test", settings);
    let machine = Machine::new();
    let client = r#"{"client_id":"mine"}"#;
    let mut bridge = stage.start(&machine, &["--static-oauth-client-info", client]);
    bridge.initialize(NEWEST, json!({}));
    bridge.request("tools/list", json!({}));
    let sent = Url::parse(&bridge.stderr_address()).expect("an address");
    let redirect_uri = parameter(&sent, "redirect_uri").expect("a redirect URI");
    assert!(
        redirect_uri.starts_with("http://localhost:"),
        "{redirect_uri}"
    );
}

#[test]
fn where_no_client_can_register_the_user_is_told_where_to_create_one() {
    for (url, issuer, console) in [
        (
            "https://mcp.slack.com/mcp",
            "https://slack.com",
            "https://api.slack.com/apps",
        ),
        (
            "https://api.githubcopilot.com/mcp/",
            "https://github.com",
            "https://github.com/settings/developers",
        ),
        (
            "https://mcp.asana.com/v2/mcp",
            "https://app.asana.com",
            "https://app.asana.com/0/my-apps",
        ),
        (
            "https://mcp.figma.com/mcp",
            "https://www.figma.com",
            "https://www.figma.com/developers/apps",
        ),
        (
            "https://mcp.own.test/mcp",
            "https://accounts.google.com",
            "https://console.cloud.google.com/apis/credentials",
        ),
    ] {
        let host = Url::parse(url).expect(url).host_str().map(str::to_owned);
        let host = host.as_deref().unwrap_or_default();
        let settings = Settings {
            mcp_path: Url::parse(url).expect(url).path().to_owned(),
            registration: Registration::Off,
            ..Settings::default()
        };
        let stage = Stage::new(url, issuer, settings);
        if host == "mcp.figma.com" {
            // It registers clients, but not this one.
            stage
                .playground
                .change(|s| s.registration = Registration::Public);
            let refusal = Then::answer(403).body("Forbidden");
            let register = Fault::of(Server::Authorization).path("/register");
            stage.playground.fault(register.always().then(refusal));
        }
        let told = stage.refused(&[]);
        assert!(told.contains(console), "{url}: {told}");
        assert!(told.contains("--static-oauth-client-info"), "{url}: {told}");
        let told = stage.refused(&["--no-known-servers"]);
        assert!(!told.contains(console), "{url}: {told}");
        // Nobody was asked but those two.
        let own = [
            Url::parse(url).expect(url),
            Url::parse(issuer).expect(issuer),
        ];
        let own = own.map(|url| format!("{}:443", url.host_str().expect("a host")));
        assert!(
            stage.divert.asked().iter().all(|name| own.contains(name)),
            "{:?}",
            stage.divert.asked()
        );
    }
}
