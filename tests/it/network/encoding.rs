//! Servers that compress what nobody asked them to.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use playground::{Fault, Then};
use serde_json::{Value, json};

use crate::support::scene::{Scene, detail, kind};

/// The answer to a call, if the server compresses it in this way.
fn answered(content_type: &str, coding: &str, compress: fn(&[u8]) -> Vec<u8>) -> Value {
    let mut scene = Scene::open();
    scene.goes_on();
    // The bridge numbers its requests, so this is the next one's.
    let id = scene.posts("tools/call")[0].json()["id"].as_u64();
    let id = id.expect("a number") + 1;
    let message = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [] } });
    let text = match content_type {
        "text/event-stream" => format!("data: {message}\n\n"),
        _ => message.to_string(),
    };
    let canned = Then::answer(200)
        .header("content-type", content_type)
        .header("content-encoding", coding)
        .body(compress(text.as_bytes()));
    scene
        .playground
        .fault(Fault::mcp().rpc("tools/call").then(canned));
    let arguments = json!({ "a": 1, "b": 1 });
    scene.bridge.call(
        "tools/call",
        json!({ "name": "add", "arguments": arguments }),
    )
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_usual_ways_are_undone_although_none_was_asked_for() {
    for content_type in ["application/json", "text/event-stream"] {
        for (coding, compress) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", deflate)] {
            let answer = answered(content_type, coding, compress);
            assert!(answer["result"]["content"].is_array(), "{coding}: {answer}");
        }
    }
}

#[test]
fn another_way_is_named_in_the_error() {
    for content_type in ["application/json", "text/event-stream"] {
        let answer = answered(content_type, "br", |text| text.to_vec());
        assert_eq!(kind(&answer).0, "http", "{answer}");
        let said = detail(&answer);
        assert!(said.contains("compressed as `br`"), "{said}");
    }
}

#[test]
fn compression_is_declined_in_every_request() {
    let mut scene = Scene::open();
    scene.goes_on();
    for request in scene.requests(|_| true) {
        assert_eq!(
            request.header("accept-encoding"),
            Some("identity"),
            "{}",
            request.line()
        );
    }
    scene.close();
}
