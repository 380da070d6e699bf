//! Which requests do no harm if they are carried out twice: most by their method, calls by what the
//! server said of the tool (MCP 2025-11-25, Tools, ToolAnnotations).
//!
//! Annotations are hints that a client must not trust with a person's safety. Here a server that
//! lies only gets a call twice that it asked to get twice.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer;
use super::jsonrpc::{self, Kind, Message};

/// Most tools that are remembered; a list has no end if the server says so.
const LIMIT: usize = 10_000;

/// The tools of the latest list that may be called twice.
#[derive(Debug, Default)]
pub struct Tools {
    harmless: HashSet<Box<str>>,
}

/// What is read of a page of the list. Everything else is passed over.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<Tool<'a>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

impl Tool<'_> {
    fn is_harmless(&self) -> bool {
        self.annotations.is_some_and(|annotations| {
            ["readOnlyHint", "idempotentHint"]
                .iter()
                .any(|hint| jsonrpc::member(annotations.get(), hint) == Some("true"))
        })
    }
}

impl Tools {
    /// Whether carrying out this request twice does no harm, so that it may be sent again although
    /// the server may have had it.
    pub fn may_repeat(&self, request: &Message) -> bool {
        match request.method() {
            "tools/call" => !self.harmless.is_empty() && self.is_harmless_call(request),
            method => answer::may_repeat(method),
        }
    }

    fn is_harmless_call(&self, call: &Message) -> bool {
        // A call as a task leaves a task behind (MCP 2025-11-25, Tasks), whatever the tool does.
        let name = call.body_member("name").and_then(jsonrpc::string);
        name.is_some_and(|name| self.harmless.contains(&*name))
            && call.body_member("task").is_none()
    }

