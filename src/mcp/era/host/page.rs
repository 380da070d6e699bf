//! Pages that the user has to go to before a request can be carried out: the server refuses it with
//! their addresses (MCP 2025-11-25, Elicitation, URL Mode), and gets it again when that is done.

use super::call::Call;
use super::suspended::{From, is_of_the_web};
use super::{Far, HostSide};
use crate::mcp::era::object::{self, Object};
use crate::mcp::era::verdict::MISSING_CAPABILITY;
use crate::mcp::jsonrpc::{self, INTERNAL_ERROR, Message, MissingId};

/// How long a page that the user was sent to may take to say that it is done, in milliseconds.
const PAGE: u64 = 30_000;
/// Most pages for one request.
const MOST: usize = 16;

impl HostSide {
    /// The server answered that the user has to go to pages first.
    pub(super) fn urls_required(&mut self, number: u64, error: &Message, now: u64) {
        self.forget_questions(number, "the request has been answered without it");
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        if !call.capabilities.shows_addresses() {
            let host_id = call.host_id.clone();
            self.take_call(number);
            let code = MISSING_CAPABILITY.parse().unwrap_or(INTERNAL_ERROR);
            let data = r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#;
            let text = "the server needs the user to open a page, which this client cannot show";
            let line = jsonrpc::error(Some(&host_id), MissingId::Omitted, code, text, Some(data));
            return self.tell_host(line);
        }
        let wanted = error
            .body_member("data")
            .and_then(|data| jsonrpc::member(data, "elicitations"));
        let wanted = wanted.and_then(object::elements).unwrap_or_default();
        let pages: Option<Vec<_>> = wanted.iter().map(|page| self::page(page)).collect();
        let Some(pages) = pages.filter(|pages| !pages.is_empty() && pages.len() <= MOST) else {
            self.detail("the server wants the user to open what is no address of the web");
            let text = "the server needs the user to open something, and does not say what or names no address of the web";
            return self.end_with(number, text);
        };
        for (id, request) in pages {
            self.put(number, request, From::Page(id.clone()), now);
            if let Some(one) = self.suspensions.open.get_mut(&number) {
                // Those that have no id never say that they are done.
                let id = id.unwrap_or_else(|| format!(" {}", one.pages.len()));
                one.pages.insert(id, false);
            }
        }
        self.give(number, now);
    }

    /// The user has opened all pages: they may take a while to say that they are done.
    pub(super) fn pages_opened(&mut self, number: u64, now: u64, far: Far<'_>) {
        if let Some(one) = self.suspensions.open.get_mut(&number) {
            let pending = |(id, done): (&String, &bool)| !done && !id.starts_with(' ');
            let wait = if one.pages.iter().any(pending) {
                PAGE
            } else {
                0
            };
            one.again_at = Some(now.saturating_add(wait));
        }
        self.suspensions_on_time(now, far);
    }

    /// A page that the user was sent to is done.
    pub(super) fn completed(&mut self, message: &Message, now: u64, far: Far<'_>) {
        let id = message
            .body_member("elicitationId")
            .and_then(jsonrpc::string);
        let Some(id) = id else {
            return;
        };
        for one in self.suspensions.open.values_mut() {
            if let Some(done) = one.pages.get_mut(&id) {
                *done = true;
            }
            let mut named = one.pages.iter().filter(|(id, _)| !id.starts_with(' '));
            if one.again_at.is_some() && named.all(|(_, done)| *done) {
                one.again_at = Some(now);
            }
        }
        self.suspensions_on_time(now, far);
    }

    /// The user does not want to go there.
    pub(super) fn page_refused(&mut self, number: u64) {
        self.suspensions.remove(number);
        let text = "the user did not open the page that the server needs them to open";
        self.end_with(number, text);
    }

    fn end_with(&mut self, number: u64, text: &str) {
        if let Some(call) = self.take_call(number) {
            let line = self.refusal(&call, text);
            self.tell_host(line);
        }
    }

    /// What is answered to a request that the user did not help with: to a call, what the model reads.
    fn refusal(&self, call: &Call, text: &str) -> bytes::Bytes {
        let (id, quoted) = (&call.host_id, jsonrpc::quote(text));
        if call.request.method() != "tools/call" {
            return jsonrpc::error(Some(id), MissingId::Omitted, INTERNAL_ERROR, text, None);
        }
        let result = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":{quoted}}}],\"isError\":true}}}}"
        );
        match jsonrpc::parse(result.into()) {
            Ok(result) => self.complete(&result, "tools/call").text().clone(),
            Err(_) => jsonrpc::error(Some(id), MissingId::Omitted, INTERNAL_ERROR, text, None),
        }
    }
}

/// The id of a page, and the request that has the client show it; `None` if it cannot be shown.
fn page(params: &str) -> Option<(Option<String>, String)> {
    let mut params = Object::read(params)?;
    let url = params.get("url").and_then(jsonrpc::string)?;
    if !is_of_the_web(&url) {
        return None;
    }
    let id = params.get("elicitationId").and_then(jsonrpc::string);
    params.remove(&["elicitationId"]);
    params.set("mode", "\"url\"");
    let params = params.write();
    let request = format!("{{\"method\":\"elicitation/create\",\"params\":{params}}}");
    Some((id, request))
}
