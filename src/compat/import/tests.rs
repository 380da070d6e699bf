use super::*;
use crate::secret::Secret;

const SERVER: &str = "https://mcp.example.com/mcp";

fn names() -> Names {
    Names::new(&Parts {
        server: SERVER,
        resource: Some("https://tenant1.example.net/"),
        authorize_params: &[("prompt".to_owned(), "consent".to_owned())],
        headers: &["X-B: 2"],
        ..Parts::default()
    })
}

fn content(text: &str) -> Content<'_> {
    Content {
        bytes: text.as_bytes(),
        written_at: 1_000_000,
    }
}

fn read(tokens: &str, client: Option<&str>) -> Result<Offer, (Kind, FileFault)> {
    let client = client.map(content);
    Found::read(Rank::Current, &content(tokens), client.as_ref()).map(|found| found.offer)
}

#[test]
fn hashes_are_those_that_mcp_remote_was_seen_to_use() {
    let bare = Parts {
        server: SERVER,
        ..Parts::default()
    };
    assert_eq!(bare.hash(), "94baabe3c3fadb285b26c035e4e86046");
    let headers = Parts {
        headers: &["X-B: 2", "Authorization: Bearer ${TOK}"],
        ..bare.clone()
    };
    assert_eq!(headers.hash(), "a2760b67ade6b390b9db61b64000ac42");
    let resource = Parts {
        resource: Some("https://tenant1.example.net/"),
        ..bare
    };
    assert_eq!(resource.hash(), "22c369abd80465c7b317611538f241b1");
}

#[test]
fn each_layout_has_the_names_of_its_versions() {
    let names = names();
    let name = |folder: &str| names.within(folder).map(|(name, _)| name.to_owned());
    let current = name("mcp-remote-v1").expect("today's folder");
    let of_versions = name("mcp-remote-0.2.7").expect("a version's folder");
    let first = name("mcp-remote-0.1.29").expect("an early version's folder");
    assert_eq!(first, "94baabe3c3fadb285b26c035e4e86046");
    assert!(current != of_versions && of_versions != first && current != first);
    for folder in [
        "mcp-remote-0.1.30",
        "mcp-remote-0.1.30-0",
        "mcp-remote-0.2.0",
    ] {
        assert_eq!(name(folder).as_ref(), Some(&of_versions), "{folder}");
    }
    for folder in ["mcp-remote-0.0.10-3", "mcp-remote-0.1.0"] {
        assert_eq!(name(folder).as_ref(), Some(&first), "{folder}");
    }
    for folder in [
        "",
        "mcp-remote",
        "mcp-remote-",
        "mcp-remote-v2",
        "mcp-remote-0.1",
        "mcp-remote-0.1.2.3",
        "mcp-remote-x.y.z",
        "mcp-remote-99999999999999999999.0.0",
        "other-0.1.38",
        "..",
    ] {
        assert_eq!(name(folder), None, "{folder}");
    }
    assert!(Rank::Current > Rank::Version);
}

#[test]
fn everything_that_today_s_version_keeps_is_read() {
    let offer = read(
        r#"{"access_token":"A","token_type":"Bearer","expires_in":3600,"scope":"read write",
            "refresh_token":"R","id_token":"I","issuer":"https://as.example","more":[1],
            "expires_at":1800000000123,"requested_scope":"read write admin"}"#,
        Some(
            r#"{"client_id":"C","client_secret":"S","client_secret_expires_at":0,"issuer":"https://x.example",
                "token_endpoint_auth_method":"client_secret_post","client_name":"MCP CLI Proxy",
                "redirect_uris":["http://localhost:41409/oauth/callback"]}"#,
        ),
    )
    .expect("a sign-in");
    let tokens = &offer.tokens;
    assert_eq!(tokens.access_token.expose(), "A");
    assert_eq!(tokens.refresh_token, Some(Secret::new("R")));
    assert_eq!(tokens.id_token, Some(Secret::new("I")));
    assert_eq!(tokens.expires_at, Some(1_800_000_000));
    assert_eq!(tokens.scopes, ["read", "write"]);
    assert_eq!(offer.requested_scopes, ["read", "write", "admin"]);
    assert_eq!(offer.written_at, 1_000_000);
    let issuer = offer.issuer.as_ref().map(|issuer| issuer.as_str());
    assert_eq!(issuer, Some("https://as.example"));
    let client = offer.client.expect("a client");
    assert_eq!(client.client_id, "C");
    assert_eq!(client.client_secret, Some(Secret::new("S")));
    assert_eq!(client.client_secret_expires_at, None);
    assert_eq!(
        client.redirect_uris,
        ["http://localhost:41409/oauth/callback"]
    );
    assert!(format!("{:?}", offer.tokens).contains("[redacted]"));
}

