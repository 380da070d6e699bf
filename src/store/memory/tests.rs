use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::wire::tests::full;
use super::super::{Store, Unwritable};
use super::*;
use crate::ids::Issuer;
use crate::oauth::authorize::AuthorizationUrl;
use crate::oauth::device::DeviceAttempt;
use crate::oauth::token::Grant;

fn url(text: &str) -> url::Url {
    url::Url::parse(text).expect("url")
}

fn key() -> ServerKey {
    ServerKey::from_name("work").expect("name")
}

/// A folder below a regular file: neither root nor anybody else can make one.
fn impossible() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("folder");
    let file = parent.path().join("file");
    fs::write(&file, "").expect("file");
    let folder = file.join("cache");
    (parent, folder)
}

/// A store over a folder that holds `sign_in`, and the door to write there, which others have.
struct Over {
    _parent: tempfile::TempDir,
    others: Store,
    store: MemoryStore,
}

fn over(sign_in: Option<&SignIn>) -> Over {
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("cache");
    let others = Store::open(folder.clone()).expect("store");
    let below = FileStore::open_to_read(folder.clone());
    assert!(below.is_some());
    let over = Over {
        _parent: parent,
        store: MemoryStore::new(folder, below),
        others,
    };
    if let Some(sign_in) = sign_in {
        over.put(sign_in);
    }
    over
}

impl Over {
    fn put(&self, sign_in: &SignIn) {
        let lock = self.others.try_lock(&key()).expect("lock").expect("free");
        self.others.write(&lock, sign_in).expect("write");
    }

    fn write(&self, sign_in: &SignIn) {
        let lock = self.store.try_lock(&key()).expect("lock").expect("free");
        self.store.write(&lock, sign_in).expect("write");
    }

    fn read(&self) -> Option<SignIn> {
        present(self.store.read(&key()).expect("read"))
    }
}

fn refreshed(sign_in: &SignIn, token: &str, at: u64) -> SignIn {
    let mut sign_in = sign_in.clone();
    let grant = sign_in.grant.as_mut().expect("grant");
    grant.tokens.refresh_token = Some(Secret::new(token));
    grant.refreshed_at = Some(at);
    sign_in
}

fn token(sign_in: Option<SignIn>) -> Option<String> {
    let sign_in = sign_in?;
    refresh_token(&sign_in).map(|token| token.expose().to_owned())
}

fn issued_at(sign_in: &SignIn) -> u64 {
    sign_in.grant.as_ref().map_or(0, Grant::issued_at)
}

#[test]
fn where_no_folder_can_be_made_memory_is_used_and_the_reason_given() {
    let (_parent, folder) = impossible();
    let (store, unwritable) = Store::open_or_memory(Some(folder.clone())).expect("store");
    let said = unwritable.expect("a reason").to_string();
    assert!(said.contains(&format!("`{}`", folder.display())), "{said}");
    assert!(said.contains("kept in memory and end with this program"));
    assert!(said.contains("MCP_DRAWBRIDGE_DIR"), "{said}");
    assert_eq!(store.read(&key()).expect("read"), Cached::Absent);
    assert_eq!(store.list().expect("list"), []);
    let lock = store.try_lock(&key()).expect("lock").expect("free");
    store.write(&lock, &full()).expect("write");
    assert_eq!(
        store.read(&key()).expect("read"),
        Cached::Present(Box::new(full()))
    );
    assert_eq!(store.list().expect("list"), [key()]);
    store.remove(&lock).expect("remove");
    assert_eq!(store.read(&key()).expect("read"), Cached::Absent);
    assert_eq!(store.list().expect("list"), []);
    assert!(!Path::new(&folder).exists());
    assert_eq!(store.take_warnings(), []);
    assert!(Store::open(folder).is_err(), "others are told at once");
}

#[test]
fn system_without_a_folder_uses_memory_and_says_how_to_name_one() {
    let (store, unwritable) = Store::open_or_memory(None).expect("store");
    assert!(matches!(unwritable, Some(Unwritable::NoFolder)));
    assert_eq!(store.read(&key()).expect("read"), Cached::Absent);
}

#[cfg(unix)]
#[test]
fn folder_for_all_users_is_refused_rather_than_done_without() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("shared");
    fs::create_dir(&folder).expect("folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).expect("mode");
    let error = Store::open_or_memory(Some(folder)).expect_err("refused");
    assert!(matches!(error, StoreError::Exposed { .. }), "{error}");
}

#[tokio::test]
async fn locks_keep_others_in_this_process_out_and_fall_free_when_dropped() {
    let (_parent, folder) = impossible();
    let (store, _) = Store::open_or_memory(Some(folder)).expect("store");
    let lock = store.try_lock(&key()).expect("try").expect("free");
    let turn = store.try_lock_sign_in(&key()).expect("try").expect("free");
    assert!(lock.is_exclusive() && turn.is_exclusive());
    assert_eq!((lock.key(), turn.key()), (&key(), &key()));
    assert!(store.try_lock(&key()).expect("try").is_none());
    assert!(store.try_lock_sign_in(&key()).expect("try").is_none());
    let busy = store.lock(&key(), Duration::ZERO, || ()).await;
    assert!(matches!(busy, Err(LockError::Busy { .. })));
    let home = ServerKey::from_name("home").expect("name");
    assert!(store.try_lock(&home).expect("try").is_some());
    drop((lock, turn));
    assert!(store.try_lock(&key()).expect("try").is_some());
    assert!(store.try_lock_sign_in(&key()).expect("try").is_some());
}

