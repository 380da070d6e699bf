//! The `endpoint` event, which names the address for messages, and GETs that bring none.

use playground::{EndpointForm, Fault, Playground, Server, Settings, Sse, Then};
use serde_json::{Value, json};

use super::{announced, open, with};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, everything, failure, is_get, opening};

fn settings(change: impl FnOnce(&mut Sse)) -> Settings {
    let mut settings = Settings::open_sse();
    change(&mut settings.sse);
    settings
}

/// The answer to `initialize` of a server like this, and what the server was asked.
fn refused(settings: Settings, arguments: &[&str]) -> (Value, Playground) {
    let (machine, playground) = (Machine::new(), Playground::start(settings));
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), arguments);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    (answer, playground)
}

#[test]
fn a_whole_address_is_as_good_as_a_path() {
    let mut scene = with(settings(|sse| sse.endpoint = EndpointForm::Absolute));
    scene.goes_on();
}

#[test]
fn an_address_on_another_origin_gets_nothing() {
    for text in [
        "https://evil.example/messages?sessionId=1",
        "//evil.example/messages",
        "http://localhost:1/messages",
    ] {
        for transport in ["http-first", "sse-only"] {
            let (answer, playground) = refused(
                settings(|sse| sse.endpoint = EndpointForm::Text(text.into())),
                &["--transport", transport, "--header", "X-Key: SECRET_KEY_1"],
            );
            let said = detail(&answer);
            assert!(
                said.contains("another origin, where your token must not go"),
                "{said}"
            );
            assert_eq!(failure(&answer)["stage"], "protocol");
            let posts = playground.requests();
            assert!(posts.iter().all(|r| r.path == "/sse"), "{posts:?}");
        }
    }
}

#[test]
fn an_address_that_is_not_http_gets_nothing() {
    for (text, said) in [
        ("file:///etc/passwd", "with the scheme `file`"),
        ("https://[", "which is no address"),
    ] {
        let (answer, _) = refused(
            settings(|sse| sse.endpoint = EndpointForm::Text(text.into())),
            &[],
        );
        assert!(detail(&answer).contains(said), "{answer}");
    }
}

#[test]
fn what_comes_before_the_address_is_dropped() {
    let mut scene = with(settings(|sse| sse.early_message = true));
    scene.goes_on();
    let early = scene.bridge.has_come("notifications/tools/list_changed");
    assert!(!early, "{}", scene.bridge.story());
}

#[test]
fn an_address_that_comes_late_is_waited_for() {
    let mut scene =
        crate::support::scene::Scene::started(settings(|sse| sse.hold_endpoint = true), &[]);
    let id = scene
        .bridge
        .request("initialize", opening(NEWEST, everything()));
    scene
        .playground
        .wait_for(|_| (scene.playground.held() == 1).then_some(()));
    scene.playground.release_held();
    assert!(scene.bridge.answer(id)["result"].is_object());
    scene
        .bridge
        .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    scene.goes_on();
}

#[test]
fn a_stream_that_names_no_address_is_none_of_this_transport() {
    let (answer, playground) = refused(settings(|sse| sse.hold_endpoint = true), &[]);
    let said = detail(&answer);
    assert!(said.contains("answered 405 to `initialize`"), "{said}");
    assert!(
        said.contains("did not name the address for messages within 10 s"),
        "{said}"
    );
    assert_eq!(playground.requests().len(), 3);
}

#[test]
fn a_stream_that_ends_before_it_names_the_address_is_none_of_this_transport() {
    let playground = Playground::start(Settings::open_sse());
    let empty = Then::answer(200).header("Content-Type", "text/event-stream");
    playground.fault(Fault::of(Server::Mcp).method("GET").then(empty));
    let machine = Machine::new();
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
    let answer = bridge.call("initialize", opening(NEWEST, json!({})));
    assert!(
        detail(&answer).contains("ended the event stream of a GET before"),
        "{answer}"
    );
    bridge.initialize(NEWEST, everything());
}

#[test]
fn a_page_is_none_of_this_transport() {
    let (answer, _) = {
        let playground = Playground::start(Settings::open_sse());
        let page = Then::answer(200)
            .header("Content-Type", "text/html")
            .body("<html>hello</html>");
        playground.fault(Fault::of(Server::Mcp).method("GET").then(page));
        let machine = Machine::new();
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        (answer, playground)
    };
    let said = detail(&answer);
    assert!(said.contains("answered 405 to `initialize`"), "{said}");
    assert!(
        said.contains("something else than an event stream"),
        "{said}"
    );
}

#[test]
fn another_address_takes_the_place_of_the_first() {
    let mut scene = open();
    scene.goes_on();
    scene.playground.move_endpoints();
    // Shows that the new address has been read.
    scene
        .playground
        .notify("notifications/tools/list_changed", json!(null));
    scene.bridge.incoming("notifications/tools/list_changed");
    scene.goes_on();
    let paths: Vec<String> = scene
        .posts("tools/call")
        .into_iter()
        .map(|r| r.path)
        .collect();
    assert_eq!(paths, ["/messages", "/moved"]);
    assert_eq!(scene.requests(is_get).len(), 1);
}

#[test]
fn another_address_on_another_origin_ends_the_stream() {
    let mut scene = open();
    scene
        .playground
        .name_endpoint("https://evil.example/messages");
    scene.bridge.stderr_says("another origin");
    // A new stream names a good one.
    scene.goes_on();
    assert_eq!(scene.requests(is_get).len(), 2);
}

#[test]
fn the_stream_is_followed_within_its_origin_and_the_address_belongs_to_where_it_is() {
    for status in [301, 302, 303, 307, 308] {
        let playground = Playground::start(Settings {
            mcp_path: "/v1/sse".into(),
            ..settings(|sse| sse.endpoint = EndpointForm::Relative)
        });
        let moved = Then::answer(status).header("Location", "/v1/sse?there");
        playground.fault(Fault::of(Server::Mcp).method("GET").then(moved));
        let machine = Machine::new();
        let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &[]);
        bridge.initialize(NEWEST, everything());
        announced(&playground);
        let mut requests = playground.requests();
        requests.retain(is_get);
        assert_eq!(requests[0].status, Some(status));
        assert_eq!(requests[1].query.as_deref(), Some("there"));
    }
}

#[test]
fn the_stream_is_not_followed_to_another_origin_or_in_circles() {
    for (location, times, said) in [
        ("https://evil.example/sse", 1, "evil.example"),
        ("/sse", usize::MAX, "answered 302"),
    ] {
        let playground = Playground::start(Settings::open_sse());
        let moved = Then::answer(302).header("Location", location);
        let fault = Fault::of(Server::Mcp).method("GET").times(times);
        playground.fault(fault.then(moved));
        let machine = Machine::new();
        let mut bridge = Bridge::start(
            &machine,
            &playground.mcp_url(),
            &["--transport", "sse-only"],
        );
        let answer = bridge.call("initialize", opening(NEWEST, json!({})));
        assert!(detail(&answer).contains(said), "{answer}");
        assert!(playground.requests().len() <= 4);
    }
}
