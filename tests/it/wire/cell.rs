//! One cell of the table: a server, a wire and a bridge of its own, one fault, one outcome.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use playground::{Answers, End, Playground, Request, Settings, Trouble, Wire};
use serde_json::{Value, json};

use super::{Row, seconds};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, is_get};

/// `--connect-timeout`.
pub const CONNECT: Duration = Duration::from_secs(1);
/// What a busy machine may add to a wait before it counts as one without an end.
const SLACK: Duration = Duration::from_secs(30);
/// The serial number of the call that meets the fault.
const SERIAL: u64 = 1;

/// The form of the server's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Resumable,
    Plain,
}

/// What the host asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A tool with effects.
    Book,
    /// A tool that the server says has none.
    Look,
    /// The tools.
    List,
}

/// What happens to the wire.
pub type Act = Box<dyn Fn(&mut World) + Send>;

/// One cell.
pub struct Cell {
    pub name: String,
    pub form: Form,
    pub asked: Asked,
    /// Log messages that the server sends before the answer.
    pub say: u64,
    /// Size of an argument, to make the request long.
    pub padding: usize,
    /// What is prepared before the call.
    pub before: Act,
    /// What happens once the call has been sent.
    pub meanwhile: Act,
    /// What happens once the answer is there.
    pub after: Act,
    /// Troubles that must strike.
    pub strikes: usize,
    /// One of these must come about.
    pub expected: Vec<Saw>,
    /// How long the product's own time limits allow the call to take.
    pub longest: Duration,
}

/// What a cell has at hand.
pub struct World {
    // The bridge goes first, so that it does not complain about a server that is gone.
    pub bridge: Bridge,
    pub wire: Wire,
    pub playground: Playground,
    _machine: Machine,
}

/// What came of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// `stage` and `retryable` of the error.
    Failed(&'static str, bool),
    /// An error without these parts, or none at all.
    Other,
}

/// The outcome, and what the server knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saw {
    pub outcome: Outcome,
    /// How often the server received the request, whole.
    pub received: usize,
    /// How often it was asked to resume a stream.
    pub resumed: usize,
    /// How often it carried the call out.
    pub executed: u32,
}

impl Saw {
    /// Answered, sent once.
    pub const ANSWERED: Self = Self {
        outcome: Outcome::Answered,
        received: 1,
        resumed: 0,
        executed: 1,
    };
    /// The answer came after the stream was resumed.
    pub const RESUMED: Self = Self {
        resumed: 1,
        ..Self::ANSWERED
    };
    /// Nothing was received, and the host is told that.
    pub const UNREACHABLE: Self = Self {
        outcome: Outcome::Failed("connect", true),
        received: 0,
        resumed: 0,
        executed: 0,
    };

    /// Answered after it was sent again; the server received it so often.
    pub fn again(received: u32) -> Self {
        Self {
            received: received as usize,
            executed: received,
            ..Self::ANSWERED
        }
    }

    /// The host is told that the call may have been carried out; the server received it so often.
    pub fn unknown(received: u32) -> Self {
        Self {
            outcome: Outcome::Failed("http", false),
            received: received as usize,
            resumed: 0,
            executed: received,
        }
    }

    /// The same with another number of executions: lists are not counted.
    fn of(self, asked: Asked) -> Self {
        match asked {
            Asked::List => Self {
                executed: 0,
                ..self
            },
            _ => self,
        }
    }
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Answered if self.resumed > 0 => f.write_str("resumed")?,
            Outcome::Answered => f.write_str("answered")?,
            Outcome::Failed(stage, true) => write!(f, "error: {stage}, may be tried again")?,
            Outcome::Failed(stage, false) => write!(f, "error: {stage}, not to be tried again")?,
            Outcome::Other => f.write_str("another answer")?,
        }
        write!(f, "; received {}×", self.received)?;
        match self.executed {
            0 => Ok(()),
            times => write!(f, ", executed {times}×"),
        }
    }
}

/// What came of a row.
pub struct Report {
    pub name: String,
    /// What came, or why nothing did.
    pub came: String,
    /// What was expected, if it was something else.
    pub wrong: Option<String>,
    pub took: Duration,
    pub story: String,
}

impl Report {
    pub fn line(&self) -> String {
        let (name, came, took) = (&self.name, &self.came, self.took.as_secs_f32());
        let wrong = match &self.wrong {
            Some(expected) => format!("   WRONG, expected {expected}"),
            None => String::new(),
        };
        format!("{name:<76} {came} ({took:.1} s){wrong}")
    }
}

/// Does something in a world; a panic in there is an error, so that other rows go on.
pub fn guarded<T>(
    world: &mut World,
    act: impl FnOnce(&mut World) -> Result<T, String>,
) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(|| act(world))).unwrap_or_else(|panic| {
        let text = panic.downcast::<String>();
        let text = text.map_or_else(|_| "it panicked".to_owned(), |text| *text);
        Err(text.lines().next().unwrap_or_default().to_owned())
    })
}

