//! An MCP server that takes ID tokens and no access tokens. It verifies them with the provider's keys.

use std::process::Command;

use serde_json::{Value, json};

use super::{NOTHING, SIGN_IN, add, add_ten_at_once, at_the_provider, cached, refused};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, IdTokens, OidcProvider, Registration, Switches, automation};

const REGISTERED: Counts = Counts {
    registrations: 1,
    ..SIGN_IN
};

fn refreshes(count: u64) -> Counts {
    Counts {
        refreshes: count,
        ..NOTHING
    }
}

struct Scene {
    provider: OidcProvider,
    machine: Machine,
}

impl Scene {
    fn new(id_tokens: IdTokens) -> Self {
        Self {
            provider: OidcProvider::with(&Switches {
                id_tokens,
                ..Switches::default()
            }),
            machine: Machine::new(),
        }
    }

    fn start(&self) -> Bridge {
        let arguments = ["--use-id-token", "--debug"];
        Bridge::start(&self.machine, self.provider.url.as_str(), &arguments)
    }

    fn open(&self) -> Bridge {
        let mut bridge = self.start();
        bridge.initialize("2025-11-25", json!({}));
        bridge
    }

    /// Opens a session, calls a tool, closes, and gives what was said.
    fn call(&self) -> String {
        let mut bridge = self.open();
        add(&mut bridge);
        bridge.close().stderr
    }

    fn costs<T>(&self, what: &str, expected: Counts, act: impl FnOnce() -> T) -> T {
        let before = self.provider.counts();
        let outcome = act();
        let cost = at_the_provider(self.provider.counts() - before);
        assert_eq!(cost, expected, "{what}");
        outcome
    }

    /// The ID token stands in the place of the access token, and is the one that is kept.
    fn id_token_is_in_place(&self) -> Value {
        let cached = cached(&self.machine);
        assert!(cached["id_token"].is_string(), "{cached}");
        assert_eq!(cached["access_token"], cached["id_token"]);
        assert_eq!(cached["token_type"], "Bearer");
        cached
    }
}

