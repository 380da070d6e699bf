//! Knows which requests await an answer, in both directions.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::jsonrpc::{Id, Message};

/// Who waits for the answer to a request that went to the remote server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The AI client, under this id.
    Host(Id),
    /// The AI client, under this id, inside a batch.
    HostBatch(Id, u64),
    /// The bridge itself, which opens a session or restores the state of a lost one.
    Restore,
    /// The bridge itself, which wants to know whether the server is there.
    Ping,
}

/// A request to the remote server that has no answer yet.
#[derive(Debug)]
pub struct Asked {
    /// Who waits.
    pub owner: Owner,
    /// The request as it came.
    pub message: Message,
    /// Whether it was handed to the transport, or still waits for the session.
    pub sent: bool,
    /// The session it was sent in.
    pub session: u64,
    /// Whether it was already sent again because its session was lost.
    pub resent: bool,
    /// The highest progress that was reported so far.
    pub progress: f64,
}

/// A request of the remote server that the AI client has not answered yet.
#[derive(Debug)]
pub struct Question {
    /// The exchange whose stream brought it.
    pub exchange: u64,
    /// The server's id for it.
    pub id: Id,
    /// The session it belongs to.
    pub session: u64,
    /// When we give up, in milliseconds of the caller's clock.
    pub deadline: u64,
}

/// The requests in flight, by our own numbers.
#[derive(Debug, Default)]
pub struct Pending {
    asked: BTreeMap<u64, Asked>,
    by_host_id: HashMap<Id, u64>,
    by_progress_token: HashMap<Box<str>, u64>,
    /// Bytes in the requests that have no answer yet.
    bytes: usize,
    questions: BTreeMap<u64, Question>,
    batches: BTreeMap<u64, Batch>,
}

/// The answers to one batch so far.
#[derive(Debug, Default)]
struct Batch {
    open: usize,
    answers: Vec<Bytes>,
}

impl Pending {
    /// Whether the AI client already waits for an answer under this id.
    pub fn has_host_id(&self, id: &Id) -> bool {
        self.by_host_id.contains_key(id)
    }

    /// Whether a request in flight has this progress token, JSON text.
    pub fn has_progress_token(&self, token: &str) -> bool {
        self.by_progress_token.contains_key(token)
    }

    /// Notes a request under our number. A progress token that another request in flight already
    /// uses stays with that one.
    pub fn ask(&mut self, number: u64, owner: Owner, message: Message) {
        if let Owner::Host(id) | Owner::HostBatch(id, _) = &owner {
            self.by_host_id.insert(id.clone(), number);
        }
        if let Some(token) = message.progress_token() {
            self.by_progress_token.entry(token.into()).or_insert(number);
        }
        let asked = Asked {
            owner,
            message,
            sent: false,
            session: 0,
            resent: false,
            progress: f64::NEG_INFINITY,
        };
        self.bytes += asked.message.text().len();
        self.asked.insert(number, asked);
    }

    /// How many requests have no answer yet.
    pub fn count(&self) -> usize {
        self.asked.len()
    }

    /// The bytes in them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The request with our number, if it still waits.
    pub fn asked(&mut self, number: u64) -> Option<&mut Asked> {
        self.asked.get_mut(&number)
    }

    /// Our number for the AI client's id.
    pub fn number_of(&self, id: &Id) -> Option<u64> {
        self.by_host_id.get(id).copied()
    }

    /// Takes a request out: it was answered, failed or was cancelled.
    pub fn settle(&mut self, number: u64) -> Option<Asked> {
        let asked = self.asked.remove(&number)?;
        self.bytes -= asked.message.text().len();
        if let Owner::Host(id) | Owner::HostBatch(id, _) = &asked.owner {
            self.by_host_id.remove(id);
        }
        if let Some(token) = asked.message.progress_token()
            && self.by_progress_token.get(token) == Some(&number)
        {
            self.by_progress_token.remove(token);
        }
        Some(asked)
    }

