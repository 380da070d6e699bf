//! What a cell has at hand: a server, a wire and a bridge of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use playground::{Answers, End, Playground, Settings, Wire};
use serde_json::json;

use super::seconds;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::NEWEST;

/// `--connect-timeout`.
pub const CONNECT: Duration = Duration::from_secs(3);
/// `--headers-timeout` and `--body-timeout` of bridges that do not wait for ever.
pub const SILENCE: Duration = Duration::from_secs(5);
/// What a busy machine may add to a wait before it counts as one without an end.
pub const SLACK: Duration = Duration::from_secs(30);
/// The form of the server's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Resumable,
    Plain,
}

/// In the arguments of the call that comes after the fault.
pub const LATER: &str = "after the fault";
/// Its serial number.
const LATER_SERIAL: u64 = 2;

/// What a cell has at hand.
pub struct World {
    // The bridge goes first, so that it does not complain about a server that is gone.
    pub bridge: Bridge,
    pub wire: Wire,
    pub playground: Playground,
    /// So many connections had ended when the bridge was last known to be told.
    told: usize,
    _machine: Machine,
}

impl World {
    /// An open session; the bridge knows the tools. There is no standing stream, whose connection
    /// would take what is meant for calls.
    pub fn open(form: Form) -> Self {
        Self::opened(form, false)
    }

    pub fn opened(form: Form, impatient: bool) -> Self {
        let settings = Settings {
            get_stream: false,
            ..settings(form)
        };
        let silence = seconds(SILENCE);
        let limits = ["--headers-timeout", &silence, "--body-timeout", &silence];
        let mut world = match impatient {
            true => Self::started(settings, &limits),
            false => Self::start(settings),
        };
        world.bridge.initialize(NEWEST, json!({}));
        // What tools do is known from their list.
        let id = world.bridge.request("tools/list", json!({}));
        world.bridge.answer(id);
        world
    }

    /// A bridge that was not spoken to yet.
    pub fn start(settings: Settings) -> Self {
        Self::started(settings, &[])
    }

    fn started(settings: Settings, arguments: &[&str]) -> Self {
        let playground = Playground::start(settings);
        let wire = Wire::to_playground(&playground);
        let machine = Machine::new();
        let connect = seconds(CONNECT);
        let arguments = [&["--connect-timeout", &connect], arguments].concat();
        let bridge = Bridge::start(&machine, &wire.url("/mcp"), &arguments);
        Self {
            bridge,
            wire,
            playground,
            told: 0,
            _machine: machine,
        }
    }

    /// Every connection ends well, and the bridge has noticed.
    pub fn without_connections(&mut self) {
        self.wire.now(End::Close);
        self.wire.wait_for(|counts| counts.closing == 0);
        self.told = self.wire.ended().len();
    }

    /// Waits until a connection has ended since the last time that all had.
    pub fn one_has_ended(&self) {
        let (wire, told) = (&self.wire, self.told);
        wire.wait_for(|_| wire.ended().len() > told);
    }

    /// Waits until the system has told the bridge of connections that have ended; whether it has
    /// listened is its own affair. On a busy machine that may take a moment, in which the bridge may
    /// open others.
    pub fn bridge_is_told(&mut self) {
        let ended = self.wire.ended();
        let end = Instant::now() + SLACK;
        for client in &ended[self.told..] {
            while is_established(*client, self.wire.port()) {
                assert!(Instant::now() < end, "a connection is still there");
                std::thread::yield_now();
            }
        }
        self.told = ended.len();
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
    pub fn heard(&mut self, say: u64, once: bool) -> Result<(), String> {
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

/// Whether this client has a connection to this port that nobody has ended.
fn is_established(client: SocketAddr, port: u16) -> bool {
    // Where there is no such table, the moment has passed with looking for it.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let (from, to) = (format!(":{:04X}", client.port()), format!(":{port:04X}"));
    // Columns: number, local address, remote address, state (1: established).
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().skip(1).take(3).collect();
        matches!(columns[..], [local, remote, "01"] if local.ends_with(&from) && remote.ends_with(&to))
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
