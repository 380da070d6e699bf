use crate::oauth::sign_in::FailureNote;
use std::time::Duration;

use base64::Engine as _;
use url::Url;

use super::*;
use crate::config::Base;
use crate::diag::Level;
use crate::ids::{Issuer, ResourceId};
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client};
use crate::oauth::sign_in::KnownClient;
use crate::oauth::token::{Grant, TokenSet};
use crate::secret::Secret;

const NOW: u64 = 1_800_000_000;

fn sign_in(expires_at: Option<u64>, refresh_token: Option<&str>) -> SignIn {
    let issuer = Issuer::new("https://auth.example.com");
    let client = Client {
        client_id: "client-1".to_owned(),
        client_secret: Some(Secret::new("CLIENT_SECRET_1")),
        client_secret_expires_at: None,
        auth_method: AuthMethod::ClientSecretPost,
        redirect_uri: None,
        management: None,
        registered: true,
        dpop_bound: false,
        ..Client::default()
    };
    SignIn {
        seeds: Vec::new(),
        failures: Default::default(),
        server: "https://mcp.example.com/mcp?key=QUERY_SECRET_1".to_owned(),
        grant: Some(Grant {
            issuer: issuer.clone(),
            resource: Some(ResourceId::new("https://mcp.example.com/")),
            tokens: TokenSet {
                access_token: Secret::new("ACCESS_SECRET_1"),
                refresh_token: refresh_token.map(Secret::new),
                token_type: "Bearer".to_owned(),
                expires_at,
                scopes: vec!["read".to_owned(), "write".to_owned()],
                id_token: Some(Secret::new("ID_SECRET_1")),
                proof_key: None,
            },
            requested_scopes: vec![],
            granted_at: NOW - 3 * 86400,
            refreshed_at: Some(NOW - 120),
            mode: AuthMode::OAuth,
        }),
        clients: [(
            issuer,
            KnownClient {
                client,
                token_endpoint: Url::parse("https://auth.example.com/token").unwrap(),
                resource_refused: false,
                revocation_endpoint: None,
            },
        )]
        .into(),
    }
}

fn key() -> ServerKey {
    ServerKey::from_name("work").unwrap()
}

fn entry(sign_in: SignIn) -> Entry {
    Entry::new(&key(), &Cached::Present(Box::new(sign_in)), NOW)
}

/// Runs the command on a cache with one sign-in.
fn run_on(target: StatusTarget, json: bool) -> Result<String, Error> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("cache")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let lock = runtime
        .block_on(store.lock(&key(), Duration::from_secs(5), || {}))
        .unwrap();
    store
        .write(&lock, &sign_in(Some(NOW + 7200), Some("REFRESH_SECRET_1")))
        .unwrap();
    let status = Status {
        base: Base {
            dir: Some(store.folder().to_owned()),
            level: Level::Normal,
            warnings: vec![],
            remarks: vec![],
            origins: vec![],
        },
        target,
        json,
    };
    let shown = answer(&status, NOW, &Diag::captured(Level::Normal).0)?;
    Ok(shown.replace(&folder.path().display().to_string(), "/tmp"))
}

#[test]
fn health_follows_from_expiry_and_refresh_token() {
    let health = |expires_at, refresh| entry(sign_in(expires_at, refresh)).health;
    assert_eq!(health(Some(NOW + 1), None), Health::Ok);
    assert_eq!(health(None, None), Health::Ok);
    assert_eq!(health(Some(NOW), Some("R")), Health::Refreshable);
    assert_eq!(health(Some(NOW), None), Health::Expired);
    let lapsed = |ends_at| {
        let mut sign_in = sign_in(Some(NOW), Some("R"));
        let known = sign_in.clients.values_mut().next().unwrap();
        known.client.client_secret_expires_at = Some(ends_at);
        entry(sign_in).health
    };
    assert_eq!(lapsed(NOW + 1), Health::Refreshable);
    assert_eq!(lapsed(NOW), Health::Expired);
    let mut registered = sign_in(None, None);
    registered.grant = None;
    let entry = entry(registered);
    assert_eq!(entry.health, Health::SignedOut);
    assert_eq!(entry.issuer.as_deref(), Some("https://auth.example.com"));
}

#[test]
fn people_see_times_in_words() {
    assert_eq!(
        run_on(StatusTarget::All, false).unwrap(),
        "work\n\
         \x20 server        https://mcp.example.com/mcp?…\n\
         \x20 mode          oauth, registered client `client-1`\n\
         \x20 issuer        https://auth.example.com\n\
         \x20 resource      https://mcp.example.com/\n\
         \x20 scopes        read write\n\
         \x20 signed in     3 days ago\n\
         \x20 last refresh  2 minutes ago\n\
         \x20 access token  valid for 2 hours\n\
         \x20 health        ok\n"
    );
}

#[test]
fn programs_see_the_documented_members() {
    let report: serde_json::Value =
        serde_json::from_str(&run_on(StatusTarget::All, true).unwrap()).unwrap();
    assert_eq!(
        report,
        serde_json::json!({
            "version": 1,
            "folder": "/tmp/cache",
            "sign_ins": [{
                "name": "work",
                "server": "https://mcp.example.com/mcp?…",
                "account": null,
                "mode": "oauth",
                "dpop_jkt": null,
                "issuer": "https://auth.example.com",
                "client_id": "client-1",
                "client": "registered",
                "resource": "https://mcp.example.com/",
                "scopes": ["read", "write"],
                "expires_at": NOW + 7200,
                "refreshable": true,
                "granted_at": NOW - 3 * 86400,
                "refreshed_at": NOW - 120,
                "health": "ok",
                "problem": null,
            }],
        })
    );
}

