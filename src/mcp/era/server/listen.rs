//! Subscriptions at a server without sessions, in place of the standing stream and of
//! `resources/subscribe` (MCP 2026-07-28, Subscriptions).
//!
//! There is one at a time. For another filter the next is opened, and the one before ends when the
//! next is acknowledged, so that nothing is missed. A change that comes over both is told twice: that
//! does no harm, but to take another for the same would.

use std::collections::{BTreeMap, BTreeSet};

use super::super::filter::{Filter, UPDATED};
use super::super::headers::Head;
use super::super::matrix::ACKNOWLEDGED;
use super::super::meta;
use super::overlap::Overlap;
use super::{Era, LISTEN, Leg, ServerSide, is_underway};
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::{
    self, INTERNAL_ERROR, INVALID_PARAMS, Id, Kind, METHOD_NOT_FOUND, Message,
};
use crate::mcp::relay::Event;

/// How long the server may take to acknowledge a subscription, in milliseconds.
const LIMIT: u64 = 10_000;
/// The wait before a subscription that has ended is opened again, in milliseconds: at first, and at
/// most.
pub(super) const BACKOFF: (u64, u64) = (1000, 30_000);
/// How long a subscription is open that has done its work, in milliseconds: one that ends sooner is
/// opened again after a longer wait.
pub(super) const LIVED: u64 = 10_000;

/// The subscription.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// The relay's number for its standing stream.
    standing: Option<u64>,
    /// The one that is acknowledged.
    live: Option<u64>,
    /// The one that is being opened.
    next: Option<Opening>,
    /// The addresses of resources that the AI client wants to hear of.
    uris: BTreeSet<String>,
    /// Whether the server has none.
    absent: bool,
    /// How often in a row one could not be opened, or ended at once.
    failures: u32,
    /// When it is opened again.
    again_at: Option<u64>,
    /// When it was acknowledged.
    opened_at: u64,
    /// Whether one was lost, so that changes may have been missed.
    gap: bool,
    /// Those whose place another has taken.
    overlap: Overlap,
}

#[derive(Debug)]
struct Opening {
    exchange: u64,
    until: u64,
    /// Requests of the relay that wait for it, with the address of each.
    waiting: BTreeMap<u64, String>,
}

impl Listening {
    pub(super) fn is_standing(&self, number: u64) -> bool {
        self.standing == Some(number)
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let opening = self.next.as_ref().map(|next| next.until);
        let former = self.overlap.deadline();
        [opening, former, self.again_at].into_iter().flatten().min()
    }
}

impl ServerSide {
    /// The relay wants its standing stream.
    pub(super) fn stand(&mut self, number: u64, now: u64) {
        self.listening.standing = Some(number);
        match self.filter() {
            Some(_) => {
                // Nothing is asked of the client on it, so no call has to wait for it.
                self.tell(number, Event::StandingOpen);
                self.listen(BTreeMap::new(), now);
            }
            None => self.tell(number, Event::StandingAbsent),
        }
    }

    /// What the subscription is about; `None` if there is nothing.
    fn filter(&self) -> Option<Filter> {
        let Era::Stateless(agreed) = &self.era else {
            return None;
        };
        let filter = Filter {
            uris: self.listening.uris.clone(),
            ..Filter::of_lists(&agreed.capabilities)
        };
        Some(filter).filter(|filter| !filter.is_empty())
    }

    /// Opens a subscription for what is wanted now. `waiting`: requests that wait for it.
    fn listen(&mut self, mut waiting: BTreeMap<u64, String>, now: u64) {
        self.listening.again_at = None;
        if let Some(before) = self.listening.next.take() {
            self.end_leg(before.exchange);
            waiting.extend(before.waiting);
        }
        let wanted = self.filter().filter(|_| !self.listening.absent);
        let (Some(filter), Some(version)) = (wanted, self.stateless()) else {
            // What they wanted to hear of nobody wants to hear of any more.
            waiting.into_keys().for_each(|number| self.done(number));
            return self.end_live();
        };
        let head = Head {
            version: version.to_owned(),
            method: LISTEN.to_owned(),
            ..Head::default()
        };
        let params = self.introduced(
            &format!("{{\"notifications\":{}}}", filter.write()),
            version,
        );
        let exchange = self.ask(Leg::Listen, LISTEN, &params, head, false);
        self.listening.next = Some(Opening {
            exchange,
            until: now.saturating_add(LIMIT),
            waiting,
        });
    }

