use std::io::{BufRead, BufReader, PipeReader};
use std::thread::{self, JoinHandle};

use super::*;

/// What the host says, to a bridge that answers as `answer` has it: any number of lines for each.
fn answering(
    answer: impl Fn(&Value) -> Vec<Value> + Send + 'static,
) -> (Host, JoinHandle<Vec<Value>>) {
    let (input, stdin) = io::pipe().expect("a pipe");
    let (said, stdout) = mpsc::unbounded_channel();
    let host = Host {
        stdin,
        stdout,
        text: Vec::new(),
        next: 0,
    };
    let bridge = thread::spawn(move || serve(input, &answer, &said));
    (host, bridge)
}

fn serve(
    input: PipeReader,
    answer: &dyn Fn(&Value) -> Vec<Value>,
    said: &mpsc::UnboundedSender<Vec<u8>>,
) -> Vec<Value> {
    let mut heard = Vec::new();
    for line in BufReader::new(input).lines() {
        let message: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        for answer in answer(&message) {
            let text = format!("{answer}\n");
            // In pieces, as it may come.
            for piece in text.as_bytes().chunks(7) {
                said.send(piece.to_vec()).expect("somebody listens");
            }
        }
        heard.push(message);
    }
    heard
}

fn result(to: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": to["id"], "result": result })
}

fn methods(heard: &[Value]) -> Vec<&str> {
    heard
        .iter()
        .filter_map(|message| message["method"].as_str())
        .collect()
}

#[tokio::test]
async fn a_session_is_opened_as_hosts_do_and_the_tools_of_all_pages_are_counted() {
    let (host, bridge) = answering(|message| match message["method"].as_str() {
        Some("initialize") => vec![
            json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} }),
            // The server counts its requests by itself.
            json!({ "jsonrpc": "2.0", "id": message["id"], "method": "ping" }),
            json!({ "jsonrpc": "2.0", "id": "another", "result": {} }),
            result(message, json!({ "capabilities": { "tools": {} }, "x": 1 })),
        ],
        Some("tools/list") => vec![match message["params"]["cursor"].as_str() {
            None => result(message, json!({ "tools": [{}, {}], "nextCursor": "2" })),
            Some("2") => result(message, json!({ "tools": [], "nextCursor": "3" })),
            _ => result(message, json!({ "tools": [{}], "nextCursor": null })),
        }],
        _ => Vec::new(),
    });
    let told = host.talk().await.expect("the bridge is there");
    assert_eq!(told.initialize.expect("a session")["x"], 1);
    assert_eq!(told.tools, Some(Ok(3)));
    let heard = bridge.join().expect("the bridge");
    assert_eq!(
        methods(&heard),
        [
            "initialize",
            "notifications/initialized",
            "tools/list",
            "tools/list",
            "tools/list"
        ]
    );
    assert!(heard[1].get("id").is_none());
}

#[tokio::test]
async fn a_list_without_end_is_left_after_a_hundred_pages() {
    let (host, bridge) = answering(|message| match message["method"].as_str() {
        Some("initialize") => vec![result(message, json!({ "capabilities": { "tools": {} } }))],
        Some("tools/list") => vec![result(
            message,
            json!({ "tools": [{}], "nextCursor": "more" }),
        )],
        _ => Vec::new(),
    });
    let told = host.talk().await.expect("the bridge is there");
    assert_eq!(told.tools, Some(Ok(PAGES)));
    assert_eq!(bridge.join().expect("the bridge").len(), 2 + PAGES);
}

#[tokio::test]
async fn what_was_refused_or_is_not_offered_is_not_asked_for() {
    let error = json!({ "code": -32000, "message": "no" });
    let refusal = error.clone();
    let (host, bridge) =
        answering(move |message| vec![json!({ "id": message["id"], "error": refusal })]);
    let told = host.talk().await.expect("the bridge is there");
    assert_eq!((told.initialize, told.tools), (Err(error), None));
    assert_eq!(methods(&bridge.join().expect("the bridge")), ["initialize"]);
    let (host, bridge) = answering(|message| match message.get("id") {
        Some(_) => vec![result(
            message,
            json!({ "capabilities": { "prompts": {} } }),
        )],
        None => Vec::new(),
    });
    let told = host.talk().await.expect("the bridge is there");
    assert!(told.initialize.is_ok() && told.tools.is_none());
    let heard = bridge.join().expect("the bridge");
    assert_eq!(methods(&heard), ["initialize", "notifications/initialized"]);
}

#[tokio::test]
async fn a_bridge_that_goes_first_is_missed() {
    let (input, stdin) = io::pipe().expect("a pipe");
    let (said, stdout) = mpsc::unbounded_channel();
    drop(said);
    let text = Vec::new();
    let host = Host {
        stdin,
        stdout,
        text,
        next: 0,
    };
    assert!(host.talk().await.is_none());
    drop(input);
}
