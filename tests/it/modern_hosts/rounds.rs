//! Calls about which the server asks something first.

use playground::{Memory, Playground, Settings};
use serde_json::{Value, json};

use super::Host;
use crate::support::machine::Machine;

struct Scene {
    host: Host,
    playground: Playground,
    _machine: Machine,
}

fn scene() -> Scene {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    Scene {
        host: Host::start(&machine, &playground, &[]),
        playground,
        _machine: machine,
    }
}

fn call() -> Value {
    json!({ "name": "ask", "arguments": { "message": "Who?" } })
}

fn with(required: &Value, state: &Value, answer: Value) -> Value {
    let key = required["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let mut params = call();
    params["requestState"] = state.clone();
    params["inputResponses"] = json!({ key.as_str(): answer });
    params
}

#[test]
fn an_answer_reaches_the_server_with_the_handle_that_was_given_and_no_other() {
    let mut scene = scene();
    let host = &mut scene.host;
    let required = host.get("tools/call", call());
    assert_eq!(required["resultType"], "input_required", "{required}");
    let state = required["requestState"].as_str().unwrap().to_owned();
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let mut forged = state.clone();
    forged.replace_range(0..1, if state.starts_with('0') { "1" } else { "0" });
    for wrong in [
        json!(forged),
        json!(""),
        json!(7),
        json!("x".repeat(100_000)),
    ] {
        let id = host.ask("tools/call", with(&required, &wrong, answer.clone()));
        let refused = host.bridge.answer(id);
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    let mut other = with(&required, &json!(state), answer.clone());
    other["arguments"]["message"] = "What?".into();
    let id = host.ask("tools/call", other);
    assert_eq!(host.bridge.answer(id)["error"]["code"], -32602);
    assert!(scene.playground.answers().is_empty());
    let good = with(&required, &json!(state), answer.clone());
    let result = host.get("tools/call", good.clone());
    assert_eq!(result["resultType"], "complete");
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("Ada")
    );
    let id = host.ask("tools/call", good);
    assert_eq!(host.bridge.answer(id)["error"]["code"], -32602);
    assert_eq!(scene.playground.answers().len(), 1);
    scene.host.close();
}

#[test]
fn a_host_that_leaves_meanwhile_leaves_nothing_behind() {
    let mut scene = scene();
    let required = scene.host.get("tools/call", call());
    assert_eq!(required["resultType"], "input_required", "{required}");
    scene.host.close();
    // The server is not left to wait.
    let answers = scene.playground.wait_for(|_| {
        let answers = scene.playground.answers();
        (!answers.is_empty()).then_some(answers)
    });
    assert!(answers[0].error.is_some());
    scene.playground.wait_for(|requests| {
        let mut ends = requests.iter().filter(|request| request.method == "DELETE");
        ends.next().map(|_| ())
    });
}

#[test]
fn a_server_that_starts_again_meanwhile_is_told_to_whoever_comes_back() {
    let mut scene = scene();
    let required = scene.host.get("tools/call", call());
    scene.playground.restart(Memory::Lost);
    scene.host.works();
    let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
    let again = with(&required, &required["requestState"], answer);
    let id = scene.host.ask("tools/call", again);
    let answer = scene.host.bridge.answer(id);
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    scene.host.works();
    scene.host.close();
}

#[test]
fn a_page_that_is_needed_first_is_shown_by_the_host() {
    let mut scene = scene();
    let params = json!({ "name": "ask_url", "arguments": { "required": true } });
    let required = scene.host.get("tools/call", params.clone());
    assert_eq!(required["resultType"], "input_required", "{required}");
    let (key, asked) = required["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(asked["params"]["mode"], "url");
    let mut again = params.clone();
    again["requestState"] = required["requestState"].clone();
    again["inputResponses"] = json!({ key.as_str(): { "action": "decline" } });
    let result = scene.host.get("tools/call", again);
    assert_eq!(result["isError"], true, "{result}");
    // A host that cannot show it is told what it lacks.
    scene.host.capabilities = json!({});
    let id = scene.host.ask("tools/call", params);
    assert_eq!(scene.host.bridge.answer(id)["error"]["code"], -32021);
    scene.host.close();
}

#[test]
fn two_hosts_questions_in_one_process_do_not_meet() {
    let mut scene = scene();
    let host = &mut scene.host;
    let first = host.ask("tools/call", call());
    let second = host.ask("tools/call", call());
    let (first, second) = (host.result(first), host.result(second));
    assert_ne!(first["requestState"], second["requestState"]);
    for (required, name) in [(&second, "Bo"), (&first, "Al")] {
        let answer = json!({ "action": "accept", "content": { "name": name } });
        let again = with(required, &required["requestState"], answer);
        let result = host.get("tools/call", again);
        assert!(
            result["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains(name),
            "{result}"
        );
    }
    scene.host.close();
}
