//! Tells events that a server sends again from new ones, by their ids (MCP 2025-11-25, Transports,
//! Resumability and Redelivery: an id is unique within a session).
//!
//! A server that resumes a stream begins after the event that the client names. Some begin with that
//! event, some with the first one they still have. Messages themselves say nothing: two that are
//! equal may both be meant.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many ids of one stream are remembered.
const REMEMBERED: usize = 1024;

/// The ids that came on one stream, over all its connections.
#[derive(Debug, Default)]
pub struct Replay {
    /// Digests of the last ids, oldest first. An id may be as long as a line.
    recent: VecDeque<u64>,
    /// Those that came on earlier connections. Within one connection nothing is sent again.
    earlier: HashSet<u64>,
    /// The server gives one id to several events, so they tell nothing.
    meaningless: bool,
}

impl Replay {
    /// Takes the id of an event that came. `true` if it has come before, on an earlier connection.
    pub fn is_repeated(&mut self, id: Option<&str>) -> bool {
        let Some(id) = id.filter(|_| !self.meaningless) else {
            return false;
        };
        let digest = digest(id);
        if self.earlier.contains(&digest) {
            return true;
        }
        if self.recent.back() == Some(&digest) {
            *self = Self {
                meaningless: true,
                ..Self::default()
            };
            return false;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(digest);
        false
    }

    /// The stream is resumed on another connection.
    pub fn resumed(&mut self) {
        self.earlier = self.recent.iter().copied().collect();
    }

    /// Another stream takes its place, with ids of its own.
    pub fn restarted(&mut self) {
        *self = Self::default();
    }
}

fn digest(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these ids are taken for repeated.
    fn repeated(replay: &mut Replay, ids: &[&str]) -> Vec<bool> {
        let ids = ids.iter().map(|id| Some(*id).filter(|id| !id.is_empty()));
        ids.map(|id| replay.is_repeated(id)).collect()
    }

    #[test]
    fn what_came_before_the_resumption_is_repeated_whatever_the_server_begins_with() {
        for again in [&["1", "2", "3"][..], &["3"], &["2", "3"], &["3", "1"]] {
            let mut replay = Replay::default();
            assert!(!repeated(&mut replay, &["1", "2", "3"]).contains(&true));
            replay.resumed();
            assert!(!repeated(&mut replay, again).contains(&false), "{again:?}");
            assert_eq!(repeated(&mut replay, &["4", "5"]), [false, false]);
            replay.resumed();
            assert_eq!(repeated(&mut replay, &["1", "5", "6"]), [true, true, false]);
        }
    }

    #[test]
    fn within_one_connection_and_without_ids_nothing_is_repeated() {
        let mut replay = Replay::default();
        let ids = ["1", "", "2", "", "1", "2"];
        assert_eq!(repeated(&mut replay, &ids), [false; 6]);
        replay.resumed();
        assert_eq!(repeated(&mut replay, &["", "1", ""]), [false, true, false]);
    }

    #[test]
    fn ids_that_several_events_share_tell_nothing() {
        let mut replay = Replay::default();
        assert_eq!(repeated(&mut replay, &["0", "0", "0"]), [false; 3]);
        replay.resumed();
        assert_eq!(repeated(&mut replay, &["0", "0"]), [false; 2]);
    }

    #[test]
    fn another_stream_has_ids_of_its_own() {
        let mut replay = Replay::default();
        repeated(&mut replay, &["1", "2"]);
        replay.restarted();
        assert_eq!(repeated(&mut replay, &["1", "2"]), [false; 2]);
        replay.restarted();
        replay.resumed();
        assert_eq!(repeated(&mut replay, &["1", "2"]), [false; 2]);
    }

    #[test]
    fn as_many_ids_are_remembered_as_it_says() {
        let mut replay = Replay::default();
        for id in 0..=REMEMBERED {
            assert!(!replay.is_repeated(Some(&id.to_string())));
        }
        assert_eq!(replay.recent.len(), REMEMBERED);
        replay.resumed();
        assert!(replay.is_repeated(Some("1")));
        assert!(!replay.is_repeated(Some("0")));
    }
}
