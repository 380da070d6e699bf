//! `doctor` without a server: what it says of this machine.

use serde_json::{Value, json};

use super::run;
use crate::support::machine::Machine;

const STEPS: [&str; 9] = [
    "program",
    "configuration",
    "cache",
    "browser",
    "callback",
    "proxies",
    "certificates",
    "ai-clients",
    "mcp-remote",
];

fn examined(machine: &Machine, variables: &[(&str, &str)]) -> (Value, Option<i32>) {
    let mut command = machine.command();
    command.args(["doctor", "--json"]);
    command.envs(variables.iter().copied());
    let output = command.output().expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["exit_code"], output.status.code().expect("a code"));
    (document, output.status.code())
}

fn step<'d>(document: &'d Value, name: &str) -> &'d Value {
    let steps = document["steps"].as_array().expect("steps");
    let found = steps.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {document}"))
}

/// Writes a file below the machine's home.
fn write(machine: &Machine, path: &str, text: &str) {
    let path = machine.cache().with_file_name("home").join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

#[test]
fn a_machine_that_has_what_it_takes_is_told_so() {
    let machine = Machine::new();
    let (document, code) = examined(&machine, &[]);
    assert_eq!(
        (document["server"].clone(), document["name"].clone()),
        (Value::Null, Value::Null)
    );
    let steps = document["steps"].as_array().expect("steps");
    let names: Vec<&Value> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(names, STEPS);
    assert_eq!(code, Some(0), "{document}");
    for name in STEPS {
        assert_eq!(step(&document, name)["status"], "ok", "{document}");
    }
    let output = run(&machine, &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.starts_with("ok    program               mcp-drawbridge "),
        "{text}"
    );
    assert!(
        text.ends_with("\neverything is as it should be\n"),
        "{text}"
    );
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);
}

#[test]
fn what_is_left_of_mcp_remote_comes_with_the_commands_to_run() {
    let machine = Machine::new();
    let file = json!({ "mcpServers": {
        "notion": { "command": "npx", "args": ["-y", "mcp-remote", "https://mcp.notion.com/mcp"] },
        "own": { "command": "/x/mcp-drawbridge", "args": ["https://mcp.linear.app/mcp"] },
    } });
    write(&machine, ".cursor/mcp.json", &file.to_string());
    write(&machine, ".codex/config.toml", "not toml: [");
    let (document, code) = examined(&machine, &[]);
    assert_eq!(code, Some(0), "a warning is no failure: {document}");
    let clients = step(&document, "ai-clients");
    assert_eq!(
        clients["summary"],
        "1 entry of an AI client starts mcp-drawbridge"
    );
    let left = step(&document, "mcp-remote");
    assert_eq!(left["status"], "warn", "{left}");
    assert_eq!(
        left["hint"],
        "run `mcp-drawbridge migrate --host cursor --apply`"
    );
    let migrated = {
        let mut command = machine.command();
        command.args(["migrate", "--host", "cursor", "--apply"]);
        command.output().expect("it runs")
    };
    assert!(migrated.status.success(), "{migrated:?}");
    let (document, _) = examined(&machine, &[]);
    assert_eq!(step(&document, "mcp-remote")["status"], "ok", "{document}");
}

#[test]
fn for_one_server_it_names_the_entries_that_still_start_mcp_remote() {
    let machine = Machine::new();
    let url = "http://127.0.0.1:1/mcp";
    let file = json!({ "mcpServers": {
        "this": { "command": "npx", "args": ["mcp-remote", url] },
        "other": { "command": "npx", "args": ["mcp-remote", "https://mcp.notion.com/mcp"] },
    } });
    write(&machine, ".cursor/mcp.json", &file.to_string());
    let found = super::examine(&machine, url, &[]);
    let told = found.value("configuration", "mcp-remote").expect("a word");
    assert!(
        told.starts_with("`this` of cursor still starts it for this server"),
        "{told}"
    );
    assert!(!found.text.contains("`other`"), "{}", found.text);
    assert_eq!(found.code, 4);
}

