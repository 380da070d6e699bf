//! Token requests that fail on the way, and bridges that end there.

use super::{
    NOTHING, SIGN_IN, add, at_the_provider, began, begin, call, expire, open, signed_in, start,
    work_together,
};
use crate::support::oidc::{Counts, Fault};

const REFRESH: Option<&str> = Some("refresh_token");

/// Tokens were issued that nobody got. The refresh token was rotated away, and only the lost answer told what came after it.
const LOST: Counts = Counts {
    refreshes: 1,
    faults: 1,
    refreshes_refused: 1,
    reuses: 1,
    grants_revoked: 1,
    ..SIGN_IN
};

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

        let happened = at_the_provider(provider.counts() - before);
        assert_eq!(happened, LOST, "{fault:?}");
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
        // How often it is asked in vain is for others to say.
        faults: happened.faults,
        ..NOTHING
    };
    assert_eq!(happened, expected);
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
        work_together(&mut bridges, ids);
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
fn a_bridge_killed_with_new_tokens_on_their_way_costs_one_sign_in() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    expire(&provider, &machine);
    provider.fault(Fault::HeldAfter, 1, REFRESH);
    let mut killed = start(&provider, &machine);
    begin(&mut killed);
    provider.wait_for(|pending| pending.held == 1);
    drop(killed);
    call(&provider, &machine);

    assert_eq!(at_the_provider(provider.counts() - before), LOST);
    assert_eq!(machine.opened().len(), 2);
}
