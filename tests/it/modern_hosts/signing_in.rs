//! What a host without sessions sees of a sign-in that its first request needs.

use playground::{Manner, Playground, Settings, browse};
use serde_json::{Value, json};

use super::Host;
use crate::support::machine::{Browser, Machine};

fn names(list: &Value) -> Vec<&str> {
    let tools = list["tools"].as_array().unwrap();
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[test]
fn the_first_request_signs_in_and_is_answered_by_the_server() {
    for probes in [false, true] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let mut host = Host::start(&machine, &playground, &[]);
        if probes {
            host.discover();
        }
        let list = host.get("tools/list", json!({}));
        assert!(names(&list).contains(&"add"), "{list}");
        assert_eq!(list["ttlMs"], 0);
        assert_eq!(machine.opened().len(), 1);
        // The server's own word has taken the place of what was said without it.
        let discovered = host.discover();
        assert_eq!(
            discovered["_meta"][super::SERVER_INFO]["name"],
            "playground"
        );
        host.works();
        host.close();
    }
}

#[test]
fn a_user_who_denies_leaves_the_tool_to_begin_again() {
    let playground = Playground::start(Settings::default());
    let machine = Machine::with(Browser::Denies);
    let mut host = Host::start(&machine, &playground, &[]);
    host.discover();
    let id = host.ask("tools/list", json!({}));
    let answer = host.bridge.answer(id);
    let failure = &answer["error"]["data"]["bridge"];
    assert_eq!(failure["stage"], "auth", "{answer}");
    let list = host.get("tools/list", json!({}));
    assert_eq!(names(&list), ["sign_in"], "{list}");
    assert_eq!(list["cacheScope"], "private");
    let id = host.ask(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 1, "b": 1 } }),
    );
    let answer = host.bridge.answer(id);
    assert_eq!(
        answer["error"]["data"]["bridge"]["stage"], "auth",
        "{answer}"
    );
    // Nobody is asked again for any of that, until the user wants to.
    assert_eq!(machine.opened().len(), 1);
    let told = host.tool("sign_in", json!({}));
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("code_challenge="), "{text}");
    host.bridge.close();
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_host_that_shows_addresses_is_asked_to() {
    for early in [false, true] {
        let playground = Playground::start(Settings::default());
        let machine = Machine::with(Browser::Waits);
        let mut host = Host::start(&machine, &playground, &["--no-browser"]);
        // The need for it shows with a request that nothing can be asked about, or with the call.
        let list = early.then(|| host.ask("tools/list", json!({})));
        if early {
            host.bridge.stderr_address();
        }
        let call = json!({ "name": "add", "arguments": { "a": 20, "b": 22 } });
        let required = host.get("tools/call", call.clone());
        assert_eq!(required["resultType"], "input_required", "{required}");
        let (key, asked) = required["inputRequests"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        assert_eq!(asked["method"], "elicitation/create");
        assert_eq!(asked["params"]["mode"], "url");
        let address = asked["params"]["url"].as_str().unwrap();
        assert_eq!(address, host.bridge.stderr_address());
        browse(address, Manner::Approve).unwrap();
        let mut again = call;
        again["requestState"] = required["requestState"].clone();
        again["inputResponses"] = json!({ key.as_str(): { "action": "accept" } });
        let result = host.get("tools/call", again);
        assert_eq!(result["content"][0]["text"], "42", "{result}");
        if let Some(list) = list {
            assert!(names(&host.result(list)).contains(&"add"));
        }
        assert_eq!(playground.code_exchanges(), 1);
        host.close();
    }
}
