//! HTTP+SSE, the transport of MCP 2024-11-05, and how the bridge finds out that a server speaks it.

mod detection;
mod endpoint;
mod losing;
mod messages;
mod peers;
mod sign_in;

use std::thread;
use std::time::{Duration, Instant};

use playground::{Memory, Playground, Request, Settings};

use crate::support::scene::{NEWEST, Scene, everything, is_get};

/// A server that speaks HTTP+SSE alone, without protection, and an open session with it.
fn open() -> Scene {
    with(Settings::open_sse())
}

/// The same, at a server like this.
fn with(settings: Settings) -> Scene {
    let mut scene = Scene::started(settings, &[]);
    scene.bridge.initialize(NEWEST, everything());
    announced(&scene.playground);
    scene
}

/// Waits until the server has everything that opens a session.
fn announced(playground: &Playground) {
    playground.wait_for_answered(|request| request.calls("notifications/initialized"));
}

/// What a request is, and how it was answered.
fn what(request: &Request) -> (String, u16) {
    let what = request.rpc_method().unwrap_or(request.method.clone());
    (what, request.status.unwrap_or(0))
}

/// The same for many, to compare with.
fn whats(requests: &[Request]) -> Vec<(String, u16)> {
    requests.iter().map(what).collect()
}

fn expected<const N: usize>(list: [(&str, u16); N]) -> Vec<(String, u16)> {
    list.map(|(what, status)| (what.to_owned(), status)).into()
}

/// Restarts the server; returns when the bridge has a session with it again.
fn restart(scene: &Scene) {
    let before = scene.posts("notifications/initialized").len();
    scene.playground.restart(Memory::Lost);
    open_again(&scene.playground, before);
}

/// Waits until there are more open sessions than `before`.
fn open_again(playground: &Playground, before: usize) {
    playground.wait_for(|requests| {
        let announced = |request: &&Request| request.calls("notifications/initialized");
        requests.iter().filter(announced).nth(before)?.status
    });
}

/// How often the event stream was asked for.
fn gets(playground: &Playground) -> usize {
    playground.requests().iter().filter(|r| is_get(r)).count()
}

/// Waits for what the server's log does not tell of.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
