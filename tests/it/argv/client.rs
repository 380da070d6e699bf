//! mcp-remote-client: connects, signs in if that is needed, shows tools and resources, and ends.

use std::process::{Command, Output};

use playground::{Fault, Playground, Settings, Then};
use serde_json::Value;

use crate::support::machine::{Browser, Machine};

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// The same program under another name.
fn renamed(machine: &Machine, folder: &tempfile::TempDir) -> Command {
    let name = format!("mcp-remote-client{}", std::env::consts::EXE_SUFFIX);
    let program = folder.path().join(name);
    std::fs::copy(env!("CARGO_BIN_EXE_mcp-drawbridge"), &program).expect("copied");
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(std::env::var("PATH").map(|path| ("PATH", path)))
        .envs(machine.environment());
    command
}

/// The JSON that follows a name.
fn list(page: &str, name: &str) -> Value {
    let (_, rest) = page.split_once(&format!("\n{name}: ")).expect(page);
    let mut values = serde_json::Deserializer::from_str(rest).into_iter();
    values.next().expect("a value").expect("JSON")
}

#[test]
fn it_signs_in_once_and_shows_what_there_is() {
    let (machine, playground) = (
        Machine::new(),
        Playground::start(Settings {
            page_size: Some(2),
            ..Settings::default()
        }),
    );
    let folder = tempfile::TempDir::new().expect("a folder");
    for by_name in [true, false] {
        let mut command = match by_name {
            true => renamed(&machine, &folder),
            false => machine.command(),
        };
        if !by_name {
            command.arg("mcp-remote-client");
        }
        command.args([&*playground.mcp_url(), "--ignore-tool", "echo", "--zzz"]);
        let (code, stdout, stderr) = run(command);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stderr.contains("there is no option `--zzz`"), "{stderr}");
        let tools = list(&stdout, "tools");
        let names = tools["tools"].as_array().expect("tools").iter();
        let names: Vec<&str> = names.filter_map(|tool| tool["name"].as_str()).collect();
        assert!(
            names.contains(&"add") && names.contains(&"book"),
            "{names:?}"
        );
        assert!(!names.contains(&"echo"), "{names:?}");
        let resources = list(&stdout, "resources");
        let first = &resources["resources"][0]["uri"];
        assert_eq!(first, "playground://greeting", "{stdout}");
    }
    assert_eq!(
        machine.opened().len(),
        1,
        "the second finds the sign-in of the first"
    );
    assert_eq!(playground.code_exchanges(), 1);
    assert!(playground.sessions().is_empty(), "it ends the session");
}

#[test]
fn a_list_that_cannot_be_had_is_told_and_the_other_is_shown() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    let fault = Fault::mcp().rpc("tools/list").always();
    playground.fault(fault.then(Then::answer(404)));
    let mut command = machine.command();
    command.args(["mcp-remote-client", &playground.mcp_url()]);
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\ntools: error: "), "{stdout}");
    assert!(list(&stdout, "resources")["resources"].is_array());
}

#[test]
fn a_sign_in_or_a_session_that_fails_ends_it() {
    let (machine, playground) = (
        Machine::with(Browser::Denies),
        Playground::start(Settings::default()),
    );
    let started = |url: &str| {
        let mut command = machine.command();
        command.args(["mcp-remote-client", url]);
        run(command)
    };
    let (code, stdout, stderr) = started(&playground.mcp_url());
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("error: "), "{stderr}");
    let (code, stdout, stderr) = started("http://127.0.0.1:9/mcp");
    assert_ne!(code, Some(0), "{stdout}");
    assert!(stderr.contains("127.0.0.1"), "{stderr}");
}
