//! What the heads of tool calls have to repeat, by the latest list of tools.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::super::headers::{self, Annotated, Head};
use super::super::object::{self, Object};
use super::{Leg, ServerSide, is_underway};
use crate::mcp::jsonrpc::{Kind, Message};
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::{Effect, Event};
use crate::mcp::transport::Transport;
use crate::untrusted::{SHOWN, printable};

/// Most pages of a list that are read for it.
const PAGES: usize = 1000;

/// The annotated parameters of the tools.
#[derive(Debug, Default)]
pub(super) struct ToolHeads {
    /// Whether a list was read to its end.
    complete: bool,
    /// Those that have some, and those that must not be called.
    tools: HashMap<Box<str>, Result<Annotated, String>>,
    /// Calls that wait for the list.
    waiting: BTreeSet<u64>,
    /// The list that is being read: the cursors so far.
    reading: Option<HashSet<String>>,
}

impl ToolHeads {
    /// Whether a call has to wait for the list; it is noted then.
    pub(super) fn waits(&mut self, number: u64, tool: &str) -> bool {
        let waits = !self.complete && !self.tools.contains_key(tool);
        if waits {
            self.waiting.insert(number);
        }
        waits
    }

    /// The annotated parameters of a tool; an error says why it must not be called.
    pub(super) fn of(&self, tool: &str) -> Result<Option<&Annotated>, &str> {
        match self.tools.get(tool) {
            Some(Ok(annotated)) => Ok(Some(annotated)),
            Some(Err(reason)) => Err(reason),
            None => Ok(None),
        }
    }

    /// What was kept of an earlier list. Should it be out of date, the server refuses the head of a
    /// call, and the list is read.
    pub(super) fn of_kept(kept: &Map<String, Value>) -> Self {
        let tools = kept.iter().filter_map(|(tool, parameters)| {
            let annotated = Annotated::of_kept(parameters)?;
            Some((tool.as_str().into(), Ok(annotated)))
        });
        Self {
            complete: true,
            tools: tools.collect(),
            ..Self::default()
        }
    }

    /// What is to be kept; `None` if no list was read to its end. Tools that must not be called are
    /// not: they may have been mended by then.
    fn kept(&self) -> Option<Map<String, Value>> {
        let tools = self.tools.iter().filter_map(|(tool, annotated)| {
            let annotated = annotated.as_ref().ok()?;
            Some((tool.to_string(), annotated.kept()))
        });
        self.complete.then(|| tools.collect())
    }

    /// The list may have changed.
    pub(super) fn forget(&mut self) {
        self.complete = false;
        self.tools.clear();
    }

    /// Reads a page of the list, of which the first begins a new one. Gives it without the tools that
    /// must not be offered, and remarks about those.
    pub(super) fn learn(&mut self, is_first: bool, answer: Message) -> (Message, Vec<String>) {
        if is_first {
            self.forget();
        }
        let is_last = answer.body_member("nextCursor").is_none();
        let mut remarks = Vec::new();
        let mut kept = Vec::new();
        for tool in headers::listed(answer.body()) {
            let name = tool.name.unwrap_or_default();
            match &tool.annotated {
                Ok(_) => kept.push(tool.text),
                Err(reason) => remarks.push(format!(
                    "the tool `{}` is left out: {reason} (MCP 2026-07-28, Transports, Streamable HTTP)",
                    printable(&name, SHOWN)
                )),
            }
            if tool.annotated.as_ref().is_ok_and(Annotated::is_empty) {
                self.tools.remove(&*name);
            } else {
                self.tools.insert(name.into(), tool.annotated);
            }
        }
        self.complete |= is_last;
        if remarks.is_empty() {
            return (answer, remarks);
        }
        let tools = object::array(kept);
        let mut result = Object::read(answer.body()).unwrap_or_default();
        result.set("tools", &tools);
        let result = result.write();
        (answer.with_part(answer.body(), &result), remarks)
    }
}

impl ServerSide {
    /// Keeps what the server said of itself, with the heads of its tools.
    pub(super) fn keep(
        &mut self,
        mut record: Box<ServerRecord>,
        transport: Transport,
        detected: bool,
    ) {
        record.era = self.verdict();
        if let Some(version) = self.stateless() {
            version.clone_into(&mut record.protocol_version);
            record.tool_heads = self.tools.kept();
        }
        self.kept = Some((record.clone(), transport));
        self.effects.push(Effect::Remember {
            record,
            transport,
            detected,
        });
    }

    /// The list of tools was read to its end.
    pub(super) fn keep_tools(&mut self) {
        let heads = self.tools.kept();
        if let Some((record, transport)) = self
            .kept
            .take_if(|(record, _)| heads.is_some() && record.tool_heads != heads)
        {
            self.keep(record, transport, false);
        }
    }

    /// Reads the list of tools, for the calls that wait for it.
    pub(super) fn ask_tools(&mut self, asks: bool) {
        if self.tools.reading.is_none() {
            self.tools.reading = Some(HashSet::new());
            self.ask_page(None, asks);
        }
    }

    fn ask_page(&mut self, cursor: Option<&str>, asks: bool) {
        let Some(version) = self.stateless() else {
            return;
        };
        let params = match cursor {
            Some(cursor) => format!("{{\"cursor\":{cursor}}}"),
            None => "{}".to_owned(),
        };
        let params = self.introduced(&params, version);
        let head = Head {
            version: version.to_owned(),
            method: "tools/list".to_owned(),
            ..Head::default()
        };
        self.ask(Leg::Tools, "tools/list", &params, head, asks);
    }

    /// What came of a page.
    pub(super) fn tools_event(&mut self, exchange: u64, event: Event) {
        match event {
            Event::Reply(answer) if answer.kind() == Kind::Result => {
                self.legs.remove(&exchange);
                let cursor = answer.body_member("nextCursor").map(str::to_owned);
                let is_first = self.tools.reading.as_ref().is_none_or(HashSet::is_empty);
                self.tools.learn(is_first, answer);
                let seen = self.tools.reading.get_or_insert_default();
                match cursor {
                    Some(cursor) if seen.len() < PAGES && seen.insert(cursor.clone()) => {
                        self.ask_page(Some(&cursor), false);
                    }
                    _ => {
                        self.tools_read();
                        self.keep_tools();
                    }
                }
            }
            Event::SigningIn | Event::Delayed | Event::Waiting { .. } => {
                if let Some(number) = self.tools.waiting.first() {
                    self.tell(*number, event);
                }
            }
            // They have waited for the person as long as they can.
            Event::NotSignedIn => {
                self.legs.remove(&exchange);
                self.tools.reading = None;
                for number in std::mem::take(&mut self.tools.waiting) {
                    self.call_ended(number, Event::NotSignedIn);
                }
            }
            _ if is_underway(&event) => {}
            _ => {
                self.end_leg(exchange);
                self.tools_read();
            }
        }
    }

    /// The list is read as far as it can be. Calls of tools that are not in it go as they are.
    fn tools_read(&mut self) {
        self.tools.reading = None;
        self.tools.complete = true;
        for number in std::mem::take(&mut self.tools.waiting) {
            self.send_call(number);
        }
    }
}
