//! How a session opens: the order of the first requests, their headers, and the revision.

use playground::{Fault, Playground, Request, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{
    NEWEST, REVISIONS, Scene, detail, everything, is_delete, is_get, kind, opening,
};

fn what(request: &Request) -> String {
    match request.rpc_method() {
        Some(method) => format!("{} {method}", request.method),
        None => request.method.clone(),
    }
}

#[test]
fn a_session_opens_and_closes_in_the_order_that_mcp_demands() {
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        scene.bridge.call("tools/list", json!({}));
        scene.goes_on();
        let (_, playground) = scene.close();
        let requests = playground.requests();
        let order: Vec<String> = requests.iter().map(what).collect();
        assert_eq!(
            order,
            [
                "POST server/discover",
                "POST initialize",
                "POST notifications/initialized",
                "GET",
                "POST tools/list",
                "POST tools/call",
                "DELETE"
            ],
            "{version}"
        );
        let statuses: Vec<_> = requests.iter().map(|r| r.status.unwrap_or(0)).collect();
        assert_eq!(statuses, [400, 200, 202, 200, 200, 200, 204], "{version}");
        assert!(playground.sessions().is_empty(), "{version}");
    }
}

#[test]
fn each_request_carries_the_headers_of_its_kind() {
    for version in REVISIONS {
        let mut scene = Scene::speaking(version);
        scene.goes_on();
        let session = scene.playground.sessions().remove(0);
        let (_, playground) = scene.close();
        for request in playground.requests() {
            let what = format!("{version}: {}", what(&request));
            let (accept, content_type) = match request.method.as_str() {
                "POST" => (
                    Some("application/json, text/event-stream"),
                    Some("application/json"),
                ),
                "GET" => (Some("text/event-stream"), None),
                _ => (request.header("accept"), None),
            };
            assert_eq!(request.header("accept"), accept, "{what}");
            assert_eq!(request.header("content-type"), content_type, "{what}");
            // What it speaks is asked in the terms of the revisions without sessions.
            let asks = request.calls("server/discover");
            let method = asks.then_some("server/discover");
            assert_eq!(request.header("mcp-method"), method, "{what}");
            let opens = request.calls("initialize");
            let id = (!asks && !opens).then_some(session.as_str());
            assert_eq!(request.header("mcp-session-id"), id, "{what}");
            let named = match asks {
                true => Some("2026-07-28"),
                false => (!opens && version != "2025-03-26").then_some(version),
            };
            assert_eq!(request.header("mcp-protocol-version"), named, "{what}");
            let agent = request.header("user-agent").unwrap_or_default();
            assert!(agent.starts_with("mcp-drawbridge/"), "{what}: {agent}");
            for absent in ["origin", "authorization", "cookie", "last-event-id"] {
                assert_eq!(request.header(absent), None, "{what}");
            }
        }
    }
}

#[test]
fn the_users_headers_go_with_every_request_and_take_values_from_the_environment() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let arguments = [
        "--header",
        "X-Api-Key: ${API_KEY}",
        "--header",
        "X-Team: a b",
    ];
    let mut command = Bridge::command(&machine, &playground.mcp_url(), &arguments);
    command.env("API_KEY", "key 1");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize(NEWEST, json!({}));
    playground.wait_for_answered(is_get);
    bridge.tool("echo", json!({}));
    bridge.close();
    let requests = playground.requests();
    assert!(is_delete(&requests[requests.len() - 1]));
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some("key 1"), "{request:?}");
        assert_eq!(request.header("x-team"), Some("a b"), "{request:?}");
    }
}

#[test]
fn the_address_is_used_as_it_was_given() {
    let settings = Settings {
        mcp_path: "/a%2Fb/mcp/".into(),
        ..Settings::open()
    };
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let url = format!("{}?team=a%2Fb&empty&x=%20", playground.mcp_url());
    let mut bridge = Bridge::open(&machine, &url, &[]);
    playground.wait_for_answered(is_get);
    bridge.tool("echo", json!({}));
    bridge.close();
    for request in playground.requests() {
        assert_eq!(request.path, "/a%2Fb/mcp/");
        assert_eq!(request.query.as_deref(), Some("team=a%2Fb&empty&x=%20"));
    }
}

#[test]
fn the_revision_is_agreed_on_with_each_side_by_itself() {
    let settings = Settings {
        highest_revision: "2025-06-18".into(),
        ..Settings::open()
    };
    let mut scene = Scene::started(settings, &[]);
    let result = scene.bridge.initialize(NEWEST, json!({}));
    assert_eq!(result["protocolVersion"], NEWEST);
    scene.goes_on();
    for request in scene.posts("tools/call") {
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-06-18"));
    }
}

#[test]
fn a_revision_that_nobody_knows_is_answered_with_the_newest() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let result = scene.bridge.initialize("2031-01-01", json!({}));
    assert_eq!(result["protocolVersion"], NEWEST);
    let asked = scene.posts("initialize")[0].json();
    assert_eq!(asked["params"]["protocolVersion"], NEWEST);
}

