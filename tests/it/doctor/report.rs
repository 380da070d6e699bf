//! The forms of the report.

use playground::{Playground, Settings};
use serde_json::{Map, Value};

use super::{STEPS, examine, run};
use crate::support::machine::Machine;

/// That a document has exactly the members that the README describes, each in its type.
#[track_caller]
pub fn is_of_the_form(document: &Value) {
    let members = |value: &Value| -> Vec<String> {
        let object: &Map<String, Value> = value.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    let has = |value: &Value, names: &[&str]| {
        let mut found = members(value);
        found.sort();
        assert_eq!(found, sorted(names), "{value}");
    };
    let top = ["version", "server", "name", "status", "exit_code", "steps"];
    has(document, &top);
    assert_eq!(document["version"], 1);
    let steps = document["steps"].as_array().expect("steps");
    let names: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    assert_eq!(names, STEPS, "{document}");
    for step in steps {
        has(
            step,
            &[
                "step", "status", "summary", "asked", "found", "rule", "hint",
            ],
        );
        let status = step["status"].as_str().expect("a status");
        assert!(["ok", "warn", "fail", "skip"].contains(&status), "{step}");
        assert!(
            step["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{step}"
        );
        for asked in step["asked"].as_array().expect("a list") {
            has(asked, &["request", "answer"]);
        }
        for found in step["found"].as_array().expect("a list") {
            has(found, &["name", "value"]);
            assert!(found["value"].is_string(), "{found}");
        }
        let is_text_or_null = |value: &Value| value.is_string() || value.is_null();
        assert!(
            is_text_or_null(&step["rule"]) && is_text_or_null(&step["hint"]),
            "{step}"
        );
        // Who is told of a failure is told what to do.
        assert!(status != "fail" || step["hint"].is_string(), "{step}");
    }
}

#[test]
fn people_get_a_line_for_each_step_in_columns_and_without_colour() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let output = run(&machine, &[&playground.mcp_url(), "--scope", "tools"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let steps: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(&steps[..STEPS.len()], STEPS, "{text}");
    for part in [
        "`scope` by `--scope`",
        "rule RFC 9728 §3.3",
        "GET `http",
        "mcp-drawbridge login",
        "1 step failed",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("`sign-in` failed"), "{stderr}");
}

#[test]
fn an_address_that_is_wrong_or_missing_for_a_sign_in_is_wrong_usage() {
    let machine = Machine::new();
    for arguments in [
        &["--sign-in"][..],
        &["ftp://a.example/"],
        &["http://a.example/", "--nope"],
    ] {
        let output = run(&machine, arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn a_name_of_the_configuration_file_says_where_everything_was_given() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("config.json");
    let url = playground.mcp_url();
    let content = serde_json::json!({
        "mcpServers": { "work": { "url": url, "headers": { "X-Key": "SECRET_VALUE_1" } } },
        "defaults": { "no_browser": true },
    });
    std::fs::write(&file, content.to_string()).unwrap();
    let found = examine(&machine, "work", &["--config", file.to_str().unwrap()]);
    assert_eq!(found.code, 0, "{}", found.text);
    for part in [
        "`url` by `work` in",
        "`header` by ",
        "`no-browser` by ",
        "config.json",
    ] {
        assert!(
            found.text.contains(part),
            "`{part}` is missing: {}",
            found.text
        );
    }
    assert!(!found.text.contains("SECRET_VALUE_1"), "{}", found.text);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_130_and_ends_the_session() {
    use std::process::{Command, Stdio};

    use playground::{Fault, Then};
    for rpc in ["initialize", "tools/list"] {
        let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
        playground.fault(Fault::mcp().rpc(rpc).always().then(Then::Hold));
        let mut command = machine.command();
        command.args(["doctor", &playground.mcp_url()]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut doctor = command.spawn().expect("the bridge starts");
        playground.wait_for(|_| (playground.held() > 0).then_some(()));
        let kill = Command::new("kill")
            .args(["-s", "INT", &doctor.id().to_string()])
            .status();
        assert!(kill.expect("`kill` starts").success());
        assert_eq!(doctor.wait().expect("a child").code(), Some(130));
        // One that was open is ended. Of one that was not, nobody knows yet.
        assert!(
            playground.sessions().is_empty(),
            "{}",
            playground.printed_log()
        );
        playground.clear_faults();
        playground.release_held();
    }
}

#[test]
fn a_bridge_that_is_debugged_tells_each_request_of_its_sign_in() {
    use crate::support::bridge::Bridge;

    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let bridge = Bridge::open(&machine, &playground.mcp_url(), &["--debug"]);
    let stderr = bridge.close().stderr;
    let issuer = playground.issuer();
    for line in [
        "for the resource's metadata (RFC 9728 §3.1): status 200".to_owned(),
        format!("tokens are for `{}`, from `{issuer}`", playground.mcp_url()),
        "for the authorization server's metadata".to_owned(),
        format!("asked `{issuer}/register` for a registration (RFC 7591 §3.1): status 201"),
        format!(
            "asked `{issuer}/token` for tokens for `authorization_code` (RFC 6749 §3.2): tokens"
        ),
    ] {
        assert!(stderr.contains(&line), "`{line}` is missing:\n{stderr}");
    }
}
