//! `migrate`: puts this program in the place of mcp-remote in hosts' configuration files. Decides
//! nothing about their text: [`crate::compat::rewrite`] does.

mod report;

use std::fmt::Display;

use super::hosts::file::{self, Original};
use super::hosts::{self, Spot};
use crate::compat::diff;
use crate::compat::refusal::Refusal;
use crate::compat::rewrite::{self, Outcome, Plan};
use crate::config::{Migrate, Step, judge};
use crate::diag::{Diag, clean, clean_to};
use crate::error::Error;
use report::{FileReport, Report, State};

/// The name of this command in the names of copies.
const COMMAND: &str = "migrate";

/// Shows, makes or takes back the change.
pub fn run(job: &Migrate, diag: &Diag) -> Result<(), Error> {
    let program = hosts::program()?;
    if job.step != Step::Undo && is_passing(&program) {
        diag.warn(format_args!(
            "`{program}` is no place that a program stays in; install it, then run it from there"
        ));
    }
    let _lock = match job.step {
        Step::Show => None,
        Step::Apply | Step::Undo => Some(hosts::lock(&job.base, diag)?),
    };
    let spots = hosts::of_machine(&job.hosts, &job.home);
    let mut report = Report::new(&program, job.step);
    let mut diffs = String::new();
    for spot in &spots {
        let (found, diff) = match job.step {
            Step::Undo => (put_back(spot), None),
            Step::Show | Step::Apply => change(spot, &program, job.step),
        };
        let Some(found) = found else {
            continue;
        };
        if !job.json {
            found.tell(spot.host.title, diag);
            if spot.place.is_project() && found.names_of_changed().next().is_some() {
                diag.warn(format_args!(
                    "`{}` belongs to the project: whoever else uses it needs mcp-drawbridge at the same path",
                    clean_to(&found.path, 2000)
                ));
            }
        }
        diffs.extend(diff);
        report.files.push(found);
    }
    match job.json {
        true => super::print(&report.json())?,
        false => {
            super::print(&diffs)?;
            diag.note(report.summary(spots.len()));
        }
    }
    report.outcome()
}

/// Whether a program there is gone soon: in a folder of builds or of temporary files.
fn is_passing(program: &str) -> bool {
    let path = program.replace('\\', "/");
    let builds = ["/target/debug/", "/target/release/"];
    builds.iter().any(|folder| path.contains(folder))
        || std::path::Path::new(program).starts_with(std::env::temp_dir())
}

/// Shows or makes the change of one file. `None` if it has nothing to do with mcp-remote.
fn change(spot: &Spot, program: &str, step: Step) -> (Option<FileReport>, Option<String>) {
    let refused = |error: &dyn Display, hint: String| {
        Some(FileReport::refused(
            &spot.path,
            spot.host.name,
            error.to_string(),
            hint,
        ))
    };
    let original = match Original::read(&spot.path) {
        Ok(Some(original)) => original,
        Ok(None) => return (None, None),
        Err(fault) => return (refused(&fault, fault.hint()), None),
    };
    if !has_name(original.bytes()) {
        return (None, None);
    }
    let text = match original.text() {
        Ok(text) => text,
        Err(fault) => return (refused(&fault, fault.hint()), None),
    };
    let plan = rewrite::plan(text, spot.place.format, spot.place.servers, program, &judge);
    let plan = match plan {
        Ok(plan) if plan.entries.is_empty() => return (None, None),
        Ok(plan) => plan,
        Err(refusal) => return (refused(&refusal, refusal.hint().to_owned()), None),
    };
    let mut found = FileReport::new(&spot.path, spot.host.name, &plan);
    if !plan
        .entries
        .iter()
        .any(|entry| entry.outcome == Outcome::Changed)
    {
        return (Some(found), None);
    }
    if spot.place.is_for_container() {
        let refusal = Refusal::Container;
        return (refused(&refusal, refusal.hint().to_owned()), None);
    }
    if let Err(fault) = original.is_changeable() {
        return (refused(&fault, fault.hint()), None);
    }
    if step == Step::Apply {
        match original.replace(plan.text.as_bytes(), COMMAND) {
            Ok(copy) => found.changed(copy),
            Err(fault) => return (refused(&fault, fault.hint()), None),
        }
        return (Some(found), None);
    }
    let diff = shown(spot, text, &plan);
    (Some(found), Some(diff))
}

/// The change of one file as a diff. Control characters in it would act on the terminal.
fn shown(spot: &Spot, text: &str, plan: &Plan) -> String {
    let name = clean_to(&spot.path.display().to_string(), 4000);
    let diff = diff::unified(&name, text, &plan.text, &plan.edits, spot.place.format);
    let kept = |c: char| !c.is_control() || c == '\n' || c == '\t';
    diff.replace("\r\n", "\n").replace(|c| !kept(c), "\u{fffd}")
}

/// Whether the bytes have mcp-remote's name in them. Most files do not, and are none of ours.
fn has_name(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"mcp-remote").is_some()
        // UTF-16 has a zero beside each of the letters.
        || memchr::memmem::find(bytes, b"m\0c\0p\0-\0r\0e\0m\0o\0t\0e\0").is_some()
}

/// Puts back what was changed of one file. `None` if nothing was.
fn put_back(spot: &Spot) -> Option<FileReport> {
    match file::undo(&spot.path, COMMAND) {
        Ok(None) => None,
        Ok(Some(_)) => Some(FileReport::of(&spot.path, spot.host.name, State::Restored)),
        Err(fault) => {
            let (reason, hint) = (fault.to_string(), fault.hint());
            Some(FileReport::refused(
                &spot.path,
                spot.host.name,
                reason,
                hint,
            ))
        }
    }
}

impl FileReport {
    /// Says on stderr what becomes of the file.
    fn tell(&self, title: &str, diag: &Diag) {
        let path = clean_to(&self.path, 2000);
        if let Some(problem) = &self.problem {
            diag.error(
                format_args!("{title}: `{path}` stays as it is: {problem}"),
                self.hint.as_deref(),
            );
        }
        if self.state == State::Restored {
            diag.note(format_args!("{title}: `{path}` is as it was before"));
        }
        for entry in &self.entries {
            let name = clean(&entry.name);
            match (entry.state, &entry.problem) {
                (report::EntryState::WouldChange | report::EntryState::Changed, _) => {}
                (report::EntryState::Mentioned, _) => diag.note(format_args!(
                    "{title}: `{name}` in `{path}` stays: it starts another program, which is told of mcp-remote"
                )),
                (report::EntryState::Left, problem) => diag.warn(format_args!(
                    "{title}: `{name}` in `{path}` stays: {}",
                    problem.as_deref().unwrap_or_default()
                )),
            }
            for remark in &entry.remarks {
                diag.warn(format_args!("{title}: `{name}`: {remark}"));
            }
        }
        let changed: Vec<String> = self
            .names_of_changed()
            .map(|name| format!("`{}`", clean(name)))
            .collect();
        match &self.copy {
            Some(copy) => diag.note(format_args!(
                "{title}: `{path}`: changed {}; what was there is in `{}`",
                changed.join(", "),
                clean_to(copy, 2000)
            )),
            None if !changed.is_empty() => diag.note(format_args!(
                "{title}: `{path}`: {} would start mcp-drawbridge",
                changed.join(", ")
            )),
            None => {}
        }
    }
}
