//! Files that cannot be changed safely, other programs that change them, and a kill in between.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::desk::{Desk, PROGRAM, Ran, expected, fixture, write};

/// What stands in the way is told, that file stays as it is, and the others are changed.
fn is_refused(desk: &Desk, path: &Path, part: &str) {
    let before = fs::read(path).expect("read");
    let other = desk.put("kiro", &fixture("kiro.json"));
    for args in [&["migrate"][..], &["migrate", "--apply"]] {
        let ran = desk.run(args).ended(1);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
    assert_eq!(fs::read(path).expect("read"), before);
    assert_eq!(fs::read(other).expect("read"), expected("kiro.json"));
}

#[test]
fn a_file_that_its_host_cannot_read_is_refused() {
    for (content, part) in [
        (&b"{\"mcpServers\": {\"a\": {\"command\": \"mcp-remote\",}"[..], "line 1"),
        (b"{\"mcpServers\": {}}\n{\"mcp-remote\": 1}", "line 2"),
        (b"{\"mcpServers\": \"mcp-remote\xff\"}", "UTF-8"),
        (b"{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"command\": \"mcp-remote\", \"args\": [\"mcp-remote\", \"https://a.example\"]}}}", "twice"),
        (b"{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}, \"a\": {}}}", "twice"),
    ] {
        let desk = Desk::new();
        let path = desk.put("cursor", content);
        is_refused(&desk, &path, part);
    }
    let desk = Desk::new();
    let text = String::from_utf8(fixture("kiro.json")).expect("UTF-8");
    let text = format!("\u{feff}{text}");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = desk.put("cursor", &wide);
    is_refused(&desk, &path, "UTF-8");
    for (host, content) in [
        ("codex", "[mcp_servers.a]\ncommand = npx mcp-remote\n"),
        (
            "codex",
            "[mcp_servers.a]\ncommand = 'npx'\n[mcp_servers.a]\nargs = ['mcp-remote']\n",
        ),
        ("goose", "extensions:\n  a: [mcp-remote\n"),
        ("goose", "extensions:\n\ta: mcp-remote\n"),
        ("goose", "a: 1\n---\nextensions: {a: {cmd: mcp-remote}}\n"),
    ] {
        let desk = Desk::new();
        let path = desk.put(host, content.as_bytes());
        is_refused(&desk, &path, "cannot be read as");
    }
}

#[test]
fn a_broken_file_without_mcp_remote_is_nobody_s_business_here() {
    let desk = Desk::new();
    for content in [&b""[..], b"{", b"\xff\xfe\0", b"\n", b"null"] {
        desk.put("cursor", content);
        let before = desk.files();
        let ran = desk.run(&["migrate", "--apply"]).ended(0);
        assert!(ran.stderr.contains("no entry starts"), "{}", ran.stderr);
        assert_eq!(desk.files(), before);
    }
    fs::remove_file(desk.home().join(".cursor/mcp.json")).expect("removed");
    fs::create_dir(desk.home().join(".cursor/mcp.json")).expect("a folder");
    fs::write(desk.home().join(".gemini"), b"a file").expect("written");
    desk.run(&["migrate"]).ended(0);
}

#[test]
fn a_link_is_refused_and_its_target_named() {
    let desk = Desk::new();
    let target = desk.home().join("dotfiles/mcp.json");
    write(&target, &fixture("cursor.json"));
    let path = desk.home().join(".cursor/mcp.json");
    fs::create_dir(desk.home().join(".cursor")).expect("a folder");
    symlink(&target, &path).expect("a link");
    is_refused(&desk, &path, "dotfiles/mcp.json");
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
    let ran = desk
        .run(&["add", "n", "https://a.example", "--host", "cursor"])
        .ended(1);
    assert!(ran.stderr.contains("symbolic link"), "{}", ran.stderr);
    // One that leads nowhere is no file.
    fs::remove_file(&target).expect("removed");
    desk.run(&["migrate"]).ended(0);
    desk.run(&["add", "n", "https://a.example", "--host", "cursor"])
        .ended(1);
    assert!(!target.exists());
}

#[test]
fn a_linked_folder_is_as_good_as_a_folder() {
    let desk = Desk::new();
    let folder = desk.home().join("dotfiles/cursor");
    write(&folder.join("mcp.json"), &fixture("layouts.json"));
    symlink(&folder, desk.home().join(".cursor")).expect("a link");
    desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(
        fs::read(folder.join("mcp.json")).expect("read"),
        expected("layouts.json")
    );
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(
        fs::read(folder.join("mcp.json")).expect("read"),
        fixture("layouts.json")
    );
}

#[test]
fn a_file_that_is_read_only_or_has_two_names_is_refused() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("cursor.json"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("a mode");
    is_refused(&desk, &path, "read-only");
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("cursor.json"));
    fs::hard_link(&path, desk.home().join("other")).expect("a link");
    is_refused(&desk, &path, "2 names");
}