#[test]
fn a_server_that_lists_its_revisions_is_asked_again_for_the_best_common_one() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let refusal = json!({ "jsonrpc": "2.0", "id": 1, "error": {
        "code": -32602, "message": "Unsupported protocol version",
        "data": { "supported": ["2024-11-05", "2025-03-26"], "requested": NEWEST },
    }});
    scene.playground.fault(
        Fault::mcp()
            .rpc("initialize")
            .then(Then::answer(400).body(refusal.to_string())),
    );
    let result = scene.bridge.initialize(NEWEST, json!({}));
    assert_eq!(result["protocolVersion"], NEWEST);
    scene.goes_on();
    let versions: Vec<Value> = scene
        .posts("initialize")
        .iter()
        .map(|request| request.json()["params"]["protocolVersion"].clone())
        .collect();
    assert_eq!(versions, [NEWEST, "2025-03-26"]);
}

#[test]
fn a_server_that_chooses_an_unknown_revision_is_left() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene
        .playground
        .fault(Fault::mcp().rpc("initialize").then(Then::edit(|body| {
            body["result"]["protocolVersion"] = "2031-01-01".into();
        })));
    let answer = scene.try_initialize();
    assert_eq!(kind(&answer), ("protocol", false, None));
    assert!(detail(&answer).contains("`2031-01-01`"), "{answer}");
    // Its session is ended, and the next attempt begins anew.
    scene.playground.wait_for_answered(is_delete);
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
}

#[test]
fn a_session_id_with_characters_that_none_may_have_is_refused() {
    let mut scene = Scene::started(Settings::open(), &[]);
    let result = json!({ "jsonrpc": "2.0", "id": 1, "result": {
        "protocolVersion": NEWEST, "capabilities": {}, "serverInfo": { "name": "x", "version": "1" },
    }});
    scene.playground.fault(
        Fault::mcp().rpc("initialize").then(
            Then::answer(200)
                .header("Content-Type", "application/json")
                .header("Mcp-Session-Id", "two words")
                .body(result.to_string()),
        ),
    );
    let answer = scene.try_initialize();
    assert_eq!(kind(&answer), ("protocol", false, None));
    assert!(!answer.to_string().contains("two words"), "{answer}");
    scene.bridge.initialize(NEWEST, json!({}));
    scene.goes_on();
}

#[test]
fn a_session_id_on_another_answer_is_ignored() {
    let mut scene = Scene::open();
    let session = scene.playground.sessions().remove(0);
    scene.playground.fault(
        Fault::mcp().rpc("resources/list").then(
            Then::answer(200)
                .header("Content-Type", "application/json")
                .header("Mcp-Session-Id", "another")
                .body(r#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#),
        ),
    );
    scene.bridge.call("resources/list", json!({}));
    scene.goes_on();
    let call = scene.posts("tools/call").remove(0);
    assert_eq!(call.header("mcp-session-id"), Some(session.as_str()));
}

#[test]
fn initialize_answered_as_a_stream_opens_the_session_too() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene
        .playground
        .fault(Fault::mcp().rpc("initialize").then(Then::AsSse));
    let result = scene.bridge.initialize(NEWEST, everything());
    assert_eq!(result["serverInfo"]["name"], "playground");
    scene.goes_on();
}

#[test]
fn requests_on_the_heels_of_initialize_wait_for_the_session() {
    let mut scene = Scene::started(Settings::open(), &[]);
    scene
        .playground
        .fault(Fault::mcp().rpc("initialize").then(Then::Hold));
    let first = scene
        .bridge
        .request("initialize", opening(NEWEST, json!({})));
    let list = scene.bridge.request("tools/list", json!({}));
    // Some hosts never say that they are ready; the server hears it all the same.
    assert_eq!(scene.bridge.call("ping", json!({}))["result"], json!({}));
    scene.playground.release_held();
    assert!(scene.bridge.answer(first)["result"].is_object());
    assert!(scene.bridge.answer(list)["result"]["tools"].is_array());
    let order: Vec<String> = scene
        .requests(|r| r.method == "POST")
        .iter()
        .map(what)
        .collect();
    assert_eq!(
        order,
        [
            "POST server/discover",
            "POST initialize",
            "POST notifications/initialized",
            "POST tools/list"
        ]
    );
}

#[test]
fn a_second_initialize_ends_the_first_session_and_what_ran_in_it() {
    let mut scene = Scene::open();
    let first = scene.playground.sessions();
    let held = scene.bridge.request(
        "tools/call",
        json!({ "name": "slow", "arguments": { "wait": true } }),
    );
    scene
        .playground
        .wait_for(|requests| requests.iter().find(|r| r.calls("tools/call")).map(|_| ()));
    scene.bridge.initialize("2025-06-18", json!({}));
    assert_eq!(kind(&scene.bridge.answer(held)).0, "protocol");
    let ended = scene.playground.wait_for_answered(is_delete);
    assert_eq!(ended.header("mcp-session-id"), Some(first[0].as_str()));
    scene.goes_on();
    assert_eq!(scene.playground.sessions().len(), 1);
    assert_ne!(scene.playground.sessions(), first);
    let call = scene.posts("tools/call").remove(1);
    assert_eq!(call.header("mcp-protocol-version"), Some("2025-06-18"));
    // Nothing was missed, so the host is not told to read lists again.
    scene.close();
}
