//! What clients do while a person signs in.

use super::*;

const ROOTS_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
const LIST_WITH_PROGRESS: &str =
    r#"{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"_meta":{"progressToken":"t"}}}"#;

impl Scene {
    /// The server opened the session without a token, and wants one for `notifications/initialized`.
    /// Gives the exchange of that.
    fn announcing() -> (Self, u64) {
        let mut scene = Self::new();
        scene.host(&initialize(0, "2025-11-25", "{}"));
        let (first, _) = scene.sent();
        scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
        scene.told();
        scene.host(INITIALIZED);
        let (announced, _) = scene.sent();
        scene.stands(SignInStanding::Preparing);
        scene.remote(announced, Event::SigningIn);
        scene.nothing();
        (scene, announced)
    }
}

#[test]
fn notifications_that_wait_for_the_person_wake_nobody() {
    let (mut scene, first) = Scene::promised();
    scene.host(ROOTS_CHANGED);
    assert_eq!(scene.relay.deadline(), None);
    scene.host(LIST);
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    assert_eq!(scene.relay.deadline(), None);
    scene.session_opens(first, TOOLS);
    assert_eq!(scene.sent().1, ROOTS_CHANGED);
}

#[test]
fn a_cancelled_request_that_waited_gets_no_answer() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST);
    scene.host(r#"{"jsonrpc":"2.0","id":6,"method":"tools/list"}"#);
    scene.host(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#);
    scene.nothing();
    scene.session_opens(first, TOOLS);
    assert!(scene.sent().1.contains("tools/list"));
    scene.nothing();
}

#[test]
fn what_waits_for_the_person_is_reported_as_progress() {
    let (mut scene, first) = Scene::promised();
    scene.host(LIST_WITH_PROGRESS);
    for progress in ["0.000001", "0.000002"] {
        scene.remote(first, Event::SigningIn);
        let told = scene.told();
        let params = format!(r#""params":{{"progressToken":"t","progress":{progress},"message":"#);
        assert!(told.contains(&params), "{told}");
        scene.nothing();
    }
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    scene.remote(first, Event::SigningIn);
    scene.nothing();
}

#[test]
fn a_revision_without_messages_in_progress_gets_none() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2024-11-05", "{}"));
    let (first, _) = scene.sent();
    scene.host(LIST_WITH_PROGRESS);
    scene.remote(first, Event::SigningIn);
    assert_eq!(
        scene.told(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0.000001}}"#
    );
}

#[test]
fn no_progress_is_told_of_an_initialize_that_was_answered() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}").replace(
        "\"capabilities\"",
        "\"_meta\":{\"progressToken\":\"t\"},\"capabilities\"",
    ));
    let (first, _) = scene.sent();
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    assert!(scene.told().contains("notifications/progress"));
    scene.passes(2000);
    assert_eq!(scene.told_value()["id"], 0);
    scene.remote(first, Event::SigningIn);
    scene.nothing();
    scene.host(LIST_WITH_PROGRESS);
    scene.remote(first, Event::SigningIn);
    assert!(scene.told().contains(r#""progress":0.000001"#));
}

#[test]
fn a_server_that_wants_a_token_only_after_initialize_keeps_nobody_waiting() {
    let (mut scene, announced) = Scene::announcing();
    scene.host(LIST_WITH_PROGRESS);
    scene.host(&sign_in_call("{}").replace("\"s\"", "6"));
    scene.nothing();
    scene.stands(open());
    scene.remote(announced, Event::SigningIn);
    assert!(scene.told().contains("notifications/progress"));
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    // A call of a tool of that name, which was the server's as long as ours was not in the list.
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&sign_in_call("{}"));
    assert!(scene.told().contains(ADDRESS));
    scene.stands(SignInStanding::SignedIn);
    scene.remote(announced, Event::Accepted);
    scene.standing();
    assert_eq!(scene.told(), list_changed("tools"));
    scene.nothing();
}

#[test]
fn nobody_is_told_to_be_signed_in_who_is_not_yet() {
    let (mut scene, _) = Scene::announcing();
    scene.host(LIST);
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    scene.host(&sign_in_call("{}"));
    scene.nothing();
    scene.stands(open());
    assert!(scene.told().contains(ADDRESS));
}

#[test]
fn a_client_that_never_said_it_is_ready_is_told_of_the_tools_all_the_same() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.stands(open());
    scene.remote(first, Event::SigningIn);
    scene.passes(2000);
    scene.told();
    scene.host(LIST);
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    scene.session_opens(first, TOOLS);
}

