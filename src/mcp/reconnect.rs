//! When a stream that ended is asked for again (MCP 2025-11-25, Transports, Resumability and
//! Redelivery; WHATWG HTML §9.2.6, `retry`).

use std::time::Duration;

/// Longest delay that is taken from a server.
pub const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The delay without a server's word, after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// What the delay grows by with each failure.
const GROWTH: f64 = 1.5;
/// What it grows to.
const GROWN: Duration = Duration::from_secs(30);
/// What a delay that grows begins with at the least.
const SMALLEST: Duration = Duration::from_millis(100);
/// A stream that lived this long and then ended is asked for again without suspicion.
const LIVED: Duration = Duration::from_secs(10);
/// How many streams in a row may bring no message before a server is asked at the rate of
/// [`SMALLEST`] at the most, even if it wants to be asked sooner.
const FRUITLESS: u32 = 32;

/// What a stream brought before it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Brought {
    /// Nothing at all.
    #[default]
    Nothing,
    /// An id or a delay, which a server sends that wants to be asked again.
    Marks,
    /// Messages.
    Messages,
}

/// The delay after so many failures in a row, without chance: for what one process does alone.
pub fn delay_after(retry: Option<Duration>, failures: u32) -> Duration {
    let reconnect = Reconnect {
        retry,
        failures,
        ..Reconnect::default()
    };
    reconnect.delay(0.0)
}

/// The delays of one stream.
#[derive(Clone, Debug, Default)]
pub struct Reconnect {
    /// What the server asked for last, in `retry`.
    retry: Option<Duration>,
    /// What it asked for in `Retry-After`, once.
    retry_after: Option<Duration>,
    failures: u32,
    fruitless: u32,
}

impl Reconnect {
    /// The stream's `retry` so far. Gives the delay that was asked for if it is longer than what is
    /// waited, and news.
    pub fn asked(&mut self, retry: Option<Duration>) -> Option<Duration> {
        let retry = retry?;
        let is_news = self.retry.replace(retry) != Some(retry);
        (is_news && retry > LONGEST).then_some(retry)
    }

    /// An attempt failed. `retry_after` is what the server says about the next.
    pub fn failed(&mut self, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        self.retry_after = retry_after;
    }

    /// A stream came about, lived for so long and ended. A server may end one on purpose, to be
    /// asked again, as often as it likes (MCP 2025-11-25, Transports, Sending Messages). One that
    /// closes at once without a word would be asked without end, so that counts as a failure.
    pub fn ended(&mut self, brought: Brought, lived: Duration) {
        self.fruitless = match brought {
            Brought::Messages => 0,
            _ => self.fruitless.saturating_add(1),
        };
        match brought == Brought::Nothing && lived < LIVED {
            true => self.failed(None),
            false => self.renewed(),
        }
    }

    /// The connections are new: what failed before says nothing any more.
    pub fn renewed(&mut self) {
        self.failures = 0;
        self.retry_after = None;
    }

    /// How many attempts in a row failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the server said how long to wait. Then it is not asked sooner, come what may.
    pub fn is_asked_to_wait(&self) -> bool {
        self.retry_after.is_some() || self.failures == 0 && self.retry.is_some()
    }

