//! What keeps a sign-in from succeeding reaches the host as an error that names the rule, the values
//! that disagree, and what the user can do; and the process lives on.

use playground::{
    Consent, Fault, IssInCallback, Playground, Registration, ResourceParameter, Server, Settings,
    Then,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{NEWEST, failure, opening};

/// One refusal.
struct Row {
    /// What is wrong, for a failing test.
    case: &'static str,
    settings: Settings,
    faults: Vec<Fault>,
    browser: Browser,
    arguments: &'static [&'static str],
    /// The rule that is named; `None` where none was broken.
    rule: Option<&'static str>,
    /// What stands in the text; `ISSUER` is the playground's issuer, `SERVER` its MCP server.
    says: &'static [&'static str],
    /// What the user is told to do.
    hint: &'static str,
    retryable: bool,
    /// How far it got: nobody was asked, a person was sent to sign in, a code was handed in.
    got: Got,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Nowhere,
    Asked,
    HandedIn,
}

impl Row {
    fn new(case: &'static str, rule: &'static str) -> Self {
        Self {
            case,
            settings: Settings::default(),
            faults: Vec::new(),
            browser: Browser::Approves,
            arguments: &[],
            rule: Some(rule),
            says: &[],
            hint: "",
            retryable: false,
            got: Got::Nowhere,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    fn says(mut self, says: &'static [&'static str]) -> Self {
        self.says = says;
        self
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    fn got(mut self, got: Got) -> Self {
        self.got = got;
        self
    }

    /// Runs it, and looks at what the host is told.
    fn check(self) {
        let playground = Playground::start(self.settings.clone());
        for fault in &self.faults {
            playground.fault(fault.clone());
        }
        let machine = Machine::with(self.browser);
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), self.arguments);
        let mut answer = bridge.call("initialize", opening(NEWEST, json!({})));
        // Where that took more than two seconds, the host was told something to go on with.
        let early = answer.get("result").is_some();
        if early {
            answer = bridge.call("tools/call", json!({ "name": "echo" }));
        }
        self.judge(&answer, early, &playground, &machine);
        // The process lives on, and answers.
        assert_eq!(
            bridge.call("ping", json!({}))["result"],
            json!({}),
            "{}",
            self.case
        );
        let ended = bridge.close();
        assert!(ended.status.success(), "{}: {}", self.case, ended.stderr);
    }

    fn judge(&self, answer: &Value, early: bool, playground: &Playground, machine: &Machine) {
        let case = self.case;
        assert!(answer.get("error").is_some(), "{case}: {answer}");
        let bridge = failure(answer);
        let detail = bridge["detail"].as_str().unwrap_or_default();
        println!("{case}:\n    {detail}\n");
        assert_eq!(bridge["stage"], "auth", "{case}: {answer}");
        // Later, the tool `sign_in` is there to begin again with.
        assert!(
            early || bridge["retryable"] == self.retryable,
            "{case}: {answer}"
        );
        assert_eq!(bridge["rule"].as_str(), self.rule, "{case}: {answer}");
        if let Some(rule) = self.rule {
            assert!(detail.contains(rule), "{case}: {detail}");
        }
        let hint = bridge["hint"].as_str().unwrap_or_default();
        assert!(
            !hint.is_empty() && hint.contains(self.hint),
            "{case}: {hint}"
        );
        assert!(detail.ends_with(hint), "{case}: {detail}");
        for text in self.says {
            let text = text
                .replace("ISSUER", &playground.issuer())
                .replace("SERVER", &playground.mcp_url());
            assert!(
                detail.contains(&text),
                "{case}: `{text}` is missing in: {detail}"
            );
        }
        assert!(detail.chars().count() < 2500, "{case}: {detail}");
        assert!(!detail.contains(char::is_control), "{case}: {detail:?}");
        for address in machine.opened() {
            for (name, value) in url::Url::parse(&address).expect("an address").query_pairs() {
                if ["state", "code_challenge"].contains(&&*name) {
                    assert!(!answer.to_string().contains(&*value), "{case}: {answer}");
                }
            }
        }
        let log = playground.printed_log();
        let is = |part: bool, wanted: bool| assert_eq!(part, wanted, "{case}:\n{log}");
        is(!machine.opened().is_empty(), self.got != Got::Nowhere);
        let handed_in = playground
            .requests()
            .iter()
            .any(|r| r.path.ends_with("/token"));
        is(handed_in, self.got == Got::HandedIn);
    }
}

const PKCE: &str = "MCP 2025-11-25, Authorization, Authorization Code Protection";
const SECURE: &str = "MCP 2025-11-25, Authorization, Communication Security";
const LOCATION: &str = "MCP 2025-11-25, Authorization, Authorization Server Location";
const CLIENT: &str = "MCP 2025-11-25, Authorization, Client Registration Approaches";

