//! Subscriptions that a newer one has taken the place of. The server may have written to them a
//! moment before it knew of the newer one, and connections have no order among each other: they are
//! read a while longer. What the server writes to several of them is told once.

use std::collections::BTreeMap;

use crate::mcp::jsonrpc::Message;

/// How long one is read that another has taken the place of, in milliseconds.
pub(super) const DRAIN: u64 = 1000;

/// The former subscriptions that are still read.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    /// Their exchanges, with the time when each ends.
    former: Vec<(u64, u64)>,
    /// How often each notification came since the last took over, by exchange.
    came: BTreeMap<String, BTreeMap<u64, u32>>,
}

impl Overlap {
    /// Another subscription has taken the place of this one.
    pub(super) fn begin(&mut self, former: u64, now: u64) {
        self.former.push((former, now.saturating_add(DRAIN)));
        // From here on, all of them are told the same.
        self.came.clear();
    }

    /// Whether a notification is to be told that came over this exchange: it has not come over
    /// another as often.
    pub(super) fn is_news(&mut self, exchange: u64, notification: &Message) -> bool {
        if self.former.is_empty() {
            return true;
        }
        let key = format!("{} {}", notification.method(), notification.body());
        let came = self.came.entry(key).or_default();
        let others = came.iter().filter(|(other, _)| **other != exchange);
        let told = others.map(|(_, count)| *count).max().unwrap_or_default();
        let count = came.entry(exchange).or_default();
        *count += 1;
        *count > told
    }

    /// When [`Overlap::over`] is to be asked at the latest.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.former.iter().map(|(_, until)| *until).min()
    }

    /// Those that have been read long enough.
    pub(super) fn over(&mut self, now: u64) -> Vec<u64> {
        let over = self.former.iter().filter(|(_, until)| now >= *until);
        let over: Vec<u64> = over.map(|(former, _)| *former).collect();
        for former in &over {
            self.end(*former);
        }
        over
    }

    /// All of them; none is read any more.
    pub(super) fn take(&mut self) -> Vec<u64> {
        let all = std::mem::take(self).former;
        all.into_iter().map(|(former, _)| former).collect()
    }

    /// This one has ended. `false` if it is none of them.
    pub(super) fn end(&mut self, exchange: u64) -> bool {
        let before = self.former.len();
        self.former.retain(|(former, _)| *former != exchange);
        for came in self.came.values_mut() {
            came.remove(&exchange);
        }
        if self.former.is_empty() {
            self.came.clear();
        }
        self.former.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::jsonrpc;

    fn change(uri: &str) -> Message {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
        );
        jsonrpc::parse(text.into()).unwrap()
    }

    #[test]
    fn what_came_over_one_alone_is_told_and_what_came_over_both_once() {
        let (mut overlap, x) = (Overlap::default(), change("x:y"));
        overlap.begin(1, 0);
        // To the former, before the server knew of the newer one.
        assert!(overlap.is_news(1, &x));
        // To both, in whatever order.
        assert!(!overlap.is_news(2, &x));
        assert!(overlap.is_news(1, &x));
        assert!(overlap.is_news(2, &change("x:z")));
        assert!(!overlap.is_news(1, &change("x:z")));
    }

    #[test]
    fn without_a_former_one_everything_is_told_and_nothing_kept() {
        let (mut overlap, x) = (Overlap::default(), change("x:y"));
        assert!(overlap.is_news(1, &x) && overlap.is_news(1, &x));
        overlap.begin(1, 0);
        assert!(overlap.is_news(2, &x));
        assert!(overlap.over(DRAIN - 1).is_empty());
        assert_eq!(overlap.deadline(), Some(DRAIN));
        assert_eq!(overlap.over(DRAIN), [1]);
        assert!(overlap.is_news(2, &x));
        assert!(overlap.came.is_empty() && overlap.deadline().is_none());
    }

    #[test]
    fn each_former_one_ends_by_itself() {
        let (mut overlap, x) = (Overlap::default(), change("x:y"));
        overlap.begin(1, 0);
        overlap.begin(2, 500);
        assert!(overlap.is_news(2, &x) && !overlap.is_news(1, &x) && !overlap.is_news(3, &x));
        assert!(overlap.end(2) && !overlap.end(2));
        assert!(overlap.is_news(3, &x));
        assert_eq!(overlap.take(), [1]);
        assert_eq!(overlap.deadline(), None);
    }
}
