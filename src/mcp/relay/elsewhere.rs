//! Requests that take too long, and those whose answer comes on another stream than their own.

use super::{Relay, Standing};
use crate::mcp::failure::{Failure, Stage};

/// Longest silence of the standing stream on which an answer is to come, in milliseconds. Some
/// servers take a request and never answer it anywhere.
const SILENCE_LIMIT: u64 = 300_000;

impl Relay {
    /// Tells the server that a request is no longer awaited, as if the AI client had cancelled it
    /// (MCP 2025-11-25, Lifecycle, Timeouts). `initialize` is never cancelled.
    pub(super) fn cancel(&mut self, number: u64, reason: &str) {
        let Some(asked) = self.pending.asked(number) else {
            return;
        };
        let session = self.session.as_ref().map(|session| session.serial);
        if asked.sent && session == Some(asked.session) && asked.message.method() != "initialize" {
            self.send_cancelled(number, reason);
        }
        for (question, _) in self
            .pending
            .take_questions(|question| question.exchange == number)
        {
            self.withdraw_question(question, "the request it belongs to took too long");
        }
    }

    /// The server took a request without answering it: some give the answer on the standing stream.
    /// `false` if there is none.
    pub(super) fn await_elsewhere(&mut self, number: u64, now: u64) -> bool {
        let listens = matches!(
            self.standing,
            Standing::Asked { .. } | Standing::Open { .. }
        );
        if listens {
            self.answers_elsewhere.insert(number, now + SILENCE_LIMIT);
        }
        listens
    }

    /// Something came on the standing stream.
    pub(super) fn heard_elsewhere(&mut self, now: u64) {
        for deadline in self.answers_elsewhere.values_mut() {
            *deadline = now + SILENCE_LIMIT;
        }
    }

    pub(super) fn elsewhere_deadline(&self) -> Option<u64> {
        self.answers_elsewhere.values().min().copied()
    }

    pub(super) fn elsewhere_on_time(&mut self, now: u64) {
        while let Some((number, _)) = self
            .answers_elsewhere
            .iter()
            .map(|(number, deadline)| (*number, *deadline))
            .find(|(_, deadline)| *deadline <= now)
        {
            self.cancel(number, "no answer came in time");
            let detail = format!(
                "`{}` accepted this request, but gave no answer within {} s; it was told to stop; look first whether the request was carried out, then try again",
                self.server_name,
                SILENCE_LIMIT / 1000
            );
            self.fail(number, &Failure::new(Stage::Http, true, detail));
        }
    }

    /// Fails the requests whose answers were to come on the standing stream.
    pub(super) fn fail_elsewhere(&mut self, why: &str) {
        let detail = format!(
            "`{}` accepted this request, but then {why}; it may have been carried out, so it was not sent again",
            self.server_name
        );
        self.fail_awaited(&Failure::new(Stage::Http, false, detail));
    }

    /// Fails the requests that the server took before it turned out that it has no stream on which
    /// their answers could come.
    pub(super) fn fail_unanswered(&mut self) {
        self.fail_awaited(&self.no_answer());
    }

    fn fail_awaited(&mut self, failure: &Failure) {
        for (number, _) in std::mem::take(&mut self.answers_elsewhere) {
            self.fail(number, failure);
        }
    }

    /// A request was taken whose answer cannot come.
    pub(super) fn no_answer(&self) -> Failure {
        let detail = format!(
            "`{}` accepted the request but gave no answer to it",
            self.server_name
        );
        Failure::new(Stage::Protocol, false, detail)
    }
}
