//! What comes back for a request of the new era.

use super::{Far, HostSide, Own};
use crate::mcp::era::object::Object;
use crate::mcp::era::{matrix, meta};
use crate::mcp::jsonrpc::{INTERNAL_ERROR, INVALID_PARAMS, Kind, Message};

/// "Resource not found", before the new era.
const NO_RESOURCE: &str = "-32002";
/// `URLElicitationRequired` (MCP 2025-11-25).
const URL_REQUIRED: &str = "-32042";

impl HostSide {
    /// The relay answers a request.
    pub(super) fn answered(&mut self, number: u64, message: Message, now: u64, far: Far<'_>) {
        match self.own.remove(&number) {
            Some(Own::Subscribe(uri)) => {
                return self.subscribed(&uri, message.kind() == Kind::Result);
            }
            Some(Own::Discover(id)) => return self.discover_answered(&id, &message, far),
            Some(Own::Nothing) => return,
            None => {}
        }
        if self.stream_answered(number, &message) {
            return;
        }
        let Some(call) = self.calls.get(&number) else {
            return self.detail("dropped an answer that nobody awaits");
        };
        if self.suspensions.is_away(number) {
            return self.suspensions.keep(number, message);
        }
        let is_url =
            message.kind() == Kind::Error && message.body_member("code") == Some(URL_REQUIRED);
        if is_url && call.may_be_asked() {
            return self.urls_required(number, &message, now);
        }
        self.forget_questions(number, "the request has been answered without it");
        let Some(call) = self.take_call(number) else {
            return;
        };
        let answer = match message.kind() {
            Kind::Error => mapped(&message),
            _ if call.passes => whole(message, call.request.method()),
            _ => self.complete(&message, call.request.method()),
        };
        self.tell_host_line(answer.line_with_id(&call.host_id));
    }

    /// A result as the new era has it.
    pub(super) fn complete(&self, result: &Message, method: &str) -> Message {
        let info = self.session.said("serverInfo");
        let mut body = Object::read(result.body()).unwrap_or_default();
        let mut found = body.get("_meta").and_then(Object::read).unwrap_or_default();
        if let Some(info) = info {
            found.set(meta::SERVER_INFO, info);
        }
        let is_known = !found.is_empty();
        let found = found.write();
        body.set("resultType", "\"complete\"");
        if matrix::request(method).is_kept {
            body.set("ttlMs", "0");
            body.set("cacheScope", "\"private\"");
        }
        if is_known {
            body.set("_meta", &found);
        }
        result.with_part(result.body(), &body.write())
    }
}

/// A result of a server of the new era with the members that it must have (MCP 2026-07-28, Base
/// Protocol, ResultType; Utilities, Caching). Servers leave them out, and clients refuse such results.
fn whole(result: Message, method: &str) -> Message {
    let kept: &[(&str, &str)] = match matrix::request(method).is_kept {
        true => &[("ttlMs", "0"), ("cacheScope", "\"private\"")],
        false => &[],
    };
    // One that does not say what it is is complete. Only such a one may be kept.
    let kind = result.body_member("resultType");
    let is_complete = kind.is_none_or(|kind| kind == "\"complete\"");
    let hints = kept.iter().filter(|_| is_complete);
    let missing: Vec<_> = [("resultType", "\"complete\"")]
        .iter()
        .chain(hints)
        .filter(|(name, _)| result.body_member(name).is_none())
        .collect();
    let Some(mut body) = Object::read(result.body()).filter(|_| !missing.is_empty()) else {
        return result;
    };
    for (name, value) in missing {
        body.set(name, value);
    }
    result.with_part(result.body(), &body.write())
}

/// An error as the new era has it.
fn mapped(error: &Message) -> Message {
    let code = error.body_member("code");
    let other = match code {
        Some(NO_RESOURCE) => INVALID_PARAMS,
        // It says something only in answer to what may be asked first.
        Some(URL_REQUIRED) => INTERNAL_ERROR,
        _ => return error.clone(),
    };
    match code {
        Some(code) => error.with_part(code, &other.to_string()),
        None => error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::jsonrpc;

    fn whole_body(method: &str, body: &str) -> String {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{body}}}"#);
        whole(jsonrpc::parse(line.into()).unwrap(), method)
            .body()
            .to_owned()
    }

    #[test]
    fn what_a_result_must_say_is_added_where_it_is_missing() {
        for (method, body, expected) in [
            (
                "tools/call",
                r#"{"content":[ 1.50 ]}"#,
                r#"{"content":[ 1.50 ],"resultType":"complete"}"#,
            ),
            ("x/y", "{}", r#"{"resultType":"complete"}"#),
            (
                "tools/list",
                r#"{"tools":[]}"#,
                r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#,
            ),
            (
                "resources/read",
                r#"{"resultType":"complete","contents":[],"ttlMs":5}"#,
                r#"{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"private"}"#,
            ),
        ] {
            assert_eq!(whole_body(method, body), expected, "{method}");
        }
    }

    #[test]
    fn a_result_that_says_it_stays_as_it_came() {
        for (method, body) in [
            ("tools/call", r#"{ "resultType":"complete","content":[] }"#),
            (
                "resources/read",
                r#"{ "resultType":"input_required","inputRequests":{}}"#,
            ),
            ("tools/call", r#"{"task":{},"resultType": "task"}"#),
            (
                "tools/list",
                r#"{"resultType":"complete", "ttlMs":1e3,"cacheScope":"public","tools":[]}"#,
            ),
        ] {
            assert_eq!(whole_body(method, body), body);
        }
    }
}
