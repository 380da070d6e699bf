//! The client comes back with answers. What it brings is not to be believed: anybody may have given
//! it to the client (MCP 2026-07-28, Multi Round-Trip Requests, Server Requirements).

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::suspended::From;
use super::{Far, HostSide, Step};
use crate::mcp::era::object::Object;
use crate::mcp::jsonrpc::{self, INVALID_PARAMS, Id, Message};

impl HostSide {
    /// A request that says it is one that was asked something.
    pub(super) fn resume(&mut self, request: Message, id: Id, now: u64, far: Far<'_>) {
        let responses = request.body_member("inputResponses").unwrap_or("{}");
        let Some(answers) = Object::read(responses) else {
            let text = "Invalid params: `inputResponses` must be an object";
            return self.refuse(&id, INVALID_PARAMS, text);
        };
        let Some(number) = self.claim(&request) else {
            let text = "Invalid params: this `requestState` is unknown, was used, has expired, or belongs to another request";
            return self.refuse(&id, INVALID_PARAMS, text);
        };
        if let Some(call) = self.calls.get_mut(&number) {
            call.renew(&request, id.clone());
            let level = call.level;
            self.set_level(level);
        }
        self.by_host_id.insert(id, number);
        let early = self.suspensions.open.get_mut(&number);
        if let Some(answer) = early.and_then(|one| one.early.take()) {
            return self.answered(number, answer, now, far);
        }
        let is_refused = self.take_answers(number, &answers);
        let Some(one) = self.suspensions.open.get(&number) else {
            return;
        };
        if is_refused {
            self.page_refused(number);
        } else if !one.questions.is_empty() {
            // Some are missing, or have come meanwhile.
            self.give(number, now);
        } else if one.pages.is_empty() {
            self.suspensions.remove(number);
        } else {
            self.pages_opened(number, now, far);
        }
    }

    /// The request that this one may go on with. Its handle is used up.
    fn claim(&mut self, request: &Message) -> Option<u64> {
        let handle = request
            .body_member("requestState")
            .and_then(jsonrpc::string)?;
        let number = *self.suspensions.by_handle.get(&handle)?;
        let call = self.calls.get(&number)?;
        if digest(&call.request) != digest(request) {
            return None;
        }
        self.suspensions.by_handle.remove(&handle);
        self.suspensions.open.get_mut(&number)?.handle = None;
        Some(number)
    }

    /// Hands on the answers to what was asked; anything else is passed over. `true` if the user does
    /// not want to open a page.
    fn take_answers(&mut self, number: u64, answers: &Object<'_>) -> bool {
        let Some(one) = self.suspensions.open.get_mut(&number) else {
            return false;
        };
        let mut is_refused = false;
        let keys: Vec<String> = one.questions.keys().cloned().collect();
        for key in keys {
            // The results of all these requests are objects.
            let Some(answer) = answers.get(&key).filter(|answer| answer.starts_with('{')) else {
                continue;
            };
            match one.questions.remove(&key).map(|question| question.from) {
                Some(From::Request(question)) => {
                    let line =
                        format!("{{\"jsonrpc\":\"2.0\",\"id\":{question},\"result\":{answer}}}");
                    self.steps.push(Step::ToRelay(line.into()));
                }
                Some(From::Page(_)) => {
                    let action = jsonrpc::member(answer, "action").and_then(jsonrpc::string);
                    is_refused |= action.as_deref() != Some("accept");
                }
                None => {}
            }
        }
        is_refused
    }
}

/// What tells a request from others: its method, what it is about, and the arguments, however they
/// are written.
fn digest(request: &Message) -> [u8; 32] {
    let member = |name| {
        let value = request.body_member(name).unwrap_or("null");
        serde_json::from_str::<Value>(value).unwrap_or_default()
    };
    let about = serde_json::json!([
        request.method(),
        member("name"),
        member("uri"),
        member("arguments")
    ]);
    Sha256::digest(about.to_string()).into()
}
