//! What the AI client says.

use bytes::Bytes;

use super::{Effect, Phase, REQUEST_BYTES, REQUEST_LIMIT, Relay, Waiting, question_id};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{
    self, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Id, Kind, METHOD_NOT_FOUND, Malformed,
    Meant, Message, Parsed,
};
use crate::mcp::pending::Owner;
use crate::untrusted::{SHOWN, printable};

impl Relay {
    /// One line from the AI client, without its line end.
    pub fn host_line(&mut self, line: Bytes, now: u64) {
        self.tell_time(now);
        match jsonrpc::parse_any(line) {
            Ok(Parsed::Single(message)) => self.host_message(message, None, now),
            Ok(Parsed::Batch(entries)) => self.host_batch(entries, now),
            Err(malformed) => {
                if let Some(answer) = self.judge_malformed(malformed) {
                    self.tell_host(answer);
                }
            }
        }
    }

    /// An `initialize` that no AI client has sent, and so none waits for its answer but with the
    /// requests that follow. `asks`: whether a person may be asked to sign in for it.
    pub fn open_unasked(&mut self, line: Bytes, asks: bool, now: u64) {
        self.tell_time(now);
        if let Ok(message) = jsonrpc::parse(line)
            && let Some(id) = message.id().cloned()
        {
            self.host_initialize(message, id, asks, now);
            self.host.is_unasked = true;
        }
    }

    /// A line from the AI client was longer than what we take; it was thrown away.
    pub fn line_too_long(&mut self) {
        let missing = self.missing_id();
        let data =
            r#"{"bridge":{"stage":"protocol","retryable":false,"detail":"message too large"}}"#;
        self.tell_host(jsonrpc::error(
            None,
            missing,
            INVALID_REQUEST,
            "message too large",
            Some(data),
        ));
    }

    /// MCP 2025-03-26 alone has batches; elsewhere an array is one invalid request.
    fn host_batch(&mut self, entries: Vec<Result<Message, Malformed>>, now: u64) {
        let allowed = self.host.revision.is_some_and(|revision| revision.batches);
        if !allowed || entries.is_empty() {
            let missing = self.missing_id();
            let reason = if entries.is_empty() {
                "Invalid Request: empty batch"
            } else {
                "Invalid Request: batches are part of revision 2025-03-26 only"
            };
            return self.tell_host(jsonrpc::error(None, missing, INVALID_REQUEST, reason, None));
        }
        let open = entries
            .iter()
            .filter(|entry| match entry {
                Ok(message) => message.kind() == Kind::Request,
                Err(malformed) => malformed.meant == Meant::Request,
            })
            .count();
        self.batches += 1;
        let batch = self.batches;
        if open > 0 {
            self.pending.open_batch(batch, open);
        }
        for entry in entries {
            match entry {
                Ok(message) => self.host_message(message, Some(batch), now),
                Err(malformed) => {
                    if let Some(answer) = self.judge_malformed(malformed) {
                        self.answer_now(answer, Some(batch));
                    }
                }
            }
        }
    }

    /// What to answer to something that is no message; `None` if nothing.
    fn judge_malformed(&mut self, malformed: Malformed) -> Option<Bytes> {
        self.detail(format!(
            "the client sent something malformed: {}",
            malformed.reason
        ));
        // Whoever waits for an answer of the AI client must learn that none will come.
        if let Some(number) = malformed.id.as_ref().and_then(question_number)
            && let Some(question) = self.pending.take_question(number)
        {
            self.refuse_question(
                &question.id,
                INTERNAL_ERROR,
                "the client gave an invalid answer",
            );
        }
        let missing = self.missing_id();
        (malformed.meant == Meant::Request).then(|| {
            jsonrpc::error(
                malformed.id.as_ref(),
                missing,
                malformed.code,
                malformed.reason,
                None,
            )
        })
    }

    fn host_message(&mut self, message: Message, batch: Option<u64>, now: u64) {
        if self.visible.is_ambiguous(&message) {
            return self.refuse_ambiguous(&message, batch);
        }
        self.notice_haste(&message);
        match (message.kind(), message.id().cloned()) {
            (Kind::Request, Some(id)) => self.host_request(message, id, batch, now),
            (Kind::Notification, _) => self.host_notification(message, now),
            (_, Some(id)) => self.host_response(&message, &id),
            _ => self.detail("the client sent an error without an id"),
        }
    }

