use super::*;
use tempfile::TempDir;

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, content).expect("written");
    (folder, path)
}

fn names_in(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("a folder").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn original(path: &Path) -> Original {
    Original::read(path).expect("read").expect("it is there")
}

#[test]
fn a_file_that_changed_after_it_was_read_is_not_replaced() {
    let (folder, path) = file(b"old");
    let original = original(&path);
    fs::write(&path, b"other").expect("written");
    let fault = original.replace(b"new", "migrate").expect_err("refused");
    assert!(matches!(fault, FileFault::Changed), "{fault}");
    assert_eq!(fs::read(&path).expect("read"), b"other");
    assert_eq!(names_in(&folder), ["mcp.json"]);
}

#[test]
fn a_file_that_vanished_after_it_was_read_is_not_brought_back() {
    let (folder, path) = file(b"old");
    let original = original(&path);
    fs::remove_file(&path).expect("removed");
    original.replace(b"new", "migrate").expect_err("refused");
    assert_eq!(names_in(&folder), [""; 0]);
}

#[test]
fn copies_of_one_moment_have_names_of_their_own() {
    let (folder, path) = file(b"old");
    for at in 0..5u8 {
        original(&path)
            .replace(&[b'a' + at], "migrate")
            .expect("replaced");
        fs::write(&path, b"old").expect("written");
        original(&path)
            .replace(&[b'a' + at], "migrate")
            .expect("replaced");
    }
    assert_eq!(names_in(&folder).len(), 11);
}

#[test]
fn only_the_command_s_own_copies_are_put_back() {
    let (_folder, path) = file(b"one");
    original(&path).replace(b"two", "add").expect("replaced");
    assert!(undo(&path, "migrate").expect("asked").is_none());
    original(&path)
        .replace(b"three", "migrate")
        .expect("replaced");
    assert!(undo(&path, "migrate").expect("asked").is_some());
    assert_eq!(fs::read(&path).expect("read"), b"two");
}

#[test]
fn a_new_file_does_not_take_the_place_of_another() {
    let (folder, path) = file(b"old");
    assert!(matches!(create(&path, b"new"), Err(FileFault::Changed)));
    let new = folder.path().join("a/b/new.json");
    create(&new, b"new").expect("made");
    assert_eq!(fs::read(&new).expect("read"), b"new");
    assert_eq!(
        fs::read_dir(folder.path().join("a/b"))
            .expect("a folder")
            .count(),
        1
    );
}

#[cfg(unix)]
#[test]
fn a_file_becomes_a_link_meanwhile_and_is_not_followed() {
    let (folder, path) = file(b"old");
    let original = original(&path);
    let target = folder.path().join("target");
    fs::rename(&path, &target).expect("moved");
    std::os::unix::fs::symlink(&target, &path).expect("a link");
    original.replace(b"new", "migrate").expect_err("refused");
    assert_eq!(fs::read(&target).expect("read"), b"old");
}

/// A file that was changed, and the copy of what was there.
fn changed() -> (TempDir, PathBuf, PathBuf) {
    let (folder, path) = file(b"old");
    let copy = original(&path)
        .replace(b"new", "migrate")
        .expect("replaced");
    (folder, path, copy)
}

/// What is no copy of ours is not put back, and neither changed nor taken away.
fn is_not_put_back((_folder, path, copy): &(TempDir, PathBuf, PathBuf)) {
    let fault = undo(path, "migrate").expect_err("refused");
    assert!(
        matches!(&fault, FileFault::NoCopy(at) if at == copy),
        "{fault}"
    );
    assert!(fault.hint().contains("delete"), "{}", fault.hint());
    assert_eq!(fs::read(path).expect("read"), b"new");
    assert!(fs::symlink_metadata(path).expect("there").is_file());
    assert!(fs::symlink_metadata(copy).is_ok());
}

#[test]
fn a_folder_or_a_file_without_end_is_no_copy() {
    let all = changed();
    fs::remove_file(&all.2).expect("removed");
    fs::create_dir(&all.2).expect("a folder");
    is_not_put_back(&all);
    let all = changed();
    let copy = fs::File::options()
        .write(true)
        .open(&all.2)
        .expect("opened");
    copy.set_len(SIZE_LIMIT + 1).expect("a size");
    is_not_put_back(&all);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_copy_is_not_followed() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let all = changed();
    let (folder, path, copy) = &all;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let private = folder.path().join("id");
    fs::write(&private, b"PRIVATE").expect("written");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::remove_file(copy).expect("removed");
    std::os::unix::fs::symlink(&private, copy).expect("a link");
    is_not_put_back(&all);
    assert_eq!(mode(&private), 0o600);
    // Its other name may be one that somebody reads as somebody else.
    fs::remove_file(copy).expect("removed");
    fs::hard_link(&private, copy).expect("a link");
    is_not_put_back(&all);
    assert_eq!(mode(&private), 0o600);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_copy_is_not_waited_for() {
    let all = changed();
    fs::remove_file(&all.2).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&all.2).status();
    assert!(made.expect("it starts").success());
    is_not_put_back(&all);
}

#[cfg(unix)]
#[test]
fn what_is_put_back_has_the_rights_of_what_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path, copy) = changed();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o666)).expect("a mode");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
    assert_eq!(undo(&path, "migrate").expect("undone"), Some(copy));
    assert_eq!(fs::read(&path).expect("read"), b"old");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(names_in(&folder), ["mcp.json"]);
}
