//! Answers of the token endpoint, and where codes and tokens go.

use playground::hostile::{ACCESS_TOKEN, Answer, Body, CODE, Role};
use serde_json::{Value, json};

use super::row::{Attack, Outcome, table};
use super::world::CANARY;

fn edited(
    name: &str,
    outcome: Outcome,
    edit: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Attack {
    let name = format!("token: {name}");
    Attack::at("/token", name, outcome, move |_, honest| honest.edit(&edit))
}

fn instead(name: &str, outcome: Outcome, answer: Answer) -> Attack {
    let name = format!("token: {name}");
    Attack::at("/token", name, outcome, move |_, _| answer.clone())
}

fn wrong() -> Outcome {
    Outcome::Refused("")
}

#[test]
fn token_answers_get_nothing() {
    let nasty = format!(
        "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{202e}$(touch {CANARY})`touch {CANARY}`'\";touch {CANARY}|x&y"
    );
    let kind = nasty.clone();
    let mut attacks = vec![
        edited("the type `mac`", wrong(), |tokens| {
            tokens["token_type"] = json!("mac")
        }),
        edited("the type `N_A`", wrong(), |tokens| {
            tokens["token_type"] = json!("N_A")
        }),
        edited("a type of terminal text", wrong(), move |tokens| {
            tokens["token_type"] = json!(kind)
        }),
        edited("a type that is an object", Outcome::Harmless, |tokens| {
            tokens["token_type"] = json!({ "a": 1 });
        }),
        edited("an access token with line ends", wrong(), |tokens| {
            tokens["access_token"] = json!(format!("{ACCESS_TOKEN}\r\nX-Evil: 1"));
        }),
        edited(
            "an access token with control characters",
            wrong(),
            |tokens| {
                tokens["access_token"] = json!(format!("{ACCESS_TOKEN}\u{0}\u{1b}[31m"));
            },
        ),
        edited("an access token beyond ASCII", wrong(), |tokens| {
            tokens["access_token"] = json!(format!("{ACCESS_TOKEN}é"));
        }),
        edited("an access token that is a number", wrong(), |tokens| {
            tokens["access_token"] = json!(7);
        }),
        edited("an access token that is an object", wrong(), |tokens| {
            tokens["access_token"] = json!({ ACCESS_TOKEN: ACCESS_TOKEN });
        }),
        edited("an empty access token", wrong(), |tokens| {
            tokens["access_token"] = json!("")
        }),
        edited(
            "a lifetime below zero, shell text as scope",
            Outcome::Harmless,
            |tokens| {
                tokens["scope"] = json!("$(touch dbcanary) `x` ;|& \u{1b}[31m");
                tokens["id_token"] = json!("\u{1b}[31m.x.y");
            },
        ),
        instead(
            "a lifetime beyond all numbers",
            wrong(),
            Answer::json(
                200,
                format!(
                    "{{\"access_token\":\"{ACCESS_TOKEN}\",\"token_type\":\"Bearer\",\"expires_in\":1e400}}"
                ),
            ),
        ),
        instead(
            "two access tokens",
            wrong(),
            Answer::json(
                200,
                format!(
                    "{{\"access_token\":\"other\",\"access_token\":\"{ACCESS_TOKEN}\",\"token_type\":\"Bearer\"}}"
                ),
            ),
        ),
        instead(
            "nested deeply",
            wrong(),
            Answer::json(
                200,
                format!(
                    "{{\"access_token\":\"{ACCESS_TOKEN}\",\"token_type\":\"Bearer\",\"x\":{}{}}}",
                    "[".repeat(40),
                    "]".repeat(40)
                ),
            ),
        ),
        instead(
            "an endless body",
            wrong(),
            Answer::json(200, "").body(Body::Endless(vec![b' '; 4096])),
        ),
        instead(
            "a page",
            wrong(),
            Answer::with(200, "text/html", b"<html>".to_vec()),
        ),
        instead(
            "the token as text",
            wrong(),
            Answer::json(200, format!("\"{ACCESS_TOKEN}\"")),
        ),
        instead("nothing", wrong(), Answer::json(200, "")),
        instead(
            "a refusal of shell and terminal text",
            wrong(),
            Answer::json(
                400,
                json!({ "error": nasty, "error_description": nasty.repeat(99) }).to_string(),
            ),
        ),
        instead(
            "a refusal that repeats the code",
            wrong(),
            Answer::with(400, "text/html", format!("<p>{CODE}</p>").into_bytes()),
        ),
    ];
    for status in [301, 302, 303, 307, 308] {
        attacks.push(Attack::at(
            "/token",
            format!("token: redirects to a third party ({status})"),
            Outcome::Refused("redirect"),
            move |origins, _| Answer::redirect(status, format!("{}/token", origins.elsewhere)),
        ));
    }
    for status in [302, 307] {
        attacks.push(Attack::at(
            "/token",
            format!("token: redirects to itself elsewhere ({status})"),
            Outcome::Refused("redirect"),
            move |_, _| Answer::redirect(status, "/token2"),
        ));
    }
    attacks.push(
        Attack::new(
            "the token endpoint is at the MCP server's own origin: no header of the user's",
            Outcome::Harmless,
            |asked, origins, honest| match (asked.role, asked.path.as_str()) {
                (Role::Authority, "/.well-known/oauth-authorization-server") => {
                    honest.edit(|document| {
                        document["token_endpoint"] = json!(format!("{}/token", origins.server));
                        document["registration_endpoint"] =
                            json!(format!("{}/register", origins.server));
                    })
                }
                (Role::Server, "/token" | "/register") if asked.header("x-api-key").is_some() => {
                    Answer::with(500, "text/plain", b"it came".to_vec())
                }
                _ => honest,
            },
        )
        .authority(Role::Server),
    );
    table("Tokens", attacks);
}

#[test]
fn a_token_endpoint_elsewhere_gets_no_header_of_the_users() {
    let elsewhere = Attack::at(
        "/.well-known/oauth-authorization-server",
        "token and registration endpoint at a third party",
        Outcome::Harmless,
        |origins, honest| {
            honest.edit(|document| {
                document["token_endpoint"] = json!(format!("{}/token", origins.elsewhere));
                document["registration_endpoint"] =
                    json!(format!("{}/register", origins.elsewhere));
            })
        },
    );
    table(
        "Endpoints elsewhere",
        vec![elsewhere.authority(Role::Elsewhere)],
    );
}