impl Cell {
    pub fn new(name: impl Into<String>, form: Form, asked: Asked) -> Self {
        Self {
            name: name.into(),
            form,
            asked,
            say: 0,
            padding: 0,
            before: Box::new(|_| {}),
            meanwhile: Box::new(|_| {}),
            after: Box::new(|_| {}),
            strikes: 0,
            expected: Vec::new(),
            longest: Duration::ZERO,
        }
    }

    pub fn saying(mut self, messages: u64) -> Self {
        self.say = messages;
        self
    }

    pub fn padded(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    pub fn before(mut self, act: impl Fn(&mut World) + Send + 'static) -> Self {
        self.before = Box::new(act);
        self
    }

    pub fn meanwhile(mut self, act: impl Fn(&mut World) + Send + 'static) -> Self {
        self.meanwhile = Box::new(act);
        self
    }

    pub fn after(mut self, act: impl Fn(&mut World) + Send + 'static) -> Self {
        self.after = Box::new(act);
        self
    }

    /// This trouble meets the call, once.
    pub fn trouble(self, trouble: Trouble) -> Self {
        let rpc = self.asked.rpc();
        self.striking(1)
            .before(move |world| world.wire.trouble(trouble.clone().rpc(rpc)))
    }

    /// So many troubles must strike.
    pub fn striking(mut self, strikes: usize) -> Self {
        self.strikes = strikes;
        self
    }

    pub fn expect(mut self, expected: &[Saw]) -> Self {
        self.expected = expected.iter().map(|saw| saw.of(self.asked)).collect();
        self
    }

    /// How long the product's own time limits allow it to take.
    pub fn within(mut self, time: Duration) -> Self {
        self.longest = time;
        self
    }

    /// The row of the table.
    pub fn row(self) -> Row {
        Box::new(|| self.run())
    }

    fn run(self) -> Report {
        let mut world = World::open(self.form);
        let begun = Instant::now();
        let came = guarded(&mut world, |world| self.live(world));
        let expected = || {
            let all: Vec<String> = self.expected.iter().map(ToString::to_string).collect();
            Some(all.join(", or "))
        };
        let (came, wrong, took) = match came {
            Ok((saw, took)) if self.expected.contains(&saw) => (saw.to_string(), None, took),
            Ok((saw, took)) => (saw.to_string(), expected(), took),
            Err(why) => (why, expected(), begun.elapsed()),
        };
        Report {
            name: format!("{} {}", self.asked, self.name),
            came,
            wrong,
            took,
            story: world.story(),
        }
    }

    fn live(&self, world: &mut World) -> Result<(Saw, Duration), String> {
        (self.before)(world);
        let begun = Instant::now();
        let known = world.playground.requests().len();
        let id = match self.asked {
            Asked::List => world.bridge.request("tools/list", json!({})),
            Asked::Book | Asked::Look => {
                let padding = "x".repeat(self.padding);
                let arguments = json!({"serial": SERIAL, "say": self.say, "padding": padding});
                let call = json!({"name": self.asked.tool(), "arguments": arguments});
                world.bridge.request("tools/call", call)
            }
        };
        (self.meanwhile)(world);
        let answer = world.bridge.answer_within(id, self.longest + SLACK);
        let answer = answer.ok_or("no answer came")?;
        let took = begun.elapsed();
        (self.after)(world);
        world.goes_on()?;
        if world
            .bridge
            .answer_within(id, Duration::from_millis(1))
            .is_some()
        {
            return Err("it was answered twice".into());
        }
        let struck = world.wire.struck().len();
        if struck != self.strikes {
            return Err(format!("{struck} faults came about, not {}", self.strikes));
        }
        let requests = world.playground.requests();
        let since = || requests[known..].iter();
        let is_ours = |request: &Request| match self.asked {
            Asked::List => request.calls("tools/list"),
            _ => request.calls("tools/call") && !request.text().contains(LATER),
        };
        let resumes =
            |request: &Request| is_get(request) && request.header("last-event-id").is_some();
        let saw = Saw {
            outcome: outcome(&answer),
            received: since().filter(|request| is_ours(request)).count(),
            resumed: since().filter(|request| resumes(request)).count(),
            executed: world.playground.executions(SERIAL),
        };
        if saw.outcome == Outcome::Answered {
            world.heard(self.say, saw.received == 1)?;
        }
        Ok((saw, took))
    }
}

/// In the arguments of the call that comes after the fault.
const LATER: &str = "after the fault";
/// Its serial number.
const LATER_SERIAL: u64 = 2;

impl World {
    /// An open session; the bridge knows the tools. There is no standing stream, whose connection
    /// would take what is meant for calls.
    pub fn open(form: Form) -> Self {
        let mut world = Self::start(Settings {
            get_stream: false,
            ..settings(form)
        });
        world.bridge.initialize(NEWEST, json!({}));
        // What tools do is known from their list.
        let id = world.bridge.request("tools/list", json!({}));
        world.bridge.answer(id);
        world
    }

