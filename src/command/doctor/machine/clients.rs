//! The AI clients on this machine: which bridges they start, and what is left of mcp-remote.

use std::borrow::Cow;
use std::path::Path;

use super::counted;
use crate::command::configured;
use crate::command::doctor::report::{Name, Status, Step};
use crate::command::hosts::file::Original;
use crate::command::hosts::{self, Spot};
use crate::command::import::{self, State};
use crate::compat::hosts::HOSTS;
use crate::compat::launches::launches;
use crate::compat::rewrite::{self, Outcome};
use crate::config::{Home, Machine, judge};
use crate::diag::{Diag, clean_to};
use crate::error::Error;

/// What was found, in order.
#[derive(Debug, Default)]
pub struct Found {
    files: Vec<FileFound>,
    /// Servers whose sign-in of mcp-remote can be taken over, each with its file.
    importable: Vec<(String, String)>,
    /// The same, where that is left to the first use.
    at_first_use: Vec<(String, String)>,
}

/// A file of an AI client.
#[derive(Debug)]
struct FileFound {
    /// The client's name on the command line.
    host: &'static str,
    path: String,
    /// Why it cannot be read.
    problem: Option<String>,
    /// The entries that start mcp-remote, and whether `migrate` would change them.
    of_mcp_remote: Vec<(String, bool)>,
    /// The entries that start something else, which is told of mcp-remote.
    mentioned: Vec<String>,
    /// The entries that start this program.
    ours: usize,
}

/// Looks at the files, and for sign-ins that could be taken over. Nothing is changed, and nobody asked.
pub fn look(job: &Machine, diag: &Diag) -> Result<Found, Error> {
    let all: Vec<_> = HOSTS.iter().collect();
    let files = hosts::of_machine(&all, &job.home);
    let mut found = Found {
        files: files.iter().filter_map(file).collect(),
        ..Found::default()
    };
    // What cannot be read is told of the files.
    let candidates = configured::all(&job.entries, &all, &job.home, |_| {});
    for candidate in candidates {
        let Some(row) = import::shown(candidate, diag)? else {
            continue;
        };
        let found = match row.state {
            State::WouldTake => &mut found.importable,
            State::AtFirstUse => &mut found.at_first_use,
            _ => continue,
        };
        if let (Some(server), Some(source)) = (row.server, row.source)
            && !found.iter().any(|(known, _)| *known == server)
        {
            found.push((server, source));
        }
    }
    let importable = &found.importable;
    let is_left = |(server, _): &(String, String)| importable.iter().all(|(of, _)| of != server);
    found.at_first_use.retain(is_left);
    Ok(found)
}

/// What AI clients start mcp-remote with for one server: the client's name, and the entry's.
pub fn still_starting(home: &Home, is_it: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let all: Vec<_> = HOSTS.iter().collect();
    let mut found = Vec::new();
    for spot in hosts::of_machine(&all, home) {
        let Some(file) = file(&spot).filter(|file| !file.of_mcp_remote.is_empty()) else {
            continue;
        };
        for (name, address) in addresses(&spot) {
            let starts = file.of_mcp_remote.iter().any(|(of, _)| *of == name);
            if starts && is_it(&address) {
                found.push((spot.host.name, name));
            }
        }
    }
    found
}

/// The entries of a file that start a bridge, each with the address that it is given.
fn addresses(spot: &Spot) -> Vec<(String, String)> {
    let Ok(Some(original)) = Original::read(&spot.path) else {
        return Vec::new();
    };
    let Ok(text) = original.text() else {
        return Vec::new();
    };
    let launched = launches(text, spot.place.format, spot.place.servers).unwrap_or_default();
    let address = |args: &[String]| args.iter().find(|arg| arg.contains("://")).cloned();
    let pairs = launched.into_iter();
    pairs
        .filter_map(|entry| Some((clean_to(&entry.name, 200), address(&entry.args)?)))
        .collect()
}