    /// Takes note of the answer to a `tools/list`. A first page, which is asked for without a cursor,
    /// begins a new list.
    pub fn learn(&mut self, request: &Message, answer: &Message) {
        if answer.kind() != Kind::Result {
            return;
        }
        if request.body_member("cursor").is_none() {
            self.forget();
        }
        let page = answer.body();
        // Lists are long and most have no hints: a search is cheaper than a walk.
        if self.harmless.is_empty() && memchr::memmem::find(page.as_bytes(), b"Hint\"").is_none() {
            return;
        }
        let Ok(page) = serde_json::from_str::<Page<'_>>(page) else {
            return;
        };
        for tool in page.tools {
            let Some(name) = tool.name.and_then(|name| jsonrpc::string(name.get())) else {
                continue;
            };
            if !tool.is_harmless() {
                self.harmless.remove(&*name);
            } else if self.harmless.len() < LIMIT {
                self.harmless.insert(name.into());
            }
        }
    }

    /// The list may have changed: nothing is known of any tool.
    pub fn forget(&mut self) {
        self.harmless.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: String) -> Message {
        jsonrpc::parse(text.into()).unwrap()
    }

    fn request(method: &str, params: &str) -> Message {
        message(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#
        ))
    }

    fn call(name: &str) -> Message {
        request(
            "tools/call",
            &format!(r#"{{"arguments":{{"name":"wipe"}},"name":{name}}}"#),
        )
    }

    fn page(tools: &str) -> Message {
        message(format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools},"nextCursor":"2"}}}}"#
        ))
    }

    fn learned(tools: &str) -> Tools {
        let mut known = Tools::default();
        known.learn(&request("tools/list", "{}"), &page(tools));
        known
    }

    const LOOK: &str = r#"{"name":"look","inputSchema":{"name":"wipe","annotations":{"readOnlyHint":true}},"annotations":{"title":"x","readOnlyHint":true}}"#;
    const WIPE: &str = r#"{"name":"wipe","annotations":{"readOnlyHint":false}}"#;

    #[test]
    fn a_tool_that_is_said_to_do_no_harm_may_be_called_twice() {
        let known = learned(&format!(
            r#"[{LOOK},{WIPE},{{"name":"set","annotations":{{"idempotentHint":true}}}},{{"name":"plain"}}]"#
        ));
        for (name, expected) in [
            (r#""look""#, true),
            (r#""\u006cook""#, true),
            (r#""set""#, true),
            (r#""wipe""#, false),
            (r#""plain""#, false),
            (r#""unknown""#, false),
            ("1", false),
        ] {
            assert_eq!(known.may_repeat(&call(name)), expected, "{name}");
        }
        let as_task = request("tools/call", r#"{"name":"look","task":{"ttl":1}}"#);
        assert!(!known.may_repeat(&as_task));
        assert!(!known.may_repeat(&request("prompts/vendor", r#"{"name":"look"}"#)));
    }

    #[test]
    fn methods_are_judged_without_a_list() {
        let known = Tools::default();
        for method in ["tools/list", "ping", "initialize", "resources/read"] {
            assert!(known.may_repeat(&request(method, "{}")), "{method}");
        }
        for method in ["tools/call", "tasks/cancel", "vendor/do"] {
            assert!(
                !known.may_repeat(&request(method, r#"{"name":"look"}"#)),
                "{method}"
            );
        }
    }

    #[test]
    fn only_the_literal_true_is_a_hint() {
        for hint in [
            "false",
            "\"true\"",
            "1",
            "null",
            "{\"readOnlyHint\":true}",
            "[true]",
        ] {
            let tool = format!(r#"[{{"name":"look","annotations":{{"readOnlyHint":{hint}}}}}]"#);
            assert!(
                !learned(&tool).may_repeat(&call(r#""look""#)),
                "{hint} is no permission"
            );
        }
        for annotations in ["null", "true", "[\"readOnlyHint\"]", "\"readOnlyHint\""] {
            let tool = format!(r#"[{{"name":"look","annotations":{annotations}}}]"#);
            assert!(!learned(&tool).may_repeat(&call(r#""look""#)), "{tool}");
        }
    }

    #[test]
    fn a_further_page_adds_and_a_first_page_begins_anew() {
        let mut known = learned(&format!("[{LOOK}]"));
        let next = request("tools/list", r#"{"cursor":""}"#);
        known.learn(
            &next,
            &page(r#"[{"name":"peek","annotations":{"readOnlyHint":true}}]"#),
        );
        assert!(known.may_repeat(&call(r#""look""#)));
        assert!(known.may_repeat(&call(r#""peek""#)));
        // A tool that is listed twice is what the last of them says.
        known.learn(&next, &page(r#"[{"name":"peek"}]"#));
        assert!(!known.may_repeat(&call(r#""peek""#)));
        known.learn(&request("tools/list", "{}"), &page("[]"));
        assert!(!known.may_repeat(&call(r#""look""#)));
    }

    #[test]
    fn a_list_that_cannot_be_read_permits_nothing() {
        for tools in [
            "null",
            "3",
            r#"{"readOnlyHint":true}"#,
            &format!("[3,{LOOK}]"),
        ] {
            assert!(!learned(tools).may_repeat(&call(r#""look""#)), "{tools}");
        }
        let nameless = format!(r#"[{{"annotations":{{"readOnlyHint":true}}}},{LOOK}]"#);
        assert!(learned(&nameless).may_repeat(&call(r#""look""#)));
    }

    #[test]
    fn an_error_and_a_change_of_the_list_are_told_apart() {
        let mut known = learned(&format!("[{LOOK}]"));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"later"}}"#;
        known.learn(&request("tools/list", "{}"), &message(error.to_owned()));
        assert!(known.may_repeat(&call(r#""look""#)));
        known.forget();
        assert!(!known.may_repeat(&call(r#""look""#)));
    }

    #[test]
    fn a_list_without_end_is_not_kept() {
        let mut known = learned("[]");
        let next = request("tools/list", r#"{"cursor":"x"}"#);
        for number in 0..LIMIT + 10 {
            let tool =
                format!(r#"[{{"name":"t{number}","annotations":{{"idempotentHint":true}}}}]"#);
            known.learn(&next, &page(&tool));
        }
        assert_eq!(known.harmless.len(), LIMIT);
    }
}
