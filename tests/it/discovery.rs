//! Who issues tokens: several authorization servers, one that changes while a session lasts, and
//! challenges in every form that headers have.

use playground::{Consent, Fault, MetadataAt, Playground, Request, Server, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{NEWEST, failure, opening};

/// The MCP server names these authorization servers.
fn names(playground: &Playground, issuers: Vec<String>) {
    let edit = Then::edit(move |document| document["authorization_servers"] = json!(issuers));
    let metadata = Fault::of(Server::Mcp)
        .method("GET")
        .path("/.well-known/oauth-protected-resource/mcp");
    playground.fault(metadata.always().then(edit));
}

/// The authorization server answers like this at this path.
fn answers(playground: &Playground, path: &str, status: u16, body: &Value) {
    let answer = Then::answer(status).header("Content-Type", "application/json");
    let metadata = Fault::of(Server::Authorization).method("GET").path(path);
    playground.fault(metadata.always().then(answer.body(body.to_string())));
}

fn works(bridge: &mut Bridge) {
    let result = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(result["content"][0]["text"], "42", "{}", bridge.story());
}

/// Paths of the authorization server that were asked for, queries left out.
fn asked(playground: &Playground) -> Vec<String> {
    let requests = playground.requests().into_iter();
    let of_authority = requests.filter(|request| request.server == Server::Authorization);
    of_authority.map(|request| request.path).collect()
}

#[test]
fn the_next_authorization_server_is_taken_where_the_first_is_of_no_use() {
    const OAUTH: &str = "/.well-known/oauth-authorization-server/first";
    let evil =
        json!({ "issuer": "https://evil.example", "token_endpoint": "https://evil.example/t" });
    for (case, first, status, body) in [
        (
            "nobody is there",
            "https://127.0.0.1:1".to_owned(),
            404,
            Value::Null,
        ),
        (
            "it has no metadata",
            "ISSUER/first".to_owned(),
            404,
            Value::Null,
        ),
        ("it is down", "ISSUER/first".to_owned(), 503, Value::Null),
        (
            "it calls itself something else",
            "ISSUER/first".to_owned(),
            200,
            evil,
        ),
        ("it is no address", "nonsense".to_owned(), 404, Value::Null),
        (
            "it is not secured",
            "http://far.example".to_owned(),
            404,
            Value::Null,
        ),
    ] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let issuer = playground.issuer();
        names(
            &playground,
            vec![first.replace("ISSUER", &issuer), issuer.clone()],
        );
        answers(&playground, OAUTH, status, &body);
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        works(&mut bridge);
        bridge.close();
        assert_eq!(machine.sign_in()["issuer"], issuer, "{case}");
        assert_eq!(
            (machine.opened().len(), playground.registrations()),
            (1, 1),
            "{case}"
        );
        let first_was_asked = asked(&playground).iter().any(|path| path == OAUTH);
        assert_eq!(
            first_was_asked,
            first.starts_with("ISSUER"),
            "{case}: {:?}",
            asked(&playground)
        );
        // What another says of itself is not looked for at its other places.
        if status == 200 {
            let others = asked(&playground);
            let others = others
                .iter()
                .filter(|path| path.ends_with("/first") || path.starts_with("/first"));
            assert_eq!(others.count(), 1, "{case}: {:?}", asked(&playground));
        }
    }
}

#[test]
fn an_issuer_that_the_user_names_is_asked_before_those_that_come_first() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let issuer = playground.issuer();
    names(&playground, vec![format!("{issuer}/first"), issuer.clone()]);
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &["--issuer", &issuer]);
    works(&mut bridge);
    bridge.close();
    assert!(
        !asked(&playground)
            .iter()
            .any(|path| path.contains("/first")),
        "{:?}",
        asked(&playground)
    );
}