#[test]
fn what_somebody_changed_since_is_not_undone() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("cursor.json"));
    let kiro = desk.put("kiro", &fixture("kiro.json"));
    desk.run(&["migrate", "--apply"]).ended(0);
    let mut content = fs::read(&path).expect("read");
    content.push(b'\n');
    fs::write(&path, &content).expect("written");
    let ran = desk.run(&["migrate", "--undo"]).ended(1);
    assert!(
        ran.stderr.contains("changed since by someone else"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("drawbridge-migrate-"), "{}", ran.stderr);
    assert_eq!(fs::read(&path).expect("read"), content);
    assert_eq!(fs::read(&kiro).expect("read"), fixture("kiro.json"));
    // By hand, as the hint says.
    let copy = desk
        .files()
        .into_iter()
        .find(|(path, _)| path.to_string_lossy().ends_with(".bak"));
    fs::copy(copy.expect("a copy").0, &path).expect("copied");
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read(&path).expect("read"), fixture("cursor.json"));
}

#[test]
fn what_a_project_ships_as_a_copy_is_not_followed() {
    use std::io::Write as _;
    let desk = Desk::new();
    let path = desk.project().join(".cursor/mcp.json");
    write(&path, &fixture("cursor.json"));
    let key = desk.home().join(".ssh/id");
    write(&key, b"PRIVATE");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    desk.run(&["migrate", "--apply"]).ended(0);
    let changed = fs::read(&path).expect("read");
    let mut files = desk.files().into_iter().map(|(path, _)| path);
    let is_copy = |path: &PathBuf| path.to_string_lossy().ends_with(".bak");
    let copy = files.find(is_copy).expect("a copy");
    fs::remove_file(&copy).expect("removed");
    symlink(&key, &copy).expect("a link");
    let ran = desk.run(&["migrate", "--undo"]).ended(1);
    assert!(
        ran.stderr.contains("under the name of a copy"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    let found = fs::symlink_metadata(&path).expect("there");
    assert!(found.is_file() && fs::read(&path).expect("read") == changed);
    let mode = fs::metadata(&key).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Nor is anything waited for.
    fs::remove_file(&copy).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&copy).status();
    assert!(made.expect("it starts").success());
    desk.run(&["migrate", "--undo"]).ended(1);
    // One that is as it was made is put back.
    fs::remove_file(&copy).expect("removed");
    let mut file = fs::File::create(&copy).expect("made");
    file.write_all(&fixture("cursor.json")).expect("written");
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read(&path).expect("read"), fixture("cursor.json"));
    assert!(!copy.exists());
}

#[test]
fn a_deleted_file_is_not_brought_back_without_a_word() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("cursor.json"));
    desk.run(&["migrate", "--apply"]).ended(0);
    fs::remove_file(&path).expect("removed");
    desk.run(&["migrate", "--undo"]).ended(1);
    assert!(!path.exists());
}

#[test]
fn each_change_is_undone_by_itself_the_last_one_first() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("layouts.json"));
    desk.run(&["migrate", "--apply"]).ended(0);
    let first = fs::read(&path).expect("read");
    let text = String::from_utf8(first.clone()).expect("UTF-8");
    let added = text.replacen("\"mcpServers\"\n   :\n {", "\"mcpServers\"\n   :\n { \"z\": {\"command\":\"npx\",\"args\":[\"mcp-remote\",\"https://z.example\"]},", 1);
    assert_ne!(added, text);
    fs::write(&path, &added).expect("written");
    desk.run(&["migrate", "--apply"]).ended(0);
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read_to_string(&path).expect("read"), added);
    desk.run(&["migrate", "--undo"]).ended(1);
    fs::write(&path, &first).expect("written");
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read(&path).expect("read"), fixture("layouts.json"));
}

#[test]
fn many_at_once_make_one_change() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("layouts.json"));
    let running: Vec<_> = (0..10)
        .map(|_| {
            let mut command = desk.command(&["migrate", "--apply"]);
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().expect("it starts")
        })
        .collect();
    let mut changed = 0;
    for child in running {
        let ran = Ran::of(child.wait_with_output().expect("it ends")).ended(0);
        changed += usize::from(ran.stderr.contains("changed `a`"));
    }
    assert_eq!(changed, 1);
    assert_eq!(fs::read(&path).expect("read"), expected("layouts.json"));
    assert_eq!(desk.files().len(), 2);
    desk.run(&["migrate", "--undo"]).ended(0);
    assert_eq!(fs::read(&path).expect("read"), fixture("layouts.json"));
}