    /// A bridge that was not spoken to yet.
    pub fn start(settings: Settings) -> Self {
        let playground = Playground::start(settings);
        let wire = Wire::to_playground(&playground);
        let machine = Machine::new();
        let connect = seconds(CONNECT);
        let arguments = ["--connect-timeout", &connect];
        let bridge = Bridge::start(&machine, &wire.url("/mcp"), &arguments);
        Self {
            bridge,
            wire,
            playground,
            _machine: machine,
        }
    }

    /// Every connection ends well, and the bridge has noticed.
    pub fn without_connections(&mut self) {
        self.wire.now(End::Close);
        self.wire.wait_for(|counts| counts.closing == 0);
    }

    /// Waits until the system has told the bridge that its connections were ended; whether it has
    /// listened is its own affair. On a busy machine that may take a moment.
    pub fn bridge_is_told(&self) {
        let end = Instant::now() + SLACK;
        while established(self.wire.port()) {
            assert!(Instant::now() < end, "a connection is still there");
            std::thread::yield_now();
        }
    }

    /// The fault is over; the bridge does its work.
    pub fn goes_on(&mut self) -> Result<(), String> {
        if self.wire.troubles_left() > 0 {
            return Err("the fault did not come about".into());
        }
        self.wire.resume();
        // A connection that is just being closed would take the call with it.
        self.wire.wait_for(|counts| counts.closing == 0);
        let arguments = json!({"serial": LATER_SERIAL, "note": LATER});
        let call = json!({"name": "book", "arguments": arguments});
        let id = self.bridge.request("tools/call", call);
        match self.bridge.answer_within(id, SLACK) {
            Some(answer) if answer["result"].is_object() => {}
            Some(answer) => return Err(format!("afterwards: {answer}")),
            None => return Err("afterwards: no answer came".into()),
        }
        match self.playground.executions(LATER_SERIAL) {
            1 => Ok(()),
            times => Err(format!("afterwards: executed {times} times")),
        }
    }

    /// What the server said before its answer came in order, and once each if the call was sent
    /// once.
    fn heard(&mut self, say: u64, once: bool) -> Result<(), String> {
        let mut heard = Vec::new();
        while let Some(message) = self.bridge.came("notifications/message") {
            heard.push(message["params"]["data"]["number"].as_u64().unwrap_or(0));
        }
        let all: Vec<u64> = (1..=say).collect();
        match once {
            true if heard == all => Ok(()),
            false if heard.ends_with(&all) => Ok(()),
            _ => Err(format!(
                "answered, but of {say} messages {heard:?} were heard"
            )),
        }
    }

    pub fn story(&self) -> String {
        format!(
            "{}\nwire: {:?} {:?}\nserver:\n{}",
            self.bridge.story(),
            self.wire.counts(),
            self.wire.struck(),
            self.playground.printed_log()
        )
    }
}

impl Asked {
    pub fn rpc(self) -> &'static str {
        match self {
            Self::Book | Self::Look => "tools/call",
            Self::List => "tools/list",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Look => "look",
            _ => "book",
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Book => "call with effects   ",
            Self::Look => "call without effects",
            Self::List => "tools/list          ",
        })
    }
}

/// Whether a client of this port has a connection that nobody has ended.
fn established(port: u16) -> bool {
    // Where there is no such table, the moment has passed with looking for it.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let to = format!(":{port:04X}");
    // Columns: number, local address, remote address, state (1: established).
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next().is_some_and(|remote| remote.ends_with(&to)) && columns.next() == Some("01")
    })
}

/// A server with answers of this form.
pub fn settings(form: Form) -> Settings {
    Settings {
        answers: match form {
            Form::Json => Answers::Json,
            Form::Resumable | Form::Plain => Answers::Sse,
        },
        resumable: form == Form::Resumable,
        ..Settings::open()
    }
}

/// Sorts an answer.
pub fn outcome(answer: &Value) -> Outcome {
    let bridge = &answer["error"]["data"]["bridge"];
    let retryable = bridge["retryable"].as_bool();
    let stage = ["auth", "connect", "http", "protocol"]
        .into_iter()
        .find(|stage| bridge["stage"] == **stage);
    match (answer["result"].is_object(), stage, retryable) {
        (true, _, _) => Outcome::Answered,
        (false, Some(stage), Some(retryable)) => Outcome::Failed(stage, retryable),
        _ => Outcome::Other,
    }
}
