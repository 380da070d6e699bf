use super::*;

fn message(text: String) -> Message {
    jsonrpc::parse(text.into()).expect("a message")
}

fn request(method: &str, params: &str) -> Message {
    message(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#
    ))
}

fn answer(result: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
}

fn matches(pattern: &str, name: &str) -> bool {
    !Visible::new([], [pattern]).shows(name)
}

/// Each line was tried with mcp-remote 0.15.1's own function.
#[test]
fn patterns_match_as_those_of_mcp_remote() {
    for (pattern, name, expected) in [
        ("delete*", "deleteTask", true),
        ("delete*", "delete", true),
        ("delete*", "undelete", false),
        ("*account", "getAccount", true),
        ("*account", "accounts", false),
        ("exactTool", "exactTool", true),
        ("exactTool", "EXACTtool", true),
        ("exactTool", "exactTools", false),
        ("a*b*c", "a--b--c", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "acb", false),
        ("a**c", "abc", true),
        ("*", "", true),
        ("*", "any.thing/at-all", true),
        ("", "", true),
        ("", "a", false),
        ("a.c", "abc", false),
        ("a.c", "a.c", true),
        ("a?c", "abc", false),
        ("[ab]", "a", false),
        ("[ab]", "[AB]", true),
        ("a|b", "a", false),
        ("^a$", "a", false),
        ("a\\*", "ab", false),
        ("a\\*", "a\\b", true),
        (" a", "a", false),
        // A star is no line end.
        ("a*", "a\nb", false),
        ("a\n*", "a\nb", true),
        ("a*", "a\u{2028}", false),
        ("a*", "a\u{85}", true),
        // Case as JavaScript has it without the flag `u`.
        ("É*", "été", true),
        ("straße", "STRASSE", false),
        ("straße", "STRAßE", true),
        // The long s and the sign for kelvin are not ASCII, although their other case is.
        ("s", "\u{17f}", false),
        ("k", "\u{212a}", false),
        ("σ", "ς", true),
        ("*😀", "smile😀", true),
        ("𐐨", "𐐀", false),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern:?} {name:?}");
    }
}

#[test]
fn many_stars_take_no_longer() {
    let pattern = "*a".repeat(200);
    assert!(!matches(&pattern, &"b".repeat(20_000)));
    assert!(matches(&pattern, &"a".repeat(20_000)));
}

#[test]
fn what_is_allowed_is_all_there_is_and_what_is_ignored_is_not_there() {
    for (allowed, ignored, expected) in [
        (&[][..], &[][..], "get_a get_b set_a"),
        (&["get_*"], &[], "get_a get_b"),
        (&["get_a", "set_a"], &[], "get_a set_a"),
        (&[], &["set*"], "get_a get_b"),
        (&[], &["*_a", "GET_B"], ""),
        (&["get_*"], &["*_b"], "get_a"),
        (&["nothing"], &[], ""),
    ] {
        let visible = Visible::new(allowed.iter().copied(), ignored.iter().copied());
        let names = ["get_a", "get_b", "set_a"].into_iter();
        let shown: Vec<&str> = names.filter(|name| visible.shows(name)).collect();
        assert_eq!(shown.join(" "), expected, "{allowed:?} {ignored:?}");
    }
}

