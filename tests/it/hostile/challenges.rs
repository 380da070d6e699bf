//! What the MCP server says: challenges, redirects, and the address of its messages.

use playground::hostile::{Answer, Asked, Body, Origins, Role};

use super::row::{Attack, Outcome, table};
use super::world::CANARY;

/// Text that a terminal would obey, and a shell if it saw it.
fn nasty() -> String {
    // A header carries no line ends; what it does carry, it may.
    format!(
        "\u{9b}31m$(touch {CANARY})`touch {CANARY}`;touch {CANARY}|touch {CANARY} %0d%0a \u{202e}txt.exe"
    )
}

/// The challenge is this instead.
fn challenge(
    name: impl Into<String>,
    outcome: Outcome,
    lines: impl Fn(&Origins) -> Vec<String> + Send + Sync + 'static,
) -> Attack {
    Attack::new(name, outcome, move |asked, origins, honest| {
        let is_challenge = asked.role == Role::Server && honest.status == 401;
        match is_challenge {
            true => lines(origins).into_iter().fold(
                Answer::with(401, "text/plain", Vec::new()),
                |answer, line| answer.header("WWW-Authenticate", line),
            ),
            false => honest,
        }
    })
}

fn hint(address: &str) -> Attack {
    let address = address.to_owned();
    challenge(
        format!("`resource_metadata` is `{address}`"),
        Outcome::Harmless,
        move |_| vec![format!("Bearer resource_metadata=\"{address}\"")],
    )
}

fn is_post(asked: &Asked) -> bool {
    asked.role == Role::Server && asked.method == "POST" && asked.path == "/mcp"
}

#[test]
fn challenges_get_nothing() {
    let mut attacks: Vec<Attack> = [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:application/json,{}",
        "ftp://127.0.0.1/x",
        "vscode://x/y",
        "//169.254.169.254/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "https://user:password@127.0.0.1/",
        "\\\\\\\\share\\\\x",
        "",
    ]
    .iter()
    .map(|address| hint(address))
    .collect();
    attacks.extend([
        challenge("a challenge of 60 KiB", Outcome::Harmless, |origins| {
            let own = format!("{}/.well-known/oauth-protected-resource/mcp", origins.server);
            let filling = "x".repeat(60 * 1024);
            vec![format!("Bearer realm=\"{filling}\", resource_metadata=\"{own}\"")]
        }),
        challenge("a challenge of 1 MiB", Outcome::Failed(""), |_| {
            vec![format!("Bearer realm=\"{}\"", "x".repeat(1024 * 1024))]
        }),
        challenge("five thousand challenges in a line", Outcome::Harmless, |_| {
            vec!["Basic realm=\"x\", ".repeat(5000) + "Bearer"]
        }),
        challenge("ninety lines of challenges", Outcome::Harmless, |_| {
            vec!["Negotiate abcd==".to_owned(); 90]
        }),
        challenge("ten thousand lines of challenges", Outcome::Failed(""), |_| {
            vec!["Negotiate abcd==".to_owned(); 10_000]
        }),
        challenge("quotes that never end", Outcome::Harmless, |_| {
            vec!["Bearer realm=\"".to_owned() + &"\\\"".repeat(10_000)]
        }),
        challenge("shell and terminal text in every parameter", Outcome::Harmless, |_| {
            let nasty = nasty().replace('"', "");
            vec![format!(
                "Bearer realm=\"{nasty}\", error=\"{nasty}\", error_description=\"{nasty}\", scope=\"{nasty}\", resource_metadata=\"{nasty}\""
            )]
        }),
        challenge("the metadata is a third party's, about itself", Outcome::Refused("is about the resource"), |origins| {
            let elsewhere = &origins.elsewhere;
            vec![format!("Bearer resource_metadata=\"{elsewhere}/.well-known/oauth-protected-resource/other\"")]
        })
        .twisted(|asked, origins, honest| match asked.path.ends_with("/other") {
            true => Answer::json(200, format!(
                "{{\"resource\":\"{0}/mcp\",\"authorization_servers\":[\"{0}\"]}}", origins.elsewhere
            )),
            false => honest,
        }),
        challenge("the metadata is a third party's, about the server", Outcome::Harmless, |origins| {
            let elsewhere = &origins.elsewhere;
            vec![format!("Bearer resource_metadata=\"{elsewhere}/.well-known/oauth-protected-resource/mcp\"")]
        }),
        Attack::new("the endpoint redirects every message to a third party (307)", Outcome::Failed("redirect"), |asked, origins, honest| {
            match is_post(asked) {
                true => Answer::redirect(307, format!("{}/mcp", origins.elsewhere)),
                false => honest,
            }
        }),
        Attack::new("the endpoint redirects to a third party once the token is there", Outcome::Failed(""), |asked, origins, honest| {
            match is_post(asked) && honest.status == 200 {
                true => Answer::redirect(308, format!("{}/mcp", origins.elsewhere)),
                false => honest,
            }
        }),
        Attack::new("the event stream names a third party's address for messages", Outcome::Failed(""), |asked, origins, honest| {
            match (asked.role, asked.method.as_str(), asked.path.as_str()) {
                (Role::Server, "POST", "/mcp") => Answer::with(405, "text/plain", Vec::new()),
                (Role::Server, "GET", "/mcp") => Answer::with(200, "text/event-stream",
                    format!("event: endpoint\ndata: {}/mcp\n\n", origins.elsewhere).into_bytes()),
                _ => honest,
            }
        }),
        Attack::new("the event stream names `javascript:` for messages", Outcome::Failed(""), |asked, _, honest| {
            match (asked.role, asked.method.as_str(), asked.path.as_str()) {
                (Role::Server, "POST", "/mcp") => Answer::with(405, "text/plain", Vec::new()),
                (Role::Server, "GET", "/mcp") => Answer::with(200, "text/event-stream",
                    b"event: endpoint\ndata: javascript:alert(1)\n\n".to_vec()),
                _ => honest,
            }
        }),
        Attack::new("terminal text in a refusal of the server's", Outcome::Failed(""), |asked, _, honest| {
            match is_post(asked) {
                true => Answer::with(400, "text/plain", format!("{}\u{1b}[2J\u{7}\r\n", nasty()).into_bytes()),
                false => honest,
            }
        }),
        Attack::new("the endpoint answers with an endless body", Outcome::Failed(""), |asked, _, honest| {
            match is_post(asked) {
                true => Answer::with(500, "text/html", Vec::new()).body(Body::Endless(vec![b'x'; 4096])),
                false => honest,
            }
        }),
    ]);
    table("Challenges and messages", attacks);
}