/// Changes every document of the authorization server's metadata.
fn described(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
    Fault::of(Server::Authorization)
        .method("GET")
        .path("/.well-known/oauth-authorization-server")
        .always()
        .then(Then::edit(change))
}

/// Changes the metadata of the MCP server.
fn resource(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
    Fault::of(Server::Mcp)
        .method("GET")
        .path("/.well-known/oauth-protected-resource/mcp")
        .always()
        .then(Then::edit(change))
}

/// What the token endpoint says to every code.
fn exchange(then: impl Into<Then>) -> Fault {
    Fault::token("authorization_code").always().then(then)
}

fn json_answer(status: u16, body: &str) -> Then {
    let answer = Then::answer(status).header("Content-Type", "application/json");
    answer.body(body).into()
}

fn page() -> Then {
    let answer = Then::answer(200).header("Content-Type", "text/html");
    answer.body("<!DOCTYPE html><html></html>").into()
}

#[test]
fn metadata_that_breaks_a_rule_is_refused_by_it() {
    for row in [
        Row::new("another resource", "RFC 9728 §3.3")
            .with(|s| s.metadata_resource = Some("https://other.example/mcp".into()))
            .says(&["`https://other.example/mcp`", "`SERVER`"])
            .hint("`--resource`"),
        Row::new("no resource", "RFC 9728 §2")
            .fault(resource(|document| document["resource"] = Value::Null))
            .says(&["`resource`", "/.well-known/oauth-protected-resource/mcp`"]),
        Row::new("nobody issues tokens", LOCATION)
            .fault(resource(|document| {
                document["authorization_servers"] = json!([])
            }))
            .hint("operator"),
        Row::new(
            "tokens in the query",
            "MCP 2025-11-25, Authorization, Token Requirements",
        )
        .fault(resource(|document| {
            document["bearer_methods_supported"] = json!(["query"])
        }))
        .says(&["`query`", "`header`"]),
        Row::new("another issuer", "RFC 8414 §3.3")
            .with(|s| s.metadata_issuer = Some("https://evil.example".into()))
            .says(&["`https://evil.example`", "`ISSUER`"])
            .hint("`--issuer`"),
        Row::new("an issuer on plain http", LOCATION)
            .fault(resource(|document| {
                document["authorization_servers"] = json!(["http://far.example"]);
            }))
            .says(&["`http://far.example/`", "https"])
            .hint("operator has to mend its metadata"),
        Row::new("no issuer", "RFC 8414 §2")
            .fault(described(|document| document["issuer"] = Value::Null))
            .says(&["`issuer`"]),
        Row::new("no token endpoint", "RFC 8414 §2")
            .fault(described(|document| document["token_endpoint"] = json!(5)))
            .says(&["`token_endpoint`"]),
        Row::new("no response type code", "RFC 8414 §2")
            .fault(described(|document| {
                document["response_types_supported"] = json!(["token"])
            }))
            .says(&["`code`"]),
        Row::new("a token endpoint on plain http", SECURE)
            .fault(described(|document| {
                document["token_endpoint"] = json!("http://far.example/token");
            }))
            .says(&["token endpoint", "`http://far.example/token`", "https"])
            .hint("operator"),
        Row::new("an authorization endpoint on plain http", SECURE)
            .fault(described(|document| {
                document["authorization_endpoint"] = json!("http://far.example/authorize");
            }))
            .says(&["authorization endpoint", "`http://far.example/authorize`"]),
    ] {
        row.check();
    }
}

#[test]
fn what_protects_the_sign_in_is_not_done_without() {
    for row in [
        Row::new("no word on PKCE", PKCE)
            .with(|s| s.code_challenge_methods = None)
            .says(&["`ISSUER`", "PKCE"])
            .hint("`--allow-missing-pkce-metadata`"),
        Row::new("only plain", PKCE)
            .with(|s| s.code_challenge_methods = Some(vec!["plain".into()]))
            .says(&["`ISSUER`", "`plain`", "S256"]),
        Row::new("another iss", "RFC 9207 §2.4")
            .with(|s| s.iss_in_callback = IssInCallback::Wrong)
            .says(&["`ISSUER`", "answered"])
            .got(Got::Asked),
        Row::new("iss with a slash", "RFC 9207 §2.4")
            .with(|s| s.iss_in_callback = IssInCallback::WithSlash)
            .says(&["`ISSUER`", "`ISSUER/`"])
            .got(Got::Asked),
        Row::new("no iss although it is promised", "RFC 9207 §2.4")
            .with(|s| s.iss_in_callback = IssInCallback::Absent)
            .says(&["`ISSUER`", "`iss`"])
            .got(Got::Asked),
        Row::new("another iss that was not promised", "RFC 9207 §2.4")
            .with(|s| {
                s.iss_in_callback = IssInCallback::Wrong;
                s.iss_advertised = false;
            })
            .says(&["`ISSUER`"])
            .got(Got::Asked),
    ] {
        row.check();
    }
}

