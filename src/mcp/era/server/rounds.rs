//! What a server without sessions wants to know before it answers: put to the AI client as requests,
//! and handed in with the request sent once more (MCP 2026-07-28, Multi Round-Trip Requests).

use std::collections::BTreeMap;

use super::super::adapt;
use super::super::matrix::{self, INPUTS};
use super::super::object::Object;
use super::call::{Call, error_under, failed_call};
use super::{OWN, ServerSide};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, INTERNAL_ERROR, Id, Kind, Message};
use crate::mcp::relay::Event;
use crate::untrusted::{SHOWN, printable};

/// Most rounds for one request.
const ROUNDS: u32 = 10;
/// How long a server is left alone that wants nothing but to be asked again, in milliseconds.
const PAUSE: u64 = 250;
/// What a user answers who closes a form.
const CANCELLED: &str = r#"{"action":"cancel"}"#;

/// What one result asked for.
#[derive(Debug)]
pub(super) struct Round {
    /// `requestState`, as it was written.
    state: Option<String>,
    /// By the server's keys: what was asked for, and the answer, JSON text.
    inputs: BTreeMap<String, Input>,
    /// When the request is sent again that waits for nobody.
    again_at: Option<u64>,
}

#[derive(Debug)]
struct Input {
    method: String,
    answer: Option<String>,
}

impl Round {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.again_at
    }

    /// The members of `params` that answer it.
    fn members(&self) -> (Option<String>, Option<&str>) {
        let mut answers = Object::default();
        for (key, input) in &self.inputs {
            if let Some(answer) = &input.answer {
                answers.set(key, answer);
            }
        }
        let answers = (!answers.is_empty()).then(|| answers.write());
        (answers, self.state.as_deref())
    }

    fn is_answered(&self) -> bool {
        self.inputs.values().all(|input| input.answer.is_some())
    }
}

