//! `server/discover` (MCP 2026-07-28, Discovery): answered in time, whatever the state of the
//! sign-in, and without a person being asked for anything. Clients ask it of a copy of this program
//! that they end at once, and take silence or an odd answer for the older era.

use serde_json::{Value, json};

use super::session::result_of;
use super::{Far, HostSide, Own, Step};
use crate::mcp::era::adapt::capabilities;
use crate::mcp::era::meta;
use crate::mcp::era::object::Object;
use crate::mcp::jsonrpc::{self, Id, Kind, Message};
use crate::mcp::record::{LISTED, ServerRecord};
use crate::mcp::revision;

/// How long the server may take before the answer is given without it, in milliseconds.
const LIMIT: u64 = 1500;

/// Questions that wait for the server.
#[derive(Debug, Default)]
pub(super) struct Discoveries {
    /// Each with the time of its answer.
    waiting: Vec<(Id, u64)>,
    /// What the server said the last time.
    pub(super) record: Option<ServerRecord>,
    /// The kinds of lists that the client was told of without the server.
    told: Vec<&'static str>,
}

impl Discoveries {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }

    pub(super) fn has(&self, id: &Id) -> bool {
        self.waiting.iter().any(|(waiting, _)| waiting == id)
    }

    /// `true` if this one waited.
    pub(super) fn forget(&mut self, id: &Id) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| waiting != id);
        self.waiting.len() < before
    }

    /// Whether the client was told of this kind of list without the server.
    pub(super) fn has_told(&self, kind: &str) -> bool {
        self.told.contains(&kind)
    }
}

impl HostSide {
    /// What the server said of itself when it was last reached.
    pub fn remembering(mut self, record: Option<ServerRecord>) -> Self {
        self.discoveries.record = record;
        self
    }

    pub(super) fn discover(&mut self, request: Message, id: Id, now: u64, far: Far<'_>) {
        let until = now.saturating_add(LIMIT);
        self.discoveries.waiting.push((id.clone(), until));
        match (self.is_open(), far.stateless) {
            (false, _) => self.open_for(&request, true),
            (true, None) => self.discovered(far),
            (true, Some(_)) => {
                let (number, ours) = self.id();
                self.own.insert(number, Own::Discover(id));
                self.steps.push(Step::ToRelay(request.with_id(&ours)));
            }
        }
    }

    /// The server, which has no sessions, answers it itself.
    pub(super) fn discover_answered(&mut self, id: &Id, answer: &Message, far: Far<'_>) {
        let result = match answer.kind() {
            Kind::Result => stateless(answer.body()),
            // Any error would send the client to the older era.
            _ => self.known(far),
        };
        if self.discoveries.forget(id) {
            self.answer_discovery(id, &result);
        }
    }

    /// The session is open, or there is none: whoever asked gets the best that is known.
    pub(super) fn discovered(&mut self, far: Far<'_>) {
        let result = self.known(far);
        for (id, _) in std::mem::take(&mut self.discoveries.waiting) {
            self.answer_discovery(&id, &result);
        }
    }

    fn answer_discovery(&mut self, id: &Id, result: &str) {
        self.tell_host(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into());
    }

    pub(super) fn discover_on_time(&mut self, now: u64, far: Far<'_>) {
        let waiting = std::mem::take(&mut self.discoveries.waiting);
        let (due, waiting): (Vec<_>, _) = waiting.into_iter().partition(|(_, at)| now >= *at);
        self.discoveries.waiting = waiting;
        if due.is_empty() {
            return;
        }
        let result = self.known(far);
        for (id, _) in due {
            self.answer_discovery(&id, &result);
        }
    }

    /// The best that is known of the server now: its own word, what it said the last time, or nothing
    /// but the kinds of lists.
    fn known(&mut self, far: Far<'_>) -> String {
        if let (Some(_), Some(discovered)) = (far.stateless, far.discovered) {
            return stateless(discovered);
        }
        if let (true, Some(result)) = (self.is_open(), self.session.result()) {
            return of_session(result);
        }
        self.remembered()
    }

    /// What is said of the server without it.
    fn remembered(&mut self) -> String {
        let record = self.discoveries.record.clone();
        let everything = || {
            let all = LISTED.map(|kind| (kind.to_owned(), json!({})));
            all.into_iter().collect()
        };
        let mut record = record.unwrap_or_else(|| ServerRecord {
            capabilities: everything(),
            ..ServerRecord::default()
        });
        // The list of tools is where the user is told about the sign-in.
        record
            .capabilities
            .entry("tools")
            .or_insert_with(|| json!({}));
        for kind in LISTED {
            if let Some(Value::Object(capability)) = record.capabilities.get_mut(kind) {
                capability.insert("listChanged".to_owned(), Value::Bool(true));
                self.discoveries.told.push(kind);
            }
        }
        self.discoveries.told.sort_unstable();
        self.discoveries.told.dedup();
        of_session(&result_of(&record, &self.server_name))
    }
}

/// The revisions that we speak, newest first, JSON text.
fn versions() -> String {
    let names: Vec<String> = revision::names().map(jsonrpc::quote).collect();
    format!("[{}]", names.join(","))
}

/// The DiscoverResult that says what an InitializeResult says.
fn of_session(result: &str) -> String {
    let versions = versions();
    let capabilities = jsonrpc::member(result, "capabilities").unwrap_or("{}");
    let capabilities = capabilities::of_server(capabilities, None);
    let found = jsonrpc::member(result, "serverInfo")
        .map(|info| format!("{{{}:{info}}}", jsonrpc::quote(meta::SERVER_INFO)));
    let mut discovered = Object::default();
    discovered.set("resultType", "\"complete\"");
    discovered.set("supportedVersions", &versions);
    discovered.set("capabilities", &capabilities);
    if let Some(instructions) = jsonrpc::member(result, "instructions") {
        discovered.set("instructions", instructions);
    }
    discovered.set("ttlMs", "0");
    discovered.set("cacheScope", "\"private\"");
    if let Some(found) = &found {
        discovered.set("_meta", found);
    }
    discovered.write()
}

/// The server's own DiscoverResult, with the revisions that we can carry.
fn stateless(discovered: &str) -> String {
    let supported: Vec<String> = jsonrpc::member(discovered, "supportedVersions")
        .and_then(|versions| serde_json::from_str(versions).ok())
        .unwrap_or_default();
    let carried: Vec<String> = supported
        .iter()
        .filter(|version| {
            revision::find_stateless(version).is_some() || revision::find(version).is_some()
        })
        .map(|version| jsonrpc::quote(version))
        .collect();
    let carried = format!("[{}]", carried.join(","));
    let mut result = Object::read(discovered).unwrap_or_default();
    result.set("supportedVersions", &carried);
    for (name, value) in [
        ("resultType", "\"complete\""),
        ("ttlMs", "0"),
        ("cacheScope", "\"private\""),
    ] {
        if result.get(name).is_none() {
            result.set(name, value);
        }
    }
    // Before the revision was final, it stood beside the rest.
    let mut found = result
        .get("_meta")
        .and_then(Object::read)
        .unwrap_or_default();
    let info = result.get("serverInfo");
    if let (Some(info), None) = (info, found.get(meta::SERVER_INFO)) {
        found.set(meta::SERVER_INFO, info);
    }
    let is_known = !found.is_empty();
    let found = found.write();
    if is_known {
        result.set("_meta", &found);
    }
    result.write()
}
