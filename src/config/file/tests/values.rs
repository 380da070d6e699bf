use super::*;
use crate::config::BearerSource;
use crate::secret_command::SecretCommand;

#[test]
fn each_place_wins_over_those_after_it() {
    let file = |defaults: &str, entry: &str| {
        world(format!(
            r#"{{"mcpServers":{{"it":{{"url":"{SERVER}"{entry}}}}},"defaults":{{{defaults}}}}}"#
        ))
    };
    let timeout = |world: &World, args: &[&str]| {
        let config = taken(world, &[&["it"], args].concat());
        config.http.connect_timeout
    };
    let seconds = Duration::from_secs;
    assert_eq!(timeout(&file("", ""), &[]), seconds(10));
    let (defaults, entry) = (r#""connect_timeout":1"#, r#","connect_timeout":2"#);
    assert_eq!(timeout(&file(defaults, ""), &[]), seconds(1));
    let world = file(defaults, entry);
    assert_eq!(timeout(&world, &[]), seconds(2));
    let world = world.var("MCP_DRAWBRIDGE_CONNECT_TIMEOUT", "3");
    assert_eq!(timeout(&world, &[]), seconds(3));
    assert_eq!(timeout(&world, &["--connect-timeout", "4"]), seconds(4));

    let browser = |world: &World, args: &[&str]| taken(world, &[&["it"], args].concat()).browser;
    let off = file(r#""no_browser":true"#, "");
    assert!(!browser(&off, &[]));
    let on = file(r#""no_browser":true"#, r#","no_browser":false"#);
    assert!(browser(&on, &[]));
    assert!(!browser(&on, &["--no-browser"]));
    assert!(browser(&off.var("MCP_DRAWBRIDGE_NO_BROWSER", "off"), &[]));

    // A list is replaced as a whole.
    let params = |world: &World, args: &[&str]| {
        taken(world, &[&["it"], args].concat())
            .authorize_params
            .len()
    };
    let world = file(
        r#""authorize_param":{"a":"1","b":"2","c":"3"}"#,
        r#","authorize_param":["x=1","y=2"]"#,
    );
    assert_eq!(params(&world, &[]), 2);
    assert_eq!(params(&world, &["--authorize-param", "z=1"]), 1);
    let world = file(r#""authorize_param":{"a":"1"}"#, r#","authorize_param":[]"#);
    assert_eq!(params(&world, &[]), 0);
}

#[test]
fn headers_of_all_places_come_together_and_the_nearer_one_wins() {
    let file = format!(
        r#"{{"defaults":{{"headers":{{"X-A":"1","X-B":"1","X-C":"1"}}}},
            "mcpServers":{{"it":{{"url":"{SERVER}","headers":{{"x-b":"2","X-D":2,"X-E":"e: ${{E}}"}},"header_file":"h.txt"}}}}}}"#
    );
    let world = world(file)
        .var("E", "${A}")
        .file("/home/me/.config/mcp-drawbridge/h.txt", "X-F: 2\nX-B: file");
    let config = taken(&world, &["it", "--header", "X-C: 3"]);
    for (name, value) in [
        ("x-a", "1"),
        ("x-b", "2"),
        ("x-c", "3"),
        ("x-d", "2"),
        ("x-e", "e: ${A}"),
        ("x-f", "2"),
    ] {
        assert_eq!(header(&config, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(config.headers.len(), 6);
    assert!(config.headers.values().all(http::HeaderValue::is_sensitive));
    let variable = world.var("MCP_DRAWBRIDGE_HEADER", "X-A: 4");
    let config = taken(&variable, &["it"]);
    assert_eq!(header(&config, "x-a").as_deref(), Some("4"));
    let bearer = it(r#","headers":{"Authorization":"Bearer x"}"#);
    assert_eq!(bearer.auth, AuthMode::Bearer);
    let list = it(r#","headers":["X-A: 1"]"#);
    assert_eq!(header(&list, "x-a").as_deref(), Some("1"));
    let one = it(r#","header":"X-A: 1""#);
    assert_eq!(header(&one, "x-a").as_deref(), Some("1"));
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_with_its_member() {
    for (members, message) in [
        (r#","headers":{"X Y":"SECRET_1"}"#, "is not of the form"),
        (
            r#","headers":{"X:Y":"SECRET_1"}"#,
            "has a name with `:` in it",
        ),
        (r#","headers":{"X":"SECRET_1\nA: b"}"#, "line break"),
        (
            r#","headers":{"X":["SECRET_1"]}"#,
            "is a list; it must be a text",
        ),
        (
            r#","headers":{"Host":"SECRET_1"}"#,
            "belongs to the connection itself",
        ),
        (r#","headers":{"X":"1","X":"SECRET_1"}"#, "is given twice"),
        (
            r#","headers":true"#,
            "is `true`; it must be an object of texts, or a list of texts",
        ),
    ] {
        let told = refusal(members);
        assert!(told.contains(message), "{told}");
        assert!(!told.contains("SECRET"), "{told}");
    }
}

#[test]
fn placeholders_are_replaced_in_every_text_and_never_twice() {
    let members = r#","scope":"${A} b","connect_timeout":"${N}","authorize_param":{"x":"${A}"},
        "static_oauth_client_info":{"client_id":"${A}","client_secret":"${TRICKY}"},
        "static_oauth_client_metadata":{"client_name":"${TRICKY}","contacts":["${A}"]},
        "device_code":"${ON}","resource":"${EMPTY}"#
        .to_owned()
        + r#"","issuer":"${EMPTY}""#;
    let world = entry(&members)
        .var("A", "a")
        .var("N", "2.5")
        .var("ON", "true")
        .var("EMPTY", "")
        .var("TRICKY", "\"${A}\\\n");
    let config = taken(&world, &["it"]);
    assert_eq!(config.scopes.expect("scopes"), ["a", "b"]);
    assert_eq!(
        it(r#","scope":["a","b c"]"#).scopes.expect("scopes"),
        ["a", "b", "c"]
    );
    assert_eq!(config.http.connect_timeout, Duration::from_millis(2500));
    assert_eq!(config.authorize_params, [("x".to_owned(), "a".to_owned())]);
    let client = config.client.expect("a client");
    assert_eq!(client.client_id, "a");
    assert!(
        client
            .client_secret
            .expect("a secret")
            .matches("\"${A}\\\n")
    );
    assert_eq!(config.client_metadata["client_name"], "\"${A}\\\n");
    assert_eq!(config.client_metadata["contacts"][0], "a");
    assert_eq!(config.auth, AuthMode::Device);
    // A variable that hosts set for a setting left empty counts as absent.
    assert_eq!(config.resource, Resource::Discovered);
    assert!(config.issuer.is_none());
}

#[test]
fn a_missing_variable_is_named_with_its_member() {
    for (members, place) in [
        (r#","scope":"SECRET_1 ${NOT_SET}""#, of_it("scope", "")),
        (r#","debug":"${NOT_SET}""#, of_it("debug", "")),
        (
            r#","header_file":["a","${NOT_SET}"]"#,
            of_it("header_file[1]", ""),
        ),
        (
            r#","authorize_param":{"k":"${NOT_SET}"}"#,
            of_it("authorize_param.k", ""),
        ),
        (
            r#","headers":{"X-Key":"SECRET_1 ${NOT_SET}"}"#,
            format!("the header `x-key` in {}", of_it("headers.X-Key", "")),
        ),
        (
            r#","static_oauth_client_info":{"client_id":"${NOT_SET}"}"#,
            of_it("static_oauth_client_info", ""),
        ),
        (
            r#","oauth":{"client_id":"${NOT_SET}","client_secret":"SECRET_1"}"#,
            of_it("oauth", ""),
        ),
        (
            r#","oauth":{"issuer":"${NOT_SET}"}"#,
            of_it("oauth.issuer", ""),
        ),
        (
            r#","callback_port":"${NOT_SET}""#,
            of_it("callback_port", ""),
        ),
    ] {
        let expected = "needs the environment variable `NOT_SET`, which is not set";
        assert_eq!(refusal(members), format!("{place}{expected}"));
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_what_is_expected() {
    let scalar = "it must be a text or a number";
    for (members, member, expected) in [
        (r#","name":["a"]"#, "name", format!("is a list; {scalar}")),
        (r#","name":null"#, "name", format!("is `null`; {scalar}")),
        (
            r#","scope":{}"#,
            "scope",
            "is an object; it must be a text, or a list of texts".to_owned(),
        ),
        (
            r#","scope":["a",true]"#,
            "scope[1]",
            format!("is `true`; {scalar}"),
        ),
        (r#","name":false"#, "name", format!("is `false`; {scalar}")),
        (
            r#","connect_timeout":{}"#,
            "connect_timeout",
            format!("is an object; {scalar}"),
        ),
        (
            r#","debug":1"#,
            "debug",
            "is a number; it must be `true` or `false`".to_owned(),
        ),
        (
            r#","debug":"maybe""#,
            "debug",
            "is `maybe`; it must be `true` or `false`".to_owned(),
        ),
        (
            r#","header_file":{"a":"b"}"#,
            "header_file",
            "is an object; it must be a list of texts".to_owned(),
        ),
        (
            r#","header_file":["a",["b"]]"#,
            "header_file[1]",
            format!("is a list; {scalar}"),
        ),
        (
            r#","authorize_param":{"k":null}"#,
            "authorize_param.k",
            "is `null`; it must be a text".to_owned(),
        ),
        (
            r#","static_oauth_client_info":[]"#,
            "static_oauth_client_info",
            "is a list; it must be an object, or a text with `@` and the name of a file".to_owned(),
        ),
        (
            r#","auth_timeout":-1"#,
            "auth_timeout",
            "is `-1`; it must be a whole number of seconds from 1 to 86400".to_owned(),
        ),
        (
            r#","callback_port":99999"#,
            "callback_port",
            "is `99999`; it must be a number from 1 to 65535".to_owned(),
        ),
        (
            r#","oauth":"x""#,
            "oauth",
            "is a text; it must be an object".to_owned(),
        ),
        (
            r#","oauth":{"client_id":1}"#,
            "oauth.client_id",
            "is a number; it must be a text".to_owned(),
        ),
    ] {
        assert_eq!(refusal(members), of_it(member, &expected), "{members}");
    }
}

#[test]
fn a_member_that_is_given_twice_is_refused_however_it_is_spelt() {
    for (members, member) in [
        (r#","scope":"a","scope":"b""#, "scope"),
        (r#","ca_file":"a","ca-file":"b""#, "ca-file"),
        (r#","header":"A: 1","headers":{"A":"2"}"#, "headers"),
        (r#","url":"https://other.example""#, "url"),
        (
            r#","oauth":{"client_id":"a","client-id":"b"}"#,
            "oauth.client-id",
        ),
    ] {
        assert_eq!(refusal(members), of_it(member, "is given twice"));
    }
    for (members, second, first) in [
        (
            r#","scope":"a","oauth":{"scopes":"a"}"#,
            "oauth.scopes",
            "scope",
        ),
        (
            r#","host":"localhost","oauth":{"redirect_uri":"http://localhost/"}"#,
            "oauth.redirect_uri",
            "host",
        ),
        (
            r#","callback_port":1,"oauth":{"redirect_uri":"http://localhost:1/"}"#,
            "oauth.redirect_uri",
            "callback_port",
        ),
    ] {
        let first = of_it(first, "").trim_end().to_owned();
        assert_eq!(
            refusal(members),
            of_it(second, &format!("says the same as {first}"))
        );
    }
}

#[test]
fn an_unknown_member_is_worth_a_warning_with_what_was_meant() {
    let config = it(r#","conect_timeout":1,"caFile":"x","colour":"red","config":"x""#);
    let place = format!("of `it` in `{CONFIG_FILE}` stands for no option");
    assert_eq!(
        config.base.warnings,
        [
            format!("`conect_timeout` {place}; did you mean `connect_timeout`?"),
            format!("`caFile` {place}; did you mean `ca_file`?"),
            format!("`colour` {place}"),
            format!("`config` {place}"),
        ]
    );
    let config = taken(
        &world(r#"{"defaults":{"proxxy":1,"headrs":{}}}"#),
        &[SERVER],
    );
    assert_eq!(config.base.warnings.len(), 2);
    assert!(config.base.warnings[1].ends_with("did you mean `headers`?"));
}

#[test]
fn what_belongs_to_one_server_is_refused_for_all() {
    for member in [
        r#""url":"https://x.example""#,
        r#""name":"work""#,
        r#""oauth":{}"#,
        r#""type":"http""#,
    ] {
        let file = format!(r#"{{"defaults":{{{member}}}}}"#);
        let (message, hint) = refused(&world(file), &[SERVER]);
        assert!(
            message.ends_with("cannot be the same for every server"),
            "{message}"
        );
        assert_eq!(hint, "move it into an entry of `mcpServers`");
    }
}

#[test]
fn the_callback_port_has_a_place_and_an_argument_wins() {
    assert_eq!(it(r#","callback_port":3334"#).callback.port, Some(3334));
    assert_eq!(it(r#","callback-port":"0""#).callback.port, None);
    let world = entry(r#","callback_port":3334"#);
    assert_eq!(taken(&world, &["it", "4000"]).callback.port, Some(4000));
    let warnings = it(r#","callback_port":3334,"device_code":true"#)
        .base
        .warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with(&of_it("callback_port", "has no effect")),
        "{warnings:?}"
    );
}

#[test]
fn the_transport_is_understood_in_the_words_of_other_programs() {
    use Preference::{HttpFirst, HttpOnly, SseFirst, SseOnly};
    for (members, transport) in [
        ("", HttpFirst),
        (r#","type":"http""#, HttpFirst),
        (r#","type":"streamable-http""#, HttpFirst),
        (r#","type":"streamableHttp""#, HttpFirst),
        (r#","type":"SSE""#, SseFirst),
        (r#","transport":"sse""#, SseOnly),
        (r#","transport":"http""#, HttpOnly),
        (r#","transport":"auto","type":"sse""#, HttpFirst),
        (r#","transport":"sse-only""#, SseOnly),
        (r#","transport":"http-only","type":"sse""#, HttpOnly),
        (r#","type":"http","transport":"${T}""#, SseOnly),
        (r#","type":"sse","transport":"${EMPTY}""#, SseFirst),
    ] {
        let world = entry(members).var("T", "sse-only").var("EMPTY", "");
        assert_eq!(taken(&world, &["it"]).transport, transport, "{members}");
        let args = ["it", "--transport", "sse-only"];
        assert_eq!(taken(&world, &args).transport, SseOnly);
    }
    let file = format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}","type":"http"}}}},"defaults":{{"transport":"sse-only"}}}}"#
    );
    assert_eq!(taken(&world(&file), &["it"]).transport, HttpFirst);
    assert_eq!(taken(&world(&file), &[SERVER]).transport, SseOnly);
    for (members, member, told) in [
        (
            r#","type":"websocket""#,
            "type",
            "is `websocket`; it must be `http`, `streamable-http` or `sse`",
        ),
        (
            r#","type":["http"]"#,
            "type",
            "is a list; it must be a text or a number",
        ),
    ] {
        assert_eq!(refusal(members), of_it(member, told));
    }
    let told = refusal(r#","transport":"websocket""#);
    let start = of_it("transport", "is `websocket`; it must be ");
    assert!(told.starts_with(&start), "{told}");
}

#[test]
fn a_command_may_be_a_list_of_its_words() {
    let world = entry(r#","bearer_command":["vault","read x","${FIELD}"]"#).var("FIELD", "a b");
    let Some(BearerSource::Command(listed)) = taken(&world, &["it"]).bearer else {
        panic!("no command");
    };
    let told = SecretCommand::parse("vault 'read x' 'a b'").expect("a command");
    assert_eq!(listed, told);
}

#[test]
fn the_client_of_an_entry_wins_over_that_of_the_defaults() {
    for (entry, id) in [
        (r#""oauth":{"client_id":"mine"}"#, "mine"),
        (r#""client_id":"mine""#, "mine"),
        (r#""scope":"x""#, "theirs"),
    ] {
        for defaults in [
            r#""client_id":"theirs""#,
            r#""static_oauth_client_info":{"client_id":"theirs"}"#,
        ] {
            let file = format!(
                r#"{{"mcpServers":{{"it":{{"url":"{SERVER}",{entry}}}}},"defaults":{{{defaults}}}}}"#
            );
            let world = World::default().file(CONFIG_FILE, file);
            let client = taken(&world, &["it"]).client.expect("a client");
            assert_eq!(client.client_id, id, "{entry} {defaults}");
        }
    }
}
