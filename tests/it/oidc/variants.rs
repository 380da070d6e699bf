//! Providers that are set up in other ways: each day of a sign-in passes with each of them.

use serde_json::{Value, json};

use super::{NOTHING, SIGN_IN, add, added, ask_to_add, at_the_provider, expire};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, OidcProvider, Registration, Switches};

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
fn a_server_without_registration_and_a_configured_public_client() {
    let switches = Switches {
        registration: Registration::Off,
        clients: vec![public_client()],
        ..Switches::default()
    };
    let scene = Scene::new(&switches, &["--static-oauth-client-info", PUBLIC]);
    each_day_passes(&scene, SIGN_IN, SIGN_IN);
}

#[test]
fn a_server_without_registration_and_a_configured_client_with_a_secret() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let mut client = public_client();
        // What RFC 6749 §2.3.1 has encoded before it goes into a header.
        client["client_secret"] = json!("se:cr%et +/&");
        client["token_endpoint_auth_method"] = json!(method);
        let switches = Switches {
            registration: Registration::Off,
            clients: vec![client],
            ..Switches::default()
        };
        let known = json!({
            "client_id": "by-hand",
            "client_secret": "se:cr%et +/&",
            "token_endpoint_auth_method": method,
        });
        let known = known.to_string();
        let scene = Scene::new(&switches, &["--static-oauth-client-info", &known]);
        each_day_passes(&scene, SIGN_IN, SIGN_IN);
    }
}

#[test]
fn a_server_that_does_not_know_resource_indicators() {
    let switches = Switches {
        no_resource_indicators: true,
        ..Switches::default()
    };
    each_day_passes(&Scene::new(&switches, &[]), REGISTERED, SIGN_IN);
}

/// RFC 9126: each authorization request is left at the provider, and the browser only refers to it.
#[test]
fn a_server_that_takes_pushed_requests_only() {
    let switches = Switches {
        pushed: true,
        ..Switches::default()
    };
    let scene = Scene::new(&switches, &[]);
    let pushed = |counts: Counts| Counts {
        pushed: 1,
        ..counts
    };
    each_day_passes(&scene, pushed(REGISTERED), pushed(SIGN_IN));
    for address in scene.machine.opened() {
        let url = url::Url::parse(&address).expect("an address");
        let names: Vec<_> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(names, ["client_id", "request_uri"], "{address}");
    }
}

#[test]
fn a_server_that_takes_pushed_requests_only_and_a_configured_client_with_a_secret() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let mut client = public_client();
        client["client_secret"] = json!("se:cr%et +/&");
        client["token_endpoint_auth_method"] = json!(method);
        let switches = Switches {
            pushed: true,
            registration: Registration::Off,
            clients: vec![client.clone()],
            ..Switches::default()
        };
        let known = json!({
            "client_id": "by-hand",
            "client_secret": "se:cr%et +/&",
            "token_endpoint_auth_method": method,
        });
        let scene = Scene::new(
            &switches,
            &["--static-oauth-client-info", &known.to_string()],
        );
        let once = Counts {
            pushed: 1,
            ..SIGN_IN
        };
        scene.costs("cold", once, || scene.call());
    }
}

/// What a person who registered a client by hand gives the bridge.
const PUBLIC: &str = r#"{ "client_id": "by-hand" }"#;

/// A client that a person registered by hand. RFC 8252 §7.3: any port will do.
fn public_client() -> Value {
    json!({
        "client_id": "by-hand",
        "application_type": "native",
        "redirect_uris": ["http://localhost/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

/// A provider, a machine, and how a bridge is started there.
struct Scene {
    provider: OidcProvider,
    machine: Machine,
    arguments: Vec<String>,
}

impl Scene {
    fn new(switches: &Switches, arguments: &[&str]) -> Self {
        Self {
            provider: OidcProvider::with(switches),
            machine: Machine::new(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    fn open(&self) -> Bridge {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Bridge::open(&self.machine, self.provider.url.as_str(), &arguments)
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
