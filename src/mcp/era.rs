//! Where an AI client and a server of different eras meet.
//!
//! MCP has two eras: revisions up to 2025-11-25 open a session with `initialize`; from 2026-07-28 on
//! there is none, and each request says of itself what it needs. The relay knows sessions only. At
//! each of its ends, one module makes the other era look like that:
//!
//! ```text
//! AI client ──▶ host ──▶ relay ──▶ server ──▶ the server
//!           ◀──      ◀──       ◀──        ◀──
//! ```
//!
//! | AI client        | server           | `host`     | `server`   |
//! |------------------|------------------|------------|------------|
//! | `initialize`     | `initialize`     | as it is   | as it is   |
//! | `initialize`     | without sessions | as it is   | translates |
//! | without sessions | `initialize`     | translates | as it is   |
//! | without sessions | without sessions | see there  | see there  |
//!
//! In the last case, a message of the AI client goes through all three as it is. A server that
//! speaks both is spoken to as the AI client speaks, since then nothing has to be translated.

mod adapt;
mod filter;
mod headers;
mod host;
mod matrix;
mod meta;
mod object;
mod server;
mod verdict;

use bytes::Bytes;

pub use headers::{Head, PREFIX};
pub use verdict::{Protocol, Verdict, is_refusal};

use super::jsonrpc::{self, Id};
use super::queue::Queue;
use super::record::ServerRecord;
use super::relay::{Effect, Event, Relay};
use super::revision;
use crate::oauth::invitation::Standing;
use host::{Far, HostSide, Step};
use meta::Introduction;
use server::ServerSide;

/// The relay between its two ends. It is used as the relay itself would be.
#[derive(Debug)]
pub struct Crossing {
    host: HostSide,
    relay: Relay,
    server: ServerSide,
    effects: Queue<Effect>,
}

impl Crossing {
    /// The relay for a server. `protocol`: what the user wants spoken. `known`: what was found out
    /// about the server, if that is still to be believed ([`Verdict::holds`]). `secret`: random
    /// bytes.
    pub fn new(
        relay: Relay,
        server_name: &str,
        protocol: Protocol,
        known: Option<&Verdict>,
        secret: [u8; 32],
    ) -> Self {
        Self {
            host: HostSide::new(server_name, secret),
            relay,
            server: ServerSide::new(server_name, protocol, known),
            effects: Queue::default(),
        }
    }

    /// What the server said of itself when it was last reached.
    pub fn remembering(self, record: Option<ServerRecord>) -> Self {
        Self {
            server: self.server.remembering(record.as_ref()),
            host: self.host.remembering(record),
            ..self
        }
    }

    /// Extensions that this program brings itself, by their ids.
    pub fn declaring(self, extensions: Vec<&'static str>) -> Self {
        Self {
            server: self.server.declaring(extensions),
            ..self
        }
    }

