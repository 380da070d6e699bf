//! A row of the policy, end to end: what is sent, what the server does, byte for byte, and what
//! must come of it.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::raw::{Act, MARK, Manner, Play, RawServer};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, detail, kind};

/// What the AI client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// A call with effects.
    Call,
    /// A call of a tool that the server marked as read-only.
    Look,
    /// A list.
    List,
    /// A notification.
    Note,
    /// `initialize`.
    Initialize,
}

/// What the AI client gets.
#[derive(Clone, Copy, Debug)]
pub enum Gets {
    /// The result.
    Result,
    /// The server's own error with this code.
    Error(i64),
    /// An error of the bridge: stage, whether it may be tried again, HTTP status, and words in it.
    Fails(&'static str, bool, Option<u64>, &'static str),
    /// Nothing: it was a notification.
    Nothing,
}

/// A look at the server and the answer.
type Check = dyn Fn(&RawServer, &Value) + Send + Sync;

/// A row. See the module's text.
pub struct Row {
    name: &'static str,
    sends: Sends,
    gets: Gets,
    arrivals: usize,
    plays: Vec<Play>,
    manner: Manner,
    arguments: Vec<&'static str>,
    /// What the server says on the standing stream once the message is there.
    speaks: Option<fn(&str) -> String>,
    /// Notifications that must have come by the end.
    told: Vec<&'static str>,
    check: Box<Check>,
}

/// One play more for a [`Row`].
pub fn row(name: &'static str, sends: Sends, gets: Gets, arrivals: usize) -> Row {
    Row {
        name,
        sends,
        gets,
        arrivals,
        plays: Vec::new(),
        manner: Manner::default(),
        arguments: Vec::new(),
        speaks: None,
        told: Vec::new(),
        check: Box::new(|_, _| {}),
    }
}

impl Row {
    /// What the server does about the next arrival.
    pub fn play(mut self, play: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static) -> Self {
        self.plays.push(Box::new(play));
        self
    }

    /// The same for each of so many arrivals.
    pub fn plays(
        mut self,
        times: usize,
        play: impl Fn(&str) -> Vec<Act> + Send + Sync + Clone + 'static,
    ) -> Self {
        for _ in 0..times {
            self = self.play(play.clone());
        }
        self
    }

