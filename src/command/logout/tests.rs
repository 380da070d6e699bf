use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::config::Base;
use crate::diag::{Captured, Level};
use crate::ids::Issuer;
use crate::net::client::HttpSettings;
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client, Management};
use crate::oauth::sign_in::{KnownClient, TakenOver};
use crate::oauth::token::{Grant, TokenSet};
use crate::secret::Secret;

/// A server that answers everything with one status and keeps each request: its first line, a
/// blank and its body.
struct Remote {
    base: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Remote {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut reader = BufReader::new(&mut stream);
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).await.expect("a request");
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).await.expect("a header");
                    let line = line.trim_end().to_ascii_lowercase();
                    match line.strip_prefix("content-length: ") {
                        Some(value) => length = value.parse().expect("a length"),
                        None if line.is_empty() => break,
                        None => {}
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).await.expect("a body");
                let first = first.trim_end().trim_end_matches(" HTTP/1.1");
                let body = String::from_utf8(body).expect("UTF-8");
                log.lock().expect("log").push(format!("{first} {body}"));
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
        });
        let base = Url::parse(&format!("http://127.0.0.1:{port}/")).expect("an address");
        Self { base, asked }
    }

    /// An address that nothing listens on: a port that is never given to a listener by chance.
    fn gone() -> Self {
        Self {
            base: Url::parse("http://127.0.0.1:1/").expect("an address"),
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("log").clone()
    }

    fn sign_in(&self, refresh_token: bool) -> SignIn {
        let at = |path| self.base.join(path).expect("an address");
        let issuer = Issuer::new("https://auth.example.com");
        let client = Client {
            client_id: "client-1".to_owned(),
            client_secret: None,
            client_secret_expires_at: None,
            auth_method: AuthMethod::None,
            redirect_uri: None,
            management: Some(Management {
                uri: at("register/1"),
                token: Secret::new("REGISTRATION_SECRET_1"),
            }),
            registered: true,
            dpop_bound: false,
            ..Client::default()
        };
        SignIn {
            seeds: Vec::new(),
            taken_over: None,
            sends_id_token: false,
            failures: Default::default(),
            // The addresses that it named are on this machine, too.
            server: "http://127.0.0.1:1/mcp".to_owned(),
            grant: Some(Grant {
                issuer: issuer.clone(),
                resource: None,
                tokens: TokenSet {
                    access_token: Secret::new("ACCESS_SECRET_1"),
                    refresh_token: refresh_token.then(|| Secret::new("REFRESH_SECRET_1")),
                    token_type: "Bearer".to_owned(),
                    expires_at: None,
                    scopes: vec![],
                    id_token: None,
                    proof_key: None,
                },
                requested_scopes: vec![],
                granted_at: 0,
                refreshed_at: None,
                mode: AuthMode::OAuth,
            }),
            clients: [(
                issuer,
                KnownClient {
                    client,
                    token_endpoint: at("token"),
                    resource_refused: false,
                    revocation_endpoint: Some(at("revoke")),
                },
            )]
            .into(),
        }
    }
}

/// A cache, and what was said about it.
struct Cache {
    _folder: TempDir,
    store: Store,
    diag: Diag,
    said: Captured,
}

impl Cache {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let store = Store::open(folder.path().join("cache")).expect("a store");
        let (diag, said) = Diag::captured(Level::Normal);
        Self {
            _folder: folder,
            store,
            diag,
            said,
        }
    }

    async fn with(self, name: &str, sign_in: &SignIn) -> Self {
        let lock = self.store.lock(&key(name), LOCK_LIMIT, || {}).await;
        let lock = lock.expect("a lock");
        self.store.write(&lock, sign_in).expect("written");
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.store.token_file(&key(name))
    }

    async fn logout(&self, target: LogoutTarget) -> Result<Report, Error> {
        self.logout_with(target, |_| {}).await
    }

    async fn logout_with(
        &self,
        target: LogoutTarget,
        change: impl FnOnce(&mut Logout),
    ) -> Result<Report, Error> {
        let mut logout = Logout {
            elsewhere: None,
            base: Base {
                dir: Some(self.store.folder().to_owned()),
                level: Level::Normal,
                warnings: vec![],
                remarks: vec![],
                origins: vec![],
            },
            http: HttpSettings::default(),
            target,
            means: Means::default(),
            entries: Vec::new(),
            own_token: None,
            asks: false,
            json: false,
        };
        change(&mut logout);
        let job = SignOut {
            store: &self.store,
            logout: &logout,
            diag: &self.diag,
            rows: &self.diag,
        };
        let (report, outcome) = job.run().await;
        let both = format!("{}{}", self.said.text(), crate::command::json(&report));
        assert!(!both.contains("SECRET"), "{both}");
        outcome.map(|()| report)
    }
}

