//! A person has to sign in while the AI client waits.

mod again;
mod chaos;
mod hosts;
mod prompt;
mod tool;

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::mcp::record::ServerRecord;
use crate::oauth::authorize::AuthorizationUrl;
use crate::oauth::invitation::{Invitation, Standing as SignInStanding};

const ADDRESS: &str = "https://as.example/authorize?state=STATE_1";
const LIST: &str = r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#;
const PATIENCE_MS: u64 = 45_000;
/// The capabilities of a client that puts addresses before the user.
const SHOWS: &str = r#"{"elicitation":{"url":{}}}"#;

fn invitation(address: &str, user_code: Option<&str>) -> Invitation {
    Invitation {
        address: AuthorizationUrl(Url::parse(address).unwrap()),
        user_code: user_code.map(str::to_owned),
        entry: None,
        browser_opened: false,
        lapses_at: 1_800_000_000,
    }
}

fn open() -> SignInStanding {
    SignInStanding::Open(invitation(ADDRESS, None))
}

fn sign_in_call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{{"name":"sign_in","arguments":{arguments}}}}}"#
    )
}

fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn list_changed(kind: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{kind}/list_changed"}}"#)
}

fn auth_failure() -> Failure {
    Failure::new(Stage::Auth, false, "the sign-in was declined")
}

impl Scene {
    /// The next effect, which must be the look-out for tokens of other processes.
    fn watched(&mut self) -> u64 {
        let watch = |effect: &Effect| match effect {
            Effect::AwaitTokens(watch) => Some(*watch),
            _ => None,
        };
        let watched = self.effects.iter().find_map(watch);
        watched.expect("nobody looks out for tokens")
    }

    fn stands(&mut self, standing: SignInStanding) {
        self.relay.sign_in_stands(standing, self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn told_value(&mut self) -> Value {
        value(&self.told())
    }

    /// The server wants a sign-in; the client has its answer to `initialize`. Gives the exchange.
    fn promised() -> (Self, u64) {
        Self::promised_to("{}")
    }

    fn promised_to(capabilities: &str) -> (Self, u64) {
        let mut scene = Self::new();
        scene.host(&initialize(0, "2025-11-25", capabilities));
        let (first, _) = scene.sent();
        scene.stands(SignInStanding::Preparing);
        scene.remote(first, Event::SigningIn);
        scene.passes(2000);
        let told = scene.told_value();
        assert_eq!((&told["id"], &told["error"]), (&json!(0), &Value::Null));
        scene.host(INITIALIZED);
        scene.nothing();
        (scene, first)
    }

    /// The person is done: the session opens, with these capabilities of the server.
    fn session_opens(&mut self, exchange: u64, capabilities: &str) {
        self.stands(SignInStanding::SignedIn);
        let answer = initialized_result(exchange, "2025-11-25", capabilities);
        self.reply(exchange, &answer);
        let (announced, body) = self.sent();
        assert_eq!(body, INITIALIZED);
        self.session_is_open(announced);
    }

    /// The server takes the client's word that it is ready, and the client hears of its lists.
    fn session_is_open(&mut self, announced: u64) {
        self.remote(announced, Event::Accepted);
        let standing = self.standing();
        // The look-out for tokens, if there was one.
        if matches!(self.effects.front(), Some(Effect::Abort(_))) {
            self.aborted();
        }
        for kind in ["tools", "prompts", "resources"] {
            assert_eq!(self.told(), list_changed(kind));
        }
        self.remote(standing, Event::StandingOpen);
    }

    /// A request meets the need of a person in a session that is open, and nobody comes in time.
    fn unsigned_list(&mut self) {
        self.host(LIST);
        let (exchange, _) = self.sent();
        self.stands(open());
        self.remote(exchange, Event::NotSignedIn);
        self.is_sign_in_list();
    }

    fn is_sign_in_list(&mut self) {
        let tools = &self.told_value()["result"]["tools"];
        assert_eq!(tools.as_array().map(Vec::len), Some(1), "{tools}");
        assert_eq!(tools[0]["name"], "sign_in");
        assert_eq!(tools[0]["inputSchema"]["type"], "object");
    }
}

#[test]
fn a_client_is_answered_after_two_seconds_although_nobody_has_signed_in() {
    let mut scene = Scene::new();
    scene.now = 500;
    scene.host(&initialize(0, "2025-06-18", "{}"));
    let (first, _) = scene.sent();
    assert_eq!(scene.relay.deadline(), None);
    scene.passes(300);
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    assert_eq!(scene.relay.deadline(), Some(2500));
    scene.passes(1699);
    scene.nothing();
    scene.passes(1);
    let told = scene.told_value();
    assert_eq!(told["id"], 0);
    assert_eq!(told["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(told["result"]["serverInfo"]["name"], "mcp.example.com");
    for kind in ["tools", "prompts", "resources"] {
        assert_eq!(told["result"]["capabilities"][kind]["listChanged"], true);
    }
    scene.nothing();
    assert_eq!(scene.relay.deadline(), None);
}

#[test]
fn a_client_that_waits_longer_already_is_answered_at_once() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-06-18", "{}"));
    let (first, _) = scene.sent();
    scene.passes(3000);
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    assert_eq!(scene.told_value()["id"], 0);
}

#[test]
fn a_sign_in_that_takes_a_moment_leaves_the_answer_to_the_server() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    scene.passes(1000);
    scene.stands(SignInStanding::SignedIn);
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    assert_eq!(scene.told(), initialized_result(0, "2025-11-25", TOOLS));
    scene.passes(10_000);
    scene.nothing();
}

#[test]
fn a_sign_in_that_fails_in_a_moment_fails_initialize() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    assert_eq!(code(&scene.told()), -32603);
    scene.passes(10_000);
    scene.nothing();
}

#[test]
fn what_is_known_of_the_server_is_told_at_once() {
    let said = initialized_result(1, "2025-11-25", r#"{"tools":{},"logging":{}}"#);
    let record = ServerRecord::of(&message(&said));
    let mut scene = Scene::new();
    scene.relay = Relay::new("mcp.example.com").remembering(record);
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    let told = scene.told_value();
    let expected = json!({ "tools": { "listChanged": true }, "logging": {} });
    assert_eq!(told["result"]["capabilities"], expected);
    assert_eq!(
        told["result"]["serverInfo"],
        json!({ "name": "s", "version": "2" })
    );
}

#[test]
fn what_the_server_says_is_kept_for_the_next_start() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    let answer = initialized_result(first, "2025-11-25", TOOLS);
    scene.reply(first, &answer);
    let kept = scene.effects.iter().find_map(|effect| match effect {
        Effect::Remember { record, .. } => Some((**record).clone()),
        _ => None,
    });
    assert_eq!(kept, ServerRecord::of(&message(&answer)));
}

#[test]
fn requests_wait_for_the_person_and_go_out_when_the_session_is_open() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST);
    scene.host(&call("6"));
    scene.passes(30_000);
    scene.nothing();
    scene.session_opens(first, TOOLS);
    assert!(scene.sent().1.contains("tools/list"));
    assert!(scene.sent().1.contains("tools/call"));
    scene.nothing();
}