    /// The connections to the server were renewed, since the old ones may be dead: what waits for
    /// changes over one of them would wait for ever.
    pub fn connections_renewed(&mut self, now: u64) {
        let is_open = self.listening.live.is_some() || self.listening.next.is_some();
        if is_open {
            self.listening.gap = true;
            self.listen(BTreeMap::new(), now);
        }
        let calls = self.calls.iter_mut();
        let streams = calls.filter_map(|(number, call)| Some((*number, call.lose_stream(now)?)));
        let lost: Vec<(u64, u64)> = streams.collect();
        for (number, exchange) in lost {
            self.end_leg(exchange);
            self.reopen_stream(number);
        }
    }

    fn end_live(&mut self) {
        let former = self.listening.overlap.take();
        for exchange in self.listening.live.take().into_iter().chain(former) {
            self.end_leg(exchange);
        }
    }

    /// The relay wants no standing stream any more.
    pub(super) fn end_listening(&mut self) {
        if let Some(next) = self.listening.next.take() {
            self.end_leg(next.exchange);
            // The relay asks again in the session that follows, if one does.
            for number in next.waiting.into_keys() {
                self.tell(number, Event::SessionLost);
            }
        }
        self.end_live();
        self.listening = Listening {
            uris: std::mem::take(&mut self.listening.uris),
            ..Listening::default()
        };
    }

    /// `resources/subscribe` (MCP 2025-11-25, Resources, Subscriptions).
    pub(super) fn subscribe(&mut self, number: u64, request: &Message, now: u64) {
        let Some(uri) = request.body_member("uri").and_then(jsonrpc::string) else {
            return self.refuse(
                number,
                INVALID_PARAMS,
                "Invalid params: `uri` must be a string",
            );
        };
        if self.listening.absent || !self.offers_subscriptions() {
            return self.refuse(number, METHOD_NOT_FOUND, "Method not found");
        }
        if !self.listening.uris.insert(uri.clone()) && self.listening.next.is_none() {
            return self.done(number);
        }
        self.listen(BTreeMap::from([(number, uri)]), now);
    }

    fn offers_subscriptions(&self) -> bool {
        let Era::Stateless(agreed) = &self.era else {
            return false;
        };
        let resources = jsonrpc::member(&agreed.capabilities, "resources");
        resources.and_then(|resources| jsonrpc::member(resources, "subscribe")) == Some("true")
    }

    /// `resources/unsubscribe`.
    pub(super) fn unsubscribe(&mut self, number: u64, request: &Message, now: u64) {
        let uri = request.body_member("uri").and_then(jsonrpc::string);
        if uri.is_some_and(|uri| self.listening.uris.remove(&uri)) {
            self.listen(BTreeMap::new(), now);
        }
        self.done(number);
    }

    fn done(&mut self, number: u64) {
        self.reply(number, jsonrpc::empty_result(&Id::from_number(number)));
    }

    /// What happened on a subscription.
    pub(super) fn listen_event(&mut self, exchange: u64, event: Event, now: u64) {
        match event {
            Event::Message(message) if message.kind() == Kind::Notification => {
                self.heard(exchange, &message, now);
            }
            Event::Message(message) => self.detail(format!(
                "dropped `{}`, which has no place in a subscription",
                message.method()
            )),
            Event::Reply(answer) if answer.kind() == Kind::Result => {
                // The server has ended it, and loses nothing by that.
                self.listen_ended(exchange, now, None);
            }
            Event::Reply(error) => self.listen_refused(exchange, None, &error, now),
            Event::Refused { status, error } => {
                self.listen_refused(exchange, Some(status), &error, now);
            }
            Event::Failed(failure) | Event::GaveUp(failure) => {
                let gone = failure
                    .status
                    .is_some_and(|status| matches!(status, 404 | 405 | 501));
                match gone {
                    true => self.listen_absent(exchange),
                    false => self.listen_ended(exchange, now, Some(&failure)),
                }
            }
            Event::Accepted => self.listen_absent(exchange),
            _ if is_underway(&event) => {}
            _ => {
                self.end_leg(exchange);
                self.listen_ended(exchange, now, None);
            }
        }
    }

