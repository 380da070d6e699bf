//! Servers that do not take `resource` (RFC 8707): it is left out once, and from then on.

use playground::ResourceParameter;

use super::*;

/// Which requests to the authorization server named a `resource`; those to an identity provider are
/// another's.
fn named(scene: &Scene) -> Vec<bool> {
    let requests = scene.playground.requests();
    let at_the_server = requests.iter().filter(|one| one.path == "/token");
    at_the_server
        .map(|one| one.parameter("resource").is_some())
        .collect()
}

#[test]
fn a_token_is_asked_for_once_more_without_it_and_that_is_remembered() {
    for rule in [
        ResourceParameter::Refused,
        ResourceParameter::RefusedInWords,
    ] {
        for scene in Scene::all() {
            scene
                .playground
                .change(|settings| settings.resource_parameter = rule);
            scene.visit();
            let provider = scene.grants[0] == EXCHANGE;
            assert_eq!(named(&scene), [true, false], "{rule:?}");
            scene.visit();
            for count in [3, 4] {
                scene.machine.expire_cached();
                let before = scene.playground.requests().len();
                scene.visit();
                assert_eq!(named(&scene).len(), count, "{rule:?}");
                for request in scene.playground.requests().split_off(before) {
                    let named = request.parameter("resource");
                    // An identity provider of the same mind is asked by each process.
                    assert!(named.is_none() || provider && request.path == "/idp/token");
                }
            }
            scene.nobody_was_asked();
        }
    }
}

#[test]
fn one_that_the_user_named_is_not_left_out() {
    for mut scene in Scene::all() {
        let rule = ResourceParameter::Refused;
        scene
            .playground
            .change(|settings| settings.resource_parameter = rule);
        let url = scene.playground.mcp_url();
        scene.arguments.extend(words(&["--resource", &url]));
        let said = scene.refused();
        assert!(said.contains("invalid_target"), "{said}");
        assert_eq!(scene.asked().len(), 1, "{}", scene.playground.printed_log());
    }
}
