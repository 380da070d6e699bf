//! Servers that do not take the `resource` parameter, asked without a person.

use super::*;

fn wrong_target(words: &str) -> TokenError {
    let refusal = Refusal {
        description: Some(words.to_owned()).filter(|words| !words.is_empty()),
        ..refusal("invalid_target")
    };
    TokenError::InvalidTarget(refusal)
}

/// The requests to the authorization server, without those to an identity provider.
fn at_the_server(end: &End) -> Vec<&TokenRequest> {
    let requests = end.world.requests.iter();
    let at_the_server =
        |request: &&TokenRequest| !matches!(request.grant, GrantRequest::TokenExchange(_));
    requests.filter(at_the_server).collect()
}

#[test]
fn a_resource_that_is_refused_is_left_out_once_and_from_then_on() {
    for way in ways_and_seed() {
        let end = world(way.clone())
            .answering([Err(wrong_target(""))])
            .challenged()
            .asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"), "{way:?}");
        let sent: Vec<_> = at_the_server(&end)
            .iter()
            .map(|request| request.resource.is_some())
            .collect();
        assert_eq!(sent, [true, false], "{way:?}");
        assert!(end.noted("refused the `resource` parameter"));
        let known = &end.world.cache.clients[&Issuer::new(ISSUER)];
        assert!(known.resource_refused, "{way:?}");
        assert_eq!(end.world.cache.grant.as_ref().unwrap().resource, None);
        // In the place of a refused token, by the metadata once more.
        let world = end.world.with(|world| {
            world.requests.clear();
            world.locked = false;
        });
        let end = world.refused().asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_2"), "{way:?}");
        assert!(end.world.requests.iter().all(|one| one.resource.is_none()));
        // And of one that has ended.
        let world = end.world.with(|world| {
            world.requests.clear();
            world.locked = false;
            world.now += 7200;
        });
        let end = world.silent().asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_3"), "{way:?}");
        assert!(end.world.requests.iter().all(|one| one.resource.is_none()));
    }
}

#[test]
fn a_resource_is_left_out_once_and_not_if_the_user_named_it() {
    for way in ways_and_seed() {
        let twice = || [Err(wrong_target("")), Err(wrong_target("no such thing"))];
        let end = world(way.clone()).answering(twice()).challenged();
        let text = end.error().to_string();
        assert!(text.contains("no such thing"), "{text}");
        assert_eq!(at_the_server(&end).len(), 2, "{way:?}");
        if way == workload() {
            let mut world = end.world;
            world.locked = false;
            let text = world.challenged().error().to_string();
            assert!(text.contains("it was refused before"), "{text}");
        }
        let end = world(way.clone())
            .with(|world| {
                let resource = ResourceId::new("https://r.example");
                world.settings.resource = ResourceChoice::Given(resource);
            })
            .answering(twice())
            .challenged();
        assert_eq!(at_the_server(&end).len(), 1, "{way:?}");
        assert!(!end.noted("resource"));
    }
}

#[test]
fn an_identity_provider_that_refuses_the_resource_is_asked_without_it() {
    for way in [by_endpoint(), by_issuer()] {
        let end = world(way.clone())
            .with(|world| world.exchanges.push_back(Err(wrong_target(""))))
            .challenged()
            .asked_nobody();
        assert_eq!(end.token(), Some("NEW_ACCESS_1"));
        let sent = |end: &End| -> Vec<(&'static str, bool)> {
            let requests = end.world.requests.iter();
            requests
                .map(|one| (one.grant.grant_type(), one.resource.is_some()))
                .collect()
        };
        // What the authorization server takes is another matter.
        assert_eq!(
            sent(&end),
            [(EXCHANGE, true), (EXCHANGE, false), (SHORT_CLIENT, true)]
        );
        let known = &end.world.cache.clients[&Issuer::new(ISSUER)];
        assert!(!known.resource_refused);
        // This process remembers it.
        let later = end.world.with(|world| {
            world.requests.clear();
            world.locked = false;
            world.now += 7200;
        });
        let end = later.silent();
        assert_eq!(sent(&end), [(EXCHANGE, false), (SHORT_CLIENT, true)]);
        // A second refusal is its last word.
        let end = world(way).with(|world| {
            let twice = [Err(wrong_target("")), Err(wrong_target(""))];
            world.exchanges.extend(twice);
        });
        let end = end.challenged();
        assert!(matches!(
            end.error(),
            FlowError::Unattended(UnattendedError::Exchange(TokenError::InvalidTarget(_)))
        ));
        assert_eq!(end.world.requests.len(), 2);
    }
}