    /// What is to be done next. Ask after every input until there is nothing left.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop()
    }

    /// All that is to be done now, in order.
    #[cfg(test)]
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.take()
    }

    /// When [`Crossing::on_time`] is to be called at the latest, in milliseconds of the caller's
    /// clock.
    pub fn deadline(&self) -> Option<u64> {
        let deadlines = [
            self.host.deadline(),
            self.relay.deadline(),
            self.server.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Time has passed: `now` in milliseconds of the caller's clock.
    pub fn on_time(&mut self, now: u64) {
        self.relay.on_time(now);
        self.server.on_time(now);
        let far = far(&self.server, &self.relay, None);
        self.host.on_time(now, far);
        self.settle(now);
    }

    /// One line from the AI client, without its line end.
    pub fn host_line(&mut self, line: Bytes, now: u64) {
        let far = far(&self.server, &self.relay, None);
        self.host.host_line(line, now, far);
        self.settle(now);
    }

    /// A line from the AI client was longer than what we take; it was thrown away.
    pub fn line_too_long(&mut self, now: u64) {
        self.relay.line_too_long();
        self.settle(now);
    }

    /// The AI client will say nothing more.
    pub fn host_ended(&mut self, now: u64) {
        self.relay.host_ended(now);
        self.settle(now);
    }

    /// See [`Relay::awaits_all`].
    pub fn awaits_all(&self) -> bool {
        self.relay.awaits_all()
    }

    /// Whether requests of the AI client still wait for an answer.
    pub fn is_busy(&self) -> bool {
        self.host.is_busy(self.relay.is_busy())
    }

    /// See [`Relay::is_holding`].
    pub fn is_holding(&self) -> bool {
        self.relay.is_holding()
    }

    /// The AI client is gone or the process ends.
    pub fn close(&mut self, now: u64) {
        self.host.close(far(&self.server, &self.relay, None));
        self.settle(now);
        self.relay.close();
        self.settle(now);
    }

    /// Something happened on an exchange.
    pub fn remote_event(&mut self, exchange: u64, event: Event, now: u64) {
        self.server.event(exchange, event, now);
        self.settle(now);
    }

    /// The sign-in stands otherwise now.
    pub fn sign_in_stands(&mut self, standing: Standing, now: u64) {
        self.relay.sign_in_stands(standing, now);
        self.settle(now);
    }

    /// The connections to the server were renewed.
    pub fn connections_renewed(&mut self, now: u64) {
        self.relay.connections_renewed(now);
        self.server.connections_renewed(now);
        self.settle(now);
    }

    /// Lets each side say to the other what it has to.
    fn settle(&mut self, now: u64) {
        let mut of = None;
        loop {
            self.relay_says(now, of.as_ref());
            if self.host_says(now) {
                continue;
            }
            self.effects.append(self.server.effects());
            let Some((number, event)) = self.server.next_event() else {
                break;
            };
            // Whose it is matters to those alone that the relay knows by other ids.
            of = match self.host.is_idle() {
                true => None,
                false => self.relay.asker(number),
            };
            if matches!(event, Event::StandingGap) {
                self.host.missed();
            }
            self.relay.remote_event(number, event, now);
        }
        if self.relay.has_lost_session() {
            self.host.session_lost();
            self.host_says(now);
        }
    }

    /// Hands on what the relay wants. `of`: whose request it is about.
    fn relay_says(&mut self, now: u64, of: Option<&Id>) {
        while let Some(effect) = self.relay.next_effect() {
            match effect {
                Effect::ToHost(line) => {
                    let far = far(&self.server, &self.relay, of);
                    self.host.relay_line(line, now, far);
                }
                other => {
                    if let Effect::Remember { record, .. } = &other {
                        self.host.server_is(record);
                    }
                    let has_sessions = match &other {
                        Effect::OpenStanding { .. } => self.host.listens_to_all(),
                        _ => !self.host.holds_session(),
                    };
                    self.server.effect(other, has_sessions, now);
                }
            }
        }
    }

    /// Hands on what the client's side wants. `true` if that is something of the relay.
    fn host_says(&mut self, now: u64) -> bool {
        let mut more = false;
        while let Some(step) = self.host.next_step() {
            match step {
                Step::ToRelay(line) => {
                    more = true;
                    self.relay.host_line(line, now);
                }
                Step::Open { line, asks } => {
                    more = true;
                    self.relay.open_unasked(line, asks, now);
                }
                Step::ToHost(line) => self.effects.push(Effect::ToHost(line)),
                Step::Note(note) => self.effects.push(Effect::Note(note)),
            }
        }
        more
    }
}

/// `server/discover`, asked by this program itself, and its head; `None` where `protocol` allows no
/// revision without sessions.
pub fn discover(protocol: Protocol) -> Option<(Bytes, Head)> {
    let version = match protocol {
        Protocol::Initialize(_) => return None,
        Protocol::Stateless(Some(version)) => version,
        Protocol::Stateless(None) | Protocol::Auto => revision::NEWEST_STATELESS.name,
    };
    let head = Head {
        version: version.to_owned(),
        method: "server/discover".to_owned(),
        ..Head::default()
    };
    let asked = r#"{"jsonrpc":"2.0","id":0,"method":"server/discover"}"#;
    let asked = jsonrpc::parse(asked.into()).ok()?;
    let introduction = Introduction::of_ourselves(version);
    let body = meta::introduced(&asked, &introduction, None, &[]);
    Some((body.text().clone(), head))
}

/// What the client's side knows of the server.
fn far<'a>(server: &'a ServerSide, relay: &'a Relay, of: Option<&'a Id>) -> Far<'a> {
    Far {
        relay,
        stateless: server.stateless(),
        discovered: server.discovered(),
        of,
    }
}

#[cfg(test)]
mod tests;