    /// Gives a request another number of ours. `false` if it does not wait any more.
    pub fn renumber(&mut self, old: u64, new: u64) -> bool {
        let Some(asked) = self.asked.remove(&old) else {
            return false;
        };
        if let Owner::Host(id) | Owner::HostBatch(id, _) = &asked.owner {
            self.by_host_id.insert(id.clone(), new);
        }
        if let Some(token) = asked.message.progress_token()
            && let Some(owner) = self.by_progress_token.get_mut(token)
            && *owner == old
        {
            *owner = new;
        }
        self.asked.insert(new, asked);
        true
    }

    /// Takes a request's owner away: it was answered without the server, and whatever comes now is
    /// the bridge's own affair.
    pub fn disown(&mut self, number: u64) -> Option<Owner> {
        let asked = self.asked.get_mut(&number)?;
        let owner = std::mem::replace(&mut asked.owner, Owner::Restore);
        if let Owner::Host(id) | Owner::HostBatch(id, _) = &owner {
            self.by_host_id.remove(id);
        }
        // MCP 2025-11-25, Progress: none is told of what was answered already.
        self.by_progress_token.retain(|_, owner| *owner != number);
        Some(owner)
    }

    /// Whether the AI client waits for an answer.
    pub fn is_awaited(&self) -> bool {
        !self.by_host_id.is_empty()
    }

    /// The numbers of all requests in flight, oldest first.
    pub fn numbers(&self) -> Vec<u64> {
        self.asked.keys().copied().collect()
    }

    /// Whether progress for this token may be passed on: the token belongs to a request in flight
    /// and the value rises (MCP 2025-11-25, Progress). Notes the value.
    pub fn accept_progress(&mut self, token: &str, progress: f64) -> bool {
        let Some(asked) = self
            .by_progress_token
            .get(token)
            .and_then(|number| self.asked.get_mut(number))
        else {
            return false;
        };
        let rises = progress > asked.progress;
        if rises {
            asked.progress = progress;
        }
        rises
    }

    /// Notes a request of the server that was put to the AI client under our number.
    pub fn question(&mut self, number: u64, question: Question) {
        self.questions.insert(number, question);
    }

    /// Takes the server's request with our number out.
    pub fn take_question(&mut self, number: u64) -> Option<Question> {
        self.questions.remove(&number)
    }

    /// Takes out every question for which the test holds.
    pub fn take_questions(&mut self, test: impl Fn(&Question) -> bool) -> Vec<(u64, Question)> {
        let numbers: Vec<u64> = self
            .questions
            .iter()
            .filter(|(_, question)| test(question))
            .map(|(number, _)| *number)
            .collect();
        numbers
            .into_iter()
            .filter_map(|number| Some((number, self.questions.remove(&number)?)))
            .collect()
    }

    /// When the first question lapses.
    pub fn first_deadline(&self) -> Option<u64> {
        self.questions
            .values()
            .map(|question| question.deadline)
            .min()
    }

    /// Opens a batch that awaits so many answers.
    pub fn open_batch(&mut self, number: u64, open: usize) {
        self.batches.insert(
            number,
            Batch {
                open,
                answers: Vec::new(),
            },
        );
    }

