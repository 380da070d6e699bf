use super::super::Reply;
use super::super::tests::{reply, server, unreachable};
use super::*;

const METADATA: &str = include_str!("../../../../fixtures/discovery/resource.json");

/// Walks a search and notes the places it asks.
struct Walk {
    server: ServerUrl,
    resource: Option<ResourceId>,
    asked: Vec<String>,
    step: Step<ResourceSearch, ResourceMetadata>,
}

impl Walk {
    fn to(address: &str, hint: Option<&str>) -> Self {
        let server = server(address);
        let search = ResourceSearch::new(&server, hint);
        Self {
            asked: vec![search.url().to_string()],
            step: Step::Fetch(search, 0),
            server,
            resource: None,
        }
    }

    fn naming(mut self, resource: &str) -> Self {
        self.resource = Some(ResourceId::new(resource));
        self
    }

    fn gets(mut self, status: u16, body: &str) -> Self {
        let Step::Fetch(search, _) = &self.step else {
            panic!("nothing is asked any more: {:?}", self.step);
        };
        let fetched = reply(search.url(), status, body);
        self.feed(fetched);
        self
    }

    fn fails(mut self) -> Self {
        self.feed(unreachable());
        self
    }

    fn feed(&mut self, fetched: Fetched) {
        let ended = Step::Failed(DiscoveryError::HeaderNotAccepted(Vec::new()));
        let Step::Fetch(search, _) = std::mem::replace(&mut self.step, ended) else {
            panic!("nothing is asked any more");
        };
        let expected = Expected {
            server: &self.server,
            resource: self.resource.as_ref(),
        };
        self.step = search.judge(fetched, expected);
        if let Step::Fetch(search, _) = &self.step {
            self.asked.push(search.url().to_string());
        }
    }

