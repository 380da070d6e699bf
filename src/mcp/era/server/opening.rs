//! Finding out which era the server is of, when the relay opens a session.
//!
//! ```text
//!               a revision without sessions
//! discover ──────────────────────────────────▶ the relay has its session, made from the answer
//!    │  ▲ another version (once)
//!    │  └──────────┘
//!    │ anything else that is no outage           refused, not asked yet
//!    └───────────────────────────▶ initialize ─────────────────────────▶ discover
//! ```
//!
//! A server that speaks both is opened with `initialize` for an AI client that opens so itself: what
//! it can ask in the middle of a request is then asked as the client expects it.

use super::super::headers::Head;
use super::super::verdict::{self, Finding, Protocol};
use super::{Client, Era, Leg, ServerSide, doubt, is_underway};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, INVALID_PARAMS, Id, Kind, Message, MissingId};
use crate::mcp::relay::{Effect, Event, Outgoing};
use crate::mcp::revision;

/// How long a server may take to answer `server/discover`, in milliseconds. Some keep silent about
/// a method that they do not know.
const LIMIT: u64 = 10_000;
/// The question which era a server is of.
#[derive(Debug)]
pub(super) struct Probe {
    exchange: u64,
    /// The `initialize` that the relay wants sent.
    initialize: Outgoing,
    version: &'static str,
    /// Whether `initialize` is to be sent to a server that takes both.
    prefers_sessions: bool,
    /// Whether another version was offered before.
    offered: bool,
    /// When it is no longer waited for.
    until: Option<u64>,
    /// What the server answered to `initialize`, where that came first.
    refusal: Option<Event>,
}

impl Probe {
    pub(super) fn number(&self) -> u64 {
        self.initialize.exchange
    }

    pub(super) fn exchange(&self) -> u64 {
        self.exchange
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.until
    }
}

impl ServerSide {
    /// The relay opens a session. `has_sessions`: whether the AI client does.
    pub(super) fn open(&mut self, outgoing: Outgoing, has_sessions: bool, now: u64) {
        let Ok(initialize) = jsonrpc::parse(outgoing.body.clone()) else {
            return;
        };
        self.client = Some(Client::of(&initialize));
        self.lose_rounds();
        self.initialize = Some(outgoing.exchange);
        let newest = revision::NEWEST_STATELESS.name;
        match (self.protocol, self.of_sessions()) {
            (Protocol::Initialize(revision), _) => self.pass(outgoing, &initialize, revision),
            (Protocol::Auto, Some(other)) if has_sessions || other.is_none() => {
                let (asked, sure) = (false, true);
                self.era = Era::Initialize { asked, sure, other };
                self.opening = Some(outgoing.clone());
                self.pass(outgoing, &initialize, None);
            }
            (Protocol::Auto, _) if !has_sessions && outgoing.asks && self.is_remembered() => {
                self.open_remembered(&outgoing, &initialize);
            }
            (Protocol::Stateless(version), _) => {
                self.probe(outgoing, version.unwrap_or(newest), false, None, now);
            }
            (Protocol::Auto, _) => self.probe(outgoing, newest, has_sessions, None, now),
        }
    }

