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
mod parent;
mod perform;
mod signals;
mod standing;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use memory::{Memory, Writing};
use parent::Parent;
pub use signals::Signal;
use signals::Signals;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::access::Access;
use crate::diag::Diag;
use crate::heap::Heap;
use crate::login::{self, Login};
use crate::mcp::era::{self, Crossing, Protocol};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::record::ServerRecord;
use crate::mcp::relay::{Event, Relay};
use crate::mcp::transport::{Preference, Transport};
use crate::mcp::visible::Visible;
use crate::net::remote::Remote;
use crate::oauth::invitation::Standing;
use crate::seldom::Seldom;
use crate::stdio::{Input, Lines, Output, OutputClosed, input_has_ended};

/// Events that wait for the relay before the streams they come from have to.
const EVENTS: usize = 64;
/// Events that are taken one after the other before it is looked what else has happened.
const BURST: usize = 16;
/// Bytes of answers that wait for the AI client to read before no more of its messages are taken.
const ANSWERS: usize = 1024 * 1024;
/// How often it is looked whether a client that does not read has closed stdin.
const INPUT_LOOKS: Duration = Duration::from_millis(200);

/// The way to the remote server: what every exchange needs.
pub struct Wire {
    /// The endpoint.
    pub remote: Remote,
    /// How requests are authorized.
    pub access: Access,
    /// What is known of the server from earlier; `None` if nothing is kept.
    pub memory: Option<Memory>,
    /// Who else wants to know what the server says of itself, and over which transport.
    pub observer: Option<mpsc::UnboundedSender<(ServerRecord, Transport)>>,
    /// Which transports may be used.
    pub transport: Preference,
    /// Which revisions may be spoken to the server.
    pub protocol: Protocol,
    /// Extensions that this program brings itself, by their ids.
    pub extensions: Vec<&'static str>,
    /// Which of the server's tools the AI client sees and may call.
    pub visible: Visible,
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
#[derive(Debug)]
pub enum Ending {
    /// The AI client closed stdin or stdout.
    ClientGone,
    /// The process that started us has died.
    ParentGone,
    /// The system asked us to end.
    Signal(Signal),
    /// The AI client closed stdin, and did not read all that there was for it.
    Unread,
    /// Stdout cannot be written.
    OutputFailed(io::Error),
}

impl From<OutputClosed> for Ending {
    fn from(closed: OutputClosed) -> Self {
        match closed {
            OutputClosed::ByReader => Self::ClientGone,
            OutputClosed::Failed(error) => Self::OutputFailed(error),
        }
    }
}

/// Runs until the AI client goes away or the process is told to end. `tokens` is the task behind
/// the wire's `access`, if there is one.
pub async fn run(wire: Wire, tokens: Option<login::Task>, lines: Lines, output: Output) -> Ending {
    let mut parent = Seldom::new(Parent::watch(), |parent| {
        Box::pin(async move {
            parent.gone().await;
            (parent, ())
        })
    });
    let mut signals = Seldom::new(Signals::new(), |mut signals| {
        Box::pin(async move {
            let signal = signals.received().await;
            (signals, signal)
        })
    });
    let (events, incoming) = mpsc::channel(EVENTS);
    let record = wire.memory.as_ref().and_then(Memory::recall);
    let known = wire.known_transport(record.as_ref());
    let known_era = record.as_ref().and_then(|record| record.era.clone());
    let known_era = known_era.filter(|known: &era::Verdict| known.holds(now()));
    let said = record.clone();
    let relay = Relay::new(wire.server.clone())
        .over(wire.transport, known)
        .remembering(record)
        .without_person(!wire.access.asks())
        .showing(wire.visible.clone())
        .keeping_alive(wire.keep_alive);
    let mut bridge = Bridge {
        relay: Crossing::new(
            relay,
            &wire.server,
            wire.protocol,
            known_era.as_ref(),
            rand::random(),
        )
        .remembering(said)
        .declaring(wire.extensions.clone()),
        standing: wire.access.login().map(Login::standing),
        wire: Arc::new(wire),
        start: Instant::now(),
        events,
        incoming,
        tasks: JoinSet::new(),
        handles: HashMap::new(),
        output,
        heap: Heap::tidy(),
        answers_until: None,
    };
    let ending = bridge.run(lines, &mut parent, &mut signals).await;
    // A script reads when it has the time.
    let is_patient = matches!(ending, Ending::ClientGone) && bridge.relay.awaits_all();
    let hurry = Notify::new();
    let leaving = leave::leave(bridge, tokens, is_patient.then_some(&hurry));
    tokio::pin!(leaving);
    let mut cause = None;
    loop {
        tokio::select! {
            signal = signals.next() => match (is_patient, &cause) {
                (true, None) => cause = Some(Ending::Signal(signal)),
                // Whoever says it twice does not want to wait.
                _ => return cause.unwrap_or(ending),
            },
            () = parent.next(), if is_patient && cause.is_none() => cause = Some(Ending::ParentGone),
            written = &mut leaving => return match (cause, ending, written) {
                (Some(cause), ..) => cause,
                (None, Ending::ClientGone, Err(instead)) => instead,
                (None, ending, _) => ending,
            },
        }
        hurry.notify_one();
    }
}

struct Bridge {
    relay: Crossing,
    /// How the sign-in stands.
    standing: Option<watch::Receiver<Standing>>,
    wire: Arc<Wire>,
    start: Instant,
    events: mpsc::Sender<(u64, Event)>,
    incoming: mpsc::Receiver<(u64, Event)>,
    tasks: JoinSet<u64>,
    handles: HashMap<u64, Running>,
    output: Output,
    heap: Heap,
    /// Until when last answers are awaited, once the AI client has closed stdin.
    answers_until: Option<Instant>,
}

/// A task that does something of an exchange.
struct Running {
    handle: AbortHandle,
    /// It brings the server something that the AI client has said and awaits no answer to.
    delivers: bool,
}

impl Bridge {
    /// Feeds the relay with all that happens. An arm for each kind of thing.
    async fn run(
        &mut self,
        mut lines: Lines,
        parent: &mut Seldom<Parent, ()>,
        signals: &mut Seldom<Signals, Signal>,
    ) -> Ending {
        let mut pulse = alive::Pulse::new(self.wire.clone());
        let mut input = true;
        loop {
            let deadline = self.deadline();
            // A client that does not read stops the reading of the server at once. It is listened
            // to for longer, as it may cancel something or leave.
            self.output.flush();
            let behind = self.output.behind();
            let listens = behind < ANSWERS;
            let is_used = !self.tasks.is_empty();
            tokio::select! {
                signal = signals.next() => return Ending::Signal(signal),
                () = parent.next() => return Ending::ParentGone,
                written = self.output.attend() => if let Err(closed) = written {
                    return closed.into();
                },
                Some(event) = self.incoming.recv(), if behind == 0 => self.take_events(event),
                Some(done) = self.tasks.join_next() => self.task_ended(done),
                line = lines.recv(), if input && listens => match line {
                    Some(line) => {
                        // What it says is not to go out on a connection that is known to be dead.
                        if pulse.is_disturbed(is_used).await {
                            self.relay.connections_renewed(self.now());
                        }
                        self.notice_standing();
                        self.take_input(line);
                    }
                    None => {
                        input = false;
                        self.input_ended();
                    }
                },
                () = tokio::time::sleep(INPUT_LOOKS), if input && !listens => {
                    if input_has_ended() {
                        self.hurry();
                    }
                }
                () = pulse.disturbed(is_used) => self.relay.connections_renewed(self.now()),
                standing = changed(&mut self.standing) => self.relay.sign_in_stands(standing, self.now()),
                () = sleep_until(deadline), if deadline.is_some() => self.relay.on_time(self.now()),
                () = sleep_until(self.answers_until), if self.answers_until.is_some() => {
                    return Ending::ClientGone;
                }
            }
            self.perform();
            if !input && !self.relay.is_busy() {
                if !self.is_delivering() {
                    return Ending::ClientGone;
                }
                self.limit_delivery();
            }
        }
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

    /// Takes what the server has said, and what it has said besides, unless that is more than the
    /// AI client reads.
    fn take_events(&mut self, first: (u64, Event)) {
        let (mut next, mut left) = (Some(first), BURST);
        while let Some((exchange, event)) = next.take() {
            self.notice_standing();
            if matches!(event, Event::Accepted) {
                self.delivered(exchange);
            }
            self.relay.remote_event(exchange, event, self.now());
            self.perform();
            left -= 1;
            if left > 0 && self.output.behind() == 0 {
                next = self.incoming.try_recv().ok();
            }
        }
    }

    fn take_input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Line(line) => {
                self.heap.passes(line.len());
                self.relay.host_line(line, now);
            }
            Input::TooLong => self.relay.line_too_long(now),
            // A line without an end counts if it is whole; cut off, it is no message to answer.
            Input::Unfinished(line) if crate::mcp::jsonrpc::parse_any(line.clone()).is_ok() => {
                self.relay.host_line(line, now);
            }
            Input::Unfinished(_) => self.wire.diag.debug("dropped an unfinished last line"),
            Input::Unreadable(why) => {
                let what = format_args!("stdin cannot be read: {why}");
                let hint = "look where stdin comes from; it counts as ended";
                self.wire.diag.error(what, Some(hint));
            }
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
                let died = |(_, running): &(&u64, &Running)| running.handle.id() == error.id();
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
