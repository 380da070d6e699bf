use super::*;
use crate::ids::Issuer;
use crate::oauth::token::TokenSet;

const NOW: u64 = 1_800_000_000;

/// A moment so many seconds after the beginning, on both clocks.
fn after(seconds: f64) -> Moment {
    Moment {
        now: NOW + seconds as u64,
        awake: Duration::from_secs_f64(1000.0 + seconds),
    }
}

/// A grant that was issued so many seconds after the beginning and lasts for so many.
fn grant(issued: u64, lifetime: u64) -> Grant {
    let tokens = TokenSet {
        access_token: Secret::new(format!("ACCESS_{issued}_{lifetime}")),
        refresh_token: Some(Secret::new("REFRESH_TOKEN_1")),
        token_type: "Bearer".to_owned(),
        expires_at: Some(NOW + issued + lifetime),
        scopes: Vec::new(),
        id_token: None,
        proof_key: None,
    };
    let issuer = Issuer::new("https://as.example");
    Grant::new(issuer, None, Vec::new(), tokens, NOW + issued)
}

/// The plan for an hour's token that has just been issued, at this point of the spread.
fn hourly(random: f64) -> Schedule {
    let mut schedule = Schedule::default();
    schedule.ended(Some(&grant(0, 3600)), after(0.0), random);
    schedule
}

/// How many seconds after the beginning the refresh comes, if nothing else happens; `None` if it
/// does not. `from` is when the waiting begins.
fn refreshes_at(schedule: &Schedule, from: f64) -> Option<f64> {
    let mut at = from;
    loop {
        match schedule.next(after(at)) {
            Next::Idle => return None,
            Next::Refresh { .. } => return Some(at),
            Next::Look(wait) => {
                assert!(wait <= LOOK && !wait.is_zero(), "{wait:?}");
                at += wait.as_secs_f64();
            }
        }
    }
}

fn is_refresh(next: &Next) -> bool {
    matches!(next, Next::Refresh { .. })
}

/// How many seconds there are between the tries, when each fails after this time.
fn tries(lifetime: u64, takes: f64, random: f64) -> Vec<f64> {
    let token = grant(0, lifetime);
    let mut schedule = Schedule::default();
    schedule.ended(Some(&token), after(0.0), random);
    let (mut at, mut tries) = (0.0, Vec::new());
    while let Some(due) = refreshes_at(&schedule, at) {
        tries.push(due);
        at = due + takes;
        schedule.ended(Some(&token), after(at), random);
    }
    tries
}

#[test]
fn a_token_is_refreshed_five_minutes_before_its_end_and_spread_over_one() {
    assert_eq!(refreshes_at(&hourly(0.0), 0.0), Some(3300.0));
    assert_eq!(refreshes_at(&hourly(0.5), 0.0), Some(3330.0));
    assert_eq!(refreshes_at(&hourly(1.0), 0.0), Some(3360.0));
}

#[test]
fn a_short_lived_token_is_refreshed_when_a_fifth_is_left() {
    for (lifetime, from, to) in [(1500, 1200.0, 1260.0), (60, 48.0, 50.4), (5, 4.0, 4.2)] {
        for (random, due) in [(0.0, from), (1.0, to)] {
            let mut schedule = Schedule::default();
            schedule.ended(Some(&grant(0, lifetime)), after(0.0), random);
            let planned = schedule.0.as_ref().and_then(|watched| watched.due);
            assert_eq!(planned, Some(Duration::from_secs_f64(due)), "{lifetime}");
            assert!(refreshes_at(&schedule, 0.0).is_some_and(|at| at <= due));
        }
    }
}

#[test]
fn the_refresh_names_the_token_that_is_due() {
    let held = grant(0, 3600).tokens.access_token;
    assert_eq!(hourly(0.0).next(after(3300.0)), Next::Refresh { held });
}

