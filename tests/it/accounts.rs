//! Several accounts on one server: a name for each, and everything of its own.

use std::process::{Output, Stdio};

use playground::{Manner, Playground, Settings, browse};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A server that tells who signed in.
fn playground() -> Playground {
    let scopes = ["tools", "openid", "email", "profile"];
    Playground::start(Settings {
        authorization_scopes: Some(scopes.map(str::to_owned).to_vec()),
        ..Settings::default()
    })
}

fn run(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = machine.command();
    let command = command.args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Signs in under this name as this person; gives what `login` says.
fn login(playground: &Playground, machine: &Machine, name: &str, person: &str) -> String {
    let hint = format!("login_hint={person}");
    let url = playground.mcp_url();
    let arguments = ["login", &url, "--name", name, "--authorize-param", &hint];
    let scope = ["--scope", "tools openid email"];
    stdout(&run(machine, &[&arguments[..], &scope].concat()))
}

/// Whom the server takes the bridge of this name for.
fn whoami(playground: &Playground, machine: &Machine, name: &str) -> String {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), &["--name", name]);
    let said = bridge.tool("whoami", json!({}));
    said["content"][0]["text"]
        .as_str()
        .expect("text")
        .to_owned()
}

/// The part of `status` about each name, in order.
fn status(machine: &Machine) -> Vec<String> {
    let shown = stdout(&run(machine, &["status", "--long"]));
    shown.split("\n\n").map(str::to_owned).collect()
}

fn json_status(machine: &Machine) -> Vec<Value> {
    let shown = stdout(&run(machine, &["status", "--json"]));
    let report: Value = serde_json::from_str(&shown).expect("JSON");
    report["sign_ins"].as_array().expect("a list").clone()
}

#[test]
fn two_names_are_two_sign_ins_and_status_tells_whose_each_is() {
    let (playground, machine) = (playground(), Machine::new());
    let shown = login(&playground, &machine, "work", "ada");
    assert!(shown.contains("  account  ada@example.com\n"), "{shown}");
    let shown = login(&playground, &machine, "private", "grace");
    assert!(shown.contains("  account  grace@example.com\n"), "{shown}");

    // Tokens, registration and locks are each their own.
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 2));
    for name in ["work", "private"] {
        for kind in ["token.json", "lock", "signin.lock"] {
            let file = machine.cache().join(format!("{name}.{kind}"));
            assert!(file.exists(), "{}", file.display());
        }
    }
    let [private, work] = &status(&machine)[..] else {
        panic!("{:?}", status(&machine));
    };
    assert!(private.starts_with("private\n") && work.starts_with("work\n"));
    assert!(
        private.contains("\n  account       grace@example.com\n"),
        "{private}"
    );
    assert!(
        work.contains("\n  account       ada@example.com\n"),
        "{work}"
    );
    let [private, work] = &json_status(&machine)[..] else {
        panic!("{:?}", json_status(&machine));
    };
    let account = |person: &str| {
        let (sub, email) = (format!("id-of-{person}"), format!("{person}@example.com"));
        json!({ "sub": sub, "email": email, "preferred_username": null, "name": null })
    };
    assert_eq!(
        (&private["account"], &work["account"]),
        (&account("grace"), &account("ada"))
    );
    assert_ne!(private["client_id"], work["client_id"]);

    assert!(whoami(&playground, &machine, "work").contains("ada"));
    assert!(whoami(&playground, &machine, "private").contains("grace"));
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn what_becomes_of_one_account_does_not_touch_the_other() {
    let (playground, machine) = (playground(), Machine::new());
    login(&playground, &machine, "work", "ada");
    login(&playground, &machine, "private", "grace");
    let file = |name: &str| machine.cache().join(format!("{name}.token.json"));
    let read = |name| std::fs::read(file(name)).expect("a readable cache");

    // A refresh.
    let before = read("private");
    playground.expire_access_tokens();
    assert!(whoami(&playground, &machine, "work").contains("ada"));
    assert_eq!(playground.refreshes(), 1);
    assert_eq!(read("private"), before);
    assert!(whoami(&playground, &machine, "private").contains("grace"));
    assert_eq!((playground.refreshes(), playground.reuses()), (2, 0));

    // Signing out.
    let before = read("private");
    stdout(&run(&machine, &["logout", "work"]));
    assert!(!file("work").exists());
    assert_eq!(read("private"), before);
    let [left] = &json_status(&machine)[..] else {
        panic!("{:?}", json_status(&machine));
    };
    assert_eq!(left["name"], "private");
    assert_eq!(left["account"]["email"], "grace@example.com");
    assert!(whoami(&playground, &machine, "private").contains("grace"));
    assert_eq!(machine.opened().len(), 2);
    // The other one asks its person again.
    whoami(&playground, &machine, "work");
    assert_eq!(machine.opened().len(), 3);
}

#[test]
fn two_accounts_sign_in_at_the_same_time() {
    let (playground, machine) = (playground(), Machine::new());
    let start = |name: &str, person: &str| {
        let hint = format!("login_hint={person}");
        let arguments = ["--name", name, "--no-browser", "--authorize-param", &hint];
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &arguments);
        let id = bridge.request(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
        );
        (bridge, id)
    };
    let (mut work, mut private) = (start("work", "ada"), start("private", "grace"));
    // Neither waits for the other, and each has its own way back.
    let tabs = [work.0.stderr_address(), private.0.stderr_address()];
    for tab in tabs.iter().rev() {
        assert_eq!(browse(tab, Manner::Approve).unwrap().status, 200);
    }
    for ((bridge, id), person) in [(&mut work, "ada"), (&mut private, "grace")] {
        let answer = bridge.answer(*id);
        assert!(answer.get("result").is_some(), "{answer}");
        bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        let said = bridge.tool("whoami", json!({}));
        assert!(said.to_string().contains(person), "{said}");
    }
    assert_eq!(
        (playground.registrations(), playground.code_exchanges()),
        (2, 2)
    );
}

#[test]
fn without_an_id_token_the_account_is_not_known() {
    let (playground, machine) = (playground(), Machine::new());
    let url = playground.mcp_url();
    let shown = stdout(&run(&machine, &["login", &url, "--name", "work"]));
    assert!(!shown.contains("account"), "{shown}");
    assert!(!status(&machine)[0].contains("account"));
    assert_eq!(json_status(&machine)[0]["account"], Value::Null);
}