#[test]
fn the_issuer_may_stand_with_the_client_alone() {
    let client = r#"{"client_id":"C","issuer":"https://as.example"}"#;
    let offer = read(r#"{"access_token":"A"}"#, Some(client)).expect("a sign-in");
    assert_eq!(
        offer.issuer.as_ref().map(|i| i.as_str()),
        Some("https://as.example")
    );
    let offer = read(r#"{"access_token":"A"}"#, None).expect("a sign-in");
    assert_eq!((offer.issuer, offer.client), (None, None));
}

#[test]
fn the_end_of_a_token_is_reckoned_from_what_there_is() {
    let end = |members: &str| {
        let offer = read(&format!(r#"{{"access_token":"A"{members}}}"#), None);
        offer.expect("a sign-in").tokens.expires_at
    };
    assert_eq!(end(""), None);
    assert_eq!(end(r#","expires_in":60"#), Some(1_000_060));
    assert_eq!(end(r#","expires_in":"60""#), Some(1_000_060));
    assert_eq!(end(r#","expires_in":-5"#), None);
    assert_eq!(
        end(r#","expires_in":60,"expires_at":1800000000000"#),
        Some(1_800_000_000)
    );
    assert_eq!(end(r#","expires_at":1800000000"#), Some(1_800_000_000));
    assert_eq!(end(r#","expires_in":60,"expires_at":0"#), Some(1_000_060));
    assert_eq!(
        end(r#","expires_in":60,"expires_at":null"#),
        Some(1_000_060)
    );
    assert_eq!(end(r#","expires_in":1e300"#), Some(u64::MAX));
    assert_eq!(end(r#","expires_at":"soon""#), None);
}

#[test]
fn what_is_no_file_of_mcp_remote_is_refused_and_not_quoted() {
    let good = r#"{"access_token":"A"}"#;
    for (tokens, client, expected) in [
        ("", None, (Kind::Tokens, FileFault::Empty)),
        (" \n", None, (Kind::Tokens, FileFault::Empty)),
        (
            "{\"access_token\":\"SECRET",
            None,
            (Kind::Tokens, FileFault::Truncated),
        ),
        ("\0\0\0\0", None, (Kind::Tokens, FileFault::NotJson(1))),
        ("SECRET", None, (Kind::Tokens, FileFault::NotJson(1))),
        ("[]", None, (Kind::Tokens, FileFault::WrongType(1))),
        ("{}", None, (Kind::Tokens, FileFault::WrongType(1))),
        (
            "{\n\"access_token\":{\"SECRET\":1}}",
            None,
            (Kind::Tokens, FileFault::WrongType(2)),
        ),
        (
            "{\"access_token\":\"\"}",
            None,
            (Kind::Tokens, FileFault::Member("access_token")),
        ),
        (good, Some("{"), (Kind::Client, FileFault::Truncated)),
        (good, Some("{}"), (Kind::Client, FileFault::WrongType(1))),
        (
            good,
            Some("{\"client_id\":\"\"}"),
            (Kind::Client, FileFault::Member("client_id")),
        ),
    ] {
        let fault = read(tokens, client).expect_err("refused");
        assert_eq!(fault, expected, "{tokens} {client:?}");
        assert!(!fault.1.to_string().contains("SECRET"), "{}", fault.1);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let bytes = b"{\"access_token\":\"\xff\xfe\"}";
    let content = Content {
        bytes,
        written_at: 0,
    };
    let fault = Found::read(Rank::Current, &content, None).expect_err("refused");
    assert_eq!(fault, (Kind::Tokens, FileFault::NotJson(1)));
}

fn found(rank: Rank, written_at: u64, tokens: &str) -> Found {
    let content = Content {
        bytes: tokens.as_bytes(),
        written_at,
    };
    Found::read(rank, &content, None).expect("a sign-in")
}

fn chosen(found: Vec<Found>) -> String {
    let offer = choose(found, None, 2_000_000).expect("one of them");
    offer.tokens.access_token.expose().to_owned()
}

#[test]
fn of_several_the_one_that_can_go_on_is_chosen_then_today_s_then_the_latest() {
    let lasting = |token: &str| format!(r#"{{"access_token":"{token}","refresh_token":"R"}}"#);
    let ended = |token: &str| format!(r#"{{"access_token":"{token}","expires_in":1}}"#);
    let (a, b, c) = (lasting("A"), lasting("B"), ended("C"));
    assert_eq!(
        chosen(vec![
            found(Rank::Version, 200, &a),
            found(Rank::Current, 100, &b)
        ]),
        "B"
    );
    assert_eq!(
        chosen(vec![
            found(Rank::Version, 100, &a),
            found(Rank::Version, 200, &b)
        ]),
        "B"
    );
    assert_eq!(
        chosen(vec![
            found(Rank::Version, 100, &a),
            found(Rank::Current, 200, &c)
        ]),
        "A"
    );
    assert_eq!(choose(Vec::new(), None, 0), None);
    let shared = choose(vec![found(Rank::Current, 0, &a)], Some(42), 0).expect("it");
    assert_eq!(shared.shared, Some(Shared::Running(42)));
}

#[test]
fn a_mark_tells_contents_apart_and_tells_nothing() {
    let mark = |tokens: &str, client: Option<&str>| {
        let offer = read(tokens, client).expect("a sign-in");
        offer.source.mark
    };
    let (a, b) = (r#"{"access_token":"A"}"#, r#"{"access_token":"B"}"#);
    let client = r#"{"client_id":"C"}"#;
    let marks = [mark(a, None), mark(b, None), mark(a, Some(client))];
    assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2]);
    assert_eq!(mark(a, None), marks[0]);
}

#[test]
fn a_lease_holds_for_its_time_and_a_lock_is_young_for_its_own() {
    let lease = Lease::read(br#"{"pid":7,"nonce":"n","at":1000000}"#).expect("a lease");
    assert_eq!(lease.pid, 7);
    assert!(lease.holds(1_029_999) && !lease.holds(1_030_000));
    let lock = Lock::read(br#"{"pid":8,"port":3334,"timestamp":1000000}"#).expect("a lock");
    assert_eq!(lock.pid, 8);
    assert!(lock.is_young(2_799_999) && !lock.is_young(2_800_000));
    // Clocks are set back a little, and a file says what it likes.
    assert!(lease.holds(995_000) && !lease.holds(994_999));
    assert!(lock.is_young(995_000) && !lock.is_young(994_999));
    for text in [
        "",
        "{}",
        "{\"pid\":-1,\"at\":1}",
        "[1]",
        "{\"pid\":7,\"at\":\"x\"}",
    ] {
        assert_eq!(Lease::read(text.as_bytes()), None, "{text}");
        assert_eq!(Lock::read(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn mcp_remote_is_known_by_its_words() {
    for words in [
        &[
            "node",
            "/home/me/.npm/_npx/1/node_modules/.bin/mcp-remote",
            SERVER,
        ][..],
        &["npx", "-y", "mcp-remote@latest", SERVER, "--debug"],
        &[
            "node",
            "C:\\x\\node_modules\\mcp-remote\\dist\\proxy.js",
            SERVER,
        ],
        &["bun", "/x/mcp-remote/dist/proxy.js", SERVER, "3334"],
    ] {
        assert!(is_running(words, SERVER), "{words:?}");
    }
    for words in [
        &["node", "/x/.bin/mcp-remote", "https://mcp.example.com/mcp/"][..],
        &["node", "/x/.bin/mcp-remote"],
        &["node", "/x/.bin/mcp-remote-client-of-mine", SERVER],
        &["sh", "-c", "mcp-remote https://mcp.example.com/mcp"],
        &["curl", SERVER],
        &[],
    ] {
        assert!(!is_running(words, SERVER), "{words:?}");
    }
}