#[test]
fn nothing_is_planned_without_a_token_a_refresh_token_or_an_end() {
    let mut no_refresh_token = grant(0, 3600);
    no_refresh_token.tokens.refresh_token = None;
    let mut no_end = grant(0, 3600);
    no_end.tokens.expires_at = None;
    for held in [None, Some(&no_refresh_token), Some(&no_end)] {
        let mut schedule = hourly(0.0);
        schedule.ended(held, after(0.0), 0.0);
        for seconds in [0.0, 3300.0, 1e9] {
            assert_eq!(schedule.next(after(seconds)), Next::Idle, "{held:?}");
        }
    }
    assert_eq!(Schedule::default().next(after(0.0)), Next::Idle);
}

#[test]
fn the_clocks_are_looked_at_once_a_minute_and_never_more_often_than_needed() {
    let schedule = hourly(0.0);
    let second = Duration::from_secs(1);
    assert_eq!(schedule.next(after(0.0)), Next::Look(60 * second));
    assert_eq!(schedule.next(after(3239.0)), Next::Look(60 * second));
    assert_eq!(schedule.next(after(3241.0)), Next::Look(59 * second));
    assert_eq!(schedule.next(after(3299.0)), Next::Look(second));
}

#[test]
fn after_a_sleep_through_the_due_time_the_first_look_refreshes() {
    let slept = |seconds| Moment {
        now: NOW + seconds,
        awake: after(10.0).awake,
    };
    let schedule = hourly(0.0);
    assert!(!is_refresh(&schedule.next(slept(3299))));
    assert!(is_refresh(&schedule.next(slept(3300))));
    assert!(is_refresh(&schedule.next(slept(8 * 3600))));
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    for back in [1, 3600, 10 * 365 * 86400, NOW] {
        let schedule = hourly(0.0);
        let set_back = |seconds| Moment {
            now: after(seconds).now.saturating_sub(back),
            ..after(seconds)
        };
        assert!(!is_refresh(&schedule.next(set_back(3299.0))), "{back}");
        assert!(is_refresh(&schedule.next(set_back(3300.0))), "{back}");
    }
}

#[test]
fn a_clock_that_is_set_forward_brings_one_early_refresh() {
    for forward in [3300, 86400, 10 * 365 * 86400, u64::MAX - NOW - 10_000] {
        let set_forward = |seconds: f64| Moment {
            now: after(seconds).now + forward,
            ..after(seconds)
        };
        let mut schedule = hourly(0.0);
        assert!(is_refresh(&schedule.next(set_forward(10.0))), "{forward}");
        let new = grant(10 + forward, 3600);
        schedule.ended(Some(&new), set_forward(11.0), 0.0);
        assert!(
            !is_refresh(&schedule.next(set_forward(3000.0))),
            "{forward}"
        );
        assert!(is_refresh(&schedule.next(set_forward(3312.0))), "{forward}");
        // Set right again, the new token is refreshed in time all the same.
        assert!(is_refresh(&schedule.next(after(3312.0))), "{forward}");
    }
}

#[test]
fn a_clock_that_is_set_while_a_refresh_is_under_way_starts_no_second_one() {
    // The end was counted from before, the issue from after.
    let mut new = grant(0, 3600);
    new.refreshed_at = Some(NOW + 86400);
    let late = Moment {
        now: NOW + 86400,
        ..after(10.0)
    };
    let mut schedule = hourly(0.0);
    schedule.ended(Some(&new), late, 0.0);
    assert_eq!(schedule.next(late), Next::Idle);
}

#[test]
fn a_token_of_a_later_time_counts_as_new() {
    let mut schedule = Schedule::default();
    schedule.ended(Some(&grant(10 * 3600, 3600)), after(0.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 0.0), Some(3300.0));
}

#[test]
fn a_token_that_was_issued_a_while_ago_is_refreshed_by_its_end() {
    let mut schedule = Schedule::default();
    schedule.ended(Some(&grant(0, 3600)), after(3000.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3000.0), Some(3300.0));
    // What an import does not know is when it was issued.
    let mut imported = grant(0, 3600);
    imported.granted_at = 0;
    schedule.ended(Some(&imported), after(3000.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3000.0), Some(3300.0));
}