#[test]
fn it_is_sent_refreshed_and_kept_like_an_access_token() {
    let scene = Scene::new(IdTokens::Taken);
    let said = scene.costs("cold", REGISTERED, || scene.call());
    assert!(said.contains("which no specification has"), "{said}");
    let first = scene.id_token_is_in_place();
    scene.costs("warm", NOTHING, || scene.call());
    scene.costs("ended", refreshes(1), || {
        scene.machine.expire_cached();
        scene.call()
    });
    let second = scene.id_token_is_in_place();
    assert_ne!(second["id_token"], first["id_token"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    scene.costs("refused in the middle", refreshes(1), || {
        let mut bridge = scene.open();
        add(&mut bridge);
        scene.provider.refuse_id_tokens();
        add_ten_at_once(&mut bridge);
        bridge.close();
    });
    scene.id_token_is_in_place();
    scene.costs("warm again", NOTHING, || scene.call());
    let revoked = Counts {
        refreshes_refused: 1,
        ..SIGN_IN
    };
    scene.costs("revoked", revoked, || {
        scene.provider.revoke_grants();
        scene.machine.expire_cached();
        scene.call()
    });
    assert_eq!(scene.machine.opened().len(), 2);
    let openid = |address: &String| address.contains("openid");
    assert!(scene.machine.opened().iter().all(openid));
    // No token reaches stderr.
    for member in ["id_token", "access_token", "refresh_token"] {
        let token = first[member].as_str().expect("a token");
        assert!(!said.contains(token), "{member}");
    }
}

#[test]
fn status_tells_that_it_is_sent_when_it_ends_and_whether_a_refresh_brings_another() {
    for (id_tokens, outcome) in [
        (IdTokens::Taken, "refreshed"),
        (IdTokens::AtSignInOnly, "not_refreshable"),
    ] {
        let scene = Scene::new(id_tokens);
        scene.call();
        let status = |arguments: &[&str]| {
            let mut command = scene.machine.command();
            command.args(["status", "--json"]).args(arguments);
            let output = command.output().expect("it runs");
            let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            document["sign_ins"][0].clone()
        };
        let before = status(&[]);
        assert_eq!(before["sends"], "id_token", "{before}");
        let ends = before["expires_at"].as_u64().expect("an end");
        let checked = status(&["--check"]);
        assert_eq!(checked["check"]["outcome"], outcome, "{checked}");
        assert_eq!(checked["sends"], "id_token", "{checked}");
        // What was sent before is sent still, and ends when it did.
        let still = checked["expires_at"].as_u64().expect("an end");
        assert!(still >= ends && still - ends < 120, "{checked}");
        scene.costs("afterwards", NOTHING, || scene.call());
        assert_eq!(scene.provider.counts().reuses, 0);
        assert_eq!(scene.machine.opened().len(), 1);
    }
}

#[test]
fn an_access_token_is_no_use_there() {
    let scene = Scene::new(IdTokens::Taken);
    let mut bridge = Bridge::start(&scene.machine, scene.provider.url.as_str(), &[]);
    refused(&mut bridge);
    bridge.close();
}

#[test]
fn a_refresh_without_one_costs_neither_the_refresh_token_nor_a_sign_in_before_its_time() {
    let scene = Scene::new(IdTokens::AtSignInOnly);
    scene.costs("cold", REGISTERED, || scene.call());
    let first = scene.id_token_is_in_place();
    let said = scene.costs("due", refreshes(1), || {
        // By what stands in the cache; what stands in the token is an hour away.
        scene.machine.expire_cached();
        scene.call()
    });
    assert!(said.contains("brought no ID token"), "{said}");
    let rotated = cached(&scene.machine);
    assert_ne!(rotated["refresh_token"], first["refresh_token"]);
    assert_eq!(rotated["id_token"], first["id_token"]);
    assert_eq!(scene.machine.opened().len(), 1);
    scene.costs("restarted", NOTHING, || scene.call());
    // It is worth nothing any more: the refresh token that is kept is good, but does not help.
    let anew = Counts {
        refreshes: 1,
        ..SIGN_IN
    };
    scene.costs("refused", anew, || {
        scene.provider.refuse_id_tokens();
        scene.call()
    });
    scene.id_token_is_in_place();
    assert_eq!(scene.machine.opened().len(), 2);
    scene.costs("warm", NOTHING, || scene.call());
    assert_eq!(scene.provider.counts().reuses, 0);
}

#[test]
fn ten_that_start_together_share_one_sign_in_and_one_refresh() {
    let scene = Scene::new(IdTokens::Taken);
    let together = || {
        let mut bridges: Vec<Bridge> = (0..10).map(|_| scene.start()).collect();
        for bridge in &mut bridges {
            bridge.initialize("2025-11-25", json!({}));
            add(bridge);
        }
        bridges.into_iter().for_each(|bridge| drop(bridge.close()));
    };
    scene.costs("cold", REGISTERED, together);
    scene.machine.expire_cached();
    scene.costs("ended", refreshes(1), together);
    assert_eq!(scene.machine.opened().len(), 1);
}

mod from_a_refresh_token {
    use super::*;

    const SECRET: &str = "CLIENT_SECRET_OF_THE_AUTOMATION";

    fn provider(id_tokens: IdTokens) -> OidcProvider {
        OidcProvider::with(&Switches {
            registration: Registration::Off,
            clients: vec![automation(SECRET)],
            id_tokens,
            ..Switches::default()
        })
    }

    fn command(provider: &OidcProvider, machine: &Machine) -> Command {
        let arguments = ["--use-id-token", "--debug"];
        let mut command = Bridge::command(machine, provider.url.as_str(), &arguments);
        command
            .env("MCP_DRAWBRIDGE_CLIENT_ID", "automation")
            .env("MCP_DRAWBRIDGE_CLIENT_SECRET", SECRET);
        command
    }

    fn call(command: Command) {
        let mut bridge = Bridge::start_command(command);
        bridge.initialize("2025-11-25", json!({}));
        add(&mut bridge);
        bridge.close();
    }

    /// A refresh token that somebody got in a browser, on another machine.
    fn seed(provider: &OidcProvider) -> String {
        let machine = Machine::new();
        call(command(provider, &machine));
        let token = machine.sign_in()["refresh_token"]
            .as_str()
            .map(str::to_owned);
        token.expect("a refresh token")
    }

    fn seeded(provider: &OidcProvider, machine: &Machine, seed: &str) -> Command {
        let mut command = command(provider, machine);
        command.env("MCP_DRAWBRIDGE_REFRESH_TOKEN", seed);
        command
    }

    #[test]
    fn it_is_got_and_kept_without_a_person() {
        let (provider, machine) = (provider(IdTokens::Taken), Machine::new());
        let seed = seed(&provider);
        let before = provider.counts();
        call(seeded(&provider, &machine, &seed));
        call(seeded(&provider, &machine, &seed));
        machine.expire_cached();
        call(seeded(&provider, &machine, &seed));
        assert_eq!(at_the_provider(provider.counts() - before), refreshes(2));
        assert_eq!(machine.opened(), [""; 0]);
        let cached = machine.sign_in();
        assert_eq!(cached["access_token"], cached["id_token"]);
    }

    #[test]
    fn where_it_brings_none_the_error_says_so_and_its_successor_is_kept() {
        let (provider, machine) = (provider(IdTokens::AtSignInOnly), Machine::new());
        let seed = seed(&provider);
        let before = provider.counts();
        let mut bridge = Bridge::start_command(seeded(&provider, &machine, &seed));
        let answer = refused(&mut bridge);
        let text = answer["error"]["message"].as_str().expect("a message");
        assert!(
            text.contains("`MCP_DRAWBRIDGE_REFRESH_TOKEN` brings no ID token"),
            "{text}"
        );
        assert_eq!(answer["error"]["data"]["bridge"]["retryable"], false);
        refused(&mut bridge);
        bridge.close();
        assert_eq!(at_the_provider(provider.counts() - before), refreshes(1));
        let kept = machine.sign_in()["refresh_token"].clone();
        assert!(kept.is_string() && kept != seed.as_str());
        // The next start tries its successor, and not it: the provider would take it for stolen.
        let mut bridge = Bridge::start_command(seeded(&provider, &machine, &seed));
        refused(&mut bridge);
        bridge.close();
        assert_eq!(at_the_provider(provider.counts() - before), refreshes(2));
        assert_eq!(machine.opened(), [""; 0]);
    }
}
