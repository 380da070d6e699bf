//! Tools that the user hides from the AI client.

use super::*;
use crate::mcp::visible::Visible;

impl Scene {
    /// An open session in which what matches is hidden.
    fn hiding(version: &str, pattern: &str) -> Self {
        let mut scene = Self::open_as(version, "{}");
        let relay = std::mem::replace(&mut scene.relay, Relay::new("mcp.example.com"));
        scene.relay = relay.showing(Visible::new([], [pattern]));
        scene
    }
}

fn list(id: &str, cursor: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"cursor":{cursor}}}}}"#)
}

const PAGE: &str = r#"{"tools":[{"name":"x1"},{"name":"y"},{"name":"X2"}],"nextCursor":"2"}"#;

#[test]
fn every_page_is_without_what_is_hidden() {
    let mut scene = Scene::hiding("2025-11-25", "x*");
    for (id, cursor) in [("1", "null"), ("\"b\"", "\"2\"")] {
        scene.host(&list(id, cursor));
        let (number, _) = scene.sent();
        scene.reply(
            number,
            &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{PAGE}}}"#),
        );
        assert_eq!(
            scene.told(),
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"y"}}],"nextCursor":"2"}}}}"#
            )
        );
    }
    // An answer that comes on another stream is no other.
    scene.host(&list("3", "null"));
    let (number, _) = scene.sent();
    scene.says(
        3,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{PAGE}}}"#),
    );
    assert!(!scene.told().contains("x1"));
}

#[test]
fn a_call_of_a_hidden_tool_is_refused_and_the_server_is_not_asked() {
    let mut scene = Scene::hiding("2025-11-25", "x*");
    scene.host(&call("7"));
    let told = scene.told();
    assert_eq!(code(&told), -32602, "{told}");
    assert!(told.contains("the tool `x` is not available"), "{told}");
    scene.nothing();
    // The id is free again, and others are called as before.
    scene.host(&call("7").replace("\"x\"", "\"y\""));
    assert!(scene.sent().1.contains("\"y\""));
}

#[test]
fn a_call_without_an_id_does_not_reach_a_hidden_tool_either() {
    let without_id = |name: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"{name}"}}}}"#)
    };
    let mut scene = Scene::hiding("2025-11-25", "x*");
    scene.host(&without_id("x"));
    let noted = scene.effects.iter();
    let noted = noted.filter(|effect| matches!(effect, Effect::Note(Note::Detail(_))));
    assert_eq!(noted.count(), 1);
    scene.nothing();
    scene.host(&without_id("y"));
    assert_eq!(scene.sent().1, without_id("y"));
}

#[test]
fn a_call_that_can_be_read_in_two_ways_is_refused_where_something_is_hidden() {
    let twice = call("7").replace(r#""name":"x""#, r#""name":"x","name":"y""#);
    let mut scene = Scene::hiding("2025-11-25", "x*");
    scene.host(&twice);
    let told = scene.told();
    assert_eq!(code(&told), -32600, "{told}");
    assert!(told.contains(r#""id":7"#), "{told}");
    scene.host(&twice.replace(r#""id":7,"#, ""));
    scene.nothing();
    // Nobody else looks at it.
    let mut scene = Scene::open();
    scene.host(&twice);
    assert!(scene.sent().1.contains(r#""name":"x","name":"y""#));

    // Whoever asked learns that no answer comes.
    let mut scene = Scene::open_as("2025-11-25", r#"{"sampling":{}}"#);
    let relay = std::mem::replace(&mut scene.relay, Relay::new("mcp.example.com"));
    scene.relay = relay.showing(Visible::new([], ["x*"]));
    scene.says(
        3,
        r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}"#,
    );
    let asked = message(&scene.told());
    let id = asked.id().unwrap();
    scene.host(&format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"Method":"tools/call","params":{{"name":"x"}}}}"#
    ));
    let (_, refusal) = scene.sent();
    assert!(!refusal.contains("tools/call"), "{refusal}");
    assert_eq!(code(&refusal), -32603);
}

#[test]
fn a_batch_is_answered_as_one() {
    let mut scene = Scene::hiding("2025-03-26", "x*");
    scene.host(&format!("[{},{}]", call("1"), list("2", "null")));
    let (number, _) = scene.sent();
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{PAGE}}}"#),
    );
    let told = scene.told();
    assert!(told.starts_with('[') && told.contains("-32602"), "{told}");
    assert!(told.contains("\"y\"") && !told.contains("x1"), "{told}");
}

#[test]
fn tools_that_are_hidden_may_still_be_repeated_by_what_is_known_of_them() {
    let mut scene = Scene::hiding("2025-11-25", "y*");
    reads_the_list(&mut scene);
    assert!(is_repeatable(&mut scene, "x"));
}