    pub fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Options for the bridge.
    pub fn arguments(mut self, arguments: &[&'static str]) -> Self {
        self.arguments = arguments.to_vec();
        self
    }

    /// What the server says on the standing stream once the message is there, given its id.
    pub fn speaks(mut self, text: fn(&str) -> String) -> Self {
        self.speaks = Some(text);
        self
    }

    /// The AI client gets a notification with this method, too.
    pub fn told(mut self, method: &'static str) -> Self {
        self.told.push(method);
        self
    }

    /// Looks at the server and the answer besides.
    pub fn check(mut self, check: impl Fn(&RawServer, &Value) + Send + Sync + 'static) -> Self {
        self.check = Box::new(check);
        self
    }

    fn run(self) {
        let server = RawServer::start(self.manner, self.plays);
        let machine = Machine::new();
        let mut arguments = self.arguments;
        if self.sends == Sends::Initialize {
            // Else the server is asked first what it speaks, and the plays are for that.
            arguments.push("--protocol=legacy");
        }
        let mut bridge = Bridge::start(&machine, &server.url(), &arguments);
        let answer = match self.sends {
            Sends::Initialize => send_opening(&mut bridge),
            sends => {
                bridge.initialize(NEWEST, json!({}));
                if sends == Sends::Look {
                    bridge.call("tools/list", json!({}));
                }
                if self.manner.standing {
                    server.wait_for(|state| state.is_listened_to());
                }
                match self.speaks {
                    None => send(&mut bridge, sends),
                    Some(text) => {
                        let call = json!({ "name": "do", "arguments": { "mark": MARK } });
                        let id = bridge.request("tools/call", call);
                        server.wait_for(|state| state.has_arrived());
                        server.say(&text(&server.arrivals()[0].id));
                        bridge.answer(id)
                    }
                }
            }
        };
        match self.gets {
            Gets::Result => assert!(answer["result"].is_object(), "{}", short(&answer)),
            Gets::Error(code) => assert_eq!(answer["error"]["code"], code, "{}", short(&answer)),
            Gets::Fails(stage, retryable, status, words) => {
                assert_eq!(kind(&answer), (stage, retryable, status), "{answer}");
                assert!(detail(&answer).contains(words), "{answer}");
            }
            Gets::Nothing => assert_eq!(answer, Value::Null),
        }
        if self.sends != Sends::Initialize || matches!(self.gets, Gets::Result) {
            // The bridge still does its work, and nothing is sent behind the client's back.
            let result = bridge.tool("do", json!({}));
            assert_eq!(result, json!({ "done": true }));
        }
        for method in self.told {
            bridge.incoming(method);
        }
        if self.sends == Sends::Note {
            let arrivals = self.arrivals;
            server.wait_for(|state| state.have_arrived(arrivals));
        }
        (self.check)(&server, &answer);
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(ended.rest.is_empty(), "too much: {:?}", ended.rest);
        let arrivals = server.arrivals();
        assert_eq!(arrivals.len(), self.arrivals, "arrivals {arrivals:?}");
        // What is sent again is the same message.
        assert!(arrivals.windows(2).all(|two| two[0].id == two[1].id));
    }
}

fn short(answer: &Value) -> String {
    answer.to_string().chars().take(1000).collect()
}

fn send_opening(bridge: &mut Bridge) -> Value {
    let opening = json!({
        "protocolVersion": NEWEST,
        "capabilities": {},
        "clientInfo": { "name": MARK, "version": "1" },
    });
    let answer = bridge.call("initialize", opening);
    if answer["result"].is_object() {
        bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }
    answer
}

fn send(bridge: &mut Bridge, sends: Sends) -> Value {
    let call = |name: &str| json!({ "name": name, "arguments": { "mark": MARK } });
    match sends {
        Sends::Call => bridge.call("tools/call", call("do")),
        Sends::Look => bridge.call("tools/call", call("look")),
        Sends::List => bridge.call("tools/list", json!({ "_meta": { "mark": MARK } })),
        Sends::Note | Sends::Initialize => {
            bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/vendor",
                                "params": { "mark": MARK } }));
            Value::Null
        }
    }
}

/// Runs the rows, a few at a time, prints what came of each, and fails with those that are wrong.
pub fn run(group: &str, rows: Vec<Row>) {
    let (count, rows) = (rows.len(), Mutex::new(rows.into_iter().enumerate()));
    let outcomes = Mutex::new(vec![None; count]);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let next = rows.lock().expect("no row panics with it").next();
                    let Some((index, row)) = next else {
                        break;
                    };
                    let head = format!(
                        "{:<58} {:<10} {}",
                        row.name,
                        format!("{:?}", row.sends),
                        row.arrivals
                    );
                    let begun = Instant::now();
                    let outcome = catch_unwind(AssertUnwindSafe(|| row.run()));
                    let seconds = begun.elapsed().as_secs_f32();
                    let outcome = outcome.map_err(|panic| {
                        let text = panic.downcast_ref::<String>().map(String::as_str);
                        text.or(panic.downcast_ref::<&str>().copied())
                            .unwrap_or("it panicked")
                            .to_owned()
                    });
                    let line = format!("{head} {seconds:>6.1} s");
                    outcomes.lock().expect("no row panics with it")[index] = Some((line, outcome));
                }
            });
        }
    });
    let mut report = format!("{group}: row, what is sent, how often it arrives, time\n");
    let mut wrong = 0;
    for (line, outcome) in outcomes
        .into_inner()
        .expect("no row panics with it")
        .into_iter()
        .flatten()
    {
        match outcome {
            Ok(()) => writeln!(report, "  ok    {line}"),
            Err(why) => {
                wrong += 1;
                writeln!(report, "  WRONG {line}\n        {why}")
            }
        }
        .expect("a String takes it");
    }
    println!("{report}");
    assert_eq!(wrong, 0, "rows are wrong:\n{report}");
}
