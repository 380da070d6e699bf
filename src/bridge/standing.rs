//! The standing GET stream of a session: what the server says without being asked (MCP
//! 2025-11-25, Transports, Listening for Messages from the Server). What its answers mean is decided
//! in `mcp::listening`, when it is asked for again in `mcp::reconnect`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::Wire;
use super::alive::Renewals;
use super::exchange::parse_event;
use crate::mcp::jsonrpc;
use crate::mcp::listening::{self, Again, Head};
use crate::mcp::reconnect::{Brought, LONGEST, Reconnect};
use crate::mcp::relay::Event;
use crate::mcp::replay::Replay;
use crate::mcp::session::Session;
use crate::net::remote::{Answer, Carried, EventReader};
use crate::oauth::credential::Credential;

/// Opens the stream, and opens it again for as long as the session lasts.
pub(super) async fn run(
    wire: Arc<Wire>,
    exchange: u64,
    session: Arc<Session>,
    events: mpsc::Sender<(u64, Event)>,
) {
    let renewals = Renewals::of(wire.remote.connections());
    let mut standing = Standing {
        wire,
        exchange,
        session,
        events,
        renewals,
        cursor: None,
        reconnect: Reconnect::default(),
        replay: Replay::default(),
        was_open: false,
        doubted: false,
        sign_ins: 0,
    };
    standing.run().await;
}

struct Standing {
    wire: Arc<Wire>,
    exchange: u64,
    session: Arc<Session>,
    events: mpsc::Sender<(u64, Event)>,
    renewals: Renewals,
    /// The id of the last event: where to resume.
    cursor: Option<String>,
    reconnect: Reconnect,
    replay: Replay,
    was_open: bool,
    /// The relay was told that the session may be gone.
    doubted: bool,
    sign_ins: u32,
}

/// What an attempt to open the stream came to.
enum Attempt {
    Open(Box<EventReader>),
    /// To be made again at once.
    AtOnce,
    /// To be made again after a while.
    Later,
    /// To be made again when somebody has signed in.
    SignedIn,
    Absent(String),
}

impl Standing {
    async fn run(&mut self) {
        loop {
            match self.attempt().await {
                Attempt::Open(reader) => {
                    self.opened().await;
                    match self.read(reader).await {
                        Some(After::Renewal) => {}
                        Some(After::End) => self.wait().await,
                        None => return,
                    }
                }
                Attempt::AtOnce => {}
                Attempt::Later => self.wait().await,
                Attempt::SignedIn => self.wait_for_sign_in().await,
                Attempt::Absent(why) => {
                    self.wire
                        .diag
                        .debug(format_args!("no standing stream: {why}"));
                    self.report(Event::StandingAbsent).await;
                    return;
                }
            }
        }
    }

    async fn report(&self, event: Event) -> bool {
        self.events.send((self.exchange, event)).await.is_ok()
    }