    fn heard(&mut self, exchange: u64, message: &Message, now: u64) {
        if message.method() == ACKNOWLEDGED {
            return self.acknowledged(exchange, message, now);
        }
        let Some(standing) = self.listening.standing else {
            return;
        };
        let plain = meta::untagged(message);
        let wanted = match plain.method() {
            UPDATED => self.filter().is_some_and(|filter| filter.is_about(&plain)),
            "notifications/cancelled" => false,
            _ => true,
        };
        if !wanted || !self.listening.overlap.is_news(exchange, &plain) {
            return;
        }
        if plain.method() == "notifications/tools/list_changed" {
            self.tools.forget();
        }
        self.tell(standing, Event::Message(plain));
    }

    fn acknowledged(&mut self, exchange: u64, message: &Message, now: u64) {
        let Some(next) = self
            .listening
            .next
            .take_if(|next| next.exchange == exchange)
        else {
            return;
        };
        if let Some(former) = self.listening.live.replace(exchange) {
            self.listening.overlap.begin(former, now);
        }
        self.listening.opened_at = now;
        let accepted = message.body_member("notifications").unwrap_or("{}");
        let accepted = Filter::understood(accepted).uris;
        for (number, uri) in next.waiting {
            // It may not be wanted any more.
            match accepted.contains(&uri) || !self.listening.uris.contains(&uri) {
                true => self.done(number),
                false => {
                    self.listening.uris.remove(&uri);
                    self.refuse(
                        number,
                        INVALID_PARAMS,
                        "the server takes no subscription to this `uri`",
                    );
                }
            }
        }
        if std::mem::take(&mut self.listening.gap)
            && let Some(standing) = self.listening.standing
        {
            self.tell(standing, Event::StandingGap);
            // What the relay makes of it is about lists.
            let resources = Filter {
                uris: self.listening.uris.clone(),
                ..Filter::default()
            };
            for change in resources.changes() {
                self.tell(standing, Event::Message(change));
            }
        }
    }

    fn listen_refused(&mut self, exchange: u64, status: Option<u16>, error: &Message, now: u64) {
        let code = error.body_member("code").and_then(|code| code.parse().ok());
        match code == Some(METHOD_NOT_FOUND) || status == Some(404) {
            true => self.listen_absent(exchange),
            false => self.listen_ended(exchange, now, None),
        }
    }

    /// The server has no subscriptions.
    fn listen_absent(&mut self, exchange: u64) {
        self.legs.remove(&exchange);
        self.listening.absent = true;
        self.end_live();
        if let Some(next) = self
            .listening
            .next
            .take_if(|next| next.exchange == exchange)
        {
            for number in next.waiting.into_keys() {
                self.refuse(number, METHOD_NOT_FOUND, "Method not found");
            }
        }
        if let Some(standing) = self.listening.standing {
            self.tell(standing, Event::StandingAbsent);
        }
    }

    /// One has ended or could not be opened; it is opened again later.
    fn listen_ended(&mut self, exchange: u64, now: u64, failure: Option<&Failure>) {
        self.legs.remove(&exchange);
        if self.listening.overlap.end(exchange) {
            return;
        }
        let mut refused = BTreeMap::new();
        if let Some(next) = self
            .listening
            .next
            .take_if(|next| next.exchange == exchange)
        {
            self.listening.failures += 1;
            refused = next.waiting;
        } else if self
            .listening
            .live
            .take_if(|live| *live == exchange)
            .is_none()
        {
            return;
        } else if now.saturating_sub(self.listening.opened_at) < LIVED {
            self.listening.failures += 1;
        } else {
            self.listening.failures = 0;
        }
        if let Some(failure) = failure {
            self.listening.gap = true;
            self.detail(format!("the subscription ended: {failure}"));
        }
        for (number, uri) in refused {
            self.listening.uris.remove(&uri);
            self.refuse(
                number,
                INTERNAL_ERROR,
                "the server did not take the subscription; try again",
            );
        }
        if self.listening.live.is_none() && self.filter().is_some() {
            let wait = BACKOFF.0 << self.listening.failures.saturating_sub(1).min(5);
            self.listening.again_at = Some(now.saturating_add(wait.min(BACKOFF.1)));
        }
    }

    pub(super) fn listen_on_time(&mut self, now: u64) {
        if let Some(next) = &self.listening.next
            && now >= next.until
        {
            let exchange = next.exchange;
            self.end_leg(exchange);
            self.listen_ended(exchange, now, None);
        }
        for former in self.listening.overlap.over(now) {
            self.end_leg(former);
        }
        if self.listening.again_at.is_some_and(|at| now >= at) {
            self.listen(BTreeMap::new(), now);
        }
    }
}