    /// The delay before the next attempt: exactly what the server asked for, as long as attempts do
    /// not fail; else growing, and without its word a little longer by chance, so that the clients
    /// of a server that comes back do not all come at once. `random` is from 0 to 1.
    pub fn delay(&self, random: f64) -> Duration {
        let own = match (self.retry.map(|retry| retry.min(LONGEST)), self.failures) {
            (Some(retry), 0) => retry,
            (retry, failures) => {
                let first = retry.unwrap_or(FIRST).max(SMALLEST);
                let power = i32::try_from(failures.min(20)).unwrap_or(20);
                let power = if retry.is_some() { power } else { power - 1 };
                let grown = first.mul_f64(GROWTH.powi(power.max(0)));
                let grown = grown.min(GROWN.max(first));
                match retry {
                    Some(_) => grown,
                    None => grown.mul_f64(1.0 + random.clamp(0.0, 1.0) / 10.0),
                }
            }
        };
        let own = match self.fruitless > FRUITLESS {
            true => own.max(SMALLEST),
            false => own,
        };
        own.max(self.retry_after.unwrap_or_default().min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn after(retry: Option<u64>, failures: u32) -> Reconnect {
        let mut reconnect = Reconnect::default();
        reconnect.asked(retry.map(millis));
        for _ in 0..failures {
            reconnect.failed(None);
        }
        reconnect
    }

    #[test]
    fn a_server_that_says_when_is_asked_exactly_then() {
        for retry in [0, 1, 500, 299_999, 300_000] {
            for random in [0.0, 0.5, 1.0] {
                assert_eq!(after(Some(retry), 0).delay(random), millis(retry));
            }
        }
    }

    #[test]
    fn a_delay_grows_with_failures_alone() {
        let cases = [
            (None, 0, 1000),
            (None, 1, 1000),
            (None, 2, 1500),
            (None, 3, 2250),
            (None, 9, 25_628),
            (None, 10, 30_000),
            (None, u32::MAX, 30_000),
            (Some(500), 1, 750),
            (Some(500), 2, 1125),
            (Some(500), 100, 30_000),
            (Some(0), 1, 150),
            (Some(0), 100, 30_000),
            // A server that asks for more than that gets it.
            (Some(200_000), 5, 200_000),
            (Some(200_000), 100, 200_000),
        ];
        for (retry, failures, expected) in cases {
            let mut reconnect = after(retry, 0);
            reconnect.failures = failures;
            let delay = reconnect.delay(0.0);
            assert_eq!(delay.as_millis(), expected, "{retry:?} {failures}");
        }
        let ends: [fn(&mut Reconnect); 4] = [
            Reconnect::renewed,
            |it| it.ended(Brought::Messages, Duration::ZERO),
            |it| it.ended(Brought::Marks, Duration::ZERO),
            |it| it.ended(Brought::Nothing, LIVED),
        ];
        for end in ends {
            let mut reconnect = after(Some(500), 7);
            assert_eq!(reconnect.failures(), 7);
            end(&mut reconnect);
            assert_eq!(reconnect.delay(1.0), millis(500));
        }
    }

    #[test]
    fn chance_adds_a_tenth_at_most_and_only_without_the_servers_word() {
        for failures in [0, 1, 4, 50] {
            let (least, most) = (
                after(None, failures).delay(0.0),
                after(None, failures).delay(1.0),
            );
            assert_eq!(most, least.mul_f64(1.1));
            assert_eq!(after(None, failures).delay(7.0), most);
            let asked = after(Some(500), failures);
            assert_eq!(asked.delay(0.0), asked.delay(1.0));
        }
    }

    #[test]
    fn nobody_is_waited_for_longer_than_five_minutes_and_that_is_told_once() {
        let mut reconnect = Reconnect::default();
        assert_eq!(reconnect.asked(Some(LONGEST)), None);
        let (hour, day) = (millis(3_600_000), millis(86_400_000));
        assert_eq!(reconnect.asked(Some(hour)), Some(hour));
        assert_eq!(reconnect.asked(Some(hour)), None);
        assert_eq!(reconnect.asked(None), None);
        assert_eq!(reconnect.delay(1.0), LONGEST);
        assert_eq!(reconnect.asked(Some(day)), Some(day));
        reconnect.failed(Some(day));
        assert_eq!(reconnect.delay(1.0), LONGEST);
        assert_eq!(reconnect.asked(Some(Duration::MAX)), Some(Duration::MAX));
        assert_eq!(reconnect.delay(1.0), LONGEST);
    }

    #[test]
    fn retry_after_counts_once_and_only_if_it_is_longer() {
        let mut reconnect = Reconnect::default();
        reconnect.failed(Some(millis(20_000)));
        assert!(reconnect.is_asked_to_wait());
        assert_eq!(reconnect.delay(0.0), millis(20_000));
        reconnect.failed(Some(Duration::ZERO));
        assert_eq!(reconnect.delay(0.0), millis(1500));
        reconnect.failed(None);
        assert!(!reconnect.is_asked_to_wait());
        assert_eq!(reconnect.delay(0.0), millis(2250));
    }

    #[test]
    fn a_wait_that_the_server_asked_for_is_told_from_our_own() {
        assert!(!after(None, 0).is_asked_to_wait());
        assert!(!after(None, 2).is_asked_to_wait());
        assert!(after(Some(5), 0).is_asked_to_wait());
        assert!(!after(Some(5), 2).is_asked_to_wait());
    }

    #[test]
    fn a_server_that_asks_for_no_delay_and_says_nothing_is_not_asked_without_end() {
        let mut reconnect = after(Some(0), 0);
        for _ in 0..FRUITLESS {
            reconnect.ended(Brought::Marks, Duration::ZERO);
            assert_eq!(reconnect.delay(0.0), Duration::ZERO);
        }
        reconnect.ended(Brought::Marks, Duration::ZERO);
        assert_eq!(reconnect.delay(0.0), SMALLEST);
        reconnect.ended(Brought::Messages, Duration::ZERO);
        assert_eq!(reconnect.delay(0.0), Duration::ZERO);
    }

    #[test]
    fn a_stream_that_ends_at_once_without_a_word_has_failed() {
        for retry in [None, Some(500)] {
            let mut reconnect = after(retry, 2);
            reconnect.ended(Brought::Nothing, LIVED - millis(1));
            assert_eq!(reconnect.failures(), 3, "{retry:?}");
        }
    }
}
