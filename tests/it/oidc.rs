//! The bridge against the certified authorization server oidc-provider, which rotates refresh tokens and ends a grant when one is
//! used again. What is asserted is what the provider itself has counted.

use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, Fault, OidcProvider, Person};

/// Nothing happened.
const NOTHING: Counts = Counts::none();

/// A person signed in, with a client that was known already.
const SIGN_IN: Counts = Counts {
    authorizations: 1,
    code_exchanges: 1,
    ..NOTHING
};

const REFRESH: Option<&str> = Some("refresh_token");

#[test]
fn a_cold_start_signs_in_once_and_calls() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    call(&provider, &machine);

    let expected = Counts {
        registrations: 1,
        tokens_missing: 1,
        ..SIGN_IN
    };
    assert_eq!(provider.counts(), expected);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_warm_start_asks_nobody() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    call(&provider, &machine);

    assert_eq!(provider.counts() - before, NOTHING);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn each_expired_token_is_refreshed_once_and_the_grant_lives_on() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    let mut refresh_tokens = vec![cached(&machine)["refresh_token"].clone()];
    for round in 1..=4 {
        expire(&provider, &machine);
        call(&provider, &machine);
        let expected = Counts {
            refreshes: round,
            ..NOTHING
        };
        assert_eq!(provider.counts() - before, expected);
        let rotated = cached(&machine)["refresh_token"].clone();
        assert!(!refresh_tokens.contains(&rotated), "it was rotated");
        refresh_tokens.push(rotated);
    }
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_session_outlives_its_short_tokens() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    provider.set_access_token_seconds(2);
    let mut bridge = open(&provider, &machine);
    while provider.counts().refreshes < 3 {
        add(&mut bridge);
    }
    let counts = provider.counts();
    assert_eq!(
        (
            counts.refreshes_refused,
            counts.reuses,
            counts.authorizations
        ),
        (0, 0, 1)
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_token_refused_in_the_middle_of_a_session_is_refreshed_once() {
    let (provider, machine) = signed_in();
    let mut bridge = open(&provider, &machine);
    add(&mut bridge);
    let before = provider.counts();
    provider.revoke_access_tokens();
    add_ten_at_once(&mut bridge);

    let happened = provider.counts() - before;
    assert_eq!((happened.refreshes, happened.reuses), (1, 0));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_revoked_grant_leads_to_one_sign_in() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    provider.revoke_grants();
    call(&provider, &machine);

    let expected = Counts {
        tokens_refused: 1,
        refreshes_refused: 1,
        ..SIGN_IN
    };
    assert_eq!(provider.counts() - before, expected);
    assert_eq!(machine.opened().len(), 2);
    call(&provider, &machine);
    assert_eq!(provider.counts() - before, expected);
}

#[test]
fn a_grant_revoked_in_the_middle_of_a_session_leads_to_one_sign_in() {
    let (provider, machine) = signed_in();
    let mut bridge = open(&provider, &machine);
    add(&mut bridge);
    let before = provider.counts();
    provider.revoke_grants();
    add_ten_at_once(&mut bridge);

    let happened = provider.counts() - before;
    assert_eq!(
        Counts {
            // As many as met the refusal before it was known.
            tokens_refused: 0,
            ..happened
        },
        Counts {
            refreshes_refused: 1,
            ..SIGN_IN
        }
    );
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_forgotten_client_is_registered_anew_when_it_refreshes() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    provider.forget_clients();
    expire(&provider, &machine);
    call(&provider, &machine);

    let expected = Counts {
        registrations: 1,
        refreshes_refused: 1,
        ..SIGN_IN
    };
    let happened = provider.counts() - before;
    assert_eq!(
        Counts {
            tokens_missing: 0,
            ..happened
        },
        expected
    );
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_forgotten_client_is_registered_anew_before_a_browser_is_sent_to_an_error_page() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    provider.forget_clients();
    // The registration is all that is left.
    machine.edit_cached(|cached| {
        let members = cached.as_object_mut().unwrap();
        members.remove("access_token");
        members.remove("refresh_token");
    });
    call(&provider, &machine);

    let happened = provider.counts() - before;
    assert_eq!((happened.registrations, happened.code_exchanges), (1, 1));
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn bridges_that_start_together_share_one_sign_in() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
    let ids = bridges.each_mut().map(begin);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        began(bridge, id);
        add(bridge);
    }
    let counts = provider.counts();
    let expected = Counts {
        registrations: 1,
        ..SIGN_IN
    };
    assert_eq!(
        Counts {
            tokens_missing: 0,
            ..counts
        },
        expected
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn bridges_that_meet_an_expired_token_refresh_it_once() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    expire(&provider, &machine);
    let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
    let ids = bridges.each_mut().map(begin);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        began(bridge, id);
        add(bridge);
    }
    let expected = Counts {
        refreshes: 1,
        ..NOTHING
    };
    assert_eq!(provider.counts() - before, expected);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn bridges_whose_sessions_meet_a_refused_token_refresh_it_once() {
    let (provider, machine) = signed_in();
    let mut bridges = [open(&provider, &machine), open(&provider, &machine)];
    bridges.iter_mut().for_each(add);
    let before = provider.counts();
    provider.revoke_access_tokens();
    let ids = bridges.each_mut().map(ask_to_add);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        added(bridge, id);
    }
    let happened = provider.counts() - before;
    assert_eq!((happened.refreshes, happened.reuses), (1, 0));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_token_endpoint_that_fails_once_is_asked_again() {
    for fault in [Fault::FailsBefore, Fault::CutBefore] {
        let (provider, machine) = signed_in();
        let before = provider.counts();
        expire(&provider, &machine);
        provider.fault(fault, 1, REFRESH);
        call(&provider, &machine);

        let expected = Counts {
            refreshes: 1,
            faults: 1,
            ..NOTHING
        };
        assert_eq!(provider.counts() - before, expected, "{fault:?}");
        assert_eq!(machine.opened().len(), 1, "{fault:?}");
    }
}

#[test]
fn tokens_that_were_issued_and_lost_cost_one_sign_in() {
    for fault in [Fault::FailsAfter, Fault::CutAfter] {
        let (provider, machine) = signed_in();
        let before = provider.counts();
        expire(&provider, &machine);
        provider.fault(fault, 1, REFRESH);
        call(&provider, &machine);

        // The refresh token was rotated away, and only the lost answer told what came after it.
        let expected = Counts {
            refreshes: 1,
            faults: 1,
            refreshes_refused: 1,
            reuses: 1,
            grants_revoked: 1,
            ..SIGN_IN
        };
        let happened = provider.counts() - before;
        assert_eq!(
            Counts {
                tokens_missing: 0,
                ..happened
            },
            expected,
            "{fault:?}"
        );
        assert_eq!(machine.opened().len(), 2, "{fault:?}");
        call(&provider, &machine);
        assert_eq!(machine.opened().len(), 2, "{fault:?}");
    }
}

#[test]
fn a_token_endpoint_that_is_down_costs_no_sign_in() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    expire(&provider, &machine);
    provider.fault(Fault::FailsBefore, 1000, REFRESH);
    let mut bridge = start(&provider, &machine);
    let id = begin(&mut bridge);
    let answer = bridge.answer(id);
    assert_eq!(
        answer["error"]["data"]["bridge"]["stage"], "auth",
        "{answer}"
    );
    provider.clear_faults();
    assert_eq!(provider.pending().faults_left, 0);
    let id = begin(&mut bridge);
    began(&mut bridge, id);
    add(&mut bridge);

    let happened = provider.counts() - before;
    let expected = Counts {
        refreshes: 1,
        ..NOTHING
    };
    assert_eq!(
        Counts {
            faults: 0,
            ..happened
        },
        expected
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn bridges_wait_for_the_one_that_refreshes() {
    for fault in [Fault::HeldBefore, Fault::HeldAfter] {
        let (provider, machine) = signed_in();
        let before = provider.counts();
        expire(&provider, &machine);
        provider.fault(fault, 1, REFRESH);
        let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
        let ids = bridges.each_mut().map(begin);
        provider.wait_for(|pending| pending.held == 1);
        provider.release();
        for (bridge, id) in bridges.iter_mut().zip(ids) {
            began(bridge, id);
            add(bridge);
        }
        let expected = Counts {
            refreshes: 1,
            faults: 1,
            ..NOTHING
        };
        assert_eq!(provider.counts() - before, expected, "{fault:?}");
        assert_eq!(machine.opened().len(), 1, "{fault:?}");
    }
}

#[test]
fn a_bridge_killed_before_its_refresh_was_done_costs_nothing() {
    let (provider, machine) = signed_in();
    expire(&provider, &machine);
    provider.fault(Fault::HeldBefore, 1, REFRESH);
    let mut killed = start(&provider, &machine);
    begin(&mut killed);
    provider.wait_for(|pending| pending.held == 1);
    drop(killed);
    let mut second = open(&provider, &machine);
    add(&mut second);

    let counts = provider.counts();
    assert_eq!((counts.refreshes, counts.reuses), (1, 0));
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn a_person_who_declines_is_not_asked_again_at_once() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    provider.people(Person::Denies);
    let mut bridge = start(&provider, &machine);
    let id = begin(&mut bridge);
    let answer = bridge.answer(id);

    assert!(answer.to_string().contains("declined"), "{answer}");
    let counts = provider.counts();
    assert_eq!(
        (counts.authorizations, counts.authorizations_refused),
        (0, 1)
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn bridges_wait_together_for_a_person_who_hesitates() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    provider.people(Person::Hesitates);
    let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
    let ids = bridges.each_mut().map(begin);
    provider.wait_for(|pending| pending.browsers_held == 1);
    provider.people(Person::Approves);
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        began(bridge, id);
        add(bridge);
    }
    let expected = Counts {
        registrations: 1,
        ..SIGN_IN
    };
    assert_eq!(
        Counts {
            tokens_missing: 0,
            ..provider.counts()
        },
        expected
    );
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn signing_out_ends_the_grant_at_the_provider() {
    let (provider, machine) = signed_in();
    let out = machine
        .command()
        .args(["logout", provider.url.as_str()])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(provider.counts().grants_revoked, 1);
    assert_eq!(machine.cached().len(), 0);
}

#[test]
fn the_id_token_tells_who_signed_in() {
    let (provider, machine) = signed_in();
    let claims = id_token(&machine);
    assert_eq!(claims["sub"], "ada", "{claims}");
    assert_eq!(claims["email"], "ada@example.com", "{claims}");
    assert_eq!(claims["name"], "Ada Lovelace", "{claims}");
    drop(provider);
}

/// A provider, and a machine that has signed in to it.
fn signed_in() -> (OidcProvider, Machine) {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    call(&provider, &machine);
    assert_eq!(machine.opened().len(), 1);
    (provider, machine)
}

fn start(provider: &OidcProvider, machine: &Machine) -> Bridge {
    Bridge::start(machine, provider.url.as_str(), &[])
}

fn open(provider: &OidcProvider, machine: &Machine) -> Bridge {
    Bridge::open(machine, provider.url.as_str(), &[])
}

/// Opens a session, calls a tool, and closes.
fn call(provider: &OidcProvider, machine: &Machine) {
    let mut bridge = open(provider, machine);
    add(&mut bridge);
    bridge.close();
}

/// Sends `initialize` without waiting for the answer.
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

fn began(bridge: &mut Bridge, id: u64) {
    let answer = bridge.answer(id);
    assert!(
        answer.get("result").is_some(),
        "{answer}\n{}",
        bridge.story()
    );
    bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
}

fn add(bridge: &mut Bridge) {
    let id = ask_to_add(bridge);
    added(bridge, id);
}

fn add_ten_at_once(bridge: &mut Bridge) {
    let ids: Vec<u64> = (0..10).map(|_| ask_to_add(bridge)).collect();
    for id in ids {
        added(bridge, id);
    }
}

fn ask_to_add(bridge: &mut Bridge) -> u64 {
    bridge.request(
        "tools/call",
        json!({ "name": "add", "arguments": { "a": 2, "b": 3 } }),
    )
}

fn added(bridge: &mut Bridge, id: u64) {
    let answer = bridge.answer(id);
    assert_eq!(
        answer["result"]["content"][0]["text"],
        "5",
        "{answer}\n{}",
        bridge.story()
    );
}

/// Time passes: the access token is past its end, here and at the provider.
fn expire(provider: &OidcProvider, machine: &Machine) {
    provider.expire_access_tokens();
    machine.edit_cached(|cached| cached["expires_at"] = json!(1_600_000_000));
}

fn cached(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(&machine.cached()[0]).unwrap()).unwrap()
}

/// The claims of the cached ID token.
fn id_token(machine: &Machine) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let cached = cached(machine);
    let token = cached["id_token"].as_str().expect("an ID token is cached");
    let claims = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
