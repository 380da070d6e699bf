//! Signing in by a code (RFC 8628): the person confirms it in a browser that is not on this machine.

use playground::{
    AuthMethod, Fault, Manner, Playground, Registration, Request, Settings, StaticClient, Then,
    browse,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::device::{Login, Shown};
use crate::support::machine::Machine;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A server that may be asked every second.
fn settings() -> Settings {
    Settings {
        device_interval: 1,
        ..Settings::default()
    }
}

fn scene(settings: Settings) -> (Playground, Machine) {
    (Playground::start(settings), Machine::new())
}

/// `login --device-code` for the playground's server.
fn log_in(machine: &Machine, playground: &Playground, args: &[&str]) -> Login {
    Login::start(machine, &playground.mcp_url(), args)
}

/// A person who is shown this opens the address with the code in it, and decides.
fn decide(shown: &Shown, manner: Manner) {
    let page = browse(&shown.complete, manner).expect("the page answers");
    assert_eq!(page.status, 200, "{}", page.page);
}

fn is_poll(request: &Request) -> bool {
    request.parameter("grant_type").as_deref() == Some(GRANT)
}

/// Waits until so many polls have been answered.
fn polled(playground: &Playground, count: usize) {
    playground.wait_for(|requests| {
        let answered = |request: &&Request| is_poll(request) && request.status.is_some();
        (requests.iter().filter(answered).count() >= count).then_some(())
    });
}

/// Codes given, registrations, sign-ins that were completed.
fn counts(playground: &Playground) -> (usize, usize, usize) {
    (
        playground.device_codes(),
        playground.registrations(),
        playground.code_exchanges(),
    )
}

fn begin(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "tests", "version": "1" },
        }),
    )
}

/// The bridge has its session, and works.
fn works(bridge: &mut Bridge, initialize: u64) {
    let answer = bridge.answer(initialize);
    assert!(
        answer.get("result").is_some(),
        "{answer}\n{}",
        bridge.story()
    );
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let result = bridge.tool("echo", json!({ "text": "hello" }));
    assert!(result.to_string().contains("hello"), "{result}");
}

/// A session with one call, in the browser's way where a person is needed.
fn visit(machine: &Machine, playground: &Playground) {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    assert!(bridge.close().status.success());
}

fn cached(machine: &Machine) -> Value {
    let content = std::fs::read(&machine.cached()[0]).expect("a cached sign-in");
    serde_json::from_slice(&content).expect("JSON")
}

#[test]
fn login_by_code_signs_in_without_a_browser_here() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &["--debug"]);
    let shown = login.shown(1);
    assert!(shown.complete.contains(&shown.code), "{shown:?}");
    assert_eq!(shown.plain, format!("{}/device", playground.issuer()));
    // One poll before the person decides, and one after.
    polled(&playground, 1);
    decide(&shown, Manner::Approve);
    let (code, stdout, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("signed in to `127.0.0.1:"), "{stdout}");
    assert_eq!(
        counts(&playground),
        (1, 1, 1),
        "{}",
        playground.printed_log()
    );
    // The server watched that it was never asked too soon.
    assert_eq!(playground.slow_downs(), 0);
    assert!(machine.opened().is_empty());

    let requests = playground.requests();
    let asked = requests
        .iter()
        .find(|one| one.path == "/device_authorization")
        .unwrap();
    assert_eq!(asked.parameter("resource"), Some(playground.mcp_url()));
    assert_eq!(asked.parameter("scope").as_deref(), Some("tools"));
    let poll = requests.iter().find(|one| is_poll(one)).unwrap();
    assert_eq!(poll.parameter("resource"), Some(playground.mcp_url()));
    let cached = cached(&machine);
    assert_eq!(cached["mode"], "device");
    let is_log = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".debug.log");
    let logged = std::fs::read_to_string(&machine.files(is_log)[0]).expect("a log");
    assert!(logged.contains(&shown.code), "{logged}");
    for secret in [
        &poll.parameter("device_code").unwrap(),
        cached["access_token"].as_str().unwrap(),
        cached["refresh_token"].as_str().unwrap(),
    ] {
        for text in [&stderr, &stdout, &logged] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let left = std::fs::read_dir(machine.cache()).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().ends_with(".signin.json")),
        "{names:?}"
    );
}

#[test]
fn what_was_granted_by_code_is_used_and_refreshed_like_any_other_sign_in() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    assert_eq!(login.ended().0, Some(0));
    playground.expire_access_tokens();
    // Without the option, too: it is the same sign-in.
    visit(&machine, &playground);
    assert_eq!(playground.refreshes(), 1);
    assert!(machine.opened().is_empty());
    assert_eq!(counts(&playground), (1, 1, 1));
}

