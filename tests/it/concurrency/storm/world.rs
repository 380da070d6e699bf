//! One server, one machine, one person, and the processes that come and go.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{Reuse, Tally};
use crate::concurrency::sign_in;
use crate::support::authority::{Authority, Counts, Grant, Mishap};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, opening};

/// Longest wait for an answer; only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(100);

const MISHAPS: [Mishap; 8] = [
    Mishap::Fails,
    Mishap::Busy,
    Mishap::FailsAfter,
    Mishap::Cut,
    Mishap::CutAfter,
    Mishap::CutWithin,
    Mishap::Held,
    Mishap::HeldAfter,
];

pub struct World<'a> {
    server: &'a dyn Authority,
    reuse: Reuse,
    machine: Machine,
    random: StdRng,
    processes: Vec<Process>,
    /// Tabs that were loaded anew.
    tabs: Vec<Child>,
    tally: Tally,
}

/// A process and its host.
struct Process {
    bridge: Bridge,
    has_session: bool,
    /// The request that is not answered yet.
    asked: Option<u64>,
    /// Whether it has no tools to offer before somebody has signed in.
    changes: bool,
    /// How often it has taken a tab over so far.
    taken_over: usize,
}

/// What is planned for one round.
#[derive(Debug, Default)]
struct Plan {
    /// Whether the sign-in is gone from the cache, as if the person had never signed in.
    forgotten: bool,
    newcomers: usize,
    refresh: Vec<Mishap>,
    code: Vec<Mishap>,
    /// For each process whether it is killed.
    killed: Vec<bool>,
}

impl Plan {
    /// Whether the answer to a refresh may have got lost.
    fn may_lose(&self) -> bool {
        self.killed.contains(&true) || self.refresh.iter().any(|mishap| mishap.loses_answer())
    }

    /// Whether a host may be told that something did not work. A refresh is tried twice, a code
    /// once.
    fn may_fail(&self) -> bool {
        self.refresh.len() > 1 || !self.code.is_empty()
    }
}

impl<'a> World<'a> {
    pub fn new(server: &'a dyn Authority, reuse: Reuse, seed: u64) -> Self {
        let machine = Machine::new();
        sign_in(&machine, server);
        Self {
            server,
            reuse,
            machine,
            random: StdRng::seed_from_u64(seed),
            processes: Vec::new(),
            tabs: Vec::new(),
            tally: Tally::default(),
        }
    }

    pub fn live_through(mut self, rounds: usize) -> Tally {
        for _ in 0..rounds {
            self.round();
        }
        for tab in &mut self.tabs {
            let _ = tab.wait();
        }
        let counts = self.server.counts();
        Tally {
            refreshes: counts.refreshes,
            reuses: counts.reuses,
            ended: counts.ended,
            sign_ins: counts.exchanges,
            unused: self.server.unused().unwrap_or_default(),
            browsers: self.machine.opened().len(),
            ..self.tally
        }
    }

    fn round(&mut self) {
        let before = self.server.counts();
        let unused = self.server.unused();
        let browsers = self.machine.opened().len();
        let plan = self.plan();

        match plan.forgotten {
            true => self.machine.forget_sign_in(),
            false => self.machine.expire_cached(),
        }
        if self.random.gen_bool(0.8) {
            self.server.expire_access_tokens();
        }
        for mishap in &plan.refresh {
            self.server.mishap(Grant::Refresh, *mishap);
        }
        for mishap in &plan.code {
            self.server.mishap(Grant::Code, *mishap);
        }
        self.ask_all(plan.newcomers);
        self.kill(&plan.killed);
        self.await_answers(&plan);
        self.server.clear_mishaps();

        self.all_work();
        self.check(&plan, before, unused, browsers);
        self.retire();
        self.tally.rounds += 1;
        self.tally.forgotten += usize::from(plan.forgotten);
        self.tally.mishaps += plan.refresh.len() + plan.code.len();
    }