/// What a file has; `None` if it is not there, or has nothing to do with bridges.
fn file(spot: &Spot) -> Option<FileFound> {
    let mut found = FileFound {
        host: spot.host.name,
        path: clean_to(&spot.path.display().to_string(), 400),
        problem: None,
        of_mcp_remote: Vec::new(),
        mentioned: Vec::new(),
        ours: 0,
    };
    let troubled = |why: &dyn std::fmt::Display| {
        let problem = Some(clean_to(&why.to_string(), 400));
        let path = found.path.clone();
        Some(FileFound {
            problem,
            path,
            of_mcp_remote: Vec::new(),
            mentioned: Vec::new(),
            ..found
        })
    };
    let original = match Original::read(&spot.path) {
        Ok(original) => original?,
        Err(fault) => return troubled(&fault),
    };
    let text = match original.text() {
        Ok(text) => text,
        Err(fault) => return troubled(&fault),
    };
    let (format, servers) = (spot.place.format, spot.place.servers);
    let plan = rewrite::plan(text, format, servers, "mcp-drawbridge", &judge);
    let all = launches(text, format, servers);
    let (plan, all) = match (plan, all) {
        (Ok(plan), Ok(all)) => (plan, all),
        (Err(refusal), _) | (_, Err(refusal)) => return troubled(&refusal),
    };
    let (named, starts): (Vec<_>, Vec<_>) = plan
        .entries
        .iter()
        .partition(|entry| entry.outcome == Outcome::Mentioned);
    found.mentioned = named
        .into_iter()
        .map(|entry| clean_to(&entry.name, 200))
        .collect();
    found.of_mcp_remote = starts
        .into_iter()
        .map(|entry| {
            (
                clean_to(&entry.name, 200),
                entry.outcome == Outcome::Changed,
            )
        })
        .collect();
    let is_ours = |name: &str| {
        let name = clean_to(name, 200);
        !found.of_mcp_remote.iter().any(|(of, _)| *of == name)
    };
    found.ours = all.iter().filter(|entry| is_ours(&entry.name)).count();
    let has_some = found.ours > 0 || !found.of_mcp_remote.is_empty() || !found.mentioned.is_empty();
    has_some.then_some(found)
}

impl Found {
    /// The step about the files.
    pub fn files(&self) -> Step {
        let name = Name::AiClients;
        let ours: usize = self.files.iter().map(|file| file.ours).sum();
        let mut step = match ours {
            0 => Step::ok(name, "no AI client starts mcp-drawbridge yet"),
            1 => Step::ok(name, "1 entry of an AI client starts mcp-drawbridge"),
            ours => Step::ok(
                name,
                format!("{ours} entries of AI clients start mcp-drawbridge"),
            ),
        };
        for file in &self.files {
            let path = &file.path;
            let said = match &file.problem {
                // Nothing of it is a bridge.
                None if file.ours == 0 && file.of_mcp_remote.is_empty() => continue,
                Some(problem) => {
                    step.status = Status::Warn;
                    format!("`{path}` cannot be read: {problem}")
                }
                None => format!(
                    "`{path}`: mcp-drawbridge in {}, mcp-remote in {}",
                    file.ours,
                    file.of_mcp_remote.len()
                ),
            };
            step = step.found(file.host, said);
        }
        step
    }

    /// The step about mcp-remote.
    pub fn left_of_mcp_remote(&self) -> Step {
        let name = Name::McpRemote;
        let starting = self
            .files
            .iter()
            .filter(|file| !file.of_mcp_remote.is_empty());
        let entries: usize = starting.clone().map(|file| file.of_mcp_remote.len()).sum();
        let what = match (entries, self.importable.len()) {
            (0, 0) => return self.no_entry(name),
            (0, count) => format!(
                "{} of mcp-remote can be taken over",
                counted(count, "sign-in")
            ),
            (entries, 0) => format!("AI clients still start mcp-remote in {}", places(entries)),
            (entries, count) => format!(
                "AI clients still start mcp-remote in {}, and {} of it can be taken over",
                places(entries),
                counted(count, "sign-in")
            ),
        };
        let mut step = Step::warn(name, what);
        let mut commands: Vec<String> = Vec::new();
        for file in starting {
            for (entry, would_change) in &file.of_mcp_remote {
                let stays = match would_change {
                    true => "",
                    false => "; `migrate` leaves it and says why",
                };
                step = step.found(file.host, format!("`{entry}` in `{}`{stays}", file.path));
            }
            let command = format!("`mcp-drawbridge migrate --host {} --apply`", file.host);
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
        step = self.with_named(step);
        step = self.with_sign_ins(step);
        if !self.importable.is_empty() {
            commands.push("`mcp-drawbridge import --apply`".to_owned());
        }
        step.hint(Some(format!("run {}", commands.join(", then "))))
    }

    /// The step where no entry starts mcp-remote by a command that is known, and no sign-in can be
    /// taken over now.
    fn no_entry(&self, name: Name) -> Step {
        let named: usize = self.files.iter().map(|file| file.mentioned.len()).sum();
        let named = match named {
            0 => None,
            1 => Some("no AI client starts mcp-remote itself; 1 entry names it".to_owned()),
            count => Some(format!(
                "no AI client starts mcp-remote itself; {count} entries name it"
            )),
        };
        let left = match self.at_first_use.len() {
            0 => None,
            count => Some(format!(
                "{} of mcp-remote is left to the first use",
                counted(count, "sign-in")
            )),
        };
        let said: Vec<String> = [named, left].into_iter().flatten().collect();
        let summary = match said.is_empty() {
            true => "nothing of mcp-remote is in use here".to_owned(),
            false => said.join("; "),
        };
        self.with_sign_ins(self.with_named(Step::ok(name, summary)))
    }

    /// The step with the entries that start something else, which is told of mcp-remote: what comes of
    /// that cannot be known.
    fn with_named(&self, mut step: Step) -> Step {
        for file in &self.files {
            for entry in &file.mentioned {
                let said = format!(
                    "`{entry}` in `{}` starts another program, which is told of mcp-remote",
                    file.path
                );
                step = step.found(file.host, said);
            }
        }
        step
    }

    /// The step with the sign-ins that can be taken over.
    fn with_sign_ins(&self, mut step: Step) -> Step {
        for (server, source) in &self.importable {
            step = step.found("sign-in", format!("`{server}`, in `{}`", file_name(source)));
        }
        for (server, source) in &self.at_first_use {
            let file = file_name(source);
            step = step.found(
                "sign-in",
                format!("`{server}`, in `{file}`: only files of the current folder want it, so it is taken over when it is first used"),
            );
        }
        step
    }
}

/// The last part of a path.
fn file_name(path: &str) -> Cow<'_, str> {
    let name = Path::new(path).file_name();
    name.unwrap_or_default().to_string_lossy()
}

