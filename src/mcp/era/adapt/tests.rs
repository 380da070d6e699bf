use super::*;
use crate::mcp::revision;

fn message(text: String) -> Message {
    jsonrpc::parse(text.into()).unwrap()
}

#[track_caller]
fn result_is(method: &str, name: &str, body: &str, expected: &str) {
    let result = message(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{body}}}"#));
    let adapted = result_for_session(&result, method, revision::find(name));
    assert_eq!(adapted.body(), expected, "{method} {name}");
}

#[track_caller]
fn question_is(method: &str, name: &str, params: &str, expected: Option<&str>) {
    let question = message(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#
    ));
    let adapted = question_for_session(&question, revision::find(name).unwrap());
    assert_eq!(
        adapted.as_ref().map(Message::body),
        expected,
        "{method} {name}"
    );
}

const ALL: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[test]
fn the_marks_of_the_new_era_are_taken_off() {
    for name in ALL {
        result_is(
            "tools/list",
            name,
            r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}},"x":1.0}"#,
            r#"{"tools":[],"x":1.0}"#,
        );
        result_is(
            "vendor/do",
            name,
            r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"v":1}}"#,
            r#"{"_meta":{"v":1}}"#,
        );
        result_is("vendor/do", name, r#"{"_meta":{}}"#, r#"{"_meta":{}}"#);
    }
}

#[test]
fn structured_content_that_is_no_object_becomes_text() {
    let body = r#"{"content":[],"structuredContent":[1,"a"]}"#;
    let text = r#"{"content":[{"type":"text","text":"[1,\"a\"]"}]}"#;
    for (name, expected) in [
        ("2024-11-05", body),
        ("2025-03-26", body),
        ("2025-06-18", text),
        ("2025-11-25", text),
    ] {
        result_is("tools/call", name, body, expected);
    }
    for (body, expected) in [
        (
            r#"{"content":[{"type":"text","text":"x"}],"structuredContent":1}"#,
            r#"{"content":[{"type":"text","text":"x"}]}"#,
        ),
        (
            r#"{"content":[{"type":"image","data":""}],"structuredContent":"s"}"#,
            r#"{"content":[{"type":"image","data":""},{"type":"text","text":"s"}]}"#,
        ),
        (
            r#"{"content":[],"structuredContent":{"a":1}}"#,
            r#"{"content":[],"structuredContent":{"a":1}}"#,
        ),
    ] {
        result_is("tools/call", "2025-11-25", body, expected);
    }
}

#[test]
fn schemas_are_of_objects() {
    for name in ALL {
        result_is(
            "tools/list",
            name,
            r#"{"tools":[{"name":"a","inputSchema":{"properties":{}}},{"name":"b","inputSchema":{"type":"string"}},{"name":"c","inputSchema":{"type":"object"},"x-y":[ 1]}]}"#,
            r#"{"tools":[{"name":"a","inputSchema":{"properties":{},"type":"object"}},{"name":"c","inputSchema":{"type":"object"},"x-y":[ 1]}]}"#,
        );
    }
    let odd = r#"{"tools":[{"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}]}"#;
    let without = r#"{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}"#;
    result_is("tools/list", "2025-06-18", odd, without);
    result_is("tools/list", "2025-11-25", odd, without);
    result_is("tools/list", "2025-03-26", odd, odd);
    let good = odd.replace("array", "object");
    result_is("tools/list", "2025-11-25", &good, &good);
}

