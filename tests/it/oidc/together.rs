//! Bridges that share a sign-in.

use super::{
    NOTHING, SIGN_IN, add, added, ask_to_add, at_the_provider, begin, expire, open, signed_in,
    start, work_together,
};
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, OidcProvider, Person};

/// A first sign-in, which begins with a registration.
const FIRST_SIGN_IN: Counts = Counts {
    registrations: 1,
    ..SIGN_IN
};

#[test]
fn bridges_that_start_together_share_one_sign_in() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
    let ids = bridges.each_mut().map(begin);
    work_together(&mut bridges, ids);
    assert_eq!(at_the_provider(provider.counts()), FIRST_SIGN_IN);
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn bridges_that_meet_an_expired_token_refresh_it_once() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    expire(&provider, &machine);
    let mut bridges = [start(&provider, &machine), start(&provider, &machine)];
    let ids = bridges.each_mut().map(begin);
    work_together(&mut bridges, ids);
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
    let expected = Counts {
        refreshes: 1,
        ..NOTHING
    };
    assert_eq!(at_the_provider(provider.counts() - before), expected);
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
    work_together(&mut bridges, ids);
    assert_eq!(at_the_provider(provider.counts()), FIRST_SIGN_IN);
    assert_eq!(machine.opened().len(), 1);
}
