//! What the server says by the way: progress, its log, and that something has changed.

use super::{Far, HostSide};
use crate::mcp::era::filter::Filter;
use crate::mcp::era::matrix::{self, Level};
use crate::mcp::era::meta;
use crate::mcp::era::object::Object;
use crate::mcp::jsonrpc::{Id, Message};

impl HostSide {
    /// A notification from the server, or from the relay in its place.
    pub(super) fn notification(&mut self, message: Message, now: u64, far: Far<'_>) {
        let call = self.call_of(far);
        let of_call = call.map(|(number, _)| number);
        let passes = call.is_some_and(|(_, call)| call.passes);
        match message.method() {
            "notifications/progress" => self.progress(&message),
            "notifications/message" => self.log(&message, far),
            "notifications/cancelled" => self.question_withdrawn(&message),
            "notifications/elicitation/complete" => {
                self.completed(&message, now, far);
                self.tell_foreign(&message);
            }
            method if matrix::is_of_subscription(method) => {
                let told = of_call.is_some_and(|number| self.stream_told(number, &message));
                if !told && !passes {
                    self.changed(&message);
                    self.tell_foreign(&message);
                }
            }
            // What an extension says of a request is for whoever asked.
            _ => match of_call {
                Some(number) if self.is_awaited(number) => self.tell_host(message.text().clone()),
                Some(_) => {}
                None => self.tell_foreign(&message),
            },
        }
    }

    /// Tells the client, if it has opened a session of its own.
    pub(super) fn tell_foreign(&mut self, message: &Message) {
        let is_ack = message.method() == matrix::ACKNOWLEDGED;
        if self.is_foreign && !is_ack {
            self.tell_host(message.text().clone());
        }
    }

    /// Something was lost on the way to the client: it is told of all that may have changed, as far
    /// as the relay does not say so.
    pub fn missed(&mut self) {
        let uris = self.subscriptions.uris();
        let resources = Filter {
            uris,
            ..Filter::default()
        };
        for change in resources.changes() {
            self.changed(&change);
        }
    }

    /// The end of a subscription that the client did not end (MCP 2026-07-28, Subscriptions,
    /// Graceful Closure; Cancellation).
    pub(super) fn tell_end(&mut self, id: &Id) {
        let mut found = Object::default();
        found.set(meta::SUBSCRIPTION, id.as_json());
        if let Some(info) = self.session.said("serverInfo") {
            found.set(meta::SERVER_INFO, info);
        }
        let found = found.write();
        let result = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"_meta\":{found}}}}}"
        );
        self.tell_host(result.into());
        self.tell_cancelled(id);
    }

    pub(super) fn tell_cancelled(&mut self, id: &Id) {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}"
        );
        self.tell_host(line.into());
    }

    /// What the server logs reaches the request that wants to know (MCP 2026-07-28, Logging). What
    /// comes for no request in particular belongs to the only one that does.
    fn log(&mut self, message: &Message, far: Far<'_>) {
        let is_of_client = far.of.is_some_and(|id| self.number(id).is_none());
        let level = match self.call_of(far) {
            Some((number, call)) => call.level.filter(|_| self.is_awaited(number)),
            None if is_of_client => None,
            None => self.only_level(),
        };
        if self.call_of(far).is_none() && self.is_foreign {
            return self.tell_foreign(message);
        }
        let said = message.body_member("level").and_then(Level::read);
        if let (Some(wanted), Some(said)) = (level, said)
            && said >= wanted
        {
            self.tell_host(message.text().clone());
        }
    }

    /// The level of the only request that wants to see the log.
    fn only_level(&self) -> Option<Level> {
        let awaited = |(number, _): &(&u64, _)| self.is_awaited(**number);
        let mut wanting = self
            .calls
            .iter()
            .filter(awaited)
            .filter_map(|(_, call)| call.level);
        match (wanting.next(), wanting.next()) {
            (only, None) => only,
            _ => None,
        }
    }

    /// Progress, with the token that the client gave last. It rises from one round to the next, too.
    fn progress(&mut self, message: &Message) {
        let token = message.body_member("progressToken");
        let number = token.and_then(|token| self.by_token.get(token).copied());
        let Some(number) = number else {
            return self.tell_foreign(message);
        };
        let is_awaited = self.is_awaited(number);
        let value = message.body_member("progress");
        let value: f64 = value
            .and_then(|value| value.parse().ok())
            .unwrap_or(f64::NAN);
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let (Some(token), Some(given)) = (token, call.token.clone()) else {
            return;
        };
        if !is_awaited || value.is_nan() || value <= call.progress {
            return;
        }
        call.progress = value;
        let line = match token == given {
            true => message.clone(),
            false => message.with_part(token, &given),
        };
        self.tell_host(line.text().clone());
    }
}
