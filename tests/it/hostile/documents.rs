//! The metadata of the resource and of the authorization server.

use playground::hostile::{Answer, Body};
use serde_json::{Value, json};

use super::row::{Attack, Outcome, table};
use super::world::CANARY;

const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "/.well-known/oauth-authorization-server";

/// Everything that is no address for secrets to go to.
const ODD: [&str; 12] = [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "vscode://x/y",
    "ms-msdt:/id",
    "//127.0.0.1/x",
    "/token",
    "",
    "http://169.254.169.254/latest/meta-data/",
    "https://user:password@127.0.0.1/x",
    "https://127.0.0.1/x#fragment",
];

/// Text that a terminal would obey, and a shell if it saw it.
fn nasty() -> String {
    format!(
        "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{202e}$(touch {CANARY})`touch {CANARY}`'\";touch {CANARY}|touch {CANARY}&touch {CANARY}\n"
    )
}

fn edited(
    path: &'static str,
    name: impl Into<String>,
    outcome: Outcome,
    edit: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Attack {
    Attack::at(path, name, outcome, move |_, honest| honest.edit(&edit))
}

/// What can be wrong with any document. Where nothing usable is found, the server's own origin is
/// asked, which has none.
fn any(path: &'static str, whose: &str, end: Outcome) -> Vec<Attack> {
    let row = |what: &str, outcome: Outcome, answer: Answer| {
        Attack::at(path, format!("{whose}: {what}"), outcome, move |_, _| {
            answer.clone()
        })
    };
    let json = |text: String| Answer::json(200, text);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let endless = |piece: &[u8]| {
        Answer::with(200, "application/json", Vec::new()).body(Body::Endless(piece.to_vec()))
    };
    vec![
        row(
            "nested five thousand levels deep",
            Outcome::Refused("nests deeper than 32"),
            json(deep),
        ),
        row("an endless body", end, endless(&[b' '; 4096])),
        row("an endless object", end, endless(b"{\"a\":")),
        row(
            "300 KiB",
            end,
            json(format!("{{\"a\":\"{}\"}}", "x".repeat(300 * 1024))),
        ),
        row("a list", end, json("[]".to_owned())),
        row(
            "a page",
            end,
            Answer::with(200, "text/html", b"<html>".to_vec()),
        ),
        Attack::at(
            path,
            format!("{whose}: redirects to a third party"),
            end,
            move |origins, _| Answer::redirect(302, format!("{}{path}", origins.elsewhere)),
        ),
        row(
            "redirects to `file:`",
            end,
            Answer::redirect(302, "file:///etc/passwd"),
        ),
        row(
            "redirects to a link-local address",
            end,
            Answer::redirect(302, "http://169.254.169.254/"),
        ),
        row("redirects in a circle", end, Answer::redirect(302, path)),
    ]
}

#[test]
fn documents_get_nothing() {
    let mut attacks = any(RESOURCE, "resource", Outcome::Refused(""));
    attacks.extend(any(
        SERVER,
        "authorization server",
        Outcome::Refused("metadata"),
    ));
    attacks.push(Attack::at(
        RESOURCE,
        "resource: a byte a second",
        Outcome::Refused("longer than 10 s"),
        |_, honest| honest.body(Body::Slow(b" ".to_vec())),
    ));
    attacks.push(edited(
        RESOURCE,
        "resource: about another server",
        Outcome::Refused("is about the resource"),
        |document| document["resource"] = json!("https://evil.example/mcp"),
    ));
    attacks.push(Attack::at(
        RESOURCE,
        "resource: two `authorization_servers`",
        Outcome::Refused("twice"),
        |origins, _| {
            Answer::json(200, format!(
                "{{\"resource\":\"{0}/mcp\",\"authorization_servers\":[\"{1}\"],\"authorization_servers\":[\"{2}\"]}}",
                origins.server, origins.authority, origins.elsewhere
            ))
        },
    ));
    attacks.push(edited(
        RESOURCE,
        "resource: shell and terminal text in every member",
        Outcome::Refused(""),
        |document| {
            let nasty = nasty();
            *document = json!({
                "resource": nasty, "resource_name": nasty, "authorization_servers": [nasty],
                "scopes_supported": [nasty], "bearer_methods_supported": [nasty],
            });
        },
    ));
    attacks.push(edited(
        RESOURCE,
        "resource: terminal text as its name, and a shell's as scopes",
        Outcome::Harmless,
        |document| {
            document["resource_name"] = json!(nasty());
            document["scopes_supported"] =
                json!([nasty(), "$(touch,dbcanary)", "`touch`", "a;b|c&d"]);
        },
    ));
    for odd in ODD {
        attacks.push(edited(
            RESOURCE,
            format!("resource: its authorization server is `{odd}`"),
            Outcome::Refused(""),
            move |document| document["authorization_servers"] = json!([odd]),
        ));
    }
    for member in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
    ] {
        for odd in ODD {
            attacks.push(edited(
                SERVER,
                format!("`{member}` is `{odd}`"),
                Outcome::Refused("endpoint"),
                move |document| document[member] = json!(odd),
            ));
        }
    }
    for odd in ODD {
        attacks.push(
            edited(
                SERVER,
                format!("`device_authorization_endpoint` is `{odd}`"),
                Outcome::Refused("endpoint"),
                move |document| document["device_authorization_endpoint"] = json!(odd),
            )
            .argument("--device-code"),
        );
    }
    attacks.push(edited(
        SERVER,
        "`revocation_endpoint` is `file:`",
        Outcome::Harmless,
        |document| document["revocation_endpoint"] = json!("file:///etc/passwd"),
    ));
    attacks.push(edited(
        SERVER,
        "another issuer",
        Outcome::Refused("calls itself"),
        |document| document["issuer"] = json!("https://evil.example"),
    ));
    attacks.push(edited(
        SERVER,
        "an issuer of terminal text",
        Outcome::Refused("calls itself"),
        |document| document["issuer"] = json!(nasty()),
    ));
    attacks.push(edited(
        SERVER,
        "no PKCE",
        Outcome::Refused("PKCE"),
        |document| document["code_challenge_methods_supported"] = json!(["plain", nasty()]),
    ));
    attacks.push(edited(
        SERVER,
        "authentication by shell and terminal text",
        Outcome::Refused("authenticate"),
        |document| document["token_endpoint_auth_methods_supported"] = json!([nasty()]),
    ));
    attacks.push(edited(
        SERVER,
        "shell text in the authorization endpoint",
        Outcome::Harmless,
        |document| {
            let endpoint = document["authorization_endpoint"]
                .as_str()
                .unwrap_or_default();
            document["authorization_endpoint"] = json!(format!(
                "{endpoint}/$(touch {CANARY})`touch {CANARY}`?a=;touch {CANARY}|x&b='\"\\^&calc"
            ));
        },
    ));
    for member in [
        "issuer",
        "token_endpoint",
        "authorization_endpoint",
        "registration_endpoint",
    ] {
        attacks.push(Attack::at(
            SERVER,
            format!("two `{member}`"),
            Outcome::Refused("twice"),
            move |origins, honest| {
                let Body::Whole(body) = honest.body else {
                    return honest;
                };
                let text = String::from_utf8(body).expect("JSON");
                let evil = &origins.elsewhere;
                Answer::json(
                    200,
                    text.replacen('{', &format!("{{\"{member}\":\"{evil}/x\","), 1),
                )
            },
        ));
    }
    table("Documents", attacks);
}