#[test]
fn an_initialize_after_one_that_failed_gets_its_own_time() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", "{}"));
    let (first, _) = scene.sent();
    scene.stands(SignInStanding::Preparing);
    scene.remote(first, Event::SigningIn);
    scene.passes(500);
    scene.stands(SignInStanding::Quiet);
    scene.remote(first, Event::Failed(auth_failure()));
    assert_eq!(code(&scene.told()), -32603);
    scene.host(&initialize(1, "2025-11-25", "{}"));
    scene.sent();
    assert_eq!(scene.relay.deadline(), None);
    scene.passes(5000);
    scene.nothing();
}

#[test]
fn a_probe_that_nobody_signed_in_for_is_made_again() {
    let mut scene = Scene::open();
    scene.unsigned_list();
    scene.stands(SignInStanding::Quiet);
    for _ in 0..2 {
        scene.host(&sign_in_call("{}"));
        let (probe, body) = scene.sent();
        assert!(body.contains("ping"), "{body}");
        scene.stands(open());
        assert!(scene.told().contains(ADDRESS));
        scene.remote(probe, Event::NotSignedIn);
        scene.stands(SignInStanding::Quiet);
        scene.nothing();
    }
}

#[test]
fn the_tool_opens_a_session_that_was_lost() {
    let mut scene = Scene::open();
    scene.host(LIST);
    let (exchange, _) = scene.sent();
    scene.remote(exchange, Event::SessionLost);
    scene.aborted();
    let (again, _) = scene.sent();
    scene.stands(open());
    scene.passes(PATIENCE_MS);
    scene.is_sign_in_list();
    scene.stands(SignInStanding::Quiet);
    scene.remote(again, Event::Failed(auth_failure()));
    scene.host(&sign_in_call("{}"));
    let (again, body) = scene.sent();
    assert!(body.contains("initialize"), "{body}");
    scene.remote(again, Event::Failed(auth_failure()));
    assert_eq!(scene.told_value()["result"]["isError"], true);
    scene.nothing();
}

#[test]
fn a_client_without_the_tool_is_not_sent_to_it() {
    let mut scene = Scene::open();
    scene.host(&call("6"));
    let (exchange, _) = scene.sent();
    scene.stands(open());
    scene.remote(exchange, Event::NotSignedIn);
    let told = scene.told();
    assert!(
        told.contains(ADDRESS) && !told.contains("callback_url"),
        "{told}"
    );
    scene.host(&call("7"));
    let (exchange, _) = scene.sent();
    scene.stands(SignInStanding::Quiet);
    scene.remote(exchange, Event::NotSignedIn);
    let told = scene.told();
    assert!(
        told.contains("mcp-drawbridge login") && !told.contains("`sign_in`"),
        "{told}"
    );
}

#[test]
fn at_the_end_nobody_waits_for_what_only_the_bridge_awaits() {
    let (mut scene, _) = Scene::promised();
    assert!(!scene.relay.is_busy());
    scene.host(LIST);
    assert!(scene.relay.is_busy());
}

#[test]
fn in_a_session_that_is_open_a_sign_in_by_another_process_is_found_too() {
    let mut scene = Scene::open();
    scene.unsigned_list();
    scene.stands(SignInStanding::Quiet);
    let watch = scene.watched();
    scene.nothing();
    scene.remote(watch, Event::TokensChanged);
    assert_eq!(scene.told(), list_changed("tools"));
    // Once is enough, and whoever signs in here ends the look-out.
    scene.remote(watch, Event::TokensChanged);
    scene.nothing();
    scene.stands(SignInStanding::Preparing);
    scene.stands(SignInStanding::Quiet);
    let watch = scene.watched();
    scene.nothing();
    scene.stands(SignInStanding::SignedIn);
    assert_eq!(scene.aborted(), watch);
    assert_eq!(scene.told(), list_changed("tools"));
    scene.nothing();
}

#[test]
fn a_client_that_is_ready_too_early_is_asked_when_it_has_its_answer() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", SHOWS));
    let (first, _) = scene.sent();
    scene.host(INITIALIZED);
    scene.stands(open());
    scene.remote(first, Event::SigningIn);
    scene.nothing();
    scene.passes(2000);
    assert_eq!(scene.told_value()["id"], 0);
    assert_eq!(scene.told_value()["method"], "elicitation/create");
}

#[test]
fn an_initialize_that_failed_leaves_nothing_to_the_next() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", SHOWS));
    let (first, _) = scene.sent();
    scene.host(INITIALIZED);
    scene.remote(first, Event::Failed(auth_failure()));
    scene.told();
    scene.host(&initialize(1, "2025-11-25", SHOWS));
    let (second, _) = scene.sent();
    scene.stands(open());
    scene.remote(second, Event::SigningIn);
    scene.passes(2000);
    assert_eq!(scene.told_value()["id"], 1);
    scene.nothing();
    scene.host(INITIALIZED);
    assert_eq!(scene.told_value()["method"], "elicitation/create");
}
