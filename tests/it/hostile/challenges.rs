//! What the MCP server says: challenges, redirects, and the address of its messages.

use playground::hostile::{Answer, Body, Origins, Role};
use serde_json::json;

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
    attacks.extend(bombs());
    attacks.extend(strangers());
    attacks.extend(messages());
    table("Challenges and messages", attacks);
}

/// Challenges that are too much.
fn bombs() -> Vec<Attack> {
    vec![
        challenge("a challenge of 60 KiB", Outcome::Harmless, |origins| {
            let filling = "x".repeat(60 * 1024);
            let hint = named(&origins.server, "mcp");
            vec![hint.replacen(' ', &format!(" realm=\"{filling}\", "), 1)]
        }),
        challenge("a challenge of 1 MiB", Outcome::Failed("too large"), |_| {
            vec![format!("Bearer realm=\"{}\"", "x".repeat(1024 * 1024))]
        }),
        challenge("five thousand in a line", Outcome::Harmless, |_| {
            vec!["Basic realm=\"x\", ".repeat(5000) + "Bearer"]
        }),
        challenge("ninety lines of challenges", Outcome::Harmless, |_| {
            vec!["Negotiate abcd==".to_owned(); 90]
        }),
        challenge("ten thousand lines", Outcome::Failed("too large"), |_| {
            vec!["Negotiate abcd==".to_owned(); 10_000]
        }),
        challenge("quotes that never end", Outcome::Harmless, |_| {
            vec!["Bearer realm=\"".to_owned() + &"\\\"".repeat(10_000)]
        }),
        challenge("shell and terminal text", Outcome::Harmless, |_| {
            let names = [
                "realm",
                "error",
                "error_description",
                "scope",
                "resource_metadata",
            ];
            let parameters = names.map(|name| format!("{name}=\"{}\"", nasty()));
            vec![format!("Bearer {}", parameters.join(", "))]
        }),
    ]
}

/// A challenge that names metadata at this origin, for this path.
fn named(origin: &str, path: &str) -> String {
    format!("Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/{path}\"")
}

/// Metadata of a third party's.
fn strangers() -> Vec<Attack> {
    let mismatch = Outcome::Refused("is about the resource");
    vec![
        challenge(
            "a third party's metadata about itself",
            mismatch,
            |origins| vec![named(&origins.elsewhere, "other")],
        )
        .twisted(|asked, origins, honest| {
            let own = &origins.elsewhere;
            let document =
                json!({ "resource": format!("{own}/mcp"), "authorization_servers": [own] });
            match asked.path.ends_with("/other") {
                true => Answer::json(200, document.to_string()),
                false => honest,
            }
        }),
        challenge(
            "a third party's metadata about the server",
            Outcome::Harmless,
            |origins| vec![named(&origins.elsewhere, "mcp")],
        ),
    ]
}

/// The endpoint answers like this instead.
fn endpoint(
    name: &str,
    outcome: Outcome,
    answer: impl Fn(&Origins, Answer) -> Answer + Send + Sync + 'static,
) -> Attack {
    Attack::new(name, outcome, move |asked, origins, honest| {
        match asked.role == Role::Server && asked.method == "POST" && asked.path == "/mcp" {
            true => answer(origins, honest),
            false => honest,
        }
    })
}

/// The server speaks HTTP+SSE, and names this for messages.
fn event(name: &str, address: impl Fn(&Origins) -> String + Send + Sync + 'static) -> Attack {
    let outcome = Outcome::Failed("wants messages sent to");
    Attack::new(name, outcome, move |asked, origins, honest| {
        match (asked.role, asked.method.as_str(), asked.path.as_str()) {
            (Role::Server, "POST", "/mcp") => Answer::with(405, "text/plain", Vec::new()),
            (Role::Server, "GET", "/mcp") => {
                let event = format!("event: endpoint\ndata: {}\n\n", address(origins));
                Answer::with(200, "text/event-stream", event.into_bytes())
            }
            _ => honest,
        }
    })
}

/// What the endpoint itself says.
fn messages() -> Vec<Attack> {
    let redirected = Outcome::Failed("tokens are not sent to another origin");
    vec![
        endpoint(
            "the endpoint redirects to a third party (307)",
            redirected,
            |origins, _| Answer::redirect(307, format!("{}/mcp", origins.elsewhere)),
        ),
        endpoint(
            "the same once the token is there (308)",
            redirected,
            |origins, honest| match honest.status {
                200 => Answer::redirect(308, format!("{}/mcp", origins.elsewhere)),
                _ => honest,
            },
        ),
        event(
            "the event stream names a third party for messages",
            |origins| format!("{}/mcp", origins.elsewhere),
        ),
        event("the event stream names `javascript:` for messages", |_| {
            "javascript:alert(1)".to_owned()
        }),
        endpoint(
            "a refusal in terminal text",
            Outcome::Failed("400"),
            |_, _| {
                let text = format!("{}\u{1b}[2J\u{7}\r\n", nasty());
                Answer::with(400, "text/plain", text.into_bytes())
            },
        ),
        endpoint("an endless refusal", Outcome::Failed("500"), |_, _| {
            Answer::with(500, "text/html", Vec::new()).body(Body::Endless(vec![b'x'; 4096]))
        }),
    ]
}