/// An ID token with these claims, for this client, and a claim that is nobody's business.
fn id_token(client_id: &str, claims: &str) -> Secret {
    let payload = format!(
        r#"{{"iss":"https://auth.example.com","aud":"{client_id}","at_hash":"SECRET",{claims}}}"#
    );
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(payload);
    Secret::new(format!("HEADER_SECRET.{payload}.SIGNATURE_SECRET"))
}

#[test]
fn the_account_is_what_the_id_token_says() {
    let shown = |token| {
        let mut sign_in = sign_in(Some(NOW + 1), None);
        sign_in.grant.as_mut().unwrap().tokens.id_token = Some(token);
        let report = Report {
            version: FORMAT,
            folder: "/tmp".to_owned(),
            sign_ins: vec![entry(sign_in)],
        };
        let parsed: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
        let both = format!("{}{}", text(&report, NOW), json(&report));
        assert!(
            !both.contains("SECRET") && !both.contains('\u{1b}'),
            "{both}"
        );
        (text(&report, NOW), parsed["sign_ins"][0]["account"].clone())
    };
    let claims = r#""sub":"1","email":"jane@example.com","name":"Jane\u001b[2J","age":7"#;
    let (lines, account) = shown(id_token("client-1", claims));
    assert!(
        lines.contains("\n  account       jane@example.com\n"),
        "{lines}"
    );
    let expected = serde_json::json!({
        "sub": "1", "email": "jane@example.com", "preferred_username": null, "name": "Jane[2J"
    });
    assert_eq!(account, expected);
    for nobody in [
        id_token("client-2", claims),
        id_token("client-1", r#""age":7"#),
        Secret::new("ID_SECRET_1"),
    ] {
        let (lines, account) = shown(nobody);
        assert!(!lines.contains("account"), "{lines}");
        assert_eq!(account, serde_json::Value::Null);
    }
}

#[test]
fn a_sign_in_by_code_is_told_from_one_in_the_browser() {
    let mut sign_in = sign_in(None, None);
    assert_eq!(entry(sign_in.clone()).mode, Some("oauth"));
    sign_in.grant.as_mut().unwrap().mode = AuthMode::Device;
    assert_eq!(entry(sign_in.clone()).mode, Some("device"));
    sign_in.grant = None;
    assert_eq!(entry(sign_in).mode, Some("oauth"));
}

#[test]
fn what_went_wrong_last_is_told_until_it_goes_well() {
    let note = |reason: &str| {
        Some(FailureNote {
            count: 1,
            reason: reason.to_owned(),
            transient: true,
        })
    };
    let mut sign_in = sign_in(Some(NOW + 60), Some("REFRESH_SECRET_1"));
    assert_eq!(entry(sign_in.clone()).problem, None);
    sign_in.failures.refresh = note("no answer");
    let problem = entry(sign_in.clone()).problem;
    assert_eq!(
        problem.as_deref(),
        Some("the last refresh failed: no answer")
    );
    sign_in.failures.sign_in = note("it was \u{1b}[31mdeclined");
    let problem = entry(sign_in).problem.unwrap();
    assert!(
        problem.starts_with("the last sign-in failed: it was"),
        "{problem}"
    );
    assert!(!problem.contains('\u{1b}'));
}

#[test]
fn no_form_shows_a_secret() {
    for json in [false, true] {
        let shown = run_on(StatusTarget::All, json).unwrap();
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}

#[test]
fn one_sign_in_is_found_by_name_and_by_address() {
    let server = |text| StatusTarget::Server(ServerUrl::parse(text, false).unwrap());
    let by_name = run_on(StatusTarget::Name(key()), false).unwrap();
    assert!(by_name.starts_with("work\n"));
    assert!(
        run_on(
            server("https://MCP.example.com:443/mcp?key=QUERY_SECRET_1"),
            false
        )
        .is_ok()
    );
    assert!(run_on(server("https://mcp.example.com/mcp?key=OTHER"), false).is_err());
    let error = run_on(server("https://other.example.com/mcp"), false).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        error.to_string(),
        "there is no sign-in for `https://other.example.com/mcp`"
    );
}

#[test]
fn an_empty_cache_says_where_it_looked() {
    let report = Report {
        version: FORMAT,
        folder: "/tmp/cache".to_owned(),
        sign_ins: vec![],
    };
    assert_eq!(text(&report, NOW), "No sign-ins in `/tmp/cache`.\n");
}

#[test]
fn a_file_that_cannot_be_used_is_listed_with_the_reason() {
    let reason = "it is not JSON\u{1b}[2J".to_owned();
    let entry = Entry::new(&key(), &Cached::Unreadable { reason }, NOW);
    assert_eq!(entry.health, Health::Unreadable);
    assert_eq!(entry.problem.as_deref(), Some("it is not JSON"));
    let entry = Entry::new(&key(), &Cached::Newer { version: 9 }, NOW);
    assert_eq!(entry.health, Health::Newer);
}

#[test]
fn text_from_a_server_cannot_draw_on_the_terminal() {
    let mut hostile = sign_in(None, None);
    hostile.server = "\u{1b}[2Jhttps://evil.example/\nwork".to_owned();
    let grant = hostile.grant.as_mut().unwrap();
    grant.tokens.scopes = vec!["read\u{1b}]0;x\u{7}\nhealth ok".to_owned()];
    let report = Report {
        version: FORMAT,
        folder: "/tmp".to_owned(),
        sign_ins: vec![entry(hostile)],
    };
    let shown = text(&report, NOW);
    assert!(
        !shown.contains('\u{1b}') && shown.contains("read health ok\n"),
        "{shown}"
    );
    assert!(shown.contains("server        not an address\n"), "{shown}");
}
