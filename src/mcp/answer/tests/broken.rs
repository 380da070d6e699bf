//! The table of answers that do not come.

use super::*;
use Delivery::*;

#[test]
fn each_broken_delivery_has_its_row() {
    #[rustfmt::skip]
    let rows = [
        //              harmless          call              notification response    stream
        (NotSent,      ["in 500",         "in 500",         "in 500",    "in 500",   "in 500"]),
        (NoConnection, ["in 500",         "in 500",         "in 500",    "in 500",   "in 500"]),
        (Distrusted,   ["for good",       "for good",       "for good",  "for good", "for good"]),
        (Unknown,      ["in 1000",        "for good",       "for good",  "for good", "in 1000"]),
        (TimedOut,     ["give up, later", "give up, later", "later",     "later",    "later"]),
        (TooLarge,     ["for good",       "for good",       "for good",  "for good", "for good"]),
    ];
    for (delivery, expected) in rows {
        for (sent, expected) in COLUMNS.iter().zip(expected) {
            let mut tries = Tries::default();
            let verdict = describe(judge_broken(*sent, delivery, "reset", &mut tries));
            assert_eq!(verdict, expected, "{delivery:?} of {sent:?}");
        }
    }
}

#[test]
fn attempts_to_deliver_end() {
    for (sent, delivery, expected) in [
        (CALL, NotSent, &[500, 1000, 2000][..]),
        (CALL, NoConnection, &[500]),
        (LIST, Unknown, &[1000, 2000]),
        (CALL, Unknown, &[]),
        (LIST, TimedOut, &[]),
    ] {
        let mut tries = Tries::default();
        let mut waits = Vec::new();
        while let Verdict::Again(wait) = judge_broken(sent, delivery, "reset", &mut tries) {
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, expected, "{delivery:?}");
    }
}

#[test]
fn a_lost_announcement_is_sent_again_as_other_requests_would_be_refused_without_it() {
    let announcement = Sent {
        what: What::notification("notifications/initialized"),
        ..NOTE
    };
    let mut tries = Tries::default();
    for wait in [1, 2] {
        let verdict = judge_broken(announcement, Delivery::Unknown, "reset", &mut tries);
        assert!(
            matches!(verdict, Verdict::Again(waited) if waited.as_secs() == wait),
            "{verdict:?}"
        );
    }
    let verdict = judge_broken(announcement, Delivery::Unknown, "reset", &mut tries);
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert_eq!(
        What::notification("notifications/cancelled"),
        What::Notification
    );
}
