//! What is asked before the first request, and how often.

use playground::{Fault, Settings, Then};
use serde_json::json;

use super::*;
use crate::support::scene::opening;

#[test]
fn a_session_is_made_of_one_question() {
    let mut scene = Scene::started(Settings::open_stateless(), &[]);
    let result = scene.bridge.initialize(NEWEST, everything());
    assert_eq!(result["protocolVersion"], NEWEST);
    assert_eq!(result["serverInfo"]["name"], "playground");
    assert_eq!(
        result["instructions"],
        "A server to play with. Start with `echo`."
    );
    listens(&scene.playground, 1);
    scene.goes_on();
    let all = [
        "server/discover",
        "subscriptions/listen",
        "tools/list",
        "tools/call",
    ];
    assert_eq!(methods(&scene.playground, 0), all);
    let (_, playground) = scene.close();
    // There is no session to end.
    assert_eq!(methods(&playground, 0), all);
    playground.wait_for(|_| playground.subscriptions().is_empty().then_some(()));
}

#[test]
fn whoever_has_to_sign_in_does_so_once_and_is_asked_again_what_it_is() {
    let (playground, machine) = (Playground::start(Settings::stateless()), Machine::new());
    assert_eq!(visit(&machine, &playground), "playground");
    assert_eq!((machine.opened().len(), playground.registrations()), (1, 1));
    let asked = playground.requests();
    let asked: Vec<&Request> = asked
        .iter()
        .filter(|request| request.calls("server/discover"))
        .collect();
    assert_eq!(asked[0].status, Some(401));
    assert_eq!(asked.last().unwrap().status, Some(200));
    assert!(!methods(&playground, 0).contains(&"initialize".to_owned()));

    // With its tokens, the next one needs a single question.
    let from = playground.requests().len();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    bridge.call("initialize", opening(NEWEST, everything()));
    assert_eq!(methods(&playground, from), ["server/discover"]);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_client_of_the_new_era_is_served_at_once_by_a_server_that_is_remembered() {
    let (playground, machine) = (
        Playground::start(Settings::open_stateless()),
        Machine::new(),
    );
    visit(&machine, &playground);
    let from = playground.requests().len();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let answer = bridge.call("prompts/get", introduced(json!({ "name": "plain" })));
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(methods(&playground, from), ["prompts/get"]);
    // What it says of itself it is asked.
    let answer = bridge.call("server/discover", introduced(json!({})));
    assert_eq!(
        answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "playground"
    );
}

#[test]
fn a_call_whose_head_is_remembered_is_the_first_request() {
    let playground = Playground::start(Settings::open_stateless());
    let machine = Machine::new();
    let call = || {
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        let from = playground.requests().len();
        let arguments = json!({ "region": "eu" });
        let params = introduced(json!({ "name": "region", "arguments": arguments }));
        let answer = bridge.call("tools/call", params);
        let said = &answer["result"]["structuredContent"]["region"];
        assert_eq!(said, "eu", "{answer}");
        let ended = bridge.close();
        assert!(ended.status.success());
        methods(&playground, from)
    };
    assert_eq!(call(), ["server/discover", "tools/list", "tools/call"]);
    assert_eq!(call(), ["tools/call"]);
    // What has changed meanwhile is noticed.
    playground.change(|settings| settings.region_header = "Area".into());
    assert_eq!(call(), ["tools/call", "tools/list", "tools/call"]);
    assert_eq!(call(), ["tools/call"]);
}

#[test]
fn an_outage_never_decides() {
    let faults: [&dyn Fn() -> Then; 4] = [
        &|| Then::answer(500).into(),
        &|| Then::answer(502).body("<html>Bad Gateway</html>").into(),
        &|| Then::CloseBefore,
        &|| {
            let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"away"}}"#;
            Then::answer(500)
                .header("Content-Type", "application/json")
                .body(error)
                .into()
        },
    ];
    std::thread::scope(|scope| {
        for fault in faults.map(|fault| fault()) {
            scope.spawn(move || {
                let playground = Playground::start(Settings::open_stateless());
                let machine = Machine::new();
                playground.fault(Fault::mcp().rpc("server/discover").always().then(fault));
                let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
                let answer = bridge.call("initialize", opening(NEWEST, everything()));
                assert!(answer.get("error").is_some(), "{answer}");
                assert!(!methods(&playground, 0).contains(&"initialize".to_owned()));
                playground.clear_faults();
                bridge.initialize(NEWEST, everything());
                assert!(!methods(&playground, 0).contains(&"initialize".to_owned()));
            });
        }
    });
}

#[test]
fn a_server_of_both_eras_is_spoken_to_as_its_client_speaks() {
    let playground = Playground::start(Settings {
        era: playground::Era::Both,
        ..Settings::open()
    });
    let machine = Machine::new();
    visit(&machine, &playground);
    let first = methods(&playground, 0);
    assert_eq!(first[..2], ["server/discover", "initialize"]);
    let from = playground.requests().len();
    visit(&machine, &playground);
    assert_eq!(methods(&playground, from)[0], "initialize");
    let from = playground.requests().len();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    bridge.call("prompts/get", introduced(json!({ "name": "plain" })));
    let asked = methods(&playground, from);
    assert!(!asked.contains(&"initialize".to_owned()), "{asked:?}");
}

#[test]
fn servers_that_are_silent_about_the_question_are_opened_as_before() {
    let playground = Playground::start(Settings::open());
    let machine = Machine::new();
    playground.fault(Fault::mcp().rpc("server/discover").then(Then::Hold));
    visit(&machine, &playground);
    playground.release_held();
    // It is asked again the next time: nothing was found out.
    let from = playground.requests().len();
    visit(&machine, &playground);
    assert_eq!(
        methods(&playground, from)[..2],
        ["server/discover", "initialize"]
    );
    let from = playground.requests().len();
    visit(&machine, &playground);
    assert_eq!(methods(&playground, from)[0], "initialize");
}
