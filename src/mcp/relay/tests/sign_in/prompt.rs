//! Clients that put addresses before the user themselves.

use super::*;

#[test]
fn a_client_that_shows_addresses_is_asked_to() {
    let mut scene = Scene::new();
    scene.host(&initialize(0, "2025-11-25", SHOWS));
    let (first, _) = scene.sent();
    scene.stands(open());
    scene.nothing();
    scene.remote(first, Event::SigningIn);
    scene.passes(2000);
    assert_eq!(scene.told_value()["id"], 0);
    scene.nothing();
    scene.host(INITIALIZED);
    let asked = scene.told_value();
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(asked["params"]["mode"], "url");
    assert_eq!(asked["params"]["url"], ADDRESS);
    scene.stands(open());
    scene.nothing();
    scene.host(&format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#,
        asked["id"]
    ));
    scene.nothing();
    scene.stands(SignInStanding::SignedIn);
    let done = scene.told_value();
    assert_eq!(done["method"], "notifications/elicitation/complete");
    assert_eq!(
        done["params"]["elicitationId"],
        asked["params"]["elicitationId"]
    );
    scene.reply(first, &initialized_result(first, "2025-11-25", TOOLS));
}

#[test]
fn what_the_client_shows_is_taken_back_when_it_is_void() {
    for (standing, reason) in [
        (SignInStanding::SignedIn, "done"),
        (SignInStanding::Quiet, "ended"),
        (
            SignInStanding::Elsewhere(invitation(ADDRESS, None)),
            "another process",
        ),
    ] {
        let (mut scene, _) = Scene::promised_to(SHOWS);
        scene.stands(open());
        let asked = scene.told_value();
        scene.stands(standing);
        let withdrawn = scene.told_value();
        assert_eq!(withdrawn["method"], "notifications/cancelled");
        assert_eq!(withdrawn["params"]["requestId"], asked["id"]);
        assert!(
            withdrawn["params"]["reason"]
                .as_str()
                .unwrap()
                .contains(reason)
        );
        scene.nothing();
    }
}

#[test]
fn a_new_address_takes_the_place_of_the_one_that_is_shown() {
    let (mut scene, _) = Scene::promised_to(SHOWS);
    scene.stands(open());
    scene.told();
    let other = "https://as.example/authorize?state=STATE_2";
    scene.stands(SignInStanding::Open(invitation(other, None)));
    assert_eq!(scene.told_value()["method"], "notifications/cancelled");
    assert_eq!(scene.told_value()["params"]["url"], other);
}

#[test]
fn a_new_code_takes_the_place_of_the_one_that_is_shown_at_the_same_address() {
    let (mut scene, _) = Scene::promised_to(SHOWS);
    let device = "https://as.example/device";
    for code in ["WDJB-MJHT", "BDWP-HQPK"] {
        scene.stands(SignInStanding::Open(invitation(device, Some(code))));
        let mut told = scene.told_value();
        if told["method"] == "notifications/cancelled" {
            told = scene.told_value();
        }
        let message = told["params"]["message"].as_str().unwrap();
        assert!(
            message.ends_with(&format!("The code is {code}.")),
            "{message}"
        );
        // Said once.
        scene.stands(SignInStanding::Open(invitation(device, Some(code))));
        scene.nothing();
    }
}

#[test]
fn a_client_is_not_asked_to_show_what_a_browser_shows_already() {
    let (mut scene, _) = Scene::promised_to(SHOWS);
    scene.stands(SignInStanding::Open(Invitation {
        browser_opened: true,
        ..invitation(ADDRESS, None)
    }));
    scene.nothing();
}

#[test]
fn a_user_who_does_not_want_to_is_left_alone() {
    let declined = r#""result":{"action":"decline"}"#;
    let dismissed = r#""result":{"action":"cancel"}"#;
    let unable = r#""error":{"code":-32601,"message":"no"}"#;
    for answer in [declined, dismissed, unable] {
        let (mut scene, _) = Scene::promised_to(SHOWS);
        scene.stands(open());
        let asked = scene.told_value();
        scene.host(&format!(
            r#"{{"jsonrpc":"2.0","id":{},{answer}}}"#,
            asked["id"]
        ));
        scene.nothing();
        scene.stands(open());
        scene.nothing();
    }
}
