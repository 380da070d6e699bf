//! Signing in by a code that is confirmed elsewhere.

use super::{NOTHING, SIGN_IN, add, began, begin, call, expire, signed_in};
use crate::support::bridge::Bridge;
use crate::support::device::{Login, Shown};
use crate::support::machine::Machine;
use crate::support::oidc::{Counts, OidcProvider};

/// A person confirmed a code.
const BY_CODE: Counts = Counts {
    authorizations: 1,
    device_exchanges: 1,
    ..NOTHING
};

#[test]
fn a_bridge_without_a_browser_signs_in_by_code_and_stays_signed_in() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    let mut bridge = Bridge::start(&machine, provider.url.as_str(), &["--device-code"]);
    let id = begin(&mut bridge);
    provider.approve_device(&Shown::wait(1, || bridge.stderr()).code);
    began(&mut bridge, id);
    add(&mut bridge);
    let expected = Counts {
        registrations: 1,
        ..BY_CODE
    };
    assert_eq!(super::at_the_provider(provider.counts()), expected);

    // What was granted is refreshed as any other grant is, in whatever way the next one would ask.
    bridge.close();
    let before = provider.counts();
    expire(&provider, &machine);
    call(&provider, &machine);
    let expected = Counts {
        refreshes: 1,
        ..NOTHING
    };
    assert_eq!(provider.counts() - before, expected);
    assert!(machine.opened().is_empty());
}

#[test]
fn a_client_of_the_browsers_way_is_registered_anew_for_codes_and_then_serves_both() {
    let (provider, machine) = signed_in();
    let before = provider.counts();
    let login = Login::start(&machine, provider.url.as_str(), &[]);
    provider.approve_device(&login.shown(1).code);
    let (code, _, stderr) = login.ended();
    assert_eq!(code, Some(0), "{stderr}");
    let expected = Counts {
        registrations: 1,
        ..BY_CODE
    };
    assert_eq!(super::at_the_provider(provider.counts() - before), expected);

    provider.revoke_grants();
    let before = provider.counts();
    call(&provider, &machine);
    assert_eq!(machine.opened().len(), 2);
    let refused = provider.counts() - before;
    let expected = Counts {
        refreshes_refused: refused.refreshes_refused,
        ..SIGN_IN
    };
    assert_eq!(super::at_the_provider(refused), expected);
}

#[test]
fn each_day_passes_where_codes_are_confirmed_elsewhere() {
    let (provider, machine) = (OidcProvider::start(), Machine::new());
    let start = || Bridge::start(&machine, provider.url.as_str(), &["--device-code"]);
    let costs = |what: &str, expected: Counts, act: &dyn Fn(&mut Bridge)| {
        let before = provider.counts();
        let mut bridge = start();
        act(&mut bridge);
        bridge.close();
        let cost = super::at_the_provider(provider.counts() - before);
        assert_eq!(cost, expected, "{what}");
    };
    let work = |bridge: &mut Bridge| {
        let id = begin(bridge);
        began(bridge, id);
        add(bridge);
    };
    let confirm =
        |bridge: &Bridge| provider.approve_device(&Shown::wait(1, || bridge.stderr()).code);
    let confirm_and_work = |bridge: &mut Bridge| {
        let id = begin(bridge);
        confirm(bridge);
        began(bridge, id);
        add(bridge);
    };
    let refresh = Counts {
        refreshes: 1,
        ..NOTHING
    };
    let first = Counts {
        registrations: 1,
        ..BY_CODE
    };
    costs("cold", first, &confirm_and_work);
    costs("warm", NOTHING, &work);
    expire(&provider, &machine);
    costs("expired", refresh, &work);
    provider.revoke_access_tokens();
    costs("refused", refresh, &work);
    provider.revoke_grants();
    let revoked = Counts {
        refreshes_refused: 1,
        ..BY_CODE
    };
    costs("revoked", revoked, &confirm_and_work);
    costs("step-up", BY_CODE, &|bridge| {
        let id = begin(bridge);
        began(bridge, id);
        provider.require_scope("mcp:admin");
        let id = super::ask_to_add(bridge);
        confirm(bridge);
        super::added(bridge, id);
    });
    costs("warm after step-up", NOTHING, &work);
    assert!(machine.opened().is_empty());
}