fn places(entries: usize) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(host: &'static str, ours: usize, of_mcp_remote: &[(&str, bool)]) -> FileFound {
        FileFound {
            host,
            path: format!("/home/me/.{host}.json"),
            problem: None,
            of_mcp_remote: of_mcp_remote
                .iter()
                .map(|(name, would_change)| ((*name).to_owned(), *would_change))
                .collect(),
            mentioned: Vec::new(),
            ours,
        }
    }

    #[test]
    fn where_nothing_is_left_there_is_nothing_to_do() {
        let found = Found {
            files: vec![file("cursor", 2, &[])],
            ..Found::default()
        };
        assert_eq!(found.files().status, Status::Ok);
        assert_eq!(
            found.files().summary,
            "2 entries of AI clients start mcp-drawbridge"
        );
        let step = found.left_of_mcp_remote();
        assert_eq!((step.status, step.hint), (Status::Ok, None));
    }

    #[test]
    fn what_is_left_comes_with_the_commands_to_run() {
        let found = Found {
            files: vec![
                file("cursor", 0, &[("notion", true), ("odd", false)]),
                file("codex", 1, &[("linear", true)]),
                file("cursor", 0, &[("again", true)]),
            ],
            importable: vec![(
                "https://a.example/mcp".to_owned(),
                "/x/h_tokens.json".to_owned(),
            )],
            at_first_use: vec![(
                "https://b.example/mcp".to_owned(),
                "/x/g_tokens.json".to_owned(),
            )],
        };
        let step = found.left_of_mcp_remote();
        assert_eq!(
            step.summary,
            "AI clients still start mcp-remote in 4 entries, and 1 sign-in of it can be taken over"
        );
        assert_eq!(
            step.hint.as_deref(),
            Some(
                "run `mcp-drawbridge migrate --host cursor --apply`, then `mcp-drawbridge migrate --host codex --apply`, then `mcp-drawbridge import --apply`"
            )
        );
        let told = |name: &str| step.found.iter().filter(|(of, _)| *of == name).count();
        assert_eq!((told("cursor"), told("codex"), told("sign-in")), (3, 1, 2));
        assert!(step.found[1].1.contains("leaves it and says why"));
    }

    #[test]
    fn an_entry_that_only_names_mcp_remote_is_not_passed_over() {
        let named = FileFound {
            mentioned: vec!["proxied".to_owned()],
            ..file("cursor", 0, &[])
        };
        let mut found = Found {
            files: vec![named],
            ..Found::default()
        };
        let step = found.left_of_mcp_remote();
        assert_eq!(step.status, Status::Ok);
        assert_eq!(
            step.summary,
            "no AI client starts mcp-remote itself; 1 entry names it"
        );
        assert!(
            step.found[0]
                .1
                .contains("`proxied` in `/home/me/.cursor.json`")
        );
        found.files.push(file("zed", 0, &[("odd", false)]));
        let step = found.left_of_mcp_remote();
        assert_eq!(step.status, Status::Warn);
        assert_eq!(step.found.len(), 2);
    }

    #[test]
    fn what_the_first_use_takes_over_is_told_and_nothing_to_do() {
        let found = Found {
            at_first_use: vec![(
                "https://b.example/mcp".to_owned(),
                "/x/g_tokens.json".to_owned(),
            )],
            ..Found::default()
        };
        let step = found.left_of_mcp_remote();
        assert_eq!((step.status, step.hint), (Status::Ok, None));
        assert_eq!(
            step.summary,
            "1 sign-in of mcp-remote is left to the first use"
        );
        assert_eq!(
            step.found,
            [(
                "sign-in",
                "`https://b.example/mcp`, in `g_tokens.json`: only files of the current folder want it, so it is taken over when it is first used".to_owned()
            )]
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let broken = FileFound {
            problem: Some("it is not JSON".to_owned()),
            ..file("zed", 0, &[])
        };
        let found = Found {
            files: vec![broken],
            ..Found::default()
        };
        let step = found.files();
        assert_eq!(step.status, Status::Warn);
        assert!(step.found[0].1.contains("cannot be read: it is not JSON"));
    }
}