#[test]
fn a_bridge_signs_in_by_code_and_then_answers() {
    let (playground, machine) = scene(settings());
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--device-code"]);
    let id = begin(&mut bridge);
    let shown = Shown::wait(1, || bridge.stderr());
    decide(&shown, Manner::Approve);
    works(&mut bridge, id);
    assert!(bridge.close().status.success());
    assert!(machine.opened().is_empty());
    assert_eq!(counts(&playground), (1, 1, 1));
}

#[test]
fn a_person_who_never_sees_the_log_gets_the_code_from_the_tool() {
    let (playground, machine) = scene(settings());
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--device-code"]);
    // It is answered without a sign-in, since nobody comes.
    let id = begin(&mut bridge);
    let answer = bridge.answer(id);
    assert!(answer.get("result").is_some(), "{answer}");
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let told = bridge.tool("sign_in", json!({}));
    let text = told["content"][0]["text"].as_str().unwrap();
    let shown = Shown::wait(1, || bridge.stderr());
    for part in [&shown.complete, &shown.plain, &shown.code] {
        assert!(text.contains(part.as_str()), "{part}: {text}");
    }
    decide(&shown, Manner::Approve);
    bridge.incoming("notifications/tools/list_changed");
    let result = bridge.tool("echo", json!({ "text": "hello" }));
    assert!(result.to_string().contains("hello"), "{result}");
    assert_eq!(counts(&playground), (1, 1, 1));
}

#[test]
fn a_person_who_declines_ends_it_at_once() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Deny);
    let (code, stdout, stderr) = login.ended();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("the sign-in was declined"), "{stderr}");
    assert_eq!(counts(&playground), (1, 1, 0));
}

#[test]
fn a_code_that_expires_is_replaced_once() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    let first = login.shown(1);
    polled(&playground, 1);
    playground.expire_devices();
    let second = login.shown(2);
    assert_ne!(first.code, second.code);
    decide(&second, Manner::Approve);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("the code has expired; here is a new one"),
        "{stderr}"
    );
    assert_eq!(counts(&playground), (2, 1, 1));
}

#[test]
fn a_person_who_takes_too_long_is_told_to_begin_again() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    for count in 1..=2 {
        login.shown(count);
        playground.expire_devices();
    }
    let (code, stdout, stderr) = login.ended();
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    let last: Vec<_> = stderr.lines().rev().take(2).collect();
    assert!(
        last[1].contains("the code was not confirmed within "),
        "{stderr}"
    );
    assert!(
        last[0].contains("begin again to get a new code"),
        "{stderr}"
    );
    assert_eq!(counts(&playground), (2, 1, 0));

    let login = log_in(&machine, &playground, &["--auth-timeout", "2"]);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("not confirmed within 2 s"), "{stderr}");
}

#[test]
fn a_server_that_wants_to_be_asked_less_often_is() {
    let (playground, machine) = scene(Settings {
        device_slow_downs: 1,
        ..settings()
    });
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    // Had the next poll not waited five seconds longer, it would have been slowed down again.
    assert_eq!(playground.slow_downs(), 1);
    let polls = playground
        .requests()
        .iter()
        .filter(|one| is_poll(one))
        .count();
    assert_eq!(polls, 2);
}

#[test]
fn polls_that_get_no_answer_are_repeated() {
    let (playground, machine) = scene(settings());
    playground.fault(Fault::token(GRANT).then(Then::CloseBefore));
    let busy = Then::answer(503).header("retry-after", "1");
    playground.fault(Fault::token(GRANT).then(busy));
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(counts(&playground), (1, 1, 1));
    assert_eq!(playground.faults_left(), 0);
}

#[test]
fn tokens_that_got_lost_on_their_way_cost_one_more_code() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    playground.fault(Fault::token(GRANT).then(Then::CloseAfter));
    decide(&login.shown(1), Manner::Approve);
    decide(&login.shown(2), Manner::Approve);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(counts(&playground), (2, 1, 2));
}

#[test]
fn a_killed_bridge_leaves_its_code_to_the_next() {
    let (playground, machine) = scene(settings());
    let url = playground.mcp_url();
    let mut first = Bridge::start(&machine, &url, &["--device-code"]);
    begin(&mut first);
    let code = Shown::wait(1, || first.stderr());
    polled(&playground, 1);
    // Killed, and with nothing tidied up. The person is typing.
    drop(first);
    let mut second = Bridge::start(&machine, &url, &["--device-code"]);
    let id = begin(&mut second);
    assert_eq!(Shown::wait(1, || second.stderr()), code);
    decide(&code, Manner::Approve);
    works(&mut second, id);
    assert_eq!(
        counts(&playground),
        (1, 1, 1),
        "{}",
        playground.printed_log()
    );
    assert_eq!(playground.slow_downs(), 0);
}

