//! `status --check` refreshes as a bridge does: what it gets is kept, and the sign-in lives on.

use std::thread;

use playground::{AuthMethod, Fault, GrantState, Registration, Server, StaticClient, Then};
use serde_json::json;

use super::*;

/// What came of the check of the one sign-in, and the exit code.
fn check(machine: &Machine) -> (Value, Option<i32>) {
    let (sign_ins, code) = document(machine, &["--check"]);
    let [one] = &sign_ins[..] else {
        panic!("{sign_ins:?}");
    };
    let secrets = machine.sign_in();
    for name in ["access_token", "refresh_token"] {
        if let Some(secret) = secrets[name].as_str() {
            assert!(!one.to_string().contains(secret), "{one}");
        }
    }
    (one.clone(), code)
}

fn tokens(machine: &Machine) -> (Value, Value) {
    let kept = machine.sign_in();
    (kept["access_token"].clone(), kept["refresh_token"].clone())
}

#[test]
fn a_refresh_that_works_is_made_once_and_kept() {
    for rotate in [true, false] {
        let (playground, machine) = signed_in(Settings {
            rotate,
            ..Settings::default()
        });
        for expired in [false, true] {
            if expired {
                machine.expire_cached();
            }
            let (before, refreshes) = (tokens(&machine), playground.refreshes());
            let (one, code) = check(&machine);
            assert_eq!(
                (&one["check"]["outcome"], code),
                (&json!("refreshed"), Some(0)),
                "{one}"
            );
            assert_eq!(one["health"], "ok");
            assert!(one["refreshed_at"].is_u64(), "{one}");
            assert_eq!(playground.refreshes(), refreshes + 1);
            assert_ne!(tokens(&machine).0, before.0, "the new one is kept");
            assert_eq!(tokens(&machine).1 != before.1, rotate);
        }
        works(&playground, &machine);
        assert_eq!(playground.refreshes(), 2, "what was kept is used");
    }
}

#[test]
fn ten_at_once_and_a_bridge_share_refreshes_and_the_grant_lives() {
    let (playground, machine) = signed_in(Settings::default());
    let url = playground.mcp_url();
    let mut bridge = Bridge::open(&machine, &url, &["--name", "work"]);
    let outcomes: Vec<(Value, Option<i32>)> = thread::scope(|scope| {
        let checks: Vec<_> = (0..10).map(|_| scope.spawn(|| check(&machine))).collect();
        let ended = checks
            .into_iter()
            .map(|check| check.join().expect("it ends"));
        ended.collect()
    });
    for (one, code) in &outcomes {
        let outcome = one["check"]["outcome"].as_str().expect("an outcome");
        assert!(outcome.starts_with("refreshed"), "{one}");
        assert_eq!(*code, Some(0));
    }
    assert!(playground.refreshes() >= 1);
    assert_eq!(playground.reuses(), 0, "{}", playground.printed_log());
    assert_eq!(
        bridge.tool("add", json!({ "a": 1, "b": 2 }))["content"][0]["text"],
        "3"
    );
    assert!(bridge.close().status.success());
    machine.expire_cached();
    works(&playground, &machine);
    assert_eq!(playground.grants(), [GrantState::InUse]);
}

