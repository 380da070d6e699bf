//! The bridge between programs that other people wrote: the official SDK's client as host, the official SDK's server, by itself
//! and behind oidc-provider, and FastMCP as remotes.

use serde_json::json;

use crate::support::machine::{Browser, Machine};
use crate::support::peers::{GIVEN_TOKEN, Kind, Request, Server};

/// Makes a test of each function for each kind of server.
macro_rules! with_each_server {
    ($($(#[$attribute:meta])* $name:ident),+ $(,)?) => {
        mod official_sdk {
            $(#[test] $(#[$attribute])* fn $name() { super::$name(super::Kind::OfficialSdk); })+
        }
        mod fastmcp {
            $(#[test] $(#[$attribute])* fn $name() { super::$name(super::Kind::FastMcp); })+
        }
        mod oidc_provider {
            $(#[test] $(#[$attribute])* fn $name() { super::$name(super::Kind::OidcProvider); })+
        }
    };
}

with_each_server!(
    a_given_token_is_sent_and_nobody_signs_in,
    a_cold_start_signs_in_once,
    a_warm_start_sends_the_token_with_its_first_request,
    everything_passes_between_host_and_server,
    a_token_that_expired_meanwhile_is_refreshed_before_it_is_used,
    a_refused_access_token_is_refreshed_in_the_middle_of_a_session,
    a_revoked_refresh_token_opens_one_browser,
    a_wrong_state_is_refused_and_the_right_one_still_works,
    a_sign_in_that_only_brings_wrong_states_gets_no_token,
    a_denied_sign_in_is_reported_to_the_host,
    a_restarted_server_gets_a_new_session,
);

fn a_cold_start_signs_in_once(kind: Kind) {
    let (server, machine) = (Server::start(kind), Machine::new());
    machine.host(&server, "start,list,call,stop");

    assert_eq!(machine.opened().len(), 1);
    let requests = server.requests();
    assert_eq!(count(&requests, registered), 1);
    assert_eq!(count(&requests, authorized), 1);
    assert_eq!(count(&requests, exchanged), 1);
    assert_eq!(count(&requests, |r| r.path == "/token"), 1);
    // One session, which is closed at the end.
    assert_eq!(count(&requests, initialized), 1);
    assert_eq!(count(&requests, |r| r.method == "DELETE" && r.session), 1);
    let pages = pages(kind);
    let visits = machine.visits(pages + 1);
    assert!(visits[pages].starts_with("200 "), "{visits:?}");
}

fn a_warm_start_sends_the_token_with_its_first_request(kind: Kind) {
    let (server, machine) = signed_in(kind);
    let before = server.requests().len();
    machine.host(&server, "start,list,call,stop");

    let requests = &server.requests()[before..];
    let first = &requests[0];
    assert!(
        first.is_rpc("initialize") && first.authorization && first.status == Some(200),
        "{first:?}"
    );
    // No discovery, no registration, no refresh.
    assert!(
        requests.iter().all(|r| r.path == "/mcp" && r.authorization),
        "{requests:#?}"
    );
    assert_eq!(machine.opened().len(), 1);
}

fn everything_passes_between_host_and_server(kind: Kind) {
    let (server, machine) = (Server::start(kind), Machine::new());
    assert_everything_passes(kind, &machine, &server, &[]);
    assert_eq!(machine.opened().len(), 1);
}

fn a_given_token_is_sent_and_nobody_signs_in(kind: Kind) {
    let (server, machine) = (Server::start(kind), Machine::new());
    let header = format!("Authorization: Bearer {GIVEN_TOKEN}");
    assert_everything_passes(kind, &machine, &server, &["--header", &header]);

    let requests = server.requests();
    assert!(
        requests.iter().all(|r| r.path == "/mcp" && r.authorization),
        "{requests:#?}"
    );
    assert_eq!(machine.opened().len(), 0);
    assert_eq!(machine.cached().len(), 0);
}

/// Takes the host through every step that the server knows.
fn assert_everything_passes(kind: Kind, machine: &Machine, server: &Server, arguments: &[&str]) {
    let mut names =
        "start,list,call,parallel,elicitation,sampling,roots,progress,cancellation,notifications,\
                     interrupted,resources,prompts,ping"
            .to_owned();
    if kind != Kind::FastMcp {
        names += ",url-elicitation";
    }
    let steps = machine.host_with(server, &(names + ",stop"), arguments);
    let saw = |name: &str| {
        steps
            .iter()
            .find(|step| step.name() == name)
            .map(|step| step.saw().clone())
            .unwrap_or_default()
    };
    assert_eq!(saw("elicitation")["message"], "What is your name?");
    assert_eq!(saw("sampling")["maxTokens"], 10);
    assert_eq!(saw("prompts"), json!({ "names": ["review"] }));
    assert_eq!(saw("resources")["uris"], json!(["peer://greeting"]));
    // The host's `stop` has checked each line of stdout.
    assert!(
        saw("stop")["messages"].as_u64() > Some(40),
        "{}",
        saw("stop")
    );
}

fn a_token_that_expired_meanwhile_is_refreshed_before_it_is_used(kind: Kind) {
    let (server, machine) = signed_in(kind);
    // FastMCP throws the refresh token away when it is shown an expired access token.
    server.control("/expire");
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_700_000_000));
    let before = server.requests().len();
    machine.host(&server, "start,call,stop");
    // The refresh rotated the refresh token: a second round shows that the new one was kept.
    server.control("/expire");
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_700_000_000));
    machine.host(&server, "start,call,stop");

    let requests = &server.requests()[before..];
    assert_eq!(count(requests, refreshed), 2);
    assert_eq!(count(requests, |r| r.path == "/token"), 2);
    assert_eq!(
        count(requests, |r| r.status == Some(401)),
        0,
        "{requests:#?}"
    );
    assert_eq!(count(requests, registered), 0);
    assert_eq!(machine.opened().len(), 1);
}

fn a_refused_access_token_is_refreshed_in_the_middle_of_a_session(kind: Kind) {
    let (server, machine) = signed_in(kind);
    let before = server.requests().len();
    machine.host(
        &server,
        &format!(
            "start,call,control={},call,sampling,stop",
            refuse_access_tokens(kind)
        ),
    );

    let requests = &server.requests()[before..];
    assert_eq!(count(requests, refreshed), 1);
    assert_eq!(count(requests, |r| r.path == "/token"), 1);
    assert_eq!(
        count(requests, |r| r.is_rpc("initialize")),
        1,
        "the session goes on"
    );
    assert_eq!(machine.opened().len(), 1);
}

fn a_revoked_refresh_token_opens_one_browser(kind: Kind) {
    let (server, machine) = signed_in(kind);
    server.control(refuse_access_tokens(kind));
    server.control("/forget-refresh-tokens");
    let before = server.requests().len();
    machine.host(&server, "start,call,stop");

    assert_eq!(machine.opened().len(), 2);
    let requests = &server.requests()[before..];
    assert_eq!(count(requests, refused_refresh), 1, "{requests:#?}");
    assert_eq!(count(requests, exchanged), 1);
    assert_eq!(
        count(requests, registered),
        0,
        "the registration is still good"
    );

    machine.host(&server, "start,call,stop");
    assert_eq!(machine.opened().len(), 2);
}

fn a_wrong_state_is_refused_and_the_right_one_still_works(kind: Kind) {
    let (server, mut machine) = (Server::start(kind), Machine::new());
    machine.browser = Browser::BringsWrongStateFirst;
    machine.host(&server, "start,call,stop");

    let pages = pages(kind);
    let visits = machine.visits(pages + 2);
    assert!(visits[pages].starts_with("400 "), "{visits:?}");
    assert!(visits[pages + 1].starts_with("200 "), "{visits:?}");
    assert_eq!(count(&server.requests(), |r| r.path == "/token"), 1);
    assert_eq!(machine.opened().len(), 1);
}

fn a_sign_in_that_only_brings_wrong_states_gets_no_token(kind: Kind) {
    let (server, mut machine) = (Server::start(kind), Machine::new());
    machine.browser = Browser::BringsWrongState;
    let refusal = refused(&machine, &server, &["--auth-timeout", "1"]);

    assert!(refusal.contains("was not finished"), "{refusal}");
    assert_eq!(count(&server.requests(), |r| r.path == "/token"), 0);
    assert_eq!(machine.opened().len(), 1);
    // The registration is kept for the next attempt; there are no tokens.
    machine.edit_cached(|cached| assert!(cached.get("access_token").is_none(), "{cached}"));
}

fn a_denied_sign_in_is_reported_to_the_host(kind: Kind) {
    let (server, mut machine) = (Server::start(kind), Machine::new());
    machine.browser = Browser::Denies;
    let refusal = refused(&machine, &server, &[]);

    assert!(refusal.contains("declined"), "{refusal}");
    assert_eq!(count(&server.requests(), |r| r.path == "/token"), 0);
    assert_eq!(machine.opened().len(), 1);
}

fn a_restarted_server_gets_a_new_session(kind: Kind) {
    let (server, machine) = signed_in(kind);
    let before = server.requests().len();
    // Sampling needs the standing stream of the new session.
    machine.host(&server, "start,call,control=/restart,call,sampling,stop");

    let requests = &server.requests()[before..];
    assert_eq!(count(requests, initialized), 2);
    assert_eq!(count(requests, |r| r.path != "/mcp"), 0, "{requests:#?}");
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_lost_session_that_is_answered_with_400_is_replaced() {
    let (server, machine) = (Server::start(Kind::Everything), Machine::new());
    machine.host(&server, "start,echo,control=/restart,echo,stop");
    assert_eq!(machine.opened().len(), 0);
}

/// A server and a machine that has signed in to it.
fn signed_in(kind: Kind) -> (Server, Machine) {
    let (server, machine) = (Server::start(kind), Machine::new());
    machine.host(&server, "start,stop");
    assert_eq!(machine.cached().len(), 1);
    (server, machine)
}

/// The control that makes access tokens useless and leaves refresh tokens alone.
fn refuse_access_tokens(kind: Kind) -> &'static str {
    match kind {
        Kind::OfficialSdk | Kind::OfficialSdkSse => "/expire",
        Kind::FastMcp
        | Kind::FastMcpSse
        | Kind::OidcProvider
        | Kind::BetterAuth
        | Kind::Workers => "/forget-access-tokens",
        Kind::Everything | Kind::EverythingSse => unreachable!("it gives no tokens"),
    }
}

/// How many pages a browser visits before it is sent back to the bridge.
fn pages(kind: Kind) -> usize {
    match kind {
        // The request, signing in, the request resumed, agreeing, the request resumed.
        Kind::OidcProvider => 5,
        _ => 1,
    }
}

/// What the host is told when it cannot be served.
fn refused(machine: &Machine, server: &Server, arguments: &[&str]) -> String {
    let steps = machine.host_with(server, "refused", arguments);
    steps
        .iter()
        .map(|step| step.saw()["message"].as_str().unwrap_or_default())
        .collect()
}

fn count(requests: &[Request], wanted: impl Fn(&Request) -> bool) -> usize {
    requests.iter().filter(|request| wanted(request)).count()
}

fn registered(request: &Request) -> bool {
    matches!(&*request.path, "/register" | "/reg") && request.status == Some(201)
}

/// A browser came to ask for a code.
fn authorized(request: &Request) -> bool {
    matches!(&*request.path, "/authorize" | "/auth")
}

fn exchanged(request: &Request) -> bool {
    request.is_grant("authorization_code") && request.status == Some(200)
}

fn refreshed(request: &Request) -> bool {
    request.is_grant("refresh_token") && request.status == Some(200)
}

/// FastMCP answers `invalid_grant` with 401, the SDK with 400.
fn refused_refresh(request: &Request) -> bool {
    request.is_grant("refresh_token") && matches!(request.status, Some(400 | 401))
}

fn initialized(request: &Request) -> bool {
    request.is_rpc("initialize") && request.status == Some(200)
}
