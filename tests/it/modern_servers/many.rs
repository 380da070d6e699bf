//! Many bridges at a time, bridges that are killed, and servers that fall silent.

use playground::Settings;
use serde_json::json;

use super::*;

#[test]
fn ten_that_start_together_sign_in_once() {
    let (playground, machine) = (Playground::start(Settings::stateless()), Machine::new());
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| visit(&machine, &playground));
        }
    });
    assert_eq!((machine.opened().len(), playground.registrations()), (1, 1));
    let asked = methods(&playground, 0);
    assert!(!asked.contains(&"initialize".to_owned()), "{asked:?}");
    playground.wait_for(|_| playground.subscriptions().is_empty().then_some(()));
}

#[test]
fn one_that_is_killed_leaves_nothing_at_the_server_and_harms_nobody() {
    let (playground, machine) = (
        Playground::start(Settings::open_stateless()),
        Machine::new(),
    );
    let mut other = Bridge::open(&machine, &playground.mcp_url(), &[]);
    listens(&playground, 1);
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    listens(&playground, 2);
    let params = json!({ "name": "slow", "arguments": { "wait": true, "steps": 1 }, "_meta": { "progressToken": 1 } });
    bridge.request("tools/call", params);
    bridge.incoming("notifications/progress");
    bridge.kill();
    playground.wait_for(|_| {
        let gone = playground.subscriptions().len() == 1 && playground.cancellations().len() == 2;
        gone.then_some(())
    });
    other.tool("add", json!({ "a": 1, "b": 2 }));
    visit(&machine, &playground);
}

#[test]
fn a_quiet_connection_is_kept_alive_in_words_that_the_server_knows() {
    let mut scene = Scene::started(
        Settings::open_stateless(),
        &["--keep-alive", "--ping-interval", "1"],
    );
    scene.bridge.initialize(NEWEST, everything());
    listens(&scene.playground, 1);
    let asked = |requests: &[Request]| {
        let pings = requests.iter().filter(|r| r.calls("server/discover"));
        (pings.count() >= 3).then_some(())
    };
    scene.playground.wait_for(asked);
    assert!(scene.posts("ping").is_empty());
    let answer = scene.bridge.call("ping", json!({}));
    assert_eq!(answer["result"], json!({}));
    // It notices what the server has become before the client asks for anything.
    scene.playground.become_of(playground::Era::Sessions);
    scene.playground.wait_for(|requests| {
        let opened = |request: &Request| request.calls("initialize") && request.status == Some(200);
        requests.iter().any(opened).then_some(())
    });
    scene.goes_on();
}
