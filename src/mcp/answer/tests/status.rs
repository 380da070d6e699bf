//! The table of answers that are no success.

use super::*;

/// What is done about a status, for each column: the whole policy, spelled out once more from the
/// specification's side. `…` stands for the column before.
#[test]
fn each_status_has_its_row() {
    #[rustfmt::skip]
    let rows: &[(u16, &[u8], [&str; 5])] = &[
        // status, body   harmless       call              notification      response          stream
        (100, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (101, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (300, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (301, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (302, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (304, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (307, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (308, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (400, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (400, RPC,       ["deliver",     "deliver",        "for good",       "for good",       "for good"]),
        (400, NO_SESSION,["session lost","session lost",   "session lost",   "session lost",   "session lost"]),
        (401, b"",       ["sign in",     "sign in",        "sign in",        "sign in",        "sign in"]),
        (401, RPC,       ["sign in",     "sign in",        "sign in",        "sign in",        "sign in"]),
        (402, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (403, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (403, RPC,       ["deliver",     "deliver",        "for good",       "for good",       "for good"]),
        (404, b"",       ["session lost","session lost",   "session lost",   "session lost",   "session lost"]),
        (404, RPC,       ["session lost","session lost",   "session lost",   "session lost",   "session lost"]),
        (405, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (406, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (407, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (408, b"",       ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (408, RPC,       ["deliver",     "deliver",        "later",          "later",          "in 1000"]),
        (409, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (410, b"",       ["session lost","session lost",   "session lost",   "session lost",   "session lost"]),
        (413, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (415, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (421, b"",       ["renew",       "renew",          "renew",          "renew",          "renew"]),
        (421, RPC,       ["renew",       "renew",          "renew",          "renew",          "renew"]),
        (425, b"",       ["in 1000",     "in 1000",        "in 1000",        "in 1000",        "in 1000"]),
        (429, b"",       ["in 1000",     "in 1000",        "in 1000",        "in 1000",        "in 1000"]),
        (429, RPC,       ["in 1000",     "in 1000",        "in 1000",        "in 1000",        "in 1000"]),
        (431, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (451, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (499, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (500, b"<html>", ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (500, RPC,       ["deliver",     "deliver",        "later",          "later",          "in 1000"]),
        (501, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (502, b"",       ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (502, RPC,       ["deliver",     "deliver",        "later",          "later",          "in 1000"]),
        (503, b"",       ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (503, RPC,       ["deliver",     "deliver",        "later",          "later",          "in 1000"]),
        (504, b"",       ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (505, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (511, b"",       ["later",       "later",          "later",          "later",          "later"]),
        (522, b"",       ["in 1000",     "later",          "later",          "later",          "in 1000"]),
        (599, b"",       ["later",       "later",          "later",          "later",          "later"]),
        (600, b"",       ["for good",    "for good",       "for good",       "for good",       "for good"]),
        (999, RPC,       ["deliver",     "deliver",        "for good",       "for good",       "for good"]),
    ];
    for (status, body, expected) in rows {
        for (sent, expected) in COLUMNS.iter().zip(expected) {
            let refusal = refusal(*status, body);
            assert_eq!(&verdict(*sent, refusal), expected, "{status} to {sent:?}");
        }
    }
}

/// What is known changes the row.
#[test]
fn what_is_known_besides_the_status_counts() {
    let plain = |status| refusal(status, b"");
    let nearby = |status| Refusal {
        location: Some("/x"),
        location_is_ours: true,
        ..plain(status)
    };
    let foreign = |status| Refusal {
        location_is_ours: false,
        ..nearby(status)
    };
    let timed = |status| Refusal {
        retry_after: Some(Duration::from_secs(3)),
        ..plain(status)
    };
    let scope = Refusal {
        insufficient_scope: true,
        ..refusal(403, RPC)
    };
    #[rustfmt::skip]
    let rows = [
        (scope,        ["step up",  "step up",  "step up",  "step up",  "step up"]),
        (nearby(301),  ["for good", "for good", "for good", "for good", "redirect"]),
        (nearby(302),  ["for good", "for good", "for good", "for good", "redirect"]),
        (nearby(303),  ["for good", "for good", "for good", "for good", "redirect"]),
        (nearby(304),  ["for good", "for good", "for good", "for good", "for good"]),
        (nearby(307),  ["redirect", "redirect", "redirect", "redirect", "redirect"]),
        (nearby(308),  ["redirect", "redirect", "redirect", "redirect", "redirect"]),
        (foreign(302), ["for good", "for good", "for good", "for good", "for good"]),
        (foreign(307), ["for good", "for good", "for good", "for good", "for good"]),
        (timed(408),   ["in 1000",  "later",    "later",    "later",    "in 1000"]),
        (timed(425),   ["in 3000",  "in 3000",  "in 3000",  "in 3000",  "in 3000"]),
        (timed(429),   ["in 3000",  "in 3000",  "in 3000",  "in 3000",  "in 3000"]),
        (timed(502),   ["in 1000",  "later",    "later",    "later",    "in 1000"]),
        (timed(503),   ["in 3000",  "in 3000",  "in 3000",  "in 3000",  "in 3000"]),
    ];
    for (refusal, expected) in rows {
        for (sent, expected) in COLUMNS.iter().zip(expected) {
            assert_eq!(verdict(*sent, refusal), expected, "{refusal:?} to {sent:?}");
        }
    }
}

/// Without a session nothing was lost.
#[test]
fn a_refusal_without_a_session_is_no_loss_of_one() {
    for (status, body, expected) in [
        (400, NO_SESSION, "deliver"),
        (404, b"", "for good"),
        (404, RPC, "deliver"),
        (405, b"", "for good"),
        (410, b"", "for good"),
    ] {
        assert_eq!(verdict(FIRST, refusal(status, body)), expected, "{status}");
    }
}

/// Meets the same answer until it is final: the waits in milliseconds, and the end.
fn until_final(sent: Sent<'_>, refusal: Refusal<'_>) -> (Vec<u128>, String) {
    let (mut tries, mut waits) = (Tries::default(), Vec::new());
    for _ in 0..20 {
        match judge(sent, refusal, &mut tries) {
            Verdict::Again(wait) => waits.push(wait.as_millis()),
            Verdict::Redirect | Verdict::Renew => waits.push(0),
            last => return (waits, describe(last)),
        }
    }
    panic!("{refusal:?} is met without end");
}

#[test]
fn sending_again_ends() {
    let asked = |status, seconds| Refusal {
        retry_after: Some(Duration::from_secs(seconds)),
        ..refusal(status, b"")
    };
    let nearby = Refusal {
        location: Some("/x"),
        location_is_ours: true,
        ..refusal(307, b"")
    };
    #[rustfmt::skip]
    let rows: &[(Sent<'_>, Refusal<'_>, &[u128], &str)] = &[
        (LIST, refusal(502, b""),    &[1000, 2000],             "later"),
        (LIST, refusal(503, b""),    &[1000],                   "later"),
        (CALL, refusal(429, b""),    &[1000, 2000, 4000],       "later"),
        (CALL, refusal(429, RPC),    &[1000, 2000, 4000],       "deliver"),
        (CALL, refusal(421, b""),    &[0],                      "later"),
        (CALL, nearby,               &[0, 0, 0],                "for good"),
        (CALL, asked(429, 0),        &[0, 0, 0],                "later"),
        (CALL, asked(503, 20),       &[20_000, 20_000, 20_000], "later"),
        (CALL, asked(503, 25),       &[25_000, 25_000],         "later"),
        (CALL, asked(503, 60),       &[60_000],                 "later"),
        (CALL, asked(503, 61),       &[],                       "later"),
        (CALL, asked(429, u64::MAX), &[],                       "later"),
    ];
    for (sent, refusal, waits, end) in rows {
        let (waited, ended) = until_final(*sent, *refusal);
        assert_eq!((&*waited, &*ended), (*waits, *end), "{refusal:?}");
    }
}

#[test]
fn a_server_that_asks_for_a_long_wait_is_not_asked_before() {
    let asked = Refusal {
        retry_after: Some(Duration::from_secs(61)),
        ..refusal(503, b"")
    };
    assert_eq!(until_final(LIST, asked), (vec![], "later".to_owned()));
}

#[test]
fn reasons_to_send_again_are_counted_each() {
    let mut tries = Tries::default();
    let asked = |seconds| Refusal {
        retry_after: Some(Duration::from_secs(seconds)),
        ..refusal(503, b"")
    };
    assert_eq!(describe(judge(CALL, asked(20), &mut tries)), "in 20000");
    assert_eq!(
        describe(judge(CALL, refusal(421, b""), &mut tries)),
        "renew"
    );
    assert_eq!(describe(judge(CALL, asked(40), &mut tries)), "in 40000");
    // A minute is over, not the number of waits.
    assert_eq!(describe(judge(CALL, asked(1), &mut tries)), "later");
    // Even after the longest wait that can be asked for nothing overflows.
    let longest = Refusal {
        retry_after: Some(Duration::MAX),
        ..refusal(503, b"")
    };
    assert_eq!(describe(judge(CALL, longest, &mut tries)), "later");
}

#[test]
fn waits_that_nobody_asked_for_are_scattered() {
    let wait = |scatter, retry_after| {
        let mut tries = Tries {
            scatter,
            ..Tries::default()
        };
        let refusal = Refusal {
            retry_after,
            ..refusal(429, b"")
        };
        describe(judge(CALL, refusal, &mut tries))
    };
    assert_eq!(wait(0, None), "in 1000");
    assert_eq!(wait(u16::MAX / 2, None), "in 1124");
    assert_eq!(wait(u16::MAX, None), "in 1250");
    // What was asked for is kept to.
    assert_eq!(wait(u16::MAX, Some(Duration::from_secs(2))), "in 2000");
}
