//! Providers that are set up in other ways: each day of a sign-in passes with each of them.

use serde_json::json;

use super::{NOTHING, SIGN_IN, add, added, ask_to_add, at_the_provider, expire};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, Dpop, OidcProvider, Registration, Switches};

mod clients;
mod key;

const REGISTERED: Counts = Counts {
    registrations: 1,
    ..SIGN_IN
};

const REFRESH: Counts = Counts {
    refreshes: 1,
    ..NOTHING
};

#[test]
fn an_issuer_with_a_path() {
    let switches = Switches {
        path: "/tenant/acme",
        ..Switches::default()
    };
    let scene = Scene::new(&switches, &[]);
    each_day_passes(&scene, REGISTERED, SIGN_IN);
    let issuer = super::cached(&scene.machine)["issuer"].clone();
    assert_eq!(issuer, scene.provider.issuer.as_str());
    assert!(scene.provider.issuer.ends_with("/tenant/acme"));
}

#[test]
fn a_server_with_openid_discovery_alone() {
    let switches = Switches {
        openid_discovery_only: true,
        ..Switches::default()
    };
    each_day_passes(&Scene::new(&switches, &[]), REGISTERED, SIGN_IN);
}

#[test]
fn a_server_that_binds_tokens_to_a_key() {
    for (dpop, nonces) in [
        (Dpop::Required, false),
        (Dpop::Required, true),
        (Dpop::Optional, true),
    ] {
        let switches = Switches {
            dpop,
            nonces,
            ..Switches::default()
        };
        // Where it is optional, only the user says that it is to be done.
        let scene = Scene::new(&switches, &["--dpop", "always"]);
        each_day_passes(&scene, REGISTERED, SIGN_IN);
        let counts = scene.provider.counts();
        assert_eq!(counts.proofs_refused, 0);
        assert!(counts.proofs > 0 && (counts.nonces_asked > 0) == nonces);
        assert_eq!(super::cached(&scene.machine)["token_type"], "dpop");
    }
}

#[test]
fn a_server_that_demands_bound_tokens_gets_them_unasked() {
    let switches = Switches {
        dpop: Dpop::Required,
        nonces: true,
        ..Switches::default()
    };
    let scene = Scene::new(&switches, &[]);
    scene.costs("cold", REGISTERED, || scene.call());
    scene.costs("warm", NOTHING, || scene.call());
    assert_eq!(scene.provider.counts().proofs_refused, 0);
}

#[test]
fn a_server_that_does_not_know_resource_indicators() {
    let switches = Switches {
        no_resource_indicators: true,
        ..Switches::default()
    };
    each_day_passes(&Scene::new(&switches, &[]), REGISTERED, SIGN_IN);
}

#[test]
fn a_server_that_wants_requests_pushed() {
    let switches = Switches {
        pushed: true,
        ..Switches::default()
    };
    let pushed = |counts| Counts {
        pushed: 1,
        ..counts
    };
    let scene = Scene::new(&switches, &[]);
    each_day_passes(&scene, pushed(REGISTERED), pushed(SIGN_IN));
    // Nothing of the request is in the address but where it lies (RFC 9126 §4).
    for address in scene.machine.opened() {
        assert!(address.contains("request_uri="), "{address}");
        assert!(!address.contains("code_challenge"), "{address}");
    }
}

#[test]
fn a_server_that_wants_proofs_of_possession() {
    let switches = Switches {
        dpop: Dpop::Required,
        ..Switches::default()
    };
    let scene = Scene::new(&switches, &[]);
    each_day_passes(&scene, REGISTERED, SIGN_IN);
    let counts = scene.provider.counts();
    assert_eq!((counts.proofs_refused, counts.nonces_asked), (0, 0));
    assert!(counts.proofs > 10, "{counts:?}");
}

#[test]
fn a_server_that_wants_proofs_with_its_nonces() {
    let switches = Switches {
        dpop: Dpop::Required,
        nonces: true,
        pushed: true,
        path: "/tenant/acme",
        ..Switches::default()
    };
    let pushed = |counts| Counts {
        pushed: 1,
        pushed_proven: 1,
        ..counts
    };
    let scene = Scene::new(&switches, &[]);
    each_day_passes(&scene, pushed(REGISTERED), pushed(SIGN_IN));
    let counts = scene.provider.counts();
    assert_eq!(counts.proofs_refused, 0);
    assert!(counts.nonces_asked >= 2, "{counts:?}");
}

