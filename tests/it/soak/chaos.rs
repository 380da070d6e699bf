//! What goes wrong at one server and on its wire.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use playground::{End, Fault, Memory, Phase, Then, Trouble};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::place::Place;

/// A lost session is opened again three times a minute at most, so it is lost less often.
const SESSIONS_LOST_APART: Duration = Duration::from_secs(25);
/// A token that was just put in the place of a refused one is not refused as well: that would be a
/// reason to ask a person.
const REFUSALS_APART: Duration = Duration::from_secs(75);
/// How often the server says something on the standing streams.
const MESSAGES_APART: Duration = Duration::from_millis(50);

/// What has gone wrong, by kind.
#[derive(Default)]
pub struct Faults(BTreeMap<String, u64>);

impl Faults {
    fn count(&mut self, kind: impl Into<String>) {
        *self.0.entry(kind.into()).or_default() += 1;
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        for (kind, number) in other.0 {
            *self.0.entry(kind).or_default() += number;
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        f.write_str(&all.join(", "))
    }
}

/// Lets things go wrong until it is over, then mends everything.
pub fn reign(place: &Place, seed: u64, time: Duration, over: &AtomicBool) -> Faults {
    let mut chaos = Chaos {
        place,
        random: StdRng::seed_from_u64(seed),
        faults: Faults::default(),
        // Also in a short run sessions are lost once.
        next_loss: Instant::now() + SESSIONS_LOST_APART.min(time / 3),
        next_refusal: Instant::now() + REFUSALS_APART.min(time / 2),
        said: 0,
        next_message: Instant::now(),
    };
    while !over.load(Ordering::SeqCst) {
        chaos.something_happens();
        let pause = chaos.random.gen_range(50..400);
        chaos.pause(Duration::from_millis(pause));
    }
    chaos.mend()
}

struct Chaos<'a> {
    place: &'a Place,
    random: StdRng,
    faults: Faults,
    next_loss: Instant,
    next_refusal: Instant,
    said: u64,
    next_message: Instant,
}

