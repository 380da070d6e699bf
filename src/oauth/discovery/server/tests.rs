mod others;

use super::super::tests::{reply, server, unreachable};
use super::*;
use crate::oauth::discovery::FetchFault;

const FULL: &str = include_str!("../../../../fixtures/discovery/server.json");

/// Walks a search and notes the places it asks.
struct Walk {
    server: ServerUrl,
    allow_missing_pkce_metadata: bool,
    issuer: Option<Issuer>,
    known: Option<&'static Row>,
    pkce: bool,
    leads: Leads,
    asked: Vec<String>,
    step: Step<ServerSearch, AuthorizationServer>,
}

impl Walk {
    fn start(server: ServerUrl, servers: AuthorizationServers) -> Self {
        let mut walk = Self {
            server,
            allow_missing_pkce_metadata: false,
            issuer: None,
            known: None,
            pkce: true,
            leads: Leads::Browser,
            asked: Vec::new(),
            step: Step::Failed(DiscoveryError::HeaderNotAccepted(Vec::new())),
        };
        walk.step = ServerSearch::start(
            servers,
            |issuer| !issuer.as_str().contains("known"),
            walk.rules(),
        );
        walk.note();
        walk
    }

    /// A resource that names these issuers.
    fn of(issuers: &[&str]) -> Self {
        let issuers = issuers.iter().copied().map(Issuer::new).collect();
        Self::start(
            server("https://m.example/mcp"),
            AuthorizationServers::Listed(issuers),
        )
    }

    /// A server without resource metadata.
    fn guessed(address: &str) -> Self {
        Self::start(server(address), AuthorizationServers::Origin)
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            server: &self.server,
            allow_missing_pkce_metadata: self.allow_missing_pkce_metadata,
            issuer: self.issuer.as_ref(),
            known: self.known,
            pkce: self.pkce,
            leads: self.leads,
        }
    }

    fn by_device(mut self) -> Self {
        self.leads = Leads::Device;
        self
    }

    fn note(&mut self) {
        if let Step::Fetch(search, _) = &self.step {
            self.asked.push(search.url().to_string());
        }
    }

    fn feed(mut self, fetch: impl FnOnce(&Url) -> Fetched) -> Self {
        let ended = Step::Failed(DiscoveryError::HeaderNotAccepted(Vec::new()));
        let Step::Fetch(search, _) = std::mem::replace(&mut self.step, ended) else {
            panic!("nothing is asked any more");
        };
        let fetched = fetch(search.url());
        self.step = search.judge(fetched, self.rules());
        self.note();
        self
    }

    fn gets(self, status: u16, body: &str) -> Self {
        self.feed(|url| reply(url, status, body))
    }

    fn fails(self) -> Self {
        self.feed(|_| unreachable())
    }

    fn found(self) -> AuthorizationServer {
        match self.step {
            Step::Found(found) => found,
            other => panic!("{other:?}, asked {:?}", self.asked),
        }
    }

    fn failed(self) -> DiscoveryError {
        match self.step {
            Step::Failed(error) => error,
            other => panic!("{other:?}, asked {:?}", self.asked),
        }
    }
}

/// The document with one member replaced, or left out where the value is empty.
fn with(name: &str, value: &str) -> String {
    let mut document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(FULL).unwrap();
    match value {
        "" => document.remove(name),
        text => document.insert(name.to_owned(), serde_json::from_str(text).unwrap()),
    };
    serde_json::to_string(&document).unwrap()
}

const T1: &str = "https://as.example/t1";

#[test]
fn an_issuer_with_a_path_is_asked_at_three_places_and_never_at_the_root() {
    let walk = Walk::of(&[T1]).gets(404, "").gets(404, "").gets(404, "");
    assert_eq!(
        walk.asked,
        [
            "https://as.example/.well-known/oauth-authorization-server/t1",
            "https://as.example/.well-known/openid-configuration/t1",
            "https://as.example/t1/.well-known/openid-configuration",
        ]
    );
    let error = walk.failed();
    assert!(!error.is_transient());
    assert_eq!(error.to_string().matches("status 404").count(), 3);
}

