#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::compat::callback_port::Parts;
use crate::compat::import::Names;
use crate::oauth::takeover::Shared;

const SERVER: &str = "https://mcp.example.com/mcp";
const HASH: &str = "94baabe3c3fadb285b26c035e4e86046";
const TOKENS: &str = r#"{"access_token":"ACCESS_TOKEN_1","refresh_token":"REFRESH_TOKEN_1"}"#;
const CLIENT: &str = r#"{"client_id":"CLIENT_1"}"#;

/// A home with mcp-remote's folder in it.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        // Whoever gets as far as a file may read it, if its mode says so.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("a mode");
        Self { folder }
    }

    /// With a sign-in in one of the folders.
    fn signed_in(version: &str) -> Self {
        let home = Self::new();
        home.put(version, "tokens.json", TOKENS);
        home.put(version, "client_info.json", CLIENT);
        home
    }

    fn path(&self, version: &str, ending: &str) -> PathBuf {
        let folder = self.folder.path().join(version);
        folder.join(format!("{HASH}_{ending}"))
    }

    fn put(&self, version: &str, ending: &str, content: &str) {
        let path = self.path(version, ending);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }

    fn look(&self) -> Looked {
        let parts = Parts {
            server: SERVER,
            ..Parts::default()
        };
        look(&Place {
            base: self.folder.path().to_owned(),
            names: Names::new(&parts),
            server: SERVER.to_owned(),
        })
    }

    /// Nothing is offered, and this is said, without a secret.
    #[track_caller]
    fn refuses(&self, words: &str) {
        let looked = self.look();
        assert!(looked.offer.is_none(), "{looked:?}");
        let [trouble] = &looked.troubles[..] else {
            panic!("one trouble, not {:?}", looked.troubles);
        };
        let text = trouble.to_string();
        assert!(text.contains(words), "{text}");
        assert!(
            text.contains("is not taken over") && !text.contains("TOKEN"),
            "{text}"
        );
    }
}

#[test]
fn every_layout_is_found() {
    for version in ["mcp-remote-v1", "mcp-remote-0.2.7", "mcp-remote-0.1.29"] {
        let home = Home::signed_in(version);
        let looked = home.look();
        let offer = looked.offer.expect(version);
        assert_eq!(offer.tokens.access_token.expose(), "ACCESS_TOKEN_1");
        assert_eq!(offer.client.expect("a client").client_id, "CLIENT_1");
        assert_eq!(offer.shared, None);
        assert_eq!(looked.path, Some(home.path(version, "tokens.json")));
        assert!(looked.troubles.is_empty(), "{:?}", looked.troubles);
    }
}

#[test]
fn where_nothing_is_nothing_is_said() {
    let looked = Home::new().look();
    assert!(looked.offer.is_none() && looked.troubles.is_empty());
    let home = Home::new();
    fs::remove_dir(home.folder.path()).expect("removed");
    let looked = home.look();
    assert!(looked.offer.is_none() && looked.troubles.is_empty());
    // A registration alone is no sign-in.
    let home = Home::new();
    home.put("mcp-remote-v1", "client_info.json", CLIENT);
    let looked = home.look();
    assert!(looked.offer.is_none() && looked.troubles.is_empty());
}

#[test]
fn the_age_of_a_token_is_that_of_its_file() {
    let home = Home::new();
    home.put(
        "mcp-remote-0.2.7",
        "tokens.json",
        r#"{"access_token":"A","expires_in":60}"#,
    );
    let file = File::options()
        .append(true)
        .open(home.path("mcp-remote-0.2.7", "tokens.json"))
        .expect("the file");
    let written = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    file.set_modified(written).expect("a time");
    let offer = home.look().offer.expect("a sign-in");
    assert_eq!(offer.written_at, 1_600_000_000);
    assert_eq!(offer.tokens.expires_at, Some(1_600_000_060));
}