#[test]
fn a_grant_that_the_server_has_ended_needs_a_person() {
    let (playground, machine) = signed_in(Settings::default());
    playground.revoke_grants();
    let (one, code) = check(&machine);
    assert_eq!(
        (&one["check"]["outcome"], code),
        (&json!("needs_sign_in"), Some(3)),
        "{one}"
    );
    assert_eq!(
        one["health"], "signed_out",
        "it is forgotten, as a bridge does"
    );
    let why = one["check"]["problem"].as_str().expect("a reason");
    assert!(why.contains("`invalid_grant`"), "{why}");
    let hint = one["check"]["hint"].as_str().expect("a hint");
    let login = format!("mcp-drawbridge login {} --name work`", playground.mcp_url());
    assert!(
        hint.starts_with("run `") && hint.ends_with(&login),
        "{hint}"
    );
    let again = run(&machine, &["status", "--check"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(
        stderr(&again).contains("error: 1 sign-in cannot be refreshed"),
        "{}",
        stderr(&again)
    );
    assert!(machine.opened().len() == 1, "nobody was asked");
}

#[test]
fn a_server_that_is_away_decides_nothing() {
    for expired in [false, true] {
        let (playground, machine) = signed_in(Settings::default());
        if expired {
            machine.expire_cached();
        }
        let before = tokens(&machine);
        let fault = Fault::of(Server::Authorization).always();
        playground.fault(fault.then(Then::answer(503)));
        let (one, code) = check(&machine);
        assert_eq!(
            (&one["check"]["outcome"], code),
            (&json!("unreachable"), Some(4)),
            "{one}"
        );
        playground.clear_faults();
        playground.stop();
        let (one, code) = check(&machine);
        assert_eq!(
            (&one["check"]["outcome"], code),
            (&json!("unreachable"), Some(4)),
            "{one}"
        );
        assert_eq!(tokens(&machine), before, "nothing was given up");
        playground.resume(playground::Memory::Kept);
        let (one, code) = check(&machine);
        assert_eq!(
            (&one["check"]["outcome"], code),
            (&json!("refreshed"), Some(0)),
            "{one}"
        );
        works(&playground, &machine);
    }
}

#[test]
fn without_a_refresh_token_nothing_is_sent() {
    let settings = || Settings {
        refresh_tokens: false,
        ..Settings::default()
    };
    let (playground, machine) = signed_in(settings());
    let before = playground.requests().len();
    let (one, code) = check(&machine);
    assert_eq!(
        (&one["check"]["outcome"], code),
        (&json!("not_refreshable"), Some(0)),
        "{one}"
    );
    assert_eq!(one["renewal"], "none");
    machine.expire_cached();
    let (one, code) = check(&machine);
    assert_eq!(
        (&one["check"]["outcome"], code),
        (&json!("needs_sign_in"), Some(3)),
        "{one}"
    );
    assert_eq!(one["health"], "expired");
    assert_eq!(playground.requests().len(), before);
}

/// A playground that knows one client with a secret, for a machine whose configuration file has it.
fn of_ones_own(client_credentials: bool) -> (Playground, Machine, String) {
    let playground = Playground::start(Settings {
        registration: Registration::Off,
        client_credentials,
        clients: vec![StaticClient {
            id: "mine".to_owned(),
            secret: Some("SECRET_1".to_owned()),
            auth_method: AuthMethod::Post,
            redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
        }],
        ..Settings::default()
    });
    let machine = Machine::new();
    let mut oauth = json!({ "client_id": "mine", "client_secret": "SECRET_1" });
    if client_credentials {
        oauth["grant"] = json!("client_credentials");
    }
    let file = json!({ "mcpServers": { "it": { "url": playground.mcp_url(), "oauth": oauth } } });
    let path = machine.cache().with_file_name("config.json");
    std::fs::write(&path, file.to_string()).expect("written");
    let file = path.display().to_string();
    let mut login = machine.command();
    login.args(["login", "it", "--config", &file, "--host", "127.0.0.1"]);
    let output = login.output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    (playground, machine, file)
}

#[test]
fn what_is_not_kept_with_the_sign_in_comes_from_the_configuration() {
    for client_credentials in [false, true] {
        let (playground, machine, file) = of_ones_own(client_credentials);
        let issued = |playground: &Playground| {
            let requests = playground.requests();
            requests.iter().filter(|one| one.path == "/token").count()
        };
        let before = issued(&playground);
        let (one, code) = check(&machine);
        assert_eq!(
            (&one["check"]["outcome"], code),
            (&json!("not_tried"), Some(1)),
            "{one}"
        );
        let why = one["check"]["problem"].as_str().expect("a reason");
        let what = match client_credentials {
            true => "what stands in for a person is in no configuration that is known here",
            false => "the client's secret or key is not kept with the sign-in",
        };
        assert!(why.starts_with(what), "{why}");
        assert_eq!(issued(&playground), before);
        let (sign_ins, code) = document(&machine, &["--check", "--config", &file]);
        let one = &sign_ins[0];
        assert_eq!(
            (&one["check"]["outcome"], code),
            (&json!("refreshed"), Some(0)),
            "{one}"
        );
        assert!(issued(&playground) > before, "it was tried");
        let renewal = match client_credentials {
            true => "unattended",
            false => "refresh_token",
        };
        assert_eq!(one["renewal"], renewal);
    }
}

#[test]
fn only_what_was_asked_for_is_refreshed() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    for name in ["home", "work"] {
        sign_in(&playground, &machine, name);
    }
    let (sign_ins, code) = document(&machine, &["--check", "work"]);
    assert_eq!((sign_ins.len(), code), (1, Some(0)));
    assert_eq!(playground.refreshes(), 1);
    let (all, _) = document(&machine, &[]);
    assert_eq!(
        (&all[0]["refreshed_at"], &all[0]["check"]),
        (&Value::Null, &Value::Null)
    );
    assert!(all[1]["refreshed_at"].is_u64());
}

#[test]
fn a_client_whose_secret_has_ended_is_not_tried_with_it() {
    let (playground, machine) = signed_in(Settings::default());
    machine.edit_cached(|cached| {
        let clients = cached["client"].as_object_mut().expect("clients");
        for client in clients.values_mut() {
            client["client_secret_expires_at"] = json!(1_600_000_000);
        }
    });
    let before = (tokens(&machine), playground.requests().len());
    let (one, code) = check(&machine);
    assert_eq!(
        (&one["check"]["outcome"], code),
        (&json!("needs_sign_in"), Some(3)),
        "{one}"
    );
    assert_eq!(one["check"]["problem"], "the client's secret has ended");
    assert_eq!(one["renewal"], "client_lapsed");
    assert_eq!((tokens(&machine), playground.requests().len()), before);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_130_and_leaves_everything_as_it_was() {
    let (playground, machine) = signed_in(Settings::default());
    let before = tokens(&machine);
    let fault = Fault::of(Server::Authorization).path("/token").always();
    playground.fault(fault.then(Then::Hold));
    let mut command = machine.command();
    command.args(["status", "--check", "--json"]);
    let running = Bridge::start_command(command);
    playground.wait_for(|requests| {
        let mut asked = requests.iter();
        asked
            .any(|one| one.parameter("grant_type").as_deref() == Some("refresh_token"))
            .then_some(())
    });
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    assert_eq!(tokens(&machine), before);
    // Nobody has it, or this would wait for ever.
    drop(machine.lock_sign_in());
    playground.clear_faults();
    let (one, code) = check(&machine);
    assert_eq!(
        (&one["check"]["outcome"], code),
        (&json!("refreshed"), Some(0)),
        "{one}"
    );
    assert_eq!(playground.reuses(), 0, "{}", playground.printed_log());
}

/// A file of Cursor's in this folder, with an entry for the sign-in that has another client.
fn configure(folder: &std::path::Path, playground: &Playground) {
    let file = folder.join(".cursor/mcp.json");
    let url = playground.mcp_url();
    let args = ["--name", "work", "--client-id", "other"];
    let args = [&[url.as_str()][..], &args].concat();
    let entry = json!({ "command": "/x/mcp-drawbridge", "args": args });
    let content = json!({ "mcpServers": { "it": entry } });
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::write(file, content.to_string()).expect("written");
}

#[test]
fn options_come_from_the_users_own_files_and_not_from_those_of_a_project() {
    let (playground, machine) = signed_in(Settings::default());
    let project = tempfile::tempdir().expect("a folder");
    configure(project.path(), &playground);
    let checked = || {
        let mut command = machine.command();
        command.args(["status", "--json", "--check"]);
        let output = command
            .current_dir(project.path())
            .output()
            .expect("it runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        document["sign_ins"][0]["check"]["outcome"].clone()
    };
    assert_eq!(
        checked(),
        "refreshed",
        "what lies in a project may be anybody's"
    );
    configure(&machine.cache().with_file_name("home"), &playground);
    assert_eq!(checked(), "not_tried", "the user's own options count");
}
