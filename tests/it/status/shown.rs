//! What people see: colours, widths, and nothing that a hostile server or file could draw.

use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::support::terminal::{answering, by_shell, in_terminal};

/// Two sign-ins, whose times are told in the same words for hours.
fn several() -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for name in ["home", "work"] {
        sign_in(&playground, &machine, name);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (now, half_days) = (now.expect("after 1970").as_secs(), 43_200);
    for path in machine.cached() {
        let text = std::fs::read(&path).expect("readable");
        let mut cached: Value = serde_json::from_slice(&text).expect("JSON");
        cached["granted_at"] = json!(now - 5 * half_days);
        cached["refreshed_at"] = json!(now - 3 * half_days);
        cached["expires_at"] = json!(now + 3 * half_days);
        std::fs::write(&path, cached.to_string()).expect("written");
    }
    (playground, machine)
}

#[test]
fn colours_are_for_terminals_only_and_only_if_they_are_wanted() {
    let (_playground, machine) = several();
    let painted = in_terminal(&machine, 200, &[], &["status"]);
    assert_eq!(painted.code, Some(0), "{}", painted.text);
    assert!(
        painted.text.contains("\u{1b}[32mok\u{1b}[0m"),
        "{:?}",
        painted.text
    );
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")], [("TERM", "")]] {
        let plain = in_terminal(&machine, 200, &variables, &["status"]);
        assert!(!plain.is_coloured(), "{variables:?}: {:?}", plain.text);
        assert!(plain.text.starts_with("NAME  SERVER "), "{}", plain.text);
    }
    let empty = in_terminal(&machine, 200, &[("NO_COLOR", "")], &["status"]);
    assert!(empty.is_coloured(), "{:?}", empty.text);
    let mut piped = machine.command();
    piped.args(["status"]).env("TERM", "xterm-256color");
    let piped = stdout(&piped.output().expect("it runs"));
    assert!(!piped.contains('\u{1b}'), "{piped:?}");
    // Neither moves what the other shows.
    let columns = |text: &str| text.lines().next().map(str::to_owned);
    assert_eq!(columns(&painted.bare()), columns(&piped));
    let json = in_terminal(&machine, 200, &[], &["status", "--json"]);
    assert!(!json.is_coloured(), "{:?}", json.text);
}

#[test]
fn every_width_of_a_terminal_shows_every_sign_in() {
    let (_playground, machine) = several();
    for columns in [40, 80, 120, 200] {
        let shown = in_terminal(&machine, columns, &[], &["status"]).bare();
        let is_table = shown.starts_with("NAME  SERVER ");
        assert!(columns < 200 || is_table, "{columns}:\n{shown}");
        assert!(columns > 40 || !is_table, "{columns}:\n{shown}");
        for name in ["home", "work"] {
            assert!(shown.contains(name), "{columns}:\n{shown}");
        }
        if !is_table {
            for line in shown.lines().filter(|line| !line.contains("://")) {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
        let one = in_terminal(&machine, columns, &[], &["status", "work"]).bare();
        assert!(
            one.starts_with("work\n  server        http"),
            "{columns}:\n{one}"
        );
        assert!(one.contains("\n  health        ok\n"), "{columns}:\n{one}");
    }
}

#[test]
fn nothing_in_the_cache_can_draw_on_the_terminal() {
    let (playground, machine) = signed_in(Settings::default());
    works(&playground, &machine);
    let nasty = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}31mred\u{0}日本語";
    machine.edit_cached(|cached| {
        cached["scopes"] = json!([nasty, "read"]);
        cached["resource"] = json!(nasty);
        cached["failures"] =
            json!({ "refresh": { "count": 1, "reason": nasty, "transient": true } });
        cached["taken_over"] = json!({ "from": nasty, "at": 1_700_000_000, "mark": "M" });
    });
    let is_server = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".server.json");
    let [path] = &machine.files(is_server)[..] else {
        panic!("one record of the server");
    };
    let mut record: Value =
        serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    record["server_info"] = json!({ "name": nasty, "version": nasty });
    record["protocol_version"] = json!(nasty);
    std::fs::write(path, record.to_string()).expect("written");
    let steers = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    for arguments in [
        &["status"][..],
        &["status", "--long"],
        &["status", "--json"],
    ] {
        let shown = stdout(&run(&machine, arguments));
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert!(shown.contains("日本語"), "{shown}");
        let terminal = in_terminal(&machine, 60, &[], arguments);
        assert!(!terminal.bare().chars().any(steers), "{:?}", terminal.text);
    }
}

