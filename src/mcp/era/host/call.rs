//! A request of the new era, on its way through the relay.

use super::check::capabilities;
use super::{Far, HostSide, Own, Step};
use crate::mcp::capability::HostCapabilities;
use crate::mcp::era::matrix::{self, Between, Level};
use crate::mcp::era::meta;
use crate::mcp::jsonrpc::{self, Id, METHOD_NOT_FOUND, Message};
use crate::mcp::record::LISTS;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    /// The id that its answer goes to.
    pub(super) host_id: Id,
    /// The request as it came at first.
    pub(super) request: Message,
    /// What its client can be asked.
    pub(super) capabilities: HostCapabilities,
    /// From which level on the client wants to see the log; `None` for nothing.
    pub(super) level: Option<Level>,
    /// The progress token that the client gave last, JSON text.
    pub(super) token: Option<String>,
    /// The one that the server knows, JSON text.
    sent_token: Option<String>,
    /// The progress that the client has seen.
    pub(super) progress: f64,
    /// Whether it and all that belongs to it goes as it is: the server is of the same era.
    pub(super) passes: bool,
}

impl Call {
    pub(super) fn new(request: Message, host_id: Id, passes: bool) -> Self {
        Self {
            host_id,
            capabilities: capabilities(&request),
            level: level(&request),
            token: request.progress_token().map(str::to_owned),
            sent_token: None,
            progress: f64::NEG_INFINITY,
            passes,
            request,
        }
    }

    pub(super) fn may_be_asked(&self) -> bool {
        !self.passes && matrix::request(self.request.method()).asks
    }

    /// The client comes back with this for the same request.
    pub(super) fn renew(&mut self, request: &Message, host_id: Id) {
        self.host_id = host_id;
        self.capabilities = capabilities(request);
        self.level = level(request);
        let token = request.progress_token().map(str::to_owned);
        if self.token != token {
            self.progress = f64::NEG_INFINITY;
        }
        self.token = token;
    }
}

/// From which level on a request wants to see the log.
fn level(request: &Message) -> Option<Level> {
    Level::read(meta::meta_member(request, meta::LOG_LEVEL)?)
}

impl HostSide {
    /// Hands a request on to the relay.
    pub(super) fn forward(&mut self, request: Message, id: Id, now: u64, far: Far<'_>) {
        let method = request.method();
        if far.stateless.is_some() {
            if method == "subscriptions/listen" {
                return self.open_stream(request, id, far);
            }
            return self.send(Call::new(request, id, true), far);
        }
        let row = matrix::request(method);
        if row.between == Between::Lost {
            return self.refuse(&id, METHOD_NOT_FOUND, "Method not found");
        }
        let comes_back = request.body_member("requestState").is_some()
            || request.body_member("inputResponses").is_some();
        if comes_back && row.asks {
            return self.resume(request, id, now, far);
        }
        if self.wants_more(&request) {
            return self.open_wider(request);
        }
        if method == "subscriptions/listen" {
            return self.listen(&request, id, now);
        }
        if let Some(empty) = self.empty_list(method) {
            let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{empty}}}");
            if let Ok(result) = jsonrpc::parse(text.into()) {
                let line = self.complete(&result, method);
                self.tell_host(line.text().clone());
            }
            return;
        }
        self.send(Call::new(request, id, false), far);
        self.prompt_by(self.next, now);
    }

    /// The answer to a request for a list that the client was told of before the server was reached,
    /// and which the server does not have.
    fn empty_list(&self, method: &str) -> Option<String> {
        let (_, kind, member) = LISTS.iter().find(|(name, ..)| *name == method)?;
        let lacks = self.session.is_heard() && self.session.capability(kind).is_none();
        (lacks && self.discoveries.has_told(kind)).then(|| format!("{{\"{member}\":[]}}"))
    }

    /// Sends a request, the first time or as another one.
    pub(super) fn send(&mut self, mut call: Call, far: Far<'_>) {
        let (number, id) = self.id();
        let mut line = match call.passes {
            true => call.request.clone(),
            false => meta::plain(&call.request),
        };
        // MCP 2026-07-28, Progress: tokens are unique among the requests under way.
        if let Some(token) = line.progress_token() {
            let is_used = self.by_token.contains_key(token) || far.relay.has_progress_token(token);
            let ours = jsonrpc::quote(&format!("{}{number}", self.prefix));
            let sent = if is_used { ours } else { token.to_owned() };
            if is_used {
                line = line.with_part(token, &sent);
            }
            self.by_token.insert(sent.clone(), number);
            call.sent_token = Some(sent);
        }
        if !call.passes {
            self.set_level(call.level);
        }
        self.by_host_id.insert(call.host_id.clone(), number);
        self.calls.insert(number, call);
        self.steps.push(Step::ToRelay(line.with_id(&id)));
    }

    /// Takes a request out; nobody waits for it any more.
    pub(super) fn take_call(&mut self, number: u64) -> Option<Call> {
        let mut call = self.calls.remove(&number)?;
        if self.by_host_id.get(&call.host_id) == Some(&number) {
            self.by_host_id.remove(&call.host_id);
        }
        if let Some(token) = call.sent_token.take() {
            self.by_token.remove(&token);
        }
        Some(call)
    }

    /// Has the server log from the most talkative level on that a request wants. A session that the
    /// client opened itself is left as the client has it.
    pub(super) fn set_level(&mut self, level: Option<Level>) {
        if self.is_foreign || self.session.capability("logging").is_none() {
            return;
        }
        let under_way = self.calls.values().filter_map(|call| call.level);
        let lowest = under_way.chain(level).min();
        if let (Some(lowest), Some(_)) = (lowest, level)
            && self.level != Some(lowest)
        {
            self.level = Some(lowest);
            let params = format!("{{\"level\":\"{}\"}}", lowest.name());
            self.ask(Own::Nothing, "logging/setLevel", &params);
        }
    }

    /// The client wants no answer to this any more. `false` if it is nothing of the new era.
    pub(super) fn cancelled(&mut self, id: &Id) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.id() != Some(id));
        if self.waiting.len() < before || self.discoveries.forget(id) || self.unlisten(id) {
            return true;
        }
        match self.by_host_id.get(id) {
            Some(number) => {
                self.drop_call(*number, "the client cancelled it");
                true
            }
            None => false,
        }
    }

    /// Takes a request out, and tells the server.
    pub(super) fn drop_call(&mut self, number: u64, reason: &str) {
        self.take_call(number);
        self.suspensions.remove(number);
        self.forget_stream(number);
        let (id, reason) = (self.id_of(number), jsonrpc::quote(reason));
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id},\"reason\":{reason}}}}}"
        );
        self.steps.push(Step::ToRelay(line.into()));
    }

    /// The request whose answer, or whose question to the client, comes by this exchange.
    pub(super) fn call_of(&self, far: Far<'_>) -> Option<(u64, &Call)> {
        let number = self.number(far.of?)?;
        self.calls.get(&number).map(|call| (number, call))
    }

    /// Whether the client waits for this request now, and is not to come back with something first.
    pub(super) fn is_awaited(&self, number: u64) -> bool {
        let call = self.calls.get(&number);
        call.is_some_and(|call| self.by_host_id.get(&call.host_id) == Some(&number))
    }
}
