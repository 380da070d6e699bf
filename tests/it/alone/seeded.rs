//! A refresh token from the environment, against a provider that rotates refresh tokens and ends a
//! grant when one is used again. What is asserted is what the provider itself has counted.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, Fault, OidcProvider, Registration, Switches, automation};
use crate::support::scene::{NEWEST, everything};

const NOTHING: Counts = Counts::none();
const SECRET: &str = "CLIENT_SECRET_OF_THE_AUTOMATION";

/// A provider without registration, and the one client that it knows.
struct Scene {
    provider: OidcProvider,
}

impl Scene {
    fn new() -> Self {
        Self {
            provider: OidcProvider::with(&Switches {
                registration: Registration::Off,
                clients: vec![automation(SECRET)],
                ..Switches::default()
            }),
        }
    }

    fn url(&self) -> &str {
        self.provider.url.as_str()
    }

    /// A refresh token that somebody got in a browser, on another machine.
    fn seed(&self) -> String {
        let machine = Machine::new();
        let mut bridge = Bridge::start_command(self.command(&machine));
        bridge.initialize(NEWEST, everything());
        add(&mut bridge);
        bridge.close();
        assert_eq!(machine.opened().len(), 1);
        let token = machine.sign_in()["refresh_token"]
            .as_str()
            .map(str::to_owned);
        token.expect("a refresh token")
    }

    /// The bridge with the client in its environment.
    fn command(&self, machine: &Machine) -> Command {
        let mut command = Bridge::command(machine, self.url(), &["--debug"]);
        command
            .env("MCP_DRAWBRIDGE_CLIENT_ID", "automation")
            .env("MCP_DRAWBRIDGE_CLIENT_SECRET", SECRET);
        command
    }

    /// The same with this refresh token.
    fn seeded(&self, machine: &Machine, seed: &str) -> Bridge {
        let mut command = self.command(machine);
        command.env("MCP_DRAWBRIDGE_REFRESH_TOKEN", seed);
        Bridge::start_command(command)
    }

    /// Opens a session, calls a tool, closes.
    fn works(&self, machine: &Machine, seed: &str) -> String {
        let mut bridge = self.seeded(machine, seed);
        bridge.initialize(NEWEST, everything());
        add(&mut bridge);
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        ended.stderr
    }

    /// What happened at the authorization server since.
    fn since(&self, before: Counts) -> Counts {
        Counts {
            tokens_refused: 0,
            tokens_missing: 0,
            ..self.provider.counts() - before
        }
    }

    fn expire(&self, machine: &Machine) {
        self.provider.expire_access_tokens();
        machine.expire_cached();
    }
}

fn refreshes(count: u64) -> Counts {
    Counts {
        refreshes: count,
        ..NOTHING
    }
}

fn add(bridge: &mut Bridge) {
    let answer = bridge.call(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    );
    let text = answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_default();
    assert!(text.contains('5'), "{answer}\n{}", bridge.story());
}

/// The error that opening a session ends with, or the first call after it.
fn refused(bridge: &mut Bridge) -> Value {
    let params = crate::support::scene::opening(NEWEST, everything());
    let mut answer = bridge.call("initialize", params);
    if answer.get("result").is_some() {
        bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer = bridge.call(
            "tools/call",
            json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
        );
    }
    assert!(
        answer.get("error").is_some(),
        "{answer}\n{}",
        bridge.story()
    );
    answer
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().expect("a message")
}

fn kept(machine: &Machine, name: &str) -> String {
    machine.sign_in()[name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn environment_alone_is_enough_and_the_rotated_token_survives_restarts() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    let before = scene.provider.counts();
    scene.works(&machine, &seed);
    assert_eq!(scene.since(before), refreshes(1));
    let first = kept(&machine, "refresh_token");
    assert_ne!(first, seed);
    assert_eq!(kept(&machine, "mode"), "oauth-seeded");
    // The seed itself stands nowhere.
    let text = fs::read_to_string(machine.sign_in_file()).expect("a sign-in");
    assert!(!text.contains(&seed));

    scene.works(&machine, &seed);
    assert_eq!(scene.since(before), refreshes(1));
    for count in 2..4 {
        scene.expire(&machine);
        scene.works(&machine, &seed);
        assert_eq!(scene.since(before), refreshes(count));
    }
    assert_ne!(kept(&machine, "refresh_token"), first);
    assert_eq!(machine.opened(), [""; 0]);
}

#[test]
fn ten_that_start_together_send_it_once() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    let before = scene.provider.counts();
    let mut bridges: Vec<Bridge> = (0..10).map(|_| scene.seeded(&machine, &seed)).collect();
    for bridge in &mut bridges {
        bridge.initialize(NEWEST, everything());
    }
    for bridge in &mut bridges {
        add(bridge);
    }
    assert_eq!(scene.since(before), refreshes(1));
    scene.expire(&machine);
    let ids: Vec<u64> = bridges
        .iter_mut()
        .map(|bridge| {
            bridge.request(
                "tools/call",
                json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
            )
        })
        .collect();
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        let answer = bridge.answer(id);
        assert!(
            answer.get("result").is_some(),
            "{answer}\n{}",
            bridge.story()
        );
    }
    assert_eq!(scene.since(before), refreshes(2));
    assert_eq!(machine.opened(), [""; 0]);
}