#[test]
fn what_is_missing_is_told_at_its_step() {
    let machine = Machine::new();
    let nowhere = ("BROWSER", "/nonexistent/browser");
    let (document, code) = examined(
        &machine,
        &[nowhere, ("HTTPS_PROXY", "http://u:PASSWORD@p.test:3128")],
    );
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(step(&document, "browser")["status"], "warn");
    let proxies = step(&document, "proxies");
    assert_eq!(proxies["summary"], "connections are made through a proxy");
    assert!(!document.to_string().contains("PASSWORD"), "{document}");
    // A folder that is a file keeps nothing.
    let file = machine.cache().with_file_name("file");
    std::fs::write(&file, "x").expect("written");
    let file = file.display().to_string();
    let (document, _) = examined(&machine, &[("MCP_DRAWBRIDGE_DIR", &file)]);
    assert_eq!(step(&document, "cache")["status"], "warn", "{document}");
    let sign_in = run(&machine, &["--sign-in"]);
    assert_eq!(sign_in.status.code(), Some(2));
}

#[test]
fn what_is_odd_about_the_configuration_is_a_warning() {
    let machine = Machine::new();
    let path = machine.cache().with_file_name("config.json");
    let path = path.display().to_string();
    let doctor = |text: &str, option: &[&str]| {
        std::fs::write(&path, text).expect("written");
        let output = run(&machine, &[&["--json", "--config", &path], option].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        step(&document, "configuration").clone()
    };
    let (good, bad) = (
        r#"{"mcpServers":{"a":{"url":"https://mcp.example.com"}}}"#,
        r#"{"mcpServers":{"a":{"url":"https://mcp.example.com","oauth":{"scopes":"${NOT_SET}"}}}}"#,
    );
    assert_eq!(doctor(good, &[])["status"], "ok");
    let found = doctor(bad, &[]);
    assert_eq!(found["status"], "warn", "{found}");
    assert!(found.to_string().contains("cannot be used"), "{found}");
    let found = doctor(good, &["--zzz"]);
    assert_eq!(found["status"], "warn", "{found}");
    assert!(found.to_string().contains("--zzz"), "{found}");
}

#[test]
fn a_sign_in_that_cannot_be_used_is_a_warning_that_says_where_to_look() {
    let machine = Machine::new();
    std::fs::create_dir(machine.cache()).expect("a folder");
    let path = machine.cache().join("work.token.json");
    for (text, why) in [
        ("{\"access_token\":", "`work`: its file cannot be used: "),
        (
            "{\"version\":99}",
            "`work`: a later version of mcp-drawbridge",
        ),
    ] {
        std::fs::write(&path, text).expect("written");
        let (document, code) = examined(&machine, &[]);
        assert_eq!(code, Some(0), "{document}");
        let cache = step(&document, "cache");
        assert_eq!(cache["status"], "warn", "{cache}");
        assert!(cache["found"].to_string().contains(why), "{cache}");
        let hint = cache["hint"].as_str().expect("a hint");
        assert!(hint.contains("mcp-drawbridge status"), "{cache}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_could_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    std::fs::create_dir(machine.cache()).expect("a folder");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(machine.cache(), mode).expect("a mode");
    let (document, _) = examined(&machine, &[]);
    let cache = step(&document, "cache");
    assert_eq!(cache["status"], "warn", "{cache}");
    assert!(cache.to_string().contains("could read"), "{cache}");
}

#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn a_machine_that_trusts_nobody_fails() {
    let machine = Machine::new();
    let none = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let (document, code) = examined(&machine, &none);
    let step = step(&document, "certificates");
    // What the system has in its usual place is used all the same.
    let is_there = step["status"] == "ok";
    assert_eq!(code, Some(if is_there { 0 } else { 1 }), "{document}");
}