    fn found(self) -> ResourceMetadata {
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

    fn found_nothing(self) -> Vec<String> {
        let asked = self.asked.clone();
        let found = self.found();
        assert_eq!(found.resource, None);
        assert_eq!(found.authorization_servers, AuthorizationServers::Origin);
        asked
    }
}

const PATH_FORM: &str = "https://m.example/.well-known/oauth-protected-resource/mcp";
const HOST_FORM: &str = "https://m.example/.well-known/oauth-protected-resource";

#[test]
fn the_path_form_comes_first_and_suffices() {
    let walk = Walk::to("https://m.example/mcp", None).gets(200, METADATA);
    assert_eq!(walk.asked, [PATH_FORM]);
    let found = walk.found();
    assert_eq!(
        found.resource,
        Some(ResourceId::new("https://m.example/mcp"))
    );
    let issuers = ["https://as.example/t1", "https://as2.example"].map(Issuer::new);
    assert_eq!(
        found.authorization_servers,
        AuthorizationServers::Listed(issuers.to_vec())
    );
    assert_eq!(
        found.scopes_supported,
        Some(vec!["mcp:read".to_owned(), "mcp:write".to_owned()])
    );
}

#[test]
fn the_host_form_follows_where_the_path_form_has_nothing() {
    for (status, body) in [
        (404, ""),
        (400, "{}"),
        (405, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, "{\"hello\":1}"),
        (204, ""),
    ] {
        let walk = Walk::to("https://m.example/mcp", None)
            .gets(status, body)
            .gets(200, METADATA);
        assert_eq!(walk.asked, [PATH_FORM, HOST_FORM], "{status} {body}");
        assert!(walk.found().resource.is_some());
    }
}

#[test]
fn the_host_form_is_not_asked_where_the_path_form_is_closed() {
    for status in [401, 403] {
        let asked = Walk::to("https://m.example/mcp", None)
            .gets(status, "")
            .found_nothing();
        assert_eq!(asked, [PATH_FORM], "{status}");
    }
}

#[test]
fn a_server_at_the_root_is_asked_once() {
    for address in ["https://m.example", "https://m.example/"] {
        let asked = Walk::to(address, None).gets(404, "").found_nothing();
        assert_eq!(asked, [HOST_FORM], "{address}");
    }
}

#[test]
fn query_stays_slash_goes_and_escapes_are_left_alone() {
    let asked = Walk::to("https://h.example/a%2Fb/mcp/?x=1&y=%20", None)
        .gets(404, "")
        .gets(404, "")
        .found_nothing();
    assert_eq!(
        asked,
        [
            "https://h.example/.well-known/oauth-protected-resource/a%2Fb/mcp?x=1&y=%20",
            "https://h.example/.well-known/oauth-protected-resource",
        ]
    );
}

#[test]
fn the_challenge_outranks_the_well_known_places() {
    let hint = "https://meta.example/custom.json";
    let walk = Walk::to("https://m.example/mcp", Some(hint)).gets(200, METADATA);
    assert_eq!(walk.asked, [hint]);
    walk.found();
}

#[test]
fn a_challenge_that_leads_nowhere_is_given_up_for_the_well_known_places() {
    for (status, body) in [(404, ""), (401, ""), (403, ""), (200, "<html>")] {
        let walk = Walk::to("https://m.example/mcp", Some("https://m.example/x"))
            .gets(status, body)
            .gets(404, "")
            .gets(404, "");
        let asked = ["https://m.example/x", PATH_FORM, HOST_FORM];
        assert_eq!(walk.asked, asked, "{status}");
        walk.found_nothing();
    }
}

#[test]
fn a_challenge_with_an_unsafe_address_is_ignored_with_a_reason() {
    for hint in [
        "http://m.example/x",
        "http://127.0.0.1/x",
        "https://u:p@m.example/x",
        "nonsense",
    ] {
        let server = server("https://m.example/mcp");
        let search = ResourceSearch::new(&server, Some(hint));
        assert_eq!(search.url().as_str(), PATH_FORM, "{hint}");
        assert!(search.ignored_hint().is_some(), "{hint}");
    }
    let plain = server("http://m.example/mcp");
    let hint = "http://m.example/x";
    assert_eq!(ResourceSearch::new(&plain, Some(hint)).url().as_str(), hint);
}

#[test]
fn a_place_that_is_down_is_asked_twice_and_never_passed_over() {
    for status in [429, 500, 503] {
        let walk = Walk::to("https://m.example/mcp", None)
            .gets(status, "")
            .gets(status, "");
        assert_eq!(walk.asked, [PATH_FORM, PATH_FORM]);
        assert!(walk.failed().is_transient(), "{status}");
    }
    let walk = Walk::to("https://m.example/mcp", None).fails().fails();
    assert!(walk.failed().is_transient());
    Walk::to("https://m.example/mcp", None)
        .fails()
        .gets(200, METADATA)
        .found();
}

#[test]
fn a_place_that_asks_for_a_long_pause_is_not_waited_for() {
    let server = server("https://m.example/mcp");
    let expected = Expected {
        server: &server,
        resource: None,
    };
    for (retry_after, pause) in [(None, Some(1)), (Some(7), Some(7)), (Some(60), None)] {
        let search = ResourceSearch::new(&server, None);
        let url = search.url().clone();
        let busy = Ok(Reply {
            status: 429,
            body: Vec::new(),
            url,
            retry_after,
        });
        match (search.judge(busy, expected), pause) {
            (Step::Fetch(_, waits), Some(pause)) => assert_eq!(waits, pause),
            (Step::Failed(error), None) => assert!(error.is_transient()),
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_resource_covers_the_server_by_whole_segments_of_one_origin() {
    let server = |text| Url::parse(text).unwrap();
    for (resource, address) in [
        ("https://h.example/mcp", "https://h.example/mcp"),
        ("https://H.example:443/mcp", "https://h.example/mcp"),
        ("https://h.example/mcp/", "https://h.example/mcp"),
        ("https://h.example/mcp", "https://h.example/mcp/"),
        ("https://h.example", "https://h.example/mcp"),
        ("https://h.example/", "https://h.example/a/mcp"),
        ("https://h.example/a", "https://h.example/a/mcp"),
        ("https://h.example/a", "https://h.example/a?x=1"),
        ("https://h.example/a?x=1", "https://h.example/a?x=1"),
    ] {
        assert!(covers(resource, &server(address)), "{resource} {address}");
    }
    for (resource, address) in [
        ("https://h.example/mc", "https://h.example/mcp"),
        ("https://h.example/mcp/x", "https://h.example/mcp"),
        ("https://h.example/MCP", "https://h.example/mcp"),
        ("https://evil.example/mcp", "https://h.example/mcp"),
        ("https://h.example.evil/mcp", "https://h.example/mcp"),
        ("https://h.example:8443/mcp", "https://h.example/mcp"),
        ("http://h.example/mcp", "https://h.example/mcp"),
        ("https://h.example/mcp#x", "https://h.example/mcp"),
        ("https://h.example/mcp?x=1", "https://h.example/mcp"),
        ("https://h.example/mcp?x=1", "https://h.example/mcp?x=2"),
        ("h.example/mcp", "https://h.example/mcp"),
        ("", "https://h.example/mcp"),
    ] {
        assert!(!covers(resource, &server(address)), "{resource} {address}");
    }
}

#[test]
fn metadata_about_another_resource_ends_the_search() {
    let body = METADATA.replace("https://m.example/mcp", "https://evil.example/mcp");
    for hint in [None, Some("https://m.example/x")] {
        let error = Walk::to("https://m.example/mcp", hint)
            .gets(200, &body)
            .failed();
        let text = error.to_string();
        assert!(text.contains("`https://evil.example/mcp`"), "{text}");
        assert!(text.contains("`https://m.example/mcp`"), "{text}");
    }
}

#[test]
fn a_resource_named_by_the_user_is_what_counts() {
    let body = METADATA.replace("https://m.example/mcp", "https://inner.example/api");
    let walk = |named| Walk::to("https://m.example/mcp", None).naming(named);
    walk("https://inner.example/api").gets(200, &body).found();
    walk("https://inner.example/api/v1")
        .gets(200, &body)
        .found();
    walk("api://something").gets(200, METADATA).found();
    let error = walk("https://other.example").gets(200, &body).failed();
    assert!(matches!(error, DiscoveryError::ResourceMismatch { .. }));
}

#[test]
fn an_empty_list_of_authorization_servers_ends_the_search() {
    for list in ["[]", "[1,null]", "\"https://as.example\"", "{}"] {
        let body =
            format!(r#"{{"resource":"https://m.example/mcp","authorization_servers":{list}}}"#);
        let error = Walk::to("https://m.example/mcp", None)
            .gets(200, &body)
            .failed();
        assert!(
            matches!(error, DiscoveryError::NoAuthorizationServer(_)),
            "{list}"
        );
    }
}

#[test]
fn without_a_list_the_servers_origin_is_asked() {
    let found = Walk::to("https://m.example/mcp", None)
        .gets(200, r#"{"resource":"https://m.example/mcp"}"#)
        .found();
    assert_eq!(found.authorization_servers, AuthorizationServers::Origin);
    assert_eq!(
        found.resource,
        Some(ResourceId::new("https://m.example/mcp"))
    );
}

#[test]
fn a_server_that_takes_no_header_ends_the_search() {
    let with = |methods: &str| {
        Walk::to("https://m.example/mcp", None).gets(
            200,
            &format!(
                r#"{{"resource":"https://m.example/mcp","bearer_methods_supported":{methods}}}"#
            ),
        )
    };
    assert!(matches!(
        with(r#"["body","query"]"#).failed(),
        DiscoveryError::HeaderNotAccepted(_)
    ));
    with(r#"["body","header"]"#).found();
    with("[]").found();
}

#[test]
fn an_authorization_servers_document_is_accepted_in_its_place() {
    let hint = "https://m.example/.well-known/oauth-authorization-server";
    let body = include_str!("../../../../fixtures/discovery/server-in-place-of-resource.json");
    let found = Walk::to("https://m.example/mcp", Some(hint))
        .gets(200, body)
        .found();
    assert_eq!(found.resource, None);
    match found.authorization_servers {
        AuthorizationServers::Embedded { document, url } => {
            assert_eq!(document.text("issuer"), Some("https://m.example"));
            assert_eq!(url.as_str(), hint);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn metadata_without_resource_ends_the_search() {
    let error = Walk::to("https://m.example/mcp", None)
        .gets(200, r#"{"authorization_servers":["https://as.example"]}"#)
        .failed();
    assert!(matches!(error, DiscoveryError::Document { .. }));
}

#[test]
fn repeated_members_and_deep_nesting_end_the_search() {
    let body = include_str!("../../../../fixtures/discovery/resource-twice.json");
    let deep = format!("{{\"resource\":{}{}}}", "[".repeat(40), "]".repeat(40));
    for body in [body, &deep] {
        let error = Walk::to("https://m.example/mcp", None)
            .gets(200, body)
            .failed();
        assert!(matches!(error, DiscoveryError::Document { .. }), "{error}");
    }
}

#[test]
fn listed_scopes_that_are_none_are_dropped() {
    let found = Walk::to("https://m.example/mcp", None)
        .gets(
            200,
            r#"{"resource":"https://m.example/mcp","scopes_supported":["a","b c","\"",7]}"#,
        )
        .found();
    assert_eq!(found.scopes_supported, Some(vec!["a".to_owned()]));
    let found = Walk::to("https://m.example/mcp", None)
        .gets(
            200,
            r#"{"resource":"https://m.example/mcp","scopes_supported":[]}"#,
        )
        .found();
    assert_eq!(found.scopes_supported, None);
}