/// A configuration of more than 10 MB, as Claude Code's grow, with one entry in it.
fn large() -> Vec<u8> {
    let row = format!(
        "    {{\"display\": \"{}\", \"pastedContents\": {{}}}},\n",
        "ü text ".repeat(20)
    );
    let history = row.repeat(11_000_000 / row.len());
    format!(
        "{{\n  \"history\": [\n{history}    {{}}\n  ],\n  \"mcpServers\": {{\n    \"a\": {{\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}}\n  }}\n}}\n"
    )
    .into_bytes()
}

#[test]
fn a_configuration_of_ten_megabytes_is_changed_in_one_line() {
    let desk = Desk::new();
    let content = large();
    assert!(content.len() > 10_000_000);
    let path = desk.put("claude-code", &content);
    let ran = desk.run(&["migrate"]).ended(0);
    assert!(ran.stdout.len() < 2000, "{}", ran.stdout.len());
    desk.run(&["migrate", "--apply"]).ended(0);
    let new = String::from_utf8(fs::read(&path).expect("read")).expect("UTF-8");
    let old = String::from_utf8(content.clone()).expect("UTF-8");
    assert!(
        new == old
            .replace("\"npx\"", &format!("\"{PROGRAM}\""))
            .replace("\"mcp-remote\", ", "")
    );
    desk.run(&["migrate", "--undo"]).ended(0);
    assert!(fs::read(&path).expect("read") == content);
}

#[test]
fn nesting_without_end_is_refused_and_no_reason_to_die() {
    for (host, content) in [
        (
            "cursor",
            format!(
                "{{\"mcpServers\": {}\"mcp-remote\"{}}}",
                "[".repeat(200_000),
                "]".repeat(200_000)
            ),
        ),
        (
            "cursor",
            format!("{}\"mcp-remote\"", "{\"a\":".repeat(200_000)),
        ),
        (
            "codex",
            format!(
                "a = {}'mcp-remote'{}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            ),
        ),
        (
            "goose",
            format!(
                "extensions: {}mcp-remote{}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            ),
        ),
        (
            "goose",
            format!("extensions:\n  a: {}mcp-remote", "- ".repeat(100_000)),
        ),
    ] {
        let desk = Desk::new();
        let path = desk.put(host, content.as_bytes());
        is_refused(&desk, &path, "cannot be read as");
    }
}

/// What lies beside a file while another is about to take its place.
fn temporary(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let mut entries = entries.filter(|path| path.extension().is_some_and(|ending| ending == "tmp"));
    entries.next()
}

#[test]
fn a_kill_between_writing_and_renaming_leaves_the_file_and_the_next_run_cleans_up() {
    let desk = Desk::new();
    let content = large();
    let path = desk.put("claude-code", &content);
    let mut caught = 0;
    for _ in 0..20 {
        let mut child = desk
            .command(&["migrate", "--apply"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if temporary(&desk.home()).is_some() {
                child.kill().expect("killed");
                break;
            }
            if child.try_wait().expect("known").is_some() {
                break;
            }
            assert!(Instant::now() < deadline);
        }
        child.wait().expect("it ends");
        let now = fs::read(&path).expect("read");
        if now == content {
            caught += 1;
            break;
        }
        desk.run(&["migrate", "--undo"]).ended(0);
        assert!(fs::read(&path).expect("read") == content);
    }
    assert_eq!(caught, 1, "no run was killed in between");
    // A copy may be there by then; nothing was changed, so there is nothing to undo.
    desk.run(&["migrate", "--undo"]).ended(0);
    assert!(fs::read(&path).expect("read") == content);
    desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(temporary(&desk.home()), None);
    assert!(fs::read(&path).expect("read") != content);
    desk.run(&["migrate", "--undo"]).ended(0);
    assert!(fs::read(&path).expect("read") == content);
}

#[test]
fn a_leftover_of_a_killed_run_is_cleaned_up_and_others_files_are_not() {
    let desk = Desk::new();
    let path = desk.put("cursor", &fixture("cursor.json"));
    let leftover = path.with_file_name(".mcp.json.drawbridge-0123456789abcdef.tmp");
    let others = [".mcp.json.drawbridge-x.tmp", "mcp.json.bak", "mcp.json.tmp"]
        .map(|name| path.with_file_name(name));
    for path in others.iter().chain([&leftover]) {
        write(path, b"x");
    }
    desk.run(&["migrate", "--apply"]).ended(0);
    assert!(!leftover.exists() && others.iter().all(|path| path.exists()));
    desk.run(&["migrate", "--undo"]).ended(0);
    assert!(others.iter().all(|path| path.exists()));
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let desk = Desk::new();
    desk.put("cursor", b"{\"mcpServers\": {\"a\\u001b[31m\": {\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}, // \x1b[2J\n}}");
    for args in [
        &["migrate"][..],
        &["migrate", "--json"],
        &["migrate", "--apply"],
    ] {
        let ran = desk.run(args).ended(0);
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains('\u{1b}'),
            "{args:?}"
        );
    }
}