    /// A message that means one thing to us and may mean another to the server passes no filter.
    fn refuse_ambiguous(&mut self, message: &Message, batch: Option<u64>) {
        let malformed = Malformed {
            code: INVALID_REQUEST,
            reason: "Invalid Request: a member is there twice or in another case, which is not taken where the configuration of this bridge hides tools (`--tool`, `--ignore-tool`)",
            id: message.id().cloned(),
            meant: match message.kind() {
                Kind::Request => Meant::Request,
                Kind::Notification => Meant::Notification,
                Kind::Result | Kind::Error => Meant::Response,
            },
        };
        if let Some(answer) = self.judge_malformed(malformed) {
            self.answer_now(answer, batch);
        }
    }

    /// MCP 2025-11-25, Lifecycle, Initialization: before the answer to `initialize`, a client sends
    /// nothing but pings.
    fn notice_haste(&mut self, message: &Message) {
        let Phase::Opening { exchange, .. } = self.phase else {
            return;
        };
        let unanswered = self.pending.asked(exchange);
        if unanswered.is_none_or(|asked| asked.owner == Owner::Restore) {
            return;
        }
        let speaks = matches!(message.kind(), Kind::Request | Kind::Notification);
        if speaks && !matches!(message.method(), "ping" | "notifications/cancelled") {
            self.host.speaks_on = true;
        }
    }

    /// Writes an answer that is there at once, or adds it to its batch.
    fn answer_now(&mut self, answer: Bytes, batch: Option<u64>) {
        let line = match batch {
            None => Some(answer),
            Some(batch) => self.pending.add_to_batch(batch, Some(answer)),
        };
        if let Some(line) = line {
            self.tell_host(line);
        }
    }

    fn refuse(&mut self, id: &Id, code: i32, reason: &str, batch: Option<u64>) {
        let missing = self.missing_id();
        self.answer_now(jsonrpc::error(Some(id), missing, code, reason, None), batch);
    }

    fn host_request(&mut self, message: Message, id: Id, batch: Option<u64>, now: u64) {
        // Answered here, so that it works while a person signs in (MCP 2025-11-25, Ping).
        if message.method() == "ping" {
            return self.answer_now(jsonrpc::empty_result(&id), batch);
        }
        if self.pending.has_host_id(&id) {
            return self.refuse(
                &id,
                INVALID_REQUEST,
                "Invalid Request: this `id` is already in use",
                batch,
            );
        }
        if message.method() == "initialize" {
            return match batch {
                None => self.host_initialize(message, id, true, now),
                Some(_) => self.refuse(
                    &id,
                    INVALID_REQUEST,
                    "`initialize` cannot be part of a batch",
                    batch,
                ),
            };
        }
        if matches!(self.phase, Phase::Idle) {
            // A client of both eras asks `server/discover` first; this refusal sends it to `initialize`.
            return match message.method() {
                "server/discover" => self.refuse(&id, METHOD_NOT_FOUND, "Method not found", batch),
                _ => self.refuse(&id, INVALID_PARAMS, "no `initialize` came before this request, and it has no `_meta` with `io.modelcontextprotocol/protocolVersion`", batch),
            };
        }
        if self.is_sign_in_call(&message) {
            return self.call_sign_in(message, id, batch, now);
        }
        if let Some(name) = self.visible.refuses(&message) {
            // MCP 2025-11-25, Tools, Error Handling: the code that servers have for unknown tools.
            let text = format!(
                "the tool `{}` is not available: the configuration of this bridge hides it (`--tool`, `--ignore-tool`)",
                printable(&name, SHOWN)
            );
            return self.refuse(&id, INVALID_PARAMS, &text, batch);
        }
        if let Some(failure) = self.too_much(&message) {
            return self.answer_now(failure.response(&id), batch);
        }
        self.remember(&message);
        let number = self.note_request(message, id, batch);
        self.waiting.push_back(Waiting::Request(number));
        if self.is_reconnecting() {
            self.be_patient(now);
        }
        match self.phase {
            // The client went on without `notifications/initialized`; the server must have it first.
            Phase::AwaitingHost => self.announce(false),
            Phase::Lost => self.reopen(now),
            Phase::Unopened => self.open_again(false, now),
            _ => self.pump(now),
        }
        self.lose_patience(now);
    }

