//! Answers to registrations.

use playground::hostile::{Answer, Body};
use serde_json::{Value, json};

use super::row::{Attack, Outcome, table};
use super::world::CANARY;

fn edited(
    name: &str,
    outcome: Outcome,
    edit: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Attack {
    let name = format!("registration: {name}");
    Attack::at("/register", name, outcome, move |_, honest| {
        honest.edit(&edit)
    })
}

fn instead(name: &str, outcome: Outcome, answer: Answer) -> Attack {
    let name = format!("registration: {name}");
    Attack::at("/register", name, outcome, move |_, _| answer.clone())
}

#[test]
fn registrations_get_nothing() {
    let nasty = format!(
        "\u{1b}[2J\r\n\u{202e}$(touch {CANARY})`touch {CANARY}`'\";touch {CANARY}|touch {CANARY}&x"
    );
    let (id, refused) = (nasty.clone(), nasty.clone());
    let attacks = vec![
        edited("a redirect URI of its own", Outcome::Harmless, |client| {
            client["redirect_uris"] = json!(["https://evil.example/callback"]);
        }),
        edited("a redirect URI on another port", Outcome::Harmless, |client| {
            client["redirect_uris"] = json!(["http://127.0.0.1:1/oauth/callback"]);
        }),
        edited("a redirect URI `javascript:`", Outcome::Harmless, |client| {
            client["redirect_uris"] = json!(["javascript:alert(1)", 7, null]);
        }),
        edited("shell and terminal text as `client_id`", Outcome::Harmless, move |client| {
            client["client_id"] = json!(id);
        }),
        edited("a `client_secret` with line ends", Outcome::Harmless, |client| {
            client["client_secret"] = json!("PLANTED-CLIENT-SECRET\r\nX-Evil: 1");
        }),
        edited("no `client_id`", Outcome::Refused("client_id"), |client| {
            client["client_id"] = Value::Null;
        }),
        edited("a `client_id` that is a list", Outcome::Refused("client_id"), |client| {
            client["client_id"] = json!(["a"]);
        }),
        edited("authentication that nobody knows", Outcome::Refused("authenticate"), |client| {
            client["token_endpoint_auth_method"] = json!("\u{1b}[31mself_signed_tls");
        }),
        Attack::at(
            "/register",
            "registration: redirects to a third party (307)",
            Outcome::Refused(""),
            |origins, _| Answer::redirect(307, format!("{}/register", origins.elsewhere)),
        ),
        instead("nested deeply", Outcome::Refused("32 levels"), Answer::json(201, "[".repeat(9999))),
        instead(
            "two `client_id`",
            Outcome::Refused("twice"),
            Answer::json(201, "{\"client_id\":\"a\",\"client_id\":\"b\"}"),
        ),
        instead(
            "an endless body",
            Outcome::Refused("larger than"),
            Answer::json(201, "").body(Body::Endless(vec![b' '; 4096])),
        ),
        instead(
            "a refusal of shell and terminal text",
            Outcome::Refused("refused"),
            Answer::json(
                400,
                json!({ "error": refused, "error_description": refused.repeat(99), "error_uri": refused })
                    .to_string(),
            ),
        ),
        instead("a page", Outcome::Refused(""), Answer::with(200, "text/html", b"<html>".to_vec())),
    ];
    table("Registrations", attacks);
}