#[test]
fn an_authorization_server_that_is_none_or_down_is_told_with_every_place_that_was_asked() {
    let places = || Fault::of(Server::Authorization).method("GET").always();
    Row::new("pages in place of metadata", "RFC 8414 §3")
        .fault(places().then(page()))
        .says(&[
            "`ISSUER`",
            "`ISSUER/.well-known/oauth-authorization-server`: no JSON object",
            "`ISSUER/.well-known/openid-configuration`: no JSON object",
        ])
        .hint("operator")
        .check();
    let down = Row::new("metadata that is down", "")
        .fault(places().then(Then::answer(503)))
        .says(&["`ISSUER/.well-known/oauth-authorization-server`: status 503"])
        .hint("tell the operator");
    Row {
        rule: None,
        retryable: true,
        ..down
    }
    .check();
}

#[test]
fn a_client_that_cannot_be_had_is_told_with_what_to_do_instead() {
    let register = |status, body| {
        let fault = Fault::of(Server::Authorization)
            .method("POST")
            .path("/register");
        fault.always().then(json_answer(status, body))
    };
    for row in [
        Row::new("no registration", CLIENT)
            .with(|s| s.registration = Registration::Off)
            .says(&["`ISSUER`"]),
        Row::new("a closed registration", "RFC 7591 §3")
            .fault(register(403, r#"{"error":"access_denied","error_description":"ask us first"}"#))
            .says(&["`access_denied`", "ask us first"]),
        Row::new("a refused registration", "RFC 7591 §3.2.2")
            .fault(register(400, r#"{"error":"invalid_software_statement"}"#))
            .says(&["`invalid_software_statement`"]),
        Row::new("a registration without a client", "RFC 7591 §3.2.1")
            .fault(register(201, r#"{"client_name":"x"}"#))
            .says(&["`client_id`"]),
        Row::new("a way to authenticate that nobody has", "RFC 7591 §2")
            .fault(register(
                201,
                r#"{"client_id":"c","client_secret":"SECRET_1","token_endpoint_auth_method":"tls_client_auth"}"#,
            ))
            .says(&["`tls_client_auth`"]),
    ] {
        row.hint("`--static-oauth-client-info`").check();
    }
}

#[test]
fn what_the_authorization_server_refuses_is_told_in_its_words() {
    for row in [
        Row::new("the person said no", "RFC 6749 §4.1.2.1")
            .with(|s| s.consent = Consent::Denied)
            .says(&["declined"])
            .hint("try again")
            .got(Got::Asked),
        Row::new("a refused scope", "RFC 6749 §5.2")
            .fault(exchange(json_answer(400, r#"{"error":"invalid_scope"}"#)))
            .says(&["`invalid_scope`"])
            .hint("`--scope`")
            .got(Got::HandedIn),
        Row::new("a refused resource", "RFC 8707 §2")
            .fault(exchange(json_answer(
                400,
                r#"{"error":"invalid_target","error_description":"unknown resource"}"#,
            )))
            .with(|s| s.resource_parameter = ResourceParameter::Optional)
            .says(&["`invalid_target`", "unknown resource"])
            .hint("`--resource`")
            .got(Got::HandedIn),
        Row::new("a code that is not taken", "RFC 6749 §5.2")
            .fault(exchange(json_answer(400, r#"{"error":"invalid_grant"}"#)))
            .says(&["`invalid_grant`"])
            .hint("try again")
            .got(Got::HandedIn),
    ] {
        row.check();
    }
}

#[test]
fn tokens_that_are_none_are_not_used() {
    for row in [
        Row::new("a token of another type", "RFC 6749 §5.1")
            .fault(exchange(Then::edit(|body| {
                body["token_type"] = json!("mac")
            })))
            .says(&["`mac`", "`Bearer`"]),
        Row::new("a token that no header can carry", "RFC 6749 §5.1").fault(exchange(Then::edit(
            |body| body["access_token"] = json!("SECRET_1\r\nX: y"),
        ))),
        Row::new("a page in place of a token", "RFC 6749 §5.1").fault(exchange(page())),
        Row::new("no token", "RFC 6749 §5.1")
            .fault(exchange(json_answer(200, r#"{"token_type":"Bearer"}"#)))
            .says(&["no access token"]),
    ] {
        row.hint("try again").got(Got::HandedIn).check();
    }
}

#[test]
fn a_person_who_takes_too_long_is_told_how_to_get_more_time() {
    let slow = Row::new("nobody finished it", "")
        .says(&["within 1 s"])
        .hint("`--auth-timeout`")
        .got(Got::Asked);
    Row {
        rule: None,
        browser: Browser::Waits,
        arguments: &["--auth-timeout", "1"],
        ..slow
    }
    .check();
}
