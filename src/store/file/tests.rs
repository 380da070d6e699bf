//! The store on a real folder.

use std::time::Duration;

use super::super::Store;
use super::super::error::*;
use super::super::wire::tests::full;
use super::*;

struct Fixture {
    _parent: tempfile::TempDir,
    store: Store,
    key: ServerKey,
}

impl Fixture {
    fn new() -> Self {
        let parent = tempfile::tempdir().expect("folder");
        let store = Store::open(parent.path().join("above").join("cache")).expect("store");
        Self {
            _parent: parent,
            store,
            key: ServerKey::from_name("work").expect("name"),
        }
    }

    async fn lock(&self) -> Lock {
        self.store
            .lock(&self.key, Duration::ZERO, || ())
            .await
            .expect("lock")
    }

    fn put(&self, content: &str) {
        let path = self.store.token_file(&self.key);
        let _ = fs::remove_file(&path);
        platform::create_private(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .expect("write");
    }

    fn text(&self) -> String {
        fs::read_to_string(self.store.token_file(&self.key)).expect("read")
    }

    fn read(&self) -> Cached {
        self.store.read(&self.key).expect("read")
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.store.folder())
            .expect("folder")
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .into_string()
                    .expect("name")
            })
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn sign_in_is_found_by_the_next_process_and_gone_after_removal() {
    let f = Fixture::new();
    assert_eq!(f.read(), Cached::Absent);
    let lock = f.lock().await;
    f.store.write(&lock, &full()).expect("write");
    assert_eq!(f.read(), Cached::Present(Box::new(full())));
    assert_eq!(f.files(), ["work.lock", "work.token.json"]);
    assert_eq!(
        f.store.list().expect("list").as_slice(),
        std::slice::from_ref(&f.key)
    );
    // What is remembered of the server goes with it.
    fs::write(f.store.folder().join("work.server.json"), "{}").expect("write");
    f.store.remove(&lock).expect("remove");
    f.store.remove(&lock).expect("remove again");
    assert_eq!(f.read(), Cached::Absent);
    assert_eq!(f.files(), ["work.lock"]);
    assert_eq!(f.store.take_warnings(), []);
}

#[tokio::test]
async fn a_lost_key_is_told_of_once() {
    let f = Fixture::new();
    let lock = f.lock().await;
    f.store.write(&lock, &full()).expect("write");
    f.put(&f.text().replacen("\"bearer\"", "\"DPoP\"", 1));
    for told in [1, 0] {
        let Cached::Present(sign_in) = f.read() else {
            panic!("nothing was read");
        };
        assert!(sign_in.grant.is_none() && !sign_in.clients.is_empty());
        let warnings = f.store.take_warnings();
        assert_eq!(warnings.len(), told, "{warnings:?}");
    }
}

#[tokio::test]
async fn members_we_do_not_know_survive_a_rewrite() {
    let f = Fixture::new();
    let lock = f.lock().await;
    f.store.write(&lock, &full()).expect("write");
    let text = f
        .text()
        .replacen('{', "{\n  \"vault_key\": {\"x\": [1]},", 1)
        .replacen("\"client_id\"", "\"software_id\": \"S\", \"client_id\"", 1);
    f.put(&text);
    f.store.write(&lock, &full()).expect("rewrite");
    let back: serde_json::Value = serde_json::from_str(&f.text()).expect("json");
    assert_eq!(back["vault_key"]["x"][0], 1);
    assert_eq!(back["client"]["https://as.example.com"]["software_id"], "S");
    assert_eq!(f.read(), Cached::Present(Box::new(full())));
}

#[tokio::test]
async fn broken_file_is_reported_and_replaced_by_the_next_write() {
    let f = Fixture::new();
    for content in [
        "",
        "{\"access_token\":\"SECRET",
        "\0\0\0\0",
        "\u{feff}{}",
        "[]",
    ] {
        f.put(content);
        let Cached::Unreadable { reason } = f.read() else {
            panic!("{content:?} was read");
        };
        assert!(
            !reason.contains("SECRET") && !reason.contains('\n'),
            "{reason}"
        );
    }
    f.store.write(&f.lock().await, &full()).expect("write");
    assert_eq!(f.read(), Cached::Present(Box::new(full())));
}

#[tokio::test]
async fn file_of_a_newer_format_is_never_touched() {
    let f = Fixture::new();
    let content = "{\"version\": 2, \"access_token\": {\"sealed\": true}}";
    f.put(content);
    assert_eq!(f.read(), Cached::Newer { version: 2 });
    let lock = f.lock().await;
    let error = f.store.write(&lock, &full()).expect_err("newer");
    assert!(matches!(error, StoreError::Newer { version: 2, .. }));
    assert!(error.hint().starts_with("update mcp-drawbridge"));
    assert!(f.store.remove(&lock).is_err());
    assert_eq!(f.text(), content);
}

#[tokio::test]
async fn leftovers_of_killed_writers_are_swept_and_nothing_else() {
    let f = Fixture::new();
    let kept = [
        "work.token.json.tmp",
        "work.token.json.0123456789abcdef.bak",
        "work.token.json.0123456789abcde.tmp",
        "work.token.json.0123456789abcdefg.tmp",
        "home.token.json.0123456789abcdef.tmp",
    ];
    for name in kept.iter().chain(&["work.token.json.0123456789abcdef.tmp"]) {
        fs::write(f.store.folder().join(name), "x").expect("write");
    }
    let files = FileStore::open(f.store.folder().to_owned()).expect("files");
    files.sweep(&f.store.token_file(&f.key), false);
    assert_eq!(
        f.files().len(),
        kept.len() + 1,
        "a young file may still be written"
    );
    f.store.write(&f.lock().await, &full()).expect("write");
    let files = f.files();
    assert!(kept.iter().all(|name| files.contains(&(*name).to_owned())));
    assert_eq!(files.len(), kept.len() + 2, "{files:?}");
}