#[test]
fn another_token_is_planned_anew_and_no_token_ends_the_plan() {
    let mut schedule = hourly(0.0);
    schedule.ended(Some(&grant(3300, 3600)), after(3301.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3301.0), Some(6600.0));
    // The same characters may be given a new end.
    let mut longer = grant(3300, 3600);
    longer.tokens.expires_at = Some(NOW + 20_000);
    schedule.ended(Some(&longer), after(3301.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3301.0), Some(19_700.0));
    schedule.ended(None, after(3302.0), 0.0);
    assert_eq!(schedule.next(after(19_700.0)), Next::Idle);
}

#[test]
fn an_attempt_about_something_else_changes_nothing() {
    let mut schedule = hourly(0.25);
    schedule.ended(Some(&grant(0, 3600)), after(3299.0), 1.0);
    assert_eq!(refreshes_at(&schedule, 3299.0), Some(3315.0));
}

#[test]
fn a_failed_refresh_is_tried_again_with_growing_pauses_until_the_token_ends() {
    // An hour's token: 300 s before the end, then after 30, 60 and 120.
    assert_eq!(tries(3600, 0.0, 0.0), [3300.0, 3330.0, 3390.0, 3510.0]);
    // The pauses begin when the try has ended.
    assert_eq!(tries(3600, 20.0, 0.0), [3300.0, 3350.0, 3430.0, 3570.0]);
    // They are up to half as long again, so that siblings do not move in step.
    assert_eq!(tries(3600, 0.0, 1.0), [3360.0, 3405.0, 3495.0]);
    // A minute's: 12 s before the end, then after 1.2, 2.4 and 4.8.
    let minute = tries(60, 0.0, 0.0);
    assert_eq!(minute.len(), 4, "{minute:?}");
    // Too short for a second try.
    assert_eq!(tries(5, 0.0, 0.0).len(), 1);
}

#[test]
fn a_token_that_was_due_when_it_came_has_failed_once() {
    let mut schedule = Schedule::default();
    schedule.ended(Some(&grant(0, 3600)), after(3400.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3400.0), Some(3430.0));
    schedule.ended(Some(&grant(0, 3600)), after(3430.0), 0.0);
    assert_eq!(refreshes_at(&schedule, 3430.0), Some(3490.0));
}

#[test]
fn a_token_that_has_ended_is_left_to_whoever_needs_one() {
    let mut schedule = Schedule::default();
    for at in [3600.0, 3599.5, 1e6] {
        schedule.ended(Some(&grant(0, 3600)), after(at), 0.0);
        assert_eq!(schedule.next(after(at)), Next::Idle, "{at}");
    }
    // It ended during a sleep: one try, and if that fails, no more.
    let mut schedule = hourly(0.0);
    assert!(is_refresh(&schedule.next(after(90_000.0))));
    schedule.ended(Some(&grant(0, 3600)), after(90_001.0), 0.0);
    assert_eq!(schedule.next(after(90_002.0)), Next::Idle);
}

#[test]
fn however_short_tokens_last_they_are_not_refreshed_more_often_than_once_a_second() {
    for lifetime in 0..=20 {
        for random in [0.0, 0.5, 1.0] {
            let mut schedule = Schedule::default();
            let (mut at, mut last) = (0.0, None);
            for _ in 0..20 {
                schedule.ended(Some(&grant(at as u64, lifetime)), after(at), random);
                let Some(due) = refreshes_at(&schedule, at) else {
                    break;
                };
                assert!(due >= at + 1.0, "{lifetime}: {last:?} {due}");
                last = Some(due);
                at = due;
            }
            assert_eq!(last.is_some(), lifetime >= 2, "{lifetime}");
        }
    }
}

#[test]
fn no_clock_and_no_lifetime_is_too_large() {
    for expires_at in [0, NOW, u64::MAX] {
        for now in [0, NOW, u64::MAX] {
            for awake in [Duration::ZERO, Duration::MAX] {
                let mut token = grant(0, 0);
                token.tokens.expires_at = Some(expires_at);
                let at = Moment { now, awake };
                let mut schedule = Schedule::default();
                for random in [0.0, 1.0] {
                    schedule.ended(Some(&token), after(0.0), random);
                    schedule.next(at);
                    schedule.ended(Some(&token), at, random);
                    schedule.next(after(0.0));
                }
            }
        }
    }
}
