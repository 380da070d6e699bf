//! The official conformance suite, with a host of an official SDK and the built bridge as its client. Every scenario that the
//! suite has for clients stands in [`table::SCENARIOS`]. Each is run at every revision it is of, with every host that stands
//! before a server of that revision.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;

use run::{Run, Verdict};
use suite::Suite;
use table::{COUNTED, Host, OF_EXTENSIONS, Outcome, REVISIONS, SCENARIOS, Scenario};

mod run;
mod suite;
mod table;

/// How many run at once: the suite, the host, the bridge and the browser of each want a share of few cores.
const AT_ONCE: usize = 3;

#[test]
fn every_scenario_passes_without_a_warning() {
    let suite = Suite::installed();
    assert_table_is_complete(&suite);
    let runs = wanted(&suite);
    assert_none_is_missing(&runs);
    let runs = Mutex::new(runs);
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(run) = runs.lock().unwrap().pop_front() else {
                        break;
                    };
                    let verdict = run.perform(&suite);
                    verdicts.lock().unwrap().push((run, verdict));
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    println!("{}", matrix(&verdicts));
    println!("{}", refusals(&verdicts));
    let failures = failures(&verdicts);
    assert!(failures.is_empty(), "{failures}");
}

/// A scenario of a later suite must be looked at, and one that is gone must not seem to be run.
fn assert_table_is_complete(suite: &Suite) {
    let known: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(known.len(), SCENARIOS.len(), "each stands there once");
    let there: BTreeSet<&str> = suite.scenarios().keys().map(String::as_str).collect();
    assert_eq!(known, there, "the scenarios of the table and of the suite");
}

/// A part of the names of the scenarios that are run, where not all are.
fn only() -> String {
    std::env::var("CONFORMANCE_ONLY").unwrap_or_default()
}

/// A scenario that is no longer run must not go unnoticed.
fn assert_none_is_missing(runs: &VecDeque<Run>) {
    let (asking, others): (Vec<&Run>, Vec<&Run>) = runs
        .iter()
        .filter(|run| run.applies)
        .partition(|run| run.host == Host::Auto);
    let counted = (others.len(), asking.len());
    println!("{} runs, and {} with hosts that ask", counted.0, counted.1);
    assert!(counted == COUNTED || !only().is_empty(), "{counted:?}");
}

/// What is to be run: each scenario at each revision it is of, and some at more.
fn wanted(suite: &Suite) -> VecDeque<Run> {
    let only = only();
    let mut runs = VecDeque::new();
    for scenario in SCENARIOS {
        let of = &suite.scenarios()[scenario.name];
        for &revision in REVISIONS {
            let applies = of.iter().any(|of| match of.as_str() {
                "extension" => OF_EXTENSIONS.contains(&revision),
                of => of == revision,
            });
            for &host in Host::before(revision) {
                if scenario.name.contains(&only) && (applies || scenario.is_for_all(revision, host))
                {
                    runs.push_back(Run {
                        scenario,
                        revision,
                        host,
                        applies,
                    });
                }
            }
        }
    }
    runs
}

/// A line a scenario, a column a revision and a host; brackets where the suite would not ask for it by itself.
fn matrix(verdicts: &[(Run, Verdict)]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<(&str, Host), String>> = BTreeMap::new();
    for (run, verdict) in verdicts {
        let mut cell = verdict.summary();
        if !run.applies {
            cell = format!("({cell})");
        }
        let row = rows.entry(run.scenario.name).or_default();
        row.insert((run.revision, run.host), cell);
    }
    let columns: Vec<(&str, Host)> = REVISIONS
        .iter()
        .flat_map(|&revision| {
            Host::before(revision)
                .iter()
                .map(move |&host| (revision, host))
        })
        .collect();
    let mut text = format!("{:45}", "server");
    for (revision, _) in &columns {
        let _ = write!(text, " {revision:>10}");
    }
    let _ = write!(text, "\n{:45}", "host");
    for (_, host) in &columns {
        let _ = write!(text, " {:>10}", host.name());
    }
    for (name, row) in rows {
        let _ = write!(text, "\n{name:45}");
        for column in &columns {
            let cell = row.get(column).map_or("-", String::as_str);
            let _ = write!(text, " {cell:>10}");
        }
    }
    text
}

/// What the hosts were told that were to be refused.
fn refusals(verdicts: &[(Run, Verdict)]) -> String {
    let mut lines = BTreeSet::new();
    for (run, verdict) in verdicts {
        if run.scenario.outcome == Outcome::Refused {
            for said in &verdict.refusals {
                lines.insert(format!(
                    "{}, {}: {said}",
                    run.scenario.name,
                    run.host.name()
                ));
            }
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// Everything there is to say of the runs that did not end well.
fn failures(verdicts: &[(Run, Verdict)]) -> String {
    let bad = verdicts.iter().filter(|(_, verdict)| !verdict.passed());
    bad.map(|(run, verdict)| {
        let Scenario { name, .. } = run.scenario;
        let host = run.host.name();
        format!(
            "\n{name} at {}, host {host}:\n{}\n",
            run.revision, verdict.story
        )
    })
    .collect()
}