#[test]
fn files_of_all_kinds_are_told_and_stay_as_they_are() {
    let (_playground, machine) = signed_in(Settings::default());
    let write = |name: &str, text: &str| {
        let path = machine.cache().join(format!("{name}.token.json"));
        std::fs::write(&path, text).expect("written");
        path
    };
    let corrupt = write("corrupt", "{\"access_token\":\"SECRET_1");
    let newer = write("newer", r#"{"version":99,"access_token":"SECRET_2"}"#);
    let healths = |sign_ins: &[Value]| -> Vec<String> {
        let texts = sign_ins.iter().map(|one| one["health"].as_str());
        texts.map(|text| text.expect("text").to_owned()).collect()
    };
    let (sign_ins, code) = document(&machine, &[]);
    assert_eq!(
        (healths(&sign_ins), code),
        (
            vec!["unreadable".to_owned(), "newer".to_owned(), "ok".to_owned()],
            Some(0)
        )
    );
    let shown = stdout(&run(&machine, &["status"]));
    assert!(
        shown.contains("\ncorrupt: unreadable, the next use asks you to sign in: "),
        "{shown}"
    );
    assert!(!shown.contains("SECRET"), "{shown}");
    let (checked, code) = document(&machine, &["--check"]);
    let outcomes: Vec<&Value> = checked.iter().map(|one| &one["check"]["outcome"]).collect();
    assert_eq!(outcomes, ["needs_sign_in", "not_tried", "refreshed"]);
    assert_eq!(code, Some(3));
    for (path, text) in [(corrupt, "SECRET_1"), (newer, "SECRET_2")] {
        assert!(std::fs::read_to_string(path).expect("there").contains(text));
    }
}

/// A program that ends with the test.
struct Other(std::process::Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_mcp_remote_that_still_runs_for_a_sign_in_of_its_own_is_told() {
    let (playground, machine) = signed_in(Settings::default());
    machine.edit_cached(|cached| {
        cached["taken_over"] = json!({ "from": "mcp-remote", "at": 1_700_000_000, "mark": "M" });
    });
    let (sign_ins, _) = document(&machine, &[]);
    assert_eq!(sign_ins[0]["taken_over"]["still_runs"], Value::Null);
    let url = playground.mcp_url();
    let mut command = std::process::Command::new("sh");
    // It says that it runs, so that its words are there to be seen.
    command.args(["-c", "echo; read line; :", "/x/bin/mcp-remote", &url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = Other(command.spawn().expect("sh"));
    let mut said = [0];
    let out = other.0.stdout.as_mut().expect("piped");
    std::io::Read::read_exact(out, &mut said).expect("it runs");
    let (sign_ins, _) = document(&machine, &[]);
    assert_eq!(sign_ins[0]["taken_over"]["still_runs"], other.0.id());
    let shown = stdout(&run(&machine, &["status"]));
    assert!(
        shown.contains(&format!(
            "mcp-remote still runs for this server (process {})",
            other.0.id()
        )),
        "{shown}"
    );
}

#[test]
fn all_sign_ins_end_at_a_terminal_only_if_that_is_said_twice() {
    let (_playground, machine) = several();
    for no in ["n\n", "\n", "nope\n"] {
        let asked = answering(&machine, 100, &[], no, &["logout", "--all"]);
        assert_eq!(asked.code, Some(1), "{}", asked.text);
        assert!(
            asked.text.contains("Sign out of all 2 sign-ins? [y/N] "),
            "{}",
            asked.text
        );
        assert!(
            asked.text.contains("error: nothing was changed\n"),
            "{}",
            asked.text
        );
        assert_eq!(machine.cached().len(), 2);
    }
    let asked = answering(&machine, 100, &[], "y\n", &["logout", "--all"]);
    assert_eq!(asked.code, Some(0), "{}", asked.text);
    assert!(machine.cached().is_empty());
    assert!(asked.bare().contains("NAME  SERVER "), "{}", asked.text);
    let (_playground, machine) = several();
    let told = answering(&machine, 100, &[], "n\n", &["logout", "--all", "--yes"]);
    assert_eq!(told.code, Some(0), "{}", told.text);
    assert!(
        !told.text.contains("[y/N]") && machine.cached().is_empty(),
        "{}",
        told.text
    );
}

#[test]
fn whoever_wrote_a_script_or_a_program_is_not_asked() {
    let (_playground, machine) = several();
    let output = run(&machine, &["logout", "--all", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let removed = document["sign_ins"].as_array().expect("a list").iter();
    assert!(removed.clone().count() == 2 && removed.clone().all(|one| one["removed"] == true));
    assert!(machine.cached().is_empty());
    // In a terminal, of which they use a part.
    for script in [
        "\"$0\" logout --all --json",
        "\"$0\" logout --all </dev/null",
        "\"$0\" logout --all 2>/dev/null",
    ] {
        let (_playground, machine) = several();
        let shown = by_shell(&machine, script);
        assert_eq!(shown.code, Some(0), "{script}: {}", shown.text);
        assert!(!shown.text.contains("[y/N]"), "{script}: {}", shown.text);
        assert!(machine.cached().is_empty(), "{script}");
    }
}

/// What a page says of a failure is no warning besides where both are read in one place.
#[test]
fn in_a_terminal_a_sign_out_says_once_what_failed() {
    let times = |text: &str| text.matches("cannot reach `").count();
    for (columns, names) in [(60, 1), (60, 2), (200, 2)] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        for name in &["home", "work"][..names] {
            sign_in(&playground, &machine, name);
        }
        playground.stop();
        let arguments = ["logout", "--all", "--yes"];
        let told = answering(&machine, columns, &[], "n\n", &arguments).bare();
        // Both tokens and the registration.
        let joined = told.replace("\n", " ");
        let once = joined.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(times(&once), 3 * names, "{told}");
        assert!(!told.contains("warning: "), "{told}");
        assert_eq!(columns == 200, told.contains("NAME  SERVER "), "{told}");
    }
    for script in [
        "\"$0\" logout work 2>&1 | cat",
        "\"$0\" logout work | cat",
        "\"$0\" logout work --json",
    ] {
        let (playground, machine) = signed_in(Settings::default());
        playground.stop();
        let told = by_shell(&machine, script).text;
        assert_eq!(told.matches("warning: ").count(), 2, "{told}");
    }
}
