//! Files that are not as they should be: said, left, and the bridge goes on as if there was none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use playground::{Playground, Settings};
use serde_json::json;

use super::theirs::{NEWEST, file, home, snapshot};
use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;
use crate::support::skip::skipped;

/// A bridge that has used a tool, for which it has to be signed in.
fn used(machine: &Machine, url: &str) -> Ended {
    let mut bridge = Bridge::open(machine, url, &[]);
    bridge.tool("add", json!({ "a": 20, "b": 22 }));
    bridge.close()
}

#[test]
fn what_cannot_be_used_is_told_and_a_person_signs_in() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 5] = [
        ("it ends in the middle", |path| {
            let text = fs::read(path).expect("read");
            fs::write(path, &text[..text.len() / 2]).expect("written");
        }),
        ("it is not JSON", |path| {
            fs::write(path, [0; 300]).expect("written");
        }),
        ("larger than 1 MiB", |path| {
            let file = fs::File::options().write(true).open(path).expect("open");
            file.set_len(1 << 33).expect("a length");
        }),
        ("it is a symbolic link", |path| {
            let aside = path.with_extension("aside");
            fs::rename(path, &aside).expect("moved");
            symlink(aside, path).expect("a link");
        }),
        ("other users can get at it (mode 644)", |path| {
            let mut folders = path.ancestors().skip(1).take(4);
            let open = |folder| fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
            folders.try_for_each(open).expect("modes");
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
        }),
    ];
    let playground = Playground::start(Settings::default());
    for (words, harm) in harms {
        let machine = Machine::new();
        let url = playground.mcp_url();
        NEWEST.sign_in(&machine, &url, &[]);
        harm(&file(&machine, "tokens.json"));
        let large = words.contains("1 MiB");
        let before = (!large).then(|| snapshot(&machine));
        let ended = used(&machine, &url);
        assert!(ended.status.success());
        assert_eq!(ended.stderr.matches(words).count(), 1, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("is not taken over"),
            "{}",
            ended.stderr
        );
        assert_eq!(machine.opened().len(), 2, "{words}");
        assert_eq!((!large).then(|| snapshot(&machine)), before, "{words}");
        assert!(machine.sign_in()["taken_over"].is_null());
        assert!(home(&machine).exists());
    }
}

#[test]
fn a_registration_that_cannot_be_used_leaves_the_whole_sign_in() {
    let playground = Playground::start(Settings::default());
    let url = playground.mcp_url();
    for text in [
        "",
        "{\"client_id\": 5}",
        "[]",
        "{\"client_id\": \"x\", \"redirect",
    ] {
        let machine = Machine::new();
        NEWEST.sign_in(&machine, &url, &[]);
        fs::write(file(&machine, "client_info.json"), text).expect("written");
        let before = snapshot(&machine);
        let ended = used(&machine, &url);
        assert!(ended.status.success());
        assert!(
            ended.stderr.contains("is not taken over: "),
            "{text}: {}",
            ended.stderr
        );
        assert_eq!(machine.opened().len(), 2, "{text}");
        assert_eq!(snapshot(&machine), before);
    }
}

#[test]
fn folders_that_cannot_be_looked_into_are_told_and_a_person_signs_in() {
    type Harm = fn(&Path);
    let harms: [Harm; 3] = [
        |folder| {
            fs::rename(folder, folder.with_extension("aside")).expect("moved");
            fs::write(folder, "a file").expect("written");
        },
        |folder| {
            fs::rename(folder, folder.with_extension("aside")).expect("moved");
            symlink(folder, folder).expect("a link");
        },
        |folder| {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o000)).expect("a mode");
        },
    ];
    let playground = Playground::start(Settings::default());
    let url = playground.mcp_url();
    for (at, harm) in harms.into_iter().enumerate() {
        let machine = Machine::new();
        NEWEST.sign_in(&machine, &url, &[]);
        let folder = super::theirs::store(&machine);
        harm(&folder);
        if at == 2 && fs::read_dir(&folder).is_ok() {
            skipped("the user who runs the tests may read every folder");
            continue;
        }
        let ended = used(&machine, &url);
        assert!(ended.status.success());
        let told = format!("mcp-remote's `{}` is not taken over: ", folder.display());
        assert_eq!(ended.stderr.matches(&told).count(), 1, "{}", ended.stderr);
        assert_eq!(machine.opened().len(), 2);
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
    }
}

#[test]
fn a_record_that_cannot_be_used_keeps_everything_where_it_is() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    NEWEST.sign_in(&machine, &url, &[]);
    fs::create_dir_all(machine.cache()).expect("a folder");
    fs::set_permissions(machine.cache(), fs::Permissions::from_mode(0o700)).expect("a mode");
    let record = machine.cache().join(".imports.json");
    fs::write(&record, "{ half").expect("written");
    fs::set_permissions(&record, fs::Permissions::from_mode(0o600)).expect("a mode");
    let ended = used(&machine, &url);
    assert!(
        ended
            .stderr
            .contains("the sign-in of mcp-remote is not taken over: `"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&record).expect("read"), "{ half");
    assert_eq!(machine.opened().len(), 2);
}
