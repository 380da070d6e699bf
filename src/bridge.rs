//! Joins stdio and the remote server: performs what `mcp::relay` decides.
//!
//! Where things go: this file has the loop that feeds the relay; what the relay wants done is an arm
//! of `perform`, and the tasks that do it have files of their own (`exchange`, `standing`); how it
//! ends is in `leave`.
//!
//! One task owns the relay. Every message to the server and every stream is a task of its own
//! that reports through one bounded channel, so a slow call blocks nothing, and a client that
//! does not read stops the reading of the server.

mod alive;
mod exchange;
mod leave;
mod memory;
mod perform;
mod signals;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use memory::Memory;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::diag::Diag;
use crate::login::Login;
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::{Event, Relay};
use crate::mcp::transport::{Preference, Transport};
use crate::net::remote::Remote;
use crate::oauth::invitation::Standing;
use crate::stdio::{Input, Output};

/// Events that wait for the relay before the streams they come from have to.
const EVENTS: usize = 64;
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
    /// Which transports may be used.
    pub transport: Preference,
    /// The server's name, for messages.
    pub server: String,
    /// Where remarks go.
    pub diag: Diag,
    /// How long nothing may be sent to the server before a ping is; `None` for no pings.
    pub keep_alive: Option<Duration>,
}

impl Wire {
    /// The transport that the server was found to speak, if that still holds.
    fn known_transport(&self, record: Option<&ServerRecord>) -> Option<Transport> {
        let verdict = record?.verdict?;
        verdict
            .holds(self.transport, now())
            .then_some(verdict.transport)
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
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
    let known = wire.known_transport(record.as_ref());
    let bridge = Bridge {
        relay: Relay::new(wire.server.clone())
            .over(wire.transport, known)
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
            Err(error) => {
                let what = format_args!("a task ended unexpectedly: {error}");
                self.wire.diag.error(what, None);
                let died = |(_, handle): &(&u64, &AbortHandle)| handle.id() == error.id();
                let exchange = self.handles.iter().find(died).map(|(number, _)| *number);
                if let Some(exchange) = exchange {
                    self.handles.remove(&exchange);
                    let detail = "this program failed at the request, which may have been carried out; please report it";
                    let failure = Failure::new(Stage::Protocol, false, detail);
                    let now = self.now();
                    self.relay
                        .remote_event(exchange, Event::Failed(failure), now);
                }
            }
        }
    }
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