fn key(name: &str) -> ServerKey {
    ServerKey::from_name(name).expect(name)
}

fn one(name: &str) -> LogoutTarget {
    LogoutTarget::One(key(name), None)
}

#[tokio::test]
async fn the_refresh_token_is_revoked_first_then_the_registration_goes_and_the_file() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let report = cache.logout(one("work")).await.expect("signed out");
    assert_eq!(
        remote.asked(),
        [
            "POST /revoke token=REFRESH_SECRET_1&token_type_hint=refresh_token&client_id=client-1",
            "POST /revoke token=ACCESS_SECRET_1&token_type_hint=access_token&client_id=client-1",
            "DELETE /register/1 ",
        ]
    );
    assert!(!cache.file("work").exists());
    assert!(cache.said.lines().is_empty());
    let [ended] = &report.sign_ins[..] else {
        panic!("{report:?}");
    };
    assert!(ended.removed && ended.problem.is_none());
    assert_eq!(ended.revoked, [Token::RefreshToken, Token::AccessToken]);
    assert_eq!(ended.registrations, [Registration::new("client-1", Ok(()))]);
    assert!(ended.not_revoked.is_empty());
}

#[tokio::test]
async fn a_sign_out_that_cannot_be_noted_is_made_and_told() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    // Nobody gets a lock there.
    std::fs::create_dir(cache.store.folder().join(".imports.lock")).expect("a folder");
    let mcp_remote = TempDir::new().expect("a folder");
    let outcome = cache.logout_with(one("work"), |logout| {
        logout.elsewhere = Some(mcp_remote.path().to_owned());
    });
    let error = outcome.await.expect_err("not noted").to_string();
    assert!(error.contains(".imports.lock"), "{error}");
    assert!(!cache.file("work").exists());
    assert!(cache.said.text().contains("cannot be noted"));
    assert_eq!(remote.asked().len(), 3);
}

#[tokio::test]
async fn the_tokens_are_free_while_a_sign_out_waits_to_be_noted() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let mcp_remote = TempDir::new().expect("a folder");
    // Who takes a sign-in over has this lock, and waits for that of the tokens.
    let taking = cache.store.lock_imports(LOCK_LIMIT).await.expect("a lock");
    let signing_out = cache.logout_with(one("work"), |logout| {
        logout.elsewhere = Some(mcp_remote.path().to_owned());
    });
    tokio::pin!(signing_out);
    let name = key("work");
    let tokens = tokio::select! {
        biased;
        ended = &mut signing_out => panic!("{ended:?}"),
        tokens = cache.store.lock(&name, Duration::from_secs(2), || {}) => tokens,
    };
    drop((tokens.expect("nobody has them"), taking));
    signing_out.await.expect("signed out");
    assert!(!cache.file("work").exists());
    let ledger = cache.store.read_ledger().expect("a ledger");
    assert!(format!("{ledger:?}").contains("work"));
}

#[tokio::test]
async fn what_was_taken_over_does_not_come_back_even_if_its_folder_does() {
    let remote = Remote::start(200).await;
    let mut sign_in = remote.sign_in(true);
    sign_in.taken_over = Some(TakenOver {
        from: "mcp-remote".to_owned(),
        at: 1,
        mark: "M".to_owned(),
        replaced: false,
    });
    for (sign_in, is_noted) in [(sign_in, true), (remote.sign_in(true), false)] {
        let cache = Cache::new().with("work", &sign_in).await;
        cache.logout(one("work")).await.expect("signed out");
        let ledger = cache.store.read_ledger().expect("a ledger");
        let barred = ledger.bars(("P", "M"), "work", false, |_, _| false);
        assert_eq!(barred.is_some(), is_noted);
    }
}