    fn plan(&mut self) -> Plan {
        let random = &mut self.random;
        let newcomers = random.gen_range(1..=2) + usize::from(self.processes.is_empty());
        let mishaps = [0, 0, 1, 1, 1, 2, 3].choose(random).copied().unwrap_or(0);
        let pick = |random: &mut StdRng| *MISHAPS.choose(random).unwrap_or(&Mishap::Cut);
        let refresh = (0..mishaps).map(|_| pick(random)).collect();
        let code = match random.gen_bool(0.15) {
            true => vec![pick(random)],
            false => Vec::new(),
        };
        let deadly = [0.0, 0.3, 0.6].choose(random).copied().unwrap_or(0.0);
        let killed = (0..self.processes.len() + newcomers)
            .map(|_| random.gen_bool(deadly))
            .collect();
        Plan {
            forgotten: random.gen_bool(0.08),
            newcomers,
            refresh,
            code,
            killed,
        }
    }

    /// Every process is asked for something, newcomers for a session.
    fn ask_all(&mut self, newcomers: usize) {
        for _ in 0..newcomers {
            self.start();
        }
        for process in &mut self.processes {
            process.ask();
        }
    }

    fn start(&mut self) {
        let url = self.server.mcp_url();
        self.processes.push(Process {
            bridge: Bridge::start(&self.machine, &url, &[]),
            has_session: false,
            asked: None,
            changes: false,
            taken_over: 0,
        });
        self.tally.started += 1;
    }

    /// Kills those that are to be killed, each at a moment of its own. How long a moment is does not
    /// matter; they shall differ.
    fn kill(&mut self, killed: &[bool]) {
        let mut order: Vec<usize> = (0..killed.len()).filter(|at| killed[*at]).collect();
        // From behind, so that the places of the others stay.
        order.sort_unstable_by(|one, other| other.cmp(one));
        for at in order {
            let longest = *[1_u64, 10, 60].choose(&mut self.random).unwrap_or(&1);
            thread::sleep(Duration::from_micros(
                self.random.gen_range(0..=1000 * longest),
            ));
            self.processes.remove(at).bridge.kill();
            self.tally.killed += 1;
        }
    }

    /// Waits until every process that lives has answered; what is held at the server is let go.
    fn await_answers(&mut self, plan: &Plan) {
        let end = Instant::now() + DEADLINE;
        let mut open = true;
        while open {
            open = false;
            self.server.release();
            self.load_tabs_anew();
            let forgives = plan.may_fail();
            for process in &mut self.processes {
                if let Some(error) = process.look() {
                    assert!(forgives, "{error}\n{}", process.bridge.story());
                    self.tally.errors += 1;
                }
                open |= process.asked.is_some() || process.changes;
            }
            assert!(!open || Instant::now() < end, "{}", self.story());
        }
        // A host whose session could not be opened starts another process.
        self.processes.retain(|process| process.has_session);
    }

    /// Everything, for a failing test.
    fn story(&self) -> String {
        let stories = self.processes.iter().map(|process| process.bridge.story());
        let browsers = format!("{:#?}\n{:#?}", self.machine.opened(), self.machine.seen());
        let parts = [self.server.story(), browsers];
        stories.chain(parts).collect::<Vec<_>>().join("\n\n")
    }

    /// The person finds that a tab leads nowhere, as its process is gone, and that another waits
    /// for it.
    fn load_tabs_anew(&mut self) {
        const TAKES_OVER: &str =
            "finish the sign-in in the browser tab that is open already, or here: ";
        for process in &mut self.processes {
            let stderr = process.bridge.stderr();
            // The line is complete when its end is there.
            let lines = stderr.split_inclusive('\n').filter(|l| l.ends_with('\n'));
            let addresses = lines.filter_map(|line| line.split_once(TAKES_OVER));
            for (_, address) in addresses.skip(process.taken_over) {
                process.taken_over += 1;
                self.tabs.push(self.machine.browse(address.trim_end()));
            }
        }
    }