#[test]
fn a_server_that_offers_proofs_gets_them_when_told_so() {
    let switches = Switches {
        dpop: Dpop::Optional,
        ..Switches::default()
    };
    for (mode, is_bound) in [("always", true), ("never", false)] {
        let scene = Scene::new(&switches, &["--dpop", mode]);
        each_day_passes(&scene, REGISTERED, SIGN_IN);
        let counts = scene.provider.counts();
        assert_eq!(counts.proofs > 0, is_bound, "{mode}: {counts:?}");
        assert_eq!(counts.proofs_refused, 0, "{mode}");
    }
}

#[test]
fn a_server_that_takes_registrations_with_its_token_alone() {
    const TOKEN: &str = "INITIAL_ACCESS_TOKEN_1";
    let switches = Switches {
        registration: Registration::Token(TOKEN),
        ..Switches::default()
    };
    let mut scene = Scene::new(
        &switches,
        &["--initial-access-token-env", "REGISTRAR_TOKEN"],
    );
    scene.environment = vec![("REGISTRAR_TOKEN", TOKEN.to_owned())];
    each_day_passes(&scene, REGISTERED, SIGN_IN);
}

#[test]
fn signing_out_deletes_the_client_that_was_registered() {
    let scene = Scene::new(&Switches::default(), &[]);
    scene.call();
    let before = scene.provider.counts();
    let mut logout = scene.machine.command();
    let out = logout
        .args(["logout", scene.provider.url.as_str()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{errors}");
    let expected = Counts {
        deletions: 1,
        grants_revoked: 1,
        ..NOTHING
    };
    assert_eq!(scene.provider.counts() - before, expected, "{errors}");
}

/// A provider, a machine, and how a bridge is started there.
struct Scene {
    provider: OidcProvider,
    machine: Machine,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Scene {
    fn new(switches: &Switches, arguments: &[&str]) -> Self {
        Self {
            provider: OidcProvider::with(switches),
            machine: Machine::new(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
        }
    }

    fn open(&self) -> Bridge {
        let mut bridge = self.start();
        bridge.initialize("2025-11-25", json!({}));
        bridge
    }

    fn start(&self) -> Bridge {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut command = Bridge::command(&self.machine, self.provider.url.as_str(), &arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Bridge::start_command(command)
    }

    /// Opens a session, calls a tool, and closes.
    fn call(&self) {
        let mut bridge = self.open();
        add(&mut bridge);
        bridge.close();
    }

    /// Does it and compares what it cost at the provider.
    fn costs(&self, what: &str, expected: Counts, act: impl FnOnce()) {
        let before = self.provider.counts();
        act();
        let cost = at_the_provider(self.provider.counts() - before);
        assert_eq!(cost, expected, "{what}");
    }
}

/// Cold, warm, expired, refused, revoked and in want of more scope. `first` is what the first sign-in costs, `again` what a
/// later one does.
fn each_day_passes(scene: &Scene, first: Counts, again: Counts) {
    let Scene {
        provider, machine, ..
    } = scene;
    scene.costs("cold", first, || scene.call());
    scene.costs("warm", NOTHING, || scene.call());
    scene.costs("expired", REFRESH, || {
        expire(provider, machine);
        scene.call();
    });
    scene.costs("refused in the middle", REFRESH, || {
        let mut bridge = scene.open();
        provider.revoke_access_tokens();
        add(&mut bridge);
        bridge.close();
    });
    let refused = Counts {
        refreshes_refused: 1,
        ..again
    };
    scene.costs("revoked", refused, || {
        provider.revoke_grants();
        scene.call();
    });
    scene.costs("step-up", again, || {
        let mut bridge = scene.open();
        provider.require_scope("mcp:admin");
        let ids: Vec<u64> = (0..5).map(|_| ask_to_add(&mut bridge)).collect();
        for id in ids {
            added(&mut bridge, id);
        }
        bridge.close();
    });
    scene.costs("warm after step-up", NOTHING, || scene.call());
    assert_eq!(machine.opened().len(), 3);
}
