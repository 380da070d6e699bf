//! What is found, from the cache to both forms of the answer.

mod pages;
mod readme;

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use url::Url;

use super::report::{Check, CheckOutcome, Health, Renewal, Sends};
use super::*;
use crate::config::Base;
use crate::diag::Level;
use crate::ids::{Issuer, ResourceId};
use crate::mcp::era;
use crate::mcp::record::ServerRecord;
use crate::mcp::transport::{Transport, Verdict};
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client};
use crate::oauth::sign_in::{FailureNote, KnownClient, SignIn, TakenOver};
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
        taken_over: None,
        sends_id_token: false,
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
    seen(sign_in, &Around::default())
}

fn seen(sign_in: SignIn, around: &Around) -> Entry {
    Entry::new(&key(), &Cached::Present(Box::new(sign_in)), around, NOW)
}

fn report(sign_ins: Vec<Entry>) -> Report {
    Report {
        version: FORMAT,
        folder: "/tmp/cache".to_owned(),
        sign_ins,
    }
}

fn text(report: &Report) -> String {
    page::page(report, false, NOW, Terminal::NONE)
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
        long: false,
        check: None,
    };
    let cache = Cache::open(&status)?;
    let keys = cache.wanted(&status.target)?;
    let entries = keys.iter().map(|key| cache.entry(key, NOW));
    let mut report = report(entries.collect::<Result<_, _>>()?);
    report.folder = cache.store.folder().display().to_string();
    let shown = match json {
        true => crate::command::json(&report),
        false => text(&report),
    };
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
         \x20 access token  ends in 2 hours\n\
         \x20 renewal       renewed silently by a refresh token\n\
         \x20 health        ok\n"
    );
}