#[test]
fn open_sign_in_is_seen_by_others_in_this_process_until_it_is_removed() {
    let (_parent, folder) = impossible();
    let (store, _) = Store::open_or_memory(Some(folder)).expect("store");
    let open = Open::Device(Box::new(DeviceAttempt {
        device_code: Secret::new("DEVICE_CODE_1"),
        user_code: "WDJB-MJHT".to_owned(),
        verification_uri: AuthorizationUrl(url("https://as.example.com/device")),
        verification_uri_complete: None,
        interval: 5,
        issuer: Issuer::new("https://as.example.com"),
        client_id: "CLIENT_1".to_owned(),
        resource: None,
        scopes: Vec::new(),
        token_endpoint: url("https://as.example.com/token"),
        begun_at: 0,
        until: 600,
        expires_at: 300,
    }));
    let turn = store.try_lock_sign_in(&key()).expect("try").expect("free");
    assert_eq!(store.peek_attempt(&key()), None);
    store.write_attempt(&turn, &open).expect("write");
    assert_eq!(store.peek_attempt(&key()), Some(open.clone()));
    assert_eq!(store.read_attempt(&turn).expect("read"), Some(open));
    store.remove_attempt(&turn).expect("remove");
    assert_eq!(store.peek_attempt(&key()), None);
}

#[test]
fn file_that_can_be_read_is_used_until_something_newer_is_in_memory() {
    let scene = over(Some(&full()));
    assert_eq!(scene.read(), Some(full()));
    assert_eq!(scene.store.list().expect("list"), [key()]);
    let at = issued_at(&full());
    scene.write(&refreshed(&full(), "REFRESH_TOKEN_2", at + 100));
    assert_eq!(token(scene.read()).as_deref(), Some("REFRESH_TOKEN_2"));
    assert_eq!(scene.store.list().expect("list"), [key()]);
}

#[test]
fn spent_refresh_token_of_a_file_is_told_once() {
    let scene = over(Some(&full()));
    let at = issued_at(&full());
    // Only the access token is new.
    scene.write(&refreshed(&full(), "REFRESH_TOKEN_1", at + 100));
    assert_eq!(scene.store.take_warnings(), []);
    scene.write(&refreshed(&full(), "REFRESH_TOKEN_2", at + 200));
    scene.write(&refreshed(&full(), "REFRESH_TOKEN_3", at + 300));
    let warnings = scene.store.take_warnings();
    let path = scene.store.token_file(&key());
    assert_eq!(warnings, [Warning::Spent { path }]);
    let said = warnings[0].to_string();
    assert!(said.contains("work.token.json") && !said.contains("REFRESH_TOKEN"));
}

#[test]
fn new_sign_in_over_an_old_file_spends_nothing_of_it() {
    let scene = over(Some(&full()));
    let mut anew = refreshed(&full(), "REFRESH_TOKEN_9", 1_750_000_000);
    anew.grant.as_mut().expect("grant").granted_at = 1_750_000_000;
    scene.write(&anew);
    assert_eq!(scene.store.take_warnings(), []);
}

#[test]
fn younger_tokens_that_somebody_puts_into_the_file_win() {
    let scene = over(Some(&full()));
    let at = issued_at(&full());
    scene.write(&refreshed(&full(), "OURS", at + 100));
    scene.put(&refreshed(&full(), "OLDER", at + 50));
    assert_eq!(token(scene.read()).as_deref(), Some("OURS"));
    scene.put(&refreshed(&full(), "YOUNGER", at + 150));
    assert_eq!(token(scene.read()).as_deref(), Some("YOUNGER"));
}

#[test]
fn tokens_that_were_forgotten_do_not_come_back_from_the_same_file() {
    let scene = over(Some(&full()));
    let forgotten = SignIn {
        grant: None,
        ..full()
    };
    scene.write(&forgotten);
    assert_eq!(scene.read(), Some(forgotten));
    scene.put(&refreshed(&full(), "ANOTHER", 1));
    assert_eq!(token(scene.read()).as_deref(), Some("ANOTHER"));
}

#[test]
fn garbage_in_the_file_is_told_until_memory_has_something() {
    let scene = over(None);
    assert_eq!(scene.read(), None);
    fs::write(scene.store.token_file(&key()), "{").expect("garbage");
    let cached = scene.store.read(&key()).expect("read");
    assert!(matches!(cached, Cached::Unreadable { .. }));
    scene.write(&full());
    assert_eq!(scene.read(), Some(full()));
}

#[cfg(unix)]
#[test]
fn file_that_others_can_read_is_used_as_it_is_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let scene = over(Some(&full()));
    let path = scene.store.token_file(&key());
    let mode = |path: &Path| fs::metadata(path).expect("file").permissions().mode() & 0o777;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
    assert_eq!(scene.read(), Some(full()));
    assert_eq!(mode(&path), 0o644);
    let warnings = scene.store.take_warnings();
    assert_eq!(warnings, [Warning::Exposed { path, mode: 0o644 }]);
    // Volumes of secrets consist of links.
    let link = scene.store.folder().join("home.token.json");
    std::os::unix::fs::symlink("work.token.json", link).expect("link");
    let home = ServerKey::from_name("home").expect("name");
    assert_eq!(
        present(scene.store.read(&home).expect("read")),
        Some(full())
    );
}
