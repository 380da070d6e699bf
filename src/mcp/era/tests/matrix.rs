//! Each client at each server.

use super::*;

/// Every pair, opened, and with both spellings of a slash.
fn each(test: impl Fn(World)) {
    for client in BOTH {
        for server in BOTH {
            for escapes in [false, true] {
                let mut world = World::new(client, server);
                world.escapes = escapes;
                world.open();
                test(world);
            }
        }
    }
}

#[test]
fn lists_and_calls_are_answered() {
    each(|mut world| {
        let id = world.ask("tools/list", json!({}));
        assert_eq!(world.result(id)["tools"][0]["name"], "echo");
        let id = world.ask(
            "tools/call",
            json!({ "name": "echo", "arguments": { "a": 1 } }),
        );
        assert_eq!(world.result(id)["structuredContent"], json!({ "a": 1 }));
        let id = world.ask("vendor/do", json!({}));
        assert_eq!(world.answer(id)["error"]["code"], -32601);
        assert!(world.server.live.is_empty() || world.server.side == Side::New);
    });
}

#[test]
fn a_call_that_needs_an_answer_gets_it() {
    each(|mut world| {
        let answer = json!({ "action": "accept", "content": { "n": "Ada" } });
        let id = world.ask("tools/call", json!({ "name": "ask", "arguments": {} }));
        world.pass(100);
        let result = match world.client {
            Side::Old => {
                let asked = world.heard("elicitation/create");
                assert_eq!(asked.len(), 1);
                assert_eq!(asked[0]["params"]["message"], "name?");
                world.say(&json!({ "jsonrpc": "2.0", "id": asked[0]["id"], "result": answer }));
                world.result(id)
            }
            Side::New => {
                let required = world.result(id);
                assert_eq!(required["resultType"], "input_required");
                let requests = required["inputRequests"].as_object().unwrap();
                let (key, request) = requests.iter().next().unwrap();
                assert_eq!(request["params"]["message"], "name?");
                let id = world.ask(
                    "tools/call",
                    json!({
                        "name": "ask", "arguments": {}, "requestState": required["requestState"],
                        "inputResponses": { key.as_str(): answer },
                    }),
                );
                world.result(id)
            }
        };
        assert_eq!(result["structuredContent"]["said"], answer);
    });
}

#[test]
fn progress_reaches_the_request_that_wants_it() {
    each(|mut world| {
        let params = json!({ "name": "hang", "arguments": {}, "_meta": { "progressToken": "p" } });
        world.ask("tools/call", params);
        let told = world.heard("notifications/progress");
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["params"]["progressToken"], "p");
    });
}

#[test]
fn what_is_cancelled_is_not_answered() {
    each(|mut world| {
        let id = world.ask("tools/call", json!({ "name": "hang", "arguments": {} }));
        let live = |world: &World| {
            let calls = world.server.live.values();
            calls.filter(|live| live["method"] == "tools/call").count()
        };
        assert_eq!(live(&world), 1);
        let params = json!({ "requestId": id });
        world.say(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        );
        assert_eq!(live(&world), 0);
        assert!(
            world.told.iter().all(|told| told["id"] != id),
            "{:?}",
            world.told
        );
    });
}

#[test]
fn changes_reach_whoever_listens() {
    each(|mut world| {
        let uri = "file:///x";
        let id = match world.client {
            Side::Old => {
                let id = world.ask("resources/subscribe", json!({ "uri": uri }));
                world.result(id);
                None
            }
            Side::New => {
                let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [uri] });
                let id = world.ask("subscriptions/listen", json!({ "notifications": filter }));
                let told = world.heard("notifications/subscriptions/acknowledged");
                assert_eq!(told.len(), 1, "{:?}", world.told);
                assert_eq!(told[0]["params"]["notifications"], filter);
                assert_eq!(told[0]["params"]["_meta"][meta::SUBSCRIPTION], id);
                Some(id)
            }
        };
        for (method, params) in [
            ("notifications/tools/list_changed", json!({})),
            ("notifications/resources/updated", json!({ "uri": uri })),
        ] {
            world.server.change(method, params);
            world.settle();
            let told = world.heard(method);
            assert_eq!(told.len(), 1, "{method}");
            if let Some(id) = id {
                assert_eq!(told[0]["params"]["_meta"][meta::SUBSCRIPTION], id);
            }
        }
        if let Some(id) = id {
            let params = json!({ "requestId": id });
            world.say(
                &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
            );
            world
                .server
                .change("notifications/tools/list_changed", json!({}));
            world.settle();
            assert!(world.heard("notifications/tools/list_changed").is_empty());
            assert!(world.server.subscribed.is_empty());
        }
    });
}

#[test]
fn a_resource_that_is_not_there_is_said_in_the_terms_of_the_client() {
    each(|mut world| {
        let id = world.ask("resources/read", json!({ "uri": "file:///none" }));
        let code = world.answer(id)["error"]["code"].clone();
        match world.client {
            Side::Old => assert_eq!(code, -32002),
            Side::New => assert_eq!(code, -32602),
        }
    });
}

#[test]
fn each_server_is_asked_what_it_is_once() {
    each(|mut world| {
        let id = world.ask("tools/list", json!({}));
        world.result(id);
        let asked = |method: &str| {
            world
                .server
                .arrived
                .iter()
                .filter(|arrived| *arrived == method)
                .count()
        };
        assert_eq!(asked("server/discover"), 1);
        let sessions = usize::from(world.server.side == Side::Old);
        assert_eq!(asked("initialize"), sessions);
    });
}

