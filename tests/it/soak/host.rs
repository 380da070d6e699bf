//! One AI client: asks its bridge for this and that, and keeps account of the answers.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::figures::Tally;
use super::place::Place;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, opening};

/// Requests that may wait for their answers at the same time.
const AT_ONCE: usize = 48;
/// Messages that the server sends before some answers.
const SAY: u64 = 3;
/// So often a call without effects may be carried out: once, and twice more where answers got lost;
/// if then its session is lost, which refuses it, the same in the next one.
const LOOKS: u32 = 5;
/// A bridge has this long to begin and to end; only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long bridges wait: less than usual, as much goes silent here.
pub const LIMITS: [&str; 6] = [
    "--connect-timeout",
    "2",
    "--headers-timeout",
    "10",
    "--body-timeout",
    "10",
];
/// What is kept of stderr.
const STDERR: usize = 64 * 1024;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Initialize,
    List,
    Look(u64),
    /// With so many messages first.
    Book(u64, u64),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Result,
    /// An error that says it may have been carried out.
    Unknown,
    /// Another error.
    Refused,
}

/// A bridge and what its client knows.
pub struct Host {
    pub name: String,
    child: Mutex<Child>,
    stdin: Mutex<Option<ChildStdin>>,
    shared: Arc<Shared>,
    /// Serial numbers begin here.
    base: u64,
}

#[derive(Default)]
struct Shared {
    account: Mutex<Account>,
    changed: Condvar,
}

