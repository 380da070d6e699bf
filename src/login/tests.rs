//! One task, many callers: a real authorization server, and a browser that the test holds back.

mod elsewhere;
mod renewing;

use std::collections::BTreeMap;
use std::path::Path;

use playground::{Fault, Manner, Playground, Then, browse};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::*;
use crate::cli::{self, Parsed};
use crate::config::{self, Job, Surroundings};
use crate::diag::{Captured, Level};
use crate::ids::ServerKey;
use crate::net::client::HttpSettings;
use crate::net::connections::Connections;
use crate::oauth::flow::FlowError;
use crate::oauth::invitation::PasteError;
use crate::oauth::sign_in::SignIn;
use crate::secret::Secret;
use crate::store::Cached;

/// A server, a cache and what happened.
struct Scene {
    playground: Playground,
    folder: TempDir,
}

/// One process, as far as signing in goes.
struct Process {
    login: Login,
    task: Task,
    /// The addresses that a browser was opened with.
    opened: UnboundedReceiver<String>,
    stderr: Captured,
}

impl Scene {
    fn new() -> Self {
        Self::with(playground::Settings::default())
    }

    fn with(settings: playground::Settings) -> Self {
        Self {
            playground: Playground::start(settings),
            folder: TempDir::new().unwrap(),
        }
    }