#[test]
fn programs_see_the_documented_members() {
    let report: Value = serde_json::from_str(&run_on(StatusTarget::All, true).unwrap()).unwrap();
    assert_eq!(
        report,
        json!({
            "version": 1,
            "folder": "/tmp/cache",
            "sign_ins": [{
                "name": "work",
                "server": "https://mcp.example.com/mcp?…",
                "protocol": null,
                "account": null,
                "mode": "oauth",
                "sends": "access_token",
                "dpop_jkt": null,
                "issuer": "https://auth.example.com",
                "client_id": "client-1",
                "client": "registered",
                "resource": "https://mcp.example.com/",
                "scopes": ["read", "write"],
                "expires_at": NOW + 7200,
                "refreshable": true,
                "renewal": "refresh_token",
                "taken_over": null,
                "granted_at": NOW - 3 * 86400,
                "refreshed_at": NOW - 120,
                "health": "ok",
                "problem": null,
                "check": null,
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
        let report = report(vec![entry(sign_in)]);
        let document = crate::command::json(&report);
        let parsed: Value = serde_json::from_str(&document).unwrap();
        let both = format!("{}{document}", text(&report));
        assert!(
            !both.contains("SECRET") && !both.contains('\u{1b}'),
            "{both}"
        );
        (text(&report), parsed["sign_ins"][0]["account"].clone())
    };
    let claims = r#""sub":"1","email":"jane@example.com","name":"Jane\u001b[2J","age":7"#;
    let (lines, account) = shown(id_token("client-1", claims));
    assert!(
        lines.contains("\n  account       jane@example.com\n"),
        "{lines}"
    );
    let expected = json!({
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
        assert_eq!(account, Value::Null);
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
    assert_eq!(text(&report(vec![])), "No sign-ins in `/tmp/cache`.\n");
}

#[test]
fn a_file_that_cannot_be_used_is_listed_with_the_reason() {
    let reason = "it is not JSON\u{1b}[2J".to_owned();
    let entry = Entry::new(
        &key(),
        &Cached::Unreadable { reason },
        &Around::default(),
        NOW,
    );
    assert_eq!(entry.health, Health::Unreadable);
    assert_eq!(entry.problem.as_deref(), Some("it is not JSON"));
    let entry = Entry::new(
        &key(),
        &Cached::Newer { version: 9 },
        &Around::default(),
        NOW,
    );
    assert_eq!(entry.health, Health::Newer);
}

#[test]
fn text_from_a_server_cannot_draw_on_the_terminal() {
    let mut hostile = sign_in(None, None);
    hostile.server = "\u{1b}[2Jhttps://evil.example/\nwork".to_owned();
    let grant = hostile.grant.as_mut().unwrap();
    grant.tokens.scopes = vec!["read\u{1b}]0;x\u{7}\nhealth ok".to_owned()];
    let shown = text(&report(vec![entry(hostile)]));
    assert!(
        !shown.contains('\u{1b}') && shown.contains("read health ok\n"),
        "{shown}"
    );
    assert!(shown.contains("server        not an address\n"), "{shown}");
}

#[test]
fn the_folder_cannot_draw_on_the_terminal_either() {
    let hostile = Report {
        folder: "/tmp/\u{1b}[2J\u{202e}x\u{9b}1m".to_owned(),
        ..report(vec![])
    };
    let (page, document) = (text(&hostile), crate::command::json(&hostile));
    let harmless = |c: char| c == '\n' || !crate::untrusted::is_invisible(c);
    assert!(page.chars().all(harmless), "{page:?}");
    assert!(document.chars().all(harmless), "{document:?}");
    let parsed: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(parsed["folder"], hostile.folder.as_str());
}

fn taken(replaced: bool) -> SignIn {
    SignIn {
        taken_over: Some(TakenOver {
            from: "mcp-remote".to_owned(),
            at: NOW - 86400,
            mark: "M".to_owned(),
            replaced,
        }),
        ..sign_in(Some(NOW + 60), Some("REFRESH_SECRET_1"))
    }
}

#[test]
fn a_sign_in_that_was_taken_over_says_from_where_and_whether_that_still_runs() {
    let around = Around {
        origin: Some("/home/me/.mcp-auth/x_tokens.json".into()),
        still_runs: Some(4711),
        record: None,
    };
    let found = seen(taken(false), &around);
    let origin = found.taken_over.as_ref().unwrap();
    assert_eq!(origin.from, "mcp-remote");
    assert_eq!(
        origin.file.as_deref(),
        Some("/home/me/.mcp-auth/x_tokens.json")
    );
    assert_eq!(origin.still_runs, Some(4711));
    let shown = text(&report(vec![found]));
    assert!(
        shown.contains("  taken over    from mcp-remote on 14 Jan 2027 (1 day ago)\n"),
        "{shown}"
    );
    assert!(
        shown.contains("mcp-remote still runs for this server (process 4711)"),
        "{shown}"
    );
    let shown = text(&report(vec![seen(taken(false), &Around::default())]));
    assert!(!shown.contains("still runs"), "{shown}");
    // What took its place since is our own.
    assert_eq!(seen(taken(true), &around).taken_over, None);
}

/// An ID token that ends then.
fn ending(at: u64) -> Secret {
    id_token("client-1", &format!(r#""sub":"1","iat":1,"exp":{at}"#))
}

#[test]
fn the_id_token_that_is_sent_is_told_with_its_end() {
    let sent = |in_place: bool, flag: bool, id_token: Option<Secret>| {
        let mut sign_in = sign_in(Some(NOW + 7200), Some("REFRESH_SECRET_1"));
        sign_in.sends_id_token = flag;
        let tokens = &mut sign_in.grant.as_mut().unwrap().tokens;
        tokens.id_token = id_token.clone();
        if let Some(id_token) = id_token.filter(|_| in_place) {
            tokens.access_token = id_token;
            tokens.expires_at = Some(NOW + 60);
        }
        let entry = entry(sign_in);
        (entry.sends, entry.expires_at)
    };
    let soon = ending(NOW + 60);
    let (access, id) = (Some(Sends::AccessToken), Some(Sends::IdToken));
    assert_eq!(
        sent(false, false, Some(soon.clone())),
        (access, Some(NOW + 7200))
    );
    assert_eq!(sent(true, true, Some(soon.clone())), (id, Some(NOW + 60)));
    // A file of before, which does not say so.
    assert_eq!(sent(true, false, Some(soon.clone())), (id, Some(NOW + 60)));
    // The last refresh brought none: the one of before is sent, while it lasts.
    assert_eq!(sent(false, true, Some(soon)), (id, Some(NOW + 60)));
    // There is none to send: as good as ended with the last refresh.
    assert_eq!(sent(false, true, None), (id, Some(NOW - 120)));
    let mut shown = sign_in(Some(NOW + 7200), None);
    shown.sends_id_token = true;
    shown.grant.as_mut().unwrap().tokens.id_token = Some(ending(NOW + 60));
    let shown = text(&report(vec![entry(shown)]));
    assert!(
        shown.contains("  ID token      ends in 1 minute\n"),
        "{shown}"
    );
}

fn record(revision: &str, era: Option<(Option<&str>, bool)>, transport: Transport) -> ServerRecord {
    ServerRecord {
        protocol_version: revision.to_owned(),
        server_info: json!({ "name": "Notion\u{1b}[2J", "version": "1.2" })
            .as_object()
            .cloned(),
        verdict: Some(Verdict {
            transport,
            found_at: NOW - 7200,
        }),
        era: era.map(|(stateless, has_sessions)| era::Verdict {
            stateless: stateless.map(str::to_owned),
            has_sessions,
            found_at: NOW - 3600,
        }),
        ..ServerRecord::default()
    }
}

#[test]
fn what_the_server_was_seen_to_speak_is_told() {
    let spoken = |record| {
        let around = Around {
            record: Some(record),
            ..Around::default()
        };
        let entry = seen(sign_in(None, None), &around);
        let shown = text(&report(vec![entry]));
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix("  speaks        "));
        line.expect("a line").to_owned()
    };
    let new = Some("2026-07-28");
    for (record, expected) in [
        (
            record("2025-06-18", None, Transport::Sse),
            "MCP 2025-06-18, over HTTP+SSE, as Notion 1.2 (seen 2 hours ago)",
        ),
        (
            record("2025-11-25", Some((None, true)), Transport::Streamable),
            "MCP 2025-11-25, over streamable HTTP, as Notion 1.2 (seen 1 hour ago)",
        ),
        (
            record("2026-07-28", Some((new, false)), Transport::Streamable),
            "MCP 2026-07-28, without sessions, over streamable HTTP, as Notion 1.2 (seen 1 hour ago)",
        ),
        (
            record("2026-07-28", None, Transport::Streamable),
            "MCP 2026-07-28, without sessions, over streamable HTTP, as Notion 1.2 (seen 2 hours ago)",
        ),
        (
            record("2025-11-25", Some((new, true)), Transport::Streamable),
            "MCP 2025-11-25, and 2026-07-28 without sessions, over streamable HTTP, as Notion 1.2 (seen 1 hour ago)",
        ),
        (
            record("2026-07-28", Some((new, true)), Transport::Streamable),
            "MCP 2026-07-28 without sessions, and older revisions, over streamable HTTP, as Notion 1.2 (seen 1 hour ago)",
        ),
    ] {
        assert_eq!(spoken(record), expected);
    }
}

#[test]
fn why_there_is_no_refresh_is_told() {
    let renewal = |sign_in| entry(sign_in).renewal;
    assert_eq!(
        renewal(sign_in(None, Some("R"))),
        Some(Renewal::RefreshToken)
    );
    assert_eq!(renewal(sign_in(None, None)), Some(Renewal::None));
    let mut lapsed = sign_in(None, Some("R"));
    let known = lapsed.clients.values_mut().next().unwrap();
    known.client.client_secret_expires_at = Some(NOW);
    assert_eq!(renewal(lapsed), Some(Renewal::ClientLapsed));
    let mut unattended = sign_in(None, None);
    unattended.grant.as_mut().unwrap().mode = AuthMode::ClientCredentials;
    assert_eq!(renewal(unattended), Some(Renewal::Unattended));
}

#[test]
fn of_several_checks_the_one_that_a_person_can_mend_gives_the_exit_code() {
    use CheckOutcome::{Failed, NeedsSignIn, NotRefreshable, NotTried, Refreshed, Unreachable};
    let failures = |outcomes: &[CheckOutcome]| {
        let entries = outcomes.iter().map(|outcome| Entry {
            check: Some(Check::of(*outcome)),
            ..entry(sign_in(None, None))
        });
        report(entries.collect()).failures()
    };
    assert_eq!(failures(&[]), (0, 0));
    assert_eq!(failures(&[Refreshed, NotRefreshable]), (0, 0));
    assert_eq!(failures(&[Refreshed, Unreachable]), (1, 4));
    assert_eq!(failures(&[Failed, Unreachable, NeedsSignIn]), (3, 3));
    assert_eq!(failures(&[NotTried, Failed]), (2, 1));
    assert_eq!(failures(&[Failed, Unreachable]), (2, 4));
}
