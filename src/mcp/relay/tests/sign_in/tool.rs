//! The tool `sign_in`.

use super::*;

#[test]
fn the_tool_says_what_to_do_and_takes_the_address_where_the_browser_ended() {
    let (mut scene, first) = Scene::promised();
    scene.stands(open());
    scene.host(&sign_in_call("{}"));
    let text = scene.told_value()["result"]["content"][0]["text"].clone();
    assert!(text.as_str().unwrap().contains(ADDRESS), "{text}");
    scene.host(&sign_in_call(
        r#"{"callback_url":"http://localhost:1/?code=c&state=s"}"#,
    ));
    let call = match scene.next() {
        Some(Effect::Bring { call, text }) => {
            assert!(text.matches("http://localhost:1/?code=c&state=s"));
            call
        }
        other => panic!("{other:?}"),
    };
    scene.nothing();
    scene.remote(
        call,
        Event::Brought(Err("this is not it; copy all of it".into())),
    );
    let told = scene.told_value();
    assert_eq!(told["result"]["isError"], true);
    assert_eq!(
        told["result"]["content"][0]["text"],
        "this is not it; copy all of it"
    );
    scene.host(&sign_in_call(
        r#"{"callback_url":"http://localhost:1/?code=c&state=s"}"#,
    ));
    let Some(Effect::Bring { call, .. }) = scene.next() else {
        panic!("nothing was brought");
    };
    scene.remote(call, Event::Brought(Ok(())));
    assert_eq!(scene.told_value()["result"]["isError"], false);
    scene.session_opens(first, TOOLS);
}

#[test]
fn an_address_that_comes_just_after_the_end_is_not_handed_to_the_server() {
    let (mut scene, first) = Scene::promised();
    scene.session_opens(first, TOOLS);
    let late = sign_in_call(r#"{"callback_url":"http://localhost:1/?code=c&state=s"}"#);
    scene.host(&late);
    assert!(matches!(scene.next(), Some(Effect::Bring { .. })));
    scene.host(LIST);
    let (exchange, _) = scene.sent();
    let listed = format!(r#"{{"jsonrpc":"2.0","id":{exchange},"result":{{"tools":[]}}}}"#);
    scene.reply(exchange, &listed);
    scene.told();
    // By now it could be a tool of the server.
    scene.host(&late.replace("\"s\"", "\"t\""));
    assert!(scene.sent().1.contains("sign_in"));
}

#[test]
fn a_code_to_enter_is_told_with_its_address() {
    let (mut scene, _) = Scene::promised();
    scene.stands(SignInStanding::Open(invitation(ADDRESS, Some("BCDF-GHJK"))));
    scene.host(&sign_in_call("{}"));
    let text = scene.told();
    assert!(
        text.contains("BCDF-GHJK") && !text.contains("callback_url"),
        "{text}"
    );
}

#[test]
fn a_code_that_the_address_holds_is_compared_or_entered_elsewhere() {
    let (mut scene, _) = Scene::promised();
    let entry = "https://as.example/device";
    scene.stands(SignInStanding::Open(Invitation {
        entry: Some(AuthorizationUrl(Url::parse(entry).unwrap())),
        ..invitation(&format!("{entry}?user_code=BCDF-GHJK"), Some("BCDF-GHJK"))
    }));
    scene.host(&sign_in_call("{}"));
    let text = scene.told();
    for told in [
        "in a browser: https://as.example/device?user_code=BCDF-GHJK",
        "has to show this code: BCDF-GHJK",
        "by hand, too, at: https://as.example/device",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn a_call_of_the_tool_waits_until_there_is_an_address() {
    let (mut scene, first) = Scene::promised();
    scene.host(&sign_in_call("{}"));
    scene.nothing();
    scene.stands(SignInStanding::Elsewhere(invitation(ADDRESS, None)));
    assert!(scene.told().contains(ADDRESS));
    scene.stands(SignInStanding::Preparing);
    scene.host(&sign_in_call("{}"));
    scene.passes(20_000);
    assert_eq!(scene.told_value()["result"]["isError"], true);
    scene.host(&sign_in_call("{}"));
    scene.stands(SignInStanding::SignedIn);
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
    let (announced, _) = scene.sent();
    let told = scene.told_value();
    assert_eq!(told["result"]["isError"], false, "{told}");
    // Called again by a client that has not read the list yet.
    scene.host(&sign_in_call("{}"));
    assert_eq!(scene.told_value()["result"]["isError"], false);
    scene.remote(announced, Event::Accepted);
}

#[test]
fn the_tool_begins_again_what_failed_in_a_session_that_is_open() {
    let mut scene = Scene::open();
    scene.unsigned_list();
    scene.stands(SignInStanding::Quiet);
    scene.nothing();
    for fails in [true, false] {
        scene.host(&sign_in_call("{}"));
        let (probe, body) = scene.sent();
        assert!(body.contains("ping"), "{body}");
        scene.nothing();
        match fails {
            true => {
                scene.remote(probe, Event::Failed(auth_failure()));
                assert_eq!(scene.told_value()["result"]["isError"], true);
            }
            false => {
                scene.reply(
                    probe,
                    &format!(r#"{{"jsonrpc":"2.0","id":{probe},"result":{{}}}}"#),
                );
                assert_eq!(scene.told_value()["result"]["isError"], false);
            }
        }
    }
}
