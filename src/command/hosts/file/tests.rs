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