    /// Why this request is one too many: those that are not answered yet take memory. The client may
    /// ask again when it has some of the answers. What it answers and cancels is always taken.
    fn too_much(&self, message: &Message) -> Option<Failure> {
        let (number, bytes) = (self.pending.count(), self.pending.bytes());
        let many = self.waiting.len() >= REQUEST_LIMIT || number >= REQUEST_LIMIT;
        let large = number > 0 && bytes.saturating_add(message.text().len()) > REQUEST_BYTES;
        let server = &self.server_name;
        (many || large).then(|| {
            let detail = format!(
                "{number} requests ({} KiB) already wait for `{server}` to answer; try again when some of them have been answered",
                bytes / 1024
            );
            Failure::new(Stage::Connect, true, detail)
        })
    }

    /// Notes a request that the AI client waits for; gives our number for it.
    pub(super) fn note_request(&mut self, message: Message, id: Id, batch: Option<u64>) -> u64 {
        let number = self.number();
        let owner = match batch {
            None => Owner::Host(id),
            Some(batch) => Owner::HostBatch(id, batch),
        };
        self.pending.ask(number, owner, message);
        number
    }

    /// Keeps what a new session must be told again.
    fn remember(&mut self, message: &Message) {
        match message.method() {
            "logging/setLevel" => self.host.log_level = Some(message.clone()),
            "resources/subscribe" => {
                if let Some(uri) = message.body_member("uri") {
                    self.host
                        .subscriptions
                        .insert(uri.to_owned(), message.clone());
                }
            }
            "resources/unsubscribe" => {
                if let Some(uri) = message.body_member("uri") {
                    self.host.subscriptions.remove(uri);
                }
            }
            _ => {}
        }
    }

    fn host_notification(&mut self, message: Message, now: u64) {
        match message.method() {
            "notifications/initialized" => self.host_initialized(message),
            "notifications/cancelled" => self.host_cancelled(&message),
            // Servers may carry it out although nobody waits for the answer.
            "tools/call" if self.visible.refuses(&message).is_some() => {
                self.detail("dropped a call without an id: the configuration hides that tool");
            }
            _ if matches!(self.phase, Phase::Idle) => {
                self.detail(format!(
                    "dropped `{}`: there is no session yet",
                    message.method()
                ));
            }
            _ if self.waiting.len().max(self.notifications.len()) >= REQUEST_LIMIT => {
                self.detail(format!(
                    "dropped `{}`: too much waits for the server",
                    message.method()
                ));
            }
            _ => {
                self.waiting.push_back(Waiting::Notification(message));
                self.pump(now);
            }
        }
    }

    /// MCP 2025-11-25, Cancellation: unknown and finished requests are ignored, `initialize` is
    /// never cancelled.
    fn host_cancelled(&mut self, message: &Message) {
        let Some(part) = message.body_member("requestId") else {
            return;
        };
        let Some(number) = Id::from_json(part).and_then(|id| self.pending.number_of(&id)) else {
            return;
        };
        if self
            .pending
            .asked(number)
            .is_some_and(|asked| asked.message.method() == "initialize")
        {
            return;
        }
        let Some(asked) = self.pending.settle(number) else {
            return;
        };
        self.answered_over_events(number);
        if asked.sent {
            // Where the server takes nothing, ending the exchange has to say it.
            if self.is_of_this_session(&asked) && self.notifications.len() < REQUEST_LIMIT {
                self.send_notification(message.with_part(part, &number.to_string()));
            }
            self.effects.push(Effect::Abort(number));
        }
        for (question, _) in self
            .pending
            .take_questions(|question| question.exchange == number)
        {
            self.withdraw_question(question, "the request it belongs to was cancelled");
        }
        if let Owner::HostBatch(_, batch) = asked.owner
            && let Some(line) = self.pending.add_to_batch(batch, None)
        {
            self.tell_host(line);
        }
    }

    /// The AI client answers a request of the server.
    fn host_response(&mut self, message: &Message, id: &Id) {
        if question_number(id).is_some_and(|number| self.prompt_answered(number, message)) {
            return;
        }
        let Some(question) =
            question_number(id).and_then(|number| self.pending.take_question(number))
        else {
            return self.detail(format!("dropped an answer to {id}, which nobody asked"));
        };
        match &self.session {
            Some(session) if session.serial == question.session => {
                self.send_response(message.with_id(&question.id))
            }
            _ => self.detail("dropped an answer to a question of a lost session"),
        }
    }
}

/// The number in an id that we gave to a request of the server.
fn question_number(id: &Id) -> Option<u64> {
    let text = jsonrpc::string(id.as_json())?;
    let number = text.strip_prefix("br-")?.parse().ok()?;
    (question_id(number).as_json() == id.as_json()).then_some(number)
}