impl ServerSide {
    /// A result asks for something first.
    pub(super) fn input_required(&mut self, number: u64, result: &Message, now: u64) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.exchange = None;
        call.rounds += 1;
        let method = call.request.method().to_owned();
        let state = result.body_member("requestState");
        let state = state.filter(|state| *state != "null").map(str::to_owned);
        let wanted = result.body_member("inputRequests").unwrap_or("{}");
        let problem = match Object::read(wanted) {
            _ if !matrix::request(&method).asks => Some("asks for something where it may not"),
            _ if call.rounds > ROUNDS => Some("keeps asking for more"),
            None => Some("asks for something that cannot be read"),
            Some(wanted) if wanted.is_empty() && state.is_none() => Some("asks for nothing"),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            return self.break_off(number, problem);
        }
        let wanted: Vec<(String, String)> = Object::read(wanted)
            .unwrap_or_default()
            .iter()
            .map(|(key, request)| (key.to_owned(), request.to_owned()))
            .collect();
        let mut round = Round {
            state,
            inputs: BTreeMap::new(),
            again_at: wanted.is_empty().then(|| now.saturating_add(PAUSE)),
        };
        let mut questions = Vec::new();
        for (key, request) in wanted {
            let method = jsonrpc::member(&request, "method").and_then(jsonrpc::string);
            let Some(method) = method.filter(|method| INPUTS.contains(&&**method)) else {
                return self.break_off(number, "asks for something that no client knows");
            };
            let params = jsonrpc::member(&request, "params").unwrap_or("{}");
            let question = self.question(&method, params);
            let answer = match question {
                Ok(question) => {
                    questions.push((key.clone(), question));
                    None
                }
                Err(Unasked::Cancel) => Some(CANCELLED.to_owned()),
                Err(Unasked::Undeclared) => return self.undeclared(number, &method),
            };
            round.inputs.insert(key, Input { method, answer });
        }
        let is_answered = !round.inputs.is_empty() && round.is_answered();
        if let Some(call) = self.calls.get_mut(&number) {
            call.round = Some(round);
        }
        for (key, question) in questions {
            let id = Id::from_plain(&format!("input-{}", self.number() - OWN));
            let text = question.with_id(&id);
            self.inputs.insert(id.as_json().into(), (number, key));
            if let Ok(question) = jsonrpc::parse(text) {
                self.tell(number, Event::Message(question));
            }
        }
        if is_answered {
            self.end_round(number);
        }
    }

    /// The request that the AI client is asked, or why it is not.
    fn question(&self, method: &str, params: &str) -> Result<Message, Unasked> {
        let client = self.client.as_ref().ok_or(Unasked::Undeclared)?;
        let method_json = jsonrpc::quote(method);
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":{method_json},\"params\":{params}}}"
        );
        let request = jsonrpc::parse(text.into()).map_err(|_| Unasked::Cancel)?;
        if !client.capabilities.allow(&request, client.revision) {
            return Err(Unasked::Undeclared);
        }
        adapt::question_for_session(&request, client.revision).ok_or(Unasked::Cancel)
    }

    /// The server asks for what the AI client has not said it can do.
    fn undeclared(&mut self, number: u64, method: &str) {
        let text = format!(
            "`{}` asks for `{method}`, which this client does not support",
            self.name
        );
        self.end_in_failure(number, &text);
    }

    fn break_off(&mut self, number: u64, problem: &str) {
        let detail = format!("`{}` {problem}; report this to its operator", self.name);
        self.drop_call(number);
        self.fail(number, Failure::new(Stage::Protocol, false, detail));
    }

    /// Ends a request without the server's answer: a tool call with a result that the model reads.
    fn end_in_failure(&mut self, number: u64, text: &str) {
        let is_call = self
            .calls
            .get(&number)
            .is_some_and(|call| call.request.method() == "tools/call");
        self.drop_call(number);
        let response = match is_call {
            true => failed_call(number, text),
            false => error_under(number, INTERNAL_ERROR, text),
        };
        self.reply(number, response);
    }

    fn drop_call(&mut self, number: u64) {
        // What the user is still asked for it is not needed any more.
        let open = self
            .inputs
            .iter()
            .filter(|(_, (owner, _))| *owner == number);
        let open: Vec<Box<str>> = open.map(|(id, _)| id.clone()).collect();
        for id in open {
            let text = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}"
            );
            if let Ok(message) = jsonrpc::parse(text.into()) {
                self.tell(number, Event::Message(message));
            }
        }
        if let Some(call) = self.calls.remove(&number) {
            self.end_call(number, &call);
        }
    }

    /// The AI client has answered, or the relay in its place.
    pub(super) fn input(&mut self, response: &Message, _now: u64) {
        let place = response
            .id()
            .and_then(|id| self.inputs.remove(id.as_json()));
        let Some((number, key)) = place else {
            return;
        };
        let Some(round) = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.round.as_mut())
        else {
            return;
        };
        let Some(input) = round.inputs.get_mut(&key) else {
            return;
        };
        let is_form = input.method == "elicitation/create";
        let is_usable = response.kind() == Kind::Result
            && (!is_form || response.body_member("action").is_some());
        match (is_usable, is_form) {
            (true, _) => input.answer = Some(response.body().to_owned()),
            (false, true) => input.answer = Some(CANCELLED.to_owned()),
            (false, false) => {
                let said = response.body_member("message").and_then(jsonrpc::string);
                let text = format!(
                    "the client did not answer `{}`: {}",
                    input.method,
                    printable(&said.unwrap_or_default(), SHOWN)
                );
                return self.end_in_failure(number, &text);
            }
        }
        if round.is_answered() {
            self.end_round(number);
        }
    }

    /// The relay opens its session again, and has taken back what the AI client was asked: what waits
    /// for the answers is to be sent from the beginning.
    pub(super) fn lose_rounds(&mut self) {
        let asks = |call: &Call| {
            call.round
                .as_ref()
                .is_some_and(|round| !round.is_answered())
        };
        let calls = self.calls.iter().filter(|(_, call)| asks(call));
        let lost: Vec<u64> = calls.map(|(number, _)| *number).collect();
        for number in lost {
            self.lose_call(number);
        }
    }

    /// Sends the request again, with all that was asked for.
    fn end_round(&mut self, number: u64) {
        let Some(round) = self
            .calls
            .get_mut(&number)
            .and_then(|call| call.round.take())
        else {
            return;
        };
        let (answers, state) = round.members();
        let members = [
            ("inputResponses", answers),
            ("requestState", state.map(str::to_owned)),
        ];
        if let Some(call) = self.calls.get_mut(&number) {
            // Of this round alone.
            call.answers = members
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
        }
        self.send_call(number);
    }

    pub(super) fn calls_on_time(&mut self, now: u64) {
        let due: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| call.deadline().is_some_and(|at| now >= at))
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            let is_listen = self.calls.get(&number).is_some_and(Call::is_listen);
            match is_listen {
                true => self.reopen_stream(number),
                false => self.end_round(number),
            }
        }
    }
}

/// Why the AI client is not asked.
enum Unasked {
    /// It has not said that it can be.
    Undeclared,
    /// It could not show it: as if the user had closed it.
    Cancel,
}
