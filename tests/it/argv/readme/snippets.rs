//! What the documentation shows: each list of arguments, and how its effect is seen.

use playground::{AuthMethod, Registration, Request, ResourceParameter, Settings};
use serde_json::Value;

use super::Seen;

/// An argument list of the documentation. `$URL` stands for the server's address, `$ISSUER` for the
/// authorization server's, `$FOLDER` for a folder with files, `$PORT` for a port that is free.
pub struct Snippet {
    pub arguments: &'static [&'static str],
    pub variables: &'static [(&'static str, &'static str)],
    pub server: fn() -> Settings,
    /// What can be seen of it.
    pub shows: fn(&Seen),
}

/// The metadata document of a client.
pub const DOCUMENT: &str = "https://client.example.com/.well-known/oauth-client-metadata";

fn signed_in_once(seen: &Seen) {
    assert_eq!(seen.machine.opened().len(), 1);
    let playground = &seen.playground;
    let counts = (playground.registrations(), playground.code_exchanges());
    assert_eq!(counts, (1, 1));
    assert_eq!(seen.asked("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(seen.redirect_uri().host_str(), Some("localhost"));
    assert_eq!(seen.redirect_uri().path(), "/oauth/callback");
}

/// Every message has this header, and nobody signs in.
fn sends(seen: &Seen, header: &str, value: &str) {
    for request in seen.messages() {
        assert_eq!(request.header(header), Some(value), "{}", request.line());
    }
    assert!(seen.machine.opened().is_empty());
}

fn sends_the_token(seen: &Seen) {
    sends(seen, "authorization", "Bearer t");
}

/// Nobody sees of these more than that it works; what they do otherwise is tested beside this.
fn works_alone(_: &Seen) {}

/// A server that leaves it to the client whether it names a resource.
pub fn any() -> Settings {
    Settings {
        resource_parameter: ResourceParameter::Optional,
        device_interval: 1,
        ..Settings::default()
    }
}

/// One that wants no sign-in: a header takes its place.
fn open() -> Settings {
    Settings::open()
}

const PLAIN: &[(&str, &str)] = &[];

pub const SNIPPETS: &[Snippet] = &[
    Snippet {
        arguments: &["mcp-remote", "$URL"],
        variables: PLAIN,
        server: Settings::default,
        shows: signed_in_once,
    },
    Snippet {
        arguments: &["-y", "mcp-remote", "$URL"],
        variables: PLAIN,
        server: Settings::default,
        shows: signed_in_once,
    },
    Snippet {
        arguments: &["mcp-remote@latest", "$URL"],
        variables: PLAIN,
        server: Settings::default,
        shows: signed_in_once,
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--header",
            "Authorization: Bearer ${AUTH_TOKEN}",
        ],
        variables: &[("AUTH_TOKEN", "t")],
        server: open,
        shows: sends_the_token,
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--header",
            "Authorization:${AUTH_HEADER}",
        ],
        variables: &[("AUTH_HEADER", "Bearer t")],
        server: open,
        shows: sends_the_token,
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--header-file", "$FOLDER/headers.txt"],
        variables: PLAIN,
        server: open,
        shows: |seen| {
            sends(seen, "authorization", "Bearer my-token");
            sends(seen, "x-custom-header", "custom-value");
        },
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--authorize-param",
            "access_type=offline",
            "--authorize-param",
            "prompt=consent",
        ],
        variables: PLAIN,
        server: any,
        shows: |seen| {
            assert_eq!(seen.asked("access_type").as_deref(), Some("offline"));
            assert_eq!(seen.asked("prompt").as_deref(), Some("consent"));
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--disable-resource-parameter"],
        variables: PLAIN,
        server: || Settings {
            resource_parameter: ResourceParameter::Refused,
            ..Settings::default()
        },
        shows: |seen| {
            signed_in_once(seen);
            assert_eq!(
                (seen.asked("resource"), seen.token("resource")),
                (None, None)
            );
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "$PORT"],
        variables: PLAIN,
        server: any,
        shows: |seen| {
            let port = seen.redirect_uri().port().map(|port| port.to_string());
            assert_eq!(port.as_ref(), Some(&seen.port));
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--host", "127.0.0.1"],
        variables: PLAIN,
        server: any,
        shows: |seen| assert_eq!(seen.redirect_uri().host_str(), Some("127.0.0.1")),
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--callback-path", "/custom/callback"],
        variables: PLAIN,
        server: any,
        shows: |seen| assert_eq!(seen.redirect_uri().path(), "/custom/callback"),
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--auth-success-url",
            "$ISSUER/cli-connected",
        ],
        variables: PLAIN,
        server: any,
        shows: |seen| {
            let visits = seen.machine.visits(3);
            let end = format!("{}/cli-connected", seen.playground.issuer());
            assert_eq!(visits[2], format!("404 {end}"), "{visits:?}");
            assert_eq!(seen.requests("/cli-connected")[0].text(), "");
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--silent"],
        variables: PLAIN,
        server: open,
        shows: |seen| assert_eq!(seen.stderr, ""),
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--enable-proxy"],
        // Nobody is there.
        variables: &[
            ("HTTP_PROXY", "http://127.0.0.1:9"),
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("NO_PROXY", "localhost,127.0.0.1"),
        ],
        server: any,
        shows: signed_in_once,
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--ignore-tool",
            "delete*",
            "--ignore-tool",
            "remove*",
        ],
        variables: PLAIN,
        server: open,
        shows: |seen| {
            let calls = |r: &&Request| r.calls("tools/call");
            let messages = seen.messages();
            let called: Vec<Value> = messages.iter().filter(calls).map(Request::json).collect();
            assert_eq!(called.len(), 1, "the other is refused here");
            assert_eq!(called[0]["params"]["name"], "add");
            assert!(seen.tools.as_array().is_some_and(|tools| tools.len() > 3));
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--auth-timeout", "60"],
        variables: PLAIN,
        server: any,
        shows: signed_in_once,
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--connect-timeout",
            "30",
            "--body-timeout",
            "0",
        ],
        variables: PLAIN,
        server: any,
        shows: works_alone,
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--keep-alive",
            "--ping-interval",
            "60",
        ],
        variables: PLAIN,
        server: open,
        shows: works_alone,
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--ipv4"],
        variables: PLAIN,
        server: open,
        shows: works_alone,
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--protocol", "auto"],
        variables: PLAIN,
        server: Settings::open_stateless,
        shows: |seen| {
            let messages = seen.messages();
            let asked = messages.iter().filter(|r| r.calls("server/discover"));
            assert_eq!(asked.count(), 1);
            let version = "mcp-protocol-version";
            assert_eq!(messages[0].header(version), Some("2026-07-28"));
        },
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--static-oauth-client-metadata",
            r#"{ "scope": "tools admin" }"#,
        ],
        variables: PLAIN,
        server: any,
        shows: |seen| assert_eq!(seen.asked("scope").as_deref(), Some("tools admin")),
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--static-oauth-client-metadata",
            "@$FOLDER/oauth client metadata.json",
        ],
        variables: PLAIN,
        server: any,
        shows: |seen| {
            assert_eq!(seen.asked("scope").as_deref(), Some("tools admin"));
            assert_eq!(seen.registered()["scope"], "tools admin");
        },
    },
    Snippet {
        arguments: &[
            "mcp-remote",
            "$URL",
            "--static-oauth-client-metadata",
            r#"{ "token_endpoint_auth_method": "client_secret_post" }"#,
        ],
        variables: PLAIN,
        server: || Settings {
            registration: Registration::Secret(AuthMethod::Post),
            ..any()
        },
        shows: |seen| {
            let method = &seen.registered()["token_endpoint_auth_method"];
            assert_eq!(method, "client_secret_post");
            assert!(seen.token("client_secret").is_some());
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--client-metadata-url", DOCUMENT],
        variables: PLAIN,
        server: any,
        // The server does not know such documents.
        shows: signed_in_once,
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--device-code"],
        variables: PLAIN,
        server: any,
        shows: |seen| {
            assert!(seen.machine.opened().is_empty());
            assert_eq!(seen.playground.device_codes(), 1);
            let grant = "urn:ietf:params:oauth:grant-type:device_code";
            assert_eq!(seen.token("grant_type").as_deref(), Some(grant));
        },
    },
    Snippet {
        arguments: &["mcp-remote", "$URL", "--disable-cookies"],
        variables: PLAIN,
        server: open,
        shows: |seen| {
            let messages = seen.messages();
            assert!(messages.iter().all(|r| r.header("cookie").is_none()));
        },
    },
];
