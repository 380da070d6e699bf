use super::super::discovery::tests::{reply, server, unreachable};
use super::*;
use crate::oauth::registration::AuthMethod;

/// RFC 8628 §3.2.
const EXAMPLE: &str = r#"{"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
    "user_code":"WDJB-MJHT","verification_uri":"https://example.com/device",
    "verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT",
    "expires_in":1800,"interval":5}"#;

fn answered(status: u16, body: &str) -> Result<DeviceCode, TokenError> {
    let url = Url::parse("https://as.example/device_authorization").unwrap();
    judge(reply(&url, status, body), &server("https://m.example/mcp"))
}

/// The example with one member in another way; an empty value leaves it out.
fn with(name: &str, value: &str) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(EXAMPLE).unwrap();
    match value {
        "" => object.remove(name),
        value => object.insert(name.to_owned(), serde_json::from_str(value).unwrap()),
    };
    Value::Object(object).to_string()
}

fn code(name: &str, value: &str) -> DeviceCode {
    answered(200, &with(name, value)).unwrap_or_else(|error| panic!("{name} {value}: {error}"))
}

#[track_caller]
fn unusable(name: &str, value: &str) -> String {
    match answered(200, &with(name, value)) {
        Err(TokenError::Unusable(reason)) => reason,
        other => panic!("{name} {value}: {other:?}"),
    }
}

fn text(address: &AuthorizationUrl) -> &str {
    address.0.as_str()
}

#[test]
fn the_example_of_the_rfc_is_read() {
    let code = answered(200, EXAMPLE).unwrap();
    assert_eq!(
        code.device_code.expose(),
        "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"
    );
    assert_eq!(code.user_code, "WDJB-MJHT");
    assert_eq!(text(&code.verification_uri), "https://example.com/device");
    assert_eq!(
        code.verification_uri_complete.as_ref().map(text),
        Some("https://example.com/device?user_code=WDJB-MJHT")
    );
    assert_eq!((code.expires_in, code.interval), (1800, 5));
    let shown = format!("{code:?}");
    assert!(
        !shown.contains("GmRh") && !shown.contains("?user_code"),
        "{shown}"
    );
}

#[test]
fn the_smallest_answer_is_read() {
    let body = r#"{"device_code":"D","user_code":"U","verification_uri":"https://example.com/d",
        "expires_in":60}"#;
    let code = answered(200, body).unwrap();
    assert_eq!((code.verification_uri_complete, code.interval), (None, 5));
    // As it is called by servers of before the RFC.
    let code = answered(200, &body.replace("_uri", "_url")).unwrap();
    assert_eq!(text(&code.verification_uri), "https://example.com/d");
}

#[test]
fn what_has_to_be_there_is_missed_by_name() {
    for name in ["device_code", "user_code", "verification_uri", "expires_in"] {
        for value in ["", "null", "\"\"", "[1]", "{}"] {
            let reason = unusable(name, value);
            assert!(reason.contains(&format!("`{name}`")), "{reason}");
        }
    }
    for body in ["", "[]", "<html>", "null", "{}"] {
        assert!(
            matches!(answered(200, body), Err(TokenError::Unusable(_))),
            "{body}"
        );
    }
}

