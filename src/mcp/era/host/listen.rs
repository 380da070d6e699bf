//! Subscriptions of a client of the new era at a server with sessions (MCP 2026-07-28,
//! Subscriptions): fed from whatever the server says unasked.

use std::collections::{BTreeMap, BTreeSet};

use super::{HostSide, Own};
use crate::mcp::era::filter::Filter;
use crate::mcp::era::matrix::ACKNOWLEDGED;
use crate::mcp::era::meta;
use crate::mcp::jsonrpc::{self, INTERNAL_ERROR, INVALID_PARAMS, Id, Message};

/// How long the server may take to accept subscriptions to resources, in milliseconds.
const LIMIT: u64 = 10_000;
/// Most subscriptions at a time.
const MOST: usize = 1024;

/// The subscriptions that are open.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<String, Subscription>);

#[derive(Debug)]
struct Subscription {
    id: Id,
    /// What the client hears of; of addresses, those that the server has accepted.
    filter: Filter,
    /// Those that it has yet to say something of.
    asked: BTreeSet<String>,
    /// When the client is told what is accepted, at the latest; `None` once it was told.
    until: Option<u64>,
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.contains_key(id.as_json())
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.values().filter_map(|one| one.until).min()
    }

    /// The addresses of all subscriptions.
    pub(super) fn uris(&self) -> BTreeSet<String> {
        let all = self.0.values();
        all.flat_map(|one| one.filter.uris.iter().chain(&one.asked))
            .cloned()
            .collect()
    }

    fn wants(&self, uri: &str) -> bool {
        self.0
            .values()
            .any(|one| one.filter.uris.contains(uri) || one.asked.contains(uri))
    }
}

impl HostSide {
    /// `subscriptions/listen`.
    pub(super) fn listen(&mut self, request: &Message, id: Id, now: u64) {
        let filter = request.body_member("notifications").unwrap_or("null");
        let mut filter = match Filter::read(filter) {
            Ok(filter) => filter,
            Err(text) => {
                return self.refuse(&id, INVALID_PARAMS, &format!("Invalid params: {text}"));
            }
        };
        if self.subscriptions.0.len() >= MOST {
            return self.refuse(&id, INTERNAL_ERROR, "too many subscriptions are open");
        }
        filter
            .lists
            .retain(|kind| self.session.has(kind, "listChanged"));
        let mut uris = std::mem::take(&mut filter.uris);
        // Before the server has said a word, it may have subscriptions.
        if self.session.is_heard() && !self.session.has("resources", "subscribe") {
            uris.clear();
        }
        let accepted = self.subscriptions.0.values();
        let accepted = accepted.flat_map(|one| &one.filter.uris);
        let accepted: BTreeSet<String> = accepted.cloned().collect();
        filter.uris = uris.intersection(&accepted).cloned().collect();
        let asked: BTreeSet<String> = uris.difference(&filter.uris).cloned().collect();
        for uri in &asked {
            // Another subscription may have asked for it, with no answer yet.
            if !self.subscriptions.wants(uri) {
                let params = format!("{{\"uri\":{}}}", jsonrpc::quote(uri));
                self.ask(Own::Subscribe(uri.clone()), "resources/subscribe", &params);
            }
        }
        let is_asked = !asked.is_empty();
        let one = Subscription {
            id: id.clone(),
            filter,
            asked,
            until: Some(now.saturating_add(LIMIT)),
        };
        self.subscriptions.0.insert(id.as_json().to_owned(), one);
        if !is_asked {
            self.acknowledge(&id);
        }
    }

    /// The server has said whether it takes subscriptions to a resource.
    pub(super) fn subscribed(&mut self, uri: &str, accepted: bool) {
        for one in self.subscriptions.0.values_mut() {
            if one.asked.remove(uri) && accepted {
                one.filter.uris.insert(uri.to_owned());
            }
        }
        if accepted {
            // It may have taken too long, or the client may have gone on.
            self.unsubscribe_unwanted([uri.to_owned()].into());
        }
        let done = self.subscriptions.0.values();
        let done = done.filter(|one| one.asked.is_empty());
        for id in done.map(|one| one.id.clone()).collect::<Vec<_>>() {
            self.acknowledge(&id);
        }
    }

    /// Tells the client, once, what it will hear of.
    fn acknowledge(&mut self, id: &Id) {
        let Some(one) = self.subscriptions.0.get_mut(id.as_json()) else {
            return;
        };
        if one.until.take().is_none() {
            return;
        }
        let filter = one.filter.write();
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"{ACKNOWLEDGED}\",\"params\":{{\"notifications\":{filter}}}}}"
        );
        if let Ok(message) = jsonrpc::parse(text.into()) {
            self.tell_host(meta::tagged(&message, id).text().clone());
        }
    }

    pub(super) fn subscriptions_on_time(&mut self, now: u64) {
        let due = |one: &&Subscription| one.until.is_some_and(|until| now >= until);
        let due: Vec<Id> = self
            .subscriptions
            .0
            .values()
            .filter(due)
            .map(|one| one.id.clone())
            .collect();
        for id in due {
            if let Some(one) = self.subscriptions.0.get_mut(id.as_json()) {
                one.asked.clear();
            }
            self.acknowledge(&id);
        }
    }

    /// The client wants to hear nothing more. `false` if it is no subscription.
    pub(super) fn unlisten(&mut self, id: &Id) -> bool {
        let Some(one) = self.subscriptions.0.remove(id.as_json()) else {
            return false;
        };
        self.unsubscribe_unwanted(one.filter.uris);
        true
    }

    /// The subscriptions end, and not by the client's will.
    pub(super) fn end_subscriptions(&mut self) {
        for one in std::mem::take(&mut self.subscriptions.0).into_values() {
            self.tell_end(&one.id);
        }
    }

    fn unsubscribe_unwanted(&mut self, uris: BTreeSet<String>) {
        for uri in uris {
            if !self.subscriptions.wants(&uri) {
                let params = format!("{{\"uri\":{}}}", jsonrpc::quote(&uri));
                self.ask(Own::Nothing, "resources/unsubscribe", &params);
            }
        }
    }

    /// Something has changed at the server: every subscription that wants to know is told, once.
    pub(super) fn changed(&mut self, message: &Message) {
        // Before the client was told what it will hear of, it hears of nothing.
        let wants = |one: &&Subscription| one.until.is_none() && one.filter.is_about(message);
        let told = self.subscriptions.0.values().filter(wants);
        for id in told.map(|one| one.id.clone()).collect::<Vec<_>>() {
            self.tell_host(meta::tagged(message, &id).text().clone());
        }
    }
}
