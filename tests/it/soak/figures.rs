//! What is counted, and what is measured of the bridges' processes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;

/// Memory may differ by this much between the middle of the run and its end: an eighth, and
const SLACK: u64 = 6 * 1024;
/// Descriptors that a bridge at rest may have more than when it began: connections that were just
/// used or are just being opened.
const CONNECTIONS: usize = 6;
/// Descriptors that a busy bridge may have: few enough for any system.
const MOST_DESCRIPTORS: usize = 256;
/// How long a bridge may take to come to rest; only ever reached by a failure.
const REST: Duration = Duration::from_secs(60);

/// What clients asked and got.
#[derive(Default)]
pub struct Tally {
    pub calls: u64,
    pub held_back: u64,
    pub messages: u64,
    pub gaps: u64,
    /// Calls that were carried out although nobody could tell the client.
    pub unknown_done: u64,
    pub answers: BTreeMap<String, u64>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.held_back += other.held_back;
        self.messages += other.messages;
        self.gaps += other.gaps;
        self.unknown_done += other.unknown_done;
        for (kind, number) in other.answers {
            *self.answers.entry(kind).or_default() += number;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, number) in &self.answers {
            write!(f, "{number} {kind}, ")?;
        }
        write!(
            f,
            "{} of the doubtful ones were carried out, {} messages with {} gaps",
            self.unknown_done, self.messages, self.gaps
        )
    }
}

/// What one process had at one moment.
#[derive(Clone, Copy, Default)]
struct Sample {
    /// In KiB.
    rss: u64,
    /// In KiB.
    pss: u64,
    descriptors: usize,
}

/// Samples of every bridge, in the order of time.
pub struct Samples {
    processes: Vec<(String, u32, Vec<Sample>)>,
    /// What each had at the beginning.
    first: Vec<Option<Sample>>,
}

impl Samples {
    pub fn new(hosts: &[&Host]) -> Self {
        let process = |host: &&Host| (host.name.clone(), host.id(), Vec::new());
        Self {
            processes: hosts.iter().map(process).collect(),
            first: hosts.iter().map(|host| look(host.id())).collect(),
        }
    }

    /// Looks at every process once.
    pub fn take(&mut self) {
        for (_, id, samples) in &mut self.processes {
            samples.extend(look(*id));
        }
    }

    /// What has grown between the middle of the run and its end.
    pub fn growth(&self) -> Vec<String> {
        let mut grown = Vec::new();
        for (name, _, samples) in &self.processes {
            let all = samples.len();
            if all < 10 {
                // Not Linux, or a machine that hardly ran this test.
                continue;
            }
            let (middle, end) = (&samples[all * 2 / 5..all * 3 / 5], &samples[all * 4 / 5..]);
            for (what, of) in [("RSS", 0), ("PSS", 1)] {
                let part = |sample: &Sample| [sample.rss, sample.pss][of];
                let (before, after) = (median(middle, part), median(end, part));
                if after > before + before / 8 + SLACK {
                    grown.push(format!("{name}: {what} grew from {before} to {after} KiB"));
                }
            }
            let most = most_descriptors(samples.iter());
            if most > MOST_DESCRIPTORS {
                grown.push(format!("{name}: {most} descriptors"));
            }
        }
        grown
    }

    /// Bridges that keep more descriptors than they had at the beginning, although their server has
    /// closed all connections and nobody asks them anything.
    pub fn descriptors_kept(&self) -> Vec<String> {
        let end = Instant::now() + REST;
        let mut kept = Vec::new();
        for ((name, id, _), first) in self.processes.iter().zip(&self.first) {
            let Some(first) = first else { continue };
            let most = first.descriptors + CONNECTIONS;
            let mut now = usize::MAX;
            while now > most && Instant::now() < end {
                now = look(*id).map_or(0, |sample| sample.descriptors);
                thread::sleep(Duration::from_millis(10));
            }
            if now > most {
                let before = first.descriptors;
                kept.push(format!("{name}: {before} descriptors became {now}"));
            }
        }
        kept
    }

    fn all(&self) -> impl Iterator<Item = &Sample> {
        self.processes.iter().flat_map(|(_, _, samples)| samples)
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let most = |part: fn(&Sample) -> u64| mib(self.all().map(part).max().unwrap_or(0));
        let (rss, pss) = (most(|it| it.rss), most(|it| it.pss));
        let descriptors = most_descriptors(self.all());
        write!(
            f,
            "most: RSS {rss:.1} MiB, PSS {pss:.1} MiB, {descriptors} descriptors;"
        )?;
        for (name, _, samples) in &self.processes {
            let all = samples.len();
            let (middle, end) = (&samples[all * 2 / 5..all * 3 / 5], &samples[all * 4 / 5..]);
            let rss = |part| mib(median(part, |it: &Sample| it.rss));
            let pss = |part| mib(median(part, |it: &Sample| it.pss));
            write!(
                f,
                " {name}: RSS {:.1} → {:.1}, PSS {:.1} → {:.1} MiB, {} → {} descriptors;",
                rss(middle),
                rss(end),
                pss(middle),
                pss(end),
                most_descriptors(middle.iter()),
                most_descriptors(end.iter()),
            )?;
        }
        Ok(())
    }
}

fn most_descriptors<'a>(samples: impl Iterator<Item = &'a Sample>) -> usize {
    samples.map(|sample| sample.descriptors).max().unwrap_or(0)
}

fn median(samples: &[Sample], part: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(part).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Reads what Linux says of a process; nothing on other systems.
fn look(id: u32) -> Option<Sample> {
    let memory = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let value = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Sample {
        rss: value("Rss:")?,
        pss: value("Pss:")?,
        descriptors: std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count(),
    })
}
