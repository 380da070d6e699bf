//! Who asks for the next token, bound to what, and whether it may help to try again.

use super::*;

#[test]
fn a_token_of_another_client_is_not_renewed_in_the_name_of_the_configured_one() {
    let end = signed_in(client_credentials(), -10)
        .with(|world| {
            for known in world.cache.clients.values_mut() {
                known.client.client_id = "FORMER".to_owned();
            }
        })
        .silent();
    assert_eq!(end.token(), Some("NEW_ACCESS_1"));
    assert_eq!(end.did(&format!("fetch {PRM}")), 1, "{:?}", end.log());
    assert_eq!(end.world.requests[0].client.client_id, "SERVICE");
}

#[test]
fn without_a_client_only_a_workload_asks() {
    for way in [client_credentials(), by_endpoint()] {
        let end = world(way)
            .with(|world| world.settings.client = None)
            .challenged();
        assert!(matches!(end.error(), FlowError::NoRegistration { .. }));
        assert!(end.world.requests.is_empty());
    }
}

#[test]
fn a_bound_token_is_replaced_by_one_that_is_bound_to_the_same_key() {
    for way in ways() {
        let key = ProofKey::generate().unwrap();
        let end = signed_in(way, -10)
            .with(|world| {
                let tokens = &mut world.cache.grant.as_mut().unwrap().tokens;
                tokens.token_type = "DPoP".to_owned();
                tokens.proof_key = Some(key.clone());
            })
            .silent();
        let request = end.world.requests.last().unwrap();
        let binding = request.binding.as_ref().expect("a proof");
        assert_eq!(binding.key, key);
    }
}

#[test]
fn what_only_the_network_kept_from_happening_may_succeed_later() {
    let end = world(by_issuer())
        .with(|world| world.fail_to_serve(IDP_METADATA))
        .challenged();
    assert!(end.error().is_transient(), "{}", end.error());
    let missing = world(by_issuer())
        .with(|world| world.pages.remove(IDP_METADATA).map_or((), drop))
        .challenged();
    assert!(!missing.error().is_transient(), "{}", missing.error());
    for transient in [true, false] {
        let reason = "down".to_owned();
        let note = crate::oauth::sign_in::FailureNote::after(None, reason, transient);
        let end = world(workload())
            .with(|world| {
                let mut cache = SignIn::default();
                cache.failures.sign_in = Some(note);
                world.sibling_refreshes = Some(cache);
            })
            .challenged();
        assert_eq!(end.error().is_transient(), transient);
    }
}
