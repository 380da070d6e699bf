//! Joins stdio and the remote server: performs what `mcp::relay` decides.
//!
//! One task owns the relay. Every message to the server and every stream is a task of its own
//! that reports through one bounded channel, so a slow call blocks nothing, and a client that
//! does not read stops the reading of the server.

mod alive;
mod exchange;
mod memory;
mod signals;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
pub use memory::Memory;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::diag::Diag;
use crate::login::Login;
use crate::mcp::relay::{Effect, Event, Note, Outgoing, Relay};
use crate::mcp::session::Session;
use crate::net::pulse::Disturbance;
use crate::net::remote::{Carried, Remote};
use crate::oauth::invitation::Standing;
use crate::secret::Secret;
use crate::stdio::{Input, Output};

/// Events that wait for the relay before the streams they come from have to.
const EVENTS: usize = 64;
/// How long answers to what was already asked are awaited after the AI client closed stdin.
const LAST_ANSWERS: Duration = Duration::from_millis(1200);
/// How long the server is told that the session is over.
const FAREWELL: Duration = Duration::from_millis(700);
/// How long a client that does not read may hold up the end.
const LAST_WRITE: Duration = Duration::from_millis(100);

/// The way to the remote server: what every exchange needs.
pub struct Wire {
    /// The endpoint.
    pub remote: Remote,
    /// Who gets tokens; `None` if the user configured an `Authorization` header.
    pub login: Option<Login>,
    /// What is known of the server from earlier; `None` if nothing is kept.
    pub memory: Option<Memory>,
    /// The server's name, for messages.
    pub server: String,
    /// Where remarks go.
    pub diag: Diag,
    /// How long nothing may be sent to the server before a ping is; `None` for no pings.
    pub keep_alive: Option<Duration>,
}

/// Why the bridge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The AI client closed stdin or stdout.
    ClientGone,
    /// The system asked us to end.
    Signal,
}

/// Runs until the AI client goes away or the process is told to end.
pub async fn run(wire: Wire, lines: mpsc::Receiver<Input>, output: Output) -> Ending {
    let (events, incoming) = mpsc::channel(EVENTS);
    let record = wire.memory.as_ref().and_then(Memory::recall);
    let bridge = Bridge {
        relay: Relay::new(wire.server.clone())
            .remembering(record)
            .keeping_alive(wire.keep_alive),
        standing: wire.login.as_ref().map(Login::standing),
        wire: Arc::new(wire),
        start: Instant::now(),
        events,
        tasks: JoinSet::new(),
        handles: HashMap::new(),
        output,
    };
    bridge.run(lines, incoming).await
}

struct Bridge {
    relay: Relay,
    /// How the sign-in stands.
    standing: Option<watch::Receiver<Standing>>,
    wire: Arc<Wire>,
    start: Instant,
    events: mpsc::Sender<(u64, Event)>,
    tasks: JoinSet<u64>,
    handles: HashMap<u64, AbortHandle>,
    output: Output,
}