    /// Nothing goes wrong any more: whoever lives works, and so does one that starts now. That one
    /// has nothing but the cache, so it finds out what the round has done to it.
    fn all_work(&mut self) {
        self.start();
        for process in &mut self.processes {
            process.ask();
        }
        self.await_answers(&Plan::default());
    }

    fn check(&self, plan: &Plan, before: Counts, unused: Option<usize>, browsers: usize) {
        let server = self.server;
        let story = || format!("{plan:?}\n{}", self.story());
        let cached = self.machine.sign_in();
        for token in ["access_token", "refresh_token"] {
            let token = cached[token].as_str().expect("a token in the cache");
            assert_ne!(server.takes(token), Some(false), "{}", story());
        }
        let now = server.counts();
        let ended = now.ended - before.ended;
        let signed_in = now.exchanges - before.exchanges;
        let opened = self.machine.opened().len() - browsers;
        // A grant ends only if the answer to a refresh got lost, at a server that wants it so.
        let may_end = plan.may_lose() && self.reuse == Reuse::Fatal;
        assert!(ended == 0 || may_end, "{}", story());
        // A person signs in once for each grant that is gone, or else for one whose tokens got lost
        // before anybody could use them.
        let gone = ended + usize::from(plan.forgotten);
        match (server.unused(), unused) {
            (Some(now), Some(before)) => {
                assert_eq!(signed_in, gone + now - before, "{}", story());
            }
            _ => assert!(signed_in <= gone + self.deaths(plan), "{}", story()),
        }
        assert!(signed_in >= gone, "{}", story());
        // One browser for each, and one more at most for each process that was killed with one
        // open, or whose code was refused; none without need.
        let most = gone + self.deaths(plan);
        assert!(opened <= most, "{opened} browsers\n{}", story());
        if gone == 0 {
            assert_eq!((signed_in, opened), (0, 0), "{}", story());
        }
    }

    fn deaths(&self, plan: &Plan) -> usize {
        plan.code.len() + plan.killed.iter().filter(|killed| **killed).count()
    }

    /// Hosts end, too. Those go whose process may not open many more browsers.
    fn retire(&mut self) {
        let random = &mut self.random;
        let mut stay = Vec::new();
        for process in self.processes.drain(..) {
            let opened = process
                .bridge
                .stderr()
                .matches("opening the browser")
                .count();
            match opened < 2 && stay.len() < 3 && random.gen_bool(0.8) {
                true => stay.push(process),
                false => drop(process.bridge.close()),
            }
        }
        self.processes = stay;
    }
}

impl Process {
    fn ask(&mut self) {
        let (method, params) = match self.has_session {
            true => ("tools/list", json!({})),
            false => ("initialize", opening(NEWEST, json!({}))),
        };
        self.asked = Some(self.bridge.request(method, params));
    }

    /// Takes the answer if it is there, or comes in a moment. Gives an error if that is what it is.
    fn look(&mut self) -> Option<Value> {
        if self.changes && self.bridge.has_come("notifications/tools/list_changed") {
            self.changes = false;
            self.ask();
        }
        let id = self.asked?;
        let answer = self.bridge.answer_within(id, Duration::from_millis(5))?;
        self.asked = None;
        if let Some(error) = answer.get("error") {
            assert_eq!(error["data"]["bridge"]["stage"], "auth", "{error}");
            return Some(error.clone());
        }
        if !self.has_session {
            self.has_session = true;
            self.bridge
                .send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            // A session can be opened before anybody has signed in.
            self.ask();
            return None;
        }
        let tools = answer["result"]["tools"].as_array();
        let has = |name: &str| tools.is_some_and(|all| all.iter().any(|tool| tool["name"] == name));
        if has("sign_in") {
            // The model does what it is offered: a sign-in that failed is begun again by that.
            let call = json!({ "name": "sign_in", "arguments": {} });
            self.bridge.request("tools/call", call);
            self.changes = true;
            return None;
        }
        assert!(has("add"), "{answer}");
        None
    }
}