    fn config(&self, arguments: &[&str]) -> Config {
        let url = self.playground.mcp_url();
        let arguments = ["mcp-drawbridge", &url]
            .into_iter()
            .chain(arguments.iter().copied());
        let folder = self.folder.path().join("cache").display().to_string();
        let env = BTreeMap::from([("MCP_DRAWBRIDGE_DIR".to_owned(), folder)]);
        let around = Surroundings {
            env: &env,
            data_dir: None,
            config_dir: None,
            home_dir: None,
            read: &|path: &Path| std::fs::read(path),
            open: &config::open,
        };
        let Ok(Parsed::Run(request)) = cli::parse(arguments.map(Into::into)) else {
            panic!("the arguments are wrong");
        };
        match Job::new(*request, &around) {
            Ok(Job::Bridge(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn process(&self) -> Process {
        self.process_with(&[])
    }

    fn process_with(&self, arguments: &[&str]) -> Process {
        self.process_on(arguments, |_| {})
    }

    /// The same on a machine that the test has changed.
    fn process_on(&self, arguments: &[&str], change: impl FnOnce(&mut Machine)) -> Process {
        let config = self.config(arguments);
        let (diag, stderr) = Diag::captured(Level::Debug);
        let http = Connections::new(HttpSettings::default());
        let (address, opened) = unbounded_channel();
        let browser: OpenBrowser = Arc::new(move |url| {
            let _ = address.send(url.to_string());
            Ok(())
        });
        let mut machine = machine(&config, Some(browser));
        change(&mut machine);
        let (login, task) = Login::start_on(machine, &config, http.unwrap(), diag).unwrap();
        Process {
            login,
            task,
            opened,
            stderr,
        }
    }

    fn key(&self) -> ServerKey {
        self.config(&[]).key
    }

    fn store(&self) -> Store {
        Store::open(self.folder.path().join("cache")).unwrap()
    }

    fn cached(&self) -> SignIn {
        match self.store().read(&self.key()).unwrap() {
            Cached::Present(sign_in) => *sign_in,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody has signed in before; the token ends in so many seconds.
    async fn signed_in(&self, ends_in: i64) -> Secret {
        let mut process = self.process();
        let caller = tokio::spawn(challenged(process.login.clone(), None));
        process.approve().await;
        let token = caller.await.unwrap();
        process.close().await;
        self.edit(|grant| grant.tokens.expires_at = now().checked_add_signed(ends_in))
            .await;
        token.unwrap()
    }

    /// Changes the cached grant.
    async fn edit(&self, edit: impl FnOnce(&mut Grant)) {
        let mut sign_in = self.cached();
        edit(sign_in.grant.as_mut().unwrap());
        let store = self.store();
        let lock = store.lock(&self.key(), Duration::from_secs(5), || {}).await;
        store.write(&lock.unwrap(), &sign_in).unwrap();
    }

    /// How often a refresh was asked for.
    fn refreshes_asked(&self) -> usize {
        let requests = self.playground.requests();
        let is_refresh = |request: &&playground::Request| {
            request.parameter("grant_type").as_deref() == Some("refresh_token")
        };
        requests.iter().filter(is_refresh).count()
    }
}

impl Process {
    async fn bearer(&self) -> Result<Option<Secret>, LoginError> {
        bearer(&self.login).await
    }

    async fn challenged(&self, rejected: Option<&Secret>) -> Result<Secret, LoginError> {
        challenged(self.login.clone(), rejected.cloned()).await
    }

    async fn address(&mut self) -> String {
        let opened = tokio::time::timeout(Duration::from_secs(20), self.opened.recv());
        match opened.await {
            Ok(Some(address)) => address,
            _ => panic!("no browser was opened: {}", self.stderr.text()),
        }
    }

    /// A person comes to the browser, and approves.
    async fn approve(&mut self) -> u16 {
        let address = self.address().await;
        visit(address, Manner::Approve).await
    }

    /// Lets time pass for timers, but not for the wall clock, until a refresh that begins then has
    /// ended. Whether it brought another token, or none.
    async fn renews_after(&self, seconds: u64) -> bool {
        let mut grant = self.login.grant.clone();
        let before = grant.borrow_and_update().clone();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        let ended = tokio::time::timeout(Duration::from_secs(20), grant.changed()).await;
        assert!(ended.is_ok(), "{}", self.stderr.text());
        *grant.borrow() != before
    }

    /// How many browsers were opened that nobody has looked at.
    fn unseen(&mut self) -> usize {
        std::iter::from_fn(|| self.opened.try_recv().ok()).count()
    }

    async fn close(self) {
        drop(self.login);
        self.task.ended().await;
    }
}

async fn challenged(login: Login, rejected: Option<Secret>) -> Result<Secret, LoginError> {
    let rejected = rejected.map(Credential::bearer);
    let credential = login.challenged(rejected, Challenge::default()).await?;
    Ok(credential.token)
}

async fn bearer(login: &Login) -> Result<Option<Secret>, LoginError> {
    let credential = login.credential().await?;
    Ok(credential.map(|credential| credential.token))
}

/// Waits until this stands on stderr.
async fn printed(stderr: &Captured, text: &str) {
    let waiting = async {
        while !stderr.text().contains(text) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "`{text}` is not in: {}", stderr.text());
}

fn asking_for(scope: &str) -> Challenge {
    Challenge {
        scope: Some(vec![scope.to_owned()]),
        ..Challenge::default()
    }
}

async fn visit(address: String, manner: Manner) -> u16 {
    let visit = tokio::task::spawn_blocking(move || browse(&address, manner));
    visit.await.unwrap().unwrap().status
}

/// Waits for the playground, which answers from threads of its own.
async fn blocking<T: Send + 'static>(
    scene: &Arc<Scene>,
    wait: impl FnOnce(&Playground) -> T + Send + 'static,
) -> T {
    let scene = scene.clone();
    let waiting = tokio::task::spawn_blocking(move || wait(&scene.playground));
    waiting.await.unwrap()
}

async fn refresh_arrived(scene: &Arc<Scene>) {
    request_arrived(scene, "refresh_token").await;
}

async fn request_arrived(scene: &Arc<Scene>, grant_type: &'static str) {
    blocking(scene, move |playground| {
        playground.wait_for(|requests| {
            let is_it = |request: &&playground::Request| {
                request.parameter("grant_type").as_deref() == Some(grant_type)
            };
            requests.iter().find(is_it).map(|_| ())
        });
    })
    .await;
}

#[tokio::test]
async fn ten_callers_share_one_sign_in() {
    let scene = Scene::new();
    let mut process = scene.process();
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        callers.spawn(challenged(process.login.clone(), None));
    }
    assert_eq!(process.approve().await, 200);
    let tokens = callers.join_all().await;
    let first = tokens[0].clone().unwrap();
    assert!(tokens.into_iter().all(|token| token.unwrap() == first));
    assert_eq!(process.bearer().await.unwrap(), Some(first));
    let counts = (
        scene.playground.registrations(),
        scene.playground.code_exchanges(),
    );
    assert_eq!((counts, process.unseen()), ((1, 1), 0));
}

#[tokio::test]
async fn what_was_read_ahead_is_used_as_long_as_the_file_is_the_same() {
    let scene = Scene::new();
    let token = scene.signed_in(3600).await;
    let process = scene.process();
    process.login.read_ahead();
    // Another token of the same length, in a file that shows no change.
    let path = scene.store().token_file(&scene.key());
    let text = std::fs::read_to_string(&path).unwrap();
    let modified = path.metadata().unwrap().modified().unwrap();
    let other = "x".repeat(token.expose().len());
    std::fs::write(&path, text.replace(token.expose(), &other)).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    drop(file);
    assert_eq!(process.bearer().await.unwrap(), Some(token));
    // Only what the first needed was read ahead.
    let known = process.login.renew(Secret::new("gone")).await;
    let known = known.unwrap().unwrap().tokens.access_token;
    assert_eq!(known.expose(), other);
}

#[tokio::test]
async fn what_another_process_has_done_since_the_cache_was_read_ahead_is_found() {
    let scene = Scene::new();
    scene.signed_in(3600).await;
    let (before_refresh, before_logout) = (scene.process(), scene.process());
    before_refresh.login.read_ahead();
    before_logout.login.read_ahead();
    let refreshed = Secret::new("refreshed");
    let kept = refreshed.clone();
    scene.edit(|grant| grant.tokens.access_token = kept).await;
    assert_eq!(before_refresh.bearer().await.unwrap(), Some(refreshed));
    let store = scene.store();
    let lock = store
        .lock(&scene.key(), Duration::from_secs(5), || {})
        .await;
    store.remove(&lock.unwrap()).unwrap();
    assert_eq!(before_logout.bearer().await.unwrap(), None);
}

#[tokio::test]
async fn a_token_that_had_ended_when_it_was_read_ahead_is_refreshed_when_it_is_needed() {
    let scene = Scene::new();
    let token = scene.signed_in(-1).await;
    let process = scene.process();
    process.login.read_ahead();
    tokio::task::yield_now().await;
    assert_eq!(scene.refreshes_asked(), 0);
    assert_ne!(process.bearer().await.unwrap(), Some(token));
    assert_eq!(scene.refreshes_asked(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_sign_in() {
    let scene = Scene::new();
    let mut process = scene.process();
    let caller = tokio::spawn(challenged(process.login.clone(), None));
    let address = process.address().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(visit(address, Manner::Approve).await, 200);
    // Whoever asks next gets what that sign-in brought.
    process.challenged(None).await.unwrap();
    assert_eq!(
        (scene.playground.code_exchanges(), process.unseen()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_declined_sign_in_is_told_to_all_who_waited_and_not_repeated() {
    let scene = Scene::new();
    let mut process = scene.process();
    let mut callers = JoinSet::new();
    for _ in 0..3 {
        callers.spawn(challenged(process.login.clone(), None));
    }
    let address = process.address().await;
    visit(address, Manner::Deny).await;
    for outcome in callers.join_all().await {
        let failure = outcome.unwrap_err().failure();
        assert!(failure.detail.contains("declined"), "{failure}");
        assert!(!failure.retryable);
    }
    assert_eq!(process.unseen(), 0);
}

#[tokio::test]
async fn requests_do_not_wait_for_a_person_who_need_not() {
    let scene = Scene::new();
    let mut process = scene.process();
    let login = process.login.clone();
    let caller = tokio::spawn(async move { login.challenged(None, asking_for("tools")).await });
    let address = process.address().await;
    // Nobody is signed in, which is known without the person in the browser.
    assert_eq!(process.bearer().await.unwrap(), None);
    visit(address, Manner::Approve).await;
    let token = caller.await.unwrap().unwrap();

    let (login, used) = (process.login.clone(), token.clone());
    let stepping_up =
        tokio::spawn(async move { login.insufficient_scope(used, asking_for("admin")).await });
    let address = process.address().await;
    assert_eq!(process.bearer().await.unwrap(), Some(token.token.clone()));
    visit(address, Manner::Approve).await;
    let wider = stepping_up.await.unwrap().unwrap();
    assert_ne!(wider, token);
    assert_eq!(process.bearer().await.unwrap(), Some(wider.token));
}

#[tokio::test]
async fn two_processes_share_one_browser() {
    let scene = Scene::new();
    let (mut first, mut second) = (scene.process(), scene.process());
    let one = tokio::spawn(challenged(first.login.clone(), None));
    let address = first.address().await;
    let other = tokio::spawn(challenged(second.login.clone(), None));
    assert_eq!(visit(address, Manner::Approve).await, 200);
    let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!(one, other);
    assert_eq!((first.unseen(), second.unseen()), (0, 0));
    assert_eq!(scene.playground.registrations(), 1);
}

#[tokio::test]
async fn whoever_waits_takes_the_token_before_the_turn_is_free() {
    let scene = Scene::new();
    let token = scene.signed_in(3600).await;
    let (store, key) = (scene.store(), scene.key());
    let signed_in = scene.cached();
    let lock = || store.lock(&key, Duration::from_secs(5), || {});
    store.remove(&lock().await.unwrap()).unwrap();
    // Another process has the browser open, and keeps it.
    let turn = store.try_lock_sign_in(&key).unwrap().unwrap();
    let mut process = scene.process();
    let caller = tokio::spawn(challenged(process.login.clone(), None));
    printed(&process.stderr, "another bridge is signing in").await;
    store.write(&lock().await.unwrap(), &signed_in).unwrap();
    assert_eq!(caller.await.unwrap().unwrap(), token);
    assert_eq!(process.unseen(), 0);
    drop(turn);
}

#[tokio::test]
async fn a_successor_finishes_with_the_tab_that_is_open() {
    let scene = Scene::new();
    let mut first = scene.process();
    let caller = tokio::spawn(challenged(first.login.clone(), None));
    let address = first.address().await;
    caller.abort();
    let _ = caller.await;
    first.close().await;

    let mut second = scene.process();
    let caller = tokio::spawn(challenged(second.login.clone(), None));
    printed(&second.stderr, &address).await;
    assert_eq!(visit(address, Manner::Approve).await, 200);
    caller.await.unwrap().unwrap();
    assert_eq!((second.unseen(), scene.playground.registrations()), (0, 1));
}

#[tokio::test]
async fn a_successor_does_not_wait_for_a_tab_that_has_done_its_part() {
    let scene = Arc::new(Scene::new());
    let mut first = scene.process();
    scene
        .playground
        .fault(Fault::token("authorization_code").then(Then::Hold));
    let caller = tokio::spawn(challenged(first.login.clone(), None));
    let tab = tokio::spawn(visit(first.address().await, Manner::Approve));
    request_arrived(&scene, "authorization_code").await;
    // Killed, with nothing tidied up.
    first.task.0.abort();
    caller.await.unwrap().unwrap_err();
    tab.await.unwrap();

    let mut second = scene.process();
    let caller = tokio::spawn(challenged(second.login.clone(), None));
    second.approve().await;
    caller.await.unwrap().unwrap();
    assert_eq!(scene.playground.registrations(), 1);
}

#[tokio::test]
async fn a_tab_is_noted_as_open_only_when_it_is() {
    let scene = Scene::new();
    let config = scene.config(&[]);
    let (diag, _) = Diag::captured(Level::Debug);
    let http = Connections::new(HttpSettings::default()).unwrap();
    let note = scene
        .folder
        .path()
        .join("cache")
        .join(format!("{}.signin.json", config.key));
    let (noted, mut was_noted) = unbounded_channel();
    let browser: OpenBrowser = {
        let note = note.clone();
        Arc::new(move |_| {
            let _ = noted.send(note.exists());
            Ok(())
        })
    };
    let (login, _task) = Login::start_with(&config, http, diag, Some(browser)).unwrap();
    let caller = tokio::spawn(challenged(login, None));
    assert_eq!(was_noted.recv().await, Some(false));
    assert!(note.exists());
    caller.abort();
}

#[tokio::test]
async fn signing_in_anew_replaces_a_token_that_works() {
    let scene = Scene::new();
    let old = scene.signed_in(3600).await;
    let mut process = scene.process();
    let login = process.login.clone();
    let signing_in = tokio::spawn(async move { login.sign_in(Challenge::default()).await });
    process.approve().await;
    let grant = signing_in.await.unwrap().unwrap();
    assert_ne!(grant.tokens.access_token, old);
    assert_eq!(scene.cached().grant, Some(grant));
}

#[tokio::test]
async fn nobody_in_the_browser_is_waited_for_as_long_as_allowed() {
    let scene = Scene::new();
    let process = scene.process_with(&["--auth-timeout", "1"]);
    let error = process.challenged(None).await.unwrap_err();
    let LoginError::Flow { error, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**error, FlowError::TimedOut(1)), "{error}");
    // The registration stays for the next try.
    assert_eq!(scene.cached().clients.len(), 1);
}

#[tokio::test]
async fn after_the_end_nobody_gets_a_token() {
    let scene = Scene::new();
    let process = scene.process();
    let caller = tokio::spawn(challenged(process.login.clone(), None));
    process.task.0.abort();
    let outcome = caller.await.unwrap();
    assert!(matches!(outcome, Err(LoginError::Closing)));
}

#[tokio::test]
async fn an_address_is_printed_where_no_browser_can_be_opened() {
    let scene = Scene::new();
    let (diag, stderr) = Diag::captured(Level::Silent);
    let http = Connections::new(HttpSettings::default());
    let config = scene.config(&["--no-browser"]);
    let (login, _task) = Login::start(&config, http.unwrap(), diag).unwrap();
    let caller = tokio::spawn(challenged(login, None));
    printed(&stderr, "http://").await;
    let text = stderr.text();
    let at = text.find("http://").unwrap();
    let address = text[at..].split_whitespace().next().unwrap().to_owned();
    assert_eq!(visit(address, Manner::Approve).await, 200);
    caller.await.unwrap().unwrap();
}

/// Where the browser ends on after the sign-in, which it cannot reach.
async fn ends_on(address: String) -> String {
    let visited = tokio::task::spawn_blocking(move || browse(&address, Manner::Abandon));
    visited.await.unwrap().unwrap().url.to_string()
}

async fn open_address(process: &Process) -> String {
    let mut standing = process.login.standing();
    let open = |now: &Standing| now.invitation().is_some();
    let standing = standing.wait_for(open).await.unwrap();
    standing.invitation().unwrap().address.0.to_string()
}

#[tokio::test]
async fn a_pasted_address_finishes_the_sign_in() {
    let scene = Scene::new();
    let process = scene.process_with(&["--no-browser"]);
    let caller = tokio::spawn(challenged(process.login.clone(), None));
    let address = open_address(&process).await;
    let bring = |text: String| {
        let login = process.login.clone();
        async move { login.bring(&text).await }
    };
    let begins = BringError::Paste(PasteError::BeginsThere);
    assert_eq!(bring(address.clone()).await, Err(begins));
    let stray = "http://localhost:1/?code=CODE_1&state=STATE_1".to_owned();
    assert_eq!(bring(stray).await, Err(BringError::NotExpected));
    let end = ends_on(address).await;
    assert_eq!(bring(end.clone()).await, Ok(()));
    let token = caller.await.unwrap().unwrap();
    assert_eq!(scene.cached().grant.unwrap().tokens.access_token, token);
    // Brought once more, it is too late and no loss.
    assert_eq!(bring(end).await, Ok(()));
    assert_eq!(*process.login.standing().borrow(), Standing::SignedIn);
    process.close().await;
}

#[tokio::test]
async fn an_address_pasted_into_a_sibling_finishes_the_sign_in_of_both() {
    let scene = Scene::new();
    let (first, second) = (
        scene.process_with(&["--no-browser"]),
        scene.process_with(&["--no-browser"]),
    );
    let one = tokio::spawn(challenged(first.login.clone(), None));
    let address = open_address(&first).await;
    let other = tokio::spawn(challenged(second.login.clone(), None));
    assert_eq!(open_address(&second).await, address);
    let end = ends_on(address).await;
    assert_eq!(second.login.bring(&end).await, Ok(()));
    let tokens = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!(tokens.0, tokens.1);
    assert_eq!(scene.playground.code_exchanges(), 1);
    first.close().await;
    second.close().await;
}