#[test]
fn where_nothing_can_be_written_it_works_in_memory_and_says_so() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    fs::write(machine.cache(), "").expect("a file");
    let before = scene.provider.counts();
    let mut command = scene.command(&machine);
    command
        .env("MCP_DRAWBRIDGE_REFRESH_TOKEN", &seed)
        .env("MCP_DRAWBRIDGE_DIR", machine.cache().join("below"));
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, everything());
    add(&mut bridge);
    scene.provider.expire_access_tokens();
    add(&mut bridge);
    assert_eq!(scene.since(before), refreshes(2));
    let ended = bridge.close();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let said = ended
        .stderr
        .matches("kept in memory and end with this program");
    assert_eq!(said.count(), 1, "{}", ended.stderr);
    let collides = "each process that is started so sends the refresh token in the variable `MCP_DRAWBRIDGE_REFRESH_TOKEN`";
    assert_eq!(
        ended.stderr.matches(collides).count(),
        1,
        "{}",
        ended.stderr
    );
    assert_eq!(machine.opened(), [""; 0]);
}

#[test]
fn a_person_and_a_refresh_token_do_not_get_into_each_others_sign_in() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    let by_person = || {
        let mut bridge = Bridge::start_command(scene.command(&machine));
        bridge.initialize(NEWEST, everything());
        add(&mut bridge);
        bridge.close();
    };
    by_person();
    assert_eq!(machine.opened().len(), 1);
    let before = scene.provider.counts();
    scene.works(&machine, &seed);
    assert_eq!(scene.since(before), refreshes(1));
    let token = |mode: Option<&str>| {
        let files = machine.cached().into_iter().map(|path| {
            let bytes = fs::read(path).expect("a sign-in");
            serde_json::from_slice::<Value>(&bytes).expect("JSON")
        });
        let mut of_mode = files.filter(|file| file["mode"].as_str() == mode);
        of_mode.next().expect("one of this mode")["refresh_token"].clone()
    };
    assert_eq!(machine.cached().len(), 2);
    let (persons, seeds) = (token(None), token(Some("oauth-seeded")));
    assert_ne!(persons, seeds);
    // Each goes on with its own.
    by_person();
    scene.works(&machine, &seed);
    assert_eq!((token(None), token(Some("oauth-seeded"))), (persons, seeds));
    assert_eq!(scene.since(before), refreshes(1));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn under_a_name_the_sign_in_goes_on_without_the_variable() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    let named = |seed: Option<&str>| {
        let mut command = scene.command(&machine);
        command.args(["--name", "automation"]);
        command.envs(seed.map(|seed| ("MCP_DRAWBRIDGE_REFRESH_TOKEN", seed)));
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, everything());
        add(&mut bridge);
        bridge.close();
    };
    let before = scene.provider.counts();
    named(Some(&seed));
    let first = kept(&machine, "refresh_token");
    named(None);
    scene.expire(&machine);
    named(None);
    assert_ne!(kept(&machine, "refresh_token"), first);
    // And with it again: what followed it counts.
    named(Some(&seed));
    assert_eq!(scene.since(before), refreshes(2));
    assert_eq!(machine.opened(), [""; 0]);
}

