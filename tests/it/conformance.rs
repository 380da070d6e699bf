//! The official conformance suite, with a host of the official SDK and the built bridge as its client. Every scenario that the
//! suite has for clients stands in [`table::SCENARIOS`]; those for hosts of `initialize` are run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;

use run::{Run, Verdict};
use suite::Suite;
use table::{Host, REVISIONS, SCENARIOS, Scenario};

mod run;
mod suite;
mod table;

/// How many run at once: the suite, the host, the bridge and the browser of each want a share of few cores.
const AT_ONCE: usize = 3;

#[test]
fn every_scenario_passes_without_a_warning() {
    let suite = Suite::installed();
    assert_table_is_complete(&suite);
    let runs = Mutex::new(wanted(&suite));
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

/// What is to be run: each scenario at each revision it is of. One of no revision, an extension, is run at the newest, as are
/// those of authorization of a later revision: their rules hold for hosts of any.
fn wanted(suite: &Suite) -> VecDeque<Run> {
    let only = std::env::var("CONFORMANCE_ONLY").unwrap_or_default();
    let mut runs = VecDeque::new();
    for scenario in SCENARIOS {
        if scenario.host == Host::Modern || !scenario.name.contains(&only) {
            continue;
        }
        let of = &suite.scenarios()[scenario.name];
        for revision in REVISIONS {
            let applies = of.iter().any(|of| of == revision);
            if applies || table::RULES_FOR_ALL && scenario.name.starts_with("auth/") {
                runs.push_back(Run {
                    scenario,
                    revision,
                    applies,
                });
            }
        }
    }
    runs
}

/// A line a scenario, a column a revision; brackets where the suite would not ask for it by itself.
fn matrix(verdicts: &[(Run, Verdict)]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (run, verdict) in verdicts {
        let mut cell = verdict.summary();
        if !run.applies {
            cell = format!("({cell})");
        }
        let row = rows.entry(run.scenario.name).or_default();
        row.insert(run.revision, cell);
    }
    let mut text = format!("{:45}", "scenario");
    for revision in REVISIONS {
        let _ = write!(text, " {revision:>13}");
    }
    for (name, row) in rows {
        let _ = write!(text, "\n{name:45}");
        for revision in REVISIONS {
            let cell = row.get(revision).map_or("-", String::as_str);
            let _ = write!(text, " {cell:>13}");
        }
    }
    text
}

/// What the hosts were told that were to be refused.
fn refusals(verdicts: &[(Run, Verdict)]) -> String {
    let mut lines = BTreeSet::new();
    for (run, verdict) in verdicts {
        if matches!(run.scenario.host, Host::Refused) {
            for said in &verdict.refusals {
                lines.insert(format!("{}: {said}", run.scenario.name));
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
        format!("\n{name} at {}:\n{}\n", run.revision, verdict.story)
    })
    .collect()
}
