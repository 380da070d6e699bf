use super::*;

fn single(text: &str) -> Message {
    parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

fn refused(text: &str) -> Malformed {
    match parse_any(Bytes::copy_from_slice(text.as_bytes())) {
        Err(malformed) => malformed,
        Ok(parsed) => panic!("{text} was taken for {parsed:?}"),
    }
}

#[test]
fn the_four_kinds_are_told_apart() {
    for (text, kind) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{}}"#,
            Kind::Notification,
        ),
        (r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Kind::Result),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
            Kind::Error,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#,
            Kind::Error,
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#,
            Kind::Error,
        ),
    ] {
        assert_eq!(single(text).kind(), kind, "{text}");
    }
}

#[test]
fn only_the_id_changes_when_it_is_replaced() {
    let text = r#"{ "x": 1.0, "params" : {"n":1e400,"big":12345678901234567890,"dup":1,"id":7}, "id" : 9007199254740993 , "method":"tools\/call","jsonrpc":"2.0","z":"\ud800"}"#;
    let message = single(text);
    assert_eq!(message.id().unwrap().as_json(), "9007199254740993");
    assert_eq!(message.method(), "tools/call");
    let expected = text.replace("9007199254740993", "\"br-1\"");
    assert_eq!(message.with_id(&Id::from_plain("br-1")), expected);
}

#[test]
fn ids_keep_their_spelling() {
    for id in [
        "0",
        "-5",
        "123456789012345678901234567890",
        r#""1""#,
        r#""a\u0041""#,
        r#""""#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        assert_eq!(single(&text).id().unwrap().as_json(), id);
    }
}

#[test]
fn of_duplicate_members_the_last_counts() {
    let message = single(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a","method":"b"}"#);
    assert_eq!(
        (message.id().unwrap().as_json(), message.method()),
        ("2", "b")
    );
}

#[test]
fn malformed_texts_get_the_code_that_json_rpc_names() {
    for (text, code, id) in [
        ("", PARSE_ERROR, None),
        ("nonsense", PARSE_ERROR, None),
        (r#"{"jsonrpc":"2.0","id":1"#, PARSE_ERROR, None),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x"} y"#,
            PARSE_ERROR,
            None,
        ),
        ("Content-Length: 12", PARSE_ERROR, None),
        ("3", INVALID_REQUEST, None),
        (r#""x""#, INVALID_REQUEST, None),
        ("null", INVALID_REQUEST, None),
        (r#"{"id":1,"method":"x"}"#, INVALID_REQUEST, Some("1")),
        (
            r#"{"jsonrpc":"1.0","id":"a","method":"x"}"#,
            INVALID_REQUEST,
            Some("\"a\""),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.0,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1e2,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":[],"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (r#"{"jsonrpc":"2.0","id":4}"#, INVALID_REQUEST, Some("4")),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":7}"#,
            INVALID_REQUEST,
            Some("4"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"x","params":[1]}"#,
            INVALID_PARAMS,
            Some("4"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"x","params":null}"#,
            INVALID_PARAMS,
            Some("4"),
        ),
        (r#"{}"#, INVALID_REQUEST, None),
    ] {
        let malformed = refused(text);
        assert_eq!(malformed.code, code, "{text}");
        assert_eq!(malformed.id.as_ref().map(Id::as_json), id, "{text}");
        assert_eq!(malformed.meant, Meant::Request, "{text}");
    }
}

#[test]
fn malformed_notifications_and_responses_are_known_as_such() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"x","params":1}"#,
        r#"{"jsonrpc":"1.0","method":"x"}"#,
        r#"{"jsonrpc":"2.0","method":5}"#,
    ] {
        assert_eq!(refused(text).meant, Meant::Notification, "{text}");
    }
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"id":1,"result":{}}"#,
    ] {
        assert_eq!(refused(text).meant, Meant::Response, "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_a_parse_error() {
    let malformed = parse_any(Bytes::from_static(
        b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}",
    ))
    .unwrap_err();
    assert_eq!(malformed.code, PARSE_ERROR);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let open = "[".repeat(depth);
        let close = "]".repeat(depth);
        format!(r#"{{"jsonrpc":"2.0","method":"x","params":{{"a":{open}{close}}}}}"#)
    };
    assert!(parse(nested(DEPTH_LIMIT - 2).into()).is_ok());
    assert_eq!(refused(&nested(DEPTH_LIMIT)).code, PARSE_ERROR);
    let many = format!(
        r#"{{"jsonrpc":"2.0","method":"x","params":{{"a":[{}"[[["]}}}}"#,
        "[],".repeat(2000)
    );
    assert!(parse(many.into()).is_ok());
}

#[test]
fn a_pretty_printed_message_becomes_one_line() {
    let message = single("{\r\n  \"jsonrpc\": \"2.0\",\n  \"method\": \"x\\n\"\n}");
    assert!(!message.text().contains(&b'\n') && !message.text().contains(&b'\r'));
    assert_eq!(message.method(), "x\n");
}

#[test]
fn a_batch_keeps_each_entry_on_its_own() {
    let text = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},7,{"jsonrpc":"2.0","method":"n"},[]]"#;
    let Ok(Parsed::Batch(entries)) = parse_any(Bytes::from_static(text.as_bytes())) else {
        panic!("not a batch");
    };
    assert_eq!(entries.len(), 4);
    assert_eq!(
        entries[0].as_ref().unwrap().with_id(&Id::from_number(5)),
        r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#
    );
    assert_eq!(entries[1].as_ref().unwrap_err().code, INVALID_REQUEST);
    assert_eq!(entries[2].as_ref().unwrap().kind(), Kind::Notification);
    assert_eq!(entries[3].as_ref().unwrap_err().code, INVALID_REQUEST);
}