#[test]
fn an_issuer_without_a_path_is_asked_at_two_places() {
    for issuer in ["https://as.example", "https://as.example/"] {
        let walk = Walk::of(&[issuer]).gets(404, "").gets(404, "");
        assert_eq!(
            walk.asked,
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
        walk.failed();
    }
}

#[test]
fn a_slash_behind_the_issuers_path_is_left_out_of_the_places() {
    let walk = Walk::of(&["https://as.example/t1/"]);
    assert_eq!(
        walk.asked,
        ["https://as.example/.well-known/oauth-authorization-server/t1"]
    );
}

#[test]
fn a_full_document_is_read() {
    let found = Walk::of(&[T1]).gets(200, FULL).found();
    let url = |text| Url::parse(text).unwrap();
    assert_eq!(
        found,
        AuthorizationServer {
            issuer: Issuer::new(T1),
            authorization_endpoint: Some(url("https://login.example/authorize?tenant=t1")),
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            token_endpoint: url("https://as.example/t1/token"),
            device_authorization_endpoint: Some(url("https://as.example/t1/device")),
            registration_endpoint: Some(url("https://as.example/t1/register")),
            revocation_endpoint: Some(url("https://as.example/t1/revoke")),
            grant_types: Some(vec![
                "authorization_code".to_owned(),
                "refresh_token".to_owned()
            ]),
            scopes_supported: vec!["openid".to_owned(), "offline_access".to_owned()],
            auth_methods: Some(vec!["none".to_owned(), "client_secret_basic".to_owned()]),
            iss_supported: true,
            dpop_algorithms: None,
            auth_signing_algorithms: None,
            client_id_metadata_documents: false,
        }
    );
}

#[test]
fn a_minimal_document_is_read() {
    let found = Walk::of(&["https://as.example"])
        .gets(404, "")
        .gets(
            200,
            include_str!("../../../../fixtures/discovery/server-minimal.json"),
        )
        .found();
    assert_eq!(found.registration_endpoint, None);
    assert_eq!(found.auth_methods, None);
    assert!(!found.iss_supported);
}

#[test]
fn places_without_a_document_are_passed_over() {
    for (status, body) in [
        (404, ""),
        (401, ""),
        (403, ""),
        (400, "{}"),
        (200, "<html>"),
        (200, "{\"error\":\"x\"}"),
        (301, ""),
    ] {
        Walk::of(&[T1]).gets(status, body).gets(200, FULL).found();
    }
}

#[test]
fn a_place_that_is_down_is_asked_once_more_and_then_passed_over() {
    let walk = Walk::of(&[T1]).gets(500, "").gets(500, "").gets(200, FULL);
    assert_eq!(walk.asked[0], walk.asked[1]);
    assert_eq!(walk.asked.len(), 3);
    walk.found();
}

#[test]
fn a_place_that_is_not_trusted_is_asked_once_and_the_failure_lasts() {
    let untrusted = |_: &Url| {
        let cause = std::io::Error::other("its certificate is self-signed");
        Err(FetchFault::Untrusted(std::sync::Arc::new(cause)))
    };
    let issuers = ["https://as.example"];
    let error = Walk::of(&issuers).feed(untrusted).feed(untrusted).failed();
    assert!(matches!(error, DiscoveryError::Unreachable { .. }));
    assert!(!error.is_transient());
    // What may come back by itself outweighs it.
    let walk = Walk::of(&issuers).feed(untrusted);
    let error = walk.gets(503, "").gets(503, "").failed();
    assert!(error.is_transient());
}

#[test]
fn a_fault_on_the_way_makes_the_failure_one_to_try_again() {
    let error = Walk::of(&[T1])
        .fails()
        .fails()
        .gets(404, "")
        .gets(404, "")
        .failed();
    assert!(error.is_transient());
    assert!(std::error::Error::source(&error).is_some());
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[test]
fn another_issuer_in_the_document_ends_the_search() {
    for (asked, found) in [
        (T1, "https://as.example"),
        (T1, "https://as.example/t1/"),
        (T1, "https://AS.example/t1"),
        (T1, "https://as.example:443/t1"),
        ("https://as.example", "https://as.example//"),
        ("https://as.example", "https://evil.example"),
    ] {
        let error = Walk::of(&[asked])
            .gets(200, &with("issuer", &format!("\"{found}\"")))
            .failed();
        let text = error.to_string();
        assert!(
            matches!(error, DiscoveryError::IssuerMismatch { .. }),
            "{text}"
        );
        assert!(text.contains(&format!("`{asked}`")) && text.contains(&format!("`{found}`")));
    }
}

#[test]
fn the_slash_behind_a_bare_host_is_tolerated_and_the_documents_spelling_kept() {
    for (asked, found) in [
        ("https://as.example", "https://as.example/"),
        ("https://as.example/", "https://as.example"),
    ] {
        let body = with("issuer", &format!("\"{found}\""));
        let server = Walk::of(&[asked]).gets(200, &body).found();
        assert_eq!(server.issuer, Issuer::new(found));
    }
}

#[test]
fn an_issuer_named_by_the_user_is_believed_anywhere() {
    let mut walk = Walk::of(&["https://mcp.example"]);
    walk.issuer = Some(Issuer::new(T1));
    assert_eq!(walk.gets(200, FULL).found().issuer, Issuer::new(T1));
    let mut walk = Walk::of(&["https://mcp.example"]);
    walk.issuer = Some(Issuer::new("https://as.example/t2"));
    walk.gets(200, FULL).failed();
}

#[test]
fn a_document_without_issuer_is_refused() {
    let error = Walk::of(&[T1]).gets(200, &with("issuer", "")).failed();
    assert!(matches!(error, DiscoveryError::Document { .. }));
}

#[test]
fn pkce_with_s256_has_to_be_announced() {
    let name = "code_challenge_methods_supported";
    for value in ["", "null", "[]", "[\"plain\"]", "[\"s256\"]", "\"S256\""] {
        let error = Walk::of(&[T1]).gets(200, &with(name, value)).failed();
        assert!(matches!(error, DiscoveryError::NoS256 { .. }), "{value}");
        let mut walk = Walk::of(&[T1]);
        walk.allow_missing_pkce_metadata = true;
        let step = walk.gets(200, &with(name, value)).step;
        let absent = matches!(value, "" | "null");
        assert_eq!(matches!(step, Step::Found(_)), absent, "{value}");
    }
    Walk::of(&[T1])
        .gets(200, &with(name, "[\"plain\",\"S256\"]"))
        .found();
}

#[test]
fn the_override_is_named_only_where_it_helps() {
    let name = "code_challenge_methods_supported";
    let absent = Walk::of(&[T1]).gets(200, &with(name, "")).failed();
    assert!(absent.hint().contains("--allow-missing-pkce-metadata"));
    let plain = Walk::of(&[T1])
        .gets(200, &with(name, "[\"plain\"]"))
        .failed();
    assert!(!plain.hint().contains("--allow"));
}

#[test]
fn endpoints_have_to_be_there_and_safe() {
    for name in ["authorization_endpoint", "token_endpoint"] {
        let error = Walk::of(&[T1]).gets(200, &with(name, "")).failed();
        assert!(matches!(error, DiscoveryError::Document { .. }), "{name}");
    }
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
    ] {
        for url in [
            "http://as.example/x",
            "http://127.0.0.1/x",
            "https://as.example/#x",
            "x",
        ] {
            let body = with(name, &format!("\"{url}\""));
            let error = Walk::of(&[T1]).gets(200, &body).failed();
            assert!(
                matches!(error, DiscoveryError::Address { .. }),
                "{name} {url}"
            );
        }
    }
    let body = with("revocation_endpoint", "\"http://as.example/x\"");
    assert_eq!(
        Walk::of(&[T1]).gets(200, &body).found().revocation_endpoint,
        None
    );
}

#[test]
fn an_unsafe_device_endpoint_matters_only_to_who_wants_a_code() {
    let unsafe_one = with("device_authorization_endpoint", "\"http://as.example/x\"");
    let found = Walk::of(&[T1]).gets(200, &unsafe_one).found();
    assert_eq!(found.device_authorization_endpoint, None);
    let error = Walk::of(&[T1]).by_device().gets(200, &unsafe_one).failed();
    assert!(matches!(error, DiscoveryError::Address { .. }), "{error}");
    let none = with("device_authorization_endpoint", "");
    let found = Walk::of(&[T1]).by_device().gets(200, &none).found();
    assert_eq!(found.device_authorization_endpoint, None);
}

#[test]
fn who_wants_a_code_needs_neither_pkce_nor_what_else_the_browsers_way_needs() {
    for body in [
        with("code_challenge_methods_supported", ""),
        with("code_challenge_methods_supported", "[\"plain\"]"),
        with("response_types_supported", "[\"token\"]"),
        with("require_pushed_authorization_requests", "true"),
    ] {
        Walk::of(&[T1]).gets(200, &body).failed();
        let found = Walk::of(&[T1]).by_device().gets(200, &body).found();
        assert!(found.device_authorization_endpoint.is_some());
    }
}

#[test]
fn the_code_response_type_has_to_be_offered_if_types_are_listed() {
    let name = "response_types_supported";
    let error = Walk::of(&[T1])
        .gets(200, &with(name, "[\"token\",\"code id_token\"]"))
        .failed();
    assert!(matches!(error, DiscoveryError::Document { .. }));
    Walk::of(&[T1]).gets(200, &with(name, "")).found();
}

#[test]
fn required_pushed_requests_need_an_endpoint_that_may_be_used() {
    let required = "require_pushed_authorization_requests";
    let error = Walk::of(&[T1]).gets(200, &with(required, "true")).failed();
    assert!(
        error
            .to_string()
            .contains("pushed_authorization_request_endpoint")
    );
    let at = |address: &str| {
        let endpoint =
            format!(r#""pushed_authorization_request_endpoint":"{address}","{required}":true,"#);
        with(required, "").replacen('{', &format!("{{{endpoint}"), 1)
    };
    let found = Walk::of(&[T1])
        .gets(200, &at("https://as.example/par"))
        .found();
    assert!(found.require_pushed_authorization_requests);
    assert_eq!(
        found
            .pushed_authorization_request_endpoint
            .unwrap()
            .as_str(),
        "https://as.example/par"
    );
    let error = Walk::of(&[T1])
        .gets(200, &at("http://as.example/par"))
        .failed();
    assert!(matches!(error, DiscoveryError::Address { .. }), "{error}");
    // Nobody is sent anywhere by a code.
    Walk::of(&[T1])
        .by_device()
        .gets(200, &at("http://as.example/par"))
        .found();
}

#[test]
fn without_pkce_the_metadata_need_not_list_it() {
    for value in ["", "[\"plain\"]"] {
        let mut walk = Walk::of(&[T1]);
        walk.pkce = false;
        walk.gets(200, &with("code_challenge_methods_supported", value))
            .found();
    }
}

const ROW: Row = Row {
    key: "https://m.example",
    source: "https://docs.example/",
    issuers: &["https://elsewhere.example/x", "https://as.example"],
    params: &[],
    resource_refused: false,
    loopback: None,
    console: None,
};

#[test]
fn a_row_bends_the_issuer_rule_to_the_exact_strings_in_it() {
    for (found, known, believed) in [
        ("https://elsewhere.example/x", true, true),
        ("https://as.example", true, true),
        (T1, true, true),
        ("https://elsewhere.example/x/", true, false),
        ("https://elsewhere.example/X", true, false),
        ("https://as.example/", true, false),
        ("https://elsewhere.example/x", false, false),
        ("https://as.example", false, false),
    ] {
        let mut walk = Walk::of(&[T1]);
        walk.known = known.then_some(&ROW);
        let walk = walk.gets(200, &with("issuer", &format!("\"{found}\"")));
        match believed {
            // This is what `iss` is compared with.
            true => assert_eq!(walk.found().issuer.as_str(), found),
            false => assert!(
                matches!(walk.failed(), DiscoveryError::IssuerMismatch { .. }),
                "{found}"
            ),
        }
    }
}

#[test]
fn a_named_issuer_is_the_only_one_believed() {
    let named = |found: &str| {
        let mut walk = Walk::of(&[T1]);
        walk.issuer = Some(Issuer::new("https://named.example"));
        walk.known = Some(&ROW);
        walk.gets(200, &with("issuer", &format!("\"{found}\"")))
    };
    assert_eq!(
        named("https://named.example").found().issuer.as_str(),
        "https://named.example"
    );
    for other in [T1, "https://elsewhere.example/x", "https://named.example/"] {
        let DiscoveryError::IssuerMismatch { expected, found } = named(other).failed() else {
            panic!("another error for {other}");
        };
        assert_eq!(
            (expected.as_str(), found.as_str()),
            ("https://named.example", other)
        );
    }
    let mut walk = Walk::guessed("https://m.example/mcp");
    walk.issuer = Some(Issuer::new("https://named.example"));
    assert_eq!(
        walk.gets(404, "").gets(404, "").found().issuer.as_str(),
        "https://named.example"
    );
}

#[test]
fn repeated_members_are_refused() {
    let body = include_str!("../../../../fixtures/discovery/server-twice.json");
    let error = Walk::of(&[T1]).gets(200, body).failed();
    assert!(error.to_string().contains("`token_endpoint`"), "{error}");
}
