//! The tool `sign_in`, with a browser on another machine: the person copies the address that it
//! ends on.

use serde_json::json;

use super::{
    BY_HAND, Scene, address_in, approve, are_real, close, ends_on, lists_changed, sign_in, works,
};
use crate::support::bridge::Bridge;

/// Brings an address that does not finish the sign-in. Gives what is said about it.
#[track_caller]
fn refused(bridge: &mut Bridge, text: &str) -> String {
    let (said, is_error) = sign_in(bridge, json!({ "callback_url": text }));
    assert!(is_error, "`{text}`: {said}");
    said
}

#[track_caller]
fn taken(bridge: &mut Bridge, text: &str) {
    let (said, is_error) = sign_in(bridge, json!({ "callback_url": text }));
    assert!(!is_error && said.starts_with("Signed in to"), "{said}");
}

#[test]
fn the_address_where_the_browser_ended_finishes_the_sign_in() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&["--no-browser", "--debug"]);
    let list = bridge.request("tools/list", json!({}));
    let address = bridge.stderr_address();
    // Without an address, and with what is none, it is said where to begin.
    for arguments in [
        json!({}),
        json!({ "callback_url": "" }),
        json!({ "callback_url": null }),
        json!({ "callback_url": 7 }),
        json!({ "x": 1 }),
    ] {
        let (said, is_error) = sign_in(&mut bridge, arguments);
        assert!(!is_error, "{said}");
        assert_eq!(address_in(&said), address);
    }

    let said = refused(&mut bridge, "I am signed in now");
    assert!(said.contains("not an address"), "{said}");
    let said = refused(&mut bridge, &address);
    assert!(said.contains("begins at"), "{said}");
    let said = refused(&mut bridge, "http://localhost:1/oauth/callback");
    assert!(said.contains("`code=`"), "{said}");
    let said = refused(&mut bridge, "SplxlOBeZQQYbYS6WxSbIA");
    assert!(said.contains("`code=`"), "{said}");
    let end = ends_on(&address);
    let other = end.replace("state=", "state=x");
    let said = refused(&mut bridge, &other);
    assert!(said.contains("another sign-in"), "{said}");

    taken(&mut bridge, &format!(" <{end}>\n"));
    lists_changed(&mut bridge);
    are_real(&bridge.answer(list));
    works(&mut bridge);
    scene.one_sign_in();
    let code = end
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("code="));
    let ended = bridge.close();
    assert!(ended.status.success() && ended.rest.is_empty());
    assert!(!ended.stderr.contains(code.unwrap()), "{}", ended.stderr);
}

#[test]
fn an_address_that_is_brought_twice_is_welcome_both_times() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let end = ends_on(&bridge.stderr_address());
    let ids: Vec<u64> = (0..3)
        .map(|_| {
            let arguments = json!({ "callback_url": end });
            bridge.request(
                "tools/call",
                json!({ "name": "sign_in", "arguments": arguments }),
            )
        })
        .collect();
    for id in ids {
        let answer = bridge.answer(id);
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}

#[test]
fn a_refusal_that_is_brought_ends_the_sign_in_and_the_tool_begins_another() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let list = bridge.request("tools/list", json!({}));
    let first = bridge.stderr_address();
    let end = ends_on(&first);
    let denied = end.replacen("code=", "error=access_denied&was=", 1);
    let said = refused(&mut bridge, &denied);
    assert!(said.contains("declined"), "{said}");
    assert_eq!(super::tools(&bridge.answer(list)), ["sign_in"]);

    let said = refused(&mut bridge, &end);
    assert!(said.contains("begin the sign-in again"), "{said}");
    let (said, is_error) = sign_in(&mut bridge, json!({}));
    assert!(!is_error, "{said}");
    let second = address_in(&said).to_owned();
    assert_ne!(second, first);
    // The answer to the first is none to the second.
    refused(&mut bridge, &end);
    taken(&mut bridge, &ends_on(&second));
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}

#[test]
fn an_address_may_be_brought_to_a_process_that_only_waits() {
    let scene = Scene::new();
    let mut holder = scene.promised(&BY_HAND);
    let address = holder.stderr_address();
    let mut waiter = scene.promised(&BY_HAND);
    let list = waiter.request("tools/list", json!({}));
    let (said, _) = sign_in(&mut waiter, json!({}));
    assert_eq!(address_in(&said), address);

    let end = ends_on(&address);
    refused(&mut waiter, &address);
    refused(&mut waiter, "http://localhost:1/oauth/callback?code=CODE_1");
    refused(&mut waiter, &end.replace("state=", "state=x"));
    // None of that has harmed the sign-in.
    let (said, _) = sign_in(&mut holder, json!({}));
    assert_eq!(address_in(&said), address);

    taken(&mut waiter, &end);
    lists_changed(&mut waiter);
    are_real(&waiter.answer(list));
    lists_changed(&mut holder);
    works(&mut holder);
    scene.one_sign_in();
    close(holder);
    close(waiter);
}

#[test]
fn a_person_who_comes_back_by_browser_and_by_hand_is_signed_in_once() {
    let scene = Scene::new();
    let mut bridge = scene.promised(&BY_HAND);
    let address = bridge.stderr_address();
    let end = ends_on(&address);
    approve(&end);
    taken(&mut bridge, &end);
    lists_changed(&mut bridge);
    works(&mut bridge);
    scene.one_sign_in();
    close(bridge);
}
