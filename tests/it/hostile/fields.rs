//! Every member of every document, one after the other: with text that a terminal or a shell would
//! obey, as another type, and as an address that leads to a third party, which hears nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use playground::hostile::{Answer, Asked, Body, Origins, Role};
use serde_json::{Value, json};

use super::row::{Attack, Outcome, table};
use super::world::CANARY;

const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "/.well-known/oauth-authorization-server";

/// Addresses that nobody may be sent to, and one where nothing may be asked.
const ODD: [&str; 9] = [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ms-msdt:/id",
    "//127.0.0.1/x",
    "/x",
    "",
    "http://169.254.169.254/latest/meta-data/",
    "https://user:password@127.0.0.1/x",
];

/// Text that a terminal would obey, and a shell if it saw it.
fn nasty() -> String {
    format!(
        "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{202e}$(touch {CANARY})`touch {CANARY}`'\";touch {CANARY}|touch {CANARY}&touch {CANARY}\n"
    )
}

/// One member of the answer at this path is this.
fn member(
    path: &'static str,
    whose: &str,
    name: &'static str,
    value: Value,
    end: Outcome,
) -> Attack {
    let shown = match value.to_string() {
        text if text.contains(CANARY) => "shell and terminal text".to_owned(),
        text => format!("`{}`", text.chars().take(60).collect::<String>()),
    };
    let row = format!("{whose}: `{name}` is {shown}");
    Attack::at(path, row, end, move |_, honest| {
        honest.edit(|document| document[name] = value.clone())
    })
}

/// One member of the answer at this path is an address of a third party's, which is not asked.
fn bait(path: &'static str, whose: &str, name: &'static str) -> Attack {
    let row = format!("{whose}: `{name}` leads to a third party");
    Attack::at(path, row, Outcome::Harmless, move |origins, honest| {
        honest.edit(|document| document[name] = json!(format!("{}/bait", origins.elsewhere)))
    })
    .untouched()
}

#[test]
fn members_of_the_resources_metadata_get_nothing() {
    let row = |name, value, end| member(RESOURCE, "resource", name, value, end);
    let mut attacks = vec![
        row(
            "resource",
            json!(nasty()),
            Outcome::Refused("is about the resource"),
        ),
        row(
            "resource",
            json!(7),
            Outcome::Refused("it has no `resource`"),
        ),
        row(
            "resource",
            json!(["a"]),
            Outcome::Refused("it has no `resource`"),
        ),
        row(
            "authorization_servers",
            json!(nasty()),
            Outcome::Refused("the list is empty"),
        ),
        row(
            "authorization_servers",
            json!([7, null, {}]),
            Outcome::Refused("the list is empty"),
        ),
        row(
            "authorization_servers",
            json!([nasty()]),
            Outcome::Refused("is not an address"),
        ),
        row(
            "bearer_methods_supported",
            json!([nasty()]),
            Outcome::Refused("takes tokens by"),
        ),
        row(
            "bearer_methods_supported",
            json!("header"),
            Outcome::Harmless,
        ),
        row("scopes_supported", json!(nasty()), Outcome::Harmless),
        row(
            "scopes_supported",
            json!([nasty(), 7, "a\"b", "a\\b", "é"]),
            Outcome::Harmless,
        ),
        row(
            "dpop_signing_alg_values_supported",
            json!([nasty(), "none"]),
            Outcome::Harmless,
        ),
        row(
            "dpop_bound_access_tokens_required",
            json!("yes"),
            Outcome::Harmless,
        ),
        row("resource_name", json!(nasty()), Outcome::Harmless),
        row("signed_metadata", json!(nasty()), Outcome::Harmless),
        row(
            "authorization_details_types_supported",
            json!([nasty()]),
            Outcome::Harmless,
        ),
    ];
    attacks.push(Attack::at(
        RESOURCE,
        "resource: many that are none before the authorization server",
        Outcome::Harmless,
        |origins, honest| {
            honest.edit(|document| {
                document["authorization_servers"] = json!([
                    nasty(),
                    "javascript:1",
                    "",
                    7,
                    "http://far.test",
                    origins.authority
                ]);
            })
        },
    ));
    for name in [
        "jwks_uri",
        "resource_documentation",
        "resource_policy_uri",
        "resource_tos_uri",
    ] {
        attacks.push(bait(RESOURCE, "resource", name));
    }
    table("Members of the resource's metadata", attacks);
}