#[test]
fn what_is_in_no_table_goes_as_it_came() {
    let tool = r#"{"name":"a","title":"A","icons":[{"src":"https://a.example/i.png","sizes":["any"]}],"annotations":{"readOnlyHint":true},"execution":{"taskSupport":"required"},"inputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"n":{"type":"number","default":1.50}},"x-y":[ 1]},"x":null}"#;
    let listed = format!(r#"{{"tools":[{tool}],"nextCursor":""}}"#);
    let called = r#"{"content":[{"type":"text","text":"\u0041","annotations":{"priority":0.50}},{"type":"resource","resource":{"uri":"u","blob":""}},{"type":"vendor/new","x":[ 1]}],"isError":true,"x":1e2}"#;
    for name in ALL {
        result_is("tools/list", name, &listed, &listed);
        result_is("tools/call", name, called, called);
        result_is("resources/list", name, &listed, &listed);
    }
    // What may be kept, and for how long, is nothing that these revisions know.
    result_is(
        "resources/read",
        "2025-11-25",
        r#"{"ttlMs":-1,"cacheScope":"public","contents":[]}"#,
        r#"{"contents":[]}"#,
    );
}

#[test]
fn blocks_that_a_revision_does_not_know_become_text() {
    let audio = r#"{"type":"audio","mimeType":"audio/wav","data":"AA"}"#;
    let no_audio = r#"{"type":"text","text":"[audio, audio/wav: this client cannot take it]"}"#;
    let link = r#"{"type":"resource_link","name":"n","uri":"file:///x"}"#;
    let no_link = r#"{"type":"text","text":"n: file:///x"}"#;
    for (name, first, second) in [
        ("2024-11-05", no_audio, no_link),
        ("2025-03-26", audio, no_link),
        ("2025-06-18", audio, link),
        ("2025-11-25", audio, link),
    ] {
        let content =
            |a: &str, b: &str| format!(r#"{{"content":[{a},{b},{{"type":"text","text":"t"}}]}}"#);
        result_is(
            "tools/call",
            name,
            &content(audio, link),
            &content(first, second),
        );
        let prompt = |a: &str| format!(r#"{{"messages":[{{"role":"user","content":{a}}}]}}"#);
        result_is("prompts/get", name, &prompt(audio), &prompt(first));
        result_is("prompts/get", name, &prompt(link), &prompt(second));
        result_is(
            "resources/read",
            name,
            &content(audio, link),
            &content(audio, link),
        );
    }
}

#[test]
fn forms_are_what_a_revision_knows() {
    let form = |mode: &str, field: &str| {
        format!(
            r#"{{{mode}"message":"m","requestedSchema":{{"type":"object","properties":{{"z":{{"type":"string","default":"d"}},"a":{field}}},"required":["a"]}}}}"#
        )
    };
    let titled =
        r#"{"type":"string","oneOf":[{"const":"x","title":"X"},{"const":"y","title":"Y"}]}"#;
    let named = r#"{"type":"string","enum":["x","y"],"enumNames":["X","Y"]}"#;
    let several = r#"{"type":"array","items":{"type":"string","enum":["x"]}}"#;
    let mode = r#""mode":"form","#;
    for name in &ALL[..3] {
        let method = "elicitation/create";
        question_is(method, name, &form(mode, titled), Some(&form("", named)));
        question_is(method, name, &form(mode, several), None);
    }
    for field in [titled, several] {
        let same = form(mode, field);
        question_is("elicitation/create", "2025-11-25", &same, Some(&same));
    }
}

#[test]
fn only_addresses_of_the_web_are_shown() {
    for (url, shown) in [
        ("https://a.example/x", true),
        ("http://localhost:1/x", true),
        ("javascript:alert(1)", false),
        ("file:///etc/passwd", false),
        ("x", false),
    ] {
        let params = format!(r#"{{"mode":"url","url":"{url}","message":"m"}}"#);
        let expected = shown.then_some(&*params);
        question_is("elicitation/create", "2025-11-25", &params, expected);
    }
    question_is(
        "elicitation/create",
        "2025-11-25",
        r#"{"mode":"url"}"#,
        None,
    );
}

#[test]
fn sampling_messages_have_one_content_where_that_is_all_a_revision_knows() {
    let params = |content: &str| {
        format!(r#"{{"messages":[{{"role":"user","content":{content}}}],"maxTokens":5}}"#)
    };
    let text = r#"{"type":"text","text":"t"}"#;
    let (single, list) = (params(text), params(&format!("[{text}]")));
    let method = "sampling/createMessage";
    question_is(method, "2025-06-18", &list, Some(&single));
    question_is(method, "2025-06-18", &single, Some(&single));
    question_is(method, "2025-11-25", &list, Some(&list));
    question_is("roots/list", "2025-06-18", "{}", Some("{}"));
}

#[test]
fn what_has_another_form_in_the_other_era_is_not_declared() {
    for (capabilities, client, server) in [
        ("{}", "{}", "{}"),
        (
            r#"{"tasks":{"list":{}},"x":1.0,"roots":{"listChanged":true}}"#,
            r#"{"x":1.0,"roots":{}}"#,
            r#"{"x":1.0,"roots":{"listChanged":true}}"#,
        ),
        (
            r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{"c" : 1}},"roots":{}}"#,
            r#"{"extensions":{"a/b":{"c" : 1}},"roots":{}}"#,
            r#"{"extensions":{"a/b":{"c" : 1}},"roots":{}}"#,
        ),
        (
            r#"{"extensions":1,"roots":[]}"#,
            r#"{"extensions":1,"roots":[]}"#,
            r#"{"extensions":1,"roots":[]}"#,
        ),
        ("[]", "{}", "{}"),
    ] {
        assert_eq!(capabilities::of_client(capabilities), client);
        assert_eq!(capabilities::of_server(capabilities, None), server);
    }
}

#[test]
fn completions_are_not_declared_before_there_were_any() {
    let capabilities = r#"{"completions":{},"tools":{}}"#;
    for name in ALL {
        let expected = match name {
            "2024-11-05" => r#"{"tools":{}}"#,
            _ => capabilities,
        };
        let told = capabilities::of_server(capabilities, revision::find(name));
        assert_eq!(told, expected, "{name}");
    }
    assert_eq!(capabilities::of_server(capabilities, None), capabilities);
}
