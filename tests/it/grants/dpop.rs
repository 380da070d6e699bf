//! Tokens without a person that are bound to a key (RFC 9449). The playground verifies every proof.

use playground::{Dpop, Fault, Nonces, Then};

use super::*;

/// A server that takes nothing else, with such nonces.
fn demanded(nonces: Nonces) -> Dpop {
    Dpop {
        required: true,
        authorization_nonces: nonces,
        mcp_nonces: nonces,
        ..Dpop::offered()
    }
}

/// An authorization server that offers it, for a server that takes either.
fn offered() -> Dpop {
    Dpop {
        challenge: false,
        ..Dpop::offered()
    }
}

impl Scene {
    fn with(mut self, dpop: Dpop, mode: &str) -> Self {
        self.playground.change(|settings| settings.dpop = dpop);
        self.arguments.extend(words(&["--dpop", mode]));
        self
    }

    /// The grants that were given, in order; those that were asked for once more with a nonce count
    /// once.
    fn given(&self) -> Vec<String> {
        let requests = self.playground.requests();
        let given = requests.iter().filter(|one| one.status == Some(200));
        given.filter_map(grant).collect()
    }

    fn tokens_given(&self, count: usize) {
        let expected = self.grants.repeat(count);
        assert_eq!(self.given(), expected, "{}", self.playground.printed_log());
    }

    /// Every token that was sent, and every request for one, had exactly one proof, and each was
    /// good. The identity provider gets none: what it gives is no token.
    fn all_is_proven(&self) {
        assert_eq!(self.playground.refused_proofs(), [""; 0]);
        for request in self.playground.requests() {
            assert_eq!(request.bearer(), None, "{}", self.playground.printed_log());
            let expected = request.dpop_token().is_some() || request.path == "/token";
            let proofs = request.headers.get_all("dpop").iter().count();
            assert_eq!(proofs, usize::from(expected), "{}", request.path);
        }
    }
}

#[test]
fn a_token_is_bound_where_the_server_or_the_user_wants_it_and_its_key_is_kept() {
    for (dpop, mode) in [
        (demanded(Nonces::None), "auto"),
        (demanded(Nonces::Lasting), "auto"),
        (demanded(Nonces::Once), "always"),
        (offered(), "always"),
    ] {
        for scene in Scene::all() {
            let scene = scene.with(dpop.clone(), mode);
            scene.visit();
            let first = scene.machine.sign_in();
            assert_eq!(first["token_type"], "dpop", "{first}");
            assert!(first["dpop_key"].is_string());
            scene.visit();
            scene.tokens_given(1);
            scene.machine.expire_cached();
            scene.visit();
            scene.tokens_given(2);
            let second = scene.machine.sign_in();
            assert_eq!(second["dpop_key"], first["dpop_key"]);
            assert_ne!(second["access_token"], first["access_token"]);
            scene.all_is_proven();
        }
    }
}

#[test]
fn a_refused_token_is_replaced_by_another_that_is_bound() {
    for scene in Scene::all() {
        let scene = scene.with(demanded(Nonces::Lasting), "auto");
        let url = scene.playground.mcp_url();
        let mut bridge = Bridge::open(&scene.machine, &url, &scene.arguments());
        bridge.tool("echo", json!({ "text": "one" }));
        scene.playground.expire_access_tokens();
        let result = bridge.tool("echo", json!({ "text": "two" }));
        assert!(result.to_string().contains("two"), "{result}");
        assert!(bridge.close().status.success());
        scene.tokens_given(2);
        scene.all_is_proven();
        scene.nobody_was_asked();
    }
}

#[test]
fn nobody_proves_anything_unasked() {
    for mode in ["auto", "never"] {
        for scene in Scene::all() {
            let scene = scene.with(offered(), mode);
            scene.visit();
            assert_eq!(scene.playground.proofs(), 0, "{mode}");
            assert_eq!(scene.machine.sign_in().get("dpop_key"), None);
        }
    }
}

#[test]
fn a_token_that_is_not_bound_is_refused_where_that_is_wanted_always() {
    for scene in Scene::all() {
        let lax = Dpop {
            binds: false,
            ..offered()
        };
        let said = scene.with(lax, "always").refused();
        assert!(said.contains("bound to a key"), "{said}");
    }
}

#[test]
fn processes_that_start_together_share_one_token_and_one_key() {
    for scene in Scene::all() {
        let scene = scene.with(demanded(Nonces::Lasting), "auto");
        let mut bridges: Vec<Bridge> = (0..5).map(|_| scene.start()).collect();
        for bridge in &mut bridges {
            bridge.initialize("2025-11-25", json!({}));
            bridge.tool("echo", json!({ "text": "hello" }));
        }
        for bridge in bridges {
            assert!(bridge.close().status.success());
        }
        scene.tokens_given(1);
        scene.all_is_proven();
    }
}

#[test]
fn what_came_with_a_proof_that_was_refused_is_handed_in_again() {
    for scene in Scene::all() {
        let scene = scene.with(demanded(Nonces::None), "auto");
        let refusal = r#"{"error":"invalid_dpop_proof","error_description":"too old"}"#;
        let refused = Then::answer(400)
            .header("content-type", "application/json")
            .body(refusal);
        let grant = scene.grants[scene.grants.len() - 1];
        scene.playground.fault(Fault::token(grant).then(refused));
        let mut bridge = scene.start();
        let said = initialize_fails(&mut bridge);
        assert!(said.contains("`invalid_dpop_proof`: too old"), "{said}");
        assert!(said.contains("check the clock"), "{said}");
        // The same JWT, which is as good as it was.
        bridge.initialize("2025-11-25", json!({}));
        bridge.tool("echo", json!({ "text": "hello" }));
        assert!(bridge.close().status.success());
        scene.nobody_was_asked();
    }
}
