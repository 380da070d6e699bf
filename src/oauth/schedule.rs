//! When a token is refreshed although nobody asks for it.
//!
//! Two clocks have a say. The wall clock goes on while the machine sleeps, but may be set; the other
//! is never set, but stands still while the machine sleeps. Time has passed by what the further of
//! the two says. So a refresh is not missed after a night, and neither if the wall clock is set back;
//! if it is set forward, the refresh comes early, once, and the new token is counted by the new time.

use std::time::Duration;

use super::token::Grant;
use crate::secret::Secret;

/// Longest time between two looks at the clocks while a refresh is planned: a timer that was set
/// before the machine slept, or before the wall clock was set, is late by no more than this.
const LOOK: Duration = Duration::from_secs(60);

/// Shortest time between two refreshes, and between two tries. Nothing is planned for a token that
/// does not last as long.
const SHORTEST: Duration = Duration::from_secs(1);

/// The part of the margin over which the processes that share a token spread, so that one of them
/// is done before the next begins.
const SPREAD: u32 = 5;

/// The part of the margin after which a refresh that failed is tried again. Each further pause is
/// twice as long.
const FIRST_PAUSE: u32 = 10;

/// A moment on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, in seconds since the epoch.
    pub now: u64,
    /// A clock that is never set, since a moment that stays the same.
    pub awake: Duration,
}

impl Moment {
    /// How much time has passed since an earlier moment.
    fn since(self, earlier: Self) -> Duration {
        let by_wall = Duration::from_secs(self.now.saturating_sub(earlier.now));
        by_wall.max(self.awake.saturating_sub(earlier.awake))
    }
}

/// What to do at a given moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until there is another token.
    Idle,
    /// Look again after this time, at most a minute.
    Look(Duration),
    /// Refresh.
    Refresh {
        /// The token that is due.
        held: Secret,
    },
}

/// The plan for the token in memory.
#[derive(Debug, Default)]
pub struct Schedule(Option<Watched>);

/// A token that can be refreshed and has an end.
#[derive(Debug)]
struct Watched {
    grant: Grant,
    /// When it was first seen.
    seen: Moment,
    /// How long it was good for then.
    left: Duration,
    /// How long before its end it is to be refreshed.
    margin: Duration,
    /// How often that was tried in vain.
    failures: u32,
    /// When to try next, from `seen` on; `None` if there is nothing to win.
    due: Option<Duration>,
}

impl Schedule {
    /// Plans anew after an attempt to get a token has ended, well or not. `grant` is what is in
    /// memory now. `random`, from 0 to 1, keeps the processes that share the token apart.
    pub fn ended(&mut self, grant: Option<&Grant>, at: Moment, random: f64) {
        match (&mut self.0, grant) {
            (Some(watched), Some(grant)) if watched.grant == *grant => watched.kept(at, random),
            (_, grant) => self.0 = grant.and_then(|grant| Watched::new(grant, at, random)),
        }
    }

    /// What to do at this moment.
    pub fn next(&self, at: Moment) -> Next {
        let Some((watched, due)) = self.0.as_ref().and_then(|w| Some((w, w.due?))) else {
            return Next::Idle;
        };
        let passed = at.since(watched.seen);
        match due.checked_sub(passed) {
            Some(wait) if !wait.is_zero() => Next::Look(wait.min(LOOK)),
            _ => Next::Refresh {
                held: watched.grant.tokens.access_token.clone(),
            },
        }
    }
}

impl Watched {
    fn new(grant: &Grant, at: Moment, random: f64) -> Option<Self> {
        if grant.tokens.refresh_token.is_none() && !grant.mode.is_unattended() {
            return None;
        }
        let left = grant.remaining(at.now)?;
        let mut watched = Self {
            grant: grant.clone(),
            seen: at,
            left,
            margin: grant.margin()?,
            failures: 0,
            due: None,
        };
        match left > watched.margin {
            true => watched.plan(left - watched.margin, watched.margin / SPREAD, random),
            // Whoever brought it has tried to refresh it.
            false => watched.failed(Duration::ZERO, random),
        }
        Some(watched)
    }

    /// An attempt has ended, and this is still the token.
    fn kept(&mut self, at: Moment, random: f64) {
        let passed = at.since(self.seen);
        // Before that, the attempt was about something else.
        if passed.saturating_add(self.margin) >= self.left {
            self.failed(passed, random);
        }
    }

    fn failed(&mut self, passed: Duration, random: f64) {
        let pause = (self.margin / FIRST_PAUSE) * 2u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let pause = pause.max(SHORTEST);
        self.plan(passed.saturating_add(pause), pause / 2, random);
    }

    /// Plans a try, if the token lasts until then; when it has ended, whoever needs one asks.
    fn plan(&mut self, due: Duration, spread: Duration, random: f64) {
        let due = due.saturating_add(spread.mul_f64(random.clamp(0.0, 1.0)));
        let due = due.max(SHORTEST);
        self.due = (due < self.left).then_some(due);
    }
}

#[cfg(test)]
mod tests;
