use super::*;

#[test]
fn what_is_not_json_is_told_with_its_place_and_without_its_content() {
    for (file, place, hint) in [
        ("{\n  \"mcpServers\": {},\n}", "line 3, column 1", "comma"),
        ("{\r\n  // SECRET_1\r\n}", "line 2, column 3", "comments"),
        (
            r#"{"defaults":{"ca_file":"C:\SECRET_1"}}"#,
            "line 1, column 28",
            r"`\` is written as `\\`",
        ),
        ("SECRET_1", "line 1, column 1", "JSON"),
        ("{\"SECRET_1", "line 1, column 10", "JSON"),
        ("{} SECRET_1", "line 1, column 4", "JSON"),
    ] {
        let (message, told) = refused(&world(file), &[SERVER]);
        let start = format!("`{CONFIG_FILE}` is not valid JSON: ");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.ends_with(place), "{message}");
        assert!(told.contains(hint), "{told}");
        assert!(!format!("{message}{told}").contains("SECRET"), "{message}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (message, _) = refused(&world(deep), &[SERVER]);
    assert!(message.contains("recursion limit"), "{message}");
}

#[test]
fn a_file_that_is_no_object_of_objects_is_refused() {
    for (file, message) in [
        ("[]", format!("`{CONFIG_FILE}` holds no JSON object")),
        ("null", format!("`{CONFIG_FILE}` holds no JSON object")),
        (
            r#"{"mcpServers":[]}"#,
            format!("`mcpServers` in `{CONFIG_FILE}` is a list; it must be an object"),
        ),
        (
            r#"{"defaults":true}"#,
            format!("`defaults` in `{CONFIG_FILE}` is `true`; it must be an object"),
        ),
        (
            r#"{"defaults":{},"defaults":{}}"#,
            format!("`defaults` in `{CONFIG_FILE}` is given twice"),
        ),
    ] {
        assert_eq!(refused(&world(file), &[SERVER]).0, message);
    }
}

#[test]
fn what_editors_add_is_no_fault_and_an_empty_file_says_nothing() {
    let file = "\u{feff}{\r\n\"defaults\": {\r\n\"no_browser\": true\r\n}\r\n}\r\n";
    assert!(!taken(&world(file), &[SERVER]).browser);
    for empty in ["", " \r\n", "\u{feff}", "{}"] {
        let config = taken(&world(empty), &[SERVER]);
        assert!(config.base.warnings.is_empty(), "{empty:?}");
    }
    let (message, hint) = refused(&world(b"\xff\xfe{\0}\0"), &[SERVER]);
    assert_eq!(message, format!("`{CONFIG_FILE}` is not UTF-8 text"));
    assert_eq!(hint, "save it as UTF-8");
}

#[test]
fn a_file_may_have_one_mebibyte_and_no_more() {
    let file = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    taken(&world(file(1024 * 1024)), &[SERVER]);
    assert_eq!(
        refused(&world(file(1024 * 1024 + 1)), &[SERVER]).0,
        format!("`{CONFIG_FILE}` is larger than 1 MiB")
    );
}

#[test]
fn what_other_programs_keep_there_is_only_worth_a_remark() {
    let file = format!(
        r#"{{"inputs":[{{"id":"x"}}],"$schema":"s","mcpservers":{{}},
            "mcpServers":{{"it":{{"url":"{SERVER}","disabled":true,"autoApprove":["a"],"env":{{"A":"1"}}}},
                           "other":{{"command":"x","nonsense":1}}, "third": 3}}}}"#
    );
    let base = taken(&world(&file), &["it"]).base;
    assert_eq!(
        base.warnings,
        [format!(
            "`mcpservers` in `{CONFIG_FILE}` has no meaning; did you mean `mcpServers`?"
        )]
    );
    let remarks = base.remarks.join("\n");
    for member in ["inputs", "$schema", "disabled", "autoApprove", "env"] {
        assert!(remarks.contains(&format!("`{member}`")), "{remarks}");
    }
    assert!(!remarks.contains("nonsense"), "{remarks}");
}

#[test]
fn another_place_for_tokens_is_refused_in_place_of_ignored() {
    let (message, hint) = refused(&world(r#"{"tokenStorage":{"backend":"vault"}}"#), &[SERVER]);
    assert_eq!(
        message,
        format!(
            "`tokenStorage` in `{CONFIG_FILE}` is not supported yet: sign-ins are kept in private files only"
        )
    );
    assert!(!hint.is_empty());
}

#[test]
fn a_file_cut_anywhere_is_refused_and_any_value_anywhere_harms_nobody() {
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","headers":{{"X-Ä":"\u00e4 1"}},"oauth":{{"scopes":["a"]}}}}}},"defaults":{{"debug":true,"connect_timeout":2.5e0}}}}"#
    );
    for end in 1..file.len() {
        let (message, _) = refused(&world(&file.as_bytes()[..end]), &[SERVER]);
        assert!(message.contains(" is not "), "{end}: {message}");
    }
    let shapes = cli::option_shapes();
    let options = shapes.iter().map(|shape| shape.long.as_str());
    let others = [
        "oauth",
        "type",
        "headers",
        "callback_port",
        "dir",
        "command",
        "",
    ];
    let of_oauth = [
        "client_id",
        "client_secret",
        "token_endpoint_auth_method",
        "scopes",
        "resource",
        "issuer",
        "extra_auth_params",
        "redirect_uri",
    ];
    let of_oauth = of_oauth.map(|name| (format!(r#""oauth":{{"{name}":"#), "}"));
    let plain = options
        .chain(others)
        .map(|name| (format!(r#""{name}":"#), ""));
    for (start, end) in plain.chain(of_oauth) {
        for value in [
            "-1e300",
            r#""@""#,
            r#""${\u0000\ud83d\ude00""#,
            r#"["",null]"#,
            r#"{"":"","a":[]}"#,
        ] {
            let world = entry(&format!(",{start}{value}{end}"));
            let job = world.job(&["it"]);
            assert!(job.is_ok() || job.is_err_and(|error| !error.to_string().is_empty()));
        }
    }
}