    /// Adds an answer to a batch, or only counts one that will never come. Gives the whole batch
    /// when it was the last; `None` also if there is nothing to say.
    pub fn add_to_batch(&mut self, number: u64, answer: Option<Bytes>) -> Option<Bytes> {
        let batch = self.batches.get_mut(&number)?;
        batch.answers.extend(answer);
        batch.open = batch.open.saturating_sub(1);
        if batch.open > 0 {
            return None;
        }
        let answers = self.batches.remove(&number)?.answers;
        if answers.is_empty() {
            return None;
        }
        let mut text =
            Vec::with_capacity(answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 1);
        for (index, answer) in answers.iter().enumerate() {
            text.push(if index == 0 { b'[' } else { b',' });
            text.extend_from_slice(answer);
        }
        text.push(b']');
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::jsonrpc;

    fn request(id: u64, token: Option<&str>) -> Message {
        let meta =
            token.map(|token| format!(r#","params":{{"_meta":{{"progressToken":{token}}}}}"#));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"x"{}}}"#,
            meta.unwrap_or_default()
        );
        jsonrpc::parse(text.into()).unwrap()
    }

    #[test]
    fn an_id_is_free_again_once_its_request_is_settled() {
        let mut pending = Pending::default();
        let id = Id::from_number(7);
        pending.ask(100, Owner::Host(id.clone()), request(7, None));
        assert!(pending.has_host_id(&id));
        assert!(pending.settle(100).is_some());
        assert!(pending.settle(100).is_none());
        assert!(!pending.has_host_id(&id));
    }

    #[test]
    fn a_request_without_its_owner_still_waits() {
        let mut pending = Pending::default();
        let id = Id::from_number(7);
        pending.ask(100, Owner::Host(id.clone()), request(7, None));
        assert_eq!(pending.disown(100), Some(Owner::Host(id.clone())));
        assert!(!pending.has_host_id(&id));
        pending.ask(101, Owner::Host(id.clone()), request(7, None));
        assert_eq!(pending.settle(100).unwrap().owner, Owner::Restore);
        assert!(pending.has_host_id(&id));
    }

    #[test]
    fn a_request_under_another_number_is_the_same_request() {
        let mut pending = Pending::default();
        let id = Id::from_number(7);
        pending.ask(100, Owner::Host(id.clone()), request(7, Some("5")));
        assert!(pending.accept_progress("5", 1.0));
        assert!(pending.renumber(100, 101));
        assert!(!pending.renumber(100, 102));
        assert_eq!(pending.number_of(&id), Some(101));
        assert!(pending.settle(100).is_none());
        // What was reported before still counts.
        assert!(!pending.accept_progress("5", 1.0));
        assert!(pending.accept_progress("5", 2.0));
        assert!(pending.settle(101).is_some());
        assert!(!pending.has_host_id(&id));
        assert!(!pending.accept_progress("5", 3.0));
    }

    #[test]
    fn progress_passes_only_while_it_rises_and_its_request_waits() {
        let mut pending = Pending::default();
        pending.ask(
            1,
            Owner::Host(Id::from_number(1)),
            request(1, Some("\"t\"")),
        );
        assert!(pending.accept_progress("\"t\"", 0.0));
        assert!(!pending.accept_progress("\"t\"", 0.0));
        assert!(pending.accept_progress("\"t\"", 0.5));
        assert!(!pending.accept_progress("\"t\"", 0.4));
        assert!(!pending.accept_progress("t", 9.0));
        assert!(!pending.accept_progress("\"t\"", f64::NAN));
        pending.settle(1);
        assert!(!pending.accept_progress("\"t\"", 1.0));
    }

    #[test]
    fn a_token_in_use_stays_with_its_first_request() {
        let mut pending = Pending::default();
        pending.ask(1, Owner::Host(Id::from_number(1)), request(1, Some("5")));
        pending.ask(2, Owner::Host(Id::from_number(2)), request(2, Some("5")));
        pending.settle(2);
        assert!(pending.accept_progress("5", 1.0));
    }

    #[test]
    fn a_batch_is_given_when_its_last_answer_is_there() {
        let mut pending = Pending::default();
        pending.open_batch(1, 3);
        assert_eq!(pending.add_to_batch(1, Some("{\"a\":1}".into())), None);
        assert_eq!(pending.add_to_batch(1, None), None);
        assert_eq!(
            pending.add_to_batch(1, Some("{}".into())).unwrap(),
            "[{\"a\":1},{}]"
        );
        assert_eq!(pending.add_to_batch(1, Some("{}".into())), None);
    }

    #[test]
    fn a_batch_without_answers_gives_nothing() {
        let mut pending = Pending::default();
        pending.open_batch(1, 1);
        assert_eq!(pending.add_to_batch(1, None), None);
    }
}