#[test]
fn methods_that_are_gone_are_not_found() {
    for server in BOTH {
        let mut world = World::new(Side::New, server);
        world.open();
        for method in [
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let id = world.ask(method, json!({}));
            assert_eq!(world.answer(id)["error"]["code"], -32601, "{method}");
        }
    }
}

#[test]
fn a_handle_is_good_once_and_for_its_own_request() {
    let mut world = World::new(Side::New, Side::Old);
    world.open();
    let id = world.ask(
        "tools/call",
        json!({ "name": "ask", "arguments": { "a": 1, "b": 2 } }),
    );
    world.pass(100);
    let required = world.result(id);
    let (state, key) = (
        &required["requestState"],
        required["inputRequests"].as_object().unwrap(),
    );
    let responses = json!({ key.keys().next().unwrap().as_str(): { "action": "decline" } });
    let retry = |world: &mut World, name: &str, arguments: Value, state: &Value| {
        let params = json!({
            "name": name, "arguments": arguments, "requestState": state, "inputResponses": responses,
        });
        world.ask("tools/call", params)
    };
    for (name, arguments, state) in [
        ("echo", json!({ "a": 1, "b": 2 }), state.clone()),
        ("ask", json!({ "a": 1, "b": 3 }), state.clone()),
        ("ask", json!({ "a": 1, "b": 2 }), json!("0123456789abcdef")),
        ("ask", json!({ "a": 1, "b": 2 }), json!(7)),
    ] {
        let id = retry(&mut world, name, arguments, &state);
        assert_eq!(world.answer(id)["error"]["code"], -32602, "{name} {state}");
    }
    // However the client writes the same arguments.
    let id = retry(&mut world, "ask", json!({ "b": 2, "a": 1 }), state);
    assert_eq!(
        world.result(id)["structuredContent"]["said"]["action"],
        "decline"
    );
    let id = retry(&mut world, "ask", json!({ "a": 1, "b": 2 }), state);
    assert_eq!(world.answer(id)["error"]["code"], -32602);
}

#[test]
fn a_client_that_does_not_come_back_is_not_waited_for_for_ever() {
    let mut world = World::new(Side::New, Side::Old);
    world.open();
    let id = world.ask("tools/call", json!({ "name": "ask", "arguments": {} }));
    world.pass(100);
    let required = world.result(id);
    world.pass(11 * 60 * 1000);
    let calls = world
        .server
        .live
        .values()
        .filter(|live| live["method"] == "tools/call");
    assert_eq!(calls.count(), 0);
    let params = json!({
        "name": "ask", "arguments": {}, "requestState": required["requestState"], "inputResponses": {},
    });
    let id = world.ask("tools/call", params);
    assert_eq!(world.answer(id)["error"]["code"], -32602);
}

#[test]
fn what_a_request_lacks_is_named() {
    let mut world = World::new(Side::New, Side::Old);
    for (found, code) in [
        (
            json!({ meta::VERSION: "2099-01-01", meta::CLIENT_CAPABILITIES: {} }),
            -32022,
        ),
        (json!({ meta::VERSION: "2026-07-28" }), -32602),
        (
            json!({ meta::VERSION: "2026-07-28", meta::CLIENT_CAPABILITIES: [] }),
            -32602,
        ),
        (
            json!({ meta::VERSION: 1, meta::CLIENT_CAPABILITIES: {} }),
            -32602,
        ),
        (json!({}), -32602),
    ] {
        world.say(&json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": { "_meta": found } }));
        let answer = world.answer(9);
        assert_eq!(answer["error"]["code"], code, "{answer}");
        if code == -32022 {
            assert_eq!(answer["error"]["data"]["supported"][0], "2026-07-28");
            assert_eq!(answer["error"]["data"]["requested"], "2099-01-01");
        }
    }
    assert!(
        world.server.arrived.is_empty(),
        "{:?}",
        world.server.arrived
    );
}

#[test]
fn a_client_that_probes_and_falls_back_is_served_by_one_process() {
    for server in BOTH {
        let mut world = World::new(Side::New, server);
        world.open();
        world.client = Side::Old;
        world.open();
        let id = world.ask("tools/list", json!({}));
        assert_eq!(world.result(id)["tools"][0]["name"], "echo");
    }
}

#[test]
fn a_server_of_both_eras_is_spoken_to_as_the_client_speaks() {
    let opened = |client, known: Option<&Verdict>| {
        let mut world = World::with(client, Side::New, Protocol::Auto, known);
        world.server.both = true;
        world.open();
        let id = world.ask("tools/call", json!({ "name": "ask", "arguments": {} }));
        world.pass(100);
        if client == Side::New {
            assert_eq!(world.result(id)["resultType"], "input_required");
        } else {
            assert_eq!(world.heard("elicitation/create").len(), 1);
        }
        world.server.arrived
    };
    let arrived = opened(Side::Old, None);
    let session = ["initialize", "notifications/initialized", "tools/call"];
    assert_eq!(arrived[0], "server/discover");
    assert_eq!(arrived[1..], session);
    let both = Verdict {
        stateless: Some("2026-07-28".to_owned()),
        has_sessions: true,
        found_at: 0,
    };
    assert_eq!(opened(Side::Old, Some(&both)), session);
    let arrived = opened(Side::New, Some(&both));
    assert!(!arrived.contains(&"initialize".to_owned()), "{arrived:?}");
}

#[test]
fn a_server_that_says_that_it_takes_initialize_and_does_not_is_spoken_to_without() {
    let mut world = World::new(Side::Old, Side::New);
    world.server.claims_sessions = true;
    world.open();
    let id = world.ask("tools/list", json!({}));
    assert_eq!(world.result(id)["tools"][0]["name"], "echo");
    let opening = ["server/discover", "initialize", "server/discover"];
    assert_eq!(world.server.arrived[..3], opening);
}