#[tokio::test]
async fn what_debug_wrote_goes_with_the_sign_in_and_that_of_no_other() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let path = |name: &str| cache.store.folder().join(name);
    let of_it = ["work.debug.log", "work.debug.log.old"].map(path);
    let of_another = ["work2.debug.log", "work2.debug.log.old"].map(path);
    for path in of_it.iter().chain(&of_another) {
        std::fs::write(path, "enter the code AB-CD").expect("written");
    }
    cache.logout(one("work")).await.expect("signed out");
    assert!(!of_it.iter().any(|path| path.exists()));
    assert!(of_another.iter().all(|path| path.exists()));
    assert!(cache.said.lines().is_empty());
}

#[tokio::test]
async fn a_log_that_cannot_be_deleted_is_told() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let path = cache.store.folder().join("work.debug.log");
    std::fs::create_dir(&path).expect("a folder");
    let report = cache.logout(one("work")).await.expect("signed out");
    assert!(report.sign_ins[0].removed);
    let said = cache.said.text();
    let told = format!("warning: `{}` is not deleted: ", path.display());
    assert!(said.contains(&told), "{said}");
}

#[tokio::test]
async fn without_a_refresh_token_the_access_token_is_revoked() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(false)).await;
    cache.logout(one("work")).await.expect("signed out");
    assert_eq!(remote.asked().len(), 2);
    assert!(remote.asked()[0].contains("token=ACCESS_SECRET_1"));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_warned_of_and_the_file_goes_all_the_same() {
    let remote = Remote::gone();
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let report = cache.logout(one("work")).await.expect("signed out");
    assert!(!cache.file("work").exists());
    let ended = &report.sign_ins[0];
    assert!(ended.removed && ended.revoked.is_empty());
    let kept: Vec<Token> = ended.not_revoked.iter().map(|one| one.token).collect();
    assert_eq!(kept, [Token::RefreshToken, Token::AccessToken]);
    assert!(!ended.registrations[0].deleted);
    let said = cache.said.lines();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("warning: the token could not be revoked: cannot reach `"));
    assert!(said[1].starts_with("warning: the registration `client-1` was not deleted: "));
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_about_both_tokens() {
    let remote = Remote::start(400).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    cache.logout(one("work")).await.expect("signed out");
    assert_eq!(remote.asked().len(), 3, "{:?}", remote.asked());
    assert!(!cache.file("work").exists());
    assert_eq!(cache.said.lines().len(), 2, "{:?}", cache.said.lines());
}

#[tokio::test]
async fn a_server_without_revocation_is_named() {
    let remote = Remote::start(200).await;
    let mut sign_in = remote.sign_in(true);
    for known in sign_in.clients.values_mut() {
        known.revocation_endpoint = None;
        known.client.management = None;
    }
    let cache = Cache::new().with("work", &sign_in).await;
    let report = cache.logout(one("work")).await.expect("signed out");
    let kept = &report.sign_ins[0].not_revoked;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().all(|one| one.problem.contains("no way")));
    assert!(remote.asked().is_empty());
    assert_eq!(
        cache.said.lines()[0],
        "`https://auth.example.com` offers no way to revoke tokens; they stay valid there until they end; if it has a place for that, name it with `--revocation-endpoint`"
    );
}