#[test]
fn after_forty_five_seconds_there_is_one_tool_and_calls_get_the_address() {
    let (mut scene, first) = Scene::promised();
    scene.stands(open());
    scene.host(LIST);
    scene.host(&call("6"));
    scene.host(r#"{"jsonrpc":"2.0","id":7,"method":"prompts/list"}"#);
    scene.host(r#"{"jsonrpc":"2.0","id":8,"method":"resources/templates/list"}"#);
    assert_eq!(scene.relay.deadline(), Some(PATIENCE_MS));
    scene.passes(PATIENCE_MS - 2001);
    scene.nothing();
    scene.passes(1);
    scene.is_sign_in_list();
    let failed = scene.told_value();
    assert_eq!(
        (&failed["id"], &failed["error"]["code"]),
        (&json!(6), &json!(-32603))
    );
    assert_eq!(failed["error"]["data"]["bridge"]["stage"], "auth");
    let text = failed["error"]["message"].as_str().unwrap();
    assert!(
        text.contains(ADDRESS) && text.contains("callback_url"),
        "{text}"
    );
    assert_eq!(scene.told_value()["result"], json!({ "prompts": [] }));
    assert_eq!(
        scene.told_value()["result"],
        json!({ "resourceTemplates": [] })
    );
    // Who comes later does not wait once more.
    scene.host(LIST);
    scene.is_sign_in_list();
    scene.host(&call("9"));
    assert_eq!(code(&scene.told()), -32603);
    scene.nothing();
    scene.session_opens(first, TOOLS);
    scene.host(LIST);
    assert!(scene.sent().1.contains("tools/list"));
}

#[test]
fn requests_of_a_batch_are_answered_together() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-03-26", "{}"));
    let (first, _) = scene.sent();
    scene.stands(open());
    scene.remote(first, Event::SigningIn);
    scene.passes(2000);
    scene.told();
    scene.host(&format!("[{LIST},{}]", call("6")));
    scene.passes(PATIENCE_MS);
    let told = scene.told_value();
    assert_eq!(told[0]["result"]["tools"][0]["name"], "sign_in");
    assert_eq!(told[1]["error"]["code"], -32603);
}

#[test]
fn a_kind_of_list_that_was_promised_and_is_not_there_is_empty() {
    let (mut scene, first) = Scene::promised();
    scene.session_opens(first, r#"{"tools":{}}"#);
    scene.host(r#"{"jsonrpc":"2.0","id":7,"method":"prompts/list"}"#);
    assert_eq!(scene.told_value()["result"], json!({ "prompts": [] }));
    scene.host(r#"{"jsonrpc":"2.0","id":8,"method":"resources/list"}"#);
    assert_eq!(scene.told_value()["result"], json!({ "resources": [] }));
    scene.host(LIST);
    assert!(scene.sent().1.contains("tools/list"));
}

#[test]
fn in_a_session_that_is_open_a_request_waits_no_longer_either() {
    let mut scene = Scene::open();
    scene.host(LIST);
    let (exchange, _) = scene.sent();
    scene.stands(open());
    scene.remote(exchange, Event::SigningIn);
    scene.remote(exchange, Event::NotSignedIn);
    scene.is_sign_in_list();
    scene.host(&sign_in_call("{}"));
    assert!(scene.told().contains(ADDRESS));
    scene.host(&call("6"));
    let (exchange, _) = scene.sent();
    scene.remote(exchange, Event::NotSignedIn);
    assert!(scene.told().contains(ADDRESS));
    scene.stands(SignInStanding::SignedIn);
    assert_eq!(scene.told(), list_changed("tools"));
    scene.nothing();
    // The list of the server ends it.
    scene.host(LIST);
    let (exchange, _) = scene.sent();
    scene.reply(
        exchange,
        &format!(r#"{{"jsonrpc":"2.0","id":{exchange},"result":{{"tools":[]}}}}"#),
    );
    scene.told();
    scene.host(&sign_in_call("{}"));
    assert!(scene.sent().1.contains("sign_in"));
}

#[test]
fn a_client_that_does_not_expect_lists_to_change_gets_an_error() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.reply(
        first,
        &initialized_result(first, "2025-11-25", r#"{"tools":{}}"#),
    );
    scene.told();
    scene.host(INITIALIZED);
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    scene.standing();
    scene.host(LIST);
    let (exchange, _) = scene.sent();
    scene.stands(open());
    scene.remote(exchange, Event::NotSignedIn);
    assert_eq!(code(&scene.told()), -32603);
    scene.stands(SignInStanding::SignedIn);
    scene.nothing();
}

#[test]
fn what_waits_for_the_person_at_the_end_is_told_so() {
    let (mut scene, first) = Scene::promised();
    scene.stands(open());
    scene.host(LIST);
    scene.relay.close();
    scene.effects.extend(scene.relay.take_effects());
    assert_eq!(scene.aborted(), first);
    assert_eq!(scene.aborted(), first + 1);
    assert!(scene.told().contains(ADDRESS));
}

#[test]
fn a_client_that_starts_afresh_forgets_what_it_was_promised() {
    let (mut scene, first) = Scene::promised();
    scene.host(&sign_in_call("{}"));
    scene.host(&initialize(9, "2025-11-25", "{}"));
    assert_eq!(scene.aborted(), first);
    assert_eq!(code(&scene.told()), -32603);
    scene.aborted();
    let (second, _) = scene.sent();
    scene.reply(second, &initialized_result(second, "2025-11-25", TOOLS));
    assert_eq!(scene.told(), initialized_result(9, "2025-11-25", TOOLS));
}

#[test]
fn a_client_is_answered_although_a_refresh_hangs() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.passes(6000);
    scene.remote(first, Event::Delayed);
    assert_eq!(scene.told_value()["id"], 0);
    scene.host(INITIALIZED);
    scene.host(LIST);
    scene.host(&call("6"));
    assert_eq!(scene.relay.deadline(), Some(PATIENCE_MS));
    scene.passes(PATIENCE_MS - 6000);
    scene.is_sign_in_list();
    let failed = scene.told();
    assert!(failed.contains("unusually long"), "{failed}");
    // Whatever the token is worth now, what comes next is tried.
    let outage = Failure::new(Stage::Auth, true, "the token endpoint does not answer");
    scene.remote(first, Event::Failed(outage));
    scene.host(&call("7"));
    let Some(Effect::Send(asking)) = scene.next() else {
        panic!("nothing was tried");
    };
    assert!(asking.asks);
    scene.session_opens(asking.exchange, TOOLS);
    assert!(scene.sent().1.contains("tools/call"));
}

#[test]
fn a_refresh_that_hangs_before_a_person_is_needed_changes_nothing_for_them() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.passes(6000);
    scene.remote(first, Event::Delayed);
    scene.told();
    scene.host(INITIALIZED);
    scene.host(LIST);
    scene.passes(20_000);
    scene.stands(open());
    scene.remote(first, Event::SigningIn);
    scene.passes(PATIENCE_MS - 1);
    scene.nothing();
    scene.passes(1);
    scene.is_sign_in_list();
}
