//! The standing GET stream of a session: what the server says without being asked (MCP
//! 2025-11-25, Transports, Listening for Messages from the Server).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Wire;
use super::exchange::parse_event;
use crate::mcp::answer::{self, BodyKind};
use crate::mcp::relay::Event;
use crate::mcp::session::Session;
use crate::net::remote::{Answer, Carried, EventReader};
use crate::secret::Secret;

/// A stream that lived this long and then ended is opened again without suspicion.
const LIVED: Duration = Duration::from_secs(10);

/// Opens the stream, and opens it again for as long as the session lasts.
pub(super) async fn run(
    wire: Arc<Wire>,
    exchange: u64,
    session: Arc<Session>,
    events: mpsc::Sender<(u64, Event)>,
) {
    let mut standing = Standing {
        wire,
        exchange,
        session,
        events,
        last_event_id: None,
        retry: None,
        failures: 0,
        was_open: false,
        sign_ins: 0,
    };
    standing.run().await;
}

struct Standing {
    wire: Arc<Wire>,
    exchange: u64,
    session: Arc<Session>,
    events: mpsc::Sender<(u64, Event)>,
    last_event_id: Option<String>,
    retry: Option<Duration>,
    failures: u32,
    was_open: bool,
    sign_ins: u32,
}

/// What an attempt to open the stream came to.
enum Attempt {
    Open(Box<EventReader>),
    Again,
    Absent(String),
}

impl Standing {
    async fn run(&mut self) {
        loop {
            match self.attempt().await {
                Attempt::Open(reader) => {
                    self.opened().await;
                    if !self.read(reader).await {
                        return;
                    }
                }
                Attempt::Again => self.failures += 1,
                Attempt::Absent(why) => {
                    self.wire
                        .diag
                        .debug(format_args!("no standing stream: {why}"));
                    self.report(Event::StandingAbsent).await;
                    return;
                }
            }
            tokio::time::sleep(answer::reconnect_delay(self.retry, self.failures)).await;
        }
    }

    async fn report(&self, event: Event) -> bool {
        self.events.send((self.exchange, event)).await.is_ok()
    }

    async fn attempt(&mut self) -> Attempt {
        let token = match &self.wire.login {
            Some(login) => match login.bearer().await {
                Ok(token) => token,
                Err(_) => return Attempt::Again,
            },
            None => None,
        };
        let carried = Carried {
            token: token.as_ref(),
            session: Some(&self.session),
        };
        let answer = match self
            .wire
            .remote
            .listen(carried, self.last_event_id.as_deref())
            .await
        {
            Ok(answer) => answer,
            Err(broken) => {
                self.wire.diag.debug(format_args!(
                    "the standing stream was not opened: {}",
                    broken.cause
                ));
                return Attempt::Again;
            }
        };
        match answer.status {
            200 if answer.body_kind == BodyKind::EventStream => {
                Attempt::Open(Box::new(answer.events()))
            }
            401 => self.sign_in(&answer, token).await,
            408 | 425 | 429 | 500 | 502..=599 => Attempt::Again,
            // Some servers refuse a second stream until they notice that the first is gone.
            400 | 409 if self.was_open => {
                self.last_event_id = None;
                Attempt::Again
            }
            status => Attempt::Absent(format!("the server answered {status}")),
        }
    }

    async fn sign_in(&mut self, answer: &Answer, token: Option<Secret>) -> Attempt {
        let Some(login) = self.wire.login.clone() else {
            return Attempt::Absent(
                "the server does not accept the configured `Authorization` header".into(),
            );
        };
        self.sign_ins += 1;
        if self.sign_ins > 2 {
            return Attempt::Absent("the server does not accept the token for it".into());
        }
        let challenge = answer.challenge().challenge.unwrap_or_default();
        match login.challenged(token, challenge).await {
            Ok(_) => Attempt::Again,
            Err(error) => Attempt::Absent(error.to_string()),
        }
    }

    async fn opened(&mut self) {
        // Without a cursor, whatever was said since the last stream ended is lost.
        let event = match self.was_open && self.last_event_id.is_none() {
            true => Event::StandingGap,
            false => Event::StandingOpen,
        };
        self.was_open = true;
        self.sign_ins = 0;
        self.report(event).await;
    }

    /// Reads the stream to its end. `false` if nobody listens any more.
    async fn read(&mut self, mut reader: Box<EventReader>) -> bool {
        let opened = Instant::now();
        let mut empty = true;
        while let Ok(Some(event)) = reader.next().await {
            empty = false;
            self.failures = 0;
            if &*event.name != "message" {
                continue;
            }
            for message in parse_event(event.data, |reason| self.wire.diag.debug(reason)) {
                if !self.report(Event::Message(message)).await {
                    return false;
                }
            }
        }
        self.last_event_id = reader
            .last_event_id()
            .map(str::to_owned)
            .or(self.last_event_id.take());
        self.retry = reader.retry().or(self.retry);
        // A server that closes at once would otherwise be asked without end.
        self.failures = match empty && self.retry.is_none() && opened.elapsed() < LIVED {
            true => self.failures + 1,
            false => 0,
        };
        true
    }
}
