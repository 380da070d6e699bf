use super::*;

fn request(method: &str, params: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    jsonrpc::parse(text.into()).unwrap()
}

fn schema(properties: &str) -> String {
    format!(r#"{{"type":"object","properties":{properties}}}"#)
}

fn head(arguments: &str, properties: &str) -> Result<Vec<(String, String)>, HeadError> {
    let annotated = Annotated::of(&schema(properties)).unwrap();
    let call = request(
        "tools/call",
        &format!(r#"{{"name":"t","arguments":{arguments}}}"#),
    );
    Head::of(&call, "2026-07-28", Some(&annotated)).map(|head| head.parameters)
}

#[test]
fn the_name_comes_from_where_the_method_has_it() {
    for (method, params, expected) in [
        ("tools/call", r#"{"name":"add","uri":"x"}"#, Some("add")),
        ("prompts/get", r#"{"name":"p q"}"#, Some("p q")),
        (
            "resources/read",
            r#"{"uri":"file:///ä"}"#,
            Some("=?base64?ZmlsZTovLy/DpA==?="),
        ),
        ("tasks/update", r#"{"taskId":"7"}"#, Some("7")),
        ("tools/list", r#"{"name":"add"}"#, None),
        ("vendor/do", r#"{"name":"add"}"#, None),
    ] {
        let head = Head::of(&request(method, params), "2026-07-28", None).unwrap();
        assert_eq!(head.name.as_deref(), expected, "{method}");
        assert_eq!((&*head.method, &*head.version), (method, "2026-07-28"));
    }
}

#[test]
fn a_request_without_its_name_has_no_head() {
    for params in ["{}", r#"{"name":1}"#, r#"{"name":null}"#] {
        let error = Head::of(&request("tools/call", params), "2026-07-28", None).unwrap_err();
        assert_eq!(error, HeadError::Unnamed("name"), "{params}");
    }
}

#[test]
fn texts_are_encoded_where_a_header_cannot_carry_them() {
    for (text, expected) in [
        ("", ""),
        ("a b", "a b"),
        ("~!", "~!"),
        (" a", "=?base64?IGE=?="),
        ("a ", "=?base64?YSA=?="),
        ("a\tb", "=?base64?YQli?="),
        ("a\nb", "=?base64?YQpi?="),
        ("Zürich", "=?base64?WsO8cmljaA==?="),
        ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
        ("=?base64?x", "=?base64?x"),
        ("x?=", "x?="),
    ] {
        assert_eq!(encode(text), expected, "{text:?}");
    }
}

#[test]
fn annotated_parameters_are_repeated_as_they_are_declared() {
    let properties = r#"{
        "tenant":{"type":"string","x-mcp-header":"Tenant"},
        "count":{"type":"integer","x-mcp-header":"count"},
        "dry":{"type":"boolean","x-mcp-header":"Dry"},
        "deep":{"type":"object","properties":{"er":{"type":"string","x-mcp-header":"Deeper"}}},
        "plain":{"type":"string"}
    }"#;
    let pair = |name: &str, value: &str| (format!("Mcp-Param-{name}"), value.to_owned());
    for (arguments, expected) in [
        ("{}", vec![]),
        (
            r#"{"plain":"x","tenant":"acme","count":-7,"dry":false,"deep":{"er":"ä"}}"#,
            vec![
                pair("count", "-7"),
                pair("Deeper", "=?base64?w6Q=?="),
                pair("Dry", "false"),
                pair("Tenant", "acme"),
            ],
        ),
        (r#"{"tenant":""}"#, vec![pair("Tenant", "")]),
        (r#"{"tenant":null,"deep":null}"#, vec![]),
        (
            r#"{"tenant":1,"count":"1","dry":"true","deep":[{"er":"x"}]}"#,
            vec![],
        ),
        (r#"{"count":1e2}"#, vec![pair("count", "100")]),
        (r#"{"count":100.0}"#, vec![pair("count", "100")]),
        (r#"{"count":-0}"#, vec![pair("count", "0")]),
        (
            r#"{"count":9007199254740991}"#,
            vec![pair("count", "9007199254740991")],
        ),
    ] {
        assert_eq!(
            head(arguments, properties).unwrap(),
            expected,
            "{arguments}"
        );
    }
    for arguments in [
        r#"{"count":1.5}"#,
        r#"{"count":9007199254740992}"#,
        r#"{"count":1e400}"#,
    ] {
        let error = HeadError::Number("count".to_owned());
        assert_eq!(
            head(arguments, properties).unwrap_err(),
            error,
            "{arguments}"
        );
    }
}

#[test]
fn integers_are_read_to_the_last_digit() {
    let long = format!("1{}", "0".repeat(400));
    let small = format!("{long}e-400");
    for (text, expected) in [
        ("0", Some("0")),
        ("-0", Some("0")),
        ("-0.0e5", Some("0")),
        ("0e99999999999999999999", Some("0")),
        ("1e2", Some("100")),
        ("1E+2", Some("100")),
        ("100.0", Some("100")),
        ("-7", Some("-7")),
        ("-1.50e1", Some("-15")),
        ("0.001e3", Some("1")),
        ("1200e-2", Some("12")),
        (&small, Some("1")),
        ("9007199254740991", Some("9007199254740991")),
        ("-9007199254740991.0", Some("-9007199254740991")),
        ("900719925474099.1e1", Some("9007199254740991")),
        ("9007199254740992", None),
        ("-9007199254740992", None),
        ("9007199254740991.4", None),
        ("1.0000000000000000001", None),
        ("1e-400", None),
        ("1e400", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
        ("12e-2", None),
        ("0.1", None),
        (&long, None),
    ] {
        assert_eq!(integer(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_method_that_no_head_can_carry_is_not_sent() {
    for method in ["a/ä", " a", "a\\tb"] {
        let error = Head::of(&request(method, "{}"), "2026-07-28", None).unwrap_err();
        assert_eq!(error, HeadError::Method, "{method}");
    }
}

#[test]
fn a_schema_that_cannot_be_read_spoils_the_tool() {
    let deep = format!(
        "{}{}",
        r#"{"properties":{"a":"#.repeat(200),
        "}}".repeat(200)
    );
    let deep = deep.replacen("{", r#"{"title":"x-mcp-header","#, 1);
    assert!(Annotated::of(&deep).is_err());
    let escaped = schema(r#"{"a":{"type":"number","x-mcp\u002dheader":"X"}}"#);
    assert!(Annotated::of(&escaped).is_err());
}

#[test]
fn wrong_annotations_spoil_the_tool() {
    for properties in [
        r#"{"a":{"type":"string","x-mcp-header":1}}"#,
        r#"{"a":{"type":"string","x-mcp-header":""}}"#,
        r#"{"a":{"type":"string","x-mcp-header":"a b"}}"#,
        r#"{"a":{"type":"string","x-mcp-header":"a:b"}}"#,
        r#"{"a":{"type":"string","x-mcp-header":"ä"}}"#,
        r#"{"a":{"type":"string","x-mcp-header":"a\r\nb"}}"#,
        r#"{"a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}"#,
        r#"{"a":{"type":"number","x-mcp-header":"X"}}"#,
        r#"{"a":{"type":"object","x-mcp-header":"X"}}"#,
        r#"{"a":{"type":"array","x-mcp-header":"X"}}"#,
        r#"{"a":{"type":"null","x-mcp-header":"X"}}"#,
        r#"{"a":{"type":["string","null"],"x-mcp-header":"X"}}"#,
        r#"{"a":{"x-mcp-header":"X"}}"#,
        r#"{"a":{"type":"array","items":{"type":"string","x-mcp-header":"X"}}}"#,
        r#"{"a":{"anyOf":[{"type":"string","x-mcp-header":"X"}]}}"#,
        r#"{"a":{"not":{"type":"string","x-mcp-header":"X"}}}"#,
        r#"{"a":{"type":"object","additionalProperties":{"type":"string","x-mcp-header":"X"}}}"#,
        r#"{"a":{"type":"object","patternProperties":{".":{"type":"string","x-mcp-header":"X"}}}}"#,
    ] {
        assert!(Annotated::of(&schema(properties)).is_err(), "{properties}");
    }
    for schema in [
        r#"{"type":"object","x-mcp-header":"X"}"#,
        r#"{"$defs":{"a":{"type":"string","x-mcp-header":"X"}}}"#,
        r#"{"if":{"properties":{"a":{"type":"string","x-mcp-header":"X"}}}}"#,
        r#"{"allOf":[{"properties":{"a":{"type":"string","x-mcp-header":"X"}}}]}"#,
    ] {
        assert!(Annotated::of(schema).is_err(), "{schema}");
    }
}

#[test]
fn data_and_names_are_no_annotations() {
    for properties in [
        r#"{"a":{"type":"object","default":{"x-mcp-header":1}}}"#,
        r#"{"a":{"const":{"x-mcp-header":1}}}"#,
        r#"{"a":{"enum":[{"x-mcp-header":1}]}}"#,
        r#"{"a":{"examples":[{"x-mcp-header":1}]}}"#,
        r#"{"x-mcp-header":{"type":"string"}}"#,
    ] {
        let annotated = Annotated::of(&schema(properties)).unwrap();
        assert!(annotated.is_empty(), "{properties}");
    }
}

#[test]
fn a_list_is_read_tool_by_tool() {
    let result = format!(
        r#"{{"tools":[{{"name":"good","inputSchema":{}}},{{"name":"bad","inputSchema":{{"x-mcp-header":"X"}}}},{{"name":"plain"}}]}}"#,
        schema(r#"{"a":{"type":"string","x-mcp-header":"A"}}"#)
    );
    let tools = listed(&result);
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_deref()).collect();
    assert_eq!(names, [Some("good"), Some("bad"), Some("plain")]);
    let judged: Vec<_> = tools
        .iter()
        .map(|tool| tool.annotated.as_ref().ok().map(|found| found.is_empty()))
        .collect();
    assert_eq!(judged, [Some(false), None, Some(true)]);
}