#[test]
fn list_skips_what_is_not_ours() {
    let f = Fixture::new();
    for name in [
        "b.token.json",
        "a_0123456789.token.json",
        "..token.json",
        "c.token.json.0123456789abcdef.tmp",
        "x",
    ] {
        fs::write(f.store.folder().join(name), "{}").expect("write");
    }
    let names: Vec<_> = f
        .store
        .list()
        .expect("list")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["a_0123456789", "b"]);
}

#[tokio::test]
async fn oversized_file_is_not_read() {
    let f = Fixture::new();
    let lock = f.lock().await;
    f.store.write(&lock, &full()).expect("write");
    // Nothing but its size is wrong with it.
    let padding = |text: &str| " ".repeat(SIZE_LIMIT as usize - text.len());
    let text = f.text();
    f.put(&(text.clone() + &padding(&text)));
    assert_eq!(f.read(), Cached::Present(Box::new(full())));
    f.put(&(text.clone() + &padding(&text) + " "));
    let Cached::Unreadable { reason } = f.read() else {
        panic!("it was read");
    };
    assert!(reason.contains("1 MiB"), "{reason}");
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[tokio::test]
    async fn folder_and_files_are_created_for_the_user_alone() {
        let f = Fixture::new();
        f.store.write(&f.lock().await, &full()).expect("write");
        let folder = f.store.folder();
        assert_eq!(mode(folder), 0o700);
        assert_eq!(mode(folder.parent().expect("parent")), 0o700);
        for name in f.files() {
            assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn file_that_others_can_read_is_repaired_with_one_warning() {
        let f = Fixture::new();
        f.store.write(&f.lock().await, &full()).expect("write");
        let path = f.store.token_file(&f.key);
        for _ in 0..2 {
            chmod(&path, 0o640);
            assert_eq!(f.read(), Cached::Present(Box::new(full())));
            assert_eq!(mode(&path), 0o600);
        }
        let warnings = f.store.take_warnings();
        assert_eq!(warnings, [Warning::Repaired { path, mode: 0o640 }]);
        assert!(warnings[0].to_string().contains("(mode 640)"));
        assert_eq!(f.store.take_warnings(), []);
    }

    #[test]
    fn folder_that_others_can_read_is_repaired_with_a_warning() {
        let f = Fixture::new();
        chmod(f.store.folder(), 0o755);
        let store = Store::open(f.store.folder().to_owned()).expect("open");
        assert_eq!(mode(store.folder()), 0o700);
        assert!(matches!(
            store.take_warnings()[..],
            [Warning::Repaired { mode: 0o755, .. }]
        ));
    }

    #[test]
    fn folder_for_everybody_is_refused_and_left_alone() {
        let f = Fixture::new();
        chmod(f.store.folder(), 0o1777);
        let error = Store::open(f.store.folder().to_owned()).expect_err("shared");
        assert!(matches!(error, StoreError::Exposed { mode: 0o1777, .. }));
        assert_eq!(mode(f.store.folder()), 0o1777);
    }

    #[tokio::test]
    async fn link_is_neither_read_nor_written_through() {
        let f = Fixture::new();
        let target = f.store.folder().join("target");
        fs::write(&target, "{}").expect("write");
        chmod(&target, 0o644);
        symlink(&target, f.store.token_file(&f.key)).expect("link");
        let reason = "it is a symbolic link".to_owned();
        assert_eq!(f.read(), Cached::Unreadable { reason });
        f.store.write(&f.lock().await, &full()).expect("write");
        assert_eq!(fs::read_to_string(&target).expect("target"), "{}");
        assert_eq!(mode(&target), 0o644);
        assert_eq!(f.read(), Cached::Present(Box::new(full())));
    }

    #[tokio::test]
    async fn failed_write_leaves_the_old_file_and_no_other() {
        let f = Fixture::new();
        let lock = f.lock().await;
        // A folder cannot be replaced by a file, whoever asks.
        let path = f.store.token_file(&f.key);
        fs::create_dir(&path).expect("folder");
        let error = f.store.write(&lock, &full()).expect_err("folder");
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
        assert!(path.is_dir());
        assert_eq!(f.files(), ["work.lock", "work.token.json"]);
    }

    #[test]
    fn folder_that_cannot_be_made_is_an_error_with_its_path() {
        let f = Fixture::new();
        let file = f.store.folder().join("file");
        fs::write(&file, "").expect("write");
        let error = Store::open(file.join("cache")).expect_err("file in the way");
        assert!(error.to_string().contains("file/cache"), "{error}");
    }
}

#[test]
fn folder_that_can_be_written_is_opened_without_a_trace() {
    let parent = tempfile::tempdir().expect("folder");
    let (store, unwritable) =
        Store::open_or_memory(Some(parent.path().join("a").join("b"))).expect("store");
    assert!(unwritable.is_none());
    let left = fs::read_dir(store.folder()).expect("folder").count();
    assert_eq!(left, 0);
}
