//! Servers that become ones of the other era, between two starts and in the middle of one: nobody has
//! to do anything, and nothing runs twice.

use playground::{Era, Memory, Settings};
use serde_json::json;

use super::*;

#[test]
fn between_two_starts_both_ways() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    visit(&machine, &playground);
    let mut from = playground.requests().len();
    let mut visited = |era: Era| {
        playground.become_of(era);
        visit(&machine, &playground);
        let asked = methods(&playground, from);
        from = playground.requests().len();
        asked
    };
    let asked = visited(Era::Stateless);
    assert_eq!(asked[..2], ["initialize", "server/discover"]);
    // It is known now.
    let asked = visited(Era::Stateless);
    assert_eq!(asked[0], "server/discover");
    assert!(!asked.contains(&"initialize".to_owned()), "{asked:?}");
    let asked = visited(Era::Sessions);
    assert_eq!(asked[..2], ["server/discover", "initialize"]);
    assert_eq!(visited(Era::Sessions)[0], "initialize");
}

#[test]
fn in_the_middle_of_a_process_both_ways() {
    let mut scene = Scene::open();
    let mut serial = 0;
    let mut book = |scene: &mut Scene| {
        serial += 1;
        let result = scene.bridge.tool("book", json!({ "serial": serial }));
        assert_eq!(result["content"][0]["text"], format!("serial {serial}"));
        assert_eq!(scene.playground.executions(serial), 1);
    };
    book(&mut scene);
    // One that changed more often within a minute would be given up for a while.
    for era in [Era::Stateless, Era::Sessions, Era::Stateless] {
        scene.playground.become_of(era);
        book(&mut scene);
        book(&mut scene);
    }
    scene.goes_on();
}

#[test]
fn what_the_client_had_asked_for_holds_in_the_next_era() {
    let mut scene = Scene::open();
    let uri = "playground://greeting";
    let answer = scene
        .bridge
        .call("resources/subscribe", json!({ "uri": uri }));
    assert_eq!(answer["result"], json!({}), "{answer}");
    let answer = scene
        .bridge
        .call("logging/setLevel", json!({ "level": "error" }));
    assert_eq!(answer["result"], json!({}), "{answer}");
    scene.playground.become_of(Era::Stateless);
    scene.goes_on();
    scene.bridge.incoming("notifications/tools/list_changed");
    let playground = &scene.playground;
    playground.wait_for(|_| {
        let filters = playground.subscriptions();
        let has = |filter: &Value| filter["resourceSubscriptions"] == json!([uri]);
        filters.iter().any(has).then_some(())
    });
    playground.resource_updated(uri);
    let told = scene.bridge.incoming("notifications/resources/updated");
    assert_eq!(told["params"], json!({ "uri": uri }));
    for (level, heard) in [("info", 0), ("error", 2)] {
        scene
            .bridge
            .tool("notify", json!({ "level": level, "count": 2 }));
        let mut logged = 0;
        while scene.bridge.has_come("notifications/message") {
            logged += 1;
        }
        assert_eq!(logged, heard, "{level}");
    }
}

#[test]
fn a_client_of_the_new_era_goes_on_as_well() {
    let mut scene = Scene::started(Settings::open_stateless(), &[]);
    let get = |scene: &mut Scene| {
        let params = introduced(json!({ "name": "plain" }));
        let answer = scene.bridge.call("prompts/get", params);
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    };
    get(&mut scene);
    for era in [Era::Sessions, Era::Stateless, Era::Both, Era::Sessions] {
        scene.playground.become_of(era);
        get(&mut scene);
    }
}

#[test]
fn a_restart_is_no_change() {
    let mut scene = open(Settings::open_stateless());
    scene.goes_on();
    let from = scene.playground.requests().len();
    scene.playground.restart(Memory::Lost);
    scene.goes_on();
    let asked = methods(&scene.playground, from);
    assert!(!asked.contains(&"initialize".to_owned()), "{asked:?}");
    // The subscription was lost with the connection.
    scene.bridge.incoming("notifications/tools/list_changed");
}