impl Chaos<'_> {
    /// Time passes, in which the server goes on talking.
    fn pause(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if Instant::now() >= self.next_message {
                self.next_message = Instant::now() + MESSAGES_APART;
                self.said += 1;
                let data = json!({"level": "info", "data": {"standing": self.said}});
                self.place.playground.notify("notifications/message", data);
            }
            let until = self.next_message.min(end);
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }

    fn something_happens(&mut self) {
        let (wire, playground) = (&self.place.wire, &self.place.playground);
        if Instant::now() >= self.next_loss {
            self.next_loss = Instant::now() + SESSIONS_LOST_APART;
            match self.random.gen_bool(0.5) {
                true => {
                    playground.stop();
                    playground.forget_sessions();
                    playground.resume(Memory::Kept);
                    self.faults.count("restarts that forgot the sessions");
                }
                false => {
                    playground.forget_sessions();
                    self.faults.count("losses of the sessions");
                }
            }
            return;
        }
        if Instant::now() >= self.next_refusal {
            self.next_refusal = Instant::now() + REFUSALS_APART;
            playground.expire_access_tokens();
            self.faults.count("times all access tokens ended early");
            return;
        }
        match self.random.gen_range(0..94) {
            0..55 => self.trouble_on_the_wire(),
            55..60 => {
                let end = match self.random.gen_bool(0.1) {
                    true => self.silent_end(),
                    false => self.end(),
                };
                wire.now(end);
                self.faults.count(format!("all connections: {end:?}"));
            }
            60..64 => {
                let (gone, kind): (fn(&playground::Wire), _) = match self.random.gen_range(0..3) {
                    0 => (|wire| wire.refuse(), "times refused"),
                    1 => (|wire| wire.stop(), "times closed and refused"),
                    _ => (|wire| wire.deafen(), "times unanswered"),
                };
                gone(wire);
                self.faults.count(kind);
                let time = self.random.gen_range(20..700);
                self.pause(Duration::from_millis(time));
                self.place.wire.resume();
            }
            64..68 => {
                // Behind a proxy that goes on without it, or with nothing that still accepts.
                let alone = self.random.gen_bool(0.5);
                if alone {
                    wire.stop();
                }
                playground.stop();
                let time = self.random.gen_range(0..500);
                self.pause(Duration::from_millis(time));
                self.place.playground.resume(Memory::Kept);
                if alone {
                    self.place.wire.resume();
                }
                self.faults.count("restarts");
            }
            68..80 => {
                let (status, after) = *[(429, "0"), (429, "1"), (503, "0"), (503, "1")]
                    .choose(&mut self.random)
                    .expect("some");
                let answer = Then::answer(status).header("Retry-After", after);
                playground.fault(Fault::mcp().rpc("tools/call").then(answer));
                self.faults.count(format!("answers {status}"));
            }
            80..86 => {
                playground.end_streams();
                self.faults.count("times all streams ended");
            }
            _ => {
                let messages = self.random.gen_range(0..3);
                let then = match self.random.gen_bool(0.5) {
                    true => Then::cut_after(messages),
                    false => Then::poll(self.random.gen_range(10..200)),
                };
                if self.place.resumable {
                    playground.fault(Fault::mcp().rpc("tools/call").then(then));
                    self.faults.count("streams cut by the server");
                }
            }
        }
    }

    fn end(&mut self) -> End {
        let ends = [End::Reset, End::Close];
        *ends.choose(&mut self.random).expect("some")
    }

    /// Ends of which nobody tells: only time tells.
    fn silent_end(&mut self) -> End {
        let ends = [End::HalfOpen, End::BlackHole];
        *ends.choose(&mut self.random).expect("some")
    }

    fn trouble_on_the_wire(&mut self) {
        let random = &mut self.random;
        let phase = match random.gen_range(0..9) {
            0 => Phase::RequestHead(random.gen_range(0..150)),
            1 => Phase::RequestBody(random.gen_range(0..60)),
            2 => Phase::Requested,
            3 => Phase::AnswerHead(random.gen_range(0..100)),
            4 => Phase::AnswerBody(random.gen_range(0..60)),
            5 => Phase::Event(random.gen_range(0..4)),
            6 => Phase::WithinEvent(random.gen_range(0..4), random.gen_range(1..60)),
            7 => Phase::Accepted,
            _ => Phase::Answered,
        };
        let trouble = match random.gen_range(0..10) {
            0..5 => Trouble::at(phase).rpc("tools/call"),
            5 => Trouble::at(phase).rpc("tools/list"),
            6 => Trouble::at(phase).resuming(),
            7 => Trouble::at(phase).method("GET"),
            _ => Trouble::at(phase),
        };
        let (trouble, kind) = match random.gen_range(0..10) {
            0 => (
                trouble.wait(Duration::from_millis(random.gen_range(1..500))),
                "late".to_owned(),
            ),
            1 => (
                trouble.drip(Duration::from_micros(random.gen_range(0..500))),
                "byte by byte".to_owned(),
            ),
            2 => (
                trouble.limit(random.gen_range(500..20_000)),
                "slow".to_owned(),
            ),
            3 => {
                let end = self.silent_end();
                (trouble.end(end), format!("{end:?}"))
            }
            _ => {
                let end = self.end();
                (trouble.end(end), format!("{end:?}"))
            }
        };
        self.place.wire.trouble(trouble);
        self.faults.count(format!("messages on the wire: {kind}"));
    }

    /// Nothing goes wrong any more.
    fn mend(self) -> Faults {
        self.place.wire.clear();
        self.place.playground.clear_faults();
        let mut faults = self.faults;
        faults.0.insert(
            format!("strikes on {}", self.place.hosts[0].name),
            self.place.wire.counts().struck,
        );
        faults
    }
}
