//! Requests that a server with sessions answers after it has asked something: the client gets the
//! questions as a result, and comes back with the answers (MCP 2026-07-28, Multi Round-Trip
//! Requests). The server's stream stays open meanwhile.
//!
//! ```text
//!            a question              together                    with all answers
//! under way ───────────▶ gathering ───────────▶ client is away ──────────────────▶ under way
//!                                                 ▲        │ with some of them
//!                                                 └────────┘
//! ```

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use url::Url;

use super::{Far, HostSide, Step};
use crate::mcp::era::matrix::INPUTS;
use crate::mcp::era::meta;
use crate::mcp::era::object::Object;
use crate::mcp::jsonrpc::{
    self, INTERNAL_ERROR, INVALID_PARAMS, Id, METHOD_NOT_FOUND, Message, MissingId,
};
use crate::mcp::revision;

/// How long further questions are awaited, to be put together, in milliseconds.
const TOGETHER: u64 = 50;
/// How long a client may take to come back, in milliseconds: a person may have to answer.
const LIFETIME: u64 = 10 * 60 * 1000;

/// The requests that have questions open.
#[derive(Debug)]
pub(super) struct Suspensions {
    secret: [u8; 32],
    given: u64,
    pub(super) open: BTreeMap<u64, Suspended>,
    pub(super) by_handle: HashMap<String, u64>,
    /// What the user has to do to sign in, while no request is there that it could be put to.
    prompt: Option<Message>,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Suspended {
    /// The questions, by the key that the client knows each by.
    pub(super) questions: BTreeMap<String, Question>,
    asked: u64,
    /// When the questions are put to the client.
    put_at: Option<u64>,
    /// What the client has to come back with, and until when.
    pub(super) handle: Option<(String, u64)>,
    /// The answer, where the server gave it although it had asked.
    pub(super) early: Option<Message>,
    /// The pages that the user was sent to, and whether each is done.
    pub(super) pages: BTreeMap<String, bool>,
    /// When the request goes again for which the user was sent to a page.
    pub(super) again_at: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Question {
    /// As the client is asked: method and params, JSON text.
    request: String,
    pub(super) from: From,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A request of the server, by the relay's id.
    Request(Id),
    /// An error that sends the user to a page, by its id there.
    Page(Option<String>),
}

impl Suspensions {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            given: 0,
            open: BTreeMap::new(),
            by_handle: HashMap::new(),
            prompt: None,
        }
    }

