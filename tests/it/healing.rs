//! Clients and grants that the server no longer takes: one clean sign-in, and nothing is lost that
//! still works.

use playground::{AuthMethod, Fault, Memory, Playground, Registration, Request, Settings, Then};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A machine that has signed in before.
fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    call(&machine, &playground);
    assert_eq!(machine.opened().len(), 1);
    (playground, machine)
}

/// Starts a session, makes one call, and closes it.
fn call(machine: &Machine, playground: &Playground) {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), &[]);
    bridge.tool("echo", json!({}));
    bridge.close();
}

/// Time passes: the token is no longer good, here and at the server.
fn expire(playground: &Playground, machine: &Machine) {
    playground.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
}

/// The tokens are gone, the client is not.
fn sign_out(machine: &Machine) {
    machine.edit_cached(|cached| {
        let cached = cached.as_object_mut().expect("an object");
        cached.retain(|name, _| !name.ends_with("_token"));
    });
}

fn cached(machine: &Machine) -> Value {
    let content = std::fs::read(&machine.cached()[0]).expect("a readable cache");
    serde_json::from_slice(&content).expect("JSON")
}

fn client_id(playground: &Playground, machine: &Machine) -> String {
    let cached = cached(machine);
    let client = &cached["client"][playground.issuer()];
    client["client_id"].as_str().expect("a client").to_owned()
}

/// Browsers and registrations so far.
fn counts(playground: &Playground, machine: &Machine) -> (usize, usize) {
    (machine.opened().len(), playground.registrations())
}

/// `grant_type` and status of what came to the token endpoint from this request on.
fn token_requests(playground: &Playground, from: usize) -> Vec<(String, u16)> {
    let requests = playground.requests().split_off(from);
    let of = |request: &Request| Some((request.parameter("grant_type")?, request.status?));
    requests.iter().filter_map(of).collect()
}

fn is_refresh(request: &Request) -> bool {
    request.parameter("grant_type").as_deref() == Some("refresh_token")
}

fn refused(status: u16, body: &str) -> Then {
    Then::answer(status)
        .header("Content-Type", "application/json")
        .body(body)
        .into()
}

mod secrets {
    use super::*;

    /// Registered clients get a secret, which ends.
    fn settings() -> Settings {
        Settings {
            registration: Registration::Secret(AuthMethod::Basic),
            secret_lifetime: Some(86400),
            ..Settings::default()
        }
    }

    /// The secret ends, and we know it.
    fn end(playground: &Playground, machine: &Machine) {
        playground.expire_secrets();
        let issuer = playground.issuer();
        machine.edit_cached(|cached| {
            let known = &mut cached["client"][issuer]["client_secret_expires_at"];
            assert!(known.is_u64(), "{known}");
            *known = json!(1_600_000_000);
        });
    }

    #[test]
    fn one_that_has_ended_is_not_used_and_costs_one_sign_in_when_the_token_ends() {
        let (playground, machine) = signed_in(settings());
        end(&playground, &machine);
        let from = playground.requests().len();
        call(&machine, &playground);
        assert_eq!(token_requests(&playground, from), []);
        assert_eq!(counts(&playground, &machine), (1, 1));

        expire(&playground, &machine);
        call(&machine, &playground);
        // It was shown to nobody.
        let exchanged = ("authorization_code".to_owned(), 200);
        assert_eq!(token_requests(&playground, from), [exchanged]);
        assert_eq!(counts(&playground, &machine), (2, 2));

        expire(&playground, &machine);
        call(&machine, &playground);
        assert_eq!(playground.refreshes(), 1);
        assert_eq!(counts(&playground, &machine), (2, 2));
    }

    #[test]
    fn one_that_has_ended_does_not_begin_a_sign_in() {
        let (playground, machine) = signed_in(settings());
        end(&playground, &machine);
        sign_out(&machine);
        let from = playground.requests().len();
        call(&machine, &playground);
        assert_eq!(counts(&playground, &machine), (2, 2));
        let new = client_id(&playground, &machine);
        for request in playground.requests().split_off(from) {
            let client = request.parameter("client_id");
            assert!(
                client.is_none_or(|client| client == new),
                "{}",
                request.line()
            );
            let refused = matches!(request.status, Some(400..)) && request.path != "/mcp";
            assert!(!refused, "{}", request.line());
        }
    }

    #[test]
    fn one_that_ended_without_our_knowing_is_replaced_once() {
        let (playground, machine) = signed_in(settings());
        playground.expire_secrets();
        expire(&playground, &machine);
        call(&machine, &playground);
        assert_eq!(counts(&playground, &machine), (2, 2));
        call(&machine, &playground);
        assert_eq!(counts(&playground, &machine), (2, 2));
    }

