//! What hosts write that is not as it should be, and both kinds of host at one process.

use playground::{Memory, Playground, Settings};
use serde_json::json;

use super::Host;
use crate::support::machine::Machine;

#[test]
fn what_is_malformed_is_answered_and_the_rest_goes_on() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut host = Host::start(&machine, &playground, &[]);
    host.discover();
    for (line, code) in [
        ("{", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, -32600),
        ("\u{fffd}", -32700),
    ] {
        host.bridge.send_line(line);
        let answer = host
            .bridge
            .message(|message| message.get("error").is_some());
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
        assert!(answer.get("id").is_none(), "{answer}");
    }
    host.bridge
        .send(json!({ "jsonrpc": "2.0", "id": "br-1", "result": {} }));
    host.bridge
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    host.bridge.send_bytes(b"{\"jsonrpc\":\"2.0\",\xff}\n");
    let answer = host
        .bridge
        .message(|message| message.get("error").is_some());
    assert_eq!(answer["error"]["code"], -32700);
    host.works();
    host.close();
}

#[test]
fn a_host_that_probes_and_then_opens_a_session_has_both() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut host = Host::start(&machine, &playground, &[]);
    host.discover();
    host.bridge
        .initialize("2025-06-18", json!({ "elicitation": {} }));
    let result = host.bridge.tool("add", json!({ "a": 1, "b": 2 }));
    assert!(result.get("resultType").is_none(), "{result}");
    host.works();
    let id = host.ask("tools/call", json!({ "name": "ask", "arguments": {} }));
    assert_eq!(host.result(id)["resultType"], "input_required");
    let id = host
        .bridge
        .request("tools/call", json!({ "name": "ask", "arguments": {} }));
    let question = host.bridge.incoming("elicitation/create");
    let answer =
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } });
    host.bridge.send(answer);
    assert!(host.bridge.answer(id)["result"].get("resultType").is_none());
    host.bridge.close();
}

#[test]
fn subscriptions_outlive_a_server_that_starts_again_and_end_with_the_program() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let mut host = Host::start(&machine, &playground, &[]);
    let uri = "playground://greeting";
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": [uri] });
    let id = host.ask("subscriptions/listen", json!({ "notifications": filter }));
    let ack = host
        .bridge
        .incoming("notifications/subscriptions/acknowledged");
    assert_eq!(ack["params"]["notifications"], filter);
    let tag = "io.modelcontextprotocol/subscriptionId";
    playground.wait_for_answered(|request| request.method == "GET");
    playground.resource_updated(uri);
    let updated = host.bridge.incoming("notifications/resources/updated");
    assert_eq!(updated["params"]["_meta"][tag], id);
    playground.restart(Memory::Lost);
    for method in [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ] {
        let told = host.bridge.incoming(method);
        assert_eq!(told["params"]["_meta"][tag], id, "{told}");
    }
    host.works();
    host.bridge.signal("TERM");
    let end = host.bridge.answer(id);
    assert_eq!(end["result"]["resultType"], "complete");
    assert_eq!(end["result"]["_meta"][tag], id);
    let cancelled = host.bridge.incoming("notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], id);
}