    /// Waits before the next attempt. New connections are tried at once, unless the server said how
    /// long to wait.
    async fn wait(&mut self) {
        let delay = self.reconnect.delay(rand::random());
        let patient = self.reconnect.is_asked_to_wait();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = self.renewals.next(), if !patient => self.reconnect.renewed(),
        }
    }

    /// Nobody is asked to sign in for this stream again and again; whoever does so for something
    /// else has it opened, too.
    async fn wait_for_sign_in(&mut self) {
        let Some(login) = self.wire.access.login() else {
            return std::future::pending().await;
        };
        let mut standing = login.standing();
        standing.mark_unchanged();
        if standing.changed().await.is_err() {
            std::future::pending().await
        }
    }

    async fn attempt(&mut self) -> Attempt {
        let Ok(credential) = self.wire.access.credential().await else {
            return self.later(None);
        };
        let carried = Carried {
            credential: credential.as_ref(),
            session: Some(&self.session),
            head: None,
        };
        let answer = tokio::select! {
            answer = self.wire.remote.stand(carried, self.cursor.as_deref()) => answer,
            _ = self.renewals.next() => return Attempt::AtOnce,
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(broken) => {
                self.wire.diag.debug(format_args!(
                    "the standing stream was not opened: {}",
                    broken.cause
                ));
                return self.later(None);
            }
        };
        let retry_after = answer.retry_after(SystemTime::now());
        match self.judge(&mut answer).await {
            listening::Standing::Open => Attempt::Open(Box::new(answer.events())),
            listening::Standing::SignIn => self.sign_in(&answer, credential).await,
            listening::Standing::Absent => {
                Attempt::Absent(format!("the server answered {}", answer.status))
            }
            listening::Standing::Again(again) => {
                self.wire.diag.debug(format_args!(
                    "the standing stream was refused with {}",
                    answer.status
                ));
                self.refused(again).await;
                self.later(retry_after)
            }
        }
    }

    async fn judge(&self, answer: &mut Answer) -> listening::Standing {
        let body = match answer.is_success() {
            true => Vec::new(),
            false => answer.error_body().await,
        };
        let error = jsonrpc::parse(body.into()).ok();
        let head = Head {
            status: answer.status,
            body_kind: answer.body_kind,
            error: error.as_ref(),
            with_session: self.session.id.is_some(),
        };
        listening::judge_standing(head, self.was_open, self.cursor.is_some())
    }

    fn later(&mut self, retry_after: Option<Duration>) -> Attempt {
        self.reconnect.failed(retry_after);
        Attempt::Later
    }

    async fn refused(&mut self, again: Again) {
        if again.afresh {
            self.cursor = None;
            self.replay.restarted();
        }
        if again.doubts_session && !self.doubted {
            self.doubted = true;
            self.report(Event::SessionDoubted).await;
        }
    }

    async fn sign_in(&mut self, answer: &Answer, rejected: Option<Credential>) -> Attempt {
        let access = self.wire.access.clone();
        if self.sign_ins >= access.renewals() {
            return match access.login() {
                Some(_) => Attempt::SignedIn,
                None => Attempt::Absent(access.refused().to_string()),
            };
        }
        let challenge = answer.challenge().challenge.unwrap_or_default();
        // Another token would be refused for the same.
        if challenge.refuses_proof && rejected.as_ref().is_some_and(Credential::is_bound) {
            return self.later(None);
        }
        match access.challenged(rejected, challenge).await {
            Ok(_) => {
                self.sign_ins += 1;
                Attempt::AtOnce
            }
            Err(error) if error.is_final() => Attempt::Absent(error.to_string()),
            Err(error) if error.is_unreachable() => self.later(None),
            Err(error) => {
                self.wire
                    .diag
                    .debug(format_args!("no standing stream: {error}"));
                self.sign_ins = access.renewals();
                Attempt::SignedIn
            }
        }
    }

    async fn opened(&mut self) {
        // Without a cursor, whatever was said since the last stream ended is lost.
        let event = match self.was_open && self.cursor.is_none() {
            true => Event::StandingGap,
            false => Event::StandingOpen,
        };
        self.was_open = true;
        self.doubted = false;
        self.sign_ins = 0;
        self.report(event).await;
    }

    /// Reads the stream until it ends, or its connection may be dead. `None` if nobody listens any
    /// more.
    async fn read(&mut self, mut reader: Box<EventReader>) -> Option<After> {
        let opened = Instant::now();
        let mut brought = Brought::Nothing;
        let after = loop {
            let event = tokio::select! {
                // While something comes, its connection lives.
                biased;
                event = reader.next() => event,
                _ = self.renewals.next() => break After::Renewal,
            };
            let Ok(Some(event)) = event else {
                break After::End;
            };
            brought = Brought::Messages;
            if &*event.name != "message" || self.replay.is_repeated(event.id.as_deref()) {
                continue;
            }
            for part in parse_event(event.data, |reason| self.wire.diag.debug(reason)) {
                if !self.report(part.into()).await {
                    return None;
                }
            }
        };
        if reader.last_event_id().is_some() || reader.retry().is_some() {
            brought = brought.max(Brought::Marks);
        }
        self.note_marks(&reader);
        match after {
            After::End => self.reconnect.ended(brought, opened.elapsed()),
            After::Renewal => self.reconnect.renewed(),
        }
        Some(after)
    }

    fn note_marks(&mut self, reader: &EventReader) {
        if let Some(id) = reader.last_event_id() {
            self.cursor = Some(id.to_owned());
        }
        match self.cursor.is_some() {
            true => self.replay.resumed(),
            false => self.replay.restarted(),
        }
        if let Some(asked) = self.reconnect.asked(reader.retry()) {
            warn_of_delay(&self.wire, asked);
        }
    }
}

/// Why a stream is no longer read.
enum After {
    /// It ended.
    End,
    /// Its connection may be dead.
    Renewal,
}

/// Tells a person that the server wants to be left alone for very long.
pub(super) fn warn_of_delay(wire: &Wire, asked: Duration) {
    wire.diag.warn(format_args!(
        "`{}` asks to be left alone for {} s; it is asked again after {} s",
        wire.server,
        asked.as_secs(),
        LONGEST.as_secs()
    ));
}
