//! One cell of the table: a server, a wire and a bridge of its own, one fault, one outcome.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use playground::{Request, Trouble};
use serde_json::{Value, json};

use super::Row;
use super::world::{Form, LATER, SLACK, World};
use crate::support::scene::is_get;

/// The serial number of the call that meets the fault.
const SERIAL: u64 = 1;

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
    /// Whether the bridge waits for no more than [`SILENCE`].
    pub impatient: bool,
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

    /// The host is told that nothing came in time; the server received it so often.
    pub fn too_late(received: u32) -> Self {
        Self {
            outcome: Outcome::Failed("http", true),
            ..Self::unknown(received)
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
            impatient: false,
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

    /// The bridge waits for no more than [`SILENCE`].
    pub fn impatient(mut self) -> Self {
        self.impatient = true;
        self
    }

    /// The row of the table.
    pub fn row(self) -> Row {
        Box::new(|| self.run())
    }

    fn run(self) -> Report {
        let mut world = World::opened(self.form, self.impatient);
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