    #[test]
    fn status_tells_that_one_has_ended() {
        let (playground, machine) = signed_in(settings());
        expire(&playground, &machine);
        let health = || {
            let output = machine.command().args(["status", "--json"]).output();
            let output = output.expect("the program starts");
            let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            report["sign_ins"][0]["health"].clone()
        };
        assert_eq!(health(), "refreshable");
        end(&playground, &machine);
        assert_eq!(health(), "expired");
    }
}

#[test]
fn a_client_that_the_server_forgot_meanwhile_is_replaced_before_the_browser_opens() {
    let (playground, machine) = signed_in(Settings::default());
    let old = client_id(&playground, &machine);
    playground.forget_clients();
    sign_out(&machine);
    call(&machine, &playground);
    assert_eq!(counts(&playground, &machine), (2, 2));
    let opened = machine.opened();
    assert!(opened[0].contains(&old) && !opened[1].contains(&old));
}

#[test]
fn a_client_that_the_server_forgets_during_the_sign_in_is_replaced_once() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let forgotten = refused(401, r#"{"error":"invalid_client"}"#);
    playground.fault(Fault::token("authorization_code").then(forgotten));
    call(&machine, &playground);
    assert_eq!(counts(&playground, &machine), (2, 2));
    call(&machine, &playground);
    assert_eq!(counts(&playground, &machine), (2, 2));
}

#[test]
fn a_dead_refresh_token_leads_to_one_sign_in_however_it_is_said() {
    for (status, body) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Grant not found"}"#,
        ),
        (
            403,
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"refresh_token is invalid"}"#,
        ),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        (400, r#"{"message":"Invalid refresh token"}"#),
    ] {
        let (playground, machine) = signed_in(Settings::default());
        expire(&playground, &machine);
        let from = playground.requests().len();
        playground.fault(
            Fault::token("refresh_token")
                .always()
                .then(refused(status, body)),
        );
        call(&machine, &playground);
        assert_eq!(counts(&playground, &machine), (2, 1), "{body}");
        // It was spent once, and then a person was asked.
        let expected = [("refresh_token", status), ("authorization_code", 200)];
        let expected = expected.map(|(grant, status)| (grant.to_owned(), status));
        assert_eq!(token_requests(&playground, from), expected, "{body}");
    }
}

#[test]
fn a_dead_client_leads_to_one_registration_and_one_sign_in_however_it_is_said() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"unauthorized_client"}"#),
        (422, r#"{"message":"Unrecognized client_id"}"#),
    ] {
        let (playground, machine) = signed_in(Settings::default());
        expire(&playground, &machine);
        playground.fault(
            Fault::token("refresh_token")
                .always()
                .then(refused(status, body)),
        );
        call(&machine, &playground);
        assert_eq!(counts(&playground, &machine), (2, 2), "{body}");
    }
}

/// A process refreshes, and is told that it is for nothing; before it can take that in, what another
/// process got stands in the cache, although files have no locks there.
fn a_sibling_is_faster(end: impl FnOnce(&Playground)) {
    let (playground, machine) = signed_in(Settings::default());
    expire(&playground, &machine);
    end(&playground);
    let sibling = Machine::new();
    call(&sibling, &playground);
    let renewed = std::fs::read(&sibling.cached()[0]).expect("a readable cache");

    playground.fault(Fault::token("refresh_token").then(Then::Hold));
    let mut bridge = Bridge::start(&machine, &playground.mcp_url(), &["--debug"]);
    let id = bridge.request(
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } }),
    );
    playground.wait_for(|requests| requests.iter().find(|r| is_refresh(r)).map(|_| ()));
    std::fs::write(&machine.cached()[0], &renewed).expect("a writable cache");
    playground.release_held();

    let answer = bridge.answer(id);
    assert!(answer.get("result").is_some(), "{}", bridge.story());
    bridge.tool("echo", json!({}));
    assert_eq!(machine.opened().len(), 1, "{}", bridge.story());
    let refused = playground.wait_for_answered(is_refresh);
    assert!(
        matches!(refused.status, Some(400..=401)),
        "{}",
        refused.line()
    );
    let kept = cached(&machine);
    let renewed: Value = serde_json::from_slice(&renewed).expect("JSON");
    for member in ["access_token", "refresh_token", "client"] {
        assert_eq!(kept[member], renewed[member], "{member}");
    }
}

#[test]
fn a_dead_grant_does_not_take_with_it_what_a_sibling_has_just_renewed() {
    a_sibling_is_faster(Playground::revoke_grants);
}

#[test]
fn a_dead_client_does_not_take_with_it_what_a_sibling_has_just_renewed() {
    a_sibling_is_faster(|playground| playground.restart(Memory::Lost));
}