#[test]
fn only_calls_of_hidden_tools_are_refused() {
    let visible = Visible::new([], ["wipe*"]);
    for (method, params, expected) in [
        ("tools/call", r#"{"name":"wipe_all"}"#, Some("wipe_all")),
        ("tools/call", r#"{"name":"\u0077ipe"}"#, Some("wipe")),
        (
            "tools/call",
            r#"{"name":"look","name":"wipe"}"#,
            Some("wipe"),
        ),
        (
            "tools/call",
            r#"{"arguments":{"name":"wipe"},"name":"look"}"#,
            None,
        ),
        ("tools/call", r#"{"name":7}"#, Some("")),
        ("tools/call", r#"{"name":"\ud800"}"#, Some("")),
        ("tools/call", "{}", Some("")),
        ("prompts/get", r#"{"name":"wipe"}"#, None),
    ] {
        let refused = visible.refuses(&request(method, params));
        assert_eq!(refused.as_deref(), expected, "{method} {params}");
    }
    let everything = Visible::default();
    assert_eq!(everything.refuses(&request("tools/call", "{}")), None);
}

#[test]
fn what_can_be_read_in_two_ways_is_told_from_what_cannot() {
    let visible = Visible::new([], ["wipe*"]);
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let envelope = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
    for (text, expected) in [
        (call(r#"{"name":"look"}"#), false),
        (
            call(r#"{"name":"look","arguments":{"name":"a","Name":"b","name":"c"}}"#),
            false,
        ),
        (call(r#"{"name":"look","_meta":{"a":1,"A":2}}"#), false),
        (call(r#"{"name":"wipe","name":"look"}"#), true),
        (call(r#"{"name":"look","Name":"wipe"}"#), true),
        (call(r#"{"name":"look","n\u0061me":"wipe"}"#), true),
        (call(r#"{"name":"wipe","name":"look","\ud800":1}"#), true),
        (call(r#"{"Name":"wipe"}"#), true),
        (
            call(r#"{"name":"look","arguments":{},"Arguments":{}}"#),
            true,
        ),
        (envelope(r#""method":"tools/call""#), false),
        (envelope(r#""method":"tools/list","method":"ping""#), true),
        (
            envelope(r#""method":"tools/list","Method":"tools/call""#),
            true,
        ),
        (
            envelope(r#""method":"ping","params":{"name":"a","Name":"b"}"#),
            false,
        ),
        (
            envelope(r#""method":"tools/call","params":{"name":"wipe"},"params":{"name":"look"}"#),
            true,
        ),
        (
            envelope(r#""method":"tools/call","params":{"name":"look"},"PARAMS":{"name":"wipe"}"#),
            true,
        ),
        (
            envelope(r#""method":"tools/call","params":{"name":"look"},"paramſ":{"name":"wipe"}"#),
            true,
        ),
        (envelope(r#""result":{},"METHOD":"tools/call""#), true),
        (envelope(r#""result":{},"x":1,"y":2"#), false),
        (envelope(r#""method":"ping","Id":2"#), true),
    ] {
        let asked = message(text.clone());
        assert_eq!(visible.is_ambiguous(&asked), expected, "{text}");
        assert!(!Visible::default().is_ambiguous(&asked), "{text}");
    }
}

#[test]
fn a_list_loses_what_is_hidden_and_nothing_else() {
    let visible = Visible::new([], ["wipe*"]);
    let list = request("tools/list", r#"{"cursor":"2"}"#);
    for (result, expected) in [
        (
            r#"{"nextCursor":"3", "tools" : [ {"name":"look","x":1.0e2} , {"name":"wipe"},{"title":"é", "name":"go"} ],"ttlMs":5}"#,
            r#"{"nextCursor":"3", "tools" : [{"name":"look","x":1.0e2},{"title":"é", "name":"go"}],"ttlMs":5}"#,
        ),
        (r#"{"tools":[{"name":"wipe"}]}"#, r#"{"tools":[]}"#),
        (
            r#"{"tools":[{"name":"\u0057IPE"},{"inputSchema":{"name":"wipe"},"name":"go"}]}"#,
            r#"{"tools":[{"inputSchema":{"name":"wipe"},"name":"go"}]}"#,
        ),
        // Nobody can tell what it is.
        (
            r#"{"tools":[{},7,{"name":7},{"name":"go"}]}"#,
            r#"{"tools":[{"name":"go"}]}"#,
        ),
    ] {
        let shown = visible.without_hidden(&list, &answer(result));
        assert_eq!(shown.expect("less").body(), expected, "{result}");
    }
    for result in [
        r#"{"tools":[{"name":"look"}]}"#,
        r#"{"tools":[]}"#,
        r#"{"tools":{"name":"wipe"}}"#,
        r#"{"wipe":[{"name":"wipe"}]}"#,
    ] {
        let shown = visible.without_hidden(&list, &answer(result));
        assert_eq!(shown, None, "{result}");
    }
}

#[test]
fn other_answers_stay() {
    let visible = Visible::new([], ["*"]);
    let result = r#"{"tools":[{"name":"wipe"}]}"#;
    let other = request("vendor/list", "{}");
    assert_eq!(visible.without_hidden(&other, &answer(result)), None);
    let list = request("tools/list", "{}");
    let error =
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","tools":[{"name":"wipe"}]}}"#;
    let error = message(error.to_owned());
    assert_eq!(visible.without_hidden(&list, &error), None);
    let everything = Visible::default();
    assert_eq!(everything.without_hidden(&list, &answer(result)), None);
}