/// What was asked and what came.
#[derive(Default)]
struct Account {
    next_id: u64,
    waiting: HashMap<u64, Asked>,
    ended: HashMap<u64, (Asked, Outcome)>,
    /// The number of the latest message before the answer and how many there were, by serial number.
    said: HashMap<u64, (u64, u64)>,
    /// The latest number on the standing stream, and how often one was left out.
    standing: u64,
    gaps: usize,
    answers: BTreeMap<String, u64>,
    held_back: u64,
    messages: u64,
    wrong: Vec<String>,
    stderr: String,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// A bridge to this address with an open session.
    pub fn open(name: String, machine: &Machine, url: &str, arguments: &[&str], base: u64) -> Self {
        let mut child = Bridge::command(machine, url, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bridge starts");
        let shared = Arc::new(Shared::default());
        let stdout = BufReader::new(child.stdout.take().expect("a piped stdout"));
        let mut stderr = child.stderr.take().expect("a piped stderr");
        let reader = shared.clone();
        thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.unwrap_or_default();
                reader.lock().take(&line);
                reader.changed.notify_all();
            }
            reader.lock().closed = true;
            reader.changed.notify_all();
        });
        let reader = shared.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                let mut account = reader.lock();
                account
                    .stderr
                    .push_str(&String::from_utf8_lossy(&chunk[..read]));
                if account.stderr.len() > 2 * STDERR {
                    account.stderr = account.stderr.chars().skip(STDERR).collect();
                }
            }
        });
        let host = Self {
            name,
            stdin: Mutex::new(child.stdin.take()),
            child: Mutex::new(child),
            shared,
            base,
        };
        host.ask(Asked::Initialize);
        assert!(host.all_answered(DEADLINE), "{}", host.story());
        host.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        // What tools do is known from their list.
        host.ask(Asked::List);
        assert!(host.all_answered(DEADLINE), "{}", host.story());
        host
    }

    pub fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    fn write(&self, message: &Value) {
        if let Some(stdin) = &mut *self.stdin.lock().unwrap() {
            // A bridge that has ended shows in the answers that are missing.
            let _ = stdin.write_all(format!("{message}\n").as_bytes());
        }
    }

    fn ask(&self, asked: Asked) {
        let id = {
            let mut account = self.shared.lock();
            account.next_id += 1;
            let id = account.next_id;
            account.waiting.insert(id, asked);
            id
        };
        let call = |name: &str, serial: u64, say: u64| {
            let arguments = json!({"serial": serial, "say": say});
            ("tools/call", json!({"name": name, "arguments": arguments}))
        };
        let (method, params) = match asked {
            Asked::Initialize => ("initialize", opening(NEWEST, json!({}))),
            Asked::List => ("tools/list", json!({})),
            Asked::Look(serial) => call("look", serial, 0),
            Asked::Book(serial, say) => call("book", serial, say),
        };
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    /// Asks for something so many times a second until it is over.
    pub fn work(&self, rate: u64, seed: u64, over: &AtomicBool) {
        let mut random = StdRng::seed_from_u64(seed);
        let apart = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
        let mut due = Instant::now();
        let mut serial = self.base;
        while !over.load(Ordering::SeqCst) {
            let now = Instant::now();
            if now < due {
                thread::sleep(due - now);
            } else if now > due + Duration::from_secs(1) {
                // This test does not get the processor: what could not be asked is left out.
                let missed = (now - due).as_millis() / apart.as_millis().max(1);
                self.shared.lock().held_back += u64::try_from(missed).unwrap_or(0);
                due = now;
            }
            due += apart;
            if self.shared.lock().waiting.len() >= AT_ONCE {
                self.shared.lock().held_back += 1;
                continue;
            }
            serial += 1;
            self.ask(match random.gen_range(0..20) {
                0 => Asked::List,
                1..=3 => Asked::Look(serial),
                4..=7 => Asked::Book(serial, SAY),
                _ => Asked::Book(serial, 0),
            });
        }
    }

    /// One more call. It must be answered with a result, since nothing goes wrong any more.
    pub fn works_still(&self) -> Option<String> {
        let serial = self.base + (1 << 39);
        self.ask(Asked::Book(serial, SAY));
        if !self.all_answered(DEADLINE) {
            return Some(format!(
                "{} does not answer any more\n{}",
                self.name,
                self.story()
            ));
        }
        let account = self.shared.lock();
        match account.ended.get(&serial) {
            Some((_, Outcome::Result)) => None,
            other => Some(format!(
                "{}: the last call ended with {other:?}\n{}",
                self.name, account.stderr
            )),
        }
    }

    /// Waits until nothing is unanswered. `false` if that takes too long.
    pub fn all_answered(&self, patience: Duration) -> bool {
        self.wait(patience, |account| account.waiting.is_empty())
    }

    /// Waits until this message has come on the standing stream.
    pub fn has_heard(&self, number: u64, patience: Duration) -> bool {
        self.wait(patience, |account| account.standing >= number)
    }

    fn wait(&self, patience: Duration, wanted: impl Fn(&Account) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut account = self.shared.lock();
        while !wanted(&account) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || account.closed {
                return false;
            }
            account = self
                .shared
                .changed
                .wait_timeout(account, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Compares what was answered with what the server has done.
    pub fn judge(&self, place: &Place) -> Vec<String> {
        let account = self.shared.lock();
        let mut wrong = account.wrong.clone();
        for asked in account.waiting.values() {
            wrong.push(format!("{asked:?} was not answered"));
        }
        for (serial, (asked, outcome)) in &account.ended {
            let executed = place.playground.executions(*serial);
            let most = match asked {
                Asked::Look(_) => LOOKS,
                _ => 1,
            };
            let right = match outcome {
                Outcome::Result => (1..=most).contains(&executed),
                Outcome::Unknown => executed <= most,
                Outcome::Refused => executed == 0,
            };
            if !right {
                wrong.push(format!(
                    "{asked:?} ended with {outcome:?}, executed {executed}×"
                ));
            }
            let (_, said) = account.said.get(serial).copied().unwrap_or_default();
            if let (Asked::Book(_, say), Outcome::Result) = (asked, outcome)
                && place.resumable
                && said != *say
            {
                wrong.push(format!(
                    "{asked:?} was answered after {said} of its messages"
                ));
            }
        }
        // The first stream of each client is no reason for a gap.
        let opened = place.playground.standing_streams();
        if account.gaps > opened.saturating_sub(1) {
            let (gaps, latest) = (account.gaps, account.standing);
            wrong.push(format!(
                "{gaps} gaps before message {latest} on the standing stream, which was opened {opened} times without a cursor"
            ));
        }
        let named = wrong.into_iter().take(20);
        named.map(|text| format!("{}: {text}", self.name)).collect()
    }

    pub fn tally(&self, place: &Place) -> Tally {
        let account = self.shared.lock();
        let unknown = account
            .ended
            .iter()
            .filter(|(_, (_, outcome))| *outcome == Outcome::Unknown);
        let done = |serial: &u64| place.playground.executions(*serial) > 0;
        Tally {
            unknown_done: unknown.filter(|(serial, _)| done(serial)).count() as u64,
            calls: account.answers.values().sum(),
            held_back: account.held_back,
            messages: account.messages,
            gaps: account.gaps as u64,
            answers: account.answers.clone(),
        }
    }

    pub fn story(&self) -> String {
        let account = self.shared.lock();
        let waiting: Vec<_> = account.waiting.iter().take(10).collect();
        format!("{}: waiting: {waiting:?}\n{}", self.name, account.stderr)
    }

    /// Leaves. The bridge must end by itself, and well.
    pub fn close(&self) -> Option<String> {
        drop(self.stdin.lock().unwrap().take());
        let end = Instant::now() + DEADLINE;
        let mut child = self.child.lock().unwrap();
        loop {
            match child.try_wait().expect("a child of ours") {
                Some(status) if status.success() => return None,
                Some(status) => return Some(format!("{} ended with {status}", self.name)),
                None if Instant::now() > end => return Some(format!("{} does not end", self.name)),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Account {
    /// A line of stdout.
    fn take(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return self.wrong.push(format!("stdout has `{line}`"));
        };
        if message.get("method").is_some() {
            return self.noticed(&message);
        }
        let asked = message["id"]
            .as_u64()
            .and_then(|id| self.waiting.remove(&id));
        let Some(asked) = asked else {
            return self.wrong.push(format!("answered again: {line}"));
        };
        let bridge = &message["error"]["data"]["bridge"];
        let detail = bridge["detail"].as_str().unwrap_or_default();
        let outcome = match message.get("result") {
            Some(result) if result["isError"] != true => Outcome::Result,
            // “may have been carried out”, “look whether it was carried out”, and of calls without
            // effects “it was sent 3 times”.
            _ if detail.contains("carried out") || detail.contains("it was sent") => {
                Outcome::Unknown
            }
            _ => Outcome::Refused,
        };
        let kind = match (outcome, bridge["stage"].as_str()) {
            (Outcome::Result, _) => "result".to_owned(),
            (Outcome::Unknown, _) => "may have been carried out".to_owned(),
            (Outcome::Refused, Some(stage)) => {
                let status = bridge["status"].as_u64();
                let status = status
                    .map(|status| format!(" {status}"))
                    .unwrap_or_default();
                format!("not carried out ({stage}{status})")
            }
            (Outcome::Refused, None) => {
                self.wrong.push(format!("the server's own error: {line}"));
                "the server's own error".to_owned()
            }
        };
        *self.answers.entry(kind).or_default() += 1;
        match asked {
            Asked::Look(serial) | Asked::Book(serial, _) => {
                self.ended.insert(serial, (asked, outcome));
            }
            Asked::Initialize if outcome != Outcome::Result => {
                self.wrong.push(format!("no session: {line}"));
            }
            Asked::Initialize | Asked::List => {}
        }
    }

    /// Messages of a call, and of the standing stream, come in order and once each.
    fn noticed(&mut self, message: &Value) {
        if message["method"] != "notifications/message" {
            return;
        }
        self.messages += 1;
        let data = &message["params"]["data"];
        if let Some(number) = data["standing"].as_u64() {
            if number <= self.standing {
                let latest = self.standing;
                let text = format!("standing message {number} came after {latest}");
                self.wrong.push(text);
            }
            self.gaps += usize::from(number > self.standing + 1 && self.standing > 0);
            self.standing = number;
        } else if let (Some(serial), Some(number)) =
            (data["serial"].as_u64(), data["number"].as_u64())
        {
            let (latest, count) = self.said.entry(serial).or_default();
            if number <= *latest {
                let text = format!("message {number} of {serial} came after {latest}");
                self.wrong.push(text);
            }
            (*latest, *count) = (number, *count + 1);
        }
    }
}