#[test]
fn a_host_that_gives_up_and_starts_anew_finds_the_same_code() {
    let (playground, machine) = scene(settings());
    let url = playground.mcp_url();
    let mut first = Bridge::start(&machine, &url, &["--device-code"]);
    begin(&mut first);
    let code = Shown::wait(1, || first.stderr());
    assert!(first.close().status.success());
    decide(&code, Manner::Approve);
    let mut second = Bridge::start(&machine, &url, &["--device-code"]);
    let id = begin(&mut second);
    works(&mut second, id);
    assert_eq!(
        counts(&playground),
        (1, 1, 1),
        "{}",
        playground.printed_log()
    );
}

#[test]
fn bridges_that_start_together_ask_for_one_code_and_all_show_it() {
    let (playground, machine) = scene(settings());
    let url = playground.mcp_url();
    let mut bridges: Vec<Bridge> = (0..10)
        .map(|_| Bridge::start(&machine, &url, &["--device-code"]))
        .collect();
    let ids: Vec<u64> = bridges.iter_mut().map(begin).collect();
    let shown: Vec<Shown> = bridges
        .iter()
        .map(|bridge| Shown::wait(1, || bridge.stderr()))
        .collect();
    assert!(shown.iter().all(|one| *one == shown[0]), "{shown:?}");
    decide(&shown[0], Manner::Approve);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        works(bridge, id);
    }
    assert_eq!(
        counts(&playground),
        (1, 1, 1),
        "{}",
        playground.printed_log()
    );
    assert_eq!(playground.slow_downs(), 0);
}

#[test]
fn a_server_without_the_grant_is_named_and_nothing_is_registered() {
    let (playground, machine) = scene(Settings {
        device_grant: false,
        ..settings()
    });
    let (code, stdout, stderr) = log_in(&machine, &playground, &[]).ended();
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(
        stderr.contains("issues no codes for signing in on another device"),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: ") && stderr.contains("--device-code"),
        "{stderr}"
    );
    assert_eq!(playground.registrations(), 0);
}

#[test]
fn a_client_that_is_registered_for_the_browser_only_is_registered_anew() {
    let (playground, machine) = scene(settings());
    visit(&machine, &playground);
    assert_eq!((machine.opened().len(), playground.registrations()), (1, 1));
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    assert_eq!(login.ended().0, Some(0));
    assert_eq!(playground.registrations(), 2);
    // And that one serves the browser, too.
    playground.revoke_grants();
    playground.expire_access_tokens();
    visit(&machine, &playground);
    assert_eq!((machine.opened().len(), playground.registrations()), (2, 2));
}

#[test]
fn a_client_that_the_server_has_forgotten_is_registered_anew() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    assert_eq!(login.ended().0, Some(0));
    playground.forget_clients();
    let login = log_in(&machine, &playground, &[]);
    decide(&login.shown(1), Manner::Approve);
    assert_eq!(login.ended().0, Some(0));
    assert_eq!(counts(&playground), (2, 2, 2));
}

#[test]
fn clients_with_a_secret_prove_it_for_the_code_and_for_the_tokens() {
    let client = r#"{"client_id":"mine","client_secret":"s&c r+t"}"#;
    let configured = Settings {
        registration: Registration::Off,
        clients: vec![StaticClient {
            id: "mine".to_owned(),
            secret: Some("s&c r+t".to_owned()),
            auth_method: AuthMethod::Basic,
            redirect_uris: Vec::new(),
        }],
        ..settings()
    };
    let registered = |method| Settings {
        registration: Registration::Secret(method),
        ..settings()
    };
    for (settings, args) in [
        (configured, &["--static-oauth-client-info", client][..]),
        (registered(AuthMethod::Basic), &[]),
        (registered(AuthMethod::Post), &[]),
    ] {
        let (playground, machine) = scene(settings);
        let login = log_in(&machine, &playground, args);
        decide(&login.shown(1), Manner::Approve);
        let (code, _, stderr) = login.ended();
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(playground.code_exchanges(), 1);
    }
}

#[test]
fn options_of_the_browsers_way_are_not_ignored_in_silence() {
    let (playground, machine) = scene(settings());
    let login = log_in(&machine, &playground, &["3334", "--host", "127.0.0.1"]);
    decide(&login.shown(1), Manner::Approve);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("warning: the callback port has no effect"),
        "{stderr}"
    );
    assert!(
        stderr.contains("warning: `--host` has no effect"),
        "{stderr}"
    );
}
