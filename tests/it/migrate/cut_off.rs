//! `migrate --apply` that is killed, has no room, or is not alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::desk::{Desk, PROGRAM, Ran, expected, fixture, fixture_of, places, write};

/// A desk with the fixture of every place, and for each file what it holds before and after.
struct Full {
    desk: Desk,
    files: BTreeMap<PathBuf, [Vec<u8>; 2]>,
}

impl Full {
    fn new() -> Self {
        let desk = Desk::new();
        let mut files = BTreeMap::new();
        for (host, place) in places() {
            let path = desk.path(place).expect("a path");
            let name = fixture_of(host, place);
            let both = [fixture(&name), expected(&name)];
            write(&path, &both[0]);
            files.insert(path, both);
        }
        Self { desk, files }
    }

    fn start(&self, option: &str) -> Child {
        let mut command = self.desk.command(&["migrate", option]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("it starts")
    }

    /// How many files are what they are to be in the end. Each is that or what it was before, and what
    /// it was is beside each that was changed.
    fn changed(&self) -> usize {
        let all = self.desk.files();
        let mut changed = 0;
        for (path, [old, new]) in &self.files {
            let now = fs::read(path).expect("a file");
            if now == *old {
                continue;
            }
            assert!(now == *new, "{} is broken", path.display());
            let begin = format!("{}.drawbridge-migrate-", path.display());
            let mut copies = all
                .iter()
                .filter(|(path, _)| path.to_string_lossy().starts_with(&begin));
            assert!(copies.any(|(_, bytes)| bytes == old), "{}", path.display());
            changed += 1;
        }
        changed
    }

    /// How many copies there are. Each is whole, at any moment.
    fn copies(&self) -> usize {
        let copies = found(&self.desk, "bak");
        for copy in &copies {
            let bytes = fs::read(copy).expect("a copy");
            let is_whole = self.files.values().any(|[old, _]| *old == bytes);
            assert!(is_whole, "{} is cut off", copy.display());
        }
        copies.len()
    }

    fn put_back(&self) {
        let ran = self.desk.run(&["migrate", "--undo"]).ended(0);
        assert_eq!(self.changed(), 0, "{}", ran.stderr);
    }
}

/// The files on the desk that have this ending. Others may come and go at the same time.
fn found(desk: &Desk, ending: &str) -> Vec<PathBuf> {
    fn below(folder: &Path, ending: &str, all: &mut Vec<PathBuf>) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                below(&path, ending, all);
            } else if path.extension().is_some_and(|found| found == ending) {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    below(&desk.home(), ending, &mut all);
    below(&desk.project(), ending, &mut all);
    all
}

#[test]
fn a_kill_at_any_moment_leaves_every_file_old_or_new_and_the_old_ones_beside() {
    let full = Full::new();
    let mut in_between = 0;
    for copies in (0..full.files.len()).step_by(4) {
        let mut child = full.start("--apply");
        let deadline = Instant::now() + Duration::from_secs(60);
        let before = full.copies();
        while full.copies() - before < copies && child.try_wait().expect("known").is_none() {
            assert!(Instant::now() < deadline);
        }
        child.kill().expect("killed");
        child.wait().expect("it ends");
        let changed = full.changed();
        in_between += usize::from(changed > 0 && changed < full.files.len());
        full.put_back();
    }
    assert!(in_between > 0, "no run was killed in between");
    // What the killed ones left is no hindrance, and goes.
    full.desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(full.changed(), full.files.len());
    assert_eq!(found(&full.desk, "tmp"), [] as [PathBuf; 0]);
    full.put_back();
}

#[test]
fn a_disk_without_room_leaves_the_file_and_nothing_beside_it() {
    let desk = Desk::new();
    let cursor = desk.put("cursor", &fixture("cursor.json"));
    let row = format!("    \"{}\",\n", "x".repeat(200));
    let large = format!(
        "{{\n  \"history\": [\n{}    0\n  ],\n  \"mcpServers\": {{\"a\": {{\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}}}}\n}}\n",
        row.repeat(10_000)
    );
    let claude = desk.put("claude-code", large.as_bytes());
    // No file may be larger than a megabyte, of whatever block the shell has.
    let own = desk.command(&["migrate", "--apply"]);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"")
        .arg(own.get_program())
        .args(own.get_args())
        .env_clear()
        .envs(
            own.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(own.get_current_dir().expect("a folder"))
        .stdin(Stdio::null());
    let ran = Ran::of(command.output().expect("it starts")).ended(1);
    let told = format!("`{}`", claude.display());
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: make room"), "{}", ran.stderr);
    assert!(fs::read(&claude).expect("a file") == large.as_bytes());
    assert_eq!(fs::read(&cursor).expect("a file"), expected("cursor.json"));
    // The two files, and one copy.
    assert_eq!(desk.files().len(), 3);
    // There is room again.
    desk.run(&["migrate", "--apply"]).ended(0);
    let changed = fs::read_to_string(&claude).expect("a file");
    assert!(changed.contains(PROGRAM) && changed.len() > 2_000_000);
    desk.run(&["migrate", "--undo"]).ended(0);
}

#[test]
fn what_its_host_writes_meanwhile_is_not_lost() {
    let row = format!("    \"{}\",\n", "x".repeat(200));
    let large = format!(
        "{{\n  \"history\": [\n{}    0\n  ],\n  \"mcpServers\": {{\"a\": {{\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}}}}\n}}\n",
        row.repeat(50_000)
    );
    let mut refused = 0;
    for _ in 0..20 {
        let desk = Desk::new();
        let path = desk.put("claude-code", large.as_bytes());
        let mut command = desk.command(&["migrate", "--apply"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        while found(&desk, "tmp").is_empty() {
            if child.try_wait().expect("known").is_some() {
                break;
            }
            assert!(Instant::now() < deadline);
        }
        let theirs = large.replacen("    0\n", "    1\n", 1);
        fs::write(&path, &theirs).expect("written");
        let ran = Ran::of(child.wait_with_output().expect("it ends"));
        let now = fs::read(&path).expect("a file");
        // Whoever writes last counts; what is never there is a mixture.
        if ran.code == Some(1) {
            assert!(now == theirs.as_bytes());
            assert!(ran.stderr.contains("changed"), "{}", ran.stderr);
            assert_eq!(desk.files().len(), 1, "no copy of what was not replaced");
            refused += 1;
            break;
        }
        assert!(now == theirs.as_bytes(), "theirs came after ours");
    }
    assert_eq!(refused, 1, "no run was met in between");
}

#[test]
fn runs_that_apply_and_runs_that_undo_leave_no_file_broken() {
    let full = Full::new();
    for _ in 0..2 {
        let running: Vec<Child> = (0..10)
            .map(|at| full.start(["--apply", "--undo"][at % 2]))
            .collect();
        for mut child in running {
            child.wait().expect("it ends");
        }
        full.changed();
    }
    full.desk.run(&["migrate", "--apply"]).ended(0);
    assert_eq!(full.changed(), full.files.len());
    full.put_back();
    assert_eq!(full.desk.files().len(), full.files.len(), "no copy is left");
}