#[test]
fn repeated_members_are_refused() {
    for name in UNIQUE {
        let body = EXAMPLE.replacen('{', &format!(r#"{{"{name}":"x","#), 1);
        let Err(TokenError::Unusable(reason)) = answered(200, &body) else {
            panic!("{name}");
        };
        assert!(
            reason.contains("more than once") || reason.contains("twice"),
            "{reason}"
        );
    }
}

#[test]
fn numbers_come_in_many_spellings() {
    for (value, seconds) in [
        ("1800", 1800),
        ("1800.9", 1800),
        ("\"900\"", 900),
        ("\" 900.5 \"", 900),
        ("1e30", u64::MAX),
    ] {
        assert_eq!(code("expires_in", value).expires_in, seconds, "{value}");
    }
    for value in ["-1", "\"soon\"", "true", "0", "5"] {
        unusable("expires_in", value);
    }
    for (value, seconds) in [
        ("", 5),
        ("null", 5),
        ("0", 1),
        ("0.2", 1),
        ("1", 1),
        ("2.1", 3),
        ("\"7\"", 7),
        ("-3", 5),
        ("\"often\"", 5),
        ("1799", 1799),
    ] {
        assert_eq!(code("interval", value).interval, seconds, "{value}");
    }
    // Nobody could ever ask for such a code.
    for value in ["1800", "5000", "1e300"] {
        assert!(
            unusable("interval", value).contains("lives for 1800 s"),
            "{value}"
        );
    }
}

#[test]
fn only_addresses_that_are_safe_to_open_are_shown() {
    for address in [
        "http://example.com/device",
        "http://localhost:1/device",
        "https://user@example.com/device",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "/device",
        "",
    ] {
        unusable("verification_uri", &format!("\"{address}\""));
        // The other address does as well.
        let code = code("verification_uri_complete", &format!("\"{address}\""));
        assert_eq!(code.verification_uri_complete, None, "{address}");
    }
    let long = format!("\"https://example.com/{}\"", "x".repeat(3000));
    assert!(unusable("verification_uri", &long).contains("too long"));
    let page = code("verification_uri", "\"https://example.com/app#/device\"");
    assert_eq!(
        text(&page.verification_uri),
        "https://example.com/app#/device"
    );
    let page = code(
        "verification_uri",
        "\"https://example.com/\\u001b[2J\\u202e x\"",
    );
    assert!(text(&page.verification_uri).is_ascii());
    assert!(!text(&page.verification_uri).contains(['\u{1b}', ' ']));
}

#[test]
fn a_server_on_this_machine_may_show_an_address_on_it() {
    let url = Url::parse("http://127.0.0.1:1/d").unwrap();
    let body = with("verification_uri", "\"http://127.0.0.1:1/device\"");
    let near = server("http://127.0.0.1:2/mcp");
    assert!(judge(reply(&url, 200, &body), &near).is_ok());
}

#[test]
fn a_code_that_nobody_can_type_is_refused() {
    for code in [
        "\\u001b[2J",
        "AB\\nCD",
        "\\u202eABCD",
        "\\u00c4BCD",
        " ",
        &"X".repeat(41),
    ] {
        unusable("user_code", &format!("\"{code}\""));
    }
    for (written, typed) in [("\" 0123 4567 \"", "0123 4567"), ("\"a.b_c-1\"", "a.b_c-1")] {
        assert_eq!(code("user_code", written).user_code, typed);
    }
    let long = format!("\"{}\"", "d".repeat(17_000));
    let reason = unusable("device_code", &long);
    assert!(!reason.contains("ddd"), "{reason}");
}

#[test]
fn refusals_are_sorted_as_those_of_the_token_endpoint() {
    type Is = fn(&TokenError) -> bool;
    let cases: [(u16, &str, Is); 9] = [
        (401, r#"{"error":"invalid_client"}"#, |e| {
            matches!(e, TokenError::ClientDead(_))
        }),
        (400, r#"{"error":"unauthorized_client"}"#, |e| {
            matches!(e, TokenError::ClientDead(_))
        }),
        (200, r#"{"error":"unauthorized_client"}"#, |e| {
            matches!(e, TokenError::ClientDead(_))
        }),
        (400, r#"{"error":"invalid_scope"}"#, |e| {
            matches!(e, TokenError::InvalidScope(_))
        }),
        (400, r#"{"error":"invalid_target"}"#, |e| {
            matches!(e, TokenError::InvalidTarget(_))
        }),
        (429, "", |e| matches!(e, TokenError::Unavailable(_))),
        (502, "<html>", |e| matches!(e, TokenError::Unavailable(_))),
        (404, "<html>", |e| matches!(e, TokenError::Refused(_))),
        (302, "", |e| matches!(e, TokenError::Unusable(_))),
    ];
    for (status, body, is) in cases {
        let error = answered(status, body).unwrap_err();
        assert!(is(&error), "{status} {body}: {error:?}");
        let shown = DeviceError(error).to_string();
        assert!(
            shown.starts_with("the device authorization endpoint "),
            "{shown}"
        );
    }
    let down = judge(unreachable(), &server("https://m.example/mcp")).unwrap_err();
    assert!(matches!(down, TokenError::Unavailable(_)));
}

fn request() -> DeviceRequest {
    DeviceRequest {
        endpoint: Url::parse("https://as.example/device_authorization").unwrap(),
        client: Client {
            client_id: "CLIENT_1".to_owned(),
            client_secret: None,
            client_secret_expires_at: None,
            auth_method: AuthMethod::None,
            redirect_uri: None,
            management: None,
            registered: true,
            dpop_bound: false,
            ..Client::default()
        },
        resource: Some(ResourceId::new("https://m.example/mcp")),
        scopes: vec!["a".to_owned(), "b".to_owned()],
        params: Vec::new(),
    }
}

#[test]
fn what_the_user_sets_replaces_what_is_sent_but_never_who_asks() {
    let form = |params: &[(&str, &str)]| {
        let request = DeviceRequest {
            params: params
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..request()
        };
        let form = request.form();
        form.iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    };
    assert_eq!(form(&[]), "scope=a b&resource=https://m.example/mcp");
    assert_eq!(
        form(&[("audience", "x"), ("scope", "c"), ("client_id", "EVIL")]),
        "resource=https://m.example/mcp&audience=x&scope=c"
    );
    let bare = DeviceRequest {
        resource: None,
        scopes: Vec::new(),
        ..request()
    };
    assert!(bare.form().is_empty());
}