#[test]
fn dead_seed_is_an_error_that_names_it_and_asks_nobody() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    scene.provider.revoke_grants();
    let before = scene.provider.counts();
    let mut bridge = scene.seeded(&machine, &seed);
    let answer = refused(&mut bridge);
    let text = message(&answer);
    assert!(text.contains("`MCP_DRAWBRIDGE_REFRESH_TOKEN`"), "{text}");
    assert!(text.contains("no other sign-in"), "{text}");
    assert!(text.contains("put a new refresh token there"), "{text}");
    assert_eq!(
        answer["error"]["data"]["bridge"]["retryable"], false,
        "{answer}"
    );
    assert!(!text.contains(&seed), "{text}");
    // It is sent once, however often something is asked for.
    refused_call(&mut bridge);
    refused_call(&mut bridge);
    let expected = Counts {
        refreshes_refused: 1,
        ..NOTHING
    };
    assert_eq!(scene.since(before), expected);
    assert_eq!(machine.opened(), [""; 0]);
    bridge.close();
}

fn refused_call(bridge: &mut Bridge) {
    let answer = bridge.call(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    );
    assert!(answer.get("error").is_some(), "{answer}");
}

#[test]
fn another_seed_counts_at_once_and_the_first_never_again() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let (first, second) = (scene.seed(), scene.seed());
    scene.works(&machine, &first);
    let of_first = kept(&machine, "refresh_token");
    let before = scene.provider.counts();
    scene.works(&machine, &second);
    assert_eq!(scene.since(before), refreshes(1));
    let of_second = kept(&machine, "refresh_token");
    assert!(of_second != of_first && of_second != second);
    // Sending it again would end its grant: the server takes it for stolen.
    scene.works(&machine, &first);
    assert_eq!(scene.since(before), refreshes(1));
    assert_eq!(kept(&machine, "refresh_token"), of_second);
}

#[test]
fn seed_that_is_refused_leaves_the_rotated_token_of_another_alone() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let first = scene.seed();
    scene.works(&machine, &first);
    let before = fs::read(machine.sign_in_file()).expect("a sign-in");
    let mut bridge = scene.seeded(&machine, "made-up");
    let answer = refused(&mut bridge);
    assert!(message(&answer).contains("stands as it was"), "{answer}");
    bridge.close();
    let tokens = |bytes: &[u8]| {
        let all: Value = serde_json::from_slice(bytes).expect("JSON");
        (
            all["refresh_token"].clone(),
            all["access_token"].clone(),
            all["seeds"].clone(),
        )
    };
    let after = fs::read(machine.sign_in_file()).expect("a sign-in");
    assert_eq!(tokens(&after), tokens(&before));
    scene.expire(&machine);
    scene.works(&machine, &first);
}

#[test]
fn when_all_that_followed_is_dead_the_error_says_so_and_the_seed_is_not_tried_again() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    scene.works(&machine, &seed);
    scene.provider.revoke_grants();
    scene.expire(&machine);
    let before = scene.provider.counts();
    let mut bridge = scene.seeded(&machine, &seed);
    let answer = refused(&mut bridge);
    assert!(message(&answer).contains("was used before"), "{answer}");
    let expected = Counts {
        refreshes_refused: 1,
        ..NOTHING
    };
    assert_eq!(scene.since(before), expected);
    bridge.close();
    // A new one heals it.
    let new = scene.seed();
    scene.works(&machine, &new);
    assert_eq!(machine.opened(), [""; 0]);
}

#[test]
fn server_that_fails_is_no_end_of_the_seed() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    scene
        .provider
        .fault(Fault::FailsBefore, 1, Some("refresh_token"));
    let before = scene.provider.counts();
    scene.works(&machine, &seed);
    let happened = scene.since(before);
    assert_eq!(
        (happened.refreshes, happened.reuses, happened.faults),
        (1, 0, 1)
    );
}

#[test]
fn no_secret_reaches_stderr() {
    let (scene, machine) = (Scene::new(), Machine::new());
    let seed = scene.seed();
    let mut said = scene.works(&machine, &seed);
    let mut secrets = vec![seed.clone(), SECRET.to_owned()];
    let mut collect = || {
        secrets.push(kept(&machine, "access_token"));
        secrets.push(kept(&machine, "refresh_token"));
    };
    collect();
    scene.expire(&machine);
    said.push_str(&scene.works(&machine, &seed));
    collect();
    scene.provider.revoke_grants();
    scene.expire(&machine);
    let mut bridge = scene.seeded(&machine, &seed);
    refused(&mut bridge);
    said.push_str(&bridge.close().stderr);
    assert!(said.contains("refresh"), "{said}");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!said.contains(secret.as_str()), "{said}");
    }
}