#[test]
fn hostile_files_are_told_and_left() {
    let tokens = |home: &Home| home.path("mcp-remote-v1", "tokens.json");
    let signed_in = || Home::signed_in("mcp-remote-v1");
    let home = signed_in();
    home.put("mcp-remote-v1", "tokens.json", "");
    home.refuses("it is empty");
    home.put("mcp-remote-v1", "tokens.json", &TOKENS[..30]);
    home.refuses("it ends in the middle");
    home.put("mcp-remote-v1", "tokens.json", "\0\0\0\0\0\0");
    home.refuses("it is not JSON");
    home.put(
        "mcp-remote-v1",
        "tokens.json",
        &" ".repeat(SIZE_LIMIT as usize + 1),
    );
    home.refuses("larger than 1 MiB");

    let home = signed_in();
    fs::rename(tokens(&home), home.folder.path().join("elsewhere")).expect("moved");
    symlink(home.folder.path().join("elsewhere"), tokens(&home)).expect("a link");
    home.refuses("it is a symbolic link");

    let home = signed_in();
    fs::remove_file(tokens(&home)).expect("removed");
    fs::create_dir(tokens(&home)).expect("a folder");
    home.refuses("it is not a regular file");

    // Without its client, a sign-in would be taken over that cannot be refreshed.
    let home = signed_in();
    home.put("mcp-remote-v1", "client_info.json", "{");
    home.refuses("client_info.json");
    let client = home.path("mcp-remote-v1", "client_info.json");
    fs::rename(&client, home.folder.path().join("elsewhere")).expect("moved");
    symlink(home.folder.path().join("elsewhere"), &client).expect("a link");
    home.refuses("client_info.json");
}

#[test]
fn what_others_can_read_is_left_unless_a_folder_keeps_them_out() {
    let home = Home::signed_in("mcp-remote-v1");
    let path = home.path("mcp-remote-v1", "tokens.json");
    for mode in [0o644, 0o640, 0o620, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        home.refuses(&format!(
            "(mode {mode:o}); if you trust them, `chmod 600` it"
        ));
    }
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(home.folder.path(), closed).expect("a mode");
    assert!(home.look().offer.is_some());
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    // Root reads everything.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::signed_in("mcp-remote-v1");
    let path = home.path("mcp-remote-v1", "tokens.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("a mode");
    home.refuses("ermission denied");
}

#[test]
fn a_file_of_another_user_is_told() {
    // Only root can give a file away.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::signed_in("mcp-remote-v1");
    let path = home.path("mcp-remote-v1", "tokens.json");
    std::os::unix::fs::chown(&path, Some(12345), None).expect("given away");
    home.refuses("it belongs to another user");
}

#[test]
fn a_bad_file_does_not_hide_a_good_one() {
    let home = Home::signed_in("mcp-remote-0.2.7");
    home.put("mcp-remote-v1", "tokens.json", "{");
    let looked = home.look();
    assert!(looked.offer.is_some());
    assert_eq!(looked.troubles.len(), 1);
}

#[test]
fn a_base_that_is_no_folder_is_told() {
    let home = Home::new();
    let base = home.folder.path().join("file");
    fs::write(&base, "").expect("written");
    let looked = look(&Place {
        base,
        names: Names::new(&Parts::default()),
        server: SERVER.to_owned(),
    });
    assert_eq!(looked.troubles.len(), 1);
}

#[test]
fn a_lease_of_a_living_process_keeps_the_refresh_token_there() {
    let home = Home::signed_in("mcp-remote-v1");
    let now = now().as_millis();
    // A process of that name, which waits for nothing to read.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo; read x", "mcp-remote"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped());
    let mut running = command.spawn().expect("it starts");
    // From now on it is known by its words.
    let mut said = running.stdout.take().expect("a pipe");
    said.read_exact(&mut [0]).expect("it runs");
    let lease = |pid: u32, at: u128| {
        let text = format!(r#"{{"pid":{pid},"nonce":"n","at":{at}}}"#);
        home.put("mcp-remote-v1", "refresh_in_progress.json", &text);
        home.look().offer.expect("a sign-in").shared
    };
    let pid = running.id();
    let told = [
        lease(pid, now),
        lease(pid, now - 31_000),
        lease(pid, now + 3_600_000),
        lease(std::process::id(), now),
        lease(u32::MAX, now),
    ];
    running.kill().expect("killed");
    running.wait().expect("it ends");
    // Its time is over or has not come, or its process is another by now, or gone.
    assert_eq!(told, [Some(Shared::Running(pid)), None, None, None, None]);
}

#[test]
fn a_lock_that_a_killed_mcp_remote_left_holds_nobody_off() {
    let home = Home::signed_in("mcp-remote-0.1.38");
    let now = now().as_millis();
    for pid in [std::process::id(), u32::MAX] {
        // The number may belong to another program by now, such as this one.
        let text = format!(r#"{{"pid":{pid},"port":3334,"timestamp":{now}}}"#);
        home.put("mcp-remote-0.1.38", "lock.json", &text);
        assert_eq!(home.look().offer.expect("a sign-in").shared, None);
    }
}