#[test]
fn members_are_found_by_their_decoded_name() {
    assert_eq!(
        member(r#"{"a":1,"\u0062":{"c":[1, 2]},"a":2}"#, "b"),
        Some(r#"{"c":[1, 2]}"#)
    );
    assert_eq!(member(r#"{"a":1,"a":2}"#, "a"), Some("2"));
    assert_eq!(member(r#"[1]"#, "a"), None);
    assert_eq!(member("", "a"), None);
}

#[test]
fn a_part_of_the_body_is_replaced_in_place() {
    let message = single(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x", "requestId": 12 }}"#,
    );
    let id = message.body_member("requestId").unwrap();
    assert_eq!(
        message.with_part(id, "99").text(),
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x", "requestId": 99 }}"#
    );
}

#[test]
fn the_progress_token_is_found_where_it_belongs() {
    let with =
        single(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":"t"}}}"#);
    assert_eq!(with.progress_token(), Some("\"t\""));
    let elsewhere =
        single(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"progressToken":"t"}}"#);
    assert_eq!(elsewhere.progress_token(), None);
}

#[test]
fn errors_say_or_omit_the_id() {
    let id = Id::from_number(3);
    assert_eq!(
        error(Some(&id), MissingId::Omitted, -32600, "a \"b\"", Some("{}")),
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"message":"a \"b\"","data":{}}}"#
    );
    assert_eq!(
        error(None, MissingId::Null, -32700, "x", None),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#
    );
    assert_eq!(
        error(None, MissingId::Omitted, -32700, "x", None),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
    );
}

#[test]
fn what_is_no_message_is_given_back() {
    for (text, given_back) in [
        ("{\"jsonrpc\":\"2.0\"", "{\"jsonrpc\":\"2.0\""),
        ("{\"jsonrpc\":\n\"1.0\"}", "{\"jsonrpc\": \"1.0\"}"),
        ("7", "7"),
    ] {
        let (malformed, text) = parse_or_return(text.into()).unwrap_err();
        assert_eq!(text, given_back);
        assert_eq!(parse_any(text).unwrap_err(), malformed);
    }
}

#[test]
fn a_rewritten_message_has_just_the_memory_that_it_needs() {
    let text = r#"{"jsonrpc":"2.0","id":12345,"method":"tools/call"}"#;
    let message = parse(text.into()).unwrap();
    for id in [1, 12345, u64::MAX] {
        let rewritten = message.with_id(&Id::from_number(id));
        let length = rewritten.len();
        assert_eq!(rewritten.try_into_mut().unwrap().capacity(), length);
    }
}
