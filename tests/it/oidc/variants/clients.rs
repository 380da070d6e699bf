//! Clients that a person registered by hand, with all that proves who they are.

use serde_json::{Value, json};

use super::key::{KEYS, Key};
use super::{NOTHING, SIGN_IN, Scene, add, added, ask_to_add, each_day_passes, expire};
use crate::support::oidc::{Counts, Dpop, Registration, Switches};

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
fn a_server_without_registration_and_a_configured_client_with_a_key() {
    let public: Value = serde_json::from_str(crate::clients::PUBLIC_KEY).expect("JSON");
    let mut client = public_client();
    client["token_endpoint_auth_method"] = json!("private_key_jwt");
    client["jwks"] = json!({ "keys": [public] });
    let switches = Switches {
        registration: Registration::Off,
        clients: vec![client],
        ..Switches::default()
    };
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let key = crate::clients::key_file(folder.path());
    let arguments = ["--client-id", "by-hand", "--client-assertion-key", &key];
    each_day_passes(&Scene::new(&switches, &arguments), SIGN_IN, SIGN_IN);
}

#[test]
fn a_client_that_shows_who_it_is_by_its_key() {
    for (alg, generate) in KEYS {
        let key = Key::generate(alg, generate);
        let mut client = public_client();
        client["token_endpoint_auth_method"] = json!("private_key_jwt");
        client["token_endpoint_auth_signing_alg"] = json!(alg);
        client["jwks"] = json!({ "keys": [key.public_jwk()] });
        let switches = Switches {
            registration: Registration::Off,
            clients: vec![client],
            ..Switches::default()
        };
        let arguments = ["--client-id", "by-hand"];
        let scene = Scene::new(&switches, &[&arguments, &*key.options()].concat());
        each_day_passes(&scene, SIGN_IN, SIGN_IN);
    }
}

#[test]
fn a_client_on_its_own_behalf_with_a_secret() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let mut client = service();
        client["client_secret"] = json!("se:cr%et +/&");
        client["token_endpoint_auth_method"] = json!(method);
        let mut scene = Scene::new(
            &of_service(client),
            &["--client-credentials", "--client-id", "service"],
        );
        scene.environment = vec![("MCP_DRAWBRIDGE_CLIENT_SECRET", "se:cr%et +/&".to_owned())];
        each_day_without_a_person_passes(&scene);
    }
}

#[test]
fn a_client_on_its_own_behalf_with_a_key() {
    for (alg, generate) in KEYS {
        let key = Key::generate(alg, generate);
        let mut client = service();
        client["token_endpoint_auth_method"] = json!("private_key_jwt");
        client["token_endpoint_auth_signing_alg"] = json!(alg);
        client["jwks"] = json!({ "keys": [key.public_jwk()] });
        let arguments = ["--client-credentials", "--client-id", "service"];
        let arguments = [&arguments, &*key.options()].concat();
        each_day_without_a_person_passes(&Scene::new(&of_service(client), &arguments));
    }
}

#[test]
fn a_client_on_its_own_behalf_with_tokens_that_are_bound_to_a_key() {
    for (dpop, nonces, mode) in [
        (Dpop::Required, true, "auto"),
        (Dpop::Required, false, "always"),
        (Dpop::Optional, false, "always"),
    ] {
        let mut client = service();
        client["client_secret"] = json!("SERVICE_SECRET");
        client["token_endpoint_auth_method"] = json!("client_secret_basic");
        let switches = Switches {
            dpop,
            nonces,
            ..of_service(client)
        };
        let arguments = ["--client-credentials", "--client-id", "service"];
        let arguments = [&arguments[..], &["--dpop", mode]].concat();
        let mut scene = Scene::new(&switches, &arguments);
        scene.environment = vec![("MCP_DRAWBRIDGE_CLIENT_SECRET", "SERVICE_SECRET".to_owned())];
        each_day_without_a_person_passes(&scene);
        let counts = scene.provider.counts();
        assert_eq!(counts.proofs_refused, 0, "{mode}");
        assert!(counts.proofs > 5, "{mode}: {counts:?}");
        assert_eq!(counts.nonces_asked > 0, nonces, "{mode}: {counts:?}");
        assert_eq!(scene.machine.sign_in()["token_type"], "dpop");
    }
}

/// A provider that knows this client and nobody else.
fn of_service(client: Value) -> Switches {
    Switches {
        registration: Registration::Off,
        clients: vec![client],
        ..Switches::default()
    }
}

/// A client that acts for itself.
fn service() -> Value {
    json!({
        "client_id": "service",
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "response_types": [],
    })
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

/// The same where the client acts for itself: nobody is asked, and a token that is of no use is replaced.
fn each_day_without_a_person_passes(scene: &Scene) {
    let Scene {
        provider, machine, ..
    } = scene;
    let token = Counts {
        client_credentials: 1,
        ..NOTHING
    };
    scene.costs("cold", token, || scene.call());
    scene.costs("warm", NOTHING, || scene.call());
    scene.costs("expired", token, || {
        expire(provider, machine);
        scene.call();
    });
    scene.costs("refused in the middle", token, || {
        let mut bridge = scene.open();
        provider.revoke_access_tokens();
        let ids: Vec<u64> = (0..5).map(|_| ask_to_add(&mut bridge)).collect();
        for id in ids {
            added(&mut bridge, id);
        }
        bridge.close();
    });
    scene.costs("step-up", token, || {
        let mut bridge = scene.open();
        provider.require_scope("mcp:admin");
        add(&mut bridge);
        bridge.close();
    });
    scene.costs("warm after step-up", NOTHING, || scene.call());
    assert!(machine.opened().is_empty());
}