#[tokio::test]
async fn a_revocation_endpoint_of_the_users_own_takes_the_place_of_none_and_of_another() {
    for named in [None, Some("elsewhere")] {
        let remote = Remote::start(200).await;
        let at = |path| remote.base.join(path).expect("an address");
        let mut sign_in = remote.sign_in(true);
        for known in sign_in.clients.values_mut() {
            known.client.management = None;
            known.revocation_endpoint = named.map(at);
        }
        let cache = Cache::new().with("work", &sign_in).await;
        let means = Means {
            revocation_endpoint: Some(at("mine")),
            ..Means::default()
        };
        let ended = cache.logout_with(one("work"), |logout| logout.means = means);
        ended.await.expect("signed out");
        let asked = remote.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(
            asked
                .iter()
                .all(|request| request.starts_with("POST /mine ")),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_mode_that_needs_nobody_is_told_to_go_on() {
    for (mode, expected) in [
        (AuthMode::OAuth, None),
        (AuthMode::Device, None),
        (
            AuthMode::Seeded,
            Some("began with a refresh token of your configuration"),
        ),
        (
            AuthMode::ClientCredentials,
            Some("the mode `client-credentials`: the next use gets another token"),
        ),
        (AuthMode::Workload, Some("the mode `workload`")),
        (AuthMode::Enterprise, Some("the mode `enterprise`")),
    ] {
        let remote = Remote::start(200).await;
        let mut sign_in = remote.sign_in(false);
        sign_in.grant.as_mut().expect("a grant").mode = mode;
        let cache = Cache::new().with("work", &sign_in).await;
        cache.logout(one("work")).await.expect("signed out");
        assert_eq!(remote.asked().len(), 2, "revoked and given up");
        let said = cache.said.lines();
        let after = said.first();
        assert_eq!(after.is_some(), expected.is_some(), "{said:?}");
        assert!(
            after.is_none_or(|line| line.contains(expected.unwrap_or_default())),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_token_of_the_users_own_leaves_nothing_to_sign_out_of_but_what_is_cached() {
    let own = |logout: &mut Logout| logout.own_token = Some("`--bearer-env`".to_owned());
    let cache = Cache::new();
    cache
        .logout_with(one("work"), own)
        .await
        .expect("nothing to do");
    assert_eq!(
        cache.said.lines(),
        [
            "there is nothing to sign out of: the server is used with the token of `--bearer-env`; take it out there, and revoke it where you got it"
        ]
    );
    let remote = Remote::start(200).await;
    let cache = cache.with("work", &remote.sign_in(true)).await;
    cache
        .logout_with(one("work"), own)
        .await
        .expect("signed out");
    assert!(!cache.file("work").exists());
}

#[tokio::test]
async fn a_registration_without_tokens_is_given_up_too() {
    let remote = Remote::start(204).await;
    let mut sign_in = remote.sign_in(true);
    sign_in.grant = None;
    let cache = Cache::new().with("work", &sign_in).await;
    cache.logout(one("work")).await.expect("signed out");
    assert_eq!(remote.asked(), ["DELETE /register/1 "]);
}

#[tokio::test]
async fn a_damaged_file_is_deleted_with_a_warning() {
    let cache = Cache::new();
    std::fs::write(cache.file("work"), "{\"access_token\":\"ACCESS_SECRET_1").expect("written");
    cache.logout(one("work")).await.expect("signed out");
    assert!(!cache.file("work").exists());
    assert!(
        cache.said.text().contains("nothing was revoked"),
        "{}",
        cache.said.text()
    );
}

#[tokio::test]
async fn a_file_of_a_later_version_stays_and_keeps_no_other_from_going() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    std::fs::write(cache.file("later"), r#"{"version":9}"#).expect("written");
    let error = cache.logout(LogoutTarget::All).await.expect_err("refused");
    assert!(matches!(error, Error::Store(_)), "{error}");
    assert!(cache.file("later").exists());
    assert!(!cache.file("work").exists());
}

#[test]
fn only_a_yes_is_a_yes() {
    for answer in ["y\n", "Y\r\n", " yes ", "YES"] {
        assert!(is_yes(answer), "{answer}");
    }
    for answer in ["", "\n", "n\n", "no", "yess", "ja"] {
        assert!(!is_yes(answer), "{answer}");
    }
}

#[tokio::test]
async fn all_takes_every_sign_in_and_none_is_no_error() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("a", &remote.sign_in(true)).await;
    let cache = cache.with("b", &remote.sign_in(true)).await;
    cache.logout(LogoutTarget::All).await.expect("signed out");
    assert_eq!(cache.store.list().expect("a list"), []);
    cache
        .logout(LogoutTarget::All)
        .await
        .expect("nothing to do");
    assert_eq!(
        cache.said.lines().last().map(String::as_str),
        Some("there are no sign-ins")
    );
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_names_what_is() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let error = cache.logout(one("other")).await.expect_err("not there");
    assert_eq!(error.to_string(), "there is no sign-in for `other`");
    let server = ServerUrl::parse("http://127.0.0.1:1/mcp", false).expect("an address");
    let target = LogoutTarget::One(key("other"), Some(server));
    let error = cache.logout(target).await.expect_err("not there");
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "for that server there is `work`; give the name, or the same arguments as when signing in"
        )
    );
    assert!(cache.file("work").exists() && remote.asked().is_empty());
}

#[tokio::test]
async fn an_open_sign_in_of_another_process_is_warned_of() {
    let remote = Remote::start(200).await;
    let cache = Cache::new().with("work", &remote.sign_in(true)).await;
    let other = cache.store.try_lock_sign_in(&key("work")).expect("a lock");
    assert!(other.is_some());
    cache.logout(one("work")).await.expect("signed out");
    assert!(
        cache.said.text().contains("is open in a browser"),
        "{}",
        cache.said.text()
    );
}