#[test]
fn a_person_who_declines_at_one_authorization_server_is_not_sent_to_the_next() {
    let settings = Settings {
        consent: Consent::Denied,
        ..Settings::default()
    };
    let (playground, machine) = (
        Playground::start(settings),
        Machine::with(Browser::Approves),
    );
    let issuer = playground.issuer();
    names(
        &playground,
        vec![issuer.clone(), format!("{issuer}/second")],
    );
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let mut answer = bridge.call("initialize", opening(NEWEST, json!({})));
    if answer.get("result").is_some() {
        answer = bridge.call("tools/call", json!({ "name": "echo" }));
    }
    let told = failure(&answer)["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(told.contains("declined"), "{told}");
    bridge.close();
    assert_eq!(machine.opened().len(), 1);
    assert!(
        !asked(&playground)
            .iter()
            .any(|path| path.contains("/second")),
        "{:?}",
        asked(&playground)
    );
}

#[test]
fn an_authorization_server_that_changes_during_a_session_gets_a_client_and_a_grant_of_its_own() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    works(&mut bridge);
    let old = machine.sign_in();
    let old_issuer = playground.issuer();
    let before = playground.requests().len();
    playground.change(|settings| settings.issuer_path = "/moved".into());
    // What the first one issued is worth nothing any more.
    playground.expire_access_tokens();
    playground.revoke_grants();
    works(&mut bridge);
    let ended = bridge.close();
    assert_eq!(
        (machine.opened().len(), playground.registrations()),
        (2, 2),
        "{}",
        ended.stderr
    );
    let new = machine.sign_in();
    assert_eq!(new["issuer"], playground.issuer(), "{new}");
    assert_ne!(playground.issuer(), old_issuer);
    // The metadata was read again, and nothing of the first one was shown to the second.
    let since = playground.requests().split_off(before);
    let read = |request: &Request| request.path.contains("oauth-protected-resource");
    assert!(since.iter().any(read), "{}", playground.printed_log());
    let client = old["client"][&old_issuer]["client_id"]
        .as_str()
        .expect("a client");
    let refresh = old["refresh_token"].as_str().expect("a refresh token");
    for request in since
        .iter()
        .filter(|request| request.path.starts_with("/moved/"))
    {
        for (name, old) in [("client_id", client), ("refresh_token", refresh)] {
            assert_ne!(
                request.parameter(name).as_deref(),
                Some(old),
                "{}",
                request.path
            );
        }
    }
}

#[test]
fn a_challenge_is_understood_in_every_form_that_headers_have() {
    let scope = "tools admin";
    for (case, header, asked_for) in [
        ("no header", None, None),
        ("another scheme alone", Some("Negotiate".to_owned()), None),
        ("a scheme and nothing more", Some("Bearer".to_owned()), None),
        (
            "other schemes before it, and commas in quotes",
            Some(format!(
                r#"Negotiate abc==, Basic realm="Bearer scope=\"none\", x", BEARER realm="a, \"b\"" , SCOPE = "{scope}""#
            )),
            Some(scope),
        ),
        (
            "no quotes and no commas",
            Some("bearer error=invalid_token scope=tools".to_owned()),
            Some("tools"),
        ),
        (
            "a quote that does not end",
            Some(r#"Bearer scope="tools", realm="x, y"#.to_owned()),
            Some("tools"),
        ),
        (
            "characters that no scope has",
            Some("Bearer scope=\"tools a\\\"b c\\\\d\"".to_owned()),
            Some("tools"),
        ),
    ] {
        let settings = Settings {
            scopes_supported: None,
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        playground.fault(
            Fault::mcp()
                .rpc("server/discover")
                .times(1)
                .then(Then::Unauthorized(header)),
        );
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        works(&mut bridge);
        bridge.close();
        assert_eq!(machine.opened().len(), 1, "{case}");
        let requests = playground.requests();
        let page = requests
            .iter()
            .find(|request| request.path == "/authorize")
            .expect(case);
        assert_eq!(page.parameter("scope").as_deref(), asked_for, "{case}");
    }
}

#[test]
fn resource_is_sent_as_the_metadata_spell_it() {
    for end in ["", "/"] {
        let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
        let origin = playground.mcp_url().replace("/mcp", "");
        let resource = format!("{origin}{end}");
        playground.change(|settings| settings.metadata_resource = Some(resource.clone()));
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        works(&mut bridge);
        bridge.close();
        for path in ["/authorize", "/token"] {
            let requests = playground.requests();
            let request = requests
                .iter()
                .find(|request| request.path == path)
                .expect(path);
            assert_eq!(
                request.parameter("resource"),
                Some(resource.clone()),
                "{path}"
            );
        }
    }
}

#[test]
fn an_issuer_with_a_path_is_looked_for_at_its_own_places_in_order_and_never_at_the_root() {
    let oauth = "/.well-known/oauth-authorization-server/tenant/one";
    let inserted = "/.well-known/openid-configuration/tenant/one";
    let appended = "/tenant/one/.well-known/openid-configuration";
    for (at, places) in [
        (MetadataAt::OAuth, &[oauth][..]),
        (MetadataAt::OpenIdInserted, &[oauth, inserted]),
        (MetadataAt::OpenIdAppended, &[oauth, inserted, appended]),
    ] {
        let settings = Settings {
            issuer_path: "/tenant/one".into(),
            metadata_at: vec![at],
            ..Settings::default()
        };
        let (playground, machine) = (Playground::start(settings), Machine::new());
        let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
        works(&mut bridge);
        bridge.close();
        let mut asked = asked(&playground);
        asked.retain(|path| path.contains("/.well-known/"));
        assert_eq!(asked, places, "{at:?}");
    }
}