    pub(super) fn any(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let times = self.open.values().flat_map(|one| {
            let until = one.handle.as_ref().map(|(_, until)| *until);
            [one.put_at, until, one.again_at]
        });
        times.flatten().min()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Suspended> {
        let mut one = self.open.remove(&number)?;
        if let Some((handle, _)) = one.handle.take() {
            self.by_handle.remove(&handle);
        }
        Some(one)
    }

    /// Whether the client has been asked something for this request and has not come back.
    pub(super) fn is_away(&self, number: u64) -> bool {
        let one = self.open.get(&number);
        one.is_some_and(|one| one.handle.is_some())
    }

    /// Keeps an answer for a client that is away.
    pub(super) fn keep(&mut self, number: u64, answer: Message) {
        if let Some(one) = self.open.get_mut(&number) {
            one.early = Some(answer);
        }
    }

    /// What the client comes back with: nobody else can make one, and it says nothing.
    fn handle(&mut self) -> String {
        self.given += 1;
        let digest = Sha256::new()
            .chain_update(self.secret)
            .chain_update(self.given.to_be_bytes())
            .finalize();
        digest
            .iter()
            .take(24)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl HostSide {
    /// The server asks something; or the relay, so that the user signs in.
    pub(super) fn question(&mut self, message: Message, now: u64, far: Far<'_>) {
        let Some(id) = message.id().cloned() else {
            return;
        };
        let is_of_client = far.of.is_some_and(|id| self.number(id).is_none());
        let call = self.call_of(far).map(|(number, _)| number);
        if call.is_none() && self.is_foreign || is_of_client {
            return self.tell_host(message.text().clone());
        }
        let shows_address = address(message.body()).is_some();
        if far.of.is_none() && shows_address && far.relay.needs_person() {
            return self.prompted(message, now);
        }
        if !INPUTS.contains(&message.method()) {
            let text = "the client does not know such a request";
            return self.answer_question(&id, METHOD_NOT_FOUND, text);
        }
        let number = match far.of {
            Some(_) => call,
            None => self.only_one_that_may_be_asked(),
        };
        let Some(number) = number else {
            let text = "this belongs to no request of the client";
            return self.answer_question(&id, INVALID_PARAMS, text);
        };
        if !self.may_ask(number, &message) {
            let text = "the client did not declare that it supports this";
            return self.answer_question(&id, METHOD_NOT_FOUND, text);
        }
        if let Some(url) = address(message.body())
            && !is_of_the_web(&url)
        {
            self.detail("the server wants the user to open what is no address of the web");
            let line =
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"action\":\"cancel\"}}}}");
            return self.steps.push(Step::ToRelay(line.into()));
        }
        self.put_question(number, &message, id, now);
    }

    /// Whether this may be put to the client of a request.
    fn may_ask(&self, number: u64, question: &Message) -> bool {
        let call = self.calls.get(&number);
        call.is_some_and(|call| {
            call.may_be_asked() && call.capabilities.allow(question, revision::NEWEST)
        })
    }

    fn only_one_that_may_be_asked(&self) -> Option<u64> {
        let mut may = self.calls.iter().filter(|(_, call)| call.may_be_asked());
        match (may.next(), may.next()) {
            (Some((number, _)), None) => Some(*number),
            _ => None,
        }
    }

    /// The user has to open an address to sign in: any request will do to say so.
    fn prompted(&mut self, message: Message, now: u64) {
        let awaited = |number: &&u64| self.is_awaited(**number) && self.may_ask(**number, &message);
        let number = self.calls.keys().find(awaited).copied();
        match (number, message.id().cloned()) {
            (Some(number), Some(id)) => self.put_question(number, &message, id, now),
            _ => self.suspensions.prompt = Some(message),
        }
    }

    /// Puts to the client of this request what the user has to do to sign in, if that is still so.
    pub(super) fn prompt_by(&mut self, number: u64, now: u64) {
        let Some(message) = self.suspensions.prompt.clone() else {
            return;
        };
        if let (true, Some(id)) = (self.may_ask(number, &message), message.id().cloned()) {
            self.suspensions.prompt = None;
            self.put_question(number, &message, id, now);
        }
    }

    fn put_question(&mut self, number: u64, message: &Message, id: Id, now: u64) {
        let method = jsonrpc::quote(message.method());
        let params = match Object::read(message.body()) {
            Some(mut params) => {
                // This revision has none; the answer says that it was opened, and no more.
                params.remove(&["elicitationId"]);
                format!(",\"params\":{}", params.write())
            }
            None => String::new(),
        };
        let request = format!("{{\"method\":{method}{params}}}");
        self.put(number, request, From::Request(id), now);
    }

    /// Notes a question; it is given to the client soon, or when that comes back.
    pub(super) fn put(&mut self, number: u64, request: String, from: From, now: u64) {
        let one = self.suspensions.open.entry(number).or_default();
        one.asked += 1;
        let key = format!("input-{}", one.asked);
        one.questions.insert(key, Question { request, from });
        if one.handle.is_none() && one.put_at.is_none() {
            one.put_at = Some(now.saturating_add(TOGETHER));
        }
    }

    /// Gives the questions to the client, as the result of its request.
    pub(super) fn give(&mut self, number: u64, now: u64) {
        let handle = self.suspensions.handle();
        let (Some(one), Some(call)) = (
            self.suspensions.open.get_mut(&number),
            self.calls.get(&number),
        ) else {
            return;
        };
        one.put_at = None;
        let mut requests = Object::default();
        for (key, question) in &one.questions {
            requests.set(key, &question.request);
        }
        let requests = requests.write();
        let id = call.host_id.clone();
        one.handle = Some((handle.clone(), now.saturating_add(LIFETIME)));
        self.by_host_id.remove(&id);
        let found = self.session.said("serverInfo");
        let found = found.map(|info| format!(",\"_meta\":{{\"{}\":{info}}}", meta::SERVER_INFO));
        let found = found.unwrap_or_default();
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"input_required\",\"inputRequests\":{requests},\"requestState\":\"{handle}\"{found}}}}}"
        );
        self.suspensions.by_handle.insert(handle, number);
        self.tell_host(line.into());
    }

    pub(super) fn answer_question(&mut self, id: &Id, code: i32, text: &str) {
        let line = jsonrpc::error(Some(id), MissingId::Null, code, text, None);
        self.steps.push(Step::ToRelay(line));
    }

    /// Takes back what a request has open, and tells the server why it gets no answers.
    pub(super) fn forget_questions(&mut self, number: u64, text: &str) {
        let Some(one) = self.suspensions.remove(number) else {
            return;
        };
        for question in one.questions.into_values() {
            if let From::Request(id) = question.from {
                self.answer_question(&id, INTERNAL_ERROR, text);
            }
        }
    }

    /// The server no longer wants to know something.
    pub(super) fn question_withdrawn(&mut self, message: &Message) {
        let id = message.body_member("requestId").and_then(Id::from_json);
        let prompt = &mut self.suspensions.prompt;
        prompt.take_if(|prompt| prompt.id() == id.as_ref());
        let mut ours = false;
        let mut ended = Vec::new();
        for (number, one) in &mut self.suspensions.open {
            let before = one.questions.len();
            one.questions.retain(|_, question| {
                !matches!((&question.from, &id), (From::Request(known), Some(id)) if known == id)
            });
            ours |= one.questions.len() < before;
            if one.questions.is_empty() && one.handle.is_none() && one.again_at.is_none() {
                ended.push(*number);
            }
        }
        for number in ended {
            self.suspensions.remove(number);
        }
        if !ours {
            self.tell_foreign(message);
        }
    }

    pub(super) fn suspensions_on_time(&mut self, now: u64, far: Far<'_>) {
        let due = |at: Option<u64>| at.is_some_and(|at| now >= at);
        let numbers: Vec<u64> = self.suspensions.open.keys().copied().collect();
        for number in numbers {
            let Some(one) = self.suspensions.open.get(&number) else {
                continue;
            };
            if due(one.handle.as_ref().map(|(_, until)| *until)) {
                let text = "the client did not come back with an answer";
                self.forget_questions(number, text);
                self.drop_call(number, text);
            } else if due(one.again_at) {
                self.suspensions.remove(number);
                if let Some(call) = self.take_call(number) {
                    self.send(call, far);
                }
            } else if due(one.put_at) {
                self.give(number, now);
            }
        }
    }
}

/// The address that a question has the user open, if it does (MCP 2025-11-25, Elicitation, URL
/// Mode).
pub(super) fn address(params: &str) -> Option<String> {
    let mode = jsonrpc::member(params, "mode").and_then(jsonrpc::string);
    let is_url = mode.as_deref() == Some("url");
    let url = || jsonrpc::member(params, "url").and_then(jsonrpc::string);
    is_url.then(|| url().unwrap_or_default())
}

/// Whether an address is one that a user can be asked to open.
pub(super) fn is_of_the_web(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