#[test]
fn members_of_the_authorization_servers_metadata_get_nothing() {
    let row = |name, value, end| member(SERVER, "authorization server", name, value, end);
    let mut attacks = vec![
        row(
            "issuer",
            json!({ "a": 1 }),
            Outcome::Refused("it has no `issuer`"),
        ),
        row(
            "authorization_endpoint",
            json!(nasty()),
            Outcome::Refused("endpoint"),
        ),
        row(
            "authorization_endpoint",
            json!(7),
            Outcome::Refused("it has no `authorization_endpoint`"),
        ),
        row(
            "token_endpoint",
            json!(nasty()),
            Outcome::Refused("endpoint"),
        ),
        row(
            "token_endpoint",
            json!(["a"]),
            Outcome::Refused("it has no `token_endpoint`"),
        ),
        row(
            "registration_endpoint",
            json!(nasty()),
            Outcome::Refused("endpoint"),
        ),
        row(
            "registration_endpoint",
            json!(7),
            Outcome::Refused("does not let clients register"),
        ),
        row(
            "response_types_supported",
            json!([nasty()]),
            Outcome::Refused("`code`"),
        ),
        row(
            "response_types_supported",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row(
            "code_challenge_methods_supported",
            json!("S256"),
            Outcome::Refused("PKCE"),
        ),
        row(
            "code_challenge_methods_supported",
            json!([]),
            Outcome::Refused("PKCE"),
        ),
        row(
            "scopes_supported",
            json!([nasty(), "offline_access"]),
            Outcome::Harmless,
        ),
        row("scopes_supported", json!(nasty()), Outcome::Harmless),
        row("grant_types_supported", json!([nasty()]), Outcome::Harmless),
        row(
            "response_modes_supported",
            json!([nasty()]),
            Outcome::Harmless,
        ),
        row(
            "token_endpoint_auth_methods_supported",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row(
            "token_endpoint_auth_signing_alg_values_supported",
            json!([nasty()]),
            Outcome::Harmless,
        ),
        row(
            "dpop_signing_alg_values_supported",
            json!([nasty()]),
            Outcome::Harmless,
        ),
        row(
            "authorization_response_iss_parameter_supported",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row(
            "client_id_metadata_document_supported",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row(
            "authorization_grant_profiles_supported",
            json!([nasty()]),
            Outcome::Harmless,
        ),
        row(
            "require_pushed_authorization_requests",
            json!(true),
            Outcome::Refused("pushed"),
        ),
        row("signed_metadata", json!(nasty()), Outcome::Harmless),
    ];
    for odd in ODD {
        let name = "pushed_authorization_request_endpoint";
        attacks.push(row(name, json!(odd), Outcome::Harmless));
        let required = row(name, json!(odd), Outcome::Refused("pushed"));
        attacks.push(
            Attack {
                name: required.name.clone() + ", and required",
                ..required
            }
            .twisted(|asked, _, honest| match asked.path == SERVER {
                true => honest.edit(|document| {
                    document["require_pushed_authorization_requests"] = json!(true);
                }),
                false => honest,
            }),
        );
    }
    for name in [
        "jwks_uri",
        "userinfo_endpoint",
        "introspection_endpoint",
        "end_session_endpoint",
        "check_session_iframe",
        "backchannel_authentication_endpoint",
        "service_documentation",
        "op_policy_uri",
        "op_tos_uri",
    ] {
        attacks.push(bait(SERVER, "authorization server", name));
    }
    attacks.push(
        Attack::at(
            SERVER,
            "authorization server: `mtls_endpoint_aliases` lead to a third party",
            Outcome::Harmless,
            |origins, honest| {
                let evil = format!("{}/token", origins.elsewhere);
                honest.edit(|document| {
                    document["mtls_endpoint_aliases"] = json!({ "token_endpoint": evil });
                })
            },
        )
        .untouched(),
    );
    table("Members of the authorization server's metadata", attacks);
}

#[test]
fn members_of_a_registration_get_nothing() {
    let row = |name, value, end| member("/register", "registration", name, value, end);
    let mut attacks: Vec<Attack> = [
        "client_name",
        "scope",
        "application_type",
        "software_id",
        "software_version",
        "software_statement",
        "client_id_issued_at",
        "grant_types",
        "response_types",
        "contacts",
    ]
    .into_iter()
    .map(|name| row(name, json!(nasty()), Outcome::Harmless))
    .collect();
    attacks.extend(
        [
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "jwks_uri",
        ]
        .map(|name| bait("/register", "registration", name)),
    );
    attacks.extend([
        row("client_id", json!("x".repeat(100_000)), Outcome::Harmless),
        row("client_secret", json!({ "a": 1 }), Outcome::Harmless),
        row(
            "client_secret_expires_at",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row("client_secret_expires_at", json!(-1), Outcome::Harmless),
        row("client_secret_expires_at", json!(1), Outcome::Harmless),
        row(
            "token_endpoint_auth_method",
            json!(["none"]),
            Outcome::Harmless,
        ),
        row(
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            Outcome::Refused("authenticate"),
        ),
        row("redirect_uris", json!(nasty()), Outcome::Harmless),
        row(
            "dpop_bound_access_tokens",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row("error", json!(nasty()), Outcome::Harmless),
    ]);
    // What manages a registration is used when the user signs out.
    for odd in ODD {
        let attack = row("registration_client_uri", json!(odd), Outcome::Harmless);
        attacks.push(attack.signs_out("signed out of"));
    }
    attacks.push(
        bait("/register", "registration", "registration_client_uri").signs_out("signed out of"),
    );
    let control = row(
        "registration_access_token",
        json!(nasty()),
        Outcome::Harmless,
    );
    attacks.push(control.signs_out("no header can carry"));
    attacks.push(
        row("registration_access_token", json!(7), Outcome::Harmless).signs_out("signed out of"),
    );
    table("Members of a registration", attacks);
}

/// An unsigned ID token with these claims.
fn id_token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
}

#[test]
fn members_of_a_token_answer_get_nothing() {
    let row = |name, value, end| member("/token", "token", name, value, end);
    let mut attacks = vec![
        row("token_type", Value::Null, Outcome::Harmless),
        row("expires_in", json!(nasty()), Outcome::Harmless),
        row("expires_in", json!(-1), Outcome::Harmless),
        row("expires_in", json!({ "a": 1 }), Outcome::Harmless),
        row("expires_in", json!(u64::MAX), Outcome::Harmless),
        row("refresh_token", json!(nasty()), Outcome::Harmless),
        row("refresh_token", json!(7), Outcome::Harmless),
        row("refresh_token", json!(""), Outcome::Harmless),
        row("scope", json!(7), Outcome::Harmless),
        row("scope", json!(nasty()), Outcome::Harmless),
        row("id_token", json!(7), Outcome::Harmless),
        row("id_token", json!(nasty()), Outcome::Harmless),
        row("issued_token_type", json!(nasty()), Outcome::Harmless),
        row("authorization_details", json!(nasty()), Outcome::Harmless),
        row("error", json!(nasty()), Outcome::Harmless),
        row("error_uri", json!("javascript:alert(1)"), Outcome::Harmless),
    ];
    for claim in [
        "iss",
        "sub",
        "aud",
        "exp",
        "email",
        "preferred_username",
        "name",
    ] {
        let attack = Attack::at(
            "/token",
            format!("ID token: `{claim}` is shell and terminal text"),
            Outcome::Harmless,
            move |origins, honest| {
                let mut claims =
                    json!({ "iss": origins.authority, "sub": "ada", "aud": "client-1" });
                claims[claim] = json!(nasty());
                honest.edit(|tokens| tokens["id_token"] = json!(id_token(&claims)))
            },
        );
        // Who is signed in is shown by `status`.
        attacks.push(attack.signs_out("signed out of"));
    }
    table("Members of a token answer", attacks);
}

#[test]
fn members_of_a_devices_code_get_nothing() {
    let row =
        |name, value, end| member("/device", "device", name, value, end).argument("--device-code");
    let mut attacks = vec![
        Attack::new("device: nothing", Outcome::Harmless, |_, _, honest| honest)
            .argument("--device-code"),
        row("device_code", json!(7), Outcome::Refused("`device_code`")),
        row(
            "device_code",
            json!("x".repeat(20_000)),
            Outcome::Refused("`device_code`"),
        ),
        row("device_code", json!(nasty()), Outcome::Harmless),
        row("user_code", json!(nasty()), Outcome::Refused("`user_code`")),
        row(
            "user_code",
            json!("A".repeat(41)),
            Outcome::Refused("`user_code`"),
        ),
        row("user_code", json!(7), Outcome::Refused("`user_code`")),
        row("user_code", json!(""), Outcome::Refused("`user_code`")),
        row(
            "verification_uri",
            json!(nasty()),
            Outcome::Refused("`verification_uri`"),
        ),
        row(
            "verification_uri",
            json!(7),
            Outcome::Refused("`verification_uri`"),
        ),
        row(
            "verification_uri_complete",
            json!(nasty()),
            Outcome::Harmless,
        ),
        row(
            "expires_in",
            json!(nasty()),
            Outcome::Refused("`expires_in`"),
        ),
        row("expires_in", json!(-1), Outcome::Refused("`expires_in`")),
        row("expires_in", json!(0), Outcome::Refused("")),
        row("interval", json!(nasty()), Outcome::Harmless),
        row(
            "interval",
            json!(1e300),
            Outcome::Refused("may be asked for every"),
        ),
        row("message", json!(nasty()), Outcome::Harmless),
    ];
    for odd in ODD {
        attacks.push(row(
            "verification_uri",
            json!(odd),
            Outcome::Refused("`verification_uri`"),
        ));
        attacks.push(row(
            "verification_uri_complete",
            json!(odd),
            Outcome::Harmless,
        ));
    }
    let instead = |name: &str, end, answer: Answer| {
        Attack::at("/device", format!("device: {name}"), end, move |_, _| {
            answer.clone()
        })
        .argument("--device-code")
    };
    attacks.extend([
        instead("two `verification_uri`", Outcome::Refused("twice"), Answer::json(200,
            r#"{"device_code":"d","user_code":"A","verification_uri":"https://a.test","verification_uri":"https://b.test","expires_in":60}"#)),
        instead("nested deeply", Outcome::Refused("32 levels"), Answer::json(200, "[".repeat(9999))),
        instead("an endless body", Outcome::Refused("larger than"), Answer::json(200, "").body(Body::Endless(vec![b' '; 4096]))),
        instead("a refusal of shell and terminal text", Outcome::Refused("refused"), Answer::json(400,
            json!({ "error": nasty(), "error_description": nasty().repeat(99), "error_uri": nasty() }).to_string())),
        instead("a page", Outcome::Refused(""), Answer::with(200, "text/html", b"<html>".to_vec())),
    ]);
    attacks.push(
        Attack::at(
            "/device",
            "device: redirects to a third party (307)",
            Outcome::Refused("redirect"),
            |origins, _| Answer::redirect(307, format!("{}/device", origins.elsewhere)),
        )
        .argument("--device-code")
        .untouched(),
    );
    table("Members of a device's code", attacks);
}

/// The authorization server takes pushed requests only, and answers them like this.
fn pushed(
    name: &str,
    end: Outcome,
    answer: impl Fn(&Origins, Answer) -> Answer + Send + Sync + 'static,
) -> Attack {
    Attack::new(
        format!("pushed request: {name}"),
        end,
        move |asked: &Asked, origins, honest| match (asked.role, asked.path.as_str()) {
            (Role::Authority, SERVER) => honest.edit(|document| {
                document["pushed_authorization_request_endpoint"] =
                    json!(format!("{}/par", origins.authority));
                document["require_pushed_authorization_requests"] = json!(true);
            }),
            (_, "/par") => answer(
                origins,
                Answer::json(
                    201,
                    json!({ "request_uri": "urn:x", "expires_in": 60 }).to_string(),
                ),
            ),
            _ => honest,
        },
    )
}

#[test]
fn members_of_a_pushed_request_get_nothing() {
    let row = |name: &'static str, value: Value, end| {
        let shown = match value.to_string() {
            text if text.contains(CANARY) => "shell and terminal text".to_owned(),
            text => format!("`{}`", text.chars().take(60).collect::<String>()),
        };
        pushed(&format!("`{name}` is {shown}"), end, move |_, honest| {
            honest.edit(|pushed| pushed[name] = value.clone())
        })
    };
    let instead = |name: &str, end, answer: Answer| pushed(name, end, move |_, _| answer.clone());
    let mut attacks = vec![
        pushed("nothing", Outcome::Harmless, |_, honest| honest),
        row(
            "request_uri",
            json!(nasty()),
            Outcome::Refused("`request_uri` is not an address"),
        ),
        row(
            "request_uri",
            json!("x".repeat(5000)),
            Outcome::Refused("`request_uri` is not an address"),
        ),
        row(
            "request_uri",
            json!(7),
            Outcome::Refused("no `request_uri`"),
        ),
        row(
            "request_uri",
            json!(""),
            Outcome::Refused("`request_uri` is not an address"),
        ),
        row("expires_in", json!(-1), Outcome::Harmless),
        row("expires_in", json!(nasty()), Outcome::Harmless),
        instead(
            "two `request_uri`",
            Outcome::Refused("twice"),
            Answer::json(201, r#"{"request_uri":"a","request_uri":"b"}"#),
        ),
        instead(
            "nested deeply",
            Outcome::Refused("32 levels"),
            Answer::json(201, "[".repeat(9999)),
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
                json!({ "error": nasty(), "error_description": nasty().repeat(99) }).to_string(),
            ),
        ),
        instead(
            "a page",
            Outcome::Refused(""),
            Answer::with(200, "text/html", b"<html>".to_vec()),
        ),
    ];
    attacks.push(
        pushed(
            "redirects to a third party (307)",
            Outcome::Refused("redirect"),
            |origins, _| Answer::redirect(307, format!("{}/par", origins.elsewhere)),
        )
        .untouched(),
    );
    table("Members of a pushed request", attacks);
}

#[test]
fn members_of_an_open_session_get_nothing() {
    let row = |name: &str, end, edit: fn(&mut Value)| {
        Attack::new(
            format!("initialize: {name}"),
            end,
            move |asked, _, honest| {
                let is_it = asked.role == Role::Server
                    && String::from_utf8_lossy(&asked.body).contains("\"initialize\"")
                    && honest.status == 200;
                match is_it {
                    true => honest.edit(edit),
                    false => honest,
                }
            },
        )
    };
    table("Members of an open session", vec![
        row("`protocolVersion` is shell and terminal text", Outcome::Failed(""), |m| m["result"]["protocolVersion"] = json!(nasty())),
        row("`protocolVersion` is a number", Outcome::Failed(""), |m| m["result"]["protocolVersion"] = json!(7)),
        row("`serverInfo` is shell and terminal text", Outcome::Harmless, |m| m["result"]["serverInfo"] = json!({
            "name": nasty(), "title": nasty(), "version": nasty(), "websiteUrl": "javascript:alert(1)" })).signs_out("signed out of"),
        row("`serverInfo` is a number", Outcome::Harmless, |m| m["result"]["serverInfo"] = json!(7)),
        row("`instructions` is shell and terminal text", Outcome::Harmless, |m| m["result"]["instructions"] = json!(nasty())),
        row("`capabilities` is shell and terminal text", Outcome::Harmless, |m| m["result"]["capabilities"] = json!(nasty())),
    ]);
}