impl Bridge {
    async fn run(
        mut self,
        mut lines: mpsc::Receiver<Input>,
        mut incoming: mpsc::Receiver<(u64, Event)>,
    ) -> Ending {
        let mut signals = signals::Signals::new();
        let mut pulse = alive::Pulse::new(self.wire.clone());
        let ending = loop {
            let deadline = self.deadline();
            tokio::select! {
                () = signals.received() => break Ending::Signal,
                () = self.output.closed() => break Ending::ClientGone,
                Some((exchange, event)) = incoming.recv() => {
                    self.notice_standing();
                    self.relay.remote_event(exchange, event, self.now());
                }
                Some(done) = self.tasks.join_next() => self.task_ended(done),
                line = lines.recv() => match line {
                    Some(input) => {
                        self.notice_standing();
                        self.take_input(input);
                    }
                    None => break Ending::ClientGone,
                },
                () = pulse.disturbed() => self.relay.connections_renewed(self.now()),
                standing = changed(&mut self.standing) => self.relay.sign_in_stands(standing, self.now()),
                () = sleep_until(deadline), if deadline.is_some() => self.relay.on_time(self.now()),
            }
            // A client that does not read may hold this up for as long as it likes.
            tokio::select! {
                () = signals.received() => break Ending::Signal,
                () = self.perform() => {}
            }
        };
        tokio::select! {
            () = signals.received() => {}
            () = self.shut_down(ending, incoming) => {}
        }
        self.output.finish(LAST_WRITE);
        ending
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn deadline(&self) -> Option<Instant> {
        self.relay
            .deadline()
            .map(|millis| self.start + Duration::from_millis(millis))
    }

    /// What came of a sign-in shows in how it stands first, so that nobody is told to open an address
    /// that is void.
    fn notice_standing(&mut self) {
        let standing = match &mut self.standing {
            Some(watched) if watched.has_changed().unwrap_or(false) => {
                watched.borrow_and_update().clone()
            }
            _ => return,
        };
        self.relay.sign_in_stands(standing, self.now());
    }

    fn take_input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Line(line) => self.relay.host_line(line, now),
            Input::TooLong => self.relay.line_too_long(),
            // A line without an end counts if it is whole; cut off, it is no message to answer.
            Input::Unfinished(line) if crate::mcp::jsonrpc::parse_any(line.clone()).is_ok() => {
                self.relay.host_line(line, now);
            }
            Input::Unfinished(_) => self.wire.diag.debug("dropped an unfinished last line"),
        }
    }

    fn task_ended(&mut self, done: Result<u64, tokio::task::JoinError>) {
        match done {
            Ok(exchange) => {
                self.handles.remove(&exchange);
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => self
                .wire
                .diag
                .error(format_args!("a task ended unexpectedly: {error}"), None),
        }
    }

    async fn perform(&mut self) {
        for effect in self.relay.take_effects() {
            match effect {
                Effect::ToHost(line) => self.write(line).await,
                Effect::Send(outgoing) => self.send(outgoing),
                Effect::Abort(exchange) => {
                    if let Some(handle) = self.handles.remove(&exchange) {
                        handle.abort();
                    }
                }
                Effect::OpenStanding { exchange, session } => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(exchange, standing::run(wire, exchange, session, events));
                }
                Effect::EndSession(session) => {
                    let (wire, exchange) = (self.wire.clone(), 0);
                    self.spawn(exchange, async move { end_session(&wire, &session).await });
                }
                Effect::Remember(record) => {
                    if let Some(memory) = &self.wire.memory {
                        memory.keep(*record, self.wire.diag.clone());
                    }
                }
                Effect::AwaitTokens(watch) => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(watch, await_tokens(wire, watch, events));
                }
                Effect::Bring { call, text } => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(call, bring(wire, call, text, events));
                }
                Effect::RenewConnections => self
                    .wire
                    .remote
                    .connections()
                    .renew(Disturbance::Unanswered),
                Effect::Note(Note::Notable(text)) => self.wire.diag.note(text),
                Effect::Note(Note::Detail(text)) => self.wire.diag.debug(text),
            }
        }
    }

    async fn write(&mut self, line: Bytes) {
        // A closed stdout ends the loop by itself.
        let _ = self.output.write(line).await;
    }

    fn send(&mut self, outgoing: Outgoing) {
        let exchange = outgoing.exchange;
        let (wire, events) = (self.wire.clone(), self.events.clone());
        self.spawn(exchange, exchange::run(wire, outgoing, events));
    }

    fn spawn(&mut self, exchange: u64, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(async move {
            task.await;
            exchange
        });
        if exchange != 0 {
            self.handles.insert(exchange, handle);
        }
    }

    /// Answers what can still be answered, then takes leave of the server; bounded in time.
    async fn shut_down(&mut self, ending: Ending, mut incoming: mpsc::Receiver<(u64, Event)>) {
        if ending == Ending::ClientGone {
            let answers = async {
                self.relay.host_ended(self.now());
                self.perform().await;
                while self.relay.is_busy() {
                    let Some((exchange, event)) = incoming.recv().await else {
                        break;
                    };
                    self.notice_standing();
                    self.relay.remote_event(exchange, event, self.now());
                    self.perform().await;
                }
            };
            let _ = tokio::time::timeout(LAST_ANSWERS, answers).await;
        }
        self.relay.close();
        let effects = self.relay.take_effects();
        let mut session = None;
        let mut client_reads = true;
        let mut farewells = JoinSet::new();
        for effect in effects {
            match effect {
                Effect::Send(outgoing) => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    farewells.spawn(exchange::run(wire, outgoing, events));
                }
                Effect::Abort(exchange) => {
                    if let Some(handle) = self.handles.remove(&exchange) {
                        handle.abort();
                    }
                }
                Effect::EndSession(ended) => session = Some(ended),
                // One line that does not get through is enough to know that none will.
                Effect::ToHost(line) if client_reads => {
                    let written = tokio::time::timeout(LAST_WRITE, self.output.write(line)).await;
                    client_reads = written.is_ok();
                }
                Effect::ToHost(_) => {}
                Effect::OpenStanding { .. }
                | Effect::Remember(_)
                | Effect::AwaitTokens(_)
                | Effect::Bring { .. }
                | Effect::RenewConnections
                | Effect::Note(_) => {}
            }
        }
        let farewell = async {
            // Events of these go nowhere any more; keep the channel flowing all the same.
            let cancelled = async { while farewells.join_next().await.is_some() {} };
            tokio::select! {
                () = cancelled => {}
                () = async { while incoming.recv().await.is_some() {} } => {}
            }
            if let Some(session) = session {
                end_session(&self.wire, &session).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

async fn end_session(wire: &Wire, session: &Session) {
    if session.id.is_none() {
        return;
    }
    let token = match &wire.login {
        Some(login) => login.bearer().await.ok().flatten(),
        None => None,
    };
    let carried = Carried {
        token: token.as_ref(),
        session: Some(session),
    };
    if let Err(broken) = wire.remote.end_session(carried).await {
        wire.diag.debug(format_args!(
            "the session was not ended at the server: {}",
            broken.cause
        ));
    }
}

/// Looks out for tokens that another process obtains.
async fn await_tokens(wire: Arc<Wire>, watch: u64, events: mpsc::Sender<(u64, Event)>) {
    if let Some(login) = &wire.login {
        login.changed_elsewhere().await;
        // The bridge has ended when nobody listens.
        let _ = events.send((watch, Event::TokensChanged)).await;
    }
}

/// Finishes the sign-in with what the user pasted.
async fn bring(wire: Arc<Wire>, call: u64, text: Secret, events: mpsc::Sender<(u64, Event)>) {
    let Some(login) = &wire.login else {
        return;
    };
    let brought = login.bring(text.expose()).await;
    let outcome = brought.map_err(|error| format!("{error}; {}", error.hint()));
    // The bridge has ended when nobody listens.
    let _ = events.send((call, Event::Brought(outcome))).await;
}

/// Waits for the sign-in to stand otherwise.
async fn changed(standing: &mut Option<watch::Receiver<Standing>>) -> Standing {
    if let Some(watched) = standing
        && watched.changed().await.is_ok()
    {
        return watched.borrow_and_update().clone();
    }
    std::future::pending().await
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
