//! One bridge, in the course of its days.

use super::{
    NOTHING, SIGN_IN, add, add_ten_at_once, at_the_provider, cached, call, expire, id_token, open,
    refused, signed_in, start,
};
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, OidcProvider, Person};

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
    // A token that has ended is left to whoever asks next. Ends are known to the second, so one that
    // lasts 2 s may have ended by the time it is planned for.
    provider.set_access_token_seconds(5);
    let mut bridge = open(&provider, &machine);
    for round in 1..=3 {
        provider.wait_for_counts(|counts| counts.refreshes >= round);
        add(&mut bridge);
    }
    let counts = provider.counts();
    assert_eq!((counts.refreshes_refused, counts.reuses), (0, 0));
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

    let expected = Counts {
        refreshes: 1,
        ..NOTHING
    };
    assert_eq!(at_the_provider(provider.counts() - before), expected);
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

    let expected = Counts {
        refreshes_refused: 1,
        ..SIGN_IN
    };
    assert_eq!(at_the_provider(provider.counts() - before), expected);
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
    assert_eq!(at_the_provider(provider.counts() - before), expected);
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

    let expected = Counts {
        registrations: 1,
        // The old client's, which no browser saw.
        authorizations_refused: 1,
        ..SIGN_IN
    };
    assert_eq!(at_the_provider(provider.counts() - before), expected);
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn a_person_who_declines_is_not_asked_again_at_once() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    provider.people(Person::Denies);
    let refusal = refused(&mut start(&provider, &machine));

    assert!(refusal.to_string().contains("declined"), "{refusal}");
    let expected = Counts {
        registrations: 1,
        authorizations_refused: 1,
        ..NOTHING
    };
    assert_eq!(at_the_provider(provider.counts()), expected);
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
    drop(provider);
    assert_eq!(claims["sub"], "ada", "{claims}");
    assert_eq!(claims["email"], "ada@example.com", "{claims}");
    assert_eq!(claims["name"], "Ada Lovelace", "{claims}");
}
