//! Servers that other people wrote, over HTTP+SSE: the official TypeScript SDK, FastMCP on the official
//! Python SDK, and `@modelcontextprotocol/server-everything`.

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::{GIVEN_TOKEN, Kind, Request, Server};
use crate::support::scene::{detail, failure};

const ALL: [Kind; 3] = [Kind::OfficialSdkSse, Kind::FastMcpSse, Kind::EverythingSse];

/// Everything that a host and such a server can do with each other over this transport.
const STEPS: &str = "start,list,call,parallel,elicitation,sampling,roots,progress,cancellation,\
                     notifications,resources,prompts,ping,stop";

fn token() -> String {
    format!("Authorization: Bearer {GIVEN_TOKEN}")
}

/// An open session with a server of this kind.
fn open(machine: &Machine, server: &Server, kind: Kind) -> Bridge {
    let token = token();
    let arguments = match kind {
        Kind::EverythingSse => vec![],
        _ => vec!["--header", &*token],
    };
    let mut bridge = Bridge::open(machine, server.url.as_str(), &arguments);
    echoes(&mut bridge);
    bridge
}

fn echoes(bridge: &mut Bridge) {
    let said = bridge.tool("echo", json!({ "message": "still there" }));
    assert!(said.to_string().contains("still there"), "{said}");
}

/// Begins a call that takes long; returns when it has reported progress.
fn begins(bridge: &mut Bridge, kind: Kind) -> u64 {
    let (name, arguments) = match kind {
        Kind::EverythingSse => (
            "trigger-long-running-operation",
            json!({ "duration": 60, "steps": 600 }),
        ),
        _ => ("slow", json!({ "steps": 1, "forever": true })),
    };
    let call = json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": "t" } });
    let id = bridge.request("tools/call", call);
    bridge.incoming("notifications/progress");
    id
}

fn count(requests: &[Request], fits: impl Fn(&Request) -> bool) -> usize {
    requests.iter().filter(|request| fits(request)).count()
}

fn is_stream(request: &Request) -> bool {
    request.method == "GET" && request.path == "/sse" && request.status == Some(200)
}

#[test]
fn everything_passes_between_host_and_server() {
    for kind in [Kind::OfficialSdkSse, Kind::FastMcpSse] {
        let (server, machine) = (Server::start(kind), Machine::new());
        let token = token();
        machine.host_with(&server, STEPS, &["--header", &token]);
        let requests = server.requests();
        assert_eq!(count(&requests, is_stream), 1);
        assert_eq!(count(&requests, |r| r.method == "DELETE" || r.session), 0);
        // One POST finds out; the next start knows.
        let posts = |requests: &[Request]| count(requests, |r| r.is_rpc("initialize"));
        assert_eq!(posts(&requests), 2);
        machine.host_with(&server, "start,call,stop", &["--header", &token]);
        assert_eq!(posts(&server.requests()), 3);
    }
}

#[test]
fn server_everything_lists_calls_reports_and_asks() {
    let (server, machine) = (Server::start(Kind::EverythingSse), Machine::new());
    machine.host(&server, "start,list,echo,ping,stop");
    let mut bridge = open(&machine, &server, Kind::EverythingSse);
    let call = json!({
        "name": "trigger-long-running-operation",
        "arguments": { "duration": 0.3, "steps": 3 },
        "_meta": { "progressToken": "p" },
    });
    let id = bridge.request("tools/call", call);
    for step in 1..=3 {
        let progress = bridge.incoming("notifications/progress");
        assert_eq!(progress["params"]["progress"], step, "{progress}");
    }
    assert!(bridge.answer(id)["result"].is_object());

    let sample = json!({ "name": "trigger-sampling-request", "arguments": { "prompt": "?" } });
    let id = bridge.request("tools/call", sample);
    let question = bridge.incoming("sampling/createMessage");
    let content = json!({ "type": "text", "text": "the model says yes" });
    let result = json!({ "role": "assistant", "model": "m", "content": content });
    bridge.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }));
    let answer = bridge.answer(id);
    assert!(
        answer.to_string().contains("the model says yes"),
        "{answer}"
    );

    let ask = json!({ "name": "trigger-elicitation-request", "arguments": {} });
    let id = bridge.request("tools/call", ask);
    let question = bridge.incoming("elicitation/create");
    bridge.send(json!({
        "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" },
    }));
    let answer = bridge.answer(id);
    assert!(answer["result"].is_object(), "{answer}");
}

#[test]
fn a_sign_in_for_the_event_stream_is_one_for_all() {
    for kind in [Kind::OfficialSdkSse, Kind::FastMcpSse] {
        let (server, machine) = (Server::start(kind), Machine::new());
        machine.host(&server, "start,list,call,stop");
        machine.host(&server, "start,list,call,stop");
        assert_eq!(machine.opened().len(), 1, "{kind:?}");
        let requests = server.requests();
        let grants = |grant: &str| count(&requests, |r| r.is_grant(grant) && r.status == Some(200));
        assert_eq!(grants("authorization_code"), 1);
        assert_eq!(count(&requests, is_stream), 2);
    }
}

#[test]
fn a_restart_between_two_calls_goes_unnoticed() {
    for kind in ALL {
        let (server, machine) = (Server::start(kind), Machine::new());
        let mut bridge = open(&machine, &server, kind);
        for _ in 0..2 {
            server.control("/restart");
            bridge.stderr_says("opening it again");
            echoes(&mut bridge);
        }
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    }
}

#[test]
fn a_restart_in_the_middle_of_a_call_is_told_and_the_next_call_works() {
    for kind in ALL {
        let (server, machine) = (Server::start(kind), Machine::new());
        let mut bridge = open(&machine, &server, kind);
        let call = begins(&mut bridge, kind);
        server.control("/restart");
        let answer: Value = bridge.answer(call);
        let said = detail(&answer);
        assert!(
            said.contains("ended the stream on which the answer was to come"),
            "{said}"
        );
        assert!(said.contains("may have been carried out"), "{said}");
        assert_eq!(failure(&answer)["retryable"], false);
        echoes(&mut bridge);
    }
}