    /// Whether the server is known to open with `initialize`, and if so, which revision without
    /// sessions it speaks too.
    fn of_sessions(&self) -> Option<Option<&'static str>> {
        match &self.era {
            Era::Initialize {
                other, sure: true, ..
            } => Some(*other),
            Era::Stateless(agreed) if agreed.has_sessions => Some(Some(agreed.version)),
            _ => None,
        }
    }

    /// Sends `initialize` as it is, or for this revision.
    fn pass(&mut self, mut outgoing: Outgoing, initialize: &Message, revision: Option<&str>) {
        if let (Some(name), Some(part)) = (revision, initialize.body_member("protocolVersion")) {
            let pinned = initialize.with_part(part, &jsonrpc::quote(name));
            outgoing.body = pinned.text().clone();
        }
        self.effects.push(Effect::Send(outgoing));
    }

    fn probe(
        &mut self,
        initialize: Outgoing,
        version: &'static str,
        prefers_sessions: bool,
        refusal: Option<Event>,
        now: u64,
    ) {
        // One that is known to have no sessions, or must have none, answers when it can.
        let may_be_silent = self.protocol == Protocol::Auto && self.remembered.is_none();
        let exchange = self.discover(Leg::Probe, version, initialize.asks);
        self.era = Era::Probing(Box::new(Probe {
            exchange,
            initialize,
            version,
            prefers_sessions,
            offered: false,
            until: may_be_silent.then(|| now.saturating_add(LIMIT)),
            refusal,
        }));
    }

    /// Asks the server what it is.
    pub(super) fn discover(&mut self, leg: Leg, version: &str, asks: bool) -> u64 {
        let head = Head {
            version: version.to_owned(),
            method: "server/discover".to_owned(),
            ..Head::default()
        };
        let params = self.introduced("{}", version);
        self.ask(leg, "server/discover", &params, head, asks)
    }

    pub(super) fn probe_on_time(&mut self, now: u64) {
        let Era::Probing(probe) = &self.era else {
            return;
        };
        if probe.until.is_some_and(|until| now >= until) {
            let exchange = probe.exchange;
            self.detail("no answer to `server/discover` in time");
            self.end_leg(exchange);
            // If it does open with `initialize`, it may speak both all the same.
            self.found_initialize(None, false);
        }
    }

    /// What came of the question.
    pub(super) fn probe_event(&mut self, exchange: u64, event: Event) {
        let Era::Probing(probe) = &mut self.era else {
            return;
        };
        let number = probe.number();
        if is_underway(&event) {
            if matches!(event, Event::Message(_) | Event::SessionHeader(_)) {
                return;
            }
            probe.until = None;
            return self.tell(number, event);
        }
        self.legs.remove(&exchange);
        // An outage says nothing of the era.
        let Some(finding) = doubt::finding(&event) else {
            return self.unopened(number, event);
        };
        match finding {
            Finding::Stateless {
                version,
                has_sessions,
            } => {
                // What it has just refused it does not do, whatever it says.
                let has_sessions = has_sessions && probe.refusal.is_none();
                let goes_on = has_sessions && probe.prefers_sessions;
                match &event {
                    _ if goes_on => self.found_initialize(Some(version), true),
                    Event::Reply(message) => {
                        self.found_stateless(version, Some(message), has_sessions);
                    }
                    _ => {}
                }
            }
            Finding::AskAgain(version) if !probe.offered => {
                probe.offered = true;
                probe.version = version;
                let asks = probe.initialize.asks;
                let again = self.discover(Leg::Probe, version, asks);
                if let Era::Probing(probe) = &mut self.era {
                    probe.exchange = again;
                }
            }
            Finding::AskAgain(version) => self.disagrees(number, version, &event),
            Finding::Silent => {
                let version = probe.version;
                self.note(format!(
                    "`{}` refuses to say what it is, as if our request were wrong; it is spoken to as one of MCP {version}",
                    self.name
                ));
                self.found_stateless(version, None, false);
            }
            // It has named a revision without sessions, but does not know the question.
            Finding::Initialize if probe.offered && is_unknown_method(&event) => {
                let version = probe.version;
                self.found_stateless(version, None, false);
            }
            Finding::Initialize => self.found_initialize(None, true),
        }
    }

    /// The server refuses the version that it has just offered.
    fn disagrees(&mut self, number: u64, version: &str, event: &Event) {
        self.era = Era::Unknown;
        let (Event::Reply(error) | Event::Refused { error, .. }) = event else {
            return;
        };
        let supported = error
            .body_member("data")
            .and_then(|data| jsonrpc::member(data, "supported"));
        let supported = supported.unwrap_or("[]");
        let requested = jsonrpc::quote(version);
        let data = format!("{{\"supported\":{supported},\"requested\":{requested}}}");
        let text = format!(
            "`{}` refuses MCP {version}, which it says it supports; report this to its operator",
            self.name
        );
        let id = Id::from_number(number);
        let data = Some(&*data);
        let refusal = jsonrpc::error(Some(&id), MissingId::Null, INVALID_PARAMS, &text, data);
        self.reply(number, refusal);
    }

    /// Nothing was found out.
    fn unopened(&mut self, number: u64, event: Event) {
        self.era = Era::Unknown;
        self.tell(number, event);
    }

    /// The server opens with `initialize`. `other`: the revision without sessions that it speaks too.
    /// `sure`: it said so.
    fn found_initialize(&mut self, other: Option<&'static str>, sure: bool) {
        // One that speaks both, and then refuses this, is asked once more.
        let asked = other.is_none();
        let era = Era::Initialize { asked, sure, other };
        let Era::Probing(probe) = std::mem::replace(&mut self.era, era) else {
            return;
        };
        let number = probe.number();
        if let Protocol::Stateless(_) = self.protocol {
            self.era = Era::Unknown;
            let detail = format!(
                "`{}` speaks no revision of MCP without sessions, and `--protocol` allows no other; leave that option out",
                self.name
            );
            return self.fail(number, Failure::new(Stage::Protocol, false, detail));
        }
        match probe.refusal {
            Some(refusal) => self.tell(number, refusal),
            None => {
                self.opening = other.is_some().then(|| probe.initialize.clone());
                self.effects.push(Effect::Send(probe.initialize));
            }
        }
    }

    /// The server has no sessions. The relay gets the session that there is not.
    fn found_stateless(
        &mut self,
        version: &'static str,
        discovered: Option<&Message>,
        has_sessions: bool,
    ) {
        let Era::Probing(probe) = &self.era else {
            return;
        };
        let number = probe.number();
        let Ok(initialize) = jsonrpc::parse(probe.initialize.body.clone()) else {
            return;
        };
        let body = discovered.map_or("{}", Message::body);
        self.discovered = discovered.map(|_| body.to_owned());
        self.agree(number, &initialize, version, body, has_sessions);
    }

    /// What came of an exchange that went as it was. A server that refuses `initialize` may have been
    /// upgraded since it was last asked what it is.
    pub(super) fn opening_event(&mut self, exchange: u64, event: Event, now: u64) {
        if self.initialize != Some(exchange) {
            return match self.shows_upgrade(&event) {
                true => {
                    if let Era::Initialize { .. } = self.era {
                        self.era = Era::Unknown;
                    }
                    self.tell(exchange, Event::SessionLost);
                }
                false => self.tell(exchange, event),
            };
        }
        let doubts = match &event {
            Event::Refused { status, error } => {
                verdict::shows_new_era(error) || verdict::is_refusal(*status)
            }
            Event::Reply(message) if message.kind() == Kind::Error => {
                verdict::shows_new_era(message)
            }
            Event::Failed(failure) => verdict::means_initialize(failure),
            _ => false,
        };
        let may_ask = self.protocol == Protocol::Auto
            && matches!(self.era, Era::Initialize { asked: false, .. });
        match self
            .opening
            .take_if(|opening| opening.exchange == exchange && doubts && may_ask)
        {
            Some(opening) => {
                let newest = revision::NEWEST_STATELESS.name;
                self.probe(opening, newest, false, Some(event), now);
            }
            None => {
                if !is_underway(&event) {
                    self.opening = None;
                }
                self.tell(exchange, event);
            }
        }
    }
}

fn is_unknown_method(event: &Event) -> bool {
    let (Event::Reply(error) | Event::Refused { error, .. }) = event else {
        return false;
    };
    error.body_member("code") == Some("-32601")
}
